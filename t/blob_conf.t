# Configurations that are wrong: nginx -t names file, line and mend. And it
# only looks.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw($DEV_KEY);

my $t = BlobTest->new;
my $origin = "origin http://$t->{host}:9/lake;";
my $okey = "origin_key $DEV_KEY;";
my $i = 0;

$t->write_file('empty.key', "\n");
$t->write_file('bad.key', "not a key\n");
$t->write_file('good.key', "$DEV_KEY\n");
$t->write_file('part.conf', "blob_account one { key $DEV_KEY; }\n\n"
    . "blob_account two { key $DEV_KEY; wriet back; }\n");

# nginx -t: exit code, output and the line that is marked with #here.
sub tried {
    my ($edit, %o) = @_;
    my $n = $t->nginx('n' . ++$i, %o);
    my $conf = $n->conf;
    if ($edit) { local $_ = $conf; $edit->(); $conf = $_ }
    $n->{conf} = $conf;
    my ($line) = grep { (split /\n/, $conf)[$_ - 1] =~ /#here/ }
        1 .. ($conf =~ tr/\n//);
    my ($rc, $out) = $n->test_conf;
    ok !-e $n->{store}, 'no folder was made';
    return ($rc, $out, $line, $n);
}

# What stands in the configuration is refused, in the marked line, and the
# message matches all of these.
sub refused {
    my ($what, $opts, @like) = @_;
    my $edit = ref $opts eq 'CODE' ? $opts : undef;
    my ($rc, $out, $line) = tried($edit, $edit ? () : %$opts);
    my ($emerg) = $out =~ /^(.*\[emerg\].*)$/m;
    $emerg //= "no emerg: $out";

    subtest $what => sub {
        is $rc, 1, 'exit status';
        like $emerg, $_, 'message' for @like;
        like $emerg, qr/nginx\.conf:$line\b/, 'file and line' if $line;
        is scalar(() = $out =~ /\[emerg\]/g), 1, 'said once' or diag $out;
    };
}

sub account { { http => "blob_account other {\n$_[0] }\n" } }
sub policy { account("key $DEV_KEY;\n$_[0]\n") }

my ($rc, $out) = tried();
is $rc, 0, 'a right one' or diag $out;
($rc, $out) = tried(undef, http => "blob_account file {\nkey file:$t->{dir}/"
    . "good.key;\n$origin\norigin_key file:$t->{dir}/good.key; }\n");
is $rc, 0, 'keys in files' or diag $out;

($rc, $out) = tried(undef, http => "blob_account copies {\nkey $DEV_KEY;\n"
    . "blob_copy_source *.blob.core.windows.net http://127.0.0.1:81;\n"
    . "blob_copy_source https://[::1] 127.0.0.0/8 ::1;\n}\n");
is $rc, 0, 'copy sources' or diag $out;

# ---- accounts ----

refused 'unknown account', { http => "server {\nlisten 127.0.0.1:1; location "
    . "/ {\nblob_pass nobody; #here\n} }\n" },
    qr/"nobody"/, qr/add "blob_account nobody/;
refused 'duplicate account', { http =>
    "blob_account devstoreaccount1 { #here\nkey $DEV_KEY; }\n" },
    qr/duplicate blob_account "devstoreaccount1"/, qr/first is in \S+nginx\.conf:20:/,
    qr/keep one block/;
refused 'account without a key', account("} #here\nblob_account o2 {\n"),
    qr/"other" has no key/, qr/add "key file:PATH;"/;
refused 'copy source that is none', policy('blob_copy_source ok.example '
    . 'https://data.example/c; #here'),
    qr/"https:\/\/data\.example\/c"/, qr/a path cannot be said/;
refused 'copy source with too long a prefix',
    policy('blob_copy_source 10.0.0.0/33; #here'), qr/length of a prefix/;
refused 'copy source none and more',
    policy("blob_copy_source x.example;\nblob_copy_source none; #here"),
    qr/none and something else/;
refused 'key that is not base64', account("key abc*; #here\n"),
    qr/account key is not base64/, qr/copy it whole/;
refused 'key cut short', account('key ' . substr($DEV_KEY, 0, 87)
    . "; #here\n"), qr/not base64/, qr/"=" at its end/;
refused 'key too long', account('key ' . 'A' x 88 . "; #here\n"),
    qr/up to 64 bytes/;
refused 'key file missing', account("key file:$t->{dir}/none.key; #here\n"),
    qr/none\.key/, qr/No such file/, qr/readable by/;
refused 'key file is a folder', account("key file:$t->{dir}; #here\n"),
    qr/directory/i, qr/readable by/;
refused 'key file empty', account("key file:$t->{dir}/empty.key; #here\n"),
    qr/not base64/;
refused 'key file bad', account("key file:$t->{dir}/bad.key; #here\n"),
    qr/not base64/, qr/copy it whole/;
refused 'key file without a name', account("key file:; #here\n"),
    qr/needs a path after "file:"/;
refused 'three keys', policy("key $DEV_KEY;\nkey $DEV_KEY; #here"),
    qr/third time/, qr/one key, or two/;
refused 'key without a value', account("key; #here\n"),
    qr/invalid number of arguments in "key"/;

# ---- origins ----

refused 'origin without credentials', policy("$origin\n} #here\n"
    . "blob_account o2 {\nkey $DEV_KEY;"),
    qr/"other" has an origin but no credentials/, qr/add "origin_key file:/;
refused 'origin that is no URL', policy('origin lake.example; #here'),
    qr/"origin" directive must be none or a URL/, qr{https://};
refused 'origin with a path', policy(
    "origin http://$t->{host}:9/a/b; $okey\n} #here\nblob_account o2 {\n"
    . "key $DEV_KEY;"), qr/nothing after the account/;
refused 'origin without a host', policy("origin http://; $okey\n} #here\n"
    . "blob_account o2 {\nkey $DEV_KEY;"), qr/write https:/;
refused 'origin twice', policy("$origin\n$origin #here"),
    qr/"origin" directive is duplicate/;
refused 'origin_key bad', policy("$origin\norigin_key x; #here"),
    qr/not base64/;
refused 'origin_sas in no file', policy(
    "$origin\norigin_sas file:$t->{dir}/none.sas; #here"),
    qr/none\.sas/, qr/No such file/, qr/readable by/;
refused 'argument of origin', policy('origin http://x up=y; #here'),
    qr/takes upstream=NAME after the URL/;

# ---- policy ----

refused 'write', policy('write sideways; #here'),
    qr/must be back, through or off/;
refused 'fresh', policy('fresh soon; #here'), qr/must be a time such as 10s/;
refused 'conflict', policy('conflict none; #here'),
    qr/must be keep-both, edge-wins, origin-wins or hold/;
refused 'order', policy('order x; #here'), qr/must be container or none/;
refused 'unknown directive', policy('wirte back; #here'),
    qr/unknown directive "wirte"/;
refused 'in a container', policy("blob_container ccc {\nwrite x; #here\n}"),
    qr/must be back, through or off/;
refused 'account directive in a container',
    policy("blob_container ccc {\nkey $DEV_KEY; #here\n}"),
    qr/"key" directive is not allowed here/;
refused 'block in a block', policy(
    "blob_container ccc {\nblob_prefix ccc/a { #here\nwrite off; } }"),
    qr/"blob_prefix" directive is not allowed here/;
refused 'container with a slash', policy("blob_container c/d { #here\n}"),
    qr{write blob_prefix CONTAINER/PREFIX};
refused 'prefix without one', policy("blob_prefix ccc { #here\n}"),
    qr{needs CONTAINER/PREFIX};
refused 'block that does not end', { http => "blob_account other {\n" },
    qr/"server" directive is not allowed here|unexpected/;
refused 'semicolon for a block', { http => "blob_account other; #here\n" },
    qr/directive "blob_account" has no opening "\{"/;
refused 'key outside of an account', { http => "key $DEV_KEY; #here\n" },
    qr/"key" directive is not allowed here/;
refused 'account in a server', { server => "blob_account x { #here\n}\n" },
    qr/"blob_account" directive is not allowed here/;

my ($irc, $iout) = tried(undef, http => "include $t->{dir}/part.conf;\n");
is $irc, 1, 'in an included file';
like $iout, qr/unknown directive "wriet" in \S*part\.conf:3/, 'its line';

# ---- store ----

sub store { my $v = shift; sub { s/blob_store (\S+) .*?;/blob_store $1 $v;/ } }

refused "size $_", store("size=$_; #here\n#"), qr/invalid size/,
    qr/such as size=500g/ for 'many', '', '-1', '0', '1x', '9999999999999t';
refused 'dirty', store("dirty=1gg; #here\n#"), qr/invalid size/;
refused 'keep_clean', store("keep_clean=x; #here\n#"),
    qr/invalid keep_clean/, qr/such as 30m/;
refused 'unknown parameter', store("szie=1g; #here\n#"),
    qr/"szie=1g"/, qr/size=, dirty= and keep_clean=/;
refused 'two stores', { http => "blob_store other; #here\n" },
    qr/"blob_store" directive is duplicate/;
refused 'no store', sub { s/blob_store .*?;//; s/(blob_account [^\n]*)/$1#here/ },
    qr/add "blob_store PATH;" to the http block/;
refused 'no store, any account', sub {
    s/blob_store .*?;//; s/blob_account.*?\n    \}\n//s;
    s/blob_pass \S+;/\nblob_pass *; #here\n/ },
    qr/add "blob_store PATH;" to the http block/;

# ---- servers ----

my @lake = (origin => "http://$t->{host}:9/lake");
($rc, $out) = tried(undef, @lake);
is $rc, 0, 'an origin' or diag $out;

sub way_refused {
    my ($what, $edit, @like) = @_;
    my ($rc1, $out1, $line) = tried($edit, @lake);
    subtest $what => sub {
        is $rc1, 1, 'exit status';
        like $out1, qr/\[emerg\]/, 'emerg';
        like $out1, $_, 'message' for @like;
        like $out1, qr/nginx\.conf:$line\b/, 'file and line';
    };
}

way_refused 'no include', sub { s/^ *include .*\n//m; s/server \{/$& #here/ },
    qr/no location \@blob_slice/, qr/add "include \S*blob_origin\.conf;"/;
my $ways = $t->read_file("$BlobTest::TOP/conf/blob_origin.conf");
for my $way (qw(slice ask forward tier)) {
    (my $others = $ways) =~ s/\@blob_$way\b/\@elsewhere/;
    my $file = $t->write_file("no_$way.conf", $others);
    way_refused "no way to $way", sub { s/include .*;/include $file;/;
        s/server \{/$& #here/ }, qr/no location \@blob_$way/;
}
for (['proxy_cache_lock on', qr/needs "proxy_cache_lock on;"/],
    ['proxy_cache blob_slices', qr/needs "proxy_cache blob_slices;"/],
    ['proxy_buffering off', qr/needs "proxy_buffering off;"/]) {
    my ($lack, $like) = @$_;
    (my $less = $ways) =~ s/^ *$lack;//m or die $lack;
    my $file = $t->write_file('less.conf', $less);
    way_refused "no $lack", sub { s/include .*;/include $file;/;
        s/server \{/$& #here/ }, $like;
}

refused 'HTTP/2', sub { s/server \{/$& #here/; s/(listen \S+);/$1 http2;/ },
    qr/does not serve HTTP\/2/, qr/take "http2" out of "listen/;
refused 'style', sub { s/blob_pass (\S+);/\nblob_pass $1 style=x; #here\n/ },
    qr/style=auto, style=path, style=host or style=fixed/;
refused 'fixed for any account',
    sub { s/blob_pass \S+;/\nblob_pass * style=fixed; #here\n/ },
    qr/needs the account's name/;
refused 'blob_pass twice', { location => "\nblob_pass *; #here\n" },
    qr/"blob_pass" directive is duplicate/;
refused 'blob_pass in a server', { server => "blob_pass *; #here\n" },
    qr/"blob_pass" directive is not allowed here/;

# ---- nginx -t beside a server at work ----

my $n = $t->nginx('live')->start;
$n->blob('PUT', '/abc?restype=container');
my $policy = $t->read_file("$n->{store}/policy");
# all but what workers share in memory and write as they come up
my $find = "find $n->{store} ! -name lock.mdb ! -name shared"
    . " -printf '%p %T@ %s %m %u\n'";
my @files = sort split /\n/, qx($find);
like $policy, qr/devstoreaccount1/, 'a policy is published';
$n->{conf} = $n->conf;
$n->{conf} =~ s/blob_account /blob_account another { key $DEV_KEY; }\n$&/;
($rc, $out) = $n->test_conf;
is $rc, 0, 'another one is right';
is_deeply [sort split /\n/, qx($find)], \@files, 'the store is as it was';
is $t->read_file("$n->{store}/policy"), $policy, 'so is the policy';
ok $n->reload, 'reload';
like $t->read_file("$n->{store}/policy"), qr/another/, 'publishes the new one';
is sprintf('%o', (stat "$n->{store}/policy")[2] & 07777), 600,
    'for nobody else';

# a wrong one is refused at reload, and the old one goes on
$n->{conf} =~ s/blob_account another/blob_account devstoreaccount1/;
$n->{t}->write_file("$n->{dir}/nginx.conf", $n->{conf});
$t->allow(qr/duplicate blob_account/);
$n->signal('HUP');
ok $t->wait_for(10, sub { $n->error_log =~ /duplicate blob_account/ }),
    'a wrong one is refused at reload';
is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'served on';
like $t->read_file("$n->{store}/policy"), qr/another/, 'by the old policy';

$t->done;

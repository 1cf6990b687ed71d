# The daemon and its verbs.

use strict;
use warnings;

use IO::Select;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;
use BlobTest::Http qw($DEV_ACCOUNT $DEV_KEY http_date);

my $t = BlobTest->new;
my $deny = "$t->{dir}/deny"; # a regular expression: what gets 403
my $down = "$t->{dir}/down"; # 503 for everything but looks

# An origin that has nothing and takes everything, unless one of these says no.
my $lake = $t->origin(sub {
    my ($m) = @_;
    my $no = $t->read_file($deny);
    return [404, { 'x-ms-error-code' => $m->{target} =~ /restype=container/
        ? 'ContainerNotFound' : 'BlobNotFound' }, '']
        if $m->{method} =~ /^(?:HEAD|GET)$/;
    return [503, { 'x-ms-error-code' => 'ServerBusy' }, ''] if -e $down;
    return [403, { 'x-ms-error-code' => 'AuthorizationFailure' }, '']
        if length $no && $m->{target} =~ /$no/;
    return [$m->{method} eq 'DELETE' ? 202 : 201, { ETag => "\"0x$m->{n}\"",
        'Last-Modified' => http_date() }, ''];
});
my $n = $t->nginx('edge', origin => $lake)->start;
my $tier = $t->tier($n);

sub say_no { $t->write_file($deny, $_[0]) }
sub say_yes { unlink $deny, $down }

# blob-tier WORD...: exit status, standard output and standard error.
sub tier {
    my @cmd = ($tier->{bin}, @_);
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    open my $p, '-|', 'sh', '-c', 'e=$1; shift; exec timeout 60 "$@" 2>"$e"',
        'sh', "$t->{dir}/stderr", @cmd or die;
    local $/;
    my $out = <$p> // '';
    CORE::close $p;
    return ($? >> 8, $out, $t->read_file("$t->{dir}/stderr"));
}

my $s = $n->{store};
sub json { JSON::PP->new->utf8->decode((tier(@_, '--json'))[1]) }
sub queue { @{json('queue', $s)} }
sub status { json('status', $s) }
sub put { $n->blob('PUT', $_[0], {}, $_[1] // 'x')->{status} }
sub puts_of { my $path = shift;
    scalar grep { $_->{method} eq 'PUT' && $_->{target} =~ /\Q$path\E$/ }
        $lake->requests }

# ---- usage ----

for (['no verb'], ['unknown verb', 'frobnicate', $s], ['no store', 'status'],
    ['unknown option', 'status', $s, '--jsno'],
    ['retry without a number', 'retry', $s],
    ['retry of a word', 'retry', $s, 'some'],
    ['skip of nothing', 'skip', $s, '0'],
    ['drop of a negative number', 'drop', $s, '--', '-1'],
    ['a timeout that is a word', 'flush', $s, '--timeout', 'soon'],
    ['a timeout of nothing', 'flush', $s, '--timeout', '0'],
    ['ls without an account', 'ls', $s],
    ['sas without a key', 'sas', '--account', 'x'],
    ['sas with a bad key', 'sas', '--account', 'x', '--key', '***'],
    ['sas for no hours', 'sas', '--account', 'x', '--key', $DEV_KEY,
        '--hours', 'x']) {
    my ($what, @args) = @$_;
    my ($rc, $out, $err) = tier(@args);
    is $rc, 2, "$what: exit status 2";
    ok $out eq '' && $err =~ /usage|blob-tier/, 'and says why on stderr';
}
my ($rc, $out, $err) = tier('--help');
is $rc, 0, 'help';
like $out, qr/^  $_ /m, "has $_" for qw(serve status queue flush retry skip
    drop ls fsck sas);

for (qw(--version -V)) {
    ($rc, $out) = tier($_);
    is $rc, 0, $_;
    like $out, qr/^blob-tier \d+\.\d+, store format 2$/, 'the versions';
}

# ---- what there is not ----

($rc, $out, $err) = tier('ls', $s, '--account', $n->{account});
is "$rc $out", '0 ', 'ls of an account that has nothing';
($rc, $out, $err) = tier('ls', $s, '--account', 'nobody');
is $rc, 1, 'ls of no account';
like $err, qr/has no account nobody/, 'says so';
($rc, $out, $err) = tier('ls', $s, '--account', $n->{account}, '--container',
    'none');
is $rc, 1, 'ls of no container';
like $err, qr/has no container none of $n->{account}/, 'says so';

# ---- without a daemon ----

is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';
is put('/ccc/one', 'first'), 201, 'blob';
for my $args (['flush', $s, '--wait'], ['retry', $s, 1], ['skip', $s, 1],
    ['drop', $s, 1]) {
    ($rc, $out, $err) = tier(@$args);
    is $rc, 3, "$args->[0] without the daemon";
    like $err, qr/no daemon serves .*blob-tier serve \Q$s\E/, 'says the mend';
}
is status()->{serving}, 0, 'status reads the store';
is_deeply [map { $_->{name} } queue()], ['one'], 'so does queue';

# ---- status, queue, flush ----

$tier->start;
($rc, $out) = tier('flush', $s, '--wait');
is $rc, 0, 'flush --wait';
is_deeply [queue()], [], 'nothing queued';
is puts_of('/ccc/one'), 1, 'the origin has it';
my $st = status();
is $st->{serving}, 1, 'status asks the daemon';
is $st->{queued}, 0, 'queued';
is $st->{carried}, 1, 'carried';
is $st->{carried_bytes}, 5, 'carried bytes';
my ($table) = $t->read_file("$BlobTest::TOP/docs/blob-tier.md")
    =~ /\| figure \|(.*?)\n\n/s;
my @figures = map { split /, /, (split /\s*\|\s*/)[1] }
    grep { !/^\|-|^ *meaning/ } split /\n/, $table;
is_deeply [sort keys %$st], [sort @figures], 'the figures of the manual';
($rc, $out) = tier('status', $s);
like $out, qr/^$_ +\d+$/m, "$_ in the text" for qw(serving queued carried);

$t->write_file($down, '');
is put('/ccc/a%20%22q%22%01%C3%A9', 'later'), 201, 'a write, the origin down';
my $start = time;
($rc, $out, $err) = tier('flush', $s, '--timeout', 2);
is $rc, 4, 'flush --timeout';
like $err, qr/not flushed in time; see blob-tier queue/, 'says where to look';
ok time - $start >= 1.9 && time - $start < 15, 'after that time';
is((tier('flush', $s))[0], 4, 'a second is the default');
is((tier('flush', $s, '--container', 'other', '--account', $n->{account},
    '--wait'))[0], 0, 'another container has nothing to wait for');
is((tier('flush', $s, '--account', 'nobody', '--wait'))[0], 0,
    'nor has another account');
is((tier('flush', $s, '--account', $n->{account}, '--container', 'ccc',
    '--timeout', 1))[0], 4, 'this one has');
my ($e) = queue();
is $e->{name}, "a \"q\"\x01\x{e9}", 'queue: name';
is_deeply [@$e{qw(kind account container bytes)}, $e->{parked} ? 1 : 0],
    ['put', $n->{account}, 'ccc', 5, 0], 'the rest';
ok $e->{attempts} >= 1, 'attempts';
like $e->{error}, qr/503|ServerBusy/, 'error of the last';
like +(tier('queue', $s))[1], qr/^$e->{number} put \S+\/ccc\/a "q".* 5  /,
    'as text';
say_yes();
is((tier('flush', $s, '--wait'))[0], 0, 'it arrives when the origin is back');

# ---- parked ----

sub parked { # the first entry once it is parked
    return $t->wait_for(20, sub { my ($q) = queue();
        $q && $q->{parked} && $q });
}

say_no('/ccc/(?:two|three|four)');
is put('/ccc/two', 'second'), 201, 'a write that the origin forbids';
is put('/ccc/behind'), 201, 'one behind it';
$n->blob('PUT', '/ddd?restype=container');
is put('/ddd/free'), 201, 'one in another container';
my $q = parked();
ok $q, 'it is parked';
is $q->{name}, 'two', 'the right one';
like $q->{error}, qr/403|AuthorizationFailure/, 'with the reason';
is status()->{parked}, 1, 'counted';
is((tier('flush', $s, '--account', $n->{account}, '--container', 'ddd',
    '--timeout', 20))[0], 0, 'the other container goes on');
is puts_of('/ccc/behind'), 0, 'its own waits';
is((tier('flush', $s, '--timeout', 1))[0], 4, 'so does a flush');
is $n->blob('GET', '/ccc/two')->{body}, 'second', 'readable here';

is((tier('retry', $s, $q->{number}))[0], 0, 'retry before the cause is gone');
ok $t->wait_for(10, sub { puts_of('/ccc/two') > 1 }), 'is tried';
ok parked(), 'parked again';
say_yes();
sleep 0.5;
ok parked(), 'nothing by itself';
($rc, $out) = tier('retry', $s, $q->{number});
is $rc, 0, 'retry after';
like $out, qr/done/, 'done';
is((tier('flush', $s, '--timeout', 20))[0], 0, 'all arrive');
is puts_of('/ccc/behind'), 1, 'the one behind too';
($rc, $out, $err) = tier('retry', $s, $q->{number});
is $rc, 1, 'retry of what is done';
like $err, qr/no such commit in the queue/, 'says so';
is status()->{parked}, 0, 'none parked';

# skip
say_no('/ccc/(?:two|three|four)');
put('/ccc/three', 'third');
put('/ccc/behind', 'again');
$q = parked();
my $before = puts_of('/ccc/three');
is((tier('skip', $s, $q->{number}))[0], 0, 'skip');
is((tier('flush', $s, '--timeout', 20))[0], 0, 'the one behind arrives');
is puts_of('/ccc/three'), $before, 'the skipped one is not sent';
is $n->blob('GET', '/ccc/three')->{body}, 'third', 'it stays at the edge';
like +(tier('ls', $s, '--account', $n->{account}, '--container', 'ccc'))[1],
    qr/^owned +5  three$/m, 'as the edge\'s own';
is status()->{dirty_bytes}, 0, 'nothing dirty';

# drop
put('/ccc/four', 'fourth');
$q = parked();
is((tier('drop', $s, $q->{number}))[0], 0, 'drop');
is((tier('flush', $s, '--timeout', 20))[0], 0, 'nothing to wait for');
is $n->blob('GET', '/ccc/four')->{status}, 404,
    'what the origin has counts: nothing';
like $t->read_file($tier->{log}), qr/operator: $_ of commit \d+: ok/,
    "$_ is logged" for qw(retry skip drop);
say_yes();

# ---- ls ----

is +(tier('ls', $s, '--account', $n->{account}))[1], "ccc\nddd\n",
    'ls: containers';
my @at = ('--account', $n->{account}, '--container', 'ccc');
($rc, $out) = tier('ls', $s, @at);
is $rc, 0, 'ls: blobs';
like $out, qr/^clean +6  two$/m, 'state, length, name';
is +(tier('ls', $s, @at, '--prefix', 'tw'))[1] =~ tr/\n//, 1, 'prefix';
$t->write_file($down, '');
put('/ccc/five', 'fifth');
$n->blob('PUT', '/ccc/parts?comp=block&blockid=MDAw', {}, 'b');
$n->blob('DELETE', '/ccc/two');
($rc, $out) = tier('ls', $s, @at);
like $out, qr/^dirty +5  five$/m, 'dirty';
like $out, qr/^deleted +\d+  two$/m, 'deleted';
like $out, qr/^uncommitted +\d+  parts$/m, 'uncommitted';
($rc, $out, $err) = tier('ls', $s, '--account', $n->{account},
    '--container', 'none');
is $rc, 1, 'ls of no container';
like $err, qr/no container none/, 'says so';

# ---- killed, started again ----

my $commits = scalar queue();
ok $commits >= 2, 'something is queued';
$tier->kill('KILL');
is((tier('flush', $s, '--wait'))[0], 3, 'killed: the socket is left, no daemon');
is status()->{serving}, 0, 'status reads the store';
is scalar(queue()), $commits, 'the queue is as it was';
is put('/ccc/six', 'sixth'), 201, 'nginx takes writes on';
say_yes();
$tier->start;
is((tier('flush', $s, '--timeout', 30))[0], 0, 'it goes on');
is puts_of('/ccc/six'), 1, 'with all of it';

# SIGTERM while somebody waits for a flush
$t->write_file($down, '');
put('/ccc/seven');
open my $p, '-|', $tier->{bin}, 'flush', $s, '--wait' or die;
sleep 0.5;
$start = time;
$tier->stop;
is $tier->{status}, 0, 'SIGTERM: exit status 0';
ok time - $start < 10, 'soon';
CORE::close $p;
isnt $? >> 8, 0, 'the flush that waited did not succeed';
say_yes();

# ---- the policy ----

$tier->start;
is((tier('flush', $s, '--timeout', 30))[0], 0, 'flushed');
$n->{http} = "blob_account other { key $DEV_KEY; "
    . 'origin ' . $lake->url . "; origin_account $DEV_ACCOUNT;\n"
    . "origin_key $DEV_KEY; }\n";
ok $n->reload, 'nginx reloads with another account';
ok $t->wait_for(10, sub { $t->read_file($tier->{log}) =~
    /policy loaded: 2 accounts/ }), 'blob-tier has it';
my $other = bless { %$n, account => 'other', client => undef }, ref $n;
$n->{location} = '';
my $conf = $n->conf;
$conf =~ s/blob_pass \S+;/blob_pass *;/;
$n->{conf} = $conf;
ok $n->reload, 'and serves it';
is $other->blob('PUT', '/eee?restype=container')->{status}, 201,
    'a container of it';
is $other->blob('PUT', '/eee/x', {}, 'y')->{status}, 201, 'a blob';
is((tier('flush', $s, '--account', 'other', '--timeout', 30))[0], 0,
    'are carried');
is puts_of("/$DEV_ACCOUNT/eee/x"), 1, 'to its origin';

# ---- fsck ----

put('/ccc/big', 'B' x 300_000);
tier('flush', $s, '--timeout', 30);
$tier->stop;
$n->stop;
($rc, $out, $err) = tier('fsck', $s);
is $rc, 0, 'fsck' or diag $out, $err;
like $out, qr/^index: equals checkpoint \+ journal\nbodies: 0 damaged$/m,
    'of a healthy store';
my ($seg) = grep { $t->read_file($_) =~ /B{1000}/ } glob "$s/segments/*";
ok $seg, 'a segment';
open my $f, '+<:raw', $seg or die;
seek $f, index($t->read_file($seg), 'B' x 1000) + 777, 0;
print $f 'b';
CORE::close $f;
($rc, $out, $err) = tier('fsck', $s);
is $rc, 1, 'a flipped bit';
like $out, qr/^bodies: 1 damaged$/m, 'is found';
like $err, qr/300000 bytes at 4096 of segment [0-9a-f]{16}: corrupt/,
    'and named';
($rc, $out, $err) = tier('fsck', "$t->{dir}/nowhere");
is $rc, 1, 'fsck of no store';
ok !-e "$t->{dir}/nowhere", 'makes none';

# root leaves nothing behind that nginx's workers could not open
SKIP: {
    skip 'needs root', 2 unless $t->{root};
    my $uid = getpwnam $t->{user};
    unlink "$s/run/shared", "$s/run/users";
    is((tier('status', $s))[0], 0, 'status by root');
    is_deeply [grep { (stat $_)[4] != $uid } glob "$s $s/* $s/run/*"], [],
        'leaves no file of root';
}

# ---- sas ----

$n->start;
sub by_sas {
    my ($method, $path, @args) = @_;
    my ($code, $sas) = tier('sas', '--account', $n->{account}, '--key',
        $DEV_KEY, @args);
    chomp $sas;
    my %h = ('x-ms-version' => '2023-11-03');
    $h{'x-ms-blob-type'} = 'BlockBlob' if $method eq 'PUT';
    return $n->connect->request($method, "/$n->{account}$path"
        . ($path =~ /\?/ ? '&' : '?') . $sas, \%h,
        $method eq 'PUT' ? 'sas' : undef)->{status};
}
is by_sas('PUT', '/ccc/sas'), 201, 'account SAS: write';
is by_sas('GET', '/ccc/sas'), 200, 'read';
is by_sas('PUT', '/ccc/sas', '--permissions', 'rl'), 403, 'permissions hold';
is by_sas('GET', '/ccc/sas', '--container', 'ccc'), 200, 'container SAS: read';
is by_sas('PUT', '/ccc/sas', '--container', 'ccc'), 201, 'write';
is by_sas('GET', '/ddd/free', '--container', 'ccc'), 403, 'not elsewhere';
is by_sas('GET', '/ccc/sas', '--container', 'ccc', '--blob', 'sas'), 200,
    'blob SAS: read';
is by_sas('GET', '/ccc/one', '--container', 'ccc', '--blob', 'sas'), 403,
    'not another blob';
is by_sas('PUT', '/ccc/sas', '--container', 'ccc', '--blob', 'sas',
    '--permissions', 'r'), 403, 'its permissions hold';
is by_sas('GET', '/ccc/a%20b', '--container', 'ccc', '--blob', 'a b',
    '--hours', 1), 404, 'a name with a blank';

$t->done;

# Stores that cannot be used, or not written to: a message that says what to
# do, 503 ServerBusy meanwhile, and work again once the cause is gone.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;
use BlobTest::Http qw(http_date);

# Mounts of our own: the script runs itself again where nobody else sees them.
if ($> == 0 && !$ENV{BLOB_TEST_MOUNTS}
    && system('unshare -m mount -t tmpfs none /mnt >/dev/null 2>&1') == 0)
{
    $ENV{BLOB_TEST_MOUNTS} = 1;
    exec 'unshare', '-m', $^X, (map { "-I$_" } grep { !ref } @INC), $0;
}

my $mounts = delete $ENV{BLOB_TEST_MOUNTS};
my $t = BlobTest->new;
my $name = 0;

sub busy {
    my ($r, $what) = @_;
    is $r->{status}, 503, $what;
    is $r->{headers}{'x-ms-error-code'}, 'ServerBusy', 'ServerBusy';
    like $r->{headers}{'retry-after'}, qr/^\d+$/, 'Retry-After';
    like $r->{body}, qr{<Code>ServerBusy</Code>}, 'XML' if length $r->{body};
}

# blob-tier VERB STORE ...: exit status and output, as nginx's user.
sub tier {
    my ($n, @args) = @_;
    my $tier = $t->tier($n);
    my $pid = open(my $p, '-|') // die "fork: $!\n";
    if (!$pid) {
        $tier->drop_root;
        open STDERR, '>&', \*STDOUT;
        exec 'timeout', '20', $tier->{bin}, @args;
    }
    local $/;
    my $out = <$p>;
    CORE::close $p;
    return ($? >> 8, $out);
}

# A server that has served and is stopped.
sub stopped {
    my (%o) = @_;
    my $n = $t->nginx('n' . ++$name, %o)->start;
    is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'it works';
    is $n->blob('PUT', '/ccc/b', {}, 'body')->{status}, 201, 'a blob';
    $n->stop;
    return $n;
}

# A store that nginx and blob-tier refuse with a message like this.
sub refused {
    my ($n, $what, $like) = @_;
    my ($rc, $out) = tier($n, 'serve', $n->{store});
    is $rc, 1, "$what: blob-tier serve, exit status 1";
    like $out, $like, 'says what to do';
    ($rc, $out) = tier($n, 'status', $n->{store});
    is $rc, 1, 'blob-tier status';
    like $out, $like, 'says so too';
    $n->start;
    busy $n->blob('GET', '/ccc/b'), "$what: a read";
    busy $n->blob('PUT', '/ccc/c', {}, 'x'), "$what: a write";
    like $n->error_log, $like, 'error.log says what to do';
    sleep 2.5;
    my @said = $n->error_log =~ /cannot be opened/g;
    ok @said <= 2, 'not every second' or diag scalar @said;
}

sub mended {
    my ($n) = @_;
    ok $t->wait_for(10, sub { $n->blob('GET', '/ccc/b')->{status} == 200 }),
        'mended: it is found without a restart';
    is $n->blob('PUT', '/ccc/c', {}, 'x')->{status}, 201, 'and written to';
    $n->stop;
}

# ---- another format, another host ----

my $n = stopped();
my $format = $t->read_file("$n->{store}/format");
(my $later = $format) =~ s/\d+\n/99\n/;
isnt $later, $format, 'a format of a later release';
$t->write_file("$n->{store}/format", $later);
refused $n, 'another format',
    qr/has format 99, this program knows format \d+\. Use the release that made/;
$t->write_file("$n->{store}/format", $format);
mended $n;

$n = stopped();
$format = $t->read_file("$n->{store}/format");
$t->write_file("$n->{store}/format", "something else\n");
refused $n, 'not a store', qr/not one of a store; name an empty or new folder/;
$t->write_file("$n->{store}/format", $format);
mended $n;

$n = stopped();
unlink "$n->{store}/format";
refused $n, 'no format', qr/removed or not copied\. Put it back/;
$n->stop;

$n = stopped();
$t->write_file("$n->{store}/lock", 'host ' . 'a' x 32 . "\nboot 01234567-"
    . "89ab-cdef-0123-456789abcdef\n");
refused $n, "another host's",
    qr/belongs to host a{32}.*run blob-tier fsck --take-over here/;
my ($rc, $out) = tier($n, 'fsck', $n->{store}, '--take-over');
is $rc, 0, 'fsck --take-over' or diag $out;
mended $n;

# ---- two daemons ----

$n = $t->nginx('two')->start;
my $tier = $t->tier($n)->start;
($rc, $out) = tier($n, 'serve', $n->{store});
is $rc, 1, 'a second daemon: exit status 1';
like $out, qr/another blob-tier serves \Q$n->{store}\E already; stop it first/,
    'says what to do';
is $tier->run('status'), 0, 'the first';
like $tier->{out}, qr/^serving +1$/m, 'serves on';
is $tier->kill('KILL') & 127, 9, 'kill -9';
$tier->start;
ok $tier->alive, 'leaves no lock behind';
$tier->stop;
$n->stop;

# ---- the dirty limit ----

my $down = $t->write_file('down', '');
my $lake = $t->origin(sub {
    my ($m) = @_;
    return [404, { 'x-ms-error-code' => $m->{target} =~ /restype=container/
        ? 'ContainerNotFound' : 'BlobNotFound' }, '']
        if $m->{method} =~ /^(?:HEAD|GET)$/;
    return [503, { 'x-ms-error-code' => 'ServerBusy' }, '']
        if -e $down && $m->{target} !~ /restype=container/;
    return [$m->{method} eq 'DELETE' ? 202 : 201, { ETag => "\"0x$m->{n}\"",
        'Last-Modified' => http_date() }, ''];
});
$n = $t->nginx('dirty', origin => $lake, store_opts => 'size=4g dirty=1m')
    ->start;
$tier = $t->tier($n)->start;
is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';
my $body = 'd' x 300_000;
is $n->blob('PUT', "/ccc/d$_", {}, $body)->{status}, 201, "dirty blob $_"
    for 1 .. 3;
busy $n->blob('PUT', '/ccc/d4', {}, $body), 'one over the limit';
is $n->blob('GET', '/ccc/d4')->{status}, 404, 'nothing of it is there';
busy $n->blob('PUT', '/ccc/d4?comp=block&blockid=MDAw', {}, $body), 'a block';
is $n->blob('PUT', '/ccc/small', {}, 'x' x 1000)->{status}, 201,
    'what fits is taken';
ok $n->blob('GET', '/ccc/d1')->{body} eq $body, 'reads go on';
is $n->blob('DELETE', '/ccc/d1')->{status}, 202, 'deletes go on';
unlink $down;
is $tier->run('flush', '--timeout', 30), 0, 'the origin is back: flushed';
is $n->blob('PUT', '/ccc/d4', {}, $body)->{status}, 201, 'writes work again';
ok $n->blob('GET', '/ccc/d4')->{body} eq $body, 'the blob';
$tier->stop;
$n->stop;

# ---- the size limit ----

$n = $t->nginx('size', store_opts => 'size=8m dirty=8m')->start;
$n->blob('PUT', '/ccc?restype=container');
my ($i, $r) = (0);
do { $r = $n->blob('PUT', '/ccc/s' . ++$i, {}, 's' x 1_000_000) }
    while $r->{status} == 201 && $i < 20;
busy $r, "blob $i is over the size";
ok $i > 2, 'not the first';
is $n->blob('GET', "/ccc/s$i")->{status}, 404, 'nothing of it is there';
is $n->blob('GET', '/ccc/s1')->{status}, 200, 'reads go on';
is $n->blob('DELETE', '/ccc/s1')->{status}, 202, 'deletes go on';
$n->stop;

# ---- mounts ----

sub mounted {
    my ($size) = @_;
    my $dir = $t->path('m' . ++$name) . '/x';
    $dir =~ s{/x$}{};
    mkdir $dir;
    system('mount', '-t', 'tmpfs', '-o', "size=$size,mode=0755", 'none', $dir)
        == 0 or die "mount: $?\n";
    return $dir;
}

SKIP: {
    skip 'needs root and mounts (CAP_SYS_ADMIN)', 1 unless $mounts;

    # read-only
    my $dir = mounted('256m');
    $n = stopped(store => "$dir/store");
    is system('mount', '-o', 'remount,ro', $dir), 0, 'read-only from now on';
    ($rc, $out) = tier($n, 'serve', $n->{store});
    is $rc, 1, 'read-only: blob-tier serve, exit status 1';
    like $out, qr/Read-only file system; a store needs a writable/,
        'says what to do';
    $n->start;
    busy $n->blob('GET', '/ccc/b'), 'nginx: a read';
    like $n->error_log, qr/Read-only file system; a store needs a writable/,
        'error.log says what to do';
    $n->stop;
    $t->allow(qr/mounted read-only\?|cannot write "\S+policy"/);
    @$n{qw(start_timeout policy)} = (5, 'fresh 3s;');
    eval { $n->start }; # it listens for a moment
    ok $t->wait_for(5, sub { !$n->alive }),
        'nginx does not start with another policy';
    like $n->error_log, qr/\[emerg\].*policy.*mounted read-only\?/,
        'and says why';
    ($rc, $out) = $n->test_conf;
    is $rc, 0, 'nginx -t has nothing against it';
    is system('mount', '-o', 'remount,rw', $dir), 0, 'writable again';
    delete $n->{start_timeout};
    $n->start;
    is $n->blob('GET', '/ccc/b')->{body}, 'body', 'all is there';
    $n->stop;
    $n = $t->nginx('ro2', store => "$dir/sub/store", start_timeout => 5);
    $t->allow(qr/cannot create the folder/);
    eval { $n->start };
    ok $t->wait_for(5, sub { !$n->alive }),
        'no folder for the store: nginx does not start';
    like $n->error_log, qr/cannot create the folder "\S+\/sub\/store"; make it/,
        'and says what to do';

    # full
    $dir = mounted('400m');
    $n = $t->nginx('full', store => "$dir/store")->start;
    $tier = $t->tier($n)->start;
    is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';
    my $meg = 'm' x 1_048_576;
    is $n->blob('PUT', "/ccc/$_", {}, $meg)->{status}, 201, "blob $_"
        for qw(keep one two);
    $i = 0;
    do { $r = $n->blob('PUT', '/ccc/f' . ++$i, {}, $meg x 66) }
        while $r->{status} == 201 && $i < 9;
    busy $r, "the disk is full at blob $i";
    is $n->blob('GET', "/ccc/f$i")->{status}, 404, 'nothing of it is there';
    ok $n->blob('GET', '/ccc/keep')->{body} eq $meg, 'reads go on';
    is $n->blob('DELETE', '/ccc/one')->{status}, 202, 'deletes go on';

    # to the last byte, by somebody else
    my $fill = sub { system("head -c 500m /dev/zero >$dir/fill 2>/dev/null") };
    $fill->();
    select undef, undef, undef, 1.2; # free space is looked at twice a second
    busy $n->blob('PUT', '/ccc/over', {}, 'o' x $_), "nothing left: $_ bytes"
        for 10, 10_000, 500_000, 70_000_000;
    busy $n->blob('PUT', '/ccc/over?comp=block&blockid=MDAw', {}, 'b'),
        'a block';
    for my $path ('/ccc/over', '/ccc/two') {
        my $d = $n->blob('DELETE', $path)->{status};
        ok $d == 503 || $d == 202 || $d == 404, "delete $path: $d";
    }
    ok $n->blob('GET', '/ccc/keep')->{body} eq $meg, 'reads go on';
    is $n->blob('GET', '/ccc/over')->{status}, 404, 'nothing half-written';
    $r = $n->blob('GET', '/ccc?restype=container&comp=list');
    is $r->{status}, 200, 'listings go on';
    unlike $r->{body}, qr/over/, 'without it';
    ok $n->reload, 'workers that start on a full disk';
    $t->allow(qr/cannot write "\S+policy/);
    $n->{policy} = 'fresh 77s;';
    ok $n->reload, 'and with a policy that cannot be written';
    like $n->error_log, qr/goes on with the policy it has; reload again/,
        'which is said';
    ok $n->blob('GET', '/ccc/keep')->{body} eq $meg, 'read';
    is $tier->run('status'), 0, 'blob-tier';
    like $tier->{out}, qr/^failed +0$/m, 'nothing failed for good';

    unlink "$dir/fill";
    ok $n->reload, 'reload';
    like $t->read_file("$n->{store}/policy"), qr/77000/, 'now it is written';
    is $n->blob('DELETE', "/ccc/f$_")->{status} =~ /^(?:202|404)$/ ? 1 : 0, 1,
        "f$_ deleted" for 1 .. $i;
    ok $t->wait_for(60, sub {
        $n->blob('PUT', '/ccc/after', {}, $meg)->{status} == 201 }),
        'room again: writes work';
    ok $n->blob('GET', '/ccc/after')->{body} eq $meg, 'the blob';
    is $n->blob('PUT', '/ccc/over', {}, 'small')->{status}, 201, 'a small one';
    $tier->stop;
    $n->stop;
    ($rc, $out) = tier($n, 'fsck', $n->{store});
    is $rc, 0, 'fsck' or diag $out;
    $n->start;
    ok $n->blob('GET', '/ccc/keep')->{body} eq $meg, 'after a restart';
    $n->stop;

    # nothing left when it starts
    $fill->();
    $n->start;
    ok $t->wait_for(10, sub { $n->blob('GET', '/ccc/keep')->{body} eq $meg }),
        'started on a full disk';
    busy $n->blob('PUT', '/ccc/over', {}, 'x'), 'a write';
    $n->stop;
}

END { local $?; system "umount $t->{dir}/m* >/dev/null 2>&1" if $t && $mounts }
$t->stop;
system "umount $t->{dir}/m* >/dev/null 2>&1" if $mounts;
$t->done;

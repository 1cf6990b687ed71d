# Reads of blobs that only the origin has: facts, slices, ranges, conditions,
# and an origin that changes or lies.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use Test::More;
use BlobTest;
use BlobTest::Http qw(http_date);

use constant MIB => 1024 * 1024;

my $t = BlobTest->new;

# ---- a scripted origin --------------------------------------------------

my $state = $t->path('state');
my $born = time - 1000;

sub set { $t->write_file($state, join ' ', %{$_[0]}) }
set({ gen => 1 });

my %memo;

sub content {
    my ($name, $gen) = @_;
    %memo = () if keys %memo > 4 && !$memo{"$name.$gen"};
    return $memo{"$name.$gen"} //= make($name, $gen);
}

sub make {
    my ($name, $gen) = @_;
    my ($size) = $name =~ /(\d+)$/;
    my $unit = join '', map { sprintf "%s.%d.%06d;", $name, $gen, $_ }
        0 .. 999;
    return substr $unit x (1 + $size / length $unit), 0, $size;
}

sub answer {
    my ($m) = @_;
    my %s = split ' ', $t->read_file($state);
    my ($path, $query) = split /\?/, $m->{target}, 2;
    my $h = $m->{headers};
    my %xms = ('x-ms-request-id' => 'origin-id', 'x-ms-version' => '2020-02-10',
        Server => 'lake');

    return [403, { %xms, 'x-ms-error-code' => 'AuthenticationFailed' }]
        unless ($h->{authorization} // '') =~ /^SharedKey devstoreaccount1:/;
    return [200, { %xms, ETag => '"0xC"', 'Last-Modified' => http_date($born) }]
        if $path =~ m{^/devstoreaccount1/con$};
    my ($name) = $path =~ m{^/devstoreaccount1/con/(\w+)$};
    return [404, { %xms, 'x-ms-error-code' => 'ContainerNotFound' }]
        unless defined $name;
    return [404, { %xms, 'x-ms-error-code' => 'BlobNotFound' },
        $m->{method} eq 'HEAD' ? '' : '<Error/>'] unless $name =~ /\d$/;

    my $gen = $s{gen};
    my $body = content($name, $gen);
    my $etag = qq("0x$name$gen");
    my %props = (%xms, ETag => $etag, 'Last-Modified' => http_date($born + $gen),
        'Content-Type' => 'text/x-lake', 'x-ms-blob-type' => 'BlockBlob',
        'Accept-Ranges' => 'bytes', 'x-ms-creation-time' => http_date($born),
        'x-ms-meta-Some_Name' => 'some value', 'Cache-Control' => 'no-store',
        'Content-MD5' => ($memo{"md5.$name.$gen"} //= md5_base64($body) . '=='),
        'x-ms-access-tier' => 'Cool');
    select undef, undef, undef, $s{slow} if $s{slow};
    return [200, { %props, 'Content-Length' => length $body }]
        if $m->{method} eq 'HEAD';

    return [412, { %xms, 'x-ms-error-code' => 'ConditionNotMet' }, '<Error/>']
        if ($h->{'if-match'} // $etag) ne $etag;
    my ($from, $to) = ($h->{'x-ms-range'} // '') =~ /^bytes=(\d+)-(\d+)$/;
    return [500, { %xms, 'x-ms-error-code' => 'InternalError' }, '<Error/>']
        if $s{bad} && $from >= $s{bad};
    $etag = '"0xother"' if $s{lie_etag};
    my $part = substr $body, $from, $to - $from + 1;
    $part =~ tr/a-z/A-Z/ if $s{lie_etag};
    return [200, { %props }, $body] if $s{lie_range};
    my %h = (%props, ETag => $etag, 'Content-Range' => sprintf 'bytes %d-%d/%d',
        $from, $from + length($part) - 1, length $body);
    if ($s{cut} && $from >= $s{cut}) {
        return "HTTP/1.1 206 X\r\n" . join('', map { "$_: $h{$_}\r\n" } keys %h)
            . 'Content-Length: ' . length($part) . "\r\n\r\n"
            . substr($part, 0, 100_000);
    }
    return [206, \%h, $part];
}

my $origin = $t->origin(\&answer);
my $n = $t->nginx('edge', origin => $origin,
    policy => 'blob_container con { fresh 1h; }')->start;
my ($r, $big);

sub asked { grep { $_->{method} eq 'HEAD' } $origin->requests }
sub slices {
    my ($name) = @_;
    grep { $_->{method} eq 'GET' && $_->{target} =~ m{/$name$} }
        $origin->requests;
}

# ---- whole blobs --------------------------------------------------------

for my $size (1, 1000, 65536, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 7,
    33 * MIB)
{
    $r = $n->blob('GET', "/con/a$size");
    is $r->{status}, 200, "$size bytes";
    ok $r->{body} eq content("a$size", 1), 'are the origin\'s';
    my $k = int(($size + 4 * MIB - 1) / (4 * MIB));
    is scalar(slices("a$size")), $k, "$k slices were fetched";
    $r = $n->blob('GET', "/con/a$size");
    ok $r->{body} eq content("a$size", 1), 'and come from the cache';
    is scalar(slices("a$size")), $k, 'nothing was fetched again';
}
ok $n->{client}{open}, 'on one connection';

$r = $n->blob('GET', '/con/e0');
is $r->{status}, 200, 'an empty blob';
is $r->{body}, '', 'is empty';

# ---- headers ------------------------------------------------------------

$r = $n->blob('GET', '/con/a1000', { 'x-ms-client-request-id' => 'mine' });
my $h = $r->{headers};
is $h->{etag}, '"0xa10001"', 'the origin\'s ETag';
is $h->{'last-modified'}, http_date($born + 1), 'and time';
is $h->{'content-type'}, 'text/x-lake', 'type';
is $h->{'cache-control'}, 'no-store', 'cache control';
is $h->{'content-md5'}, md5_base64(content('a1000', 1)) . '==', 'MD5';
like $r->{head}, qr/^x-ms-meta-Some_Name: some value\r$/m, 'metadata';
like $h->{'x-ms-request-id'}, qr/^[0-9a-f]{8}-/, 'our request id';
is $h->{'x-ms-client-request-id'}, 'mine', 'the client\'s id';
is $h->{'x-ms-version'}, '2023-11-03', 'the client\'s version';
unlike $r->{head}, qr{origin-id|^server: lake}im, 'nothing else of the origin';
is scalar(grep { $_->[0] =~ /^etag$/i } @{$r->{list}}), 1, 'one ETag';

my $asked = asked;
$r = $n->blob('HEAD', '/con/a33');
is $r->{headers}{'content-length'}, 33, 'HEAD';
$r = $n->blob('HEAD', '/con/a33');
is $r->{headers}{'content-length'}, 33, 'HEAD again';
is asked() - $asked, 1, 'one question';

# ---- ranges -------------------------------------------------------------

my $len = 9 * MIB + 7;
$big = content("r$len", 1);
for ([0, 0], [0, 99], [4 * MIB - 1, 4 * MIB], [4 * MIB, 4 * MIB + 5],
    [5 * MIB, 9 * MIB], [$len - 1, $len - 1], [8 * MIB, $len + 1000],
    [1, $len - 2])
{
    my ($from, $to) = @$_;
    $r = $n->blob('GET', "/con/r$len", { 'x-ms-range' => "bytes=$from-$to" });
    is $r->{status}, 206, "bytes $from-$to";
    my $last = $to >= $len ? $len - 1 : $to;
    is $r->{headers}{'content-range'}, "bytes $from-$last/$len", 'say where';
    ok $r->{body} eq substr($big, $from, $last - $from + 1), 'and are right';
}
is scalar(slices("r$len")), 3, 'each slice was fetched once';
$r = $n->blob('GET', "/con/r$len", { Range => 'bytes=5-' });
ok $r->{status} == 206 && $r->{body} eq substr($big, 5), 'an open range';
$r = $n->blob('GET', "/con/r$len", { Range => "bytes=$len-" });
is $r->{status}, 416, 'past the end';
is $r->{headers}{'x-ms-error-code'}, 'InvalidRange', 'is InvalidRange';

# ---- conditions ---------------------------------------------------------

$r = $n->blob('GET', '/con/a1000', { 'If-None-Match' => '"0xa10001"' });
is $r->{status}, 304, 'not modified';
$r = $n->blob('GET', '/con/a1000', { 'If-Match' => '"0xnot"' });
is $r->{status}, 412, 'another ETag';
is $r->{headers}{'x-ms-error-code'}, 'ConditionNotMet', 'is not met';
$r = $n->blob('GET', '/con/a1000', { 'If-Match' => '"0xa10001"' });
is $r->{status}, 200, 'its ETag';

# ---- what is not there --------------------------------------------------

$r = $n->blob('GET', '/con/none');
is $r->{status}, 404, 'no such blob';
is $r->{headers}{'x-ms-error-code'}, 'BlobNotFound', 'is BlobNotFound';
$r = $n->blob('GET', '/nocon/b1');
is $r->{status}, 404, 'no such container';
is $r->{headers}{'x-ms-error-code'}, 'ContainerNotFound',
    'is ContainerNotFound';

# ---- the origin changes -------------------------------------------------

set({ gen => 2 });
$r = $n->blob('GET', '/con/a1000');
ok $r->{body} eq content('a1000', 1), 'still fresh';
$r = $n->blob('GET', "/con/h8000000", { Range => 'bytes=0-9' });
is $r->{body}, substr(content('h8000000', 2), 0, 10), 'first slice of 2';
set({ gen => 3 });
$r = $n->blob('GET', "/con/h8000000", { Range => 'bytes=5000000-5000009' });
is $r->{status}, 206, 'the second slice is gone';
is $r->{headers}{etag}, '"0xh80000003"', 'so the record is renewed';
is $r->{body}, substr(content('h8000000', 3), 5000000, 10), 'bytes of 3';
$r = $n->blob('GET', "/con/h8000000");
ok $r->{body} eq content('h8000000', 3), 'and nothing of 2 any more';

$r = $n->blob('GET', '/con/m20000000', { Range => 'bytes=0-9' });
is $r->{status}, 206, 'a large one';
set({ gen => 4 });
$r = $n->blob('GET', '/con/m20000000');
ok $r->{broken} && length $r->{body} < 20000000, 'changed in the middle: cut';
ok index(content('m20000000', 3), $r->{body}) == 0, 'after bytes of 3 only';
$r = $n->blob('GET', '/con/m20000000', { Range => 'bytes=9000000-9000009' });
is $r->{headers}{etag}, '"0xm200000004"', 'the next answer is new';
$r = $n->blob('GET', '/con/m20000000');
ok $r->{body} eq content('m20000000', 4), 'and whole';

# ---- the origin breaks --------------------------------------------------

set({ gen => 4, bad => 1 });
$n->blob('HEAD', '/con/b10000000');
$r = $n->blob('GET', '/con/b10000000');
ok $r->{broken}, 'a slice in the middle fails: cut';
set({ gen => 4, cut => 5000000 });
$r = $n->blob('GET', '/con/c10000000');
ok $r->{broken}, 'breaks off: cut';
set({ gen => 4 });
$r = $n->blob('GET', '/con/c10000000');
ok $r->{body} eq content('c10000000', 4), 'then whole';
$r = $n->blob('GET', '/con/b10000000');
ok $r->{body} eq content('b10000000', 4), 'that too';

set({ gen => 4, lie_etag => 1 });
$r = $n->blob('GET', '/con/l1000');
is $r->{status}, 503, 'bytes of another ETag are not taken';
is $r->{headers}{'x-ms-error-code'}, 'ServerBusy', 'but ServerBusy';
set({ gen => 4, lie_range => 1 });
$r = $n->blob('GET', '/con/k5000000');
is $r->{status}, 503, 'an origin that ignores ranges';
set({ gen => 4 });
$r = $n->blob('GET', '/con/l1000');
ok $r->{body} eq content('l1000', 4), 'the cache was not touched';

# ---- crowds, slow clients, aborts ---------------------------------------

sub crowd {
    my ($server, $size, $name) = @_;
    my @pids;
    for (1 .. $size) {
        my $pid = fork // die;
        if (!$pid) {
            my $x = $server->blob('GET', "/con/$name");
            POSIX::_exit($x->{body} eq content($name, 4) ? 0 : 1);
        }
        push @pids, $pid;
    }
    my $bad = 0;
    for (@pids) { waitpid $_, 0; $bad++ if $? }
    return $bad;
}

set({ gen => 4, slow => 0.3 });
is crowd($n, 4, 'w9000000'), 0, 'a crowd gets it';
is scalar(slices('w9000000')), 3, 'each slice is fetched once';
my $one = $t->nginx('one', origin => $origin, workers => 1,
    policy => 'fresh 1h;')->start;
is $one->blob('GET', '/con/v1')->{status}, 200, 'another edge';
set({ gen => 4, slow => 1 });
is crowd($one, 8, 'w9000001'), 0, 'a crowd at one worker';
is scalar(grep { $_->{target} =~ /w9000001$/ } asked()), 1, 'asks once';
is scalar(slices('w9000001')), 3, 'and fetches once';
set({ gen => 4 });

my $c = $n->connect;
my $target = '/devstoreaccount1/con/s40000000?' . $n->sas;
$c->send("GET $target HTTP/1.1\r\nHost: x\r\n\r\n");
$t->wait_for(10, sub { slices('s40000000') >= 4 });
select undef, undef, undef, 0.5;
cmp_ok scalar(slices('s40000000')), '<', 9, 'no further than the client reads';
$r = $c->read_message;
ok $r->{body} eq content('s40000000', 4), 'a slow client gets all of it';

for (1 .. 5) {
    my $a = $n->connect;
    my $size = 30000000 + $_;
    $a->send("GET /devstoreaccount1/con/x$size?" . $n->sas
        . " HTTP/1.1\r\nHost: x\r\n\r\n");
    $a->_fill(time + 10);
    $a->close;
}
is $n->blob('GET', '/con/a1')->{status}, 200, 'clients that go away';

ok $n->reload, 'reload';
my $before = $origin->requests;
$r = $n->blob('GET', '/con/a1000');
ok $r->{body} eq content('a1000', 1), 'facts and cache outlive it';
is scalar($origin->requests), $before, 'nothing was asked';

$t->done;

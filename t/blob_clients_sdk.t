# What clients send that cannot be run here, or that a run does not hit on
# purpose: .NET, the Python and JavaScript SDKs, the CLI and rclone 1.60,
# request by request, each without an origin and in front of one, with what
# each needs of the answer.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;
use BlobTest::Http qw(uri_escape http_date);
use BlobTest::Replay;

use constant MIB => 1024 * 1024;

my $t = BlobTest->new;
my $alone = $t->nginx('alone')->start;
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake)->start;
my $tier = $t->tier($edge)->start;
my $account = $edge->{account};
my $date = qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;
my $tag = qr/^"0x[0-9A-F]+"$/;

sub md5 { md5_base64($_[0]) . '==' }
sub text { my ($seed, $n) = @_; substr "$seed-abcdefghij;" x ($n / 8 + 1), 0, $n }
sub names { $_[0]{body} =~ m{<Name>([^<]*)</Name>}g }

sub flush {
    my ($n) = @_;
    return if !$n->{origin};
    is $tier->run('flush', '--timeout', 20), 0, 'carried to the lake'
        or diag $tier->{out};
}

# A blob that only the lake has, where there is one.
sub put_far {
    my ($n, $path, $body) = @_;
    my $at = $n->{origin} ? $lake : $n;
    is $at->blob('PUT', $path, { 'x-ms-meta-far' => 'yes' }, $body)->{status},
        201, 'a blob of the lake';
}

sub batch {
    my ($n, $path, @targets) = @_;
    my $i = 0;
    my $b = 'batch_0d5a3c2e-0000-4000-8000-000000000001';
    return ({ 'Content-Type' => "multipart/mixed; boundary=$b" }, join '',
        (map { my %h = ('x-ms-date' => http_date(), 'Content-Length' => 0);
            BlobTest::Http::sign($account, $n->{key}, 'DELETE', $_, \%h);
            "--$b\r\nContent-Type: application/http\r\n"
                . "Content-Transfer-Encoding: binary\r\nContent-ID: "
                . $i++ . "\r\n\r\nDELETE $_ HTTP/1.1\r\n"
                . join('', map { "$_: $h{$_}\r\n" } sort keys %h) . "\r\n" }
            @targets), "--$b--\r\n");
}

# ---- .NET ----------------------------------------------------------------

sub dotnet {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} .NET", id => 1,
        version => '2026-02-06', headers => { Accept => 'application/xml',
            'x-ms-return-client-request-id' => 'true',
            'User-Agent' => 'azsdk-net-Storage.Blobs/12.27.0 (.NET 8.0.1)' });
    my $r;
    is $n->blob('PUT', '/net?restype=container')->{status}, 201, 'container';
    my $body = text('net', 5 * MIB + 17);
    put_far($n, '/net/far', $body);

    # The id comes back exactly, however it is written and wherever the bytes
    # come from: the lake, the hot tier, memory.  (step() compares it.)
    for my $id ('f0e1d2c3-1111-4222-8333-0123456789AB', 'x', 'a b;c=d, "e"',
        'i' x 1024)
    {
        my $h = { 'x-ms-client-request-id' => $id };
        is $c->step(200, 'GET', '/net/far', $h)->{body}, $body, 'far'
            if length $id < 50;
        $c->step(206, 'GET', '/net/far', { %$h, 'x-ms-range' => 'bytes=0-9' });
        $c->step(200, 'HEAD', '/net/far', $h);
        $c->step('404 BlobNotFound', 'GET', '/net/none', $h);
        $c->step('404 BlobNotFound', 'HEAD', '/net/none', $h);
        $c->step('404 ContainerNotFound', 'GET',
            '/none?restype=container&comp=list', $h);
        $c->step(200, 'GET', '/net?restype=container&comp=list', $h);
        $c->step(200, 'GET', '/?comp=list', $h);
        $c->step(304, 'GET', '/net/far', { %$h, 'If-None-Match' =>
            $c->call('HEAD', '/net/far')->{headers}{etag} });
        $c->step(412, 'GET', '/net/far', { %$h, 'If-Match' => '"0x1"' });
        $c->step(416, 'GET', '/net/far', { %$h,
            'x-ms-range' => 'bytes=99999999-' });
        $c->step(201, 'PUT', '/net/near', { %$h,
            'x-ms-blob-type' => 'BlockBlob' }, 'near');
        $c->step('409 BlobAlreadyExists', 'PUT', '/net/near', { %$h,
            'x-ms-blob-type' => 'BlockBlob', 'If-None-Match' => '*' }, 'near');
        $c->step('400 InvalidQueryParameterValue', 'GET', '/net/near?comp=what',
            $h);
        # refused by the gate
        my $stranger = BlobTest::Replay->new($n, %$c,
            name => "$n->{name} .NET stranger", seen => {},
            sas => $n->sas(sp => 'l'), c => undef);
        $stranger->step('403 AuthorizationPermissionMismatch', 'GET',
            '/net/near', $h);
    }

    # the first GET asks for 256 MiB, and the size comes from Content-Range
    $r = $c->step(206, 'GET', '/net/far', { 'x-ms-range' => 'bytes=0-268435455',
    });
    $c->has($r, 'Content-Range' => sprintf('bytes 0-%d/%d', length($body) - 1,
        length $body), 'Content-Length' => length $body, ETag => $tag,
        'Last-Modified' => $date, 'x-ms-creation-time' => $date,
        'x-ms-blob-type' => 'BlockBlob', 'x-ms-server-encrypted' => 'true',
        'x-ms-lease-state' => 'available', 'x-ms-lease-status' => 'unlocked',
        'x-ms-meta-far' => 'yes', 'Accept-Ranges' => 'bytes');
    ok $r->{body} eq $body, 'all of it';
    # an empty blob: 416 with a size of 0, then without a range
    $c->step(201, 'PUT', '/net/empty', { 'x-ms-blob-type' => 'BlockBlob' }, '');
    $r = $c->step('416 InvalidRange', 'GET', '/net/empty',
        { 'x-ms-range' => 'bytes=0-268435455' });
    $c->has($r, 'Content-Range' => 'bytes */0');
    $c->has($c->step(200, 'GET', '/net/empty'), 'Content-Length' => 0);

    # what an upload answers is in its model
    $r = $c->step(201, 'PUT', '/net/up', { 'x-ms-blob-type' => 'BlockBlob' },
        'up');
    $c->has($r, ETag => $tag, 'Last-Modified' => $date,
        'Content-MD5' => md5('up'), 'x-ms-request-server-encrypted' => 'true',
        'x-ms-content-crc64' => qr{^[\w+/]{11}=$});
    # newest versions and ones that do not exist yet; malformed is malformed
    for my $v ('2019-02-02', '2026-06-06', '2031-01-01') {
        local $c->{version} = $v;
        $c->step(200, 'GET', '/net/up');
    }
    $r = $c->call('GET', '/net/up', { 'x-ms-version' => 'soon' });
    is "$r->{status} $r->{headers}{'x-ms-error-code'}",
        '400 InvalidHeaderValue', 'a version that is none';
}

# ---- Python and the CLI --------------------------------------------------

sub python {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} Python", id => 1,
        version => '2021-12-02', headers => { Accept => 'application/xml',
            CommandName => 'storage blob upload',
            ParameterSetName => '--name --file', Cookie => '',
            'User-Agent' => 'azsdk-python-storage-blob/12.15.0b1' });
    my $r;
    is $n->blob('PUT', '/pyt?restype=container')->{status}, 201, 'container';
    my %block = ('x-ms-blob-type' => 'BlockBlob',
        'Content-Type' => 'application/octet-stream');

    # upload_blob: create only unless overwrite
    $c->step(201, 'PUT', '/pyt/f', { %block, 'If-None-Match' => '*',
        'x-ms-meta-a' => 'b' }, 'hello');
    $r = $c->step('409 BlobAlreadyExists', 'PUT', '/pyt/f', { %block,
        'If-None-Match' => '*' }, 'other');
    is $c->step(200, 'GET', '/pyt/f')->{body}, 'hello', 'not overwritten';
    $c->step(201, 'PUT', '/pyt/f', \%block, 'other');
    $c->has($c->step(200, 'HEAD', '/pyt/f'), 'x-ms-meta-a' => undef);

    # blocks: the ids are base64 of base64 whose "=" is written as %3D
    my @ids = map { my $i = encode_base64(sprintf('%032d', $_ * 4 * MIB), '');
        $i =~ s/=/%3D/g; encode_base64($i, '') } 0, 1;
    like $ids[0], qr/UzRA|JTNE|M0Q/, 'a %3D is inside';
    $c->step(201, 'PUT', '/pyt/big?comp=block&blockid=' . uri_escape($_),
        { 'Content-Type' => 'application/octet-stream' }, "<$_>") for @ids;
    my $list = "<?xml version='1.0' encoding='utf-8'?>\n<BlockList>"
        . join('', map { "<Latest>$_</Latest>" } @ids) . '</BlockList>';
    $c->step(201, 'PUT', '/pyt/big?comp=blocklist', { 'If-None-Match' => '*',
        'Content-Type' => 'application/xml' }, $list);
    $r = $c->step(200, 'GET', '/pyt/big?comp=blocklist&blocklisttype=all');
    is_deeply [names($r)], \@ids, 'ids as they were';
    $c->step(201, 'PUT', '/pyt/big?comp=block&blockid=' . uri_escape($ids[0]),
        {}, 'again');
    $c->step('409 BlobAlreadyExists', 'PUT', '/pyt/big?comp=blocklist', {
        'If-None-Match' => '*' }, $list);

    # download: a ranged GET, chunks with If-Match, no MD5 that is not the
    # body's
    my $body = text('py', 100_000);
    put_far($n, '/pyt/far', $body);
    $r = $c->step(206, 'GET', '/pyt/far',
        { 'x-ms-range' => 'bytes=0-65535' });
    $c->has($r, 'Content-Range' => 'bytes 0-65535/100000',
        'Content-MD5' => undef, 'x-ms-blob-content-md5' => md5($body));
    my $etag = $r->{headers}{etag};
    $r = $c->step(206, 'GET', '/pyt/far', { 'x-ms-range' => 'bytes=65536-99999',
        'If-Match' => $etag, 'x-ms-range-get-content-md5' => 'true' });
    is $r->{body}, substr($body, 65536), 'the next chunk';
    $c->has($r, 'Content-MD5' => md5(substr $body, 65536), ETag => $etag);
    flush($n);
    for my $path ('/pyt/f', '/pyt/big') {
        my $h = $c->step(200, 'HEAD', $path)->{headers};
        $c->step(206, 'GET', $path, { 'x-ms-range' => 'bytes=1-2',
            'If-Match' => $h->{etag} });
        $c->step(206, 'GET', $path, { 'x-ms-range' => 'bytes=1-2',
            'If-Unmodified-Since' => $h->{'last-modified'} });
    }
    $c->step(201, 'PUT', '/pyt/empty', \%block, '');
    $c->step('416 InvalidRange', 'GET', '/pyt/empty',
        { 'x-ms-range' => 'bytes=0-33554431' });
    is $c->step(200, 'GET', '/pyt/empty')->{body}, '', 'empty';

    # exists
    $c->step(200, 'HEAD', '/pyt?restype=container');
    $c->step('404 ContainerNotFound', 'HEAD', '/nop?restype=container');
    $c->step('404 BlobNotFound', 'HEAD', '/pyt/none');

    # lists: raw commas, raw slashes, empty values
    for my $q ('include=metadata,versions', 'include=metadata%2Cversions',
        'include=', 'prefix=&delimiter=&marker=', 'include=metadata,tags,copy,'
        . 'deleted,snapshots,uncommittedblobs,deletedwithversions')
    {
        $r = $c->step(200, 'GET', "/pyt?restype=container&comp=list&$q");
        is join(' ', grep { /^(f|far|big|empty)$/ } names($r)),
            'big empty f far', $q;
    }
    $c->step(200, 'GET', '/?comp=list&include=');
    $c->step(200, 'GET', '/?comp=list&include=metadata,deleted,system&_=1700');

    # copies: synchronous ones ask with a capital letter; the CLI names the
    # real service
    my $url = $c->url . '/pyt/far';
    $r = $c->step(202, 'PUT', '/pyt/sync', { 'x-ms-copy-source' =>
        "$url?" . $n->sas(sp => 'r'), 'x-ms-requires-sync' => 'True' });
    $c->has($r, 'x-ms-copy-status' => 'success', ETag => $tag,
        'x-ms-copy-id' => qr/^[0-9a-f-]{36}$/);
    is $c->step(200, 'GET', '/pyt/sync')->{body}, $body, 'copied';
    $r = $c->step(202, 'PUT', '/pyt/cli', { 'x-ms-copy-source' =>
        "https://$account.blob.core.windows.net/pyt/far" });
    like $c->step(200, 'HEAD', '/pyt/cli')->{headers}{'x-ms-copy-status'},
        qr/^success$/, 'and so';
    $c->step('404 CannotVerifyCopySource', 'PUT', '/pyt/no', {
        'x-ms-copy-source' => "$url-not", 'x-ms-requires-sync' => 'True' });

    # a metadata request that says what kind of blob it is
    $c->step(200, 'PUT', '/pyt/f?comp=metadata', { 'x-ms-blob-type' =>
        'BlockBlob', 'x-ms-meta-hdi_isfolder' => 'x', 'Content-Length' => 0 });
    is $c->step(200, 'GET', '/pyt/f')->{body}, 'other', 'still what it was';

    # a batch of a container: the parts leave the account out
    my ($h, $parts) = batch($n, '', '/pyt/f', '/pyt/none');
    $r = $c->step(202, 'POST', '/pyt?restype=container&comp=batch', $h, $parts);
    is join(' ', $r->{body} =~ m{^HTTP/1\.1 (\d+)}mg), '202 404', 'each part';
    $c->step('404 BlobNotFound', 'HEAD', '/pyt/f');
}

# ---- JavaScript ----------------------------------------------------------

sub javascript {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} JS", id => 1,
        version => '2026-04-06', headers => { Accept => 'application/xml',
            'User-Agent' => 'azsdk-js-azure-storage-blob/12.32.0' });
    my ($r, %block) = (undef, 'x-ms-blob-type' => 'BlockBlob');
    is $n->blob('PUT', '/jsc?restype=container')->{status}, 201, 'container';

    my $body = text('js', 70_000);
    $c->step(201, 'PUT', '/jsc/a/b', \%block, $body);
    $c->has($c->step(200, 'GET', '/jsc/a/b'), 'Content-Length' => 70_000);
    # downloadToBuffer: HEAD, then ranges
    $c->has($c->step(200, 'HEAD', '/jsc/a/b'), 'Content-Length' => 70_000);
    is $c->step(206, 'GET', '/jsc/a/b', { 'x-ms-range' => 'bytes=0-69999' })
        ->{body}, $body, 'all of it as a range';

    # the end of a list is an empty element
    $c->step(201, 'PUT', '/jsc/c', \%block, 'c');
    for my $q ('', '&delimiter=%2F', '&prefix=none', '&maxresults=1') {
        $r = $c->step(200, 'GET', "/jsc?restype=container&comp=list$q", {
            Accept => 'application/vnd.apache.arrow.stream,application/xml' });
        $c->has($r, 'Content-Type' => 'application/xml');
        my ($next) = $r->{body} =~ m{<NextMarker>([^<]+)</NextMarker>};
        if ($q =~ /maxresults/) {
            ok $next, 'a page and more';
            $r = $c->step(200, 'GET', '/jsc?restype=container&comp=list&marker='
                . uri_escape($next));
            is_deeply [names($r)], ['c'], 'which is the rest';
        }
        my @end = $r->{body} =~ m{<NextMarker ?/>|<NextMarker></NextMarker>}g;
        is scalar(@end), 1, "an empty NextMarker$q";
    }

    # structured bodies: refused or understood, never stored as they are
    $r = $c->call('PUT', '/jsc/frame', { %block,
        'x-ms-structured-body' => 'XSM/1.0; properties=crc64',
        'x-ms-structured-content-length' => 5 }, 'not a frame');
    ok $r->{status} >= 400 && $r->{headers}{'x-ms-error-code'}, 'no frame';
    $c->step('404 BlobNotFound', 'HEAD', '/jsc/frame');

    # leases and snapshots, of a blob that is at the lake by now
    my $lease = '11111111-2222-4333-8444-555555555555';
    $r = $c->step(201, 'PUT', '/jsc/c?comp=lease', {
        'x-ms-lease-action' => 'acquire', 'x-ms-lease-duration' => 15,
        'x-ms-proposed-lease-id' => $lease });
    $c->has($r, 'x-ms-lease-id' => $lease);
    $c->step(200, 'PUT', '/jsc/c?comp=lease', {
        'x-ms-lease-action' => 'release', 'x-ms-lease-id' => $lease });
    $c->step(201, 'PUT', '/jsc/c', \%block, 'new, not carried');
    $c->has($c->step(201, 'PUT', '/jsc/c?comp=snapshot'),
        'x-ms-snapshot' => qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    my $etag = $c->step(200, 'HEAD', '/jsc/c')->{headers}{etag};
    $c->step('409 SnapshotsPresent', 'DELETE', '/jsc/c');
    $c->has($c->step(200, 'GET', '/jsc/c'), ETag => $etag);
    $c->step(202, 'DELETE', '/jsc/c', { 'x-ms-delete-snapshots' => 'include' });

    # a batch: the account is taken for a container, parts have it in front
    my ($h, $parts) = batch($n, '', "/$account/jsc/a/b",
        "/$account/jsc/none");
    $r = $c->step(202, 'POST', '?comp=batch&restype=container', $h, $parts);
    is join(' ', $r->{body} =~ m{^HTTP/1\.1 (\d+)}mg), '202 404', 'each part';
    $c->step('404 BlobNotFound', 'HEAD', '/jsc/a/b');
    # Explorer's first request, with an empty cookie
    $c->step(200, 'GET', '/jsc?restype=account&comp=properties',
        { Cookie => '' });
}

# ---- rclone 1.60 ---------------------------------------------------------

sub rclone {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} rclone", id => 1,
        version => '2020-10-02', headers => {
            'User-Agent' => 'rclone/v1.60.1-DEV' });
    my $q = 'timeout=31536001';
    my ($r, %empty) = (undef, map { ("x-ms-blob-$_" => '') } qw(cache-control
        content-disposition content-encoding content-language content-md5));

    # every run makes the container, and means it
    $c->step(201, 'PUT', "/rcl?restype=container&$q");
    $c->step('409 ContainerAlreadyExists', 'PUT', "/rcl?restype=container&$q");
    $c->step('404 BlobNotFound', 'HEAD', "/rcl/d%2Ff?$q");

    # ids of 64 bytes, the most there is; empty headers are signed
    my @ids = map { encode_base64(sprintf('%064d', $_), '') } 1, 2;
    $c->step(201, 'PUT', "/rcl/d%2Ff?blockid=" . uri_escape($_)
        . "&comp=block&$q", { 'Content-MD5' => md5("<$_>") }, "<$_>") for @ids;
    $c->step(201, 'PUT', "/rcl/d%2Ff?comp=blocklist&$q", { %empty,
        'x-ms-blob-content-type' => 'text/plain',
        'x-ms-meta-mtime' => '2023-01-02T03:04:05.123456789Z' },
        '<BlockList>' . join('', map { "<Latest>$_</Latest>" } @ids)
        . '</BlockList>');
    $r = $c->step(200, 'HEAD', "/rcl/d%2Ff?$q");
    $c->has($r, 'Content-Type' => 'text/plain', 'Content-Encoding' => undef,
        'Content-MD5' => undef, 'Cache-Control' => undef,
        'x-ms-meta-mtime' => '2023-01-02T03:04:05.123456789Z',
        'Last-Modified' => $date, ETag => $tag);
    # small ones in one piece
    $c->step(201, 'PUT', "/rcl/one?$q", { %empty, 'x-ms-blob-type' =>
        'BlockBlob', 'x-ms-blob-content-md5' => md5('one'),
        'x-ms-blob-content-type' => 'text/plain', 'x-ms-access-tier' => 'Hot' },
        'one');
    flush($n);
    $r = $c->step(200, 'GET', "/rcl?comp=list&delimiter=%2F&include="
        . "metadata&maxresults=5000&prefix=&restype=container&$q");
    is_deeply [names($r)], ['d/', 'one'], 'list';
    like $r->{body}, qr{<Content-MD5>\Q${\md5('one')}\E</Content-MD5>},
        'with the MD5';
    is $c->step(200, 'GET', "/rcl/d%2Ff?$q")->{body}, "<$ids[0]><$ids[1]>",
        'cat';

    # copy: HEAD, a copy, HEAD
    $c->step(202, 'PUT', "/rcl/copy?$q", { 'x-ms-copy-source' => $c->url
        . '/rcl/d%2Ff', 'x-ms-access-tier' => 'Hot' });
    $c->has($c->step(200, 'HEAD', "/rcl/copy?$q"),
        'x-ms-copy-status' => 'success', 'x-ms-meta-mtime' =>
        '2023-01-02T03:04:05.123456789Z');

    # purge: list, DELETE each, GET and DELETE of the container
    $c->step(202, 'DELETE', "/rcl/$_?$q", { 'x-ms-delete-snapshots' =>
        'include' }) for 'd%2Ff', 'one', 'copy';
    $c->step(200, 'GET', "/rcl?restype=container&$q");
    $c->step(202, 'DELETE', "/rcl?restype=container&$q");
    $c->step('404 ContainerNotFound', 'GET', "/rcl?restype=container&$q");
}

for my $n ($alone, $edge) {
    dotnet($n);
    python($n);
    javascript($n);
    rclone($n);
}
$t->done;

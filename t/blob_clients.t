# What clients send that cannot be run here, or that a run does not hit on
# purpose: AzCopy, boostedblob, blobfuse2 and adlfs, request by request, each
# without an origin and in front of one, with what each needs of the answer.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;
use BlobTest::Http qw(service_sas uri_escape);
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
my $uuid = qr/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

sub md5 { md5_base64($_[0]) . '==' }
sub text { my ($seed, $n) = @_; substr "$seed-abcdefghij;" x ($n / 8 + 1), 0, $n }
sub decl { qq(<?xml version="1.0" encoding="utf-8"?>) }

# Everything that was written is at the lake.
sub flush {
    my ($n) = @_;
    return if !$n->{origin};
    is $tier->run('flush', '--wait'), 0, 'carried to the lake'
        or diag $tier->{out};
}

sub names { $_[0]{body} =~ m{<Name>([^<]*)</Name>}g }

sub ends_empty {
    my ($r, $who) = @_;
    like $r->{body}, qr{<NextMarker ?/>|<NextMarker></NextMarker>},
        "$who: an empty NextMarker is there";
}

# ---- AzCopy --------------------------------------------------------------

sub azcopy {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} azcopy", id => 1,
        version => '2025-07-05', sas => $n->sas, headers => {
        'User-Agent' => 'AzCopy/10.32.2 azsdk-go-azblob/v1.6.2',
        Accept => 'application/xml' });
    my ($r, $h);
    is $n->blob('PUT', '/azc?restype=container')->{status}, 201, 'container';

    # up, small: the HEAD after it sees length, and MD5 only if it was given
    my $small = text('small', 70_000);
    $r = $c->step(201, 'PUT', '/azc/dir%2Fa+b%20c', {
        'x-ms-blob-type' => 'BlockBlob', 'x-ms-blob-content-type' => 'text/x',
        'x-ms-blob-content-md5' => md5($small) }, $small);
    $c->has($r, ETag => $tag, 'Last-Modified' => $date, 'Content-Length' => 0);
    my ($etag, $lmt) = @{$r->{headers}}{qw(etag last-modified)};
    $r = $c->step(200, 'HEAD', '/azc/dir%2Fa+b%20c');
    $c->has($r, 'Content-Length' => 70_000, 'Content-MD5' => md5($small),
        'Content-Type' => 'text/x', 'x-ms-blob-type' => 'BlockBlob',
        'x-ms-access-tier' => qr/^\w+$/, ETag => $etag,
        'Last-Modified' => $lmt);

    # up, blocks: ids of 36 bytes with "/" and "+" in their base64
    my @ids = map { encode_base64(chr(0xfb) . chr(0xff) x 3
        . sprintf('%032d', $_), '') } 1 .. 3;
    like $ids[0], qr{\+.*/|/}, 'ids that have to be escaped';
    my $part = text('block', 600_000);
    $c->has($c->step(201, 'PUT', '/azc/big?blockid=' . uri_escape($_)
        . '&comp=block', { 'x-ms-blob-content-md5' => 'not looked at' }, $part),
        ETag => undef, 'Last-Modified' => undef, 'Content-Length' => 0)
        for @ids;
    $c->step('404 BlobNotFound', 'HEAD', '/azc/big');
    $r = $c->step(200, 'GET', '/azc/big?blocklisttype=all&comp=blocklist');
    is_deeply [names($r)], \@ids, 'what a failed commit dumps';
    my $list = "<BlockList>" . join('', map { "<Latest>$_</Latest>" } @ids)
        . '</BlockList>';
    $r = $c->step(201, 'PUT', '/azc/big?comp=blocklist', {
        'Content-Type' => 'application/xml', 'x-ms-blob-content-md5' => '',
        'x-ms-blob-content-type' => 'a/b', 'x-ms-access-tier' => 'Cool' },
        $list);
    $c->has($r, ETag => $tag, 'Last-Modified' => $date);
    $r = $c->step(200, 'HEAD', '/azc/big');
    $c->has($r, 'Content-Length' => 1_800_000, 'Content-MD5' => undef,
        'x-ms-access-tier' => 'Cool');
    is $r->{body}, '', 'no body of a HEAD';

    # the list says the same as HEAD, before and after it is at the lake
    my $see = sub {
        my $r = $c->step(200, 'GET', '/azc?comp=list&include=metadata'
            . '&restype=container');
        my ($b) = $r->{body} =~ m{(<Blob><Name>dir/a\+b c</Name>.*?</Blob>)}s;
        is join('|', $b =~ m{<Last-Modified>(.*?)</}, $b =~ m{<Etag>(.*?)</},
            $b =~ m{<Content-Length>(.*?)</}, $b =~ m{<Content-MD5>(.*?)</}),
            join('|', $lmt, $etag =~ tr/"//dr, 70_000, md5($small)),
            'listed as HEAD has it';
        ends_empty($r, 'azcopy');
        # down: HEAD twice, then ranges that must find the same version
        $c->has($c->step(200, 'HEAD', '/azc/dir%2Fa+b%20c'), ETag => $etag,
            'Last-Modified' => $lmt) for 1, 2;
        $r = $c->step(206, 'GET', '/azc/dir%2Fa+b%20c', {
            'x-ms-range' => 'bytes=65536-69999',
            'If-Unmodified-Since' => $lmt });
        is $r->{body}, substr($small, 65536), 'the bytes';
        $c->has($r, 'Content-Range' => 'bytes 65536-69999/70000',
            'Content-Length' => 70_000 - 65536);
    };
    $see->();
    flush($n);
    $see->();

    # overwrite=false looks and skips; an empty file is a HEAD only
    $c->step(200, 'HEAD', '/azc/big');
    $c->step(201, 'PUT', '/azc/empty', { 'x-ms-blob-type' => 'BlockBlob',
        'x-ms-blob-content-md5' => md5('') }, '');
    $c->has($c->step(200, 'HEAD', '/azc/empty'), 'Content-Length' => 0,
        'Content-MD5' => md5(''));

    # a virtual folder is a 404, and what is below it is listed
    $c->step('404 BlobNotFound', 'HEAD', '/azc/dir');
    $c->step('404 BlobNotFound', 'HEAD', '/azc/dir%2F');
    $r = $c->step(200, 'GET', '/azc?comp=list&maxresults=1&prefix=dir%2F'
        . '&restype=container');
    is_deeply [names($r)], ['dir/a+b c'], 'one below';
    $r = $c->step(200, 'GET', '/azc?comp=list&delimiter=%2F&include=metadata'
        . '&prefix=&restype=container');
    like $r->{body}, qr{<BlobPrefix><Name>dir/</Name>}, 'a prefix';
    # a stub keeps the spelling of its mark
    $c->step(201, 'PUT', '/azc/stub', { 'x-ms-blob-type' => 'BlockBlob',
        'x-ms-meta-Hdi_isfolder' => 'true' }, '');
    $r = $c->step(200, 'HEAD', '/azc/stub');
    like $r->{head}, qr/^x-ms-meta-Hdi_isfolder: true\r$/m, 'a stub';
    $r = $c->step(200, 'GET', '/azc?comp=list&include=metadata&prefix=stub'
        . '&restype=container');
    like $r->{body}, qr{<Metadata><Hdi_isfolder>true</Hdi_isfolder>}, 'listed';

    # a pipe reads without a range
    is $c->step(200, 'GET', '/azc/big')->{body}, $part x 3, 'down a pipe';

    # service to service: HEAD, a container that is not there, the account's
    # kind asked of the blob's URL with a SAS that can only write
    $c->step(200, 'HEAD', '/azc/big');
    $c->step('404 ContainerNotFound', 'GET', '/azc2?restype=container');
    $c->step(201, 'PUT', '/azc2?restype=container');
    $c->step('409 ContainerAlreadyExists', 'PUT', '/azc2?restype=container');
    $c->has($c->step(200, 'GET', '/azc2?restype=container'), ETag => $tag,
        'Last-Modified' => $date, 'x-ms-lease-state' => 'available',
        'x-ms-blob-public-access' => undef);
    my $writer = BlobTest::Replay->new($n, name => "$n->{name} azcopy, w",
        id => 1, version => '2025-07-05',
        sas => service_sas($account, $n->{key}, '/azc2', sp => 'cw'));
    $r = $writer->step(200, 'GET', '/azc2/x?restype=account&comp=properties');
    $c->has($r, 'x-ms-sku-name' => qr/^Standard_/,
        'x-ms-account-kind' => 'StorageV2');
    my $source = $c->url . '/azc/dir%2Fa+b%20c?' . $n->sas(sp => 'r');
    $r = $writer->step(201, 'PUT', '/azc2/x', { 'x-ms-copy-source' => $source,
        'x-ms-blob-type' => 'BlockBlob', 'x-ms-access-tier' => 'Hot',
        'x-ms-source-content-md5' => md5($small), 'x-ms-meta-k' => 'v',
        'x-ms-blob-content-type' => 'text/x' }, '');
    $c->has($r, ETag => $tag, 'Last-Modified' => $date);
    $c->has($c->step(200, 'HEAD', '/azc2/x'), 'Content-Length' => 70_000,
        'Content-Type' => 'text/x', 'x-ms-meta-k' => 'v');
    $writer->step(201, 'PUT', '/azc2/y?blockid=' . uri_escape($ids[$_])
        . '&comp=block', { 'x-ms-source-range' => sprintf('bytes=%d-%d',
            @{[[0, 39_999], [40_000, 69_999]]->[$_]}),
            'x-ms-copy-source' => $source }, '') for 0, 1;
    $writer->step(201, 'PUT', '/azc2/y?comp=blocklist', {
        'x-ms-blob-content-md5' => md5($small), 'x-ms-access-tier' => 'Hot' },
        "<BlockList><Latest>$ids[0]</Latest><Latest>$ids[1]</Latest>"
        . '</BlockList>');
    is $c->step(200, 'GET', '/azc2/y')->{body}, $small, 'the same bytes';
    $r = $writer->step('404 CannotVerifyCopySource', 'PUT', '/azc2/z', {
        'x-ms-copy-source' => $c->url . '/azc/nothing?' . $n->sas,
        'x-ms-blob-type' => 'BlockBlob' }, '');
    $c->has($r, 'x-ms-copy-source-error-code' => 'BlobNotFound',
        'x-ms-copy-source-status-code' => 404);

    # set-properties: what is not sent goes; an empty MD5 is none
    $c->step(200, 'PUT', '/azc2/y?comp=tier', { 'x-ms-access-tier' => 'Cool',
        'x-ms-rehydrate-priority' => 'Standard' });
    $c->has($c->step(200, 'PUT', '/azc2/y?comp=properties', {
        'x-ms-blob-content-md5' => '', 'x-ms-blob-content-type' => 'c/d' }),
        ETag => $tag);
    $c->has($c->step(200, 'HEAD', '/azc2/y'), 'Content-MD5' => undef,
        'Content-Type' => 'c/d', 'x-ms-access-tier' => 'Cool');
    $c->step(200, 'PUT', '/azc2/y?comp=metadata', { 'x-ms-meta-k' => 'v' });

    # append blobs, one block after another
    $c->step(201, 'PUT', '/azc2/log', { 'x-ms-blob-type' => 'AppendBlob' });
    for (0, 5) {
        $c->has($c->step(201, 'PUT', '/azc2/log?comp=appendblock', {
            'x-ms-blob-condition-appendpos' => $_ }, '12345'),
            'x-ms-blob-append-offset' => $_);
    }
    $c->step('412 AppendPositionConditionNotMet', 'PUT',
        '/azc2/log?comp=appendblock',
        { 'x-ms-blob-condition-appendpos' => 5 }, '12345');
    $c->has($c->step(200, 'HEAD', '/azc2/log'), 'Content-Length' => 10,
        'x-ms-blob-type' => 'AppendBlob');

    # cancelled: the blocks are looked at and thrown away
    $c->step(201, 'PUT', '/azc/half?blockid=' . uri_escape($ids[0])
        . '&comp=block', {}, 'x');
    $c->step(200, 'GET', '/azc/half?blocklisttype=all&comp=blocklist');
    $c->step(202, 'DELETE', '/azc/half');
    $c->step('404 BlobNotFound', 'GET',
        '/azc/half?blocklisttype=all&comp=blocklist');

    # rm -r
    $c->step(202, 'DELETE', '/azc/dir%2Fa+b%20c', {
        'x-ms-delete-snapshots' => 'include' });
    $c->step('404 BlobNotFound', 'HEAD', '/azc/dir%2Fa+b%20c');
    $r = $c->step(200, 'GET', '/azc?comp=list&prefix=dir%2F&restype=container');
    is_deeply [names($r)], [], 'nothing below';
    $r = $c->step(200, 'GET', '/?comp=list');
    ok((grep { $_ eq 'azc2' } names($r)), 'the account\'s containers');
}

# ---- boostedblob ---------------------------------------------------------

sub boostedblob {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} boostedblob",
        version => '2023-05-03', zero => 1, plus => 1,
        host => "$account.blob.core.windows.net",
        headers => { 'Accept-Encoding' => 'gzip, deflate',
            'User-Agent' => 'Python/3.11 aiohttp/3.8.4' });
    my $r;
    is $n->blob('PUT', '/bbb?restype=container')->{status}, 201, 'container';
    my $body = text('boosted', 5 * MIB / 4);

    # any use starts with this
    $c->step(200, 'GET', '/bbb?restype=container&comp=list&maxresults=1');

    # an empty body is signed with length "0", no content type
    $r = $c->step(201, 'PUT', '/bbb/none', { 'x-ms-blob-type' => 'BlockBlob' });
    $r = $c->step(416, 'GET', '/bbb/none', { Range => 'bytes=0-33554431' });
    $c->has($r, 'x-ms-error-code' => 'InvalidRange',
        'Content-Range' => 'bytes */0');

    # cptree up: no content type; the ETag is in the answer
    $c->step(201, 'PUT', '/bbb/a%20b/c%2Bd', { 'x-ms-blob-type' => 'BlockBlob' },
        'hello');
    $r = $c->step(200, 'HEAD', '/bbb/a%20b/c%2Bd');
    $c->has($r, 'Content-Length' => 5, 'x-ms-creation-time' => $date,
        'Last-Modified' => $date, ETag => $tag,
        'Content-Type' => 'application/octet-stream');

    # cp up: the list is looked at, blocks with ids of 8 bytes, XML with single
    # quotes, the MD5 of all with the commit
    $r = $c->step('404 BlobNotFound', 'GET', '/bbb/big?comp=blocklist');
    my @ids = map { encode_base64(pack('Q>', $_), '') } 0 .. 4;
    for my $i (0 .. $#ids) {
        $c->step(201, 'PUT', '/bbb/big?comp=block&blockid='
            . uri_escape($ids[$i]), {}, substr $body, $i * MIB / 4, MIB / 4);
    }
    my $xml = "<?xml version='1.0' encoding='utf8'?>\n<BlockList>"
        . join('', map { "<Latest>$_</Latest>" } @ids) . '</BlockList>';
    my $none = encode_base64(pack('Q>', 99), '');
    $c->step('400 InvalidBlockList', 'PUT', '/bbb/big?comp=blocklist', {},
        $xml =~ s/\Q$ids[4]\E/$none/r);
    $c->step(201, 'PUT', '/bbb/big?comp=blocklist',
        { 'x-ms-blob-content-md5' => md5($body) }, $xml);
    $c->has($c->step(200, 'HEAD', '/bbb/big'), 'Content-MD5' => md5($body),
        'Content-Length' => length $body);
    my $etag = $c->call('HEAD', '/bbb/big')->{headers}{etag};
    flush($n);
    $r = $c->step(200, 'GET', '/bbb/big?comp=blocklist');
    is_deeply [names($r)], \@ids, 'its own ids afterwards';
    $c->has($r, ETag => $etag);

    # a list that has grown is written anew with If-Match
    $c->step(201, 'PUT', '/bbb/big?comp=block&blockid=' . uri_escape($none), {},
        'tail');
    $xml =~ s/Latest/Committed/g;
    $xml =~ s{</BlockList>}{<Latest>$none</Latest></BlockList>};
    $c->step('412 ConditionNotMet', 'PUT', '/bbb/big?comp=blocklist',
        { 'If-Match' => '"0x1"' }, $xml);
    $r = $c->step(201, 'PUT', '/bbb/big?comp=blocklist', { 'If-Match' => $etag },
        $xml);
    is $c->step(200, 'GET', '/bbb/big')->{body}, "${body}tail",
        'old blocks and a new one';

    # cp down: 206 even if the range is all of it, then the next
    $r = $c->step(206, 'GET', '/bbb/big', { Range => 'bytes=0-33554431' });
    is $r->{body}, "${body}tail", 'a range beyond the end';
    $c->has($r, 'Content-Range' => sprintf('bytes 0-%d/%d', length($body) + 3,
        length($body) + 4), 'Content-Length' => length($body) + 4);
    is $c->step(206, 'GET', '/bbb/big', { Range => 'bytes=1048576-1048580' })
        ->{body}, substr($body, MIB, 5), 'a part';
    $r = $c->step(416, 'GET', '/bbb/big', { Range => 'bytes=33554432-67108863' });

    # ls, exists, a prefix with a space, as "+"
    $r = $c->step(200, 'GET', '/bbb?restype=container&comp=list&prefix='
        . '&delimiter=/');
    is_deeply [names($r)], ['a b/', 'big', 'none'], 'ls of the container';
    is scalar(() = $r->{body} =~ m{<Creation-Time>[^<]+</Creation-Time>}g), 2,
        'each blob has a Creation-Time';
    ends_empty($r, 'boostedblob');
    $r = $c->step(200, 'GET', '/bbb?restype=container&comp=list'
        . '&prefix=a+b/&delimiter=/');
    is_deeply [names($r)], ['a b/c+d'], 'a space as plus';
    $r = $c->step(200, 'GET', '/bbb?restype=container&comp=list&prefix=a+b/'
        . '&maxresults=1');
    is_deeply [names($r)], ['a b/c+d'], 'exists, of a folder';
    $c->step('404 BlobNotFound', 'HEAD', '/bbb/a%20b');
    $c->step('404 ContainerNotFound', 'GET', '/not-there?restype=container'
        . '&comp=list&prefix=&delimiter=/');
    $r = $c->step(200, 'GET', '/?comp=list');

    # cp within the account: its own host name whatever the endpoint; polled
    # with GET until it is no longer pending
    my $from = "https://$account.blob.core.windows.net/bbb/a%20b/c%2Bd";
    $r = $c->step(202, 'PUT', '/bbb/copy', { 'x-ms-copy-source' => $from });
    $c->has($r, 'x-ms-copy-id' => $uuid,
        'x-ms-copy-status' => qr/^(success|pending)$/, ETag => $tag);
    my $id = $r->{headers}{'x-ms-copy-id'};
    $r = $c->step(200, 'GET', '/bbb/copy');
    $c->has($r, 'x-ms-copy-id' => $id, 'x-ms-copy-status' => 'success',
        'x-ms-copy-progress' => '5/5');
    is $r->{body}, 'hello', 'copied';
    $c->step(404, 'PUT', '/bbb/copy2', { 'x-ms-copy-source' => "$from-not" });

    # cp across accounts: parts by URL
    my $source = $from . '?' . $n->sas(sp => 'r');
    $c->step(201, 'PUT', '/bbb/parts?comp=block&blockid='
        . uri_escape($ids[$_]), { 'x-ms-copy-source' => $source,
        'x-ms-source-range' => $_ ? 'bytes=3-4' : 'bytes=0-2' }) for 0, 1;
    $c->step(201, 'PUT', '/bbb/parts?comp=blocklist', {},
        "<?xml version='1.0' encoding='utf8'?>\n<BlockList>"
        . "<Latest>$ids[1]</Latest><Latest>$ids[0]</Latest></BlockList>");
    is $c->step(200, 'GET', '/bbb/parts')->{body}, 'lohel', 'in this order';

    # rm: 202 or 404
    $c->step(202, 'DELETE', '/bbb/copy');
    $c->step('404 BlobNotFound', 'DELETE', '/bbb/copy');

    # what it stored compressed it gets back so, marked as it was
    $c->{coding} = 1;
    $c->step(201, 'PUT', '/bbb/z', { 'x-ms-blob-type' => 'BlockBlob',
        'x-ms-blob-content-encoding' => 'gzip' }, "\x1f\x8bnot really");
    $r = $c->step(200, 'GET', '/bbb/z');
    is $r->{body}, "\x1f\x8bnot really", 'as it was stored';
    $c->has($r, 'Content-Encoding' => 'gzip');
}

# ---- blobfuse2 -----------------------------------------------------------

sub blobfuse2 {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} blobfuse2", id => 1,
        version => '2026-04-06', headers => { Accept => 'application/xml' });
    my ($r, $etag);
    is $n->blob('PUT', '/fuse?restype=container')->{status}, 201, 'container';

    # is it flat?  Only this error says so.
    $r = $c->step('400 InvalidQueryParameterValue', 'GET', '/fuse?comp=list'
        . '&include=permissions&maxresults=2&prefix=%2F&restype=container');
    $c->step('400 InvalidQueryParameterValue', 'GET', '/fuse?comp=list'
        . '&delimiter=%2F&include=metadata%2Cpermissions&restype=container');
    $r = $c->step(200, 'GET', '/fuse?comp=list&delimiter=%2F&maxresults=2'
        . '&restype=container');
    is_deeply [names($r)], [], 'nothing yet';

    # mkdir, create, write: a stub, an empty blob, blocks
    $c->step(201, 'PUT', '/fuse/d', { 'x-ms-blob-type' => 'BlockBlob',
        'x-ms-meta-hdi_isfolder' => 'true' }, '');
    $c->step(201, 'PUT', '/fuse/d%2Ff', { 'x-ms-blob-type' => 'BlockBlob' }, '');
    $r = $c->step(200, 'HEAD', '/fuse/d%2Ff');
    $c->has($r, 'x-ms-creation-time' => $date, 'Content-Length' => 0,
        'Last-Modified' => $date, ETag => $tag);
    my @ids = map { encode_base64("0123456789abcdef$_", '') } 0 .. 2;
    $c->has($c->step(201, 'PUT', '/fuse/d%2Ff?blockid=' . uri_escape($_)
        . '&comp=block', {}, text($_, 300_000)),
        'x-ms-content-crc64' => qr/^[A-Za-z0-9+\/]{11}=$/) for @ids;
    is $c->step(200, 'GET', '/fuse/d%2Ff')->{body}, '',
        'what was committed is read until then';
    $r = $c->step(201, 'PUT', '/fuse/d%2Ff?comp=blocklist', {
        'Content-Type' => 'application/xml' },
        '<BlockList>' . join('', map { "<Latest>$_</Latest>" } @ids)
        . '</BlockList>');
    $etag = $r->{headers}{etag};
    $c->has($c->step(200, 'HEAD', '/fuse/d%2Ff'), ETag => $etag,
        'Content-Length' => 900_000, 'Content-MD5' => undef,
        'x-ms-meta-hdi_isfolder' => undef);
    $r = $c->step(200, 'GET', '/fuse/d%2Ff?blocklisttype=committed'
        . '&comp=blocklist');
    is_deeply [names($r)], \@ids, 'the blocks';

    # its ETag is the same wherever it looks
    flush($n);
    $r = $c->step(200, 'GET', '/fuse?comp=list&delimiter=%2F&include=metadata'
        . '&maxresults=5000&prefix=d%2F&restype=container');
    like $r->{body}, qr{<Etag>\Q${\($etag =~ tr/"//dr)}\E</Etag>}, 'listed';
    $r = $c->step(206, 'GET', '/fuse/d%2Ff',
        { 'x-ms-range' => 'bytes=300000-300009', 'If-Match' => $etag });
    is $r->{body}, substr(text($ids[1], 300_000), 0, 10), 'a range';
    $c->has($r, ETag => $etag, 'Content-Range' => 'bytes 300000-300009/900000');

    # is a directory empty?  Two are enough to know.
    $r = $c->step(200, 'GET', '/fuse?comp=list&delimiter=%2F&maxresults=2'
        . '&prefix=d%2F&restype=container');
    is_deeply [names($r)], ['d/f'], 'it is not';

    # rename: a copy from its own URL, HEAD until done, DELETE
    $r = $c->step(202, 'PUT', '/fuse/d%2Fg', {
        'x-ms-copy-source' => $c->url . '/fuse/d%2Ff' });
    $c->has($r, 'x-ms-copy-id' => $uuid, 'x-ms-copy-status' => qr/^\w+$/);
    $r = $c->step(200, 'HEAD', '/fuse/d%2Fg');
    $c->has($r, 'x-ms-copy-status' => 'success', 'Content-Length' => 900_000,
        'x-ms-creation-time' => $date);
    $c->has($c->step(202, 'DELETE', '/fuse/d%2Ff', {
        'x-ms-delete-snapshots' => 'include' }),
        'x-ms-delete-type-permanent' => qr/^(true|false)$/);
    $c->step('404 BlobNotFound', 'DELETE', '/fuse/d%2Ff', {
        'x-ms-delete-snapshots' => 'include' });
    is length $c->step(200, 'GET', '/fuse/d%2Fg')->{body}, 900_000, 'renamed';
}

# ---- adlfs ---------------------------------------------------------------

sub adlfs {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} adlfs", id => 1,
        version => '2021-12-02', headers => { Accept => 'application/xml',
            'User-Agent' => 'azsdk-python-storage-blob/12.15.0b1' });
    my $r;
    is $n->blob('PUT', '/adl?restype=container')->{status}, 201, 'container';
    $c->has($c->step(200, 'GET', '/adl?restype=container'), ETag => $tag,
        'Last-Modified' => $date);
    $c->step('404 ContainerNotFound', 'GET', '/adlx?restype=container');

    # ids are base64 of 32 hex digits, the list comes with a declaration
    my @ids = map { encode_base64(sprintf('%032x', $_), '') } 1, 2;
    $c->step(201, 'PUT', '/adl/d/f?comp=block&blockid=' . uri_escape($_), {},
        "<$_>") for @ids;
    $r = $c->step(201, 'PUT', '/adl/d/f?comp=blocklist', {
        'x-ms-meta-is_directory' => 'false',
        'Content-Type' => 'application/xml; charset=utf-8' },
        "<?xml version='1.0' encoding='utf-8'?>\n<BlockList>"
        . join('', map { "<Latest>$_</Latest>" } @ids) . '</BlockList>');
    $c->step(201, 'PUT', '/adl/d/g', { 'x-ms-blob-type' => 'BlockBlob',
        'x-ms-meta-is_directory' => 'false',
        'Content-Type' => 'application/octet-stream' }, 'g');
    # some spellings of the mark of a directory
    my %marks = (is_directory => 'e1', hdi_isfolder => 'e2',
        Hdi_isfolder => 'e3', HDI_ISFOLDER => 'e4');
    $c->step(201, 'PUT', "/adl/$marks{$_}", { 'x-ms-blob-type' => 'BlockBlob',
        "x-ms-meta-$_" => 'true' }, '') for sort keys %marks;
    flush($n);
    for my $mark (sort keys %marks) {
        $r = $c->step(200, 'HEAD', "/adl/$marks{$mark}");
        like $r->{head}, qr/^x-ms-meta-$mark: true\r$/m, "spelled $mark";
    }
    $r = $c->step(200, 'HEAD', '/adl/d/f');
    like $r->{head}, qr/^x-ms-meta-is_directory: false\r$/m, 'no directory';

    # info of a folder: not a blob, but something is below
    $c->step('404 BlobNotFound', 'HEAD', '/adl/d');
    $r = $c->step(200, 'GET', '/adl?restype=container&comp=list&prefix=d/'
        . '&maxresults=1');
    is_deeply [names($r)], ['d/f'], 'one below';
    # a page may be short; the marker says if there is more
    my ($next) = $r->{body} =~ m{<NextMarker>([^<]+)</NextMarker>};
    ok $next, 'and more to come';
    $r = $c->step(200, 'GET', '/adl?restype=container&comp=list&prefix=d/'
        . '&marker=' . uri_escape($next // ''));
    is_deeply [names($r)], ['d/g'], 'which is this';
    ends_empty($r, 'adlfs');
    # walk: raw delimiter
    $r = $c->step(200, 'GET', '/adl?restype=container&comp=list&delimiter=/'
        . '&include=metadata&prefix=');
    is_deeply [names($r)], ['d/', 'e1', 'e2', 'e3', 'e4'], 'walk';
    like $r->{body}, qr{<Metadata><$_>true</$_>}, $_ for sort keys %marks;

    # cp: never polled, so it has to be there
    $c->step(202, 'PUT', '/adl/copy', { 'x-ms-copy-source' =>
        $c->url . '/adl/d/f' });
    is $c->step(200, 'GET', '/adl/copy')->{body}, "<$ids[0]><$ids[1]>",
        'copied';
    $c->step(202, 'DELETE', '/adl/copy');
    $c->step('404 BlobNotFound', 'GET', '/adl/copy');
}

# ---- blocks of anybody ---------------------------------------------------

sub blocks {
    my ($n) = @_;
    my $c = BlobTest::Replay->new($n, name => "$n->{name} blocks", id => 1,
        version => '2023-11-03');
    my ($r, @id) = (undef, map { encode_base64("id-$_", '') } 'a' .. 'c');
    is $n->blob('PUT', '/blk?restype=container')->{status}, 201, 'container';
    my $block = sub { my ($want, $id, $data) = @_;
        $c->step($want, 'PUT', '/blk/b?comp=block&blockid=' . $id, {}, $data) };
    my $commit = sub { my ($want, $xml, %h) = @_;
        $c->step($want, 'PUT', '/blk/b?comp=blocklist', \%h, $xml) };

    $block->(201, uri_escape($id[0]), 'first');
    $block->(201, uri_escape($id[0]), 'second');
    $block->('400 InvalidBlobOrBlock', uri_escape(encode_base64('longer', '')),
        'x');
    $block->(400, 'a-_a', 'x');
    $block->(400, uri_escape(encode_base64('x' x 65, '')), 'x');
    $block->(400, uri_escape($id[1]), '');
    $r = $c->step(200, 'GET', '/blk?restype=container&comp=list'
        . '&include=uncommittedblobs');
    like $r->{body}, qr{<Name>b</Name>.*<Content-Length>0</Content-Length>}s,
        'listed if asked for';
    is_deeply [names($c->step(200, 'GET',
        '/blk?restype=container&comp=list'))], [], 'else not';
    $c->step('404 BlobNotFound', 'GET', '/blk/b');

    # one id twice, a byte order mark, white space
    $commit->(201, "\xef\xbb\xbf" . decl() . "\n<BlockList>\n  <Latest>$id[0]"
        . "</Latest>\n  <Uncommitted>$id[0]</Uncommitted>\n</BlockList>\n");
    is $c->step(200, 'GET', '/blk/b')->{body}, 'secondsecond', 'twice';
    $commit->('400 InvalidBlockList', "<BlockList><Uncommitted>$id[0]"
        . '</Uncommitted></BlockList>');
    $commit->('400 InvalidXmlDocument', '<BlockList><Latest>');
    $commit->('409 BlobAlreadyExists', '<BlockList/>', 'If-None-Match' => '*');
    is $c->step(200, 'GET', '/blk/b')->{body}, 'secondsecond', 'still';

    # two writers of one name: the latest of each id, and the rest is gone
    $block->(201, uri_escape($id[0]), 'theirs');
    $block->(201, uri_escape($id[1]), 'more');
    $block->(201, uri_escape($id[2]), 'unused');
    $commit->(201, "<BlockList><Committed>$id[0]</Committed>"
        . "<Latest>$id[0]</Latest><Latest>$id[1]</Latest></BlockList>");
    is $c->step(200, 'GET', '/blk/b')->{body}, 'secondtheirsmore', 'merged';
    $commit->('400 InvalidBlockList', "<BlockList><Latest>$id[2]</Latest>"
        . '</BlockList>');

    # Put Blob discards what was not committed; an empty list is an empty blob
    $block->(201, uri_escape($id[2]), 'unused');
    $c->step(201, 'PUT', '/blk/b', { 'x-ms-blob-type' => 'BlockBlob' }, 'whole');
    $commit->('400 InvalidBlockList', "<BlockList><Latest>$id[2]</Latest>"
        . '</BlockList>');
    $r = $c->step(200, 'GET', '/blk/b?comp=blocklist&blocklisttype=all');
    is_deeply [names($r)], [], 'no blocks of Put Blob';
    $commit->(201, '<BlockList/>');
    $c->has($c->step(200, 'HEAD', '/blk/b'), 'Content-Length' => 0);

    # what is deleted takes its blocks along, wherever its bytes are
    for my $name ('b', $n->{origin} ? 'far' : ()) {
        $lake->blob('PUT', '/blk/far', {}, 'far') if $name eq 'far';
        $c->step(201, 'PUT', "/blk/$name?comp=block&blockid="
            . uri_escape($id[0]), {}, 'wait');
        $c->step(202, 'DELETE', "/blk/$name");
        $c->step('404 BlobNotFound', 'GET',
            "/blk/$name?comp=blocklist&blocklisttype=all");
    }
}

for my $n ($alone, $edge) {
    azcopy($n);
    boostedblob($n);
    blobfuse2($n);
    adlfs($n);
    blocks($n);
}
flush($edge);
is $lake->blob('GET', '/fuse/d%2Fg')->{headers}{'content-length'}, 900_000,
    'the lake has what the edge was given';
$t->done;

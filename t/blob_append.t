# Append blobs of a standalone server.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
$n->blob('PUT', '/ccc?restype=container');

sub is_code {
    my ($r, $status, $code, $what) = @_;
    is "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '-'),
        "$status $code", $what;
}
sub create {
    my ($name, $h, $body) = @_;
    return $n->blob('PUT', "/ccc/$name", { 'x-ms-blob-type' => 'AppendBlob',
        %{$h // {}} }, $body);
}
sub append {
    my ($name, $body, $h) = @_;
    return $n->blob('PUT', "/ccc/$name?comp=appendblock", $h, $body);
}

# ---- making one ----------------------------------------------------------

my $r = create('log', { 'x-ms-meta-K' => 'v', 'Content-Type' => 'text/x',
    'x-ms-blob-content-md5' => 'AAAAAAAAAAAAAAAAAAAAAA==' });
is_code $r, 201, '-', 'made';
my $etag = $r->{headers}{etag};
ok $etag && $r->{headers}{'last-modified'}, 'with validators';
ok !exists $r->{headers}{'content-md5'}, 'no MD5 of nothing';
$r = $n->blob('HEAD', '/ccc/log');
is $r->{headers}{'x-ms-blob-type'}, 'AppendBlob', 'its type';
is $r->{headers}{'content-length'}, 0, 'empty';
is $r->{headers}{'x-ms-blob-committed-block-count'}, 0, 'no blocks';
is $r->{headers}{'x-ms-meta-k'}, 'v', 'metadata';
is $r->{headers}{'content-type'}, 'text/x', 'content type';
ok !exists $r->{headers}{'x-ms-blob-sealed'}, 'not sealed';
ok !exists $r->{headers}{'x-ms-access-tier'}, 'in no tier';
is_code create('x', {}, 'body'), 400, 'InvalidHeaderValue', 'not with a body';
is_code create('x', { 'x-ms-access-tier' => 'Cool' }), 400,
    'AccessTierNotSupportedForBlobType', 'nor a tier';
is_code create('log', { 'If-None-Match' => '*' }), 409, 'BlobAlreadyExists',
    'create only';
is_code $n->blob('PUT', '/nope/x', { 'x-ms-blob-type' => 'AppendBlob' }), 404,
    'ContainerNotFound', 'no container';

# ---- appending -----------------------------------------------------------

my $all = '';
my $blocks = 0;
for my $size (1, 20, 16_384, 16_385, 300_000, 3) {
    my $part = join '', map { chr 97 + ($_ * 7 + $size) % 26 } 1 .. $size;
    $r = append('log', $part);
    is_code $r, 201, '-', "append $size";
    is $r->{headers}{'x-ms-blob-append-offset'}, length $all, 'where';
    is $r->{headers}{'x-ms-blob-committed-block-count'}, ++$blocks, 'how many';
    isnt $r->{headers}{etag}, $etag, 'another ETag';
    like $r->{headers}{'x-ms-content-crc64'}, qr{^[\w+/]{11}=$}, 'checksum';
    $etag = $r->{headers}{etag};
    $all .= $part;
    $r = $n->blob('GET', '/ccc/log');
    ok $r->{body} eq $all, 'read at once';
    is $r->{headers}{etag}, $etag, 'under that ETag';
}
is $r->{headers}{'content-md5'}, 'AAAAAAAAAAAAAAAAAAAAAA==',
    'the MD5 is what was said';
$r = $n->blob('GET', '/ccc/log', { 'x-ms-range' => 'bytes=16000-33000' });
ok $r->{body} eq substr($all, 16000, 17001), 'a range over blocks';
$r = append('log', 'md5', { 'Content-MD5' => md5_base64('md5') . '==' });
is $r->{headers}{'content-md5'}, md5_base64('md5') . '==', 'MD5 comes back';
$all .= 'md5';
is_code append('log', 'md5', { 'Content-MD5' => md5_base64('x') . '==' }), 400,
    'Md5Mismatch', 'wrong MD5';
is_code append('log', ''), 400, 'InvalidHeaderValue', 'nothing';
is_code append('none', 'x'), 404, 'BlobNotFound', 'to nothing';
is $n->blob('HEAD', '/ccc/log')->{headers}{'content-length'}, length $all,
    'none of them counted';

# conditions
my $len = length $all;
is_code append('log', 'x', { 'x-ms-blob-condition-appendpos' => $len - 1 }),
    412, 'AppendPositionConditionNotMet', 'another position';
is_code append('log', 'x', { 'x-ms-blob-condition-appendpos' => 'end' }),
    400, 'InvalidHeaderValue', 'no position';
is_code append('log', 'xx', { 'x-ms-blob-condition-maxsize' => $len + 1 }),
    412, 'MaxBlobSizeConditionNotMet', 'too long';
is_code append('log', 'x', { 'x-ms-blob-condition-maxsize' => $len + 1,
    'x-ms-blob-condition-appendpos' => $len }), 201, '-', 'just fits';
$all .= 'x';
is_code append('log', 'x', { 'If-Match' => $etag }), 412, 'ConditionNotMet',
    'an old ETag';
$etag = $n->blob('HEAD', '/ccc/log')->{headers}{etag};
is_code append('log', 'y', { 'If-Match' => $etag }), 201, '-', 'the ETag';
$all .= 'y';

# limits
my $sas = $n->sas;
for (['2021-12-02', 413, 'RequestBodyTooLarge'], ['2022-11-02', 201, '-']) {
    my $big = 'b' x (4 * 1024 * 1024 + 1);
    $r = $n->connect->request('PUT', "/$n->{account}/ccc/log?comp=appendblock"
        . "&$sas", { 'x-ms-version' => $_->[0] }, $big);
    is_code $r, $_->[1], $_->[2], "more than 4 MiB in $_->[0]";
    $all .= $big if $r->{status} == 201;
}
ok $n->blob('GET', '/ccc/log')->{body} eq $all, 'all there';

# many at once: each has a place of its own
my @conn = map { $n->connect } 1 .. 4;
create('many');
my %at;
for my $i (1 .. 50) {
    for my $k (0 .. $#conn) {
        my $r = $conn[$k]->request('PUT',
            "/$n->{account}/ccc/many?comp=appendblock&$sas",
            { 'x-ms-version' => '2023-11-03' }, sprintf '%02d:%d;', $i, $k);
        $at{$r->{headers}{'x-ms-blob-append-offset'} // 'none'}++;
    }
}
is_deeply [sort { $a <=> $b } keys %at], [map { $_ * 5 } 0 .. 199], 'places';
$r = $n->blob('GET', '/ccc/many');
is length $r->{body}, 1000, 'all of them';
is $r->{headers}{'x-ms-blob-committed-block-count'}, 200, 'counted';

# SAS: a alone appends
my $a_only = $n->sas(sp => 'a');
$r = $n->connect->request('PUT', "/$n->{account}/ccc/many?comp=appendblock"
    . "&$a_only", { 'x-ms-version' => '2023-11-03' }, 'sas');
is_code $r, 201, '-', 'a appends';
$r = $n->connect->request('PUT', "/$n->{account}/ccc/many?comp=appendblock&"
    . $n->sas(sp => 'rc'), { 'x-ms-version' => '2023-11-03' }, 'sas');
is_code $r, 403, 'AuthorizationPermissionMismatch', 'rc does not';

# ---- types ---------------------------------------------------------------

$n->blob('PUT', '/ccc/block', {}, 'x');
is_code append('block', 'x'), 409, 'InvalidBlobType', 'append to a block blob';
is_code $n->blob('PUT', '/ccc/block?comp=seal'), 409, 'InvalidBlobType',
    'seal one';
is_code $n->blob('PUT', '/ccc/log?comp=block&blockid=MDE%3D', {}, 'x'), 409,
    'InvalidBlobType', 'Put Block';
is_code $n->blob('PUT', '/ccc/log?comp=blocklist', {},
    '<BlockList></BlockList>'), 409, 'InvalidBlobType', 'Put Block List';
is_code $n->blob('GET', '/ccc/log?comp=blocklist'), 409, 'InvalidBlobType',
    'Get Block List';
ok $n->blob('GET', '/ccc/log')->{body} eq $all, 'nothing happened';

# ---- snapshots -----------------------------------------------------------

my $snap = $n->blob('PUT', '/ccc/log?comp=snapshot')->{headers}
    {'x-ms-snapshot'};
is_code append('log', 'later'), 201, '-', 'append after a snapshot';
ok $n->blob('GET', "/ccc/log?snapshot=$snap")->{body} eq $all,
    'which stays as it was';
$all .= 'later';
ok $n->blob('GET', '/ccc/log')->{body} eq $all, 'the blob goes on';
is_code append('log', 'x', {}), 201, '-', 'and on';
$all .= 'x';
is_code $n->blob('PUT', "/ccc/log?comp=appendblock&snapshot=$snap", {}, 'x'),
    400, 'InvalidQueryParameterValue', 'nothing is appended to it';

# ---- copies --------------------------------------------------------------

my $from = $n->url . '/ccc/many';
is $n->blob('PUT', '/ccc/copy', { 'x-ms-copy-source' => $from })->{status},
    202, 'Copy Blob';
$r = $n->blob('GET', '/ccc/copy');
is $r->{headers}{'x-ms-blob-type'}, 'AppendBlob', 'of the same type';
is $r->{headers}{'x-ms-blob-committed-block-count'}, 201, 'counted';
is append('copy', '!')->{headers}{'x-ms-blob-append-offset'}, 1003,
    'and goes on';
is $n->blob('GET', '/ccc/copy')->{body}, "$r->{body}!", 'by itself';
is $n->blob('GET', '/ccc/many')->{body}, $r->{body}, 'its source does not';
is $n->blob('PUT', '/ccc/put', { 'x-ms-copy-source' => $from,
    'x-ms-blob-type' => 'BlockBlob' })->{status}, 201, 'Put Blob From URL';
is $n->blob('HEAD', '/ccc/put')->{headers}{'x-ms-blob-type'}, 'BlockBlob',
    'is a block blob';
is_code $n->blob('PUT', '/ccc/many?comp=block&blockid=MDE%3D',
    { 'x-ms-copy-source' => $from }), 409, 'InvalidBlobType',
    'Put Block From URL';

# ---- sealing -------------------------------------------------------------

is_code $n->blob('PUT', '/ccc/none?comp=seal'), 404, 'BlobNotFound',
    'seal nothing';
is_code $n->blob('PUT', '/ccc/log?comp=seal',
    { 'x-ms-blob-condition-appendpos' => 1 }), 412,
    'AppendPositionConditionNotMet', 'at another length';
$r = $n->blob('PUT', '/ccc/log?comp=seal',
    { 'x-ms-blob-condition-appendpos' => length $all });
is_code $r, 200, '-', 'sealed';
is $r->{headers}{'x-ms-blob-sealed'}, 'true', 'it says';
is $n->blob('HEAD', '/ccc/log')->{headers}{'x-ms-blob-sealed'}, 'true',
    'HEAD says';
is $n->blob('HEAD', '/ccc/log')->{headers}{etag}, $r->{headers}{etag}, 'ETag';
is_code append('log', 'x'), 409, 'BlobIsSealed', 'nothing more';
is_code $n->blob('PUT', '/ccc/log?comp=seal'), 200, '-', 'again';
my $list = $n->blob('GET', '/ccc?restype=container&comp=list')->{body};
like $list, qr{<Name>log</Name>.*?<BlobType>AppendBlob</BlobType>.*?<Sealed>true</Sealed>}s,
    'listed';
unlike $list, qr{<Name>many</Name>(?:(?!</Blob>).)*<Sealed>}s, 'as it is';
is_code create('log'), 201, '-', 'made anew';
is $n->blob('GET', '/ccc/log')->{body}, '', 'empty again';
is_code append('log', 'x'), 201, '-', 'and open';

# a restart
$n->stop;
$n->start;
is $n->blob('GET', '/ccc/log')->{body}, 'x', 'after a restart';
is append('log', 'y')->{headers}{'x-ms-blob-append-offset'}, 1, 'goes on';
is $n->blob('PUT', '/ccc/log', {}, 'block')->{status}, 201,
    'a block blob over it';
is $n->blob('HEAD', '/ccc/log')->{headers}{'x-ms-blob-type'}, 'BlockBlob',
    'is one';

# ---- from a URL ----------------------------------------------------------

my $part = join '', map { chr 97 + $_ % 23 } 1 .. 40_000;
$n->blob('PUT', '/ccc/source', {}, $part);
create('fromurl');
sub from {
    my ($name, %h) = @_;
    return $n->blob('PUT', "/ccc/$name?comp=appendblock",
        { 'x-ms-copy-source' => $n->url . '/ccc/source', %h });
}
$r = from('fromurl');
is_code $r, 201, '-', 'appended from a URL';
is $r->{headers}{'x-ms-blob-append-offset'}, 0, 'at the beginning';
is $r->{headers}{'x-ms-blob-committed-block-count'}, 1, 'as one block';
ok $r->{headers}{etag} && $r->{headers}{'last-modified'}, 'with validators';
$r = from('fromurl', 'x-ms-source-range' => 'bytes=10-19',
    'x-ms-blob-condition-appendpos' => 40_000,
    'x-ms-source-content-md5' => md5_base64(substr $part, 10, 10) . '==');
is_code $r, 201, '-', 'a range of it';
is $r->{headers}{'x-ms-blob-append-offset'}, 40_000, 'behind';
is $n->blob('GET', '/ccc/fromurl')->{body}, $part . substr($part, 10, 10),
    'both are there';
is_code from('fromurl', 'x-ms-blob-condition-appendpos' => 1), 412,
    'AppendPositionConditionNotMet', 'another position';
is_code from('fromurl', 'x-ms-blob-condition-maxsize' => 41_000), 412,
    'MaxBlobSizeConditionNotMet', 'too much of it';
is_code from('fromurl', 'If-Match' => '"0x1"'), 412, 'ConditionNotMet',
    'another version';
is_code from('source'), 409, 'InvalidBlobType', 'to a block blob';
is_code from('nothing'), 404, 'BlobNotFound', 'to none';
is_code from('fromurl', 'x-ms-copy-source' => $n->url . '/ccc/none'), 404,
    'CannotVerifyCopySource', 'from none';
is_code from('fromurl', 'x-ms-source-range' => 'bytes=90000-'), 416,
    'InvalidRange', 'from behind its end';
is $n->blob('HEAD', '/ccc/fromurl')->{headers}{'content-length'}, 40_010,
    'nothing was added';

$t->done;

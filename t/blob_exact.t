# The fine print of the protocol: limits by version, phrases, extra nodes,
# what is refused of parameters and conditions.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $a = $n->{account};
my $r;

sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }

sub phrase { $_[0]{head} =~ m{\AHTTP/1\.1 (\d+ [^\r]*)\r}; $1 }

is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';
is $n->blob('PUT', '/ccc/b', {}, 'hello')->{status}, 201, 'blob';

# limits by version; the body is not even waited for
my $sas = $n->sas;
for my $case (['b', '2015-12-11', 64], ['b', '2016-05-31', 256],
    ['b', '2019-07-07', 256], ['b', '2019-12-12', 5000], ['b', undef, 5000],
    ['b?comp=block&blockid=AAAA', '2015-12-11', 4],
    ['b?comp=block&blockid=AAAA', '2019-07-07', 100],
    ['b?comp=block&blockid=AAAA', '2019-12-12', 4000])
{
    my ($target, $version, $mib) = @$case;
    my $c = $n->connect;
    $target .= $target =~ /\?/ ? '&' : '?';
    my $head = "PUT /$a/ccc/$target$sas HTTP/1.1\r\nHost: $t->{host}\r\n"
        . "x-ms-blob-type: BlockBlob\r\n"
        . (defined $version ? "x-ms-version: $version\r\n" : '');
    $c->send($head . 'Content-Length: ' . ($mib * 1024 * 1024 + 1)
        . "\r\n\r\n");
    $r = $c->read_message;
    is code($r), '413 RequestBodyTooLarge',
        "$target " . ($version // 'no version') . ": more than $mib MiB";
    my $max = $mib * 1024 * 1024;
    like $r->{body}, qr{<MaxLimit>$max</MaxLimit>}, 'and says how much';
}
$r = $n->blob('PUT', '/ccc/old?comp=block&blockid=AAAA',
    { 'x-ms-version' => '2015-12-11' }, 'x' x (4 << 20));
is $r->{status}, 201, 'as much as an old version may';

# quotes came with 2011-08-18
$r = $n->blob('HEAD', '/ccc/b', { 'x-ms-version' => '2011-08-18' });
like $r->{headers}{etag}, qr/^"0x/, 'quoted';
my $c = $n->connect;
$r = $c->request('HEAD', "/$a/ccc/b?$sas", { 'x-ms-version' => '2009-09-19' });
like $r->{headers}{etag}, qr/^0x[0-9A-F]+$/, 'not quoted';
$r = $c->request('GET', "/$a/ccc/b?$sas", { 'x-ms-version' => '2009-09-19',
    'If-None-Match' => $r->{headers}{etag} });
is $r->{status}, 304, 'and taken back';
like $r->{headers}{etag}, qr/^0x[0-9A-F]+$/, '304 too';

# reason phrases
is phrase($n->blob('GET', '/ccc/none')),
    '404 The specified blob does not exist.', 'phrase of a 404';
is phrase($n->blob('HEAD', '/ccc/none')),
    '404 The specified blob does not exist.', 'of a HEAD';
my $etag = $n->blob('HEAD', '/ccc/b')->{headers}{etag};
$r = $n->blob('GET', '/ccc/b', { 'If-None-Match' => $etag });
like phrase($r), qr/^304 The condition/, 'of a 304';
is $r->{headers}{'x-ms-error-code'}, 'ConditionNotMet', 'with a code';
is $r->{body}, '', 'without a body';
is phrase($n->blob('GET', '/ccc/b')), '200 OK', 'of a 200';
ok $n->{client}{open}, 'connection open';

# nodes
$r = $n->blob('GET', '/ccc?restype=container&comp=list&maxresults=0');
is code($r), '400 OutOfRangeQueryParameterValue', 'maxresults=0';
like $r->{body}, qr{<QueryParameterName>maxresults</QueryParameterName>
    <QueryParameterValue>0</QueryParameterValue>
    <MinimumAllowed>1</MinimumAllowed>
    <MaximumAllowed>5000</MaximumAllowed>}x, 'what is allowed';
$r = $n->blob('PUT', '/ccc/b', { 'Content-MD5' => 'AAAAAAAAAAAAAAAAAAAAAA==' },
    'x');
like $r->{body}, qr{<UserSpecifiedMd5>A{22}==</UserSpecifiedMd5>
    <ServerCalculatedMd5>}x, 'the MD5s in order';

# refused operations by name
for (['PUT', '/ccc/b?comp=expiry', 'Set Blob Expiry'],
    ['POST', '/ccc/b?comp=query', 'Query Blob Contents'])
{
    my ($method, $target, $name) = @$_;
    $r = $n->blob($method, $target, {}, '');
    is code($r), '501 NotImplemented', $name;
    like $r->{body}, qr{<Message>$name: }, 'named';
}
for my $name (qw(x-ms-encryption-key x-ms-encryption-scope)) {
    for (['PUT', '/ccc/b'], ['GET', '/ccc/b'],
        ['PUT', '/ccc/b?comp=block&blockid=AAAA'])
    {
        $r = $n->blob(@$_, { $name => 'secretword' }, 'x');
        is code($r), '400 UnsupportedHeader', "$name: @$_";
        like $r->{body}, qr{<HeaderName>$name</HeaderName>}, 'named';
        unlike $r->{body}, qr/secretword/, 'not echoed'
            if $name eq 'x-ms-encryption-key';
    }
}

# listings
my $list = '/ccc?restype=container&comp=list';
for (['permissions', 'InvalidQueryParameterValue'],
    ['metadata,nonsense', 'InvalidQueryParameterValue'])
{
    is code($n->blob('GET', "$list&include=$_->[0]")), "400 $_->[1]",
        "include=$_->[0]";
}
for my $q ('include=', 'include=metadata%2Cuncommittedblobs', 'prefix=',
    'delimiter=', 'marker=', 'maxresults=', 'maxresults=6000', 'junk=1',
    'timeout=31536001', '_=17', 'include=metadata,,copy')
{
    $r = $n->blob('GET', "$list&$q");
    is $r->{status}, 200, $q;
    like $r->{body}, qr{<NextMarker ?/>|<NextMarker></NextMarker>}, 'the end';
}
for my $q ('startFrom=a%2Fb&delimiter=/', 'endBefore=a%2Fb&delimiter=/',
    'showonly=files', 'showonly=deleted', 'maxresults=x', 'marker=nonsense')
{
    is code($n->blob('GET', "$list&$q")), '400 InvalidQueryParameterValue', $q;
}
is code($n->blob('GET', '/?comp=list&include=snapshots')),
    '400 InvalidQueryParameterValue', 'snapshots of containers';
is $n->blob('GET', '/?comp=list&include=metadata,deleted,system')->{status},
    200, 'what containers have';
is $n->blob('PUT', '/ccc/a%EF%BF%BEb', {}, 'x')->{status}, 201,
    'a name XML has no word for';
like $n->blob('GET', "$list&prefix=a")->{body},
    qr{<Name Encoded="true">a%EF%BF%BEb</Name>}, 'is encoded';

# conditions
my $date = 'Thu, 01 Jan 1998 00:00:00 GMT';
for (['ETag and no ETag', 400, 'MultipleConditionHeadersNotSupported',
        { 'If-Match' => $etag, 'If-None-Match' => '"0x1"' }],
    ['both dates', 400, 'MultipleConditionHeadersNotSupported',
        { 'If-Modified-Since' => $date, 'If-Unmodified-Since' => $date }],
    ['ETag and modified', 400, 'MultipleConditionHeadersNotSupported',
        { 'If-Match' => $etag, 'If-Modified-Since' => $date }],
    ['no ETag and unmodified', 400, 'MultipleConditionHeadersNotSupported',
        { 'If-None-Match' => '"0x1"', 'If-Unmodified-Since' => $date }],
    ['a bad date', 400, 'InvalidHeaderValue',
        { 'If-Modified-Since' => 'yesterday' }])
{
    my ($what, $status, $code, $h) = @$_;
    for my $target ('/ccc/b', '/ccc/b?comp=metadata', '/ccc/b?comp=properties')
    {
        is code($n->blob('PUT', $target, { %$h }, '')), "$status $code",
            "$target: $what";
    }
}
is code($n->blob('GET', '/ccc/b', { 'If-None-Match' => '*' })),
    '400 UnsatisfiableCondition', 'read unless it is anything';
is $n->blob('GET', '/ccc/b', { 'If-Match' => "\"0x1\", $etag",
    'If-None-Match' => '"0x2"', 'If-Unmodified-Since' => $date })->{status},
    412, 'reads take all of them';
is code($n->blob('PUT', '/ccc?restype=container&comp=metadata',
    { 'If-Match' => '"0x1"' })), '400 ConditionHeadersNotSupported',
    'containers know dates only';
is $n->blob('PUT', '/ccc?restype=container&comp=metadata',
    { 'If-Modified-Since' => $date })->{status}, 200, 'those they do';
is code($n->blob('GET', '/ccc/b', { 'If-Match' => '"0x1"',
    'x-ms-range' => 'bytes=99-' })), '412 ConditionNotMet',
    'conditions come before ranges';

# digests of ranges
for my $h ({ 'x-ms-range-get-content-md5' => 'true' },
    { 'x-ms-range-get-content-crc64' => 'true' },
    { 'x-ms-range' => 'bytes=0-1', 'x-ms-range-get-content-md5' => 'true',
        'x-ms-range-get-content-crc64' => 'true' },
    { 'x-ms-range' => 'bytes=0-1', 'x-ms-range-get-content-md5' => 'maybe' })
{
    is code($n->blob('GET', '/ccc/b', { %$h })), '400 InvalidHeaderValue',
        join ' ', %$h;
}
for my $range ('bytes=-2', 'bytes=0-0,2-2', 'lines=1-2') {
    $r = $n->blob('GET', '/ccc/b', { Range => $range });
    is "$r->{status} $r->{body}", '200 hello', "$range is none";
}

# ids of clients
my $id = 'i' x 1024;
is $n->blob('GET', '/ccc/b', { 'x-ms-client-request-id' => $id })->{headers}
    {'x-ms-client-request-id'}, $id, 'a KiB comes back';
is $n->blob('GET', '/ccc/none', { 'x-ms-client-request-id' => 'q' })
    ->{headers}{'x-ms-client-request-id'}, 'q', 'with errors too';
is $n->blob('GET', '/ccc/b')->{headers}{'x-ms-client-request-id'}, undef,
    'none unless sent';

# metadata
for (['x-ms-meta-1a', 'v', 'InvalidMetadata'],
    ['x-ms-meta-a-b', 'v', 'InvalidMetadata'],
    ['x-ms-meta-', 'v', 'EmptyMetadataKey'],
    ['x-ms-meta-a', "\xc3\xa9", 'InvalidMetadata'],
    ['x-ms-meta-a', 'v' x 8192, 'MetadataTooLarge'])
{
    is code($n->blob('PUT', '/ccc/b?comp=metadata', { $_->[0] => $_->[1] })),
        "400 $_->[2]", "$_->[0]: $_->[2]";
}
is $n->blob('PUT', '/ccc/b?comp=metadata', { 'x-ms-meta-a' => 'v' x 8191 })
    ->{status}, 200, 'eight KiB are';
ok $n->{client}{open}, 'all on one connection';

$t->done;

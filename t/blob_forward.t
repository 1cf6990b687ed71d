# Operations that the origin does: flushed before, re-signed, streamed, and
# what is known here put right after. The origin is Azurite.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use Test::More;
use BlobTest;

my $main = "$BlobTest::TOP/t/interop/node_modules/azurite/dist/src/blob/main.js";
plan skip_all => 'Azurite is not installed: make interop does' unless -e $main;

my $t = BlobTest->new;
my $port = $t->port;
my $node = (glob "$BlobTest::TOP/t/interop/node_modules/node-linux-*/bin/node")[0]
    // 'node';
$t->program('azurite', port => $port, start_timeout => 90, command => [$node, $main,
    '--inMemoryPersistence', '--skipApiVersionCheck', '--silent',
    '--blobHost', $t->host, '--blobPort', $port])->start;
my $url = 'http://' . $t->host . ":$port/devstoreaccount1";
my $n = $t->nginx('edge', origin => $url, policy => <<'POLICY')->start;
    blob_container thru { write through; }
    blob_container roc { write off; }
POLICY
my $tier = $t->tier($n)->start;
my $direct = BlobTest::Nginx->new($t, 'azurite-client', port => $port);
my $r;

# ---- containers ---------------------------------------------------------

for my $con (qw(con thru)) {
    $r = $n->blob('PUT', "/$con?restype=container", { 'x-ms-meta-A' => 'b' });
    is $r->{status}, 201, "create $con";
    ok $r->{headers}{etag}, 'ETag';
    like $r->{headers}{'x-ms-request-id'}, qr/^[0-9a-f]{8}-/, 'our id';
}
is $n->blob('PUT', '/con?restype=container')->{status}, 409, 'only once';
is $direct->blob('HEAD', '/con?restype=container')->{status}, 200,
    'the origin has it';
$r = $n->blob('GET', '/con?restype=container');
is $r->{headers}{'x-ms-meta-a'}, 'b', 'its metadata';
is $n->blob('PUT', '/con?restype=container&comp=metadata',
    { 'x-ms-meta-C' => 'd' })->{status}, 200, 'other metadata';
$r = $n->blob('GET', '/con?restype=container');
is $r->{headers}{'x-ms-meta-c'}, 'd', 'are there';
my $acl = '<?xml version="1.0" encoding="utf-8"?><SignedIdentifiers>'
    . '<SignedIdentifier><Id>p1</Id><AccessPolicy>'
    . '<Start>2020-01-01T00:00:00Z</Start><Expiry>2099-01-01T00:00:00Z</Expiry>'
    . '<Permission>r</Permission></AccessPolicy></SignedIdentifier>'
    . '</SignedIdentifiers>';
$r = $n->blob('PUT', '/con?restype=container&comp=acl',
    { 'x-ms-blob-public-access' => 'blob' }, $acl);
is $r->{status}, 200, 'ACL';
$r = $n->blob('GET', '/con?restype=container&comp=acl');
like $r->{body}, qr{<Id>p1</Id>}, 'comes back';
$r = $n->blob('GET', '/?comp=list');
is $r->{status}, 200, 'list of containers';
like $r->{body}, qr{<Name>thru</Name>}, 'has them';

# ---- write back, then operations of the origin --------------------------

my $body = join '', map { "line $_\n" } 1 .. 5000;
$r = $n->blob('PUT', '/con/a', { 'x-ms-meta-K' => 'v' }, $body);
is $r->{status}, 201, 'put';
my $etag = $r->{headers}{etag};
$r = $n->blob('PUT', '/con/a?comp=snapshot');
is $r->{status}, 201, 'snapshot: flushed, then forwarded';
my $snap = $r->{headers}{'x-ms-snapshot'};
ok $snap, 'has a name';
is $direct->blob('GET', '/con/a')->{body}, $body, 'the origin has the blob';
$r = $n->blob('GET', '/con/a');
is $r->{body}, $body, 'the edge too';
is $r->{headers}{etag}, $etag, 'under the ETag it gave';
is $n->blob('PUT', '/con/a', {}, 'new')->{status}, 201, 'overwritten';
$r = $n->blob('GET', "/con/a?snapshot=$snap");
is $r->{body}, $body, 'the snapshot has what was there';
is $n->blob('GET', '/con/a')->{body}, 'new', 'the blob what is';

$r = $n->blob('PUT', '/con/a?comp=lease', { 'x-ms-lease-action' => 'acquire',
    'x-ms-lease-duration' => -1 });
is $r->{status}, 201, 'lease';
my $lease = $r->{headers}{'x-ms-lease-id'};
$r = $n->blob('GET', '/con/a');
is $r->{body}, 'new', 'does not change the blob';
is $n->blob('PUT', '/con/a?comp=lease', { 'x-ms-lease-action' => 'release',
    'x-ms-lease-id' => $lease })->{status}, 200, 'released';

$etag = $n->blob('HEAD', '/con/a')->{headers}{etag};
$r = $n->blob('PUT', '/con/a?comp=snapshot', { 'If-Match' => $etag });
is $r->{status}, 201, 'a condition with the edge\'s ETag holds at the origin';
$r = $n->blob('PUT', '/con/a?comp=snapshot', { 'If-Match' => '"0x1"' });
is $r->{status}, 412, 'another does not';
is $r->{headers}{'x-ms-error-code'}, 'ConditionNotMet', 'with its code';
like $r->{body}, qr{<Code>ConditionNotMet</Code>}, 'and document';

is $n->blob('PUT', '/con/a?comp=tags', {}, '<?xml version="1.0"?><Tags><TagSet>'
    . '<Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tags>')->{status},
    204, 'tags';
$r = $n->blob('GET', '/con/a?comp=tags');
like $r->{body}, qr{<Key>k</Key>}, 'come back';
is $n->blob('PUT', '/con/a?comp=tier', { 'x-ms-access-tier' => 'Cool' })
    ->{status}, 200, 'tier';
is $n->blob('HEAD', '/con/a')->{headers}{'x-ms-access-tier'}, 'Cool', 'is told';
is $n->blob('GET', '/con/a')->{body}, 'new', 'the bytes are there still';

# append blobs, streamed
is $n->blob('PUT', '/con/log', { 'x-ms-blob-type' => 'AppendBlob' })->{status},
    201, 'append blob';
my $all = '';
for my $size (1, 100_000, 3_000_000) {
    my $part = chr(97 + $size % 26) x $size;
    $all .= $part;
    $r = $n->blob('PUT', '/con/log?comp=appendblock',
        { 'Content-MD5' => md5_base64($part) . '==' }, $part);
    is $r->{status}, 201, "append $size";
    ok $n->blob('GET', '/con/log')->{body} eq $all, 'and read it at once';
}
$r = $n->blob('HEAD', '/con/log');
is $r->{headers}{'x-ms-blob-type'}, 'AppendBlob', 'type';
is $r->{headers}{'content-length'}, length $all, 'length';
is $n->blob('PUT', '/con/log?comp=appendblock', {}, '')->{status} >= 400, 1,
    'an empty append is refused';

# through a SAS: the origin gets neither it nor its date
my $c = $n->connect;
my $sas = $n->sas(sp => 'rwdlacupt');
$r = $c->request('PUT', "/devstoreaccount1/con/a?comp=snapshot&$sas",
    { 'x-ms-version' => '2023-11-03' });
is $r->{status}, 201, 'with a SAS';
$r = $c->request('GET', "/devstoreaccount1/con/a?comp=tags&$sas");
is $r->{status}, 200, 'a read too';

# digests of ranges come from the origin if the bytes are there
my $big = 'z' x 3_000_000;
$direct->blob('PUT', '/con/there', {}, $big);
$r = $n->blob('GET', '/con/there', { 'x-ms-range' => 'bytes=0-99',
    'x-ms-range-get-content-md5' => 'true' });
is $r->{status}, 206, 'range with MD5';
is $r->{headers}{'content-md5'}, md5_base64('z' x 100) . '==', 'is right';

# ---- through ------------------------------------------------------------

$r = $n->blob('PUT', '/thru/b', { 'x-ms-meta-X' => 'y' }, $body);
is $r->{status}, 201, 'put through';
$etag = $r->{headers}{etag};
is $direct->blob('GET', '/thru/b')->{body}, $body, 'is at the origin';
$r = $n->blob('GET', '/thru/b');
is $r->{body}, $body, 'and read here';
is $r->{headers}{etag}, $etag, 'under the same ETag';
for my $i (1 .. 5) {
    is $n->blob('PUT', '/thru/b', {}, "v$i")->{status}, 201, "put $i";
    is $n->blob('GET', '/thru/b')->{body}, "v$i", 'read your writes';
}
$big = join '', map { pack 'N', $_ } 1 .. 2_500_000;
is $n->blob('PUT', '/thru/big', {}, $big)->{status}, 201, '10 MB';
ok $n->blob('GET', '/thru/big')->{body} eq $big, 'and back';
is $n->blob('PUT', '/thru/blk?comp=block&blockid=QUFB', {}, 'block')->{status},
    201, 'a block';
is $n->blob('PUT', '/thru/blk?comp=blocklist', {}, '<?xml version="1.0"?>'
    . '<BlockList><Latest>QUFB</Latest></BlockList>')->{status}, 201,
    'a block list';
is $n->blob('GET', '/thru/blk')->{body}, 'block', 'read';
like $n->blob('GET', '/thru/blk?comp=blocklist')->{body}, qr{QUFB},
    'get block list';
is $n->blob('PUT', '/thru/b?comp=metadata', { 'x-ms-meta-Z' => 'q' })->{status},
    200, 'metadata';
is $n->blob('HEAD', '/thru/b')->{headers}{'x-ms-meta-z'}, 'q', 'read';
is $n->blob('PUT', '/thru/b', { 'If-None-Match' => '*' }, 'x')->{status}, 409,
    'it exists';
is $n->blob('DELETE', '/thru/b')->{status}, 202, 'delete';
is $n->blob('GET', '/thru/b')->{status}, 404, 'gone';
is $direct->blob('GET', '/thru/b')->{status}, 404, 'there too';

# ---- off ----------------------------------------------------------------

$direct->blob('PUT', '/roc?restype=container');
is $n->blob('PUT', '/roc/x', {}, 'x')->{status}, 403, 'writes are off';
$direct->blob('PUT', '/roc/x', {}, 'x');
is $n->blob('GET', '/roc/x')->{body}, 'x', 'reads are not';

# ---- somebody else writes -----------------------------------------------

is $n->blob('PUT', '/con/both', {}, 'ours')->{status}, 201, 'put';
ok $t->wait_for(10, sub { $direct->blob('GET', '/con/both')->{body} eq 'ours' }),
    'write-back';
$direct->blob('PUT', '/con/both', {}, 'theirs');
ok $t->wait_for(20, sub { $n->blob('GET', '/con/both')->{body} eq 'theirs' }),
    'is seen when the record is no longer fresh';
is $n->blob('PUT', '/con/both', { 'If-None-Match' => '*' }, 'x')->{status},
    409, 'and in conditions';

# a conditional write to a name that only the origin has
$direct->blob('PUT', '/con/cond', {}, 'one');
my $e1 = $direct->blob('HEAD', '/con/cond')->{headers}{etag};
is $n->blob('PUT', '/con/cond', { 'If-None-Match' => '*' }, 'x')->{status},
    409, 'it exists there';
is $n->blob('PUT', '/con/cond', { 'If-Match' => '"0x1"' }, 'x')->{status},
    412, 'not this ETag';
is $n->blob('PUT', '/con/cond', { 'If-Match' => $e1 }, 'two')->{status}, 201,
    'the origin\'s ETag';
ok $t->wait_for(10, sub { $direct->blob('GET', '/con/cond')->{body} eq 'two' }),
    'replaces it there';

# ---- listings -----------------------------------------------------------

$r = $n->blob('GET', '/con?restype=container&comp=list');
is $r->{status}, 200, 'merged listing';
like $r->{body}, qr{<Name>$_</Name>}, "has $_" for qw(a log there both cond);
$n->blob('PUT', '/con/zz', {}, 'z');
like $n->blob('GET', '/con?restype=container&comp=list&prefix=z')->{body},
    qr{<Name>zz</Name>}, 'a write is listed at once';
$r = $n->blob('GET', '/nocon?restype=container&comp=list');
is $r->{status}, 404, 'no container';
is $r->{headers}{'x-ms-error-code'}, 'ContainerNotFound', 'says so';

# what is asked is judged as it is without an origin; blobfuse2 takes a 200 to
# include=permissions for a hierarchical account
for ([ 'include=permissions' => 'InvalidQueryParameterValue' ],
    [ 'include=foo' => 'InvalidQueryParameterValue' ],
    [ 'maxresults=0' => 'OutOfRangeQueryParameterValue' ],
    [ 'maxresults=-1' => 'OutOfRangeQueryParameterValue' ])
{
    $r = $n->blob('GET', "/con?restype=container&comp=list&$_->[0]");
    is "$r->{status} $r->{headers}{'x-ms-error-code'}", "400 $_->[1]", $_->[0];
}

# ---- a container that was made elsewhere ----------------------------------

is $direct->blob('PUT', '/other?restype=container', { 'x-ms-meta-M' => 'n' })
    ->{status}, 201, 'made at the origin';
$direct->blob('PUT', '/other?restype=container&comp=acl', {}, $acl);
$direct->blob('PUT', '/other/b', {}, 'bytes');
$c = $n->connect;
$r = $c->request('GET', '/devstoreaccount1/other/b?'
    . BlobTest::Http::service_sas($n->{account}, $n->{key}, '/other',
        si => 'p1', sp => '', st => '', se => ''));
is $r->{body}, 'bytes', 'its stored policies are known here';
$r = $c->request('GET', '/devstoreaccount1/other/b?'
    . BlobTest::Http::service_sas($n->{account}, $n->{key}, '/other',
        si => 'p2', sp => '', st => '', se => ''));
is $r->{status}, 403, 'and no others';
is $n->blob('PUT', '/other/mine', {}, 'm')->{status}, 201, 'a write to it';
is $n->blob('GET', '/other/mine')->{body}, 'm', 'is read';

# ---- the end of a container ---------------------------------------------

is $n->blob('DELETE', '/thru?restype=container')->{status}, 202,
    'delete container';
is $n->blob('GET', '/thru/big')->{status}, 404, 'its blobs are gone';
is $n->blob('PUT', '/thru/q', {}, 'q')->{headers}{'x-ms-error-code'},
    'ContainerNotFound', 'and it';

$t->done;

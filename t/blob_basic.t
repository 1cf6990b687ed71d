# One blob's life in a standalone server.

use strict;
use warnings;

use Digest::MD5 qw(md5 md5_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $r;

# containers
$r = $n->blob('PUT', '/c1x?restype=container', { 'x-ms-meta-Who' => 'me' });
is $r->{status}, 201, 'container created';
ok $r->{headers}{etag}, 'with an ETag';
is $n->blob('PUT', '/c1x?restype=container')->{headers}{'x-ms-error-code'},
    'ContainerAlreadyExists', 'once';
$r = $n->blob('GET', '/c1x?restype=container');
is $r->{status}, 200, 'its properties';
like $r->{head}, qr/^x-ms-meta-Who: me\r$/m, 'and metadata, names as given';

# put, get, head
my $body = join '', map { chr($_ * 7 & 255) } 1 .. 5000;
$r = $n->blob('PUT', '/c1x/dir/a%20b', { 'x-ms-meta-hdi_isfolder' => 'no',
    'x-ms-blob-content-type' => 'text/x-thing',
    'x-ms-client-request-id' => 'abc-1' }, $body);
is $r->{status}, 201, 'put';
is $r->{headers}{'content-md5'}, md5_base64($body) . '==', 'MD5 computed';
is $r->{headers}{'x-ms-client-request-id'}, 'abc-1', 'client id comes back';
like $r->{headers}{'x-ms-request-id'}, qr/^[0-9a-f]{8}-[0-9a-f-]{27}$/,
    'request id';
my $etag = $r->{headers}{etag};
like $etag, qr/^"0x[0-9A-F]+"$/, 'ETag';

$r = $n->blob('GET', '/c1x/dir%2Fa%20b');
is $r->{status}, 200, 'get, the slash encoded';
is $r->{body}, $body, 'the same bytes';
is $r->{headers}{etag}, $etag, 'the same ETag';
is $r->{headers}{'content-type'}, 'text/x-thing', 'type';
like $r->{head}, qr/^x-ms-meta-hdi_isfolder: no\r$/m, 'metadata';
is $r->{headers}{'accept-ranges'}, 'bytes', 'Accept-Ranges';
$r = $n->blob('HEAD', '/c1x/dir/a%20b');
is $r->{status}, 200, 'head';
is $r->{headers}{'content-length'}, 5000, 'its length';
ok $r->{headers}{'x-ms-creation-time'}, 'creation time';
is $r->{headers}{'x-ms-blob-type'}, 'BlockBlob', 'type of blob';

# larger than what rides in the journal; an empty one
for my $size (0, 1, 16384, 16385, 262144, 262145, 9_000_000) {
    my $b = 'q' x $size;
    is $n->blob('PUT', "/c1x/s$size", {}, $b)->{status}, 201, "put $size";
    $r = $n->blob('GET', "/c1x/s$size");
    ok $r->{status} == 200 && $r->{body} eq $b, "get $size";
}

# metadata and properties
$r = $n->blob('PUT', '/c1x/dir/a%20b?comp=metadata', { 'x-ms-meta-K' => 'v' });
is $r->{status}, 200, 'set metadata';
isnt $r->{headers}{etag}, $etag, 'another ETag';
$r = $n->blob('HEAD', '/c1x/dir/a%20b?comp=metadata');
like $r->{head}, qr/^x-ms-meta-K: v\r$/m, 'there it is';
unlike $r->{head}, qr/hdi_isfolder/, 'the old is gone';
$r = $n->blob('PUT', '/c1x/dir/a%20b?comp=properties',
    { 'x-ms-blob-content-type' => 'a/b', 'x-ms-blob-cache-control' => '' });
is $r->{status}, 200, 'set properties';
$r = $n->blob('GET', '/c1x/dir/a%20b');
is $r->{headers}{'content-type'}, 'a/b', 'new type';
is $r->{body}, $body, 'old bytes';

# delete
is $n->blob('DELETE', '/c1x/dir/a%20b')->{status}, 202, 'delete';
$r = $n->blob('GET', '/c1x/dir/a%20b');
is $r->{status}, 404, 'gone';
is $r->{headers}{'x-ms-error-code'}, 'BlobNotFound', 'says the header';
like $r->{body}, qr{<Code>BlobNotFound</Code>}, 'says the body';
$r = $n->blob('HEAD', '/c1x/dir/a%20b');
is $r->{status}, 404, 'for HEAD too';
is $r->{headers}{'x-ms-error-code'}, 'BlobNotFound', 'with the header';
is $n->blob('DELETE', '/c1x/dir/a%20b')->{status}, 404, 'delete it again';

# account and service
$r = $n->blob('GET', '/?restype=account&comp=properties');
is $r->{status}, 200, 'account information';
ok $r->{headers}{'x-ms-sku-name'}, 'has a SKU';
is $n->blob('GET', '/?restype=service&comp=properties')->{status}, 200,
    'service properties';
$r = $n->blob('GET', '/?comp=list');
like $r->{body}, qr{<Name>c1x</Name>}, 'list of containers';

# deleted containers are empty when they come back
is $n->blob('DELETE', '/c1x?restype=container')->{status}, 202,
    'container deleted';
is $n->blob('GET', '/c1x/s1')->{headers}{'x-ms-error-code'},
    'ContainerNotFound', 'and its blobs';
is $n->blob('PUT', '/c1x?restype=container')->{status}, 201, 'again';
is $n->blob('GET', '/c1x/s1')->{headers}{'x-ms-error-code'}, 'BlobNotFound',
    'empty';

ok $n->{client}{open}, 'all on one connection';
$t->done;

# Bad input: the exact error, and the connection goes on.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $a = $n->{account};
is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';

sub check {
    my ($what, $status, $code, @req) = @_;
    my $r = $n->blob(@req);
    is "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '-'),
        "$status $code", $what;
    like $r->{body}, qr{<Code>$code</Code>}, 'in the body'
        if $req[0] ne 'HEAD' && $status != 304;
    ok $n->{client}{open}, 'connection open';
    return $r;
}

check 'no container', 404, 'ContainerNotFound', 'GET', '/nope/b';
check 'no container to write to', 404, 'ContainerNotFound', 'PUT', '/nope/b',
    {}, 'x';
check 'no blob', 404, 'BlobNotFound', 'GET', '/ccc/nope';
check 'no blob', 404, 'BlobNotFound', 'HEAD', '/ccc/nope';
check 'wrong MD5', 400, 'Md5Mismatch', 'PUT', '/ccc/b',
    { 'Content-MD5' => md5_base64('y') . '==' }, 'x';
check 'wrong MD5 of a large body', 400, 'Md5Mismatch', 'PUT', '/ccc/b',
    { 'Content-MD5' => md5_base64('y') . '==' }, 'x' x 1_000_000;
check 'malformed MD5', 400, 'InvalidMd5', 'PUT', '/ccc/b',
    { 'Content-MD5' => 'abc' }, 'x';
check 'wrong CRC64', 400, 'Crc64Mismatch', 'PUT', '/ccc/b',
    { 'x-ms-content-crc64' => 'AAAAAAAAAAA=' }, 'x';
check 'no blob type', 400, 'MissingRequiredHeader', 'PUT', '/ccc/b',
    { 'x-ms-blob-type' => undef }, 'x';
check 'unknown comp', 400, 'InvalidQueryParameterValue', 'GET',
    '/ccc/b?comp=nonsense';
check 'bad container name', 400, 'InvalidResourceName', 'PUT',
    '/Big_Name?restype=container';
check 'bad block id', 400, 'InvalidQueryParameterValue', 'PUT',
    '/ccc/b?comp=block&blockid=%2A%2A', {}, 'x';
is $n->blob('GET', '/ccc/b')->{status}, 404, 'nothing half-written';

# strange names
for my $name ('a//b', '%2F', 'a+b', 'a%20b', '%F0%9F%98%80', 'n' x 1024,
    'x%26y%3Cz%3E', 'a%25b', 'trailing/')
{
    is $n->blob('PUT', "/ccc/$name", {}, "<$name>")->{status}, 201,
        'put ' . substr $name, 0, 20;
    is $n->blob('GET', "/ccc/$name")->{body}, "<$name>", 'get';
}
is $n->blob('PUT', '/ccc/' . 'n' x 1025, {}, 'x')->{status}, 400, 'too long';

# no length, too long, unknown verbs
my $sas = $n->sas;
my $c = $n->connect;
my $r = $c->request('PUT', "/$a/ccc/b?$sas", { 'x-ms-blob-type' => 'BlockBlob',
    'Transfer-Encoding' => 'chunked' }, "1\r\nx\r\n0\r\n\r\n");
is $r->{headers}{'x-ms-error-code'}, 'MissingContentLengthHeader', 'chunked';
$c = $n->connect;
$c->send("PUT /$a/ccc/b?comp=blocklist&$sas HTTP/1.1\r\nHost: $t->{host}\r\n"
    . "Content-Length: 900000000000\r\n\r\n");
$r = $c->read_message;
is "$r->{status} $r->{headers}{'x-ms-error-code'}", '413 RequestBodyTooLarge',
    'too large';
$r = $n->connect->request('PATCH', "/$a/ccc/b?$sas", {});
is $r->{headers}{'x-ms-error-code'}, 'UnsupportedHttpVerb', 'PATCH';

# not in a standalone server
for (['PUT', '/ccc/b?comp=snapshot']) {
    my $r = $n->blob(@$_);
    ok $r->{status} >= 400 && $r->{status} < 600, "$_->[1] is refused";
    ok $r->{headers}{'x-ms-error-code'}, 'with a code';
}

$t->done;

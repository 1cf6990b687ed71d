# Containers: metadata, access, stored policies, conditions.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(service_sas $DEV_KEY);

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $a = $n->{account};
my $r;

sub anon {
    my ($method, $target) = @_;
    return $n->connect->request($method, "/$a$target",
        { 'x-ms-version' => '2023-11-03' });
}
sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }

$n->blob('PUT', '/ccc?restype=container', { 'x-ms-meta-One' => '1' });
$n->blob('PUT', '/ccc/b', {}, 'bytes');

# metadata
$r = $n->blob('GET', '/ccc?restype=container');
my $etag = $r->{headers}{etag};
is $r->{headers}{'x-ms-lease-state'}, 'available', 'lease state';
ok !$r->{headers}{'x-ms-blob-public-access'}, 'private';
$r = $n->blob('PUT', '/ccc?restype=container&comp=metadata',
    { 'x-ms-meta-Two' => '2' });
is $r->{status}, 200, 'set metadata';
isnt $r->{headers}{etag}, $etag, 'another ETag';
$r = $n->blob('GET', '/ccc?restype=container&comp=metadata');
like $r->{head}, qr/^x-ms-meta-Two: 2\r$/m, 'new';
unlike $r->{head}, qr/One/, 'and not the old';
$r = $n->blob('HEAD', '/ccc?restype=container');
is $r->{status}, 200, 'HEAD';

# ACL
$r = $n->blob('GET', '/ccc?restype=container&comp=acl');
like $r->{body}, qr/<SignedIdentifiers\s*\/?>/, 'no policies';
my $xml = '<?xml version="1.0" encoding="utf-8"?><SignedIdentifiers>'
    . '<SignedIdentifier><Id>readers</Id><AccessPolicy>'
    . '<Start>2020-01-01T00:00:00Z</Start><Expiry>2099-01-01T00:00:00Z</Expiry>'
    . '<Permission>r</Permission></AccessPolicy></SignedIdentifier>'
    . '</SignedIdentifiers>';
$r = $n->blob('PUT', '/ccc?restype=container&comp=acl', {}, $xml);
is $r->{status}, 200, 'set ACL' or diag $r->{body};
like $n->blob('GET', '/ccc?restype=container&comp=acl')->{body},
    qr{<Id>readers</Id>.*<Permission>r</Permission>}, 'and back';
like $n->blob('GET', '/ccc?restype=container&comp=metadata')->{head},
    qr/^x-ms-meta-Two: 2\r$/m, 'metadata stays';
my $sas = service_sas($a, $DEV_KEY, '/ccc', si => 'readers', sp => '',
    st => '', se => '');
is anon('GET', "/ccc/b?$sas")->{body}, 'bytes', 'SAS by stored policy';
is code(anon('PUT', "/ccc/b?$sas")), '403 AuthorizationPermissionMismatch',
    'no more than the policy';
is code($n->blob('PUT', '/ccc?restype=container&comp=acl', {}, '<Signed')),
    '400 InvalidXmlDocument', 'malformed';
$n->blob('PUT', '/ccc?restype=container&comp=acl', {});
is code(anon('GET', "/ccc/b?$sas")), '403 AuthenticationFailed',
    'revoked with its policy';

# public access
is code(anon('GET', '/ccc/b')), '401 NoAuthenticationInformation', 'private';
$n->blob('PUT', '/ccc?restype=container&comp=acl',
    { 'x-ms-blob-public-access' => 'blob' });
is anon('GET', '/ccc/b')->{body}, 'bytes', 'public blob';
is anon('GET', '/ccc?restype=container&comp=list')->{status}, 401,
    'but no listing';
$n->blob('PUT', '/ccc?restype=container&comp=acl',
    { 'x-ms-blob-public-access' => 'container' });
is anon('GET', '/ccc?restype=container&comp=list')->{status}, 200,
    'public listing';
is anon('DELETE', '/ccc/b')->{status}, 401, 'nothing to write';
is $n->blob('GET', '/ccc?restype=container')->{headers}
    {'x-ms-blob-public-access'}, 'container', 'shown';
is code($n->blob('PUT', '/ccc?restype=container&comp=acl',
    { 'x-ms-blob-public-access' => 'everybody' })), '400 InvalidHeaderValue',
    'another word';

# conditions
is code($n->blob('DELETE', '/ccc?restype=container',
    { 'If-Unmodified-Since' => 'Thu, 01 Jan 1998 00:00:00 GMT' })),
    '412 ConditionNotMet', 'delete on a condition';
is $n->blob('GET', '/ccc/b')->{status}, 200, 'is refused';

# names
for (['ab', 'OutOfRangeInput'], ['a' x 64, 'OutOfRangeInput'],
    ['a--b', 'InvalidResourceName'], ['-ab', 'InvalidResourceName'],
    ['Abc', 'InvalidResourceName'])
{
    is code($n->blob('PUT', "/$_->[0]?restype=container")), "400 $_->[1]",
        "name $_->[0]";
}
is $n->blob('PUT', "/%24root?restype=container")->{status}, 201, '$root';

for (1 .. 3) {
    is $n->blob('DELETE', '/ccc?restype=container')->{status}, 202, 'delete';
    is code($n->blob('DELETE', '/ccc?restype=container')),
        '404 ContainerNotFound', 'twice';
    is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'again';
}
ok $n->{client}{open}, 'on one connection';
$t->done;

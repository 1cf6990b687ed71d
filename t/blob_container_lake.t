# Containers of an account with an origin: read here as long as they are
# fresh, renewed then, made here while the lake is away.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(service_sas $DEV_ACCOUNT $DEV_KEY);
use Time::HiRes qw(sleep);

my $t = BlobTest->new;
$t->allow(qr/connect\(\) failed|no live upstreams/);
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake, policy => 'fresh 1s;')->start;
my $tier = $t->tier($edge)->start;

sub code { $_[0]{headers}{'x-ms-error-code'} // '' }

is $lake->blob('PUT', '/con?restype=container', {'x-ms-meta-a' => '1'})
    ->{status}, 201, 'a container at the lake';
my $r = $edge->blob('GET', '/con?restype=container');
is $r->{status}, 200, 'is known at the edge';
is $r->{headers}{'x-ms-meta-a'}, 1, 'with its metadata';
is $r->{headers}{etag}, $lake->blob('HEAD', '/con?restype=container')
    ->{headers}{etag}, 'and its ETag';
is code($edge->blob('PUT', '/con?restype=container')),
    'ContainerAlreadyExists', 'one that is known is not created';

# a change at the lake is seen within `fresh`
$lake->blob('PUT', '/con?restype=container&comp=metadata',
    {'x-ms-meta-a' => '2'});
sleep 1.3;
is $edge->blob('HEAD', '/con?restype=container&comp=metadata')
    ->{headers}{'x-ms-meta-a'}, 2, 'metadata changed at the lake';

# access policies and public access, as the gate sees them
my $policy = '<?xml version="1.0"?><SignedIdentifiers><SignedIdentifier>'
    . '<Id>p</Id><AccessPolicy><Expiry>2099-01-01T00:00:00Z</Expiry>'
    . '<Permission>r</Permission></AccessPolicy></SignedIdentifier>'
    . '</SignedIdentifiers>';
is $edge->blob('PUT', '/con/b', {}, 'body')->{status}, 201, 'a blob';
$lake->blob('PUT', '/con?restype=container&comp=acl', {}, $policy);
sleep 1.3;
my $sas = service_sas($DEV_ACCOUNT, $DEV_KEY, '/con', si => 'p', sp => '',
    se => '', st => '');
my $anon = sub { $edge->connect->request('GET',
    "/$DEV_ACCOUNT/con/b" . ($_[0] ? "?$_[0]" : ''),
    {'x-ms-version' => '2023-11-03'}) };
is $anon->($sas)->{body}, 'body', 'a policy made at the lake';
like $edge->blob('GET', '/con?restype=container&comp=acl')->{body},
    qr{<Id>p</Id>}, 'is shown';
$lake->blob('PUT', '/con?restype=container&comp=acl');
sleep 1.3;
is $anon->($sas)->{status}, 403, 'revoked at the lake';

isnt $anon->()->{status}, 200, 'private';
$lake->blob('PUT', '/con?restype=container&comp=acl',
    {'x-ms-blob-public-access' => 'blob'});
sleep 1.3;
is $anon->()->{body}, 'body', 'public since the lake says so';
$lake->blob('PUT', '/con?restype=container&comp=acl');
sleep 1.3;
isnt $anon->()->{status}, 200, 'and private again';

# a lease is the lake's; it leaves no new ETag, and is shown at once
my %lease = ('x-ms-lease-action' => 'acquire', 'x-ms-lease-duration' => 60);
for (['/con?restype=container', '&comp=lease'], ['/con/b', '?comp=lease']) {
    my ($what, $comp) = @$_;
    my $before = $edge->blob('HEAD', $what)->{headers};
    $r = $edge->blob('PUT', $what . $comp, \%lease);
    is $r->{status}, 201, "$what: a lease is acquired";
    my $h = $edge->blob('HEAD', $what)->{headers};
    is $h->{'x-ms-lease-state'}, 'leased', 'and shown';
    is $h->{$_}, $before->{$_}, "$_ is as it was"
        for 'etag', 'x-ms-meta-a', 'x-ms-blob-public-access';
    $r = $edge->blob('PUT', $what . $comp, { 'x-ms-lease-action' => 'release',
        'x-ms-lease-id' => $r->{headers}{'x-ms-lease-id'} });
    is $r->{status}, 200, 'released';
    is $edge->blob('HEAD', $what)->{headers}{'x-ms-lease-state'},
        'available', 'and no more shown';
}

# a write without its id meets it here, whoever took it
my $id = $lake->blob('PUT', '/con/b?comp=lease', \%lease)
    ->{headers}{'x-ms-lease-id'};
sleep 1.1;
is $edge->blob('HEAD', '/con/b')->{headers}{'x-ms-lease-state'}, 'leased',
    'leased at the lake';
for (['PUT', '/con/b', {}, 'other'], ['PUT', '/con/b?comp=block&blockid=QQ==',
    {}, 'other'], ['DELETE', '/con/b'],
    ['PUT', '/con/b?comp=metadata', { 'x-ms-meta-a' => 1 }])
{
    is code($edge->blob(@$_)), 'LeaseIdMissing', "$_->[0] $_->[1]";
}
is $edge->blob('GET', '/con/b')->{body}, 'body', 'nothing was changed';
is $edge->blob('PUT', '/con/b?comp=lease', { 'x-ms-lease-action' => 'release',
    'x-ms-lease-id' => $id })->{status}, 200, 'released';
is $edge->blob('PUT', '/con/b', {}, 'other')->{status}, 201, 'now it is taken';

is $edge->blob('PUT', '/con/log', { 'x-ms-blob-type' => 'AppendBlob' })
    ->{status}, 201, 'an append blob';
is code($edge->blob('PUT', '/con/log?comp=block&blockid=QQ==', {}, 'x')),
    'InvalidBlobType', 'takes no blocks';

# gone at the lake
is $tier->run('flush', '--wait'), 0, 'nothing is queued';
is $lake->blob('DELETE', '/con?restype=container')->{status}, 202,
    'deleted at the lake';
sleep 1.3;
is code($edge->blob('GET', '/con?restype=container')), 'ContainerNotFound',
    'is gone at the edge';
is code($edge->blob('GET', '/con/b')), 'ContainerNotFound',
    'with its blobs';

# the lake is away
$lake->stop;
my $put = $edge->blob('PUT', '/away?restype=container',
    {'x-ms-meta-m' => 'v'});
is $put->{status}, 201, 'a container is made while the lake is away';
ok $put->{headers}{etag}, 'it has an ETag';
is code($edge->blob('PUT', '/away?restype=container')),
    'ContainerAlreadyExists', 'once';
is $edge->blob('GET', '/away?restype=container')->{headers}{'x-ms-meta-m'},
    'v', 'it has its metadata';
is code($edge->blob('GET', '/away/none')), 'BlobNotFound', 'it is empty';
is $edge->blob('PUT', '/away/dir/b', {'If-None-Match' => '*'}, 'body')
    ->{status}, 201, 'a blob is created in it';
is $edge->blob('GET', '/away/dir/b')->{body}, 'body', 'and read';
$r = $edge->blob('GET', '/away?restype=container&comp=list');
is $r->{status}, 200, 'and listed' or diag $r->{body};
like $r->{body}, qr{<Name>dir/b</Name>}, 'by its name';
is code($edge->blob('GET', '/unknown?restype=container')), 'ServerBusy',
    'what only the lake could know';

$lake->start;
is $tier->run('flush', '--wait'), 0, 'carried when the lake is back'
    or diag $tier->{out};
is $lake->blob('GET', '/away?restype=container')->{headers}{'x-ms-meta-m'},
    'v', 'the lake has the container';
is $lake->blob('GET', '/away/dir/b')->{body}, 'body', 'and the blob';

$t->done;

# Leases of blobs and containers, alone and before an origin.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $id_a = '11111111-1111-4111-8111-1111111111aa';
my $id_b = '22222222-2222-4222-8222-2222222222bb';
my $guid = qr/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
my $r;

sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }

# lease TARGET, ACTION, name => value...: a Lease Blob or Lease Container.
sub lease {
    my ($target, $action, %h) = @_;
    my $sep = $target =~ /\?/ ? '&' : '?';
    return $n->blob('PUT', "$target${sep}comp=lease",
        { 'x-ms-lease-action' => $action,
            map { ("x-ms-$_" => $h{$_}) } keys %h });
}
sub lease_of {
    my $h = $n->blob('HEAD', $_[0])->{headers};
    return join ' ', map { $h->{"x-ms-lease-$_"} // '-' }
        qw(status state duration);
}
sub id { { 'x-ms-lease-id' => $_[0] } }

is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';
is $n->blob('PUT', '/ccc/b', {}, 'one')->{status}, 201, 'blob';
my $etag = $n->blob('HEAD', '/ccc/b')->{headers}{etag};
is lease_of('/ccc/b'), 'unlocked available -', 'no lease';

# acquire
$r = lease('/ccc/b', 'acquire', 'lease-duration' => 15);
is $r->{status}, 201, 'acquired' or diag $r->{body};
my $lease = $r->{headers}{'x-ms-lease-id'};
like $lease, $guid, 'a new id';
is $r->{headers}{etag}, $etag, 'the ETag stays';
ok $r->{headers}{'last-modified'}, 'Last-Modified';
is $n->blob('HEAD', '/ccc/b')->{headers}{etag}, $etag, 'of the blob, too';
is lease_of('/ccc/b'), 'locked leased fixed', 'shown by HEAD';
$r = $n->blob('GET', '/ccc/b');
is $r->{body}, 'one', 'read without the id';
is $r->{headers}{'x-ms-lease-state'}, 'leased', 'shown by GET';
like $n->blob('GET', '/ccc?restype=container&comp=list')->{body},
    qr{<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState>\s*
    <LeaseDuration>fixed</LeaseDuration>}x, 'and by List Blobs';

is code(lease('/ccc/b', 'acquire', 'lease-duration' => 15)),
    '409 LeaseAlreadyPresent', 'acquired once only';
$r = lease('/ccc/b', 'acquire', 'lease-duration' => -1,
    'proposed-lease-id' => uc $lease);
is $r->{status}, 201, 'but by its holder again';
is $r->{headers}{'x-ms-lease-id'}, $lease, 'under its id';
is lease_of('/ccc/b'), 'locked leased infinite', 'for ever';

# every write
my $list = '<?xml version="1.0" encoding="utf-8"?><BlockList>'
    . '<Latest>aWQx</Latest></BlockList>';
my @writes = (
    ['Put Blob', 201, 'PUT', '/ccc/b', {}, 'two'],
    ['a large Put Blob', 201, 'PUT', '/ccc/b', {}, 'x' x 100_000],
    ['Put Block', 201, 'PUT', '/ccc/b?comp=block&blockid=aWQx', {}, 'block'],
    ['Put Block List', 201, 'PUT', '/ccc/b?comp=blocklist', {}, $list],
    ['Set Blob Metadata', 200, 'PUT', '/ccc/b?comp=metadata',
        { 'x-ms-meta-a' => 'b' }],
    ['Set Blob Properties', 200, 'PUT', '/ccc/b?comp=properties',
        { 'x-ms-blob-content-type' => 'a/b' }],
    ['Delete Blob', 202, 'DELETE', '/ccc/b', {}],
);
for (@writes) {
    my ($name, $status, $method, $target, $h, @body) = @$_;
    is code($n->blob($method, $target, $h, @body)), '412 LeaseIdMissing',
        "$name without the id";
    is code($n->blob($method, $target, { %$h, %{id($id_a)} }, @body)),
        '412 LeaseIdMismatchWithBlobOperation', "$name with another";
    is code($n->blob($method, $target, { %$h, %{id('mine')} }, @body)),
        '400 InvalidHeaderValue', "$name with none";
    last if $name eq 'Delete Blob';
    $r = $n->blob($method, $target, { %$h, %{id("{$lease}")} }, @body);
    is $r->{status}, $status, "$name with the id" or diag $r->{body};
    is lease_of('/ccc/b'), 'locked leased infinite', 'which goes on';
}
is $n->blob('GET', '/ccc/b')->{body}, 'block', 'all done';
is code($n->blob('PUT', '/ccc/b', { 'If-None-Match' => '*' }, 'x')),
    '412 LeaseIdMissing', 'create only: the lease is looked at first';
is code($n->blob('PUT', '/ccc/b', { 'If-Match' => '"0x1"', %{id($lease)} },
    'x')), '412 ConditionNotMet', 'then the condition';

# reads
is $n->blob('GET', '/ccc/b', id($lease))->{body}, 'block', 'read with the id';
is code($n->blob('GET', '/ccc/b', id($id_a))),
    '412 LeaseIdMismatchWithBlobOperation', 'with another';
is code($n->blob('HEAD', '/ccc/b', id($id_a))),
    '412 LeaseIdMismatchWithBlobOperation', 'HEAD';
is code($n->blob('GET', '/ccc/b?comp=blocklist', id($id_a))),
    '412 LeaseIdMismatchWithBlobOperation', 'Get Block List';
is $n->blob('GET', '/ccc/b?comp=blocklist', id($lease))->{status}, 200,
    'with the id';
is code($n->blob('GET', '/ccc/none', id($lease))), '404 BlobNotFound',
    'nothing there';

# renew, change, release
$etag = $n->blob('HEAD', '/ccc/b')->{headers}{etag};
is code(lease('/ccc/b', 'renew', 'lease-id' => $id_a)),
    '409 LeaseIdMismatchWithLeaseOperation', 'renew with another id';
$r = lease('/ccc/b', 'renew', 'lease-id' => $lease);
is $r->{status}, 200, 'renewed';
is $r->{headers}{'x-ms-lease-id'}, $lease, 'its id';
is code(lease('/ccc/b', 'change', 'lease-id' => $id_a,
    'proposed-lease-id' => $id_b)), '409 LeaseIdMismatchWithLeaseOperation',
    'change with another id';
$r = lease('/ccc/b', 'change', 'lease-id' => $lease,
    'proposed-lease-id' => $id_a);
is $r->{status}, 200, 'changed';
is $r->{headers}{'x-ms-lease-id'}, $id_a, 'the new id';
is code($n->blob('PUT', '/ccc/b', id($lease), 'x')),
    '412 LeaseIdMismatchWithBlobOperation', 'the old one is no more';
is code(lease('/ccc/b', 'release', 'lease-id' => $lease)),
    '409 LeaseIdMismatchWithLeaseOperation', 'nor does it release';
$r = lease('/ccc/b', 'release', 'lease-id' => $id_a);
is $r->{status}, 200, 'released';
ok !$r->{headers}{'x-ms-lease-id'}, 'no id';
is $r->{headers}{etag}, $etag, 'the ETag has stayed';
is lease_of('/ccc/b'), 'unlocked available -', 'available';
is code($n->blob('PUT', '/ccc/b', id($id_a), 'x')),
    '412 LeaseNotPresentWithBlobOperation', 'an id of no lease';
is code($n->blob('GET', '/ccc/b', id($id_a))),
    '412 LeaseNotPresentWithBlobOperation', 'also to read';
is code($n->blob('PUT', '/ccc/new', id($id_a), 'x')),
    '412 LeaseNotPresentWithBlobOperation', 'nor of a blob that is not there';
is code($n->blob('DELETE', '/ccc/new', id($id_a))), '404 BlobNotFound',
    'which cannot be deleted';
is code(lease('/ccc/b', 'break')), '409 LeaseNotPresentWithLeaseOperation',
    'nothing to break';

# break
lease('/ccc/b', 'acquire', 'lease-duration' => 60,
    'proposed-lease-id' => $id_a);
$r = lease('/ccc/b', 'break', 'lease-break-period' => 1);
is $r->{status}, 202, 'breaking';
is $r->{headers}{'x-ms-lease-time'}, 1, 'for a second';
is lease_of('/ccc/b'), 'locked breaking -', 'still locked';
is code(lease('/ccc/b', 'acquire', 'lease-duration' => 15)),
    '409 LeaseAlreadyPresent', 'for others';
is code(lease('/ccc/b', 'acquire', 'lease-duration' => 15,
    'proposed-lease-id' => $id_a)), '409 LeaseIsBreakingAndCannotBeAcquired',
    'for its holder';
is code(lease('/ccc/b', 'renew', 'lease-id' => $id_a)),
    '409 LeaseIsBrokenAndCannotBeRenewed', 'no renewal';
is code(lease('/ccc/b', 'change', 'lease-id' => $id_a,
    'proposed-lease-id' => $id_b)), '409 LeaseIsBreakingAndCannotBeChanged',
    'no change';
is code($n->blob('PUT', '/ccc/b', {}, 'x')), '412 LeaseIdMissing', 'no write';
is $n->blob('PUT', '/ccc/b', id($id_a), 'three')->{status}, 201,
    'but by its holder';
sleep 1.1;
is lease_of('/ccc/b'), 'unlocked broken -', 'broken by now';
is code($n->blob('PUT', '/ccc/b', id($id_a), 'x')), '412 LeaseLost',
    'its id is worth nothing';
is lease('/ccc/b', 'break')->{headers}{'x-ms-lease-time'}, 0, 'broken again';
is $n->blob('PUT', '/ccc/b', {}, 'four')->{status}, 201, 'anybody writes';
is lease_of('/ccc/b'), 'unlocked available -', 'and that was that lease';

lease('/ccc/b', 'acquire', 'lease-duration' => -1);
$r = lease('/ccc/b', 'break');
is "$r->{status} $r->{headers}{'x-ms-lease-time'}", '202 0',
    'an infinite one breaks at once';
is lease_of('/ccc/b'), 'unlocked broken -', 'broken';
is $n->blob('PUT', '/ccc/b?comp=metadata', {})->{status}, 200, 'metadata';
is lease_of('/ccc/b'), 'unlocked available -', 'ends it as well';
lease('/ccc/b', 'acquire', 'lease-duration' => 15);
is lease('/ccc/b', 'break', 'lease-break-period' => 0)->{headers}
    {'x-ms-lease-time'}, 0, 'at once';
is lease('/ccc/b', 'acquire', 'lease-duration' => 15,
    'proposed-lease-id' => $id_b)->{status}, 201, 'leased anew';
is $n->blob('DELETE', '/ccc/b', id($id_b))->{status}, 202, 'deleted';
$n->blob('PUT', '/ccc/b', {}, 'five');
is lease_of('/ccc/b'), 'unlocked available -', 'with its lease';

# what is refused
for (['acquire', 'MissingRequiredHeader'],
    ['acquire', 'InvalidHeaderValue', 'lease-duration' => 14],
    ['acquire', 'InvalidHeaderValue', 'lease-duration' => 61],
    ['acquire', 'InvalidHeaderValue', 'lease-duration' => 15,
        'proposed-lease-id' => 'mine'],
    ['break', 'InvalidHeaderValue', 'lease-break-period' => 61],
    ['renew', 'MissingRequiredHeader'],
    ['renew', 'InvalidHeaderValue', 'lease-id' => 'mine'],
    ['change', 'MissingRequiredHeader', 'lease-id' => $id_a],
    ['steal', 'InvalidHeaderValue'])
{
    my ($action, $code, @h) = @$_;
    is code(lease('/ccc/b', $action, @h)), "400 $code", "$action @h";
}
is code($n->blob('PUT', '/ccc/b?comp=lease')), '400 MissingRequiredHeader',
    'no action';
is code(lease('/ccc/none', 'acquire', 'lease-duration' => 15)),
    '404 BlobNotFound', 'no blob';
is code(lease('/nope/b', 'acquire', 'lease-duration' => 15)),
    '404 ContainerNotFound', 'no container';
$n->blob('PUT', '/ccc/blocks?comp=block&blockid=aWQx', {}, 'block');
is code(lease('/ccc/blocks', 'acquire', 'lease-duration' => 15)),
    '404 BlobNotFound', 'a name of blocks';
is code($n->blob('PUT', '/ccc/b?comp=lease', { 'x-ms-lease-action' => 'acquire',
    'x-ms-lease-duration' => 15, 'If-Match' => '"0x1"' })),
    '412 ConditionNotMet', 'a condition';
is lease_of('/ccc/b'), 'unlocked available -', 'nothing was leased';

# containers
my $c = '/ccc?restype=container';
$etag = $n->blob('HEAD', $c)->{headers}{etag};
$r = lease($c, 'acquire', 'lease-duration' => -1,
    'proposed-lease-id' => $id_a);
is $r->{status}, 201, 'container leased' or diag $r->{body};
is $r->{headers}{'x-ms-lease-id'}, $id_a, 'its id';
is $r->{headers}{etag}, $etag, 'its ETag stays';
is lease_of($c), 'locked leased infinite', 'shown';
like $n->blob('GET', '/?comp=list')->{body},
    qr{<LeaseState>leased</LeaseState><LeaseDuration>infinite<},
    'and by List Containers';
is code($n->blob('DELETE', $c)), '412 LeaseIdMissing', 'not deleted';
is code($n->blob('DELETE', $c, id($id_b))),
    '412 LeaseIdMismatchWithContainerOperation', 'nor with another id';
is $n->blob('PUT', '/ccc/b', {}, 'six')->{status}, 201, 'blobs are written';
is $n->blob('PUT', "$c&comp=metadata", { 'x-ms-meta-a' => 'b' })->{status},
    200, 'metadata set without the id';
is lease_of($c), 'locked leased infinite', 'the lease stays';
is $n->blob('PUT', "$c&comp=metadata", id($id_a))->{status}, 200, 'with it';
for (["$c&comp=metadata", 'PUT'], ["$c&comp=acl", 'PUT'], [$c, 'GET'],
    ["$c&comp=metadata", 'GET'], ["$c&comp=acl", 'GET'])
{
    is code($n->blob($_->[1], $_->[0], id($id_b))),
        '412 LeaseIdMismatchWithContainerOperation', "$_->[1] $_->[0]";
}
is $n->blob('GET', "$c&comp=list", id($id_b))->{status}, 200,
    'a listing asks for none';
is code(lease($c, 'acquire', 'lease-duration' => 15)),
    '409 LeaseAlreadyPresent', 'acquired once';
is lease($c, 'change', 'lease-id' => $id_a, 'proposed-lease-id' => $id_b)
    ->{status}, 200, 'changed';
is lease($c, 'renew', 'lease-id' => $id_b)->{status}, 200, 'renewed';
is lease($c, 'release', 'lease-id' => $id_b)->{status}, 200, 'released';
is code($n->blob('DELETE', $c, id($id_b))),
    '412 LeaseNotPresentWithContainerOperation', 'an id of no lease';
lease($c, 'acquire', 'lease-duration' => 15, 'proposed-lease-id' => $id_a);
is lease($c, 'break', 'lease-break-period' => 0)->{status}, 202, 'broken';
is code($n->blob('DELETE', $c, id($id_a))), '412 LeaseLost', 'a lost lease';
is code(lease('/nope?restype=container', 'acquire', 'lease-duration' => 15)),
    '404 ContainerNotFound', 'no container';

# what a restart leaves
lease('/ccc/b', 'acquire', 'lease-duration' => -1,
    'proposed-lease-id' => $id_a);
lease($c, 'acquire', 'lease-duration' => 60, 'proposed-lease-id' => $id_b);
$n->stop;
$n->start;
is lease_of('/ccc/b'), 'locked leased infinite', 'a restart keeps leases';
is lease_of($c), 'locked leased fixed', 'of containers, too';
is $n->blob('PUT', '/ccc/b', id($id_a), 'seven')->{status}, 201, 'and ids';
is code($n->blob('DELETE', $c)), '412 LeaseIdMissing', 'container';
is $n->blob('DELETE', $c, id($id_b))->{status}, 202, 'deleted with the id';

# With an origin it is the origin that keeps them: what it says is shown, and
# what names a lease goes there.
my $lake = $t->origin(sub {
    my ($m) = @_;
    my %h = (ETag => '"0x1"', 'Last-Modified' => 'Tue, 01 Jan 2019 00:00:00 GMT');
    return [200, { %h, 'x-ms-lease-state' => 'available' }, '']
        if $m->{target} =~ /restype=container/;
    return [412, { 'x-ms-error-code' => 'LeaseLost' }, '']
        if ($m->{headers}{'x-ms-lease-id'} // '') eq $id_b;
    return [200, { %h, 'Content-Length' => 5, 'Content-Type' => 'a/b',
        'x-ms-blob-type' => 'BlockBlob', 'x-ms-lease-status' => 'locked',
        'x-ms-lease-state' => 'leased', 'x-ms-lease-duration' => 'infinite' },
        $m->{method} eq 'HEAD' ? '' : 'bytes'];
});
$n = $t->nginx('behind', origin => $lake)->start;
is lease_of('/ccc/b'), 'locked leased infinite', 'asked for';
is lease_of('/ccc/b'), 'locked leased infinite', 'and from what was said';
is code($n->blob('GET', '/ccc/b', id($id_b))), '412 LeaseLost',
    'a read with an id is forwarded';
is code($n->blob('PUT', '/ccc/b', id($id_b), 'x')), '412 LeaseLost',
    'a write, too';
is code($n->blob('PUT', '/ccc/b', id('mine'), 'x')), '200 -',
    'whatever the origin takes for one';

$t->done;

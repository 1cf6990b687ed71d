# What the edge answers of blobs that the origin has: headers it was told of,
# lists of blocks from both, documents with its own endpoint in them.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake)->start;
my $tier = $t->tier($edge)->start;
my $r;

sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }
sub id { encode_base64(sprintf('%06d', $_[0]), '') }

is $edge->blob('PUT', '/con?restype=container')->{status}, 201, 'container';

# the endpoint is the client's
my ($e, $l) = map { $_->blob('GET', '/?comp=list')->{body} } $edge, $lake;
my ($ours, $theirs) = map { /ServiceEndpoint="([^"]*)"/; $1 } $e, $l;
isnt $ours, $theirs, 'another endpoint than the origin';
is $ours, $edge->blob('GET', '/con?restype=container&comp=list')->{body}
    =~ /ServiceEndpoint="([^"]*)"/ && $1, 'the same as in other lists';
is $e =~ s/ServiceEndpoint="[^"]*"//r, $l =~ s/ServiceEndpoint="[^"]*"//r,
    'nothing else is another';
ok $edge->{client}{open}, 'connection open';

# more containers than fit where writes are held
is $lake->blob('PUT', sprintf('/c%04d-%s?restype=container', $_, 'n' x 50))
    ->{status}, 201 for 1 .. 2;
$lake->blob('PUT', sprintf '/c%04d-%s?restype=container', $_, 'n' x 50)
    for 3 .. 200;
$r = $edge->blob('GET', '/?comp=list');
cmp_ok length $r->{body}, '>', 64 * 1024, 'a long list';
is scalar(() = $r->{body} =~ /<Container>/g), 201, 'with all of them';
like $r->{body}, qr{</EnumerationResults>$}, 'to its end';

# committed there, uncommitted here
my $put = sub {
    my ($n, $name, @ids) = @_;
    for (@ids) {
        is $n->blob('PUT', "/con/$name?comp=block&blockid="
            . id($_) =~ s/=/%3D/gr, {}, "block $_;")->{status}, 201, "put $_";
    }
};
my $blocks = sub {
    my ($n, $name, $type) = @_;
    $r = $n->blob('GET', "/con/$name?comp=blocklist&blocklisttype=$type");
    my ($c) = $r->{body} =~ m{<CommittedBlocks>(.*?)</CommittedBlocks>};
    my ($u) = $r->{body} =~ m{<UncommittedBlocks>(.*?)</UncommittedBlocks>};
    return join ' | ', map { join ' ', ($_ // '') =~ m{<Name>(.*?)</Name>}g }
        $c, $u;
};
$put->($lake, 'both', 1, 2);
is $lake->blob('PUT', '/con/both?comp=blocklist', {}, '<BlockList>'
    . join('', map { '<Latest>' . id($_) . '</Latest>' } 1, 2)
    . '</BlockList>')->{status}, 201, 'committed at the origin';
$put->($edge, 'both', 3, 4);
is $blocks->($edge, 'both', 'all'), join(' ', id(1), id(2)) . ' | '
    . join(' ', id(3), id(4)), 'all of both';
is $r->{headers}{'x-ms-blob-content-length'}, 16, 'length of the committed';
ok $r->{headers}{etag}, 'and their ETag';
is $blocks->($edge, 'both', 'committed'), join(' ', id(1), id(2)) . ' | ',
    'committed';
is $blocks->($edge, 'both', 'uncommitted'), ' | ' . join(' ', id(3), id(4)),
    'uncommitted';
is $edge->blob('GET', '/con/both')->{body}, 'block 1;block 2;',
    'the blob is what it was';

# uncommitted here, nothing there
$put->($edge, 'fresh', 5);
for my $type (qw(all committed uncommitted)) {
    is $blocks->($edge, 'fresh', $type),
        ' | ' . ($type eq 'committed' ? '' : id(5)), "$type of a new one";
    is $r->{status}, 200, 'is there' or diag $r->{head}, $r->{body};
    is $r->{headers}{etag}, undef, 'without an ETag';
}
is code($edge->blob('GET', '/con/none?comp=blocklist')), '404 BlobNotFound',
    'neither';

# what is refused is refused on either kind of account
for my $q ('startFrom=a%2Fb&delimiter=/', 'endBefore=a%2Fb&delimiter=/',
    'showonly=files')
{
    is code($edge->blob('GET', "/con?restype=container&comp=list&$q")),
        '400 InvalidQueryParameterValue', $q;
}
ok $edge->{client}{open}, 'all on one connection';

# ---- told by a scripted origin ------------------------------------------

my $told = $t->origin(sub {
    my ($m) = @_;
    my ($path) = split /\?/, $m->{target};
    my %h = ('x-ms-request-id' => 'x', 'x-ms-version' => '2023-11-03',
        ETag => '"0xAB"', 'Last-Modified' => 'Wed, 01 May 2024 10:00:00 GMT');
    return [200, \%h] if $path =~ m{/con$};
    return [$m->{headers}{'x-ms-range'} ? 206 : 200, { %h,
        'Content-Range' => 'bytes 0-3/4',
        'x-ms-blob-type' => 'BlockBlob', 'x-ms-tag-count' => 2,
        'x-ms-version-id' => '2024-05-01T10:00:00.0000000Z',
        'x-ms-archive-status' => 'rehydrate-pending-to-hot',
        'x-ms-lease-state' => 'leased', 'x-ms-lease-status' => 'locked',
        'x-ms-lease-duration' => 'infinite', 'x-ms-copy-id' => 'cid',
        'x-ms-copy-status' => 'success', 'x-ms-copy-progress' => '4/4',
        'x-ms-copy-source' => 'https://h/c/b' }, 'four'];
});
my $n = $t->nginx('told', origin => $told->url)->start;
for my $method ('HEAD', 'GET') {
    $r = $n->blob($method, '/con/b');
    is $r->{status}, 200, $method;
    is $r->{headers}{$_->[0]}, $_->[1], "$method: $_->[0]" for
        ['x-ms-tag-count', 2],
        ['x-ms-version-id', '2024-05-01T10:00:00.0000000Z'],
        ['x-ms-is-current-version', 'true'],
        ['x-ms-lease-state', 'leased'], ['x-ms-lease-status', 'locked'],
        ['x-ms-lease-duration', 'infinite'], ['x-ms-copy-id', 'cid'],
        ['x-ms-copy-status', 'success'], ['x-ms-copy-progress', '4/4'],
        $method eq 'HEAD'
            ? ['x-ms-archive-status', 'rehydrate-pending-to-hot'] : ();
}
$t->done;

# List Containers with an origin: those that were made here while it was away
# are in the list before it has been told of them.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(uri_escape);

my $t = BlobTest->new;
$t->allow(qr/connect\(\) failed|no live upstreams/);
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake)->start;
my $tier = $t->tier($edge);
my $r;

my @theirs = qw(bbb ccc eee fff ggg);
is $lake->blob('PUT', "/$_?restype=container", { 'x-ms-meta-at' => 'lake' })
    ->{status}, 201, "$_ at the lake" for @theirs;

sub pages {
    my ($max, $query) = @_;
    my (@all, $marker);
    do {
        $r = $edge->blob('GET', "/?comp=list&maxresults=$max$query"
            . (defined $marker ? '&marker=' . uri_escape($marker) : ''));
        is $r->{status}, 200, 'page' or diag $r->{body};
        my @found = $r->{body} =~ m{<Container><Name>(.*?)</Name>}g;
        ok @found <= $max, 'no more than asked';
        push @all, @found;
        ($marker) = $r->{body} =~ m{<NextMarker>([^<]+)</NextMarker>};
        $marker =~ s/&lt;/</g, $marker =~ s/&amp;/&/g if defined $marker;
    } while (defined $marker && @all < 100);
    return \@all;
}
is_deeply pages($_, ''), \@theirs, "the lake's, $_ at a time" for 1, 2, 10;

# ---- made while it was away ---------------------------------------------------

$lake->stop;
my @ours = qw(aaa ccc-1 ccc-2 hhh);
is $edge->blob('PUT', "/$_?restype=container", { 'x-ms-meta-at' => 'edge' })
    ->{status}, 201, "$_ while the lake is away" for @ours;
$r = $edge->blob('GET', '/?comp=list');
is "$r->{status} $r->{headers}{'x-ms-error-code'}", '503 ServerBusy',
    'what the lake has is not known';

$lake->start;
my @want = sort @theirs, @ours;
for my $max (1, 2, 3, 4, 10) {
    is_deeply pages($max, ''), \@want, "all, $max at a time";
    is_deeply pages($max, '&prefix=ccc'), [qw(ccc ccc-1 ccc-2)],
        'with a prefix';
}
is_deeply pages(2, '&prefix=hh'), ['hhh'], 'only ours';
$r = $edge->blob('GET', '/?comp=list&include=metadata');
is scalar(() = $r->{body} =~ m{<at>lake</at>}g), 5, 'metadata of theirs';
is scalar(() = $r->{body} =~ m{<at>edge</at>}g), 4, 'and of ours';
like $r->{body}, qr{<Name>aaa</Name><Properties><Last-Modified>[^<]+GMT
    </Last-Modified><Etag>"0x[0-9A-F]+"</Etag>}x, 'with properties';
unlike $edge->blob('GET', '/?comp=list')->{body}, qr{<Metadata>},
    'only if asked';
my ($endpoint) = $r->{body} =~ /ServiceEndpoint="([^"]*)"/;
isnt $endpoint, $lake->blob('GET', '/?comp=list')->{body}
    =~ /ServiceEndpoint="([^"]*)"/ && $1, 'the endpoint is the edge\'s';

# one that somebody made there meanwhile is the lake's
is $lake->blob('PUT', '/ccc-1?restype=container', { 'x-ms-meta-at' => 'lake' })
    ->{status}, 201, 'made there, too';
for my $max (1, 10) {
    is_deeply pages($max, ''), \@want, "once, $max at a time";
}
$r = $edge->blob('GET', '/?comp=list&include=metadata');
is scalar(() = $r->{body} =~ m{<at>edge</at>}g), 3, 'as the lake has it';

for my $q ('maxresults=0', 'maxresults=x', 'include=nonsense') {
    is $edge->blob('GET', "/?comp=list&$q")->{status}, 400, $q;
}

# ---- carried ------------------------------------------------------------------

# in the middle of a listing: nothing twice, nothing lost
$r = $edge->blob('GET', '/?comp=list&maxresults=4');
my @first = $r->{body} =~ m{<Container><Name>(.*?)</Name>}g;
my ($marker) = $r->{body} =~ m{<NextMarker>([^<]+)</NextMarker>};
$tier->start;
is $tier->run('flush', '--wait'), 0, 'carried' or diag $tier->{out};
$r = $edge->blob('GET', '/?comp=list&marker=' . uri_escape($marker));
is_deeply [@first, $r->{body} =~ m{<Container><Name>(.*?)</Name>}g], \@want,
    'the rest';
is_deeply pages($_, ''), \@want, "all are the lake's, $_ at a time" for 1, 3;

# a blob in the queue is no container
is $edge->blob('PUT', '/bbb/x', {}, 'x')->{status}, 201, 'a blob';
is_deeply pages(3, ''), \@want, 'changes nothing';

$t->done;

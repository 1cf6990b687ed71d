# List Blobs: order, delimiter, paging, encoding.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(uri_escape);

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
$n->blob('PUT', '/ccc?restype=container');

my @names = sort +('a', 'a/1', 'a/2', 'a/b/3', 'a0', 'b//x', 'b+ c&<d>', 'b/',
    'dir/sub/f', "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x98\x80", 'z' x 1024,
    map { sprintf 'many/%03d', $_ } 0 .. 40);
for (@names) {
    my $r = $n->blob('PUT', '/ccc/' . uri_escape($_), { 'x-ms-meta-n' => 'v' },
        'x');
    is $r->{status}, 201, 'put ' . substr uri_escape($_), 0, 30;
}

sub unxml {
    my ($s) = @_;
    $s =~ s/&lt;/</g; $s =~ s/&gt;/>/g; $s =~ s/&quot;/"/g;
    $s =~ s/&apos;|&#39;/'/g; $s =~ s/&amp;/&/g;
    return $s;
}
sub list {
    my ($query) = @_;
    my $r = $n->blob('GET', "/ccc?restype=container&comp=list$query");
    return $r unless wantarray;
    my ($blobs) = $r->{body} =~ m{<Blobs>(.*)</Blobs>}s;
    my @found = map { unxml($_) } ($blobs // '') =~ m{<Name>([^<]*)</Name>}g;
    my ($next) = $r->{body} =~ m{<NextMarker>([^<]*)</NextMarker>};
    return (\@found, unxml($next // ''), $r);
}

my ($found, $next, $r) = list('');
is $r->{status}, 200, 'list';
is $r->{headers}{'content-type'}, 'application/xml', 'type';
is_deeply $found, \@names, 'all, in order of bytes';
is $next, '', 'one page';
like $r->{body}, qr{<NextMarker\s*/>|<NextMarker></NextMarker>}, 'an empty marker';
unlike $r->{body}, qr/<Metadata>/, 'metadata only if asked';
like scalar(list('&include=metadata'))->{body}, qr{<Metadata><n>v</n>},
    'metadata';

# pages of every size give the same
for my $max (1, 2, 7, 100) {
    for my $d ('', '&delimiter=%2F') {
        my (@all, $marker);
        my $pages = 0;
        do {
            my $q = "&maxresults=$max$d";
            $q .= '&marker=' . uri_escape($marker) if defined $marker;
            my ($f, $m, $r) = list($q);
            is $r->{status}, 200, 'page' if $r->{status} != 200;
            push @all, @$f;
            ok @$f <= $max, 'no more than asked' if @$f > $max;
            $marker = $m;
        } while ($marker ne '' && ++$pages < 1000);
        my %seen;
        my @want = $d eq '' ? @names
            : grep { !$seen{$_}++ } map { m{^([^/]*/)} ? $1 : $_ } @names;
        is_deeply \@all, \@want, "pages of $max, $d";
    }
}

is_deeply [list('&prefix=a%2F')]->[0], [grep { m{^a/} } @names], 'prefix';
is_deeply [list('&prefix=a%2F&delimiter=%2F')]->[0],
    ['a/1', 'a/2', 'a/b/'], 'prefix and delimiter';
is_deeply [list('&prefix=nothing')]->[0], [], 'nothing';
# bounds: from a name on, up to another; pages and delimiters keep to them
for my $from ('', 'a', 'a/15', 'b/', 'many/', 'many/020', "\xc3\xa9", '~') {
    for my $to ('', 'a', 'a/2', 'b+', 'many/030', "\xff") {
        my @in = grep { $_ ge $from && ($to eq '' || $_ lt $to) } @names;
        my $q = ($from eq '' ? '' : '&startFrom=' . uri_escape($from))
            . ($to eq '' ? '' : '&endBefore=' . uri_escape($to));
        my $name = uri_escape("$from..$to");
        is_deeply [list($q)]->[0], \@in, $name;
        my (@all, $marker);
        do {
            my ($f, $m) = list("$q&maxresults=7" . (defined $marker
                ? '&marker=' . uri_escape($marker) : ''));
            push @all, @$f;
            $marker = $m;
        } while ($marker ne '');
        is_deeply \@all, \@in, "$name in pages";
        next if grep { m{/.} } $from, $to;
        my %seen;
        is_deeply [list("$q&delimiter=%2F")]->[0],
            [grep { !$seen{$_}++ } map { m{^([^/]*/)} ? $1 : $_ } @in],
            "$name, folded";
    }
}
is_deeply [list('&prefix=a%2F&startFrom=a%2F2&endBefore=a0')]->[0],
    ['a/2', 'a/b/3'], 'with a prefix';
is_deeply [list('&prefix=a%2F&delimiter=%2F&startFrom=a%2F2')]->[0],
    ['a/2', 'a/b/'], 'and a delimiter after it';

is scalar(list('&maxresults=0'))->{headers}{'x-ms-error-code'},
    'OutOfRangeQueryParameterValue', 'maxresults=0';
is scalar(list('&include=permissions'))->{headers}{'x-ms-error-code'},
    'InvalidQueryParameterValue', 'a flat account';
is scalar(list('&include=snapshots%2Cversions%2Ccopy%2Cdeleted%2Ctags'))
    ->{status}, 200, 'other includes add nothing';
is $n->blob('GET', '/nope?restype=container&comp=list')->{headers}
    {'x-ms-error-code'}, 'ContainerNotFound', 'no such container';

# containers
$n->blob('PUT', "/$_?restype=container") for qw(aaa bbb ccc-1);
$r = $n->blob('GET', '/?comp=list&maxresults=2');
is_deeply [$r->{body} =~ m{<Name>([^<]*)</Name>}g], ['aaa', 'bbb'],
    'containers, a page';
($next) = $r->{body} =~ m{<NextMarker>([^<]+)</NextMarker>};
$r = $n->blob('GET', '/?comp=list&prefix=c&marker=' . uri_escape($next));
is_deeply [$r->{body} =~ m{<Name>([^<]*)</Name>}g], ['ccc', 'ccc-1'],
    'and the next';

$t->done;

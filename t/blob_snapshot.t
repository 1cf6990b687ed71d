# Snapshots of a standalone server.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(uri_escape service_sas);

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $a = $n->{account};
$n->blob('PUT', '/ccc?restype=container');

sub is_code {
    my ($r, $status, $code, $what) = @_;
    is "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '-'),
        "$status $code", $what;
}
sub snap {
    my ($name, $h) = @_;
    my $r = $n->blob('PUT', "/ccc/$name?comp=snapshot", $h);
    return wantarray ? ($r->{headers}{'x-ms-snapshot'}, $r) : $r;
}

# ---- taking one ----------------------------------------------------------

is_code scalar snap('a'), 404, 'BlobNotFound', 'of no blob';
is_code $n->blob('PUT', '/nope/a?comp=snapshot'), 404, 'ContainerNotFound',
    'of no container';
my $put = $n->blob('PUT', '/ccc/a', { 'x-ms-meta-K' => 'v',
    'Content-Type' => 'text/x' }, 'first');
my ($one, $r) = snap('a');
is $r->{status}, 201, 'taken';
like $one, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/, 'named by its time';
is $r->{headers}{etag}, $put->{headers}{etag}, 'the blob\'s ETag';
is $r->{headers}{'last-modified'}, $put->{headers}{'last-modified'},
    'and time';
is $r->{headers}{'content-length'}, 0, 'no body';

$n->blob('PUT', '/ccc/a', { 'x-ms-meta-K' => 'w' }, 'second one');
my ($two, $r2) = snap('a', { 'x-ms-meta-Own' => 'x' });
isnt $r2->{headers}{etag}, $n->blob('HEAD', '/ccc/a')->{headers}{etag},
    'its own metadata, its own ETag';
cmp_ok $two, 'gt', $one, 'later ones come later';

is_code scalar snap('a', { 'If-Match' => '"0x1"' }), 412, 'ConditionNotMet',
    'a condition that fails';
is_code scalar snap('a', { 'If-Match' => $n->blob('HEAD', '/ccc/a')->{headers}{etag} }),
    201, '-', 'one that holds';
my $listed = $n->blob('GET',
    '/ccc?restype=container&comp=list&include=snapshots')->{body};
is scalar(() = $listed =~ /<Snapshot>/g), 3, 'three there are';
is_code scalar snap('a', { 'If-Match' => '*', 'If-None-Match' => '*' }), 400,
    'MultipleConditionHeadersNotSupported', 'contradictory';

# ---- reading it ----------------------------------------------------------

sub at { "/ccc/$_[0]?snapshot=$_[1]" . ($_[2] // '') }

$r = $n->blob('GET', at('a', $one));
is "$r->{status} $r->{body}", '200 first', 'the first has the first';
is $r->{headers}{etag}, $put->{headers}{etag}, 'its ETag';
is $r->{headers}{'x-ms-meta-K'} // $r->{headers}{'x-ms-meta-k'}, 'v',
    'its metadata';
is $r->{headers}{'content-type'}, 'text/x', 'its type';
$r = $n->blob('GET', at('a', uri_escape($two)));
is $r->{body}, 'second one', 'the second the second';
ok !exists $r->{headers}{'x-ms-meta-k'}, 'metadata given replaces';
is $r->{headers}{'x-ms-meta-own'}, 'x', 'it all';
is $n->blob('GET', '/ccc/a')->{headers}{'x-ms-meta-k'}, 'w', 'not the base\'s';
$r = $n->blob('HEAD', at('a', $one));
is $r->{headers}{'content-length'}, 5, 'HEAD';
$r = $n->blob('GET', at('a', $one), { 'x-ms-range' => 'bytes=1-2' });
is "$r->{status} $r->{body}", '206 ir', 'range';
is_code $n->blob('GET', at('a', $one), { 'If-None-Match' =>
    $put->{headers}{etag} }), 304, 'ConditionNotMet', 'not modified';
is $n->blob('GET', at('a', $one, '&comp=metadata'))->{headers}{'x-ms-meta-k'},
    'v', 'metadata alone';
is_code $n->blob('GET', at('a', '2020-01-01T00:00:00.0000000Z')), 404,
    'BlobNotFound', 'no such time';
is_code $n->blob('GET', at('b', $one)), 404, 'BlobNotFound', 'no such blob';
is_code $n->blob('GET', at('a', 'yesterday')), 400,
    'InvalidQueryParameterValue', 'no time at all';
is_code $n->blob('GET', "/ccc/a?versionid=$one"), 404, 'BlobNotFound',
    'a version is something else';

# blocks
$n->blob('PUT', '/ccc/blocks?comp=block&blockid=MDE%3D', {}, 'one');
$n->blob('PUT', '/ccc/blocks?comp=blocklist', {},
    '<BlockList><Latest>MDE=</Latest></BlockList>');
my ($of) = snap('blocks');
$n->blob('PUT', '/ccc/blocks?comp=block&blockid=MDI%3D', {}, 'two!');
$n->blob('PUT', '/ccc/blocks?comp=blocklist', {},
    '<BlockList><Latest>MDI=</Latest></BlockList>');
$n->blob('PUT', '/ccc/blocks?comp=block&blockid=MDM%3D', {}, 'three');
$r = $n->blob('GET', at('blocks', $of, '&comp=blocklist&blocklisttype=all'));
like $r->{body}, qr{<Name>MDE=</Name><Size>3</Size>}, 'its blocks';
unlike $r->{body}, qr{MDI=|MDM=}, 'not the base\'s';
is $r->{headers}{'x-ms-blob-content-length'}, 3, 'its length';

# ---- not writing to it ---------------------------------------------------

for (['PUT', '', { 'x-ms-blob-type' => 'BlockBlob' }],
    ['PUT', '&comp=metadata', {}], ['PUT', '&comp=properties', {}],
    ['PUT', '&comp=block&blockid=MDE%3D', {}],
    ['PUT', '&comp=blocklist', {}], ['PUT', '&comp=snapshot', {}])
{
    is_code $n->blob($_->[0], at('a', $one, $_->[1]), $_->[2], 'x'), 400,
        'InvalidQueryParameterValue', "PUT $_->[1]";
}
is $n->blob('GET', '/ccc/a')->{body}, 'second one', 'nothing happened';

# ---- listing -------------------------------------------------------------

sub list {
    my ($query) = @_;
    my $r = $n->blob('GET', "/ccc?restype=container&comp=list$query");
    my @found;
    while ($r->{body} =~ m{<Name>([^<]*)</Name>(?:<Snapshot>([^<]*)</Snapshot>)?}g)
    {
        push @found, $1 . (defined $2 ? "\@$2" : '');
    }
    my ($next) = $r->{body} =~ m{<NextMarker>([^<]*)</NextMarker>};
    return (\@found, $next // '', $r);
}

$n->blob('PUT', '/ccc/d%2Fx', {}, 'x');
my @dx = map { (snap('d%2Fx'))[0] } 1 .. 3;
my ($all) = list('&include=snapshots');
my ($three) = grep { !/$one|$two/ } map { /^a\@(.*)/ } @$all;
is_deeply $all, ["a\@$one", "a\@$two", "a\@$three", 'a', "blocks\@$of",
    'blocks', (map { "d/x\@$_" } @dx), 'd/x'], 'oldest first, the base last';
is_deeply((list(''))[0], ['a', 'blocks', 'd/x'], 'only if asked');

for my $max (1, 2, 3, 7) {
    for my $more ('', '&prefix=d', '&delimiter=%2F') {
        my ($whole) = list("&include=snapshots$more");
        my (@got, $marker);
        do {
            my ($f, $next) = list("&include=snapshots&maxresults=$max$more"
                . (defined $marker ? '&marker=' . uri_escape($marker) : ''));
            ok @$f <= $max, 'no more than asked' if @$f > $max;
            push @got, @$f;
            $marker = $next;
        } while ($marker ne '');
        is_deeply \@got, $whole, "pages of $max$more";
    }
}
my (undef, $marker) = list('&include=snapshots&maxresults=1');
is_deeply((list("&marker=" . uri_escape($marker)))[0], ['a', 'blocks', 'd/x'],
    'half way, and then without');
is +(list('&marker=2!MQ..!x'))[2]{status}, 400, 'a marker that is none';

# ---- SAS -----------------------------------------------------------------

sub bs { # the snapshot's time is signed
    my ($name, $time, $sp) = @_;
    return service_sas($a, $n->{key}, "/ccc/$name", sr => 'bs', sp => $sp,
        TIME => $time);
}
sub with_sas {
    return $n->connect->request($_[0], "/$a" . $_[1],
        { 'x-ms-version' => '2023-11-03' });
}
my $sas = bs('a', $one, 'rd');
is with_sas('GET', at('a', $one, "&$sas"))->{body}, 'first', 'sr=bs';
is with_sas('GET', at('a', $two, "&$sas"))->{status}, 403, 'another time';
is with_sas('GET', "/ccc/a?$sas")->{status}, 403, 'not the base';
is with_sas('DELETE', "/ccc/a?$sas")->{status}, 403, 'nor its delete';
is with_sas('PUT', "/ccc/a?comp=snapshot&$sas")->{status}, 403, 'nor another';
is with_sas('DELETE', at('a', $one, '&' . bs('a', $one, 'r')))->{status}, 403,
    'a reader deletes nothing';
my ($c) = with_sas('PUT', '/ccc/a?comp=snapshot&' . $n->sas(sp => 'c'))
    ->{headers}{'x-ms-snapshot'};
ok $c, 'c suffices to take one';
is $n->blob('DELETE', at('a', $c))->{status}, 202, 'away with it';

# ---- deleting ------------------------------------------------------------

sub del {
    my ($path, $h) = @_;
    return $n->blob('DELETE', $path, $h);
}

is_code del('/ccc/a'), 409, 'SnapshotsPresent', 'base with snapshots';
is_code del('/ccc/a', { 'x-ms-delete-snapshots' => 'some' }), 400,
    'InvalidHeaderValue', 'no such choice';
is_code del(at('a', $one), { 'x-ms-delete-snapshots' => 'include' }), 400,
    'InvalidOperation', 'no choice about a snapshot';
is_code del(at('a', $one), { 'If-Match' => '"0x1"' }), 412, 'ConditionNotMet',
    'conditions are about the snapshot';
is_code del(at('a', $one), { 'If-Match' => $put->{headers}{etag} }), 202, '-',
    'gone';
is_code $n->blob('GET', at('a', $one)), 404, 'BlobNotFound', 'for good';
is_code del(at('a', $one)), 404, 'BlobNotFound', 'once';
is_code del('/ccc/a', { 'x-ms-delete-snapshots' => 'only' }), 202, '-',
    'only snapshots';
is $n->blob('GET', '/ccc/a')->{body}, 'second one', 'the base stays';
is_code $n->blob('GET', at('a', $two)), 404, 'BlobNotFound', 'they do not';
is_code del('/ccc/a'), 202, '-', 'now it goes by itself';
is_code del('/ccc/a', { 'x-ms-delete-snapshots' => 'only' }), 404,
    'BlobNotFound', 'no blob, no snapshots';
is_code del('/ccc/d%2Fx', { 'x-ms-delete-snapshots' => 'include' }), 202, '-',
    'all of it';
is_code $n->blob('GET', at('d%2Fx', $dx[1])), 404, 'BlobNotFound',
    'snapshots too';
is_deeply((list('&include=snapshots'))[0], ["blocks\@$of", 'blocks'],
    'what is left');

# a larger one outlives its base's overwrite, reload and restart
my $big = join '', map { "line $_\n" } 1 .. 60_000;
$n->blob('PUT', '/ccc/big', {}, $big);
my ($b) = snap('big');
$n->blob('PUT', '/ccc/big', {}, 'small');
ok $n->blob('GET', at('big', $b))->{body} eq $big, 'large';
$n->reload;
ok $n->blob('GET', at('big', $b))->{body} eq $big, 'after a reload';
$n->stop;
$n->start;
ok $n->blob('GET', at('big', $b))->{body} eq $big, 'after a restart';

$t->done;

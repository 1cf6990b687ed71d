# Listings of a container whose blobs are partly here and partly at the lake:
# what is asked for beside the names is there of both.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;
use BlobTest::Http qw(uri_escape);

my $t = BlobTest->new;
$t->allow(qr/connect\(\) failed|no live upstreams/);
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake, policy => 'fresh 1h;')->start;
my $tier = $t->tier($edge)->start;
my $r;

sub page {
    my ($n, $query) = @_;
    my $r = $n->blob('GET', "/con?restype=container&comp=list$query");
    is $r->{status}, 200, "list$query" or diag $r->{body};
    return $r->{body};
}
# all pages of a listing, as entries
sub entries {
    my ($n, $query, $max) = @_;
    my ($marker, @all) = ('');
    do {
        my $body = page($n, "$query&maxresults=$max"
            . ($marker eq '' ? '' : '&marker=' . uri_escape($marker)));
        my @found = $body =~ m{(<Blob>.*?</Blob>|<BlobPrefix>.*?</BlobPrefix>)}g;
        ok @found <= $max, 'no more than asked';
        push @all, @found;
        ($marker) = $body =~ m{<NextMarker>([^<]*)</NextMarker>};
    } while ($marker //= '') ne '';
    return @all;
}
sub names { map { m{<Name>(.*?)</Name>} } @_ }
sub of {
    my ($name, @entries) = @_;
    return (grep { m{<Name>\Q$name\E</Name>} } @entries)[-1] // '';
}
sub element { $_[1] =~ m{<$_[0]>(.*?)</$_[0]>} ? $1 : undef }

is $edge->blob('PUT', '/con?restype=container')->{status}, 201, 'container';

# ---- copies ---------------------------------------------------------------

is $lake->blob('PUT', '/con/l-src', {}, 'at the lake')->{status}, 201, 'there';
is $lake->blob('PUT', '/con/l-copy', { 'x-ms-copy-source' =>
    $lake->url . '/con/l-src' })->{status}, 202, 'copied there';
is $edge->blob('PUT', '/con/e-src', {}, 'at the edge')->{status}, 201, 'here';
$r = $edge->blob('PUT', '/con/e-copy',
    { 'x-ms-copy-source' => $edge->url . '/con/e-src' });
is $r->{status}, 202, 'copied here';
my $id = $r->{headers}{'x-ms-copy-id'};

my $copies = sub {
    my ($when) = @_;
    my @e = entries($edge, '&include=copy,metadata', 2);
    is_deeply [names(@e)], [qw(e-copy e-src l-copy l-src)], "$when: all";
    is element('CopyId', of('e-copy', @e)), $id, 'id of the copy here';
    is element('CopySource', of('e-copy', @e)), $edge->url . '/con/e-src',
        'its source';
    is element('CopyProgress', of('e-copy', @e)), '11/11', 'progress';
    like element('CopyCompletionTime', of('e-copy', @e)), qr/GMT$/, 'time';
    is element('CopyStatus', of($_, @e)), 'success', "status of $_"
        for qw(e-copy l-copy);
    is element('CopySource', of('l-copy', @e)), $lake->url . '/con/l-src',
        'source of the one there';
    is element('CopyId', of($_, @e)), undef, "$_ is no copy"
        for qw(e-src l-src);
    unlike join('', entries($edge, '', 9)), qr/<Copy/, 'only if asked';
    for my $name (qw(e-copy e-src)) {
        is '"' . element('Etag', of($name, @e)) . '"',
            $edge->blob('HEAD', "/con/$name")->{headers}{etag},
            "$name has the ETag that clients know";
    }
};
$copies->('at once');
is $tier->run('flush', '--wait'), 0, 'carried';
$copies->('carried');

# ---- snapshots, tags, blocks ------------------------------------------------

is $lake->blob('PUT', '/con/l-src?comp=snapshot')->{status}, 201, 'snapshot'
    for 1 .. 3;
is $edge->blob('PUT', '/con/e-src?comp=snapshot')->{status}, 201,
    'one through the edge';
is $edge->blob('PUT', '/con/t', { 'x-ms-tags' => 'k=v' }, 't')->{status}, 201,
    'tags';
is $lake->blob('PUT', '/con/u', { 'x-ms-tags' => 'k=w' }, 'u')->{status}, 201,
    'tags at the lake';
is $_->[0]->blob('PUT', "/con/$_->[1]?comp=block&blockid=QQ%3D%3D", {}, 'x')
    ->{status}, 201, "a block of $_->[1]" for [$edge, 'v'], [$lake, 'w'];

for my $max (1, 2, 3, 100) {
    my @e = entries($edge, '&include=snapshots,tags,uncommittedblobs', $max);
    is_deeply [names(@e)], [qw(e-copy e-src e-src l-copy l-src l-src l-src
        l-src t u v w)], "every one, $max at a time";
    is scalar(grep { /<Snapshot>/ } @e), 4, 'snapshots';
    is scalar(() = join('', @e) =~ m{<Snapshot>(.*?)</Snapshot>}g),
        scalar(keys %{{ map { $_ => 1 } join('', @e)
            =~ m{<Snapshot>(.*?)</Snapshot>}g }}), 'each once';
    is element('Value', of('t', @e)), 'v', 'tags of one from here';
    is element('Value', of('u', @e)), 'w', 'and of one from there';
    is '"' . element('Etag', of($_, @e)) . '"',
        $edge->blob('HEAD', "/con/$_")->{headers}{etag}, "ETag of $_"
        for qw(e-copy e-src t u);
    is_deeply [names(entries($edge, '', $max))],
        [qw(e-copy e-src l-copy l-src t u)], 'without them';
}
like of('u', entries($edge, '', 9)), qr{<TagCount>1</TagCount>},
    'what the lake says unasked';

# ---- bounds -----------------------------------------------------------------

is $edge->blob('PUT', "/con/d%2F$_", {}, 'x')->{status}, 201, "d/$_"
    for 1 .. 3;
is $lake->blob('PUT', "/con/d%2F$_", {}, 'x')->{status}, 201, "d/$_ there"
    for 4 .. 6;
for my $max (1, 2, 100) {
    is_deeply [names(entries($edge, '&startFrom=d%2F3&endBefore=e-src', $max))],
        [qw(d/3 d/4 d/5 d/6 e-copy)], "bounds, $max at a time";
    is_deeply [names(entries($edge, '&startFrom=d%2F35&prefix=d%2F', $max))],
        [qw(d/4 d/5 d/6)], 'with a prefix';
    is_deeply [names(entries($edge, '&delimiter=/&endBefore=l', $max))],
        [qw(d/ e-copy e-src)], 'with a delimiter';
    is_deeply [names(entries($edge,
        '&include=snapshots&startFrom=e-src&endBefore=l-copy', $max))],
        [qw(e-src e-src)], 'with snapshots';
}
is_deeply [names(entries($edge, '&startFrom=zz', 5))], [], 'past all';

# ---- refusals -----------------------------------------------------------------

my $told = $t->origin(sub {
    my ($m) = @_;
    return [200, { ETag => '"0x1"',
        'Last-Modified' => 'Wed, 01 May 2024 10:00:00 GMT' }]
        if $m->{target} !~ /comp=list/;
    return [409, { 'x-ms-error-code' => 'FeatureVersionMismatch' }, '']
        if $m->{target} =~ /include=versions/;
    return [200, { 'Content-Type' => 'application/xml' }, '<?xml version="1.0"'
        . ' encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>b</Name>'
        . '<VersionId>1</VersionId><IsCurrentVersion>true</IsCurrentVersion>'
        . '<Properties><Last-Modified>Wed, 01 May 2024 10:00:00 GMT'
        . '</Last-Modified><Etag>0x1</Etag><LegalHold>true</LegalHold>'
        . '<AccessTierInferred>true</AccessTierInferred><Future>a&gt;b</Future>'
        . '</Properties><Metadata><m>v</m></Metadata><OrMetadata/></Blob>'
        . '</Blobs><NextMarker/></EnumerationResults>'];
});
my $n = $t->nginx('told', origin => $told->url)->start;
my $nt = $t->tier($n)->start;
$r = $n->blob('GET', '/con?restype=container&comp=list'
    . '&include=metadata,legalhold,immutabilitypolicy');
like $r->{body}, qr{<Etag>0x1</Etag><LegalHold>true</LegalHold>
    <AccessTierInferred>true</AccessTierInferred><Future>a&gt;b</Future>
    </Properties><Metadata><m>v</m></Metadata>}x, 'all that the lake says';
like $r->{body}, qr{<Name>b</Name><VersionId>1</VersionId>}, 'in its order';
$r = $n->blob('GET', '/con?restype=container&comp=list&include=versions');
is "$r->{status} $r->{headers}{'x-ms-error-code'}",
    '409 FeatureVersionMismatch', 'what the lake refuses';

$lake->stop;
for my $include ('', 'copy', 'snapshots') {
    $r = $edge->blob('GET', '/con?restype=container&comp=list'
        . "&include=$include");
    is "$r->{status} $r->{headers}{'x-ms-error-code'}", '503 ServerBusy',
        "the lake is away: '$include'";
}

$t->done;

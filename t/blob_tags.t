# Blob index tags, conditions of them, Find Blobs by Tags, access tiers: in a
# standalone server, and in an edge in front of one.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $lake = $t->nginx('lake')->start;
my $r;

sub code { $_[0]{headers}{'x-ms-error-code'} // '' }

sub doc {
    my %h = @_;
    return '<?xml version="1.0" encoding="utf-8"?><Tags><TagSet>'
        . join('', map { "<Tag><Key>$_</Key><Value>$h{$_}</Value></Tag>" }
            sort keys %h) . '</TagSet></Tags>';
}

sub tags {
    my ($n, $path) = @_;
    my $r = $n->blob('GET', "$path?comp=tags");
    return code($r) || $r->{status} if $r->{status} != 200;
    my @tags;
    push @tags, "$1=$2" while $r->{body}
        =~ m{<Tag><Key>(.*?)</Key><Value>(.*?)</Value></Tag>}g;
    return join ',', @tags;
}

is $lake->blob('PUT', "/$_?restype=container")->{status}, 201, "container $_"
    for qw(one two);

# ---- set and read --------------------------------------------------------

$r = $lake->blob('PUT', '/one/a', { 'x-ms-tags' => 'kind=x%20y&rank=5' },
    'bytes');
is $r->{status}, 201, 'put with tags';
my $etag = $r->{headers}{etag};
$r = $lake->blob('GET', '/one/a?comp=tags');
is $r->{status}, 200, 'its tags';
is $r->{headers}{'content-type'}, 'application/xml', 'as XML';
is tags($lake, '/one/a'), 'kind=x y,rank=5', 'are those';
is $lake->blob($_, '/one/a')->{headers}{'x-ms-tag-count'}, 2, "$_ counts them"
    for qw(GET HEAD);

$r = $lake->blob('PUT', '/one/a?comp=tags', {}, doc(kind => 'z', n => ''));
is $r->{status}, 204, 'set tags';
ok !defined $r->{headers}{etag}, 'which is no new version';
is tags($lake, '/one/a'), 'kind=z,n=', 'and there they are';
$r = $lake->blob('HEAD', '/one/a');
is $r->{headers}{etag}, $etag, 'the ETag stays';
is $lake->blob('PUT', '/one/a?comp=metadata', { 'x-ms-meta-k' => 'v' })
    ->{status}, 200, 'metadata';
is tags($lake, '/one/a'), 'kind=z,n=', 'leaves tags alone';
is $lake->blob('PUT', '/one/a?comp=tags', {}, doc())->{status}, 204, 'none';
is tags($lake, '/one/a'), '', 'are none';
ok !defined $lake->blob('HEAD', '/one/a')->{headers}{'x-ms-tag-count'},
    'and not counted';

is $lake->blob('PUT', '/one/blocks?comp=block&blockid='
    . encode_base64('1', ''), {}, 'abc')->{status}, 201, 'a block';
is $lake->blob('PUT', '/one/blocks?comp=blocklist',
    { 'x-ms-tags' => 'rank=7', 'x-ms-access-tier' => 'Cool' },
    '<BlockList><Latest>' . encode_base64('1', '') . '</Latest></BlockList>')
    ->{status}, 201, 'a list with tags';
is tags($lake, '/one/blocks'), 'rank=7', 'which it has';
is $lake->blob('HEAD', '/one/blocks')->{headers}{'x-ms-access-tier'}, 'Cool',
    'and its tier';
is $lake->blob('PUT', '/one/blocks', {}, 'abc')->{status}, 201, 'overwritten';
is tags($lake, '/one/blocks'), '', 'without tags it has none';

# ---- refused -------------------------------------------------------------

for ([ 'a=1&a=2', 'DuplicateTagNames' ], [ '=1', 'EmptyTagName' ],
    [ 'a=' . 'v' x 257, 'TagsTooLarge' ], [ 'a=%3C', 'InvalidTag' ],
    [ 'a', 'InvalidHeaderValue' ]) {
    $r = $lake->blob('PUT', '/one/bad', { 'x-ms-tags' => $$_[0] }, 'x');
    is "$r->{status} " . code($r), "400 $$_[1]", "x-ms-tags: $$_[1]";
}
is $lake->blob('HEAD', '/one/bad')->{status}, 404, 'and nothing was written';
for ([ '<Tags>', 'InvalidXmlDocument' ], [ doc('' => 1), 'EmptyTagName' ],
    [ doc(map { ("k$_" => 1) } 1 .. 11), 'TagsTooLarge' ],
    [ '<Tags/>', 'MissingRequiredXmlNode' ]) {
    $r = $lake->blob('PUT', '/one/a?comp=tags', {}, $$_[0]);
    is "$r->{status} " . code($r), "400 $$_[1]", "Set Blob Tags: $$_[1]";
}
$r = $lake->blob('PUT', '/one/a?comp=tags',
    { 'Content-MD5' => encode_base64('x' x 16, '') }, doc(a => 1));
is code($r), 'Md5Mismatch', 'the MD5 of the document counts';
is $lake->blob('PUT', '/one/none?comp=tags', {}, doc(a => 1))->{status}, 404,
    'tags of nothing';
is tags($lake, '/one/none'), 'BlobNotFound', 'as read';
is tags($lake, '/nope/none'), 'ContainerNotFound', 'nor without a container';
is code($lake->blob('PUT', '/one/a?comp=block&blockid=AA%3D%3D',
    { 'x-ms-tags' => 'a=1' }, 'x')), 'UnsupportedHeader', 'blocks have none';

# ---- a SAS needs t -------------------------------------------------------

sub with_sas {
    my ($method, $path, $perms, $body) = @_;
    my $c = $lake->connect;
    my $sas = $lake->sas(ss => 'b', srt => 'sco', sp => $perms);
    my $r = $c->request($method, "/$lake->{account}$path&$sas",
        { Host => 'x', 'Content-Length' => length($body // ''),
            'x-ms-version' => '2021-08-06' }, $body);
    $c->close;
    return $r->{status};
}

is with_sas('GET', '/one/a?comp=tags', 'r'), 403, 'r does not read tags';
is with_sas('GET', '/one/a?comp=tags', 't'), 200, 't does';
is with_sas('PUT', '/one/a?comp=tags', 'w', doc(a => 1)), 403,
    'w does not set them';
is with_sas('PUT', '/one/a?comp=tags', 't', doc(a => 1)), 204, 't does';
is with_sas('GET', '/?comp=blobs&where=a%3D%271%27', 'l'), 403, 'l finds none';
is with_sas('GET', '/?comp=blobs&where=a%3D%271%27', 'f'), 200, 'f does';

# ---- conditions ----------------------------------------------------------

$lake->blob('PUT', '/one/c', { 'x-ms-tags' => 'rank=5' }, 'one');

sub cond {
    my ($method, $path, $if, $want, %h) = @_;
    my $r = $lake->blob($method, $path, { 'x-ms-if-tags' => $if, %h },
        $method eq 'PUT' ? ($path =~ /=tags/ ? doc(rank => 5) : 'two')
        : undef);
    is code($r) || $r->{status}, $want, "$method $path if $if";
}

cond('GET', '/one/c', "\"rank\" = '5'", 200);
cond('GET', '/one/c', "\"rank\" > '5'", 'ConditionNotMet');
cond('HEAD', '/one/c', "\"rank\" = '6'", 'ConditionNotMet');
cond('HEAD', '/one/c', "(a = '1' OR rank='5') AND b <> '1'", 200);
cond('GET', '/one/c', 'rank = 5', 'InvalidHeaderValue');
cond('GET', '/one/c?comp=tags', "rank = '6'", 'ConditionNotMet');
cond('PUT', '/one/c?comp=tags', "rank = '6'", 'ConditionNotMet');
cond('PUT', '/one/c?comp=tags', "rank = '5'", 204);
cond('PUT', '/one/c?comp=metadata', "rank = '6'", 'ConditionNotMet');
cond('PUT', '/one/c?comp=tier', "rank = '6'", 'ConditionNotMet',
    'x-ms-access-tier' => 'Cool');
cond('PUT', '/one/c', "rank = '6'", 'ConditionNotMet');
cond('PUT', '/one/new', "rank <> '6'", 'ConditionNotMet');
cond('DELETE', '/one/c', "rank = '6'", 'ConditionNotMet');
is $lake->blob('GET', '/one/c')->{body}, 'one', 'it is as it was';
cond('PUT', '/one/c', "rank = '5'", 201);
cond('DELETE', '/one/c', "rank = '5'", 'ConditionNotMet'); # it has none now
cond('DELETE', '/one?restype=container', "a = '1'",
    'ConditionHeadersNotSupported');

# ---- finding -------------------------------------------------------------

sub find {
    my ($n, $where, %o) = @_;
    my $path = ($o{in} ? "/$o{in}?restype=container&" : '/?') . 'comp=blobs';
    $path .= '&where=' . ($where =~ s/([^\w])/sprintf '%%%02X', ord $1/ger)
        if defined $where;
    $path .= "&maxresults=$o{max}" if $o{max};
    my ($all, $pages, $marker) = ('', 0, '');
    do {
        my $r = $n->blob('GET', $path . ($marker ? "&marker=$marker" : ''));
        return code($r) || $r->{status} if $r->{status} != 200;
        $all .= $r->{body};
        $pages++;
        ($marker) = $r->{body} =~ m{<NextMarker>(.*?)</NextMarker>};
    } while $marker && $pages < 50;
    ${$o{pages}} = $pages if $o{pages};
    ${$o{doc}} = $all if $o{doc};
    return join ' ', map { m{<Name>(.*)</Name><ContainerName>(.*)</Con}
        ? "$2/$1" : '?' } $all =~ m{<Blob>(.*?)</Blob>}g;
}

$lake->blob('PUT', "/$_->[0]", { 'x-ms-tags' => $_->[1] }, 'x')
    for [ 'one/f1', 'f=1&p=x' ], [ 'one/f2', 'f=2' ], [ 'two/d/f3', 'f=3' ],
    [ 'two/f4', 'f=4&p=x' ], [ 'two/g', 'g=1' ];

my ($pages, $doc);
is find($lake, "\"f\" >= '1'", doc => \$doc),
    'one/f1 one/f2 two/d/f3 two/f4', 'found in the account';
like $doc, qr{<Where>"f" &gt;= '1'</Where>|<Where>"f" >= '1'</Where>},
    'what was asked comes back';
like $doc, qr{<Blob><Name>f1</Name><ContainerName>one</ContainerName><Tags>
    <TagSet><Tag><Key>f</Key><Value>1</Value></Tag></TagSet></Tags></Blob>}x,
    'with the tags that were asked about';
like $doc, qr{<NextMarker />}, 'and an end';
is find($lake, "f >= '2' AND f < '4'"), 'one/f2 two/d/f3', 'a range';
is find($lake, "\@container='two' AND p='x'"), 'two/f4', 'a container of all';
is find($lake, "f > '0'", in => 'two'), 'two/d/f3 two/f4', 'in a container';
is find($lake, "f > '0'", in => 'none'), 'ContainerNotFound', 'of none';
for my $max (1, 2, 3) {
    is find($lake, "f > '0'", max => $max, pages => \$pages),
        'one/f1 one/f2 two/d/f3 two/f4', "in pages of $max";
    cmp_ok $pages, '>=', 4 / $max, 'several of them';
}
is find($lake, "f > '0'", max => 1, in => 'two'), 'two/d/f3 two/f4',
    'pages of a container';
is find($lake, "f = '9'"), '', 'nothing';
is find($lake, undef), 'MissingRequiredQueryParameter', 'nothing asked';
is find($lake, $_), 'InvalidQueryParameterValue', "not: $_"
    for "f <> '1'", "f='1' OR f='2'", 'f', "f='1';";
is code($lake->blob('GET', '/?comp=blobs&where=f%3D%271%27&marker=zz')),
    'InvalidQueryParameterValue', 'a marker of somebody else';

# listings
$r = $lake->blob('GET', '/one?restype=container&comp=list&prefix=f1');
like $r->{body}, qr{<TagCount>2</TagCount>}, 'a listing counts tags';
unlike $r->{body}, qr{<TagSet>}, 'and shows them';
$r = $lake->blob('GET',
    '/one?restype=container&comp=list&prefix=f1&include=tags');
like $r->{body}, qr{<Tags><TagSet><Tag><Key>f</Key>}, 'when asked';

# ---- tiers ---------------------------------------------------------------

sub tier {
    my ($n, $path, $tier, %h) = @_;
    my $r = $n->blob('PUT', "$path?comp=tier",
        { 'x-ms-access-tier' => $tier, %h });
    return code($r) || $r->{status};
}

$r = $lake->blob('PUT', '/one/t', { 'x-ms-tags' => 'a=1' }, 'cold bytes');
$etag = $r->{headers}{etag};
$r = $lake->blob('HEAD', '/one/t');
is $r->{headers}{'x-ms-access-tier'}, 'Hot', 'hot';
is $r->{headers}{'x-ms-access-tier-inferred'}, 'true', 'by default';
is tier($lake, '/one/t', 'Cool'), 200, 'cool';
$r = $lake->blob('HEAD', '/one/t');
is $r->{headers}{'x-ms-access-tier'}, 'Cool', 'is cool';
ok !defined $r->{headers}{'x-ms-access-tier-inferred'}, 'as it was told';
ok $r->{headers}{'x-ms-access-tier-change-time'}, 'at that time';
is $r->{headers}{etag}, $etag, 'the ETag stays';
is tier($lake, '/one/t', 'Archive'), 200, 'archive';
is code($lake->blob('GET', '/one/t')), 'BlobArchived', 'no bytes';
is $lake->blob('GET', '/one/t')->{status}, 409, 'a conflict';
is $lake->blob('HEAD', '/one/t')->{status}, 200, 'its properties';
is tags($lake, '/one/t'), 'a=1', 'its tags';
$r = $lake->blob('GET', '/one?restype=container&comp=list&prefix=t');
like $r->{body}, qr{<AccessTier>Archive</AccessTier><AccessTierChangeTime>},
    'in a listing';
is code($lake->blob('PUT', '/one/t', {}, 'x')), 'BlobArchived', 'stays';
is code($lake->blob('PUT', '/one/t?comp=metadata')), 'BlobArchived',
    'as it is';
is tier($lake, '/one/t', 'Hot', 'x-ms-rehydrate-priority' => 'High'), 202,
    'out of the archive';
is $lake->blob('GET', '/one/t')->{body}, 'cold bytes', 'and there it is';
is tier($lake, '/one/t', 'Warm'), 'InvalidHeaderValue', 'no such tier';
is tier($lake, '/one/t', 'P10'), 'InvalidBlobTier', 'not of block blobs';
is tier($lake, '/one/t', undef), 'MissingRequiredHeader', 'which?';
is tier($lake, '/one/t', 'Hot', 'x-ms-rehydrate-priority' => 'Now'),
    'InvalidHeaderValue', 'no such priority';
is tier($lake, '/one/none', 'Hot'), 'BlobNotFound', 'of nothing';
is $lake->blob('PUT', '/one/arch', { 'x-ms-access-tier' => 'Archive' }, 'x')
    ->{status}, 201, 'put into the archive';
is code($lake->blob('GET', '/one/arch')), 'BlobArchived', 'is there';
is $lake->blob('DELETE', '/one/arch')->{status}, 202, 'and can be deleted';

# ---- an edge -------------------------------------------------------------

my $edge = $t->nginx('edge', origin => $lake)->start;
my $daemon = $t->tier($edge);

# not carried yet: answered here
is $edge->blob('PUT', '/two/e', { 'x-ms-tags' => 'e=1',
    'x-ms-access-tier' => 'Cool' }, 'edge')->{status}, 201, 'put at the edge';
is tags($edge, '/two/e'), 'e=1', 'its tags';
is tags($lake, '/two/e'), 'BlobNotFound', 'not carried yet';
is code($edge->blob('GET', '/two/e', { 'x-ms-if-tags' => "e='2'" })),
    'ConditionNotMet', 'a condition of them';
is $edge->blob('GET', '/two/e', { 'x-ms-if-tags' => "e='1'" })->{body},
    'edge', 'that is met';
is $edge->blob('PUT', '/two/e?comp=tags', {}, doc(e => 2))->{status}, 204,
    'set again';
is tags($edge, '/two/e'), 'e=2', 'are those';
is $edge->blob('PUT', '/two/arch', { 'x-ms-access-tier' => 'Archive' }, 'x')
    ->{status}, 201, 'archived';
is code($edge->blob('GET', '/two/arch')), 'BlobArchived', 'at once';

# carried
$daemon->start;
is $daemon->run('flush', '--timeout', 20), 0, 'flush';
is tags($lake, '/two/e'), 'e=2', 'the origin has the tags';
is $lake->blob('HEAD', '/two/e')->{headers}{'x-ms-access-tier'}, 'Cool',
    'and the tier';
$r = $edge->blob('HEAD', '/two/e');
is $r->{headers}{'x-ms-tag-count'}, 1, 'counted at the edge';
my $was = $r->{headers}{etag};

# the origin's own change, which no ETag shows
is $lake->blob('PUT', '/two/e?comp=tags', {}, doc(o => 3))->{status}, 204,
    'changed at the origin';
is tags($edge, '/two/e'), 'o=3', 'seen through the edge';
is $edge->blob('GET', '/two/e', { 'x-ms-if-tags' => "o='3'" })->{body},
    'edge', 'as a condition';
is code($edge->blob('GET', '/two/e', { 'x-ms-if-tags' => "e='2'" })),
    'ConditionNotMet', 'not as the edge had them';

# changed here
is $edge->blob('PUT', '/two/e?comp=tags', {}, doc(e => 4))->{status}, 204,
    'set on a clean one';
is tier($edge, '/two/e', 'Cold'), 200, 'and a tier';
is $daemon->run('flush', '--timeout', 20), 0, 'flush';
is tags($lake, '/two/e'), 'e=4', 'carried';
is $lake->blob('HEAD', '/two/e')->{headers}{'x-ms-access-tier'}, 'Cold',
    'both';
is $edge->blob('HEAD', '/two/e')->{headers}{etag}, $was, 'no new ETag';
is $edge->blob('PUT', '/two/e?comp=metadata', { 'x-ms-meta-k' => 'v' })
    ->{status}, 200, 'another change';
is $daemon->run('flush', '--timeout', 20), 0, 'is carried';
like $lake->blob('HEAD', '/two/e')->{head}, qr/^x-ms-meta-k: v\r$/m,
    'on top of it';

# not here: forwarded
$lake->blob('PUT', '/two/far', { 'x-ms-tags' => 'f=1' }, 'far');
is tags($edge, '/two/far'), 'f=1', 'tags of what is not here';
is $edge->blob('PUT', '/two/far?comp=tags', {}, doc(f => 2))->{status}, 204,
    'set there';
is tags($lake, '/two/far'), 'f=2', 'at once';
is code($edge->blob('PUT', '/two/far', { 'x-ms-if-tags' => "f='1'" }, 'x')),
    'ConditionNotMet', 'a conditional write is the origin\'s';
is $edge->blob('PUT', '/two/far', { 'x-ms-if-tags' => "f='2'" }, 'new')
    ->{status}, 201, 'to decide';
is $edge->blob('GET', '/two/far')->{body}, 'new', 'and is seen here';
like find($edge, "e='4'"), qr{^two/e$}, 'found by the origin';

# out of the archive: the origin's answer
is tier($edge, '/two/arch', 'Hot'), 202, 'the origin rehydrates';
is $edge->blob('GET', '/two/arch')->{body}, 'x', 'and the bytes come';

$t->done;

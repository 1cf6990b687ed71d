# Tags that come with copies and append blobs, and conditions of tags in
# operations that do not write a blob: standalone and at an edge.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $lake = $t->nginx('lake')->start;
my $r;

sub code { $_[0]{headers}{'x-ms-error-code'} || $_[0]{status} }

sub tags {
    my ($n, $path) = @_;
    my $r = $n->blob('GET', "$path?comp=tags");
    return code($r) if $r->{status} != 200;
    my @tags;
    push @tags, "$1=$2" while $r->{body}
        =~ m{<Tag><Key>(.*?)</Key><Value>(.*?)</Value></Tag>}g;
    return join ',', @tags;
}

# Copy Blob, Copy Blob From URL, Put Blob From URL
my %ops = ('Copy Blob' => {},
    'Copy Blob From URL' => { 'x-ms-requires-sync' => 'true' },
    'Put Blob From URL' => { 'x-ms-blob-type' => 'BlockBlob' });

sub copy {
    my ($n, $op, $from, $to, %h) = @_;
    return $n->blob('PUT', $to, { %{$ops{$op}}, %h,
        'x-ms-copy-source' => $n->url . $from, 'x-ms-version' => '2021-08-06' });
}

$lake->blob('PUT', '/con?restype=container');
$lake->blob('PUT', '/con/src', { 'x-ms-tags' => 's=1' }, 'bytes');

# ---- copies --------------------------------------------------------------

for my $op (sort keys %ops) {
    (my $to = "/con/$op") =~ tr/ /-/;
    like code(copy($lake, $op, '/con/src', $to)), qr/^20[12]$/, $op;
    is tags($lake, $to), '', 'without tags';
    like code(copy($lake, $op, '/con/src', $to, 'x-ms-tags' => 'a=1&b=')),
        qr/^20[12]$/, "$op with tags";
    is tags($lake, $to), 'a=1,b=', 'they are set';
    is $lake->blob('HEAD', $to)->{headers}{'x-ms-tag-count'}, 2, 'counted';
    like code(copy($lake, $op, '/con/src', $to, 'x-ms-if-tags' => "a='1'",
        'x-ms-copy-source-tag-option' => 'COPY')), qr/^20[12]$/,
        "$op with the source's";
    is tags($lake, $to), 's=1', 'are those';
    is code(copy($lake, $op, '/con/src', $to, 'x-ms-if-tags' => "a='1'")),
        $op eq 'Copy Blob' ? 'TargetConditionNotMet' : 'ConditionNotMet',
        'a condition of what the target had';
    is code(copy($lake, $op, '/con/src', $to, 'x-ms-tags' => 'a=1',
        'x-ms-copy-source-tag-option' => 'COPY')),
        'BothUserTagsAndSourceTagsCopyPresentException', 'both';
    is code(copy($lake, $op, '/con/src', $to, 'x-ms-tags' => 'a=*')),
        'InvalidTag', 'bad ones';
    is tags($lake, $to), 's=1', 'and nothing happened';
}

# conditions of the source's tags
for my $op (sort keys %ops) {
    (my $to = "/con/if-$op") =~ tr/ /-/;
    is code(copy($lake, $op, '/con/src', $to,
        'x-ms-source-if-tags' => "s='2'")), 'SourceConditionNotMet',
        "$op: the source has other tags";
    is $lake->blob('HEAD', $to)->{status}, 404, 'nothing is made';
    like code(copy($lake, $op, '/con/src', $to,
        'x-ms-source-if-tags' => "s='1'")), qr/^20[12]$/, 'it has these';
    is code(copy($lake, $op, '/con/src', $to,
        'x-ms-source-if-tags' => "s=")), 'InvalidHeaderValue', 'no condition';
    for (['rt', qr/^20[12]$/], ['r', qr/^CannotVerifyCopySource$/]) {
        my ($sp, $want) = @$_;
        my $source = $lake->url . '/con/src?' . BlobTest::Http::service_sas(
            $lake->{account}, $lake->{key}, '/con/src', sp => $sp);
        like code($lake->connect->request('PUT', "/$lake->{account}$to?"
            . $lake->sas(sp => 'cw'), { %{$ops{$op}}, 'Content-Length' => 0,
            'x-ms-version' => '2021-08-06', 'x-ms-copy-source' => $source,
            'x-ms-source-if-tags' => "s='1'" })), $want, "read with $sp";
    }
}
is code($lake->blob('PUT', '/con/blk?comp=block&blockid=QQ%3D%3D', {
    'x-ms-copy-source' => $lake->url . '/con/src',
    'x-ms-source-if-tags' => "s='1'" })), 'ConditionHeadersNotSupported',
    'a block asks for no tags';

# ---- append blobs, snapshots, leases -------------------------------------

is code($lake->blob('PUT', '/con/log', { 'x-ms-blob-type' => 'AppendBlob',
    'x-ms-tags' => 'l=1' }, '')), 201, 'an append blob with tags';
is tags($lake, '/con/log'), 'l=1', 'has them';
is code($lake->blob('PUT', '/con/log', { 'x-ms-blob-type' => 'AppendBlob',
    'x-ms-tags' => '=1' }, '')), 'EmptyTagName', 'bad ones';
for ([ 'appendblock', {}, 'x', 201 ], [ 'snapshot', {}, '', 201 ],
    [ 'lease', { 'x-ms-lease-action' => 'acquire',
        'x-ms-lease-duration' => 15 }, '', 201 ],
    [ 'lease', { 'x-ms-lease-action' => 'break',
        'x-ms-lease-break-period' => 0 }, '', 202 ],
    [ 'seal', {}, '', 200 ]) {
    my ($comp, $h, $body, $want) = @$_;
    is code($lake->blob('PUT', "/con/log?comp=$comp", { %$h,
        'x-ms-if-tags' => "l='2'" }, $body)), 'ConditionNotMet',
        "$comp: a condition";
    is code($lake->blob('PUT', "/con/log?comp=$comp", { %$h,
        'x-ms-if-tags' => "l='1'" }, $body)), $want, 'that is met';
}
is code($lake->blob('PUT', '/con?restype=container&comp=lease', {
    'x-ms-lease-action' => 'break', 'x-ms-if-tags' => "l='1'" }, '')),
    'ConditionHeadersNotSupported', 'containers have no tags';

# ---- an edge -------------------------------------------------------------

my $edge = $t->nginx('edge', origin => $lake)->start;
my $daemon = $t->tier($edge);
$edge->blob('PUT', '/con/new', { 'x-ms-tags' => 'n=1' }, 'new bytes');

like code(copy($edge, 'Copy Blob', '/con/new', '/con/new1',
    'x-ms-tags' => 'c=1')), qr/^202$/, 'copied at the edge';
is tags($edge, '/con/new1'), 'c=1', 'with tags';
is code(copy($edge, 'Copy Blob', '/con/new', '/con/new2',
    'x-ms-copy-source-tag-option' => 'COPY')), 202, 'with those of the source';
is tags($edge, '/con/new2'), 'n=1', 'that only the edge knows';
is tags($lake, '/con/new1'), 'BlobNotFound', 'nothing of it is carried yet';
$daemon->start;
is $daemon->run('flush', '--timeout', 20), 0, 'flush';
is tags($lake, "/con/$_->[0]"), $_->[1], "the origin has those of $_->[0]"
    for [ 'new1', 'c=1' ], [ 'new2', 'n=1' ];

# resident, but its tags are the origin's
is $edge->blob('GET', '/con/new')->{body}, 'new bytes', 'clean at the edge';
$lake->blob('PUT', '/con/new?comp=tags', {},
    '<Tags><TagSet><Tag><Key>o</Key><Value>3</Value></Tag></TagSet></Tags>');
is code(copy($edge, 'Copy Blob', '/con/new', '/con/new3',
    'x-ms-copy-source-tag-option' => 'COPY')), 202, 'with those of now';
is tags($edge, '/con/new3'), 'o=3', 'as the origin has them';
is code(copy($edge, 'Copy Blob From URL', '/con/new', '/con/new1',
    'x-ms-if-tags' => "c='2'")), 'ConditionNotMet',
    'a condition of a target that the origin has';
is code(copy($edge, 'Copy Blob From URL', '/con/new', '/con/new1',
    'x-ms-if-tags' => "c='1'")), 202, 'that is met';
is $edge->blob('GET', '/con/new1')->{body}, 'new bytes', 'is copied';

# conditions of a source that the origin has: its tags are asked there
is code(copy($edge, 'Copy Blob', '/con/new', '/con/new4',
    'x-ms-source-if-tags' => "n='1'")), 'SourceConditionNotMet',
    'tags that it had here';
is code(copy($edge, 'Copy Blob', '/con/new', '/con/new4',
    'x-ms-source-if-tags' => "o='3'")), 202, 'tags that it has there';
$daemon->stop;
is code($edge->blob('PUT', '/con/wait', { 'x-ms-tags' => 'w=1' }, 'waits')),
    201, 'one that is not carried yet';
is code(copy($edge, 'Copy Blob', '/con/wait', '/con/wait1',
    'x-ms-source-if-tags' => "w='2'")), 'SourceConditionNotMet',
    'is asked here';
is code(copy($edge, 'Copy Blob', '/con/wait', '/con/wait1',
    'x-ms-source-if-tags' => "w='1'")), 202, 'and copied here';

# dates and ETags that clients know, of a version that got there later
my $known = $edge->blob('HEAD', '/con/wait')->{headers};
sleep 2;
$daemon->start;
is $daemon->run('flush', '--timeout', 20), 0, 'flush';
isnt $lake->blob('HEAD', '/con/wait')->{headers}{'last-modified'},
    $known->{'last-modified'}, 'it has another time there';
my @cases = (['if-match', $known->{etag}, 202],
    ['if-none-match', $known->{etag}, 'SourceConditionNotMet'],
    ['if-unmodified-since', $known->{'last-modified'}, 202],
    ['if-modified-since', $known->{'last-modified'}, 'SourceConditionNotMet'],
    ['if-unmodified-since', 'Wed, 01 May 2024 10:00:00 GMT',
        'SourceConditionNotMet'],
    ['if-modified-since', 'Wed, 01 May 2024 10:00:00 GMT', 202]);
for (@cases) {
    my ($name, $value, $want) = @$_;
    is code(copy($edge, 'Copy Blob', '/con/wait', '/con/wait2',
        'x-ms-copy-source-tag-option' => 'COPY',
        "x-ms-source-$name" => $value)), $want, "source $name: $value";
}
is $edge->blob('GET', '/con/wait2')->{body}, 'waits', 'is copied';
is code(copy($edge, 'Copy Blob From URL', '/con/new', '/con/wait',
    'x-ms-if-tags' => "w='1'", 'If-Modified-Since' =>
    $known->{'last-modified'})), 'ConditionNotMet', 'the target, too';
is code(copy($edge, 'Copy Blob From URL', '/con/new', '/con/wait',
    'x-ms-if-tags' => "w='1'", 'If-Unmodified-Since' =>
    $known->{'last-modified'})), 202, 'and that it was not';

# the same of a source that blob-tier reads
my $old = $t->nginx('old', origin => $lake, policy => 'fresh 1s;')->start;
my $reader = $t->tier($old);
is code($old->blob('PUT', '/con/stale', {}, 'stale')), 201, 'a blob';
$known = $old->blob('HEAD', '/con/stale')->{headers};
sleep 2;
$reader->start;
is $reader->run('flush', '--timeout', 20), 0, 'flush';
isnt $lake->blob('HEAD', '/con/stale')->{headers}{$_}, $known->{$_},
    "another $_ there" for 'etag', 'last-modified';
sleep 2;
for (@cases[0 .. 3]) {
    my ($name, undef, $want) = @$_;
    my $value = $known->{$name =~ /since/ ? 'last-modified' : 'etag'};
    is code($old->blob('PUT', '/con/parts?comp=block&blockid=QQ%3D%3D', {
        'x-ms-copy-source' => $old->url . '/con/stale',
        "x-ms-source-$name" => $value })), $want eq '202' ? 201 : $want,
        "block, source $name: $value";
}

$t->done;

# Put Block List that names blocks which only the lake has, together with
# blocks that wait at the edge.

use strict;
use warnings;

use IO::Select;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;

my $t = BlobTest->new;
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake,
    store_opts => 'size=2g keep_clean=0s')->start;
my $tier = $t->tier($edge)->start;

sub id { encode_base64(sprintf('block-%04d', $_[0]), '') }
sub query { BlobTest::Http::uri_escape($_[0]) }

sub put_block {
    my ($server, $name, $n, $bytes, $id) = @_;
    return $server->blob('PUT', "/con/$name?comp=block&blockid="
        . query($id // id($n)), {}, $bytes)->{status};
}

# put_list($server, $name, headers, 'C1', 'U2', 'L3'): committed block 1 ...
sub put_list {
    my ($server, $name, $h, @blocks) = @_;
    my %tag = (C => 'Committed', U => 'Uncommitted', L => 'Latest');
    my $xml = '<?xml version="1.0" encoding="utf-8"?><BlockList>'
        . join('', map { my ($w, $n) = /^(\w)(.*)$/; my $id = $n =~ /^\d+$/
            ? id($n) : $n; "<$tag{$w}>$id</$tag{$w}>" } @blocks)
        . '</BlockList>';
    return $server->blob('PUT', "/con/$name?comp=blocklist", $h, $xml);
}

sub code {
    my ($r) = @_;
    return "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '');
}

sub blocks {
    my ($server, $name, $type) = @_;
    my $r = $server->blob('GET',
        "/con/$name?comp=blocklist&blocklisttype=$type");
    return join ',', $r->{body} =~ m{<Name>([^<]+)</Name>}g;
}

sub bytes {
    my ($seed, $n) = @_;
    my $s = '';
    my $x = $seed * 7919 + 1;
    for (1 .. 4096) {
        $x = ($x * 1103515245 + 12345) & 0x7fffffff;
        $s .= chr($x >> 16 & 255);
    }
    return substr($s x (1 + $n / 4096), 0, $n);
}

is $lake->blob('PUT', '/con?restype=container')->{status}, 201, 'container';

# A blob of these blocks that the edge never heard of.
sub at_lake {
    my ($name, @n) = @_;
    put_block($lake, $name, $_, "old$_") for @n;
    is put_list($lake, $name, {}, map { "L$_" } @n)->{status}, 201,
        "$name at the lake";
}

# ---- what blobfuse2 and the SDKs do ---------------------------------------

at_lake('a', 1, 2, 3);
is blocks($edge, 'a', 'committed'), join(',', map { id($_) } 1 .. 3),
    'committed blocks through the edge';
my %new = map { $_ => bytes($_, 1_000_000 + $_) } 4 .. 8;
is put_block($edge, 'a', $_, $new{$_}), 201, "block $_" for 4 .. 8;
is put_block($edge, 'a', 9, 'not named'), 201, 'one more';
is $lake->blob('GET', '/con/a')->{body}, 'old1old2old3', 'nothing there yet';
is blocks($lake, 'a', 'uncommitted'), '', 'no block either';
my $r = put_list($edge, 'a', { 'x-ms-meta-k' => 'v',
    'x-ms-blob-content-type' => 'text/x-mine' },
    qw(C1 U4 L5 C3 U6 L7 L8 L2));
is code($r), '201 ', 'a list of both';
ok $r->{headers}{etag}, 'with an ETag';
my $want = join '', 'old1', @new{4, 5}, 'old3', @new{6, 7, 8}, 'old2';
$r = $lake->blob('GET', '/con/a');
ok $r->{body} eq $want, 'bytes at the lake';
is $r->{headers}{'x-ms-meta-k'}, 'v', 'metadata';
is $r->{headers}{'content-type'}, 'text/x-mine', 'type';
ok $edge->blob('GET', '/con/a')->{body} eq $want, 'bytes at the edge';
is blocks($edge, 'a', 'all'),
    join(',', map { id($_) } 1, 4, 5, 3, 6, 7, 8, 2),
    'no block waits any more';
is blocks($lake, 'a', 'uncommitted'), '', 'nor at the lake';
is $tier->run('status'), 0, 'status';
like $tier->{out}, qr/^uncommitted_bytes +0$/m, 'their bytes are gone';

# the same again, with blocks of the one before and none of ours
is code(put_list($edge, 'a', {}, qw(C8 C1))), '201 ', 'only committed ones';
ok $edge->blob('GET', '/con/a')->{body} eq $new{8} . 'old1', 'bytes';

# ---- which block is meant -------------------------------------------------

at_lake('w', 1, 2);
is put_block($edge, 'w', 2, 'new2'), 201, 'a block of the same id';
is code(put_list($edge, 'w', {}, qw(C1 L2 C2))), '201 ', 'latest, committed';
is $lake->blob('GET', '/con/w')->{body}, 'old1new2old2', 'each as it says';

at_lake('x', 1, 2);
is put_block($edge, 'x', 3, 'new3'), 201, 'block';
for my $bad ([qw(C1 C3)], [qw(U1 U3)], [qw(L1 L4)], [qw(C1 U3 C9)]) {
    is code(put_list($edge, 'x', {}, @$bad)), '400 InvalidBlockList',
        "refused: @$bad";
}
is blocks($lake, 'x', 'uncommitted'), '', 'nothing was uploaded for that';
is blocks($edge, 'x', 'all'), join(',', map { id($_) } 1, 2, 3),
    'the block still waits';
is code(put_list($edge, 'x', {}, qw(L3))), '201 ', 'a list of ours alone';
is $edge->blob('GET', '/con/x')->{body}, 'new3', 'is committed here';
is $tier->run('flush', '--timeout', 20), 0, 'flush';
is $lake->blob('GET', '/con/x')->{body}, 'new3', 'and carried';
# clean, and its bytes are here
is put_block($edge, 'x', 4, 'new4'), 201, 'block';
is code(put_list($edge, 'x', {}, qw(C3 U9))), '400 InvalidBlockList',
    'a clean blob has no other blocks than those it has here';
$r = put_list($edge, 'x', {}, qw(C3 U4));
is $r->{headers}{'x-blob-edge-durability'}, 'local',
    'a list of a clean blob is committed here';
is $edge->blob('GET', '/con/x')->{body}, 'new3new4', 'bytes';
is $tier->run('flush', '--timeout', 20), 0, 'flush';
is $lake->blob('GET', '/con/x')->{body}, 'new3new4', 'and carried';

is put_block($edge, 'none', 1, 'x'), 201, 'a block of no blob';
is code(put_list($edge, 'none', {}, qw(U1 C2))), '400 InvalidBlockList',
    'no such blob';
is code(put_list($edge, 'none2', {}, qw(C2))), '400 InvalidBlockList',
    'nor block';

# another length of ids: what the lake says
at_lake('len', 1);
put_block($lake, 'len', 0, 'x', encode_base64('other', ''));
is put_block($edge, 'len', 2, 'new2'), 201, 'block';
is code(put_list($edge, 'len', {}, qw(C1 U2))), '400 InvalidBlobOrBlock',
    'the error of the lake';

# ---- conditions, and who else has a say ------------------------------------

at_lake('c', 1);
my $etag = $lake->blob('HEAD', '/con/c')->{headers}{etag};
is put_block($edge, 'c', 2, 'new2'), 201, 'block';
is code(put_list($edge, 'c', { 'If-Match' => '"0x1"' }, qw(C1 U2))),
    '412 ConditionNotMet', 'If-Match';
is code(put_list($edge, 'c', { 'If-None-Match' => '*' }, qw(C1 U2))),
    '409 BlobAlreadyExists', 'If-None-Match';
is code(put_list($edge, 'c', { 'If-Match' => $etag }, qw(C1 U2))), '201 ',
    'If-Match that holds';
is $lake->blob('GET', '/con/c')->{body}, 'old1new2', 'bytes';
is code(put_list($edge, 'c', { 'If-Match' => $etag }, qw(C1 C2))),
    '412 ConditionNotMet', 'not any more';

# the lake's is leased: it says so, and nothing is lost
at_lake('l', 1);
is put_block($edge, 'l', 2, 'new2'), 201, 'block';
$r = $lake->blob('PUT', '/con/l?comp=lease',
    { 'x-ms-lease-action' => 'acquire', 'x-ms-lease-duration' => -1 });
is $r->{status}, 201, 'leased';
my $lease = $r->{headers}{'x-ms-lease-id'};
is code(put_list($edge, 'l', {}, qw(C1 U2))), '412 LeaseIdMissing', 'leased';
is blocks($edge, 'l', 'uncommitted'), id(2), 'the block still waits';
is $lake->blob('PUT', '/con/l?comp=lease', { 'x-ms-lease-id' => $lease,
    'x-ms-lease-action' => 'release' })->{status}, 200, 'released';
# the edge may have heard of the lease
ok $t->wait_for(20, sub {
    code(put_list($edge, 'l', {}, qw(C1 U2))) eq '201 ' }), 'then it goes';
is $lake->blob('GET', '/con/l')->{body}, 'old1new2', 'bytes';

# ---- a commit of ours that is not carried yet, one that is evicted ----------

$tier->stop;
is put_block($edge, 'o', $_, "mine$_"), 201, "block $_" for 1, 2;
is code(put_list($edge, 'o', {}, qw(L1 L2))), '201 ', 'committed here';
is put_block($edge, 'o', 3, 'mine3'), 201, 'block';
is code(put_list($edge, 'o', {}, qw(C1 U3))), '201 ',
    'native, blob-tier is not there';
is $edge->blob('GET', '/con/o')->{body}, 'mine1mine3', 'bytes';
is put_block($edge, 'o', 4, 'mine4'), 201, 'block';
is code(put_list($edge, 'o', {}, qw(C2 U4))), '400 InvalidBlockList',
    'what was dropped is not anywhere';
$tier->start;
is $tier->run('flush', '--timeout', 20), 0, 'flush';
is $edge->blob('DELETE', '/con/o')->{status}, 202, 'deleted';
is code(put_list($edge, 'o', {}, qw(C1))), '400 InvalidBlockList',
    'a deleted blob has none';

# an upload that is given up: the lake has never heard of the blob
is put_block($edge, 'up', 1, 'mine1'), 201, 'block';
my $gone = $edge->blob('DELETE', '/con/up');
is code($gone), '202 ', 'deleted';
is $gone->{body}, '', 'and nothing else is said';
is $gone->{headers}{'content-length'}, 0, 'no body';
is $gone->{headers}{'x-ms-delete-type-permanent'}, 'true', 'for good';
ok !defined $gone->{headers}{'content-type'}, 'of no type';
is code($edge->blob('GET', '/con/up?comp=blocklist&blocklisttype=all')),
    '404 BlobNotFound', 'the block is gone';
is code($edge->blob('DELETE', '/con/up')), '404 BlobNotFound', 'only once';

# its bytes are the lake's alone: the ids of its blocks are those of the lake
is put_block($edge, 'ev', $_, "mine$_" x 3_000_000), 201, "block $_" for 1, 2;
is code(put_list($edge, 'ev', {}, qw(L1 L2))), '201 ', 'committed here';
$etag = $edge->blob('HEAD', '/con/ev')->{headers}{etag};
is $edge->blob('PUT', '/con/ev?comp=snapshot')->{status}, 201,
    'it is evicted by that';
my @ids = split /,/, blocks($edge, 'ev', 'committed');
is scalar(@ids), 2, 'blocks of the lake';
my $mine = encode_base64('x' x 20, '');
is put_block($edge, 'ev', 0, 'tail', $mine), 201, 'a block';
is code(put_list($edge, 'ev', { 'If-Match' => $etag }, "C$ids[1]", "U$mine")),
    '201 ', 'both, under the ETag that it has here';
ok $edge->blob('GET', '/con/ev')->{body} eq 'mine2' x 3_000_000 . 'tail',
    'bytes';
isnt $edge->blob('HEAD', '/con/ev')->{headers}{etag}, $etag, 'a new ETag';
is code(put_list($edge, 'ev', { 'If-Match' => $etag }, "C$mine")),
    '412 ConditionNotMet', 'the old one does not hold';

# ---- without blob-tier, without the lake -----------------------------------

at_lake('d', 1);
is put_block($edge, 'd', $_, "new$_"), 201, 'block' for 2, 3;
$tier->stop;
is code(put_list($edge, 'd', {}, qw(C1 U2))), '503 ServerBusy',
    'blob-tier does not run';
is blocks($edge, 'd', 'uncommitted'), join(',', id(2), id(3)), 'they wait';
$tier->start;
$lake->stop;
is code(put_list($edge, 'd', {}, qw(C1 U2))), '503 ServerBusy',
    'the lake does not answer';
$lake->start;
ok $t->wait_for(20, sub {
    code(put_list($edge, 'd', {}, qw(C1 U2))) eq '201 ' }), 'again';
is $lake->blob('GET', '/con/d')->{body}, 'old1new2', 'bytes';

# ---- killed between ---------------------------------------------------------

at_lake('k', 1);
my $big = bytes(99, 30_000_000);
is put_block($edge, 'k', $_, $big), 201, "block $_" for 2 .. 4;
for my $ms (2, 20, 60) {
    my $pid = fork // die;
    if (!$pid) {
        put_list($edge, 'k', {}, qw(C1 U2 U3 U4));
        POSIX::_exit(0);
    }
    sleep $ms / 1000;
    $tier->kill('KILL');
    waitpid $pid, 0;
    $tier->start;
}
my $at = $lake->blob('GET', '/con/k')->{body};
ok $at eq 'old1' || $at eq 'old1' . $big x 3, 'all of it or nothing';
if ($at eq 'old1') {
    is blocks($edge, 'k', 'uncommitted'), join(',', map { id($_) } 2 .. 4),
        'what was acknowledged waits';
    is code(put_list($edge, 'k', {}, qw(C1 U2 U3 U4))), '201 ', 'once more';
}
ok $lake->blob('GET', '/con/k')->{body} eq 'old1' . $big x 3, 'whole';

# ---- and what nginx dies of -------------------------------------------------

at_lake('n', 1);
is put_block($edge, 'n', 2, $big), 201, 'block';
my $pid = fork // die;
if (!$pid) {
    put_list($edge, 'n', {}, qw(C1 U2));
    POSIX::_exit(0);
}
sleep 0.03;
$edge->kill_all;
waitpid $pid, 0;
$edge->start;
# the fence of the dead stands for a minute; with a condition nobody waits
$r = put_list($edge, 'n', { 'If-Match' => '*' }, qw(C1 U2));
like code($r), qr/^(?:201 |503 ServerBusy)$/, 'and again';
if ($r->{status} == 503) {
    is blocks($edge, 'n', 'uncommitted'), id(2),
        'what was acknowledged waits';
    $at = $lake->blob('GET', '/con/n')->{body};
    ok $at eq 'old1' || $at eq 'old1' . $big, 'all of it or nothing';
} else {
    ok $lake->blob('GET', '/con/n')->{body} eq 'old1' . $big, 'whole';
}

# ---- what goes over the wire ------------------------------------------------

my $slow = $t->path('slow');    # while it is there, a block takes its time
my $origin = $t->origin(sub {
    my ($m) = @_;
    $t->write_file("body/$m->{n}", $m->{body});
    my %h = (ETag => '"0x9"', 'Last-Modified' => 'Thu, 01 Jan 2026 00:00:00 GMT',
        Date => BlobTest::Http::http_date(time),
        'x-ms-blob-type' => 'BlockBlob', 'x-ms-lease-state' => 'available',
        'x-ms-has-immutability-policy' => 'false', 'x-ms-lease-status' => 'unlocked',
        'x-ms-creation-time' => 'Thu, 01 Jan 2026 00:00:00 GMT');
    return [200, \%h] if $m->{target} =~ /restype=container/;
    if ($m->{target} =~ /comp=block(?:&|$)/) {
        sleep 2 if -e $slow;
        return [201, \%h];
    }
    return [200, { %h, 'Content-Type' => 'application/xml' },
        '<?xml version="1.0"?><BlockList><CommittedBlocks><Block><Name>'
        . id(1) . '</Name><Size>3</Size></Block></CommittedBlocks>'
        . '<UncommittedBlocks><Block><Name>' . id(7)
        . '</Name><Size>3</Size></Block></UncommittedBlocks></BlockList>']
        if $m->{method} eq 'GET';
    if ($m->{target} =~ /comp=blocklist/) {
        return [409, { 'x-ms-error-code' => 'BlobBeingRehydrated' },
            '<?xml version="1.0"?><Error><Code>BlobBeingRehydrated</Code>'
            . '<Message>m</Message></Error>'] if $m->{target} =~ /refuse/;
        return [500, { 'x-ms-error-code' => 'InternalError' }, '']
            if $m->{target} =~ /broken/;
        return [201, \%h];
    }
    return [200, \%h];
});
my $e2 = $t->nginx('edge2', origin => $origin)->start;
my $tier2 = $t->tier($e2)->start;

sub seen {
    my ($since) = @_;
    my @r = $origin->requests;
    $r[$_]{n} = $_ + 1 for 0 .. $#r;
    return grep { $_->{target} =~ /comp=block/ } @r[$since .. $#r];
}

is put_block($e2, 's', $_, "new$_"), 201, 'block' for 2, 3;
my $since = () = $origin->requests;
is code(put_list($e2, 's', { 'x-ms-meta-a' => 'b',
    'x-ms-client-request-id' => 'mine' }, qw(C1 L2 U7))), '201 ',
    'a block that waits at the lake is one, too';
my @r = seen($since);
$_->{body} = $t->read_file($t->path("body/$_->{n}")) for @r;
is join(' ', map { "$_->{method} " . ($_->{target} =~ /comp=(\w+)/)[0] } @r),
    'GET blocklist PUT block PUT blocklist', 'what the lake sees';
like $r[1]{target}, qr/blockid=\Q@{[query(id(2))]}\E/, "the client's id";
is $r[1]{body}, 'new2', 'its bytes';
ok $r[1]{headers}{'x-ms-content-crc64'}, 'with their checksum';
is $r[2]{headers}{'x-ms-meta-a'}, 'b', "the client's headers";
like $r[2]{body}, qr{<Committed>\Q@{[id(1)]}\E</Committed><Latest>},
    'and list';
unlike blocks($e2, 's', 'uncommitted'), qr/\Q@{[id(2)]}|@{[id(3)]}\E/,
    'no block of ours waits';

for my $case (['refuse', '409 BlobBeingRehydrated'],
    ['broken', '500 InternalError'])
{
    my ($name, $code) = @$case;
    is put_block($e2, $name, 2, 'new2'), 201, 'block';
    like code(put_list($e2, $name, {}, qw(C1 U2))),
        $name eq 'refuse' ? qr/^$code$/ : qr/^50[03] /, "$name is relayed";
    is blocks($e2, $name, 'uncommitted'), id(2), 'the block waits';
}

# while blocks are on their way nobody else's are taken, and so none is lost
$t->write_file($slow, '');
is put_block($e2, 'z', $_, "new$_"), 201, 'block' for 2, 3;

sub in_background {
    my ($code) = @_;
    my $pid = open(my $f, '-|') // die;
    return $f if $pid;
    $code->();
    close STDOUT;
    POSIX::_exit(0);
}

$since = () = $origin->requests;
my $f = in_background(sub { print code(put_list($e2, 'z', {}, qw(C1 U2 U3))) });
ok $t->wait_for(20, sub { grep { $_->{method} eq 'PUT' } seen($since) }),
    'a block is on its way';
my $g = in_background(sub { print put_block($e2, 'z', 4, 'new4') });
ok !IO::Select->new($g)->can_read(0.3), 'another block waits for that';
$tier2->kill('KILL');
is scalar <$f>, '503 ServerBusy', 'blob-tier was killed';
is scalar <$g>, '201', 'then the other block is taken';
close $_ for $f, $g;
is scalar(grep { $_->{target} =~ /blocklist$/ && $_->{method} eq 'PUT' }
    seen($since)), 0, 'the list did not go out';
is blocks($e2, 'z', 'uncommitted'), join(',', map { id($_) } 2 .. 4),
    'they wait';
unlink $slow;
$tier2->start;
is code(put_list($e2, 'z', {}, qw(C1 U2 U3))), '201 ', 'once more';

$t->done;

# How blob-tier carries: order, blocks ahead of their turn, what is parked and
# tried again, conflicts, the disk's limit.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;

my $t = BlobTest->new;

# ---- a scripted lake: it has containers and no blobs ---------------------

my $block = $t->path('refuse');    # while it is there, PUT of /bad is 403
my $etag = 0;

sub answer {
    my ($m) = @_;
    my %h = (ETag => sprintf('"0x%x"', 100 + $m->{n}),
        'Last-Modified' => 'Thu, 01 Jan 2026 00:00:00 GMT',
        Date => BlobTest::Http::http_date(time),
        'x-ms-has-immutability-policy' => 'false',
        'x-ms-lease-state' => 'available');
    my $container = $m->{target} =~ /restype=container/;
    if ($container && $m->{target} =~ /comp=list/) {
        my $list = join '', map { "<Blob><Name>$_</Name><Properties>"
            . '<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>'
            . '<Etag>0x1</Etag><Content-Length>3</Content-Length>'
            . '<BlobType>BlockBlob</BlobType></Properties></Blob>' }
            qw(a c x);
        return [200, { 'Content-Type' => 'application/xml' },
            '<?xml version="1.0"?><EnumerationResults ServiceEndpoint='
            . '"http://lake/" ContainerName="con"><Blobs>' . $list
            . '</Blobs><NextMarker/></EnumerationResults>'];
    }
    return [200, \%h] if $container;
    return [404, { 'x-ms-error-code' => 'BlobNotFound' }]
        if $m->{method} =~ /^(?:HEAD|GET)$/;
    return [202, \%h] if $m->{method} eq 'DELETE';
    return [403, { 'x-ms-error-code' => 'AuthorizationFailure' }]
        if $m->{target} =~ /bad/ && -e $block;
    sleep 0.3 if $m->{target} =~ /slow/;
    return [201, \%h];
}

my $origin = $t->origin(\&answer);
my $edge = $t->nginx('edge', origin => $origin,
    policy => 'blob_container free { order none; }')->start;
my $tier = $t->tier($edge);

sub put {
    my ($name, $bytes) = @_;
    is $edge->blob('PUT', "/$name", {}, $bytes)->{status}, 201, "put $name";
}

# what is carried when the daemon comes, in the order of the commits
put("con/slow", 'x' x 1000);
put("con/big$_", $_ x 1_000_000) for 1 .. 4;
put("con/last", 'done');
$tier->start;
is $tier->run('flush', '--timeout', 20), 0, 'flush';

sub carried {
    my ($since) = @_;
    my @r = $origin->requests;
    return map { $_->{target} =~ m{/devstoreaccount1/(\w+/\w+)} ? $1 : () }
        grep { $_->{method} eq 'PUT' && $_->{target} !~ /comp=block&|blockid/ }
        @r[$since .. $#r];
}

is_deeply [carried(0)], ['con/slow', (map { "con/big$_" } 1 .. 4), 'con/last'],
    'in the order of the commits';
my @targets = map { $_->{target} } $origin->requests;
my ($list) = grep { $targets[$_] =~ /big2\?comp=blocklist/ } 0 .. $#targets;
my ($ahead) = grep { $targets[$_] =~ /big3\?blockid/ } 0 .. $#targets;
ok defined $ahead && defined $list && $ahead < $list,
    'blocks ahead of their turn';

# ---- what is refused stops its container, not others ----------------------

$t->write_file($block, '');
put('con/bad', 'bytes');
put('con/b', 'behind it');
put('con/c', 'ccc');
is $edge->blob('DELETE', '/con/c')->{status}, 202, 'and deleted';
put('other/b', 'not behind it');
ok $t->wait_for(20, sub {
    $tier->run('queue'); $tier->{out} =~ /^\d+ parked put \S*con\/bad/m }),
    'parked';
like $tier->{out}, qr/AuthorizationFailure/, 'with the reason';
is $tier->run('flush', '--timeout', 20, '--container', 'other'), 0,
    'another container goes on';
is $tier->run('flush', '--timeout', 1, '--container', 'con'), 4,
    'this one does not';

# what waits is seen in listings: b and bad of ours, c deleted
my $r = $edge->blob('GET', '/con?restype=container&comp=list');
is join(',', $r->{body} =~ m{<Name>(\w+)</Name>}g),
    'a,b,bad,big1,big2,big3,big4,last,slow,x' =~ s/big.*slow,//r,
    'merged listing';
like $r->{body}, qr{ServiceEndpoint="http://127}, 'of this endpoint';
$r = $edge->blob('GET', '/con?restype=container&comp=list&maxresults=2');
is join(',', $r->{body} =~ m{<Name>(\w+)</Name>}g), 'a,b', 'a page of it';
my ($marker) = $r->{body} =~ m{<NextMarker>([^<]+)};
$r = $edge->blob('GET', '/con?restype=container&comp=list&marker='
    . BlobTest::Http::uri_escape($marker));
is join(',', $r->{body} =~ m{<Name>(\w+)</Name>}g), 'bad,x', 'and the rest';
is $edge->blob('GET', '/con?restype=container&comp=list&marker=no')->{status},
    400, 'a marker of nobody';

put('free/bad', 'bytes');
put('free/bad2', 'bytes');
put("free/n$_", 'bytes') for 1 .. 20;
ok $t->wait_for(20, sub {
    $tier->run('queue');
    2 == (() = $tier->{out} =~ m{^\d+ .*free/}mg) }),
    'order none: only the refused blobs wait';

unlink $block;
is system("$tier->{bin} retry $tier->{store} all >/dev/null"), 0, 'retry all';
is $tier->run('flush', '--timeout', 20), 0, 'then all is carried';
$tier->stop;

# ---- a lake of our own ----------------------------------------------------

my $lake = $t->nginx('lake')->start;
my $small = $t->nginx('small', origin => $lake,
    store_opts => 'size=300m dirty=290m keep_clean=0s')->start;
my $small_tier = $t->tier($small)->start;

is $small->blob('PUT', '/con?restype=container')->{status}, 201, 'container';
is $small->blob('PUT', '/con/x', {}, 'first')->{status}, 201, 'a blob';
is $small_tier->run('flush', '--timeout', 20), 0, 'carried';
is $lake->blob('PUT', '/con/x', {}, 'theirs')->{status}, 201,
    'somebody else changes it';
is $small->blob('PUT', '/con/x', {}, 'ours')->{status}, 201, 'we too';
is $small_tier->run('flush', '--timeout', 20), 0, 'carried';
is $lake->blob('GET', '/con/x')->{body}, 'theirs', 'theirs stays';
$r = $lake->blob('GET', '/con?restype=container&comp=list&prefix=x.edge');
my ($copy) = $r->{body} =~ m{<Name>(x\.edge-conflict-\d+)</Name>};
ok $copy, 'ours is kept beside it';
is $lake->blob('GET', "/con/$copy")->{body}, 'ours', 'whole';

# killed while it carries
my %sum;
for my $i (1 .. 4) {
    my $bytes = join '', map { chr(33 + ($_ * $i) % 90) } 1 .. 1000;
    $bytes x= 20_000;
    $sum{"big$i"} = md5_hex($bytes);
    is $small->blob('PUT', "/con/big$i", {}, $bytes)->{status}, 201, "big$i";
    $small_tier->kill;
    $small_tier->start;
}
is $small_tier->run('flush', '--timeout', 60), 0, 'carried all the same';
is md5_hex($lake->blob('GET', "/con/$_")->{body}), $sum{$_}, "$_ is whole"
    for sort keys %sum;

# 80 MB of 300 are there: more comes in, the oldest go
for my $i (5 .. 9) {
    my $bytes = chr(64 + $i) x 70_000_000;
    $sum{"big$i"} = md5_hex($bytes);
    my $r;
    ok $t->wait_for(60, sub {
        $r = $small->blob('PUT', "/con/big$i", {}, $bytes);
        $r->{status} == 201 || !sleep 0.2 }), "big$i has come in"
        or diag $r->{body};
    is $small_tier->run('flush', '--timeout', 60), 0, 'and is carried';
}
ok $t->wait_for(20, sub {
    $small_tier->run('status'); $small_tier->{out} =~ /^evicted_bytes +[1-9]/m
}), 'clean bytes went' or diag $small_tier->{out};
is md5_hex($small->blob('GET', "/con/$_")->{body}), $sum{$_}, "$_ is read"
    for sort keys %sum;

$t->done;

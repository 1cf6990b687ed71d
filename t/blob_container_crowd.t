# First requests for a container that has no record yet: many at once ask the
# origin once, whatever it answers, and nobody is told what is older than he.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http;
use Time::HiRes qw(sleep time);

my $t = BlobTest->new;
my $mode = $t->write_file('mode', 'here');
sub mode { $t->write_file("$mode.new", $_[0]); rename "$mode.new", $mode }

# Answers late; a name has its own fate, or what `mode` says.
my $origin = $t->origin(sub {
    my ($m) = @_;
    my $is = $m->{target} =~ m{/(here|gone|down)} ? $1 : $t->read_file($mode);
    my %h = (ETag => '"0x8A"', 'x-ms-version' => '2023-11-03',
        'Last-Modified' => 'Sun, 06 Nov 1994 08:49:37 GMT');
    my $container = $m->{target} =~ /restype=container/;
    sleep 0.7 if $container && $m->{method} eq 'HEAD';
    return [404, { %h, 'x-ms-error-code' => 'ContainerNotFound' }, '']
        if $is eq 'gone';
    return [503, { %h, 'x-ms-error-code' => 'ServerBusy' }, '']
        if $is eq 'down';
    return [200, \%h, '<?xml version="1.0"?><SignedIdentifiers/>']
        if $m->{target} =~ /comp=acl/;
    return [200, { %h, $m->{target} =~ /public/ ?
        ('x-ms-blob-public-access' => 'blob') : () }, ''] if $container;
    return [200, { %h, 'x-ms-blob-type' => 'BlockBlob',
        'Content-Type' => 'text/x-lake' }, 'lake'];
});
my $n = $t->nginx('edge', origin => $origin->url, workers => 1)->start;

sub asked { scalar grep { "$_->{method} $_->{target}" =~ $_[0] }
    $origin->requests }
sub heads { asked(qr{^HEAD /\w+/$_[0]\?restype=container}) }

# Requests begun at once, each on a connection of its own.
sub begin {
    my ($count, $method, $path, $body, %h) = @_;
    return map {
        my $c = $n->connect;
        my $target = "/$n->{account}$path";
        my %all = ('x-ms-version' => '2023-11-03', %h);
        $all{'Content-Length'} = length $body if defined $body;
        BlobTest::Http::sign($n->{account}, $n->{key}, $method, $target,
            \%all) unless delete $all{anonymous};
        $c->send("$method $target HTTP/1.1\r\nHost: $c->{host}\r\n"
            . join('', map { "$_: $all{$_}\r\n" } sort keys %all) . "\r\n"
            . ($body // ''));
        $c;
    } 1 .. $count;
}
sub statuses {
    my ($method, @c) = @_;
    my %n;
    $n{($_->read_message(method => $method) // {})->{status} // 'none'}++
        for @c;
    return join ' ', map { "$_ x $n{$_}" } sort keys %n;
}

# ---- one that is there ----------------------------------------------------

is statuses('HEAD', begin(12, 'HEAD', '/here1/b')), '200 x 12', 'reads';
is heads('here1'), 1, 'one question for the container';
is asked(qr{/here1\?.*comp=acl}), 1, 'and one for its policies';

is statuses('PUT', begin(12, 'PUT', '/here2/b', 'body', 'x-ms-blob-type' =>
    'BlockBlob')), '201 x 12', 'writes';
is heads('here2'), 1, 'one question';

is statuses('GET', begin(12, 'GET', '/herepublic/b', undef, anonymous => 1)),
    '200 x 12', 'reads of which the gate needs it';
is heads('herepublic'), 1, 'one question';
is asked(qr{^HEAD \S+/herepublic/b}), 1, 'and the blob has a crowd too';

my @c = (begin(4, 'GET', '/here3?restype=container'),
    begin(4, 'GET', '/here3/b'), begin(4, 'PUT',
    '/here3/c?comp=block&blockid=AAAA', 'body'));
is statuses('GET', @c), '200 x 8 201 x 4', 'each kind';
is heads('here3'), 1, 'one question';

# ---- one that is not ------------------------------------------------------

is statuses('GET', begin(12, 'GET', '/gone1/b')), '404 x 12', 'not there';
is heads('gone1'), 2, 'asked for the first, then for all that waited';
is statuses('GET', begin(1, 'GET', '/gone1/b')), '404 x 1', 'later';
is heads('gone1'), 3, 'asked again: nothing was noted';

# Who comes while the question is out is not told its answer.
my $first = begin_one('/later/b', 'gone');
mode('here');
my @rest = begin(5, 'GET', '/later/b');
is statuses('GET', $first), '404 x 1', 'it was not there';
is statuses('GET', @rest), '200 x 5', 'it is there now';
is heads('later'), 2, 'a question for each time';

sub begin_one {
    my ($path, $is) = @_;
    mode($is);
    my ($name) = $path =~ m{^/(\w+)};
    my ($c) = begin(1, 'GET', $path);
    $t->wait_for(5, sub { heads($name) == 1 }) or fail 'nobody asks';
    sleep 0.2; # the origin has looked
    return $c;
}

# ---- the one who asks goes, or is told nothing ----------------------------

my ($leader) = begin(1, 'GET', '/here4/b');
$t->wait_for(5, sub { heads('here4') == 1 }) or fail 'nobody asks';
@rest = begin(8, 'GET', '/here4/b');
sleep 0.1;
$leader->close;
is statuses('GET', @rest), '200 x 8', 'another one asks in its place';
cmp_ok heads('here4'), '<=', 2, 'one of them';

my $t0 = time;
is statuses('GET', begin(6, 'GET', '/down1/b')), '503 x 6', 'no answer';
cmp_ok time - $t0, '<', 10, 'to nobody, and in time';
ok $t->wait_for(5, sub { $n->blob('GET', '/here1/b')->{status} == 200 }),
    'and nothing stays behind';

$t->done;

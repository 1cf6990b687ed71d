# Writes to a blob while a forward of the same blob is under way wait for it,
# rather than being told to come back.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http;
use Time::HiRes qw(sleep time);

use constant SLOW => 1.5;

my $t = BlobTest->new;

# A lake that takes its time to change metadata; "never" it never ends.
my $origin = $t->origin(sub {
    my ($m) = @_;
    my %h = (ETag => '"0x8A"', 'x-ms-version' => '2023-11-03',
        'Last-Modified' => 'Sun, 06 Nov 1994 08:49:37 GMT');
    return [200, \%h, '<?xml version="1.0"?><SignedIdentifiers/>']
        if $m->{target} =~ /comp=acl/;
    return [200, \%h, ''] if $m->{target} =~ /restype=container/;
    if ($m->{target} =~ /comp=metadata/) {
        sleep SLOW;
        return [200, { %h, ETag => '"0x8B"' }, ''];
    }
    return [202, \%h, ''] if $m->{method} eq 'DELETE';
    return [201, \%h, ''] if $m->{method} eq 'PUT';
    return [200, { %h, 'x-ms-blob-type' => 'BlockBlob' }, 'lake'];
});
my $n = $t->nginx('edge', origin => $origin->url)->start;

sub begin {
    my ($method, $path, $body, %h) = @_;
    my $c = $n->connect;
    my $target = "/$n->{account}$path";
    my %all = ('x-ms-version' => '2023-11-03', %h);
    $all{'Content-Length'} = length $body if defined $body;
    BlobTest::Http::sign($n->{account}, $n->{key}, $method, $target, \%all);
    $c->send("$method $target HTTP/1.1\r\nHost: $c->{host}\r\n"
        . join('', map { "$_: $all{$_}\r\n" } sort keys %all) . "\r\n"
        . ($body // ''));
    return $c;
}
sub seen { grep { $_->{target} =~ $_[0] } $origin->requests }

# A forward that holds the blob's fence; its answer is still to come.
sub forward {
    my ($name) = @_;
    my $c = begin('PUT', "/con/$name?comp=metadata", '', 'x-ms-meta-a' => '1');
    $t->wait_for(5, sub { seen(qr{/$name\?comp=metadata}) })
        or fail 'nothing was forwarded';
    return $c;
}

my %type = ('x-ms-blob-type' => 'BlockBlob');
my $big = 'body' x 50_000;
my @cases = (
    ['small', 'PUT', '', 'body', \%type, 201],
    ['big', 'PUT', '', $big, \%type, 201],
    ['block', 'PUT', '?comp=block&blockid=AAAA', 'body', {}, 201],
    ['bigblock', 'PUT', '?comp=block&blockid=AAAA', $big, {}, 201],
    ['list', 'PUT', '?comp=blocklist', '<BlockList/>', {}, 201],
    ['gone', 'DELETE', '', undef, {}, 202],
);
is $n->blob('GET', '/con/warm')->{status}, 200, 'the container is known';
for (@cases) {
    my ($name, $method, $query, $body, $h, $status) = @$_;
    my $first = forward($name);
    my $t0 = time;
    my $second = begin($method, "/con/$name$query", $body, %$h);
    my $r = $second->read_message;
    is $r->{status}, $status, "$name: done, after the forward"
        or diag $r->{body};
    cmp_ok time - $t0, '>', SLOW / 3, 'it waited';
    is $first->read_message->{status}, 200, 'which is done too';
}
for (['small', 'body'], ['big', $big], ['list', '']) {
    ok $n->blob('GET', "/con/$_->[0]")->{body} eq $_->[1],
        "$_->[0]: what was written counts";
}
is_deeply [map { "$_->{method} $_->{target}" } seen(qr{/gone})],
    ["PUT /$n->{account}/con/gone?comp=metadata",
    "DELETE /$n->{account}/con/gone"], 'the delete came second';

# ---- what is not kept waiting ---------------------------------------------

# What it was decided on may be old after a wait.
my $first = forward('cond');
my $r = begin('PUT', '/con/cond', 'body', %type, 'If-None-Match' => '*')
    ->read_message;
is $r->{status}, 409, 'a condition that fails is told at once';
$r = begin('PUT', '/con/cond', 'body', %type, 'If-Match' => '"0x8A"')
    ->read_message;
is $r->{status}, 503, 'one that holds now is looked at again by the client';
ok $r->{headers}{'retry-after'}, 'Retry-After';
is $n->blob('GET', '/con/cond')->{status}, 200, 'reads do not wait';
is $first->read_message->{status}, 200, 'the forward';

# ---- many, and those that go ----------------------------------------------

$first = forward('crowd');
my @c = map { begin('PUT', '/con/crowd', $_ % 2 ? $big : "body$_", %type) }
    1 .. 12;
sleep 0.3;
$_->close for @c[0 .. 5];
is $_->read_message->{status}, 201, 'one of many' for @c[6 .. 11];
is $first->read_message->{status}, 200, 'and the forward';
is $n->blob('PUT', '/con/crowd', {}, 'last')->{status}, 201, 'afterwards';
is $n->blob('GET', '/con/crowd')->{body}, 'last', 'as ever';

# the one who forwards goes: its fence does
$first = forward('left');
@c = map { begin('PUT', '/con/left', "body$_", %type) } 1 .. 3;
$first->close;
is $_->read_message->{status}, 201, 'they need not wait for it' for @c;

$t->done;

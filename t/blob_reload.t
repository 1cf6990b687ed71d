# Reloads, restarts and configurations that are wrong.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
$n->blob('PUT', '/ccc?restype=container');
my $big = 'b' x 3_000_000;
$n->blob('PUT', '/ccc/small', {}, 'small');
$n->blob('PUT', '/ccc/big', {}, $big);

# an upload that spans a reload
my $c = $n->connect;
$c->send("PUT /$n->{account}/ccc/slow?" . $n->sas . " HTTP/1.1\r\n"
    . "Host: $t->{host}\r\nx-ms-blob-type: BlockBlob\r\n"
    . "x-ms-version: 2023-11-03\r\nContent-Length: 1000000\r\n\r\n"
    . 's' x 300_000);
ok $n->reload, 'reload';
is $n->blob('GET', '/ccc/small')->{body}, 'small', 'served on';
$c->send('s' x 700_000);
my $r = $c->read_message;
is $r->{status}, 201, 'the old worker finished its upload';
ok $n->blob('GET', '/ccc/slow')->{body} eq 's' x 1_000_000, 'and it is there';

$n->stop;
$n->start;
is $n->blob('GET', '/ccc/small')->{body}, 'small', 'after a restart';
ok $n->blob('GET', '/ccc/big')->{body} eq $big, 'the large one too';

$t->allow(qr/exited on signal 9/);
$n->kill_all;
$n->start;
is $n->blob('GET', '/ccc/small')->{body}, 'small', 'after kill -9';
ok $n->blob('GET', '/ccc/big')->{body} eq $big, 'the large one too';

my ($ok) = $n->test_conf;
is $ok, 0, 'nginx -t beside a running server';

for (['key' => 'not-a-key', qr/key.*base64.*nginx\.conf:\d+/],
    ['policy' => 'wirte back;', qr/unknown directive "wirte".*nginx\.conf:\d+/],
    ['policy' => 'write sideways;', qr/back, through or off.*nginx\.conf:\d+/],
    ['policy' => 'blob_prefix abc { write off; }',
        qr/CONTAINER\/PREFIX.*nginx\.conf:\d+/],
    ['policy' => 'fresh soon;', qr/a time such as 10s.*nginx\.conf:\d+/],
    ['store_opts' => 'size=many', qr/invalid size.*nginx\.conf:\d+/],
    ['http' => 'server { listen 127.0.0.1:1; location / { blob_pass xx; } }',
        qr/no blob_account of that name.*nginx\.conf:\d+/])
{
    my ($place, $text, $like) = @$_;
    my $w = $t->nginx("wrong$place" . length $text, $place => $text);
    my ($rc, $out) = $w->test_conf;
    isnt $rc, 0, "$text is refused";
    like $out, $like, 'with file, line and mend';
}

$t->done;

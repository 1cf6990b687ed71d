# An edge whose origin, or whose blob-tier, is not there.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $port = $t->port;
my $n = $t->nginx('edge',
    origin => "http://" . $t->host . ":$port/devstoreaccount1")->start;
my $r;

sub busy {
    my ($r, $what) = @_;
    is $r->{status}, 503, "$what: 503";
    is $r->{headers}{'x-ms-error-code'}, 'ServerBusy', 'ServerBusy';
    is $r->{headers}{'retry-after'}, 1, 'after a second';
    ok $r->{headers}{'x-ms-request-id'}, 'with a request id';
    like $r->{body}, qr{<Code>ServerBusy</Code>}, 'as a document'
        if length $r->{body};
    unlike $r->{body} . $r->{head}, qr/html/i, 'without HTML';
}

busy($n->blob('GET', '/con/b'), 'get');
busy($n->blob('HEAD', '/con/b'), 'head');
busy($n->blob('PUT', '/con/b', {}, 'x' x 100000), 'put to an unknown container');
is $n->blob('PUT', '/made?restype=container')->{status}, 201,
    'a container is created all the same';
busy($n->blob('GET', '/?comp=list'), 'list containers');
busy($n->blob('GET', '/con?restype=container&comp=list'), 'list without tier');
busy($n->blob('PUT', '/con/b?comp=lease', { 'x-ms-lease-action' => 'break' }),
    'lease');
busy($n->blob('PUT', '/con/p', { 'x-ms-blob-type' => 'AppendBlob' }), 'append');

# what nginx itself refuses
for (["GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, 'InvalidUri'],
    ["GET /a/../../x HTTP/1.1\r\nHost: x\r\n\r\n", 400, 'InvalidUri'],
    ["GET /" . 'x' x 70000 . " HTTP/1.1\r\nHost: x\r\n\r\n", 414,
        'InvalidUri'],
    ["GET / HTTP/1.1\r\nHost: x\r\nA: " . 'x' x 70000 . "\r\n\r\n", 431,
        'RequestHeaderFieldsTooLarge'],
    ["PUT /c/b HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400,
        'InvalidHeaderValue'],
    ["PUT /c/b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        . "Content-Length: 2\r\n\r\nxx", 400, 'InvalidHeaderValue'],
    ["GET / HTTP/1.1\r\n\r\n", 400, 'InvalidHeaderValue'])
{
    my $c = $n->connect;
    $c->send($_->[0]);
    $r = $c->read_message;
    is $r->{status}, $_->[1], 'nginx says ' . $_->[1];
    like $r->{body}, qr/^\S*<\?xml/, 'in XML';
    is $r->{headers}{'x-ms-error-code'}, $_->[2], 'with its code';
    ok $r->{headers}{'x-ms-request-id'}, 'and a request id';
}

# the origin comes
my $lake = $t->nginx('lake', port => $port)->start;
is $n->blob('PUT', '/con?restype=container')->{status}, 201, 'then it is there';
is $n->blob('PUT', '/con/b', {}, 'bytes')->{status}, 201, 'a write back';
is $n->blob('GET', '/con/b')->{body}, 'bytes', 'is read';
busy($n->blob('PUT', '/con/b?comp=lease', { 'x-ms-lease-action' => 'break' }),
    'a forward that cannot flush');

# and goes
$lake->stop;
is $n->blob('PUT', '/con/c', {}, 'more')->{status}, 201,
    'writes back go on without it';
is $n->blob('GET', '/con/c')->{body}, 'more', 'and reads of them';
is $n->blob('DELETE', '/con/c')->{status}, 202, 'and deletes';
is $n->blob('GET', '/con/c')->{status}, 404, 'gone';
busy($n->blob('GET', '/con/unknown'), 'others');

$t->done;

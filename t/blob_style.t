# Where the account's name stands: in the path, in the host, nowhere; several
# accounts in one server.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(account_sas);

my $t = BlobTest->new;
my @port = map { $t->port } 1 .. 3;
my $key2 = 'AAAA' x 20 . 'AA==';
my $n = $t->nginx('edge', http => <<"CONF")->start;
blob_account second { key $key2; }
server { listen $t->{host}:$port[0]; location / { blob_pass *; } }
server { listen $t->{host}:$port[1];
         location / { blob_pass devstoreaccount1 style=host; } }
server { listen $t->{host}:$port[2];
         location / { blob_pass second style=fixed; } }
CONF
my $sas1 = $n->sas;
my $sas2 = account_sas('second', $key2);

sub ask {
    my ($port, $host, $method, $target) = @_;
    my $c = BlobTest::Http->new($t->{host}, $port);
    my $r = $c->request($method, $target, { 'x-ms-version' => '2023-11-03',
        $method eq 'PUT' ? ('x-ms-blob-type' => 'BlockBlob') : (),
        $host ? (Host => $host) : () }, $method eq 'PUT' ? $host : undef);
    return $r;
}

my $any = $port[0];
is ask($any, '', 'PUT', "/devstoreaccount1/ccc?restype=container&$sas1")
    ->{status}, 201, 'path style, first account';
is ask($any, '', 'PUT', "/second/ccc?restype=container&$sas2")
    ->{status}, 201, 'path style, second account, same container name';
is ask($any, '', 'PUT', "/second/ccc?restype=container&$sas1")
    ->{headers}{'x-ms-error-code'}, 'AuthenticationFailed',
    'with the key of the other';
is ask($any, '', 'GET', '/third/ccc')->{status}, 404, 'no such account';

my $host = 'second.blob.edge.test';
is ask($any, $host, 'PUT', "/ccc/b?$sas2")->{status}, 201, 'host style';
is ask($any, '', 'GET', "/second/ccc/b?$sas2")->{body}, $host,
    'the same blob in path style';
is ask($any, '', 'GET', "/devstoreaccount1/ccc/b?$sas1")->{status}, 404,
    'not in the other account';

is ask($port[1], 'devstoreaccount1.edge.test', 'PUT', "/ccc/h?$sas1")
    ->{status}, 201, 'style=host';
is ask($port[1], 'second.edge.test', 'GET', "/ccc/b?$sas2")->{status}, 404,
    'only the account that is named';
is ask($port[2], 'whatever', 'GET', "/ccc/b?$sas2")->{body}, $host,
    'style=fixed';
is ask($port[2], '', 'GET', "/second/ccc/b?$sas2")->{headers}
    {'x-ms-error-code'}, 'ContainerNotFound', 'has no account in the path';

$t->done;

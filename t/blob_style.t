# Where the account's name stands: in the path, in the host, nowhere; several
# accounts in one server.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(account_sas);

my $t = BlobTest->new;
my @port = map { $t->port } 1 .. 4;
my $key2 = 'AAAA' x 20 . 'AA==';
my $n = $t->nginx('edge', http => <<"CONF")->start;
blob_account second { alias zweites Data.Example.COM; alias drittes;
                      key $key2; }
server { listen $t->{host}:$port[0]; location / { blob_pass *; } }
server { listen $t->{host}:$port[1];
         location / { blob_pass devstoreaccount1 style=host; } }
server { listen $t->{host}:$port[2];
         location / { blob_pass second style=fixed; } }
server { listen $t->{host}:$port[3];
         location / { blob_pass second; } }
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

# other names of an account: signed with the name that was used
my $alias = account_sas('zweites', $key2);
is ask($any, '', 'GET', "/zweites/ccc/b?$alias")->{body}, $host,
    'an alias in the path';
is ask($any, 'drittes.blob.edge.test', 'GET', '/ccc/b?'
    . account_sas('drittes', $key2))->{body}, $host, 'an alias in the host';
is ask($port[3], 'drittes.blob.edge.test', 'GET', '/ccc/b?'
    . account_sas('drittes', $key2))->{body}, $host,
    'where only its account is served';
is ask($any, '', 'GET', "/zweites/ccc/b?$sas2")->{headers}{'x-ms-error-code'},
    'AuthenticationFailed', 'signed with another name';
is ask($any, $_, 'GET', "/ccc/b?$sas2")->{body}, $host, "$_ is the account"
    for qw(data.example.com DATA.example.com data.example.com:8080);
is ask($port[1], 'data.example.com', 'GET', "/ccc/b?$sas2")->{status}, 404,
    'not where another is served';

# the other region's name reads and does not write
my $secondary = 'second-secondary.blob.edge.test';
is ask($any, $secondary, 'GET', "/ccc/b?$sas2")->{body}, $host,
    'secondary host reads';
is ask($any, '', 'GET', "/second-secondary/ccc/b?$sas2")->{body}, $host,
    'secondary path reads';
for (['PUT', '/ccc/new'], ['DELETE', '/ccc/b'],
    ['PUT', '/ddd?restype=container'])
{
    my ($method, $path) = @$_;
    my $q = ($path =~ /\?/ ? '&' : '?') . $sas2;
    is ask($any, $secondary, $method, "$path$q")->{headers}
        {'x-ms-error-code'}, 'InsufficientAccountPermissions',
        "secondary host: no $method $path";
    is ask($any, '', $method, "/second-secondary$path$q")->{status}, 403,
        'nor in the path';
}
is ask($any, $secondary, 'PUT', '/ccc/new')->{headers}{'x-ms-error-code'},
    'NoAuthenticationInformation', 'who it is comes first';

# configurations that cannot be
for (['alias a;', 'blob_account a { key AAAA; }', qr/duplicate blob_account "a"/],
    ['alias devstoreaccount1;', '', qr/is a name of blob_account/],
    ['alias a a;', '', qr/is a name of blob_account/],
    ['blob_auth oauth;', '', qr/unknown credential "oauth"/],
    ['blob_auth bearer; blob_auth bearer;', '', qr/duplicate/],
    ['blob_tenant a/b;', '', qr/must be a tenant's id/])
{
    my $m = $t->nginx('bad', policy => $_->[0], http => $_->[1]);
    my ($code, $out) = $m->test_conf;
    isnt $code, 0, "refused: $_->[0] $_->[1]";
    like $out, $_->[2], 'and says why';
}

$t->done;

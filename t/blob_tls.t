# An origin behind TLS, verified; and one behind an upstream of the operator's.

use strict;
use warnings;

use Test::More;
use BlobTest;

plan skip_all => 'no openssl' if system 'command -v openssl >/dev/null 2>&1';

my $t = BlobTest->new;
my $dir = $t->dir;
my $log = "$dir/openssl.log";
system("(cd $dir && openssl req -x509 -newkey rsa:2048 -nodes -days 2"
    . " -subj /CN=ca -keyout ca.key -out ca.pem"
    . " && openssl req -newkey rsa:2048 -nodes -subj /CN=lake"
    . " -addext subjectAltName=DNS:localhost -keyout lake.key -out lake.csr"
    . " && printf subjectAltName=DNS:localhost >ext"
    . " && openssl x509 -req -days 2 -in lake.csr -CA ca.pem -CAkey ca.key"
    . " -CAcreateserial -extfile ext -out lake.pem) >$log 2>&1") == 0
    or plan skip_all => 'openssl made no certificate';
chmod 0644, "$dir/lake.key";

# localhost is where its name leads
$t->{host} = '127.0.0.1';
my $port = $t->port;
my $lake = $t->nginx('lake', server => "listen 127.0.0.1:$port ssl;
    ssl_certificate $dir/lake.pem; ssl_certificate_key $dir/lake.key;")->start;

my $include = $t->read_file("$BlobTest::TOP/conf/blob_origin.conf");
my $other = $include;
$other =~ s{/etc/ssl/certs/ca-certificates.crt}{$dir/ca.pem}g;
$t->write_file('private.conf', $other);

sub edge {
    my ($name, $include, %o) = @_;
    my $n = $t->nginx($name, write => 'through',
        origin => "https://localhost:$port/devstoreaccount1", %o);
    my $conf = $n->conf;
    $conf =~ s{include \S+blob_origin.conf;}{include $include;};
    $n->{conf} = $conf;
    return $n->start;
}

my $body = join '', map { "$_\n" } 1 .. 1_200_000;
my $n = edge('edge', "$dir/private.conf");
is $n->blob('PUT', '/con?restype=container')->{status}, 201, 'container';
is $n->blob('PUT', '/con/b', {}, $body)->{status}, 201, 'put through';
ok $lake->blob('GET', '/con/b')->{body} eq $body, 'the lake has it';
ok $n->blob('GET', '/con/b')->{body} eq $body, 'slices over TLS';

my $m = edge('stranger', "$BlobTest::TOP/conf/blob_origin.conf");
my $r = $m->blob('GET', '/con/b');
is $r->{status}, 503, 'a certificate of an authority nobody knows';
like $m->error_log, qr/upstream SSL certificate verify error/, 'is refused';
$r = $m->blob('PUT', '/con/b', {}, 'x');
is $r->{status}, 503, 'for writes too';
ok $lake->blob('GET', '/con/b')->{body} eq $body, 'nothing was sent';

my $u = $t->nginx('named', write => 'through', http => "upstream lake_way {
    server 127.0.0.1:$lake->{port}; keepalive 8; }",
    origin => "http://lake/devstoreaccount1")->conf;
$u =~ s{(origin http://lake/devstoreaccount1)}{$1 upstream=lake_way};
my $named = $t->nginx('named', conf => $u, port => ($u =~ /listen \S+:(\d+);/)[0])
    ->start;
is $named->blob('PUT', '/con/c', {}, 'c')->{status}, 201, 'a named upstream';
is $named->blob('GET', '/con/c')->{body}, 'c', 'works for both';
is $lake->blob('GET', '/con/c')->{body}, 'c', 'leads there';

$t->done;

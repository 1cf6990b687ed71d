# The harness itself, on nginx without the module.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $origin = $t->origin(sub {
    my ($req) = @_;
    return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"
        if $req->{target} eq '/short';
    return [201, { 'x-n' => $req->{n} }, "got " . length $req->{body}];
});
my $nginx = $t->nginx("plain");
$nginx->{conf} = <<"CONF";
daemon off;
pid $nginx->{dir}/nginx.pid;
worker_processes 2;
error_log $nginx->{dir}/logs/error.log info;
events { }
http {
    access_log off;
    client_body_temp_path $nginx->{dir}/tmp/body;
    proxy_temp_path $nginx->{dir}/tmp/proxy;
    fastcgi_temp_path $nginx->{dir}/tmp/fastcgi;
    uwsgi_temp_path $nginx->{dir}/tmp/uwsgi;
    scgi_temp_path $nginx->{dir}/tmp/scgi;
    server {
        listen $t->{host}:$nginx->{port};
        location / { proxy_pass http://$t->{host}:$origin->{port}; }
    }
}
CONF
$nginx->start;

my $c = $nginx->connect;
for my $size (0, 5, 100_000) {
    my $r = $c->request('PUT', '/x', {}, 'a' x $size);
    is $r->{status}, 201, "put of $size bytes";
    is $r->{body}, "got $size", 'and they arrived';
}
ok $c->{open}, 'on one connection';

is $c->request('HEAD', '/x', {})->{body}, '', 'a HEAD has no body';
ok $nginx->connect->request('GET', '/short', {})->{broken},
    'a cut response is seen';
$t->allow(qr/never/);

my @seen = $origin->requests;
is scalar @seen, 5, 'the origin remembers its requests';
is $seen[2]{length}, 100_000, 'and their lengths';

is scalar $nginx->workers, 2, 'two workers';
ok $nginx->reload, 'reload';
is $nginx->connect->request('GET', '/x', {})->{status}, 201,
    'and it serves';

# a worker that dies of a signal is noticed
kill 'KILL', ($nginx->workers)[0];
ok $t->wait_for(5, sub { $t->complaints }), 'a killed worker is noticed';
$t->allow(qr/exited on signal 9/);

# the example of the Blob documentation's shape, fixed in time
my $h = { 'x-ms-date' => 'Fri, 26 Jun 2015 23:39:12 GMT',
    'x-ms-version' => '2015-02-21' };
BlobTest::Http::sign('devstoreaccount1', $BlobTest::Http::DEV_KEY, 'GET',
    '/devstoreaccount1/c?restype=container&comp=metadata&timeout=20', $h);
like $h->{Authorization}, qr{^SharedKey devstoreaccount1:[\w+/]{43}=$},
    'a signature has its form';

$t->done;

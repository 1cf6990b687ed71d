# A store that is full, that cannot be opened, and modes that refuse writes.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }

# full
my $n = $t->nginx('full', store_opts => 'size=40m dirty=8m')->start;
$n->blob('PUT', '/ccc?restype=container');
my $r;
for my $i (1 .. 30) {
    $r = $n->blob('PUT', "/ccc/b$i", {}, 'x' x 4_000_000);
    last if $r->{status} != 201;
}
is code($r), '503 ServerBusy', 'full is busy';
ok $r->{headers}{'retry-after'}, 'with Retry-After';
ok $n->{client}{open}, 'connection open';
is $n->blob('GET', '/ccc/b1')->{status}, 200, 'reads go on';
is $n->blob('DELETE', '/ccc/b1')->{status}, 202, 'deletes too';

# write off, for a container and a prefix
$n = $t->nginx('off', policy => 'blob_container readonly { write off; }
    blob_prefix mix/frozen/ { write off; }')->start;
for my $c (qw(mix rwx)) {
    is $n->blob('PUT', "/$c?restype=container")->{status}, 201, "create $c";
}
is code($n->blob('PUT', '/readonly?restype=container')),
    '403 InsufficientAccountPermissions', 'container';
is code($n->blob('PUT', '/mix/frozen/x', {}, 'x')),
    '403 InsufficientAccountPermissions', 'frozen prefix';
is code($n->blob('PUT', '/mix/frozen%2Fx', {}, 'x')),
    '403 InsufficientAccountPermissions', 'however it is written';
is $n->blob('PUT', '/mix/thawed', {}, 'x')->{status}, 201, 'beside it';

# a store that is not one
$n = $t->nginx('broken');
mkdir $n->{store};
$t->write_file("$n->{store}/format", 'something else');
chown((getpwnam $t->{user})[2, 3], $n->{store}, "$n->{store}/format")
    if $t->{user};
$n->start;
$r = $n->blob('GET', '/ccc/b');
is code($r), '503 ServerBusy', 'no store is busy';
like $n->error_log, qr/\[err(?:or)?\].*store/i, 'and the log says why';

# HTTP/2
$n = $t->nginx('two', http => "server { listen 127.0.0.1:1 http2;
    location / { blob_pass devstoreaccount1; } }");
my ($rc, $out) = $n->test_conf;
isnt $rc, 0, 'http2 is refused';
like $out, qr/HTTP\/2.*nginx\.conf:\d+/, 'with file and line';

$t->done;

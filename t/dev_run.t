# make run: what it prints can be used, and a child that ends comes back.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);
use BlobTest;
use BlobTest::Http qw($DEV_ACCOUNT);

# It serves at 127.0.0.1.
sub free_port {
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
        Proto => 'tcp') or die "no free port: $!\n";
    return $s->sockport;
}

plan skip_all => 'conf/dev/run.sh loads no sanitizer' if $ENV{SAN};

my $t = BlobTest->new;
my ($port, $lake) = (free_port(), free_port());
my $state = "$t->{dir}/state";
my $run = $t->program('run', start_timeout => 60, stop_signal => 'INT',
    command => ["$BlobTest::TOP/conf/dev/run.sh"],
    env => { BLOB_BUILD => $BlobTest::BUILD, STATE => $state,
        EDGE_PORT => $port, LAKE_PORT => $lake });
sub out { $t->read_file($run->{log}) }
{
    no warnings 'redefine';
    *BlobTest::Server::ready = sub { out() =~ /^Ctrl-C stops/m };
}
$run->start;
my ($sas) = out() =~ /Account SAS.*\n +(\S+)/;
ok $sas, 'prints a SAS';

sub ask {
    my ($method, $path, $body) = @_;
    my $c = eval { BlobTest::Http->new('127.0.0.1', $port) } or return 0;
    my $r = $c->request($method, "/$DEV_ACCOUNT$path"
        . ($path =~ /\?/ ? '&' : '?') . $sas, {
        'x-ms-version' => $BlobTest::Http::VERSION, defined $body
            ? ('Content-Length' => length $body) : (),
        $method eq 'PUT' && $path !~ /comp=/
            ? ('x-ms-blob-type' => 'BlockBlob') : () }, $body);
    return $r // { status => 0, body => '' };
}
sub status { my $r = ask(@_); return ref $r ? $r->{status} : 0 }

my $tags = '<Tags><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet>'
    . '</Tags>';
is status('PUT', '/demo/hello', 'hello'), 201, 'which writes';
is ask('GET', '/demo/hello')->{body}, 'hello', 'reads';
is status('GET', '/demo?restype=container&comp=list'), 200, 'lists';
is status('PUT', '/demo/hello?comp=tags', $tags), 204, 'sets tags';
is ask('GET', '/demo/hello?comp=tags')->{status}, 200, 'gets tags';
is status('GET', '/?comp=blobs&where=a%3D%271%27'), 200, 'finds by tags';

# ---- children that end ---------------------------------------------------

sub child {
    my ($word) = @_;
    for my $pid (split ' ', $t->read_file(
        "/proc/$run->{pid}/task/$run->{pid}/children")) {
        my $cmd = $t->read_file("/proc/$pid/cmdline") =~ tr/\0/ /r;
        return $pid if $cmd =~ $word;
    }
    return 0;
}
sub again {
    my ($word, $old) = @_;
    return $t->wait_for(30, sub { my $new = child($word);
        $new && $new != $old && $new });
}

my $tier = qr{blob-tier serve \Q$state\E/edge};
for (['blob-tier', $tier], ['nginx', qr{nginx.*\Q$state\E/edge}]) {
    my ($name, $word) = @$_;
    my $old = child($word);
    ok $old, "$name runs";
    kill 'KILL', $old;
    ok again($word, $old), 'killed, it is started again';
    like out(), qr/^run: edge $name \($old\) ended, starting it again; its log/m,
        'with a message';
    ok $t->wait_for(30, sub { status('PUT', '/demo/more', 'x') == 201 }),
        'and the edge takes writes';
}
is ask('GET', '/demo/hello')->{body}, 'hello', 'nothing is lost';
ok $run->alive, 'the script goes on';

my $old = 0;
for (1 .. 6) {
    $old = again($tier, $old) or last;
    kill 'KILL', $old;
}
my $status = $run->wait_exit(60);
is $status >> 8, 1, 'one that does nothing but end ends the run';
like out(), qr/edge blob-tier ended \d times within a minute/, 'and says so';
ok !eval { BlobTest::Http->new('127.0.0.1', $_) }, 'nothing listens any more'
    for $port, $lake;

$t->done;

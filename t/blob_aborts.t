# Clients that go away, bodies that stop, many at once.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge', location => 'client_body_timeout 2s;')->start;
my $a = $n->{account};
my $sas = $n->sas;
$n->blob('PUT', '/ccc?restype=container');

sub head {
    my ($name, $length) = @_;
    return "PUT /$a/ccc/$name?$sas HTTP/1.1\r\nHost: $t->{host}\r\n"
        . "x-ms-blob-type: BlockBlob\r\nx-ms-version: 2023-11-03\r\n"
        . "Content-Length: $length\r\n\r\n";
}

# cut at every kind of place
for my $sent (0, 1, 16384, 16385, 262144, 524288, 700_000, 999_999) {
    my $c = $n->connect;
    $c->send(head("cut$sent", 1_000_000) . 'x' x $sent);
    sleep 0.02;
    $c->close;
}
sleep 0.3;
my $r = $n->blob('GET', '/ccc?restype=container&comp=list');
unlike $r->{body}, qr/<Name>cut/, 'nothing of aborted uploads';

# a client that stops sending is let go
my $c = $n->connect;
my $start = time;
$c->send(head('stalls', 1_000_000) . 'x' x 300_000);
$c->read_message(timeout => 20);
ok time - $start < 10, 'a stalled upload is ended';
is $n->blob('GET', '/ccc/stalls')->{status}, 404, 'without a trace';

# pipelined: the next request comes with the last bytes of the body
$c = $n->connect;
$c->send(head('p1', 400_000) . 'a' x 400_000 . head('p2', 5) . 'bbbbb'
    . "GET /$a/ccc/p2?$sas HTTP/1.1\r\nHost: $t->{host}\r\n\r\n");
is $c->read_message->{status}, 201, 'pipelined put';
is $c->read_message->{status}, 201, 'and another';
is $c->read_message->{body}, 'bbbbb', 'and a get';
ok $n->blob('GET', '/ccc/p1')->{body} eq 'a' x 400_000, 'whole';

# a slow upload in small pieces
$c = $n->connect;
$c->send(head('slow', 50_000));
for (1 .. 50) { $c->send('s' x 1000); sleep 0.005 }
is $c->read_message->{status}, 201, 'a slow upload';
ok $n->blob('GET', '/ccc/slow')->{body} eq 's' x 50_000, 'whole';

# readers that go away in the middle
$n->blob('PUT', '/ccc/big', {}, 'B' x 20_000_000);
for (1 .. 5) {
    my $c = $n->connect;
    $c->send("GET /$a/ccc/big?$sas HTTP/1.1\r\nHost: $t->{host}\r\n\r\n");
    sysread $c->{s}, my $buf, 1000;
    $c->close;
}
ok $n->blob('GET', '/ccc/big')->{body} eq 'B' x 20_000_000, 'others read on';

# many writers of one name and of many
my @pids;
for my $w (1 .. 8) {
    my $pid = fork // die;
    if (!$pid) {
        my ($bad, @why) = (0);
        my $c = $n->connect;
        for my $i (1 .. 30) {
            my $size = ($w * 7919 + $i * 104729) % 60_000;
            my $body = chr(64 + $w) x $size;
            $c->send(head("w$w-$i", $size) . $body);
            my $m = $c->read_message // {};
            $bad++, push @why, "put $i" unless ($m->{status} // 0) == 201;
            $c->send(head('shared', $size) . $body);
            $m = $c->read_message // {};
            $bad++, push @why, "shared $i" unless ($m->{status} // 0) == 201;
            my $r = $c->request('GET', "/$a/ccc/shared?$sas", {});
            $bad++, push @why, "get $i" unless $r->{status} == 200
                && $r->{body} =~ /^(.?)\1*$/s
                && md5_base64($r->{body}) . '==' eq
                    $r->{headers}{'content-md5'};
            $r = $c->request('GET', "/$a/ccc/w$w-$i?$sas", {});
            $bad++, push @why, "own $i" unless $r->{body} eq $body;
        }
        diag "$w: @why" if $bad;
        POSIX::_exit($bad ? 1 : 0);
    }
    push @pids, $pid;
}
my $failed = 0;
for (@pids) { waitpid $_, 0; $failed++ if $? }
is $failed, 0, 'writers side by side never see a mixture';

$n->stop;
$t->done;

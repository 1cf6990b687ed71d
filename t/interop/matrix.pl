#!/usr/bin/perl
# Every client through every arrangement of servers:
#
#   standalone   the module without an origin, the client talks to it
#   edge         an edge in front of such a standalone lake, write back
#   azurite      an edge in front of Azurite, write back
#
# and in the last two the lake has to hold the same blobs after a flush.
# SETUPS and CLIENTS (words) choose; BIG is AzCopy's largest file in MiB.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use POSIX ();
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use BlobTest;

my $here = $FindBin::Bin;
my $mods = "$here/node_modules";
my $node = $ENV{NODE} // (grep { -x } glob "$mods/node-linux-*/bin/node")[0]
    // 'node';

my %drivers = (
    azcopy => ['/bin/sh', "$here/azcopy.sh"],
    sdkjs => [$node, "$here/sdk.js"],
    sdkpy => ['/usr/bin/python3', "$here/sdk.py"],
    rclone => ['/bin/sh', "$here/rclone.sh"],
);
my @clients = split ' ', $ENV{CLIENTS} // 'azcopy sdkjs sdkpy rclone';
my @setups = split ' ', $ENV{SETUPS} // 'standalone edge azurite';

my $t = BlobTest->new;
note "files are in $t->{dir}";

sub azurite {
    my $port = $t->port;
    $t->program('azurite', port => $port, start_timeout => 60,
        stop_timeout => 8, command => [$node,
        "$mods/azurite/dist/src/blob/main.js", '--blobHost', $t->host,
        '--blobPort', $port, '--location', $t->path('azurite/data'),
        '--silent', '--skipApiVersionCheck', '--disableTelemetry'])->start;
    return 'http://' . $t->host . ":$port/$BlobTest::Http::DEV_ACCOUNT";
}

sub standalone {
    my ($name) = @_;
    my $lake = $t->nginx($name)->start;
    my $tier = $t->tier($lake)->start;
    return ($lake, $lake->url);
}

sub edge {
    my ($name, $origin) = @_;
    my $edge = $t->nginx($name, origin => $origin, write => 'back')->start;
    return ($edge, $edge->url, $t->tier($edge)->start);
}

# Run a command with a limit; its output is shown when it fails.
sub run {
    my ($limit, $name, @cmd) = @_;
    my $t0 = time;
    my $log = $t->path("$name.out");
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        { exec 'timeout', '-k', '10', $limit, @cmd; }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $ok = $? == 0;
    ok $ok, sprintf '%s (%.1f s)', $name, time - $t0;
    diag substr $t->read_file($log), -6000 unless $ok;
    return $ok;
}

sub drive {
    my ($setup, $url, $lake_url, $tier) = @_;
    for my $client (@clients) {
        my $work = "$t->{dir}/work/$setup-$client";
        my $con = "it-$client";
        make_path($work);
        local $ENV{BIG} = $ENV{BIG} // ($setup eq 'edge' ? 300 : 20);
        local $ENV{NODE_PATH} = $mods;
        local $ENV{PYTHONPATH} = "$BlobTest::BUILD/python";
        run(600, "$setup-$client", @{$drivers{$client}
            // die "no client $client\n"}, $url, $con, $work) or next;
        if ($tier) {
            my $rc = $tier->run('flush', '--wait');
            is $rc, 0, "$setup-$client: flush" or diag $tier->{out};
        }
        run(300, "$setup-$client-compare", $^X, "$here/compare.pl", $work,
            $con, $url, $lake_url // ());
    }
}

my %setup = (
    standalone => sub {
        my (undef, $url) = standalone('standalone');
        drive('standalone', $url);
    },
    edge => sub {
        my ($lake, $lake_url) = standalone('lake');
        my (undef, $url, $tier) = edge('edge', $lake);
        drive('edge', $url, $lake_url, $tier);
    },
    azurite => sub {
        my $lake_url = azurite();
        my (undef, $url, $tier) = edge('edge-azurite', $lake_url);
        drive('azurite', $url, $lake_url, $tier);
    },
    # the clients and the emulator without anything of ours
    baseline => sub {
        drive('baseline', azurite());
    },
);

for my $name (@setups) {
    my $code = $setup{$name} // die "no setup $name\n";
    eval { $code->(); 1 } or fail("$name: $@");
    $t->stop;
}
$t->done;
exit !Test::More->builder->is_passing;

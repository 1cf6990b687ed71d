#!/usr/bin/perl
# Every client through every arrangement of servers:
#
#   standalone   the module without an origin, the client talks to it
#   edge         an edge in front of such a standalone lake, write back
#   azurite      an edge in front of Azurite, write back
#   host         an edge for two accounts behind the names that tools have
#                built in, https://ACCOUNT.blob.core.windows.net: TLS from an
#                authority of this test, names and port 443 in a network
#                namespace of its own
#
# and in all but the first the lake has to hold the same blobs after a flush.
# SETUPS and CLIENTS (words) choose; unless told, azure-cli, which takes a
# second to begin, runs in `host` only. BIG is AzCopy's largest file in MiB.
#
# A driver writes each verb that it starts to WORK/verbs; TABLE names the file
# that gets verbs, setups and results as a table (docs/clients.md).

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use FindBin;
use MIME::Base64 qw(encode_base64);
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
    azcli => ['/bin/sh', "$here/azcli.sh"],
);
my @clients = split ' ', $ENV{CLIENTS} // '';
my @setups = split ' ', $ENV{SETUPS} // 'standalone edge azurite host';

# the servers and clients of `host` see a network with nothing else in it
if (grep({ $_ eq 'host' } @setups) && !$ENV{INTEROP_NS}) {
    my @other = grep { $_ ne 'host' } @setups;
    my $bad = 0;
    for (@other ? "@other" : (), 'host') {
        local @ENV{'SETUPS', 'INTEROP_NS'} = ($_, $_ eq 'host' ? 1 : 'no');
        my @ns = $_ ne 'host' ? () : ('unshare', '--net', '--mount',
            $> == 0 ? () : ('--user', '--map-root-user'));
        system(@ns, $^X, "$here/matrix.pl") == 0 or $bad = 1;
    }
    exit $bad;
}

$ENV{TABLE} = abs_path($ENV{TABLE}) if $ENV{TABLE};
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

my %result; # client -> verb -> setup
my %verbs;  # client -> verbs in order

# The last verb that a driver began is the one it failed in.
sub verbs {
    my ($client, $setup, $work, $ok) = @_;
    my @did = split /\n/, $t->read_file("$work/verbs");
    for my $i (0 .. $#did) {
        push @{$verbs{$client}}, $did[$i]
            unless grep { $_ eq $did[$i] } @{$verbs{$client} // []};
        $result{$client}{$did[$i]}{$setup} = $ok || $i < $#did ? 'yes' : 'NO';
    }
}

# What the client talks to ($url) and what the blobs are compared at.
sub drive {
    my ($setup, $url, $compare, $tier) = @_;
    for my $client (@clients ? @clients : ('azcopy', 'sdkjs', 'sdkpy',
        'rclone', $setup eq 'host' ? 'azcli' : ()))
    {
        local $ENV{SETUP} = $setup;
        my $work = "$t->{dir}/clients/$setup-$client";
        my $con = "it-$client";
        make_path($work);
        local $ENV{BIG} = $ENV{BIG} // ($setup eq 'edge' ? 300 : 20);
        local $ENV{NODE_PATH} = $mods;
        local $ENV{AZCLI_PATH} = "$BlobTest::BUILD/azcli";
        local $ENV{PYTHONPATH} = "$BlobTest::BUILD/python";
        my $ok = run(600, "$setup-$client", @{$drivers{$client}
            // die "no client $client\n"}, $url, $con, $work);
        verbs($client, $setup, $work, $ok);
        next unless $ok;
        if ($tier) {
            my $rc = $tier->run('flush', '--wait');
            is $rc, 0, "$setup-$client: flush" or diag $tier->{out};
        }
        run(300, "$setup-$client-compare", $^X, "$here/compare.pl", $work,
            $con, @$compare);
    }
}

# A certificate for every account's name; the file of its authority.
sub authority {
    my $d = $t->dir;
    my $names = join ',', map { "DNS:$_" } qw(*.blob.core.windows.net);
    system("(cd $d && openssl req -x509 -newkey rsa:2048 -nodes -days 2"
        . " -subj '/CN=Blob Edge tests' -keyout ca.key -out ca.pem"
        . " && openssl req -newkey rsa:2048 -nodes -subj /CN=edge"
        . " -keyout edge.key -out edge.csr"
        . " && printf 'subjectAltName=$names' >ext"
        . " && openssl x509 -req -days 2 -in edge.csr -CA ca.pem -CAkey ca.key"
        . " -CAcreateserial -extfile ext -out edge.pem) >$d/openssl.log 2>&1")
        == 0 or die "openssl: " . $t->read_file("$d/openssl.log");
    return "$d/ca.pem";
}

# In the namespace: loopback, names, and clients that trust the authority.
sub host_style {
    my @accounts = @_;
    my $suffix = 'blob.core.windows.net';
    system('ip link set lo up') == 0 or die "ip: $!\n";
    my $hosts = $t->write_file('hosts', join '', "127.0.0.1 localhost\n",
        map { "127.0.0.1 $_.$suffix $_-secondary.$suffix\n" } @accounts);
    system('mount', '--bind', $hosts, '/etc/hosts') == 0
        or die "mount: $!\n";
    my $ca = authority();
    $ENV{$_} = $ca for qw(SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE
        NODE_EXTRA_CA_CERTS);
}

# Rows of this run into the table: those of other setups and clients stay.
sub table {
    my ($file) = @_;
    my @all = qw(standalone edge azurite host);
    my (%cell, %order, %version);
    for (split /\n/, $t->read_file($file)) {
        my ($c, $v, @r) = /^\| (.+?) \| (.+?) \| (.+) \|$/
            ? ($1, $2, split / \| /, $3) : next;
        next if $c eq 'Client' || $c =~ /^-/;
        push @{$order{$c}}, $v;
        @{$cell{$c}{$v}}{@all} = @r;
    }
    for my $client (keys %verbs) {
        my $c = version($client);
        my ($old) = grep { (split / /)[0] eq (split / /, $c)[0]
            && $_ ne $c } keys %order;
        delete $order{$old} if $old; # another version: told anew
        for my $v (@{$verbs{$client}}) {
            push @{$order{$c}}, $v
                unless grep { $_ eq $v } @{$order{$c} // []};
            $cell{$c}{$v}{$_} = $result{$client}{$v}{$_}
                for keys %{$result{$client}{$v}};
        }
    }
    my $out = "# Clients\n\nWritten by `make interop TABLE=docs/clients.md`:"
        . " what each client did against each\narrangement of servers"
        . " (`t/README.md`) and whether it worked. A dash: not run.\n\n"
        . "| Client | Verb | " . join(' | ', @all) . " |\n"
        . '|---' x (2 + @all) . "|\n";
    for my $c (sort keys %order) {
        $out .= "| $c | $_ | " . join(' | ', map { $_ // '-' }
            @{$cell{$c}{$_}}{@all}) . " |\n" for @{$order{$c}};
    }
    $t->write_file($file, $out);
}

sub version {
    my ($client) = @_;
    my $az = "$BlobTest::BUILD/azcli";
    my %how = (
        azcopy => ['AzCopy', "$mods/\@azure-tools/azcopy-linux/package.json"],
        sdkjs => ['JavaScript-SDK', "$mods/\@azure/storage-blob/package.json"],
        sdkpy => ['Python-SDK', "PYTHONPATH=$BlobTest::BUILD/python"
            . " /usr/bin/python3 -c 'import azure.storage.blob as b;"
            . "print(b.__version__)'"],
        rclone => ['rclone', 'rclone version'],
        azcli => ['azure-cli', "PYTHONPATH=$az /usr/bin/python3 -c"
            . " 'import azure.cli.core as c; print(c.__version__)'"],
    );
    my ($name, $from) = @{$how{$client}};
    my $text = -f $from ? $t->read_file($from) : qx($from 2>/dev/null);
    my ($v) = $text =~ (-f $from ? qr/"version": "([^"]+)"/
        : qr/v?(\d+\.[\w.]+)/);
    return "$name " . ($v // '?');
}

my %setup = (
    standalone => sub {
        my (undef, $url) = standalone('standalone');
        drive('standalone', $url, [$url]);
    },
    edge => sub {
        my ($lake, $lake_url) = standalone('lake');
        my (undef, $url, $tier) = edge('edge', $lake);
        drive('edge', $url, [$url, $lake_url], $tier);
    },
    azurite => sub {
        my $lake_url = azurite();
        my (undef, $url, $tier) = edge('edge-azurite', $lake_url);
        drive('azurite', $url, [$url, $lake_url], $tier);
    },
    host => sub {
        my @names = qw(edgeone edgetwo);
        my @key = map { encode_base64(join('', map { chr rand 256 } 1 .. 64),
            '') } @names;
        host_style(@names);
        my $lake = $t->nginx('lake', account => $names[0], key => $key[0],
            http => "blob_account $names[1] { key $key[1]; }")->conf;
        $lake =~ s/blob_pass \w+/blob_pass */;
        my ($port) = $lake =~ /listen \S+:(\d+)/;
        my $lake_url = 'http://' . $t->host . ":$port";
        $lake = $t->nginx('lake', conf => $lake, port => $port)->start;
        $t->tier($lake)->start;
        my $edge = $t->nginx('edge', account => $names[0], key => $key[0],
            origin => "$lake_url/$names[0]", origin_key => $key[0],
            http => <<"CONF")->start;
    blob_account $names[1] { key $key[1]; origin $lake_url/$names[1];
        origin_key $key[1]; write back; }
    server { listen 127.0.0.1:443 ssl;
        ssl_certificate $t->{dir}/edge.pem;
        ssl_certificate_key $t->{dir}/edge.key;
        location / { blob_pass *; }
        include $BlobTest::TOP/conf/blob_origin.conf; }
CONF
        my $tier = $t->tier($edge)->start;
        local @ENV{qw(ACCOUNT KEY ACCOUNT2 KEY2)} = ($names[0], $key[0],
            $names[1], $key[1]);
        drive('host', "https://$names[0].blob.core.windows.net",
            [$edge->url, "$lake_url/$names[0]"], $tier);
    },
    # the clients and the emulator without anything of ours
    baseline => sub {
        my $url = azurite();
        drive('baseline', $url, [$url]);
    },
);

for my $name (@setups) {
    my $code = $setup{$name} // die "no setup $name\n";
    eval { $code->(); 1 } or fail("$name: $@");
    $t->stop;
}
table($ENV{TABLE}) if $ENV{TABLE};
$t->done;
exit !Test::More->builder->is_passing;

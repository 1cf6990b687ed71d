#!/usr/bin/perl
# How this compares with stock nginx and with Azurite, on this machine, in one
# run: the peers take turns, each measurement is the median of its rounds.
#
#   bench.pl [CASE...]      ROUNDS=5 BENCH_SECONDS=5 are the defaults
#
# Servers have one worker on the first core, the load is on the last one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More ();
use BlobTest;
use BlobTest::Http qw(account_sas $DEV_ACCOUNT $DEV_KEY);

my $rounds = $ENV{ROUNDS} // 5;
my $seconds = $ENV{BENCH_SECONDS} // 5;
my %want = map { $_ => 1 } @ARGV;
my $cores = qx(nproc) + 0;
my @load = ($cores > 1 ? ('taskset', '-c', $cores - 1) : ());
my $loader = "$BlobTest::BUILD/bench/load";

my $t = BlobTest->new;
my $h = $t->host;
my $main = $cores > 1 ? "worker_cpu_affinity 01;" : '';

# ---- servers -----------------------------------------------------------

sub stock {
    my ($name, $server, $http) = @_;
    my $n = $t->nginx($name);
    my $user = $t->{user} ? "user $t->{user};" : '';
    $n->{conf} = <<"CONF";
$user
daemon off;
pid $n->{dir}/nginx.pid;
worker_processes 1;
$main
error_log $n->{dir}/logs/error.log warn;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    client_body_temp_path $n->{dir}/tmp/body;
    proxy_temp_path $n->{dir}/tmp/proxy;
    fastcgi_temp_path $n->{dir}/tmp/fastcgi;
    uwsgi_temp_path $n->{dir}/tmp/uwsgi;
    scgi_temp_path $n->{dir}/tmp/scgi;
    client_max_body_size 0;
    @{[$http // '']}
    server { listen $h:$n->{port}; $server }
}
CONF
    if ($t->{user}) {
        my ($uid, $gid) = (getpwnam $t->{user})[2, 3];
        mkdir "$n->{dir}/$_" for qw(www cache);
        chown $uid, $gid, map { "$n->{dir}/$_" } qw(www cache tmp);
    }
    return $n->start;
}

my %ours = (workers => 1, main => $main, log_level => 'warn',
    http => 'sendfile on; keepalive_requests 1000000000;',
    store_opts => 'size=40g dirty=30g');

my %made;
sub once { my ($k, $code) = @_; return $made{$k} //= $code->() }

sub ours_alone {
    return once(alone => sub {
        my $n = $t->nginx('alone', %ours)->start;
        $n->blob('PUT', '/bench?restype=container')->{status} == 201
            or die "no container\n";
        return $n;
    });
}

# files of both sizes in a lake, an edge in front of it, stock caches beside
sub data { return chr(97 + $_[0] % 26) x $_[0] }

sub ours_edge {
    return once(edge => sub {
        my $lake = ours_alone();
        my $n = $t->nginx('edge', %ours, origin => $lake,
            policy => 'fresh 1h;')->start;
        $t->tier($n)->start;
        return $n;
    });
}

sub stock_cache {
    return once(cache => sub {
        my $www = stock('files', "root $t->{dir}/files/www;");
        for my $size (4096, 64 << 20) {
            $t->write_file("$t->{dir}/files/www/$size", data($size));
        }
        return stock('cache',
            "location / { proxy_pass http://$h:$www->{port};"
            . ' proxy_cache c; proxy_cache_valid 200 1h; }',
            "proxy_cache_path $t->{dir}/cache/cache levels=1:2"
            . ' keys_zone=c:8m max_size=2g use_temp_path=off;');
    });
}

sub azurite {
    return once(azurite => sub {
        my $mods = "$BlobTest::TOP/t/interop/node_modules";
        my ($node) = grep { -x } glob "$mods/node-linux-*/bin/node";
        my $port = $t->port;
        my $az = $t->program('azurite', port => $port, start_timeout => 60,
            stop_timeout => 8, command => [$node,
            "$mods/azurite/dist/src/blob/main.js", '--blobHost', $h,
            '--blobPort', $port, '--location', $t->path('azurite/data'),
            '--silent', '--skipApiVersionCheck', '--disableTelemetry'])
            ->start;
        BlobTest::Http->new($h, $port)->request('PUT',
            "/$DEV_ACCOUNT/bench?restype=container&" . sas(),
            { 'x-ms-version' => $BlobTest::Http::VERSION });
        return $az;
    });
}

my $sas;
sub sas { return $sas //= account_sas($DEV_ACCOUNT, $DEV_KEY) }

sub blob_target {
    my ($path) = @_;
    my $join = $path =~ /\?/ ? '&' : '?';
    return "/$DEV_ACCOUNT/bench/$path$join" . sas();
}

# ---- load --------------------------------------------------------------

# Requests/s of GETs, with an optional Range of 8 MiB at 8 MiB.
sub wrk {
    my ($server, $target, $clients, $range) = @_;
    my @h = $range ? ('-H', 'Range: bytes=8388608-16777215') : ();
    my $out = do {
        open my $p, '-|', @load, 'wrk', '-t1', "-c$clients", "-d${seconds}s",
            @h, "http://$h:$server->{port}$target" or die "wrk: $!\n";
        local $/;
        <$p>;
    };
    die "wrk failed:\n$out" if $out =~ /Non-2xx|Socket errors/
        || $out !~ m{Requests/sec:\s+([\d.]+)};
    return $1;
}

sub put {
    my ($server, $target, $clients, $bytes, @headers) = @_;
    my $out = do {
        open my $p, '-|', @load, $loader, $h, $server->{port}, 'PUT', $target,
            $clients, $seconds, $bytes, @headers or die "load: $!\n";
        local $/;
        <$p>;
    } // '';
    my ($rps, undef, $p50, $p99, $failed) = split ' ', $out;
    die "load gave: $out\n" unless defined $failed;
    # a peer that fails under load is compared by what it did do
    die "$failed requests failed\n" if $failed && $server->{name} ne 'azurite';
    print "# Azurite: $failed requests failed\n" if $failed;
    return $rps;
}

sub warm {
    my ($server, $target) = @_;
    for (1 .. 3) {
        my $r = BlobTest::Http->new($h, $server->{port}, timeout => 120)
            ->request('GET', $target, {});
        die "GET at $server->{name}: $r->{status}\n" unless
            $r->{status} == 200;
        BlobTest::Http->new($h, $server->{port})->request('GET', $target,
            { Range => 'bytes=8388608-16777215' }) if length $r->{body} > 1e7;
    }
}

sub blobs {
    my $n = ours_alone();
    for my $size (4096, 64 << 20) {
        my $r = $n->blob('PUT', "/bench/$size", {}, data($size));
        die "put of $size: $r->{status} $r->{body}\n"
            unless $r->{status} == 201;
    }
}

# ---- cases -------------------------------------------------------------

sub median { my @s = sort { $a <=> $b } @_; return $s[@s / 2] }

# case NAME UNIT FACTOR WANTED [label => code] (the peer last)
sub compare {
    my ($name, $unit, $factor, $wanted, @peers) = @_;
    my (@labels, @code, %r);
    while (@peers) { push @labels, shift @peers; push @code, shift @peers }
    for (1 .. $rounds) {
        push @{$r{$labels[$_]}}, $code[$_]->() for 0 .. $#code;
    }
    my $peer = median(@{$r{$labels[-1]}});
    printf "%s\n", $name;
    for my $label (@labels) {
        my @s = sort { $a <=> $b } @{$r{$label}};
        my $m = median(@s);
        printf "  %-28s %10.1f %s (%.1f..%.1f)", $label, $m * $factor, $unit,
            $s[0] * $factor, $s[-1] * $factor;
        printf '  %.2f of %s, wanted %.2f%s', $m / $peer, $labels[-1], $wanted,
            $m / $peer >= $wanted ? '' : '  BELOW'
            if $label ne $labels[-1];
        print "\n";
    }
}

my @cases = (
    get4k => sub {
        blobs();
        my ($alone, $edge, $cache) = (ours_alone(), ours_edge(),
            stock_cache());
        my $target = blob_target('4096');
        warm($alone, $target);
        warm($edge, $target);
        warm($cache, '/4096');
        compare('4 KiB GET, 32 clients', 'requests/s', 1, 0.6,
            'resident, SAS' => sub { wrk($alone, $target, 32) },
            'cached, SAS' => sub { wrk($edge, $target, 32) },
            'proxy_cache, no auth' => sub { wrk($cache, '/4096', 32) });
    },
    range8m => sub {
        blobs();
        my ($alone, $edge, $cache) = (ours_alone(), ours_edge(),
            stock_cache());
        my $size = 64 << 20;
        my $target = blob_target($size);
        warm($alone, $target);
        warm($edge, $target);
        warm($cache, "/$size");
        compare('8 MiB range, 4 clients', 'MB/s', 8.388608, 0.85,
            'resident, SAS' => sub { wrk($alone, $target, 4, 1) },
            'cached, SAS' => sub { wrk($edge, $target, 4, 1) },
            'proxy_cache, no auth' => sub { wrk($cache, "/$size", 4, 1) });
    },
    putblock => sub {
        my $alone = ours_alone();
        my $dav = stock('dav', "root $t->{dir}/dav/www; dav_methods PUT;"
            . ' create_full_put_path on;');
        my $target = blob_target("pb%t?comp=block&blockid=%b");
        compare('8 MiB Put Block, 8 streams, durable', 'MB/s', 8.388608, 0.5,
            'Put Block, SAS' => sub { put($alone, $target, 8, 8 << 20) },
            'dav PUT, not synced' => sub {
                put($dav, '/%t', 8, 8 << 20) });
    },
    putblob => sub {
        my ($alone, $az) = (ours_alone(), azurite());
        my @h = ('x-ms-blob-type: BlockBlob', 'x-ms-version: '
            . $BlobTest::Http::VERSION);
        my $target = blob_target('s/%u');
        compare('4 KiB Put Blob, 64 clients, durable', 'requests/s', 1, 5,
            'Put Blob, SAS' => sub { put($alone, $target, 64, 4096, @h) },
            'Azurite' => sub { put($az, $target, 64, 4096, @h) });
    },
);

my $failed = 0;
while (my ($name, $code) = splice @cases, 0, 2) {
    next if %want && !$want{$name};
    eval { $code->(); 1 } or do { print "$name: $@"; $failed = 1 };
}
my @bad = $t->close;
print @bad;
exit($failed || @bad ? 1 : 0);

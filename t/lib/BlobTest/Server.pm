package BlobTest::Server;

# A program that this test started, known by its pid.

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Copy ();
use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

use BlobTest::Http qw($DEV_ACCOUNT $DEV_KEY);

sub new {
    my ($class, $t, $name, %o) = @_;
    my $self = bless { t => $t, name => $name, %o }, $class;
    $self->{dir} = "$t->{dir}/$name";
    make_path($self->{dir});
    $self->{log} //= "$self->{dir}/$name.log";
    return $self;
}

sub logs { $_[0]{log} }
sub pid { $_[0]{pid} }
sub alive { my $p = $_[0]{pid}; $p && waitpid($p, WNOHANG) == 0 }

# Subclasses say what to run and when it is ready.
sub command { @{$_[0]{command}} }

sub ready {
    my ($self) = @_;
    return 1 unless $self->{port};
    return IO::Socket::INET->new(PeerAddr => $self->{t}{host},
        PeerPort => $self->{port}, Timeout => 1);
}

sub in_child { }

sub start {
    my ($self) = @_;
    my @cmd = $self->command;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        setpgrp 0, 0;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{log} or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT;
        $ENV{$_} = $self->{env}{$_} for keys %{$self->{env} // {}};
        chdir $self->{dir};
        $self->in_child;
        exec @cmd or print STDERR "exec $cmd[0]: $!\n";
        POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    $self->{t}->wait_for($self->{start_timeout} // 20, sub {
        $self->alive or die; $self->ready }) or $self->_failed;
    return $self;
}

sub _failed {
    my ($self) = @_;
    my $log = join '', map { $self->{t}->read_file($_) } $self->logs;
    $self->kill('KILL');
    die "$self->{name} did not start:\n" . substr($log, -3000) . "\n";
}

sub signal {
    my ($self, $sig) = @_;
    CORE::kill $sig, $self->{pid} if $self->{pid};
}

# Wait for its end; the status of waitpid, undef if it goes on.
sub wait_exit {
    my ($self, $seconds) = @_;
    my $end = time + $seconds;
    while ($self->{pid}) {
        if (waitpid($self->{pid}, WNOHANG) != 0) {
            $self->{status} = $?;
            $self->{pid} = undef;
            return $self->{status};
        }
        return undef if time > $end;
        sleep 0.02;
    }
    return $self->{status};
}

sub kill {
    my ($self, $sig) = @_;
    $self->signal($sig // 'KILL');
    return $self->wait_exit(10);
}

sub stop {
    my ($self, $sig) = @_;
    return unless $self->{pid};
    $self->signal($sig // $self->{stop_signal} // 'TERM');
    return if defined $self->wait_exit($self->{stop_timeout} // 15);
    CORE::kill 'KILL', -$self->{pid}, $self->{pid};
    $self->wait_exit(5);
    return;
}

# As root: become the user that nginx's workers are.
sub drop_root {
    my ($self) = @_;
    my $user = $self->{t}{user} or return;
    my ($uid, $gid) = (getpwnam $user)[2, 3];
    $) = "$gid $gid";
    POSIX::setgid($gid);
    POSIX::setuid($uid) or POSIX::_exit(125);
}

# --------------------------------------------------------------------------
package BlobTest::Nginx;

use parent -norequire, 'BlobTest::Server';
use BlobTest::Http qw($DEV_ACCOUNT $DEV_KEY);

# Options: origin (a server of this test, or a URL), origin_key, write,
# account, key, and text for places in the configuration: main, events, http,
# policy (inside blob_account), server, location; or conf, all of it.
sub new {
    my ($class, $t, $name, %o) = @_;
    my $self = BlobTest::Server::new($class, $t, $name,
        account => $DEV_ACCOUNT, key => $DEV_KEY, port => $t->port, stop_signal => 'QUIT', %o);
    $self->{store} //= "$self->{dir}/store";
    File::Path::make_path("$self->{dir}/logs", "$self->{dir}/tmp",
        "$self->{dir}/cache");
    # A core file of a worker lands where it is looked for.
    $self->{env}{ASAN_OPTIONS} = "detect_leaks=0:abort_on_error=1"
        . ":detect_odr_violation=0";
    $self->{env}{LD_PRELOAD} = join ' ', split /\n/,
        qx(cc -print-file-name=libasan.so; cc -print-file-name=libubsan.so)
        if $ENV{SAN};
    return $self;
}

sub url {
    my ($self) = @_;
    return "http://$self->{t}{host}:$self->{port}/$self->{account}";
}

sub logs { ($_[0]{log}, "$_[0]{dir}/logs/error.log") }
sub error_log { $_[0]{t}->read_file("$_[0]{dir}/logs/error.log") }

sub origin_lines {
    my ($self) = @_;
    my $o = $self->{origin} or return 'origin none;';
    my ($url, $key) = ref $o ? ($o->url, $o->{key}) : ($o, undef);
    $key = $self->{origin_key} // $key // $DEV_KEY;
    return "origin $url;\n    origin_key $key;";
}

sub conf {
    my ($self) = @_;
    return $self->{conf} if defined $self->{conf};
    my %s = map { $_ => $self->{$_} // '' } qw(main events http policy server
        location);
    my ($d, $t) = ($self->{dir}, $self->{t});
    my $user = $t->{user} ? "user $t->{user};" : '';
    my $origin = $self->origin_lines;
    my $write = $self->{origin} ? 'write ' . ($self->{write} // 'back') . ';'
        : '';
    my $include = $self->{origin} ?
        "include $BlobTest::TOP/conf/blob_origin.conf;" : '';
    my $workers = $self->{workers} // 2;
    my $level = $self->{log_level} // 'info';
    my $store_opts = $self->{store_opts} // 'size=4g dirty=2g';

    return <<"CONF";
load_module $BlobTest::BUILD/ngx_http_blob_module.so;
$user
daemon off;
pid $d/nginx.pid;
worker_processes $workers;
working_directory $d;
error_log $d/logs/error.log $level;
$s{main}
events { worker_connections 1024; $s{events} }
http {
    access_log off;
    client_body_temp_path $d/tmp/body;
    proxy_temp_path $d/tmp/proxy;
    fastcgi_temp_path $d/tmp/fastcgi;
    uwsgi_temp_path $d/tmp/uwsgi;
    scgi_temp_path $d/tmp/scgi;
    proxy_cache_path $d/cache levels=1:2 keys_zone=blob_slices:8m
        max_size=1g inactive=7d use_temp_path=off;
    blob_store $self->{store} $store_opts;
    blob_account $self->{account} {
    key $self->{key};
    $origin
    $write
    $s{policy}
    }
    $s{http}
    server {
        listen $t->{host}:$self->{port};
        $s{server}
        location / { blob_pass $self->{account}; $s{location} }
        $include
    }
}
CONF
}

sub command {
    my ($self) = @_;
    $self->{t}->write_file("$self->{dir}/nginx.conf", $self->conf);
    return ($ENV{NGINX} // 'nginx', '-p', $self->{dir}, '-e',
        "$self->{dir}/logs/error.log", '-c', "$self->{dir}/nginx.conf");
}

# nginx -t on the configuration: (exit code, output)
sub test_conf {
    my ($self) = @_;
    my @cmd = $self->command;
    local %ENV = (%ENV, %{$self->{env}});
    my $out = qx(@cmd -e stderr -t 2>&1);
    return ($? >> 8, $out);
}

sub workers {
    my ($self) = @_;
    return grep { $self->{t}->read_file("/proc/$_/cmdline") =~
        /^nginx: worker process/ && $self->{t}->read_file("/proc/$_/cmdline")
        !~ /shutting down/ } split ' ', $self->{t}->read_file(
        "/proc/$self->{pid}/task/$self->{pid}/children");
}

# Reload and wait until other workers serve.
sub reload {
    my ($self) = @_;
    $self->command;
    my %old = map { $_ => 1 } $self->workers;
    $self->signal('HUP');
    return $self->{t}->wait_for(20, sub {
        my @all = $self->workers;
        # the old ones take connections until they are told
        !grep({ $old{$_} } @all) && @all >= ($self->{workers} // 2) });
}

# kill -9 of the master and of all its children, cache manager included.
sub kill_all {
    my ($self) = @_;
    my $group = $self->{pid};
    # the whole group: a worker that is being forked just now as well
    CORE::kill 'KILL', -$group;
    $self->wait_exit(10);
    # a process whose first thread is a zombie has its sockets until the last
    # one is gone
    $self->{t}->wait_for(10, sub { !grep {
        $self->{t}->read_file("$_/stat") =~ /^\d+ \(.*\) (\w) \d+ $group /s
            && ($1 !~ /[ZX]/ || (my @threads = glob "$_/task/*") > 1)
        } glob '/proc/[0-9]*' })
        or die "$self->{name} cannot be killed\n";
}

sub connect {
    my ($self, %o) = @_;
    return BlobTest::Http->new($self->{t}{host}, $self->{port}, %o);
}

# A signed request, on a connection that is kept: blob('GET', '/c/b?x=y',
# {header => value}, $body).  A header with the value undef is not sent.
sub blob {
    my ($self, $method, $path, $headers, $body, %o) = @_;
    my %h = %{$headers // {}};
    my $target = "/$self->{account}$path";

    $h{'Content-Length'} //= length($body // '')
        if $method =~ /^P/ || defined $body;
    $h{'x-ms-blob-type'} //= 'BlockBlob'
        if $method eq 'PUT' && $path !~ /[?&](?:comp|restype)=/
        && !exists $h{'x-ms-blob-type'} && !exists $h{'x-ms-copy-source'};
    delete $h{$_} for grep { !defined $h{$_} } keys %h;
    BlobTest::Http::sign($self->{account}, $o{key} // $self->{key}, $method,
        $target, \%h);

    for my $try (1, 2) {
        my $c = $self->{client};
        my $fresh = !$c || !$c->{open} || $c->{buf} ne ''
            || $self->{client_pid} != $$;
        if ($fresh) {
            $c = $self->{client} = $self->connect;
            $self->{client_pid} = $$;
        }
        my $r = $c->request($method, $target, \%h, $body);
        # a kept connection may have been closed under us
        next if !$r && !$fresh && $try == 1;
        $r //= { status => 0, headers => {}, body => '', broken => 1 };
        $c->close if $r->{broken};
        return $r;
    }
}

sub sas {
    my ($self, %o) = @_;
    return BlobTest::Http::account_sas($self->{account}, $self->{key}, %o);
}

# --------------------------------------------------------------------------
package BlobTest::Tier;

use parent -norequire, 'BlobTest::Server';

sub new {
    my ($class, $t, $nginx, %o) = @_;
    my $self = BlobTest::Server::new($class, $t, "$nginx->{name}-tier", %o,
        store => $nginx->{store}, stop_timeout => 30);
    $self->{env}{ASAN_OPTIONS} = 'detect_leaks=0';
    # a place that every user can reach, wherever the tree is
    $self->{bin} = "$t->{dir}/blob-tier";
    File::Copy::cp("$BlobTest::BUILD/blob-tier", $self->{bin})
        or die "build/blob-tier: $!\n" unless -e $self->{bin};
    chmod 0755, $self->{bin};
    return $self;
}

sub command { ($_[0]{bin}, 'serve', $_[0]{store}) }
sub in_child { $_[0]->drop_root }
sub ready { $_[0]->run('status') == 0 && $_[0]{out} =~ /^serving +1$/m }

# blob-tier VERB STORE ARG...: the exit code; the output is in {out}.
sub run {
    my ($self, $verb, @args) = @_;
    my @cmd = ($self->{bin}, $verb, @args, $self->{store});
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    open my $p, '-|', 'sh', '-c', 'exec timeout 300 "$@" 2>&1', 'sh', @cmd
        or die "blob-tier: $!\n";
    local $/;
    $self->{out} = <$p> // '';
    CORE::close $p;
    return $? >> 8;
}

# --------------------------------------------------------------------------
package BlobTest::Origin;

# A scripted origin: one process a connection.  The answer is a sub that gets
# {method target headers body n} (n counts requests from 1, over all
# connections) and returns [status, {headers}, body], undef to close, or a
# string to send as it is before the connection is closed.  requests() are
# those seen so far, without bodies.

use parent -norequire, 'BlobTest::Server';
use Fcntl qw(:flock);

sub new {
    my ($class, $t, $answer) = @_;
    my $self = BlobTest::Server::new($class, $t,
        'origin' . (1 + grep { ref eq $class } @{$t->{servers}}),
        answer => $answer, key => $BlobTest::Http::DEV_KEY);
    $self->{journal} = "$self->{dir}/requests";
    return $self;
}

sub url {
    return "http://$_[0]{t}{host}:$_[0]{port}/$BlobTest::Http::DEV_ACCOUNT";
}

sub start {
    my ($self) = @_;
    my $l = IO::Socket::INET->new(LocalAddr => $self->{t}{host},
        LocalPort => $self->{port} // 0, Listen => 128, ReuseAddr => 1)
        or die "origin: $!\n";
    $self->{port} = $l->sockport;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgrp 0, 0;
        $SIG{CHLD} = 'IGNORE';
        $SIG{$_} = sub { POSIX::_exit(0) } for qw(INT TERM HUP);
        while (1) {
            my $s = $l->accept or next;
            next if fork;
            close $l;
            eval { $self->_serve($s) };
            warn $@ if $@;
            POSIX::_exit(0);
        }
    }
    $self->{pid} = $pid;
    return $self;
}

sub stop {
    my ($self) = @_;
    CORE::kill 'TERM', -$self->{pid} if $self->{pid};
    $self->SUPER::stop;
}

sub _serve {
    my ($self, $s) = @_;
    my $c = bless { s => $s, buf => '', timeout => 3600, open => 1 },
        'BlobTest::Http';
    while (my $m = $c->read_message) {
        last if $m->{broken};
        $m->{n} = $self->_record($m);
        my $a = $self->{answer}->($m);
        last unless defined $a;
        if (!ref $a) { $c->send($a); last }
        my ($status, $h, $body) = @$a;
        my %h = ('Content-Length' => length($body // ''), %{$h // {}});
        $c->send("HTTP/1.1 $status X\r\n" . join('', map { "$_: $h{$_}\r\n" }
            sort keys %h) . "\r\n"
            . ($m->{method} eq 'HEAD' ? '' : $body // ''));
    }
}

sub _record {
    my ($self, $m) = @_;
    open my $f, '+>>', $self->{journal} or die "$self->{journal}: $!\n";
    flock $f, LOCK_EX;
    seek $f, 0, 0;
    my $n = () = <$f>;
    my %keep = (%$m, body => undef, length => length $m->{body});
    print $f JSON::PP->new->canonical->latin1->encode(\%keep), "\n";
    CORE::close $f;
    return $n + 1;
}

sub requests {
    my ($self) = @_;
    return map { JSON::PP->new->latin1->decode($_) }
        split /\n/, $self->{t}->read_file($self->{journal});
}

1;

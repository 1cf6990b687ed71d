package BlobTest;

# Servers for one test script: nginx with the module, blob-tier, a scripted
# origin.  Everything lives in a folder of its own and on an address of its
# own, and is stopped and looked at when the script ends.
#
#   my $t = BlobTest->new;
#   my $lake = $t->nginx('lake')->start;                       # standalone
#   my $edge = $t->nginx('edge', origin => $lake)->start;      # write back
#   $t->tier($edge)->start;
#   is $edge->blob('PUT', '/c?restype=container')->{status}, 201;
#   $t->done;

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Socket qw(SOCK_STREAM);
use Test::More ();
use Time::HiRes qw(sleep time);

use BlobTest::Http qw($DEV_ACCOUNT $DEV_KEY);
use BlobTest::Server;

our $TOP = abs_path(dirname(__FILE__) . '/../..');
our $BUILD = $ENV{BLOB_BUILD} // "$TOP/build";

$ENV{PATH} .= ":/usr/sbin:/sbin";

my @BAD = (qr/\[(?:alert|emerg)\]/, qr/Sanitizer/, qr/runtime error:/,
    qr/exited on signal/, qr/\*\*\* (?:stack smashing|buffer overflow)/);

my %live;

sub new {
    my ($class, %o) = @_;
    my $self = bless { pid => $$, servers => [], allow => [],
        ports => {}, root => $> == 0 }, $class;
    $self->{dir} = tempdir('blob-test-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $self->{dir};
    # As root nginx's workers are somebody else, as in production.
    $self->{user} = $o{user} // ($self->{root} ? 'www-data' : undef);
    # An address of our own: nobody else's outgoing connection can sit on a
    # port that was just found free.
    $self->{host} = $ENV{BLOB_TEST_HOST} // join '.', 127,
        64 + ($$ >> 16 & 63), $$ >> 8 & 255, $$ & 255 || 1;
    $self->{host} =~ s/\.255$/.254/;
    return $live{$self} = $self;
}

sub dir { $_[0]{dir} }
sub host { $_[0]{host} }

sub port {
    my ($self) = @_;
    while (1) {
        my $s = IO::Socket::INET->new(LocalAddr => $self->{host}, Listen => 1,
            Proto => 'tcp', ReuseAddr => 1) or die "no free port: $!\n";
        my $port = $s->sockport;
        return $port unless $self->{ports}{$port}++;
    }
}

sub path {
    my ($self, $name) = @_;
    make_path("$self->{dir}/" . dirname($name));
    return "$self->{dir}/$name";
}

sub write_file {
    my ($self, $name, $data) = @_;
    my $path = $name =~ m{^/} ? $name : $self->path($name);
    open my $f, '>:raw', $path or die "$path: $!\n";
    print $f $data;
    CORE::close $f or die "$path: $!\n";
    return $path;
}

sub read_file {
    my ($self, $path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    return scalar(<$f>) // '';
}

# A line of an error log that this test means to cause.
sub allow { my $self = shift; push @{$self->{allow}}, @_; return $self }

sub nginx {
    my ($self, $name, %o) = @_;
    return $self->_add(BlobTest::Nginx->new($self, $name, %o));
}

sub tier {
    my ($self, $nginx, %o) = @_;
    return $self->_add(BlobTest::Tier->new($self, $nginx, %o));
}

sub origin {
    my ($self, $answer) = @_;
    return $self->_add(BlobTest::Origin->new($self, $answer))->start;
}

# Any other program, e.g. an emulator; {port} is one to listen on.
sub program {
    my ($self, $name, %o) = @_;
    return $self->_add(BlobTest::Server->new($self, $name, %o));
}

sub _add { my ($self, $s) = @_; push @{$self->{servers}}, $s; return $s }

# Wait until $code gives a true value and return it; undef after $seconds.
sub wait_for {
    my ($self, $seconds, $code) = @_;
    my $end = time + $seconds * ($ENV{SAN} ? 3 : 1);
    while (1) {
        my $r = eval { $code->() };
        return $r if $r;
        return undef if time > $end;
        sleep 0.05;
    }
}

sub stop {
    my ($self) = @_;
    $_->stop for reverse @{$self->{servers}};
}

# Lines of the logs that must not be there.
sub complaints {
    my ($self) = @_;
    my @found;
    for my $log (map { $_->logs } @{$self->{servers}}) {
        open my $f, '<', $log or next;
    LINE:
        while (<$f>) {
            my $line = $_;
            next unless grep { $line =~ $_ } @BAD;
            for my $ok (@{$self->{allow}}) { next LINE if $line =~ $ok }
            push @found, $line;
        }
    }
    push @found, map { "core file: $_\n" } glob "$self->{dir}/*/core*";
    return @found;
}

# Stop everything and give the complaints; the files go unless there are some
# or a test failed.
sub close {
    my ($self) = @_;
    $self->stop;
    my @bad = $self->complaints;
    delete $live{$self};
    $self->_remove if !@bad && Test::More->builder->is_passing;
    return @bad;
}

# The end of a test script.
sub done {
    my ($self) = @_;
    my @bad = $self->close;
    Test::More::is(scalar @bad, 0, 'logs are clean')
        or Test::More::diag(@bad > 20 ? (@bad[0 .. 19], "...\n") : @bad);
    Test::More::done_testing();
}

sub _remove {
    my ($self) = @_;
    if ($ENV{BLOB_TEST_KEEP}) {
        Test::More::diag("files are in $self->{dir}");
        return;
    }
    File::Path::remove_tree($self->{dir}, { safe => 0 });
}

END {
    my $rc = $?;
    for my $self (grep { $_->{pid} == $$ } values %live) {
        $self->stop;
        Test::More::diag("files are in $self->{dir}");
        my @bad = $self->complaints;
        Test::More::diag(@bad) if @bad;
    }
    $? = $rc;
}

$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP PIPE);

1;

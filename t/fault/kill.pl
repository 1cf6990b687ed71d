#!/usr/bin/perl
# kill -9 of nginx workers, of all of nginx and of blob-tier while clients
# write and the edge writes back.  Whatever was acknowledged is read back at
# the edge, and after a flush in the lake; what was not acknowledged is there
# whole or not at all.
#
#   kill.pl [ROUNDS]        SEED=n repeats the same order of victims and sizes

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha512);
use File::Spec;
use FindBin;
use lib "$FindBin::Bin/../lib";
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;

my $rounds = shift // 50;
my $seed = $ENV{SEED} // int rand 1e9;
my $writers = 4;
my $names = 40;     # names of each writer: most writes replace something

note "SEED=$seed";
srand $seed;

my $room = (split ' ', (split /\n/, `df -Pk "@{[File::Spec->tmpdir]}"`)[1])[3];
BAIL_OUT('less than 1 GB free in ' . File::Spec->tmpdir . ', set TMPDIR')
    if $room < 1_000_000;

my $t = BlobTest->new;
$t->allow(qr/exited on signal 9/);

my $lake = $t->nginx('lake')->start;
my $lake_tier = $t->tier($lake)->start;
my $edge = $t->nginx('edge', origin => $lake, workers => 3)->start;
my $tier = $t->tier($edge)->start;

is $edge->blob('PUT', '/fault?restype=container')->{status}, 201,
    'create the container';

# ---- writers -----------------------------------------------------------

# The bytes that a tag stands for.
sub content {
    my ($tag, $size) = @_;
    return '' unless $size;
    my $unit = sha512($tag) . sha512("$tag+");
    return substr $unit x (1 + int $size / length $unit), 0, $size;
}

my @sizes = (0, 1, 300, 4096, 16384, 16385, 70_000, 300_000, 2_000_000);
my @small = grep { $_ <= 4096 } @sizes;
# What a writer may write before it goes on slower and with small ones alone:
# edge and lake keep all of it until the end, and a full disk is another test.
my $budget = 50_000_000;

sub put {
    my ($name, $tag, $size) = @_;
    my $data = content($tag, $size);
    return $edge->blob('PUT', "/fault/$name", { 'x-ms-meta-tag' => $tag },
        $data)->{status} unless $size >= 70_000 && length($tag) % 2;

    # in three blocks
    my $step = int($size / 3) + 1;
    my $list = '';
    for my $i (0 .. 2) {
        my $id = encode_base64(sprintf('%-40s', "$tag-$i"), '');
        (my $escaped = $id) =~ s/([+\/=])/sprintf '%%%02X', ord $1/ge;
        my $status = $edge->blob('PUT',
            "/fault/$name?comp=block&blockid=$escaped", {},
            substr $data, $i * $step, $step)->{status};
        return $status == 201 ? 0 : $status unless $status == 201;
        $list .= "<Latest>$id</Latest>";
    }
    return $edge->blob('PUT', "/fault/$name?comp=blocklist",
        { 'x-ms-meta-tag' => $tag },
        qq(<?xml version="1.0"?><BlockList>$list</BlockList>))->{status};
}

# One line before and one after each write: what was tried, what was answered.
sub writer {
    my ($n) = @_;
    srand $seed + $n;
    open my $log, '>>', "$t->{dir}/writer-$n" or die $!;
    $log->autoflush(1);
    my ($stop, $wrote) = (0, 0);
    local $SIG{TERM} = sub { $stop = 1 };
    for (my $i = 0; !$stop; $i++) {
        my $name = sprintf 'w%d/%03d', $n, int rand $names;
        my $tag = "$n-$i";
        my $size = $wrote < $budget ? $sizes[rand @sizes] : $small[rand @small];
        $wrote += $size;
        my $delete = rand() < 0.1;
        print $log "try $name $tag ", $delete ? -1 : $size, "\n";
        my $status = eval {
            $delete ? $edge->blob('DELETE', "/fault/$name")->{status}
                : put($name, $tag, $size);
        } // 0;
        # a delete of nothing says so, and then there is nothing
        my $ok = $delete ? $status == 202 || $status == 404
            : $status == 201;
        print $log $ok ? "ack\n" : "fail $status\n";
        sleep($ok ? 0.01 : 0.05) if !$ok || $wrote >= $budget;
    }
}

my @pids;
for my $n (1 .. $writers) {
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        eval { writer($n) };
        print STDERR "writer $n: $@" if $@;
        POSIX::_exit($@ ? 1 : 0);
    }
    push @pids, $pid;
}

# ---- killer ------------------------------------------------------------

my %victims = (
    worker => sub {
        my @w = $edge->workers or return;
        kill 'KILL', $w[rand @w];
    },
    nginx => sub { $edge->kill_all; $edge->start },
    tier => sub { $tier->kill('KILL'); sleep rand 0.2; $tier->start },
    both => sub {
        $tier->kill('KILL');
        $edge->kill_all;
        $edge->start;
        $tier->start;
    },
    lake => sub { $lake->kill_all; $lake->start },
);
my @order = (qw(worker nginx tier worker tier nginx both lake));
my $t0 = time;
my $died;

for my $round (0 .. $rounds - 1) {
    sleep 0.1 + rand 0.4;
    my $victim = $order[$round % @order];
    eval { $victims{$victim}->(); 1 } or do {
        $died = "round $round, $victim: $@";
        last;
    };
}
ok !$died, sprintf('%d rounds in %.0f s', $rounds, time - $t0)
    or diag $died;

kill 'TERM', @pids;
for my $pid (@pids) { waitpid $pid, 0; is $?, 0, 'a writer ended well' }

# ---- what must be there ------------------------------------------------

# name => contents it may have: [tag, size], size -1 for none
my (%may, $acked, $failed);
for my $n (1 .. $writers) {
    my $try;
    open my $log, '<', "$t->{dir}/writer-$n" or die $!;
    while (<$log>) {
        if (/^try (\S+) (\S+) (\S+)/) {
            $try = [$1, $2, $3];
            $may{$1} //= [['', -1]];
        } elsif (/^ack/) {
            $may{$try->[0]} = [[@$try[1, 2]]];
            $acked++;
        } else {
            push @{$may{$try->[0]}}, [@$try[1, 2]];
            $failed++;
        }
    }
}
note "$acked writes acknowledged, $failed not";
cmp_ok $acked // 0, '>', $rounds, 'the clients got somewhere';

sub read_back {
    my ($server, $where) = @_;
    my %got;
    my $wrong = 0;
    for my $name (sort keys %may) {
        my $r = $server->blob('GET', "/fault/$name");
        my $tag = $r->{headers}{'x-ms-meta-tag'} // '';
        my ($hit) = grep { $_->[1] < 0 ? $r->{status} == 404
            : $r->{status} == 200 && $tag eq $_->[0]
            && $r->{body} eq content(@$_) } @{$may{$name}};
        $got{$name} = $hit ? "@$hit" : '?';
        next if $hit;
        next if $wrong++ > 10;
        diag "$where: $name is $r->{status}, tag '$tag', ",
            length $r->{body}, ' bytes; may be ',
            join ', ', map { $_->[1] < 0 ? 'nothing' : "$_->[0] ($_->[1])" }
            @{$may{$name}};
    }
    is $wrong, 0, "$where: " . keys(%may) . ' names as acknowledged';
    return \%got;
}

# What a flush that did not end waits for.
sub why_not {
    diag $tier->{out};
    $tier->run($_) || diag "$_:\n", join "\n",
        grep { defined } (split /\n/, $tier->{out})[0 .. 30]
        for qw(status queue);
    for my $s ($tier, $lake_tier, $edge, $lake) {
        my @log = grep { !/\[(?:notice|debug)\]/ } split /\n/,
            join '', map { -e $_ ? $t->read_file($_) : () } $s->logs;
        diag "$s->{name}:\n", join "\n", splice @log, -20 if @log;
    }
}

my $before = read_back($edge, 'edge');
is $tier->run('flush', '--wait', '--timeout', 120), 0, 'flush' or why_not();
my $in_lake = read_back($lake, 'lake');
my $after = read_back($edge, 'edge after the flush');
is_deeply $after, $before, 'the flush changed nothing at the edge';
is_deeply $in_lake, $before, 'the lake has what the edge has';

$t->done;
exit !Test::More->builder->is_passing;

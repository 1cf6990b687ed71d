#!/usr/bin/perl
# Are the blobs of a container the same at several endpoints?
#
#   compare.pl WORK CONTAINER ENDPOINT...
#
# At each endpoint the container must hold the files of WORK/expect/CONTAINER,
# byte for byte and no others, with the headers of WORK/expect/CONTAINER.props;
# and all endpoints must agree on content type, encoding, language,
# disposition, cache control, MD5 and metadata of each blob and on the
# metadata of the container.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use File::Find qw(find);
use FindBin;
use lib "$FindBin::Bin/../lib";
use BlobTest::Http qw(sign $DEV_ACCOUNT $DEV_KEY);

my ($work, $con, @endpoints) = @ARGV;
die "usage: compare.pl WORK CONTAINER ENDPOINT...\n" unless @endpoints;

my $account = $ENV{ACCOUNT} // $DEV_ACCOUNT;
my $key = $ENV{KEY} // $DEV_KEY;
my $bad = 0;

sub wrong { print STDERR "compare $con: @_\n"; $bad++ }

sub call {
    my ($endpoint, $method, $path) = @_;
    my ($host, $port, $base) = $endpoint =~ m{^http://([^:/]+):(\d+)(/.*)?$}
        or die "bad endpoint $endpoint\n";
    my %h;
    sign($account, $key, $method, ($base // '') . $path, \%h);
    my $r = BlobTest::Http->new($host, $port, timeout => 120)
        ->request($method, ($base // '') . $path,
        { %h, Connection => 'close' });
    die "$method $path at $endpoint: no answer\n" unless $r && !$r->{broken};
    return $r;
}

sub unxml {
    my ($s) = @_;
    my %e = (lt => '<', gt => '>', amp => '&', quot => '"', apos => "'");
    $s =~ s/&(\w+);/$e{$1}/g;
    return $s;
}

sub names {
    my ($endpoint) = @_;
    my (@names, $marker);
    do {
        my $q = '?restype=container&comp=list&maxresults=5'
            . (length($marker // '') ? '&marker='
                . BlobTest::Http::uri_escape($marker) : '');
        my $r = call($endpoint, 'GET', "/$con$q");
        die "list at $endpoint: $r->{status} $r->{body}\n"
            unless $r->{status} == 200;
        push @names, map { unxml($_) } $r->{body} =~
            m{<Blob>.*?<Name>(.*?)</Name>}gs;
        $marker = $r->{body} =~ m{<NextMarker>([^<]+)</NextMarker>}
            ? unxml($1) : '';
        die "listing without end at $endpoint\n" if @names > 100_000;
    } while (length $marker);
    return @names;
}

my %want;
my $root = "$work/expect/$con";
find({ no_chdir => 1, wanted => sub {
    return unless -f;
    open my $f, '<:raw', $_ or die "$_: $!\n";
    local $/;
    my $data = <$f> // '';
    $want{substr $_, 1 + length $root} = { length => length $data,
        md5 => md5_base64($data) };
} }, $root);

if (open my $f, '<:raw', "$root.props") {
    while (<$f>) {
        chomp;
        my ($name, $header, $value) = split /\t/;
        $want{$name}{props}{$header} = $value;
    }
}

my (%seen, %meta);
for my $endpoint (@endpoints) {
    my $r = call($endpoint, 'GET', "/$con?restype=container");
    $meta{$endpoint} = join ' ', map { "$_=$r->{headers}{$_}" } sort
        grep { /^x-ms-meta-/ } keys %{$r->{headers}};
    wrong("container at $endpoint: $r->{status}") unless $r->{status} == 200;

    my %found = map { $_ => 1 } my @names = names($endpoint);
    wrong("a name twice at $endpoint") if keys %found != @names;
    wrong("$endpoint has no $_") for grep { !$found{$_} } sort keys %want;
    wrong("$endpoint has also $_") for grep { !$want{$_} } sort keys %found;

    for my $name (grep { $want{$_} } sort keys %found) {
        my $path = join '/', map { BlobTest::Http::uri_escape($_) }
            split m{/}, $name, -1;
        my $get = call($endpoint, 'GET', "/$con/$path");
        my $w = $want{$name};
        if ($get->{status} != 200) {
            wrong("$name at $endpoint: $get->{status} $get->{body}");
            next;
        }
        wrong("$name differs at $endpoint, ", length $get->{body}, ' bytes, ',
            "not $w->{length}") unless md5_base64($get->{body}) eq $w->{md5};
        my $h = call($endpoint, 'HEAD', "/$con/$path")->{headers};
        wrong("$name at $endpoint: HEAD says length ",
            $h->{'content-length'} // '-')
            unless ($h->{'content-length'} // -1) == $w->{length};
        for my $k (sort keys %{$w->{props} // {}}) {
            my $v = $h->{$k} // '-';
            wrong("$name at $endpoint: $k is $v, not $w->{props}{$k}")
                unless $v eq $w->{props}{$k};
        }
        for my $k ((grep { /^x-ms-meta-/ } keys %$h), qw(content-type
            content-encoding content-language content-disposition
            cache-control content-md5 x-ms-blob-type))
        {
            $seen{$name}{$k}{$endpoint} = $h->{$k} if defined $h->{$k};
        }
    }
}

for my $name (sort keys %seen) {
    for my $k (sort keys %{$seen{$name}}) {
        my @v = map { $seen{$name}{$k}{$_} // '-' } @endpoints;
        wrong("$name: $k is ", join ' / ', @v)
            if grep { $_ ne $v[0] } @v;
    }
}
my @m = @meta{@endpoints};
wrong('container metadata: ', join ' / ', @m) if grep { $_ ne $m[0] } @m;

print "# compare $con: ", scalar keys %want, ' blobs at ', scalar @endpoints,
    " endpoints\n";
exit($bad ? 1 : 0);

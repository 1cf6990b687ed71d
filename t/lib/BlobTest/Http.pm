package BlobTest::Http;

# A raw HTTP/1.1 client on one connection, and the signatures of the Blob API.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64);
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Time::HiRes qw(time);

our @EXPORT_OK = qw(http_date sign account_sas service_sas ud_sas uri_escape
    $DEV_ACCOUNT $DEV_KEY $VERSION);

our $DEV_ACCOUNT = 'devstoreaccount1';
our $DEV_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6'
    . 'tq/K1SZFPTOtr/KBHBeksoGMGw==';
our $VERSION = '2023-11-03';

my @DAYS = qw(Sun Mon Tue Wed Thu Fri Sat);
my @MONTHS = qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec);

sub http_date {
    my @t = gmtime($_[0] // time);
    return sprintf '%s, %02d %s %d %02d:%02d:%02d GMT', $DAYS[$t[6]], $t[3],
        $MONTHS[$t[4]], $t[5] + 1900, @t[2, 1, 0];
}

sub _b64 { my $s = shift; $s .= '=' while length($s) % 4; return $s }

sub uri_escape {
    my ($s) = @_;
    $s =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ge;
    return $s;
}

sub _unescape {
    my ($s) = @_;
    $s =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $s;
}

# Add x-ms-date, x-ms-version and Authorization (SharedKey, versions of
# 2015-02-21 and later).  $target is the request target as it goes out.  Options
# are ways of some clients: zero (an empty body's length is signed as "0"), plus
# (a "+" in the query is signed as a space).
sub sign {
    my ($account, $key, $method, $target, $headers, %o) = @_;
    my %h = map { lc($_) => $headers->{$_} } keys %$headers;

    $headers->{'x-ms-date'} = $h{'x-ms-date'} = http_date()
        unless exists $h{'x-ms-date'} || exists $h{'date'};
    $headers->{'x-ms-version'} = $h{'x-ms-version'} = $VERSION
        unless exists $h{'x-ms-version'};

    my $length = $h{'content-length'} // '';
    $length = '' if $length eq '0' && !$o{zero};

    my @lines = ($method, (map { $_ // '' } @h{qw(content-encoding
        content-language)}), $length, (map { $_ // '' } @h{qw(content-md5
        content-type)}), exists $h{'x-ms-date'} ? '' : $h{date} // '',
        (map { $_ // '' } @h{qw(if-modified-since if-match if-none-match
        if-unmodified-since range)}));

    for my $name (sort grep { /^x-ms-/ } keys %h) {
        my $value = $h{$name};
        $value =~ s/^\s+|\s+$//g;
        push @lines, "$name:$value";
    }

    my ($path, $query) = split /\?/, $target, 2;
    my %params;
    $query =~ tr/+/ / if defined $query && $o{plus};
    for my $pair (split /&/, $query // '') {
        my ($name, $value) = map { _unescape($_) } split /=/, $pair, 2;
        push @{$params{lc $name}}, $value // '';
    }
    push @lines, "/$account$path";
    push @lines, "$_:" . join(',', sort @{$params{$_}}) for sort keys %params;

    $headers->{Authorization} = "SharedKey $account:"
        . _b64(hmac_sha256_base64(join("\n", @lines), decode_base64($key)));
    return $headers;
}

sub _sas_query {
    my ($key, $string, @pairs) = @_;
    push @pairs, [sig => _b64(hmac_sha256_base64($string,
        decode_base64($key)))];
    return join '&', map { "$_->[0]=" . uri_escape($_->[1]) }
        grep { length $_->[1] } @pairs;
}

sub _sas_times {
    my ($o) = @_;
    for ([st => -300], [se => 86400]) {
        my ($k, $d) = @$_;
        $o->{$k} //= POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $d));
    }
}

# An account SAS as a query string; %o overrides sp, ss, srt, st, se, sip,
# spr, sv.
sub account_sas {
    my ($account, $key, %o) = @_;
    _sas_times(\%o);
    %o = (sp => 'rwdlacup', ss => 'b', srt => 'sco', sip => '', spr => '',
        sv => $VERSION, %o);
    my @names = qw(sp ss srt st se sip spr sv);
    my $string = join '', map { "$_\n" } $account, @o{@names}, '';
    return _sas_query($key, $string, map { [$_ => $o{$_}] } @names);
}

# A service SAS for /container or /container/blob (not escaped).
sub service_sas {
    my ($account, $key, $path, %o) = @_;
    _sas_times(\%o);
    %o = (sp => 'r', sr => $path =~ m{^/[^/]+/} ? 'b' : 'c',
        sv => $VERSION, %o);
    my @names = qw(sp st se RES si sip spr sv sr TIME ses rscc rscd rsce rscl
        rsct);
    my %v = (%o, RES => "/blob/$account$path");
    my $string = join "\n", map { $v{$_} // '' } @names;
    return _sas_query($key, $string, map { [$_ => $o{$_} // ''] }
        grep { !/[A-Z]/ } @names);
}

# A user delegation SAS; $key is base64, %o has the fields of the key (skoid,
# sktid, skt, ske) as well.
sub ud_sas {
    my ($account, $key, $path, %o) = @_;
    _sas_times(\%o);
    %o = (sp => 'r', sr => $path =~ m{^/[^/]+/} ? 'b' : 'c', sv => $VERSION,
        sks => 'b', skv => $VERSION, %o);
    my @names = qw(sp st se RES skoid sktid skt ske sks skv saoid suoid scid
        sip spr sv sr TIME ses rscc rscd rsce rscl rsct);
    my %v = (%o, RES => "/blob/$account$path");
    my $string = join "\n", map { $v{$_} // '' } @names;
    return _sas_query($key, $string, map { [$_ => $o{$_} // ''] }
        grep { !/[A-Z]/ } @names);
}

# ---- connection ----

sub new {
    my ($class, $host, $port, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port,
        Proto => 'tcp', Timeout => 5) or die "connect $host:$port: $!\n";
    binmode $s;
    $s->autoflush(1);
    return bless { s => $s, host => $host, port => $port, buf => '',
        timeout => $o{timeout} // 30, open => 1 }, $class;
}

sub close { my $c = shift; $c->{open} = 0; CORE::close $c->{s} if $c->{s} }

sub send {
    my ($c, $data) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my ($off, $end) = (0, time + $c->{timeout});
    while ($off < length $data) {
        my $n = syswrite $c->{s}, $data, 262144, $off;
        return $c->{open} = 0 unless defined $n;
        $off += $n;
        die "send timed out\n" if time > $end;
    }
    return 1;
}

sub _fill {
    my ($c, $end) = @_;
    my $left = $end - time;
    die "response timed out\n"
        unless $left > 0 && IO::Select->new($c->{s})->can_read($left);
    my $n = sysread $c->{s}, $c->{buf}, 262144, length $c->{buf};
    return $n if $n;
    $c->{open} = 0;
    return 0;
}

# One message (request or response): undef at end of file before its first
# byte.  Interim 1xx responses are counted in {interim}.
sub read_message {
    my ($c, %o) = @_;
    my $end = time + ($o{timeout} // $c->{timeout});
    my $interim = 0;

AGAIN:
    until ($c->{buf} =~ /\r\n\r\n/) {
        next if _fill($c, $end);
        return undef unless length $c->{buf};
        return { broken => 1, head => $c->{buf}, status => 0, headers => {},
            body => '' };
    }
    $c->{buf} =~ s/^(.*?\r\n)\r\n//s;
    my ($first, @lines) = split /\r\n/, my $head = $1;
    my %m = (first => $first, head => $head, headers => {}, list => [],
        interim => $interim, body => '');

    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/ or next;
        push @{$m{list}}, [$name, $value];
        $m{headers}{lc $name} = $value;
    }
    my $h = $m{headers};

    if ($first =~ m{^HTTP/1\.\d (\d+)}) {
        $m{status} = $1;
        if ($1 >= 100 && $1 < 200) { $interim++; goto AGAIN }
    } else {
        @m{qw(method target)} = split / /, $first;
    }

    if (($o{method} // '') eq 'HEAD' || ($m{status} // 0) =~ /^[23]04$/) {
        ;
    } elsif (lc($h->{'transfer-encoding'} // '') eq 'chunked') {
        while (1) {
            my $line;
            until (($line) = $c->{buf} =~ /^([^\n]*\n)/) {
                _fill($c, $end) or return { %m, broken => 1 };
            }
            substr $c->{buf}, 0, length $line, '';
            $line =~ /^([0-9a-fA-F]+)/ or return { %m, broken => 1 };
            my $need = hex($1) + 2;
            while (length $c->{buf} < $need) {
                _fill($c, $end) or return { %m, broken => 1 };
            }
            $m{body} .= substr $c->{buf}, 0, $need - 2;
            substr $c->{buf}, 0, $need, '';
            last if $need == 2;
        }
    } elsif (defined(my $need = $h->{'content-length'})) {
        while (length $c->{buf} < $need) {
            _fill($c, $end) or last;
        }
        $m{body} = substr $c->{buf}, 0, $need, '';
        $m{broken} = 1 if length $m{body} < $need;
    } elsif (defined $m{status}) {
        1 while _fill($c, $end);
        $m{body} = $c->{buf};
        $c->{buf} = '';
    }

    $c->close if defined $m{status} && lc($h->{connection} // '') eq 'close';
    return \%m;
}

# Send one request and read its response.
sub request {
    my ($c, $method, $target, $headers, $body) = @_;
    my %h = ('Host' => "$c->{host}:$c->{port}", %{$headers // {}});
    my %seen = map { lc($_) => 1 } keys %h;
    $h{'Content-Length'} = length($body // '')
        if !$seen{'content-length'} && !$seen{'transfer-encoding'}
        && (defined $body || $method =~ /^P/);
    my $head = "$method $target HTTP/1.1\r\n"
        . join('', map { "$_: $h{$_}\r\n" } sort keys %h) . "\r\n";
    $c->send($head . ($body // ''));
    return $c->read_message(method => $method);
}

1;

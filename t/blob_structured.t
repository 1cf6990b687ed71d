# Structured messages (x-ms-structured-body): taken out of their frame on the
# way in, put into one on the way out, from the store and from the hot tier.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64);
use Test::More;
use BlobTest;

use constant MIB => 1024 * 1024;

my $WORD = 'XSM/1.0; properties=crc64';
my $t = BlobTest->new;
my $r;

sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }

no warnings "portable";
my @table = map {
    my $c = $_;
    $c = $c & 1 ? ($c >> 1) ^ 0x9A6C9329AC4BC9B5 : $c >> 1 for 1 .. 8;
    $c;
} 0 .. 255;

sub crc {
    my $c = ~0;
    $c = ($c >> 8) ^ $table[($c ^ $_) & 255] for unpack 'C*', $_[0];
    return ~$c;
}

sub frame {
    my ($data, $segment) = @_;
    my @parts = length $data ? unpack "(a$segment)*", $data : ('');
    my $length = 13 + 18 * @parts + length($data) + 8;
    my ($n, $out) = (0, pack 'CQ<S<S<', 1, $length, 1, scalar @parts);
    $out .= pack('S<Q<', ++$n, length) . $_ . pack 'Q<', crc($_) for @parts;
    return $out . pack 'Q<', crc($data);
}

# data, checksum of all, [length, checksum]...
sub unframe {
    my ($m) = @_;
    my ($version, $length, $flags, $count) = unpack 'CQ<S<S<', $m;
    return unless $version == 1 && $length == length $m && $flags == 1;
    my ($at, $data, @segments) = (13, '');
    for my $i (1 .. $count) {
        my ($number, $len) = unpack 'S<Q<', substr $m, $at, 10;
        return unless $number == $i && $at + 18 + $len <= $length;
        $data .= substr $m, $at + 10, $len;
        push @segments, [$len, unpack 'Q<', substr $m, $at + 10 + $len, 8];
        $at += 18 + $len;
    }
    return unless $at + 8 == $length;
    return ($data, (unpack 'Q<', substr $m, $at), @segments);
}

sub sent {
    my ($body, $length, %more) = @_;
    return ({ 'x-ms-structured-body' => $WORD,
        'x-ms-structured-content-length' => $length, %more }, $body);
}

sub number { unpack 'Q<', decode_base64($_[0] // '') }

# What a framed GET gives is held against plain ones and their checksums.
sub check_get {
    my ($n, $name, $range, $data, $label) = @_;
    my %range = defined $range ? ('x-ms-range' => $range) : ();
    $r = $n->blob('GET', $name, { 'x-ms-structured-body' => $WORD, %range });
    is $r->{status}, defined $range ? 206 : 200, "$label: status";
    is $r->{headers}{'x-ms-structured-body'}, $WORD, "$label: says so";
    is $r->{headers}{'x-ms-structured-content-length'}, length $data,
        "$label: length of the content";
    is $r->{headers}{'content-length'}, length $r->{body},
        "$label: length of the message";
    my ($got, $all, @segments) = unframe($r->{body});
    ok defined $got, "$label: a message" or return;
    ok $got eq $data, "$label: the bytes";
    my ($first) = ($range // 'bytes=0-') =~ /=(\d+)/;
    my $at = $first;
    for (@segments) {
        my ($len, $crc) = @$_;
        if ($len) {
            my $q = $n->blob('GET', $name, { 'x-ms-range' => sprintf(
                'bytes=%d-%d', $at, $at + $len - 1),
                'x-ms-range-get-content-crc64' => 'true' });
            is $crc, number($q->{headers}{'x-ms-content-crc64'}),
                "$label: segment at $at";
        } else {
            is $crc, 0, "$label: empty segment";
        }
        $at += $len;
    }
    is $at - $first, length $data, "$label: segments add up";
    return $all;
}

# ---- standalone ---------------------------------------------------------

my $n = $t->nginx('alone', location => 'client_body_timeout 2s;')->start;
$n->blob('PUT', '/con?restype=container');

my $text = join '', map { chr($_ * 13 % 251) } 1 .. 40_000;
for my $case ([0, 1], [1, 1], [100, 7], [16_384, 16_384], [16_385, 1000],
    [40_000, 17_000])
{
    my ($size, $segment) = @$case;
    my $d = substr $text, 0, $size;
    $r = $n->blob('PUT', "/con/s$size", sent(frame($d, $segment), $size));
    is $r->{status}, 201, "put $size in segments of $segment";
    is $r->{headers}{'x-ms-structured-body'}, $WORD, 'echoed';
    is number($r->{headers}{'x-ms-content-crc64'}), crc($d), 'CRC of content';
    $r = $n->blob('GET', "/con/s$size");
    ok $r->{body} eq $d, 'content alone is stored';
    is $r->{headers}{'x-ms-structured-body'}, undef, 'plain as asked';
    is check_get($n, "/con/s$size", undef, $d, "get $size"), crc($d),
        'trailer';
}
check_get($n, '/con/s40000', 'bytes=5-', substr($text, 5), 'a part');
check_get($n, '/con/s40000', 'bytes=39999-50000', substr($text, 39_999, 1),
    'one byte');

# more than a segment, more than a window of memory
my $big = substr($text x 300, 0, 9 * MIB + 123);
my $put = $n->blob('PUT', '/con/big', {}, $big);
is check_get($n, '/con/big', undef, $big, 'big'),
    number($put->{headers}{'x-ms-content-crc64'}), 'trailer of a big one';
check_get($n, '/con/big', 'bytes=1000000-6000000',
    substr($big, 1_000_000, 5_000_001), 'part of a big one');
my $many = 0;
for my $i (1 .. 12) {
    my $id = sprintf 'AAAAAA%02d', $i;
    $n->blob('PUT', "/con/blocks?comp=block&blockid=$id",
        sent(frame(substr($text, $i, 30_000), 4096), 30_000))->{status} == 201
        and $many++;
}
is $many, 12, 'blocks in frames';
is $n->blob('PUT', '/con/blocks?comp=blocklist', {}, '<BlockList>'
    . join('', map { sprintf '<Latest>AAAAAA%02d</Latest>', $_ } 1 .. 12)
    . '</BlockList>')->{status}, 201, 'committed';
check_get($n, '/con/blocks', undef,
    join('', map { substr $text, $_, 30_000 } 1 .. 12), 'of blocks');

# what is wrong with a message
my $good = frame(substr($text, 0, 30_000), 8192);
sub broken {
    my ($at, $with) = @_;
    my $m = $good;
    substr $m, $at, length $with, $with;
    return $m;
}
for my $case (
    ['version', broken(0, "\2"), 30_000, 'InvalidHeaderValue'],
    ['flags', broken(9, "\0"), 30_000, 'InvalidHeaderValue'],
    ['count', broken(11, "\3"), 30_000, 'InvalidHeaderValue'],
    ['number', broken(13, "\2"), 30_000, 'InvalidHeaderValue'],
    ['data', broken(23, "\xff\xfe"), 30_000, 'Crc64Mismatch'],
    ['trailer', broken(length($good) - 1, "\x55"), 30_000, 'Crc64Mismatch'],
    ['length', $good, 29_999, 'InvalidHeaderValue'],
    ['no length', $good, '', 'MissingRequiredHeader'],
    ['a word', $good, 'x', 'InvalidHeaderValue'],
    ['too long', $good, 40_000, 'InvalidHeaderValue'],
    ['plain', $text, 39_900, 'InvalidHeaderValue'])
{
    my ($label, $m, $length, $code) = @$case;
    for my $target ('/con/bad', '/con/bad?comp=block&blockid=AAAA') {
        $r = $n->blob('PUT', $target, sent($m, $length));
        is code($r), "400 $code", "broken: $label";
    }
    like $r->{body}, qr{(?=.*<UserSpecifiedCrc64>).*<ServerCalculatedCrc64>}s,
        'with both' if $code eq 'Crc64Mismatch';
}
is code($n->blob('GET', '/con/bad')), '404 BlobNotFound', 'nothing is left';
is code($n->blob('GET', '/con/bad?comp=blocklist')), '404 BlobNotFound',
    'no block either';
# an empty blob may have no segment at all
$r = $n->blob('PUT', '/con/none', sent(pack('CQ<S<S<Q<', 1, 21, 1, 0, 0), 0));
is $r->{status}, 201, 'no segments' or diag $r->{body};
is $n->blob('HEAD', '/con/none')->{headers}{'content-length'}, 0, 'is empty';

# what a client sends that does not end an empty message: it is waited for, and
# let go with nothing stored
my $word = pack 'CQ<S<S<', 1, 21, 1, 0;
for my $rest (pack('Q<', 0), undef) {
    my ($c, $name) = ($n->connect, defined $rest ? '/con/late' : '/con/never');
    my %h = (%{(sent('', 0))[0]}, 'x-ms-blob-type' => 'BlockBlob',
        'Content-Length' => 21);
    my $target = "/$n->{account}$name";
    BlobTest::Http::sign($n->{account}, $n->{key}, 'PUT', $target, \%h);
    $c->send("PUT $target HTTP/1.1\r\nHost: $c->{host}\r\n" . join('',
        map { "$_: $h{$_}\r\n" } sort keys %h) . "\r\n$word");
    is code($n->blob('HEAD', $name)), '404 BlobNotFound', 'not all is here';
    $c->send($rest) if defined $rest;
    $r = $c->read_message;
    is defined $rest ? $r->{status} : $r, defined $rest ? 201 : undef,
        defined $rest ? 'the rest came late' : 'the rest never came';
    is $n->blob('HEAD', $name)->{status}, defined $rest ? 200 : 404,
        'and what is stored';
}

is code($n->blob('PUT', '/con/bad', { 'x-ms-structured-body' => 'XSM/2.0',
    'x-ms-structured-content-length' => 5 }, 'hello')),
    '400 InvalidHeaderValue', 'another version';
is code($n->blob('PUT', '/con/bad', { 'x-ms-structured-content-length' => 5 },
    'hello')), '400 MissingRequiredHeader', 'the length alone';
is code($n->blob('GET', '/con/s100', { 'x-ms-structured-body' => 'x' })),
    '400 InvalidHeaderValue', 'get in another form';
is code($n->blob('PUT', '/con/bad?comp=block&blockid=AAAA',
    sent(frame('', 1), 0))), '400 InvalidHeaderValue', 'an empty block';
is code($n->blob('PUT', '/con/s100?comp=metadata',
    { 'x-ms-structured-body' => $WORD })), '400 UnsupportedHeader',
    'where there is no content';
is code($n->blob('GET', '/con/s0', { 'x-ms-structured-body' => $WORD,
    'x-ms-range' => 'bytes=0-' })), '416 InvalidRange', '416 as ever';
$r = $n->blob('PUT', '/con/md', sent($good, 30_000,
    'x-ms-blob-content-md5' => 'AAAAAAAAAAAAAAAAAAAAAA=='));
is code($r), '400 Md5Mismatch', 'MD5 is of the content';
ok $n->{client}{open}, 'all on one connection';

# ---- with an origin -----------------------------------------------------

my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake,
    policy => 'blob_container thru { write through; }')->start;
my $tier = $t->tier($edge)->start;
is $edge->blob('PUT', "/$_?restype=container")->{status}, 201, "create $_"
    for qw(con thru);

is $edge->blob('PUT', '/con/back', sent($good, 30_000))->{status}, 201,
    'write back';
ok $t->wait_for(20, sub { $lake->blob('GET', '/con/back')->{body}
    eq substr $text, 0, 30_000 }), 'the origin gets the content';
check_get($edge, '/con/back', undef, substr($text, 0, 30_000), 'resident');

$r = $edge->blob('PUT', '/thru/x', sent($good, 30_000));
is $r->{status}, 201, 'write through';
is $r->{headers}{'x-ms-structured-body'}, $WORD, 'the origin echoes';
ok $lake->blob('GET', '/thru/x')->{body} eq substr($text, 0, 30_000),
    'as it came';
is code($edge->blob('PUT', '/thru/y', sent(broken(30, "\xff\xfe"), 30_000))),
    '400 Crc64Mismatch', 'the origin refuses';

$lake->blob('PUT', '/con/far', {}, $big);
$lake->blob('PUT', '/con/none', {}, '');
for my $round ('first', 'cached') {
    is check_get($edge, '/con/far', undef, $big, "$round time"),
        number($put->{headers}{'x-ms-content-crc64'}), "trailer, $round";
    check_get($edge, '/con/far', 'bytes=4000000-4400000',
        substr($big, 4_000_000, 400_001), "$round: across a slice");
}
check_get($edge, '/con/none', undef, '', 'an empty one');
ok $edge->{client}{open}, 'all on one connection';

$t->done;

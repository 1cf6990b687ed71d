# Copies from outside the edge: what blob_copy_source permits, what a source
# answers, what becomes of its bytes, and what the logs do not say.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;

sub md5 { md5_base64($_[0]) . '==' }

my $t = BlobTest->new;
my $small = "small content\n";
my $large = join '', map { "line $_\n" } 1 .. 400_000;
my %blob = ('/c/small' => $small, '/c/large' => $large, '/c/empty' => '',
    '/c/page' => 'x' x 512);

# A source: what it has, by path; the query is a secret.
my $source = $t->origin(sub {
    my ($m) = @_;
    my ($path, $query) = split /\?/, $m->{target}, 2;
    my %h = (ETag => '"0xE1"', 'Last-Modified' => 'Sun, 06 Nov 1994 08:49:37 GMT',
        'Content-Type' => 'text/x-thing', 'Cache-Control' => 'no-store',
        'x-ms-meta-Kind' => 'v', 'x-ms-blob-type' =>
            $path eq '/c/page' ? 'PageBlob' : 'BlockBlob');
    return [403, { 'x-ms-error-code' => 'AuthenticationFailed' }, '']
        if ($query // '') !~ /^sv=1&sig=topsecret%2F$/;
    return [302, { Location => '/c/small' }, ''] if $path eq '/c/moved';
    return [503, { 'x-ms-error-code' => 'ServerBusy' }, '']
        if $path eq '/c/busy';
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        . "5\r\nhello\r\n0\r\n\r\n" if $path eq '/c/chunked';
    return "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" . 'x' x 999_999
        if $path eq '/c/broken';
    return "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        if $path eq '/c/plain';
    my $body = $blob{$path};
    return [404, { 'x-ms-error-code' => 'BlobNotFound' }, '']
        unless defined $body;
    return [412, { 'x-ms-error-code' => 'ConditionNotMet' }, '']
        if ($m->{headers}{'if-match'} // '"0xE1"') ne '"0xE1"';
    return [304, { 'x-ms-error-code' => 'ConditionNotMet' }, '']
        if ($m->{headers}{'if-none-match'} // '') eq '"0xE1"';
    if (($m->{headers}{range} // '') =~ /^bytes=(\d+)-(\d*)$/) {
        my $to = $2 eq '' || $2 >= length $body ? length($body) - 1 : $2;
        return [416, { 'x-ms-error-code' => 'InvalidRange' }, '']
            if $1 >= length $body;
        my $part = substr $body, $1, $to - $1 + 1;
        return [206, { %h, 'Content-Range' => "bytes $1-$to/" . length $body },
            $part];
    }
    return [200, \%h, $body];
});
my $base = "http://$source->{t}{host}:$source->{port}";
my $sig = 'sv=1&sig=topsecret%2F';

my $key = 'a2V5a2V5a2V5a2V5a2V5a2V5';
my $n = $t->nginx('edge', policy => <<"POLICY", http => <<"CONF", server => <<'SERVER')->start;
    blob_copy_source *.blob.core.windows.net $base;
    blob_copy_source 127.0.0.0/8;
POLICY
    blob_account norange { key $key; blob_copy_source $base 10.0.0.0/8; }
    blob_account norule { key $key; }
CONF
        location /norange/ { blob_pass norange; }
        location /norule/ { blob_pass norule; }
SERVER
my ($norange, $norule) = map { bless { %$n, account => $_, key => $key,
    client => undef }, ref $n } qw(norange norule);
my $r;

is $_->blob('PUT', '/con?restype=container')->{status}, 201,
    "container of $_->{account}" for $n, $norange, $norule;

sub from {
    my ($path, $to, %h) = @_;
    my $on = delete $h{on} // $n;
    return $on->blob('PUT', $to, { 'x-ms-copy-source' =>
        $path =~ m{^/} ? "$base$path?$sig" : $path, %h });
}
sub put { from(@_, 'x-ms-blob-type' => 'BlockBlob') }
sub refused {
    my ($got, $status, $code, $name) = @_;
    is $got->{status}, $status, "$name: $status";
    is $got->{headers}{'x-ms-error-code'}, $code, $code;
    unlike "$got->{body}@{[%{$got->{headers}}]}", qr/topsecret|blob_copy_source/,
        'and no more';
}

# ---- without blob-tier ----------------------------------------------------

refused put('/c/small', '/con/a'), 503, 'ServerBusy', 'no blob-tier';
like $n->error_log, qr/blob-tier, which fetches it, does not run/, 'logged';
is $n->blob('GET', '/con/a')->{status}, 404, 'nothing was made';
refused put('/c/small', '/con/a', on => $norule), 403,
    'CannotVerifyCopySource', 'no rule at all';
like $n->error_log, qr/the account has no blob_copy_source/, 'logged';

my $tier = $t->tier($n)->start;

# ---- each way -------------------------------------------------------------

for my $case (['/c/small', $small], ['/c/large', $large], ['/c/empty', '']) {
    my ($path, $body) = @$case;
    $r = put($path, '/con/put');
    is $r->{status}, 201, "Put Blob From URL $path";
    is $r->{headers}{'content-md5'}, md5($body), 'Content-MD5';
    ok $r->{headers}{etag}, 'ETag';
    $r = $n->blob('GET', '/con/put');
    ok $r->{body} eq $body, 'content';
    is $r->{headers}{'content-type'}, 'text/x-thing', 'type of the source';
    is $r->{headers}{'x-ms-meta-kind'}, 'v', 'metadata of the source';
    is $r->{headers}{'content-md5'}, md5($body), 'MD5';
    is $r->{headers}{'x-ms-copy-id'}, undef, 'no copy to tell of';
}

$r = put('/c/small', '/con/own', 'x-ms-blob-content-type' => 'text/own',
    'x-ms-meta-mine' => 'm');
is $r->{status}, 201, 'with properties of its own';
$r = $n->blob('GET', '/con/own');
is $r->{headers}{'content-type'}, 'text/own', 'type';
is $r->{headers}{'x-ms-meta-kind'}, undef, 'no other metadata';
is $r->{headers}{'x-ms-meta-mine'}, 'm', 'its own';

for my $sync (0, 1) {
    $r = from('/c/large', '/con/copy', $sync ? ('x-ms-requires-sync' => 'true')
        : ());
    is $r->{status}, 202, 'Copy Blob' . ($sync ? ' From URL' : '');
    is $r->{headers}{'x-ms-copy-status'}, 'success', 'at once';
    ok $r->{headers}{'x-ms-copy-id'}, 'id';
    $r = $n->blob('GET', '/con/copy');
    ok $r->{body} eq $large, 'content';
    is $r->{headers}{'x-ms-copy-source'}, "$base/c/large",
        'source without its query' if exists $r->{headers}{'x-ms-copy-source'};
    unlike join(' ', %{$r->{headers}}), qr/topsecret/, 'no signature';
}

my $id = encode_base64('0001', '');
$r = from('/c/large', "/con/blocks?comp=block&blockid=$id",
    'x-ms-source-range' => 'bytes=100-1000099');
is $r->{status}, 201, 'Put Block From URL';
ok $r->{headers}{'x-ms-content-crc64'}, 'CRC64';
$r = from('/c/plain', '/con/blocks?comp=block&blockid='
    . encode_base64('0002', ''));
is $r->{status}, 201, 'of a plain server';
$r = $n->blob('PUT', '/con/blocks?comp=blocklist', {}, '<BlockList><Latest>'
    . "$id</Latest><Latest>" . encode_base64('0002', '')
    . '</Latest></BlockList>');
is $r->{status}, 201, 'committed';
ok $n->blob('GET', '/con/blocks')->{body}
    eq substr($large, 100, 1_000_000) . 'abc', 'content';

$r = put('/c/plain', '/con/plain');
is $r->{status}, 201, 'a server that is no Blob service';
$r = $n->blob('GET', '/con/plain');
is $r->{body}, 'abc', 'content';
is $r->{headers}{'content-type'}, 'application/octet-stream', 'type';

# ---- digests --------------------------------------------------------------

is put('/c/small', '/con/md5', 'x-ms-source-content-md5' => md5($small))
    ->{status}, 201, 'MD5 right';
refused put('/c/small', '/con/no', 'x-ms-source-content-md5' => md5('x')),
    400, 'Md5Mismatch', 'MD5 wrong';
refused from('/c/small', "/con/no?comp=block&blockid=$id",
    'x-ms-source-content-crc64' => encode_base64('x' x 8, '')), 400,
    'Crc64Mismatch', 'CRC64 wrong';

# ---- conditions -----------------------------------------------------------

is put('/c/small', '/con/cond', 'x-ms-source-if-match' => '"0xE1"')->{status},
    201, 'condition holds';
refused put('/c/small', '/con/no', 'x-ms-source-if-match' => '"0xE2"'), 412,
    'SourceConditionNotMet', 'source has another ETag';
refused put('/c/small', '/con/no', 'x-ms-source-if-none-match' => '"0xE1"'),
    412, 'SourceConditionNotMet', 'source has this ETag';
my $asked = () = $source->requests;
refused put('/c/small', '/con/cond', 'If-None-Match' => '*'), 409,
    'BlobAlreadyExists', 'target is there';
is scalar(() = $source->requests), $asked, 'and the source was not asked';

# ---- what a source says ---------------------------------------------------

for my $case (['/c/none', 404, 404, 'BlobNotFound'],
    ['/c/busy', 503, 503, 'ServerBusy'], ['/c/moved', 500, 302, undef])
{
    my ($path, $status, $said, $code) = @$case;
    $r = put($path, '/con/no');
    refused $r, $status, 'CannotVerifyCopySource', "source says $said";
    is $r->{headers}{'x-ms-copy-source-status-code'}, $said, 'its status';
    is $r->{headers}{'x-ms-copy-source-error-code'}, $code, 'its code';
}
$r = put("$base/c/small?sig=wrong", '/con/no');
refused $r, 403, 'CannotVerifyCopySource', 'source says 403';
is $r->{headers}{'x-ms-copy-source-error-code'}, 'AuthenticationFailed',
    'its code';
refused put('/c/chunked', '/con/no'), 500, 'CannotVerifyCopySource',
    'no length';
refused put('/c/broken', '/con/no'), 500, 'CannotVerifyCopySource',
    'broken off';
refused from('/c/page', '/con/no'), 409, 'InvalidSourceBlobType',
    'Copy Blob of a page blob';
refused from('/c/empty', "/con/no?comp=block&blockid=$id"), 400,
    'InvalidInput', 'an empty block';
is $n->blob('GET', '/con/no')->{status}, 404, 'none of them made a blob';

# ---- what is not permitted ------------------------------------------------

$asked = () = $source->requests;
for my $case (
    [$n, 'http://other.example/c/b?sig=topsecret', 'does not name http://other'],
    [$n, "https://$t->{host}:$source->{port}/c/small?sig=topsecret",
        'does not name https://'],
    [$n, 'http://127.0.0.1:1/c/small?sig=topsecret', 'does not name http://127'],
    [$norange, "$base/c/small?$sig", 'not public and no range'])
{
    my ($on, $url, $why) = @$case;
    refused put($url, '/con/no', on => $on), 403, 'CannotVerifyCopySource',
        $why;
    like $n->error_log, qr/source of a copy cannot be read: [^\n]*$why/,
        'logged';
}
refused put('/c/small', '/con/no',
    'x-ms-copy-source-authorization' => 'Bearer topsecret'), 403,
    'CannotVerifyCopySource', 'a token goes to https alone';
is scalar(() = $source->requests), $asked, 'nobody was asked';

# ---- many at once, and clients that go ------------------------------------

my @c = map { $n->connect } 1 .. 8;
for (@c) {
    my ($path, $h) = ("/$n->{account}/con/gone?" . $n->sas,
        "x-ms-version: 2021-12-02\r\nx-ms-blob-type: BlockBlob\r\n"
        . "x-ms-copy-source: $base/c/large?$sig\r\nContent-Length: 0\r\n");
    $_->send("PUT $path HTTP/1.1\r\nHost: $t->{host}\r\n$h\r\n");
}
$_->close for @c[0 .. 3];
is $_->read_message->{status}, 201, 'one of eight' for @c[4 .. 7];
ok $n->blob('GET', '/con/gone')->{body} eq $large, 'content';

# ---- a source that only our lake has ---------------------------------------

my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('back', origin => $lake->url)->start;
my $carrier = $t->tier($edge)->start;
is $lake->blob('PUT', '/con?restype=container')->{status}, 201, 'container';
is $lake->blob('PUT', '/con/there', { 'x-ms-blob-type' => 'BlockBlob' },
    $large)->{status}, 201, 'a blob at the lake';
$r = $edge->blob('PUT', "/con/made?comp=block&blockid=$id",
    { 'x-ms-copy-source' => $edge->url . '/con/there',
    'x-ms-source-range' => 'bytes=5-1000004' });
is $r->{status}, 201, 'its bytes as a block';
is $edge->blob('PUT', '/con/made?comp=blocklist', {}, '<BlockList><Latest>'
    . "$id</Latest></BlockList>")->{status}, 201, 'committed';
ok $edge->blob('GET', '/con/made')->{body} eq substr($large, 5, 1_000_000),
    'content';
refused $edge->blob('PUT', "/con/made?comp=block&blockid=$id",
    { 'x-ms-copy-source' => $edge->url . '/con/none' }), 404,
    'CannotVerifyCopySource', 'one that it has not';

# ---- blob-tier knows what nginx knows -------------------------------------

# each account is new to it, and asked of as soon as nginx has it
for my $i (1 .. 4) {
    $n->{http} .= "blob_account new$i { key $key;\n"
        . "blob_copy_source $base 127.0.0.0/8; }\n";
    $n->{server} .= "location /new$i/ { blob_pass new$i; }\n";
    $n->reload;
    my $new = bless { %$n, account => "new$i", key => $key, client => undef },
        ref $n;
    $new->blob('PUT', '/con?restype=container');
    is put('/c/small', '/con/a', on => $new)->{status}, 201,
        'an account that a reload brought';
}

# and so while it starts
for (1 .. 3) {
    $tier->stop;
    my $asks = fork // die "fork: $!\n";
    if (!$asks) {
        @$n{'client', 'client_pid'} = ();
        my $end = time + 20;
        1 while put('/c/small', '/con/a')->{status} == 503 && time < $end;
        require POSIX;
        POSIX::_exit(time >= $end);
    }
    $tier->start;
    waitpid $asks, 0;
    is $?, 0, 'it was reached';
}
unlike $n->error_log, qr/not known yet/, 'with the policy that it needs';

$n->{policy} = "blob_copy_source *.blob.core.windows.net;\n";
$n->reload;
refused put('/c/small', '/con/no'), 403, 'CannotVerifyCopySource',
    'the rule has gone';

for my $log (map { $_->logs } $n, $tier, $edge, $carrier) {
    unlike $t->read_file($log), qr/topsecret|sig=/, "no signature in $log";
}

$t->done;

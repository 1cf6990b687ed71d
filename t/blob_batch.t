# Blob Batch: every part is authorised and answered for itself, without an
# origin and in front of one.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64);
use MIME::Base64 qw(decode_base64);
use Test::More;
use BlobTest;
use BlobTest::Http qw(http_date service_sas account_sas $DEV_ACCOUNT $DEV_KEY);

my $t = BlobTest->new;
my $a = $DEV_ACCOUNT;

# ---- bodies --------------------------------------------------------------

# The lines of a part's request, signed as the SDKs sign them: without a
# version, over the path as it stands in the part.
sub part {
    my ($method, $target, %h) = @_;
    my $key = delete $h{key} // $DEV_KEY;
    unless (delete $h{anonymous}) {
        $h{'x-ms-date'} //= http_date();
        my ($path, $query) = split /\?/, $target, 2;
        my $string = join "\n", $method, ('') x 4, '', '', ('') x 5,
            (map { "$_:$h{$_}" } sort grep { /^x-ms-/ } keys %h),
            "/$a$path", map { s/=/:/r } sort split /&/, $query // '';
        for ([8, 'If-Match']) {
            my @l = split /\n/, $string, -1;
            $l[$_->[0]] = $h{$_->[1]} // '';
            $string = join "\n", @l;
        }
        my $sig = hmac_sha256_base64($string, decode_base64($key));
        $sig .= '=' while length($sig) % 4;
        $h{Authorization} = "SharedKey $a:$sig";
    }
    return join "\r\n", "$method $target HTTP/1.1",
        (map { "$_: $h{$_}" } sort keys %h), '', '';
}

sub body {
    my ($boundary, @parts) = @_;
    my $id = 0;
    return join '', (map { "--$boundary\r\nContent-Type: application/http\r\n"
        . "Content-Transfer-Encoding: binary\r\nContent-ID: " . $id++
        . "\r\n\r\n$_\r\n" } @parts), "--$boundary--\r\n";
}

sub send_batch {
    my ($n, $target, $body, $type) = @_;
    return $n->blob('POST', $target,
        { 'Content-Type' => $type // 'multipart/mixed; boundary=batch_1' },
        $body);
}

# [status, headers, body] of each part, by Content-ID
sub parts_of {
    my ($r) = @_;
    my ($b) = ($r->{headers}{'content-type'} // '')
        =~ /^multipart\/mixed; boundary=(batchresponse_[0-9a-f-]{36})$/
        or return;
    my ($text) = $r->{body} =~ /^(.*)--\Q$b\E--\r\n\z/s or return;
    my @out;
    for (split /--\Q$b\E\r\n/, $text) {
        next unless length;
        my ($mime, $head, $doc) = split /\r\n\r\n/, $_, 3;
        my ($first, @lines) = split /\r\n/, $head;
        my %h = map { /^([^:]+): (.*)$/ ? (lc $1, $2) : () } @lines;
        my ($status) = $first =~ m{^HTTP/1\.1 (\d+) \S} or return;
        $doc =~ s/\r\n\z//;
        my ($id) = $mime =~ /^Content-ID: (.*?)\r?$/m;
        push @out, { id => $id, status => $status, h => \%h, body => $doc };
    }
    return @out;
}

sub statuses { join ' ', map { ($_->{id} // '-') . ":$_->{status}" }
    parts_of($_[0]) }

sub is_fault {
    my ($r, $status, $code, $name) = @_;
    is $r->{status}, $status, $name;
    is $r->{headers}{'x-ms-error-code'}, $code, "$name: $code";
}

# ---- without an origin ---------------------------------------------------

my $n = $t->nginx('alone', policy => 'blob_container off { write off; }')
    ->start;
my $tier = $t->tier($n)->start;

sub put_all {
    my ($n, $con, @names) = @_;
    is $n->blob('PUT', "/$con/$_", {}, "data of $_")->{status}, 201,
        "put $_" for @names;
}

is $n->blob('PUT', "/$_?restype=container")->{status}, 201, "create $_"
    for qw(con other);
put_all($n, 'con', qw(a b c d));

# as the Python SDK writes it: no account in the part's path
my $r = send_batch($n, '/?comp=batch', body('batch_1',
    part('DELETE', '/con/a'), part('DELETE', '/con/none'),
    part('DELETE', '/con/b', key => 'AAAA'),
    part('DELETE', '/con/c', anonymous => 1),
    part('DELETE', '/con/d')));
is $r->{status}, 202, 'batch';
is statuses($r), '0:202 1:404 2:403 3:401 4:202', 'each for itself';
my @p = parts_of($r);
is $p[1]{h}{'x-ms-error-code'}, 'BlobNotFound', 'code of a part';
like $p[1]{body}, qr{<Code>BlobNotFound</Code>}, 'and its document';
is $p[1]{h}{'content-length'}, length $p[1]{body}, 'and its length';
is $p[0]{h}{'x-ms-delete-type-permanent'}, 'true', 'headers of a part';
is $p[0]{h}{'x-ms-version'}, '2023-11-03', 'the version of the batch';
isnt $p[0]{h}{'x-ms-request-id'}, $p[4]{h}{'x-ms-request-id'},
    'ids of their own';
is $n->blob('HEAD', "/con/$_->[0]")->{status}, $_->[1], "then $_->[0]"
    for ['a', 404], ['b', 200], ['c', 200], ['d', 404];

# as the JS SDK does: the account is in the path, and taken for a container
$r = send_batch($n, '/?restype=container&comp=batch', body('batch=1',
    part('DELETE', "/$a/con/b")), 'multipart/mixed; boundary="batch=1"');
is statuses($r), '0:202', 'account in the path';

# in a container
put_all($n, 'other', 'x');
$r = send_batch($n, '/con?restype=container&comp=batch', body('batch_1',
    part('DELETE', "/$a/con/c"), part('DELETE', "/$a/other/x"),
    part('DELETE', '/other/x')));
is statuses($r), '0:202 1:400 2:400', 'a container\'s batch stays in it';
is $n->blob('HEAD', '/other/x')->{status}, 200, 'nothing happened outside';

# conditions, newlines, no Content-ID, preamble, epilogue, no last newline
put_all($n, 'con', qw(a b));
my $etag = $n->blob('HEAD', '/con/a')->{headers}{etag};
my $body = body('batch_1', part('DELETE', '/con/a', 'If-Match' => $etag),
    part('DELETE', '/con/b', 'If-Match' => '"0x1"'));
$body =~ s/\r\n/\n/g;
$body =~ s/Content-ID: \d\n//g;
$body =~ s/\n\z//;
$r = send_batch($n, '/?comp=batch', "preamble\n$body");
is statuses($r), '-:202 -:412', 'LF, no ids, conditions';
$body = body('batch_1', part('DELETE', '/con/b'));
$r = send_batch($n, '/?comp=batch', "$body\r\nepilogue\r\n",
    'Multipart/Mixed; charset=x; Boundary=batch_1');
is statuses($r), '0:202', 'epilogue, parameters';

# client request ids
$r = send_batch($n, '/?comp=batch', body('batch_1', part('DELETE', '/con/b',
    'x-ms-client-request-id' => 'mine')));
is((parts_of($r))[0]{h}{'x-ms-client-request-id'}, 'mine', 'echoed');

# many, more than run at once
my @names = map { "n$_" } 1 .. 40;
put_all($n, 'con', @names);
$r = send_batch($n, '/?comp=batch', body('batch_1',
    (map { part('DELETE', "/con/$_") } @names),
    map { part('DELETE', "/con/no$_") } 41 .. 256));
@p = parts_of($r);
is scalar(@p), 256, '256 parts';
is join(',', map { $_->{id} } @p), join(',', 0 .. 255), 'in order';
is scalar(grep { $_->{status} == 202 } @p[0 .. 39]), 40, 'deleted';
is scalar(grep { $_->{status} == 404 } @p[40 .. 255]), 216, 'not there';
is $n->blob('GET', '/con?restype=container&comp=list')->{body}
    =~ /<Name>/ ? 1 : 0, 0, 'all gone';

# the same blob twice
put_all($n, 'con', 'twice');
$r = send_batch($n, '/?comp=batch', body('batch_1',
    part('DELETE', '/con/twice'), part('DELETE', '/con/twice')));
is join(' ', sort map { $_->{status} } parts_of($r)), '202 404', 'once only';

# SAS: outside and in each part
put_all($n, 'con', qw(s1 s2));
my $sas = service_sas($a, $DEV_KEY, '/con', sp => 'd');
my $read = service_sas($a, $DEV_KEY, '/con', sp => 'r');
my $c = $n->connect;
my %type = ('Content-Type' => 'multipart/mixed; boundary=batch_1',
    'x-ms-version' => '2023-11-03');
$r = $c->request('POST', "/$a/con?restype=container&comp=batch&$sas", \%type,
    body('batch_1', part('DELETE', "/$a/con/s1?$sas", anonymous => 1),
        part('DELETE', "/$a/con/s2?$read", anonymous => 1),
        part('DELETE', "/$a/con/s2", anonymous => 1)));
is statuses($r), '0:202 1:403 2:401', 'SAS of parts';
is((parts_of($r))[1]{h}{'x-ms-error-code'},
    'AuthorizationPermissionMismatch', 'what is not granted');
$r = $c->request('POST', "/$a/con?restype=container&comp=batch", \%type,
    body('batch_1', part('DELETE', '/con/s2')));
is $r->{status}, 401, 'the batch itself needs a key too';
$r = $c->request('POST', "/$a?comp=batch&$sas", \%type,
    body('batch_1', part('DELETE', '/con/s2')));
is $r->{status}, 403, 'a container\'s SAS is not for the account';
is $n->blob('HEAD', '/con/s2')->{status}, 200, 's2 is there still';
unlike $n->error_log, qr/sig=[^.]/, 'no signature in the log';

# refused as a whole
$body = body('batch_1', part('DELETE', '/con/s2'));
is_fault $n->blob('POST', '/?comp=batch', {}, $body), 400,
    'MissingRequiredHeader', 'no Content-Type';
is_fault send_batch($n, '/?comp=batch', $body, $_), 400,
    'InvalidHeaderValue', $_
    for 'multipart/mixed', 'multipart/mixed; boundary=',
    'text/plain; boundary=batch_1', 'multipart/mixed; boundary=' . 'x' x 71;
my @bad = (
    ['mixed kinds', body('batch_1', part('DELETE', '/con/s2'),
        part('PUT', '/con/s2?comp=tier', 'x-ms-access-tier' => 'Hot'))],
    ['another operation', body('batch_1', part('DELETE', '/con/s2'),
        part('GET', '/con/s2'))],
    ['a container', body('batch_1', part('DELETE',
        '/con?restype=container'))],
    ['put', body('batch_1', part('PUT', '/con/s2'))],
    ['nothing', "--batch_1--\r\n"], ['empty', ''],
    ['cut', substr $body, 0, length($body) - 14],
    ['another boundary', $body =~ s/--batch_1/--batch_2/gr],
    ['no request', $body =~ s/DELETE .*//r],
    ['no HTTP', $body =~ s{application/http}{text/plain}r],
    ['a body', $body =~ s/\r\n--batch_1--/x\r\n--batch_1--/r],
    ['a folded header', $body =~ s/\r\nx-ms/\r\n x-ms/r],
    ['absolute', $body =~ s{DELETE /}{DELETE http://h/}r],
);
is_fault send_batch($n, '/?comp=batch', $_->[1]), 400, 'InvalidInput', $_->[0]
    for @bad;
is $n->blob('HEAD', '/con/s2')->{status}, 200, 'and none was done';

$r = send_batch($n, '/?comp=batch', body('batch_1',
    map { part('DELETE', '/con/s2') } 0 .. 256));
is $r->{status}, 202, 'one too many';
is statuses($r), '-:400', 'one answer for them';
is((parts_of($r))[0]{h}{'x-ms-error-code'}, 'ExceedsMaxBatchRequestCount',
    'says why');
is $n->blob('HEAD', '/con/s2')->{status}, 200, 'and none was done';

# parts that cannot be read, policies
$r = send_batch($n, '/?comp=batch', body('batch_1',
    part('DELETE', '/con/%zz'), part('DELETE', '/off/x'),
    part('DELETE', '/con/s2', 'x-ms-lease-id' =>
        '11111111-2222-4333-8444-555555555555'),
    part('DELETE', '/con/s2', 'x-ms-date' => http_date(time - 7200)),
    part('DELETE', '/con'), part('DELETE', '/con/s2')));
is statuses($r), '0:400 1:403 2:412 3:403 4:404 5:202',
    'every part has its own fault';

# the connection stays
$c = $n->connect;
is send_batch($n, '/?comp=batch', body('batch_1', part('DELETE', '/con/q')))
    ->{status}, 202, 'once more';
is $n->blob('GET', '/?comp=list')->{status}, 200, 'and another request';
$tier->stop;
$n->stop;

# ---- over an origin ------------------------------------------------------

# What it has is in files, since it answers from a process of its own.
sub lake_file { "$t->{dir}/lake" . ($_[0] =~ tr{/}{_}r) }
sub in_lake { -e lake_file("/con/$_[0]") }
sub fill_lake { $t->write_file(lake_file("/con/$_"), '') for @_ }
my $lake = $t->origin(sub {
    my ($m) = @_;
    my ($path) = $m->{target} =~ m{^/\Q$a\E(/[^?]*)};
    my %h = (ETag => '"0xE"', 'Last-Modified' => http_date(1_700_000_000));
    if ($m->{target} =~ /restype=container/) {
        return [200, \%h, ''];
    }
    return [404, { 'x-ms-error-code' => 'BlobNotFound' }, '']
        unless -e lake_file($path);
    return [200, { %h, 'Content-Length' => 5, 'x-ms-blob-type' => 'BlockBlob',
        'Content-Type' => 'text/plain' }, ''] if $m->{method} eq 'HEAD';
    if ($m->{method} eq 'DELETE') {
        unlink lake_file($path);
        return [202, { 'x-ms-delete-type-permanent' => 'true' }, ''];
    }
    return [200, {}, ''] if $m->{target} =~ /comp=tier/;
    return [201, \%h, ''];
});

for my $write (qw(back through)) {
    my $e = $t->nginx("edge-$write", origin => $lake, write => $write)->start;
    my $et = $t->tier($e)->start;
    fill_lake('a' .. 'k');

    $r = send_batch($e, '/?comp=batch', body('batch_1',
        map { part('DELETE', "/con/$_") } 'a' .. 'h', 'zz'));
    is statuses($r), join(' ', (map { "$_:202" } 0 .. 7), '8:404'),
        "$write: delete of what is not here";
    ok $t->wait_for(10, sub { !grep { in_lake($_) } 'a' .. 'h' }),
        'the lake has them no more';

    # forwarded one by one: snapshots are the lake's, tiers too
    $r = send_batch($e, '/?comp=batch', body('batch_1',
        (map { part('DELETE', "/con/$_", 'x-ms-delete-snapshots' => 'include')
            } qw(i yy j)), part('DELETE', '/con/k', key => 'AAAA')));
    is statuses($r), '0:202 1:404 2:202 3:403', "$write: forwarded";
    ok !in_lake('i') && in_lake('k'), 'only what was allowed';
    is((parts_of($r))[1]{h}{'x-ms-error-code'}, 'BlobNotFound',
        'the lake\'s code');
    my %ids = map { $_->{h}{'x-ms-request-id'} => 1 } parts_of($r);
    is scalar(keys %ids), 4, 'our ids';

    $r = send_batch($e, '/con?restype=container&comp=batch', body('batch_1',
        map { part('PUT', $_, 'x-ms-access-tier' => 'Cool',
            'Content-Length' => 0) } "/$a/con/k?comp=tier",
        '/con/k?comp=tier', '/con/zz?comp=tier'));
    is statuses($r), '0:200 1:200 2:404', "$write: tiers";

    # a batch never goes out as it is
    $r = $e->blob('POST', '/con?restype=container&comp=batch', {
        'Content-Type' => 'multipart/mixed; boundary=batch_1',
        'x-ms-lease-id' => 'x', 'x-ms-if-tags' => 'x' },
        body('batch_1', part('DELETE', '/con/k', key => 'AAAA')));
    is statuses($r), '0:403', "$write: never forwarded whole";
    is scalar(grep { $_->{target} =~ /comp=batch/ } $lake->requests), 0,
        'the lake saw none';

    # a lake that is down fails each part, and nothing else
    $lake->stop;
    $r = send_batch($e, '/?comp=batch', body('batch_1',
        map { part('DELETE', "/con/$_", 'x-ms-delete-snapshots' => 'include')
        } qw(k l)));
    is statuses($r), '0:503 1:503', "$write: no lake";
    $lake->start;
    $r = send_batch($e, '/?comp=batch', body('batch_1',
        part('DELETE', '/con/k', 'x-ms-delete-snapshots' => 'include')));
    is statuses($r), '0:202', 'it is back';
    $et->stop;
    $e->stop;
}

$t->allow(qr/the origin answered|Connection refused|connect\(\) failed/);
$t->done;

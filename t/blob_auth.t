# Who may do what.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(service_sas account_sas $DEV_KEY);
use MIME::Base64 qw(encode_base64);

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
my $a = $n->{account};
$n->blob('PUT', '/ccc?restype=container');
$n->blob('PUT', '/ccc/b', {}, 'hello');

sub raw {
    my ($method, $target, $h, $body) = @_;
    return $n->connect->request($method, $target,
        { 'x-ms-version' => '2023-11-03', %{$h // {}} }, $body);
}
sub is_code {
    my ($r, $status, $code, $what) = @_;
    is "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '-'),
        "$status $code", $what;
}

is_code $n->blob('GET', '/ccc/b', {}, undef, key => encode_base64('x' x 64, '')),
    403, 'AuthenticationFailed', 'wrong key';
is_code $n->blob('GET', '/ccc/b', { 'x-ms-date' =>
    'Mon, 01 Jan 2024 00:00:00 GMT' }), 403, 'AuthenticationFailed', 'old date';
is_code raw('GET', "/$a/ccc/b"), 401, 'NoAuthenticationInformation', 'nobody';
is_code raw('GET', "/$a/ccc/b", { Authorization => 'SharedKey nonsense' }),
    400, 'InvalidAuthenticationInfo', 'malformed';
is_code raw('GET', "/nobody/ccc/b"), 400, 'InvalidUri', 'unknown account'
    if 0;

my $sas = $n->sas;
is raw('GET', "/$a/ccc/b?$sas")->{body}, 'hello', 'account SAS';
(my $bad = $sas) =~ s/sig=../sig=00/;
is_code raw('GET', "/$a/ccc/b?$bad"), 403, 'AuthenticationFailed', 'tampered';
is_code raw('GET', "/$a/ccc/b?" . $n->sas(se => '2020-01-01T00:00:00Z')), 403,
    'AuthenticationFailed', 'expired';
is_code raw('PUT', "/$a/ccc/b?" . $n->sas(sp => 'r'), { 'x-ms-blob-type' =>
    'BlockBlob' }, 'x'), 403, 'AuthorizationPermissionMismatch', 'reader';
is_code raw('GET', "/$a/ccc/b?" . $n->sas(ss => 'q')), 403,
    'AuthorizationServiceMismatch', 'another service';
is_code raw('GET', "/$a/ccc/b?" . $n->sas(srt => 'c')), 403,
    'AuthorizationResourceTypeMismatch', 'containers only';
is_code raw('GET', "/$a/ccc/b?" . $n->sas(spr => 'https')), 403,
    'AuthorizationProtocolMismatch', 'https only';

$sas = service_sas($a, $DEV_KEY, '/ccc/b');
is raw('GET', "/$a/ccc/b?$sas")->{body}, 'hello', 'service SAS';
is_code raw('GET', "/$a/ccc/other?$sas"), 403, 'AuthenticationFailed',
    'of another blob';
$sas = service_sas($a, $DEV_KEY, '/ccc', sp => 'c');
is_code raw('PUT', "/$a/ccc/b?$sas", { 'x-ms-blob-type' => 'BlockBlob' }, 'x'),
    403, 'UnauthorizedBlobOverwrite', 'create does not overwrite';
is raw('PUT', "/$a/ccc/new?$sas", { 'x-ms-blob-type' => 'BlockBlob' }, 'x')
    ->{status}, 201, 'but creates';
is $n->blob('GET', '/ccc/b')->{body}, 'hello', 'untouched';

# refused before the body, and the connection lives
my $c = $n->connect;
my $r = $c->request('PUT', "/$a/ccc/b", { 'x-ms-blob-type' => 'BlockBlob',
    'x-ms-version' => '2023-11-03' }, 'x' x 300_000);
is $r->{status}, 401, 'a body for nobody';
is $c->request('GET', "/$a/ccc/b?" . $n->sas, {})->{body}, 'hello',
    'same connection';

# Expect: the body is not invited
$c = $n->connect;
$c->send("PUT /$a/ccc/b HTTP/1.1\r\nHost: $t->{host}\r\nExpect: 100-continue\r\n"
    . "x-ms-version: 2023-11-03\r\nContent-Length: 10\r\n\r\n");
$r = $c->read_message;
is $r->{status}, 401, 'Expect: refused';
is $r->{interim}, 0, 'without 100';
$c = $n->connect;
$c->send("PUT /$a/ccc/e?" . $n->sas . " HTTP/1.1\r\nHost: $t->{host}\r\n"
    . "Expect: 100-continue\r\nx-ms-blob-type: BlockBlob\r\n"
    . "x-ms-version: 2023-11-03\r\nContent-Length: 10\r\n\r\n");
select undef, undef, undef, 0.2;
$c->send('0123456789');
$r = $c->read_message;
is $r->{status}, 201, 'Expect: taken';
is $r->{interim}, 1, 'with 100';

unlike $n->error_log, qr/sig=(?!\.\.\.)/, 'no signature in the log';
$t->done;

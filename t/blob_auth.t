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

# what is taken at all
my @ports = map { $t->port } 1 .. 3;
my $p = $t->nginx('policy', log_level => 'debug', http => <<"CONF")->start;
blob_account second { key $n->{key}; blob_auth shared_key account_sas; }
server { listen $t->{host}:$ports[0]; blob_auth account_sas anonymous;
         location / { blob_pass *; } }
server { listen $t->{host}:$ports[1];
         location / { blob_pass *; blob_auth shared_key; } }
server { listen $t->{host}:$ports[2]; location / { blob_pass *; } }
CONF
$p->blob('PUT', '/ccc?restype=container', { 'x-ms-blob-public-access' =>
    'blob' });
$p->blob('PUT', '/ccc/b', {}, 'hello');
my ($by_sas, $by_key, $any) = @ports;
sub at {
    my ($port, $account, $query, $key) = @_;
    my $h = { 'x-ms-version' => '2023-11-03' };
    my $target = "/$account/ccc/b" . ($query ? "?$query" : '');
    BlobTest::Http::sign($account, $key, 'GET', $target, $h) if $key;
    return BlobTest::Http->new($t->{host}, $port)->request('GET', $target, $h);
}
my $asas = account_sas($a, $DEV_KEY);
my $svc = service_sas($a, $DEV_KEY, '/ccc/b');
my $not = 'KeyBasedAuthenticationNotPermitted';
is at($by_sas, $a, $asas)->{body}, 'hello', 'account SAS is taken';
is at($by_sas, $a)->{body}, 'hello', 'so is nobody';
is_code at($by_sas, $a, $svc), 403, $not, 'service SAS is not';
is_code at($by_sas, $a, '', $DEV_KEY), 403, $not, 'nor Shared Key';
is_code at($by_sas, $a, '', encode_base64('x' x 64, '')), 403, $not,
    'a wrong one neither: nothing is verified';
is at($by_key, $a, '', $DEV_KEY)->{body}, 'hello', 'Shared Key is taken';
is_code at($by_key, $a, $asas), 403, $not, 'account SAS is not';
is_code at($by_key, $a), 409, 'PublicAccessNotPermitted', 'nor nobody';
is at($any, $a, $svc)->{body}, 'hello', 'anything';
is_code at($any, 'second', service_sas('second', $DEV_KEY, '/ccc/b')), 403,
    $not, "by the account's own list";
is_code at($any, 'second', '', $DEV_KEY), 404, 'ContainerNotFound',
    'which takes Shared Key';
is_code at($by_sas, 'second', '', $DEV_KEY), 403, $not, 'both lists hold';
ok $p->reload, 'reload';
is_code at($by_sas, $a, '', $DEV_KEY), 403, $not, 'the same';

# ours at every level; the core of nginx writes headers at debug
for my $s ($n, $p) {
    my ($leak) = grep { /sig=(?!\.\.\.)|SharedKey \w|Bearer \w|\Q$DEV_KEY\E/ }
        grep { /\*\d+ blob / || !/\[debug\]/ }
        split m{^(?=\d{4}/\d\d/\d\d )}m, $s->error_log;
    is $leak, undef, "no secret in the log of $s->{name}";
}
# Public access is to read: tags, also as a condition, are not of it.
is $n->blob('PUT', '/pub?restype=container',
    { 'x-ms-blob-public-access' => 'container' })->{status}, 201, 'public';
is $n->blob('PUT', '/pub/b', { 'x-ms-tags' => 'k=v' }, 'hello')->{status}, 201,
    'a blob with tags';
is raw('GET', "/$a/pub/b")->{body}, 'hello', 'for all';
is_code raw('GET', "/$a/pub/b", { 'x-ms-if-tags' => q("k" = 'v') }), 401,
    'NoAuthenticationInformation', 'not by its tags';
is raw('GET', "/$a/pub?restype=container&comp=list")->{status}, 200, 'listed';
is_code raw('GET', "/$a/pub?restype=container&comp=list&include=$_"), 401,
    'NoAuthenticationInformation', "not with $_"
    for 'tags', 'metadata,tags', 'copy&include=tags';
is_code raw('GET', "/$a/pub?restype=container&comp=list&include=copy"
    . "&include=tags&" . $n->sas(sp => 'l')), 403,
    'AuthorizationPermissionMismatch', 'nor for who may only list';

# The origin's key signs what was authorised: a parameter that is there twice
# could be two things.
my $lake = $t->origin(sub { [202, { 'x-ms-version' => '2023-11-03' }] });
my $edge = $t->nginx('before', origin => $lake->url)->start;
my $snap = 'snapshot=2024-01-01T00:00:00.0000000Z';
for my $query ('deletetype=x&deletetype=permanent',
    'versionid=&VersionId=2024-01-01T00:00:00.0000000Z',
    'snapshot=2025-01-01T00:00:00.0000000Z', 'c%6Fmp=&comp=metadata') {
    my $twice = $query =~ /comp/ ? "comp=&$query" : $query;
    is_code $edge->connect->request('DELETE', "/$a/ccc/b?$snap&$twice&"
        . $edge->sas(sp => 'd'), { 'x-ms-version' => '2023-11-03' }), 400,
        'InvalidQueryParameterValue', "twice: $query";
}
is_deeply [grep { $_->{method} eq 'DELETE' } $lake->requests], [],
    'the origin does not hear of it';

$t->done;

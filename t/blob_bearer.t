# Tokens and user delegation SAS: what the origin says of a caller.

use strict;
use warnings;

use Test::More;
use BlobTest;
use BlobTest::Http qw(ud_sas);
use MIME::Base64 qw(encode_base64 encode_base64url);
use POSIX qw(strftime);

my $t = BlobTest->new;
my $acc = 'devstoreaccount1';
my $down = $t->path('down');
my $udk = encode_base64('k' x 32, '');
my $challenge = 'Bearer authorization_uri=https://login.microsoftonline.com/'
    . 'TENANT/oauth2/authorize resource_id=https://storage.azure.com';
my %key = (skoid => '11111111-oid', sktid => 'tid',
    skt => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time - 600)),
    ske => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 86400)));
my $key_answer = "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"
    . "<UserDelegationKey><SignedOid>$key{skoid}</SignedOid><SignedTid>"
    . "$key{sktid}</SignedTid><SignedStart>$key{skt}</SignedStart>"
    . "<SignedExpiry>$key{ske}</SignedExpiry><SignedService>b</SignedService>"
    . "<SignedVersion>2023-11-03</SignedVersion><Value>$udk</Value>"
    . '</UserDelegationKey>';

# What tokens may do, by words in them.
my %may = (owner => 'rwdlkt', reader => 'rl', writer => 'w', slow => 'r');

sub jwt {
    my ($role, $exp) = @_;
    return join '.', encode_base64url('{"alg":"none"}'),
        encode_base64url(qq({"aud":"exp","x":{"exp":1},"exp" : $exp,"r":"$role"})),
        "secretoken-$role";
}

sub refuse {
    my ($status, $code, %h) = @_;
    return [$status, { 'x-ms-error-code' => $code, %h },
        "<Error><Code>$code</Code></Error>"];
}

sub right {
    my ($m) = @_;
    my $target = $m->{target};
    return 'k' if $target =~ /comp=userdelegationkey/;
    return 't' if $target =~ /comp=tags/;
    return 'l' if $target =~ /comp=list/;
    return { HEAD => 'r', GET => 'r', PUT => 'w', DELETE => 'd' }
        ->{$m->{method}} // '?';
}

my $o = $t->origin(sub {
    my ($m) = @_;
    return undef if -e $down;
    my ($method, $target, $h) = @{$m}{qw(method target headers)};
    my $auth = $h->{authorization} // '';
    if ($auth =~ /^Bearer .*secretoken-(\w+)$/) {
        my $role = $1;
        select undef, undef, undef, 0.4 if $role eq 'slow';
        return refuse(401, 'InvalidAuthenticationInfo', 'WWW-Authenticate' =>
            $challenge =~ s/TENANT/origins-own/r) unless $may{$role};
        return refuse(403, 'AuthorizationPermissionMismatch')
            if index($may{$role}, right($m)) < 0;
        return [200, {}, $key_answer] if right($m) eq 'k';
        return [204, {}, ''] if right($m) eq 't';
    } elsif ($target =~ /[?&]sig=/) {
        return refuse(403, 'AuthenticationFailed')
            unless $target =~ /skoid=(?:11111111-oid|norole|elsewhere)/;
        return refuse(403, 'AuthorizationPermissionMismatch')
            if $target =~ /skoid=norole/;
    } elsif ($auth !~ /^SharedKey /) {
        return refuse(401, 'NoAuthenticationInformation');
    }
    return refuse(412, 'ConditionNotMet') if ($h->{'if-match'} // '') eq
        '"0x0"';
    my %v = (ETag => '"0x8D1"', 'Last-Modified' =>
        'Tue, 10 Mar 2026 12:00:00 GMT', 'x-ms-blob-type' => 'BlockBlob',
        'Content-Type' => 'text/plain');
    return [200, \%v, '<SignedIdentifiers/>'] if $target =~ /restype=container/;
    return refuse(404, 'BlobNotFound') if $target =~ /missing/;
    return [200, \%v, 'hello'] if $method =~ /GET|HEAD/;
    return [201, { %v, 'Content-Length' => 0 }, ''];
});
my $all = 'shared_key account_sas service_sas user_delegation_sas anonymous';
my $n = $t->nginx('edge', origin => $o, log_level => 'debug',
    policy => "blob_auth $all insecure-bearer; blob_tenant contoso.com;")
    ->start;

sub raw {
    my ($n, $method, $target, $h, $body) = @_;
    return $n->connect->request($method, "/$acc$target",
        { 'x-ms-version' => '2023-11-03',
          $method eq 'PUT' && $target !~ /comp=/
            ? ('x-ms-blob-type' => 'BlockBlob') : (), %{$h // {}} },
        $method eq 'PUT' ? $body // 'data' : $body);
}
sub as {
    my ($role, @args) = @_;
    my $exp = $role =~ s/:(\d+)$// ? $1 : time + 3600;
    my ($method, $target, $h, $body) = @args;
    return raw($n, $method, $target,
        { Authorization => 'Bearer ' . jwt($role, $exp), %{$h // {}} }, $body);
}
sub is_code {
    my ($r, $status, $code, $what) = @_;
    is "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '-'),
        "$status $code", $what;
}
# How many requests the origin saw whose "METHOD TARGET AUTHORIZATION" is so.
sub asked {
    my ($re) = @_;
    return scalar grep { $_ =~ $re } map { "$_->{method} $_->{target} "
        . ($_->{headers}{authorization} // '') } $o->requests;
}

# ---- reads ----
my $r = raw($n, 'GET', '/con/b');
is_code $r, 401, 'NoAuthenticationInformation', 'nobody';
is $r->{headers}{'www-authenticate'}, $challenge =~ s/TENANT/contoso.com/r,
    'is told where to get a token';

my $exp = time + 3600;
$r = as("reader:$exp", 'GET', '/con/b');
is "$r->{status} $r->{body}", '200 hello', 'a token that may read';
is asked(qr/^HEAD \S+\/con\/b Bearer .*-reader/), 1, 'was asked for';
is as("reader:$exp", 'GET', '/con/b')->{status}, 200, 'again' for 1 .. 6;
is as("reader:$exp", 'GET', '/con/other')->{status}, 200, 'another blob';
is asked(qr/Bearer .*-reader/), 1, 'and is not asked for again';
is asked(qr/^GET \S+\/con\/b.* Bearer/), 0, 'bytes come with our own key';
is as("reader:$exp", 'GET', '/con2/b')->{status}, 200, 'another container';
is asked(qr/Bearer .*-reader/), 2, 'is another question';

is as('writer', 'GET', '/con/missing')->{status}, 403, 'no right to read';
is as('owner', 'GET', '/con/missing')->{status}, 404, 'right, but nothing';

# ---- what cannot be told ----
$r = as('stranger', 'GET', '/con/b');
is_code $r, 401, 'InvalidAuthenticationInfo', 'a token nobody knows';
is $r->{headers}{'www-authenticate'}, $challenge =~ s/TENANT/origins-own/r,
    "the origin's challenge";
my $x = time + 3000;
is_code as("stranger:$x", 'GET', '/con/b'), 401, 'InvalidAuthenticationInfo',
    'again' for 1 .. 2;
is asked(qr/-stranger/), 2, 'refusals are kept, too';
is_code raw($n, 'GET', '/con/b', { Authorization => 'Bearer ' }), 400,
    'InvalidAuthenticationInfo', 'no token at all';

# ---- writes ----
is_code as('reader', 'PUT', '/con/new'), 403,
    'AuthorizationPermissionMismatch', 'a reader writes';
is_code as('owner', 'PUT', '/con/new'), 201, '-', 'the owner does';
my ($probe) = grep { $_->{method} eq 'PUT' && $_->{target} =~ /comp=metadata/
    && $_->{headers}{authorization} =~ /-owner/ } $o->requests;
is $probe->{headers}{'if-match'}, '"0x0"', 'asked with what cannot be';
is $probe->{length}, 0, 'and nothing';
is as('owner', 'GET', '/con/new')->{body}, 'data', 'written here';
is asked(qr/^PUT \S+\/con\/new Shared/), 0, 'not there yet';
is_code as('reader', 'DELETE', '/con/new'), 403,
    'AuthorizationPermissionMismatch', 'a reader deletes';
is_code as('owner', 'DELETE', '/con/new'), 202, '-', 'the owner does';
is_code as('writer', 'GET', '/con?restype=container&comp=list'), 403,
    'AuthorizationPermissionMismatch', 'no right to list';
is_code as('reader', 'GET', '/con?restype=container&comp=list'), 503,
    'ServerBusy', 'right to list; there is no blob-tier here';

# ---- what only the origin can decide goes out as it came ----
is_code as('owner', 'PUT', '/con/b?comp=tags', {}, '<Tags/>'), 204, '-',
    'tags';
is asked(qr/^PUT \S+comp=tags Bearer .*-owner/), 1, 'with the token';
is_code as('writer', 'PUT', '/con/b?comp=tags', {}, '<Tags/>'), 403,
    'AuthorizationPermissionMismatch', 'the refusal passes through';
is asked(qr/comp=tags SharedKey/), 0, 'never with our key';
is_code as('reader', 'GET', '/?comp=list'), 200, '-', 'list containers';
is asked(qr/comp=list SharedKey/), 0, 'with the token as well';

# ---- a crowd, a clock ----
my $s = jwt('slow', time + 900);
my @c = map { $n->connect } 1 .. 8;
$_->send("GET /$acc/con/b HTTP/1.1\r\nHost: x\r\nx-ms-version: 2023-11-03\r\n"
    . "Authorization: Bearer $s\r\n\r\n") for @c;
is $_->read_message->{body}, 'hello', 'one of a crowd' for @c;
cmp_ok asked(qr/-slow/), '<=', 2, 'one question a worker';

my $short = time + 2;
is as("reader:$short", 'GET', '/con/b')->{status}, 200, 'a short life';
my $before = asked(qr/-reader/);
sleep 3;
is as("reader:$short", 'GET', '/con/b')->{status}, 200, 'is over';
is asked(qr/-reader/), $before + 1, 'so it is asked for again';

# ---- user delegation ----
my $keyinfo = '<KeyInfo><Start>a</Start><Expiry>b</Expiry></KeyInfo>';
my $get_key = '/?restype=service&comp=userdelegationkey';
is_code $n->blob('POST', $get_key, {}, $keyinfo), 403, 'AuthenticationFailed',
    'a key signs for no key';
is_code as('reader', 'POST', $get_key, {}, $keyinfo), 403,
    'AuthorizationPermissionMismatch', 'no delegator';
is asked(qr/userdelegationkey SharedKey/), 0, 'neither asked as us';

sub sas { ud_sas($acc, $udk, $_[0], %key, @_[1 .. $#_]) }
my $early = sas('/con/b', rscc => 'early');
is raw($n, 'GET', "/con/b?$early")->{body}, 'hello', 'of a key unknown here';
is asked(qr/HEAD .*rscc=early/), 1, 'the origin was asked';
is raw($n, 'GET', "/con/b?$early")->{headers}{'cache-control'}, 'early',
    'again';
is asked(qr/rscc=early/), 1, 'once';
(my $forged = $early) =~ s/sp=r/sp=rw/;
is asked(qr/sp=rw/), 0, 'not yet';
raw($n, 'GET', "/con/b?$forged");
is asked(qr/HEAD .*sp=rw/), 1, 'other words under the signature: another';

$r = as('owner', 'POST', $get_key, {}, $keyinfo);
is $r->{status}, 200, 'a key';
is $r->{body}, $key_answer, 'as the origin gave it';
is raw($n, 'GET', '/con/b?' . sas('/con/b'))->{body}, 'hello', 'SAS of it';
is asked(qr/sig=/), 3, 'the roles of who delegated, asked once';
is raw($n, 'GET', '/con/other?' . sas('/con', rscc => "x$_"))->{headers}
    {'cache-control'}, "x$_", 'others of the same key' for 1 .. 3;
is asked(qr/sig=/), 3, 'are known';
($forged = sas('/con/b')) =~ s/sp=r/sp=rw/;
is_code raw($n, 'GET', "/con/b?$forged"), 403, 'AuthenticationFailed',
    'a forged one is refused here';
is_code raw($n, 'PUT', '/con/n?' . sas('/con')), 403,
    'AuthorizationPermissionMismatch', 'so is one that does not say w';
is asked(qr/sig=/), 3, 'without asking';
is_code raw($n, 'PUT', '/con/n?' . sas('/con', sp => 'w')), 201, '-', 'w does';
is_code raw($n, 'PUT', '/con/n?' . sas('/con', sp => 'c')), 403,
    'UnauthorizedBlobOverwrite', 'c does not overwrite';
is_code raw($n, 'GET', '/con/b?' . sas('/con/b', skoid => 'norole')), 403,
    'AuthorizationPermissionMismatch', 'a principal without roles';
is_code raw($n, 'GET', '/con/b?' . sas('/con/b', skoid => 'nobody')), 403,
    'AuthenticationFailed', 'a key that the origin did not give';
is_code raw($n, 'PUT', '/con/b?comp=tags&' . sas('/con', sp => 't'), {},
    '<Tags/>'), 201, '-', 'tags by SAS';
is asked(qr/PUT .*comp=tags.*sig=/), 1, 'go out with it';

# ---- reload, then without an origin ----
ok $n->reload, 'reload';
$before = asked(qr/Bearer|sig=/);
is as("reader:$exp", 'GET', '/con/b')->{status}, 200, 'known over a reload';
is raw($n, 'GET', '/con/b?' . sas('/con/b'))->{body}, 'hello', 'the key, too';
is asked(qr/Bearer|sig=/), $before, 'not asked again';

$t->write_file($down, '');
$n->blob('PUT', '/con/here', {}, 'resident');
is as("reader:$exp", 'GET', '/con/here')->{body}, 'resident', 'origin down';
$r = as('owner', 'GET', '/con/here');
is_code $r, 503, 'ServerBusy', 'nobody to ask';
ok $r->{headers}{'retry-after'}, 'later';
is_code as('reader', 'PUT', '/con/b?comp=lease', { 'x-ms-lease-action' =>
    'break' }, ''), 503, 'ServerBusy', 'nor for a lease';
unlink $down;
is as('owner', 'GET', '/con/here')->{status}, 200, 'it comes back';

# ---- write through: the origin decides once more, as to the caller ----
my $through = $t->nginx('through', origin => $o, write => 'through',
    policy => 'blob_auth bearer insecure-bearer;')->start;
my $owner = { Authorization => 'Bearer ' . jwt('owner', time + 900) };
is_code raw($through, 'PUT', '/con/thr', $owner), 201, '-', 'write through';
is asked(qr/^PUT \S+\/con\/thr Bearer .*-owner/), 1, 'with the token';
is asked(qr/^PUT \S+\/con\/thr SharedKey/), 0, 'not as us';
is_code raw($through, 'DELETE', '/con/thr', { Authorization => 'Bearer '
    . jwt('writer', time + 900) }), 403, 'AuthorizationPermissionMismatch',
    'no right to delete';

# ---- tokens want TLS; a store alone has nobody to ask ----
my $safe = $t->nginx('safe', origin => $o)->start;
my $token = jwt('owner-unasked', time + 900);
my $auth = { Authorization => "Bearer $token" };
is_code raw($safe, 'GET', '/con/b', $auth), 403, 'AuthenticationFailed',
    'over http';
my $alone = $t->nginx('alone', policy =>
    'blob_auth bearer insecure-bearer; blob_tenant 0-0;')->start;
$r = raw($alone, 'GET', '/con/b', $auth);
is_code $r, 401, 'InvalidAuthenticationInfo', 'standalone';
is $r->{headers}{'www-authenticate'}, $challenge =~ s/TENANT/0-0/r,
    'challenge';
is asked(qr/\Q$token\E/), 0, 'went nowhere';

# ---- secrets ----
# nginx itself writes whole headers at the level debug; nobody else does.
my $secret = qr/secretoken|sig=(?!\.\.\.)|SharedKey \w|\Q$udk\E|\Q$n->{key}\E/;
my @lines = split m{^(?=\d{4}/\d\d/\d\d )}m, $n->error_log;
my @ours = grep { /\*\d+ blob / || !/\[debug\]/ } @lines;
cmp_ok scalar @ours, '>', 50, 'there are lines of ours';
my ($leak) = grep { $_ =~ $secret } @ours;
is $leak, undef, 'without a secret in them';
$t->done;

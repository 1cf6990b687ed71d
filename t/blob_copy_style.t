# Copies between two accounts with an origin each, their names in the path or
# in the host, and who may read a source.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64 encode_base64url);
use POSIX qw(strftime);
use Test::More;
use BlobTest;
use BlobTest::Http qw($DEV_ACCOUNT $DEV_KEY account_sas service_sas ud_sas
    http_date);

my $t = BlobTest->new;
my $key2 = 'AAAA' x 20 . 'AA==';
my %key = ($DEV_ACCOUNT => $DEV_KEY, second => $key2, third => $key2);
my $acc = $DEV_ACCOUNT;

# Two lakes; the first fetches from the second what it has to copy.
my $lake2 = $t->nginx('lake2', account => 'second', key => $key2)->start;
my $port = "$t->{host}:$lake2->{port}";
my $lake1 = $t->nginx('lake1', policy =>
    "blob_copy_source http://$port 127.0.0.0/8;")->start;
$t->tier($lake1)->start;

my ($hidden, $any, $both) = map { $t->port } 1 .. 3;
my $n = $t->nginx('edge', origin => $lake1,
    policy => "blob_copy_source http://$port 127.0.0.0/8; fresh 1h;",
    http => <<"CONF")->start;
    blob_account second { alias zweites; key $key2; origin @{[$lake2->url]};
        origin_key $key2; fresh 1h; }
    blob_account third { key $key2; origin none; }
    server { listen $t->{host}:$hidden;
        location / { deny all; blob_pass third; } }
    server { listen $t->{host}:$any;
        location / { blob_pass *; }
        include $BlobTest::TOP/conf/blob_origin.conf; }
    server { listen $t->{host}:$both;
        location / { blob_pass $acc; }
        location /second/ { blob_pass second; }
        include $BlobTest::TOP/conf/blob_origin.conf; }
CONF
my $tier = $t->tier($n)->start;

# How the clients know the edge: path style at its address, host style under
# the names that are built in and under one of the site's own.
my %styles = (
    path => sub { ("$t->{host}:$any", "/$_[0]",
        "http://$t->{host}:$any/$_[0]") },
    host => sub { ("$_[0].blob.core.windows.net", '',
        "https://$_[0].blob.core.windows.net") },
    site => sub { ("$_[0].edge.example.com:$any", '',
        "http://$_[0].edge.example.com:$any") },
);

sub ask {
    my ($port, $host, $account, $method, $target, $h, $body) = @_;
    my %h = ('x-ms-version' => '2023-11-03', Host => $host, %{$h // {}});
    $h{'Content-Length'} = length($body // '') if $method eq 'PUT';
    BlobTest::Http::sign($account, $key{$account}, $method, $target, \%h)
        unless $target =~ /[?&]sig=/ || $h{Authorization};
    my $c = BlobTest::Http->new($t->{host}, $port);
    my $r = $c->request($method, $target, \%h, $body);
    $c->close;
    return $r;
}
sub is_code {
    my ($r, $status, $code, $what) = @_;
    is "$r->{status} " . ($r->{headers}{'x-ms-error-code'} // '-'),
        "$status $code", $what;
}

my @put = ('x-ms-blob-type' => 'BlockBlob');
my $big = join '', map { "line $_\n" } 1 .. 20000;
my $id = encode_base64('block', '');
for my $account ($acc, 'second') {
    my ($host, $path) = $styles{path}->($account);
    is ask($any, $host, $account, 'PUT', "$path/con?restype=container")
        ->{status}, 201, "container of $account";
    is ask($any, $host, $account, 'PUT', "$path/con/here", { @put },
        "$account-$big")->{status}, 201, 'a blob that is here';
}
is ask($any, "$t->{host}:$any", 'third', 'PUT', '/third/con?restype=container')
    ->{status}, 201, 'container of third';
is ask($any, "$t->{host}:$any", 'third', 'PUT', '/third/con/secret',
    { @put }, 'secret')->{status}, 201, 'a blob of it';
is $tier->run('flush', '--wait'), 0, 'flushed';
is $_->blob('PUT', '/con/far', {}, "far-$_->{account}-$big")->{status}, 201,
    "a blob that only $_->{name} has" for $lake1, $lake2;

# ---- every style, every operation, from the same and the other account ----

for my $style (qw(path host site)) {
    for my $from ($acc, 'second') {
        for my $which (qw(here far)) {
            my ($host, $path) = $styles{$style}->($acc);
            my $url = ($styles{$style}->($from))[2] . "/con/$which";
            my $want = ($which eq 'far' ? 'far-' : '') . "$from-$big";
            my $what = "$style: $which of $from";
            my $to = "$path/con/$style-$from-$which";
            is_code ask($any, $host, $acc, 'PUT', "$to-0", {
                'x-ms-copy-source' => $url }), 401, 'CannotVerifyCopySource',
                "$what: not without a right" if $from ne $acc;
            $url .= '?' . ($which eq 'far'
                ? service_sas($from, $key{$from}, '/con/far')
                : account_sas($from, $key{$from}, sp => 'r'))
                if $from ne $acc;
            my @source = ('x-ms-copy-source' => $url);
            my $r = ask($any, $host, $acc, 'PUT', "$to-1", { @source });
            is_code $r, 202, '-', "$what: Copy Blob";
            is $r->{headers}{'x-ms-copy-status'}, 'success', 'done';
            $r = ask($any, $host, $acc, 'PUT', "$to-2", { @source, @put });
            is_code $r, 201, '-', "$what: Put Blob From URL";
            $r = ask($any, $host, $acc, 'PUT',
                "$to-3?comp=block&blockid=$id", { @source });
            is_code $r, 201, '-', "$what: Put Block From URL";
            $r = ask($any, $host, $acc, 'PUT', "$to-3?comp=blocklist", {},
                "<BlockList><Latest>$id</Latest></BlockList>");
            is_code $r, 201, '-', 'list';
            for (1 .. 3) {
                $r = ask($any, $host, $acc, 'GET', "$to-$_");
                ok $r->{body} eq $want, "its bytes, $_";
            }
        }
    }
}

# names as they are written by some
for my $url ("https://$acc.BLOB.core.windows.net/con/here",
    "https://$acc-secondary.blob.core.windows.net/con/here",
    "http://$acc.blob.core.windows.net:80/con/here") {
    is_code ask($any, ($styles{host}->($acc))[0], $acc, 'PUT', '/con/named',
        { 'x-ms-copy-source' => $url }), 202, '-', $url;
}
is_code ask($any, ($styles{host}->($acc))[0], $acc, 'PUT', '/con/named',
    { 'x-ms-copy-source' => 'https://zweites.blob.core.windows.net/con/here?'
    . account_sas('zweites', $key2) }), 202, '-', 'the other name of the other';

# ---- what another server keeps to itself ----------------------------------

is_code ask($hidden, "$t->{host}:$hidden", 'third', 'GET',
    '/third/con/secret'), 403, 'AuthorizationFailure', 'denied there';
my $right = account_sas('third', $key2);
for my $p ($both, $any) {
    my @case = (
        ['path', "$t->{host}:$p", "/$acc", "http://$t->{host}:$p/third"],
        ['host', "$acc.blob.core.windows.net", '',
            'https://third.blob.core.windows.net'],
        ['site', "$acc.edge.example.com:$p", '',
            "http://third.edge.example.com:$p"]);
    for (@case) {
        my ($style, $host, $path, $url) = @$_;
        my $r = ask($p, $host, $acc, 'PUT', "$path/con/stolen-$p-$style",
            { 'x-ms-copy-source' => "$url/con/secret?$right" });
        if ($p == $any) {
            is_code $r, 202, '-', "$style: a server that has all accounts";
            next;
        }
        cmp_ok $r->{status}, '>=', 400, "$style: not here";
        is ask($p, $host, $acc, 'GET', "$path/con/stolen-$p-$style")->{status},
            404, 'nothing was copied';
    }
}
is_code ask($both, "$t->{host}:$both", $acc, 'PUT', "/$acc/con/two",
    { 'x-ms-copy-source' => "http://$t->{host}:$both/second/con/here?"
    . account_sas('second', $key2) }), 202, '-',
    'another location of the same server';

# ---- tokens and user delegation SAS ---------------------------------------

# An origin that knows its own tokens, which end in what they may do, and SAS
# of its own principal.
my $udk = encode_base64('k' x 32, '');
my %ud = (sktid => 'tid',
    skt => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time - 600)),
    ske => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 86400)));
sub refuse { [$_[0], { 'x-ms-error-code' => $_[1] },
    "<Error><Code>$_[1]</Code></Error>"] }
sub lake_of {
    my ($name) = @_;
    return $t->origin(sub {
        my ($m) = @_;
        my ($method, $target) = @$m{qw(method target)};
        my $auth = $m->{headers}{authorization} // '';
        if ($auth =~ /^Bearer .*$name-(\w+)$/) {
            return refuse(403, 'AuthorizationPermissionMismatch')
                if index($1, $method eq 'PUT' ? 'w' : 'r') < 0;
        } elsif ($auth =~ /^Bearer/) {
            return refuse(401, 'InvalidAuthenticationInfo');
        } elsif ($target =~ /[?&]sig=/) {
            return refuse(403, 'AuthenticationFailed')
                unless $target =~ /skoid=$name-oid/ && $target !~ /sig=x(?:&|$)/;
        } elsif ($auth !~ /^SharedKey /) {
            return refuse(401, 'NoAuthenticationInformation');
        }
        return refuse(412, 'ConditionNotMet')
            if ($m->{headers}{'if-match'} // '') eq '"0x0"';
        my %v = (ETag => '"0x8D1"', 'Last-Modified' => http_date(),
            'x-ms-blob-type' => 'BlockBlob', 'Content-Type' => 'text/plain');
        return [200, \%v, ''] if $target =~ /restype=container/;
        return [202, { %v, 'x-ms-copy-id' => 'i',
            'x-ms-copy-status' => 'success' }, '']
            if $method eq 'PUT' && $m->{headers}{'x-ms-copy-source'};
        return [201, \%v, ''] if $method eq 'PUT';
        return refuse(404, 'BlobNotFound') unless $target =~ m{/con/far};
        return [200, \%v, "far in $name"];
    });
}
my ($o1, $o2) = map { lake_of($_) } 'one', 'two';
my $bany = $t->port;
my $b = $t->nginx('bearer', origin => $o1,
    policy => 'blob_auth shared_key account_sas service_sas '
        . 'user_delegation_sas anonymous insecure-bearer;',
    http => <<"CONF")->start;
    blob_account second { key $key2; origin http://$t->{host}:$o2->{port}/second;
        origin_key $key2;
        blob_auth shared_key account_sas service_sas user_delegation_sas
            anonymous insecure-bearer; }
    server { listen $t->{host}:$bany;
        location / { blob_pass *; }
        include $BlobTest::TOP/conf/blob_origin.conf; }
CONF
my $exp = time + 3600;
sub token { 'Bearer ' . join '.', encode_base64url('{"alg":"none"}'),
    encode_base64url(qq({"exp":$exp})), "$_[0]-$_[1]" }
sub copies_of { map { $_->{headers}{'x-ms-copy-source'} // () }
    $_[0]->requests }

for my $style (qw(path host)) {
    my ($host, $path, $url) = $style eq 'path'
        ? ("$t->{host}:$bany", "/$acc", "http://$t->{host}:$bany/$acc")
        : $styles{host}->($acc);
    my $second = $style eq 'path' ? "http://$t->{host}:$bany/second"
        : ($styles{host}->('second'))[2];
    my $as = sub {
        my ($token, $source, %h) = @_;
        return ask($bany, $host, $acc, 'PUT', "$path/con/t", {
            $token ? (Authorization => $token) : (),
            'x-ms-copy-source' => $source, %h });
    };
    my $n1 = copies_of($o1);
    is_code $as->(token('one', 'rw'), "$url/con/far"), 202, '-',
        "$style: a token that may read and write";
    is copies_of($o1), $n1 + 1, 'the lake copies';
    is_code $as->(token('one', 'w'), "$url/con/far"), 403,
        'CannotVerifyCopySource', 'one that may only write';
    is_code $as->(token('one', 'r'), "$url/con/far"), 403,
        'AuthorizationPermissionMismatch', 'one that may only read';
    is_code $as->(token('one', 'rw'), "$second/con/far"), 401,
        'CannotVerifyCopySource', 'is none of another account';
    is copies_of($o1), $n1 + 1, 'the lake was not asked to';
    is_code $as->(token('one', 'rw'), "$second/con/far",
        'x-ms-copy-source-authorization' => token('one', 'rw'),
        'x-ms-requires-sync' => 'true'), 401, 'CannotVerifyCopySource',
        'nor as the token of the source';
    is_code $as->(token('one', 'rw'), "$second/con/far",
        'x-ms-copy-source-authorization' => token('two', 'r'),
        'x-ms-requires-sync' => 'true'), 202, '-', 'with one of its own';
    like [copies_of($o1)]->[-1],
        qr{^http://$t->{host}:$o2->{port}/second/con/far\?.*sig=},
        'the lake gets the address of the other lake';
    my $sas = ud_sas('second', $udk, '/con/far', %ud,
        skoid => 'two-oid');
    is_code $as->(token('one', 'rw'), "$second/con/far?$sas"), 202, '-',
        'or with a user delegation SAS';
    (my $bad = $sas) =~ s/sig=[^&]+/sig=x/;
    is_code $as->(token('one', 'rw'), "$second/con/far?$bad"), 403,
        'CannotVerifyCopySource', 'that is right';
    my $mine = ud_sas($acc, $udk, '/con', sp => 'rcw', %ud,
        skoid => 'one-oid');
    my $r = ask($bany, $host, $acc, 'PUT', "$path/con/t?$mine",
        { 'x-ms-copy-source' => "$url/con/far" });
    is_code $r, 401, 'CannotVerifyCopySource',
        'a caller with such a SAS needs one in the source';
    $r = ask($bany, $host, $acc, 'PUT', "$path/con/t?$mine",
        { 'x-ms-copy-source' => "$url/con/far?$mine" });
    is_code $r, 202, '-', 'and has one';
    $r = ask($bany, $host, $acc, 'PUT', "$path/con/t?$mine",
        { 'x-ms-copy-source' => "$second/con/far?$mine" });
    is_code $r, 403, 'CannotVerifyCopySource', 'not that of another account';
}

$t->done;

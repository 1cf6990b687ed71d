# CORS in front of an origin: its rules are learnt, believed for a while, and
# never made up.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use BlobTest;
use BlobTest::Http qw(http_date);

my $t = BlobTest->new;
my $service = '/?restype=service&comp=properties';
my $rules = $t->path('rules'); # what the origin says, or a status

sub rule {
    my ($origins, $methods) = @_;
    return "<CorsRule><AllowedOrigins>$origins</AllowedOrigins>"
        . "<AllowedMethods>$methods</AllowedMethods>"
        . '<AllowedHeaders>x-ms-*</AllowedHeaders>'
        . '<ExposedHeaders>x-ms-*</ExposedHeaders>'
        . '<MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule>';
}

# As the Blob service says it, with things on that are not ours.
sub document {
    return "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"
        . '<StorageServiceProperties><Logging><Version>1.0</Version>'
        . '<Read>true</Read></Logging><Cors>' . join('', @_) . '</Cors>'
        . '<StaticWebsite><Enabled>true</Enabled></StaticWebsite>'
        . '<Newer><Thing /></Newer></StorageServiceProperties>';
}
sub says { $t->write_file($rules, $_[0]) }

my $o = $t->origin(sub {
    my ($m) = @_;
    my ($method, $target, $h) = @$m{qw(method target headers)};
    if ($target =~ /restype=service/) {
        if ($method eq 'PUT') {
            says($m->{body});
            return [202, {}, ''];
        }
        sleep 0.3;
        my $doc = $t->read_file($rules);
        return undef if $doc eq 'nothing';
        return [$doc, { 'x-ms-error-code' => 'AuthorizationFailure' }, '']
            if $doc =~ /^\d+$/;
        return [200, { 'Content-Type' => 'application/xml' }, $doc];
    }
    return [200, { 'Access-Control-Allow-Origin' => 'http://by-the-lake' }, '']
        if $method eq 'OPTIONS';
    my %v = (ETag => '"0x8D1"', 'Last-Modified' => http_date(),
        'x-ms-blob-type' => 'BlockBlob', 'Content-Type' => 'text/plain');
    return [200, { 'Content-Type' => 'application/xml' },
        '<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>']
        if $target =~ /comp=list/;
    return [200, \%v, ''] if $target =~ /restype=container/;
    return [404, { 'x-ms-error-code' => 'BlobNotFound' }, '']
        if $target !~ m{/con/b};
    return [200, { %v, 'Access-Control-Allow-Origin' => $h->{origin}
        // 'none', Vary => 'Origin' }, 'page'] if $target =~ /versionid/;
    return [200, \%v, 'bytes'] if $method =~ /GET|HEAD/;
    return [201, { %v, 'Content-Length' => 0 }, ''];
});
my $asked = sub { scalar grep { $_->{method} eq 'GET'
    && $_->{target} =~ /restype=service/ } $o->requests };

says(document(rule('http://a', 'GET,HEAD,PUT'), rule('http://c', 'GET')));
$t->allow(qr/question for the CORS rules/);
my $n = $t->nginx('edge', origin => $o, workers => 1,
    policy => 'fresh 2s;')->start;
my $tier = $t->tier($n)->start;

sub cors {
    my ($r) = @_;
    return join '; ', map {
        my $v = $r->{headers}{$_};
        defined $v ? (s/^access-control-//r . "=$v") : ()
    } qw(access-control-allow-origin access-control-allow-credentials vary);
}
sub plain {
    my ($method, $path, $h) = @_;
    my $c = $n->connect;
    my $r = $c->request($method, "/$n->{account}$path", { Host => 'x', %$h });
    $c->close;
    return $r;
}
sub preflight {
    my ($origin, $method, $headers) = @_;
    return plain('OPTIONS', '/con/b', {
        defined $origin ? (Origin => $origin) : (),
        'Access-Control-Request-Method' => $method,
        defined $headers ? ('Access-Control-Request-Headers' => $headers)
            : () });
}
sub get {
    my ($origin, $path, $method) = @_;
    return $n->blob($method // 'GET', $path // '/con/b',
        { defined $origin ? (Origin => $origin) : () });
}
my $a = 'allow-origin=http://a; allow-credentials=true; vary=Origin';

# ---- learnt -----------------------------------------------------------------

is cors(get()), '', 'no Origin: nothing is said';
is $asked->(), 0, 'nor asked';

# a crowd asks once
my @pids = map {
    my $pid = fork // die;
    if (!$pid) {
        my $r = $n->connect->request('GET', "/$n->{account}/con/b?"
            . $n->sas, { Origin => 'http://a' });
        POSIX::_exit($r->{status} == 200 && $r->{body} eq 'bytes'
            && cors($r) eq $a ? 0 : 1);
    }
    $pid;
} 1 .. 8;
my $bad = 0;
for (@pids) { waitpid $_, 0; $bad++ if $? }
is $bad, 0, 'all of a crowd have the headers';
is $asked->(), 1, 'the origin was asked once';
like [grep { $_->{target} =~ /restype=service/ } $o->requests]->[0]{headers}
    {authorization}, qr/^SharedKey /, 'with the edge\'s own key';

my $r = get('http://a');
is "$r->{status} $r->{body} " . cors($r), "200 bytes $a", 'a GET';
like $r->{headers}{'access-control-expose-headers'}, qr/x-ms-request-id/,
    'names that a page may see';
is cors(get('http://a', '/con/b', 'HEAD')), $a, 'a HEAD';
is cors(get('http://z')), 'vary=Origin', 'another origin';
is cors(get()), 'vary=Origin', 'none';
is $n->blob('PUT', '/con/new', { Origin => 'http://a' }, 'x')->{status}, 201,
    'a write';
is cors($n->blob('PUT', '/con/new', { Origin => 'http://a' }, 'x')),
    'allow-origin=http://a; allow-credentials=true', 'with headers';
$r = get('http://a', '/con/none');
is "$r->{status} " . cors($r), "404 $a", 'not found';
$r = plain('GET', '/con/b', { Origin => 'http://a' });
like "$r->{status} " . cors($r), qr/^40[0-9] \Q$a\E$/, 'not let in';
$r = get('http://a', '/con?restype=container&comp=list');
is "$r->{status} " . cors($r), "200 $a", 'a listing';

# what the origin answers itself
$r = get('http://q', '/con/b?versionid=2024-01-01T00:00:00.0000000Z');
is "$r->{status} $r->{body} " . cors($r),
    '200 page allow-origin=http://q; vary=Origin',
    'a forwarded answer has the origin\'s';

# ---- preflights -------------------------------------------------------------

my $before = () = $o->requests;
$r = preflight('http://a', 'PUT', 'x-ms-blob-type');
is "$r->{status} " . cors($r),
    '200 allow-origin=http://a; allow-credentials=true', 'a preflight';
is $r->{headers}{'access-control-allow-methods'}, 'PUT', 'its method';
for (['http://a', 'DELETE'], ['http://b', 'GET'], ['http://a', 'GET', 'y']) {
    $r = preflight(@$_);
    is "$r->{status} $r->{headers}{'x-ms-error-code'}",
        '403 CorsPreflightFailure', "not @$_";
}
is preflight(undef, 'GET')->{headers}{'x-ms-error-code'},
    'MissingRequiredHeader', 'none at all';
is grep({ $_->{method} eq 'OPTIONS' } $o->requests), 0,
    'the origin has not seen them';

# ---- they change ------------------------------------------------------------

says(document(rule('http://new', 'GET')));
ok $t->wait_for(10, sub { cors(get('http://new')) =~ /http:\/\/new/ }),
    'rules that were set at the origin count when ours have aged';
is cors(get('http://a')), 'vary=Origin', 'and the old ones do not';

$n->{conf} = $n->conf =~ s/fresh 2s;/fresh 1h;/r;
ok $n->reload, 'rules are believed for long';
is cors(get('http://new')), 'allow-origin=http://new; '
    . 'allow-credentials=true; vary=Origin', 'those that are there';
my $count = $asked->();
is $n->blob('PUT', $service, {}, document(rule('http://set', 'GET')))
    ->{status}, 202, 'set through the edge';
is cors(get('http://set')), 'allow-origin=http://set; '
    . 'allow-credentials=true; vary=Origin', 'count at once';
is cors(get('http://new')), 'vary=Origin', 'in place of the others';
is $asked->(), $count + 1, 'asked for once';
is cors(get('http://set')), 'allow-origin=http://set; '
    . 'allow-credentials=true; vary=Origin', 'again' for 1 .. 3;
is $asked->(), $count + 1, 'and believed';

is $n->blob('PUT', $service, {}, document())->{status}, 202, 'none set';
is cors(get('http://set')), '', 'no headers';
is preflight('http://set', 'GET')->{status}, 403, 'no preflight';

# ---- they cannot be had -----------------------------------------------------

for my $case (['refused', 403], ['fails', 500], ['is gone', 'nothing'],
    ['says nonsense', '<Error/>'], ['half of it', document() =~ s/<.Stor.*//r],
    ['rules nobody may set', document(rule('http://a', 'FOO'))]) {
    my ($what, $says) = @$case;
    # unknown, without an answer from there
    says(document(rule('http://a', 'GET')));
    is $n->blob('PUT', $service, {}, $says)->{status}, 202, "$what:";
    $count = $asked->();
    $r = get('http://a');
    is "$r->{status} $r->{body} " . cors($r), '200 bytes ', 'no headers';
    my $tries = $asked->() - $count; # nginx tries twice
    ok $tries >= 1 && $tries <= 2, 'asked for';
    is cors(get('http://a')), '', 'again';
    is $asked->(), $count + $tries, 'not asked for again at once';
    $r = preflight('http://a', 'GET');
    is "$r->{status} " . cors($r), '200 allow-origin=http://by-the-lake',
        'a preflight is the origin\'s';
}
like $n->error_log, qr/the origin answered 403 AuthorizationFailure to a question for the CORS rules/,
    'logged';

$t->done;

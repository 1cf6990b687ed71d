# Service properties and CORS: in a standalone server, and in an edge in front
# of one.

use strict;
use warnings;

use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $lake = $t->nginx('lake')->start;
my $r;

sub code { $_[0]{headers}{'x-ms-error-code'} // '' }

my $service = '/?restype=service&comp=properties';

sub rule {
    my ($origins, $methods, $allowed, $exposed) = @_;
    return "<CorsRule><AllowedOrigins>$origins</AllowedOrigins>"
        . "<AllowedMethods>$methods</AllowedMethods>"
        . "<AllowedHeaders>$allowed</AllowedHeaders>"
        . "<ExposedHeaders>$exposed</ExposedHeaders>"
        . '<MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule>';
}

sub set {
    my ($n, $xml) = @_;
    return $n->blob('PUT', $service, {},
        "<StorageServiceProperties>$xml</StorageServiceProperties>");
}

sub get { $_[0]->blob('GET', $service)->{body} }

# without credentials
sub plain {
    my ($n, $method, $path, $headers) = @_;
    my $c = $n->connect;
    my $r = $c->request($method, "/$n->{account}$path",
        { Host => 'x', %{ $headers // {} } });
    $c->close;
    return $r;
}

sub preflight {
    my ($n, $origin, $method, $headers, $path) = @_;
    return plain($n, 'OPTIONS', $path // '/none/at/all', {
        defined $origin ? (Origin => $origin) : (),
        defined $method ? ('Access-Control-Request-Method' => $method) : (),
        defined $headers ? ('Access-Control-Request-Headers' => $headers)
            : () });
}

sub cors {
    my ($r) = @_;
    return join '; ', map {
        my $v = $r->{headers}{$_};
        defined $v ? (s/^access-control-//r . "=$v") : ()
    } qw(access-control-allow-origin access-control-allow-credentials vary);
}

# ---- nothing set ---------------------------------------------------------

is $lake->blob('PUT', '/con?restype=container')->{status}, 201, 'container';
is $lake->blob('PUT', '/con/b', {}, 'bytes')->{status}, 201, 'blob';
like get($lake), qr{<Cors />.*<StaticWebsite><Enabled>false<}, 'defaults';
$r = preflight($lake, 'http://a', 'GET');
is "$r->{status} " . code($r), '403 CorsPreflightFailure', 'no rules';
is cors($lake->blob('GET', '/con/b', { Origin => 'http://a' })), '',
    'no headers';

# ---- set -----------------------------------------------------------------

my $rules = rule('http://a,http://b', 'GET,PUT,DELETE', 'x-ms-*,content-type',
    'x-ms-*,ETag') . rule('http://c', 'GET', '', '');
$r = set($lake, "<Cors>$rules</Cors>");
is "$r->{status} $r->{body}", '202 ', 'set rules';
like get($lake), qr{<Cors>\Q$rules\E</Cors>}, 'and there they are';
is set($lake, '<DeleteRetentionPolicy><Enabled>false</Enabled>'
    . '</DeleteRetentionPolicy>')->{status}, 202, 'another section';
like get($lake), qr{<Cors>\Q$rules\E</Cors>}, 'leaves them alone';

for ([ '<Cors><CorsRule/></Cors>', 'MissingRequiredXmlNode' ],
    [ '<Cors>', 'InvalidXmlDocument' ],
    [ '<Cors>' . rule('*', 'FOO', '', '') . '</Cors>', 'InvalidXmlNodeValue' ],
    [ '<Cors>' . rule('*', 'GET', '', '') x 6 . '</Cors>',
        'InvalidXmlDocument' ],
    [ '<StaticWebsite><Enabled>true</Enabled></StaticWebsite>',
        'UnsupportedXmlNode' ]) {
    $r = set($lake, $$_[0]);
    is "$r->{status} " . code($r), "400 $$_[1]", $$_[1];
}
like $r->{body}, qr{StaticWebsite}, 'which names what is not done';
is code($lake->blob('PUT', $service, {}, '')), 'InvalidXmlDocument',
    'no document';
is code($lake->blob('PUT', $service, { 'Content-MD5' => 'A' x 22 . '==' },
    '<StorageServiceProperties/>')), 'Md5Mismatch', 'its MD5 counts';
is plain($lake, 'PUT', $service, { 'Content-Length' => 0 })->{status}, 404,
    'not without credentials';
like get($lake), qr{<Cors>\Q$rules\E</Cors>}, 'nothing was changed';

# ---- preflight -----------------------------------------------------------

$r = preflight($lake, 'http://b', 'PUT', 'X-MS-Blob-Type, content-type');
is $r->{status}, 200, 'preflight';
is cors($r), 'allow-origin=http://b; allow-credentials=true', 'its origin';
is $r->{headers}{'access-control-allow-methods'}, 'PUT', 'its method';
is $r->{headers}{'access-control-allow-headers'},
    'X-MS-Blob-Type, content-type', 'its headers';
is $r->{headers}{'access-control-max-age'}, 60, 'its age';
for ([ 'http://B', 'PUT' ], [ 'http://b', 'POST' ], [ 'http://c', 'PUT' ],
    [ 'http://b', 'PUT', 'x-other' ]) {
    $r = preflight($lake, @$_);
    is "$r->{status} " . code($r), '403 CorsPreflightFailure', "not @$_";
}
is code(preflight($lake, undef, 'PUT')), 'MissingRequiredHeader', 'no origin';
is code(preflight($lake, 'http://b')), 'MissingRequiredHeader', 'no method';
is preflight($lake, 'http://c', 'GET', undef, '/')->{status}, 200,
    'at the account, too';

# ---- requests ------------------------------------------------------------

$r = $lake->blob('GET', '/con/b', { Origin => 'http://a' });
is "$r->{status} $r->{body}", '200 bytes', 'a GET';
is cors($r), 'allow-origin=http://a; allow-credentials=true; vary=Origin',
    'with its headers';
like $r->{headers}{'access-control-expose-headers'},
    qr{(?=.*\bx-ms-request-id\b)(?=.*\bETag\b)}i, 'exposed by name';
unlike $r->{headers}{'access-control-expose-headers'},
    qr{content-type|\*}i, 'and no other';
is cors($lake->blob('HEAD', '/con/b', { Origin => 'http://z' })), 'vary=Origin',
    'another origin';
is cors($lake->blob('GET', '/con/b')), 'vary=Origin', 'no origin';
is cors($lake->blob('PUT', '/con/d', { Origin => 'http://a' }, 'x')),
    'allow-origin=http://a; allow-credentials=true', 'a write';
$r = $lake->blob('GET', '/con/none', { Origin => 'http://a' });
is "$r->{status} " . cors($r),
    '404 allow-origin=http://a; allow-credentials=true; vary=Origin',
    'not found';
$r = plain($lake, 'GET', '/con/b', { Origin => 'http://a' });
like "$r->{status} " . cors($r), qr{^(401|404) allow-origin=http://a},
    'not let in';
$r = $lake->blob('GET', '/con/b', { Origin => 'http://c' });
is cors($r), 'allow-origin=http://c; allow-credentials=true; vary=Origin',
    'the second rule';
ok !defined $r->{headers}{'access-control-expose-headers'}, 'exposes nothing';

# ---- kept ----------------------------------------------------------------

$lake->stop;
$lake->start;
like get($lake), qr{<Cors>\Q$rules\E</Cors>}, 'kept over a restart';
is preflight($lake, 'http://b', 'PUT')->{status}, 200, 'and in force';

# ---- default version -----------------------------------------------------

is set($lake, '<DefaultServiceVersion>2021-08-06</DefaultServiceVersion>')
    ->{status}, 202, 'a default version';
is plain($lake, 'GET', '/con/b')->{headers}{'x-ms-version'}, '2021-08-06',
    'of requests without one';
like get($lake), qr{<Cors>\Q$rules\E</Cors>}, 'beside the rules';

# ---- any origin ----------------------------------------------------------

is set($lake, '<Cors>' . rule('*', 'GET', '*', '*') . '</Cors>')->{status},
    202, 'any origin';
is cors($lake->blob('GET', '/con/b', { Origin => 'http://z' })),
    'allow-origin=*', 'as such';
is cors($lake->blob('GET', '/con/b')), 'allow-origin=*', 'without one, too';
is cors(preflight($lake, 'http://z', 'GET', 'x-any')),
    'allow-origin=http://z; allow-credentials=true', 'preflight';

# ---- an edge in front of it ----------------------------------------------

my $edge = $t->nginx('edge', origin => $lake)->start;
like get($edge), qr{<AllowedOrigins>\*<}, 'the origin\'s rules';
$r = preflight($edge, 'http://e', 'GET', 'x-any');
is "$r->{status} " . cors($r),
    '200 allow-origin=http://e; allow-credentials=true', 'a preflight';
is code(preflight($edge, 'http://e', 'PUT')), 'CorsPreflightFailure',
    'one that fails';
is code(preflight($edge, undef, 'PUT')), 'MissingRequiredHeader',
    'one that is none';
is set($edge, '<Cors/>')->{status}, 202, 'set through it';
is preflight($edge, 'http://e', 'GET')->{status}, 403, 'and in force';

is set($lake, '<Cors/>')->{status}, 202, 'no rules';
is cors($lake->blob('GET', '/con/b', { Origin => 'http://a' })), '',
    'no headers';

$t->done;

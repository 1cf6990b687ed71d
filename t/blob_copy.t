# Copies of blobs of this edge: what is shared, what is read, who may, and what
# an origin is told to copy.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;

sub md5 { md5_base64($_[0]) . '==' }

my $t = BlobTest->new;
my $n = $t->nginx('alone', http => <<'CONF', server => <<'SERVER')->start;
    blob_account other { key a2V5a2V5a2V5a2V5a2V5a2V5; origin none; }
CONF
        location /other/ { blob_pass other; }
SERVER
my $other = bless { %$n, account => 'other', key => 'a2V5a2V5a2V5a2V5a2V5a2V5',
    client => undef }, ref $n;
my $url = $n->url;
my $r;

is $n->blob('PUT', '/con?restype=container')->{status}, 201, 'container';
is $n->blob('PUT', '/open?restype=container',
    { 'x-ms-blob-public-access' => 'blob' })->{status}, 201, 'a public one';
is $other->blob('PUT', '/con?restype=container')->{status}, 201,
    'one of another account';

sub copy {
    my ($from, $to, %h) = @_;
    return $n->blob('PUT', $to, { 'x-ms-copy-source' => $from, %h });
}

sub refused {
    my ($got, $status, $code, $name) = @_;
    is $got->{status}, $status, "$name: $status";
    is $got->{headers}{'x-ms-error-code'}, $code, $code;
}

# ---- Copy Blob ----------------------------------------------------------

my $body = join '', map { "line $_\n" } 1 .. 5000;
$r = $n->blob('PUT', '/con/dir/a%20b', { 'x-ms-meta-K' => 'v',
    'x-ms-blob-content-type' => 'text/x-thing',
    'x-ms-blob-cache-control' => 'no-store' }, $body);
is $r->{status}, 201, 'source';
my ($etag, $lm) = @{$r->{headers}}{qw(etag last-modified)};

$r = copy("$url/con/dir/a%20b", '/con/b');
is $r->{status}, 202, 'copied';
like $r->{headers}{'x-ms-copy-id'}, qr/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    'id';
my $id = $r->{headers}{'x-ms-copy-id'};
is $r->{headers}{'x-ms-copy-status'}, 'success', 'at once';
ok $r->{headers}{etag} && $r->{headers}{etag} ne $etag, 'an ETag of its own';
ok $r->{headers}{'last-modified'}, 'Last-Modified';
for my $method (qw(GET HEAD)) {
    $r = $n->blob($method, '/con/b');
    is $r->{status}, 200, $method;
    my $h = $r->{headers};
    is $h->{'content-type'}, 'text/x-thing', 'type of the source';
    is $h->{'cache-control'}, 'no-store', 'its cache control';
    is $h->{'content-md5'}, md5($body), 'its MD5';
    is $h->{'x-ms-meta-k'}, 'v', 'its metadata';
    is $h->{'x-ms-copy-id'}, $id, 'copy id';
    is $h->{'x-ms-copy-status'}, 'success', 'status';
    is $h->{'x-ms-copy-source'}, "$url/con/dir/a%20b", 'source';
    is $h->{'x-ms-copy-progress'}, length($body) . '/' . length($body),
        'progress';
    like $h->{'x-ms-copy-completion-time'}, qr/GMT$/, 'completion';
}
is $n->blob('GET', '/con/b')->{body}, $body, 'the same bytes';

is copy("$url/con/b", '/con/c', 'x-ms-meta-Other' => 'w')->{status}, 202,
    'with metadata';
$r = $n->blob('HEAD', '/con/c');
is $r->{headers}{'x-ms-meta-other'}, 'w', 'these';
is $r->{headers}{'x-ms-meta-k'}, undef, 'and not the source\'s';

my $account = $n->{account};
is copy("https://$account.blob.core.windows.net/con/b", '/con/d')->{status},
    202, 'the name that clients have built in';
is $n->blob('GET', '/con/d')->{body}, $body, 'is ours';

# the source goes, what was copied stays
is $n->blob('DELETE', '/con/dir/a%20b')->{status}, 202, 'source deleted';
is $n->blob('PUT', '/con/b', {}, 'other')->{status}, 201, 'and replaced';
is $n->blob('GET', "/con/$_")->{body}, $body, "$_ is there" for qw(c d);
is $n->blob('HEAD', '/con/b')->{headers}{'x-ms-copy-id'}, undef,
    'a blob that is written anew is no copy';

# onto itself, and of nothing
is copy("$url/con/c", '/con/c', 'x-ms-meta-Self' => 'x')->{status}, 202,
    'onto itself';
$r = $n->blob('GET', '/con/c');
is $r->{body}, $body, 'keeps the bytes';
is $r->{headers}{'x-ms-meta-self'}, 'x', 'and has other metadata';
is $n->blob('PUT', '/con/empty', {}, '')->{status}, 201, 'empty';
is copy("$url/con/empty", '/con/empty2')->{status}, 202, 'copied';
is $n->blob('HEAD', '/con/empty2')->{headers}{'content-length'}, 0, 'empty';

# blocks go along
my @ids = map { encode_base64("block-$_", '') } 1 .. 3;
is $n->blob('PUT', "/con/bl?comp=block&blockid=$_", {}, "<$_>" x 10000)
    ->{status}, 201, 'block' for @ids;
is $n->blob('PUT', '/con/bl?comp=blocklist', {}, '<BlockList>'
    . join('', map { "<Latest>$_</Latest>" } @ids) . '</BlockList>')->{status},
    201, 'list';
is copy("$url/con/bl", '/con/bl2')->{status}, 202, 'a blob of blocks';
$r = $n->blob('GET', '/con/bl2?comp=blocklist');
my @got = $r->{body} =~ /<Name>(.*?)<\/Name>/g;
is_deeply \@got, \@ids, 'has them';
is $n->blob('GET', '/con/bl2')->{body}, join('', map { "<$_>" x 10000 } @ids),
    'and the bytes';

$r = $n->blob('GET', '/con?restype=container&comp=list&prefix=bl2&include=copy');
like $r->{body}, qr{<CopyStatus>success</CopyStatus><CopySource>\Q$url\E/con/bl<},
    'listed with include=copy';
unlike $n->blob('GET', '/con?restype=container&comp=list&prefix=bl2')->{body},
    qr/<Copy/, 'and not without';

# ---- conditions ---------------------------------------------------------

$r = $n->blob('HEAD', '/con/c');
($etag, $lm) = @{$r->{headers}}{qw(etag last-modified)};
my $no = '"0x1"';
is copy("$url/con/c", '/con/e', 'x-ms-source-if-match' => $etag)->{status},
    202, 'source If-Match';
refused copy("$url/con/c", '/con/e', @$_), 412, 'SourceConditionNotMet', $_->[0]
    for (['x-ms-source-if-match' => $no],
    ['x-ms-source-if-none-match' => $etag],
    ['x-ms-source-if-modified-since' => $lm],
    ['x-ms-source-if-unmodified-since' => 'Thu, 01 Jan 2015 00:00:00 GMT']);
refused copy("$url/con/c", '/con/e', 'x-ms-source-if-modified-since' => 'x'),
    400, 'InvalidHeaderValue', 'not a date';
refused copy("$url/con/c", '/con/e', 'If-None-Match' => '*'), 409,
    'BlobAlreadyExists', 'create only';
is copy("$url/con/c", '/con/fresh', 'If-None-Match' => '*')->{status}, 202,
    'of a new one';
refused copy("$url/con/c", '/con/e', 'If-Match' => $no), 412,
    'TargetConditionNotMet', 'target';
refused copy("$url/con/c", '/con/e', 'If-Match' => $no,
    'x-ms-requires-sync' => 'true'), 412, 'ConditionNotMet', 'sync';
refused copy("$url/con/c", '/con/e', 'x-ms-lease-id' =>
    '11111111-1111-1111-1111-111111111111'), 412,
    'LeaseNotPresentWithBlobOperation', 'a lease that is not';

# a lease of the target is asked for, the source's is not
my $lease = '11111111-1111-1111-1111-111111111111';
is $n->blob('PUT', '/con/e?comp=lease', { 'x-ms-lease-action' => 'acquire',
    'x-ms-lease-duration' => -1, 'x-ms-proposed-lease-id' => $lease })
    ->{status}, 201, 'lease';
refused copy("$url/con/c", '/con/e'), 412, 'LeaseIdMissing', 'leased';
refused copy("$url/con/c", "/con/e?comp=block&blockid=$ids[0]"), 412,
    'LeaseIdMissing', 'a block, too';
is copy("$url/con/c", '/con/e', 'x-ms-lease-id' => $lease)->{status}, 202,
    'with its id';
is copy("$url/con/e", '/con/f')->{status}, 202, 'a leased source';
is $n->blob('HEAD', '/con/f')->{headers}{'x-ms-lease-state'}, 'available',
    'whose lease stays';

# ---- Copy Blob From URL, Put Blob From URL ------------------------------

$r = copy("$url/con/c", '/con/sync', 'x-ms-requires-sync' => 'true',
    'x-ms-source-content-md5' => md5($body));
is $r->{status}, 202, 'sync';
is $r->{headers}{'x-ms-copy-status'}, 'success', 'status';
is $r->{headers}{'content-md5'}, md5($body), 'the MD5 that was checked';
is $n->blob('GET', '/con/sync')->{body}, $body, 'bytes';
refused copy("$url/con/c", '/con/none', 'x-ms-requires-sync' => 'true',
    'x-ms-source-content-md5' => md5('x')), 400, 'Md5Mismatch', 'another MD5';
refused copy("$url/con/c", '/con/none', 'x-ms-requires-sync' => 'true',
    'x-ms-source-content-crc64' => 'AAAAAAAAAAA='), 400, 'Crc64Mismatch',
    'another CRC64';
refused copy("$url/con/c", '/con/none', 'x-ms-requires-sync' => 'true',
    'x-ms-source-content-md5' => 'x'), 400, 'InvalidMd5', 'no MD5';
is $n->blob('HEAD', '/con/none')->{status}, 404, 'nothing was made of them';
is copy("$url/con/empty", '/con/empty3', 'x-ms-requires-sync' => 'true',
    'x-ms-source-content-md5' => md5(''))->{status}, 202, 'MD5 of nothing';

my @put = ('x-ms-blob-type' => 'BlockBlob');
$r = copy("$url/con/c", '/con/p', @put);
is $r->{status}, 201, 'Put Blob From URL';
is $r->{headers}{'content-md5'}, md5($body), 'MD5';
ok $r->{headers}{etag}, 'ETag';
is $r->{headers}{'x-ms-copy-id'}, undef, 'no copy id';
$r = $n->blob('GET', '/con/p');
is $r->{body}, $body, 'bytes';
is $r->{headers}{'content-type'}, 'text/x-thing', 'type of the source';
is $r->{headers}{'x-ms-meta-self'}, 'x', 'metadata';
is copy("$url/con/c", '/con/p', @put, 'x-ms-blob-content-type' => 'text/new',
    'x-ms-meta-New' => 'y')->{status}, 201, 'with some';
$r = $n->blob('HEAD', '/con/p');
is $r->{headers}{'content-type'}, 'text/new', 'type of the request';
is $r->{headers}{'cache-control'}, 'no-store', 'the rest of the source';
is $r->{headers}{'x-ms-meta-self'}, undef, 'metadata of the request';
is copy("$url/con/c", '/con/p', @put,
    'x-ms-copy-source-blob-properties' => 'false')->{status}, 201, 'without';
$r = $n->blob('HEAD', '/con/p');
is $r->{headers}{'content-type'}, 'application/octet-stream', 'no type';
is $r->{headers}{'x-ms-meta-self'}, undef, 'no metadata';
refused copy("$url/con/c", '/con/p', 'x-ms-blob-type' => 'Blob'), 400,
    'InvalidHeaderValue', 'not a type';
refused copy("$url/con/c", '/con/p', @put, 'x-ms-source-range' => 'bytes=0-9'),
    400, 'InvalidHeaderValue', 'a part of a blob';

# ---- Put Block From URL -------------------------------------------------

my $big = join '', map { pack 'N', $_ * 2654435761 % 4294967296 }
    1 .. 5_000_000;
is $n->blob('PUT', '/con/big', {}, $big)->{status}, 201, '20 MB';
my $part = 9_000_001;
$r = copy("$url/con/big", "/con/q?comp=block&blockid=$ids[0]",
    'x-ms-source-range' => "bytes=0-" . ($part - 1),
    'x-ms-source-content-md5' => md5(substr $big, 0, $part));
is $r->{status}, 201, 'block, its MD5 checked';
is $r->{headers}{'content-md5'}, md5(substr $big, 0, $part), 'and told';
$r = copy("$url/con/big", "/con/q?comp=block&blockid=$ids[1]",
    'x-ms-source-range' => "bytes=$part-");
is $r->{status}, 201, 'the rest';
ok $r->{headers}{'x-ms-content-crc64'}, 'CRC64';
is $r->{headers}{etag}, undef, 'no ETag';
is copy("$url/con/c", "/con/q?comp=block&blockid=$ids[2]")->{status}, 201,
    'a whole blob';
is $n->blob('PUT', '/con/q?comp=blocklist', {}, '<BlockList>'
    . join('', map { "<Latest>$_</Latest>" } @ids) . '</BlockList>')->{status},
    201, 'list';
ok $n->blob('GET', '/con/q')->{body} eq $big . $body, 'bytes';
refused copy("$url/con/c", "/con/q?comp=block&blockid=$ids[2]",
    'x-ms-source-range' => 'bytes=900000-'), 416, 'InvalidRange', 'past the end';
refused copy("$url/con/c", "/con/q?comp=block&blockid=$ids[2]",
    'x-ms-source-range' => '5'), 400, 'InvalidHeaderValue', 'no range';
refused copy("$url/con/c", "/con/q?comp=block&blockid=!"), 400,
    'InvalidQueryParameterValue', 'no block id';
refused copy("$url/con/c", "/con/q?comp=block&blockid=$ids[2]",
    'x-ms-source-content-md5' => md5('x')), 400, 'Md5Mismatch', 'another MD5';
refused copy("$url/con/empty", "/con/q?comp=block&blockid=$ids[2]"), 400,
    'InvalidInput', 'an empty block';

# ---- who may ------------------------------------------------------------

my $c = $n->connect;
my @ver = ('x-ms-version' => '2023-11-03', 'Content-Length' => 0);
sub by_sas {
    my ($from, $to, %h) = @_;
    my $sas = $n->sas(sp => 'cw', srt => 'o');
    my $sep = $to =~ /\?/ ? '&' : '?';
    return $c->request('PUT', "/$account$to$sep$sas",
        { @ver, 'x-ms-copy-source' => $from, %h });
}

$r = by_sas("$url/con/c", '/con/s', @put);
refused $r, 401, 'CannotVerifyCopySource', 'a SAS says nothing of the source';
is $r->{headers}{'x-ms-copy-source-status-code'}, 401, 'its status';
is $r->{headers}{'x-ms-copy-source-error-code'}, 'NoAuthenticationInformation',
    'its code';
$r = by_sas("$url/con/c", '/con/s');
refused $r, 401, 'CannotVerifyCopySource', 'Copy Blob, too';
is $r->{headers}{'x-ms-copy-source-status-code'}, undef, 'which has no more';
is by_sas("$url/con/c?" . $n->sas(sp => 'r'), '/con/s')->{status}, 202,
    'the source has its own';
unlike $n->blob('HEAD', '/con/s')->{headers}{'x-ms-copy-source'}, qr/sig/,
    'which is not shown';
refused by_sas("$url/con/c?" . $n->sas(sp => 'w'), '/con/s', @put), 403,
    'CannotVerifyCopySource', 'not to read';

# tags are more than bytes: on both sides a right of their own
is $n->blob('PUT', '/con/tagged', { 'x-ms-tags' => 'secret=yes' }, 'x')
    ->{status}, 201, 'a blob with tags';
my @tags = ('x-ms-copy-source-tag-option' => 'COPY');
refused by_sas("$url/con/tagged?" . $n->sas(sp => 'rt'), '/con/s', @tags), 403,
    'AuthorizationPermissionMismatch', 'tags for who may not set them';
sub with_tags {
    my ($from) = @_;
    return $c->request('PUT', "/$account/con/s?" . $n->sas(sp => 'cwt'),
        { @ver, @tags, @put, 'x-ms-copy-source' => $from });
}
refused with_tags("$url/con/tagged?" . $n->sas(sp => 'r')), 403,
    'CannotVerifyCopySource', 'nor read them';
is $n->blob('PUT', '/open/tagged', { 'x-ms-tags' => 'secret=yes' }, 'x')
    ->{status}, 201, 'a public one';
refused with_tags("$url/open/tagged"), 401, 'CannotVerifyCopySource',
    'its tags are not';
is with_tags("$url/con/tagged?" . $n->sas(sp => 'rt'))->{status}, 201, 'may';
like $n->blob('GET', '/con/s?comp=tags')->{body}, qr/secret/, 'and has them';

(my $bad = $n->sas(sp => 'r')) =~ s/sig=..../sig=AAAA/;
refused by_sas("$url/con/c?$bad", '/con/s', @put), 403,
    'CannotVerifyCopySource', 'forged';
my $one = BlobTest::Http::service_sas($account, $n->{key}, '/con/c', sp => 'r');
is by_sas("$url/con/c?$one", '/con/s')->{status}, 202, 'for this blob';
refused by_sas("$url/con/d?$one", '/con/s', @put), 403,
    'CannotVerifyCopySource', 'for that one';
refused by_sas("$url/con/c", '/con/s', @put, 'x-ms-copy-source-authorization' =>
    'Bearer x'), 403, 'CannotVerifyCopySource', 'a token that nobody knows';
is $n->blob('PUT', '/open/p', {}, 'public')->{status}, 201, 'a public blob';
is by_sas("$url/open/p", '/con/s')->{status}, 202, 'anybody may read it';
is $n->blob('GET', '/con/s')->{body}, 'public', 'bytes';

$r = copy("$url/con/not-there", '/con/s', @put);
refused $r, 404, 'CannotVerifyCopySource', 'no source';
is $r->{headers}{'x-ms-copy-source-error-code'}, 'BlobNotFound', 'why';
$r = copy("$url/not-there/b", '/con/s', @put);
refused $r, 404, 'CannotVerifyCopySource', 'no container';
is $r->{headers}{'x-ms-copy-source-error-code'}, 'ContainerNotFound', 'why';
refused copy("$url/con/c?snapshot=2024-01-01T00:00:00.0000000Z", '/con/s'), 404,
    'CannotVerifyCopySource', 'no snapshot';
refused copy("$url/con/c?snapshot=x", '/con/s'), 404, 'CannotVerifyCopySource',
    'not a snapshot';
refused copy("$url/con/c?versionid=2024-01-01T00:00:00.0000000Z", '/con/s'),
    404, 'CannotVerifyCopySource', 'no version';
is $n->blob('PUT', '/con/snap', {}, 'before')->{status}, 201, 'a blob';
my $snap = $n->blob('PUT', '/con/snap?comp=snapshot')->{headers}{'x-ms-snapshot'};
is $n->blob('PUT', '/con/snap', {}, 'after')->{status}, 201, 'replaced';
is copy("$url/con/snap?snapshot=$snap", '/con/snap')->{status}, 202,
    'a snapshot over its base';
$r = $n->blob('GET', '/con/snap');
is $r->{body}, 'before', 'brings it back';
like $r->{headers}{'x-ms-copy-source'}, qr/snap\?snapshot=/, 'and is named';
(my $nobody = $url) =~ s/\w+$/nobody/;
refused copy("$nobody/con/c", '/con/s'), 404, 'CannotVerifyCopySource',
    'no account';
refused copy('https://elsewhere.example/con/c', '/con/s'), 403,
    'CannotVerifyCopySource', 'somewhere else';
refused copy($_, '/con/s'), 400, 'InvalidHeaderValue', "\"$_\""
    for '/con/c', "$url/con/", "$url/con/a/../c", "$url/con/" . 'x' x 2048,
    "$url/con/c?snapshot=$snap&snapshot=", "$url/con/c?versionid=1&VersionId=2";
is $n->blob('GET', '/con/s')->{body}, 'public', 'none of them did anything';
refused copy("$url/con/c", '/not-there/c'), 404, 'ContainerNotFound',
    'no place to put it';

# another account: its own right, and bytes of its own
my $theirs = $other->url;
refused $other->blob('PUT', '/con/x', { 'x-ms-copy-source' => "$url/con/big" }),
    401, 'CannotVerifyCopySource', 'of another account';
$r = $other->blob('PUT', '/con/x', { 'x-ms-copy-source' => "$url/con/big?"
    . $n->sas(sp => 'r') });
is $r->{status}, 202, 'with a SAS of it';
is $n->blob('DELETE', '/con/big')->{status}, 202, 'source deleted';
ok $other->blob('GET', '/con/x')->{body} eq $big, 'bytes';

# ---- Abort Copy Blob ----------------------------------------------------

my @abort = ('x-ms-copy-action' => 'abort');
refused $n->blob('PUT', "/con/c?comp=copy&copyid=$id", { @abort }), 409,
    'NoPendingCopyOperation', 'abort';
refused $n->blob('PUT', "/con/not-there?comp=copy&copyid=$id", { @abort }), 404,
    'BlobNotFound', 'abort of nothing';
refused $n->blob('PUT', "/con/c?comp=copy&copyid=$id"), 400,
    'MissingRequiredHeader', 'no action';
refused $n->blob('PUT', '/con/c?comp=copy', { @abort }), 400,
    'MissingRequiredQueryParameter', 'no id';

# ---- a source that changes ----------------------------------------------

my $writer = fork // die "fork: $!\n";
if (!$writer) {
    $SIG{TERM} = 'DEFAULT';
    my $w = bless { %$n, client => undef }, ref $n;
    for (my $i = 0; ; $i++) {
        my $ch = chr 97 + $i % 26;
        $w->blob('PUT', '/con/moving', { 'x-ms-meta-Ch' => $ch,
            'x-ms-blob-content-type' => "text/$ch" }, $ch x (50_000 + $i));
    }
}
$t->wait_for(10, sub { $n->blob('HEAD', '/con/moving')->{status} == 200 });
my ($mixed, $done) = (0, 0);
for my $i (1 .. 60) {
    my $whole = $i % 2;
    $r = $whole ? copy("$url/con/moving", '/con/still')
        : copy("$url/con/moving", '/con/still', 'x-ms-requires-sync' => 'true',
            'x-ms-source-content-md5' => md5('x'));
    next unless $whole && $r->{status} == 202;
    $done++;
    $r = $n->blob('GET', '/con/still');
    my $ch = $r->{headers}{'x-ms-meta-ch'};
    $mixed++ unless $r->{headers}{'content-type'} eq "text/$ch"
        && $r->{body} =~ /^$ch+$/
        && $r->{headers}{'content-md5'} eq md5($r->{body});
}
kill 'TERM', $writer;
waitpid $writer, 0;
cmp_ok $done, '>', 20, 'copied while it is written';
is $mixed, 0, 'each is one of its versions';

# ---- an edge before another as its origin -------------------------------

my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake, policy => <<'POLICY')->start;
    blob_container thru { write through; }
POLICY
my $tier = $t->tier($edge)->start;
$url = $edge->url;

is $edge->blob('PUT', "/$_?restype=container")->{status}, 201, $_
    for qw(con thru);

sub at_edge {
    my ($from, $to, %h) = @_;
    return $edge->blob('PUT', $to, { 'x-ms-copy-source' => "$url$from", %h });
}

# what is here is copied here, and carried later
is $edge->blob('PUT', '/con/a', { 'x-ms-meta-K' => 'v' }, $body)->{status}, 201,
    'put';
$r = at_edge('/con/a', '/con/b');
is $r->{status}, 202, 'copied';
is $r->{headers}{'x-blob-edge-durability'}, 'local', 'here';
is $edge->blob('GET', '/con/b')->{body}, $body, 'bytes';
ok $t->wait_for(20, sub { $lake->blob('GET', '/con/b')->{body} eq $body }),
    'the origin gets it';
is $lake->blob('HEAD', '/con/b')->{headers}{'x-ms-meta-k'}, 'v', 'metadata';
$r = at_edge('/con/a', "/con/bl?comp=block&blockid=$ids[0]");
is $r->{status}, 201, 'a block of it';
is $edge->blob('PUT', '/con/bl?comp=blocklist', {},
    "<BlockList><Latest>$ids[0]</Latest></BlockList>")->{status}, 201, 'list';
is $edge->blob('GET', '/con/bl')->{body}, $body, 'bytes';

# what is only there is copied there
is $lake->blob('PUT', '/con/far', { 'x-ms-meta-F' => 'f' }, $big)->{status},
    201, 'a blob of the lake';
$r = at_edge('/con/far', '/con/far2');
is $r->{status}, 202, 'copied';
is $r->{headers}{'x-ms-copy-status'}, 'success', 'status';
ok $lake->blob('GET', '/con/far2')->{body} eq $big, 'by the lake';
$r = $edge->blob('GET', '/con/far2');
ok $r->{body} eq $big, 'and here it is read';
is $r->{headers}{'x-ms-meta-f'}, 'f', 'with metadata';
is $r->{headers}{'x-ms-copy-status'}, 'success', 'it is told of as a copy';
like $r->{headers}{'x-ms-copy-source'}, qr{/con/far$}, 'without a signature';
is at_edge('/con/far', '/con/far3', @put)->{status}, 201, 'Put Blob From URL';
ok $edge->blob('GET', '/con/far3')->{body} eq $big, 'bytes';
is $edge->blob('PUT', '/con/far3', {}, 'mine')->{status}, 201, 'written here';
is at_edge('/con/far', '/con/far3')->{status}, 202, 'replaced there';
ok $edge->blob('GET', '/con/far3')->{body} eq $big, 'flushed before';
$r = at_edge('/con/not-there', '/con/s', @put);
refused $r, 404, 'CannotVerifyCopySource', 'no source there';
is $edge->blob('DELETE', '/con/a')->{status}, 202, 'deleted here';
refused at_edge('/con/a', '/con/s', @put), 404, 'CannotVerifyCopySource',
    'is no source';
is $edge->blob('GET', '/con/far3?comp=copy')->{status} >= 400, 1, 'no such read';
refused $edge->blob('PUT', "/con/far3?comp=copy&copyid=$id", { @abort }), 409,
    'NoPendingCopyOperation', 'abort, said by the lake';

# who may is decided here
$c = $edge->connect;
$r = $c->request('PUT', "/$account/con/s?" . $edge->sas(sp => 'cw'),
    { @ver, 'x-ms-copy-source' => "$url/con/far" });
refused $r, 401, 'CannotVerifyCopySource', 'without a right to the source';
is $lake->blob('HEAD', '/con/s')->{status}, 404, 'the lake was not asked';
$r = $c->request('PUT', "/$account/con/s?" . $edge->sas(sp => 'cw'),
    { @ver, 'x-ms-copy-source' => "$url/con/far?" . $edge->sas(sp => 'r') });
is $r->{status}, 202, 'with one';
$r = $c->request('PUT', "/$account/con/s?comp=metadata&"
    . $edge->sas(sp => 'w'), { @ver, 'x-ms-copy-source' => "$url/con/far" });
is $r->{status}, 200, 'elsewhere the header says nothing';

# write through: the source's last version goes first
is $edge->blob('PUT', '/con/new', {}, 'one')->{status}, 201, 'source';
$etag = $edge->blob('PUT', '/con/new', {}, 'two')->{headers}{etag};
$r = at_edge('/con/new', '/thru/new', 'x-ms-source-if-match' => $etag);
is $r->{status}, 202, 'copied through, under the ETag that is known here';
is $lake->blob('GET', '/thru/new')->{body}, 'two', 'the last one';
refused at_edge('/con/new', '/thru/new', 'x-ms-source-if-match' => $no), 412,
    'SourceConditionNotMet', 'another ETag';
is at_edge('/con/new', "/thru/bl?comp=block&blockid=$ids[0]")->{status}, 201,
    'a block, through';
is $edge->blob('PUT', '/thru/bl?comp=blocklist', {},
    "<BlockList><Latest>$ids[0]</Latest></BlockList>")->{status}, 201, 'list';
is $edge->blob('GET', '/thru/bl')->{body}, 'two', 'bytes';

# a snapshot is the lake's: the query that says which stays, the SAS goes
is $edge->blob('PUT', '/con/sn', {}, 'then')->{status}, 201, 'source';
$r = $edge->blob('PUT', '/con/sn?comp=snapshot');
is $r->{status}, 201, 'its snapshot';
my $then = $r->{headers}{'x-ms-snapshot'};
$r = $edge->blob('HEAD', '/con/sn');
is $r->{headers}{'x-ms-access-tier-inferred'}, 'true',
    'a tier that nobody set is inferred here, too';
is $edge->blob('PUT', '/con/sn', {}, 'now')->{status}, 201, 'goes on';
is at_edge("/con/sn?snapshot=$then", '/con/sc')->{status}, 202, 'copied';
for my $when ('forwarded', 'from the record') {
    $r = $edge->blob('GET', '/con/sc');
    is $r->{body}, 'then', "the snapshot, $when";
    like $r->{headers}{'x-ms-copy-source'}, qr/sn\?snapshot=[^&]+\z/,
        'and is named';
}

# an origin that is reached with a SAS
my $by_sas = $t->nginx('sas', origin => $lake);
my $conf = $by_sas->conf;
my $origin_sas = $lake->sas(sp => 'rwdlacup');
$conf =~ s/origin_key [^;]+;/origin_sas "$origin_sas";/;
$by_sas->{conf} = $conf;
$by_sas->start;
$t->tier($by_sas)->start;
$r = $by_sas->blob('PUT', '/con/far4',
    { 'x-ms-copy-source' => $by_sas->url . '/con/far' });
is $r->{status}, 202, 'by SAS';
ok $by_sas->blob('GET', '/con/far4')->{body} eq $big, 'bytes';

# what the edge lets an origin read a source with comes back in no error
my $echo = $t->origin(sub {
    my ($m) = @_;
    my $from = $m->{headers}{'x-ms-copy-source'} // '-';
    return [404, { 'x-ms-error-code' => 'BlobNotFound' }] if $from eq '-';
    $from =~ s/&/&amp;/g;
    return [$m->{target} =~ /busy/ ? 500 : 400,
        { 'x-ms-error-code' => 'InvalidHeaderValue',
          'Content-Type' => 'application/xml' },
        "<Error><HeaderValue>$from</HeaderValue></Error>"];
});
my $quoted = $t->nginx('quoted', origin => $echo, policy => <<'POLICY')->start;
    blob_container thru { write through; }
POLICY
for my $to (qw(/con/x /thru/x /con/busy /thru/busy)) {
    $r = $quoted->blob('PUT', $to,
        { 'x-ms-copy-source' => $quoted->url . '/con/far' });
    cmp_ok $r->{status}, '>=', 400, "$to: refused";
    unlike $r->{body}, qr/sig=(?!X+[&<])/, 'without a signature';
}
like [map { $_->{headers}{'x-ms-copy-source'} // () } $echo->requests]->[0],
    qr/sig=/, 'there was one';

$t->done;

# What nginx answers before there is a request that the module could answer,
# and whether a connection lives after an error.

use strict;
use warnings;

use IO::Select;
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $lake = $t->nginx('lake')->start;
my $edge = $t->nginx('edge', origin => $lake)->start;
my $alone = $t->nginx('alone')->start;
my $r;

sub code { "$_[0]{status} " . ($_[0]{headers}{'x-ms-error-code'} // '-') }

# One request as it stands, on a connection of its own.
sub raw {
    my ($n, $text, %o) = @_;
    my $c = $n->connect(timeout => 10);
    $c->send($text);
    my $r = $c->read_message(%o) // { status => 0, headers => {}, body => '' };
    $r->{c} = $c;
    return $r;
}

# An answer that an SDK can read: a code in header and document, no HTML.
sub is_readable {
    my ($r, $what, $method) = @_;
    my $code = $r->{headers}{'x-ms-error-code'} // '';
    like $code, qr/^\w+$/, "$what: a code";
    like $r->{headers}{'x-ms-request-id'} // '', qr/^[0-9a-f-]{36}$/,
        "$what: a request id";
    unlike $r->{body}, qr/<html/i, "$what: no page of nginx";
    unlike $r->{headers}{server} // '', qr/nginx/i, "$what: not nginx's name";
    return if ($method // '') eq 'HEAD';
    like $r->{body}, qr{<Code>\Q$code\E</Code>}, "$what: in the document";
    is $r->{headers}{'content-type'}, 'application/xml', "$what: XML";
}

for my $n ($alone, $edge) {
    my $a = $n->{account};
    my $sas = $n->sas;
    my $v = "x-ms-version: 2023-11-03\r\n";
    my $host = "Host: $t->{host}\r\n";
    is $n->blob('PUT', '/ccc?restype=container')->{status}, 201, 'container';
    is $n->blob('PUT', '/ccc/b', {}, 'hello')->{status}, 201, 'blob';

    # ---- lines and headers that are none ---------------------------------

    my @early = (
        ['no host', 400, "GET /$a/ccc/b?$sas HTTP/1.1\r\n$v\r\n"],
        ['two hosts', 400, "GET /$a/ccc/b?$sas HTTP/1.1\r\n$host$host\r\n"],
        ['a host that is none', 400,
            "GET /$a/ccc/b?$sas HTTP/1.1\r\nHost: a/b\r\n\r\n"],
        ['a length that is none', 400,
            "PUT /$a/ccc/b?$sas HTTP/1.1\r\n${host}Content-Length: x\r\n\r\n"],
        ['two lengths', 400, "PUT /$a/ccc/b?$sas HTTP/1.1\r\n$host"
            . "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"],
        ['length and chunks', 400, "PUT /$a/ccc/b?$sas HTTP/1.1\r\n$host"
            . "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
        ['a coding that is none', qr/^(?:400|501)$/,
            "PUT /$a/ccc/b?$sas HTTP/1.1\r\n$host"
            . "Transfer-Encoding: gzip\r\n\r\n"],
        ['a target that is none', 400, "GET b HTTP/1.1\r\n$host\r\n"],
        ['a bad escape', 400, "GET /$a/ccc/%zz?$sas HTTP/1.1\r\n$host$v\r\n"],
        ['half an escape', 400, "GET /$a/ccc/b%2?$sas HTTP/1.1\r\n$host$v\r\n"],
        ['an escaped zero', 400,
            "GET /$a/ccc/b%00c?$sas HTTP/1.1\r\n$host$v\r\n"],
        ['out of the root', 400, "GET /../../x?$sas HTTP/1.1\r\n$host$v\r\n"],
        ['a header of 100 kB', 431, "GET /$a/ccc/b?$sas HTTP/1.1\r\n$host"
            . 'x-ms-meta-a: ' . 'm' x 100_000 . "\r\n\r\n"],
        ['a target of 100 kB', qr/^(?:400|414)$/,
            "GET /$a/ccc/b?x=" . 'q' x 100_000 . "&$sas HTTP/1.1\r\n$host\r\n"],
        ['a method in small letters', qr/^(?:400|405)$/,
            "get /$a/ccc/b?$sas HTTP/1.1\r\n$host$v\r\n"],
        ['TRACE', 405, "TRACE /$a/ccc/b?$sas HTTP/1.1\r\n$host$v\r\n"],
        ['HTTP 3.0', 505, "GET /$a/ccc/b?$sas HTTP/3.0\r\n$host$v\r\n"],
    );
    for (@early) {
        my ($what, $status, $text) = @$_;
        $what = "$n->{name}: $what";
        my $r = raw($n, $text);
        if (ref $status) { like $r->{status}, $status, $what }
        else { is $r->{status}, $status, $what }
        is_readable($r, $what);
    }
    $r = raw($n, "HEAD /$a/ccc/b?$sas HTTP/1.1\r\n$v\r\n", method => 'HEAD');
    is $r->{status}, 400, 'HEAD without a host';
    is_readable($r, 'HEAD without a host', 'HEAD');
    # a plain port that is spoken TLS to answers something and goes
    $r = raw($n, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    is $r->{status}, 400, 'TLS';
    is $n->blob('GET', '/ccc/b')->{body}, 'hello', 'it goes on';

    # ---- what is long but right ------------------------------------------

    my $long = '%F0%9F%98%80' x 512; # 1024 units
    is $n->blob('PUT', "/ccc/$long", {}, 'x')->{status}, 201, 'a long name';
    is raw($n, "GET /$a/ccc/$long?$sas&_=" . 'j' x 8000
        . " HTTP/1.1\r\n$host$v\r\n")->{status}, 200,
        'and a query that is longer than nginx takes of itself';
    my %meta = map { ("x-ms-meta-k$_" => 'v' x 1000) } 1 .. 8;
    is $n->blob('PUT', '/ccc/meta', \%meta, 'x')->{status}, 201,
        '8000 bytes of metadata';
    is code($n->blob('PUT', '/ccc/meta', { %meta, 'x-ms-meta-k9' =>
        'v' x 1000 }, 'x')), '400 MetadataTooLarge', '9000 are too many';
    ok $n->{client}{open}, 'and the connection stays';

    # ---- after an error the connection lives -----------------------------

    my $big = 'x' x 300_000;
    my %block = ('x-ms-blob-type' => 'BlockBlob', 'x-ms-version' =>
        '2023-11-03');
    my @after = (
        ['400 InvalidHeaderValue', 'PUT', "/$a/ccc/b?$sas",
            { %block, 'x-ms-blob-type' => 'Nothing' }, $big],
        ['400 InvalidQueryParameterValue', 'PUT', "/$a/ccc/b?comp=what&$sas",
            \%block, $big],
        ['400 InvalidQueryParameterValue', 'PUT',
            "/$a/ccc/b?comp=block&blockid=**&$sas", \%block, $big],
        ['400 Md5Mismatch', 'PUT', "/$a/ccc/b?$sas",
            { %block, 'Content-MD5' => 'A' x 22 . '==' }, $big],
        ['401 NoAuthenticationInformation', 'PUT', "/$a/ccc/b", \%block, $big],
        ['403 AuthorizationPermissionMismatch', 'PUT',
            "/$a/ccc/b?" . $n->sas(sp => 'r'), \%block, $big],
        ['404 ContainerNotFound', 'PUT', "/$a/none/b?$sas", \%block, $big],
        ['404 BlobNotFound', 'GET', "/$a/ccc/none?$sas", \%block],
        ['404 BlobNotFound', 'HEAD', "/$a/ccc/none?$sas", \%block],
        ['401 NoAuthenticationInformation', 'HEAD', "/$a/ccc/none", \%block],
        ['405 UnsupportedHttpVerb', 'POST', "/$a/ccc/b?$sas", \%block, $big],
        ['409 BlobAlreadyExists', 'PUT', "/$a/ccc/b?$sas",
            { %block, 'If-None-Match' => '*' }, $big],
        ['411 MissingContentLengthHeader', 'PUT', "/$a/ccc/b?$sas",
            { %block, 'Transfer-Encoding' => 'chunked' },
            "5\r\nhello\r\n0\r\n\r\n"],
        ['412 ConditionNotMet', 'PUT', "/$a/ccc/b?$sas",
            { %block, 'If-Match' => '"0x1"' }, $big],
        ['416 InvalidRange', 'GET', "/$a/ccc/b?$sas",
            { %block, 'x-ms-range' => 'bytes=99-' }],
        ['304 ConditionNotMet', 'GET', "/$a/ccc/b?$sas", { %block,
            'If-None-Match' => $n->blob('HEAD', '/ccc/b')->{headers}{etag} }],
        ['416 InvalidRange', 'GET', "/$a/ccc/b?$sas",
            { %block, Range => 'bytes=99-' }],
    );
    my $c = $n->connect;
    for (@after) {
        my ($want, $method, $target, $h, $body) = @$_;
        my ($path) = $target =~ m{^/\w+([^&?]*)};
        my $what = "$n->{name}: $want, $method $path";
        $r = $c->request($method, $target, $h, $body) // { headers => {} };
        is code($r), $want, $what;
        is length $r->{body}, 0, "$what: no body"
            if $method eq 'HEAD' || $want =~ /^304/;
        is_readable($r, $what, 'HEAD');
        ok $c->{open} && lc($r->{headers}{connection} // '') ne 'close',
            "$what: the connection is left open";
        $c = $n->connect unless $c->{open};
        my $ok = eval { $c->request('GET', "/$a/ccc/b?$sas",
            { 'x-ms-version' => '2023-11-03' }) };
        is $ok->{body}, 'hello', "$what: and in step";
        $c = $n->connect unless $ok && $c->{open};
    }

    # 413 without reading 900 GB
    $r = raw($n, "PUT /$a/ccc/b?$sas HTTP/1.1\r\n$host$v"
        . "x-ms-blob-type: BlockBlob\r\nContent-Length: 900000000000\r\n\r\n");
    is code($r), '413 RequestBodyTooLarge', 'much too large';
    is_readable($r, '413');

    # ---- Expect ----------------------------------------------------------

    my $put = sub {
        my ($query, $expect, $more) = @_;
        return "PUT /$a/ccc/e$query HTTP/1.1\r\n$host${v}Expect: $expect\r\n"
            . "x-ms-blob-type: BlockBlob\r\nContent-Length: 5\r\n"
            . ($more // '') . "\r\n";
    };
    for my $word ('100-continue', '100-Continue') {
        $c = $n->connect;
        $c->send($put->("?$sas", $word));
        ok(IO::Select->new($c->{s})->can_read(5), 'invited');
        $c->send('12345');
        $r = $c->read_message;
        is "$r->{interim} $r->{status}", '1 201', "$word, then the answer";
        # refused: no invitation, and a client that goes on without sending
        $c->send($put->('', $word));
        $r = $c->read_message;
        is "$r->{interim} " . code($r), '0 401 NoAuthenticationInformation',
            'refused at once';
        # ... or one that had begun to send
        $c = $n->connect;
        $c->send($put->("?$sas", $word, "If-None-Match: *\r\n") . '12345');
        $r = $c->read_message;
        is code($r), '409 BlobAlreadyExists', 'refused with the body sent';
    }
    is $n->blob('GET', '/ccc/e')->{body}, '12345', 'what was invited is there';
}
$t->done;

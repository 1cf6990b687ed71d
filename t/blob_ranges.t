# Ranges and conditions of reads.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use Test::More;
use BlobTest;

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
$n->blob('PUT', '/ccc?restype=container');

for my $size (1000, 300_000) {
    my $body = join '', map { chr($_ * 131 & 255) } 1 .. $size;
    my $put = $n->blob('PUT', '/ccc/b', {}, $body);
    my ($etag, $lm) = @{$put->{headers}}{qw(etag last-modified)};
    my $last = $size - 1;

    for (["bytes=0-99", 0, 99], ["bytes=10-", 10, $last],
        ["bytes=0-99999999", 0, $last], ["bytes=$last-$last", $last, $last],
        ["bytes=500-700", 500, 700])
    {
        my ($range, $a, $b) = @$_;
        for my $name ('Range', 'x-ms-range') {
            my $r = $n->blob('GET', '/ccc/b', { $name => $range });
            is $r->{status}, 206, "$size $name: $range";
            is $r->{headers}{'content-range'}, "bytes $a-$b/$size", 'range';
            ok $r->{body} eq substr($body, $a, $b - $a + 1), 'bytes';
        }
    }
    my $r = $n->blob('GET', '/ccc/b', { Range => 'bytes=0-1',
        'x-ms-range' => 'bytes=2-3' });
    is $r->{body}, substr($body, 2, 2), 'x-ms-range wins';
    is $r->{headers}{'x-ms-blob-content-md5'}, md5_base64($body) . '==',
        "whole MD5 under another name";

    $r = $n->blob('GET', '/ccc/b', { 'x-ms-range' => "bytes=$size-" });
    is $r->{status}, 416, 'past the end';
    is $r->{headers}{'x-ms-error-code'}, 'InvalidRange', 'InvalidRange';
    is $r->{headers}{'content-range'}, "bytes */$size", 'and the size';

    $r = $n->blob('GET', '/ccc/b', { 'x-ms-range' => 'bytes=10-19',
        'x-ms-range-get-content-md5' => 'true' });
    is $r->{headers}{'content-md5'}, md5_base64(substr $body, 10, 10) . '==',
        'MD5 of a range';

    for ([{ 'If-Match' => $etag }, 200], [{ 'If-Match' => '"0x1"' }, 412],
        [{ 'If-None-Match' => $etag }, 304],
        [{ 'If-None-Match' => '"0x1"' }, 200],
        [{ 'If-Modified-Since' => $lm }, 304],
        [{ 'If-Unmodified-Since' => $lm }, 200],
        [{ 'If-Unmodified-Since' => 'Thu, 01 Jan 1998 00:00:00 GMT' }, 412])
    {
        my ($h, $status) = @$_;
        for my $method ('GET', 'HEAD') {
            my $r = $n->blob($method, '/ccc/b', { %$h });
            is $r->{status}, $status, "$size $method " . join ': ', %$h;
            is $r->{headers}{'x-ms-error-code'},
                $status == 200 ? undef : 'ConditionNotMet', 'code';
        }
    }
}

# an empty blob
$n->blob('PUT', '/ccc/empty', {}, '');
my $r = $n->blob('GET', '/ccc/empty', { 'x-ms-range' => 'bytes=0-10' });
is $r->{status}, 416, 'any range of an empty blob';
is $r->{headers}{'content-range'}, 'bytes */0', 'says its size';
is $n->blob('GET', '/ccc/empty')->{status}, 200, 'whole it is fine';

# conditions of writes
is $n->blob('PUT', '/ccc/empty', { 'If-None-Match' => '*' }, 'x')->{headers}
    {'x-ms-error-code'}, 'BlobAlreadyExists', 'create only';
is $n->blob('PUT', '/ccc/fresh', { 'If-None-Match' => '*' }, 'x')->{status},
    201, 'creates';
is $n->blob('PUT', '/ccc/empty', { 'If-Match' => '"0x77"' }, 'x')->{status},
    412, 'another ETag';
is $n->blob('DELETE', '/ccc/empty', { 'If-Match' => '"0x77"' })->{status}, 412,
    'delete of another ETag';
is $n->blob('GET', '/ccc/empty')->{body}, '', 'untouched';
my $etag = $n->blob('HEAD', '/ccc/fresh')->{headers}{etag};
is $n->blob('PUT', '/ccc/fresh', { 'If-Match' => $etag }, 'y')->{status}, 201,
    'the right ETag';
is $n->blob('GET', '/ccc/fresh')->{body}, 'y', 'replaced';

ok $n->{client}{open}, 'on one connection';
$t->done;

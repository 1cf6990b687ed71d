# Blocks, block lists, and what is left of abandoned ones.

use strict;
use warnings;

use Digest::MD5 qw(md5_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;
use BlobTest;
use BlobTest::Http qw(uri_escape);

my $t = BlobTest->new;
my $n = $t->nginx('edge')->start;
$n->blob('PUT', '/ccc?restype=container');

sub id { encode_base64(sprintf('%08d', $_[0]), '') }
sub put_block {
    my ($name, $id, $body, %h) = @_;
    return $n->blob('PUT', "/ccc/$name?comp=block&blockid=" . uri_escape($id),
        { %h }, $body);
}
sub put_list {
    my ($name, $xml, %h) = @_;
    return $n->blob('PUT', "/ccc/$name?comp=blocklist", { %h },
        "<?xml version='1.0' encoding='utf-8'?><BlockList>$xml</BlockList>");
}
sub latest { join '', map { '<Latest>' . id($_) . '</Latest>' } @_ }
sub code { $_[0]{headers}{'x-ms-error-code'} }

my @parts = ('a' x 10, 'b' x 20_000, 'c' x 600_000);
for (0 .. 2) {
    my $r = put_block('big', id($_), $parts[$_]);
    is $r->{status}, 201, "block $_";
    ok $r->{headers}{'x-ms-content-crc64'}, 'CRC64';
    ok !$r->{headers}{etag}, 'no ETag';
}
my $r = put_block('big', id(3), 'dd', 'Content-MD5' => md5_base64('dd') . '==');
is $r->{headers}{'content-md5'}, md5_base64('dd') . '==', 'MD5 comes back';
is put_block('big', id(3), 'de', 'Content-MD5' => md5_base64('dd') . '==')
    ->{headers}{'x-ms-error-code'}, 'Md5Mismatch', 'wrong MD5';
is code(put_block('big', encode_base64('short', ''), 'x')),
    'InvalidBlobOrBlock', 'ids of one length';
is $n->blob('GET', '/ccc/big')->{status}, 404, 'not there yet';
$r = $n->blob('GET', '/ccc/big?comp=blocklist&blocklisttype=all');
is $r->{status}, 200, 'but its blocks are';
is scalar(() = $r->{body} =~ /<Block>/g), 4, 'four';
like $r->{body}, qr{<CommittedBlocks\s*/>|<CommittedBlocks></CommittedBlocks>},
    'none committed';

# also after a reload
ok $n->reload, 'reload';
$r = put_list('big', latest(2, 0, 1, 0), 'x-ms-blob-content-type' => 'x/y');
is $r->{status}, 201, 'commit';
my $etag = $r->{headers}{etag};
ok $etag, 'ETag';
$r = $n->blob('GET', '/ccc/big');
ok $r->{body} eq join('', @parts[2, 0, 1, 0]), 'bytes in the list\'s order';
ok !$r->{headers}{'content-md5'}, 'no invented MD5';
is $r->{headers}{'content-type'}, 'x/y', 'type';
is $r->{headers}{etag}, $etag, 'the same ETag';
$r = $n->blob('GET', '/ccc/big', { 'x-ms-range' => 'bytes=599990-600030' });
ok $r->{body} eq substr(join('', @parts[2, 0, 1]), 599990, 41),
    'a range across blocks';

$r = $n->blob('GET', '/ccc/big?comp=blocklist&blocklisttype=all');
is_deeply [$r->{body} =~ m{<Name>([^<]+)</Name>}g], [map { id($_) } 2, 0, 1, 0],
    'committed in order, the rest discarded';

# committed blocks again, with a new one
is put_block('big', id(7), 'new')->{status}, 201, 'one more';
is put_list('big', "<Committed>@{[id(1)]}</Committed>"
    . "<Uncommitted>@{[id(7)]}</Uncommitted>")->{status}, 201, 'list of both';
ok $n->blob('GET', '/ccc/big')->{body} eq $parts[1] . 'new', 'bytes';
is code(put_list('big', latest(99))), 'InvalidBlockList', 'unknown block';
is code(put_list('big', '<Oops')), 'InvalidXmlDocument', 'not XML';
ok $n->blob('GET', '/ccc/big')->{body} eq $parts[1] . 'new', 'nothing changed';
is put_list('none', '')->{status}, 201, 'an empty list';
is $n->blob('GET', '/ccc/none')->{headers}{'content-length'}, 0, 'empty blob';

# create only
is code(put_list('none', '', 'If-None-Match' => '*')), 'BlobAlreadyExists',
    'create only';

# an aborted block leaves nothing
my $c = $n->connect;
my %h = ('Content-Length' => 1_000_000, Host => 'x');
my $target = "/$n->{account}/ccc/cut?comp=block&blockid="
    . uri_escape(id(0)) . '&' . $n->sas;
$c->send("PUT $target HTTP/1.1\r\nHost: $t->{host}\r\n"
    . "x-ms-version: 2023-11-03\r\nContent-Length: 1000000\r\n\r\n"
    . 'z' x 400_000);
$c->close;
select undef, undef, undef, 0.3;
is $n->blob('GET', '/ccc/cut?comp=blocklist&blocklisttype=all')->{status}, 404,
    'nothing of an aborted block';

# listing
$r = $n->blob('GET', '/ccc?restype=container&comp=list');
unlike $r->{body}, qr/<Name>cut/, 'not listed';
put_block('unc', id(0), 'x');
unlike $n->blob('GET', '/ccc?restype=container&comp=list')->{body},
    qr/<Name>unc/, 'uncommitted ones are not listed';
like $n->blob('GET', '/ccc?restype=container&comp=list'
    . '&include=uncommittedblobs')->{body}, qr/<Name>unc/, 'unless asked for';
is $n->blob('DELETE', '/ccc/unc')->{status}, 202, 'AzCopy deletes it on cancel';
is $n->blob('GET', '/ccc/unc?comp=blocklist&blocklisttype=all')->{status}, 404,
    'and its blocks are gone';

$t->done;

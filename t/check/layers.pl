#!/usr/bin/perl
# Includes go one way, and some headers have one home.

use strict;
use warnings;

my %sees = (
    'tier/base' => [qw(base)],
    'tier/proto' => [qw(base proto)],
    'tier/store' => [qw(base store)],
    'tier/origin' => [qw(base proto origin)],
    'tier/sync' => [qw(base proto store origin sync)],
    'tier/cmd' => [qw(base proto store origin sync cmd)],
    'ngx_blob_module' => [qw(base proto store)],
);
my $layers = qr/base|proto|store|origin|sync|cmd/;
my ($bad, $files, %lmdb) = (0, 0);

sub wrong { print "$_[0]\n"; $bad++ }

for my $dir (sort keys %sees) {
    my %ok = map { $_ => 1 } @{$sees{$dir}};
    for my $file (glob "$dir/*.[ch]") {
        $files++;
        open my $f, '<', $file or die "$file: $!\n";
        while (<$f>) {
            if (/\bngx_\w+/ && $dir ne 'ngx_blob_module' && !m{^\s*/?\*}
                && !/"/)
            {
                wrong("$file:$.: ngx_ outside of the glue");
            }
            my ($q, $inc) = /^\s*#\s*include\s*([<"])([^>"]+)/ or next;
            my ($layer) = $inc =~ m{^($layers)/};
            wrong("$file:$.: $inc: $dir may not include $layer")
                if defined $layer && !$ok{$layer};
            wrong("$file:$.: $inc: write it as LAYER/FILE.h")
                if $q eq '"' && !defined $layer && $dir ne 'ngx_blob_module'
                || $inc =~ /\.\./;
            wrong("$file:$.: $inc belongs to the glue")
                if $inc =~ /^ngx_/ && $dir ne 'ngx_blob_module';
            wrong("$file:$.: $inc belongs to tier/origin")
                if $inc =~ m{^(?:curl|libxml)/} && $dir ne 'tier/origin';
            wrong("$file:$.: $inc belongs to tier/cmd")
                if $inc eq 'microhttpd.h' && $dir ne 'tier/cmd';
            $lmdb{$file} = 1 if $inc eq 'lmdb.h';
        }
    }
}
wrong('lmdb.h has more than one home: ' . join ' ', sort keys %lmdb)
    if keys %lmdb > 1;
wrong("$_: lmdb.h belongs to one .c of tier/store")
    for grep { !m{^tier/store/\w+\.c$} } sort keys %lmdb;

print "# $files files\n";
exit($bad ? 1 : 0);

#!/usr/bin/perl
# Functions of more than 100 lines (120 in the glue) and files of more than
# 1200 fail.  A function is measured from its name's line to its closing
# brace, both of which stand at the start of a line here.  sizes.pl -v prints
# the longest.

use strict;
use warnings;

my ($bad, @all) = (0);

for my $file (glob 'tier/*/*.[ch] ngx_blob_module/*.[ch]') {
    my $limit = $file =~ /^ngx_/ ? 120 : 100;
    open my $f, '<', $file or die "$file: $!\n";
    my ($name, $start, $open);
    while (<$f>) {
        if (!$open && /^([A-Za-z_]\w*)\(/) {
            ($name, $start) = ($1, $.);
        } elsif (/^\{/ && defined $name) {
            $open = 1;
        } elsif (/^\}/ && $open) {
            my $n = $. - $start + 1;
            push @all, [$n, "$file:$start: $name"];
            if ($n > $limit) {
                print "$file:$start: $name has $n lines, limit $limit\n";
                $bad++;
            }
            ($name, $open) = (undef, 0);
        } elsif (/^\S.*;\s*$/ && !$open) {
            $name = undef;
        }
    }
    if ($. > 1200) {
        print "$file has $. lines, limit 1200\n";
        $bad++;
    }
}

@all = sort { $b->[0] <=> $a->[0] } @all;
if (@ARGV && $ARGV[0] eq '-v') {
    print "$_->[0] $_->[1]\n" for grep { defined } @all[0 .. 19];
}
printf "# %d functions, median %d, longest %d\n", scalar @all,
    @all ? $all[@all / 2][0] : 0, @all ? $all[0][0] : 0;
exit($bad ? 1 : 0);

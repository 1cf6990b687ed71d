#!/usr/bin/perl
# What the tables in the code name, the pages in docs/ name, and the other way
# round.  A page names a thing in a heading or in the first cell of a table
# row, between backquotes or as plain text.

use strict;
use warnings;

# what, files, pattern of a name in them, page, pattern of a name there
my @rules = (
    ['directive', 'ngx_blob_module/*.c', qr/^\s+\{ ngx_string\("([a-z_]+)"\),$/,
        'docs/directives.md', qr/^#+ +`?([a-z_]+)`?/],
    ['operation', 'tier/proto/op.c', qr/^    ROW\(\w+, "([^"]+)"/,
        'docs/operations.md', qr/^\| ([A-Z][A-Za-z ()]+?) \| `[A-Z]/],
    ['verb', 'tier/cmd/verbs.c', qr/^    \{ "([a-z]+)",/,
        'docs/blob-tier.md', qr/^#+ +`?(?:blob-tier )?([a-z]+)`?(?: |$)/],
    ['error', 'tier/proto/error.h', qr/^    X\(\w+, "(\w+)"/,
        'docs/errors.md', qr/^\| ([A-Z]\w+) \| \d/],
);

my $bad = 0;

sub names {
    my ($pattern, @files) = @_;
    my %names;
    for my $file (@files) {
        open my $f, '<', $file or next;
        while (<$f>) {
            $names{$1} //= "$file:$." if $_ =~ $pattern;
        }
    }
    return \%names;
}

for my $rule (@rules) {
    my ($what, $glob, $in_code, $page, $in_page) = @$rule;
    my @files = glob $glob;
    next unless @files;
    my $code = names($in_code, @files);
    my $docs = names($in_page, $page);
    if (!-f $page) {
        print "$page is not there\n";
        $bad++;
        next;
    }
    if (!keys %$code) {
        print "no ${what}s found in $glob: does the pattern still fit?\n";
        $bad++;
    }
    for my $name (sort keys %$code) {
        next if $docs->{$name};
        print "$code->{$name}: $what $name is not in $page\n";
        $bad++;
    }
    for my $name (sort keys %$docs) {
        next if $code->{$name};
        print "$docs->{$name}: $what $name is not in the code\n";
        $bad++;
    }
    printf "# %d %ss\n", scalar keys %$code, $what;
}
# Also how: the columns `back` and standalone of the table of operations.
my %how = (NATIVE => 'native', FORWARD => 'forward', REFUSE => 'refuse');
my %cells;
if (open my $f, '<', 'docs/operations.md') {
    while (<$f>) {
        my @c = map { s/^\s+|\s+$//gr } split /\|/;
        $cells{$c[1]} = "$c[3] $c[6]" if @c > 7;
    }
}
if (open my $f, '<', 'tier/proto/op.c') {
    while (<$f>) {
        my ($name, $origin, $alone) =
            /^    ROW\(\w+, "([^"]+)".*, (\w+), (\w+)\),$/ or next;
        my $want = "$how{$origin} $how{$alone}";
        next if ($cells{$name} // $want) eq $want;
        print "docs/operations.md: $name is $cells{$name}, the table says "
            . "$want\n";
        $bad++;
    }
}
exit($bad ? 1 : 0);

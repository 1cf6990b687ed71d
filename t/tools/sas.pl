#!/usr/bin/perl
# Print an account SAS:  sas.pl ACCOUNT KEY [name=value]...

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use BlobTest::Http qw(account_sas);

my ($account, $key, @set) = @ARGV;
die "usage: sas.pl ACCOUNT KEY [sp=...] [se=...]\n" unless defined $key;
print account_sas($account, $key, map { split /=/, $_, 2 } @set), "\n";

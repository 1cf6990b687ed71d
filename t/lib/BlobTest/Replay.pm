package BlobTest::Replay;

# A client's requests, sent as it sends them, and what every answer has to have
# for any client.
#
#   my $c = BlobTest::Replay->new($nginx, name => 'azcopy', sas => $sas,
#       version => '2025-07-05', id => 1);
#   my $r = $c->step(201, 'PUT', '/con/b', { 'x-ms-blob-type' => ... }, $body);
#   $c->step('404 BlobNotFound', 'HEAD', '/con/none');
#
# Options: sas (else the account's key signs), version, id (send an
# x-ms-client-request-id), host (host style: the Host header, and no account in
# the path), zero and plus (see BlobTest::Http::sign), headers (sent with every
# request).

use strict;
use warnings;

use Test::More ();
use BlobTest::Http;

my $ids = 0;

sub new {
    my ($class, $n, %o) = @_;
    return bless { n => $n, headers => {}, seen => {}, %o }, $class;
}

sub url {
    my ($self) = @_;
    return $self->{host} ? "https://$self->{host}" : $self->{n}->url;
}

# The request without any test of the answer.
sub call {
    my ($self, $method, $path, $headers, $body) = @_;
    my $n = $self->{n};
    my %h = ('x-ms-version' => $self->{version}, %{$self->{headers}},
        %{$headers // {}});
    my $target = $self->{host} ? $path : "/$n->{account}$path";

    $h{Host} = $self->{host} if $self->{host};
    $h{'x-ms-client-request-id'} //= sprintf
        '%08x-1111-4222-8333-0123456789ab', ++$ids if $self->{id};
    $h{'Content-Length'} //= length($body // '')
        if $method =~ /^P/ || defined $body;
    if ($self->{sas}) {
        $target .= ($target =~ /\?/ ? '&' : '?') . $self->{sas};
    } else {
        BlobTest::Http::sign($n->{account}, $n->{key}, $method, $target, \%h,
            zero => $self->{zero}, plus => $self->{plus});
    }

    my $c = $self->{c};
    $c = $self->{c} = $n->connect unless $c && $c->{open};
    my $r = $c->request($method, $target, \%h, $body)
        // { status => 0, headers => {}, list => [], body => '', head => '' };
    $r->{sent} = \%h;
    $c->close if $r->{broken};
    return $r;
}

# What is wrong with an answer, whatever it is an answer to.
sub _faults {
    my ($self, $method, $r) = @_;
    my ($h, @bad) = $r->{headers};
    my %count;
    $count{lc $_->[0]}++ for @{$r->{list}};

    push @bad, map { "$_ twice" } grep { $count{$_} > 1 } sort keys %count;
    my $id = $h->{'x-ms-request-id'} // '';
    push @bad, "x-ms-request-id '$id'"
        if $id !~ /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
        || $self->{seen}{$id}++;
    push @bad, 'x-ms-version'
        if ($h->{'x-ms-version'} // '') ne $r->{sent}{'x-ms-version'};
    push @bad, 'x-ms-client-request-id'
        if ($h->{'x-ms-client-request-id'} // '-')
        ne ($r->{sent}{'x-ms-client-request-id'} // '-');
    push @bad, 'no Date' unless ($h->{date} // '') =~ /GMT$/;
    push @bad, 'no Content-Length'
        unless exists $h->{'content-length'} || $r->{status} == 304
        || $r->{status} == 204
        || ($h->{'transfer-encoding'} // '') eq 'chunked';
    push @bad, 'content coding ' . $h->{'content-encoding'}
        if $h->{'content-encoding'} && !$self->{coding};
    if ($r->{status} >= 300) {
        my $code = $h->{'x-ms-error-code'} // '';
        push @bad, 'no x-ms-error-code' unless $code =~ /^\w+$/;
        push @bad, 'body without the code'
            if $method ne 'HEAD' && $r->{status} != 304
            && $r->{body} !~ m{<Error><Code>\Q$code\E</Code><Message>};
        push @bad, 'type of the error'
            if $method ne 'HEAD' && $r->{status} != 304
            && ($h->{'content-type'} // '') ne 'application/xml';
    } elsif ($h->{'x-ms-error-code'}) {
        push @bad, 'an error code';
    }
    push @bad, 'connection closed' unless $self->{c}{open};
    return @bad;
}

# Send, and expect "STATUS" or "STATUS CODE".
sub step {
    my ($self, $want, $method, $path, $headers, $body) = @_;
    my $r = $self->call($method, $path, $headers, $body);
    my $code = $r->{headers}{'x-ms-error-code'};
    my $got = $want =~ / / ? "$r->{status} " . ($code // '-') : $r->{status};
    my $short = length $path > 90 ? substr($path, 0, 90) . '...' : $path;
    my $name = "$self->{name}: $method $short";

    Test::More::is($got, $want, $name)
        or Test::More::diag($r->{head} // '', substr $r->{body}, 0, 600);
    my @bad = $self->_faults($method, $r);
    Test::More::ok(!@bad, "$name: fit to read")
        or Test::More::diag(join("; ", @bad), "\n", $r->{head} // '');
    return $r;
}

# Headers that must be there: a pattern, or undef for "must not be there".
sub has {
    my ($self, $r, %want) = @_;
    for my $name (sort keys %want) {
        my $got = $r->{headers}{lc $name};
        my $what = "$self->{name}: $name";
        if (!defined $want{$name}) {
            Test::More::is($got, undef, "$what is absent");
        } elsif (ref $want{$name}) {
            Test::More::like($got // '(absent)', $want{$name}, $what);
        } else {
            Test::More::is($got, $want{$name}, $what);
        }
    }
}

1;

# Mail::SRS with the tags of ours: HMAC-SHA256 in base 32 instead of HMAC-SHA1 in base 64. In: `forward DAY SENDER DOMAIN` or `reverse DAY ADDRESS`.
# Out: an address for each, or `no`.
use strict;
use warnings;
package Ours;
use parent 'Mail::SRS::Guarded';
use Digest::SHA qw(hmac_sha256);

our $day;
my @letters = ('A' .. 'Z', 2 .. 7);

sub hash_create {
	my ($self, @args) = @_;
	my $purpose = @args == 3 ? 'srs0' : 'srs1';
	my $bits = unpack('B*', hmac_sha256("$purpose\0" . lc(join('=', @args)), $self->get_secret));
	return substr(join('', map { $letters[oct("0b$_")] } $bits =~ /(.{5})/g), 0, 8);
}

sub hash_verify {
	my ($self, $hash, @args) = @_;
	return length($hash) == 8 && uc($hash) eq $self->hash_create(@args);
}

sub timestamp_create {
	my ($self) = @_;
	return $self->SUPER::timestamp_create($day * 86400);
}

sub timestamp_check {
	my ($self, $then) = @_;
	my $age = ($day - index(join('', @letters), uc substr($then, 0, 1)) * 32 - index(join('', @letters), uc substr($then, 1, 1))) % 1024;
	return $age <= $self->{MaxAge};
}

package main;
my $srs = Ours->new(Secret => $ARGV[0], MaxAge => 21, AlwaysRewrite => 1);
while (<STDIN>) {
	chomp;
	my ($what, @rest) = split / /;
	$Ours::day = shift @rest;
	my $said = eval { $what eq 'forward' ? $srs->forward(@rest) : $srs->reverse(@rest) };
	print defined $said ? $said : 'no', "\n";
}

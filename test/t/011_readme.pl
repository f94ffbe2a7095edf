# What the README shows works: its SQL from the first line to the last, and the signature checks in
# Python and in Node. The file is read here, which psql cannot do. A language that the machine lacks
# is skipped.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256_base64);
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $readme = slurp_file('README.md');
my $key = 'whsec_' . encode_base64('a key that has thirty-two bytes!', '');
my $body = '{"type":"dispatch.created","data":{"note":"é"}}';
my $id = '01a20fe7-14d9-7179-a906-2ec7ed948ade';
my $time = 1795563132;

# The code block of a language in the README.
sub block
{
	my ($language) = @_;
	my ($code) = $readme =~ /^```$language\n(.*?)^```$/ms;
	return $code;
}

# A signature as the listener makes it (Standard Webhooks).
sub signature
{
	my ($secret) = $_[0] =~ /^whsec_(.*)/;
	my $digest = hmac_sha256_base64("$id.$time.$body", decode_base64($secret));
	return 'v1,' . $digest . '=' x (-length($digest) % 4);
}

# Runs a program that prints a verdict for each of the cases.
sub check
{
	my ($language, $program, $extension) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/verify.$extension";
	my $other = signature('whsec_' . encode_base64('another key of thirty-two bytes!', ''));
	my $right = signature($key);
	my %cases = (
		'one that fits' => [ $right, 0, 'true' ],
		'one of two that fits' => [ "$other $right", 0, 'true' ],
		'another key' => [ $other, 0, 'false' ],
		'a short one' => [ 'v1,', 0, 'false' ],
		'an old one' => [ $right, 3600, 'false' ],
		'a time that is none' => [ $right, 0, 'false', 'noon' ],
		'no signature' => [ '', 0, 'false' ]);

	append_to_file($file, block($language) . $program);
	foreach my $name (sort keys %cases)
	{
		my ($signature, $age, $expected, $sent) = @{ $cases{$name} };
		my ($out, $err) = run_command(
			[ $language eq 'js' ? 'node' : 'python3', $file, $key, $id, $sent // $time, $signature, $body, $time + $age ]);
		is($out, $expected, "$language: $name") or diag($err);
	}
}

my $python = <<'END';
import sys
key, id, timestamp, signature, body, now = sys.argv[1:]
headers = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature}
print("true" if verify(key, headers, body.encode(), int(now)) else "false")
END

my $node = <<'END';
const [key, id, timestamp, signature, body, now] = process.argv.slice(2);
const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
console.log(verify(key, headers, Buffer.from(body), Number(now)));
END

# Runs the SQL in the order in which it is shown, in a database that has nothing yet; "=#" shows a
# statement and what psql answers.
my $dispatch = Dispatch->new('readme');
$dispatch->sql('CREATE DATABASE mydatabase TEMPLATE template0');
while ($readme =~ /^```(sql)?\n(.*?)^```$/msg)
{
	my ($sql, $answer) = $1 ? ($2, undef) : $2 =~ /\A=# (.*?;)\n(.*)\z/s;
	next unless defined $sql;
	my ($line) = $sql =~ /^(.*)$/m;
	my ($code, $out, $errors) = $dispatch->node->psql('mydatabase', $sql, on_error_stop => 1);

	$errors =~ s/^psql:<stdin>:\d+: //mg;
	is($errors, $answer =~ s/\n\z//r, "it answers as shown: $line") if defined $answer;
	is($code, 0, "it runs: $line") or diag($errors) unless defined $answer;
}

SKIP:
{
	skip 'there is no python3', 7 unless eval { (run_command([ 'python3', '--version' ]))[0] =~ /Python 3/ };
	check('python', $python, 'py');
}
SKIP:
{
	skip 'there is no node', 7 unless eval { (run_command([ 'node', '--version' ]))[0] =~ /^v/ };
	check('js', $node, 'mjs');
}
done_testing();

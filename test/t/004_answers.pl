# Receivers that misbehave, and addresses that are not to be called: only a listener meets them.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('answers');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 2);

# Creates a dispatch with a callback to a URL; the id of the callback.
sub create
{
	my ($url) = @_;
	my $callback = quote(json({ url => $url }));
	my $dispatch_id = $dispatch->sql(qq{SELECT dispatch.create_dispatch('parcel', callback => $callback)});
	return $dispatch->sql(qq{SELECT callback_id FROM dispatch.callbacks WHERE dispatch_id = '$dispatch_id'});
}

# Waits until a callback has its end; what readers see of it.
sub outcome
{
	my ($id) = @_;
	return wait_until(
		sub { $dispatch->sql(qq{SELECT state, attempts, last_status, last_error FROM dispatch.callbacks WHERE callback_id = '$id'}) },
		sub { $_[0] =~ /^(DELIVERED|DEAD)/ },
		$Dispatch::patience, 'the callback has its end');
}

# Addresses of this machine and of its network are refused, however they are written.
my $listener = $dispatch->start_listener(network => undef, poll => '0.05');
my $port = $dispatch->{port};
my %refused = (
	"127.0.0.1:$port" => '127.0.0.1',
	"localhost:$port" => '(127.0.0.1|::1)',
	"2130706433:$port" => '127.0.0.1',
	"0x7f.1:$port" => '127.0.0.1',
	"0177.0.0.1:$port" => '127.0.0.1',
	"127.1:$port" => '127.0.0.1',
	"0.0.0.0:$port" => '0.0.0.0',
	"[::1]:$port" => '::1',
	"[::ffff:127.0.0.1]:$port" => '127.0.0.1',
	"[64:ff9b::7f00:1]:$port" => '64:ff9b::7f00:1',
	'10.1.2.3' => '10.1.2.3',
	'172.16.0.1' => '172.16.0.1',
	'192.168.0.1' => '192.168.0.1',
	'169.254.169.254' => '169.254.169.254',
	'100.64.0.1' => '100.64.0.1',
	'[fe80::1]' => 'fe80::1',
	'[fd00::1]' => 'fd00::1');
my %ids = map { $_ => create("http://$_/refused") } sort keys %refused;
for my $host (sort keys %refused)
{
	like(outcome($ids{$host}), qr/^DEAD\|2\|\|address $refused{$host} is not allowed$/, "$host is refused");
}
is(scalar($dispatch->receipts), 0, 'the receiver was not called');
is($listener->stop, 0, 'the listener ends cleanly');

# What is allowed is what was allowed, no more.
$listener = $dispatch->start_listener(network => '127.0.0.2/31', poll => '0.05');
is(outcome(create("http://127.0.0.1:$port/refused")), 'DEAD|2||address 127.0.0.1 is not allowed',
	'allowing one network allows no other');
is($listener->stop, 0, 'the listener ends cleanly');

# Receivers that misbehave, all of them at once.
$listener = $dispatch->start_listener(poll => '0.05', timeout => 1, lease => 10);
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
my $deaf = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "no port: $!";
my $closed_port = $closed->sockport;
$closed->close;
%ids = (
	(map { $_ => create($dispatch->url($_)) } qw(/close?close=1 /closeonce?close=1&times=1 /hang?hang=1 /hangonce?hang=1&times=1
		/slow?delay=200 /slower?delay=5000 /huge?size=5000000 /hugefailure?status=500&size=5000000)),
	closed => create("http://127.0.0.1:$closed_port/"),
	deaf => create('http://127.0.0.1:' . $deaf->sockport . '/'),
	tls => create("https://127.0.0.1:$port/tls"));
like(outcome($ids{'/close?close=1'}), qr/^DEAD\|2\|\|failed waiting for the answer: /, 'a receiver that closes is tried again, then given up');
is(outcome($ids{'/closeonce?close=1&times=1'}), 'DELIVERED|2|200|', '... unless it answers the second time');
is(outcome($ids{'/hang?hang=1'}), 'DEAD|2||timed out after 1 s waiting for the answer', 'one that never answers has its time');
is(outcome($ids{'/hangonce?hang=1&times=1'}), 'DELIVERED|2|200|', '... and is tried again');
is(outcome($ids{'/slow?delay=200'}), 'DELIVERED|1|200|', 'one that is slow is waited for');
is(outcome($ids{'/slower?delay=5000'}), 'DEAD|2||timed out after 1 s waiting for the answer', '... but not too long');
is(outcome($ids{'/huge?size=5000000'}), 'DELIVERED|1|200|', 'a huge answer is an answer');
is(outcome($ids{'/hugefailure?status=500&size=5000000'}), 'DEAD|2|500|', '... and its status counts');
is($dispatch->sql(qq{SELECT last_excerpt ~ '^x+\$' AND length(last_excerpt) <= 500 FROM dispatch.callbacks WHERE callback_id = '$ids{'/huge?size=5000000'}'}),
	't', '... of which the beginning is kept');
like(outcome($ids{closed}), qr/^DEAD\|2\|\|could not connect: Connection refused$/, 'nobody there');
is(outcome($ids{deaf}), 'DEAD|2||timed out after 1 s waiting for the answer', 'somebody who takes the connection only');
like(outcome($ids{tls}), qr/^DEAD\|2\|\|failed in the TLS handshake: /, 'a receiver that does not speak TLS');

is($listener->stop, 0, 'the listener ends cleanly');

# None of them keeps the others waiting.
$listener = $dispatch->start_listener;
my $waiting = create($dispatch->url('/hangagain?hang=1'));
$dispatch->wait_for_receipts(1, '/hangagain');
is(outcome(create($dispatch->url('/meanwhile'))), 'DELIVERED|1|200|', 'a callback goes out while another waits');
is($dispatch->sql(qq{SELECT state, attempts FROM dispatch.callbacks WHERE callback_id = '$waiting'}), 'PENDING|1', '... which it does still');

done_testing();

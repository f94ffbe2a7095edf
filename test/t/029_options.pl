# What each option of the listener does, and what holds where it is not given: how much it does at
# one time, where it connects to, and which networks it may call, only a listener at work shows.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(usleep);

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('options');
my $program  = Dispatch::program('DISPATCH_LISTENER', 'dispatch-listener');
my ($host, $server_port) = ($dispatch->node->host, $dispatch->node->port);

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.max_attempts' => 1);

# Starts a receiver on an address, with a log of its own; its port.
sub start_receiver
{
    my ($name, $address) = @_;
    my $ready = "$dispatch->{dir}/$name.port";

    Dispatch::Process->start(
        $name, "$dispatch->{dir}/$name.log",
        Dispatch::program('DISPATCH_RECEIVER', 'receiver'),
        '--keys'      => $dispatch->{keys},
        '--address'   => $address,
        '--port'      => 0,
        '--port-file' => $ready,
        '--log'       => "$dispatch->{dir}/$name.receipts");
    wait_until(sub { -s $ready }, sub { $_[0] }, $Dispatch::patience, "$name is ready");
    return 0 + slurp_file($ready);
}

# What it got so far.
sub received
{
    my ($name) = @_;
    my $file = "$dispatch->{dir}/$name.receipts";
    return -e $file ? map { from_json($_) } split /\n/, slurp_file($file) : ();
}

# Creates dispatches with callbacks to a URL.
sub create
{
    my ($url, $count) = @_;
    my $callback = quote(json({ url => $url }));
    $dispatch->sql("SELECT count(dispatch.create_dispatch('parcel', callback => $callback))"
          . " FROM generate_series(1, $count)");
    return;
}

# Waits until as many requests came as are expected, and a while longer; how many came.
sub requests
{
    my ($name, $expected) = @_;
    wait_until(
        sub { scalar(() = received($name)) },
        sub { $_[0] >= $expected },
        $Dispatch::patience, "$name has $expected requests");
    usleep(300_000);
    return scalar(() = received($name));
}

# How many callbacks are leased, for how long.
sub leased
{
    return $dispatch->sql(
        q{SELECT count(*), min(next_at - leased_at), max(next_at - leased_at)
            FROM dispatch.queue WHERE leased_at IS NOT NULL});
}

# Waits until so many are leased; a while later, how many are.
sub wait_for_leased
{
    my ($expected) = @_;
    wait_until(\&leased, sub { $_[0] =~ /^(\d+)/ && $1 >= $expected }, $Dispatch::patience,
        "$expected are leased");
    usleep(300_000);
    return leased();
}

# Ends a listener in the middle of everything, and forgets what it was to send.
sub crash
{
    my ($listener) = @_;
    is($listener->crash, 128 + 9, 'the listener is killed');
    $dispatch->sql('DELETE FROM dispatch.queue');
    return;
}

# Without options, as the manual says.
my $manual   = `$program --help`;
my %defaults = (
    concurrency => 64,
    'per-host'  => 32,
    batch       => 200,
    timeout     => 15,
    lease       => 60,
    poll        => 2);
for my $name (sort keys %defaults)
{
    my ($said) = $manual =~ /^  --$name [A-Z]+ .*?\((\d+)\)/ms;
    is($said, $defaults{$name}, "the manual has the default of --$name");
}
my $everywhere = start_receiver('everywhere', '0.0.0.0');
my $listener   = $dispatch->start_listener;
like(
    $listener->log,
    qr/event=started version=\S+ concurrency=64 per_host=32 batch=200 timeout_ms=15000 lease_ms=60000 poll_ms=2000$/m,
    'what holds is logged');
create("http://127.0.0.1:$everywhere/hang?hang=1", 100);
is(requests('everywhere', 32), 32, 'one host has 32 connections');
create("http://127.0.0.$_:$everywhere/hang?hang=1", 3) for 2 .. 40;
is(requests('everywhere', 64), 64, '... and all hosts together 64');
my %busy;
$busy{ $_->{headers}{host} }++ for received('everywhere');
is((sort { $b <=> $a } values %busy)[0], 32, '... of which no host has more than 32');
is(wait_for_leased(217), '217|00:01:00|00:01:00', 'leases are for a minute');
crash($listener);

# How much is claimed at one time: the next batch when less than two wait.
for my $batch (undef, 10)
{
    my %options = defined $batch ? (batch => $batch) : ();
    my $held    = 3 * ($batch // 200);

    $listener = $dispatch->start_listener(concurrency => 1, %options);
    create("http://127.0.0.1:$everywhere/hang?hang=1", 900);
    like(wait_for_leased($held), qr/^$held\|/, 'callbacks are claimed in batches of ' . $held / 3);
    crash($listener);
}

# The same with other numbers.
$listener = $dispatch->start_listener(
    concurrency => 6,
    'per-host'  => 4,
    batch       => 10,
    lease       => '20.5',
    timeout     => 20,
    poll        => '0.25');
like(
    $listener->log,
    qr/event=started .* concurrency=6 per_host=4 batch=10 timeout_ms=20000 lease_ms=20500 poll_ms=250$/m,
    'other numbers, and seconds with decimals');
my $before = received('everywhere');
create("http://127.0.0.1:$everywhere/hang?hang=1", 9);
is(requests('everywhere', $before + 4) - $before, 4, 'one host has 4 connections');
is(leased(), '9|00:00:20.5|00:00:20.5', '... and leases are for 20.5 seconds');
create("http://127.0.0.$_:$everywhere/hang?hang=1", 1) for 2 .. 9;
is(requests('everywhere', $before + 6) - $before, 6, 'all hosts together have 6');
crash($listener);

# Several networks, of both kinds; an IPv4 address that is mapped into IPv6 is what it is. Keys of
# addresses.
my @keys = map { Dispatch::new_key() } 1 .. 2;
$dispatch->write_keys("127.0.0.2 $keys[0]", "[::1] $keys[1]");
my $two = start_receiver('two', '0.0.0.0');
my $six = -e '/proc/net/if_inet6'
  && slurp_file('/proc/net/if_inet6') =~ /^0{31}1 /m
  && start_receiver('six', '::1');
$listener = $dispatch->start_listener(network => [ '127.0.0.2', '127.0.0.8/30', '::1' ], poll => '0.1');
my %expected = (
    "127.0.0.2:$two"          => 'DELIVERED||valid',
    "[::ffff:127.0.0.2]:$two" => 'DELIVERED||none',
    "127.0.0.9:$two"          => 'DELIVERED||none',
    "127.0.0.1:$two"          => 'DEAD|address 127.0.0.1 is not allowed (see --allow-network)|not called',
    "127.0.0.12:$two"         => 'DEAD|address 127.0.0.12 is not allowed (see --allow-network)|not called',
    "[::ffff:127.0.0.1]:$two" => 'DEAD|address 127.0.0.1 is not allowed (see --allow-network)|not called');
$expected{"[::1]:$six"} = 'DELIVERED||valid' if $six;
create("http://$_/networks", 1) for sort keys %expected;
$dispatch->wait_until_drained;
my %signatures = map { $_->{headers}{host} => $_->{signature} } received('two'), $six ? received('six') : ();
for my $name (sort keys %expected)
{
    my $outcome = $dispatch->sql(
        qq{SELECT c.state, c.last_error FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
            WHERE e.callback_url = 'http://$name/networks'});
    is("$outcome|" . ($signatures{$name} // 'not called'), $expected{$name}, "networks: $name");
}
is($listener->stop, 0, 'the listener ends cleanly');

# What to connect to, by the environment, by the name of a database, by a URI.
my %server = (PGHOST => $host, PGPORT => $server_port, PGUSER => $dispatch->sql('SELECT current_user'));
my @ways   = (
    [ 'the environment alone', { %server, PGDATABASE => 'postgres' } ],
    [ 'the name of a database', { %server, PGDATABASE => 'nowhere' }, '--dbname', 'postgres' ],
    [ 'a URI', { PGPORT => 1, PGUSER => $server{PGUSER} }, '--dbname', "postgresql:///postgres?host=$host&port=$server_port" ],
    [ 'a connection string', { PGPORT => 1, PGUSER => $server{PGUSER} }, '--dbname', "host=$host port=$server_port dbname=postgres" ]);
for my $way (@ways)
{
    my ($name, $environment, @arguments) = @$way;
    local @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE)};
    delete @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE)};
    local @ENV{ keys %$environment } = values %$environment;
    $listener = Dispatch::Process->start(
        $name, "$dispatch->{dir}/way.log", $program, '--once', @arguments);
    is($listener->wait, 0, "connected by $name");
}

done_testing();

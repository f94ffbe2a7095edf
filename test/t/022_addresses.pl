# Names that mean an address which is not allowed, in part, at times or by a detour. A name is what
# the test's own getaddrinfo() says it is (resolver.c), which only a program can be given.

use strict;
use warnings FATAL => 'all';

use IO::Select;
use IO::Socket::INET;
use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('addresses');
my $port     = $dispatch->{port};

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 2);

# 127.0.0.1, where the receiver is, is allowed. 127.0.0.2 is not: at the same port there is a trap.
my $trap = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.2', LocalPort => $port)
  or die "no port $port: $!";
my $proxy = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1') or die "no port: $!";
my $nobody = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
my $closed = $nobody->sockport;
$nobody->close;

# Starts a listener that may call 127.0.0.1 and knows these hosts.
sub start_listener
{
    my ($hosts) = @_;
    return $dispatch->start_fooled_listener(
        hosts   => $hosts,
        network => '127.0.0.1',
        poll    => '0.05');
}

# Creates a dispatch with a callback to a host, and waits until that has its end; the end.
sub outcome
{
    my ($host, $path) = @_;
    my $url      = "http://$host" . ($path // '/');
    my $callback = quote(json({ url => $url }));
    my $id       = $dispatch->sql(
        qq{SELECT dispatch.create_dispatch('parcel', callback => $callback)});
    return wait_until(
        sub {
            $dispatch->sql(
                qq{SELECT state, attempts, last_status, last_error
                    FROM dispatch.callbacks WHERE dispatch_id = '$id'});
        },
        sub { $_[0] =~ /^(DELIVERED|DEAD)/ },
        $Dispatch::patience,
        "the callback to $url has its end");
}

# Has anybody connected to this socket?
sub was_called
{
    my ($socket) = @_;
    return scalar IO::Select->new($socket)->can_read(0);
}

my $refused = 'DEAD|2||address 127.0.0.2 is not allowed (see --allow-network)';

# A name with several addresses, of which some are allowed.
my $listener = start_listener(<<END);
good.test 127.0.0.1
bad.test 127.0.0.2
mixed.test 127.0.0.2 127.0.0.1
six.test ::1 ::ffff:127.0.0.2 64:ff9b::7f00:1 127.0.0.1
down.test 127.0.0.1 127.0.0.2
all.test 10.0.0.1 127.0.0.2
END
is(outcome("good.test:$port"), 'DELIVERED|1|200|', 'a name whose address is allowed');
is(outcome("bad.test:$port"),  $refused,           'a name whose address is not');
is(outcome("mixed.test:$port"), 'DELIVERED|1|200|', 'of two addresses the allowed one is called');
is(outcome("six.test:$port"),   'DELIVERED|1|200|', '... of several of both families too');
like(
    outcome("down.test:$closed"),
    qr/^DEAD\|2\|\|could not connect/,
    '... and when nobody is there, the other one is not called instead');
like(
    outcome("all.test:$port"),
    qr/^DEAD\|2\|\|address (10.0.0.1|127.0.0.2) is not allowed/,
    'a name with two addresses that are not allowed');
ok(!was_called($trap), 'the address that is not allowed was never called');
is($listener->stop, 0, 'the listener ends cleanly');

# A name that changes: whoever checks one look-up and connects by the next one would be fooled.
$listener = start_listener(
    join '',
    (map { "good$_.test 127.0.0.1\ngood$_.test 127.0.0.2\n" } 1 .. 3),
    (map { "bad$_.test 127.0.0.2\nbad$_.test 127.0.0.1\n" } 1 .. 3));
for my $i (1 .. 3)
{
    is(outcome("good$i.test:$port"),
        'DELIVERED|1|200|', 'a name that is allowed when it is looked up, and not afterwards');
    like(
        outcome("bad$i.test:$port"),
        qr/^(DEAD\|2\|\|address 127.0.0.2 is not allowed|DELIVERED\|2\|200)/,
        'a name that is not allowed when it is looked up');
}
ok(!was_called($trap), '... the address that is not allowed was never called');
is($listener->stop, 0, 'the listener ends cleanly');

# A name that was allowed yesterday.
$listener = start_listener("good.test 127.0.0.2\n");
is(outcome("good.test:$port"), $refused, 'a name that was allowed once');

# Redirects lead nowhere.
for my $location ("http://127.0.0.2:$port/", "//127.0.0.2:$port/", "http://127.0.0.1:$port/target")
{
    is(outcome("127.0.0.1:$port", "/redirect?status=307&location=$location"),
        'DEAD|2|307|', "a redirect to $location is not followed");
}
ok(!was_called($trap), '... the address that is not allowed was not called');
is(scalar($dispatch->receipts('/target')), 0, '... nor one that is');
is($listener->stop, 0, 'the listener ends cleanly');

# Proxies in the environment are for others.
{
    my $address = 'http://127.0.0.1:' . $proxy->sockport;
    my %proxies = map { $_ => $address, uc $_ => $address } qw(http_proxy https_proxy all_proxy);
    local @ENV{ keys %proxies, 'no_proxy' } = (values %proxies, '');
    $listener = start_listener("good.test 127.0.0.1\nbad.test 127.0.0.2\n");
    is(outcome("good.test:$port"), 'DELIVERED|1|200|', 'no proxy of the environment is used');
    is(outcome("bad.test:$port"),  $refused,           '... also not to where we must not go');
    ok(!was_called($proxy), '... nobody has asked the proxy');
    ok(!was_called($trap),  '... nor called the address that is not allowed');
    is($listener->stop, 0, 'the listener ends cleanly');
}

done_testing();

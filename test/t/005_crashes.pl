# Nothing that committed is lost, whatever dies when: a listener, its connection, the server. psql
# cannot kill what others are doing.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('crashes');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '20ms');

# Creates dispatches with callbacks to a path.
sub create
{
    my ($path, $count) = @_;
    $dispatch->sql("SELECT dispatch.create_dispatch('parcel', callback => "
          . $dispatch->callback($path)
          . ") FROM generate_series(1, $count)");
    return;
}

# How many requests came to a path, of how many callbacks, with how many bodies.
sub requests
{
    my ($path)   = @_;
    my @receipts = $dispatch->receipts($path);
    my %ids      = map { $_->{id}   => 1 } @receipts;
    my %bodies   = map { $_->{body} => 1 } @receipts;
    return join(' ', scalar @receipts, scalar keys %ids, scalar keys %bodies);
}

# How many callbacks to a path are in each state, with how many attempts.
sub states
{
    my ($path) = @_;
    my $url = quote($dispatch->url($path));
    return $dispatch->sql(
        qq{SELECT c.state, c.attempts, count(*)
            FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
        WHERE starts_with(e.callback_url, $url) GROUP BY 1, 2 ORDER BY 1, 2});
}

# The listener dies between claim and finish: the receiver has answered some, and others have not
# been started. When the lease has passed, another listener sends them all.
create('/killed?delay=2000', 8);
my $listener =
  $dispatch->start_listener(concurrency => 2, timeout => '2.5', lease => 3, poll => '0.05');
$dispatch->wait_for_receipts(2, '/killed');
is($listener->crash,  128 + 9,       'the listener is killed, with two requests on their way');
is(states('/killed'), 'PENDING|1|8', 'all callbacks were claimed, none is finished');
is($dispatch->sql('SELECT bool_and(leased), max(next_at) > now() FROM dispatch.callbacks'),
    't|t', '... and they are leased still');
$listener = $dispatch->start_listener(poll => '0.05');
$dispatch->wait_until_drained;
is(states('/killed'), 'DELIVERED|2|8', 'another listener delivers all, at the second attempt');
is(requests('/killed'), '10 8 8',
    '... two of them a second time, with the same webhook-id and body');
is($listener->stop, 0, 'the listener ends cleanly');

# The listener's connections are ended while requests are on their way: it comes back with their
# outcomes. The lease is long, so no duplicates.
create('/terminated?delay=1500', 4);
$listener = $dispatch->start_listener;
$dispatch->wait_for_receipts(4, '/terminated');
is( $dispatch->sql(
        q{SELECT count(pg_terminate_backend(pid))
            FROM pg_stat_activity WHERE application_name = 'dispatch-listener'}
    ),
    2,
    'both connections of the listener are terminated');
$dispatch->wait_until_drained;
is(states('/terminated'),   'DELIVERED|1|4', 'the outcomes get there');
is(requests('/terminated'), '4 4 4',         '... and nothing is sent twice');
create('/afterwards', 3);
$dispatch->wait_for_receipts(3, '/afterwards');
pass('the listener goes on');

# The same while it sleeps: it learns of what it could not hear.
$dispatch->wait_until_drained;
is( $dispatch->sql(
        q{SELECT count(pg_terminate_backend(pid))
            FROM pg_stat_activity WHERE application_name = 'dispatch-listener'}
    ),
    2,
    'both connections are terminated while nothing is to be done');
create('/unheard', 3);
$dispatch->wait_for_receipts(3, '/unheard');
$dispatch->wait_until_drained;
is(states('/unheard'), 'DELIVERED|1|3', 'what came meanwhile is delivered');

# The same while outcomes are being recorded: somebody's lock holds that up until the connection is
# gone. They are not forgotten.
create('/recording?delay=2000', 3);
$dispatch->wait_for_receipts(3, '/recording');
my $locker = Dispatch::Process->start(
    'locker', "$dispatch->{dir}/locker.log", 'psql', '--no-psqlrc',
    '--dbname' => $dispatch->node->connstr('postgres') . ' application_name=locker',
    '--command' => 'BEGIN; SELECT FROM dispatch.queue FOR UPDATE; SELECT pg_sleep(600)');

# Waits until a session of a program waits for something.
sub wait_for_sessions
{
    my ($name, $event) = @_;
    wait_until(
        sub {
            $dispatch->sql(
                qq{SELECT count(*) FROM pg_stat_activity
                    WHERE application_name = '$name' AND wait_event_type = '$event'});
        },
        sub { $_[0] == 1 },
        $Dispatch::patience, "$name waits: $event");
    return;
}
wait_for_sessions('locker', 'Timeout');
wait_for_sessions('dispatch-listener', 'Lock');
is( $dispatch->sql(
        q{SELECT count(pg_terminate_backend(pid))
            FROM pg_stat_activity WHERE application_name IN ('dispatch-listener', 'locker')}
    ),
    3,
    'the connections are terminated while outcomes are being recorded');
$dispatch->wait_until_drained;
is(states('/recording'), 'DELIVERED|1|3', 'the outcomes get there');
is(requests('/recording'), '3 3 3', '... and nothing is sent twice');
isnt($locker->wait, 0, 'the lock is gone with its session');

# Only one of its sessions gets in, and the other tries more and more slowly. When the one comes in
# again, so does the other, without waiting any longer: outcomes could not be recorded without it.
$dispatch->sql(
    q{CREATE ROLE narrow LOGIN CONNECTION LIMIT 1; SELECT dispatch.grant_access('narrow', 'listen')});
my $narrow =
  $dispatch->new_listener(dbname => $dispatch->node->connstr('postgres') . ' user=narrow');
my ($minute, $second, $pause) = @{
    wait_until(
        sub { [ $narrow->log =~ /:(\d\d):(\S+)Z .* event=connection_failed .* retry_ms=([3-9]\d{3})\n/ ] },
        sub { @{ $_[0] } && $narrow->log =~ /event=connected/ },
        $Dispatch::patience, 'one session waits for long') };
$dispatch->sql('ALTER ROLE narrow CONNECTION LIMIT 2');
is( $dispatch->sql(
        q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'narrow'}),
    1,
    'the other one, which is all that a listener has, is terminated');
my @connected = @{
    wait_until(
        sub { [ $narrow->log =~ /:(\d\d):(\S+)Z .* event=connected /g ] },
        sub { @{ $_[0] } == 6 },
        $Dispatch::patience, 'both sessions are there') };
my $waited = ($connected[4] - $minute) % 60 * 60 + $connected[5] - $second;
cmp_ok($waited, '<', $pause / 1000, 'both come in again before the pause is over');
is($narrow->stop, 0, 'the listener ends cleanly');

# The server crashes under it, with requests on their way and others in its hands.
create('/crashed?delay=1000', 100);
$dispatch->wait_for_receipts(32, '/crashed');
$dispatch->node->stop('immediate');
$dispatch->node->start;
$dispatch->wait_until_drained;
is(states('/crashed'),   'DELIVERED|1|100', 'what it had claimed before the crash is delivered');
is(requests('/crashed'), '100 100 100',     '... once');
create('/recovered', 3);
$dispatch->wait_for_receipts(3, '/recovered');
pass('the listener goes on');

# A server that is shut down in order, and a listener that is told to end while it is away.
$dispatch->wait_until_drained;
$dispatch->node->stop('fast');
wait_until(
    sub { $listener->log },
    sub { $_[0] =~ /event=connection_failed/ },
    $Dispatch::patience, 'the listener has noticed');
is($listener->stop, 0, 'with nothing in its hands the listener ends cleanly without a server');
$dispatch->node->start;

# A writer that dies has written nothing.
$listener = $dispatch->start_listener;
my $callback = $dispatch->callback('/died');
my ($code) = $dispatch->node->psql(
    'postgres', qq{BEGIN; SELECT dispatch.create_dispatch('parcel', callback => $callback);
    SELECT pg_terminate_backend(pg_backend_pid())});
isnt($code, 0, 'a writer is terminated before it commits');
create('/last', 1);
$dispatch->wait_for_receipts(1, '/last');
$dispatch->wait_until_drained;
is(requests('/died'), '0 0 0', 'nothing of it arrives');
is($dispatch->sql(q{SELECT count(*) FROM dispatch.callbacks WHERE state <> 'DELIVERED'}),
    0, 'all that committed was delivered');
is($listener->stop, 0, 'the listener ends cleanly');

done_testing();

# Hosts that fail or are paused, and callbacks that people send again or cancel, while listeners are
# at work: that these agree on what is sent where, and are woken when that changes, needs several.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time usleep);

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('hosts');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure(
    'dispatch.retry_base'     => '500ms',
    'dispatch.host_failures'  => 5,
    'dispatch.host_in_flight' => 8);

# Another receiver, on a port of its own: localhost is a host that comes and goes.
my $port = 0;

sub start_other
{
    my $ready = "$dispatch->{dir}/other.port";

    unlink $ready;
    my $receiver = Dispatch::Process->start(
        'other receiver', "$dispatch->{dir}/other.log",
        Dispatch::program('DISPATCH_RECEIVER', 'receiver'),
        '--keys'      => $dispatch->{keys},
        '--port'      => $port,
        '--port-file' => $ready,
        '--log'       => "$dispatch->{dir}/other.receipts");
    wait_until(sub { -s $ready }, sub { $_[0] }, $Dispatch::patience, 'the other receiver is ready');
    $port = 0 + slurp_file($ready);
    return $receiver;
}

# What it got so far.
sub other_receipts
{
    my $file = "$dispatch->{dir}/other.receipts";
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

# How many callbacks to a URL are in each state.
sub states
{
    my ($url) = @_;
    return $dispatch->sql(
        qq{SELECT c.state, count(*) FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
            WHERE starts_with(e.callback_url, '$url') GROUP BY 1 ORDER BY 1});
}

sub wait_for_states
{
    my ($url, $states) = @_;
    return wait_until(
        sub { states($url) },
        sub { $_[0] eq $states },
        $Dispatch::patience, "callbacks to $url are $states");
}

# The ids of callbacks to a URL, as an array in SQL.
sub ids
{
    my ($url) = @_;
    return "(SELECT array_agg(callback_id) FROM dispatch.event_log WHERE starts_with(callback_url, '$url'))";
}

# What is to be seen of localhost: how many wait, whether it fails, is stopped, is paused.
sub seen
{
    return $dispatch->sql(
        q{SELECT pending || ' pending', CASE WHEN oldest_due < now() THEN 'due' END, CASE WHEN failing_since < now() THEN 'failing' END,
                CASE WHEN failures >= 5 THEN 'often' END, CASE WHEN next_try IS NOT NULL THEN 'stopped' END,
                CASE WHEN paused THEN 'paused' END
            FROM dispatch.hosts WHERE host = 'localhost'});
}

# How many attempts there were to reach localhost.
sub attempts
{
    return $dispatch->sql(
        q{SELECT count(*) FROM dispatch.attempts AS a JOIN dispatch.event_log AS e USING (dispatch_id, sequence)
            WHERE e.callback_host = 'localhost'});
}

# A host that is not there, and two listeners. What was on its way when it had failed often enough
# fails too; then it is tried by one request now and then, of both together.
start_other()->stop;
my $fine      = "http://127.0.0.1:$dispatch->{port}";
my $other     = "http://localhost:$port";
my @listeners = map { $dispatch->start_listener(poll => '0.1') } 1 .. 2;

create("$other/dead", 60);
wait_until(\&seen, sub { $_[0] eq '60 pending|due|failing|often|stopped|' },
    $Dispatch::patience, 'nothing is sent there any more');
my ($before, $begun) = (attempts(), time);
cmp_ok($before, '<=', 16, 'a host that fails gets no more requests than were on their way');
create("$fine/beside", 200);
is(wait_for_states("$fine/beside", 'DELIVERED|200'), 'DELIVERED|200', '... others are sent to');
usleep(1_000_000 * (2.5 - (time - $begun))) if time - $begun < 2.5;
my $tried = attempts() - $before;
cmp_ok($tried, '>=', 1, '... it is tried now and then');
cmp_ok($tried, '<=', 8, '... but seldom');
is(seen(), '60 pending|due|failing|often|stopped|', '... all of which can be seen');

# It is back.
my $receiver = start_other();
is(wait_for_states("$other/dead", 'DELIVERED|60'), 'DELIVERED|60', 'when it is back it gets all');
is(seen(), '', '... and is a host like any other');
is( $dispatch->sql(q{SELECT sum(attempts) FROM dispatch.callbacks WHERE host = 'localhost'}),
    attempts(), '... what has waited has used up no attempts');
is($_->stop, 0, 'the listener ends cleanly') for @listeners;

# A host that is paused, and a listener that looks by itself once an hour: when the host is resumed,
# it must be told.
my $listener = $dispatch->start_listener(poll => 3600);
$dispatch->sql(q{SELECT dispatch.pause_host('LocalHost')});
create("$other/paused", 20);
create("$fine/meanwhile", 20);
is(wait_for_states("$fine/meanwhile", 'DELIVERED|20'), 'DELIVERED|20', 'while a host is paused others are sent to');
is(states("$other/paused"), 'PENDING|20', '... and it is not');
is(seen(), '20 pending|due||||paused', '... which can be seen');
is($dispatch->sql("SELECT dispatch.cancel_callbacks((${\ids(\"$other/paused\")})[1:5])"),
    5, 'of what waits some is cancelled');
$dispatch->sql(q{SELECT dispatch.resume_host('localhost')});
is(wait_for_states("$other/paused", "CANCELLED|5\nDELIVERED|15"),
    "CANCELLED|5\nDELIVERED|15", 'when it is resumed it gets the rest, at once');
is(scalar(grep { $_->{path} eq '/paused' } other_receipts()), 15, '... and nothing that was cancelled');

# An operator whose transaction is left open: nobody waits for it.
my $open = $dispatch->node->background_psql('postgres');
$open->query_safe(q{BEGIN; SELECT dispatch.pause_host('localhost'), dispatch.resume_host('127.0.0.1');});
create("$other/open?status=503", 3);
create("$fine/open", 20);
is(wait_for_states("$fine/open", 'DELIVERED|20'), 'DELIVERED|20', 'while an operator pauses a host, and does not commit, others are sent to');
wait_until(
    sub { $dispatch->sql(q{SELECT count(*) FROM dispatch.callbacks WHERE state = 'PENDING' AND last_status = 503}) },
    sub { $_[0] == 3 },
    $Dispatch::patience, 'what failed is recorded');
pass('... and what failed there is recorded');
$open->query_safe('COMMIT;');
$open->quit;
like(seen(), qr/^3 pending\|.*\|paused$/, '... until the commit');
wait_until(
    sub {
        $dispatch->sql("SELECT dispatch.cancel_callbacks(${\ids(\"$other/open\")})");
        return states("$other/open");
    },
    sub { $_[0] eq 'CANCELLED|3' },
    $Dispatch::patience, 'they are cancelled');
$dispatch->sql(q{SELECT dispatch.resume_host('localhost')});

# Dead ones are sent again: by their ids, by their host, since a time; the same bytes, and the same
# webhook-id.
create("$fine/gone?status=410&times=1", 6);
create("$other/gone?status=410&times=1", 3);
wait_for_states("$fine/gone", 'DEAD|6');
wait_for_states("$other/gone", 'DEAD|3');
is($dispatch->sql(q{SELECT dispatch.retry_callbacks(dead_since => now() + interval '1 hour')}),
    0, 'of dead ones none is sent again that died before the time given');
is($dispatch->sql("SELECT dispatch.retry_callbacks((${\ids(\"$fine/gone\")})[1:2])"),
    2, 'some are sent again by their ids');
is(wait_for_states("$fine/gone", "DEAD|4\nDELIVERED|2"), "DEAD|4\nDELIVERED|2", '... at once');
is($dispatch->sql(q{SELECT dispatch.retry_callbacks(host => 'localhost')}), 3, '... by their host');
is(wait_for_states("$other/gone", 'DELIVERED|3'), 'DELIVERED|3', '... at once');
is(states("$fine/gone"), "DEAD|4\nDELIVERED|2", '... and no others');
is($dispatch->sql(q{SELECT dispatch.retry_callbacks(dead_since => now() - interval '1 hour')}),
    4, '... since a time');
is(wait_for_states("$fine/gone", 'DELIVERED|6'), 'DELIVERED|6', '... at once');
my @receipts = $dispatch->receipts('/gone');
my %bodies   = map { ($_->{id} => 1, $_->{body} => 1) } @receipts;
is(join(' ', scalar @receipts, scalar keys %bodies), '12 12',
    '... each came twice, with the same id and body');
is(scalar(grep { $_->{signature} eq 'valid' } @receipts), 12, '... and signed');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'), '', 'all belongs together');
is($listener->stop, 0, 'the listener ends cleanly');
is($receiver->stop, 0, 'the receiver ends cleanly');

done_testing();

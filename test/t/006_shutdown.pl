# How a listener ends: by a signal, and with --once by itself. Exit statuses and what is left of a
# batch are seen from outside only.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time);

use Dispatch;

my $dispatch = Dispatch->new('shutdown');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});

# Creates dispatches with callbacks to a path.
sub create
{
    my ($path, $count) = @_;
    $dispatch->sql("SELECT dispatch.create_dispatch('parcel', callback => "
          . $dispatch->callback($path)
          . ") FROM generate_series(1, $count)");
    return;
}

# How many callbacks are in each state, with how many attempts; of those that wait, whether they
# are due.
sub states
{
    return $dispatch->sql(
        q{SELECT state, attempts, leased, next_at <= now(), count(*)
            FROM dispatch.callbacks GROUP BY 1, 2, 3, 4 ORDER BY 1, 2}
    );
}

# Runs a listener with --once; its exit status.
sub once
{
    my (%options) = @_;
    return $dispatch->new_listener(once => 1, %options)->wait;
}

# SIGTERM in the middle of a batch. The lease is long: what is due has been given back.
create('/batch?delay=2000', 30);
my $listener = $dispatch->start_listener(concurrency => 2, lease => 600);
$dispatch->wait_for_receipts(2);
my $begun = time;
is($listener->stop, 0, 'SIGTERM in the middle of a batch: exit status 0');
cmp_ok(time - $begun, '<', 12, '... as soon as what ran had its answer');
is( states(),
    "DELIVERED|1|f||2\nPENDING|0|f|t|28",
    'what ran is delivered, what had not started is due at once, and no attempt is used up');
is(scalar($dispatch->receipts), 2, 'no more requests were made');

# Another one takes over at once.
$listener = $dispatch->start_listener;
$dispatch->wait_until_drained;
is(states(), 'DELIVERED|1|f||30', 'another listener delivers the rest');
my %ids = map { $_->{id} => 1 } $dispatch->receipts;
is(join(' ', scalar($dispatch->receipts), scalar(keys %ids)), '30 30', '... and nothing twice');

# SIGINT does the same; a second signal does not wait.
$listener->signal('INT');
is($listener->wait, 0, 'SIGINT ends it as well');
create('/hang?hang=1', 1);
$listener = $dispatch->start_listener(lease => 600);
$dispatch->wait_for_receipts(1, '/hang');
$listener->signal('TERM');
wait_until(
    sub { $listener->log },
    sub { $_[0] =~ /event=stopping/ },
    $Dispatch::patience, 'the listener is stopping');
is($listener->stop, 1, 'a second signal ends it at once: exit status 1');
like(states(), qr/^PENDING\|1\|t\|f\|1$/m, '... and leaves what ran leased');
$dispatch->sql(q{DELETE FROM dispatch.queue});

# A listener that is slow to stop: the request that runs has its time, no more.
create('/hang?hang=1', 2);
$listener = $dispatch->start_listener(concurrency => 1, timeout => 1, lease => 600);
$dispatch->wait_for_receipts(2, '/hang');
is($listener->stop, 0, 'a request that runs has its time: exit status 0');
is( $dispatch->sql(
        q{SELECT attempts, leased, last_error
            FROM dispatch.callbacks WHERE state = 'PENDING' ORDER BY attempts}
    ),
    "0|f|\n1|f|timed out after 1 s waiting for the answer",
    '... its outcome is recorded, and the other one was given back');
$dispatch->sql(q{DELETE FROM dispatch.queue});

# --once.
is(once(), 0, '--once, nothing is due: 0');
create('/once', 500);
is(once(batch => 50, concurrency => 4),                   0,   '--once, all is delivered: 0');
is(scalar($dispatch->receipts('/once')),                  500, '... and all is there when it ends');
is($dispatch->sql('SELECT count(*) FROM dispatch.queue'), 0,   '... and recorded');
create('/gone?status=410', 1);
is(once(), 0, '--once, a receiver that is gone: 0');
create('/failed?status=503', 1);
create('/fine',              1);
is(once(), 1, '--once, a request failed and waits: 1');
is(join(' ', scalar($dispatch->receipts('/failed')), scalar($dispatch->receipts('/fine'))),
    '1 1', '... it was sent once, and the other one too');
is($dispatch->sql(q{SELECT attempts, leased FROM dispatch.callbacks WHERE state = 'PENDING'}),
    '1|f', '... and recorded');
$dispatch->sql(q{UPDATE dispatch.queue SET next_at = now() + '1 hour'});
is(once(),                                 0, '--once, what waits is not due: 0');
is(scalar($dispatch->receipts('/failed')), 1, '... and it was not sent');

# It goes on as long as anything is delivered, though one fails, and few are leased at a time.
$dispatch->sql(q{DELETE FROM dispatch.queue});
$dispatch->configure('dispatch.host_in_flight' => 100);
$dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', callback => '{"url": "http://10.0.0.1/"}')});
create('/few', 3000);
is(once(), 1, '--once, one of 3,001 failed: 1');
is(scalar($dispatch->receipts('/few')), 3000, '... the others are delivered, 100 at a time');
$dispatch->sql(q{ALTER DATABASE postgres RESET dispatch.host_in_flight});

# What failed, and was due again and delivered while there was still something to do, is not left.
$dispatch->sql(q{DELETE FROM dispatch.queue});
$dispatch->configure('dispatch.retry_base' => '1ms');
create('/second?status=503&times=1', 3);
create('/beside?delay=20',           60);
is(once(concurrency => 2), 0, '--once, what failed was delivered by the second attempt: 0');
is($dispatch->callbacks('/second'), join("\n", ('DELIVERED|2|200|') x 3), '... by the same listener');
$dispatch->sql(q{ALTER DATABASE postgres RESET dispatch.retry_base});

# Trouble.
$dispatch->sql(q{CREATE DATABASE bare});
my $bare = $dispatch->new_listener(once => 1, database => 'bare');
is($bare->wait, 1, 'no extension in the database: 1');
$bare = $dispatch->new_listener(database => 'bare');
is($bare->wait, 1, '... without --once too');
like($bare->log, qr/level=error/, '... and it says so');
is(once(dbname => 'host=/nonexistent dbname=postgres'), 1, '--once, no server: 1');
is(once(dbname => $dispatch->node->connstr('nowhere')), 1, '--once, no such database: 1');
$dispatch->sql(q{CREATE ROLE stranger LOGIN});
is(once(dbname => $dispatch->node->connstr . ' user=stranger'), 1, '--once, no right to: 1');

# Usage.
my %wrong = (
    'an option that does not exist'               => { nonsense => 1 },
    'a lease that is not longer than the timeout' => { timeout  => 5, lease => 5 },
    'a number that is none'                       => { batch    => '1x' },
    'a network that is none'                      => { network  => '127.0.0.0/33' },
    'a connection string that is none'            => { dbname   => 'host=' . q{'} });
is(once(%{ $wrong{$_} }), 2, "$_: 2") for sort keys %wrong;
$dispatch->{keys} = '/nonexistent';
is(once(), 2, 'signing keys that cannot be read: 2');
$dispatch->write_keys('127.0.0.1 whsec_c2hvcnQ=');
is(once(), 2, 'a signing key that is too short: 2');

my $program = Dispatch::program('DISPATCH_LISTENER', 'dispatch-listener');
like(`$program --version`, qr/^dispatch-listener \d+\.\d+\S*\n$/, '--version prints the version');
is($?, 0, '... and that is all');
like(`$program --help`, qr/--allow-network CIDR/, '--help prints the options');
is($?, 0, '... and that is all');

done_testing();

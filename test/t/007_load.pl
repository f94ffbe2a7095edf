# Many writers, several listeners, and listeners that die: whether all arrives, and arrives once,
# shows when all of them are at work.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('load', 'max_connections = 50');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});

# How many callbacks to a path are DELIVERED; how many are there.
sub delivered
{
    my ($path) = @_;
    my $url = quote($dispatch->url($path));
    return $dispatch->sql(
        qq{SELECT count(*) FILTER (WHERE c.state = 'DELIVERED'), count(*)
        FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
            WHERE starts_with(e.callback_url, $url)}
    );
}

# Two listeners share the work.
my @listeners = map { $dispatch->start_listener(batch => 10, concurrency => 4) } 1 .. 2;
$dispatch->sql("SELECT dispatch.create_dispatch('parcel', callback => "
      . $dispatch->callback('/shared?delay=10')
      . ") FROM generate_series(1, 500)");
$dispatch->wait_for_receipts(500, '/shared');
$dispatch->wait_until_drained;
is(delivered('/shared'), '500|500', 'two listeners deliver all');
my %shared = map { $_->{id} => 1 } $dispatch->receipts('/shared');
is(join(' ', scalar($dispatch->receipts('/shared')), scalar(keys %shared)),
    '500 500', '... none of it twice');
is($_->stop, 0, 'each ends cleanly') for @listeners;
my @shares = map { $_->log =~ /event=stopped .* answered=(\d+)/ ? $1 : 0 } @listeners;
is($shares[0] + $shares[1], 500, '... and has its share') or diag("@shares");
cmp_ok($_, '>', 0, '... which is not nothing') for @shares;

# 2,000 creations under 8 writers, each with a second one that rolls back in whole or in part,
# while the listener is killed five times. The receiver takes its time, so that requests are on
# their way whenever that happens.
my $kept   = $dispatch->callback('/kept?delay=15');
my $lost   = $dispatch->callback('/lost');
my $script = "$dispatch->{dir}/create.sql";
my $listener =
  $dispatch->start_listener(concurrency => 16, timeout => 2, lease => '2.5', poll => '0.2');

open(my $file, '>', $script) or die "$script: $!";
print $file <<"END";
\\set part random(0, 1)
BEGIN;
SELECT dispatch.create_dispatch('parcel', jobs => ARRAY['a', 'b'], callback => $kept);
SAVEPOINT before;
SELECT dispatch.create_dispatch('parcel', callback => $lost);
ROLLBACK TO before;
COMMIT;
\\if :part
BEGIN;
SELECT dispatch.create_dispatch('parcel', callback => $lost);
ROLLBACK;
\\endif
END
close($file);

my $writers = Dispatch::Process->start(
    'pgbench',                         "$dispatch->{dir}/pgbench.log",
    'pgbench',                         '--no-vacuum',
    '--client=8',                      '--jobs=2',
    '--transactions=250',              "--file=$script",
    '--host=' . $dispatch->node->host, '--port=' . $dispatch->node->port,
    'postgres');
for my $kill (1 .. 5)
{
    $dispatch->wait_for_receipts($kill * 250, '/kept');
    is($listener->crash, 128 + 9, "kill $kill");
    $listener =
      $dispatch->start_listener(concurrency => 16, timeout => 2, lease => '2.5', poll => '0.2');
}
is($writers->wait, 0, 'the writers have written') or diag($writers->log);
is($dispatch->sql(q{SELECT count(*) FROM dispatch.event_log WHERE callback_url LIKE '%/kept%'}),
    2000, '... 2,000 dispatches');
$dispatch->wait_until_drained;
is($listener->stop,    0,           'the last listener ends cleanly');
is(delivered('/kept'), '2000|2000', 'all callbacks are delivered');

my %received;
$received{ $_->{id} }++ for $dispatch->receipts('/kept');
is(scalar keys %received,                2000, '... and were received');
is(scalar($dispatch->receipts('/lost')), 0,    'nothing that rolled back was');

# A claim sends once: whatever came more often had been claimed by a listener that was killed.
my %attempts = map { split /\|/ } split /\n/,
  $dispatch->sql(q{SELECT callback_id, attempts FROM dispatch.callbacks});
is(scalar(grep { $received{$_} > $attempts{$_} } keys %received),
    0, 'none was received more often than it was claimed');
note(scalar(grep { $received{$_} > 1 } keys %received), ' of 2000 were received more than once');
is( $dispatch->sql(
        q{SELECT count(*) FROM (SELECT callback_id FROM dispatch.attempts
            WHERE state = 'DELIVERED' GROUP BY 1 HAVING count(*) > 1) AS a}
    ),
    0,
    'each was delivered once, as the database sees it');

done_testing();

# Listeners that share a queue: what one holds is kept from the others while it lives, given to
# them at once when it is told to end, and found by them when it was killed. Only several
# processes show that. Each case has a database of its own, so that they can go on side by side.

use strict;
use warnings FATAL => 'all';

use Test::More;
use List::Util  qw(max);
use Time::HiRes qw(sleep time);

use Dispatch;

my $dispatch = Dispatch->new('leases');
my @cases    = qw(renewed late handed shared many);

for my $case (@cases)
{
    $dispatch->sql("CREATE DATABASE $case");
    $dispatch->sql(q{CREATE EXTENSION dispatch; SELECT dispatch.create_type('parcel')}, $case);
}

# Creates dispatches with callbacks to a URL: a path of the receiver, or another one.
sub create
{
    my ($case, $url, $count) = @_;
    my $callback = $url =~ /^http:/ ? quote(json({ url => $url })) : $dispatch->callback($url);
    $dispatch->sql(
        "SELECT dispatch.create_dispatch('parcel', callback => $callback)"
          . " FROM generate_series(1, $count)", $case);
    return;
}

# How many callbacks of a case are in each state, with how many attempts.
sub states
{
    my ($case) = @_;
    return $dispatch->sql(
        q{SELECT state, attempts, count(*) FROM dispatch.callbacks GROUP BY 1, 2 ORDER BY 1, 2},
        $case);
}

# How many callbacks of a case have been claimed once.
sub claimed
{
    my ($case) = @_;
    return $dispatch->sql('SELECT count(*) FROM dispatch.callbacks WHERE attempts = 1', $case);
}

# Waits until all callbacks of a case are delivered.
sub wait_until_delivered
{
    my ($case) = @_;
    wait_until(
        sub { states($case) },
        sub { $_[0] !~ /PENDING/ },
        $Dispatch::patience, "$case: all are delivered");
    return;
}

# How many requests came to a path, and of how many callbacks.
sub requests
{
    my ($path)   = @_;
    my @receipts = $dispatch->receipts($path);
    my %ids      = map { $_->{id} => 1 } @receipts;
    return join(' ', scalar @receipts, scalar keys %ids);
}

# How many requests a listener that has ended got an answer to that settled them.
sub answered
{
    my ($listener) = @_;
    return $listener->log =~ /event=stopped .* answered=(\d+)/ ? $1 : 'unknown';
}

# How many callbacks a listener forgot, since their leases had passed before it sent them.
sub lost
{
    my ($listener) = @_;
    return scalar(() = $listener->log =~ /event=lease_lost/g);
}

# For how many leases it asked in each renewal.
sub renewed
{
    my ($listener) = @_;
    return $listener->log =~ /event=leases_renewed .*?asked=(\d+)/g;
}

# Renewed: a listener holds more than it can send before its leases end. Another one looks for what
# is due ten times a second. The others follow beside it.
create('renewed', '/renewed?delay=1500', 12);
my $slow =
  $dispatch->start_listener(database => 'renewed', concurrency => 2, timeout => 5, lease => 6);
$dispatch->wait_for_receipts(2, '/renewed');
my $claimed = time;
is(claimed('renewed'), 12, 'a listener has claimed more than it can send in time');
my $idle = $dispatch->start_listener(database => 'renewed', poll => '0.1');

# Late: a listener stands still for longer than its leases, as a machine does that is suspended.
create('late', '/late?delay=200', 10);
my $late = $dispatch->start_listener(
    database    => 'late',
    concurrency => 2,
    timeout     => 2,
    lease       => 6,
    poll        => 2);
$dispatch->wait_for_receipts(1, '/late');
is(claimed('late'), 10, 'a listener has claimed 10, and sends two at a time');
$late->signal('STOP');
my $stood = time;

# Handed: one is told to end while another one looks on. The lease is long.
create('handed', '/handed?delay=1500', 20);
my $ending = $dispatch->start_listener(database => 'handed', concurrency => 1, lease => 600);
$dispatch->wait_for_receipts(1, '/handed');
is(claimed('handed'), 20, 'a listener has claimed 20, of which it sends one at a time');
my $heir = $dispatch->start_listener(database => 'handed', poll => '0.1');
is($ending->stop, 0, 'it is told to end, and ends cleanly');
wait_until_delivered('handed');
is(states('handed'), 'DELIVERED|1|20', '... another one delivers the rest, at the first attempt');
is(requests('/handed'), '20 20',          '... and nothing twice');
is($heir->stop,         0,                '... and ends cleanly');
cmp_ok(answered($ending), '>', 0, 'what was on its way has got its answer');
is(answered($ending) + answered($heir), 20, '... and nothing else was counted');

# Shared: one of three is killed.
my %options = (
    database    => 'shared',
    poll        => '0.1',
    batch       => 10,
    concurrency => 8,
    timeout     => 2,
    lease       => 6);
my ($dead, @alive) = map { $dispatch->start_listener(%options) } 1 .. 3;
create('shared', '/shared?delay=50', 600);
$dispatch->wait_for_receipts(100, '/shared');
is($dead->crash, 128 + 9, 'one of three listeners is killed');
wait_until_delivered('shared');
my ($once, $twice) = map { states('shared') =~ /^DELIVERED\|$_\|(\d+)$/m ? $1 : 0 } 1, 2;
is($once + $twice, 600, '... the others deliver all');
cmp_ok($twice, '>', 0, '... what it held at a second attempt');
cmp_ok($twice, '<', 50, '... which is little');
is((split / /, requests('/shared'))[1], 600, '... and all was received');
is($_->stop,            0,      '... each of the others ends cleanly') for @alive;
cmp_ok(answered($_), '>', 20, '... with its share') for @alive;

# What the late one has not started is not its own any more: it goes, and no renewal keeps it from others.
sleep(max(0, $stood + 7 - time));
$late->signal('CONT');
wait_until_delivered('late');
cmp_ok(lost($late), '>', 0, 'a listener that stood still forgets what it has not started');
is((grep { $_ > 2 } renewed($late)), 0, '... and renews no more than what it was sending');
is((split / /, requests('/late'))[1], 10, '... and all was received');
is($late->stop, 0, '... and it ends cleanly');

# Many: more is to be given back than fits into one call.
create('many', '/many?hang=1', 1);
create('many', "http://127.0.0.$_:9/", 900) for 2, 3;
my $many = $dispatch->start_listener(
    database    => 'many',
    concurrency => 1,
    batch       => 1000,
    timeout     => 2,
    lease       => 600);
wait_until(
    sub { $dispatch->sql('SELECT count(*) FROM dispatch.callbacks WHERE leased', 'many') },
    sub { $_[0] == 1801 },
    $Dispatch::patience, 'a listener holds 1,801');
$dispatch->wait_for_receipts(1, '/many');
is($many->stop, 0, 'a listener that holds 1,801 is told to end, and ends cleanly');
is( $dispatch->sql(
        q{SELECT attempts, leased, next_at <= now(), count(*)
            FROM dispatch.callbacks WHERE host <> '127.0.0.1' GROUP BY 1, 2, 3},
        'many'),
    '0|f|t|1800',
    '... what it had not started is due at once, with no attempt used up');

# The first one has finished meanwhile, long after its first leases would have ended.
wait_until_delivered('renewed');
cmp_ok(time - $claimed, '>', 6, 'the first leases have ended');
is(states('renewed'),    'DELIVERED|1|12', '... but they were renewed');
is(requests('/renewed'), '12 12',          '... and nobody else has sent what that listener held');
is($_->stop,             0,                '... each ends cleanly') for $slow, $idle;
is(answered($slow),      12,               '... one with all of them');
is(answered($idle),      0,                '... the other with none');

done_testing();

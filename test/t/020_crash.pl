# If it committed, its callback arrives; if it rolled back, nothing of it is ever heard, while the
# server, single processes of it, the listeners and the receiver are killed at random moments. For
# DISPATCH_CRASH_ROUNDS rounds, 20 if that is not set, with the seed DISPATCH_CRASH_SEED.
#
# Rounds come in groups. In a group writers write without a pause; then they stop, the callbacks are
# waited for, and all that they wrote is judged. See Crash/Judge.pm for what a duplicate is.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time);

use PostgreSQL::Test::Utils;
use Dispatch;
use Crash::House;
use Crash::Judge;
use Crash::Writer;

use constant GROUP   => 10;    # rounds
use constant WRITERS => 4;

my $rounds = $ENV{DISPATCH_CRASH_ROUNDS} || 20;
my $seed   = $ENV{DISPATCH_CRASH_SEED}   || 1 + int(rand(1_000_000));
my %total;

note("seed $seed");
srand($seed);

my $dispatch = Dispatch->new('crash', <<'END');
max_connections = 40
max_prepared_transactions = 20
fsync = on
recovery_init_sync_method = syncfs
restart_after_crash = on
log_line_prefix = '%n [%p] %q%a '
END
my $house = Crash::House->new($dispatch, lease => 5, timeout => 4);

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure(
    'dispatch.retry_base'   => '20ms',
    'dispatch.retry_cap'    => '200ms',
    'dispatch.max_attempts' => 1_000_000);
$dispatch->{receiver}->stop;
$dispatch->node->stop;

# Starts the writers of a group.
sub start_writers
{
    my ($group) = @_;
    my @writers;

    for my $number (1 .. WRITERS)
    {
        my $writer = Crash::Writer->new(
            name    => "g${group}w$number",
            connstr => $dispatch->node->connstr('postgres'),
            url     => $house->url,
            journal => "$dispatch->{dir}/journal.$group.$number",
            stop    => "$dispatch->{dir}/stop.$group",
            seed    => int(rand(2**31)));

        $writer->{process} =
          Dispatch::Process->start_function("writer $number", sub { $writer->run });
        push @writers, $writer;
    }
    return @writers;
}

# What is killed next: each kind has its share, in any order.
sub next_victim
{
    my ($bag) = @_;
    @$bag = shuffle(('listener') x 4, ('backend') x 3, ('receiver') x 3, ('server') x 2) unless @$bag;
    return shift @$bag;
}

sub shuffle
{
    return map { $_->[0] } sort { $a->[1] <=> $b->[1] } map { [ $_, rand() ] } @_;
}

# A round: up to three kills at random moments, then a while in which all is up.
sub round
{
    my ($bag) = @_;

    for (0 .. rand(3))
    {
        my $victim = next_victim($bag);

        $house->pause(rand(0.7));
        $total{"kills $victim"} += $house->strike($victim);
    }
    $house->settle;
    $house->pause(0.2 + rand(0.6));
    return;
}

# Waits until nothing is queued. Where that is in vain the judge tells what is left.
sub drain
{
    eval {
        wait_until(
            sub { $dispatch->sql('SELECT count(*) FROM dispatch.queue') },
            sub { $_[0] == 0 },
            $Dispatch::patience, 'no callback is pending');
        1;
    } or diag($@);
    return;
}

# What the judge is to know of the callbacks in the database.
sub callbacks
{
    return split /\n/, $dispatch->sql(
        q{SELECT e.callback_url, c.callback_id, c.state, a.claims, a.delivered, a.failures,
                 a.passed, j.state, j.rejections
            FROM dispatch.callbacks AS c
            JOIN dispatch.event_log AS e USING (dispatch_id, sequence),
         LATERAL (SELECT COALESCE(max(attempt), 0) AS claims,
                         count(*) FILTER (WHERE state = 'DELIVERED') AS delivered,
                         string_agg(extract(epoch FROM at)::text, ' ')
                             FILTER (WHERE status IS NULL AND duration IS NOT NULL) AS failures,
                         count(*) FILTER (WHERE duration IS NULL) AS passed
                    FROM dispatch.attempts AS a
                   WHERE a.dispatch_id = c.dispatch_id AND a.sequence = c.sequence) AS a,
         LATERAL (SELECT CASE WHEN e.type = 'dispatch.job.added' THEN (
                             SELECT j.state FROM dispatch.jobs AS j
                              WHERE j.dispatch_id = e.dispatch_id
                                AND j.job_id = e.data #>> '{jobs,0}') ELSE 'CONFIRMED' END AS state,
                         (SELECT count(*) FROM dispatch.events AS r
                           WHERE r.dispatch_id = e.dispatch_id
                             AND r.type = 'dispatch.job.rejected'
                             AND r.data #> '{jobs,0}' = e.data #> '{jobs,0}') AS rejections) AS j});
}

# Looks for what should not be in the logs: crashes that we have not caused, and errors of writers,
# save that a reference is taken, and that a prepared transaction is busy when its end was killed.
sub search_logs
{
    my ($journals, $lives) = @_;
    my @found;

    for my $log (map { $_->{log} // () } @$lives)
    {
        push @found, grep { /TRAP:|PANIC:|terminated by signal (?!9\b)|ERROR:  XX/ }
          split /\n/, slurp_file($log);
    }
    for my $log (map { "$_.errors" } @$journals)
    {
        push @found, grep { /ERROR:/ && !/ (is already in use|is busy)$/ } split /\n/, slurp_file($log);
    }
    return @found;
}

# The first lines of many.
sub some
{
    my @lines = @_;
    return join "\n", @lines > 20 ? (@lines[ 0 .. 19 ], '... ' . @lines) : @lines;
}

sub group
{
    my ($group, $count) = @_;
    my (@bag, @journals);

    $house->set_up;
    my @writers = start_writers($group);
    round(\@bag) for 1 .. $count;
    append_to_file("$dispatch->{dir}/stop.$group", '');
    my @statuses = map { $_->{process}->wait } @writers;
    is("@statuses", join(' ', (0) x WRITERS), "group $group: the writers have written");
    @journals = map { $_->{journal} } @writers;
    drain();
    judge($group, @journals);
    return;
}

sub judge
{
    my ($group, @journals) = @_;
    my @callbacks = callbacks();
    my $left      = $dispatch->sql(
        q{SELECT count(*) FILTER (WHERE state <> 'DELIVERED'),
            (SELECT count(*) FROM pg_prepared_xacts) FROM dispatch.callbacks});

    is($left, '0|0', '... all callbacks are delivered, no transaction is prepared');
    is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'),
        '', '... check_integrity() finds nothing');
    $dispatch->sql('DELETE FROM dispatch.dispatches');
    $dispatch->sql('VACUUM');
    is(join(', ', $house->shut), '', '... all ends cleanly');

    my @lives = $house->lives;
    my $judge = Crash::Judge->new(
        journals  => \@journals,
        receipts  => [ map { $_->{receipts} // () } @lives ],
        lives     => \@lives,
        keys      => $house->{keys},
        lease     => $house->{lease},
        callbacks => \@callbacks);
    is(some($judge->judge), '', '... what arrived is what committed');
    is(some(search_logs(\@journals, \@lives)), '', '... and nothing strange is in the logs');
    $total{$_} += $judge->figures->{$_} for keys %{ $judge->figures };
    unlink @journals, map { $_->{receipts} // (), $_->{log} // () } @lives if is_passing();
    return;
}

sub is_passing { return Test::More->builder->is_passing; }

# Prints what was counted so far of one thing.
sub note_total
{
    my ($thing) = @_;
    note("    $thing: ", join ', ', map { /^$thing (.*)/ ? "$total{$_} $1" : () } sort keys %total);
    return;
}

# The groups; after one that has failed none follows, so that its traces can be looked at.
my $done = 0;
while ($done < $rounds && is_passing())
{
    my $count = $rounds - $done < GROUP ? $rounds - $done : GROUP;
    my $begun = time;

    group(1 + $done / GROUP, $count);
    $done += $count;
    note(sprintf '%d rounds, the last %d in %.0f s', $done, $count, time - $begun);
    note_total($_) for qw(kills transactions callbacks duplicates);
}

# In few rounds it may be that no kill meets a transaction, or a callback, that is under way.
if ($done >= 20)
{
    cmp_ok($total{'transactions committed'}, '>', 20 * $done, 'writers had much to write');
    cmp_ok($total{'transactions looked up'} // 0, '>', 0, 'kills have met transactions under way');
    cmp_ok($total{'duplicates in all'} // 0, '>', 0, '... and callbacks');
}

# In order, since a server that is killed leaves shared memory behind.
END
{
    my $status = $?;
    eval { $house->shut if $house };
    $? = $status;
}

done_testing();

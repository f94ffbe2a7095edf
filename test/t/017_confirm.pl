# Callbacks that ask whether members can be added, with the real listener and receiver: only there
# it shows that what a receiver answers is what becomes of the member.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('confirm');
$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 3);
my $listener = $dispatch->start_listener(poll => '0.2', timeout => 1);
my $id       = $dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', 'ROUTE-1')});

# A callback that asks at a URL of the receiver's, with further members.
sub question
{
    my ($name, $query, %members) = @_;
    return $dispatch->callback("/ask/$name?$query", wait => \1, %members);
}

# Asks for a job.
sub ask
{
    my ($job, $query, %members) = @_;
    my $callback = question($job, $query, %members);
    return $dispatch->sql(qq{SELECT dispatch.add_job('$id', '$job', $callback)});
}

# What became of a job: its state, or why it was rejected; '' while there is neither.
sub fate
{
    my ($job) = @_;
    return $dispatch->sql(
        qq{SELECT state FROM dispatch.jobs WHERE dispatch_id = '$id' AND job_id = '$job'
           UNION ALL
           SELECT data ->> 'reason' FROM dispatch.events
            WHERE dispatch_id = '$id' AND type = 'dispatch.job.rejected' AND data -> 'jobs' ? '$job'});
}

# Waits until it is not pending any more.
sub wait_for_fate
{
    my ($job) = @_;
    return wait_until(sub { fate($job) }, sub { $_[0] ne 'PENDING' }, $Dispatch::patience,
        "the question for $job has its answer");
}

ask('yes', 'status=204');
ask('no', 'status=403');
ask('moved', 'status=302');
ask('broken', 'status=500');
ask('own', 'status=418', acceptableStatusCodes => [ 200, 418 ]);
ask('other', 'status=200', acceptableStatusCodes => [202]);
is(wait_for_fate('yes'),    'CONFIRMED',                          '2xx confirms');
is(wait_for_fate('no'),     'answered 403',                       'another answer rejects');
is(wait_for_fate('moved'),  'answered 302',                       'a redirect is an answer');
is(wait_for_fate('broken'), 'no conclusive answer in 3 attempts', '5xx is asked again, to the end');
is(wait_for_fate('own'),    'CONFIRMED',    'an acceptable code of its own confirms');
is(wait_for_fate('other'),  'answered 200', 'and then no other does');

# No answer, and those that say "later", are asked again.
my %again = (
    late    => 'status=408&times=1',
    many    => 'status=429&times=1',
    down    => 'status=502&times=1',
    waiting => 'retry_after=1&times=1',
    hung    => 'hang=1&times=1');
ask("again-$_", $again{$_}) for sort keys %again;
ask('cut', 'close=1');
ask('mute', 'hang=1');
for my $name (sort keys %again)
{
    is(wait_for_fate("again-$name"), 'CONFIRMED', "$again{$name}: the next answer counts");
    like($dispatch->callbacks("/ask/again-$name"), qr/^DELIVERED\|2\|200\|$/, '... which is the second');
}
is(wait_for_fate('cut'), 'no conclusive answer in 3 attempts', 'a connection that breaks off is no answer');
is(wait_for_fate('mute'), 'no conclusive answer in 3 attempts', 'silence is asked again, to the end');
is(scalar($dispatch->receipts('/ask/mute')), 3, '... as often as may be');

# Participants are asked for as well; what was rejected can be added again.
$dispatch->sql(qq{SELECT dispatch.add_participants('$id', '{ada,ben}', } . question('crew', 'status=404') . ')');
$dispatch->sql(qq{SELECT dispatch.add_participant('$id', 'cleo', } . question('cleo', 'status=202') . ')');
wait_until(
    sub { $dispatch->sql(qq{SELECT count(*) FROM dispatch.participants WHERE state = 'PENDING'}) },
    sub { $_[0] == 0 },
    $Dispatch::patience, 'nobody waits any more');
is( $dispatch->sql(
        qq{SELECT participant_id, state FROM dispatch.participants WHERE dispatch_id = '$id'
           UNION ALL SELECT data ->> 'participants', data ->> 'reason' FROM dispatch.events
           WHERE type = 'dispatch.participant.rejected' ORDER BY 1 DESC}),
    qq{cleo|CONFIRMED\n["ada", "ben"]|answered 404}, 'participants are asked for, too');
ask('no', 'status=200&again=1');
is( wait_until(
        sub { $dispatch->sql(qq{SELECT state FROM dispatch.jobs WHERE job_id = 'no'}) },
        sub { $_[0] ne 'PENDING' },
        $Dispatch::patience, 'the second question has its answer'),
    'CONFIRMED', 'what was rejected can be added again');

# A question that is cancelled while it waits to be asked again.
ask('cancelled', 'retry_after=3600');
$dispatch->wait_for_callbacks('/ask/cancelled', qr/^PENDING\|1\|503/);
is( $dispatch->sql(
        q{SELECT dispatch.cancel_callbacks(array_agg(callback_id)) FROM dispatch.callbacks WHERE state = 'PENDING'}),
    1, 'a question is cancelled');
is(fate('cancelled'), 'the callback was cancelled', '... which rejects');
is($dispatch->callbacks('/ask/cancelled'), 'CANCELLED|1||the callback was cancelled', '... and ends it');

# The answer is for the members that were asked for: not for one that was added meanwhile.
ask('anew', 'status=403&delay=500');
$dispatch->wait_for_receipts(1, '/ask/anew');
$dispatch->sql(qq{SELECT dispatch.remove_job('$id', 'anew'), dispatch.add_job('$id', 'anew')});
$dispatch->wait_for_callbacks('/ask/anew', qr/^DELIVERED\|1\|403/);
is(fate('anew'), 'CONFIRMED', 'a job that was removed and added again is not concerned by the answer');

# Many answers for one dispatch, which come together.
my $many = $dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', 'ROUTE-MANY')});
$dispatch->sql(qq{SELECT count(dispatch.add_job('$many', 'job-' || n, jsonb_set(} . question('many', '')
      . qq{, '{url}', to_jsonb('} . $dispatch->url('/ask/many')
      . qq{' || (ARRAY['?status=200', '?status=403', '?status=503&times=1'])[n % 3 + 1]))))
        FROM generate_series(1, 60) AS n});
$dispatch->wait_until_drained;
is( $dispatch->sql(
        qq{SELECT state, count(*) FROM dispatch.jobs WHERE dispatch_id = '$many' GROUP BY 1
           UNION ALL SELECT type, count(DISTINCT sequence) FROM dispatch.events WHERE dispatch_id = '$many' GROUP BY 1
           UNION ALL SELECT 'version', version FROM dispatch.dispatches WHERE id = '$many' ORDER BY 1}),
    "CONFIRMED|40\ndispatch.created|1\ndispatch.job.added|60\ndispatch.job.rejected|20\nversion|81",
    'of many answers for one dispatch each has its effect, and each rejection its version');

# An answer that comes so late that another listener has asked again: it is ignored, and said so.
is($listener->stop, 0, 'the listener ends cleanly');
my $slow = $dispatch->start_listener(poll => '0.1', timeout => '0.9', lease => 1);
ask('twice', 'status=403&delay=400&times=1');
$dispatch->wait_for_receipts(1, '/ask/twice');
$slow->signal('STOP');
$listener = $dispatch->start_listener(poll => '0.1', timeout => 1);
is(wait_for_fate('twice'), 'CONFIRMED', 'when a listener hangs, another one asks again');
is(scalar($dispatch->receipts('/ask/twice')), 2, '... so it was asked twice');
$slow->signal('CONT');
wait_until(
    sub { $slow->log },
    sub { $_[0] =~ /event=outcome_ignored callback=[0-9a-f-]{36} / },
    $Dispatch::patience, 'the late answer is ignored');
is(fate('twice'), 'CONFIRMED', '... and the late answer changes nothing');
is($slow->stop, 0, 'the listener ends cleanly');

# The receiver is told what is asked, and that is no secret to it.
my ($question) = $dispatch->receipts('/ask/yes');
is(body_of($question)->{type}, 'dispatch.job.added', 'the question is the event');
is_deeply(body_of($question)->{data}{jobs}, ['yes'], 'with the job');

# While somebody's transaction has the dispatch, the listener goes on, and the answer comes after it.
my $open = $dispatch->node->background_psql('postgres');
$open->query_safe(qq{BEGIN; SELECT dispatch.add_participant('$id', 'driver');});
$dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', 'ROUTE-2')});
my $callback = $dispatch->callback('/ask/late?status=200&delay=500', wait => \1);
$open->query_safe(qq{SELECT dispatch.add_job('$id', 'late', $callback);});
$open->query_safe('COMMIT; BEGIN;');
$open->query_safe(qq{SELECT dispatch.update_sub_status('$id', 'held');});
$dispatch->wait_for_receipts(1, '/ask/late');
$callback = $dispatch->callback('/other?status=200');
$dispatch->sql(
    qq{SELECT dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-2'), 'on', $callback)});
$dispatch->wait_for_callbacks('/other', qr/^DELIVERED/);
$dispatch->wait_for_callbacks('/ask/late', qr/^PENDING\|1\|200/);
is(fate('late'), 'PENDING', 'the answer waits for the open transaction, others do not');
$open->query_safe('COMMIT;');
is(wait_for_fate('late'), 'CONFIRMED', 'and is applied after it');
$open->quit;

# Closing rejects what waits.
ask('never', 'hang=1');
$dispatch->wait_for_receipts(1, '/ask/never');
$dispatch->sql(qq{SELECT dispatch.update_status('$id', 'CLOSED')});
is(fate('never'), 'the dispatch was closed', 'closing rejects what is pending');
my $closed = $dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', 'ROUTE-3')});
$dispatch->sql(qq{SELECT dispatch.add_job('$closed', 'asked', } . question('asked', 'status=200&delay=500') . ')');
$dispatch->wait_for_receipts(1, '/ask/asked');
my $version = $dispatch->sql(qq{SELECT dispatch.update_status('$closed', 'CLOSED')});
$dispatch->wait_for_callbacks('/ask/asked', qr/^DELIVERED\|1\|200/);
is( $dispatch->sql(
        qq{SELECT version = $version, (SELECT count(*) FROM dispatch.jobs WHERE dispatch_id = id)
            FROM dispatch.dispatches WHERE id = '$closed'}),
    't|0', '... and an answer that comes afterwards changes nothing');
is($dispatch->sql('SELECT count(*) FROM dispatch.check_integrity()'), 0, 'all is in order');
is($listener->stop, 0, 'the listener ends cleanly');

done_testing();

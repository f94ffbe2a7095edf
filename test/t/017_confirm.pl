# Callbacks that ask whether members can be added, with the real listener and receiver: only there
# it shows that what a receiver answers is what becomes of the member.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('confirm');
$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 3);
my $listener = $dispatch->start_listener(poll => '0.2', timeout => 2);
my $id       = $dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', 'ROUTE-1')});

# Asks for a job, with further members of the callback, at a URL of the receiver's.
sub ask
{
    my ($job, $query, %members) = @_;
    my $callback = $dispatch->callback("/ask/$job?$query", wait => \1, %members);
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
is($dispatch->sql('SELECT count(*) FROM dispatch.check_integrity()'), 0, 'all is in order');
is($listener->stop, 0, 'the listener ends cleanly');

done_testing();

# When a callback is sent again, and when no more: that depends on answers, which only a receiver
# gives.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time);

use Dispatch;

my $dispatch = Dispatch->new('retries');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '20ms', 'dispatch.max_attempts' => 4);
my $listener = $dispatch->start_listener(poll => '0.05');

# Creates a dispatch with a callback to a path.
sub create
{
    my ($path) = @_;
    my $callback = $dispatch->callback($path);
    return $dispatch->sql(
        qq{SELECT dispatch.create_dispatch('parcel', callback => $callback,
            event_meta => '{"for": "$path"}')}
    );
}

# How often each path was requested, by how many webhook-ids and with how many different bodies.
sub requests
{
    my ($path)   = @_;
    my @receipts = $dispatch->receipts($path);
    my %ids      = map { $_->{id}   => 1 } @receipts;
    my %bodies   = map { $_->{body} => 1 } @receipts;
    return join(' ', scalar @receipts, scalar keys %ids, scalar keys %bodies);
}

create('/twice?status=503&times=2');
create('/gone?status=410');
create('/never?status=500');
create("/$_?status=$_&times=1") for qw(301 400 404 408 429 502);
create("/fine/$_?status=$_")    for qw(200 201 202 204 299);
create('/redirect?location=/elsewhere&times=1');
create('/seconds?retry_after=1&times=1');
create('/date?retry_after=' . 'Wed,%2021%20Oct%202099%2007:28:00%20GMT');
create('/hour?status=429&retry_after=3600');
create('/day?status=500&retry_after=86400');
create('/past?retry_after=' . 'Wed,%2021%20Oct%202015%2007:28:00%20GMT&times=1');

# 503 twice, then 200.
like($dispatch->wait_for_callbacks('/twice', qr/^DELIVERED/),
    qr/^DELIVERED\|3\|200\|$/, '503 twice, then 200: delivered at the third attempt');
is(requests('/twice'), '3 1 1', '... with the same webhook-id and the same body at each');
is( $dispatch->sql(
        q{SELECT string_agg(a.status || ' ' || coalesce(a.state, 'again'), ', ' ORDER BY a.attempt)
            FROM dispatch.attempts AS a JOIN dispatch.event_log AS e USING (callback_id)
            WHERE e.event_meta ->> 'for' LIKE '/twice%'}
    ),
    '503 again, 503 again, 200 DELIVERED',
    '... and each attempt is kept');
my @signed = grep { $_->{signature} eq 'valid' } $dispatch->receipts('/twice');
is(scalar @signed, 3, '... and signed, each at its own time');

# What ends a callback, and what does not.
is($dispatch->wait_for_callbacks('/gone', qr/^D/), 'DEAD|1|410|', '410 is final');
is(requests('/gone'),                              '1 1 1',       '... after one request');
is($dispatch->wait_for_callbacks('/never', qr/^D/),
    'DEAD|4|500|', 'dispatch.max_attempts is the end');
is(requests('/never'), '4 1 1', '... after as many requests');
for my $status (qw(301 400 404 408 429 502))
{
    is($dispatch->wait_for_callbacks("/$status", qr/^D/),
        'DELIVERED|2|200|', "$status is tried again");
}
for my $status (qw(200 201 202 204 299))
{
    is($dispatch->wait_for_callbacks("/fine/$status", qr/^D/),
        "DELIVERED|1|$status|", "$status is success");
}
is($dispatch->wait_for_callbacks('/redirect', qr/^D/),
    'DELIVERED|2|200|', 'a redirect is tried again');
is(requests('/elsewhere'), '0 0 0', '... and not followed');

# Retry-After.
is($dispatch->wait_for_callbacks('/seconds', qr/^D/), 'DELIVERED|2|200|', 'Retry-After: 1');
is( $dispatch->sql(
        q{SELECT max(a.at) - min(a.at) >= '1 s'
            FROM dispatch.attempts AS a JOIN dispatch.event_log AS e USING (callback_id)
    WHERE e.event_meta ->> 'for' LIKE '/seconds%'}),
    't',
    '... is waited for');
is($dispatch->wait_for_callbacks('/past', qr/^D/),
    'DELIVERED|2|200|', 'a Retry-After that has passed delays nothing');

# When the callback to a path is due, seen from its last attempt.
sub wait_of
{
    my ($path) = @_;
    $dispatch->wait_for_callbacks($path, qr/^PENDING\|1\|\d/);
    return $dispatch->sql(
        qq{SELECT c.next_at - c.last_at
            FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
        WHERE e.event_meta ->> 'for' LIKE '$path%'});
}
is(wait_of('/hour'), '01:00:00', 'Retry-After is honoured to the second');
is(wait_of('/day'),  '06:00:00', '... up to dispatch.retry_cap');
is(wait_of('/date'), '06:00:00', '... as a date too');

# Settings that only the operator makes need the library loaded.
$dispatch->sql(
    q{LOAD 'dispatch';
    ALTER SYSTEM SET dispatch.max_attempts = 2;
    ALTER DATABASE postgres RESET dispatch.max_attempts}
);
$dispatch->node->reload;

# A trigger of somebody's that does not take one outcome keeps back none of the others.
$dispatch->sql(q{
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON dispatch.attempts FOR EACH ROW WHEN (new.status = 404) EXECUTE FUNCTION refuse();});
$dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', callback => CASE i WHEN 7 THEN }
      . $dispatch->callback('/refused?status=404') . '::jsonb ELSE '
      . $dispatch->callback('/taken')
      . q{ END) FROM generate_series(1, 20) AS i});
$dispatch->wait_for_callbacks('/taken', qr/^(DELIVERED\|1\|200\|\n?){19}$/);
like($dispatch->callbacks('/refused'), qr/^PENDING\|1\|/, 'an outcome that a trigger does not take is given up');
like($listener->log, qr/event=outcome_given_up callback=\S+ sqlstate=P0001/, '... which is logged');
is($listener->stop, 0, 'the listener ends cleanly, though callbacks wait');
$listener = $dispatch->start_listener(poll => '0.05');
create('/system?status=500');
is($dispatch->wait_for_callbacks('/system', qr/^D/), 'DEAD|2|500|', 'a setting of the system');

# The body is made anew for each attempt, by sessions whose settings may differ.
$dispatch->configure('dispatch.max_attempts' => 9, 'dispatch.retry_base' => '1ms');
is($listener->stop, 0, 'the listener ends cleanly');
create('/settings?status=503&times=2');
for my $settings (
    { timezone => 'Asia/Kathmandu', datestyle => 'German' },
    {
        timezone           => 'America/Caracas',
        extra_float_digits => -15,
        intervalstyle      => 'sql_standard',
        search_path        => 'nowhere'
    },
    {
        timezone                      => 'UTC',
        standard_conforming_strings   => 'off',
        default_transaction_isolation => 'serializable'
    })
{
    $dispatch->configure(%$settings);
    $dispatch->new_listener(once => 1)->wait;
    $dispatch->sql(q{UPDATE dispatch.queue SET next_at = now() WHERE attempt > 0});
}
like($dispatch->callbacks('/settings'),
    qr/^DELIVERED\|3\|200\|$/, 'three listeners with different settings make three attempts');
is(requests('/settings'), '3 1 1', '... and send the same bytes');
$dispatch->sql("ALTER DATABASE postgres RESET ALL");

# Backoff: at random, and never longer than twice as long as the time before. The times are long,
# so that next to none of those that have failed falls due again meanwhile, nor is the host
# left alone, which those that are claimed a little later would wait for.
$dispatch->configure(
    'dispatch.host_failures' => 0,
    'dispatch.retry_base'    => '1000000s',
    'dispatch.retry_cap'     => '1500000s',
    'dispatch.max_attempts'  => 9);
$dispatch->sql(q{SELECT dispatch.create_dispatch('parcel', callback => }
      . $dispatch->callback('/backoff?status=500')
      . q{) FROM generate_series(1, 200)});
$listener = $dispatch->start_listener(poll => '0.05');
wait_until(
    sub { $dispatch->callbacks('/backoff') },
    sub { 200 == (() = $_[0] =~ /^PENDING\|\d+\|500\|$/mg) },
    $Dispatch::patience, '200 callbacks have failed');
is( $dispatch->sql(
        q{SELECT max(wait) <= '1000000 s', max(wait) > '500000 s', min(wait) < '500000 s',
                count(DISTINCT wait) > 100
            FROM (SELECT c.next_at - c.last_at AS wait
                    FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
                    WHERE e.callback_url LIKE '%/backoff%' AND c.attempts = 1) AS w}
    ),
    't|t|t|t',
    'the first wait is at random, up to dispatch.retry_base');
is($listener->stop, 0, 'the listener ends cleanly, though callbacks wait');

done_testing();

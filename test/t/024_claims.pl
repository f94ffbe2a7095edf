# Listeners that claim at once, from a queue with few places for each host, while writers hold their
# transactions open, claims are undone and an old snapshot is kept: nothing stays behind, and what
# a claim says is empty is empty. Two sessions of an isolation test cannot show that.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('claims', "max_connections = 40\ndispatch.host_in_flight = 5\ndispatch.host_failures = 0");
my $node     = $dispatch->node;
$dispatch->sql(
    q{SELECT dispatch.create_type('parcel');

    -- Queues callbacks to four hosts for a while, in transactions that are open for up to 30 ms.
    CREATE PROCEDURE write(seconds integer) LANGUAGE plpgsql AS $$
    DECLARE
        deadline timestamptz := clock_timestamp() + make_interval(secs => seconds);
    BEGIN
        WHILE clock_timestamp() < deadline LOOP
            FOR i IN 1 .. 1 + random() * 5 LOOP
                BEGIN
                    PERFORM dispatch.create_dispatch('parcel', callback => jsonb_build_object('url',
                        'http://host-' || floor(random() * 4) || '.example/'));
                    IF random() < 0.1 THEN
                        RAISE division_by_zero;
                    END IF;
                EXCEPTION WHEN division_by_zero THEN
                    NULL;
                END;
            END LOOP;
            PERFORM pg_sleep(random() * 0.03);
            COMMIT;
        END LOOP;
    END $$;

    -- Claims and answers until nothing was there for a while: some answers are failures, to be tried
    -- again at once, some claims are undone, and some never answered.
    CREATE TABLE seen (leased bigint);
    CREATE PROCEDURE listen(seconds integer) LANGUAGE plpgsql AS $$
    DECLARE
        last timestamptz := clock_timestamp();
        ids uuid[];
        attempts integer[];
        n integer;
    BEGIN
        WHILE clock_timestamp() < last + make_interval(secs => seconds) LOOP
            SELECT array_agg(c.callback_id), array_agg(c.attempt), count(*) INTO ids, attempts, n
              FROM dispatch.claim_callbacks((1 + random() * 6)::integer,
                  CASE WHEN random() < 0.05 THEN interval '0.1 s' ELSE interval '30 s' END, false) AS c;
            IF n = 0 THEN
                COMMIT;
                PERFORM pg_sleep(0.01);
            ELSIF random() < 0.05 THEN
                ROLLBACK;
            ELSE
                COMMIT;
                last := clock_timestamp();
                INSERT INTO seen SELECT max(leased) FROM (SELECT count(*) AS leased FROM dispatch.queue
                    WHERE leased_at IS NOT NULL AND next_at > clock_timestamp() GROUP BY host) AS l;
                IF random() < 0.95 THEN
                    PERFORM dispatch.finish_callbacks(ids, attempts,
                        array_fill(CASE WHEN random() < 0.1 THEN 500 ELSE 200 END, ARRAY[n]),
                        array_fill(NULL::text, ARRAY[n]), array_fill('0'::interval, ARRAY[n]));
                ELSE
                    PERFORM dispatch.renew_callbacks(ids, attempts, '0');
                END IF;
                COMMIT;
            END IF;
        END LOOP;
    END $$}
);

# A procedure, called by so many sessions.
sub call
{
    my ($clients, $call) = @_;
    my $script = "$dispatch->{dir}/$call.sql";
    open(my $file, '>', $script) or die "$script: $!";
    print $file "CALL $call;\n";
    close($file);
    return Dispatch::Process->start(
        "pgbench $call",                   "$dispatch->{dir}/$call.log",
        'pgbench',                         '--no-vacuum',
        "--client=$clients",               "--jobs=$clients",
        '--transactions=1',                "--file=$script",
        '--host=' . $node->host,           '--port=' . $node->port,
        'postgres');
}

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM dispatch.types;');
my $writers   = call(4, 'write(5)');
my $listeners = call(5, 'listen(3)');
is($writers->wait,   0, 'the writers have written')    or diag($writers->log);
is($listeners->wait, 0, 'the listeners have listened') or diag($listeners->log);
$old->quit;

my ($queued, $delivered) = split /\|/,
  $dispatch->sql(q{SELECT count(*), count(*) FILTER (WHERE state = 'DELIVERED') FROM dispatch.callbacks});
cmp_ok($queued, '>', 200, 'there was enough to do');
is($delivered, $queued, 'all is delivered');
is($dispatch->sql('SELECT count(*) FROM dispatch.host_states'), 0, 'no host is waited for any more');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'), '', 'all belongs together');

# Claims in the same moment do not see each other, so together they may take more.
my ($most, $usually) = split /\|/,
  $dispatch->sql(q{SELECT max(leased), percentile_disc(0.5) WITHIN GROUP (ORDER BY leased) FROM seen});
cmp_ok($most,    '<=', 5 + 4 * 7, 'never more was leased than claims in one moment take');
cmp_ok($usually, '<=', 5,         '... and mostly no more than may be');
note("$queued callbacks, at most $most of a host leased");

# The way from the start of the queue is long as long as an old snapshot is kept. A session that knows
# that goes it seldom, and still finds what commits late.
$old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM dispatch.types;');
$dispatch->sql(
    q{CREATE FUNCTION queue(ref text) RETURNS boolean LANGUAGE sql AS $$
        SELECT dispatch.create_dispatch('parcel', ref, callback => '{"url": "http://example.com/"}') IS NOT NULL;
    $$;
    CREATE FUNCTION claim(max_rows integer) RETURNS text LANGUAGE sql AS $$
        SELECT COALESCE(string_agg(c.body::jsonb #>> '{data,dispatchRef}', ' ' ORDER BY c.callback_id), 'nothing')
          FROM dispatch.claim_callbacks(max_rows, '1 h', false) AS c;
    $$;
    CREATE PROCEDURE work(n integer) LANGUAGE plpgsql AS $$
    BEGIN
        FOR i IN 1 .. n LOOP
            PERFORM queue(NULL) FROM generate_series(1, 500);
            COMMIT;
            PERFORM dispatch.finish_callbacks(c.ids, c.attempts, array_fill(200, ARRAY[500]),
                array_fill(NULL::text, ARRAY[500]), array_fill(NULL::interval, ARRAY[500]))
               FROM (SELECT array_agg(callback_id) AS ids, array_agg(attempt) AS attempts
                       FROM dispatch.claim_callbacks(500, '1 h', false)) AS c;
            COMMIT;
        END LOOP;
    END $$}
);
$dispatch->configure('dispatch.host_in_flight' => 1000);
my $late    = $node->background_psql('postgres');
my $claimer = $node->background_psql('postgres');
$claimer->query_safe('CALL work(30)');
for my $round (1 .. 5)
{
    $late->query_safe(qq{BEGIN; SELECT queue('late-$round');});
    $claimer->query_safe('CALL work(1)');
    $claimer->query_safe(qq{SELECT queue('$round-of-five');});
    is($claimer->query_safe('SELECT claim(100)'), "$round-of-five", "round $round: what is there");
    is($claimer->query_safe('SELECT claim(100)'), 'nothing', '... and no more');
    $late->query_safe('COMMIT;');
    is($claimer->query_safe('SELECT claim(100)'), "late-$round", '... and what commits late');
}
$_->quit for $old, $late, $claimer;

done_testing();

# The memory of a backend that has done a lot: a leak is nothing that a result of psql shows.

use strict;
use warnings FATAL => 'all';

use POSIX ();
use Test::More;

use Dispatch;

my $operations = 50_000;
my $dispatch   = Dispatch->new('memory', 'synchronous_commit = off');
my $callback   = $dispatch->callback('/');

$dispatch->sql(
    q{SELECT dispatch.create_type('parcel', additional_attributes => true);
    SELECT dispatch.create_type('pallet');
    SELECT dispatch.create_attributes('parcel', '[
        {"name": "plate", "dataType": "string",
         "validation": {"regex": "^(?=.*[0-9])[A-Z]{1,3}-[A-Z0-9 ]+$"}},
        {"name": "zone", "dataType": "string", "defaultValue": "north",
         "validation": {"valueOneOf": ["north", "south"]}},
        {"name": "weight", "dataType": "number",
         "validation": {"range": {"min": 0, "max": 1000}}}]');

    -- Operations that fail in blocks that catch their errors.
    CREATE FUNCTION fail_in_blocks(id uuid) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE
        failed integer := 0;
        what   text;
    BEGIN
        FOREACH what IN ARRAY ARRAY['data', 'member', 'status', 'version', 'callback', 'undone'] LOOP
            BEGIN
                CASE what
                WHEN 'data' THEN
                    PERFORM dispatch.update_custom_data(id, '{"plate": "no", "zone": 1}');
                WHEN 'member' THEN
                    PERFORM dispatch.add_jobs(id, ARRAY['new', 'late']);
                WHEN 'status' THEN
                    PERFORM dispatch.update_status(id, 'INITIATED');
                WHEN 'version' THEN
                    PERFORM dispatch.add_job(id, 'new', expected_version => 1);
                WHEN 'callback' THEN
                    PERFORM dispatch.add_job(id, 'new', '{"url": "nowhere"}');
                WHEN 'undone' THEN
                    PERFORM dispatch.update_custom_data(id, '{"zone": "north", "more": {}}',
                        '{"url": "http://example.com/"}', request_id => 'undone');
                    RAISE 'undone';
                END CASE;
            EXCEPTION WHEN OTHERS THEN
                failed := failed + 1;
            END;
        END LOOP;
        RETURN failed;
    END $$});

# One round of operations, each a statement and a transaction of its own, as clients send them;
# also such that fail, and such that make the backend load the types again.
my @round = (
    q{SELECT dispatch.create_dispatch('parcel', 'REF-' || :n, ARRAY['a', 'b', 'c'], ARRAY['p'],
        '{"plate": "B-MX 4021", "weight": 12.5, "more": [1, {"a": null}]}', }
      . "$callback) AS id \\gset",
    q{SELECT dispatch.add_job(:'id', 'd', } . "$callback, '{\"user\": \"a\"}') \\g /dev/null",
    q{SELECT dispatch.add_jobs(:'id', ARRAY(SELECT 'job-' || j
        FROM generate_series(1, 20) AS j)) \g /dev/null},
    q{SELECT dispatch.add_participants(:'id', ARRAY['q', 'r']) \g /dev/null},
    q{SELECT dispatch.update_status(:'id', 'ASSIGNED', 'WAITING') \g /dev/null},
    q{SELECT dispatch.update_sub_status(:'id', 'GOING') \g /dev/null},
    q{SELECT dispatch.update_custom_data(:'id', '{"zone": "south", "more": null,
        "plate": null}') \g /dev/null},
    q{SELECT dispatch.add_job(:'id', 'd') \g /dev/null},
    q{SELECT dispatch.update_custom_data(:'id', '{"zone": "nowhere",
        "plate": "no plate", "weight": 1e9}') \g /dev/null},
    q{SELECT dispatch.create_dispatch('nothing') \g /dev/null},
    q{SELECT dispatch.request('addJob', jsonb_build_object('dispatchId', :'id'),
        '{"jobId": "e", "_event_meta": {"a": 1}}') \g /dev/null},
    q{SELECT dispatch.request('addJob', '{"dispatchRef": "NOBODY"}',
        '{"jobId": "e"}') \g /dev/null},
    q{SELECT dispatch.get_dispatch(dispatch.dispatch_id('REF-' || :n)) \g /dev/null},
    q{SELECT * FROM dispatch.history(:'id') \g /dev/null},
    q{SELECT * FROM dispatch.validate('parcel', '{"plate": "x", "zone": 1,
        "weight": -1}') \g /dev/null},
    q{SELECT dispatch.remove_jobs(:'id', ARRAY['a', 'd']) \g /dev/null},
    q{SELECT count(*) FROM dispatch.claim_callbacks(1, '0 s') AS c,
        dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], ARRAY[200],
        ARRAY[NULL], ARRAY[NULL::interval]) \g /dev/null},
    'BEGIN;',
    'SAVEPOINT a;',
    q{SELECT dispatch.add_job(:'id', 'b') \g /dev/null},
    'ROLLBACK TO a;',
    q{SELECT dispatch.add_job(:'id', 'late', request_id => 'late-' || :n) \g /dev/null},
    'SAVEPOINT b;',
    qq{SELECT dispatch.update_status(:'id', 'IN_PROGRESS', callback => $callback) \\g /dev/null},
    'ROLLBACK TO b;',
    'COMMIT;',
    q{SELECT dispatch.add_job(:'id', 'late', request_id => 'late-' || :n) \g /dev/null},
    q{SELECT dispatch.add_job(:'id', 'later', request_id => 'late-' || :n) \g /dev/null},
    q{SELECT 1 / (fail_in_blocks(:'id') = 6)::integer \g /dev/null},
    q{SELECT dispatch.update_status(:'id', 'CLOSED') \g /dev/null},
    q{SELECT dispatch.get_attributes('parcel'), dispatch.get_type('pallet') \g /dev/null},
    q{UPDATE dispatch.types SET updated_at = now() WHERE name = 'pallet';});

# What the backend has: in memory contexts, and in pages of its own, as the system sees it. The
# second comes from outside, since a query that reads a file would change it.
my $measure = q{SELECT 'measured', sum(total_bytes) FROM pg_backend_memory_contexts;
\! awk '{ print "pages", $2 - $3 }' /proc/$BACKEND/statm
};
my $file   = "$dispatch->{dir}/operations.sql";
my $rounds = $operations / @round;
my $n      = 0;

open(my $script, '>', $file) or die "$file: $!";
print $script "SELECT pg_backend_pid() AS pid \\gset\n\\setenv BACKEND :pid\n";
for my $count ($rounds / 10, $rounds)
{
    for (1 .. $count)
    {
        print $script '\set n ', ++$n, "\n", map { "$_\n" } @round;
    }
    print $script $measure;
}
close($script);

my ($code, $output, $errors) =
  $dispatch->node->psql('postgres', undef, extra_params => [ '--file', $file ], on_error_stop => 0);
is($code, 0, 'all operations were run');
unlike($errors, qr/division by zero/, '... what had to fail has failed');
is( $dispatch->sql('SELECT count(*), count(closed_at), sum(version) FROM dispatch.dispatches'),
    join('|', $n, $n, 11 * $n),
    '... and did what they should');
is($dispatch->sql(q{SELECT count(*) FROM dispatch.callbacks WHERE state = 'DELIVERED'}),
    $n, '... callbacks too');

my @contexts = $output =~ /^measured\|(\d+)$/mg;
is(scalar @contexts, 2, 'memory contexts were measured');
cmp_ok(
    $contexts[1] - $contexts[0],
    '<',
    1024 * 1024,
    "... and have not grown by 1 MB over $operations operations");
note("memory contexts: @contexts");
SKIP:
{
    skip 'no /proc here', 2 unless -e '/proc/self/statm';
    my $page  = POSIX::sysconf(POSIX::_SC_PAGESIZE());
    my @pages = map { $_ * $page } $output =~ /^pages (\d+)$/mg;

    is(scalar @pages, 2, "the system's view was measured");
    cmp_ok($pages[1] - $pages[0], '<', 1024 * 1024, '... and has not grown by 1 MB');
    note("memory of the process: @pages");
}

done_testing();

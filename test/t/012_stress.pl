# Many sessions at once that change a few dispatches in every way there is, with listeners and
# purges among them: only a crowd shows that nobody deadlocks and that nothing is half done. For
# DISPATCH_STRESS_SECONDS seconds, 10 if that is not set.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $seconds  = $ENV{DISPATCH_STRESS_SECONDS} // 10;
my $dispatch = Dispatch->new('stress', "max_connections = 80\nmax_prepared_transactions = 40");
my $node     = $dispatch->node;
my $seed     = $ENV{DISPATCH_STRESS_SEED} // int(rand(1_000_000));
my $callback = $dispatch->callback('/stress');

note("seed $seed");
srand($seed);

# The errors that are documented, and P0001, by which an operation that worked is undone.
my %documented = map { $_ => 1 } qw(22023 23514 P0002 23505 55000 40001 P0001);

$dispatch->sql(
    q{SELECT dispatch.create_type('parcel');
    SELECT dispatch.create_attributes('parcel', '[
        {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0, "max": 9}}},
        {"name": "zone", "dataType": "string", "defaultValue": "north",
         "validation": {"regex": "^[a-z]+$"}}]');
    CREATE UNLOGGED TABLE results (operation text, state text);

    CREATE FUNCTION any_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
        'SELECT choices[1 + floor(random() * cardinality(choices))::integer]';
    CREATE FUNCTION some_members() RETURNS text[] LANGUAGE sql VOLATILE AS
        $$SELECT array_agg(m) FROM (SELECT 'm' || m AS m FROM generate_series(1, 6) AS m
            ORDER BY random() LIMIT 1 + floor(random() * 3)::integer) AS m$$;

    -- One of a few places, REF-1 to REF-4, has one dispatch after the other: the reference of the
    -- last that is open, and one for the next, which is the same for all who ask at once.
    CREATE FUNCTION open_ref(place text) RETURNS text LANGUAGE sql VOLATILE AS
        $$SELECT dispatch_ref FROM dispatch.dispatches WHERE starts_with(dispatch_ref, place)
            AND closed_at IS NULL ORDER BY id DESC LIMIT 1$$;
    CREATE FUNCTION next_ref(ref text) RETURNS text LANGUAGE sql VOLATILE AS
        $$SELECT left(ref, 5) || '-' || floor(10 * extract(epoch FROM clock_timestamp()))$$;});

# The operations: each an expression in ref, the reference of a dispatch; id, its id; request, a
# request_id or NULL; guard, an expected_version or NULL.
my %operations = (
    create => "dispatch.create_dispatch('parcel', next_ref(ref), some_members(), some_members(),"
      . "'{\"weight\": 5}', $callback, NULL, request)",
    create_closed => "dispatch.update_status(dispatch.create_dispatch('parcel'), 'CLOSED')",
    add_job       => "dispatch.add_job(id, any_of('m1', 'm2', 'm3'), $callback, NULL, request, guard)",
    add_jobs      => 'dispatch.add_jobs(id, some_members(), NULL, NULL, request, guard)',
    remove_job    => "dispatch.remove_job(id, any_of('m1', 'm2', 'm3'), NULL, NULL, request, guard)",
    remove_jobs   => 'dispatch.remove_jobs(id, some_members(), NULL, NULL, request, guard)',
    add_participants    => "dispatch.add_participants(id, some_members(), $callback)",
    remove_participants => 'dispatch.remove_participants(id, some_members())',
    status => "dispatch.update_status(id, any_of('INITIATED', 'ASSIGNED', 'IN_PROGRESS'),"
      . " 'GOING', NULL, NULL, request, guard)",
    close => "dispatch.update_status(id, any_of('CLOSED', 'PENDING_CLOSURE', 'PENDING_CLOSURE',"
      . " 'PENDING_CLOSURE', 'PENDING_CLOSURE'), NULL, $callback, NULL, request, guard)",
    sub_status => 'dispatch.update_sub_status(id, ref, NULL, NULL, request, guard)',
    patch      => q{dispatch.update_custom_data(id, any_of('{"weight": 1}', '{"weight": 10}',
        '{"weight": null}', '{"zone": "NORTH"}', '{"zone": "south"}')::jsonb, NULL, NULL, request)},
    request => q{dispatch.request('addMultipleJobs', jsonb_build_object('dispatchRef', ref),
        jsonb_build_object('jobs', some_members(), 'requestId', request))},
    read      => 'dispatch.get_dispatch(id)',
    history   => '(SELECT count(*) FROM dispatch.history(id))',
    purge     => "dispatch.purge('0 s', 20)",
    attribute => q{(CASE WHEN random() < 0.02 THEN dispatch.create_attributes('parcel',
        jsonb_build_array(jsonb_build_object('name', any_of('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
            || any_of('i', 'j', 'k', 'l', 'm', 'n'),
        'dataType', 'string', 'defaultValue', 'x'))) ELSE 0 END)},
    deliver => q{(SELECT count(*) FROM dispatch.claim_callbacks(5, '5 s', false) AS c,
        LATERAL dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt],
            ARRAY[any_of('200', '503')::integer], ARRAY[NULL], ARRAY[NULL::interval]) AS f)});

# Runs one of them, and notes what came of it; one of twenty that worked is undone.
my $cases = join "\n", map { "WHEN '$_' THEN PERFORM $operations{$_};" } sort keys %operations;
$dispatch->sql(
    qq{CREATE FUNCTION operate(place text, what text, request text, guarded boolean) RETURNS void
    LANGUAGE plpgsql AS \$\$
    DECLARE
        ref   text := COALESCE(open_ref(place), place);
        id    uuid := '01900000-0000-7000-8000-000000000000';
        guard bigint;
        state text := '00000';
    BEGIN
        BEGIN
            IF ref = place THEN
                what := 'create';
            ELSE
                SELECT d.id, CASE WHEN guarded THEN d.version END INTO id, guard
                  FROM dispatch.dispatches AS d WHERE d.dispatch_ref = ref;
            END IF;
            CASE what
            $cases
            END CASE;
            IF random() < 0.05 THEN
                RAISE 'undone';
            END IF;
        EXCEPTION WHEN OTHERS THEN
            state := SQLSTATE;
        END;
        INSERT INTO results VALUES (what, state);
    END \$\$});

# The sessions of pgbench. A transaction of several operations has request_ids of its own, and meets
# the dispatches of a place in their order: whoever takes several in an order of his own deadlocks
# with others, as with any rows.
my @names = sort keys %operations;
my $any   = 'any_of(' . join(', ', map { quote($_) } @names) . ')';
my %scripts =
  (single => [ 10, <<"END" ], several => [ 4, <<"END" ], repeatable => [ 2, <<"END" ],
\\set ref random(1, 4)
\\set request random(1, 300)
SELECT operate('REF-' || :ref, $any, CASE WHEN :request > 100 THEN NULL ELSE 'r' || :request END, random() < 0.3);
END
\\set ref random(1, 4)
BEGIN;
SELECT operate('REF-' || :ref, any_of('add_jobs', 'remove_jobs', 'status', 'patch'), 'two' || :client_id || any_of('a', 'b', 'c', 'd'), false);
SELECT operate('REF-' || :ref, any_of('add_jobs', 'remove_jobs', 'sub_status', 'close'), NULL, true);
END;
END
\\set ref random(1, 4)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM dispatch.jobs;
SELECT operate('REF-' || :ref, $any, NULL, random() < 0.3);
END;
END
    serializable => [ 1, <<"END" ], prepared => [ 1, <<"END" ]);
\\set ref random(1, 4)
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT operate('REF-' || :ref, any_of('add_jobs', 'remove_jobs', 'status', 'patch', 'create'), NULL, false);
END;
END
\\set ref random(1, 4)
BEGIN;
SELECT operate('REF-' || :ref, any_of('add_job', 'remove_jobs', 'sub_status', 'create'), NULL, false);
PREPARE TRANSACTION 'p:client_id';
\\set commit random(0, 3)
\\if :commit
COMMIT PREPARED 'p:client_id';
\\else
ROLLBACK PREPARED 'p:client_id';
\\endif
END

my @files;
for my $name (sort keys %scripts)
{
    my ($weight, $text) = @{ $scripts{$name} };
    my $path = "$dispatch->{dir}/$name.sql";

    open(my $file, '>', $path) or die "$path: $!";
    print $file $text;
    close($file);
    push @files, "--file=$path\@$weight";
}

# Sessions whose statements fail on their own, outside of any block that catches errors.
my @plain;
for my $number (1 .. 4)
{
    my $path = "$dispatch->{dir}/plain.$number.sql";

    open(my $file, '>', $path) or die "$path: $!";
    print $file "SET client_min_messages = error;\n";
    for (1 .. 100 * $seconds)
    {
        my $ref = quote('REF-' . (1 + int(rand(4))));
        my %of  = (
            ref     => "COALESCE(open_ref($ref), $ref)",
            request => rand() < 0.3 ? quote('plain' . int(rand(50))) : 'NULL',
            guard   => rand() < 0.3 ? int(rand(50))                  : 'NULL',
            id      => "dispatch.dispatch_id(open_ref($ref))");
        my $expression = $operations{ $names[ rand @names ] };
        my $known      = join '|', keys %of;

        $expression =~ s/(?<![\w'"])($known)(?![\w'"(])/$of{$1}/g;
        print $file "SELECT $expression;\n";
    }
    close($file);
    push @plain,
      Dispatch::Process->start(
        "psql $number",                    "$dispatch->{dir}/plain.$number.log",
        'psql',                            '--no-psqlrc',
        '--set=VERBOSITY=sqlstate',        "--file=$path",
        '--output=/dev/null',              '--host=' . $node->host,
        '--port=' . $node->port,           '--dbname=postgres');
}

my $listener = $dispatch->start_listener(concurrency => 8, batch => 20);
my $crowd    = Dispatch::Process->start(
    'pgbench',                "$dispatch->{dir}/pgbench.log",
    'pgbench',                '--no-vacuum',
    '--client=32',            '--jobs=2',
    "--time=$seconds",        '--failures-detailed',
    "--random-seed=$seed",    @files,
    '--host=' . $node->host,  '--port=' . $node->port,
    'postgres');
{
    local $Dispatch::patience = $seconds + 60;
    is($crowd->wait, 0, 'pgbench has run') or diag($crowd->log);
    is($_->wait, 0, 'plain statements have run') for @plain;
}
my $log = $crowd->log;
unlike($log, qr/aborted/, '... and no client was thrown out');
like($log, qr/deadlock failures: 0 /, '... nor met a deadlock');
note($1) while $log =~ /^((?:number of|tps).*)$/mg;

# What came of the operations.
my %states = map { split /\|/ }
  split /\n/, $dispatch->sql(q{SELECT state, count(*) FROM results GROUP BY 1 ORDER BY 1});
my ($worked) = delete $states{'00000'} // 0;
note("$worked operations worked");
note("$_: $states{$_}") for sort keys %states;
is(join(' ', grep { !$documented{$_} } sort keys %states), '', 'only documented errors');
cmp_ok($worked, '>', 100 * $seconds, 'operations have worked');
is( $dispatch->sql(
        q{SELECT string_agg(operation, ' ' ORDER BY operation) FROM (SELECT operation FROM results
            GROUP BY 1 HAVING count(*) FILTER (WHERE state = '00000') > 0) AS r}),
    join(' ', @names),
    '... of every kind');

my %plain;
for my $session (@plain)
{
    $plain{$_}++ for $session->log =~ /ERROR:  (\w{5})/g;
}
note('plain statements:');
note("$_: $plain{$_}") for sort keys %plain;
is(join(' ', grep { !$documented{$_} } sort keys %plain),
    '', 'plain statements: only documented errors');

# What they have left behind.
is($dispatch->sql(q{SELECT count(*) FROM pg_prepared_xacts}), 0, 'nothing stays prepared');
is($dispatch->sql(q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}),
    0, 'no deadlock');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'), '', 'check_integrity() finds nothing');
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.dispatches AS d WHERE d.version <>
            (SELECT count(*) FROM dispatch.events AS e WHERE e.dispatch_id = d.id)}),
    0,
    'versions are the number of events');
is( $dispatch->sql(
        q{SELECT count(*) FROM (
            SELECT dispatch_id FROM dispatch.events GROUP BY 1
            HAVING max(sequence) <> count(*) OR min(sequence) <> 1) AS e}),
    0,
    '... which have no gaps');

# The members are what the events say that came and went.
is( $dispatch->sql(
        q{WITH changes AS (
            SELECT e.dispatch_id, kind, m AS member_id, e.type LIKE '%.removed' AS removed,
                   row_number() OVER (PARTITION BY e.dispatch_id, kind, m
                       ORDER BY e.sequence DESC) AS age
              FROM dispatch.events AS e,
                   LATERAL (VALUES ('j', e.data -> 'jobs'), ('p', e.data -> 'participants')) AS k(kind, members),
                   LATERAL jsonb_array_elements_text(members) AS m),
        told AS (SELECT dispatch_id, kind, member_id FROM changes WHERE age = 1 AND NOT removed),
        kept AS (SELECT dispatch_id, kind::text, member_id FROM dispatch.members)
        SELECT count(*) FROM ((TABLE told EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE told)) AS x}),
    0,
    'members are as the events tell');

$dispatch->sql(
    q{UPDATE dispatch.queue SET next_at = now(), leased_at = NULL WHERE next_at > now()});
$dispatch->wait_until_drained;
is($listener->stop, 0, 'the listener ends cleanly');
unlike(
    slurp_file($node->logfile),
    qr/TRAP:|PANIC:|terminated by signal|ERROR:  XX|deadlock detected/,
    'no crash and no internal error in the log');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'), '', 'all is well at the end');

done_testing();

# A dump and its restore: they are programs of their own, which must bring back every row although
# the rules have changed since it was written.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('dump');
my $node     = $dispatch->node;
my @tables   = split /\n/, $dispatch->sql(
    q{SELECT c.oid::regclass FROM pg_class AS c
    WHERE c.relnamespace = 'dispatch'::regnamespace AND c.relkind = 'r' ORDER BY 1});

# How many rows each table of a database has, and the checksum of their contents.
sub contents
{
    my ($database) = @_;
    return join "\n", map {
        "$_ "
          . $dispatch->sql(
            qq{SET timezone = 'UTC';
                SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE "C"))
                FROM $_ AS t},
            $database)
    } @tables;
}

# Dispatches of all kinds: open and closed, with members that came and went, with letters, numbers
# and times that are easily lost.
my $callback = $dispatch->callback('/dump',
    headers => [ { key => 'X-Name', value => "Gr\x{fc}\x{df}e \\ 'quoted' \"twice\"" } ]);
my $gone = $dispatch->callback('/dump?status=410');
$dispatch->sql(
    q{SELECT dispatch.create_type('plain');
    SELECT dispatch.create_type('special', '{"initial": "NEW", "final": ["DONE", "LOST"],
        "transitions": {"NEW": ["DONE", "LOST"]}}', true, '{"by": "admin"}');
    SELECT dispatch.create_attributes('plain', '[
        {"name": "zone", "dataType": "string", "defaultValue": "north",
         "validation": {"regex": "^\\\\w+$", "valueOneOf": ["north", "south"]}},
        {"name": "weight", "dataType": "number",
         "validation": {"range": {"min": 0.10, "max": 1e20}}}]')}
);
$dispatch->sql(
    qq{SELECT dispatch.create_dispatch('plain', 'PLAIN-' || n, ARRAY['a', 'b', 'c "d" \\ e' || n],
            ARRAY['p' || n], jsonb_build_object('weight', 12345678901234567890.10 + n), $callback,
            jsonb_build_object('n', n))
        FROM generate_series(1, 300) AS n;
    SELECT dispatch.create_dispatch('special', extra => '{"kept": [1.10]}', custom_data =>
            '{"b": {"z": 1.0, "a": [true, null, "\x{c3}\x{a4} \\u0001"]}, "aa": 1e-30}')
        FROM generate_series(1, 100);
    SELECT dispatch.update_status(dispatch.dispatch_id('PLAIN-' || n), 'CLOSED', 'SETTLED', $gone)
        FROM generate_series(1, 50) AS n;
    SELECT dispatch.remove_jobs(dispatch.dispatch_id('PLAIN-' || n), ARRAY['a', 'b'],
            request_id => 'remove-' || n)
        FROM generate_series(51, 100) AS n;
    SELECT dispatch.update_custom_data(dispatch.dispatch_id('PLAIN-' || n), '{"zone": "south"}')
        FROM generate_series(101, 150) AS n;}
);
is($dispatch->new_listener(once => 1, batch => 100)->wait, 0, 'callbacks are delivered');
$dispatch->sql(
    qq{SELECT dispatch.add_participant(dispatch.dispatch_id('PLAIN-' || n), 'late', $callback)
        FROM generate_series(151, 200) AS n}
);
is( $dispatch->sql(
        q{SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM dispatch.callbacks}),
    'DEAD DELIVERED PENDING',
    '... and others are not');

# After that, rules that none of them follows.
$dispatch->sql(
    q{SELECT dispatch.create_attributes('plain', '[{"name": "driver", "dataType": "string",
        "validation": {"required": true}}]');
    SELECT dispatch.create_attributes('special', '[{"name": "b", "dataType": "string"}]')});
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.dispatches AS d
            WHERE NOT dispatch.is_valid(d.type_id, d.custom_data)}
    ),
    400,
    'no dispatch follows the rules as they are now');
my $before = contents('postgres');
unlike($before, qr/ 0\|/, 'no table is empty');

# What must hold in a copy: the same rows, and operations that go on.
sub check_copy
{
    my ($database, $how) = @_;

    is(contents($database), $before, "$how: all rows are there, as they were");
    is( $dispatch->sql(
            q{SELECT dispatch.add_job(dispatch.dispatch_id('PLAIN-199'), 'new')}, $database),
        3,
        '... jobs are added');
    is( $dispatch->sql(
            q{SELECT dispatch.update_status(dispatch.dispatch_id('PLAIN-199'), 'ASSIGNED')},
            $database),
        4,
        '... statuses change');
    is( $dispatch->sql(
            q{SELECT count(*) FROM dispatch.history(dispatch.dispatch_id('PLAIN-199'))}, $database),
        4,
        '... the history goes on');
    like(
        $dispatch->sql(
            q{SELECT dispatch.create_dispatch('plain', custom_data => '{"driver": "ada"}')},
            $database),
        qr/^[0-9a-f-]{36}$/,
        '... dispatches are created');

    my ($code, undef, $errors) = $node->psql(
        $database, q{\set VERBOSITY verbose
        SELECT dispatch.update_custom_data(dispatch.dispatch_id('PLAIN-199'), '{"weight": 1}')},
        on_error_stop => 0);
    like(
        $errors,
        qr/ERROR:  23514: .*\nDETAIL:  .*"driver" is required/,
        '... a patch meets the rules as they are now');
    (undef, undef, $errors) = $node->psql(
        $database, q{\set VERBOSITY verbose
        SELECT dispatch.add_job(dispatch.dispatch_id('PLAIN-1'), 'new')}, on_error_stop => 0);
    like($errors, qr/ERROR:  55000: /, '... what is closed stays so');
    (undef, undef, $errors) = $node->psql(
        $database, q{\set VERBOSITY verbose
        SELECT dispatch.create_dispatch('plain', 'PLAIN-7', custom_data => '{"driver": "ada"}')},
        on_error_stop => 0);
    like($errors, qr/ERROR:  23505: /, '... a reference stays in use');
    return;
}

my $dump = "$dispatch->{dir}/dump";
$node->command_ok([ 'pg_dump', '--file', "$dump.sql", $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE template0');
$node->command_ok(
    [
        'psql',            '--no-psqlrc', '--quiet',   '--set',
        'ON_ERROR_STOP=1', '--file',      "$dump.sql", '--output',
        '/dev/null',       $node->connstr('plain')
    ],
    'psql restores it');
check_copy('plain', 'pg_dump | psql');

$node->command_ok(
    [
        'pg_dump', '--format', 'directory', '--jobs',
        '2',       '--file',   "$dump.dir", $node->connstr('postgres')
    ],
    'pg_dump --jobs');
$node->safe_psql('postgres', 'CREATE DATABASE parallel TEMPLATE template0');
$node->command_ok(
    [
        'pg_restore', '--exit-on-error',          '--jobs', '2',
        '--dbname',   $node->connstr('parallel'), "$dump.dir"
    ],
    'pg_restore --jobs');
check_copy('parallel', 'pg_restore --jobs');

# The data alone, into a database that has the extension.
$node->command_ok(
    [ 'pg_dump', '--data-only', '--file', "$dump.data", $node->connstr('postgres') ],
    'pg_dump --data-only');
$node->safe_psql('postgres', 'CREATE DATABASE data TEMPLATE template0');
$node->safe_psql('data',     'CREATE EXTENSION dispatch');
$node->command_ok(
    [
        'psql',            '--no-psqlrc', '--quiet',    '--set',
        'ON_ERROR_STOP=1', '--file',      "$dump.data", '--output',
        '/dev/null',       $node->connstr('data')
    ],
    'psql restores it');
check_copy('data', 'pg_dump --data-only');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()', 'data'), '', '... all fits together');

# A copy does not send what its origin queued, until it is told to.
my (undef, undef, $refused) = $node->psql(
    'data', q{\set VERBOSITY verbose
    SELECT * FROM dispatch.claim_callbacks()}, on_error_stop => 0);
like($refused, qr/ERROR:  55000: .*\n.*\n?HINT:  .*adopt/s, '... its callbacks are foreign');
is( $dispatch->sql('SELECT dispatch.adopt()', 'data'),
    $dispatch->sql('SELECT count(*) FROM dispatch.queue'),
    '... are adopted');
is( $dispatch->sql('SELECT count(*) > 0 FROM dispatch.claim_callbacks()', 'data'),
    't', '... and are sent from then on');

# With rows by INSERT, in another encoding.
my $counts = q{SELECT (SELECT count(*) FROM dispatch.dispatches),
    (SELECT count(*) FROM dispatch.members), (SELECT count(*) FROM dispatch.event_log)};
$node->command_ok(
    [
        'pg_dump', '--inserts',     '--rows-per-insert', '50',
        '--file',  "$dump.inserts", $node->connstr('postgres')
    ],
    'pg_dump --inserts');
$node->safe_psql('postgres',
    q{CREATE DATABASE other TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
$node->command_ok(
    [
        'psql',            '--no-psqlrc', '--quiet',       '--set',
        'ON_ERROR_STOP=1', '--file',      "$dump.inserts", '--output',
        '/dev/null',       $node->connstr('other')
    ],
    'psql restores it into another encoding');
is( $dispatch->sql(
        $counts,
        'other'),
    $dispatch->sql(
        $counts
    ),
    '... with all rows');
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.dispatches WHERE seal IS NULL OR type_revision > 1},
        'other'),
    0,
    '... as they were, not validated again');

is(contents('postgres'), $before, 'and the original is as it was');
done_testing();

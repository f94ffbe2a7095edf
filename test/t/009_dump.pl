# Dumps, their restore, and a logical replica: they are programs of their own, which must bring every
# row over although the rules have changed since it was written. A copy works like its origin, but
# sends the callbacks of its origin only once it is told to.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('dump', "wal_level = logical\nmax_wal_senders = 10");
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
        {"name": "zone", "dataType": "string", "defaultValue": "north", "indexed": true,
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
            '{"b": {"z": 1.0, "a": [true, null, "\x{c3}\x{a4} \\u0001"]}, "aa": 1e-30, "\x{c3}\x{b6}": 1}')
        FROM generate_series(1, 100);
    SELECT dispatch.create_dispatch('plain', 'PLAIN-' || n, ARRAY['a'], request_id => 'create-' || n)
        FROM generate_series(301, 4900) AS n;
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
is( $dispatch->sql(
        q{SET dispatch.host_in_flight = 10;
        SELECT count(*) FROM dispatch.claim_callbacks(20, '1 h')}
    ),
    10,
    '... some of which are being sent, and some wait for their host');

# After that, rules that none of them follows.
$dispatch->sql(
    q{SELECT dispatch.create_attributes('plain', '[{"name": "driver", "dataType": "string",
        "validation": {"required": true}}]');
    SELECT dispatch.create_attributes('special', '[{"name": "b", "dataType": "string"},
        {"name": "aa", "dataType": "number", "indexed": true}]')});
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.dispatches AS d
            WHERE NOT dispatch.is_valid(d.type_id, d.custom_data)}
    ),
    5000,
    'no dispatch follows the rules as they are now');
my $before = contents('postgres');
unlike($before, qr/ 0\|/, 'no table is empty');

# What must hold in a copy: rows that belong together, and operations that go on.
sub check_operations
{
    my ($database) = @_;

    # Runs what must fail; its errors.
    my $errors = sub {
        my ($sql) = @_;
        my (undef, undef, $errors) =
          $node->psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);
        return $errors;
    };

    is($dispatch->sql('SELECT * FROM dispatch.check_integrity()', $database),
        '', '... they belong together');
    is( $dispatch->sql(
            q{SELECT dispatch.count_dispatches('plain', '{"zone": "south"}')}, $database),
        50,
        '... are found by what is indexed');
    like($errors->(q{SELECT dispatch.count_dispatches('special', '{"aa": 1e-30}')}),
        qr/55000/, '... and not by what is not indexed yet');
    is( $dispatch->sql(
            q{SELECT dispatch.backfill_index('special');
            SELECT dispatch.count_dispatches('special', '{"aa": 0.1e-29}')}, $database),
        "5000\n100",
        '... until it is');
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
    is( $dispatch->sql(
            q{SELECT dispatch.remove_jobs(dispatch.dispatch_id('PLAIN-51'), ARRAY['a', 'b'],
                request_id => 'remove-51')}, $database),
        2,
        '... a call is known that was made at the origin');
    is( $dispatch->sql(
            q{SELECT dispatch.create_dispatch('plain', 'PLAIN-400', ARRAY['a'],
                request_id => 'create-400') = dispatch.dispatch_id('PLAIN-400')}, $database),
        't',
        '... a creation too, whose data is no longer valid');
    like(
        $dispatch->sql(
            q{SELECT dispatch.create_dispatch('plain', custom_data => '{"driver": "ada"}')},
            $database),
        qr/^[0-9a-f-]{36}$/,
        '... dispatches are created');
    like(
        $errors->(
            q{SELECT dispatch.update_custom_data(dispatch.dispatch_id('PLAIN-199'), '{"weight": 1}')}
        ),
        qr/ERROR:  23514: .*\nDETAIL:  .*"driver" is required/,
        '... a patch meets the rules as they are now');
    like(
        $errors->(q{SELECT dispatch.add_job(dispatch.dispatch_id('PLAIN-1'), 'new')}),
        qr/ERROR:  55000: /,
        '... what is closed stays so');
    like(
        $errors->(
            q{SELECT dispatch.create_dispatch('plain', 'PLAIN-7', custom_data => '{"driver": "a"}')}
        ),
        qr/ERROR:  23505: /,
        '... a reference stays in use');
    return;
}

# A copy sends nothing of its origin's: a listener says why and ends. Once the copy was adopted, it
# sends all that its origin had still to send, with the same ids and bodies.
my %pending;

sub check_sending
{
    my ($database) = @_;
    my @before     = $dispatch->receipts('/dump');
    my $refused    = $dispatch->new_listener(database => $database);

    my (undef, undef, $errors) = $node->psql(
        $database, "\\set VERBOSITY verbose\nSELECT * FROM dispatch.claim_callbacks()",
        on_error_stop => 0);

    like($errors, qr/ERROR:  55000: .*another database.*HINT:  .*dispatch\.adopt/s,
        '... it claims nothing');
    isnt($refused->wait, 0, '... a listener ends');
    like(
        $refused->log,
        qr/another database queued.*hint="[^"]*SELECT dispatch\.adopt\(\)/,
        '... and says why');
    like($refused->log, qr/dispatch\.adopt/, '... and says what to do');
    cmp_ok(scalar(split /\n/, $refused->log), '<', 10, '... in few words');
    is(scalar($dispatch->receipts('/dump')), scalar(@before), '... nothing was sent');

    is($dispatch->sql('SELECT dispatch.adopt()', $database), 50, '... the copy is adopted');
    is($dispatch->new_listener(database => $database, once => 1)->wait,
        0, '... then a listener delivers');
    my @sent = $dispatch->receipts('/dump');
    splice(@sent, 0, scalar @before);
    my %sent = map { $_->{id} => $_->{body} } @sent;

    is(scalar(@sent), 50, '... all there was to deliver');
    %pending = %sent unless %pending;
    is_deeply(\%sent, \%pending, '... with the ids and bodies of every other copy');
    is( $dispatch->sql(
            q{SELECT count(*) FROM dispatch.callbacks WHERE state = 'PENDING'}, $database),
        0,
        '... and nothing is left');
    is($dispatch->sql('SELECT * FROM dispatch.check_integrity()', $database), '', '... all is well');
    return;
}

# A new database.
sub create_database
{
    my ($name, $options) = @_;
    $node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0 " . ($options // ''));
    return;
}

# Runs pg_dump of a database with options, into a file of the test's folder.
sub dump_database
{
    my ($database, $file, @options) = @_;
    $node->command_ok(
        [ 'pg_dump', @options, '--file', "$dispatch->{dir}/$file", $node->connstr($database) ],
        "pg_dump @options");
    return;
}

# Runs such a file in a database.
sub restore
{
    my ($database, $file) = @_;
    $node->command_ok(
        [
            'psql',                     '--no-psqlrc', '--quiet',   '--set=ON_ERROR_STOP=1',
            '--output=/dev/null',       '--file',      "$dispatch->{dir}/$file",
            $node->connstr($database)
        ],
        "psql restores $database");
    return;
}

dump_database('postgres', 'plain.sql');
create_database('plain');
restore('plain', 'plain.sql');
is(contents('plain'), $before, 'pg_dump | psql: all rows are there, as they were');
check_operations('plain');
check_sending('plain');

dump_database('postgres', 'custom', '--format=custom');
create_database('parallel');
$node->command_ok(
    [
        'pg_restore', '--exit-on-error',          '--jobs', '2',
        '--dbname',   $node->connstr('parallel'), "$dispatch->{dir}/custom"
    ],
    'pg_restore --jobs');
is(contents('parallel'), $before, 'pg_restore --jobs: all rows are there, as they were');
check_operations('parallel');
check_sending('parallel');

# The rows alone, where the extension is there already.
dump_database('postgres', 'data.sql', '--data-only');
create_database('data');
$node->safe_psql('data', 'CREATE EXTENSION dispatch');
restore('data', 'data.sql');
is(contents('data'), $before, 'pg_dump --data-only: all rows are there, as they were');
check_operations('data');
check_sending('data');

# With rows by INSERT, in another encoding, where a document's members are in another order; and
# back again.
dump_database('postgres', 'inserts.sql', '--inserts', '--rows-per-insert=50');
create_database('other', q{ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
restore('other', 'inserts.sql');
dump_database('other', 'back.sql');
create_database('back');
restore('back', 'back.sql');
is(contents('back'), $before, 'LATIN1 and back: all rows are there, as they were');
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.dispatches WHERE seal IS NULL OR type_revision > 1},
        'other'),
    0,
    'LATIN1: rows were not validated again');
check_operations('other');
check_sending('other');

is(contents('postgres'), $before, 'and the original is as it was');

# A logical replica has all rows, follows what changes, and its sessions know the rules as they are.
create_database('replica');
$node->safe_psql('replica', 'CREATE EXTENSION dispatch');
$dispatch->sql(q{CREATE PUBLICATION everything FOR ALL TABLES});
$dispatch->sql(q{SELECT pg_create_logical_replication_slot('replica', 'pgoutput')});
$dispatch->sql(
    'CREATE SUBSCRIPTION replica CONNECTION '
      . quote($node->connstr('postgres'))
      . ' PUBLICATION everything WITH (create_slot = false)',
    'replica');
wait_until(
    sub { $dispatch->sql(q{SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'}, 'replica') },
    sub { $_[0] eq '0' },
    $Dispatch::patience, 'the replica has copied all tables');
is(contents('replica'), $before, 'a logical replica: all rows are there, as they were');

my $reader = Dispatch::Process->start(
    'reader',
    "$dispatch->{dir}/reader.log",
    'psql', '--no-psqlrc', '--host=' . $node->host, '--port=' . $node->port, '--dbname=replica',
    '--command', q{DO $$
    BEGIN
        ASSERT dispatch.is_valid('plain', '{"driver": "ada"}');
        RAISE NOTICE 'the type is cached';
        FOR i IN 1 .. 3000 LOOP
            EXIT WHEN NOT dispatch.is_valid('plain', '{"driver": "ada"}');
            PERFORM pg_sleep(0.01);
        END LOOP;
        ASSERT NOT dispatch.is_valid('plain', '{"driver": "ada"}');
    END $$});
wait_until(sub { $reader->log }, sub { $_[0] =~ /cached/ }, $Dispatch::patience, 'the reader has begun');
$dispatch->sql(
    qq{SELECT dispatch.create_attributes('plain', '[{"name": "late", "dataType": "number",
        "validation": {"required": true}}]');
    SELECT dispatch.create_dispatch('plain', 'FRESH-' || n, ARRAY['a'], ARRAY['b'],
        '{"driver": "ada", "late": 1}', request_id => 'fresh-' || n) FROM generate_series(1, 50) AS n;
    SELECT dispatch.update_status(dispatch.dispatch_id('PLAIN-' || n), 'CLOSED')
        FROM generate_series(1001, 1500) AS n;
    SELECT dispatch.remove_job(dispatch.dispatch_id('PLAIN-' || n), 'a')
        FROM generate_series(2001, 2100) AS n;
    SELECT dispatch.purge('0 s', 300)}
);
$node->wait_for_catchup('replica');
is($reader->wait, 0, '... an attribute is seen at once') or diag($reader->log);
is(contents('replica'), contents('postgres'), '... it follows');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()', 'replica'), '', '... all is well');

# What is indexed meanwhile is found there too, and not before.
my $by_aa = q{SELECT dispatch.count_dispatches('special', '{"aa": 1e-30}')};
my (undef, undef, $unfilled) = $node->psql('replica', $by_aa, on_error_stop => 0);
like($unfilled, qr/backfill_index/, '... what is not indexed yet is an error');
is($dispatch->sql(q{SELECT dispatch.backfill_index('special', 100000)}) > 0, 1, '... it is indexed');
$node->wait_for_catchup('replica');
is($dispatch->sql($by_aa, 'replica'), 100, '... and found');
is(contents('replica'), contents('postgres'), '... all of it follows');

# It takes over.
$dispatch->sql('DROP SUBSCRIPTION replica', 'replica');
is( $dispatch->sql(
        q{SELECT dispatch.add_job(dispatch.dispatch_id('FRESH-1'), 'new')}, 'replica'),
    2,
    '... changes go on where it takes over');
check_sending('replica');

# The origin sends its own as ever, and what was being sent once its leases are over.
$dispatch->sql(
    q{SELECT dispatch.renew_callbacks(array_agg(callback_id), array_agg(attempts), '0')
        FROM dispatch.callbacks WHERE leased});
my $count = $dispatch->receipts('/dump');
is($dispatch->new_listener(once => 1)->wait, 0, 'the origin sends its own');
my @own = ($dispatch->receipts('/dump'))[ $count .. $count + 49 ];
is_deeply({ map { $_->{id} => $_->{body} } @own }, \%pending, '... which are the same');

# A listener at work is told of callbacks that come from elsewhere, and goes on when they are adopted.
my $listener = $dispatch->start_listener(poll => '0.2');
$dispatch->sql(q{SELECT dispatch.create_dispatch('plain', 'ALIEN-1', custom_data =>
    '{"driver": "ada", "late": 1}', callback => } . $dispatch->callback('/served') . ')');
$dispatch->wait_for_receipts(1, '/served');
$dispatch->sql(q{BEGIN;
    SELECT dispatch.create_dispatch('plain', 'ALIEN-2', custom_data =>
        '{"driver": "ada", "late": 1}', callback => } . $dispatch->callback('/alien') . q{);
    UPDATE dispatch.queue SET origin = origin + 1;
    COMMIT});
wait_until(
    sub { $listener->log },
    sub { $_[0] =~ /another database queued.*another database queued/s },
    $Dispatch::patience, 'the listener tells of foreign callbacks');
unlike(
    $listener->log,
    qr/another database queued(?!.*hint="[^"]*SELECT dispatch\.adopt\(\))/,
    '... each time with what to do');
is($dispatch->sql('SELECT dispatch.adopt()'), 1, 'a listener at work meets foreign callbacks');
$dispatch->wait_for_receipts(1, '/alien');
is($listener->stop, 0, '... and the same listener delivers them');

done_testing();

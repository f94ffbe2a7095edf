# A table of a user's own whose custom data is validated by a trigger, in dumps, their restore, and a
# logical replica: programs and processes of their own, which must bring every row over although the
# rules have changed since it was written.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('own_table', "wal_level = logical\nmax_wal_senders = 10\nwal_retrieve_retry_interval = 100ms");
my $node     = $dispatch->node;

$dispatch->sql(
    q{SELECT dispatch.create_type('parcel');
    SELECT dispatch.create_attributes('parcel', '[{"name": "plate", "dataType": "string"}]');
    CREATE TABLE shipment (id integer PRIMARY KEY, data jsonb NOT NULL);
    CREATE TABLE tour (id integer PRIMARY KEY, data jsonb NOT NULL);
    CREATE TRIGGER check_data BEFORE INSERT OR UPDATE OF data ON shipment
        FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
    CREATE TRIGGER check_data AFTER INSERT OR UPDATE OF data ON tour
        FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
    INSERT INTO shipment SELECT n, jsonb_build_object('plate', 'B-' || n) FROM generate_series(1, 100) AS n;
    INSERT INTO tour TABLE shipment;
    SELECT dispatch.create_attributes('parcel', '[{"name": "driver", "dataType": "string",
        "validation": {"required": true}}]')}
);
my $contents = 'SELECT count(*), md5(string_agg(t::text, $$,$$ ORDER BY t.id))
    FROM (TABLE shipment UNION ALL TABLE tour) AS t';
my $before = $dispatch->sql($contents);
like($before, qr/^200\|/, 'there are rows, none of which is valid any more');

# The errors of what must fail.
sub errors_of
{
    my ($sql, $database) = @_;
    my (undef, undef, $errors) =
      $node->psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);
    return $errors;
}

# What must hold in a copy.
sub check_copy
{
    my ($database) = @_;

    is($dispatch->sql($contents, $database), $before, '... all rows are there, as they were');
    foreach my $table ('shipment', 'tour')
    {
        like(
            errors_of("INSERT INTO $table VALUES (0, '{}')", $database),
            qr/ERROR:  23514: .*"data" of relation "$table".*\nDETAIL:  "driver" is required/,
            "... a row that is not valid is refused by $table");
        $dispatch->sql(
            qq{INSERT INTO $table VALUES (0, '{"driver": "ada"}');
            DELETE FROM $table WHERE id = 0}, $database);
    }
    return;
}

# Runs a file of SQL; its exit status and errors.
sub run_file
{
    my ($database, $file) = @_;
    my ($code, undef, $errors) =
      $node->psql($database, undef, extra_params => [ '--file', $file ], on_error_stop => 1);
    return ($code, $errors);
}

my $file = "$dispatch->{dir}/dump";
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE template0") for qw(plain parallel data checked replica);

$node->command_ok([ 'pg_dump', '--file', "$file.sql", $node->connstr('postgres') ], 'pg_dump');
is_deeply([ run_file('plain', "$file.sql") ], [ 0, '' ], '... is restored');
check_copy('plain');

$node->command_ok([ 'pg_dump', '--format=custom', '--file', $file, $node->connstr('postgres') ], 'pg_dump');
$node->command_ok(
    [ 'pg_restore', '--exit-on-error', '--jobs', '2', '--dbname', $node->connstr('parallel'), $file ],
    '... is restored by several jobs');
check_copy('parallel');

# The rows alone: there the triggers are at work, unless they are told not to be.
$node->command_ok([ 'pg_dump', '--schema-only', '--file', "$file.sql", $node->connstr('postgres') ],
    'pg_dump --schema-only');
is_deeply([ run_file('data', "$file.sql") ], [ 0, '' ], '... is restored');
$node->command_ok(
    [ 'pg_dump', '--data-only', '--table=shipment', '--table=tour', '--file', "$file.sql",
        $node->connstr('postgres') ],
    'pg_dump --data-only');
$dispatch->sql(
    q{SELECT dispatch.create_type('parcel');
    SELECT dispatch.create_attributes('parcel', '[
        {"name": "plate", "dataType": "string"},
        {"name": "driver", "dataType": "string", "validation": {"required": true}}]')}, 'data');
my ($code, $errors) = run_file('data', "$file.sql");
isnt($code, 0, '... is not restored by triggers that are at work');
like($errors, qr/custom data in column "data"/, '... since its rows are not valid');
is($dispatch->sql('SELECT count(*) FROM shipment', 'data'), 0, '... none of them');
$node->command_ok(
    [ 'pg_dump', '--data-only', '--disable-triggers', '--table=shipment', '--table=tour',
        '--file', "$file.sql", $node->connstr('postgres') ],
    'pg_dump --data-only --disable-triggers');
is_deeply([ run_file('data', "$file.sql") ], [ 0, '' ], '... is restored');
check_copy('data');

# A CHECK constraint cannot do the same.
$dispatch->sql(
    q{CREATE TABLE checked (data jsonb CHECK (dispatch.is_valid('parcel', data)));
    INSERT INTO checked VALUES ('{"driver": "ada"}');
    SELECT dispatch.create_attributes('parcel', '[{"name": "helper", "dataType": "string",
        "validation": {"required": true}}]')}
);
$node->command_ok([ 'pg_dump', '--file', "$file.sql", $node->connstr('postgres') ], 'pg_dump with a CHECK');
($code, $errors) = run_file('checked', "$file.sql");
isnt($code, 0, '... is not restored');
like($errors, qr/relation "checked" violates check constraint|dispatch type "parcel" does not exist/, '... since its row is not valid');
$dispatch->sql('DROP TABLE checked');

# A logical replica takes rows as they are; where the trigger is ENABLE ALWAYS, it checks them.
$dispatch->sql(
    q{CREATE EXTENSION dispatch;
    SELECT dispatch.create_type('parcel');
    CREATE TABLE shipment (id integer PRIMARY KEY, data jsonb NOT NULL);
    CREATE TRIGGER check_data BEFORE INSERT OR UPDATE OF data ON shipment
        FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');}, 'replica');
$dispatch->sql(q{CREATE PUBLICATION shipments FOR TABLE shipment});
$dispatch->sql(q{SELECT pg_create_logical_replication_slot('replica', 'pgoutput')});
$dispatch->sql(
    'CREATE SUBSCRIPTION replica CONNECTION '
      . quote($node->connstr('postgres'))
      . ' PUBLICATION shipments WITH (create_slot = false)',
    'replica');
wait_until(
    sub { $dispatch->sql('SELECT count(*) FROM shipment', 'replica') },
    sub { $_[0] eq '100' },
    $Dispatch::patience, 'the replica has the rows');
my $log = -s $node->logfile;
$dispatch->sql('ALTER TABLE shipment ENABLE ALWAYS TRIGGER check_data', 'replica');
$dispatch->sql(q{INSERT INTO shipment VALUES (101, '{"driver": "ada", "helper": "ben"}')});
wait_until(
    sub { substr(slurp_file($node->logfile), $log) },
    sub { $_[0] =~ /custom data in column "data" of relation "shipment" breaks/ },
    $Dispatch::patience, 'the replica has refused a row');
is($dispatch->sql('SELECT count(*) FROM shipment', 'replica'),
    100, 'a replica checks what comes, where it is told to');
$dispatch->sql(
    q{SELECT dispatch.create_attributes('parcel', '[{"name": "driver", "dataType": "string"},
        {"name": "helper", "dataType": "string"}]')},
    'replica');
wait_until(
    sub { $dispatch->sql('SELECT count(*) FROM shipment', 'replica') },
    sub { $_[0] eq '101' },
    $Dispatch::patience, 'the replica has the row');
pass('... and takes it once it is valid there');
$dispatch->sql('DROP SUBSCRIPTION replica', 'replica');

done_testing();

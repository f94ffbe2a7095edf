# Searches that are made up, and what they find beside what a slow query over custom_data says; the
# keys of values that are made up, whose order must be the values'. DISPATCH_CASES searches, 10,000 if
# that is not set; DISPATCH_SEED makes up the same ones again. And that searches go by the index,
# whatever the statistics say; that what is older than an attribute is indexed, whoever writes at the
# time; and that a search can be cancelled.

use strict;
use warnings FATAL => 'all';
use utf8;

use Encode qw(encode);
use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $cases    = $ENV{DISPATCH_CASES} || 10_000;
my $seed     = $ENV{DISPATCH_SEED} || 1 + int(rand(1_000_000));
my $dispatch = Dispatch->new('search', "fsync = off\nautovacuum = off");
my $node     = $dispatch->node;

note("seed $seed");
srand($seed);

sub any_of { return $_[ rand @_ ]; }
sub chance { return rand() < $_[0]; }

# --- The guide, from the first line to the last.

my $guide   = slurp_file('doc/search.md');
my @answers = map { $dispatch->sql($_) } $guide =~ /^```sql\n(.*?)^```$/msg;
like($answers[1], qr/^([0-9a-f-]{36})\n\1\n\{.*"ROUTE-17"/s, 'the guide finds its dispatch');
is(join(',', @answers[ 2, 3, 4 ]), ",1\nparcel|INITIATED|f|1,0", '... nothing after it, one in all, nothing to index');
is($answers[5], 'ROUTE-17|north|' . $dispatch->sql('SELECT updated_at FROM dispatch.dispatches'), '... and joins it');
$dispatch->sql(q{DELETE FROM dispatch.dispatches});

# --- Values, as JSON text.

my @letters = (qw(a b c Z ~ é ÿ € ж 東 😀), "\x{ffff}", "\x{10ffff}", "\x{1}");
my @long    = map { join('', map { any_of(@letters[ 0 .. 9 ]) } 1 .. 400) } 1 .. 2;

# Short, or long and much like others: the keys hold 254 bytes.
sub string
{
    my $text = chance(0.7) ? join('', map { any_of(@letters) } 1 .. rand(3))
      : chance(0.5) ? substr(any_of(@long), 0, 80 + rand(320)) . any_of('', 'a', '~')
      : 'x' x (250 + rand(8)) . any_of('', 'a', 'b');
    return '"' . join('', map { ord($_) < 32 ? sprintf('\\u%04x', ord($_)) : $_ } split(//, $text)) . '"';
}

sub digits { return join('', map { int(rand(10)) } 1 .. $_[0]); }

my $many = '7' . digits(700);

sub number
{
    return any_of('', '-')
      . any_of(int(rand(5)), int(rand(5)), int(rand(100)), '0.0', '1.0', '1e2', '1e-30', '1e30', '0.5', '0.50', '9999', '10000',
        '10000.0001', "$many", "${many}1", "0.$many", "$many." . digits(2), '9007199254740993');
}

sub scalar_of
{
    my ($kind) = @_;
    return $kind eq 'string' ? string() : $kind eq 'number' ? number() : chance(0.95) ? 'true' : 'false';
}

# --- What is searched in: three types, one of them large, one that allows what it likes.

my %types = (
    large => { code => 'string', weight => 'number', ok => 'boolean' },
    small => { code => 'string', ok     => 'boolean' },
    loose => { code => 'string', weight => 'number' });

$dispatch->sql(
    q{SELECT dispatch.create_type(t, additional_attributes => t = 'loose') FROM unnest('{large,small,loose}'::text[]) AS t;
    SELECT dispatch.create_attributes('large', '[{"name": "code", "dataType": "string", "indexed": true}, {"name": "plain", "dataType": "string"},
        {"name": "weight", "dataType": "number", "indexed": true}, {"name": "ok", "dataType": "boolean", "indexed": true}]');
    SELECT dispatch.create_attributes('small', '[{"name": "ok", "dataType": "boolean", "indexed": true}, {"name": "code", "dataType": "string", "indexed": true}]');
    CREATE TABLE made (number integer, type text, data jsonb);
    CREATE TABLE cases (number integer, call text, count text, expected text);}
);

sub copy
{
    my ($table, @lines) = @_;
    my $path = "$dispatch->{dir}/$table";
    open(my $file, '>', $path) or die "$path: $!";
    print $file encode('UTF-8', s/\\/\\\\/gr), "\n" for @lines;
    close($file);
    chmod 0644, $path;
    $dispatch->sql("COPY $table FROM '$path'");
    return;
}

my @made;
for my $number (1 .. 3000)
{
    my $type       = chance(0.85) ? 'large' : any_of('small', 'loose');
    my %attributes = %{ $types{$type} };
    my @members    = map { chance(0.93) ? "\"$_\": " . scalar_of($attributes{$_}) : () } sort keys %attributes;

    @members = map { chance(0.9) ? "\"$_\": " . any_of(string(), number(), 'true', 'null', '[1]', '{"a": 1}') : () } qw(code weight)
      if $type eq 'loose' && chance(0.5);
    push @made, "$number\t$type\t{" . join(', ', @members) . '}';
}
copy('made', @made);
$dispatch->sql(
    q{SELECT dispatch.create_dispatch(m.type, 'CASE-' || m.number, ARRAY['job-' || m.number % 50, 'job-all'],
            ARRAY['driver-' || m.number % 7, 'van-' || m.number], m.data) FROM made AS m ORDER BY m.number;
    SELECT dispatch.update_status(d.id, CASE WHEN d.dispatch_ref ~ '[0-6]$' THEN 'CLOSED' ELSE 'IN_PROGRESS' END)
      FROM dispatch.dispatches AS d WHERE d.dispatch_ref ~ '[0-8]$';
    SELECT dispatch.create_attributes('loose', '[{"name": "code", "dataType": "string", "indexed": true}, {"name": "weight", "dataType": "number", "indexed": true}]')});

# --- Older than their attributes: a clear error, then found.

my (undef, undef, $error) =
  $node->psql('postgres', q{SELECT dispatch.find_dispatches('loose', '{"code": "a"}')}, on_error_stop => 0);
like($error, qr/older dispatches of type "loose" are not indexed by "code" yet.*backfill_index\('loose'\)/s,
    'what is not indexed yet is an error that says what to do');
is($dispatch->sql(q{SELECT count(*) > 0 FROM dispatch.find_dispatches('loose', status => 'CLOSED')}),
    't', '... of a filter only');
is($dispatch->sql(q{SELECT dispatch.backfill_index('loose', 1000), dispatch.backfill_index('loose', 1000)}),
    '1000|1000', 'it goes on where it was');
is( $dispatch->sql(
        q{BEGIN; SELECT dispatch.backfill_index('loose', 500); ROLLBACK;
        SELECT dispatch.backfill_index('loose', 1000), dispatch.backfill_index('loose'), dispatch.backfill_index('loose')}),
    "500\n1000|0|0",
    '... and what was rolled back is done again');
is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'), '', 'what was filled is sealed');
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id
            WHERE t.name = 'loose' AND d.type_revision <> 0}),
    0,
    '... as what it was validated by');

# --- The comparison: the same ids, in the same order, page by page.

my %operators = (gt => '>', gte => '>=', lt => '<', lte => '<=');

# A condition as it is asked, and as the slow query has it.
sub condition
{
    my ($name, $kind) = @_;
    my ($field, @asked, @slow) = "(d.custom_data -> '$name')";

    if ($kind eq 'boolean' || chance(0.5))
    {
        my $value = chance(0.97) ? scalar_of($kind) : any_of('null', '5', '"a"', 'true');
        return ("\"$name\": " . (chance(0.9) ? $value : "{\"eq\": $value}"), "coalesce($field =" . quote($value) . '::jsonb, false)');
    }
    for my $operator (chance(0.5) ? any_of('gt', 'gte') : (), any_of('gt', 'gte', 'lt', 'lte'), chance(0.3) ? any_of('lt', 'lte') : ())
    {
        my $value   = scalar_of($kind);
        my $literal = quote($value) . q{::jsonb #>> '{}'};
        next if grep { /^"$operator":/ } @asked;
        push @asked, "\"$operator\": $value";
        push @slow,
          "CASE WHEN jsonb_typeof($field) = '$kind' THEN "
          . ( $kind eq 'number' ? "($field #>> '{}')::numeric $operators{$operator} ($literal)::numeric"
            : "($field #>> '{}') COLLATE \"C\" $operators{$operator} ($literal)")
          . ' ELSE false END';
    }
    return ("\"$name\": {" . join(', ', @asked) . '}', @slow);
}

# A search: the call, the count of the same, and the slow query.
sub search
{
    my $type = chance(0.7) ? 'large' : any_of('small', 'loose', undef);
    my (@asked, @arguments, @slow);

    if (defined $type)
    {
        push @slow, "t.name = '$type'";
        for my $name (grep { chance(0.55) } sort keys %{ $types{$type} })
        {
            my ($ask, @how) = condition($name, $types{$type}{$name});
            push @asked, $ask;
            push @slow,  @how;
        }
    }
    push @arguments, 'filter =>' . quote('{' . join(', ', @asked) . '}') if @asked;
    if (chance(0.25))
    {
        my $status = any_of('CLOSED', 'INITIATED', 'IN_PROGRESS', 'NOSUCH');
        push @arguments, "status => '$status'";
        push @slow,      "d.status = '$status'";
    }
    if (chance(0.2))
    {
        push @arguments, 'open_only => true';
        push @slow,      'd.closed_at IS NULL';
    }
    for my $member ([ job_id => 'j', 'job-' . int(rand(50)), 'job-all' ],
        [ participant_id => 'p', 'driver-' . int(rand(7)), 'van-' . int(rand(3000)) ])
    {
        next unless chance(0.2);
        my ($argument, $kind, @ids) = @$member;
        my $id = any_of(@ids);
        push @arguments, "$argument => '$id'";
        push @slow,
          "d.id IN (SELECT m.dispatch_id FROM dispatch.members AS m WHERE m.kind = '$kind' AND m.member_id = '$id')";
    }
    my $from  = 'FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id WHERE ' . join(' AND ', @slow, 'true');
    my $count = 'SELECT dispatch.count_dispatches(' . join(', ', defined $type ? "'$type'" : 'NULL', @arguments) . ')';
    my $rows  = any_of(1, 5, 100, 10_000);
    my $after = '';

    push @arguments, "max_rows => $rows";
    if (chance(0.4))
    {
        my $id = '(SELECT a.id FROM dispatch.dispatches AS a WHERE a.dispatch_ref = ' . quote('CASE-' . int(1 + rand(3000))) . ')';
        push @arguments, "after => $id";
        $after = " WHERE s.id > $id";
    }
    my $call = 'SELECT array_agg(f) FROM dispatch.find_dispatches(' . join(', ', defined $type ? "'$type'" : 'NULL', @arguments) . ') AS f';
    return ($call, $count,
        "WITH s AS MATERIALIZED (SELECT d.id $from) SELECT (SELECT array_agg(p.id) FROM (SELECT s.id FROM s$after ORDER BY s.id LIMIT $rows) AS p), (SELECT count(*) FROM s)");
}

copy('cases', map { join("\t", $_, search()) } 1 .. $cases);
$dispatch->sql(
    q{CREATE TABLE results (number integer, found uuid[], counted bigint, expected uuid[], total bigint);
    SET plan_cache_mode = force_custom_plan;
    DO $$
    DECLARE
        c record;
        r results;
    BEGIN
        FOR c IN SELECT * FROM cases LOOP
            r.number := c.number;
            EXECUTE c.call INTO r.found;
            EXECUTE c.count INTO r.counted;
            EXECUTE c.expected INTO r.expected, r.total;
            INSERT INTO results SELECT r.*;
        END LOOP;
    END $$});
is( $dispatch->sql(
        q{SELECT c.call, r.found, r.expected FROM results AS r JOIN cases AS c USING (number)
            WHERE r.found IS DISTINCT FROM r.expected LIMIT 3}),
    '', 'searches find what is there, in order');
is( $dispatch->sql(
        q{SELECT c.count, r.counted, r.total FROM results AS r JOIN cases AS c USING (number) WHERE r.counted <> r.total LIMIT 3}),
    '', 'counts count it');
my ($some, $lots) = split(/\|/,
    $dispatch->sql('SELECT count(*) FILTER (WHERE total > 0), count(*) FILTER (WHERE total > 100) FROM results'));
cmp_ok($some, '>', 0.4 * $cases, 'many searches find something');
cmp_ok($lots, '>', 0.2 * $cases, '... or much');

# --- Keys: equal where values are, in their order where they are not cut.

$dispatch->sql(
    q{SELECT dispatch.create_type('keys', additional_attributes => true);
    SELECT dispatch.create_attributes('keys', '[{"name": "v", "dataType": "number", "indexed": true}]');
    SELECT dispatch.create_type('words');
    SELECT dispatch.create_attributes('words', '[{"name": "v", "dataType": "string", "indexed": true}]');} . "SELECT setseed(0.$seed);" . q{
    INSERT INTO dispatch.dispatches (type_id, custom_data)
    SELECT t.id, jsonb_build_object('v', CASE WHEN random() < 0.5 THEN -m.n ELSE m.n END)
      FROM dispatch.types AS t, (SELECT CASE i % 8
            WHEN 0 THEN trunc(random()::numeric * 50)
            WHEN 1 THEN round(random()::numeric * 100, (random() * 6)::integer)
            WHEN 2 THEN random()::numeric * 10::numeric ^ (random() * 60 - 30)::integer
            WHEN 3 THEN 10000::numeric ^ (random() * 20)::integer + (random() * 2)::integer - 1
            WHEN 4 THEN trunc(random()::numeric * 30) / 10
            WHEN 5 THEN trunc(random()::numeric * 3) + 0.00001 * (random() * 4)::integer
            WHEN 6 THEN repeat('9', 40 + (random() * 20)::integer)::numeric + (random() * 2)::integer
            ELSE CASE WHEN i % 512 = 7 THEN (repeat('7', 29990) || (random() * 9999)::integer)::numeric / 10::numeric ^ (i / 512 % 3 * 4000)
                      ELSE (repeat('123', 100 + (random() * 200)::integer) || (random() * 9)::integer)::numeric END
            END AS n FROM generate_series(1, 100000) AS i) AS m
     WHERE t.name = 'keys';
    INSERT INTO dispatch.dispatches (type_id, custom_data)
    SELECT t.id, jsonb_build_object('v', m.s)
      FROM dispatch.types AS t, (SELECT CASE WHEN i % 4 = 0 THEN repeat('x', 240 + i % 16) ELSE '' END ||
                   COALESCE((SELECT string_agg(chr((ARRAY[1, 97, 98, 127, 128, 2047, 2048, 55295, 57344, 65535, 65536, 1114111])[1 + (random() * 11)::integer]), '')
                      FROM generate_series(1, (random() * 3)::integer + 0 * i)), '') AS s FROM generate_series(1, 100000) AS i) AS m
     WHERE t.name = 'words'});
for my $kind ([ 'keys', "(d.custom_data ->> 'v')::numeric" ], [ 'words', "(d.custom_data ->> 'v') COLLATE \"C\"" ])
{
    my ($type, $value) = @$kind;
    my ($rows, $equal, $cut, $unequal, $unordered) = split(/\|/, $dispatch->sql(
        "SELECT count(*), count(*) FILTER (WHERE v = u), count(*) FILTER (WHERE length(k) > 8 + 255),
                count(*) FILTER (WHERE (v = u) <> (k = j)), count(*) FILTER (WHERE substr(k, 1, 8 + 255) < substr(j, 1, 8 + 255))
           FROM (SELECT $value AS v, d.slot1 AS k, lag($value) OVER w AS u, lag(d.slot1) OVER w AS j
                   FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id WHERE t.name = '$type'
                 WINDOW w AS (ORDER BY $value)) AS n"));
    note("$type: $rows rows, $equal equal to the one before, $cut cut");
    is("$unequal $unordered", '0 0', "$type are equal as their values are, and in their order");
    cmp_ok($_, '>', 1000, '... many of which were put to the test') for $equal, $cut;
}

# --- By the index: searches touch few blocks, saved plans and wrong statistics or not.

# What a search touches, in blocks, when it runs for the last of so many times.
sub blocks
{
    my ($before, $times, $search) = @_;
    my @lines = split(/\n/, $dispatch->sql(
        "$before; PREPARE s AS $search;\n" . "EXECUTE s \\g /dev/null\n" x $times . 'EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) EXECUTE s'));
    my ($hit) = map { /shared hit=(\d+)/ ? $1 : () } @lines;
    return $hit // 'unknown';
}

$dispatch->sql(
    q{SELECT dispatch.create_type('huge'); SELECT dispatch.create_type('tiny');
    SELECT dispatch.create_attributes(t, '[{"name": "code", "dataType": "string", "indexed": true}, {"name": "n", "dataType": "number", "indexed": true}]')
      FROM unnest('{huge,tiny}'::text[]) AS t;
    INSERT INTO dispatch.dispatches (type_id, custom_data)
    SELECT t.id, jsonb_build_object('code', CASE WHEN i <= 20 THEN 'old' WHEN i % 4 = 0 THEN 'often' ELSE 'c' || i END, 'n', i)
      FROM dispatch.types AS t, generate_series(1, 60000) AS i WHERE t.name = 'huge';
    INSERT INTO dispatch.dispatches (type_id, custom_data)
    SELECT t.id, '{"code": "often", "n": 1}' FROM dispatch.types AS t, generate_series(1, 5) AS i WHERE t.name = 'tiny';
    UPDATE dispatch.dispatches AS d SET status = 'CLOSED' FROM dispatch.types AS t WHERE t.id = d.type_id AND t.name = 'huge' AND (d.custom_data ->> 'n')::integer <= 30000;
    INSERT INTO dispatch.members (dispatch_id, sequence, added_at, ordinal, kind, state, member_id)
    SELECT d.id, 1, now(), 1, 'p', 'c', 'driver-all' FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id
     WHERE t.name = 'huge' AND ((d.custom_data ->> 'n')::integer <= 1000 OR (d.custom_data ->> 'n')::integer > 59990);
    VACUUM dispatch.dispatches; VACUUM dispatch.members;}
);
my $deep     = $dispatch->sql(q{SELECT d.id FROM dispatch.dispatches AS d WHERE (d.custom_data -> 'n') = '59000'});
my %searches = (
    'a value of old rows only'          => [ 40,   q{SELECT * FROM dispatch.find_dispatches('huge', '{"code": "old"}')} ],
    'a value of one in four'            => [ 300,  q{SELECT * FROM dispatch.find_dispatches('huge', '{"code": "often"}')} ],
    'the same, deep'                    => [ 300,  qq{SELECT * FROM dispatch.find_dispatches('huge', '{"code": "often"}', after => '$deep')} ],
    'a small type beside a huge one'    => [ 40,   q{SELECT * FROM dispatch.find_dispatches('tiny', '{"code": "often"}')} ],
    'all of it'                         => [ 40,   q{SELECT * FROM dispatch.find_dispatches('tiny')} ],
    'a small range'                     => [ 100,  q{SELECT * FROM dispatch.find_dispatches('huge', '{"n": {"gte": 500, "lt": 510}}')} ],
    'equality and a range, both long'   => [ 1500, q{SELECT * FROM dispatch.find_dispatches('huge', '{"code": "often", "n": {"gte": 100}}')} ],
    'counts of what is open'            => [ 99,   q{SELECT * FROM dispatch.dispatch_status_counts('tiny', true)} ],
    'a frequent value, of what is open' => [ 300,  q{SELECT * FROM dispatch.find_dispatches('huge', '{"code": "often"}', open_only => true)} ],
    'a closed status'                   => [ 40,   q{SELECT * FROM dispatch.find_dispatches('huge', status => 'CLOSED', max_rows => 10)} ],
    'a closed status of any type'       => [ 150,  q{SELECT * FROM dispatch.find_dispatches(NULL, status => 'CLOSED', max_rows => 10)} ],
    'what is open of a participant'     => [ 3200, q{SELECT * FROM dispatch.find_dispatches(NULL, participant_id => 'driver-all', open_only => true)} ],
    'a participant'                     => [ 300,  q{SELECT * FROM dispatch.find_dispatches(NULL, participant_id => 'driver-3', max_rows => 50)} ]);
my %statistics = (
    'without statistics'                => q{DELETE FROM pg_statistic WHERE starelid = 'dispatch.dispatches'::regclass},
    'with statistics'                   => 'ANALYZE dispatch.dispatches',
    'where the table is said to be tiny' => q{UPDATE pg_class SET reltuples = 1, relpages = 1 WHERE oid = 'dispatch.dispatches'::regclass},
    'with JIT and parallel plans'       => q{SET jit_above_cost = 0; SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0});
for my $state ('without statistics', 'with statistics', 'where the table is said to be tiny', 'with JIT and parallel plans')
{
    for my $what (sort keys %searches)
    {
        my ($most, $search) = @{ $searches{$what} };
        cmp_ok(blocks($statistics{$state}, 12, $search), '<', $most, "$what: few blocks $state");
    }
}

is( $dispatch->sql(
        q{BEGIN;
        SELECT count(*) FROM dispatch.find_dispatches(NULL, participant_id => 'driver-all', open_only => true);
        SELECT pg_stat_get_xact_numscans('dispatch.dispatches_open_id_idx'::regclass);
        COMMIT}),
    "10\n1010", 'what is open of a participant is seen in the index of what is open');

# --- Several things that are frequent each: a page that the first rows fill, and one that they do not.

my %frequent = (
    q{'{"code": "often"}', open_only => true}             => q{d.custom_data ->> 'code' = 'often' AND d.closed_at IS NULL},
    q{'{"code": "often", "n": {"gte": 29000}}'}           => q{d.custom_data ->> 'code' = 'often' AND (d.custom_data ->> 'n')::integer >= 29000},
    q{'{"n": {"gt": 5000, "lt": 38000}}', 'CLOSED'}       => q{(d.custom_data ->> 'n')::integer > 5000 AND d.status = 'CLOSED' AND (d.custom_data ->> 'n')::integer < 38000},
    q{'{"n": {"gt": 29000}}', 'CLOSED'}                   => q{(d.custom_data ->> 'n')::integer > 29000 AND d.status = 'CLOSED'},
    q{'{"code": {"gt": "c5"}, "n": {"gt": 20000}}'}       => q{d.custom_data ->> 'code' COLLATE "C" > 'c5' AND (d.custom_data ->> 'n')::integer > 20000},
    q{'{"code": "often", "n": {"lte": 31000}}', 'CLOSED'} => q{d.custom_data ->> 'code' = 'often' AND (d.custom_data ->> 'n')::integer <= 31000 AND d.status = 'CLOSED'});
for my $asked (sort keys %frequent)
{
    my $slow = "FROM dispatch.dispatches AS d WHERE d.type_id = (SELECT t.id FROM dispatch.types AS t WHERE t.name = 'huge') AND $frequent{$asked}";
    for my $rows (100, 10_000)
    {
        is( $dispatch->sql("SELECT md5(string_agg(f::text, ' ')) FROM dispatch.find_dispatches('huge', $asked, max_rows => $rows) AS f"),
            $dispatch->sql("SELECT md5(string_agg(p.id::text, ' ')) FROM (SELECT d.id $slow ORDER BY d.id LIMIT $rows) AS p"),
            "$asked: $rows rows");
    }
    is($dispatch->sql("SELECT dispatch.count_dispatches('huge', " . ($asked =~ s/, 'CLOSED'/, status => 'CLOSED'/r) . ')'),
        $dispatch->sql("SELECT count(*) $slow"), '... and their count');
}

# --- While others write.

my $writer = $node->background_psql('postgres', on_error_die => 1);
$writer->query_safe(q{BEGIN; SELECT dispatch.create_dispatch('loose', 'LATE-1', custom_data => '{"late": "x"}')});
$dispatch->sql(q{SELECT dispatch.create_attributes('loose', '[{"name": "late", "dataType": "string", "indexed": true}]')});
my $filler = $node->background_psql('postgres', on_error_die => 1);
$filler->query_until(qr/begun/, "\\echo begun\nSELECT dispatch.backfill_index('loose', 1000000);\n");
wait_until(sub { $dispatch->sql(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%backfill%' AND wait_event = 'virtualxid'}) },
    sub { $_[0] == 1 }, 30, 'the backfill waits for who did not know the attribute');
$dispatch->sql(q{SELECT dispatch.create_dispatch('loose', 'LATE-2', custom_data => '{"late": "x"}')});
$writer->query_safe('COMMIT');
$writer->quit;
$filler->query_safe('SELECT 1');
$filler->quit;
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.find_dispatches('loose', '{"late": "x"}');
        SELECT dispatch.backfill_index('loose')}),
    "2\n0", 'what a transaction writes that did not know the attribute is found');

# --- Cancelled.

my $cancelled = $node->background_psql('postgres', on_error_stop => 0);
$cancelled->query_until(qr/begun/, q{\echo begun
SELECT count(dispatch.count_dispatches('huge', '{"n": {"gt": 0}}', open_only => true)) FROM generate_series(1, 100000);
});
wait_until(sub { $dispatch->sql(q{SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 100000)%' AND pid <> pg_backend_pid() AND state = 'active'}) },
    sub { $_[0] == 1 }, 30, 'a search runs');
wait_until(sub { $dispatch->sql(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 100000)%' AND pid <> pg_backend_pid() AND state = 'active'}) },
    sub { $_[0] == 0 }, 30, 'it ends when it is cancelled');
$cancelled->quit;
pass('a search that is cancelled ends');

done_testing();

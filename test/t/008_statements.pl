# How many statements an operation runs: what runs within a function is told by the server's log
# only. It is a handful, however many jobs there are, and the same handful. None is compiled.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('statements',
        "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\n"
      . "auto_explain.log_nested_statements = on\n"
);
my $callback = $dispatch->callback('/');

$dispatch->sql(
    q{SELECT dispatch.create_type('parcel');
    SELECT dispatch.create_attributes('parcel', '[{"name": "weight", "dataType": "number",
        "validation": {"required": true}}]')}
);

# Runs SQL in a session of its own; the statements that its last line ran, itself included, each
# as its first words and the table.
sub statements
{
    my ($sql)  = @_;
    my $log    = $dispatch->node->logfile;
    my $before = -s $log;
    my $mark   = quote('the last line');

    # The first line warms the session up: the type is loaded, statements are planned.
    $dispatch->sql("SELECT dispatch.is_valid('parcel', '{}');\nSELECT $mark;\n$sql");
    my ($last) = slurp_file($log, $before) =~ /Query Text: SELECT $mark(.*)/s
      or die 'no mark in the log';
    return
      map { s/\s+/ /gr } $last =~ /Query Text: ((?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH).*)/g;
}

# The statement itself, what must be written, and not much more.
sub is_handful
{
    my ($name, $most, @statements) = @_;
    ok(@statements >= 3 && @statements <= $most, "$name: a handful of statements")
      or diag(join("\n", @statements));
    note(scalar(@statements), ' statements');
    return;
}

# A creation with so many jobs and two participants.
sub create
{
    my ($jobs) = @_;
    return
      qq{SELECT dispatch.create_dispatch('parcel',
        jobs => ARRAY(SELECT 'P-' || j FROM generate_series(1, $jobs) AS j),
        participants => ARRAY['driver', 'van'],
        custom_data => '{"weight": 5}', callback => $callback)};
}

my @ten      = statements(create(10));
my @thousand = statements(create(1000));
is($dispatch->sql('SELECT count(*) FROM dispatch.jobs'), 1010, 'both created their jobs');
is_handful('a creation with 10 jobs', 6, @ten);
is(scalar @thousand, scalar @ten, 'as many with 1,000 jobs');

# The same for changes.
my %statements;
for my $jobs (10, 1000)
{
    my $id  = "dispatch.dispatch_id('ROUTE-$jobs')";
    my $ids = "ARRAY(SELECT 'P-' || j FROM generate_series(1, $jobs) AS j)";

    $dispatch->sql(
        qq{SELECT dispatch.create_dispatch('parcel', 'ROUTE-$jobs', custom_data => '{"weight": 1}')}
    );
    push @{ $statements{adding} }, [ statements("SELECT dispatch.add_jobs($id, $ids, $callback)") ];
    push @{ $statements{removing} },
      [ statements("SELECT dispatch.remove_jobs($id, $ids, $callback)") ];
}
for my $change (sort keys %statements)
{
    my ($ten, $thousand) = @{ $statements{$change} };
    is_handful("$change 10 jobs", 6, @$ten);
    is(scalar @$thousand, scalar @$ten, 'as many with 1,000 jobs');
}

# A claim and its finish: as many for one callback as for a hundred.
my $finish =
  q{SELECT count(f) FROM (SELECT array_agg(callback_id) AS ids, array_agg(attempt) AS attempts,
            count(*)::integer AS n FROM dispatch.claim_callbacks(%d)) AS c,
        dispatch.finish_callbacks(c.ids, c.attempts, array_fill(200, ARRAY[c.n]),
        array_fill(NULL::text, ARRAY[c.n]), array_fill(NULL::interval, ARRAY[c.n])) AS f};
$dispatch->sql(
    qq{SELECT dispatch.create_dispatch('parcel',
            custom_data => '{"weight": 1}', callback => $callback)
        FROM generate_series(1, 200)}
);
my @one     = statements(sprintf $finish, 1);
my @hundred = statements(sprintf $finish, 100);
is($dispatch->sql(q{SELECT count(*) FROM dispatch.callbacks WHERE state = 'DELIVERED'}),
    101, 'claimed and finished');
is_handful('a claim with its finish', 9, @one);
is(scalar @hundred, scalar @one, 'as many for 100 callbacks');

# A table without an index is read from end to end, at a cost that the planner takes for a reason.
my $ours = slurp_file($dispatch->node->logfile);
$dispatch->sql("SET jit_above_cost = 0;\nSELECT count(*) FROM dispatch.jobs");
my $compiles = $dispatch->sql('SELECT pg_jit_available()') eq 't';
is(slurp_file($dispatch->node->logfile, length $ours) =~ /^\s*JIT:/m ? 1 : 0, $compiles ? 1 : 0, 'the log tells of what is compiled');
unlike($ours, qr/^\s*JIT:/m, 'of ours nothing is');

done_testing();

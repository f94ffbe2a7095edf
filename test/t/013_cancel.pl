# Sessions that are cancelled or ended in the middle of operations: what they were at is undone, what
# they had done is kept, nobody waits for them any more, and a cancelled one goes on.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(usleep);

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('cancel', 'fsync = off');
my $node     = $dispatch->node;
my $callback = $dispatch->callback('/cancel');
my $seed     = int(rand(1_000_000));

note("seed $seed");
srand($seed);
$dispatch->sql(
    q{SELECT dispatch.create_type('parcel');
    SELECT dispatch.create_attributes('parcel', '[{"name": "text", "dataType": "string",
        "validation": {"regex": "^(?=.*[0-9])[a-z ]*$"}}]');
    SELECT dispatch.create_dispatch('parcel', 'ROUTE-1')});

# A round of operations that take a while each; all of them succeed if they are left alone, but the
# last, whose search takes longer than it may.
my $members = "(SELECT array_agg('m' || m) FROM generate_series(1, 500) AS m)";
my $id      = q{dispatch.dispatch_id('ROUTE-1')};
my @round   = (
    "SELECT 'done', dispatch.add_jobs($id, $members, $callback, request_id => 'add-' || :n)",
    "SELECT 'done', dispatch.add_participants($id, $members)",
    "SELECT 'done', dispatch.update_status($id, 'ASSIGNED', 'N' || :n, $callback)",
    "SELECT 'done', dispatch.remove_jobs($id, $members, $callback, request_id => 'remove-' || :n)",
    "SELECT 'done', dispatch.remove_participants($id, $members)",
    q{SELECT dispatch.validate('parcel', jsonb_build_object('text', repeat('a ', 20000)))},
    'SELECT count(*) FROM dispatch.check_integrity()',
    q{SELECT count(*) FROM dispatch.claim_callbacks(3) AS c, LATERAL dispatch.finish_callbacks(
        ARRAY[c.callback_id], ARRAY[c.attempt], ARRAY[200], ARRAY[NULL], ARRAY[NULL::interval])});

# A session that runs so many rounds; its process, and the backend's process id.
my $sessions = 0;

sub start_session
{
    my ($rounds) = @_;
    my $number   = ++$sessions;
    my $path     = "$dispatch->{dir}/session.$number.sql";
    my $log      = "$dispatch->{dir}/session.$number.log";

    open(my $file, '>', $path) or die "$path: $!";
    print $file "SELECT 'backend', pg_backend_pid();\n";
    print $file map { my $n = $_; ("\\set n $n$number\n", map { "$_;\n" } @round) } 1 .. $rounds;
    print $file "SELECT 'end';\n";
    close($file);
    my $session = Dispatch::Process->start(
        "session $number",         $log,
        'psql',                    '--no-psqlrc',
        '--no-align',              '--tuples-only',
        '--set=VERBOSITY=sqlstate', "--file=$path",
        '--host=' . $node->host,   '--port=' . $node->port,
        'postgres');
    my $text = wait_until(
        sub { $session->log },
        sub { $_[0] =~ /^backend\|\d+$/m },
        $Dispatch::patience, 'the session has begun');

    return ($session, $text =~ /^backend\|(\d+)$/m);
}

# What must hold after whatever happened.
sub check_all_is_well
{
    my ($what) = @_;
    is($dispatch->sql('SELECT * FROM dispatch.check_integrity()'),
        '', "$what: what is kept belongs together");
    is( $dispatch->sql(
            q{SELECT count(*) FROM dispatch.requests AS r LEFT JOIN dispatch.events AS e
                ON e.dispatch_id = r.dispatch_id AND e.sequence = r.version
                WHERE e.sequence IS NULL}),
        0,
        '... each request has its event');
    is($dispatch->sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' OR NOT granted}),
        0, '... nobody waits');
    return;
}

# One session, cancelled again and again.
my ($session, $backend) = start_session(250);
for (1 .. 150)
{
    last unless $session->is_running;
    usleep(1000 * int(rand(20)));
    $dispatch->sql("SELECT pg_cancel_backend($backend)");
}
is($session->wait, 0, 'a session goes on that was cancelled many times');
my $log       = $session->log;
my $done      = () = $log =~ /^done\|/mg;
my $cancelled = () = $log =~ /ERROR:  57014/g;
my ($last)    = $log =~ /.*^done\|(\d+)$/ms;
my %other     = map { $_ => 1 } grep { $_ ne '57014' } $log =~ /ERROR:  (\w{5})/g;

note("$done operations were done, $cancelled cancelled");
like($log, qr/^end$/m, '... to its end');
cmp_ok($cancelled, '>', 20, '... although operations were cancelled');

# Where an addition was cancelled, the removal after it finds nothing, and the other way round.
is(join(' ', grep { !/^(23505|P0002|54000|55000)$/ } sort keys %other),
    '', '... and others failed for good reasons only');
is($dispatch->sql(q{SELECT version FROM dispatch.dispatches}),
    $last, '... the last version that was returned is the last there is');
is($last, $done + 1, '... what returned has been done, and nothing else');
check_all_is_well('cancelled');

# Sessions that are ended, while others wait for the same dispatch.
for (1 .. 12)
{
    my @pair = map { [ start_session(20) ] } 1 .. 2;

    usleep(1000 * int(rand(120)));
    $dispatch->sql("SELECT pg_terminate_backend($_->[1])") for @pair;
    $_->[0]->wait for @pair;
}
is( $dispatch->sql(
        q{SET lock_timeout = '10s'; SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-1'), 'after')
            = (SELECT version FROM dispatch.dispatches) + 1}),
    't',
    'the dispatch is free when sessions were ended');
check_all_is_well('ended');

# Who waits can be cancelled: for a dispatch, for a request, for a reference.
my $holder = Dispatch::Process->start(
    'holder', "$dispatch->{dir}/holder.log",
    'psql', '--no-psqlrc', '--host=' . $node->host, '--port=' . $node->port, '--dbname=postgres',
    '--command', qq{BEGIN; SELECT dispatch.add_job($id, 'held', request_id => 'held');
        SELECT dispatch.create_dispatch('parcel', 'HELD-1', request_id => 'held');
        DO 'BEGIN RAISE NOTICE ''holding''; END';
        SELECT pg_sleep(600)});
wait_until(sub { $holder->log }, sub { $_[0] =~ /holding/ }, $Dispatch::patience, 'it is held');
for my $call (
    [ 'a dispatch', "dispatch.add_job($id, 'waiting')" ],
    [ 'a retry',    "dispatch.add_job($id, 'held', request_id => 'held')" ],
    [ 'a creation', q{dispatch.create_dispatch('parcel', 'HELD-1', request_id => 'held')} ],
    [ 'a reference', q{dispatch.create_dispatch('parcel', 'HELD-1')} ],
    [ 'a request',  q{dispatch.request('addJob', '{"dispatchRef": "ROUTE-1"}', '{"jobId": "j"}')} ])
{
    my ($what, $sql) = @$call;
    my (undef, undef, $errors) = $node->psql(
        'postgres', "\\set VERBOSITY sqlstate\nSET statement_timeout = '200ms'; SELECT $sql",
        on_error_stop => 0);
    like($errors, qr/ERROR:  57014/, "who waits for $what can be cancelled");
}
is($dispatch->sql('SELECT dispatch.get_dispatch(' . $id . q{) ->> 'status'}),
    'ASSIGNED', 'who reads does not wait');
$dispatch->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'
    AND pid <> pg_backend_pid()});
$holder->wait;
is($dispatch->sql(q{SELECT count(*) FROM dispatch.dispatches}), 1, 'nothing is left of the holder');
check_all_is_well('waiting');
unlike(
    slurp_file($node->logfile),
    qr/TRAP:|PANIC:|terminated by signal|ERROR:  XX|still referenced|leak/,
    'no crash, no internal error and no leak in the log');

done_testing();

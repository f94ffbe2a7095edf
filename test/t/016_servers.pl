# A listener and servers that go away: its sessions end one by one, the server is restarted, comes
# late, answers no more, or another one takes its place. psql has no connection to lose.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time usleep);

use PostgreSQL::Test::Cluster;
use Dispatch;

my $dispatch = Dispatch->new('servers', "wal_level = replica\nmax_wal_senders = 5");
my $node     = $dispatch->node;

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
for my $database (qw(hung deaf))
{
    $dispatch->sql("CREATE DATABASE $database");
    $dispatch->sql(q{CREATE EXTENSION dispatch; SELECT dispatch.create_type('parcel')}, $database);
}

# Creates dispatches with callbacks to a path, on the node that is the server by now.
sub create
{
    my ($path, $count, $database) = @_;
    $node->safe_psql(
        $database // 'postgres',
        "SELECT dispatch.create_dispatch('parcel', callback => "
          . $dispatch->callback($path)
          . ") FROM generate_series(1, $count)");
    return;
}

# How many callbacks to a path are in each state, with how many attempts.
sub states
{
    my ($path, $database) = @_;
    my $url = quote($dispatch->url($path));
    return $node->safe_psql(
        $database // 'postgres',
        qq{SELECT c.state, c.attempts, count(*)
            FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
        WHERE starts_with(e.callback_url, $url) GROUP BY 1, 2 ORDER BY 1, 2});
}

# Waits until all callbacks to a path are delivered.
sub wait_until_delivered
{
    my ($path, $database) = @_;
    wait_until(
        sub { states($path, $database) },
        sub { $_[0] =~ /DELIVERED/ && $_[0] !~ /PENDING/ },
        $Dispatch::patience, "all to $path are delivered");
    return;
}

# How many requests came to a path, and of how many callbacks.
sub requests
{
    my ($path)   = @_;
    my @receipts = $dispatch->receipts($path);
    my %ids      = map { $_->{id} => 1 } @receipts;
    return join(' ', scalar @receipts, scalar keys %ids);
}

# How many connections a listener has made.
sub connections
{
    my ($listener) = @_;
    return scalar(() = $listener->log =~ /event=connected /g);
}

# Waits until a listener's log has something.
sub wait_for_log
{
    my ($listener, $pattern) = @_;
    wait_until(
        sub { $listener->log },
        sub { $_[0] =~ $pattern },
        $Dispatch::patience, "the log has $pattern");
    return;
}

# The processes that serve listeners in a database: of the one session, the other, or both.
my %sessions = (
    claim  => q{query LIKE '%claim_callbacks%'},
    finish => q{query NOT LIKE '%claim_callbacks%'},
    both   => 'true');

sub backends
{
    my ($session, $database) = @_;
    $database //= 'postgres';
    return split /\n/, $node->safe_psql(
        'postgres', qq{SELECT pid FROM pg_stat_activity
            WHERE application_name = 'dispatch-listener' AND datname = '$database'
                AND $sessions{$session}});
}

# A server that takes a connection and does not answer, before one that does in the connection
# string. How it ends is seen below, as with the next one.
my $deaf   = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "no port: $!";
my $second = $dispatch->start_listener(
    wait   => 0,
    dbname => 'dbname=deaf connect_timeout=2'
      . ' host=127.0.0.1,'
      . $node->host
      . " port=${\$deaf->sockport},${\$node->port}");

# A server whose processes stop in the middle of everything, as they do when it waits for its disk.
my $stopped =
  $dispatch->start_listener(database => 'hung', lease => 4, timeout => 1, poll => '0.1');
my @hung = backends('both', 'hung');
kill('STOP', @hung);
create('/hung', 3, 'hung');

# Each session is ended while nothing is to be done.
my $listener = $dispatch->start_listener(lease => 5, timeout => 2);
for my $session (qw(claim finish))
{
    my $before = connections($listener);

    $dispatch->wait_until_drained;
    my $pid = wait_until(
        sub { my @pids = backends($session); return $pids[0] },
        sub { defined $_[0] },
        $Dispatch::patience, "there is a session to $session");
    is($dispatch->sql("SELECT pg_terminate_backend($pid)"), 't', "the session to $session is ended");
    create("/$session", 3);
    wait_until_delivered("/$session");
    is(states("/$session"),   'DELIVERED|1|3', '... what comes then is delivered');
    is(requests("/$session"), '3 3',           '... once');
    wait_until(
        sub { connections($listener) },
        sub { $_[0] > $before },
        $Dispatch::patience, 'it has connected again');
}

# Sessions are ended again and again while the listener is at work.
my ($created, $ended) = (0, 0);
while ($ended < 6)
{
    my @pids = backends('both');
    create('/torn?delay=20', 300);
    $created += 300;
    $ended += $dispatch->sql("SELECT pg_terminate_backend($pids[rand @pids])") eq 't' if @pids;
    usleep(100_000);
}
wait_until_delivered('/torn');
is((split / /, requests('/torn'))[1],
    $created, 'sessions are ended while the listener is at work: all is delivered nevertheless');
is($listener->stop, 0, '... and the listener ends cleanly');

# Those that hang were given up meanwhile. Their processes end when they come to themselves.
wait_until_delivered('/hung', 'hung');
like($stopped->log, qr/event=statement_failed session=$_ error="no answer in time"/,
    "a session to $_ that answers no more is given up") for qw(claim finish);
is(states('/hung', 'hung'), 'DELIVERED|1|3', '... what came meanwhile is delivered by the next');
is(requests('/hung'),       '3 3',           '... once');
kill('CONT', @hung);
wait_until(
    sub { scalar backends('both', 'hung') },
    sub { $_[0] == 2 },
    $Dispatch::patience, 'the processes that hung have ended');
is($stopped->stop, 0, '... and the listener ends cleanly');
wait_until(sub { connections($second) }, sub { $_[0] == 2 }, $Dispatch::patience, 'connected');
like(
    $second->log,
    qr/event=connection_failed session=$_ error=timeout .*event=connected session=$_ /s,
    "after a server that does not answer the session to $_ goes on to the next")
  for qw(claim finish);
is($second->stop, 0, '... and the listener ends cleanly');

# The server is restarted in good order, with requests on their way and others waiting.
$listener = $dispatch->start_listener;
create('/restarted?delay=500', 100);
$dispatch->wait_for_receipts(32, '/restarted');
$node->restart;
wait_until_delivered('/restarted');
is(states('/restarted'),   'DELIVERED|1|100', 'what was claimed before a restart is delivered');
is(requests('/restarted'), '100 100',         '... once');

# It goes away in the worst way, and the listener is told to end before it is back.
create('/away?delay=500', 100);
$dispatch->wait_for_receipts(32, '/away');
$node->stop('immediate');
$listener->signal('TERM');
wait_for_log($listener, qr/event=stopping .*event=connection_failed/s);
$node->start;
is($listener->wait, 0, 'a listener that is told to end while the server is away ends cleanly');
like(
    $listener->log,
    qr/event=stopped .* unfinished=0 unrecorded=0$/m,
    '... with nothing left in its hands');
like(
    states('/away'),
    qr/^DELIVERED\|1\|\d+\nPENDING\|0\|\d+$/,
    '... it has recorded what was on its way, and given back the rest');

# The server comes late.
$node->stop;
$listener = $dispatch->start_listener(wait => 0, lease => 600);
wait_for_log($listener, qr/(event=connection_failed session=claim.*){2}/s);
$node->start;
wait_until_delivered('/away');
is(states('/away'),   'DELIVERED|1|100', 'a listener that was there before the server delivers');
is(requests('/away'), '100 100',         '... all, and once');
is($listener->stop,   0,                 '... and ends cleanly');

# A commit hangs while it waits for a standby that is not there; the listener, and others who write,
# do not wait for it. A claim that is to end asleep would.
$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$node->reload;
my $local   = '-c synchronous_commit=local';
my $patient = Dispatch::Process->start(
    'patient writer',
    "$dispatch->{dir}/writer.log",
    'psql', '--no-psqlrc', $node->connstr('postgres') . ' application_name=patient',
    '--command', q{SELECT dispatch.create_dispatch('parcel', callback => }
      . $dispatch->callback('/patient') . ')');
wait_until(
    sub {
        $dispatch->sql(q{SELECT wait_event FROM pg_stat_activity
            WHERE application_name = 'patient'});
    },
    sub { $_[0] eq 'SyncRep' },
    $Dispatch::patience, 'a commit hangs');
$listener = $dispatch->start_listener(dbname => $node->connstr('postgres') . " options='$local'");
{
    local $ENV{PGOPTIONS} = $local;
    my $begun = time;

    for my $n (1 .. 3)
    {
        create("/impatient/$n", 1);
        wait_until_delivered("/impatient/$n");
    }
    cmp_ok(time - $begun, '<', 20, 'while a commit hangs, what others queue is delivered');
}
is($dispatch->sql(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'patient'}), 1, '... the one that hung is told to wait no longer');
wait_until_delivered('/patient');
is(requests('/patient'), '1 1', '... and its callback is delivered then');
$patient->wait;
is($listener->stop, 0, '... and the listener ends cleanly');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;

# The server dies with requests on their way and others waiting, and its standby is promoted. The
# connection string names the standby first.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = '*'});
$node->reload;
$listener = $dispatch->start_listener(
    dbname => 'dbname=postgres target_session_attrs=read-write'
      . " host=${\$standby->host},${\$node->host} port=${\$standby->port},${\$node->port}");
is(scalar(() = $listener->log =~ /event=connected .* port=${\$node->port} /g),
    2, 'of two servers the one that takes writes is connected to');
create('/failover?delay=700', 64);
$dispatch->wait_for_receipts(32, '/failover');
$node->kill9;
$standby->promote;
$node = $standby;
wait_until_delivered('/failover');
is(states('/failover'), 'DELIVERED|1|64',
    'what was claimed on the primary is recorded on the standby that took its place');
is(requests('/failover'), '64 64', '... and sent once');
like(
    $listener->log,
    qr/event=connected session=$_ .* port=${\$standby->port} /,
    "... the session to $_ is connected to it") for qw(claim finish);
create('/promoted', 3);
wait_until_delivered('/promoted');
is(requests('/promoted'), '3 3', '... and what comes then is delivered');
is($listener->stop,       0,     'the listener ends cleanly');

done_testing();

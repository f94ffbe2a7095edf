# The listener as a service: what the service manager is told, what the log says when the database
# takes no writes, and a manual that is whole.

use strict;
use warnings FATAL => 'all';

use IO::Select;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('service', "wal_level = replica\nmax_wal_senders = 5");
my $node     = $dispatch->node;
my $program  = Dispatch::program('DISPATCH_LISTENER', 'dispatch-listener');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});

# Creates a dispatch with a callback to a path.
sub create
{
    my ($path) = @_;
    $dispatch->sql(
        q{SELECT dispatch.create_dispatch('parcel', callback => } . $dispatch->callback($path) . ')');
    return;
}

# Waits until a listener's log has something after what it had before.
sub wait_for_log
{
    my ($listener, $pattern, $from) = @_;
    return wait_until(
        sub { substr($listener->log, $from // 0) },
        sub { $_[0] =~ $pattern },
        $Dispatch::patience,
        "the log has $pattern");
}

# The service manager: a socket.
my $path = PostgreSQL::Test::Utils::tempdir_short() . '/notify';
my $manager;

sub listen_as_manager
{
    my ($name) = @_;
    $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $name) or die "no socket: $!";
    return;
}

# What it is told until one message is as the pattern, or nothing more comes for this long.
sub told
{
    my ($pattern, $time) = @_;
    my $deadline = time + ($time // $Dispatch::patience);
    my @messages;

    while (time < $deadline && IO::Select->new($manager)->can_read($deadline - time))
    {
        $manager->recv(my $message, 4096);
        push @messages, $message;
        return @messages if $message =~ $pattern;
    }
    return (@messages, 'in vain');
}

# A service from its start to its end.
my $listener;
listen_as_manager($path);
{
    local $ENV{NOTIFY_SOCKET} = $path;
    local $ENV{WATCHDOG_USEC} = 900_000;
    local $ENV{WATCHDOG_PID};
    delete $ENV{WATCHDOG_PID};
    $listener = $dispatch->start_listener(poll => '0.1');
}
is((told(qr/^READY=1$/m))[0], 'READY=1', 'READY=1 comes first');
like((told(qr/^STATUS=/m))[-1], qr/^STATUS=.* 0 failed, 0 running, 0 waiting, 0 not recorded$/m,
    'then how it is doing');
my $begun = time;
told(qr/^WATCHDOG=1$/m) for 1 .. 6;
cmp_ok(time - $begun, '<', 30, 'the watchdog hears of it');
create('/one');
$dispatch->wait_until_drained;
like((told(qr/STATUS=1 answered/))[-1], qr/^STATUS=1 answered, 0 failed/m, '... and what was done');
$listener->signal('STOP');
told(qr/none/, 1);
is(join(' ', told(qr/./, 2)), 'in vain', 'a listener that hangs says nothing');
$listener->signal('CONT');
like((told(qr/^WATCHDOG=1$/m))[-1], qr/WATCHDOG/, '... until it goes on');
$node->stop;
like((told(qr/STATUS=the session/))[-1],
    qr/^STATUS=the session that \w+ .*is not connected; 1 answered/m, 'without a server it says so');
$node->start;
like((told(qr/STATUS=1 answered/))[-1], qr/STATUS=1/, '... and that it is back');
create('/two?delay=1000');
$dispatch->wait_for_receipts(1, '/two');
$listener->signal('TERM');
ok((grep { /^STOPPING=1$/m } told(qr/^STOPPING=1$/m)), 'STOPPING=1');
is($listener->wait, 0, 'the listener ends cleanly');

# Where the watchdog is for another process, and where the socket has an abstract name.
listen_as_manager("\0dispatch-test-$$");
{
    local $ENV{NOTIFY_SOCKET} = "\@dispatch-test-$$";
    local $ENV{WATCHDOG_USEC} = 900_000;
    local $ENV{WATCHDOG_PID}  = $$;
    $listener = $dispatch->start_listener(poll => '0.1');
}
ok((grep { $_ eq 'READY=1' } told(qr/^READY=1$/)), 'an abstract socket');
unlike(join(' ', told(qr/STATUS=/)), qr/WATCHDOG/, "another process's watchdog");
is($listener->stop, 0, 'the listener ends cleanly');
for my $useless ('', '/', 'relative', '/nowhere/at/all', '/' . 'x' x 200)
{
    local $ENV{NOTIFY_SOCKET} = $useless;
    is($dispatch->new_listener(once => 1)->wait, 0, 'a socket that is of no use is no trouble');
}

# A server that takes no writes: a clear line, and it goes on trying.
$listener = $dispatch->start_listener(poll => '0.1');
my $from = length $listener->log;
$dispatch->sql('ALTER SYSTEM SET default_transaction_read_only = on');
$node->reload;
like(wait_for_log($listener, qr/event=connection_failed/, $from),
    qr/event=statement_failed session=claim error="cannot execute [A-Z ]+ in a read-only transaction"/,
    'a server that becomes read-only');
like(
    $listener->log,
    qr/level=warning event=connection_failed session=claim error="[^\n]*session is read-only" retry_ms=\d/,
    '... is not connected to');
$dispatch->sql('SET transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only');
$node->reload;
create('/writable') if wait_for_log($listener, qr/event=connected session=claim/, $from);
$dispatch->wait_until_drained;
is(scalar($dispatch->receipts('/writable')), 1, '... until it takes writes again');
is($listener->stop, 0, 'the listener ends cleanly');

# A standby, asked for or not.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my %words = (
    'read-write' => 'session is read-only',
    'any'        => 'cannot execute LISTEN during recovery');
for my $wanted (sort keys %words)
{
    $listener = $dispatch->start_listener(
        wait   => 0,
        dbname => $standby->connstr('postgres') . " target_session_attrs=$wanted");
    wait_for_log($listener, qr/(event=connection_failed session=claim .*){3}/s);
    like(
        $listener->log,
        qr/level=warning event=connection_failed session=claim error="[^\n]*$words{$wanted}/,
        "a standby ($wanted)");
    is($listener->stop, 0, '... is tried again and again, until we end it');
}

# A disk that is full. The server's error is made up, since a full disk is hard to have.
$dispatch->sql(
    q{CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        RAISE EXCEPTION 'could not extend file "base/1/1": No space left on device'
            USING ERRCODE = 'disk_full', HINT = 'Check free disk space.'; END$$;
    CREATE TRIGGER full_disk BEFORE DELETE ON dispatch.queue EXECUTE FUNCTION full_disk()});
$listener = $dispatch->start_listener(poll => '0.1');
create('/full');
like(
    wait_for_log($listener, qr/(event=statement_failed session=finish .*){3}/s),
    qr/level=warning event=statement_failed session=finish error="[^\n]*\\"base.1.1\\": No space left on device" hint="Check free disk space." retry_ms=/,
    'a server whose disk is full');
$dispatch->sql('DROP TRIGGER full_disk ON dispatch.queue');
$dispatch->wait_until_drained;
is(scalar($dispatch->receipts('/full')), 1, '... gets the outcome when it has room, sent once');
is($listener->stop, 0, 'the listener ends cleanly');

# No secrets in the log, whatever fails.
$dispatch->configure('dispatch.max_attempts' => 1);
my $headers = '[{"key": "Authorization", "value": "Bearer hush-1"}]';
for my $url ($dispatch->url('/hush-2?status=500&token=hush-3'), 'http://nowhere.invalid/hush-4',
    'http://10.0.0.1/hush-5')
{
    $dispatch->sql(
        qq{SELECT dispatch.create_dispatch('parcel', custom_data => '{}', event_meta => '{"a": "hush-6"}',
            callback => '{"url": "$url", "headers": $headers}')});
}
$listener = $dispatch->start_listener(
    poll   => '0.1',
    dbname => $node->connstr('postgres') . ' password=hush-7');
$dispatch->wait_until_drained;
is(scalar(() = $listener->log =~ /event=failed callback=[0-9a-f-]{36} host=\S+ attempt=1 /g),
    3, 'three failures are logged, with callback and host');
unlike($listener->log, qr/hush/, '... and no secret');
is($listener->stop, 0, 'the listener ends cleanly');

# Whatever happened above, each line of all these logs is an event: time, level, event, key=value.
my $value = qr/(?:[^\s"=\\]+|"(?:[^"\\\n]|\\["\\])*")/;
my $line  = qr/^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(?:info|warning|error) event=\w+(?: \w+=$value)*$/;
my @lines = map { split /\n/, slurp_file($_) } glob "$dispatch->{dir}/listener.*.log";
cmp_ok(scalar @lines, '>', 50, 'the logs have lines');
is(join("\n", grep { !/$line/ } @lines), '', '... and each is an event with key=value');

# The manual.
my ($version) = slurp_file('dispatch.control') =~ /default_version = '(.*)'/;
is(scalar(`$program --version`), "dispatch-listener $version\n", '--version');
my $manual = `$program --help`;
is($?, 0, '--help');
my $sources = join '', map { slurp_file($_) } glob 'listener/*.c';
my @events  = $sources =~ /(?:log_event\(LEVEL_\w+, |drop\(session, )"(\w+)"/g;
cmp_ok(scalar(@events), '>', 20, 'the sources log events');
my @internal = qw(epoll_failed libcurl_failed signalfd_failed no_keys outcomes_ignored);
my @missing  = grep { my $event = $_; !grep { $event eq $_ } @internal } grep { $manual !~ /\b$_\b/ } @events;
is("@missing", '', '... of which the manual names those that matter');
my @options = $sources =~ /\{ "([a-z-]+)", (?:required|no)_argument/g;
is(join(' ', grep { $manual !~ /^  --$_ /m } @options), '', '... and every option');
is(scalar(grep { length > 90 } split /\n/, $manual), 0, '... in lines that fit a terminal');

# The unit.
SKIP:
{
    skip 'there is no systemd-analyze', 1 if system('command -v systemd-analyze >/dev/null') != 0;
    my $unit = "$dispatch->{dir}/dispatch-listener.service";
    append_to_file($unit,
        slurp_file('listener/dispatch-listener.service') =~ s{/usr/local/bin/\S+}{$program}r);
    is(scalar(`systemd-analyze verify --man=no $unit 2>&1`), '', 'systemd understands the unit');
}

done_testing();

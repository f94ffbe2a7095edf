# The listeners of doc/own-listener.md, as they stand there, with the real server and receiver: a
# text cannot tell whether it is right. A language that the machine lacks is skipped.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time usleep);

use PostgreSQL::Test::Utils;
use Dispatch;

my $doc      = slurp_file('doc/own-listener.md');
my $dispatch = Dispatch->new('own_listener');
my $key      = slurp_file($dispatch->{keys}) =~ /(whsec_\S+)/ ? $1 : die 'no key';
my $home     = PostgreSQL::Test::Utils::tempdir();

# The Python that has psycopg, or undef.
sub find_python
{
    for my $python (qw(python3 /usr/bin/python3))
    {
        return $python if eval { run_log([ $python, '-c', 'import psycopg' ]) };
    }
    return;
}

# The Node for which pg could be installed into our folder, or undef.
sub find_node
{
    my $install = "cd $home && npm install --no-audit --no-fund --fetch-retries=1 pg";
    return unless eval { (run_command([ 'node', '--version' ]))[0] =~ /^v(\d+)/ && $1 >= 20 };
    return eval { run_log([ 'sh', '-c', $install ]) } ? 'node' : undef;
}

# Writes the program of a language into a file, with shorter times; its path.
sub write_program
{
    my ($block, $file, %changes) = @_;
    my ($code) = $doc =~ /^```$block\n(.*?)^```$/ms or die "no $block in the doc";
    my $lines = () = $code =~ /\n/g;

    cmp_ok($lines, '<', 60, "$block: $lines lines");
    while (my ($from, $to) = each %changes)
    {
        $code =~ s/\Q$from\E/$to/ or die "no $from in the $block of the doc";
    }
    append_to_file("$home/$file", $code);
    return "$home/$file";
}

# The programs by the name of their language, which is that of their database as well.
my $uri = sprintf 'postgresql:///%%s?host=%s&port=%s&user=courier', $dispatch->node->host,
  $dispatch->node->port;
my %program = (
    python => sub {
        my $python = find_python() // return;
        my $file =
          write_program('python', 'listener.py', "'60 s'" => "'4 s'", '= 32, 15' => '= 32, 2');
        return [ $python, $file, sprintf($uri, 'python'), $key ];
    },
    node => sub {
        my $node = find_node() // return;
        my $file = write_program('js', 'listener.mjs', "'60 s'" => "'4 s'", '15_000' => '2_000');
        return [ $node, $file, sprintf($uri, 'node'), $key ];
    });

# A receiver that answers letter by letter, without end.
my $server  = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1') or die "no port: $!";
my $dribble = Dispatch::Process->start_function(
    'dribbling receiver',
    sub {
        local $SIG{PIPE} = 'IGNORE';
        local $SIG{CHLD} = 'IGNORE';
        while (my $socket = $server->accept)
        {
            next if fork();
            syswrite($socket, "HTTP/1.1 200 OK\r\nX-Header: ");
            usleep(50_000) while defined syswrite($socket, 'x');
            POSIX::_exit(0);
        }
    });

# Starts the listener of a language.
my %starts;

sub start
{
    my ($language) = @_;
    my $log = "$home/$language." . ++$starts{$language} . '.log';
    return Dispatch::Process->start($language, $log, @{ $program{$language} });
}

# Creates dispatches with callbacks to a path of the receiver, or another URL.
sub create
{
    my ($language, $path, $count, %members) = @_;
    my $url      = $path =~ /^http:/ ? $path : $dispatch->url("/$language/$path");
    my $callback = quote(json({ url => $url, %members }));

    $dispatch->sql(
        "SELECT dispatch.create_dispatch('parcel', callback => $callback)"
          . " FROM generate_series(1, $count)", $language);
    return;
}

# What became of the callbacks to a path: "state|attempts|status|error|count" for each outcome.
sub outcomes
{
    my ($language, $path) = @_;
    my $url = quote($path =~ /^http:/ ? $path : $dispatch->url("/$language/$path"));
    return $dispatch->sql(
        qq{SELECT c.state, c.attempts, c.last_status, c.last_error, count(*)
            FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
            WHERE starts_with(e.callback_url, $url) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4},
        $language);
}

# Waits until the callbacks to a path are as a pattern says.
sub wait_for_outcomes
{
    my ($language, $path, $pattern) = @_;
    return wait_until(
        sub { outcomes($language, $path) },
        sub { $_[0] =~ $pattern },
        $Dispatch::patience, "$language: callbacks to $path are as $pattern");
}

# Requests of a language to a path.
sub requests
{
    my ($language, $path) = @_;
    return $dispatch->receipts("/$language/$path");
}

# All there is to be sent to misbehave and to behave, at the start.
sub prepare
{
    my ($language) = @_;

    $dispatch->sql("CREATE DATABASE $language");
    $dispatch->sql(
        qq{CREATE EXTENSION dispatch;
        SELECT dispatch.create_type('parcel');
        SELECT dispatch.grant_access('courier', 'listen');
        ALTER DATABASE $language SET dispatch.retry_base = '10ms';
        ALTER DATABASE $language SET dispatch.max_attempts = 2;
        ALTER DATABASE $language SET default_transaction_isolation = 'repeatable read'}, $language);
    create($language, 'hang?hang=1', 3);
    create($language, "http://127.0.0.1:${\$server->sockport}/", 3);
    create($language, 'http://127.0.0.1:1/', 1);
    create(
        $language, 'fine?a=b%20c', 100,
        method  => 'PUT',
        headers => [
            { key => 'X-Name',  value => "Gr\x{fc}\x{df}e" },
            { key => 'X-Empty', value => '' },
            { key => 'Accept',  value => 'text/plain' }
        ]);
    create($language, 'twice?status=503&times=1',      1);
    create($language, 'gone?status=410',               1);
    create($language, 'moved?location=/elsewhere',     1);
    create($language, 'seconds?retry_after=1&times=1', 1);
    create($language, 'date?retry_after=Wed,%2021%20Oct%202099%2007:28:00%20GMT', 1);
    return;
}

# Checks what became of it.
sub check
{
    my ($language) = @_;

    is(wait_for_outcomes($language, 'fine', qr/^DELIVERED\|1\|200\|\|100$/),
        'DELIVERED|1|200||100', "$language: delivers");
    my @fine = requests($language, 'fine');
    is(scalar @fine, 100, '... once');
    is($fine[0]{signature}, 'valid', '... signed');
    is("$fine[0]{method} $fine[0]{path} $fine[0]{contentType}",
        "PUT /$language/fine?a=b%20c application/json", '... with method, path and type');
    is(json([ map { $fine[0]{headers}{$_} } qw(x-name x-empty accept) ]),
        json([ "Gr\x{fc}\x{df}e", '', 'text/plain' ]), '... and headers');
    is(body_of($fine[0])->{type}, 'dispatch.created', '... and body');

    is(wait_for_outcomes($language, 'twice', qr/^DEL/), 'DELIVERED|2|200||1', 'tries again');
    my %ids = map { $_->{id} => 1 } requests($language, 'twice');
    is(scalar keys %ids, 1, '... with the same webhook-id');
    is(wait_for_outcomes($language, 'gone', qr/^DEAD/), 'DEAD|1|410||1', 'an answer that is final');
    is(wait_for_outcomes($language, 'moved', qr/^DEAD/), 'DEAD|2|302||1', 'a redirect');
    is(scalar($dispatch->receipts('/elsewhere')), 0, '... is not followed');
    is(wait_for_outcomes($language, 'seconds', qr/^DEL/), 'DELIVERED|2|200||1', 'Retry-After');
    is( $dispatch->sql(
            q{SELECT max(a.at) - min(a.at) > '1 s' FROM dispatch.attempts AS a
                JOIN dispatch.event_log AS e USING (callback_id)
                WHERE e.callback_url LIKE '%/seconds%'},
            $language),
        't',
        '... is honoured');
    wait_for_outcomes($language, 'date', qr/^PENDING\|1\|503\|\|1$/);
    is( $dispatch->sql(
            q{SELECT c.next_at - c.last_at FROM dispatch.callbacks AS c
                JOIN dispatch.event_log AS e USING (callback_id)
                WHERE e.callback_url LIKE '%/date%'},
            $language),
        '06:00:00',
        '... as a date too');
    like(
        wait_for_outcomes($language, 'http://127.0.0.1:1/', qr/^DEAD/),
        qr/^DEAD\|2\|\|.*ECONNREFUSED|^DEAD\|2\|\|ConnectionRefused/,
        'a receiver that is not there');
    my $timeout = qr/^DEAD\|2\|\|[^\n]*[Tt]ime[^\n]*\|3$/;
    like(wait_for_outcomes($language, 'hang', $timeout), $timeout, 'one that hangs has its time');
    like(
        wait_for_outcomes($language, "http://127.0.0.1:${\$server->sockport}/", $timeout),
        $timeout, 'one that answers without end too');
    return;
}

# Checks that a notification wakes it: the pauses are 2 s long without.
sub check_notified
{
    my ($language) = @_;
    my $begun = time;

    for my $n (1 .. 5)
    {
        create($language, "notified/$n", 1);
        wait_for_outcomes($language, "notified/$n", qr/^DELIVERED/);
    }
    cmp_ok(time - $begun, '<', 6, "$language: it is woken by notifications");
    return;
}

# Ends it while requests are on their way, by a signal.
sub check_stop
{
    my ($language, $listener) = @_;

    create($language, 'slow?delay=1000', 3);
    $dispatch->wait_for_receipts(3, "/$language/slow");
    is($listener->stop, 0, "$language: SIGTERM ends it");
    is(outcomes($language, 'slow'), 'DELIVERED|1|200||3', '... after what was on its way');
    return;
}

# Takes its database from it.
sub check_loss
{
    my ($language) = @_;
    my $listener = start($language);

    create($language, 'before', 1);
    wait_for_outcomes($language, 'before', qr/^DELIVERED/);
    $dispatch->sql(
        qq{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = '$language' AND pid <> pg_backend_pid()});
    isnt($listener->wait, 0, "$language: it ends when it loses its database");
    return;
}

# Kills it while requests are on their way.
sub check_kill
{
    my ($language) = @_;
    my $listener = start($language);

    create($language, 'killed?delay=1000&times=1', 3);
    $dispatch->wait_for_receipts(3, "/$language/killed");
    is($listener->crash, 128 + 9, "$language: it is killed");
    return;
}

# Starts it for the last time, after which nothing is left.
sub check_rest
{
    my ($language, $listener) = @_;

    is(
        wait_for_outcomes($language, 'killed', qr/^DELIVERED\|\d\|200\|\|3$/),
        'DELIVERED|2|200||3',
        "$language: what was claimed when it was killed is delivered");
    is($listener->stop, 0, '... it ends cleanly');
    is( $dispatch->sql('SELECT count(*) FROM dispatch.callbacks WHERE leased', $language),
        0,
        '... and nothing is held any more');
    return;
}

my @languages;
for my $language (sort keys %program)
{
  SKIP:
    {
        $program{$language} = $program{$language}->();
        skip "there is no $language here, or not what its listener needs", 1
          unless $program{$language};
        push @languages, $language;
    }
}
$dispatch->sql('CREATE ROLE courier LOGIN');
prepare($_) for @languages;

my %listener = map { $_ => start($_) } @languages;
check($_)          for @languages;
check_notified($_) for @languages;
check_stop($_, $listener{$_}) for @languages;
check_loss($_) for @languages;
check_kill($_) for @languages;
%listener = map { $_ => start($_) } @languages;
check_rest($_, $listener{$_}) for @languages;

done_testing();

# Receivers that hang, never come to an end, or speak nonsense at full speed: each request has its
# time, the listener's memory stays where it was, and the receivers that behave do not notice. Only
# a listener at work has a memory to look at.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Test::More;
use Time::HiRes qw(usleep);

use PostgreSQL::Test::Utils;
use Dispatch;

# How many callbacks each receiver gets; how long a request may take; how many MB of memory the
# listener may need at most, more where it was built to watch its memory.
my $count   = 2;
my $timeout = 5;
my $memory  = $ENV{DISPATCH_LISTENER_MEMORY} // 40;

my $dispatch = Dispatch->new('receivers');

$dispatch->sql(q{SELECT dispatch.create_type('parcel', additional_attributes => true)});
$dispatch->configure('dispatch.max_attempts' => 1);

# Sends text again and again until nobody takes it.
sub repeat
{
    my ($socket, $text) = @_;
    while (defined syswrite($socket, $text)) { }
    return;
}

# Sends text letter by letter, and then nothing.
sub dribble
{
    my ($socket, $text) = @_;
    for my $letter (split //, $text)
    {
        return unless defined syswrite($socket, $letter);
        usleep(50_000);
    }
    return;
}

# Waits until the other side closes.
sub linger
{
    my ($socket) = @_;
    while (sysread($socket, my $rest, 65536)) { }
    return;
}

my $ok      = "HTTP/1.1 200 OK\r\n";
my $chunked = "${ok}Transfer-Encoding: chunked\r\n\r\n";
my $noise   = join '', map { chr(128 + int(rand(128))) } 1 .. 65536;

# What each receiver does once it has read a request, and what the database is to know afterwards.
my @receivers = (
    [ 'hangs', sub { }, qr/^DEAD\|timed out after 5 s waiting for the answer$/ ],
    [
        'answers its header letter by letter',
        sub { dribble($_[0], $ok . 'X-Header: ' . 'x' x 1000) },
        qr/^DEAD\|timed out after 5 s reading the answer$/
    ],
    [
        'answers its body letter by letter',
        sub { syswrite($_[0], "${ok}Content-Length: 1000\r\n\r\n"); dribble($_[0], 'x' x 1000) },
        qr/^DELIVERED\|200$/
    ],
    [
        'answers a body without end',
        sub { syswrite($_[0], "$ok\r\n"); repeat($_[0], 'x' x 65536) },
        qr/^DELIVERED\|200$/
    ],
    [
        'answers chunks without end',
        sub { syswrite($_[0], $chunked); repeat($_[0], "1\r\nx\r\n" x 10000) },
        qr/^DELIVERED\|200$/
    ],
    [
        'answers a chunk whose size has no end',
        sub { syswrite($_[0], "${chunked}1;"); repeat($_[0], 'x' x 65536) },
        qr/^DELIVERED\|200$/
    ],
    [
        'answers a chunk of a size that is no number',
        sub { syswrite($_[0], "${chunked}FFFFFFFFFFFFFFFFFF\r\n"); repeat($_[0], 'x' x 65536) },
        qr/^DELIVERED\|200$/
    ],
    [
        'answers headers without end',
        sub { syswrite($_[0], $ok); repeat($_[0], "X-Header: 1234567890\r\n" x 1000) },
        qr/^DEAD\|the answer's header is longer than 65536 bytes$/
    ],
    [
        'answers a header line without end',
        sub { syswrite($_[0], "${ok}X-Header: "); repeat($_[0], 'x' x 65536) },
        qr/^DEAD\|the answer's header is longer than 65536 bytes$/
    ],
    [
        'answers a first line without end',
        sub { syswrite($_[0], 'HTTP/1.1 200 '); repeat($_[0], 'x' x 65536) },
        qr/^DEAD\|the answer's header is longer than 65536 bytes$/
    ],
    [
        'answers 100 without end',
        sub { repeat($_[0], "HTTP/1.1 100 Continue\r\n\r\n" x 1000) },
        qr/^DEAD\|the answer's header is longer than 65536 bytes$/
    ],
    [
        'answers trailers without end',
        sub {
            syswrite($_[0], "${chunked}0\r\n");
            repeat($_[0], "X-Trailer: 1234567890\r\n" x 1000);
        },
        qr/^DELIVERED\|200$/
    ],
    [
        'answers noise without end',
        sub { repeat($_[0], $noise) },
        qr/^DEAD\|the answer is not HTTP$/
    ],
    [ 'closes', sub { close($_[0]) }, qr/^DEAD\|failed waiting for the answer: / ],
    [
        'closes within its header',
        sub { syswrite($_[0], "${ok}X-Header: x"); shutdown($_[0], 1) },
        qr/^DEAD\|the answer ends within its header$/
    ],
    [ 'closes one way', sub { shutdown($_[0], 1) }, qr/^DEAD\|failed waiting for the answer: / ],
    [
        'breaks the connection',
        sub { setsockopt($_[0], SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)); close($_[0]) },
        qr/^DEAD\|failed waiting for the answer: .*reset/
    ],
    [
        'answers well, then closes',
        sub { syswrite($_[0], "${ok}Content-Length: 0\r\n\r\n"); close($_[0]) },
        qr/^DELIVERED\|200$/
    ]);

# Reads a request: its header, and as much of a body as that tells. Nothing where the other side closes.
sub read_request
{
    my ($socket) = @_;
    my $request = '';

    until ($request =~ /^Content-Length: (\d+)\r\n.*?^\r\n(.*)/ms && length $2 >= $1)
    {
        return unless sysread($socket, $request, 65536, length $request);
    }
    return $request;
}

# Starts a receiver that does something with each connection, beside all others; its URL.
sub start_receiver
{
    my ($function) = @_;
    my $server = IO::Socket::INET->new(Listen => 200, LocalAddr => '127.0.0.1')
      or die "no port: $!";

    setsockopt($server, SOL_SOCKET, SO_RCVBUF, 4096);
    Dispatch::Process->start_function(
        'receiver',
        sub {
            local $SIG{PIPE} = 'IGNORE';
            local $SIG{CHLD} = 'IGNORE';
            while (my $socket = $server->accept)
            {
                next if fork();
                eval { $function->($socket); linger($socket) }; 
                POSIX::_exit(0);
            }
        });
    return 'http://127.0.0.1:' . $server->sockport . '/';
}

# Creates dispatches with callbacks to a URL.
sub create
{
    my ($url, $how_many) = @_;
    my $callback = quote(json({ url => $url }));

    $dispatch->sql("SELECT dispatch.create_dispatch('parcel', callback => $callback)"
          . " FROM generate_series(1, $how_many)");
    return;
}

# What became of the callbacks to a URL, each different outcome once.
sub outcomes
{
    my ($url, $database) = @_;
    return $dispatch->sql(
        qq{SELECT DISTINCT concat_ws('|', c.state, c.last_status, c.last_error)
            FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (callback_id)
            WHERE e.callback_url = '$url'},
        $database);
}

# The most memory that a process has had so far, in MB.
sub peak
{
    my ($process) = @_;
    return slurp_file("/proc/${\$process->pid}/status") =~ /^VmHWM:\s+(\d+) kB/m ? $1 / 1024 : die;
}

# One that does not read, and is sent more than a connection takes up by itself. It has a database
# and a listener of its own, whose memory is not looked at: the body alone is larger than the rest.
my $unread = start_receiver(sub { usleep(50_000) while getppid() != 1 });
$dispatch->sql('CREATE DATABASE unread');
$dispatch->sql(
    q{CREATE EXTENSION dispatch;
    SELECT dispatch.create_type('parcel');
    SELECT dispatch.create_dispatch('parcel',
        event_meta => jsonb_build_object('much', repeat('x', 8000000)), callback => } . quote(json({ url => $unread })) . ')', 'unread');
my $sender = $dispatch->start_listener(database => 'unread', timeout => $timeout, lease => 30);

# Those that misbehave, all at once; and one that does not, which has more to do than all of them.
my %url;
for my $receiver (@receivers)
{
    my ($name, $function) = @$receiver;
    $url{$name} = start_receiver(sub { read_request($_[0]); $function->($_[0]) });
}
my $silent = start_receiver(sub { }) =~ s/^http:/https:/r;

create($url{ $_->[0] }, $count) for @receivers;
create($silent, $count);
my $listener = $dispatch->start_listener(timeout => $timeout, lease => 30);
create($dispatch->url('/well'), 1000);
$dispatch->wait_until_drained;

for my $receiver (@receivers)
{
    my ($name, undef, $expected) = @$receiver;
    like(outcomes($url{$name}), $expected, "a receiver that $name");
}
is(outcomes($silent), "DEAD|timed out after $timeout s in the TLS handshake",
    'one that is silent when it is to speak TLS');
is(outcomes($dispatch->url('/well')), 'DELIVERED|200', 'one that behaves');
is( $dispatch->sql(
        "SELECT max(extract(epoch FROM duration)) < $timeout + 2 FROM dispatch.attempts"),
    't',
    'each request had its time, and no more');
cmp_ok(peak($listener), '<', $memory, sprintf("the listener has needed %.0f MB", peak($listener)));

# A connection that has served once, and is closed when it is to serve again: another one is made.
my $fickle = start_receiver(
    sub {
        read_request($_[0]);
        syswrite($_[0], "${ok}Content-Length: 0\r\n\r\n");
        read_request($_[0]);
        shutdown($_[0], 2);
    });
for my $wave (1 .. 2)
{
    create($fickle, $count);
    $dispatch->wait_until_drained;
    is(outcomes($fickle), 'DELIVERED|200', 'a receiver that closes connections which it has kept');
}

# One request that makes its receiver close, while there are other connections to it: it is not sent on all of
# these in turn.
my $arrived = "$dispatch->{dir}/arrived";
my $touchy  = start_receiver(
    sub {
        while (my $request = read_request($_[0]))
        {
            if ($request =~ m{^POST /poison})
            {
                append_to_file($arrived, 'x');
                shutdown($_[0], 2);
                return;
            }
            usleep(300_000);
            syswrite($_[0], "${ok}Content-Length: 0\r\n\r\n");
        }
    });
create("${touchy}well", 12);
$dispatch->wait_until_drained;
create("${touchy}poison", 1);
$dispatch->wait_until_drained;
is(outcomes("${touchy}well"), 'DELIVERED|200', 'a receiver that is slow');
like(outcomes("${touchy}poison"), qr/^DEAD\|failed waiting for the answer: /, '... and that one request makes close');
is(slurp_file($arrived), 'xx', '... gets that twice in one attempt, not as often as there are connections');
is($listener->stop, 0, 'the listener ends cleanly');

is( wait_until(
        sub { outcomes($unread, 'unread') },
        sub { $_[0] =~ /error|timed|DELIVERED/ },
        $Dispatch::patience, 'the request has ended'),
    "PENDING|timed out after $timeout s sending the request",
    'a receiver that does not read');
is($sender->crash, 128 + 9, '... whose listener is killed');

# Several hang, with more to be sent to each than connections are allowed, and for long. There is
# always a connection left for those that behave, and room for what is sent to them. Hosts are known by their
# names: all of these are this machine.
my @hanging = map { start_receiver(sub { }) =~ s/127\.0\.0\.1/$_/r } qw(127.1 2130706433 0x7f.1);

create($_, 900) for @hanging;
$listener = $dispatch->start_listener(timeout => 300, lease => 600);
wait_until(
    sub { $dispatch->sql(q{SELECT count(*) FROM dispatch.callbacks WHERE leased}) },
    sub { $_[0] == 2700 },
    $Dispatch::patience, 'the listener holds what is for them');
create($dispatch->url('/beside'), 500);
$dispatch->wait_for_callbacks('/beside', qr/^(DELIVERED\|1\|200\|\n?){500}$/);
is(outcomes($_), 'PENDING', 'while a receiver hangs') for @hanging;
is(outcomes($dispatch->url('/beside')), 'DELIVERED|200', '... others are served');
is($listener->crash, 128 + 9, 'the listener is killed');

done_testing();

# Receivers that misbehave, and addresses that are not to be called: only a listener meets them.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('answers');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 2);

# Creates a dispatch with a callback to a URL; the id of the callback.
sub create
{
    my ($url) = @_;
    my $callback = quote(json({ url => $url }));
    my $dispatch_id =
      $dispatch->sql(qq{SELECT dispatch.create_dispatch('parcel', callback => $callback)});
    return $dispatch->sql(
        qq{SELECT callback_id FROM dispatch.callbacks WHERE dispatch_id = '$dispatch_id'});
}

# Waits until a callback has its end; what readers see of it.
sub outcome
{
    my ($id) = @_;
    return wait_until(
        sub {
            $dispatch->sql(
                qq{SELECT state, attempts, last_status, last_error
                    FROM dispatch.callbacks WHERE callback_id = '$id'}
            );
        },
        sub { $_[0] =~ /^(DELIVERED|DEAD)/ },
        $Dispatch::patience,
        'the callback has its end');
}

# Addresses of this machine and of its network are refused, however they are written.
my $listener = $dispatch->start_listener(network => undef, poll => '0.05');
my $port     = $dispatch->{port};
my %refused  = (
    "127.0.0.1:$port"          => '127.0.0.1',
    "localhost:$port"          => '(127.0.0.1|::1)',
    "2130706433:$port"         => '127.0.0.1',
    "0x7f.1:$port"             => '127.0.0.1',
    "0177.0.0.1:$port"         => '127.0.0.1',
    "127.1:$port"              => '127.0.0.1',
    "0x7f000001:$port"         => '127.0.0.1',
    "017700000001:$port"       => '127.0.0.1',
    "0.0.0.0:$port"            => '0.0.0.0',
    "[::1]:$port"              => '::1',
    "[::ffff:127.0.0.1]:$port" => '127.0.0.1',
    "[::ffff:7f00:1]:$port"    => '127.0.0.1',
    "[::127.0.0.1]:$port"      => '::(127.0.0.1|7f00:1)',
    "[64:ff9b::7f00:1]:$port"  => '64:ff9b::7f00:1',
    '[64:ff9b:1::a01:203]'     => '64:ff9b:1::a01:203',
    '[2002:7f00:1::1]'         => '2002:7f00:1::1',
    '[2001::1]'                => '2001::1',
    '[2001:db8::1]'            => '2001:db8::1',
    '[ff02::1]'                => 'ff02::1',
    '10.1.2.3'                 => '10.1.2.3',
    '172.16.0.1'               => '172.16.0.1',
    '192.168.0.1'              => '192.168.0.1',
    '169.254.169.254'          => '169.254.169.254',
    '100.64.0.1'               => '100.64.0.1',
    '100.127.255.255'          => '100.127.255.255',
    '172.31.255.255'           => '172.31.255.255',
    '198.18.0.1'               => '198.18.0.1',
    '224.0.0.1'                => '224.0.0.1',
    '240.0.0.1'                => '240.0.0.1',
    '255.255.255.255'          => '255.255.255.255',
    '[fe80::1]'                => 'fe80::1',
    '[fd00::1]'                => 'fd00::1');
my %ids = map { $_ => create("http://$_/refused") } sort keys %refused;
for my $host (sort keys %refused)
{
    like(
        outcome($ids{$host}),
        qr/^DEAD\|2\|\|address $refused{$host} is not allowed \(see --allow-network\)$/,
        "$host is refused");
}
is(scalar($dispatch->receipts), 0, 'the receiver was not called');
is($listener->stop,             0, 'the listener ends cleanly');

# What is allowed is what was allowed, no more.
$listener = $dispatch->start_listener(network => '127.0.0.2/31', poll => '0.05');
is( outcome(create("http://127.0.0.1:$port/refused")),
    'DEAD|2||address 127.0.0.1 is not allowed (see --allow-network)',
    'allowing one network allows no other');
is($listener->stop, 0, 'the listener ends cleanly');

# Receivers that misbehave, all of them at once.
$listener = $dispatch->start_listener(poll => '0.05', timeout => 1, lease => 10);
my $closed      = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
my $deaf        = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "no port: $!";
my $closed_port = $closed->sockport;
$closed->close;
%ids = (
    (   map { $_ => create($dispatch->url($_)) }
          qw(/close?close=1 /closeonce?close=1&times=1 /hang?hang=1 /hangonce?hang=1&times=1
          /slow?delay=200 /slower?delay=5000 /huge?size=5000000
          /hugefailure?status=500&size=5000000)
    ),
    closed => create("http://127.0.0.1:$closed_port/"),
    deaf   => create('http://127.0.0.1:' . $deaf->sockport . '/'),
    tls    => create("https://127.0.0.1:$port/tls"));
like(
    outcome($ids{'/close?close=1'}),
    qr/^DEAD\|2\|\|failed waiting for the answer: /,
    'a receiver that closes is tried again, then given up');
is(outcome($ids{'/closeonce?close=1&times=1'}),
    'DELIVERED|2|200|', '... unless it answers the second time');
is( outcome($ids{'/hang?hang=1'}),
    'DEAD|2||timed out after 1 s waiting for the answer',
    'one that never answers has its time');
is(outcome($ids{'/hangonce?hang=1&times=1'}), 'DELIVERED|2|200|', '... and is tried again');
is(outcome($ids{'/slow?delay=200'}),          'DELIVERED|1|200|', 'one that is slow is waited for');
is( outcome($ids{'/slower?delay=5000'}),
    'DEAD|2||timed out after 1 s waiting for the answer',
    '... but not too long');
is(outcome($ids{'/huge?size=5000000'}), 'DELIVERED|1|200|', 'a huge answer is an answer');
is(outcome($ids{'/hugefailure?status=500&size=5000000'}),
    'DEAD|2|500|', '... and its status counts');
is( $dispatch->sql(
        qq{SELECT excerpt ~ '^x+\$' AND length(excerpt) <= 500
            FROM dispatch.attempts WHERE callback_id = '$ids{'/huge?size=5000000'}'}
    ),
    't',
    '... of which the beginning is kept');
like(outcome($ids{closed}), qr/^DEAD\|2\|\|could not connect: Connection refused$/, 'nobody there');
is( outcome($ids{deaf}),
    'DEAD|2||timed out after 1 s waiting for the answer',
    'somebody who takes the connection only');
like(
    outcome($ids{tls}),
    qr/^DEAD\|2\|\|failed in the TLS handshake: /,
    'a receiver that does not speak TLS');

is($listener->stop, 0, 'the listener ends cleanly');

# None of them keeps the others waiting.
$listener = $dispatch->start_listener;
my $waiting = create($dispatch->url('/hangagain?hang=1'));
$dispatch->wait_for_receipts(1, '/hangagain');
is(outcome(create($dispatch->url('/meanwhile'))),
    'DELIVERED|1|200|', 'a callback goes out while another waits');
is( $dispatch->sql(
        qq{SELECT state, attempts FROM dispatch.callbacks WHERE callback_id = '$waiting'}),
    'PENDING|1',
    '... which it does still');

is($listener->crash, 128 + 9, 'the listener is killed');

# Answers that are odd, malformed or none at all: the path says which.
my %answers = (
    binary   => "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\0\xff\xfe\0ab\xc3\xe2",
    lorry    => "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" . "\xf0\x9f\x9a\x9a" x 150,
    continue => "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    short    => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    gone     => "HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\nnonsense",
    early    => "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    retry    => "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
    header   => "HTTP/1.1 200 OK\r\n" . "X-Header: 1234567890\r\n" x 10000 . "\r\n",
    ssh      => "SSH-2.0-OpenSSH_9.2\r\n",
    text     => "no HTTP at all");
my $server = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1') or die "no port: $!";
my $odd    = Dispatch::Process->start_function(
    'odd receiver',
    sub {
        $SIG{PIPE} = 'IGNORE';
        while (my $connection = $server->accept)
        {
            sysread($connection, my $request, 65536);
            syswrite($connection, $answers{$1}) if $request =~ m{^POST /(\w+)};
            shutdown($connection, 1);
            sysread($connection, $request, 65536);
        }
    });
my $base = 'http://127.0.0.1:' . $server->sockport;
$dispatch->sql('DELETE FROM dispatch.queue');
$listener = $dispatch->start_listener(poll => '0.05');
%ids      = map { $_ => create("$base/$_") } sort keys %answers;

sub excerpt
{
    my ($id) = @_;
    return $dispatch->sql(
        qq{SELECT excerpt FROM dispatch.attempts WHERE callback_id = '$id'
            ORDER BY attempt DESC LIMIT 1});
}
is(outcome($ids{binary}), 'DELIVERED|1|200|', 'an answer of bytes that are no text');
like(excerpt($ids{binary}), qr/ab/, '... of which the readable part is kept');
is(outcome($ids{lorry}), 'DELIVERED|1|200|', 'an answer of letters that take four bytes');
like(excerpt($ids{lorry}), qr/^(\xf0\x9f\x9a\x9a)+$/, '... is not cut within one');
is(outcome($ids{continue}), 'DELIVERED|1|200|', 'an answer that follows 100');
is(outcome($ids{short}), 'DELIVERED|1|200|', 'an answer whose body breaks off');
is(outcome($ids{gone}),     'DEAD|1|410|',      '... and one whose body is nonsense');
is(outcome($ids{early}),    'DELIVERED|1|204|', 'an answer that follows 103');
is(outcome($ids{retry}),    'DEAD|2|503|',      'a Retry-After that says nothing');
is( outcome($ids{header}),
    "DEAD|2||the answer's header is longer than 65536 bytes",
    'a header without end');

for my $name (qw(ssh text))
{
    like(outcome($ids{$name}),
        qr/^DEAD\|2\|\|.*answer/, "what is not HTTP ($name) is no answer, and the error says so");
}
is($listener->stop, 0, 'the listener ends cleanly');

# A database whose encoding lacks the letters of an answer: it was delivered nevertheless.
$dispatch->sql(
    q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
my $lorry = quote(json({ url => "$base/lorry" }));
my $good  = $dispatch->callback('/latin');
$dispatch->sql(
    qq{SET client_encoding = 'UTF8';
    CREATE EXTENSION dispatch;
    SELECT dispatch.create_type('parcel', additional_attributes => true);
    SELECT dispatch.create_dispatch('parcel',
        custom_data => '{"name": "Gr\x{c3}\x{bc}\x{c3}\x{9f}e"}',
        callback => $good);
    SELECT dispatch.create_dispatch('parcel', callback => $lorry)}, 'latin');
$listener =
  $dispatch->start_listener(database => 'latin', poll => '0.05', timeout => 1, lease => '1.5');
wait_until(
    sub {
        $dispatch->sql(
            q{SELECT coalesce(sum(attempts), 0)
                FROM dispatch.callbacks WHERE NOT leased OR attempts > 1},
            'latin');
    },
    sub { $_[0] >= 2 },
    $Dispatch::patience,
    'both callbacks were sent, or one again and again');
is( $dispatch->sql(
        q{SELECT state, attempts, last_status FROM dispatch.callbacks ORDER BY callback_id},
        'latin'),
    "DELIVERED|1|200\nDELIVERED|1|200",
    'what a LATIN1 database cannot store of an answer does not matter');
my ($receipt) = $dispatch->receipts('/latin');
is(body_of($receipt)->{data}{customData}{name}, "Gr\x{fc}\x{df}e", 'its letters are sent as UTF-8');
is($receipt->{signature},                       'valid',           '... and signed as such');
is($listener->stop,                             0,                 'the listener ends cleanly');
$odd->crash;

done_testing();

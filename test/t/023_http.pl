# What a listener tells of itself over HTTP, and clients who mean no good.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('http');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 2);

my $listener = $dispatch->start_listener(poll => '0.1', http => '127.0.0.1:0');
my ($port) = $listener->log =~ /event=http address=127.0.0.1 port=(\d+)/;

# A connection to the listener.
sub connection
{
    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $port,
        Timeout  => $Dispatch::patience) // die "could not connect: $!";
}

# Sends text in these pieces; all that comes back until the connection is closed.
sub exchange
{
    my (@pieces) = @_;
    my $socket = connection();
    my $answer = '';

    local $SIG{PIPE} = 'IGNORE';
    syswrite($socket, $_) for @pieces;
    while (sysread($socket, $answer, 65536, length $answer)) { }
    return $answer;
}

# What a GET returns: the status, and the body.
sub get
{
    my ($path) = @_;
    my ($status, $body) =
      exchange("GET $path HTTP/1.1\r\nHost: here\r\n\r\n") =~ m{^HTTP/1.1 (\d+) .*?\r\n\r\n(.*)}s;
    return ($status // 0, $body // '');
}

# All metrics, by name with labels.
sub metrics
{
    my ($status, $body) = get('/metrics');
    return map { /^(\S+) (\S+)$/ ? ($1 => $2) : () } grep { !/^#/ } split /\n/, $body;
}

# One metric, without the common part of its name.
sub metric
{
    my ($name) = @_;
    my %metrics = metrics();
    return $metrics{"dispatch_listener_$name"} // 'none';
}

# Creates dispatches with a callback to a path.
sub create
{
    my ($path, $count) = @_;
    my $callback = $path =~ m{^/} ? $dispatch->callback($path) : quote(json({ url => $path }));
    $dispatch->sql("SELECT dispatch.create_dispatch('parcel', callback => $callback)"
          . " FROM generate_series(1, $count)");
    return;
}

# Waits until /healthz answers so.
sub wait_for_health
{
    my ($pattern) = @_;
    return wait_until(
        sub { join ' ', get('/healthz') },
        sub { $_[0] =~ $pattern },
        $Dispatch::patience,
        "the health is as $pattern");
}

# The numbers.
my $nobody = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
my $closed = $nobody->sockport;
$nobody->close;
create('/good',                    20);
create('/missing?status=404',      1);
create('/gone?status=410',         1);
create('/moved?location=/else',    1);
create('/busy?status=503&times=1', 1);
create('/close?close=1',           1);
create("http://127.0.0.1:$closed/", 1);
create('http://10.0.0.1/',          1);
create('http://nowhere.invalid/',   1);
create("https://127.0.0.1:$dispatch->{port}/", 1);
$dispatch->wait_until_drained;
my %metrics  = metrics();
my %expected = (
    'info{version="1.0"}'             => 1,
    healthy                           => 1,
    answered_total                    => 22,
    failed_total                      => 15,
    repeated_total                    => 8,
    'requests_total{class="2xx"}'     => 21,
    'requests_total{class="3xx"}'     => 2,
    'requests_total{class="4xx"}'     => 3,
    'requests_total{class="5xx"}'     => 1,
    'requests_total{class="refused"}' => 2,
    'requests_total{class="resolve"}' => 2,
    'requests_total{class="connect"}' => 2,
    'requests_total{class="tls"}'     => 2,
    'requests_total{class="timeout"}' => 0,
    'requests_total{class="broken"}'  => 2,
    in_flight                         => 0,
    waiting                           => 0,
    unrecorded                        => 0,
    held_bytes                        => 0,
    leases_lost_total                 => 0,
    claimed_total                     => 37,
    request_duration_seconds_count    => 37,
    'connected{session="claim"}'      => 1,
    'connected{session="finish"}'     => 1,
    'request_duration_seconds_bucket{le="+Inf"}' => 37);
is($metrics{"dispatch_listener_$_"}, $expected{$_}, $_) for sort keys %expected;
cmp_ok($metrics{dispatch_listener_claims_total}, '>', 1, 'claims are counted');
cmp_ok(abs(time - $metrics{dispatch_listener_last_claim_timestamp_seconds}),
    '<', 30, 'the last claim has its time');
cmp_ok($metrics{dispatch_listener_request_duration_seconds_sum}, '>', 0, 'durations are added up');

# The format: every metric has its help and type, buckets grow, nothing is said of URLs.
my ($status, $body) = get('/metrics');
my (%types, @strange);
for my $line (split /\n/, $body)
{
    if    ($line =~ /^# HELP (dispatch_listener_[a-z_]+) \S.*\.$/)                  { }
    elsif ($line =~ /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/)                 { $types{$1} = $2; }
    elsif ($line =~ /^([a-z_]+?)(_bucket|_sum|_count)?(\{[a-z]+="[^"]+"\})? -?[\d.]+$/)
    {
        push @strange, $line unless exists $types{$1} || exists $types{ $1 . ($2 // '') };
    }
    else { push @strange, $line; }
}
is("@strange", '', 'every line of /metrics is as Prometheus wants it');
my @buckets = $body =~ /_bucket\{le="[^"]+"\} (\d+)/g;
is_deeply(\@buckets, [ sort { $a <=> $b } @buckets ], '... buckets hold those below too');
unlike($body, qr{127\.0\.0\.1|http:|nowhere}, '... no host or URL is named');

# The protocol.
is(join(' ', get('/healthz')),     "200 ok\n",        '/healthz');
is(join(' ', get('/healthz?a=b')), "200 ok\n",        '... with a query');
is(join(' ', get('/')),            "404 Not Found\n", 'another path');
like(exchange("POST /metrics HTTP/1.1\r\n\r\n"), qr{^HTTP/1.1 405 .*Allow: GET}s, 'another method');
my $head = exchange("HEAD /healthz HTTP/1.1\r\n\r\n");
like($head, qr{^HTTP/1.1 200 OK\r\n.*Content-Length: 3\r\n.*\r\n\r\n\z}s, 'HEAD');
like(exchange("GET /healthz HTTP/1.0\r\n\r\n"), qr{^HTTP/1.1 200 .*\r\n\r\nok\n\z}s, 'HTTP/1.0');
like(exchange(split //, "GET /healthz HTTP/1.1\r\nA: b\r\n\r\n"),
    qr{^HTTP/1.1 200 .*ok\n\z}s, 'letter by letter');
like(exchange("GET /healthz HTTP/1.1\r\n\r\n" x 3), qr{^HTTP/1.1 200 .*ok\n\z}s, 'one after another');
for my $nonsense ("\r\n\r\n", "GET\r\n\r\n", "GET /healthz\r\n\r\n", "GET / SSH\r\n\r\n",
    "\0" x 10, 'x' x 5000, "GET /" . 'x' x 5000 . " HTTP/1.1\r\n\r\n")
{
    like(exchange($nonsense), qr{^(HTTP/1.1 400 .*|)\z}s, 'nonsense');
}
like(join(' ', get('/healthz')), qr/^200/, 'it is still there');

# Clients who say nothing, or only begin, and many of them.
my $files = sub { my @files = glob "/proc/${\$listener->pid}/fd/*"; return scalar @files; };
my $before = $files->();
my @idle   = map { connection() } 1 .. 200;
syswrite($_, "GET /metr") for @idle[ 100 .. 199 ];
create('/meanwhile', 500);
$dispatch->wait_until_drained;
is(scalar($dispatch->receipts('/meanwhile')), 500, 'callbacks are delivered meanwhile');
like(join(' ', get('/healthz')), qr/^200/, 'one more client has its answer');
cmp_ok($files->() - $before, '<', 64, 'few files are open');
my $one = connection();
$one->blocking(1);
is(sysread($one, my $nothing, 1), 0, 'a client who says nothing is left after a while');
@idle = ();

# Health.
$dispatch->node->stop;
like(wait_for_health(qr/^503/), qr/^503 the session that .* is not connected$/, 'the server is away');
is(metric('healthy'),                    0, '... the metrics say so too');
is(metric('connected{session="claim"}'), 0, '... of each session');
cmp_ok(metric('session_failures_total{session="claim"}'), '>', 0, '... and count');
$dispatch->node->start;
wait_for_health(qr/^200/);
pass('the server is back');
$dispatch->sql(q{ALTER FUNCTION dispatch.claim_callbacks RENAME TO unclaim});
like(wait_for_health(qr/^503/), qr/^503 (no claim has succeeded|the session that claims)/,
    'claims fail');
$dispatch->sql(q{ALTER FUNCTION dispatch.unclaim RENAME TO claim_callbacks});
wait_for_health(qr/^200/);
pass('claims succeed again');

# While it stops, it says so: whoever balances load by it goes elsewhere.
create('/slow?delay=3000', 1);
$dispatch->wait_for_receipts(1, '/slow');
$listener->signal('TERM');
is(wait_for_health(qr/^503/), "503 stopping\n", 'it is about to stop');
is($listener->wait,           0,                'the listener ends cleanly');

# The command line.
my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
$listener = $dispatch->new_listener(http => '127.0.0.1:' . $taken->sockport);
is($listener->wait, 1, 'a port that is taken');
like($listener->log, qr/event=http_failed error="Address already in use"/, '... which the log says');
for my $wrong ('', '9187', ':9187', '127.0.0.1', '127.0.0.1:', 'localhost:1', '::1:80', '[::1]',
    '[127.0.0.1]:1', '127.0.0.1:65536', '127.0.0.1:-1')
{
    is($dispatch->new_listener(http => $wrong)->wait, 2, "\"$wrong\" is no address and port");
}

done_testing();

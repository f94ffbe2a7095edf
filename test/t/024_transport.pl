# How requests travel: TLS, HTTP/2, connections that are kept, keys that change, clocks that differ.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('transport');
my $dir      = $dispatch->{dir};

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 1);

# Creates dispatches with a callback to a URL.
sub create
{
    my ($url, $count) = @_;
    my $callback = quote(json({ url => $url }));
    $dispatch->sql("SELECT dispatch.create_dispatch('parcel', callback => $callback)"
          . ' FROM generate_series(1, '
          . ($count // 1)
          . ')');
    return;
}

# Creates one, and waits until it has its end; the end.
sub outcome
{
    my ($url) = @_;
    create($url);
    $dispatch->wait_until_drained;
    return $dispatch->sql(
        q{SELECT state, last_status, last_error FROM dispatch.callbacks ORDER BY callback_id DESC LIMIT 1}
    );
}

# Waits until a log has something.
sub wait_for_log
{
    my ($process, $pattern) = @_;
    return wait_until(
        sub { $process->log },
        sub { $_[0] =~ $pattern },
        $Dispatch::patience,
        "the log has $pattern");
}

# Certificates: an authority of our own, and what it signs.
sub openssl
{
    my (@arguments) = @_;
    system_or_bail('sh', '-c', 'exec openssl "$@" 2>/dev/null', 'openssl', @arguments);
    return;
}
my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);
openssl('req', '-x509', @key, '-keyout' => "$dir/$_.key", '-out' => "$dir/$_.pem",
    '-subj' => "/CN=$_", '-days' => 2)
  for qw(authority stranger);

sub certificate
{
    my ($name, $authority, $subject, $days) = @_;
    my $extensions = "$dir/$name.ext";

    append_to_file($extensions, "subjectAltName=$subject\n");
    openssl('req', @key, '-keyout' => "$dir/$name.key", '-out' => "$dir/$name.csr",
        '-subj' => "/CN=$name");
    openssl('x509', '-req', '-in' => "$dir/$name.csr", '-CA' => "$dir/$authority.pem",
        '-CAkey' => "$dir/$authority.key", '-set_serial' => 1 + int(rand(1e9)),
        '-extfile' => $extensions, '-days' => $days, '-out' => "$dir/$name.crt");
    append_to_file("$dir/$name.pem", slurp_file("$dir/$name.crt") . slurp_file("$dir/$name.key"));
    return;
}
certificate('good',    'authority', 'IP:127.0.0.1', 2);
certificate('foreign', 'authority', 'DNS:other.test', 2);
certificate('expired', 'authority', 'IP:127.0.0.1', -1);
certificate('unknown', 'stranger',  'IP:127.0.0.1', 2);

# A receiver for each, which speaks HTTP/1.1 only.
my (%receivers, %urls);
for my $name (qw(good foreign expired unknown))
{
    $receivers{$name} = Dispatch::Process->start(
        $name, "$dir/$name.log", Dispatch::program('DISPATCH_RECEIVER', 'receiver'),
        '--port'        => 0,
        '--port-file'   => "$dir/$name.port",
        '--certificate' => "$dir/$name.pem",
        '--log'         => "$dir/$name.receipts");
    wait_until(sub { -s "$dir/$name.port" }, sub { $_[0] }, $Dispatch::patience, "$name is ready");
    $urls{$name} = 'https://127.0.0.1:' . (0 + slurp_file("$dir/$name.port")) . '/';
}

# Without --ca-file the system's authorities count, and none of them is ours.
my $listener = $dispatch->start_listener(poll => '0.05');
like(outcome($urls{good}), qr/^DEAD\|\|failed in the TLS handshake: .*issuer certificate/,
    'an authority that the system does not know');
is($listener->stop, 0, 'the listener ends cleanly');

$listener = $dispatch->start_listener(poll => '0.05', 'ca-file' => "$dir/authority.pem");
is(outcome($urls{good}), 'DELIVERED|200|', 'an authority of --ca-file');
my %reasons = (
    foreign => 'no alternative certificate subject name matches',
    expired => 'certificate has expired',
    unknown => '(unable to get local issuer certificate|self.signed certificate)');
for my $name (sort keys %reasons)
{
    like(outcome($urls{$name}),
        qr/^DEAD\|\|failed in the TLS handshake: .*$reasons{$name}/, "a certificate that is $name");
    ok(!-s "$dir/$name.receipts", '... nothing was sent there');
}
is(outcome($urls{good}), 'DELIVERED|200|', 'the good one once more');

# HTTP/2, where the host speaks it.
my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
my $port = $free->sockport;
$free->close;
mkdir "$dir/pages";
append_to_file("$dir/pages/index.html", "thanks\n");
my $modern = Dispatch::Process->start('nghttpd', "$dir/nghttpd.log", 'nghttpd', '-v',
    '-a' => '127.0.0.1', '-d' => "$dir/pages", $port, "$dir/good.key", "$dir/good.crt");
wait_until(
    sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) },
    sub { defined $_[0] },
    $Dispatch::patience,
    'nghttpd is ready');
is(outcome("https://127.0.0.1:$port/"), 'DELIVERED|200|', 'a host that speaks HTTP/2');
wait_for_log($modern, qr/The negotiated protocol: h2.*:method: POST.*webhook-id/s);
pass('... has it');
create("https://127.0.0.1:$port/", 1000);
$dispatch->wait_until_drained;
is( $dispatch->sql(
        q{SELECT state, attempts, last_status, count(*) FROM dispatch.callbacks
            WHERE last_error IS NULL GROUP BY 1, 2, 3}),
    'DELIVERED|1|200|1003', 'a thousand more');
my %connections = map { $_ => 1 } $modern->log =~ /^\[id=(\d+)\]/mg;
cmp_ok(scalar(keys %connections), '<=', 33, '... over few connections');
is($listener->stop, 0, 'the listener ends cleanly');

# A connection that hangs is left: the next request does not wait on it too.
$listener = $dispatch->start_listener(
    poll      => '0.05',
    timeout   => 1,
    'ca-file' => "$dir/authority.pem");
is(outcome("https://127.0.0.1:$port/"), 'DELIVERED|200|', 'a connection over HTTP/2');
$modern->signal('STOP');
is( outcome("https://127.0.0.1:$port/"),
    'DEAD||timed out after 1 s waiting for the answer',
    '... on which no answer comes any more');
is( outcome("https://127.0.0.1:$port/"),
    'DEAD||timed out after 1 s in the TLS handshake',
    '... is not used again');
$modern->signal('CONT');
is(outcome("https://127.0.0.1:$port/"), 'DELIVERED|200|', '... and the host is, once it is back');
is($listener->stop, 0, 'the listener ends cleanly');

# Connections are kept, and not too many of them.
my $receiver_port = $dispatch->{port};
my $open          = sub {
    my $remote = sprintf '0100007F:%04X', $receiver_port;
    return scalar grep { (split)[2] eq $remote && (split)[3] eq '01' } split /\n/,
      slurp_file('/proc/net/tcp');
};
$listener = $dispatch->start_fooled_listener(
    concurrency => 4,
    poll        => '0.05',
    hosts       => join '', map { "h$_.test 127.0.0.1\n" } 1 .. 20);
for my $i (1 .. 20)
{
    create($dispatch->url("/kept?$i"));
    $dispatch->wait_for_receipts($i, '/kept');
}
my %ports = map { $_->{clientPort} => 1 } $dispatch->receipts('/kept');
is(scalar(keys %ports), 1, 'twenty callbacks, one after another, go over one connection');
create("http://h$_.test:$receiver_port/many") for 1 .. 20;
$dispatch->wait_for_receipts(20, '/many');
%ports = map { $_->{clientPort} => 1 } $dispatch->receipts('/many');
is(scalar(keys %ports), 20, 'twenty hosts have a connection each');
wait_until($open, sub { $_[0] <= 5 }, $Dispatch::patience, 'few connections are left');
pass('... of which no more are kept than may be used at a time');
is($listener->stop, 0, 'the listener ends cleanly');
unlike($listener->log, qr/clock_offset/, '... and had nothing to say of clocks');

# New keys without a restart. The receiver knows the first one.
my ($first, $second) = (Dispatch::new_key(), Dispatch::new_key());
$dispatch->write_keys("* $first");
$dispatch->{receiver}->stop;
$dispatch->start_receiver;
$listener = $dispatch->start_listener(poll => '0.05');

sub signature
{
    my ($path) = @_;
    create($dispatch->url($path));
    my ($receipt) = $dispatch->wait_for_receipts(1, $path);
    my $signature = $receipt->{headers}{'webhook-signature'} // '';
    return join ' ', $receipt->{signature}, scalar(() = $signature =~ /v1,/g);
}

# Sends SIGHUP with the file as it is now, and waits for what the log says.
sub reload
{
    my ($pattern) = @_;
    my $before = length $listener->log;
    $listener->signal('HUP');
    return wait_until(
        sub { substr($listener->log, $before) },
        sub { $_[0] =~ $pattern },
        $Dispatch::patience,
        "the log has $pattern");
}
is(signature('/key1'), 'valid 1', 'signed by the first key');
$dispatch->write_keys("* $first", "* $second");
is(signature('/key2'), 'valid 1', 'a file that has changed is not read by itself');
reload(qr/event=keys_read keys=2$/m);
is(signature('/key3'), 'valid 2', '... but after SIGHUP, and both keys sign');
$dispatch->write_keys("127.0.0.1 $first", '* whsec_secret');
my $said = reload(qr/event=keys_kept .*\n/);
like($said, qr/ error="signing keys .*, line 2: the key is not valid/, 'a bad file is named');
unlike($said, qr/secret|\Q$first\E/, '... and not what it holds');
is(signature('/key4'), 'valid 2', '... and the keys stay as they were');
unlink $dispatch->{keys};
reload(qr/event=keys_kept error="could not open signing keys /);
is(signature('/key5'), 'valid 2', '... as without a file');
$dispatch->write_keys('# nothing yet');
reload(qr/event=keys_kept error="signing keys .*: no key in it"/);
is(signature('/key5a'), 'valid 2', '... and where it has no key, since it is being written perhaps');
$dispatch->write_keys("* $first", "127.0.0.1 $second");
reload(qr/event=keys_read keys=2$/m);
is(signature('/key6'), 'invalid 1', 'a host that is known already gets the key of its own');
$dispatch->write_keys("other.test $second");
reload(qr/event=keys_read keys=1$/m);
is(signature('/key7'), 'none 0', 'or none');
like($listener->log, qr/event=unsigned host=127\.0\.0\.1 /, '... which is said');
is($listener->stop, 0, 'the listener ends cleanly');

# A clock that is wrong.
$listener = $dispatch->start_fooled_listener(clock => -600, poll => '0.05');
like($listener->log, qr/level=warning event=clock_offset ahead_ms=-(599|600|601)\d\d\d reason=/,
    'a clock that is ten minutes slow');
is($listener->stop, 0, 'the listener ends cleanly');

# The command line.
append_to_file("$dir/empty.pem", "no certificate\n");
for my $file ("$dir/missing.pem", "$dir/empty.pem", "$dir/good.key")
{
    $listener = $dispatch->new_listener('ca-file' => $file);
    is($listener->wait, 2, 'a --ca-file without certificates');
    like($listener->log, qr/--ca-file "\Q$file\E"/, '... which is named');
}

done_testing();

# A listener at work for a while with a third of the hosts dead and a third slow: its memory does not grow, the queue
# stays within bounds, and what goes to the healthy hosts is as quick as without the others. For
# DISPATCH_SOAK_SECONDS seconds, 40 if that is not set; an hour is its long form.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $seconds  = $ENV{DISPATCH_SOAK_SECONDS} // 40;
my $rate     = 500;
my $dispatch = Dispatch->new('soak', 'autovacuum_naptime = 5s');
my $node     = $dispatch->node;
my $port     = $dispatch->{port};

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '1s', 'dispatch.max_attempts' => 4);
my $listener = $dispatch->start_listener(timeout => 5);

# Hosts are known by their names: all of these are this machine. Nobody listens on port 1.
my @healthy = map { "http://$_:$port/healthy" } qw(127.0.0.1 localhost);
my @slow    = map { "http://$_:$port/slow?delay=200" } qw(127.1 2130706433);
my @dead    = map { "http://$_:1/dead" } qw(0x7f.1 0177.0.0.1);

# Creates dispatches with callbacks to URLs in turn, so many a second, for so many seconds.
sub create
{
    my ($name, $per_second, $how_long, @urls) = @_;
    my $script = "$dispatch->{dir}/$name.sql";
    my $list   = join ', ', map { quote($_) } @urls;
    append_to_file($script,
            '\set n random(1, ' . @urls . ")\n"
          . "SELECT dispatch.create_dispatch('parcel', callback => jsonb_build_object('url', (ARRAY[$list])[:n]));\n");
    return $node->command_ok(
        [
            'pgbench', '-n', '-M', 'prepared', '-c', '4', '-R', $per_second, '-T', $how_long, '-f', $script,
            'postgres'
        ],
        "$name: $per_second a second for $how_long s");
}

# How long the healthy hosts are alone, for comparison, and then all of them together.
my $alone_for    = $seconds / 4 < 240 ? $seconds / 4 : 240;
my $together_for = $seconds - $alone_for;

# The 99th percentile of the milliseconds from the event to the arrival of its request, of the healthy
# hosts, from a place in the receiver's log on.
sub p99
{
    my ($from) = @_;
    my $time = qr/[^T"]+T(\d\d):(\d\d):(\d\d\.\d+)Z/;
    my @took;
    open my $log, '<', "$dispatch->{dir}/receipts" or die $!;
    seek $log, $from, 0;
    while (<$log>)
    {
        my @t = m{^\{"time":"$time".*"path":"/healthy".*\\"timestamp\\":\\"$time} or next;
        push @took, (($t[0] - $t[3]) % 24 * 3600 + ($t[1] - $t[4]) * 60 + $t[2] - $t[5]) * 1000;
    }
    @took = sort { $a <=> $b } @took;
    return sprintf '%.1f', $took[ $#took * 0.99 ];
}

# How far the log of the receiver has come.
sub logged
{
    return -s "$dispatch->{dir}/receipts" // 0;
}

# The resident memory of the listener in kB.
sub memory
{
    my ($size) = slurp_file('/proc/' . $listener->pid . '/status') =~ /^VmRSS:\s+(\d+)/m;
    return $size;
}

# The healthy hosts alone, for comparison.
my $begun = logged();
create('healthy hosts alone', $rate / 3, $alone_for, @healthy);
$dispatch->wait_until_drained;
my $alone = p99($begun);

# All of them. Memory and queue are looked at all along: the first quarter against the last.
$begun = logged();
my @seen;
my $watch = Dispatch::Process->start_function(
    'watch',
    sub {
        for (1 .. $together_for * 0.85)
        {
            append_to_file("$dispatch->{dir}/seen",
                memory() . ' ' . $dispatch->sql('SELECT count(*) FROM dispatch.queue') . "\n");
            sleep 1;
        }
        return 0;
    });
create('all hosts', $rate, $together_for, @healthy, @slow, @dead);
$watch->wait;
@seen = map { [split] } split /\n/, slurp_file("$dispatch->{dir}/seen");
my $together = p99($begun);
my @hosts    = $dispatch->sql(
    q{SELECT host, pending, failures > 0, next_try IS NOT NULL FROM dispatch.hosts ORDER BY host});
note("hosts: @hosts");

my $quarter    = int(@seen / 4) || 1;
my ($first)    = sort { $b <=> $a } map { $_->[0] } @seen[0 .. $quarter - 1];
my ($last)     = sort { $b <=> $a } map { $_->[0] } @seen[-$quarter .. -1];
my ($most)     = sort { $b <=> $a } map { $_->[1] } @seen;
note("p99 of the healthy hosts: $alone ms alone, $together ms together; memory $first kB, then $last kB; at most $most in the queue");

# A machine that is busy with something else is slow with and without the others.
cmp_ok($together, '<', 2 * $alone + 1000, 'the healthy hosts do not suffer');
cmp_ok($last, '<', $first + 10_000, 'the memory of the listener does not grow');
cmp_ok($most, '<', $rate * 60, 'the queue stays within bounds');
is( $dispatch->sql(
        q{SELECT count(*) FROM dispatch.hosts WHERE host IN ('127.0.0.1', 'localhost', '127.1', '2130706433') AND failures > 0}),
    0, 'no healthy or slow host was taken for a dead one');
is( wait_until(
        sub { $dispatch->sql(q{SELECT count(*) FROM dispatch.queue}) },
        sub { $_[0] == 0 },
        $Dispatch::patience, 'everything has its end'),
    0,
    'in the end nothing is left: what goes to dead hosts is dead');
is( $dispatch->sql(
        q{SELECT string_agg(DISTINCT state || ' ' || regexp_replace(split_part(e.callback_url, '/', 4), '[?].*', ''), ', ')
            FROM dispatch.callbacks AS c JOIN dispatch.event_log AS e USING (dispatch_id, sequence)}),
    'DEAD dead, DELIVERED healthy, DELIVERED slow', 'and all the rest is delivered');
is($dispatch->sql('SELECT count(*) FROM dispatch.check_integrity()'), 0, 'all is in order');
is($listener->stop, 0, 'the listener ends cleanly');

done_testing();

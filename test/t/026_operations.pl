# The SQL of doc/operations.md, run from the first line to the last where there is something to do.

use strict;
use warnings FATAL => 'all';

use Test::More;

use PostgreSQL::Test::Utils;
use Dispatch;

my $dispatch = Dispatch->new('operations');
my $guide    = slurp_file('doc/operations.md');

$dispatch->sql(q{SELECT dispatch.create_type('parcel')});
$dispatch->configure('dispatch.retry_base' => '10ms', 'dispatch.max_attempts' => 1);

# Creates dispatches with a callback to the host of the guide, which is nowhere.
sub create
{
    my ($count) = @_;
    $dispatch->sql(qq{SELECT dispatch.create_dispatch('parcel',
            callback => '{"url": "http://api.example.com:1/"}') FROM generate_series(1, $count)});
    return;
}

# The SQL of a chapter, statement by statement as psql prints it.
sub run
{
    my ($chapter, $database) = @_;
    my ($text) = $guide =~ /^## \Q$chapter\E\n(.*?)(?=^## |\z)/ms;
    return map { $dispatch->sql($_, $database) } $text =~ /^```sql\n(.*?)^```$/msg;
}

# Some are dead.
create(3);
my $listener = $dispatch->start_fooled_listener(
    poll  => '0.05',
    hosts => "api.example.com 127.0.0.1\n");
$dispatch->wait_until_drained;
is($listener->stop, 0, 'the listener ends cleanly');
create(4);

like((run('First look'))[0], qr/^api\.example\.com\|4\|/, 'first look: the host and what waits');
my @answers = run('A host is dead');
is(scalar(@answers), 3, 'a dead host: paused, resumed, cancelled');
is($answers[1], "\n3",  '... the dead ones are sent again');
is($answers[2], '7',    '... and cancelled with the rest');
create(2);
is(scalar(run('The queue is full')), 2, 'a full queue: who is there, who is in the way');
is((run('A wrong key'))[0], '0', 'a wrong key: what died is sent again');
is((run('The server takes no writes'))[0], 'f|off', 'a server that takes writes');
run('Upgrades');
pass('an upgrade');

# A copy.
my $node = $dispatch->node;
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dispatch->{dir}/dump", $node->connstr('postgres') ], 'a dump');
$dispatch->sql('CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), "$dispatch->{dir}/dump" ], 'a copy');
$listener = $dispatch->new_listener(database => 'copy');
is($listener->wait, 1, 'a listener ends there at once');
like($listener->log, qr/there are callbacks that another database queued/, '... and says why');
is((run('A restored copy', 'copy'))[0], "2\n0", 'a restored copy: cancelled, adopted');
is($dispatch->new_listener(database => 'copy', once => 1)->wait, 0, '... and a listener is content');

# A role for it, and what the guide says of a listener that does not start.
run('Setting it up');
my $role = $dispatch->node->connstr('postgres') . ' user=dispatch-listener';
is($dispatch->new_listener(dbname => $role, once => 1, timeout => 1, lease => 2)->wait,
    1, 'the role can listen, though nobody answers');
$dispatch->sql('CREATE DATABASE empty; CREATE ROLE stranger LOGIN');
my %reasons = (
    "$role dbname=empty" => 'error="schema \"dispatch\" does not exist"',
    ($role =~ s/user=\S+/user=stranger/r) => 'error="permission denied for schema dispatch"');
for my $dbname (sort keys %reasons)
{
    ok($guide =~ /\Q$reasons{$dbname}\E/, "the guide knows $reasons{$dbname}");
    $listener = $dispatch->new_listener(dbname => $dbname);
    is($listener->wait, 1, '... with which a listener ends');
    like($listener->log, qr/\Q$reasons{$dbname}\E/, '... and which its log says');
}
run('Alerts');
pass('what to look at in the morning');
my $status = slurp_file('listener/status.c');
for my $name ($guide =~ /`(?:time\(\) - |abs\(|rate\()?([a-z_]+)(?:\)|\{.*?\})?(?: [>=]+ \d+)?`/g)
{
    next unless $name =~ /_seconds$|_total$|^(healthy|unrecorded|in_flight)$/;
    like($status, qr/"\Q$name\E"/, "there is a metric $name");
}

done_testing();

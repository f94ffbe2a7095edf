# What is killed in the crash test, and started again: the server, two listeners, the receiver. All
# are children of the test, which does what a supervisor does: what has ended is started again, after
# a pause of random length. When what was killed is noted.
package Crash::House;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time usleep);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Dispatch;

# Each listener signs with a key that no other has for long: a request tells who has sent it.
use constant LISTENERS => 2;
use constant KEYS      => 60;

# The longest pause before something is started again, in seconds.
use constant LONGEST_PAUSE => 0.3;

# The house of a cluster, which is stopped. How long leases are and requests may take is given.
sub new
{
    my ($class, $dispatch, %self) = @_;
    my $self = bless { dispatch => $dispatch, node => $dispatch->node, %self, lives => [] }, $class;

    $self->{port}   = PostgreSQL::Test::Cluster::get_free_port();
    $self->{keys}   = [ map { Dispatch::new_key() } 1 .. KEYS ];
    $self->{number} = { map { $_ => 0 } qw(server listener receiver) };
    $self->write_keys('keys', @{ $self->{keys} });
    $self->write_keys("key.$_", $self->{keys}[$_]) for 0 .. KEYS - 1;
    return $self;
}

# Where a file of ours is.
sub path { return "$_[0]->{dispatch}{dir}/$_[1]"; }

sub write_keys
{
    my ($self, $name, @keys) = @_;
    my $path = $self->path($name);

    open(my $file, '>', $path) or die "$path: $!";
    print $file "* $_\n" for @keys;
    close($file) or die "$path: $!";
    chmod 0600, $path;
    return;
}

sub url { return "http://127.0.0.1:$_[0]->{port}"; }

# Starts all of it.
sub set_up
{
    my ($self) = @_;

    $self->{lives} = [];
    $self->start($_) for ('server', 'receiver', ('listener') x LISTENERS);
    $self->settle;
    return;
}

# Starts one of a kind. Its life is noted: what it is, from when, until when, and how it ended.
sub start
{
    my ($self, $kind) = @_;
    my $number  = $self->{number}{$kind}++;
    my $starter = $self->can("start_$kind");
    my $life    = { kind => $kind, number => $number, from => time };

    $life->{process} = $self->$starter($number, $life);
    push @{ $self->{lives} }, $life;
    return;
}

sub start_server
{
    my ($self, $number, $life) = @_;

    $life->{log} = $self->path("server.$number");
    delete local $ENV{PGAPPNAME};
    return Dispatch::Process->start('server', $life->{log}, 'postgres',
        '-D' => $self->{node}->data_dir);
}

sub start_receiver
{
    my ($self, $number, $life) = @_;

    $life->{receipts} = $self->path("receipts.$number");
    $life->{ready}    = $self->path("port.$number");
    return Dispatch::Process->start(
        'receiver',    $self->path("receiver.$number"),
        Dispatch::program('DISPATCH_RECEIVER', 'receiver'),
        '--port'      => $self->{port},
        '--port-file' => $life->{ready},
        '--keys'      => $self->path('keys'),
        '--log'       => $life->{receipts});
}

sub start_listener
{
    my ($self, $number, $life) = @_;

    $life->{key} = $number % KEYS;
    delete local $ENV{PGAPPNAME};
    return Dispatch::Process->start(
        "listener $number", $self->path("listener.$number"),
        Dispatch::program('DISPATCH_LISTENER', 'dispatch-listener'),
        '--dbname'        => $self->{node}->connstr('postgres'),
        '--allow-network' => '127.0.0.0/8',
        '--signing-keys'  => $self->path("key.$life->{key}"),
        '--lease'         => $self->{lease},
        '--timeout'       => $self->{timeout},
        '--batch'         => 50,
        '--concurrency'   => 16,
        '--poll'          => 0.5);
}

# Those of a kind, or of any, that live.
sub living
{
    my ($self, $kind) = @_;
    return grep { !$_->{until} && (!defined $kind || $_->{kind} eq $kind) } @{ $self->{lives} };
}

# Kills one of a kind: "listener", "receiver"; "server", with all its processes; "backend", a single
# process of the server, which ends all others and starts them anew. Nothing happens where none lives.
sub strike
{
    my ($self, $kind) = @_;
    my @living = $self->living($kind eq 'backend' ? 'server' : $kind);
    my $life   = $living[ rand @living ] // return 0;

    return $self->kill_backend($life) if $kind eq 'backend';
    return $self->kill_server($life)  if $kind eq 'server';
    $life->{until} = time;
    $life->{process}->crash;
    $self->bury($life, 'killed');
    return 1;
}

# Its processes are stopped first, so that none is started while they are looked for.
sub kill_server
{
    my ($self, $life) = @_;

    $life->{process}->signal('STOP');
    my @children = children($life->{process}->pid);
    $life->{until} = time;
    $life->{process}->signal('KILL');
    kill('KILL', @children);
    $life->{process}->wait;
    Dispatch::wait_until(
        sub { scalar grep { is_alive($_) } @children },
        sub { $_[0] == 0 },
        $Dispatch::patience, 'the processes of the server are gone');
    $self->bury($life, 'killed');
    return 1;
}

sub kill_backend
{
    my ($self, $life) = @_;
    my @children = children($life->{process}->pid);
    my $child    = $children[ rand @children ] // return 0;

    push @{ $life->{wounds} }, time;
    kill('KILL', $child);
    return 1;
}

# Notes how a life ended, and when its successor is to be started. Between "until" and "dead" it died.
sub bury
{
    my ($self, $life, $how) = @_;

    $life->{dead} = time;
    $life->{until} //= $life->{dead};
    $life->{how} = $how;
    push @{ $self->{due} }, [ time + rand(LONGEST_PAUSE), $life->{kind} ];
    return;
}

# The processes that a process has started.
sub children
{
    my ($parent) = @_;
    my @children;

    for my $stat (glob '/proc/[0-9]*/stat')
    {
        my ($pid, $state, $its_parent) = status_of($stat) or next;
        push @children, $pid if $its_parent == $parent && $state ne 'Z';
    }
    return @children;
}

sub is_alive
{
    my ($pid) = @_;
    my (undef, $state) = status_of("/proc/$pid/stat") or return 0;
    return $state ne 'Z';
}

# A process as a file of /proc tells: its number, state and parent; nothing where it is gone.
sub status_of
{
    my ($path) = @_;
    open(my $file, '<', $path) or return;
    my $line = readline($file) // return;
    return $line =~ /\A(\d+) \(.*\) (\S) (\d+)/s;
}

# Lets time pass, and starts what is due.
sub pause
{
    my ($self, $seconds) = @_;
    my $until = time + $seconds;

    do
    {
        $self->look_after;
        usleep(10_000);
    } while (time < $until);
    return;
}

# Starts what is due, and buries what has ended by itself: a server does where its recovery is killed.
sub look_after
{
    my ($self) = @_;

    for my $life ($self->living)
    {
        $self->bury($life, 'ended') unless $life->{process}->is_running;
    }
    my @due = @{ $self->{due} // [] };
    $self->{due} = [ grep { $_->[0] > time } @due ];
    $self->start($_->[1]) for grep { $_->[0] <= time } @due;
    return;
}

# Lets time pass until everything is there and can be used.
sub settle
{
    my ($self) = @_;
    my $all = 2 + LISTENERS;

    wait_until(
        sub { $self->look_after; return $all == $self->living && $self->is_ready; },
        sub { $_[0] },
        $Dispatch::patience, 'all is up again');
    return;
}

sub is_ready
{
    my ($self) = @_;
    my ($receiver) = $self->living('receiver');

    return 0 unless -s $receiver->{ready};
    return !system('pg_isready', '--quiet', '--host=' . $self->{node}->host,
        '--port=' . $self->{node}->port);
}

# Ends everything in order. What was wrong: an exit status that is not 0, or an end without a reason.
sub shut
{
    my ($self) = @_;
    my %signals = (listener => 'TERM', receiver => 'TERM', server => 'INT');
    my @wrong;

    for my $life (map { $self->living($_) } qw(listener receiver server))
    {
        $life->{process}->signal($signals{ $life->{kind} });
        my $status = $life->{process}->wait;
        push @wrong, "$life->{kind} $life->{number}: $status" if $status != 0;
        $life->{until} = time;
        $life->{how}   = 'stopped';
    }
    $self->{due} = [];
    return @wrong, map { "$_->{kind} $_->{number} has ended by itself" }
      grep { $_->{how} eq 'ended' && !$_->{wounds} } @{ $self->{lives} };
}

# All that lived since it was set up.
sub lives { return @{ $_[0]->{lives} }; }

1;

# A writer of the crash test: a client that goes on with its transactions while the server is killed
# under it, and that knows of each in the end whether it committed. Where the answer to a COMMIT was
# lost, it looks the transaction up, or makes the call again with the same request_id.
#
# Each callback has a path of its own, TRANSACTION/NUMBER, so that whoever gets it can tell where it
# comes from, also when nothing of it should exist.
package Crash::Writer;

use strict;
use warnings FATAL => 'all';

use IPC::Open2;
use Time::HiRes qw(time usleep);

use Dispatch;

# The kinds of transactions, and how many of a hundred are of each.
my %kinds = (
    single     => 20,
    repeated   => 12,
    savepoints => 20,
    several    => 16,
    prepared   => 14,
    undone     => 10,
    failed     => 8);

# How a transaction ends.
my %ends = (
    single     => ['autocommit'],
    repeated   => ['autocommit'],
    savepoints => ['COMMIT'],
    several    => ['COMMIT'],
    prepared   => [ 'COMMIT PREPARED', 'COMMIT PREPARED', 'ROLLBACK PREPARED' ],
    undone     => ['ROLLBACK'],
    failed     => ['failure']);

# What the receiver is told to do, by chance: mostly nothing.
my @orders = (
    ('') x 13, '?delay=10', '?delay=40', '?delay=80', '?delay=80', '?status=503&times=1',
    '?status=500&times=1&delay=20', '?close=1&times=1');

# The same of a callback that asks whether a job can be added: 409 says no.
my @answers = (@orders, ('?status=409', '?status=409&delay=40') x 3);

# A writer. It needs its name; connstr; url, of the receiver; journal, the file that it writes; stop,
# the file that tells it to stop; seed.
sub new
{
    my ($class, %self) = @_;
    return bless {%self}, $class;
}

# Writes until it is told to stop, and puts a line for each transaction into the journal: "committed"
# or "undone"; its name; "told" or "looked up", as it came to know; "-" and the numbers of the
# callbacks that arrive if it committed; the same of those that never do.
sub run
{
    my ($self) = @_;

    srand($self->{seed});
    local $SIG{PIPE} = 'IGNORE';
    open(STDERR, '>', "$self->{journal}.errors") or die "$self->{journal}.errors: $!";
    open(my $journal, '>', $self->{journal}) or die "$self->{journal}: $!";
    while (!-e $self->{stop})
    {
        my $transaction = $self->make_transaction;
        my $outcome     = $self->attempt($transaction);
        my $how         = defined $outcome ? 'told' : 'looked up';

        $outcome //= $self->find_out($transaction);
        $self->{last} = "$transaction->{name}-a"
          if $outcome eq 'committed' && $transaction->{kind} ne 'repeated';
        print $journal join("\t",
            $outcome, $transaction->{name}, $how,
            map { join(',', '-', @{ $transaction->{$_} }) } qw(kept lost)),
          "\n";
    }
    close($journal) or die "$self->{journal}: $!";
    $self->disconnect;
    return;
}

# A new transaction: its statements, how it ends, and the numbers of its callbacks.
sub make_transaction
{
    my ($self) = @_;
    my $kind   = $self->{last} ? pick(map { ($_) x $kinds{$_} } sort keys %kinds) : 'single';
    my $end    = pick(@{ $ends{$kind} });
    my $commit = $end =~ /commit/i;
    my $t      = {
        writer => $self,
        kind   => $kind,
        name   => $self->{name} . 'n' . ++$self->{count},
        end    => $end,
        fate   => $commit ? 'kept' : 'lost',
        sql    => [],
        kept   => [],
        lost   => []
    };

    push @{ $t->{sql} }, 'BEGIN;' if $end ne 'autocommit';
    __PACKAGE__->can("fill_$kind")->($t);
    push @{ $t->{sql} }, "PREPARE TRANSACTION '$t->{name}';", "$end '$t->{name}';"
      if $kind eq 'prepared';
    push @{ $t->{sql} }, 'COMMIT;'   if $end eq 'COMMIT' || $end eq 'failure';
    push @{ $t->{sql} }, 'ROLLBACK;' if $end eq 'ROLLBACK';
    return $t;
}

# One statement that is a transaction.
sub fill_single
{
    my ($t) = @_;
    create($t, 'a', $t->{fate});
    return;
}

# The same of a call that may be made again.
sub fill_repeated
{
    my ($t) = @_;
    add_job($t, $t->{writer}{last}, $t->{fate}, "request_id => '$t->{name}'");
    return;
}

# Savepoints that are rolled back and released, one inside of the other.
sub fill_savepoints
{
    my ($t) = @_;

    if (rand() < 0.7)
    {
        create($t, 'a', $t->{fate});
    }
    else
    {
        push @{ $t->{sql} }, "SELECT dispatch.create_dispatch('parcel', '$t->{name}-a');";
    }
    push @{ $t->{sql} }, 'SAVEPOINT one;';
    create($t, 'b', 'lost');
    push @{ $t->{sql} }, 'SAVEPOINT two;';
    add_job($t, "$t->{name}-b", 'lost');
    push @{ $t->{sql} }, 'RELEASE two;' if rand() < 0.5;
    push @{ $t->{sql} }, 'ROLLBACK TO one;';
    return if rand() < 0.3;
    push @{ $t->{sql} }, 'SAVEPOINT three;';
    add_job($t, "$t->{name}-a", $t->{fate});
    push @{ $t->{sql} }, 'RELEASE three;';
    return;
}

# Several dispatches, new ones and one that was there.
sub fill_several
{
    my ($t) = @_;

    create($t, $_, $t->{fate}) for ('a' .. pick('b', 'c', 'd'));
    add_job($t, $t->{writer}{last}, $t->{fate});
    callback($t, $t->{fate}, "dispatch.update_sub_status(dispatch.dispatch_id('$t->{name}-a'), 'ON'");
    return;
}

# What is prepared holds its locks until it is found again, so it changes nothing that was there.
sub fill_prepared
{
    my ($t) = @_;
    create($t, $_, $t->{fate}) for ('a' .. pick('a', 'b'));
    return;
}

sub fill_undone
{
    my ($t) = @_;
    create($t, 'a', 'lost');
    add_job($t, $_, 'lost') for ("$t->{name}-a", $t->{writer}{last});
    return;
}

# A reference that is taken fails, and COMMIT rolls back.
sub fill_failed
{
    my ($t) = @_;
    create($t, $_, 'lost') for ('a', 'b', 'a');
    return;
}

sub create
{
    my ($t, $letter, $fate) = @_;
    callback($t, $fate, "dispatch.create_dispatch('parcel', '$t->{name}-$letter', '{a,b}'");
    return;
}

# The job has the name of the callback. One of three asks first.
sub add_job
{
    my ($t, $ref, $fate, @arguments) = @_;
    my $number = @{ $t->{kept} } + @{ $t->{lost} };

    callback($t, $fate, "dispatch.add_job(dispatch.dispatch_id('$ref'), '$t->{name}/$number'",
        { ask => rand() < 0.33 }, @arguments);
    return;
}

# A call with a callback whose fate is known. It may ask, and the call have more arguments.
sub callback
{
    my ($t, $fate, $call, $how, @arguments) = @_;
    my $number = @{ $t->{kept} } + @{ $t->{lost} };
    my $url    = "$t->{writer}{url}/$t->{name}/$number";
    my $json =
      $how->{ask}
      ? json({ url => $url . pick(@answers), wait => JSON::PP::true })
      : json({ url => $url . pick(@orders) });

    push @{ $t->{$fate} }, $number;
    push @{ $t->{sql} }, 'SELECT ' . join(', ', $call, "callback => '$json'", @arguments) . ');';
    return;
}

# One of several, by chance.
sub pick { return $_[ rand @_ ]; }

# Runs a transaction; what came of it, or undef where the connection was lost before that was said.
sub attempt
{
    my ($self, $t) = @_;
    my ($lines, $state) = $self->ask(@{ $t->{sql} });
    my ($tag) = reverse grep { /^(COMMIT|ROLLBACK)( PREPARED)?$/ } @$lines;

    return 'committed' if defined $tag && $tag =~ /COMMIT/;
    return undef unless defined $state;
    return 'committed' if $t->{end} eq 'autocommit' && $state eq '00000';
    return 'undone';
}

# Finds out what came of a transaction that was under way when the connection was lost. One that is
# prepared still is ended as it was meant to. To read what is there would be too early: what a process
# committed that was killed then is not seen before the server has noticed and recovered. To take the
# same reference waits for that.
sub find_out
{
    my ($self, $t) = @_;
    my $deadline = time + $Dispatch::patience;

    while (time < $deadline)
    {
        my $outcome = $t->{kind} eq 'repeated' ? $self->attempt($t) : $self->look_up($t);

        return $outcome if defined $outcome;
        usleep(50_000);
    }
    die "$self->{name} has not found out what came of $t->{name}";
}

sub look_up
{
    my ($self, $t) = @_;
    my @end =
      $t->{kind} eq 'prepared'
      ? "SELECT '$t->{end} ''$t->{name}''' FROM pg_prepared_xacts WHERE gid = '$t->{name}' \\gexec"
      : ();
    my ($lines) = $self->ask(
        @end,
        'BEGIN;',
        "SELECT dispatch.create_dispatch('parcel', '$t->{name}-a');",
        '\echo =taken :SQLSTATE',
        'ROLLBACK;');
    my ($taken) = map { /^=taken (\w+)/ } @$lines;

    return undef       unless defined $taken;
    return 'undone'    if $taken eq '00000';
    return 'committed' if $taken eq '23505';
    return undef;
}

# Has psql run statements. What it printed, and the SQLSTATE of the last one, or undef where the
# connection was lost: a server that ends a connection (57P..) does not say what it has done before.
sub ask
{
    my ($self, @sql) = @_;
    my @lines;

    $self->connect unless $self->{psql};
    print { $self->{in} } join("\n", @sql, '\echo =ended :SQLSTATE'), "\n";
    while (defined(my $line = readline($self->{out})))
    {
        chomp $line;
        return (\@lines, $1) if $line =~ /^=ended (?!57P)(\w{5})$/;
        last if $line =~ /^=ended/;
        push @lines, $line;
    }
    $self->disconnect;
    return (\@lines, undef);
}

# Starts psql, which ends when it cannot connect or loses its connection.
sub connect
{
    my ($self) = @_;

    $self->{psql} = open2(
        $self->{out},         $self->{in},
        'psql',               '--no-psqlrc',
        '--no-align',         '--tuples-only',
        '--set=VERBOSITY=terse', '--dbname=' . $self->{connstr});
    $self->{in}->autoflush(1);
    return;
}

sub disconnect
{
    my ($self) = @_;
    my $psql = delete $self->{psql} // return;

    close($_) for ($self->{in}, $self->{out});
    waitpid($psql, 0);
    return;
}

1;

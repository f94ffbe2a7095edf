# What the TAP tests of dispatch share: a cluster with the extension, a receiver, listeners, and
# waiting for conditions. For PostgreSQL 15 and later, whose Perl modules have these names.
#
#    my $dispatch = Dispatch->new('name');       a running cluster and receiver
#    my $listener = $dispatch->start_listener;   a listener for its database
#    $dispatch->sql(q{SELECT ...});              the result as text; dies if it fails
#    $dispatch->receipts;                        what the receiver got, as hashes
package Dispatch;

use strict;
use warnings FATAL => 'all';

use Carp;
use Encode qw(encode);
use Exporter 'import';
use File::Basename qw(dirname);
use JSON::PP     ();
use MIME::Base64 qw(encode_base64);
use POSIX        ();
use Test::More;
use Time::HiRes qw(time usleep);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(wait_until json from_json body_of quote);

# How long a wait may take before it is a failure: long, since machines are slow at times.
our $patience = 60;

my $codec = JSON::PP->new->utf8->canonical->allow_nonref;

# What a test dies of is told with its results: its standard error goes to a log of its own.
$SIG{__DIE__} = sub { diag("died: $_[0]") unless $^S; };

# A value as JSON text, in bytes.
sub json { return $codec->encode($_[0]); }

# What a JSON text, in bytes, holds.
sub from_json { return $codec->decode($_[0]); }

# The body of a request that the receiver got.
sub body_of { return $codec->decode(encode('UTF-8', $_[0]->{body})); }

# A text as an SQL literal.
sub quote
{
    my ($text) = @_;
    $text =~ s/'/''/g;
    return $text =~ /\\/ ? " E'" . $text =~ s/\\/\\\\/gr . "'" : "'$text'";
}

# Calls fetch until predicate says yes to what it returned, and returns that. Dies when that takes
# longer than timeout seconds; the description says what was waited for.
sub wait_until
{
    my ($fetch, $predicate, $timeout, $description) = @_;
    my $deadline = time + $timeout;

    while (1)
    {
        my $value = $fetch->();
        return $value if $predicate->($value);
        croak "waited $timeout s in vain until $description; last: " . ($value // '(undefined)')
          if time > $deadline;
        usleep(20_000);
    }
}

# A running cluster whose database postgres has the extension, and a running receiver. Lines for
# the cluster's configuration may be given.
sub new
{
    my ($class, $name, $conf) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);
    my $self = bless { node => $node, dir => PostgreSQL::Test::Utils::tempdir() }, $class;

    $node->init(extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
    $node->append_conf('postgresql.conf', "log_statement = none\n" . ($conf // ''));
    $node->start;
    $node->safe_psql('postgres', 'CREATE EXTENSION dispatch');
    $self->write_keys("* " . new_key());
    $self->start_receiver;
    return $self;
}

sub node { return $_[0]->{node}; }

# Runs SQL in the cluster's database postgres, or another one; what it prints.
sub sql
{
    my ($self, $sql, $database) = @_;
    return $self->node->safe_psql($database // 'postgres', $sql);
}

# Runs SQL that returns one JSON value; the value.
sub sql_json
{
    my ($self, $sql) = @_;
    return from_json($self->sql($sql));
}

# Sets parameters of the extension for sessions to come.
sub configure
{
    my ($self, %settings) = @_;
    my $sql = "LOAD 'dispatch';";

    $sql .= "ALTER DATABASE postgres SET $_ = " . quote($settings{$_}) . ";"
      for sort keys %settings;
    $self->sql($sql);
    return;
}

# A new signing key, as whsec_...
sub new_key
{
    return 'whsec_' . encode_base64(join('', map { chr(int(rand(256))) } 1 .. 32), '');
}

# Writes the file of signing keys that listeners started from now on use; lines "HOST KEY".
sub write_keys
{
    my ($self, @lines) = @_;
    $self->{keys} = "$self->{dir}/keys";
    open(my $file, '>', $self->{keys}) or die "$self->{keys}: $!";
    print $file "$_\n" for @lines;
    close($file) or die "$self->{keys}: $!";
    chmod 0600, $self->{keys};
    return;
}

# Starts the receiver, on the port that it had before if there was one.
sub start_receiver
{
    my ($self) = @_;
    my $ready = "$self->{dir}/port";

    $self->{receipts}      //= [];
    $self->{receipts_read} //= 0;
    unlink $ready;
    $self->{receiver} = Dispatch::Process->start(
        'receiver', "$self->{dir}/receiver.log",
        program('DISPATCH_RECEIVER', 'receiver'),
        '--keys'      => $self->{keys},
        '--port'      => $self->{port} // 0,
        '--port-file' => $ready,
        '--log'       => "$self->{dir}/receipts");
    wait_until(sub { -s $ready }, sub { $_[0] }, $patience, 'the receiver is ready');
    $self->{port} = 0 + slurp_file($ready);
    return $self->{receiver};
}

# Where a program was built.
sub program
{
    my ($variable, $name) = @_;
    return $ENV{$variable} // croak "set $variable to the path of $name";
}

# A URL of the receiver: a path and a query that tells it what to do.
sub url
{
    my ($self, $path) = @_;
    return "http://127.0.0.1:$self->{port}$path";
}

# A callback argument for such a URL, as an SQL literal; further members may be given.
sub callback
{
    my ($self, $path, %members) = @_;
    return quote(json({ url => $self->url($path), headers => [], %members }));
}

# Starts a listener that may call this machine, with further options, and waits until it has
# connected. Options: wait => 0 not to wait, network => the network that is allowed, several in an
# array, or undef; database => its name; all others are its own, without "--".
sub start_listener
{
    my ($self, %options) = @_;
    my $wait     = delete $options{wait} // 1;
    my $listener = $self->new_listener(%options);

    wait_until(
        sub { $listener->log },
        sub { 2 == (() = $_[0] =~ /event=connected /g) },
        $patience, 'the listener has connected') if $wait;
    return $listener;
}

# The same where names and the time are what resolver.c makes of them: hosts => lines for it,
# clock => seconds that the time is wrong by.
sub start_fooled_listener
{
    my ($self, %options) = @_;
    my $library = "$self->{dir}/resolver.so";
    my $source  = dirname(__FILE__) . '/resolver.c';
    my $hosts   = "$self->{dir}/hosts";

    unless (-e $library)
    {
        my @options = qw(-D_GNU_SOURCE -shared -fPIC -Wall -Wextra -Werror);
        system('gcc', @options, '-o', $library, $source) == 0 or die "no resolver: $?";
    }
    open(my $to, '>', $hosts) or die "$hosts: $!";
    print $to delete $options{hosts} // '';
    close($to) or die "$hosts: $!";
    local $ENV{LD_PRELOAD}     = $library;
    local $ENV{RESOLVER_HOSTS} = $hosts;
    local $ENV{CLOCK_OFFSET}   = delete $options{clock} // 0;
    local $ENV{ASAN_OPTIONS}   = join ':', 'verify_asan_link_order=0', $ENV{ASAN_OPTIONS} // ();
    return $self->start_listener(%options);
}

# The same without waiting.
sub new_listener
{
    my ($self, %options) = @_;
    my $network   = exists $options{network} ? delete $options{network} : '127.0.0.0/8';
    my $database  = delete $options{database} // 'postgres';
    my $number    = ++$self->{listeners};
    my @networks  = ref $network ? @$network : grep { defined } $network;
    my @arguments = map { ('--allow-network' => $_) } @networks;

    push @arguments, '--dbname' => delete $options{dbname} // $self->node->connstr($database);
    push @arguments, '--signing-keys'  => $self->{keys};
    push @arguments, '--once' if delete $options{once};
    push @arguments, "--$_" => $options{$_} for sort keys %options;
    delete local $ENV{PGAPPNAME};    # of this test, as the server's log is to show it
    return Dispatch::Process->start(
        "listener $number",
        "$self->{dir}/listener.$number.log",
        program('DISPATCH_LISTENER', 'dispatch-listener'), @arguments);
}

# What the receiver got so far, one hash a request, in the order in which it came; only those
# whose path begins so, if one is given. The members are those of "receiver --help".
sub receipts
{
    my ($self, $path) = @_;
    my $file = "$self->{dir}/receipts";

    if (open(my $lines, '<', $file))
    {
        seek($lines, $self->{receipts_read}, 0);
        while (my $line = <$lines>)
        {
            last unless $line =~ /\n\z/;
            $self->{receipts_read} += length $line;
            push @{ $self->{receipts} }, from_json($line);
        }
    }
    return @{ $self->{receipts} } unless defined $path;
    return grep { index($_->{path}, $path) == 0 } @{ $self->{receipts} };
}

# Waits until the receiver has so many requests, to a path if one is given; returns them.
sub wait_for_receipts
{
    my ($self, $count, $path) = @_;
    wait_until(
        sub { my @receipts = $self->receipts($path); return scalar @receipts; },
        sub { $_[0] >= $count },
        $patience, "the receiver has $count requests");
    return $self->receipts($path);
}

# Waits until all callbacks have an end: DELIVERED or DEAD.
sub wait_until_drained
{
    my ($self) = @_;
    wait_until(
        sub { $self->sql("SELECT count(*) FROM dispatch.callbacks WHERE state = 'PENDING'") },
        sub { $_[0] == 0 },
        $patience, 'no callback is pending');
    return;
}

# The callbacks that were sent to a path, as "state|attempts|last_status|last_error" for each.
sub callbacks
{
    my ($self, $path) = @_;
    my $url = quote($self->url($path));
    return $self->sql(
            "SELECT c.state, c.attempts, c.last_status, c.last_error FROM dispatch.callbacks AS c"
          . " JOIN dispatch.event_log AS e USING (callback_id)"
          . " WHERE starts_with(e.callback_url, $url) ORDER BY c.callback_id");
}

# Waits until the callbacks to a path are as callbacks() tells; a pattern.
sub wait_for_callbacks
{
    my ($self, $path, $pattern) = @_;
    return wait_until(
        sub { $self->callbacks($path) },
        sub { $_[0] =~ $pattern },
        $patience, "callbacks to $path are as $pattern");
}

# A program that was started here, and that ends with the test at the latest.
package Dispatch::Process;

use strict;
use warnings FATAL => 'all';

use POSIX qw(:sys_wait_h);

my %running;

# Starts a program with its output, and its errors, in a file.
sub start
{
    my ($class, $name, $log, @command) = @_;
    my $pid = fork() // die "could not fork: $!";

    if ($pid == 0)
    {
        open(STDIN,  '<',  '/dev/null');
        open(STDOUT, '>',  $log);
        open(STDERR, '>&', \*STDOUT);
        { no warnings; exec { $command[0] } @command; }
        print STDERR "could not run $command[0]: $!\n";
        POSIX::_exit(127);
    }
    $running{$pid} = 1;
    return bless { name => $name, pid => $pid, log => $log }, $class;
}

# Runs a function beside the test.
sub start_function
{
    my ($class, $name, $function) = @_;
    my $pid = fork() // die "could not fork: $!";

    if ($pid == 0)
    {
        eval { $function->() };
        POSIX::_exit(0);
    }
    $running{$pid} = 1;
    return bless { name => $name, pid => $pid }, $class;
}

sub pid { return $_[0]->{pid}; }

# What it has printed so far.
sub log
{
    my ($self) = @_;
    return -e $self->{log} ? PostgreSQL::Test::Utils::slurp_file($self->{log}) : '';
}

# Sends it a signal.
sub signal
{
    my ($self, $signal) = @_;
    kill($signal, $self->{pid}) if $running{ $self->{pid} };
    return;
}

# Is it still there?
sub is_running
{
    my ($self) = @_;
    my $pid = $self->{pid};

    return 0 unless $running{$pid};
    return 1 if waitpid($pid, WNOHANG) != $pid;
    $self->{status} = WIFEXITED($?) ? WEXITSTATUS($?) : 128 + WTERMSIG($?);
    delete $running{$pid};
    return 0;
}

# Waits until it has ended; its exit status, or 128 and the signal that ended it.
sub wait
{
    my ($self) = @_;
    Dispatch::wait_until(
        sub { $self->is_running },
        sub { !$_[0] },
        $Dispatch::patience, "$self->{name} has ended");
    return $self->{status};
}

# Ends it as an operator does, and waits; its exit status.
sub stop
{
    my ($self) = @_;
    $self->signal('TERM');
    return $self->wait;
}

# Ends it as a crash does, and waits.
sub crash
{
    my ($self) = @_;
    $self->signal('KILL');
    return $self->wait;
}

# Only what was started here is ended here, and a child that could not exec ends nothing.
my $owner = $$;

END
{
    my $status = $?;

    if ($$ == $owner)
    {
        kill('KILL', $_) for keys %running;
        waitpid($_, 0)   for keys %running;
    }
    $? = $status;
}

1;

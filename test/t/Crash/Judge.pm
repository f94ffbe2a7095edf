# The verdict of the crash test: compares what the writers know to have committed with what the
# database says and with what the receiver got.
package Crash::Judge;

use strict;
use warnings FATAL => 'all';

use Digest::SHA  qw(hmac_sha256_base64);
use Encode       qw(encode);
use MIME::Base64 qw(decode_base64);
use Time::Local  qw(timegm);

use Dispatch;

# How long an attempt may stay open when nothing is in its way, from the request's arrival until its
# outcome is recorded, on a busy machine.
use constant WINDOW => 2;

# What is needed: journals, the files of the writers; receipts, those of the receiver; lives, of House;
# keys; callbacks, rows of the database (url, callback_id, state, claims, times delivered, when attempts
# failed without an answer, how many leases passed, the state of the job that was added, how often that
# was rejected).
sub new
{
    my ($class, %self) = @_;
    my $self = bless { %self, problems => [], figures => {} }, $class;

    $self->{receivers} = [ grep { $_->{kind} eq 'receiver' } @{ $self->{lives} } ];
    $self->{listeners} = [ grep { $_->{kind} eq 'listener' } @{ $self->{lives} } ];
    $self->{outages}   = [ outages(grep { $_->{kind} eq 'server' } @{ $self->{lives} }) ];
    $self->read_journals;
    $self->read_receipts;
    return $self;
}

# Judges; the problems, as lines of text. Figures gather meanwhile.
sub judge
{
    my ($self) = @_;

    $self->judge_database;
    $self->judge_receipts;
    return @{ $self->{problems} };
}

sub figures { return $_[0]->{figures}; }

sub count
{
    my ($self, $name, $number) = @_;
    $self->{figures}{$name} += $number // 1;
    return;
}

sub problem
{
    my ($self, $text) = @_;
    push @{ $self->{problems} }, $text;
    return;
}

# What the writers know: of each callback whether it is to arrive.
sub read_journals
{
    my ($self) = @_;

    for my $path (@{ $self->{journals} })
    {
        open(my $file, '<', $path) or die "$path: $!";
        while (my $line = <$file>)
        {
            chomp $line;
            my ($outcome, $name, $how, $kept, $lost) = split /\t/, $line;
            my $fate = $outcome eq 'committed' ? 'kept' : 'lost';

            $self->count("transactions $outcome");
            $self->count("transactions $how");
            $self->{fate}{"$name/$_"} = $fate  for grep { $_ ne '-' } split /,/, $kept;
            $self->{fate}{"$name/$_"} = 'lost' for grep { $_ ne '-' } split /,/, $lost;
        }
    }
    $self->count($_ eq 'kept' ? 'callbacks committed' : 'callbacks rolled back')
      for values %{ $self->{fate} };
    return;
}

# What the receiver got, by callback, in the order in which it came. A line that is not whole is of a
# request that was not answered, since the receiver was killed.
sub read_receipts
{
    my ($self) = @_;

    for my $path (@{ $self->{receipts} })
    {
        open(my $file, '<', $path) or next;
        while (my $line = <$file>)
        {
            last unless $line =~ /\n\z/;
            my ($key, $receipt) = read_receipt($line);
            $receipt->{life} = $path;
            push @{ $self->{got}{$key} }, $receipt;
            $self->count('callbacks requests');
        }
    }
    return;
}

# A line of the receiver's log: the callback's path, and what is to be known of the request. Without
# a parser for JSON, which would take longer than all else.
sub read_receipt
{
    my ($line) = @_;
    my ($time, $key, $order, $id, $signature, $status, $signed, $body) = $line =~
      m<^{"time":"([^"]+)Z","method":"POST","path":"/([^"?]+)([^"]*)","id":"([^"]+)","timestamp":"\d+",
        "signature":"(\w+)","status":(\d+),.*"webhook-signature":"([^"]+)".*"body":("(?:.*)")}$>x
      or die "no receipt: $line";
    my ($delay) = $order =~ /delay=(\d+)/;

    return (
        $key,
        {
            line        => $line,
            time        => epoch($time),
            callback_id => $id,
            signature   => $signature,
            signed      => $signed,
            status      => $status,
            body        => $body,
            delay       => ($delay // 0) / 1000
        });
}

# A time of the receiver's log.
sub epoch
{
    my ($year, $month, $day, $hour, $minute, $seconds) = split /[-T:]/, $_[0];
    return timegm(0, $minute, $hour, $day, $month - 1, $year) + $seconds;
}

# The database has all that committed, delivered, each once, and nothing else. Jobs are confirmed, but
# for those that were asked for and got a no: these are gone, and that was recorded once.
sub judge_database
{
    my ($self) = @_;
    my %here;

    for my $row (@{ $self->{callbacks} })
    {
        my ($url, $id, $state, $claims, $delivered, $failures, $passed, $job) = split /\|/, $row, 8;
        my ($key) = $url =~ m{^http://[^/]+/([^?]+)};

        $self->problem("$key: is in the database, and was rolled back")
          if ($self->{fate}{$key} // '') ne 'kept';
        $self->problem("$key: is in the database twice") if $here{$key};
        $self->problem("$key: is $state")                if $state ne 'DELIVERED';
        $self->problem("$key: was delivered $delivered times, as the database sees it")
          if $delivered != 1;
        $self->problem("$key: the job is $job") if $job ne ($url =~ /status=409/ ? '|1' : 'CONFIRMED|0');
        $self->count('callbacks claims', $claims);
        $self->count('callbacks answered no') if $url =~ /status=409/;
        $here{$key} = {
            id       => $id,
            claims   => $claims,
            failures => [ split / /, $failures ],
            passed   => $passed
        };
    }
    for my $key (sort grep { $self->{fate}{$_} eq 'kept' } keys %{ $self->{fate} })
    {
        $self->problem("$key: committed, and is not in the database") unless $here{$key};
    }
    $self->{here} = \%here;
    return;
}

# The receiver got all that committed, and nothing else; what it got twice is explained.
sub judge_receipts
{
    my ($self) = @_;

    for my $key (sort keys %{ $self->{fate} })
    {
        my $got = $self->{got}{$key} // [];

        if ($self->{fate}{$key} eq 'lost')
        {
            $self->problem("$key: was rolled back, and has arrived") if @$got;
            next;
        }
        $self->problem("$key: committed, and has not arrived") unless grep { accepted($_) } @$got;
        $self->count('callbacks received') if grep { accepted($_) } @$got;
        $self->judge_callback($key, $got);
    }
    for my $key (sort grep { !$self->{fate}{$_} } keys %{ $self->{got} })
    {
        $self->problem("$key: has arrived, and nobody knows it");
    }
    return;
}

# Was that request answered so that no other is needed, as far as the receiver knows?
sub accepted { return $_[0]->{status} =~ /^2|^409$/; }

# All requests of one callback are the same, and each that follows one which was accepted has an
# explanation. The database knows of a claim for each, and of a lease that passed, or of an attempt that
# failed, for each but one; and but for those that a listener sent again within an attempt.
sub judge_callback
{
    my ($self, $key, $got) = @_;
    my $here     = $self->{here}{$key} // { id => '', claims => 0, failures => [], passed => 0 };
    my @accepted = grep { accepted($_) } @$got;
    my $attempts = @accepted - grep { is_repeat(@accepted[ $_ - 1, $_ ]) } 1 .. $#accepted;

    for my $receipt (@$got)
    {
        $self->problem("$key: has a signature that is $receipt->{signature}")
          if $receipt->{signature} ne 'valid';
        $self->problem("$key: has the webhook-id $receipt->{callback_id}, not $here->{id}")
          if $receipt->{callback_id} ne $here->{id};
        $self->problem("$key: has two bodies") if $receipt->{body} ne $got->[0]{body};
    }
    for my $i (0 .. $#accepted - 1)
    {
        my ($receipt, $next) = @accepted[ $i, $i + 1 ];
        my $reason = $self->explanation($receipt, $next, $here) // 'nothing';

        $self->count('duplicates in all');
        $self->count("duplicates by $reason");
        $self->problem("$key: came again after $receipt->{time}, and nothing explains that")
          if $reason eq 'nothing';
    }
    $self->problem("$key: came " . @accepted . " times, and was claimed $here->{claims} times")
      if $attempts > $here->{claims};
    $self->problem("$key: came " . @accepted . ' times, and the database knows no reason')
      if $attempts - 1 > $here->{passed} + @{ $here->{failures} };
    return;
}

# Is a request the one before it, sent again since its connection was closed without an answer, by a
# receiver that is no more? libcurl does so once, where the connection had served others.
sub is_repeat
{
    my ($before, $request) = @_;
    return $before->{signed} eq $request->{signed} && $before->{life} ne $request->{life};
}

# What was killed so that a callback had to be sent again though a request was accepted: the listener
# that sent it, before it had recorded the outcome; the receiver, before its answer had left, so that
# the listener sent it again or recorded a failure; or the server, so that the lease ran out. undef
# where it was none of them.
sub explanation
{
    my ($self, $receipt, $next, $here) = @_;
    my $from = $receipt->{time};
    my $end  = $self->end_of_attempt($from);

    return 'listener' if killed_within($self->sender($receipt), 0, $end);
    return 'receiver'
      if (is_repeat($receipt, $next) || grep { $_ > $from } @{ $here->{failures} })
      && grep { killed_within($_, $from, $from + $receipt->{delay} + WINDOW) }
      @{ $self->{receivers} };
    return 'server' if $end > $from + WINDOW + $self->{lease} / 2;
    return undef;
}

# Was that one killed in that time?
sub killed_within
{
    my ($life, $from, $until) = @_;
    return $life->{how} eq 'killed' && $life->{dead} >= $from && $life->{until} <= $until;
}

# When the outcome of a request that came then was recorded at the latest. While the server is away
# that has to wait, and the longer it was away, the longer listeners wait before they try again.
sub end_of_attempt
{
    my ($self, $from) = @_;
    my $end = $from + WINDOW;

    for my $outage (@{ $self->{outages} })
    {
        my ($begin, $over) = @$outage;

        next if $over < $from || $begin > $end;
        my $recorded = $over + ($over - $begin) + WINDOW;
        $end = $recorded if $recorded > $end;
    }
    return $end;
}

# The times when the server was away, in order: from each kill until it said that it was ready.
sub outages
{
    my (@lives) = @_;
    my (@kills, @ready);

    for my $life (@lives)
    {
        push @kills, @{ $life->{wounds} // [] };
        push @kills, $life->{until} if $life->{how} ne 'stopped';
        open(my $log, '<', $life->{log}) or die "$life->{log}: $!";
        while (my $line = <$log>)
        {
            push @ready, $1 if $line =~ /^(\S+) .*database system is ready to accept connections/;
        }
    }
    return map {
        my $kill = $_;
        my ($over) = sort { $a <=> $b } grep { $_ > $kill } @ready;
        [ $kill, $over // $kill + 60 ]
    } sort { $a <=> $b } @kills;
}

# The listener that sent a request, by the key with which it signed.
sub sender
{
    my ($self, $receipt) = @_;
    my $request = from_json($receipt->{line});
    my $signed  = join '.', $request->{id}, $request->{timestamp}, encode('UTF-8', $request->{body});
    my $sender;

    for my $listener (@{ $self->{listeners} })
    {
        my $key = decode_base64($self->{keys}[ $listener->{key} ] =~ s/^whsec_//r);
        my $signature = hmac_sha256_base64($signed, $key);

        $sender = $listener
          if index($receipt->{signed}, $signature) >= 0
          && $listener->{from} <= $receipt->{time};
    }
    return $sender // die "who has sent $receipt->{line}";
}

1;

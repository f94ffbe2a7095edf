# A whole day through dispatch.request(): that each callback arrives with what its operation did,
# which psql, at the sending end, cannot tell.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('operations');
my $listener = $dispatch->start_listener;
my $sequence = 0;

# A callback as request bodies have it.
sub callback
{
    my ($path) = @_;
    return {
        url     => $dispatch->url($path),
        headers => [ { key => 'X-Operation', value => $path } ]
    };
}

# Runs an operation; its data. Checks that the response holds the request as it was.
sub request
{
    my ($operation, $params, $body) = @_;
    my $response = $dispatch->sql_json(
        sprintf 'SELECT dispatch.request(%s, %s, %s)',
        quote($operation),
        quote(json($params)),
        quote(json($body)));

    is(json([ $response->{error}, $response->{request} ]), json([ undef, $body ]), $operation);
    return $response->{data};
}

my @changes;

# Runs an operation that changes a dispatch, with a callback, and notes what is to arrive: the type
# of the event, and the data besides what every event has.
sub change
{
    my ($operation, $params, $body, $type, $expected) = @_;
    my $data = request($operation, $params, { %$body, callback => callback("/$operation") });

    $sequence++;
    is($data->{version}, $sequence, "... is version $sequence");
    push @changes,
      {
        operation => $operation,
        type      => $type,
        meta      => $body->{_event_meta},
        data      => $expected,
        sequence  => $sequence
      };
    return $data;
}

# Types and attributes.
my $type =
  request('createDispatchType', {}, { name => 'lastmile', _event_meta => { step => 'type' } });
like($type->{dispatchTypeId}, qr/^[0-9a-f-]{36}$/, '... returns the id of the type');

my @attributes = (
    {
        name         => 'weight',
        description  => 'in kilograms',
        tags         => [ 'load', 'number' ],
        dataType     => 'number',
        indexed      => JSON::PP::false,
        defaultValue => 2.5,
        validation   => { range => { min => 0, max => 1000 }, required => JSON::PP::true }
    },
    {
        name         => 'zone',
        description  => 'where to',
        tags         => [],
        dataType     => 'string',
        indexed      => JSON::PP::false,
        defaultValue => {},
        validation   => { regex => '^[a-z]+$', valueOneOf => [ 'north', 'south' ] }
    });
my $data = request('createDispatchAttributes', $type,
    { attributes => \@attributes, _event_meta => { step => 'attributes' } });
is(json($data), json({ %$type, created => 2 }), '... returns how many were created');

$data = request('getDispatchAttributes', $type, {});
is(json([ map { $_->{name} } @{ $data->{attributes} } ]),
    '["weight","zone"]', '... returns them in order');
is( json($data->{attributes}[1]{validation}),
    json($attributes[1]{validation}),
    '... as they were given');
is( $dispatch->sql(
        q{SELECT string_agg(event_meta ->> 'step', ' ' ORDER BY sequence)
            FROM dispatch.type_history('lastmile')}
    ),
    'type attributes',
    'the history of the type has the event_meta of both');

# A dispatch, from its creation on.
my $created = change(
    'createDispatch',
    {},
    {
        dispatchRef      => 'ROUTE-17',
        dispatchTypeName => 'lastmile',
        dispatchTypeId   => $type->{dispatchTypeId},
        jobs             => [ 'P-1', 'P-2' ],
        participants     => ['driver'],
        customData       => { zone => 'north' },
        _event_meta      => { step => 1 },
        additionalProp1  => { kept => [1] }
    },
    'dispatch.created',
    {
        dispatchTypeName => 'lastmile',
        status           => 'INITIATED',
        jobs             => [ 'P-1', 'P-2' ],
        participants     => ['driver'],
        customData       => { zone => 'north', weight => 2.5 },
        additionalProp1  => { kept => [1] }
    });
my $id = $created->{dispatchId};
is($created->{dispatchRef}, 'ROUTE-17', '... returns the reference');

my %by_id  = (dispatchId  => $id);
my %by_ref = (dispatchRef => 'ROUTE-17');

change('addJob', {%by_id}, { jobId => 'P-3', _event_meta => { step => 2 } },
    'dispatch.job.added', { jobs => ['P-3'] });
change('addMultipleJobs', {%by_id},
    { jobs => [ 'P-4', 'P-5', 'P-6' ], _event_meta => { step => 3 } },
    'dispatch.job.added', { jobs => [ 'P-4', 'P-5', 'P-6' ] });
change('addParticipant', {%by_ref}, { participantId => 'van', _event_meta => { step => 4 } },
    'dispatch.participant.added', { participants => ['van'] });
change('addMultipleParticipants', {%by_id},
    { participants => [ 'helper', 'trolley' ], _event_meta => { step => 5 } },
    'dispatch.participant.added', { participants => [ 'helper', 'trolley' ] });
change(
    'updateDispatchStatus',
    {%by_id},
    { status => 'IN_PROGRESS', subStatus => 'LOADING', _event_meta => { step => 6 } },
    'dispatch.status.updated',
    { status => 'IN_PROGRESS', subStatus => 'LOADING', previousStatus => 'INITIATED' });
change('updateDispatchSubStatus', {%by_id},
    { subStatus => 'ON_THE_ROAD', _event_meta => { step => 7 } },
    'dispatch.sub_status.updated', { status => 'IN_PROGRESS', subStatus => 'ON_THE_ROAD' });
change(
    'removeJob',
    { %by_id, jobId => 'P-2' },
    { _event_meta   => { step => 8 } },
    'dispatch.job.removed', { jobs => ['P-2'] });
change('removeMultipleJobs', {%by_id}, { jobs => [ 'P-5', 'P-4' ], _event_meta => { step => 9 } },
    'dispatch.job.removed', { jobs => [ 'P-5', 'P-4' ] });
change(
    'removeParticipant',
    { %by_ref, participantId => 'helper' },
    { _event_meta            => { step => 10 } },
    'dispatch.participant.removed',
    { participants => ['helper'] });
change(
    'removeMultipleParticipants', {%by_id},
    { participants => [ 'driver', 'van' ], _event_meta => { step => 11 } },
    'dispatch.participant.removed',
    { participants => [ 'driver', 'van' ] });
change(
    'updateDispatchCustomData',
    {%by_id},
    { patch => { zone => 'south', weight => undef }, _event_meta => { step => 12 } },
    'dispatch.custom_data.updated',
    {
        patch      => { zone => 'south', weight => undef },
        customData => { zone => 'south', weight => 2.5 }
    });
change('updateDispatchStatus', {%by_id}, { status => 'CLOSED', _event_meta => { step => 13 } },
    'dispatch.status.updated', { status => 'CLOSED', previousStatus => 'IN_PROGRESS' });

# Every callback arrives, each with what its operation did.
my @receipts = sort { body_of($a)->{data}{sequence} <=> body_of($b)->{data}{sequence} }
  $dispatch->wait_for_receipts(scalar @changes);
is(scalar @receipts, scalar @changes, 'every callback arrives once');
for my $i (0 .. $#changes)
{
    my $change = $changes[$i];
    my $body   = body_of($receipts[$i]);

    is($receipts[$i]{headers}{'x-operation'},
        "/$change->{operation}", "$change->{operation}: its own callback");
    is($receipts[$i]{signature}, 'valid', '... is signed');
    is( join('|', $body->{type},   json($body->{_event_meta})),
        join('|', $change->{type}, json($change->{meta})),
        '... with type and event_meta');
    is( json($body->{data}),
        json(
            {
                %{ $change->{data} },
                dispatchId  => $id,
                dispatchRef => 'ROUTE-17',
                version     => $change->{sequence},
                sequence    => $change->{sequence}
            }),
        '... with what has changed');
}

# The history shows all of it.
my $history = request('getDispatchHistory', {%by_ref}, {});
is( json([ map { [ @$_{qw(sequence type data)}, $_->{_event_meta} ] } @$history ]),
    json([ map { [ @$_{qw(sequence type data meta)} ] } @changes ]),
    '... each operation with its event_meta');
is( $dispatch->sql(
        qq{SELECT string_agg(event_meta ->> 'step', ' ' ORDER BY sequence)
            FROM dispatch.history('$id')}
    ),
    join(' ', 1 .. @changes),
    'history() has them too');

# And the dispatch is what it has become.
$data = request('getDispatch', {%by_ref}, {});
delete @$data{qw(createdAt updatedAt)};
is( json($data),
    json(
        {
            dispatchId  => $id,
            dispatchRef => 'ROUTE-17',
            %$type,
            dispatchTypeName => 'lastmile',
            status           => 'CLOSED',
            version          => $sequence,
            customData       => { zone => 'south', weight => 2.5 },
            jobs         => [ map { { jobId => $_, state => 'CONFIRMED' } } 'P-1', 'P-3', 'P-6' ],
            participants => [ { participantId => 'trolley', state => 'CONFIRMED' } ],
            additionalProp1 => { kept => [1] }
        }),
    '... as all of them have made it');

is($listener->stop, 0, 'the listener ends cleanly');
done_testing();

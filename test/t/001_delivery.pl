# What arrives at the other end of a callback: psql sees only what is sent off, not the request
# that a receiver gets, its signature least of all.

use strict;
use warnings FATAL => 'all';

use Digest::SHA  qw(hmac_sha256_base64);
use Encode       qw(encode);
use MIME::Base64 qw(decode_base64);
use Test::More;

use Dispatch;

# The signature that Standard Webhooks asks for, as its text says and without our C code.
sub signature
{
    my ($receipt, $key) = @_;
    my $content = "$receipt->{headers}{'webhook-id'}.$receipt->{headers}{'webhook-timestamp'}."
      . encode('UTF-8', $receipt->{body});
    my $digest = hmac_sha256_base64($content, decode_base64($key =~ s/^whsec_//r));

    $digest .= '=' while length($digest) % 4;
    return "v1,$digest";
}

my $dispatch = Dispatch->new('delivery');
my ($old_key, $new_key, $other_key) = map { Dispatch::new_key() } 1 .. 3;

$dispatch->write_keys(
    '# two keys for one host: rotation',
    "127.0.0.1 $old_key",
    '',
    "127.0.0.1 $new_key",
    "* $other_key # all others");
$dispatch->sql(q{SELECT dispatch.create_type('parcel', additional_attributes => true)});

# What was committed while no listener ran is found when one starts: nobody is notified of it then.
my $callback = $dispatch->callback(
    '/early',
    headers => [
        { key => 'X-Tenant',      value => 'parcels' },
        { key => 'Authorization', value => 'Bearer a;b, c="d": e' },
        { key => 'X-Empty',       value => '' },
        { key => 'X-Blank',       value => " \t " },
        { key => 'X-Name',        value => "Gr\x{fc}\x{df}e" },
        { key => 'accept',        value => 'text/*;q=0.3, */*' }
    ]);
my $id = $dispatch->sql(
    qq{SELECT dispatch.create_dispatch('parcel', 'ROUTE-17',
    jobs => ARRAY['P-1', E'P "2" \\\\ \\t'], participants => ARRAY['driver-\x{c3}\x{b6}'],
    custom_data => '{"note": "\x{f0}\x{9f}\x{9a}\x{9a} na\x{c3}\x{af}ve \\u0001",
        "exact": 12345678901234567890.123}',
    callback => $callback, event_meta => '{"user": "planner", "deep": {"a": [1, null, true]}}',
    extra => '{"customerNote": "kept"}')});

my $listener = $dispatch->start_listener;
my ($receipt) = $dispatch->wait_for_receipts(1);
$dispatch->wait_until_drained;

is($receipt->{method},        'POST',                        'the method is POST');
is($receipt->{path},          '/early',                      'the path is that of the URL');
is($receipt->{contentType},   'application/json',            'the content type is JSON');
is($receipt->{headers}{host}, "127.0.0.1:$dispatch->{port}", 'the host is that of the URL');
is( $receipt->{headers}{'content-length'},
    length encode('UTF-8', $receipt->{body}),
    'the length is given, in bytes');

# The headers of the callback.
is($receipt->{headers}{'x-tenant'},    'parcels',              'a header of the callback');
is($receipt->{headers}{authorization}, 'Bearer a;b, c="d": e', '... with punctuation');
is($receipt->{headers}{'x-empty'},     '',                     '... with an empty value');
is($receipt->{headers}{'x-blank'}, '', '... with blanks only, which HTTP does not tell from none');
is($receipt->{headers}{'x-name'}, "Gr\x{fc}\x{df}e",   '... with other letters');
is($receipt->{headers}{accept},   'text/*;q=0.3, */*', '... instead of the one that libcurl sends');

# The signature.
is( $receipt->{id},
    $dispatch->sql('SELECT callback_id FROM dispatch.callbacks'),
    'webhook-id is the id of the callback');
cmp_ok(abs($receipt->{timestamp} - time), '<', 60, 'webhook-timestamp is now');
is( $receipt->{headers}{'webhook-signature'},
    signature($receipt, $old_key) . ' ' . signature($receipt, $new_key),
    'both keys of the host have signed');
is($dispatch->sql('SELECT state, attempts, last_status, last_error FROM dispatch.callbacks'),
    'DELIVERED|1|200|', 'the database knows that it was delivered');
is($dispatch->sql('SELECT count(*) FROM dispatch.queue'), 0, '... and has nothing left to send');

# The body is the event.
my $event = $dispatch->sql_json(qq{SELECT to_jsonb(e) FROM dispatch.history('$id') AS e});
my $body  = body_of($receipt);
is( json($body->{data}),
    json(
        {
            %{ $event->{data} },
            dispatchId  => $id,
            dispatchRef => 'ROUTE-17',
            version     => 1,
            sequence    => 1
        }),
    'the data is that of the event, and says of which dispatch');
is(json($body->{data}{jobs}),         json([ 'P-1', "P \"2\" \\ \t" ]), '... with the jobs');
is(json($body->{data}{participants}), json(["driver-\x{f6}"]),      '... with the participants');
is($body->{data}{customData}{note},   "\x{1f69a} na\x{ef}ve \x{1}", '... with the custom data');
like($receipt->{body}, qr/12345678901234567890\.123\b/, '... and numbers that no double holds');
is($body->{data}{customerNote}, 'kept',                     '... and the extra members');
is(json($body->{_event_meta}),  json($event->{event_meta}), 'the event_meta is as it was given');
is(join('|', map { $body->{$_} } qw(type service payloadVersion)),
    'dispatch.created|dispatch|1', 'type, service and version are as documented');
like(
    $body->{timestamp},
    qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
    'the time is RFC 3339, in UTC');
is($dispatch->sql(qq{SELECT at = '$body->{timestamp}' FROM dispatch.history('$id')}),
    't', '... and that of the event');

# What is added while the listener sleeps; another method; a host that has no line of its own.
my $other = quote(json({ url => "http://localhost:$dispatch->{port}/put", method => 'PUT' }));
$dispatch->sql("SELECT dispatch.add_job('$id', 'P-3', $other)");
($receipt) = $dispatch->wait_for_receipts(1, '/put');
is($receipt->{method}, 'PUT', 'the method may be PUT');
is( $receipt->{headers}{'webhook-signature'},
    signature($receipt, $other_key),
    'the key for all other hosts has signed');
is(json(body_of($receipt)->{_event_meta}), '{}', 'no event_meta is an empty one');

# Nothing that rolled back is ever received, be it the transaction or a part of it.
my $lost = $dispatch->callback('/lost');
my $kept = $dispatch->callback('/kept');
$dispatch->sql(
    qq{
    BEGIN;
    SELECT dispatch.create_dispatch('parcel', callback => $lost);
    SELECT dispatch.add_job('$id', 'P-4', $lost);
    ROLLBACK;
    BEGIN;
    SELECT dispatch.add_job('$id', 'P-5', $kept);
    SAVEPOINT before;
    SELECT dispatch.add_job('$id', 'P-6', $lost);
    ROLLBACK TO before;
    SELECT dispatch.add_job('$id', 'P-7', $kept);
    COMMIT;});
my ($code) =
  $dispatch->node->psql('postgres', "SELECT dispatch.add_jobs('$id', ARRAY['P-8', 'P-7'], $lost)");
is($code, 3, 'a call that fails');
$dispatch->sql("SELECT dispatch.add_job('$id', 'P-9', $kept)");
$dispatch->wait_for_receipts(3, '/kept');
$dispatch->wait_until_drained;
is(join(' ', sort map { @{ body_of($_)->{data}{jobs} } } $dispatch->receipts('/kept')),
    'P-5 P-7 P-9', 'what committed arrives');
is(scalar($dispatch->receipts('/lost')), 0, 'what rolled back does not');
is(scalar($dispatch->receipts),          5, 'nothing arrives twice');

is($listener->stop, 0, 'the listener ends cleanly');
unlike(
    $listener->log,
    qr/Bearer|parcels|planner|early|whsec/,
    'its log tells no URL, header, body or key');
unlike($listener->log, qr/level=(warning|error)/, '... and of no trouble');

done_testing();

# What a session sees of types does not depend on how many of them it keeps: the test of the cache
# prints the same where nothing may be kept. That takes its results twice.

use strict;
use warnings FATAL => 'all';

use Test::More;

use Dispatch;

my $dispatch = Dispatch->new('cache');

# What test/sql/cache.sql prints, in a database of its own whose sessions may keep so much.
sub results
{
    my ($size) = @_;
    my ($code, $output, $errors);

    $dispatch->sql("CREATE DATABASE cache TEMPLATE template0;
        ALTER DATABASE cache SET dispatch.type_cache_size = '$size'");
    ($code, $output, $errors) = $dispatch->node->psql('cache', undef,
        extra_params => [ '--file', 'test/sql/cache.sql' ], on_error_stop => 0);
    $dispatch->sql('DROP DATABASE cache');
    is($code, 0, "the test ran with $size");
    # ids differ from run to run, and so do the places of lines
    return "$output\n$errors" =~ s/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/<id>/gr;
}

my $kept = results('16MB');

like($kept, qr/no such type/, 'it has results');
is(results('0'), $kept, '... which are the same where nothing is kept');
is(results('64kB'), $kept, '... and where little is');

done_testing();

# shellcheck shell=bash disable=SC2154,SC2034
# What every bench begins with: the machine made ready, everything built as it is installed, and
# a throw-away cluster with the settings that are printed.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=setup/say.sh
. "$checkout/setup/say.sh"
# shellcheck source=setup/packages.sh
. "$checkout/setup/packages.sh"
# shellcheck source=setup/workspace.sh
. "$checkout/setup/workspace.sh"
# shellcheck source=setup/processes.sh
. "$checkout/setup/processes.sh"
# shellcheck source=setup/postgres.sh
. "$checkout/setup/postgres.sh"
# shellcheck source=setup/build.sh
. "$checkout/setup/build.sh"
# shellcheck source=bench/figures.sh
. "$checkout/bench/figures.sh"

# The settings of the cluster: what a small server of one's own would have. Commits wait for the
# disk, as they should.
bench_settings='shared_buffers = 1GB
max_wal_size = 8GB
max_connections = 200
checkpoint_timeout = 30min
max_prepared_transactions = 10'

# What happens when a bench ends.
leave() {
    close_workspace
}

# Makes the workspace, builds and starts the cluster; takes the bench's name, more settings and
# more needs.
open_bench() {
    require "$(needs_of_test)${3:+$'\n'$3}"
    leave_in_order
    open_workspace "$1"
    copy_source
    copy_postgres
    step build 'building' build_extension
    step cluster 'starting PostgreSQL' start_new_cluster "$bench_settings
${2:-}"
    step database 'making the database' make_bench_database
}

# The database of a bench, with the extension and the type that dispatches are made of.
make_bench_database() {
    attend createdb bench &&
        sql bench/sql/type.sql
}

# Runs a file of the checkout in the database.
sql() {
    input=$work/source/$1 attend psql -X -q -v ON_ERROR_STOP=1 -o /dev/null bench
}

# Prints what a query returns.
query() {
    as_worker psql -X -A -t -c "$1" bench </dev/null
}

# Runs a pgbench script (a file under bench/sql) with so many clients for so many seconds, and
# more options; sets $tps to the transactions a second.
rate() {
    local script=$1 clients=$2 seconds=$3
    shift 3
    attend pgbench -n -M prepared -f "$work/source/bench/sql/$script.sql" -c "$clients" -j 2 \
        -T "$seconds" "$@" bench >"$work/log/pgbench.log" 2>&1 || {
        cat "$work/log/pgbench.log" >&2
        fail "pgbench failed on $script"
    }
    grep -q 'number of failed transactions: 0 ' "$work/log/pgbench.log" ||
        fail "transactions of $script failed"
    tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$work/log/pgbench.log")
}

# Builds the sink and starts it; sets $sink, its URL.
start_sink() {
    attend gcc -O2 -o "$work/tmp/sink" "$work/source/bench/sink.c" || return
    start_service sink "$work/tmp/sink" "$work/tmp/sink-port"
    wait_until 10 test -s "$work/tmp/sink-port" || return
    sink=http://127.0.0.1:$(<"$work/tmp/sink-port")
}

# shellcheck shell=bash disable=SC2154
# Running a TAP test in the workspace.

# Runs one TAP file with PostgreSQL's Perl modules, as its own Makefiles do: its name, and more for
# its environment.
run_prove() {
    local name=$1 kit home=$work/tmp/tap-$1
    shift
    kit=$("$pg_config" --pkglibdir)/pgxs/src/test
    as_worker mkdir -p "$home"
    attend env -C "$work/source" "TESTDIR=$home" "TESTDATADIR=$home/tmp_check" \
        "TESTLOGDIR=$home/tmp_check/log" "PG_REGRESS=$kit/regress/pg_regress" \
        "DISPATCH_LISTENER=$listener" "DISPATCH_RECEIVER=$receiver" \
        "DISPATCH_STRESS_SECONDS=${DISPATCH_STRESS_SECONDS:-10}" \
        "DISPATCH_SOAK_SECONDS=${DISPATCH_SOAK_SECONDS:-40}" \
        "DISPATCH_CASES=${DISPATCH_CASES:-}" "DISPATCH_SEED=${DISPATCH_SEED:-}" "$@" \
        prove -v -I "$kit/perl" -I test/t "test/t/$name.pl"
}

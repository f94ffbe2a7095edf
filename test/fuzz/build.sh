# shellcheck shell=bash disable=SC2154
# Building the fuzzers in the copy of the source, and running them.

fuzzers=(pattern validator)

# Prints why they cannot be built here, if so.
fuzz_obstacle() {
    if ! command -v clang-14 >/dev/null; then
        echo 'there is no clang-14'
    elif [ ! -e "$(clang-14 -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a" ]; then
        echo 'there is no libFuzzer: libclang-rt-14-dev'
    elif ! "$pg_config" --version | grep -qE ' 1[345]\.'; then
        echo 'its memory can be watched up to PostgreSQL 15 only'
    fi
}

# Builds them.
build_fuzzers() {
    attend make -C "$work/source/test/fuzz" -s -j 2 "PG_CONFIG=$pg_config"
}

# Runs one: its name, for how many seconds. Fails at the first input that does not hold; its
# output ends with that input.
run_fuzzer() {
    local home=$work/source/test/fuzz found=$work/tmp/fuzz-$1
    as_worker mkdir "$found"
    attend env -C "$found" UBSAN_OPTIONS=print_stacktrace=1 "$home/fuzz-$1" \
        "-max_total_time=$2" -timeout=60 -max_len=1000 -verbosity=0 -print_final_stats=1 \
        "-dict=$home/$1.dict" "$found" "$home/corpus/$1"
}

# How many inputs a run has tried, from its output.
inputs_tried() {
    sed -n 's/^stat::number_of_executed_units: *//p' "$1"
}

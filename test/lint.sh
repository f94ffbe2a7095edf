# shellcheck shell=bash
# Checks of the source that need no server. Each is a function check_NAME, runs in the copy
# of the source, says what is wrong and fails. The builds themselves are in test/run.

# The names of the checks, in the order in which they run.
lint_checks=(format headers symbols scripts)

# Is C laid out as .clang-format says? Other versions of the program lay out differently.
check_format() {
    command -v clang-format-14 >/dev/null || {
        echo 'skipped: there is no clang-format-14'
        return 0
    }
    find src listener demo test -name '*.[ch]' -exec clang-format-14 --dry-run -Werror {} +
}

# Does each header compile alone, and twice? Those of the extension follow postgres.h.
check_headers() {
    local header flags status=0
    read -ra flags <<<"$(pkg-config --cflags libpcre2-8) -I$("$pg_config" --includedir-server)"
    for header in src/*.h; do
        compile_header "$header" "${flags[@]/#-I/-isystem}" -include postgres.h || status=1
    done
    read -ra flags <<<"$(pkg-config --cflags libpq libcurl libcrypto)"
    for header in listener/*.h demo/*.h; do
        compile_header "$header" "${flags[@]}" || status=1
    done
    return "$status"
}

# Compiles a header that is included twice; takes it and options for the compiler.
compile_header() {
    local header=$1
    shift
    [ -e "$header" ] || return 0
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        gcc -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Werror "$@" -I . -x c - || {
        echo "$header does not compile alone"
        return 1
    }
}

# Does the library export nothing but our own names and what PostgreSQL asks for?
check_symbols() {
    local strangers
    strangers=$(nm -D --defined-only dispatch.so | awk '{ print $3 }' |
        grep -vE '^(dispatch_.*|pg_finfo_dispatch_.*|Pg_magic_func|_PG_init)$')
    [ -z "$strangers" ] || {
        printf 'exported without the prefix dispatch_:\n%s\n' "$strangers"
        return 1
    }
}

# Is shellcheck content with every shell script? SC2317 does not see functions that are
# called by name or by a trap.
check_scripts() {
    grep -rlIE --exclude-dir=.git '^#!.*\b(ba|da)?sh\b' . | xargs shellcheck -x -a -e SC2317
}

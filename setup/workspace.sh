# shellcheck shell=bash
# The one folder in which everything happens, and the user who works there.
#
#   source/  a copy of the checkout, built there      pg/    a private copy of PostgreSQL
#   data/    the cluster                              s/     its socket, for us alone
#   log/     what every step said                     tmp/   what programs put aside

# Makes the folder; takes what it is for. Sets $work, $worker and $owner.
open_workspace() {
    local base=${TMPDIR:-/tmp} room
    reachable "$base" && [ ${#base} -le 50 ] || base=/tmp
    work=$(mktemp -d "$base/dispatch-$1.XXXXXX")
    work=$(cd "$work" && pwd -P)
    mkdir "$work/log" "$work/pids"
    choose_worker
    if [ "$(id -u)" -eq 0 ]; then
        chgrp postgres "$work"
        chmod 750 "$work"
    fi
    for room in source pg data s tmp; do
        install -d -m 700 ${owner[@]+"${owner[@]}"} "$work/$room"
    done
    cd "$work"
}

# Can the worker get into that folder? A socket's path and a build must be within reach.
reachable() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups test -w "$1" -a -x "$1"
    else
        [ -w "$1" ] && [ -x "$1" ]
    fi
}

# The server refuses root: then the user of the PostgreSQL packages does the work. Either
# way the environment is a clean one, so no PGHOST or .psqlrc leads astray.
choose_worker() {
    local bin=$work/pg${pg_config%/*}
    owner=()
    worker=()
    if [ "$(id -u)" -eq 0 ]; then
        owner=(-o postgres -g postgres)
        worker=(setpriv --reuid=postgres --regid=postgres --init-groups)
    fi
    worker+=(env -i "PATH=$bin:$PATH" "HOME=$work/tmp" "TMPDIR=$work/tmp" LC_ALL=C.UTF-8
        "PGHOST=$work/s" PGPORT=5432 PGUSER=postgres "TERM=${TERM:-dumb}")
}

# Runs a program as the worker and waits for it.
as_worker() {
    "${worker[@]}" "$@"
}

# Copies the checkout, without what somebody built in it.
copy_source() {
    local not=(./.git '*.o' '*.so' '*.bc' '*.d' ./listener/dispatch-listener ./demo/receiver
        ./results ./output_iso ./tmp_check './regression.*')
    tar -C "$checkout" "${not[@]/#/--exclude=}" --mode='u+rwX' -cf - . |
        as_worker tar -C "$work/source" -xf - --no-same-owner --no-same-permissions
}

# Ends what is left running and removes the folder.
close_workspace() {
    [ -n "${work:-}" ] || return 0
    end_processes
    cd /
    rm -rf "$work"
}

# Sees to it that the command's function leave() runs when we end, whatever ends us.
leave_in_order() {
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    trap 'trap "" HUP INT PIPE TERM; set +e; leave' EXIT
}

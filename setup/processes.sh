# shellcheck shell=bash
# Who runs: programs that we wait for, services in the background, and how all of them end.
# Only processes that were started here are ever ended: those in $work/pids, and those
# whose program lies in $work, where nobody else's does.

# The parts of a command that run beside it.
background=()

# Runs a function beside us; sets $! to its process id.
in_background() {
    "$@" &
    background+=($!)
}

# Runs a program as the worker, in a session of its own, and waits for it. A signal to us
# is taken at once, not when the program ends.
attend() {
    local pid status=0
    setsid "${worker[@]}" "$@" </dev/null &
    pid=$!
    : >"$work/pids/$pid"
    wait "$pid" || status=$?
    rm -f "$work/pids/$pid"
    return "$status"
}

# Starts a program as the worker that goes on in the background: its name, its command line.
# Its output goes to a log. Sets $service to its process id.
start_service() {
    local name=$1
    shift
    setsid "${worker[@]}" "$@" </dev/null >"$work/log/$name.log" 2>&1 &
    service=$!
    disown "$service"
}

# Waits until a command succeeds: for how many seconds at most, the command.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# The processes whose program lies in our folder.
our_processes() {
    find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$work/*" 2>/dev/null |
        cut -d / -f 3
}

# Those of them that are not PostgreSQL's.
our_clients() {
    find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$work/*" ! -lname '*/postgres*' \
        2>/dev/null | cut -d / -f 3
}

# The servers among them: every cluster in our folder names its first process.
our_servers() {
    find "$work" -name postmaster.pid -exec head -n 1 {} \; 2>/dev/null |
        grep -xF -e "$(our_processes)" || :
}

# Does a command print nothing?
prints_nothing() {
    [ -z "$("$@")" ]
}

# Sends a signal to the processes that a command prints; they may be gone already.
signal() {
    local pid
    for pid in $("$2"); do
        kill "-$1" "$pid" 2>/dev/null || :
    done
}

# Ends everything that was started here: what we wait for, then clients, then servers.
end_processes() {
    local entry
    [ ${#background[@]} -eq 0 ] || kill "${background[@]}" 2>/dev/null || :
    for entry in "$work"/pids/*; do
        [ ! -e "$entry" ] || end_group "${entry##*/}"
    done
    signal TERM our_clients
    wait_until 5 prints_nothing our_clients || signal KILL our_clients
    signal INT our_servers
    wait_until 15 prints_nothing our_processes && return 0
    signal QUIT our_servers
    wait_until 5 prints_nothing our_processes || signal KILL our_processes
}

# Ends a program that was attended and what it started.
end_group() {
    kill -TERM -- "-$1" 2>/dev/null || return 0
    wait_until 5 group_is_gone "$1" || kill -KILL -- "-$1" 2>/dev/null || :
}

# Has the process group no member any more?
group_is_gone() {
    ! kill -0 -- "-$1" 2>/dev/null
}

# shellcheck shell=bash
# Who runs: programs that we wait for, services in the background, and how all of them end.
# Only what was started here is ever ended: the groups in $work/pids, and processes whose
# program lies in $work, where nobody else's does.

# The parts of a command that run beside it.
background=()

# Runs a function beside us; sets $! to its process id.
in_background() {
    "$@" &
    background+=($!)
}

# Runs a program as the worker, in a session of its own, and waits for it. A signal to us
# is taken at once, not when the program ends. It reads the file $input, if there is one.
attend() {
    local pid status=0
    setsid "${worker[@]}" "$@" <"${input:-/dev/null}" &
    pid=$!
    : >"$work/pids/$pid"
    wait "$pid" || status=$?
    rm -f "$work/pids/$pid"
    return "$status"
}

# Starts a program as the worker that goes on in the background: its name, its command line.
# Its output goes to a log.
start_service() {
    local name=$1
    shift
    setsid "${worker[@]}" "$@" </dev/null >"$work/log/$name.log" 2>&1 &
    : >"$work/pids/$!"
    disown
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

# The first process of every cluster in our folder that is alive.
our_servers() {
    local pid
    find "$work" -name postmaster.pid -exec head -n 1 {} \; 2>/dev/null |
        while read -r pid; do
            ! is_ours "$pid" || printf '%s\n' "$pid"
        done
}

# Is that process alive and ours? Where there is no /proc to tell, a live one counts as ours.
is_ours() {
    kill -0 "$1" 2>/dev/null || return
    [ ! -e /proc/self ] || [[ $(readlink "/proc/$1/exe") == "$work"/* ]]
}

# Does a command print nothing?
prints_nothing() {
    [ -z "$("$@")" ]
}

# Sends a signal to the processes that a command prints; they may be gone already.
signal() {
    local pid
    for pid in $("$2"); do
        kill "-$1" -- "$pid" 2>/dev/null || :
    done
}

# Ends everything that was started here: ourselves elsewhere, what we wait for and services,
# servers, and what any of them may have left.
end_processes() {
    local entry
    [ ${#background[@]} -eq 0 ] || kill "${background[@]}" 2>/dev/null || :
    for entry in "$work"/pids/*; do
        [ ! -e "$entry" ] || end_group "${entry##*/}"
    done
    end_those our_servers INT QUIT
    end_those our_processes TERM KILL
}

# Ends the processes that a command prints: by one signal, and by another if that is no use.
end_those() {
    signal "$2" "$1"
    wait_until 10 prints_nothing "$1" || signal "$3" "$1"
    wait_until 5 prints_nothing "$1" || :
}

# Ends a process group that was started here. If it is making a cluster it may finish that: a
# server that is torn from its files leaves shared memory behind.
end_group() {
    wait_until 5 prints_nothing cluster_makers "$1" || :
    kill -TERM -- "-$1" 2>/dev/null || return 0
    wait_until 5 group_is_gone "$1" || kill -KILL -- "-$1" 2>/dev/null || :
}

# The processes of a group that are making a cluster.
cluster_makers() {
    local pid
    for pid in $(our_processes); do
        [[ $(readlink "/proc/$pid/exe") == */initdb ]] && [ "$(group_of "$pid")" = "$1" ] &&
            printf '%s\n' "$pid"
    done
}

# The group of a process.
group_of() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 3
}

# Has the process group no member any more?
group_is_gone() {
    ! kill -0 -- "-$1" 2>/dev/null
}

# shellcheck shell=bash
# What a person reads while a command works: plain lines, no colours.

# Prints one line.
say() {
    printf '%s\n' "$*"
}

# Ends the command with a message.
fail() {
    local folder=${0%/*}
    printf '%s/%s: %s\n' "${folder##*/}" "${0##*/}" "$*" >&2
    exit 1
}

# The clock in milliseconds.
milliseconds() {
    local now=${EPOCHREALTIME/[.,]/}
    printf '%s' "${now%???}"
}

# How long something took that began at START, as "1.2 s".
since() {
    local elapsed=$(($(milliseconds) - $1))
    printf '%d.%d s' $((elapsed / 1000)) $((elapsed % 1000 / 100))
}

# Runs a step: its name, what to print, and the command. Its output goes to a log; when it
# fails, the log is shown and we end.
step() {
    local name=$1 text=$2 begun
    shift 2
    begun=$(milliseconds)
    printf '  %-46s' "$text"
    if "$@" >"$work/log/$name.log" 2>&1; then
        since "$begun"
        say
    else
        say 'failed'
        cat "$work/log/$name.log" >&2
        fail "the step \"$text\" failed, see above"
    fi
}

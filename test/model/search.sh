# shellcheck shell=bash disable=SC2154
# Searching the models in the copy of the source, with Spin.

# The mistakes that the model of the signal can have, as its BROKEN_... are named.
mistakes=(early-release old-snapshot one-look own-lock savepoint short-sleep)

# Searches a model of the signal; takes options that say which. Prints what Spin says.
search() {
    local folder
    folder=$(as_worker mktemp -d "$work/tmp/model.XXXXXX")
    attend env -C "$folder" spin "$@" -run -safety -O1 -DCOLLAPSE -m100000 \
        "$work/source/test/model/signal.pml"
    [ ! -e "$folder/signal.pml.trail" ] || show_trail "$folder" "$@"
}

# Prints the way to a state that must not be; takes where it was found, and the options.
show_trail() {
    local folder=$1
    shift
    echo 'The way there, and what was then:'
    attend env -C "$folder" spin "$@" -k signal.pml.trail -p -v "$work/source/test/model/signal.pml" |
        grep -v '^ *[0-9]*: *proc .*(else)' | tail -n 120
}

# Does the model hold that is as the code is, in all that can happen? All at once would be too much
# for each run of the tests: writers beside a listener that writes, beside all kinds of trouble, and
# one writer beside both.
model_holds() {
    search -DWRITERS=2 -DOWN && search -DWRITERS=2 -DTROUBLE &&
        search -DWRITERS=1 -DOWN -DTROUBLE && [ "$(searches_with 'errors: 0')" -eq 3 ] &&
        [ "$(searches_with 'Search not completed')" -eq 0 ] &&
        [ "$(searches_with 'max search depth too small')" -eq 0 ]
}

# In how many searches of this model Spin said so.
searches_with() {
    grep -c -- "$1" "$work/log/model-signal.log" || :
}

# Does the search find the mistake of that name?
finds_mistake() {
    local mistake=${1#signal-} log=$work/log/model-$1.log
    mistake=${mistake^^}
    search -DWRITERS=1 -DOWN -DTROUBLE "-DBROKEN_${mistake//-/_}" && grep -q 'assertion violated' "$log"
}

# How many states were searched, by what Spin said.
states_searched() {
    awk '/states, stored/ { n += $1 } END { print n + 0 }' "$1"
}

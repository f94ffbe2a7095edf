# shellcheck shell=bash disable=SC2034
# What carries the callbacks of a cluster: the listener, the receiver, and the key they share.

# Makes the file with the key that signs callbacks to any host.
make_signing_keys() {
    keys=$work/keys
    (umask 027 && printf '* whsec_%s\n' "$(head -c 32 /dev/urandom | base64)" >"$keys")
    [ "$(id -u)" -ne 0 ] || chgrp postgres "$keys"
}

# Starts the receiver on a free port of its own; sets $receiver_url and $receipts, the file of
# what it got.
start_receiver() {
    receipts=$work/tmp/receipts
    start_service receiver "$receiver" --port 0 --port-file "$work/tmp/port" --keys "$keys" \
        --log "$receipts"
    wait_until 10 test -s "$work/tmp/port" || return
    receiver_url=http://127.0.0.1:$(<"$work/tmp/port")
}

# Starts the listener for a database, with more options. It may call this machine, which it
# refuses by default.
start_listener() {
    local database=$1
    shift
    start_service listener "$listener" --dbname "dbname=$database" --allow-network 127.0.0.0/8 \
        --signing-keys "$keys" "$@"
}

# shellcheck shell=bash disable=SC2034
# Building the three programs in the copy of the source: the extension (installed into the
# private PostgreSQL), the listener and the receiver.

listener= receiver=

# Builds and installs the extension; takes arguments for make.
build_extension() {
    attend make -C "$work/source" -j 2 "PG_CONFIG=$pg_config" "$@" all &&
        attend make -C "$work/source" "PG_CONFIG=$pg_config" "$@" install
}

# Builds the listener; takes arguments for make.
build_listener() {
    attend make -C "$work/source/listener" "$@" || return
    listener=$work/source/listener/dispatch-listener
}

# Builds the receiver; takes arguments for make.
build_receiver() {
    attend make -C "$work/source/demo" "$@" || return
    receiver=$work/source/demo/receiver
}

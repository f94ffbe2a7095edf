# shellcheck shell=bash
# A PostgreSQL of our own: a copy of the installed one, into which we may install, and a
# cluster that only we can reach. The machine's own PostgreSQL is not touched.

# Copies the programs, libraries and shared files side by side as they are: PostgreSQL finds
# the latter from where its programs lie. From here on, $pg_config is the copy's.
copy_postgres() {
    local option path
    for option in bindir pkglibdir sharedir; do
        path=$("$pg_config" "--$option")
        as_worker mkdir -p "$work/pg${path%/*}"
        as_worker cp -R "$path" "$work/pg${path%/*}/"
    done
    path=$("$pg_config" --includedir)
    as_worker mkdir -p "$work/pg${path%/*}"
    as_worker ln -s "$path" "$work/pg$path"
    pg_config=$work/pg$("$pg_config" --bindir)/pg_config
    as_worker find "$work/pg" \( -name 'dispatch--*.sql' -o -name dispatch.control \
        -o -name dispatch.so \) -delete
}

# Makes the cluster; takes lines for its configuration.
make_cluster() {
    attend initdb -D "$work/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N || return
    cat >>"$work/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$work/s'
unix_socket_permissions = 0700
shared_buffers = 64MB
log_line_prefix = '%m [%p] %q%a '
$1
END
}

# Makes the cluster and starts it; takes lines for its configuration.
start_new_cluster() {
    make_cluster "$1" || return
    attend pg_ctl -D "$work/data" -l "$work/data/server.log" -w -t 60 -s start
}

# shellcheck shell=bash
# What must be on the machine, how to tell whether it is, and how it gets there.

# The PostgreSQL that is built against.
pg_major=${PG_MAJOR:-15}
pg_config=${PG_CONFIG:-/usr/lib/postgresql/$pg_major/bin/pg_config}

# What the demo needs: how to look for it, what to look for, the package that brings it.
needs_of_demo() {
    cat <<END
program  make                                           make
program  gcc                                            gcc
file     /usr/include/stdio.h                           libc6-dev
program  pkg-config                                     pkg-config
server   postgres                                       postgresql-$pg_major
server   headers                                        postgresql-server-dev-$pg_major
module   libpcre2-8                                     libpcre2-dev
module   libpq                                          libpq-dev
module   libcurl                                        libcurl4-openssl-dev
module   libcrypto                                      libssl-dev
module   libmicrohttpd                                  libmicrohttpd-dev
END
}

# What the tests need: the same and what checks and measures it.
needs_of_test() {
    needs_of_demo
    cat <<END
program  prove                                          perl
perl     IPC::Run                                       libipc-run-perl
program  nm                                             binutils
program  spin                                           spin
program  shellcheck                                     shellcheck
program  nghttpd                                        nghttp2-server
program  openssl                                        openssl
END
    if release_is 12; then
        say 'program  clang-format-14                   clang-format-14'
        say 'python   psycopg                           python3-psycopg'
        say 'program  clang-14                          clang-14'
        say "file     /usr/lib/clang/14/lib/linux/libclang_rt.fuzzer-$(uname -m).a libclang-rt-14-dev"
    fi
}

# Is this that release of Debian?
release_is() {
    grep -qxs 'ID="\?debian"\?' /etc/os-release && grep -qxs "VERSION_ID=\"$1\"" /etc/os-release
}

# Is it there? Takes how to look for it and what.
is_there() {
    case $1 in
        program) command -v "$2" >/dev/null ;;
        file) [ -e "$2" ] ;;
        module) pkg-config --exists "$2" 2>/dev/null ;;
        perl) perl "-M$2" -e 1 2>/dev/null ;;
        python) /usr/bin/python3 -c "import $2" 2>/dev/null ;;
        server) server_part "$2" ;;
        *) fail "unknown kind of need: $1" ;;
    esac
}

# Is that part of the server there? The programs and the kit for extensions are two packages.
server_part() {
    case $1 in
        postgres) [ -x "${pg_config%/*}/postgres" ] ;;
        headers) [ -x "$pg_config" ] && [ -e "$("$pg_config" --includedir-server)/postgres.h" ] ;;
    esac
}

# The packages that are missing, on one line; takes the list of needs.
missing_packages() {
    local how what package missing=()
    while read -r how what package; do
        is_there "$how" "$what" || missing+=("$package")
    done <<<"$1"
    printf '%s' "${missing[*]}"
}

# Makes the machine ready for a list of needs. Touches nothing when nothing is missing.
require() {
    local missing
    missing=$(missing_packages "$1")
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "missing, and there is no apt-get: $missing"
    install_packages "$missing"
    missing=$(missing_packages "$1")
    [ -z "$missing" ] || fail "still missing after the installation: $missing"
}

# Installs packages with apt, as root or through sudo, and says so.
install_packages() {
    local packages script become=()
    read -ra packages <<<"$1"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "missing packages; as root, run this once, or: apt-get install $1"
        become=(sudo)
    fi
    say "Installing with ${become:+sudo }apt-get, which may take a minute: $1"
    script=$(declare -f apt_install without_new_cluster restore_clusters)
    ${become[@]+"${become[@]}"} bash -c "$script"'; apt_install "$@"' \
        apt_install "$pg_major" "${packages[@]}" </dev/null ||
        fail "${become:+sudo was refused, or }apt-get could not install; as root, run this once, or: apt-get install $1"
}

# Runs as root in a shell of its own: the whole installation, quiet unless it fails.
apt_install() {
    set -eu
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
    local major=$1
    shift
    saved=$(mktemp -d)
    trap 'restore_clusters; rm -rf "$saved"' EXIT
    without_new_cluster "$major" "$@"
    {
        apt-get -q update &&
            apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 install "$@"
    } >"$saved/log" 2>&1 || {
        cat "$saved/log" >&2
        return 1
    }
}

# A server package makes a cluster and starts it when it is installed. Ours must not.
without_new_cluster() {
    local conf=/etc/postgresql-common/createcluster.conf
    case " $* " in *" postgresql-$1 "*) ;; *) return 0 ;; esac
    mkdir -p "${conf%/*}"
    if [ -e "$conf" ]; then
        cp -a "$conf" "$saved/createcluster.conf"
    fi
    echo 'create_main_cluster = false' >>"$conf"
    touch "$saved/changed"
}

# Puts the settings for new clusters back as they were, or as the package has them.
restore_clusters() {
    local conf=/etc/postgresql-common/createcluster.conf
    local packaged=/usr/share/postgresql-common/createcluster.conf
    [ -e "$saved/changed" ] || return 0
    if [ -e "$saved/createcluster.conf" ]; then
        cp -a "$saved/createcluster.conf" "$conf"
    elif [ -e "$packaged" ]; then
        cp "$packaged" "$conf"
        rm -f "$conf.ucf-dist"
    else
        rm -f "$conf"
    fi
}

# shellcheck shell=bash disable=SC2154
# What every bench does with its figures: notes them round by round, compares the medians of
# two series, and prints one line a comparison. Rounds are interleaved, so what disturbs the
# machine meets both sides of a ratio.

# Notes one figure: its series, the round, the value.
note() {
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$work/figures"
}

# The names given, in an order of its own for each round (the first argument) and seed.
shuffled() {
    local round=$1
    shift
    printf '%s\n' "$@" | shuf --random-source=<(yes "$round")
}

# Prints the median of a series.
median() {
    awk -F '\t' -v series="$1" '$1 == series { print $3 }' "$work/figures" | sort -g |
        awk '{ v[NR] = $1 } END { if (NR) printf "%.6g\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# Prints the median, the lowest and the highest of the ratios of two series, round by round.
ratios() {
    awk -F '\t' -v a="$1" -v b="$2" '$1 == a { x[$2] = $3 } $1 == b { y[$2] = $3 }
        END { for (r in x) if (y[r] != 0 && r in y) print x[r] / y[r] }' "$work/figures" | sort -g |
        awk '{ v[NR] = $1 }
            END { if (NR) printf "%.4g %.4g %.4g\n",
                NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR] }'
}

# Prints the head of the table.
figures_head() {
    printf '%-44s %11s %11s  %-20s %-9s %s\n' what ours peer 'ratio (range)' bar met
}

# Prints a comparison: what, our series, the peer's, and the bar, as ">= 1.3" or "<= 0.5" or
# "" where there is none. The ratio is ours to the peer's.
compare() {
    local ratio low high met=
    read -r ratio low high <<<"$(ratios "$2" "$3")"
    [ -z "$4" ] || met=$(awk -v r="$ratio" -v bar="$4" 'BEGIN { split(bar, b, " ")
        print (b[1] == ">=" ? r >= b[2] : r <= b[2]) ? "yes" : "NO" }')
    printf '%-44s %11s %11s  %-20s %-9s %s\n' "$1" "$(median "$2")" "$(median "$3")" \
        "$ratio ($low-$high)" "$4" "$met"
}

# Prints a figure that is no ratio, with its bar, if any.
figure() {
    local value met=
    value=$(median "$2")
    [ -z "${3:-}" ] || met=$(awk -v r="$value" -v bar="$3" 'BEGIN { split(bar, b, " ")
        print (b[1] == ">=" ? r >= b[2] : r <= b[2]) ? "yes" : "NO" }')
    printf '%-44s %11s %11s  %-20s %-9s %s\n' "$1" "$value" '' '' "${3:-}" "$met"
}

# Prints what the figures were measured on.
figures_machine() {
    local cpu
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    printf '%s, %s cores of %s, %s\n' "$("${pg_config%/*}/postgres" --version)" "$(nproc)" \
        "${cpu:-an unknown processor}" "$(date -u +%F)"
}

#!/usr/bin/env bash
# Counts the instructions that a no-op task costs, so that commits can be compared: unlike times, their sum differs
# by about one percent from run to run. It shifts among the steps more than that, because a thread that submits or
# waits may do the work of the pool's own; the worker's share does not.
#
#   bin/bench/scripts/hotpath.sh [PROGRAM]      (default: target/release/pexec-bench, which must be built)
#
# `pexec-bench hot` runs twice under callgrind, with different numbers of tasks: the difference is what tasks cost,
# without the start. All on one CPU, where nobody spins for long. Needs a valgrind that knows pidfd_open (3.24 does,
# 3.19 does not); VALGRIND names one that is not in the path.
set -euo pipefail
few=2000 many=12000

if [ "${HOTPATH_LAUNCHER:-}" = yes ]; then
    # Valgrind has called this script to follow a worker. Workers are started as /proc/self/exe, which under valgrind
    # is valgrind's own program: the name of ours takes its place.
    words=()
    for word in "$@"; do
        [ "$word" != /proc/self/exe ] || word=$HOTPATH_PROGRAM
        words+=("$word")
    done
    export VALGRIND_LAUNCHER=$0
    exec "$HOTPATH_TOOL" "${words[@]}"
fi

skip() {
    echo "skipped: $*"
    exit 0
}
program=$(realpath -- "${1:-target/release/pexec-bench}")
valgrind=${VALGRIND:-valgrind}
command -v "$valgrind" >/dev/null || skip "valgrind is not installed"
[ -x "$program" ] || {
    echo "hotpath.sh: $program is not there; build it: cargo build --release -p pexec-bench" >&2
    exit 1
}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The program that does the work behind the command, which gives itself as the launcher: a run of it shows it.
tool=$("$valgrind" --tool=none -q bash -c 'readlink /proc/$$/exe; :' 2>/dev/null) || true
tool=${tool/\/none-/\/callgrind-}
[ -x "$tool" ] || skip "valgrind's callgrind is not found"
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
export VALGRIND_LIB=${tool%/*} HOTPATH_TOOL=$tool HOTPATH_PROGRAM=$program HOTPATH_LAUNCHER=yes
export VALGRIND_LAUNCHER
VALGRIND_LAUNCHER=$(realpath -- "$0")

# Instructions of submit, result, the supervisor's other threads and the worker, for so many tasks, in `counts`.
count() {
    mkdir "$out/$1"
    timeout 120 taskset -c "$cpu" \
        "$tool" --tool=callgrind --fair-sched=try --trace-children=yes --separate-threads=yes \
        --callgrind-out-file="$out/$1/%p" "$program" hot "$1" >"$out/$1/said" 2>&1 ||
        skip "$("$valgrind" --version) cannot run a pool: $(grep -m1 -iE 'unhandled|panicked|valgrind:' "$out/$1/said" || echo 'no result in time')"
    # The supervisor's first thread has both steps; its other threads answer; the other process is the worker.
    local parent
    parent=$(cd "$out/$1" && grep -l 'fn=([0-9]*) pexec_bench::hot::hot_submit' ./*-01 | sed 's|.*/||; s|-01$||')
    total() { awk '/^summary:/ {s += $2} END {print s + 0}' "$@"; }
    inclusive() {
        callgrind_annotate --inclusive=yes --threshold=100 --auto=no "$out/$1/$parent-01" |
            awk -v what="hot::$2 \\\\[" '$0 ~ what {gsub(",", "", $1); print $1; exit}'
    }
    local others=() workers=() file
    for file in "$out/$1"/*-*; do
        case ${file##*/} in
        "$parent-01") ;;
        "$parent-"*) others+=("$file") ;;
        *) workers+=("$file") ;;
        esac
    done
    counts="$(inclusive "$1" hot_submit) $(inclusive "$1" hot_take) $(total "${others[@]}") $(total "${workers[@]}")"
}

count $few
first=$counts
count $many
echo "instructions per task (between $few and $many tasks):"
echo "$first $counts" | awk -v n=$((many - few)) '{
    split("submit,result,answer (the pool'"'"'s thread),worker", name, ",")
    for (i = 1; i <= 4; i++) { each = ($(i + 4) - $i) / n; sum += each; printf "%-30s %8.1f\n", name[i], each }
    printf "%-30s %8.1f\n", "all", sum
}'

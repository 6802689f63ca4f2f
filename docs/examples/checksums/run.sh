#!/bin/sh
# Hashes every file of a tree with pexec and compares the result with sha256sum's own word on the same tree.
# usage: run.sh [DIR]    (default: the tree that job.toml names)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "${1:-/usr/include}" && pwd)

# The built command, where there is one in the path or in this clone; otherwise cargo builds it.
if command -v pexec > /dev/null; then
    pexec() { command pexec "$@"; }
else
    pexec() { cargo run --quiet --release --manifest-path "$here/../../../Cargo.toml" --bin pexec -- "$@"; }
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

pexec run "$here/job.toml" --no-record --set root="$root" > "$work/pexec"

# The glob's files are regular files and links to one; neither it nor this descends into dot directories.
find "$root" -mindepth 1 -name '.*' -prune -o -xtype f -print0 | LC_ALL=C sort -z |
    xargs -0 -r sha256sum > "$work/sha256sum"

LC_ALL=C sort "$work/pexec" > "$work/a"
LC_ALL=C sort "$work/sha256sum" > "$work/b"
if ! cmp -s "$work/a" "$work/b"; then
    echo "pexec and sha256sum disagree about $root:" >&2
    diff "$work/a" "$work/b" | head -n 20 >&2
    exit 1
fi
echo "$(wc -l < "$work/a") files, identical"

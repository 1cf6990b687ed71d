#!/bin/sh
# Run one unit test program in a folder of its own; show its output only when
# it fails.
#
#   unit.sh SECONDS PROGRAM
set -u

limit=$1
prog=$2
tmp=$prog.tmp

rm -rf "$tmp"
mkdir -p "$tmp"
TMPDIR=$(cd "$tmp" && pwd)
export TMPDIR

if timeout -k 10 "$limit" "$prog" >"$prog.log" 2>&1; then
    rm -rf "$tmp"
    echo "ok   ${prog##*/t/}"
    exit 0
else
    rc=$?
    cat "$prog.log"
    echo "FAIL ${prog##*/t/} (exit $rc, files in $tmp)"
    exit 1
fi

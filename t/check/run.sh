#!/bin/sh
# All static checks; each says what it looked at, the sum decides.
set -u
cd "$(dirname "$0")/../.." || exit 1

build=${BLOB_BUILD:-build}
failed=

check()
{
    name=$1
    shift
    if "$@"; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        failed="$failed $name"
    fi
}

format()
{
    files=$(find tier ngx_blob_module -name '*.[ch]')
    [ -z "$files" ] || clang-format --dry-run -Werror $files
}

static()
{
    [ -n "$(find tier -name '*.c')" ] || return 0
    mkdir -p "$build/cppcheck"
    cppcheck --quiet --std=c11 --language=c -j2 --error-exitcode=1 \
        --cppcheck-build-dir="$build/cppcheck" \
        --enable=warning,performance,portability --inline-suppr \
        --suppress=missingIncludeSystem --suppressions-list=t/check/cppcheck \
        -D_GNU_SOURCE -I tier tier
}

# No path of somebody's machine, no registry.
clean()
{
    ! git grep -nIE '(^|[^A-Za-z0-9_.$}])/home/[a-z]|registry\.npm' -- \
        . ':!t/check/run.sh'
}

scripts()
{
    rc=0
    for f in t/*/*.sh t/*.sh conf/*/*.sh .ci/run; do
        [ ! -f "$f" ] || bash -n "$f" || rc=1
    done
    for f in t/*.t t/*/*.pl t/lib/*.pm; do
        [ ! -f "$f" ] || perl -It/lib -c "$f" 2>&1 | grep -v 'syntax OK' &&
            rc=1
    done
    return $rc
}

check format format
check layers perl t/check/layers.pl
check purity sh t/check/pure.sh "$build/libproto.a"
check sizes perl t/check/sizes.pl
check docs perl t/check/docs.pl
check cppcheck static
check scripts scripts
check clean clean

if [ -n "$failed" ]; then
    echo "check: failed:$failed"
    exit 1
fi
echo "check: all passed"

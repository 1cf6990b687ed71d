#!/bin/sh
# AzCopy with an account SAS: copy, list, sync, remove.  BIG: MiB of the
# largest file.  An endpoint that is an address and a port of no emulator has
# to be named a blob endpoint in each command.
. "$(dirname "$0")/lib.sh"

bin=$here/node_modules/@azure-tools/azcopy-linux/dist/bin
azcopy=${AZCOPY:-$bin/azcopy_linux_amd64}
export AZCOPY_JOB_PLAN_LOCATION="$work/plan" AZCOPY_LOG_LOCATION="$work/log"
export AZCOPY_DISABLE_SYSLOG=true AZCOPY_CONCURRENCY_VALUE=8
export AZCOPY_BUFFER_GB=0.25

az()
{
    say "azcopy $1"
    timeout 300 "$azcopy" --skip-version-check "$@" >"$work/out" 2>&1 \
        </dev/null || {
        sed 's/sig=[^&" ]*/sig=.../g' "$work/out" | tail -40 >&2
        die "azcopy $1"
    }
}

url()
{
    echo "$endpoint/$con$1?$sas"
}

mib=1048576
src=$work/src

# a tree with awkward names and sizes
file 0 "$src/tree/empty"
file 1 "$src/tree/one"
file $((4 * mib)) "$src/tree/sub/four mib.bin"
file 70000 "$src/tree/sub/deep/er/a+b%20c.txt"
file 333 "$src/tree/sub/größe 🚀.json"
file $((${BIG:-20} * mib)) "$src/big"
file 0 "$src/empty"
file 1 "$src/one"

make_container "$con"

# one file each, up and down again
for f in empty one big; do
    az copy --from-to=LocalBlob "$src/$f" "$(url "/$f")" --put-md5 \
        --metadata 'who=azcopy;n=1' --content-type "application/x-$f" --no-guess-mime-type
    az copy --from-to=BlobLocal "$(url "/$f")" "$work/dst/$f" \
        --check-md5 FailIfDifferentOrMissing
    same "$src/$f" "$work/dst/$f"
    props "$f" content-type "application/x-$f"
    props "$f" x-ms-meta-who azcopy
    cp "$src/$f" "$expect/$f"
done

# a tree, up and down again
az copy --from-to=LocalBlob "$src/tree" "$(url /)" --recursive --put-md5
az copy --from-to=BlobLocal "$(url /tree)" "$work/dst/" --recursive \
    --check-md5 FailIfDifferentOrMissing
same "$src/tree" "$work/dst/tree"

# list: every name, and the total
az list --location=Blob "$(url '')"
for name in big empty one tree/empty 'tree/sub/four mib.bin' \
    'tree/sub/größe 🚀.json'
do
    grep -qF "$name;" "$work/out" || { cat "$work/out"; die "list: no $name"; }
done
n=$(grep -c 'Content Length' "$work/out")
[ "$n" -eq 8 ] || die "list shows $n blobs, not 8"

# sync up: one changed, one new, one gone
sleep 1.1
file 2222 "$src/tree/one"
file 3333 "$src/tree/new"
rm "$src/tree/empty"
az sync --from-to=LocalBlob "$src/tree" "$(url /tree)" --recursive \
    --delete-destination=true \
    --put-md5
[ "$(status HEAD /"$con"/tree/empty --head)" = 404 ] ||
    die "sync left tree/empty"

# sync down: the same to the old copy
az sync --from-to=BlobLocal "$(url /tree)" "$work/dst/tree" --recursive \
    --delete-destination=true \
    --check-md5 FailIfDifferentOrMissing
same "$src/tree" "$work/dst/tree"

# nothing to do the second time
az sync --from-to=LocalBlob "$src/tree" "$(url /tree)" --recursive \
    --delete-destination=true
grep -q 'Number of Copy Transfers Completed: 0\|Files Scanned\|Completed: 0' \
    "$work/out" || die 'second sync copied something'

# remove one, and a folder
az copy --from-to=LocalBlob "$src/tree" "$(url /gone/)" --recursive
az remove --from-to=BlobTrash "$(url /gone)" --recursive
az copy --from-to=LocalBlob "$src/one" "$(url /gone-too)"
az remove --from-to=BlobTrash "$(url /gone-too)"
[ "$(status HEAD /"$con"/gone-too --head)" = 404 ] || die 'remove did nothing'

cp -r "$src/tree" "$expect/tree"
say "azcopy: done"

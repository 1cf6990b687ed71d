#!/bin/sh
# AzCopy with an account SAS: copy up, down and between containers and
# accounts, list, sync, set-properties, remove, resume.  BIG: MiB of the
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
verb 'copy: file up, --put-md5, down, --check-md5'
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
verb 'copy: tree up and down'
az copy --from-to=LocalBlob "$src/tree" "$(url /)" --recursive --put-md5
az copy --from-to=BlobLocal "$(url /tree)" "$work/dst/" --recursive \
    --check-md5 FailIfDifferentOrMissing
same "$src/tree" "$work/dst/tree"

# list: every name, and the total
verb 'list'
az list --location=Blob "$(url '')"
for name in big empty one tree/empty 'tree/sub/four mib.bin' \
    'tree/sub/größe 🚀.json'
do
    grep -qF "$name;" "$work/out" || { cat "$work/out"; die "list: no $name"; }
done
n=$(grep -c 'Content Length' "$work/out")
[ "$n" -eq 8 ] || die "list shows $n blobs, not 8"

# sync up: one changed, one new, one gone
verb 'sync up and down'
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

# what is there stays, or goes when it is older
verb 'copy --overwrite=false, ifSourceNewer'
cp "$src/one" "$work/one.kept"
file 1 "$src/one"
az copy --from-to=LocalBlob "$src/one" "$(url /one)" --overwrite=false
az copy --from-to=BlobLocal "$(url /one)" "$work/dst/one"
same "$work/one.kept" "$work/dst/one"
touch -d '2 days ago' "$src/one"
az copy --from-to=LocalBlob "$src/one" "$(url /one)" --overwrite=ifSourceNewer
az copy --from-to=BlobLocal "$(url /one)" "$work/dst/one"
same "$work/one.kept" "$work/dst/one"
touch "$src/one"
az copy --from-to=LocalBlob "$src/one" "$(url /one)" --overwrite=ifSourceNewer
az copy --from-to=BlobLocal "$(url /one)" "$work/dst/one"
same "$src/one" "$work/dst/one"
cp "$src/one" "$expect/one"
sed -i '/^one\t/d' "$expect.props"

# a job that was killed half-way goes on with what is missing
verb 'jobs resume after kill -9'
file $((24 * mib)) "$src/slow"
timeout -s KILL 4 "$azcopy" --skip-version-check copy --from-to=LocalBlob \
    "$src/slow" "$(url /slow)" --cap-mbps 24 --block-size-mb 1 \
    >"$work/out" 2>&1 </dev/null && die 'the slow copy was not slow'
job=$(sed -n 's/^Job \([0-9a-f-]*\) has started.*/\1/p' "$work/out")
[ -n "$job" ] || { cat "$work/out" >&2; die 'no job id'; }
az jobs resume "$job" --destination-sas="$sas"
az copy --from-to=BlobLocal "$(url /slow)" "$work/dst/slow"
same "$src/slow" "$work/dst/slow"
cp "$src/slow" "$expect/slow"

# remove one, and a folder
verb 'remove'
az copy --from-to=LocalBlob "$src/tree" "$(url /gone/)" --recursive
az remove --from-to=BlobTrash "$(url /gone)" --recursive
az copy --from-to=LocalBlob "$src/one" "$(url /gone-too)"
az remove --from-to=BlobTrash "$(url /gone-too)"
[ "$(status HEAD /"$con"/gone-too --head)" = 404 ] || die 'remove did nothing'

cp -r "$src/tree" "$expect/tree"

# between containers of the account: small ones whole, big ones in blocks
# (Azurite has no Put Blob From URL, which the edge may leave to the lake)
if [ "${SETUP:-}" != azurite ] && [ "${SETUP:-}" != baseline ]; then
    verb 'copy: container to container'
    make_container "$con-two"
    az copy --from-to=BlobBlob "$(url '')" "$endpoint/$con-two?$sas" \
        --recursive --s2s-preserve-access-tier=false --block-size-mb 8
    az copy --from-to=BlobLocal "$endpoint/$con-two?$sas" "$work/two" --recursive
    same "$expect" "$(dirname "$(find "$work/two" -name big)")"
fi

if [ "${ACCOUNT2:-}" ]; then
    verb 'copy: account to account'
    two=https://$ACCOUNT2.blob.core.windows.net
    sas2=$("$here/../tools/sas.pl" "$ACCOUNT2" "$KEY2" \
        sp=rwdlacuptf)
    az copy "$(url '')" "$two/$con-copy?$sas2" --recursive \
        --s2s-preserve-access-tier=false
    az copy "$two/$con-copy?$sas2" "$work/account2" --recursive
    same "$expect" "$(dirname "$(find "$work/account2" -name big)")"
    verb 'make, remove container'
    az make "$two/$con-made?$sas2"
    az remove "$two/$con-made?$sas2" --recursive
fi

verb 'set-properties: metadata, tags, tier'
az copy --from-to=LocalBlob "$src/one" "$(url /props)" --blob-tags 'a=1&b=two'
az set-properties --from-to=BlobNone "$(url /props)" --metadata 'm=2' \
    --block-blob-tier cool --blob-tags 'c=3'
[ "$(status HEAD "/$con/props" --head)" = 200 ] || die 'props went'
status HEAD "/$con/props" --head -D "$work/head" >/dev/null
grep -qi '^x-ms-meta-m: 2' "$work/head" || die 'set-properties: no metadata'
grep -qi '^x-ms-access-tier: Cool' "$work/head" || die 'set-properties: tier'
[ "$(status GET "/$con/props?comp=tags")" = 200 ] || die 'no tags'
grep -q '<Key>c</Key><Value>3</Value>' "$work/body" || die 'wrong tags'
az remove --from-to=BlobTrash "$(url /props)"
say "azcopy: done"

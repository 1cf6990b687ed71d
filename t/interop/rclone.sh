#!/bin/sh
# rclone 1.60 with a SAS URL (it builds https host names from account keys):
# copy, lsjson, check, sync both ways, cat, delete, purge.
. "$(dirname "$0")/lib.sh"

export RCLONE_CONFIG="$work/rclone.conf"
printf '[edge]\ntype = azureblob\nsas_url = %s/?%s\nlist_chunk = 3\n' \
    "$endpoint" "$sas" >"$RCLONE_CONFIG"
chmod 600 "$RCLONE_CONFIG"

rc()
{
    say "rclone $1"
    timeout 300 rclone --retries 1 --low-level-retries 3 --timeout 60s \
        --contimeout 10s --use-server-modtime=false "$@" >"$work/out" \
        2>"$work/err" </dev/null || {
        sed 's/sig=[^&" ]*/sig=.../g' "$work/err" | tail -30 >&2
        die "rclone $1"
    }
}

src=$work/src/tree
file 0 "$src/empty"
file 1 "$src/one"
file 5000 "$src/a/b/c d.txt"
file 5000 "$src/a/b+c/é%.bin"
file $((9 * 1048576)) "$src/a/nine"

rc mkdir "edge:$con"
rc copy "$src" "edge:$con/tree" --azureblob-chunk-size 4M
rc check "$src" "edge:$con/tree"
rc check "$src" "edge:$con/tree" --download

rc lsjson -R --files-only --hash "edge:$con/tree"
n=$(grep -c '"Path"' "$work/out")
[ "$n" -eq 5 ] || { cat "$work/out" >&2; die "lsjson shows $n blobs, not 5"; }
rc lsd "edge:"
grep -q " $con\$" "$work/out" || die "lsd: no $con"

rc cat "edge:$con/tree/a/b/c d.txt"
cmp "$work/out" "$src/a/b/c d.txt" || die 'cat'

rc copy "edge:$con/tree" "$work/dst"
same "$src" "$work/dst"

# sync up and down after a change, a new file and a removal
file 6000 "$src/one"
file 7000 "$src/new"
rm "$src/empty"
rc sync "$src" "edge:$con/tree"
rc check "$src" "edge:$con/tree"
rc sync "edge:$con/tree" "$work/dst"
same "$src" "$work/dst"

rc copyto "$src/new" "edge:$con/gone"
rc deletefile "edge:$con/gone"
rc copy "$src" "edge:$con-gone/x"
rc purge "edge:$con-gone"

cp -r "$src" "$expect/tree"
say "rclone: done"

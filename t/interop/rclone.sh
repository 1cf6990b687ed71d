#!/bin/sh
# rclone 1.60: copy, lsjson, check, sync both ways, cat, settier, delete,
# purge.  It builds https host names from account keys, so that it gets a SAS
# URL where the endpoint is another.
. "$(dirname "$0")/lib.sh"

export RCLONE_CONFIG="$work/rclone.conf"
case $endpoint in
https://"$account".blob.core.windows.net)
    printf '[edge]\ntype = azureblob\naccount = %s\nkey = %s\n' "$account" \
        "$key" ;;
*)
    printf '[edge]\ntype = azureblob\nsas_url = %s/?%s\n' "$endpoint" "$sas"
    ;;
esac >"$RCLONE_CONFIG"
echo 'list_chunk = 3' >>"$RCLONE_CONFIG"
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

verb 'copy up, check'
rc mkdir "edge:$con"
rc copy "$src" "edge:$con/tree" --azureblob-chunk-size 4M
rc check "$src" "edge:$con/tree"
rc check "$src" "edge:$con/tree" --download

verb 'lsjson, lsd'
rc lsjson -R --files-only --hash "edge:$con/tree"
n=$(grep -c '"Path"' "$work/out")
[ "$n" -eq 5 ] || { cat "$work/out" >&2; die "lsjson shows $n blobs, not 5"; }
rc lsd "edge:"
grep -q " $con\$" "$work/out" || die "lsd: no $con"

verb 'cat, copy down'
rc cat "edge:$con/tree/a/b/c d.txt"
cmp "$work/out" "$src/a/b/c d.txt" || die 'cat'

rc copy "edge:$con/tree" "$work/dst"
same "$src" "$work/dst"

verb 'sync up and down'
# sync up and down after a change, a new file and a removal
file 6000 "$src/one"
file 7000 "$src/new"
rm "$src/empty"
rc sync "$src" "edge:$con/tree"
rc check "$src" "edge:$con/tree"
rc sync "edge:$con/tree" "$work/dst"
same "$src" "$work/dst"

verb 'copy between containers'
rc mkdir "edge:$con-two"
rc copy "edge:$con/tree" "edge:$con-two/tree"
rc check "$src" "edge:$con-two/tree" --download

verb 'settier'
rc copyto "$src/new" "edge:$con/tiered"
rc settier Cool "edge:$con/tiered"
rc lsjson "edge:$con/tiered"
grep -q '"Tier":"Cool"' "$work/out" || { cat "$work/out" >&2; die 'settier'; }
rc deletefile "edge:$con/tiered"

verb 'deletefile, purge'
rc copyto "$src/new" "edge:$con/gone"
rc deletefile "edge:$con/gone"
rc copy "$src" "edge:$con-gone/x"
rc purge "edge:$con-gone"

cp -r "$src" "$expect/tree"
say "rclone: done"

#!/usr/bin/env bash
# make run: an edge at 127.0.0.1:10000 and, unless ORIGIN names another one, a
# lake at 127.0.0.1:10010, each with its blob-tier.  One of them that ends is
# started again.  Ctrl-C stops all of it.
#
#   EDGE_PORT LAKE_PORT   other ports
#   STATE                 the folder that everything is kept in
#   WRITE                 back (default), through, off
#   ORIGIN ORIGIN_KEY     the lake: http://host:port/account or
#                         https://account.blob.core.windows.net, and its key
set -u
export LC_ALL=C     # whatever the terminal sent along may not be installed

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BLOB_BUILD:-$top/build}
dev_key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6
dev_key=${dev_key}tq/K1SZFPTOtr/KBHBeksoGMGw==
account=devstoreaccount1

edge_port=${EDGE_PORT:-10000}
lake_port=${LAKE_PORT:-10010}
write=${WRITE:-back}
origin=${ORIGIN:-}
origin_key=${ORIGIN_KEY:-}

restarts_max=5      # of one child in a minute

pids=()
names=()
logs=()
commands=()
ends=()             # when it ended, lately: seconds of this script

die()
{
    echo "run: $*" >&2
    exit 1
}

stop()
{
    local i pid n
    trap '' INT TERM HUP
    [ ${#pids[@]} -gt 0 ] || return 0
    echo
    echo "run: stopping"
    # nginx first, then the daemons behind it
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        pid=${pids[i]}
        case ${names[i]} in
        *nginx) kill -QUIT "$pid" 2>/dev/null ;;
        *) kill -TERM "$pid" 2>/dev/null ;;
        esac
        for ((n = 0; n < 100; n++)); do
            kill -0 "$pid" 2>/dev/null || break
            [ $n -ne 50 ] || kill -TERM "$pid" 2>/dev/null
            sleep 0.1
        done
        if kill -0 "$pid" 2>/dev/null; then
            echo "run: ${names[i]} ($pid) does not stop, killing it" >&2
            kill -KILL "$pid" 2>/dev/null
        fi
        wait "$pid" 2>/dev/null
    done
    pids=()
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME LOG COMMAND...: in a session of its own, so that Ctrl-C reaches
# only this script
start()
{
    local name=$1 log=$2
    shift 2
    setsid "$@" >>"$log" 2>&1 </dev/null &
    pids+=($!)
    names+=("$name")
    logs+=("$log")
    commands+=("$(printf '%q ' "$@")")
    ends+=('')
}

# restart I: the child that ended, unless it does nothing but end
restart()
{
    local i=$1 pid=${pids[$1]} name=${names[$1]} log=${logs[$1]} t n
    local recent=()
    for t in ${ends[i]} $SECONDS; do
        [ $((SECONDS - t)) -ge 60 ] || recent+=("$t")
    done
    ends[i]=${recent[*]}
    if [ ${#recent[@]} -gt $restarts_max ]; then
        tail -5 "$log" >&2
        die "$name ended ${#recent[@]} times within a minute;" \
            "its log is $log"
    fi
    # nginx's workers outlive a master that was killed, and keep its port
    kill -TERM -- "-$pid" 2>/dev/null
    for ((n = 0; n < 50; n++)); do
        kill -0 -- "-$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$pid" 2>/dev/null
    echo "run: $name ($pid) ended, starting it again; its log is $log" >&2
    eval "setsid ${commands[i]}" '>>"$log" 2>&1 </dev/null &'
    pids[i]=$!
}

# listening PORT NAME LOG: wait for the one that was started last
listening()
{
    local port=$1 name=$2 log=$3 pid=${pids[-1]} n
    for ((n = 0; n < 100; n++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            tail -5 "$log" >&2
            die "$name did not start; its log is $log"
        fi
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return
        fi
        sleep 0.1
    done
    die "nothing listens on 127.0.0.1:$port; see $log"
}

case $write in
back | through | off) ;;
*) die "WRITE=$write: back, through or off" ;;
esac
for p in "$edge_port" "$lake_port"; do
    case $p in
    '' | *[!0-9]*) die "EDGE_PORT and LAKE_PORT are numbers, not $p" ;;
    esac
done

# As root nginx's workers are www-data, and blob-tier runs as they do.
as=()
user=
if [ "$(id -u)" -eq 0 ]; then
    state=${STATE:-/var/lib/blob-edge}
    id www-data >/dev/null 2>&1 || die "no user www-data; is nginx installed?"
    as=(setpriv --reuid=www-data --regid=www-data --clear-groups)
    user='user www-data;'
else
    state=${STATE:-$top/state}
fi
mkdir -p "$state" || die "cannot make $state; STATE=... names another folder"
state=$(cd "$state" && pwd)
command -v nginx >/dev/null || PATH=$PATH:/usr/sbin:/sbin
command -v nginx >/dev/null || die "nginx is not installed"

for part in edge lake; do
    mkdir -p "$state/$part"/{store,cache,tmp,logs} || die "$state: not writable"
done

# Workers must reach the program too, wherever this tree is.
mkdir -p "$state/bin"
cp -f "$build/blob-tier" "$state/bin/blob-tier.new" &&
    mv -f "$state/bin/blob-tier.new" "$state/bin/blob-tier" ||
    die "cannot copy blob-tier to $state/bin"

# ---- which lake --------------------------------------------------------

own_lake=
if [ -z "$origin" ]; then
    own_lake=1
    origin=http://127.0.0.1:$lake_port/$account
    origin_key=$dev_key
fi
origin=${origin%/}
rest=${origin#*://}
case $rest in
*/*) origin_account=${rest#*/} ;;
*) origin_account=${rest%%.*} ;;
esac
case $origin in
http://?* | https://?*) ;;
*) die "ORIGIN=$origin: http://host:port/account or https://host" ;;
esac
case $origin_account in
*/* | '') die "ORIGIN=$origin: one account after the host, nothing more" ;;
esac
if [ -z "$origin_key" ]; then
    [ "$origin_account" = "$account" ] ||
        die "ORIGIN_KEY is missing: the key of account $origin_account"
    origin_key=$dev_key
fi

# A state has writes that belong to one lake.
mark=$state/edge/origin
lake_name=$origin
[ -z "$own_lake" ] || lake_name='own lake'
if [ -f "$mark" ] && [ "$(cat "$mark")" != "$lake_name" ]; then
    die "$state belongs to another lake ($(cat "$mark")):" \
        "STATE=... names another folder, or remove that one"
fi
echo "$lake_name" >"$mark"

(umask 077 && printf '%s\n' "$origin_key" >"$state/edge/origin.key")

if [ ${#as[@]} -gt 0 ]; then
    chmod 755 "$state" "$state/edge" "$state/lake"
    chown www-data: "$state"/{edge,lake}/{store,cache,tmp} \
        "$state/edge/origin.key"
fi

# ---- configurations ----------------------------------------------------

listen6=
if [ -f /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
    listen6="listen [::1]:$edge_port;"
fi

nofile=$(ulimit -Hn)
[ "$nofile" != unlimited ] && [ "$nofile" -lt 65536 ] || nofile=65536

# fill PART PORT
fill()
{
    local esc='s/[&|\\]/\\&/g'
    sed -e "s|@BUILD@|$(sed "$esc" <<<"$build")|g" \
        -e "s|@CONF@|$(sed "$esc" <<<"$top/conf")|g" \
        -e "s|@DIR@|$(sed "$esc" <<<"$state/$1")|g" \
        -e "s|@USER@|$user|g" \
        -e "s|@PORT@|$2|g" \
        -e "s|@NOFILE@|$nofile|g" \
        -e "s|@LISTEN6@|$listen6|g" \
        -e "s|@DEV_KEY@|$dev_key|g" \
        -e "s|@ORIGIN@|$(sed "$esc" <<<"$origin")|g" \
        -e "s|@ORIGIN_ACCOUNT@|$(sed "$esc" <<<"$origin_account")|g" \
        -e "s|@WRITE@|$write|g" \
        "$top/conf/dev/$1.conf.in" >"$state/$1/nginx.conf"
}

serve()
{
    local part=$1 port=$2 dir=$state/$1
    fill "$part" "$port"
    : >"$dir/logs/start.log"
    start "$part nginx" "$dir/logs/start.log" nginx -p "$dir" \
        -e "$dir/logs/error.log" -c "$dir/nginx.conf" -g 'daemon off;'
    listening "$port" "$part nginx" "$dir/logs/start.log"
    start "$part blob-tier" "$dir/logs/blob-tier.log" "${as[@]}" \
        "$state/bin/blob-tier" serve "$dir/store"
}

if (exec 3<>"/dev/tcp/127.0.0.1/$edge_port") 2>/dev/null; then
    die "port $edge_port is in use; EDGE_PORT=... names another one"
fi
if [ -n "$own_lake" ]; then
    if (exec 3<>"/dev/tcp/127.0.0.1/$lake_port") 2>/dev/null; then
        die "port $lake_port is in use; LAKE_PORT=... names another one"
    fi
    serve lake "$lake_port"
fi
serve edge "$edge_port"

for ((n = 0; n < 100; n++)); do
    "$state/bin/blob-tier" status "$state/edge/store" >/dev/null 2>&1 && break
    kill -0 "${pids[-1]}" 2>/dev/null || {
        tail -5 "$state/edge/logs/blob-tier.log" >&2
        die "blob-tier did not start; its log is" \
            "$state/edge/logs/blob-tier.log"
    }
    sleep 0.1
done

# ---- how to use it -----------------------------------------------------

url=http://127.0.0.1:$edge_port/$account
sas=$("$top/t/tools/sas.pl" "$account" "$dev_key" \
    sp=rwdlacuptf "se=$(date -u -d '+30 days' +%Y-%m-%dT00:00:00Z)")
perl "-I$top/t/lib" -MBlobTest::Http -e '
    my ($host, $port, $target) = @ARGV;
    BlobTest::Http->new($host, $port)->request("PUT", $target, {
        "x-ms-version" => $BlobTest::Http::VERSION });
' 127.0.0.1 "$edge_port" "/$account/demo?restype=container&$sas" \
    >/dev/null 2>&1 || echo "run: the container demo could not be made" >&2

azcopy=$(command -v azcopy ||
    ls "$top"/t/interop/node_modules/@azure-tools/azcopy-linux/dist/bin/*64 \
        2>/dev/null | head -1)
cat <<EOF

Edge    $url (write $write)
Lake    $origin
State   $state
Logs    $state/edge/logs/ (error.log, access.log, blob-tier.log)
EOF
[ -z "$own_lake" ] || echo "        $state/lake/logs/"
cat <<EOF

Connection string (with the default port, UseDevelopmentStorage=true is the
same):
  DefaultEndpointsProtocol=http;AccountName=$account;AccountKey=$dev_key;BlobEndpoint=$url;

Account SAS, 30 days:
  $sas

Upload, list, download (the container "demo" is there):
EOF
if [ -n "$azcopy" ]; then
    cat <<EOF
  $azcopy copy --from-to=LocalBlob '$top/Makefile' '$url/demo/hello?$sas'
  $azcopy list --location=Blob '$url/demo?$sas'
  $azcopy copy --from-to=BlobLocal '$url/demo/hello?$sas' /tmp/hello
EOF
else
    cat <<EOF
  curl -T '$top/Makefile' -H 'x-ms-blob-type: BlockBlob' '$url/demo/hello?$sas'
  curl '$url/demo?restype=container&comp=list&$sas'
  curl -o /tmp/hello '$url/demo/hello?$sas'
EOF
fi
cat <<EOF

What waits for the lake: $state/bin/blob-tier status $state/edge/store
Ctrl-C stops everything; the next run goes on with the same state.
EOF

# ---- until Ctrl-C ------------------------------------------------------

while :; do
    sleep 0.5
    for i in "${!pids[@]}"; do
        kill -0 "${pids[i]}" 2>/dev/null || restart "$i"
    done
done

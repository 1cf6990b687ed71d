# Shared by the shell drivers.  Each is called as
#
#   DRIVER ENDPOINT CONTAINER WORK
#
# with ENDPOINT such as http://127.0.0.1:10000/devstoreaccount1, and leaves in
# WORK/expect/CONTAINER/ the files that the container must hold at the end,
# in WORK/expect/CONTAINER.props lines "blob<TAB>header<TAB>value" beyond them.
# ACCOUNT and KEY default to the development account.

set -eu

endpoint=$1
con=$2
work=$3
here=$(cd "$(dirname "$0")" && pwd)
account=${ACCOUNT:-devstoreaccount1}
key=${KEY:-Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==}
expect=$work/expect/$con
sas=$("$here/../tools/sas.pl" "$account" "$key" sp=rwdlacuptf)

export HOME="$work/home"
mkdir -p "$HOME" "$expect" "$work/src" "$work/dst"

# verb NAME: begins; the table of results has a row for it
verb()
{
    echo "# $1"
    echo "$1" >>"$work/verbs"
}

say()
{
    echo "# $*"
}

die()
{
    echo "FAIL: $*" >&2
    exit 1
}

# file BYTES PATH: not compressible, different each time
file()
{
    mkdir -p "$(dirname "$2")"
    head -c "$1" /dev/urandom >"$2"
}

same()
{
    diff -r "$1" "$2" >&2 || die "$1 and $2 differ"
}

props()
{
    printf '%s\t%s\t%s\n' "$@" >>"$expect.props"
}

# status METHOD PATH [curl option...]: the HTTP status, with the SAS
status()
{
    method=$1
    path=$2
    shift 2
    case $path in *\?*) join='&' ;; *) join='?' ;; esac
    curl -sS -m 60 -o "$work/body" -w '%{http_code}' -X "$method" \
        -H 'x-ms-version: 2023-11-03' "$@" "$endpoint$path$join$sas"
}

make_container()
{
    code=$(status PUT "/$1?restype=container" -H 'Content-Length: 0')
    [ "$code" = 201 ] || die "create container $1: $code $(cat "$work/body")"
}

#!/bin/sh
# Install the Debian packages that a group of make targets needs.
#
#   need.sh GROUP...     groups: build test interop check bench
#
# Does nothing when everything is there.  Without root it prints what is
# missing and stops.  Installing nginx never starts a server: a temporary
# policy-rc.d forbids it, unless the machine has a policy of its own.  With CI
# in the environment the machine is taken for one that is thrown away: dpkg
# does not wait for the disk after every file.
set -eu

# curl: make run prints commands with it
build="nginx nginx-dev gcc libc6-dev make pkg-config perl openssl
    liblmdb-dev libcurl4-openssl-dev libxml2-dev libmicrohttpd-dev
    libssl-dev libpcre2-dev zlib1g-dev curl"
test="libcmocka-dev procps"
# what python3-azure-storage uses; t/interop/install.sh unpacks the package
interop="python3 python3-cryptography python3-isodate python3-requests
    python3-six python3-typing-extensions rclone libsecret-1-0
    ca-certificates iproute2 python3-argcomplete python3-distutils python3-jwt
    python3-msal python3-msal-extensions python3-msrest python3-msrestazure
    python3-openssl python3-packaging"
check="clang-format cppcheck binutils"
bench="wrk"

installed()
{
    dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep -q '^ii'
}

if ! command -v dpkg-query >/dev/null; then
    echo "need: not a Debian system, packages are not checked" >&2
    exit 0
fi

missing=
for group; do
    eval "list=\${$group:?no such group}"
    for pkg in $list; do
        installed "$pkg" || missing="$missing $pkg"
    done
    if [ "$group" = interop ]; then
        # any npm will do, Debian's or another
        command -v node >/dev/null || missing="$missing nodejs"
        command -v npm >/dev/null || missing="$missing npm"
    fi
done

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "need: these packages are missing; as root, run:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
ours=
cleanup()
{
    [ -z "$ours" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    ours=1
fi

echo "need: installing$missing"
export DEBIAN_FRONTEND=noninteractive
opts="-y -qq --no-install-recommends -o Dpkg::Use-Pty=0
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3"
[ -z "${CI:-}" ] || opts="$opts -o Dpkg::Options::=--force-unsafe-io"

# shellcheck disable=SC2086
apt-get install $opts $missing >/dev/null 2>&1 || {
    apt-get update -qq
    apt-get install $opts $missing
}

# Debian enables nginx for the next boot; whoever wants that can say so.
case " $missing " in
*" nginx "*)
    if [ -d /run/systemd/system ]; then
        systemctl disable nginx >/dev/null 2>&1 || :
    fi
    ;;
esac

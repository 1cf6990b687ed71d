#!/bin/sh
# libproto.a computes: no file, no clock, no memory of its own, no state.
#
#   pure.sh LIBPROTO.A
set -eu

lib=$1
[ -f "$lib" ] || { echo "no $lib"; exit 1; }

# libcrypto's are the HMAC that signatures need
allowed='^(mem(cpy|cmp|move|set|chr|rchr|mem)|str(len|cmp|ncmp|chr|nlen)|
abort|__stack_chk_fail|__(memcpy|memmove|memset)_chk|bcmp|_GLOBAL_OFFSET_TABLE_|
HMAC|EVP_sha256|CRYPTO_memcmp|OPENSSL_cleanse|qsort|bsearch|
(base|bytes|view|writer|tier|digest|crc64|md5|hmac|sha256|b64|base64|endian|props|
policy|rc|proto|write|etag|time|block|blob|uri|xml)_[a-z0-9_]*|
__(asan|ubsan|tsan|sanitizer)_.*|__cpu_.*|__tls_get_addr)$'
allowed=$(echo "$allowed" | tr -d '\n')

defined=$(nm --defined-only "$lib" 2>/dev/null | awk 'NF == 3 { print $3 }')
bad=$(nm -u "$lib" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u |
    grep -vxF "$defined" | grep -vE "$allowed" || :)
if [ -n "$bad" ]; then
    echo "libproto.a calls what is not pure:"
    echo "$bad" | sed 's/^/    /'
    exit 1
fi

# tables of pointers are in .data.rel.ro: written by the loader, then read-only
state=$(nm --defined-only -f sysv "$lib" 2>/dev/null | awk -F'|' '
    $3 ~ /[bBdDcC]/ && $7 !~ /\.data\.rel\.ro/ && $1 !~ /^(__|\.LASAN|_sub_)/ {
        print $1 }')
if [ -n "$state" ] && ! echo "$defined" | grep -q __asan; then
    echo "libproto.a has writable data:"
    echo "$state" | sed 's/^/    /'
    exit 1
fi

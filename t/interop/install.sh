#!/bin/sh
# Put the clients of package-lock.json under node_modules/, which git ignores.
# No package script runs: the Node that Azurite wants comes as a plain binary.
#
# The Python SDK is Debian's.  Its package needs python3-azure, whose
# installation takes minutes to compile 22,000 files for every service there
# is; unless it is installed, what the tests use is unpacked to build/python.
set -eu
cd "$(dirname "$0")"
build=${BLOB_BUILD:-$(cd ../.. && pwd)/build}

# download PACKAGE...: to the working directory
download()
{
    apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 \
        download "$@"
}

python_sdk()
{
    debs=$build/python.debs
    rm -rf "$build/python" "$build/python.new" "$debs"
    mkdir -p "$build/python.new" "$debs"
    (
        cd "$debs"
        set -- python3-azure python3-azure-storage
        download "$@" 2>/dev/null || {
            [ "$(id -u)" -ne 0 ] || apt-get update -qq
            download "$@"
        }
    )
    lib=usr/lib/python3/dist-packages/azure
    for deb in "$debs"/*.deb; do
        case $deb in
        *-storage_*) set -- "./$lib/storage" ;;
        *) set -- "./$lib/__init__.py" "./$lib/core" ;;
        esac
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$build/python.new" --strip-components=5 "$@"
    done
    mv "$build/python.new" "$build/python"
    rm -rf "$debs"
    PYTHONPATH=$build/python /usr/bin/python3 -c 'import azure.storage.blob'
}

/usr/bin/python3 -c 'import azure.storage.blob' 2>/dev/null || python_sdk

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
chmod +x node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_*

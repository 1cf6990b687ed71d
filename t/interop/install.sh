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

fetch()
{
    apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 \
        download "$@"
}

# download PACKAGE...: to the working directory
download()
{
    fetch "$@" 2>/dev/null || {
        [ "$(id -u)" -ne 0 ] || apt-get update -qq
        fetch "$@"
    }
}

python_sdk()
{
    debs=$build/python.debs
    rm -rf "$build/python" "$build/python.new" "$debs"
    mkdir -p "$build/python.new" "$debs"
    (
        cd "$debs"
        download python3-azure python3-azure-storage
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

# azure-cli asks for python3-azure too, and for 30 packages that `az storage`
# does without: what it does need is unpacked to build/azcli.
azure_cli()
{
    debs=$build/azcli.debs
    rm -rf "$build/azcli" "$build/azcli.new" "$debs"
    mkdir -p "$build/azcli.new" "$debs"
    (
        cd "$debs"
        download python3-azure-cli python3-azure-cli-core \
            python3-azure-cli-telemetry python3-azure-multiapi-storage \
            python3-azure python3-azure-storage python3-antlr4 \
            python3-applicationinsights python3-humanfriendly \
            python3-jmespath python3-tabulate python3-knack python3-pkginfo \
            python3-psutil python3-decorator
    )
    lib=./usr/lib/python3/dist-packages
    for deb in "$debs"/*.deb; do
        case $deb in
        */python3-azure-cli_*)
            set -- $lib/azure/cli/__main__.py \
                $lib/azure/cli/command_modules/__init__.py \
                $lib/azure/cli/command_modules/storage ;;
        */python3-azure_*)
            set -- $lib/azure/__init__.py $lib/azure/core \
                $lib/azure/common $lib/azure/mgmt/__init__.py \
                $lib/azure/mgmt/core $lib/azure/mgmt/storage ;;
        *) set -- $lib ;;
        esac
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$build/azcli.new" --strip-components=5 "$@"
    done
    mv "$build/azcli.new" "$build/azcli"
    rm -rf "$debs"
}

/usr/bin/python3 -c 'import azure.storage.blob' 2>/dev/null || python_sdk
[ -d "$build/azcli" ] || azure_cli

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
chmod +x node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_*

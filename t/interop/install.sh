#!/bin/sh
# Put the clients of package-lock.json under node_modules/, which git ignores.
# No package script runs: the Node that Azurite wants comes as a plain binary.
set -eu
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
chmod +x node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_*

#!/bin/sh
# azure-cli with a connection string: az storage container and blob.
. "$(dirname "$0")/lib.sh"

export AZURE_CONFIG_DIR="$work/azure" AZURE_CORE_COLLECT_TELEMETRY=false
export AZURE_STORAGE_CONNECTION_STRING="DefaultEndpointsProtocol=${endpoint%%:*};AccountName=$account;AccountKey=$key;BlobEndpoint=$endpoint"
[ ! -d "${AZCLI_PATH:-}" ] || export PYTHONPATH="$AZCLI_PATH"

az()
{
    say "az storage $1 $2"
    timeout 120 /usr/bin/python3 -m azure.cli storage "$@" \
        --only-show-errors >"$work/out" 2>"$work/err" </dev/null || {
        sed 's/sig=[^&" ]*/sig=.../g' "$work/out" "$work/err" | tail -30 >&2
        die "az storage $1 $2"
    }
}

is()
{
    got=$(tr -d '\r' <"$work/out")
    [ "$got" = "$1" ] || die "got $got, not $1"
}

src=$work/src
file 5000 "$src/small.bin"
file 1234 "$src/dir/a b+c.txt"
file 0 "$src/dir/empty"

verb 'container create, exists, list, metadata'
az container create -n "$con" --metadata who=azcli --query created
is true
az container exists -n "$con" --query exists
is true
az container list --prefix "$con" --query '[].name' -o tsv
is "$con"
az container metadata show -n "$con" --query who -o tsv
is azcli

verb 'blob upload, upload-batch'
az blob upload -c "$con" -f "$src/small.bin" -n small.bin --metadata k=v \
    --content-type application/x-az
az blob upload-batch -d "$con" -s "$src/dir" --destination-path dir

verb 'blob show, list, exists'
az blob show -c "$con" -n small.bin --query properties.contentLength
is 5000
az blob list -c "$con" --query 'sort([].name)' -o tsv
is "dir/a b+c.txt
dir/empty
small.bin"
az blob exists -c "$con" -n none --query exists
is false

verb 'blob metadata update, update'
az blob metadata update -c "$con" -n small.bin --metadata k=w
az blob update -c "$con" -n small.bin --content-type application/x-az2
az blob show -c "$con" -n small.bin \
    --query '[metadata.k, properties.contentSettings.contentType]' -o tsv
is "w
application/x-az2"

verb 'blob download, download-batch'
az blob download -c "$con" -n small.bin -f "$work/dst/small.bin"
cmp "$src/small.bin" "$work/dst/small.bin" || die 'download differs'
mkdir -p "$work/dst/all"
az blob download-batch -s "$con" -d "$work/dst/all" --pattern 'dir/*'
same "$src/dir" "$work/dst/all/dir"

verb 'blob copy start'
az blob copy start --destination-container "$con" --destination-blob copied \
    --source-uri "$endpoint/$con/small.bin?$sas" --query copy_status -o tsv
is success
az blob download -c "$con" -n copied -f "$work/dst/copied"
cmp "$src/small.bin" "$work/dst/copied" || die 'the copy differs'
case $endpoint in
https://"$account".blob.core.windows.net)
    # builds the source's name itself, from the account's
    az blob copy start --destination-container "$con" --destination-blob \
        copied --source-container "$con" --source-blob small.bin
    ;;
esac

verb 'blob set-tier'
az blob set-tier -c "$con" -n copied --tier Cool
az blob show -c "$con" -n copied --query properties.blobTier -o tsv
is Cool

verb 'blob snapshot'
az blob snapshot -c "$con" -n copied --query snapshot -o tsv
[ -s "$work/out" ] || die 'no snapshot'
az blob list -c "$con" --include s --prefix copied --query 'length(@)'
is 2
az blob delete -c "$con" -n copied --delete-snapshots include

verb 'blob lease'
az blob lease acquire -c "$con" -b small.bin --lease-duration 15 -o tsv
lease=$(cat "$work/out")
az blob lease release -c "$con" -b small.bin --lease-id "$lease"

verb 'blob generate-sas, url'
az blob generate-sas -c "$con" -n small.bin --permissions r \
    --expiry 2099-01-01T00:00Z --full-uri -o tsv
uri=$(cat "$work/out")
curl -sS -m 60 -o "$work/dst/sas" "$uri"
cmp "$src/small.bin" "$work/dst/sas" || die 'the SAS URL differs'

verb 'blob delete, delete-batch, container delete'
az container create -n "$con-gone"
az blob upload-batch -d "$con-gone" -s "$src/dir"
az blob delete -c "$con-gone" -n empty
az blob delete-batch -s "$con-gone"
az blob list -c "$con-gone" --query 'length(@)'
is 0
az container delete -n "$con-gone" --query deleted
is true

cp "$src/small.bin" "$expect/small.bin"
cp -r "$src/dir" "$expect/dir"
props small.bin content-type application/x-az2
props small.bin x-ms-meta-k w
say 'azcli: done'

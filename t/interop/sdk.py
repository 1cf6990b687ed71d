#!/usr/bin/python3
"""Debian's azure-storage-blob with the account key.

sdk.py ENDPOINT CONTAINER WORK (see lib.sh)
"""

import base64
import hashlib
import os
import re
import sys
import traceback
from datetime import datetime, timedelta

from azure.core import MatchConditions
from azure.core.exceptions import (HttpResponseError, ResourceExistsError,
                                   ResourceModifiedError,
                                   ResourceNotFoundError)
from azure.storage.blob import (AccessPolicy, BlobBlock, BlobClient,
                                BlobServiceClient, ContainerSasPermissions,
                                ContentSettings, StandardBlobTier,
                                generate_blob_sas)

endpoint, con, work = sys.argv[1:4]
account = os.environ.get("ACCOUNT", "devstoreaccount1")
key = os.environ.get(
    "KEY", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6"
    "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
expect = os.path.join(work, "expect", con)


def keep(name, data, **props):
    path = os.path.join(expect, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    with open(expect + ".props", "a", encoding="utf-8") as f:
        for header, value in props.items():
            f.write(f"{name}\t{header.replace('_', '-')}\t{value}\n")


def verb(name):
    """Begins; the table of results has a row for it."""
    print("#", name)
    with open(os.path.join(work, "verbs"), "a", encoding="utf-8") as f:
        f.write(name + "\n")


def fails(kind, call, *args, code=None, **kw):
    try:
        call(*args, **kw)
    except kind as e:
        if code:
            assert e.error_code == code, f"{e.error_code}, not {code}"
        return
    raise AssertionError(f"expected {kind.__name__} {code}")


def leases(c):
    verb("leases")
    b = c.get_blob_client("leased")
    b.upload_blob(b"one")
    lease = b.acquire_lease(15)
    fails(ResourceExistsError, b.acquire_lease, 15, code="LeaseAlreadyPresent")
    p = b.get_blob_properties()
    assert (p.lease.state, p.lease.status, p.lease.duration) == \
        ("leased", "locked", "fixed")
    fails(HttpResponseError, b.set_blob_metadata, {"a": "b"},
          code="LeaseIdMissing")
    fails(HttpResponseError, b.delete_blob, code="LeaseIdMissing")
    lease.change("11111111-2222-3333-4444-555555555555")
    lease.renew()
    b.upload_blob(b"two", overwrite=True, lease=lease)
    lease.release()
    lease = b.acquire_lease(-1)
    assert lease.break_lease(0) == 0
    assert b.get_blob_properties().lease.state == "broken"
    fails(HttpResponseError, lease.renew,
          code="LeaseIsBrokenAndCannotBeRenewed")
    keep("leased", b"two")


def snapshots(c):
    verb("snapshots")
    b = c.get_blob_client("snap/shot")
    b.upload_blob(b"old")
    shot = b.create_snapshot(metadata={"of": "shot"})["snapshot"]
    s = c.get_blob_client("snap/shot", snapshot=shot)
    assert s.download_blob().readall() == b"old"
    assert s.get_blob_properties().metadata == {"of": "shot"}
    found = list(c.list_blobs("snap/", include="snapshots"))
    assert {x.snapshot for x in found} == {shot, None}
    fails(ResourceExistsError, b.delete_blob, code="SnapshotsPresent")
    b.delete_blob(delete_snapshots="only")
    fails(ResourceNotFoundError, s.download_blob, code="BlobNotFound")
    b.create_snapshot()
    b.delete_blob(delete_snapshots="include")
    assert not list(c.list_blobs("snap/", include="snapshots"))


def append_blobs(c):
    verb("append blobs")
    b = c.get_blob_client("log")
    b.create_append_blob()
    r = b.append_block(b"one")
    assert r["blob_append_offset"] == "0"
    assert b.append_block(b"two", appendpos_condition=3)[
        "blob_committed_block_count"] == 2
    fails(HttpResponseError, b.append_block, b"x", appendpos_condition=3,
          code="AppendPositionConditionNotMet")
    fails(HttpResponseError, b.append_block, b"x", maxsize_condition=6,
          code="MaxBlobSizeConditionNotMet")
    assert b.download_blob().readall() == b"onetwo"
    keep("log", b"onetwo")


def tags_and_tiers(c):
    verb("tags, tiers")
    b = c.get_blob_client("tagged")
    b.upload_blob(b"t", tags={"k": "py"}, standard_blob_tier=StandardBlobTier.COOL)
    assert b.get_blob_tags() == {"k": "py"}
    assert b.get_blob_properties().blob_tier == "Cool"
    b.set_blob_tags({"k": "py2"})
    fails(ResourceModifiedError, b.set_blob_metadata, {"a": "b"},
          if_tags_match_condition="k = 'py'", code="ConditionNotMet")
    assert [x.name for x in c.find_blobs_by_tags("k = 'py2'")] == ["tagged"]
    b.set_standard_blob_tier("Archive")
    fails(HttpResponseError, b.download_blob, code="BlobArchived")
    b.set_standard_blob_tier("Hot")
    keep("tagged", b"t")


def copies(c):
    verb("copies")
    src = c.get_blob_client("sub/big")
    want = src.download_blob().readall()
    b = c.get_blob_client("copied")
    r = b.start_copy_from_url(src.url)
    assert r["copy_status"] in ("success", "pending")
    while b.get_blob_properties().copy.status == "pending":
        pass
    assert b.download_blob().readall() == want
    fails(ResourceExistsError, b.abort_copy, r["copy_id"],
          # Azurite says CopyIdMismatch
          code=None if os.environ.get("SETUP") in ("azurite", "baseline")
          else "NoPendingCopyOperation")
    keep("copied", want)


def batches(c):
    verb("batch")
    c.upload_blob("batch", b"x")
    r = list(c.delete_blobs("batch", "none", raise_on_any_failure=False))
    assert [x.status_code for x in r] == [202, 404], r


def policies(c):
    verb("stored access policies")
    until = datetime.utcnow() + timedelta(hours=1)
    c.set_container_access_policy({"readers": AccessPolicy(
        ContainerSasPermissions(read=True), expiry=until)})
    got = c.get_container_access_policy()["signed_identifiers"]
    assert [x.id for x in got] == ["readers"]
    sas = generate_blob_sas(account, con, "empty", account_key=key,
                            policy_id="readers")
    b = BlobClient(endpoint, con, "empty", credential=sas)
    assert b.download_blob().readall() == b""
    fails(HttpResponseError, b.delete_blob,
          code="AuthorizationPermissionMismatch")
    c.set_container_access_policy({})
    fails(HttpResponseError, b.download_blob, code="AuthenticationFailed")
    assert c.get_account_information()["sku_name"]


def main():
    service = BlobServiceClient.from_connection_string(
        f"DefaultEndpointsProtocol=http;AccountName={account};"
        f"AccountKey={key};BlobEndpoint={endpoint};", retry_total=1,
        connection_timeout=10, read_timeout=60, max_single_put_size=1 << 20,
        max_block_size=4 << 20, max_single_get_size=4 << 20,
        max_chunk_get_size=4 << 20)
    c = service.get_container_client(con)

    verb("containers")
    c.create_container(metadata={"owner": "sdkpy"})
    fails(ResourceExistsError, c.create_container,
          code="ContainerAlreadyExists")
    assert con in [x.name for x in service.list_containers()]
    assert c.get_container_properties().metadata == {"owner": "sdkpy"}
    assert not service.get_container_client(con + "-none").exists()

    verb("small blob")
    small = os.urandom(1234)
    name = "a dir/smäll+%20 'x'.bin"
    b = c.get_blob_client(name)
    b.upload_blob(small, metadata={"k": "v"}, content_settings=ContentSettings(
        content_type="text/x-py", content_encoding="x-none",
        content_md5=bytearray(hashlib.md5(small).digest())))
    fails(ResourceExistsError, b.upload_blob, b"x", code="BlobAlreadyExists")
    p = b.get_blob_properties()
    assert p.size == 1234 and p.metadata == {"k": "v"}
    assert p.content_settings.content_type == "text/x-py"
    assert p.content_settings.content_encoding == "x-none"
    assert bytes(p.content_settings.content_md5) == hashlib.md5(small).digest()
    assert b.download_blob().readall() == small
    assert b.download_blob(offset=10, length=20).readall() == small[10:30]
    b.set_blob_metadata({"k": "w"})
    b.set_http_headers(ContentSettings(content_type="text/z-py"))
    p = b.get_blob_properties()
    assert p.metadata == {"k": "w"}
    assert p.content_settings.content_type == "text/z-py"
    keep(name, small, content_type="text/z-py", x_ms_meta_k="w")

    verb("conditions")
    fails(ResourceModifiedError, b.download_blob, etag='"0x1"',
          match_condition=MatchConditions.IfNotModified)
    fails(ResourceModifiedError, b.upload_blob, b"x", overwrite=True,
          etag='"0x1"', match_condition=MatchConditions.IfNotModified)
    assert b.download_blob(
        etag=p.etag,
        match_condition=MatchConditions.IfNotModified).readall() == small
    fails(ResourceNotFoundError, c.get_blob_client("no").download_blob,
          code="BlobNotFound")

    verb("empty blob")
    c.upload_blob("empty", b"")
    assert c.download_blob("empty").readall() == b""
    keep("empty", b"")

    verb("blocks")
    big = os.urandom((13 << 20) + 5)
    c.upload_blob("sub/big", big, max_concurrency=3,
                  content_settings=ContentSettings(
                      content_type="application/x-big"))
    assert c.download_blob("sub/big", max_concurrency=3).readall() == big
    keep("sub/big", big, content_type="application/x-big")
    s = c.get_blob_client("staged")
    # the SDK encodes the ids
    s.stage_block("0001", b"eins")
    s.stage_block("0002", b"zwei")
    assert len(s.get_block_list("all")[1]) == 2
    s.commit_block_list([BlobBlock("0002"), BlobBlock("0001")])
    assert s.download_blob().readall() == b"zweieins"
    assert [x.id for x in s.get_block_list()[0]] == ["0002", "0001"]
    keep("staged", b"zweieins")

    verb("listings")
    for i in range(5):
        c.upload_blob(f"list/{i}", b"%d" % i)
        keep(f"list/{i}", b"%d" % i)
    pages = [[x.name for x in page] for page in
             c.list_blobs("list/", results_per_page=2).by_page()]
    assert pages == [["list/0", "list/1"], ["list/2", "list/3"], ["list/4"]], \
        pages
    top = sorted(x.name for x in c.walk_blobs())
    assert top == ["a dir/", "empty", "list/", "staged", "sub/"], top
    found = list(c.list_blobs(name_starts_with="a dir/", include="metadata"))
    assert len(found) == 1 and found[0].metadata == {"k": "w"}

    verb("SAS")
    sas = generate_blob_sas(account, con, name, account_key=key,
                            permission="r",
                            expiry=datetime.utcnow() + timedelta(hours=1))
    shared = BlobClient(endpoint, con, name, credential=sas)
    assert shared.download_blob().readall() == small
    fails(HttpResponseError, shared.delete_blob)

    verb("delete")
    c.upload_blob("gone", b"x")
    c.delete_blob("gone")
    fails(ResourceNotFoundError, c.delete_blob, "gone", code="BlobNotFound")
    other = service.create_container(con + "-gone")
    other.upload_blob("x", b"x")
    other.delete_container()
    fails(ResourceNotFoundError, other.download_blob, "x")
    for more in (leases, snapshots, append_blobs, tags_and_tiers, copies,
                 batches, policies):
        more(c)
    print("# sdk.py: done")


try:
    main()
except Exception:  # pylint: disable=broad-except
    text = traceback.format_exc()
    print("FAIL:", re.sub(r'sig=[^&"\' ]*', "sig=...", text), file=sys.stderr)
    sys.exit(1)

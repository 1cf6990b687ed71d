// @azure/storage-blob with the account key: node sdk.js ENDPOINT CONTAINER
// WORK (see lib.sh).

"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { BlobServiceClient, BlobSASPermissions, BlobClient,
    StorageSharedKeyCredential, ContainerClient,
    newPipeline } = require("@azure/storage-blob");

const [endpoint, con, work] = process.argv.slice(2);
const account = process.env.ACCOUNT || "devstoreaccount1";
const key = process.env.KEY || "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6"
    + "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const expect = path.join(work, "expect", con);
const MIB = 1 << 20;

function keep(name, data, props) {
    const file = path.join(expect, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, data);
    for (const [header, value] of Object.entries(props || {}))
        fs.appendFileSync(`${expect}.props`, `${name}\t${header}\t${value}\n`);
}

// begins; the table of results has a row for it
function verb(name) {
    console.log(`# ${name}`);
    fs.appendFileSync(path.join(work, "verbs"), `${name}\n`);
}

const md5 = (data) => crypto.createHash("md5").update(data).digest();

async function fails(promise, status, code) {
    const e = await promise.then(() => null, (e) => e);
    assert(e, `expected ${status} ${code}`);
    assert([status].flat().includes(e.statusCode),
        `${e.statusCode} ${e.code}, expected ${status} ${code}`);
    if (code)
        assert.equal(e.code || e.details?.errorCode, code);
}

async function names(iterator) {
    const found = [];
    for await (const item of iterator)
        found.push(item.name);
    return found;
}

async function main() {
    const cred = new StorageSharedKeyCredential(account, key);
    const service = new BlobServiceClient(endpoint, newPipeline(cred,
        { retryOptions: { maxTries: 2, tryTimeoutInMs: 60000 } }));
    const c = service.getContainerClient(con);

    verb("containers");
    await c.create({ metadata: { owner: "sdkjs" } });
    await fails(c.create(), 409, "ContainerAlreadyExists");
    assert.equal((await c.createIfNotExists()).succeeded, false);
    assert((await names(service.listContainers({ prefix: con })))
        .includes(con));
    assert.equal((await c.getProperties()).metadata.owner, "sdkjs");
    assert.equal(await service.getContainerClient(`${con}-none`).exists(),
        false);

    verb("small blob, properties, metadata");
    const small = crypto.randomBytes(1000);
    const b = c.getBlockBlobClient("dir/small 1+2 ü🚀.txt");
    await b.upload(small, small.length, {
        blobHTTPHeaders: { blobContentType: "text/x-js",
            blobCacheControl: "max-age=5", blobContentLanguage: "de",
            blobContentDisposition: "inline" },
        metadata: { one: "1", Two: "zwei" } });
    let p = await b.getProperties();
    assert.equal(p.contentLength, 1000);
    assert.equal(p.contentType, "text/x-js");
    assert.equal(p.cacheControl, "max-age=5");
    assert.equal(p.metadata.one, "1");
    assert.deepEqual(Buffer.from(p.contentMD5), md5(small));
    assert.deepEqual(await b.downloadToBuffer(), small);
    assert.deepEqual(await b.downloadToBuffer(100, 50),
        small.subarray(100, 150));
    await b.setMetadata({ three: "3" });
    await b.setHTTPHeaders({ blobContentType: "text/y-js",
        blobContentMD5: md5(small) });
    p = await b.getProperties();
    assert.deepEqual(p.metadata, { three: "3" });
    assert.equal(p.contentType, "text/y-js");
    assert.equal(p.cacheControl, undefined);
    keep("dir/small 1+2 ü🚀.txt", small, { "content-type": "text/y-js",
        "x-ms-meta-three": "3" });

    verb("conditions");
    await fails(b.upload("x", 1, { conditions: { ifNoneMatch: "*" } }), 409,
        "BlobAlreadyExists");
    await fails(b.upload("x", 1, { conditions: { ifMatch: "\"0x1\"" } }), 412,
        "ConditionNotMet");
    await fails(b.download(0, 10, { conditions: { ifMatch: "\"0x1\"" } }),
        412, "ConditionNotMet");
    await fails(b.download(0, 10, { conditions: { ifNoneMatch: p.etag } }),
        304);
    await b.setMetadata({ three: "3" }, { conditions: { ifMatch: p.etag } });
    await fails(c.getBlobClient("nothing").getProperties(), 404);
    await fails(c.getBlobClient("nothing").download(), 404, "BlobNotFound");

    verb("empty blob");
    const empty = c.getBlockBlobClient("empty");
    await empty.upload("", 0);
    assert.equal((await empty.downloadToBuffer()).length, 0);
    keep("empty", "");

    verb("blocks");
    const big = crypto.randomBytes(18 * MIB + 17);
    const bb = c.getBlockBlobClient("dir/sub/big");
    await bb.uploadData(big, { blockSize: 4 * MIB, concurrency: 4,
        maxSingleShotSize: MIB,
        blobHTTPHeaders: { blobContentType: "application/x-big",
            blobContentMD5: md5(big) } });
    assert.deepEqual(await bb.downloadToBuffer(0, undefined,
        { blockSize: 3 * MIB, concurrency: 4 }), big);
    assert.equal((await bb.getBlockList("committed")).committedBlocks.length,
        5);
    keep("dir/sub/big", big, { "content-type": "application/x-big",
        "content-md5": md5(big).toString("base64") });

    const staged = c.getBlockBlobClient("staged");
    const id = (n) => Buffer.from(`block-${n}`).toString("base64");
    await staged.stageBlock(id(1), "one-", 4);
    await staged.stageBlock(id(2), "two-", 4);
    await staged.stageBlock(id(3), "three", 5);
    assert.deepEqual((await staged.getBlockList("uncommitted"))
        .uncommittedBlocks.map((x) => x.size), [4, 4, 5]);
    assert.equal(await staged.exists(), false);
    assert((await names(c.listBlobsFlat({ includeUncommitedBlobs: true })))
        .includes("staged"));
    await fails(staged.commitBlockList([id(1), id(9)]), 400,
        "InvalidBlockList");
    await staged.commitBlockList([id(1), id(3), id(1)]);
    assert.equal((await staged.downloadToBuffer()).toString(),
        "one-threeone-");
    keep("staged", "one-threeone-");

    verb("listings");
    for (let i = 0; i < 7; i++) {
        await c.getBlockBlobClient(`list/${i}`).upload(`${i}`, 1);
        keep(`list/${i}`, `${i}`);
    }
    const pages = [];
    for await (const page of c.listBlobsFlat({ prefix: "list/" })
        .byPage({ maxPageSize: 3 }))
        pages.push(page.segment.blobItems.map((x) => x.name));
    assert.deepEqual(pages.flat(), [0, 1, 2, 3, 4, 5, 6].map((i) =>
        `list/${i}`));
    assert.equal(pages.length, 3);
    const top = [];
    for await (const x of c.listBlobsByHierarchy("/"))
        top.push(`${x.kind} ${x.name}`);
    assert.deepEqual(top.sort(), ["blob empty", "blob staged", "prefix dir/",
        "prefix list/"]);
    for await (const x of c.listBlobsFlat({ prefix: "dir/small",
        includeMetadata: true })) {
        assert.deepEqual(x.metadata, { three: "3" });
        assert.equal(x.properties.contentLength, 1000);
    }

    verb("SAS");
    const url = await b.generateSasUrl({ permissions:
        BlobSASPermissions.parse("r"),
        expiresOn: new Date(Date.now() + 3600e3) });
    const shared = new BlobClient(url);
    assert.deepEqual(await shared.downloadToBuffer(), small);
    await fails(shared.delete(), 403);
    await fails(new ContainerClient(`${endpoint}/${con}`)
        .getBlobClient("empty").getProperties(), [401, 403, 404]);

    verb("delete");
    const gone = c.getBlockBlobClient("gone");
    await gone.upload("x", 1);
    await gone.delete();
    await fails(gone.getProperties(), 404);
    await fails(gone.delete(), 404, "BlobNotFound");
    const other = service.getContainerClient(`${con}-gone`);
    await other.create();
    await other.getBlockBlobClient("x").upload("x", 1);
    await other.delete();
    await fails(other.getBlobClient("x").download(), 404);
    console.log("# sdk.js: done");
}

main().catch((e) => {
    console.error(`FAIL: ${e.stack}`.replace(/sig=[^&" ]*/g, "sig=..."));
    process.exit(1);
});

// The AWS SDK for JavaScript, version 3: one function per test, called by its name.
"use strict";

const assert = require("node:assert/strict");
const { createHash, randomBytes } = require("node:crypto");
const { Readable } = require("node:stream");
const s3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const MIB = 1 << 20;

const client = (endpoint) => new s3.S3Client({ endpoint, forcePathStyle: true, maxAttempts: 2 });
const here = client(process.env.AWS_ENDPOINT_URL);
const there = client(process.env.RIQUET_OTHER_URL);

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** The bytes of an object, by the other gateway. */
async function read(where, more = {}) {
  const answer = await there.send(new s3.GetObjectCommand({ ...where, ...more }));
  return Buffer.from(await answer.Body.transformToByteArray());
}

async function refused(name, status, command) {
  await assert.rejects(here.send(command), (error) => {
    assert.equal(error.name, name);
    assert.equal(error.$metadata.httpStatusCode, status);
    return true;
  });
}

const tests = {
  async objects(Bucket) {
    const where = { Bucket, Key: "a folder/é+ &=" };
    for (const size of [0, 1, 5 * MIB]) {
      const Body = randomBytes(size);
      const Metadata = { station: "7" };
      await here.send(new s3.PutObjectCommand({ ...where, Body, Metadata }));
      assert.equal(sha256(await read(where)), sha256(Body), `${size} bytes`);
    }
    const head = await there.send(new s3.HeadObjectCommand({ ...where, ChecksumMode: "ENABLED" }));
    assert.equal(head.Metadata.station, "7");
    assert.ok(head.ChecksumCRC32, "the default checksum is stored");
    assert.equal((await read(where, { Range: "bytes=7-9" })).length, 3);
    await here.send(new s3.PutObjectCommand({ ...where, Body: "overwritten" }));
    assert.equal((await read(where)).toString(), "overwritten");
    await here.send(new s3.DeleteObjectCommand(where));
    await refused("NoSuchKey", 404, new s3.GetObjectCommand(where));
    await refused("NotFound", 404, new s3.HeadObjectCommand(where));
  },

  /** A stream's checksum is known at its end: it comes in a trailer, over HTTP as well. */
  async streams(Bucket) {
    const where = { Bucket, Key: "stream" };
    const bytes = randomBytes(300_000);
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      const pieces = Array.from({ length: 30 }, (_, n) => bytes.subarray(n * 10_000, (n + 1) * 10_000));
      const Body = Readable.from(pieces);
      const ContentLength = bytes.length;
      await here.send(new s3.PutObjectCommand({ ...where, Body, ContentLength, ChecksumAlgorithm }));
      const head = await there.send(new s3.HeadObjectCommand({ ...where, ChecksumMode: "ENABLED" }));
      assert.ok(head[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
      assert.equal(head.ContentEncoding, undefined);
      assert.equal(sha256(await read(where)), sha256(bytes), ChecksumAlgorithm);
    }
  },

  async multipart(Bucket) {
    const where = { Bucket, Key: "large" };
    const bytes = randomBytes(17 * MIB + 3);
    const params = { ...where, Body: Readable.from([bytes]) };
    await new Upload({ client: here, params, partSize: 5 * MIB, queueSize: 3 }).done();
    assert.equal(sha256(await read(where)), sha256(bytes));
    const head = await there.send(new s3.HeadObjectCommand({ ...where, PartNumber: 4 }));
    assert.deepEqual([head.PartsCount, head.ContentLength], [4, 2 * MIB + 3]);
  },

  async listings(Bucket) {
    const keys = Array.from({ length: 25 }, (_, n) => `folder ${n % 3}/é&<${n}>`).sort();
    await Promise.all(keys.map((Key) => here.send(new s3.PutObjectCommand({ Bucket, Key, Body: Key }))));
    const found = [];
    for await (const page of s3.paginateListObjectsV2({ client: there, pageSize: 4 }, { Bucket }))
      found.push(...page.Contents.map((entry) => entry.Key));
    assert.deepEqual(found, keys);
    const groups = await there.send(new s3.ListObjectsV2Command({ Bucket, Delimiter: "/" }));
    assert.equal(groups.CommonPrefixes.length, 3);
    const Objects = keys.map((Key) => ({ Key }));
    const gone = await here.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    assert.deepEqual([gone.Deleted.length, gone.Errors], [25, undefined]);
    assert.equal((await there.send(new s3.ListObjectsV2Command({ Bucket }))).KeyCount, 0);
  },

  async conditions(Bucket) {
    const where = { Bucket, Key: "k" };
    const first = await here.send(new s3.PutObjectCommand({ ...where, Body: "1", IfNoneMatch: "*" }));
    await refused("PreconditionFailed", 412, new s3.PutObjectCommand({ ...where, Body: "2", IfNoneMatch: "*" }));
    await there.send(new s3.PutObjectCommand({ ...where, Body: "3", IfMatch: first.ETag }));
    await refused("PreconditionFailed", 412, new s3.PutObjectCommand({ ...where, Body: "4", IfMatch: first.ETag }));
    const race = Array.from({ length: 16 }, (_, n) =>
      (n % 2 ? here : there).send(new s3.PutObjectCommand({ Bucket, Key: "lock", Body: `${n}`, IfNoneMatch: "*" })));
    const won = (await Promise.allSettled(race)).flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
    assert.equal(won.length, 1);
    assert.equal((await read({ Bucket, Key: "lock" })).toString(), `${won[0]}`);
  },

  async presigned(Bucket) {
    const where = { Bucket, Key: "a b/é" };
    // Its URL carries the checksum of no bytes, as nobody knows the body yet.
    const put = await getSignedUrl(here, new s3.PutObjectCommand(where), { expiresIn: 60 });
    assert.equal((await fetch(put, { method: "PUT", body: "abc" })).status, 200);
    const asked = { ...where, ResponseContentType: "text/x-test" };
    const get = await getSignedUrl(there, new s3.GetObjectCommand(asked), { expiresIn: 60 });
    const answer = await fetch(get);
    assert.equal(answer.headers.get("content-type"), "text/x-test");
    assert.equal(await answer.text(), "abc");
    assert.equal((await fetch(get, { method: "HEAD" })).status, 403);
  },
};

const [name, bucket] = process.argv.slice(2);
tests[name](bucket).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

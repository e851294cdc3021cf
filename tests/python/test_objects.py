"""Buckets and objects: headers, ranges, copies, deletes, names, and what is not there yet."""

import concurrent.futures
import datetime
import random

from support import KIB, MIB, client, data, md5, refused


def test_life_of_a_bucket(t):
    bucket = t.bucket()
    assert bucket in [entry["Name"] for entry in t.other.list_buckets()["Buckets"]]
    head = t.s3.head_bucket(Bucket=bucket)
    assert head["BucketRegion"] == t.s3.meta.region_name
    location = t.s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    assert (location or "us-east-1") == t.s3.meta.region_name
    t.put(bucket, "k", b"x")
    with refused("BucketNotEmpty", 409):
        t.s3.delete_bucket(Bucket=bucket)
    t.s3.delete_object(Bucket=bucket, Key="k")
    t.s3.delete_bucket(Bucket=bucket)
    with refused("404", 404):
        t.other.head_bucket(Bucket=bucket)
    with refused("NoSuchBucket", 404):
        t.s3.delete_bucket(Bucket=bucket)
    with refused("NoSuchBucket", 404):
        t.put(bucket, "k", b"x")


def test_bucket_that_is_already_yours(t):
    bucket = t.bucket()
    try:
        t.other.create_bucket(Bucket=bucket)  # us-east-1 answers 200.
    except t.other.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou", error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_bucket_deleted_while_objects_come(t):
    """An object lands in a bucket that exists, or it is refused; it is never lost from sight."""
    for size in (10, 100 * KIB):
        for _ in range(5):
            bucket = t.bucket()

            def put(number):
                try:
                    t.put(bucket, f"k{number}", data(size))
                    return True
                except t.s3.exceptions.ClientError as error:
                    assert error.response["Error"]["Code"] == "NoSuchBucket", error
                    return False

            def delete():
                try:
                    t.other.delete_bucket(Bucket=bucket)
                    return True
                except t.s3.exceptions.ClientError as error:
                    assert error.response["Error"]["Code"] == "BucketNotEmpty", error
                    return False

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                puts = [pool.submit(put, number) for number in range(3)]
                deleted = pool.submit(delete).result()
                stored = [f"k{number}" for number, put in enumerate(puts) if put.result()]
            if deleted:
                assert stored == [], stored
                with refused("404"):
                    t.s3.head_bucket(Bucket=bucket)
            else:
                assert t.keys(bucket) == stored


def test_list_buckets_has_dates_and_an_owner(t):
    bucket = t.bucket()
    answer = t.s3.list_buckets()
    assert answer["Owner"]["ID"]
    (entry,) = [entry for entry in answer["Buckets"] if entry["Name"] == bucket]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs((now - entry["CreationDate"]).total_seconds()) < 600
    names = [entry["Name"] for entry in answer["Buckets"]]
    assert names == sorted(names)
    others = [t.bucket() for _ in range(3)]
    pages = t.s3.get_paginator("list_buckets").paginate(
        Prefix="test-", PaginationConfig={"PageSize": 3}
    )
    paged = [entry["Name"] for page in pages for entry in page["Buckets"]]
    assert {bucket, *others} <= set(paged)
    here = t.s3.list_buckets(Prefix=bucket, BucketRegion=t.s3.meta.region_name)
    assert [entry["Name"] for entry in here["Buckets"]] == [bucket]
    assert t.s3.list_buckets(Prefix=bucket, BucketRegion="mars-north-1")["Buckets"] == []


def test_absent_objects(t):
    bucket = t.bucket()
    with refused("NoSuchKey", 404):
        t.get(bucket, "absent")
    with refused("404", 404):
        t.s3.head_object(Bucket=bucket, Key="absent")
    assert t.s3.delete_object(Bucket=bucket, Key="absent")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused("NoSuchBucket", 404):
        t.get("test-absent-bucket", "k")


def test_read_after_write_overwrite_and_delete_at_both_gateways(t):
    bucket = t.bucket()
    for number in range(20):
        writer, reader = (t.s3, t.other) if number % 2 else (t.other, t.s3)
        body = data(1000 + 300 * number * KIB // 10, seed=number)
        writer.put_object(Bucket=bucket, Key="k", Body=body)
        answer = reader.get_object(Bucket=bucket, Key="k")
        assert answer["Body"].read() == body
        assert answer["ETag"] == f'"{md5(body)}"'
    t.s3.delete_object(Bucket=bucket, Key="k")
    with refused("NoSuchKey", 404):
        t.other.get_object(Bucket=bucket, Key="k")


def test_content_headers_and_metadata(t):
    bucket = t.bucket()
    expires = datetime.datetime(2035, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    metadata = {"sensor": "7", "note": "two words, a comma", "utf8": "=?UTF-8?B?w6k=?="}
    t.put(
        bucket,
        "k",
        b"x" * 10_000,
        ContentType="application/x-netcdf",
        ContentEncoding="gzip",
        ContentLanguage="fr",
        ContentDisposition='attachment; filename="a b.nc"',
        CacheControl="max-age=60",
        Expires=expires,
        Metadata=metadata,
    )
    for answer in (
        t.s3.head_object(Bucket=bucket, Key="k"),
        t.other.get_object(Bucket=bucket, Key="k"),
    ):
        assert answer["ContentType"] == "application/x-netcdf"
        assert answer["ContentEncoding"] == "gzip"
        assert answer["ContentLanguage"] == "fr"
        assert answer["ContentDisposition"] == 'attachment; filename="a b.nc"'
        assert answer["CacheControl"] == "max-age=60"
        assert answer["ExpiresString"] == "Wed, 02 Jan 2035 03:04:05 GMT" or expires == answer["Expires"]
        assert answer["Metadata"] == metadata
        assert answer["AcceptRanges"] == "bytes"
        assert answer["ContentLength"] == 10_000


def test_default_content_type_and_response_overrides(t):
    bucket = t.bucket()
    t.raw.signed("PUT", f"/{bucket}/k", body=b"x").expect(200)
    assert t.s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"
    overrides = {
        "ResponseContentType": "text/plain",
        "ResponseContentDisposition": "inline",
        "ResponseCacheControl": "no-cache",
        "ResponseContentLanguage": "oc",
        "ResponseContentEncoding": "identity",
        "ResponseExpires": datetime.datetime(2035, 1, 2, tzinfo=datetime.timezone.utc),
    }
    for read in (t.s3.get_object, t.other.head_object):
        answer = read(Bucket=bucket, Key="k", **overrides)
        assert answer["ContentType"] == "text/plain"
        assert answer["ContentDisposition"] == "inline"
        assert answer["ContentEncoding"] == "identity"
        assert answer["CacheControl"] == "no-cache"
        assert answer["ContentLanguage"] == "oc"
        assert answer["Expires"] == overrides["ResponseExpires"]


def test_ranges(t):
    bucket = t.bucket()
    # Inline, one stripe, several stripes, and with borders inside cells.
    for size in (100, 5000, 256 * KIB, 3 * MIB + 17):
        body = data(size, seed=size)
        t.put(bucket, "k", body)
        ranges = [
            ("bytes=0-0", body[:1]),
            ("bytes=0-9", body[:10]),
            ("bytes=10-", body[10:]),
            ("bytes=-7", body[-7:]),
            (f"bytes=-{size * 2}", body),
            (f"bytes={size - 1}-", body[-1:]),
            (f"bytes=5-{size * 2}", body[5:]),
            (f"bytes={size // 3}-{size // 2}", body[size // 3 : size // 2 + 1]),
        ]
        cell = 64 * KIB
        for start in (cell - 1, cell, 4 * cell - 1, 4 * cell, 5 * cell + 3):
            if start + 2 < size:
                ranges.append((f"bytes={start}-{start + 1}", body[start : start + 2]))
        for value, expected in ranges:
            answer = t.s3.get_object(Bucket=bucket, Key="k", Range=value)
            assert answer["Body"].read() == expected, (size, value)
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            start = body.find(expected) if len(expected) > 8 else None
            if start is not None:
                end = start + len(expected) - 1
                assert answer["ContentRange"] == f"bytes {start}-{end}/{size}", (size, value)
            head = t.s3.head_object(Bucket=bucket, Key="k", Range=value)
            assert head["ContentLength"] == len(expected)


def test_random_ranges_of_a_large_object(t):
    """Two chunks and many stripes; ranges of every length, from both gateways at once."""
    bucket = t.bucket()
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    body = data(66 * MIB + 12_345)
    t.put(bucket, "k", body)
    ranges = []
    for _ in range(80):
        length = min(len(body), 1 << dice.randint(0, 24)) - dice.randint(0, 1) or 1
        border = dice.choice([0, 64 * MIB, dice.randint(0, len(body) // (64 * KIB)) * 64 * KIB])
        start = max(0, min(border - dice.randint(0, length), len(body) - length))
        ranges.append((start, start + length - 1))

    def read(number):
        start, end = ranges[number]
        s3 = (t.s3, t.other)[number % 2]
        answer = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={start}-{end}")
        assert answer["ContentRange"] == f"bytes {start}-{end}/{len(body)}"
        assert answer["Body"].read() == body[start : end + 1], (seed, start, end)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(len(ranges))))
    t.s3.delete_object(Bucket=bucket, Key="k")


def test_ranges_that_cannot_be_met(t):
    bucket = t.bucket()
    t.put(bucket, "k", data(100))
    for value in ("bytes=100-", "bytes=100-200", "bytes=-0"):
        with refused("InvalidRange", 416) as refusal:
            t.s3.get_object(Bucket=bucket, Key="k", Range=value)
        headers = refusal.response["ResponseMetadata"]["HTTPHeaders"]
        assert headers.get("content-range", "bytes */100") == "bytes */100"
    t.put(bucket, "empty", b"")
    with refused("InvalidRange", 416):
        t.s3.get_object(Bucket=bucket, Key="empty", Range="bytes=0-0")


def test_ranges_that_are_ignored(t):
    bucket = t.bucket()
    body = data(100)
    t.put(bucket, "k", body)
    for value in ("bytes=9-5", "lines=1-2", "nonsense", "bytes=a-b", "bytes="):
        answer = t.s3.get_object(Bucket=bucket, Key="k", Range=value)
        assert answer["Body"].read() == body, value
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200, value


def test_storage_classes(t):
    bucket = t.bucket()
    for name, shown in (("STANDARD", None), ("ONEZONE_IA", "ONEZONE_IA")):
        for size in (10, 300 * KIB):
            body = data(size)
            t.put(bucket, "k", body, StorageClass=name)
            assert t.get(bucket, "k") == body
            assert t.other.get_object(Bucket=bucket, Key="k")["Body"].read() == body
            head = t.s3.head_object(Bucket=bucket, Key="k")
            assert head.get("StorageClass") == shown
    (entry,) = t.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert entry["StorageClass"] == "ONEZONE_IA"


# Copies.


def test_copy_within_and_between_buckets(t):
    one, two = t.bucket(), t.bucket()
    for size in (0, 100, 3 * MIB):
        body = data(size)
        t.put(one, "a b/é", body, ContentType="text/x-a", Metadata={"m": "1"})
        for bucket, key in ((one, "copy"), (two, "copy/+ %")):
            source = {"Bucket": one, "Key": "a b/é"}
            answer = t.s3.copy_object(Bucket=bucket, Key=key, CopySource=source)
            assert answer["CopyObjectResult"]["ETag"] == f'"{md5(body)}"'
            back = t.other.get_object(Bucket=bucket, Key=key)
            assert back["Body"].read() == body
            assert (back["ContentType"], back["Metadata"]) == ("text/x-a", {"m": "1"})
    # The copies stand on their own.
    t.s3.delete_object(Bucket=one, Key="a b/é")
    assert t.get(two, "copy/+ %") == body


def test_copy_replaces_metadata(t):
    bucket = t.bucket()
    body = data(100 * KIB)
    t.put(bucket, "k", body, ContentType="text/x-a", Metadata={"m": "1"})
    source = {"Bucket": bucket, "Key": "k"}
    headers = {
        "ContentType": "text/x-b",
        "ContentEncoding": "x-b",
        "ContentLanguage": "oc",
        "ContentDisposition": "inline",
        "CacheControl": "no-cache",
        "Expires": datetime.datetime(2035, 1, 2, tzinfo=datetime.timezone.utc),
    }
    # Onto itself, which is how metadata is edited.
    t.s3.copy_object(
        Bucket=bucket,
        Key="k",
        CopySource=source,
        MetadataDirective="REPLACE",
        AnnotationDirective="EXCLUDE",
        Metadata={"n": "2"},
        **headers,
    )
    back = t.s3.get_object(Bucket=bucket, Key="k")
    assert back["Body"].read() == body
    assert back["Metadata"] == {"n": "2"}
    assert {name: back[name] for name in headers} == headers
    with refused("InvalidRequest", 400):
        t.s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    # A new storage class is a change too.
    t.s3.copy_object(Bucket=bucket, Key="k", CopySource=source, StorageClass="ONEZONE_IA")
    back = t.s3.get_object(Bucket=bucket, Key="k")
    assert back["Body"].read() == body
    assert back["StorageClass"] == "ONEZONE_IA"


def test_copy_of_a_multipart_object(t):
    bucket = t.bucket()
    parts = [data(5 * MIB, 1), data(100, 2)]
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    done = []
    for number, body in enumerate(parts, 1):
        etag = t.s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body
        )["ETag"]
        done.append({"PartNumber": number, "ETag": etag})
    t.s3.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done}
    )
    t.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    t.s3.delete_object(Bucket=bucket, Key="k")
    assert t.get(bucket, "copy") == b"".join(parts)


def test_copy_with_a_checksum(t):
    import base64
    import hashlib

    bucket = t.bucket()
    body = data(50 * KIB)
    t.put(bucket, "k", body)
    answer = t.s3.copy_object(
        Bucket=bucket,
        Key="copy",
        CopySource={"Bucket": bucket, "Key": "k"},
        ChecksumAlgorithm="SHA256",
    )
    expected = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert answer["CopyObjectResult"]["ChecksumSHA256"] == expected
    head = t.s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == expected


# Deletes.


def test_delete_objects(t):
    bucket = t.bucket()
    keys = ["a", "b/1", "é", "with space", "a&b", "<x>"]
    for key in keys:
        t.put(bucket, key, b"x")
    t.put(bucket, "stays", b"x")
    objects = [{"Key": key} for key in [*keys, "never-there"]]
    answer = t.other.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert {entry["Key"] for entry in answer["Deleted"]} == {*keys, "never-there"}
    assert not answer.get("Errors")
    assert t.keys(bucket) == ["stays"]
    answer = t.s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "stays"}], "Quiet": True}
    )
    assert not answer.get("Deleted") and not answer.get("Errors")
    assert t.keys(bucket) == []


def test_delete_a_thousand_objects(t):
    bucket = t.bucket()
    keys = [f"k{number}" for number in range(1000)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: t.put(bucket, key, b"x"), keys))
    answer = t.s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]}
    )
    assert len(answer["Deleted"]) == 1000
    assert t.keys(bucket) == []


# Names.


def test_odd_keys(t):
    bucket = t.bucket()
    keys = [
        "../",
        "../../etc/passwd",
        "a/../b",
        "./a",
        ".",
        "..",
        "/",
        "//",
        "/a",
        "a//b",
        "a/",
        " ",
        " a ",
        "a b",
        "a+b",
        "a%2Fb",
        "a%b",
        "%00",
        "a?b",
        "a#b",
        "a&b=c",
        "a;b",
        "a:b",
        "a\\b",
        "a'b\"c",
        "<a>&amp;",
        "é",
        "e\u0301",
        "日本語",
        "\U0001f41f",
        "a\tb",
        "a\nb",
        "\x01\x1f",
        "\x7f",
        "soap",
        "k" * 1024,
        "é" * 512,
        "*?[]{}|^`~!@$()",
    ]
    for number, key in enumerate(keys):
        t.put(bucket, key, f"body {number}".encode())
    for number, key in enumerate(keys):
        assert t.get(bucket, key) == f"body {number}".encode(), key
        other = t.other.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert other == f"body {number}".encode(), key
    assert sorted(t.keys(bucket)) == sorted(keys)
    for key in keys:
        t.s3.delete_object(Bucket=bucket, Key=key)
    assert t.keys(bucket) == []


def test_many_writers_of_one_key(t):
    bucket = t.bucket()
    bodies = [data(200 * KIB, seed) for seed in range(8)]

    def write(body):
        for _ in range(5):
            t.put(bucket, "k", body)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(write, body) for body in bodies]:
            future.result()
    # One of them, whole; and the same at both gateways.
    winner = t.get(bucket, "k")
    assert winner in bodies
    assert t.other.get_object(Bucket=bucket, Key="k")["Body"].read() == winner


def test_readers_during_overwrites_see_whole_objects(t):
    bucket = t.bucket()
    bodies = {md5(body): body for body in (data(700 * KIB, seed) for seed in range(4))}
    t.put(bucket, "k", next(iter(bodies.values())))

    def write():
        for body in list(bodies.values()) * 3:
            t.put(bucket, "k", body)

    def read(s3):
        for _ in range(20):
            answer = s3.get_object(Bucket=bucket, Key="k")
            body = answer["Body"].read()
            assert answer["ETag"].strip('"') == md5(body)
            assert md5(body) in bodies

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(write), pool.submit(read, t.s3), pool.submit(read, t.other)]:
            future.result()


def test_virtual_host_style(t):
    bucket = t.bucket()
    body = data(1000)
    port = t.raw.host.rpartition(":")[2]
    for host in (f"{bucket}.localhost:{port}", f"{bucket}.localhost"):
        t.raw.signed("PUT", "/a/k", body=body, host=host).expect(200)
        assert t.get(bucket, "a/k") == body
        assert t.raw.signed("GET", "/a/k", host=host).expect(200).body == body
        listing = t.raw.signed("GET", "/", "list-type=2", host=host).expect(200)
        assert listing.element("Key") == "a/k"
        t.raw.signed("DELETE", "/a/k", host=host).expect(204)
    reply = t.raw.signed("GET", f"/{bucket}", "list-type=2", host=f"localhost:{port}")
    reply.expect(200)


def test_not_there_yet_is_not_implemented(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x")
    for method, path, query in (
        ("PUT", f"/{bucket}", "replication="),
        ("PUT", f"/{bucket}", "inventory=&id=1"),
        ("PUT", f"/{bucket}", "analytics=&id=1"),
        ("GET", f"/{bucket}/k", "torrent="),
        ("POST", f"/{bucket}/k", "restore="),
        ("POST", f"/{bucket}/k", "select=&select-type=2"),
    ):
        reply = t.raw.signed(method, path, query, body=b"<X/>" if method != "GET" else b"")
        reply.expect(501, "NotImplemented")
    # Headers that ask for what is not there must not be passed over in silence.
    for header, value in (
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
    ):
        reply = t.raw.signed("PUT", f"/{bucket}/new", headers={header: value}, body=b"x")
        assert reply.status in (400, 501), (header, reply.status, reply.body)
    assert t.keys(bucket) == ["k"]


def test_expect_100_continue_and_keep_alive(t):
    import http.client

    bucket = t.bucket()
    # botocore sends `Expect: 100-continue` with bodies that are streams.
    big = data(2 * MIB)
    t.put(bucket, "k", big)
    assert t.get(bucket, "k") == big
    connection = http.client.HTTPConnection(t.raw.host, timeout=30)
    target = t.raw.presigned("GET", f"/{bucket}/k")
    sockets = set()
    for _ in range(3):
        connection.request("GET", target)
        sockets.add(connection.sock)
        assert connection.getresponse().read() == big
    assert len(sockets) == 1 and None not in sockets
    connection.close()


def test_head_answers_have_no_body(t):
    bucket = t.bucket()
    t.put(bucket, "k", data(1000))
    for path, status in ((f"/{bucket}/k", 200), (f"/{bucket}/absent", 404), ("/test-absent", 404)):
        reply = t.raw.signed("HEAD", path)
        assert (reply.status, reply.body) == (status, b""), path
        assert reply.headers["x-amz-request-id"]


def test_every_answer_has_its_own_request_id(t):
    bucket = t.bucket()
    ids = [t.raw.signed("GET", f"/{bucket}").headers["x-amz-request-id"] for _ in range(5)]
    assert len(set(ids)) == 5


def test_errors_name_their_resource(t):
    bucket = t.bucket()
    reply = t.raw.signed("GET", f"/{bucket}/no%20such")
    reply.expect(404, "NoSuchKey")
    assert reply.element("Key") == "no such"
    assert reply.element("Resource") in (f"/{bucket}/no such", f"/{bucket}/no%20such", None)
    reply = t.raw.signed("GET", "/test-absent-bucket")
    reply.expect(404, "NoSuchBucket")
    assert reply.element("BucketName") == "test-absent-bucket"


def test_slow_and_idle_clients_do_not_block_others(t):
    import socket

    bucket = t.bucket()
    body = data(4 * MIB)
    t.put(bucket, "k", body)
    host, port = t.raw.host.split(":")
    idle = []
    try:
        for _ in range(30):
            connection = socket.create_connection((host, int(port)), timeout=30)
            target = t.raw.presigned("GET", f"/{bucket}/k")
            connection.sendall(f"GET {target} HTTP/1.1\r\nhost: {t.raw.host}\r\n\r\n".encode())
            idle.append(connection)
        fast = client(t.url, read_timeout=20)
        for _ in range(3):
            assert fast.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    finally:
        for connection in idle:
            connection.close()

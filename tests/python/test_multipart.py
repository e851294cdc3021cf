"""The multipart family."""

import concurrent.futures
import datetime
import hashlib

from support import KIB, MIB, data, md5, refused

MISSING = "0000000000000000000000000000000000000000"


class Upload:
    """One multipart upload."""

    def __init__(self, t, bucket, key="object", **arguments):
        self.s3 = t.s3
        self.where = {"Bucket": bucket, "Key": key}
        self.id = t.s3.create_multipart_upload(**self.where, **arguments)["UploadId"]

    def part(self, number, body, s3=None):
        answer = (s3 or self.s3).upload_part(
            **self.where, UploadId=self.id, PartNumber=number, Body=body
        )
        assert answer["ETag"] == f'"{md5(body)}"'
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, parts, s3=None):
        return (s3 or self.s3).complete_multipart_upload(
            **self.where, UploadId=self.id, MultipartUpload={"Parts": parts}
        )

    def abort(self):
        return self.s3.abort_multipart_upload(**self.where, UploadId=self.id)

    def parts(self, **arguments):
        answer = self.s3.list_parts(**self.where, UploadId=self.id, **arguments)
        return answer.get("Parts", [])


def etag_of(bodies):
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{md5(digests)}-{len(bodies)}"'


def test_parts_in_any_order_through_both_gateways(t):
    bucket = t.bucket()
    upload = Upload(t, bucket, ContentType="image/tiff", Metadata={"m": "1"})
    bodies = [data(5 * MIB, 1), data(5 * MIB + 3, 2), data(1, 3)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        futures = [
            pool.submit(upload.part, number + 1, bodies[number], (t.s3, t.other)[number % 2])
            for number in (2, 0, 1)
        ]
        parts = sorted((f.result() for f in futures), key=lambda part: part["PartNumber"])
    assert not t.exists(bucket, "object")
    assert t.keys(bucket) == []
    answer = upload.complete(parts, t.other)
    assert answer["ETag"] == etag_of(bodies)
    assert answer["Bucket"] == bucket and answer["Key"] == "object"
    back = t.s3.get_object(Bucket=bucket, Key="object")
    whole = b"".join(bodies)
    assert back["Body"].read() == whole
    assert back["ETag"] == etag_of(bodies)
    assert (back["ContentType"], back["Metadata"]) == ("image/tiff", {"m": "1"})
    (entry,) = t.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (entry["Size"], entry["ETag"]) == (len(whole), etag_of(bodies))
    # Ranges over the seams of parts.
    for start, end in ((5 * MIB - 10, 5 * MIB + 10), (10 * MIB, len(whole) - 1), (0, 0)):
        value = f"bytes={start}-{end}"
        assert t.get(bucket, "object", Range=value) == whole[start : end + 1], value
    assert not t.s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_parts_can_be_read_by_number(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    bodies = [data(5 * MIB, 1), data(77, 2)]
    upload.complete([upload.part(n, body) for n, body in enumerate(bodies, 1)])
    for number, body in enumerate(bodies, 1):
        answer = t.s3.get_object(Bucket=bucket, Key="object", PartNumber=number)
        assert answer["Body"].read() == body
        assert answer["PartsCount"] == 2
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = t.s3.head_object(Bucket=bucket, Key="object", PartNumber=2)
    assert (head["ContentLength"], head["PartsCount"]) == (77, 2)
    with refused(("InvalidPartNumber", "416"), 416):
        t.s3.get_object(Bucket=bucket, Key="object", PartNumber=3)
    t.put(bucket, "single", b"abc")
    assert t.get(bucket, "single", PartNumber=1) == b"abc"


def test_parts_have_checksums_of_their_own(t):
    bucket = t.bucket()
    bodies = [data(5 * MIB, 1), data(77, 2)]
    for algorithm, kind in [("SHA256", "COMPOSITE"), ("CRC32", "FULL_OBJECT")]:
        field, key = f"Checksum{algorithm}", algorithm
        where = {"Bucket": bucket, "Key": key}
        asked = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        where["UploadId"] = t.s3.create_multipart_upload(**where, **asked)["UploadId"]
        parts = []
        for number, body in enumerate(bodies, 1):
            call = {**where, "PartNumber": number, "Body": body, "ChecksumAlgorithm": algorithm}
            answer = t.s3.upload_part(**call)
            parts.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
        t.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        for part in parts:
            named = {"Bucket": bucket, "Key": key, "PartNumber": part["PartNumber"]}
            head = t.other.head_object(**named, ChecksumMode="ENABLED")
            assert (head[field], head["ChecksumType"]) == (part[field], kind)
            # boto3 compares it with the bytes.
            t.other.get_object(**named, ChecksumMode="ENABLED")["Body"].read()
            assert field not in t.s3.head_object(**named)


def test_an_upload_says_what_its_object_is(t):
    bucket = t.bucket()
    said = {
        "ContentType": "application/x-netcdf",
        "ContentEncoding": "gzip",
        "ContentLanguage": "fr",
        "ContentDisposition": "inline",
        "CacheControl": "max-age=60",
        "Expires": datetime.datetime(2035, 1, 2, tzinfo=datetime.timezone.utc),
        "Metadata": {"sensor": "7"},
        "StorageClass": "ONEZONE_IA",
        "WebsiteRedirectLocation": "/other",
    }
    upload = Upload(t, bucket, **said)
    upload.complete([upload.part(1, b"x")])
    head = t.other.head_object(Bucket=bucket, Key="object")
    assert {name: head[name] for name in said} == said


def test_parts_uploaded_again_replace_the_old(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    old = upload.part(1, data(100, 1))
    new = upload.part(1, data(200, 2))
    (listed,) = upload.parts()
    assert (listed["Size"], listed["ETag"]) == (200, new["ETag"])
    with refused("InvalidPart", 400):
        upload.complete([old])
    upload.complete([new])
    assert t.get(bucket, "object") == data(200, 2)


def test_numbers_may_have_gaps_and_parts_may_be_left_out(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    bodies = {2: data(5 * MIB, 2), 5: data(5 * MIB, 5), 10_000: data(10, 9)}
    parts = {number: upload.part(number, body) for number, body in bodies.items()}
    upload.complete([parts[2], parts[10_000]])
    assert t.get(bucket, "object") == bodies[2] + bodies[10_000]


def test_list_of_parts_in_pages(t):
    bucket = t.bucket()
    upload = Upload(t, bucket, StorageClass="ONEZONE_IA")
    done = [upload.part(number, data(number, number)) for number in (1, 2, 3, 7, 9)]
    listed = upload.parts()
    assert [part["PartNumber"] for part in listed] == [1, 2, 3, 7, 9]
    assert [part["ETag"] for part in listed] == [part["ETag"] for part in done]
    assert [part["Size"] for part in listed] == [1, 2, 3, 7, 9]
    seen = []
    for page in t.s3.get_paginator("list_parts").paginate(
        **upload.where, UploadId=upload.id, PaginationConfig={"PageSize": 2}
    ):
        assert page["StorageClass"] == "ONEZONE_IA"
        seen += [part["PartNumber"] for part in page.get("Parts", [])]
    assert seen == [1, 2, 3, 7, 9]
    assert [p["PartNumber"] for p in upload.parts(PartNumberMarker=3)] == [7, 9]
    upload.abort()


def test_abort(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    part = upload.part(1, data(100 * KIB))
    assert upload.abort()["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (
        lambda: upload.part(2, b"x"),
        lambda: upload.complete([part]),
        upload.parts,
        upload.abort,
    ):
        with refused("NoSuchUpload", 404):
            call()
    assert not t.exists(bucket, "object")


def test_unknown_uploads(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    other = Upload(t, bucket, "other")
    for id in (MISSING, "not an id", other.id):
        with refused("NoSuchUpload", 404):
            t.s3.upload_part(**upload.where, UploadId=id, PartNumber=1, Body=b"x")
        with refused("NoSuchUpload", 404):
            t.s3.list_parts(**upload.where, UploadId=id)
    upload.abort()
    other.abort()


def test_completions_that_are_refused(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    one, two = upload.part(1, data(5 * MIB)), upload.part(2, data(100))
    three = upload.part(3, data(100))
    with refused("InvalidPartOrder", 400):
        upload.complete([two, one])
    with refused(("InvalidPartOrder", "InvalidPart"), 400):
        upload.complete([one, one])
    with refused("InvalidPart", 400):
        upload.complete([one, {"PartNumber": 4, "ETag": two["ETag"]}])
    with refused("InvalidPart", 400):
        upload.complete([one, {"PartNumber": 2, "ETag": one["ETag"]}])
    with refused("EntityTooSmall", 400):
        upload.complete([one, two, three])
    with refused("MalformedXML", 400):
        upload.complete([])
    with refused("MalformedXML", 400):
        t.s3.complete_multipart_upload(**upload.where, UploadId=upload.id)
    assert not t.exists(bucket, "object")
    assert len(upload.parts()) == 3
    upload.complete([one, two])
    assert t.get(bucket, "object") == data(5 * MIB) + data(100)


def test_completion_can_be_repeated(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    parts = [upload.part(1, b"abc")]
    first = upload.complete(parts)
    try:
        # A client that lost the answer asks again: the same answer, or that it is over.
        assert upload.complete(parts)["ETag"] == first["ETag"]
    except t.s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchUpload", error
    assert t.get(bucket, "object") == b"abc"


def test_completions_and_aborts_at_once(t):
    """One of them decides; the object is there whole, or not at all."""
    bucket = t.bucket()
    for attempt in range(8):
        key = f"object {attempt}"
        upload = Upload(t, bucket, key)
        parts = [upload.part(1, data(50 * KIB, attempt))]

        def outcome(call):
            try:
                call()
                return True
            except t.s3.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "NoSuchUpload", error
                return False

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            completions = [
                pool.submit(outcome, lambda s3=s3: upload.complete(parts, s3))
                for s3 in (t.s3, t.other)
            ]
            aborts = [pool.submit(outcome, upload.abort)] if attempt % 2 else []
            completed = any([future.result() for future in completions])
            aborted = any([future.result() for future in aborts])
        assert completed or aborted
        assert t.exists(bucket, key) == completed
        if completed:
            assert t.get(bucket, key) == data(50 * KIB, attempt)
    assert not t.s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_completion_replaces_an_object(t):
    bucket = t.bucket()
    t.put(bucket, "object", b"old")
    upload = Upload(t, bucket)
    part = upload.part(1, data(100 * KIB))
    assert t.get(bucket, "object") == b"old"
    upload.complete([part])
    assert t.get(bucket, "object") == data(100 * KIB)


def test_bucket_with_an_open_upload_and_its_end(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    upload.part(1, b"x")
    try:
        t.s3.delete_bucket(Bucket=bucket)
    except t.s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "BucketNotEmpty", error
        upload.abort()
        t.s3.delete_bucket(Bucket=bucket)
    with refused("404"):
        t.s3.head_bucket(Bucket=bucket)


def test_upload_part_copy(t):
    bucket = t.bucket()
    source = data(12 * MIB + 5)
    t.put(bucket, "a source/é", source)
    upload = Upload(t, bucket)
    copy = {"Bucket": bucket, "Key": "a source/é"}
    parts = []
    for number, value in (
        (1, f"bytes=0-{5 * MIB - 1}"),
        (2, f"bytes={5 * MIB}-{12 * MIB + 4}"),
        (3, "bytes=7-99"),
    ):
        answer = t.s3.upload_part_copy(
            **upload.where,
            UploadId=upload.id,
            PartNumber=number,
            CopySource=copy,
            CopySourceRange=value,
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    expected = [source[: 5 * MIB], source[5 * MIB :], source[7:100]]
    assert [part["ETag"] for part in parts] == [f'"{md5(body)}"' for body in expected]
    assert upload.complete(parts)["ETag"] == etag_of(expected)
    t.s3.delete_object(Bucket=bucket, Key="a source/é")
    assert t.get(bucket, "object") == b"".join(expected)


def test_upload_part_copy_of_the_whole_and_of_a_bad_range(t):
    bucket = t.bucket()
    t.put(bucket, "source", data(1000))
    upload = Upload(t, bucket)
    call = {
        **upload.where,
        "UploadId": upload.id,
        "PartNumber": 1,
        "CopySource": {"Bucket": bucket, "Key": "source"},
    }
    with refused("InvalidRange", 416):
        t.s3.upload_part_copy(**call, CopySourceRange="bytes=0-1000")
    for value in ("bytes=5-", "bytes=-5", "bytes=9-5", "0-5"):
        with refused("InvalidArgument", 400):
            t.s3.upload_part_copy(**call, CopySourceRange=value)
    with refused("PreconditionFailed", 412):
        t.s3.upload_part_copy(**call, CopySourceIfMatch='"other"')
    with refused("NoSuchKey", 404):
        t.s3.upload_part_copy(**{**call, "CopySource": {"Bucket": bucket, "Key": "absent"}})
    assert upload.parts() == []
    etag = t.s3.upload_part_copy(**call)["CopyPartResult"]["ETag"]
    upload.complete([{"PartNumber": 1, "ETag": etag}])
    assert t.get(bucket, "object") == data(1000)


def test_many_parts(t):
    bucket = t.bucket()
    upload = Upload(t, bucket)
    bodies = [data(5 * MIB, 0)] * 12 + [data(1, 1)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(upload.part, range(1, 14), bodies))
    assert upload.complete(parts)["ETag"] == etag_of(bodies)
    back = t.s3.get_object(Bucket=bucket, Key="object")
    expected = hashlib.sha256(b"".join(bodies)).digest()
    assert hashlib.sha256(back["Body"].read()).digest() == expected
    t.s3.delete_object(Bucket=bucket, Key="object")

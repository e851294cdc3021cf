"""Conditional requests, and what wins when several come at once."""

import concurrent.futures
import datetime

from botocore.exceptions import ClientError

from support import KIB, data, md5, refused

HOUR = datetime.timedelta(hours=1)


def test_conditional_reads(t):
    bucket = t.bucket()
    etag = t.put(bucket, "k", b"abc")["ETag"]
    modified = t.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    for call in (t.s3.get_object, t.s3.head_object):
        where = {"Bucket": bucket, "Key": "k"}
        call(**where, IfMatch=etag)
        call(**where, IfMatch="*")
        call(**where, IfMatch=f'"other", {etag}')
        call(**where, IfNoneMatch='"other"')
        call(**where, IfModifiedSince=modified - HOUR)
        call(**where, IfUnmodifiedSince=modified + HOUR)
        call(**where, IfUnmodifiedSince=modified)
        with refused(("PreconditionFailed", "412"), 412):
            call(**where, IfMatch='"other"')
        with refused("304", 304) as refusal:
            call(**where, IfNoneMatch=etag)
        assert refusal.response["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag
        with refused("304", 304):
            call(**where, IfNoneMatch="*")
        with refused("304", 304):
            call(**where, IfModifiedSince=modified)
        with refused(("PreconditionFailed", "412"), 412):
            call(**where, IfUnmodifiedSince=modified - HOUR)
        # RFC 9110: a condition on the ETag wins over one on the date.
        call(**where, IfMatch=etag, IfUnmodifiedSince=modified - HOUR)
        with refused("304", 304):
            call(**where, IfNoneMatch=etag, IfModifiedSince=modified - HOUR)


def test_put_only_if_absent(t):
    bucket = t.bucket()
    for size in (10, 100 * KIB):
        key = f"k{size}"
        t.put(bucket, key, data(size), IfNoneMatch="*")
        with refused("PreconditionFailed", 412):
            t.put(bucket, key, b"other", IfNoneMatch="*")
        assert t.get(bucket, key) == data(size)
        t.s3.delete_object(Bucket=bucket, Key=key)
        t.put(bucket, key, b"other", IfNoneMatch="*")
        assert t.get(bucket, key) == b"other"


def test_put_only_if_unchanged(t):
    bucket = t.bucket()
    first = t.put(bucket, "k", b"1")["ETag"]
    second = t.put(bucket, "k", b"2", IfMatch=first)["ETag"]
    with refused("PreconditionFailed", 412):
        t.put(bucket, "k", b"3", IfMatch=first)
    assert t.get(bucket, "k") == b"2"
    t.put(bucket, "k", b"4", IfMatch=second)
    assert t.get(bucket, "k") == b"4"
    with refused("NoSuchKey", 404):
        t.put(bucket, "absent", b"x", IfMatch=first)
    assert t.keys(bucket) == ["k"]


def test_delete_only_if_unchanged(t):
    bucket = t.bucket()
    etag = t.put(bucket, "k", b"1")["ETag"]
    with refused("PreconditionFailed", 412):
        t.s3.delete_object(Bucket=bucket, Key="k", IfMatch='"other"')
    assert t.exists(bucket, "k")
    t.s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    assert not t.exists(bucket, "k")


def test_put_only_over_another(t):
    """An entity tag in If-None-Match: write unless the object is that one."""
    bucket = t.bucket()
    etag = t.put(bucket, "k", b"1", IfNoneMatch='"other"')["ETag"]
    with refused("PreconditionFailed", 412):
        t.put(bucket, "k", b"2", IfNoneMatch=etag)
    t.put(bucket, "k", b"2")
    t.put(bucket, "k", b"3", IfNoneMatch=etag)
    assert t.get(bucket, "k") == b"3"


def test_delete_only_what_was_seen(t):
    bucket = t.bucket()
    versioned = t.bucket()
    t.s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})
    for name in (bucket, versioned):
        where = {"Bucket": name, "Key": "k"}
        t.s3.put_object(**where, Body=b"123")
        modified = t.s3.head_object(**where)["LastModified"]
        for wrong in (
            {"IfMatchSize": 4},
            {"IfMatchLastModifiedTime": modified - HOUR},
            {"IfMatch": "*", "IfMatchSize": 4},
        ):
            with refused("PreconditionFailed", 412):
                t.s3.delete_object(**where, **wrong)
        listed = {"Key": "k", "Size": 4, "LastModifiedTime": modified}
        answer = t.s3.delete_objects(Bucket=name, Delete={"Objects": [listed]})
        assert [error["Code"] for error in answer["Errors"]] == ["PreconditionFailed"]
        assert t.get(name, "k") == b"123"
        t.other.delete_object(**where, IfMatchSize=3, IfMatchLastModifiedTime=modified)
        assert not t.exists(name, "k")
    # What is hidden is not what was seen.
    with refused("PreconditionFailed", 412):
        t.s3.delete_object(Bucket=versioned, Key="k", IfMatchSize=3)
    # What is not there is deleted.
    t.s3.delete_object(Bucket=bucket, Key="k", IfMatchSize=3)


def test_copy_conditions_on_the_source(t):
    bucket = t.bucket()
    etag = t.put(bucket, "k", b"1")["ETag"]
    modified = t.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    where = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}}
    for false in (
        {"CopySourceIfMatch": '"other"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": modified - HOUR},
    ):
        with refused("PreconditionFailed", 412):
            t.s3.copy_object(**where, **false)
    assert not t.exists(bucket, "copy")
    for true in (
        {"CopySourceIfMatch": etag},
        {"CopySourceIfNoneMatch": '"other"'},
        {"CopySourceIfModifiedSince": modified - HOUR},
        {"CopySourceIfUnmodifiedSince": modified},
        {"CopySourceIfMatch": etag, "CopySourceIfUnmodifiedSince": modified - HOUR},
    ):
        t.s3.copy_object(**where, **true)


def test_copy_conditions_on_the_target(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"1")

    def copy(**condition):
        source = {"Bucket": bucket, "Key": "k"}
        answer = t.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, **condition)
        return answer["CopyObjectResult"]["ETag"]

    etag = copy(IfNoneMatch="*")
    copy(IfMatch=etag)
    for false in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        with refused("PreconditionFailed", 412):
            copy(**false)


def test_part_copy_conditions_on_the_source(t):
    bucket = t.bucket()
    etag = t.put(bucket, "k", b"1")["ETag"]
    modified = t.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    where = {"Bucket": bucket, "Key": "copy"}
    where["UploadId"] = t.s3.create_multipart_upload(**where)["UploadId"]
    where |= {"PartNumber": 1, "CopySource": {"Bucket": bucket, "Key": "k"}}
    for true, false in (
        ({"CopySourceIfMatch": etag}, {"CopySourceIfMatch": '"other"'}),
        ({"CopySourceIfNoneMatch": '"other"'}, {"CopySourceIfNoneMatch": etag}),
        (
            {"CopySourceIfModifiedSince": modified - HOUR},
            {"CopySourceIfModifiedSince": modified},
        ),
        (
            {"CopySourceIfUnmodifiedSince": modified},
            {"CopySourceIfUnmodifiedSince": modified - HOUR},
        ),
    ):
        t.s3.upload_part_copy(**where, **true)
        with refused("PreconditionFailed", 412):
            t.s3.upload_part_copy(**where, **false)


def test_complete_only_if_absent(t):
    bucket = t.bucket()

    def start():
        upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        etag = t.s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=upload.encode()
        )["ETag"]
        return upload, {"Parts": [{"PartNumber": 1, "ETag": etag}]}

    first, second = start(), start()
    for (upload, parts), wins in ((first, True), (second, False)):
        call = {"Bucket": bucket, "Key": "k", "UploadId": upload, "MultipartUpload": parts}
        if wins:
            t.s3.complete_multipart_upload(**call, IfNoneMatch="*")
        else:
            with refused("PreconditionFailed", 412):
                t.s3.complete_multipart_upload(**call, IfNoneMatch="*")
    assert t.get(bucket, "k") == first[0].encode()


def test_complete_only_if_unchanged(t):
    bucket = t.bucket()
    where = {"Bucket": bucket, "Key": "k"}
    etag = t.put(bucket, "k", b"old")["ETag"]
    where["UploadId"] = t.s3.create_multipart_upload(**where)["UploadId"]
    part = t.s3.upload_part(**where, PartNumber=1, Body=b"new")["ETag"]
    where["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    with refused("PreconditionFailed", 412):
        t.s3.complete_multipart_upload(**where, IfMatch='"other"')
    assert t.get(bucket, "k") == b"old"
    t.s3.complete_multipart_upload(**where, IfMatch=etag)
    assert t.get(bucket, "k") == b"new"


def test_what_failed_is_named(t):
    """SDKs and s3fs tell 'already there' from other failures by it."""
    bucket = t.bucket()
    t.put(bucket, "k", b"1")
    t.put(bucket, "source", b"4")
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    etag = t.s3.upload_part(**where, PartNumber=1, Body=b"2")["ETag"]
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    parts = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    url = f"/{bucket}/k"
    for condition, value in (("If-None-Match", "*"), ("If-Match", '"other"')):
        headers = {condition: value}
        copy = {**headers, "x-amz-copy-source": f"/{bucket}/source"}
        replies = [
            t.raw.signed("PUT", url, headers=headers, body=b"3"),
            t.raw.signed("PUT", url, headers=copy),
            t.raw.signed("POST", url, f"uploadId={upload}", headers=headers, body=parts),
        ]
        if condition == "If-Match":
            replies.append(t.raw.signed("DELETE", url, headers=headers))
        for reply in replies:
            reply.expect(412, "PreconditionFailed")
            assert reply.element("Condition") == condition, reply.body
    assert t.get(bucket, "k") == b"1"


def race(attempt, count):
    """Runs `attempt(number)` for all numbers at once; the numbers that succeeded."""
    winners = []
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        futures = {pool.submit(attempt, number): number for number in range(count)}
        for future in concurrent.futures.as_completed(futures):
            try:
                future.result()
                winners.append(futures[future])
            except ClientError as error:
                code = error.response["Error"]["Code"]
                assert code in ("PreconditionFailed", "ConditionalRequestConflict"), error
    return winners


def test_one_of_many_creators_wins(t):
    bucket = t.bucket()
    for key, size in (("small", 100), ("large", 300 * KIB)):
        bodies = [data(size, seed) for seed in range(24)]

        def create(number):
            s3 = (t.s3, t.other)[number % 2]
            s3.put_object(Bucket=bucket, Key=key, Body=bodies[number], IfNoneMatch="*")

        winners = race(create, len(bodies))
        assert len(winners) == 1, winners
        assert t.get(bucket, key) == bodies[winners[0]]


def test_one_of_many_replacers_wins(t):
    bucket = t.bucket()
    etag = t.put(bucket, "k", b"start")["ETag"]
    bodies = [data(1000, seed) for seed in range(16)]

    def replace(number):
        s3 = (t.s3, t.other)[number % 2]
        s3.put_object(Bucket=bucket, Key="k", Body=bodies[number], IfMatch=etag)

    winners = race(replace, len(bodies))
    assert len(winners) == 1, winners
    assert t.get(bucket, "k") == bodies[winners[0]]


def test_counter_by_compare_and_swap(t):
    """No update is lost when writers at both sites retry on a changed ETag."""
    bucket = t.bucket()
    t.put(bucket, "counter", b"0")

    def increment(number):
        s3 = (t.s3, t.other)[number % 2]
        for _ in range(5):
            while True:
                answer = s3.get_object(Bucket=bucket, Key="counter")
                value = int(answer["Body"].read())
                try:
                    s3.put_object(
                        Bucket=bucket,
                        Key="counter",
                        Body=str(value + 1).encode(),
                        IfMatch=answer["ETag"],
                    )
                    break
                except ClientError as error:
                    assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(increment, number) for number in range(6)]:
            future.result()
    assert t.get(bucket, "counter") == b"30"


def test_etag_is_the_md5_whatever_the_checksum(t):
    bucket = t.bucket()
    for algorithm in ("CRC32", "SHA256"):
        answer = t.put(bucket, "k", b"abc", ChecksumAlgorithm=algorithm)
        assert answer["ETag"] == f'"{md5(b"abc")}"'

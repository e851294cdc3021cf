"""Habits of particular programs that stores with a part of S3 trip over."""

import base64
import datetime
import hashlib

from support import MIB, data, refused, sha256

HOUR = datetime.timedelta(hours=1)


def test_an_empty_object_has_no_ranges(t):
    """Readers of footers ask for a range before they know the size."""
    bucket = t.bucket()
    t.put(bucket, "empty", b"")
    for value in ("bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-65536"):
        reply = t.raw.signed("GET", f"/{bucket}/empty", headers={"range": value})
        reply.expect(416, "InvalidRange")
        assert reply.headers["content-range"] == "bytes */0"
        assert t.raw.signed("HEAD", f"/{bucket}/empty", headers={"range": value}).status == 416


def test_a_range_says_as_much_as_the_whole(t):
    bucket = t.bucket()
    t.put(bucket, "k", data(1000), ContentType="text/x-test", Metadata={"m": "1"})
    whole = t.raw.signed("GET", f"/{bucket}/k").expect(200).headers
    some = t.raw.signed("GET", f"/{bucket}/k", headers={"range": "bytes=1-9"}).expect(206).headers
    for name in ("last-modified", "etag", "content-type", "x-amz-meta-m", "accept-ranges"):
        assert some[name] == whole[name], name
    assert (some["content-length"], some["content-range"]) == ("9", "bytes 1-9/1000")


def test_hadoop_reads_what_it_opened(t):
    """S3A makes the ETag of its first answer a condition of all later ones, without quotes."""
    bucket = t.bucket()
    body = data(2 * MIB)
    etag = t.put(bucket, "data/part-0000", body)["ETag"]
    for condition in (etag, etag.strip('"')):
        some = t.get(bucket, "data/part-0000", IfMatch=condition, Range="bytes=1000-1999")
        assert some == body[1000:2000]
        t.s3.copy_object(
            Bucket=bucket,
            Key="data/renamed",
            CopySource={"Bucket": bucket, "Key": "data/part-0000"},
            CopySourceIfMatch=condition,
        )
    t.put(bucket, "data/part-0000", b"somebody else's")
    for condition in (etag, etag.strip('"')):
        with refused("PreconditionFailed", 412):
            t.get(bucket, "data/part-0000", IfMatch=condition, Range="bytes=0-9")
        with refused("PreconditionFailed", 412):
            t.s3.copy_object(
                Bucket=bucket,
                Key="data/renamed",
                CopySource={"Bucket": bucket, "Key": "data/part-0000"},
                CopySourceIfMatch=condition,
            )
    assert t.get(bucket, "data/renamed") == body


def test_hadoop_removes_a_folder(t):
    """Markers of folders, and one bulk deletion that names keys which are no more."""
    bucket = t.bucket()
    keys = ["table/", "table/_temporary/0/", "table/part-0000", "table/part-0001"]
    for key in keys:
        t.put(bucket, key)
    page = t.s3.list_objects_v2(Bucket=bucket, Prefix="table/", Delimiter="/", MaxKeys=2)
    assert [entry["Key"] for entry in page["Contents"]] == ["table/"]
    assert page["IsTruncated"] and page["NextContinuationToken"]
    objects = [{"Key": key} for key in [*keys, "table/never", "table/"]]
    answer = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Errors" not in answer and "Deleted" not in answer
    assert t.keys(bucket) == []


def test_every_page_says_whether_there_is_another(t):
    bucket = t.bucket()
    upload = [t.s3.create_multipart_upload(Bucket=bucket, Key=f"u{n}")["UploadId"] for n in (1, 2)]
    for number in (1, 2):
        t.put(bucket, f"k{number}")
        where = {"Bucket": bucket, "Key": "u1", "UploadId": upload[0]}
        t.s3.upload_part(**where, PartNumber=number, Body=b"x")
    kinds = [
        (f"/{bucket}", "list-type=2", "max-keys", "NextContinuationToken"),
        (f"/{bucket}", "delimiter=%2F", "max-keys", "NextMarker"),
        (f"/{bucket}", "versions=", "max-keys", "NextKeyMarker"),
        (f"/{bucket}", "uploads=", "max-uploads", "NextKeyMarker"),
        (f"/{bucket}/u1", f"uploadId={upload[0]}", "max-parts", "NextPartNumberMarker"),
    ]
    for path, query, limit, token in kinds:
        first = t.raw.signed("GET", path, f"{query}&{limit}=1").expect(200)
        assert first.element("IsTruncated") == "true", query
        assert first.element(token), query
        whole = t.raw.signed("GET", path, query).expect(200)
        assert whole.element("IsTruncated") == "false", query
        # ListParts says where its page ends, whether or not more follows.
        assert token == "NextPartNumberMarker" or whole.element(token) is None, query
    none = t.raw.signed("GET", f"/{bucket}", "list-type=2&max-keys=0").expect(200)
    assert none.element("IsTruncated") == "false"
    full = t.raw.signed("GET", f"/{bucket}", "list-type=2&max-keys=2").expect(200)
    assert full.element("IsTruncated") == "false"


def test_names_of_buckets_with_dots(t):
    bucket = f"data.{t.bucket_name()}.example.org"
    t.s3.create_bucket(Bucket=bucket)
    body = data(1000)
    t.put(bucket, "a.b/c.d", body)
    assert t.other.get_object(Bucket=bucket, Key="a.b/c.d")["Body"].read() == body
    assert t.keys(bucket) == ["a.b/c.d"]
    port = t.raw.host.rpartition(":")[2]
    host = f"{bucket}.localhost:{port}"
    assert t.raw.signed("GET", "/a.b/c.d", host=host).expect(200).body == body
    t.s3.delete_object(Bucket=bucket, Key="a.b/c.d")
    t.s3.delete_bucket(Bucket=bucket)


def test_rclone_and_s3fs_edit_metadata_in_place(t):
    """The time of a file is metadata, and is set by a copy of the object onto itself."""
    bucket = t.bucket()
    body = data(6 * MIB)
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"mtime": "1"})
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    done = []
    for number, piece in enumerate((body[: 5 * MIB], body[5 * MIB :]), 1):
        etag = t.s3.upload_part(**where, PartNumber=number, Body=piece)["ETag"]
        done.append({"PartNumber": number, "ETag": etag})
    t.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
    t.put(bucket, "small", b"abc", Metadata={"mtime": "1"})
    for key, content in (("k", body), ("small", b"abc")):
        for mtime in ("2", "3"):
            t.s3.copy_object(
                Bucket=bucket,
                Key=key,
                CopySource={"Bucket": bucket, "Key": key},
                MetadataDirective="REPLACE",
                Metadata={"mtime": mtime, "mode": "33188"},
                ContentType="text/x-test",
            )
            head = t.other.head_object(Bucket=bucket, Key=key)
            assert head["Metadata"] == {"mtime": mtime, "mode": "33188"}
            assert head["ContentType"] == "text/x-test"
        assert sha256(t.get(bucket, key)) == sha256(content)
    # A version's bytes stay those of the version, when its metadata is copied over the current.
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    t.s3.copy_object(
        Bucket=bucket,
        Key="small",
        CopySource={"Bucket": bucket, "Key": "small", "VersionId": "null"},
        MetadataDirective="REPLACE",
        Metadata={"mtime": "4"},
    )
    versions = t.s3.list_object_versions(Bucket=bucket, Prefix="small")["Versions"]
    assert len(versions) == 2


def locked_bucket(t):
    bucket = t.bucket_name()
    t.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return bucket


def put_document(t, path, query, document):
    digest = hashlib.md5(document.encode(), usedforsecurity=False).digest()
    headers = {"content-md5": base64.b64encode(digest).decode()}
    return t.raw.signed("PUT", path, query, headers=headers, body=document.encode())


def test_veeam_sends_documents_without_a_namespace(t):
    bucket = locked_bucket(t)
    lock = (
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
        "<DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>"
        "</ObjectLockConfiguration>"
    )
    put_document(t, f"/{bucket}", "object-lock=", lock).expect(200)
    rule = t.other.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["Rule"]
    assert rule == {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    version = t.put(bucket, "backup", b"x")["VersionId"]
    until = (datetime.datetime.now(datetime.timezone.utc) + 48 * HOUR).replace(microsecond=0)
    stamp = until.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    retention = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{stamp}</RetainUntilDate></Retention>"
    )
    query = f"retention=&versionId={version}"
    put_document(t, f"/{bucket}/backup", query, retention).expect(200)
    kept = t.other.get_object_retention(Bucket=bucket, Key="backup")["Retention"]
    assert kept == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    hold = "<LegalHold><Status>ON</Status></LegalHold>"
    put_document(t, f"/{bucket}/backup", "legal-hold=", hold).expect(200)
    put_document(t, f"/{bucket}/backup", "legal-hold=", hold.replace("ON", "OFF")).expect(200)
    for path, query, document in (
        (f"/{bucket}/k", "tagging=", "<Tagging><TagSet></TagSet></Tagging>"),
        (
            f"/{bucket}",
            "versioning=",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        ),
    ):
        t.put(bucket, "k")
        put_document(t, path, query, document).expect(200)


def test_kopia_extends_what_it_keeps(t):
    """Blobs come with a retention, which is made longer as long as they are needed."""
    bucket = locked_bucket(t)
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    put = t.put(
        bucket,
        "p0123",
        b"blob",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=now + 24 * HOUR,
    )
    version = {"Bucket": bucket, "Key": "p0123", "VersionId": put["VersionId"]}
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": now + 48 * HOUR}
    t.s3.put_object_retention(**version, Retention=longer)
    head = t.other.head_object(Bucket=bucket, Key="p0123")
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] == now + 48 * HOUR
    with refused("AccessDenied", 403):
        t.s3.put_object_retention(
            **version, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": now + HOUR}
        )
    # A deletion hides it, and its versions tell what was there.
    t.s3.delete_object(Bucket=bucket, Key="p0123")
    with refused("AccessDenied", 403):
        t.s3.delete_object(**version)
    listed = t.s3.list_object_versions(Bucket=bucket, Prefix="p0123")
    assert [entry["VersionId"] for entry in listed["Versions"]] == [put["VersionId"]]
    assert listed["DeleteMarkers"][0]["IsLatest"]
    assert t.get(bucket, "p0123", VersionId=put["VersionId"]) == b"blob"


def test_newer_operations_touch_no_object(t):
    """SDKs know operations that older stores take for PutObject and DeleteObject."""
    bucket = t.bucket()
    t.put(bucket, "k", b"abc")
    for method in ("PUT", "DELETE", "GET"):
        reply = t.raw.signed(method, f"/{bucket}/k", "annotation=&annotationName=a")
        reply.expect(501, "NotImplemented")
        nameless = t.raw.signed(method, f"/{bucket}/k", "annotation=")
        assert nameless.code in ("NotImplemented", "MethodNotAllowed"), nameless.body
    hold = {"x-amz-object-lock-event-hold": "ON"}
    t.raw.signed("PUT", f"/{bucket}/k", headers=hold, body=b"new").expect(501, "NotImplemented")
    assert t.get(bucket, "k") == b"abc"

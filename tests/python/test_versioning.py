"""Versions, delete markers, and what happens to what was there before."""

import concurrent.futures

from support import KIB, data, refused


def versioned(t, status="Enabled"):
    """A bucket that keeps versions, known as such at both gateways."""
    bucket = t.bucket()
    set_versioning(t, bucket, status)
    return bucket


def set_versioning(t, bucket, status):
    settings = {"Status": status}
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=settings)


def listed(t, bucket, page=1000, **arguments):
    """(key, version, latest, marker) of everything, by both gateways alike."""
    found = []
    for s3 in (t.s3, t.other):
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": page}, **arguments
        )
        entries = []
        for shown in pages:
            rows = [(row, False) for row in shown.get("Versions", [])]
            rows += [(row, True) for row in shown.get("DeleteMarkers", [])]
            # botocore parts objects and markers; each list is in order.
            entries += rows
        found.append(
            sorted(
                (row["Key"], row["VersionId"], row["IsLatest"], marker) for row, marker in entries
            )
        )
    assert found[0] == found[1]
    return found[0]


def test_a_bucket_says_whether_it_keeps_versions(t):
    bucket = t.bucket()
    assert "Status" not in t.s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        set_versioning(t, bucket, status)
        for s3 in (t.s3, t.other):
            assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    with refused("IllegalVersioningConfigurationException", 400):
        t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={})
    with refused("MalformedXML", 400):
        set_versioning(t, bucket, "Off")
    assert t.s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_every_write_is_a_version(t):
    bucket = versioned(t)
    bodies = [b"", b"small", data(100 * KIB), data(300 * KIB, 2)]
    ids = [t.put(bucket, "k", body)["VersionId"] for body in bodies]
    assert len(set(ids)) == len(ids)
    assert t.get(bucket, "k") == bodies[-1]
    for s3 in (t.s3, t.other):
        for body, version in zip(bodies, ids):
            got = s3.get_object(Bucket=bucket, Key="k", VersionId=version)
            assert (got["VersionId"], got["Body"].read()) == (version, body)
            head = s3.head_object(Bucket=bucket, Key="k", VersionId=version)
            assert (head["VersionId"], head["ContentLength"]) == (version, len(body))
    newest = ids[-1]
    assert listed(t, bucket) == sorted(("k", i, i == newest, False) for i in ids)
    assert listed(t, bucket, page=1) == listed(t, bucket)
    assert t.keys(bucket) == ["k"]


def test_a_deletion_hides_and_can_be_undone(t):
    bucket = versioned(t)
    first = t.put(bucket, "k", b"1")["VersionId"]
    gone = t.s3.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"] is True
    marker = gone["VersionId"]
    assert t.keys(bucket) == []
    for s3 in (t.s3, t.other):
        with refused("NoSuchKey", 404) as refusal:
            s3.get_object(Bucket=bucket, Key="k")
        headers = refusal.response["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-amz-delete-marker"] == "true"
        assert headers["x-amz-version-id"] == marker
        with refused("MethodNotAllowed", 405) as refusal:
            s3.get_object(Bucket=bucket, Key="k", VersionId=marker)
        headers = refusal.response["ResponseMetadata"]["HTTPHeaders"]
        assert headers["x-amz-delete-marker"] == "true"
        assert "last-modified" in headers
        with refused(("405", "MethodNotAllowed"), 405):
            s3.head_object(Bucket=bucket, Key="k", VersionId=marker)
    assert listed(t, bucket) == sorted(
        [("k", marker, True, True), ("k", first, False, False)]
    )
    undone = t.s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert (undone["DeleteMarker"], undone["VersionId"]) == (True, marker)
    assert t.get(bucket, "k") == b"1"
    assert t.keys(bucket) == ["k"]


def test_versions_are_removed_one_by_one(t):
    bucket = versioned(t)
    ids = [t.put(bucket, "k", str(n).encode())["VersionId"] for n in range(4)]
    middle = t.s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[1])
    assert middle["VersionId"] == ids[1] and "DeleteMarker" not in middle
    assert t.get(bucket, "k") == b"3"
    t.s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[3])
    assert t.get(bucket, "k") == b"2"
    with refused("NoSuchVersion", 404):
        t.get(bucket, "k", VersionId=ids[3])
    # What is not there is deleted already.
    t.s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[3])
    with refused("BucketNotEmpty", 409):
        t.s3.delete_bucket(Bucket=bucket)
    doomed = [{"Key": "k", "VersionId": version} for version in (ids[0], ids[2])]
    answer = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed})
    assert len(answer["Deleted"]) == 2 and "Errors" not in answer
    assert listed(t, bucket) == []
    t.s3.delete_bucket(Bucket=bucket)


def test_delete_objects_makes_markers(t):
    bucket = versioned(t)
    t.put(bucket, "a", b"a")
    names = [{"Key": key} for key in ("a", "never-was")]
    answer = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": names})
    for row in answer["Deleted"]:
        assert row["DeleteMarker"] is True and row["DeleteMarkerVersionId"]
    markers = [
        {"Key": row["Key"], "VersionId": row["DeleteMarkerVersionId"]}
        for row in answer["Deleted"]
    ]
    answer = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": markers})
    for row in answer["Deleted"]:
        assert row["DeleteMarker"] is True
        assert row["DeleteMarkerVersionId"] == row["VersionId"]
    assert t.keys(bucket) == ["a"]


def test_the_null_version(t):
    bucket = t.bucket()
    assert "VersionId" not in t.put(bucket, "k", b"before")
    set_versioning(t, bucket, "Enabled")
    kept = t.put(bucket, "k", b"kept")["VersionId"]
    assert t.get(bucket, "k", VersionId="null") == b"before"
    set_versioning(t, bucket, "Suspended")
    assert "VersionId" not in t.put(bucket, "k", b"after")
    assert t.s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert t.get(bucket, "k", VersionId="null") == b"after"
    assert t.get(bucket, "k", VersionId=kept) == b"kept"
    t.put(bucket, "k", b"again")
    assert listed(t, bucket) == sorted(
        [("k", "null", True, False), ("k", kept, False, False)]
    )
    gone = t.s3.delete_object(Bucket=bucket, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    assert listed(t, bucket) == sorted(
        [("k", "null", True, True), ("k", kept, False, False)]
    )
    t.s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert t.get(bucket, "k") == b"kept"


def test_copies_of_versions(t):
    bucket = versioned(t)
    old = t.put(bucket, "k", b"old")["VersionId"]
    t.put(bucket, "k", b"new")
    copy = t.s3.copy_object(
        Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k", "VersionId": old}
    )
    assert copy["CopySourceVersionId"] == old
    assert t.get(bucket, "c", VersionId=copy["VersionId"]) == b"old"
    # To bring a version back is to copy it over the present one.
    t.s3.copy_object(
        Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": old}
    )
    assert t.get(bucket, "k") == b"old"
    assert len([row for row in listed(t, bucket) if row[0] == "k"]) == 3
    marker = t.s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    with refused("NoSuchKey", 404):
        t.s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "k"})
    with refused(("InvalidRequest", "MethodNotAllowed")):
        source = {"Bucket": bucket, "Key": "k", "VersionId": marker}
        t.s3.copy_object(Bucket=bucket, Key="x", CopySource=source)


def test_multipart_uploads_make_versions(t):
    bucket = versioned(t)
    first = t.put(bucket, "k", b"first")["VersionId"]
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    part = t.s3.upload_part(**where, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    done = t.s3.complete_multipart_upload(**where, MultipartUpload=parts)
    again = t.other.complete_multipart_upload(**where, MultipartUpload=parts)
    assert done["VersionId"] == again["VersionId"] != first
    assert t.get(bucket, "k", VersionId=done["VersionId"]) == b"part"
    assert t.get(bucket, "k", VersionId=first) == b"first"


def test_conditions_see_no_marker(t):
    bucket = versioned(t)
    t.put(bucket, "k", b"1")
    with refused("PreconditionFailed", 412):
        t.put(bucket, "k", b"2", IfNoneMatch="*")
    t.s3.delete_object(Bucket=bucket, Key="k")
    t.put(bucket, "k", b"2", IfNoneMatch="*")
    assert t.get(bucket, "k") == b"2"


def test_concurrent_writers_lose_no_version(t):
    bucket = versioned(t)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bodies = [str(n).encode() for n in range(64)]
        gateways = [t.s3, t.other] * 32

        def put(s3, body):
            return s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"]

        ids = list(pool.map(put, gateways, bodies))
    for version, body in zip(ids, bodies):
        assert t.get(bucket, "k", VersionId=version) == body
    rows = listed(t, bucket, page=7)
    assert {row[1] for row in rows} == set(ids)
    assert [row[2] for row in rows].count(True) == 1


def test_versions_under_prefixes(t):
    bucket = versioned(t)
    for key in ("a/1", "a/2", "b", "c/1"):
        for body in (b"1", b"2"):
            t.put(bucket, key, body)
    t.s3.delete_object(Bucket=bucket, Key="c/1")
    shown = t.s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [row["Prefix"] for row in shown["CommonPrefixes"]] == ["a/", "c/"]
    assert [row["Key"] for row in shown["Versions"]] == ["b", "b"]
    assert {row[0] for row in listed(t, bucket, Prefix="a/")} == {"a/1", "a/2"}
    with refused("InvalidArgument", 400):
        t.s3.list_object_versions(Bucket=bucket, VersionIdMarker="null")

"""Versions that can't be removed, and who may shorten what keeps them."""

import datetime
import time

from support import refused

UTC = datetime.timezone.utc


def soon(**after):
    """A moment from now, whole seconds."""
    return datetime.datetime.now(UTC).replace(microsecond=0) + datetime.timedelta(**after)


def locked_bucket(t):
    bucket = t.bucket_name()
    t.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return bucket


def retention(mode, until):
    return {"Mode": mode, "RetainUntilDate": until}


def test_a_bucket_is_made_with_locks_or_gets_them(t):
    bucket = locked_bucket(t)
    assert t.s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    lock = t.other.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert lock == {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        settings = {"Status": "Suspended"}
        t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=settings)

    plain = t.bucket()
    with refused("ObjectLockConfigurationNotFoundError", 404):
        t.s3.get_object_lock_configuration(Bucket=plain)
    enabled = {"ObjectLockEnabled": "Enabled"}
    with refused("InvalidBucketState", 409):
        t.s3.put_object_lock_configuration(Bucket=plain, ObjectLockConfiguration=enabled)
    t.s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    t.s3.put_object_lock_configuration(Bucket=plain, ObjectLockConfiguration=enabled)
    lock = t.other.get_object_lock_configuration(Bucket=plain)["ObjectLockConfiguration"]
    assert lock == enabled


def test_what_is_kept_is_kept(t):
    bucket = locked_bucket(t)
    until = soon(days=1)
    version = t.put(
        bucket, "k", b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    where = {"Bucket": bucket, "Key": "k", "VersionId": version}
    head = t.other.head_object(**where)
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert head["ObjectLockRetainUntilDate"] == until
    assert t.other.get_object_retention(**where)["Retention"] == retention("GOVERNANCE", until)
    with refused("AccessDenied", 403):
        t.s3.delete_object(**where)
    answer = t.s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": version}]}
    )
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    other = t.put(
        bucket, "o", b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    answer = t.s3.delete_objects(
        Bucket=bucket,
        Delete={"Objects": [{"Key": "o", "VersionId": other}]},
        BypassGovernanceRetention=True,
    )
    assert [entry["VersionId"] for entry in answer["Deleted"]] == [other]
    # To hide it is no removal.
    marker = t.s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    t.s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert t.get(bucket, "k") == b"x"
    t.s3.delete_object(**where, BypassGovernanceRetention=True)
    with refused("NoSuchVersion", 404):
        t.s3.get_object(**where)


def test_copies_and_uploads_are_locked_too(t):
    bucket = locked_bucket(t)
    t.put(bucket, "k", b"x")
    lock = {
        "ObjectLockMode": "GOVERNANCE",
        "ObjectLockRetainUntilDate": soon(days=1),
        "ObjectLockLegalHoldStatus": "ON",
    }
    source = {"Bucket": bucket, "Key": "k"}
    t.s3.copy_object(Bucket=bucket, Key="c", CopySource=source, **lock)
    where = {"Bucket": bucket, "Key": "m"}
    where["UploadId"] = t.s3.create_multipart_upload(**where, **lock)["UploadId"]
    etag = t.s3.upload_part(**where, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    t.s3.complete_multipart_upload(**where, MultipartUpload=parts)
    for key in ("c", "m"):
        head = t.other.head_object(Bucket=bucket, Key=key)
        assert {name: head[name] for name in lock} == lock, key
        with refused("AccessDenied", 403):
            t.s3.delete_object(Bucket=bucket, Key=key, VersionId=head["VersionId"])


def test_retentions_grow_and_shrink_by_their_mode(t):
    bucket = locked_bucket(t)
    version = t.put(bucket, "k", b"x")["VersionId"]
    where = {"Bucket": bucket, "Key": "k"}
    with refused("NoSuchObjectLockConfiguration", 404):
        t.s3.get_object_retention(**where)

    def put(mode, until, **how):
        t.s3.put_object_retention(**where, Retention=retention(mode, until), **how)

    put("GOVERNANCE", soon(days=2))
    put("GOVERNANCE", soon(days=3))
    with refused("AccessDenied", 403):
        put("GOVERNANCE", soon(days=1))
    with refused("AccessDenied", 403):
        put("COMPLIANCE", soon(days=4))
    put("GOVERNANCE", soon(days=1), BypassGovernanceRetention=True)
    until = soon(seconds=3)
    put("COMPLIANCE", until, BypassGovernanceRetention=True)
    for bypass in (False, True):
        with refused("AccessDenied", 403):
            put("GOVERNANCE", soon(days=9), BypassGovernanceRetention=bypass)
        with refused("AccessDenied", 403):
            t.s3.delete_object(**where, VersionId=version, BypassGovernanceRetention=bypass)
    with refused("InvalidArgument", 400):
        put("COMPLIANCE", soon(days=-1))
    # It ends by itself.
    deadline = time.monotonic() + 30
    while True:
        try:
            t.s3.delete_object(**where, VersionId=version)
            break
        except t.s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied", error
            assert time.monotonic() < deadline, "the retention does not end"
            time.sleep(0.2)
    assert datetime.datetime.now(UTC) >= until - datetime.timedelta(seconds=1)


def test_a_legal_hold_has_no_end_of_its_own(t):
    bucket = locked_bucket(t)
    version = t.put(bucket, "k", b"x", ObjectLockLegalHoldStatus="ON")["VersionId"]
    where = {"Bucket": bucket, "Key": "k", "VersionId": version}
    assert t.other.head_object(**where)["ObjectLockLegalHoldStatus"] == "ON"
    with refused("AccessDenied", 403):
        t.s3.delete_object(**where, BypassGovernanceRetention=True)
    t.s3.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    assert t.other.get_object_legal_hold(**where)["LegalHold"] == {"Status": "OFF"}
    t.s3.delete_object(**where)


def test_a_bucket_says_how_long(t):
    bucket = locked_bucket(t)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    t.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)
    shown = t.other.get_object_lock_configuration(Bucket=bucket)
    assert shown["ObjectLockConfiguration"] == lock
    t.put(bucket, "k", b"x")
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    part = t.s3.upload_part(**where, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    t.s3.complete_multipart_upload(**where, MultipartUpload=parts)
    t.s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})
    for key in ("k", "m", "c"):
        head = t.s3.head_object(Bucket=bucket, Key=key)
        assert head["ObjectLockMode"] == "GOVERNANCE", key
        left = head["ObjectLockRetainUntilDate"] - datetime.datetime.now(UTC)
        assert datetime.timedelta(days=1) < left <= datetime.timedelta(days=2), key
    for bad in (
        {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 0}},
        {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1, "Years": 1}},
        {"DefaultRetention": {"Mode": "governance", "Days": 1}},
    ):
        with refused(("InvalidRetentionPeriod", "MalformedXML"), 400):
            t.s3.put_object_lock_configuration(
                Bucket=bucket,
                ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": bad},
            )
    shown = t.s3.get_object_lock_configuration(Bucket=bucket)
    assert shown["ObjectLockConfiguration"] == lock


def test_locks_need_a_bucket_that_has_them(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x")
    where = {"Bucket": bucket, "Key": "k"}
    for call in (
        lambda: t.put(bucket, "n", b"x", ObjectLockLegalHoldStatus="ON"),
        lambda: t.s3.get_object_retention(**where),
        lambda: t.s3.get_object_legal_hold(**where),
        lambda: t.s3.put_object_legal_hold(**where, LegalHold={"Status": "ON"}),
        lambda: t.s3.put_object_retention(
            **where, Retention=retention("GOVERNANCE", soon(days=1))
        ),
    ):
        with refused("InvalidRequest", 400):
            call()
    assert t.keys(bucket) == ["k"]

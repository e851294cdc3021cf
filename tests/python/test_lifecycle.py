"""What expires, moves or is aborted by a bucket's rules. A day of the rules has two seconds here."""

import datetime
import time

from botocore.exceptions import ClientError
from support import KIB, MIB, data, refused

# Rounds, leases and a busy machine.
DEADLINE_S = 90

NONCURRENT_GO = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
TO_ONE_ZONE = {"Transitions": [{"Days": 1, "StorageClass": "ONEZONE_IA"}]}


def rule(prefix="", **actions):
    return {"ID": f"rule {prefix}", "Status": "Enabled", "Filter": {"Prefix": prefix}, **actions}


def set_rules(t, bucket, *rules, **options):
    configuration = {"Rules": list(rules)}
    return t.s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration=configuration, **options
    )


def until(holds):
    """Waits until something holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.1)


def versioned(t):
    bucket = t.bucket()
    status = {"Status": "Enabled"}
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=status)
    return bucket


def versions(t, bucket):
    """(key, whether it is a marker) of all versions."""
    answer = t.other.list_object_versions(Bucket=bucket)
    found = [(entry["Key"], False) for entry in answer.get("Versions", [])]
    return found + [(entry["Key"], True) for entry in answer.get("DeleteMarkers", [])]


def classes(t, bucket):
    listing = t.other.list_objects_v2(Bucket=bucket)
    return {entry["Key"]: entry["StorageClass"] for entry in listing.get("Contents", [])}


def test_rules_are_kept_as_they_came(t):
    bucket = t.bucket()
    with refused("NoSuchLifecycleConfiguration", 404):
        t.s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    t.s3.delete_bucket_lifecycle(Bucket=bucket)
    rules = [
        rule("a/", Expiration={"Days": 3}),
        rule("b/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}),
        {
            "ID": "c",
            "Status": "Disabled",
            "Filter": {
                "And": {
                    "Prefix": "c/",
                    "Tags": [{"Key": "k", "Value": "v"}],
                    "ObjectSizeGreaterThan": 5,
                }
            },
            **TO_ONE_ZONE,
            **NONCURRENT_GO,
        },
    ]
    minimum = "TransitionDefaultMinimumObjectSize"
    assert set_rules(t, bucket, *rules)[minimum] == "all_storage_classes_128K"
    for s3 in (t.s3, t.other):
        answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        assert answer["Rules"] == rules
        assert answer[minimum] == "all_storage_classes_128K"
    stored = set_rules(t, bucket, rules[0], **{minimum: "varies_by_storage_class"})
    assert stored[minimum] == "varies_by_storage_class"
    answer = t.other.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert (answer["Rules"], answer[minimum]) == (rules[:1], "varies_by_storage_class")
    t.s3.delete_bucket_lifecycle(Bucket=bucket)
    with refused("NoSuchLifecycleConfiguration", 404):
        t.other.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_wrong_rules_are_refused(t):
    bucket = t.bucket()
    for wrong, code in (
        ([rule(Expiration={"Days": 0})], "InvalidArgument"),
        ([rule(Expiration={"Days": 1}), rule(Expiration={"Days": 2})], "InvalidArgument"),
        ([{**rule(Expiration={"Days": 1}), "Status": "enabled"}], "MalformedXML"),
        ([rule()], "InvalidRequest"),
        ([rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])], "InvalidStorageClass"),
    ):
        with refused(code, 400):
            set_rules(t, bucket, *wrong)
    with refused("InvalidArgument", 400):
        minimum = {"TransitionDefaultMinimumObjectSize": "64K"}
        set_rules(t, bucket, rule(Expiration={"Days": 1}), **minimum)
    with refused("NoSuchLifecycleConfiguration", 404):
        t.s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_objects_expire_by_prefix_tag_and_size(t):
    bucket = t.bucket()
    t.put(bucket, "logs/1", b"x")
    t.put(bucket, "logs/2", data(100 * KIB))
    t.put(bucket, "tagged", b"x", Tagging="kind=old&more=1")
    t.put(bucket, "half tagged", b"x", Tagging="more=1")
    t.put(bucket, "large", b"x" * 3000)
    t.put(bucket, "kept", b"x")
    one_day = {"Expiration": {"Days": 1}}
    tag = {"Filter": {"Tag": {"Key": "kind", "Value": "old"}}}
    size = {"Filter": {"And": {"Prefix": "l", "ObjectSizeGreaterThan": 2999}}}
    past = {"Expiration": {"Date": datetime.datetime(2015, 1, 1)}}
    set_rules(
        t,
        bucket,
        rule("logs/", **one_day),
        {**rule("t", **one_day), **tag},
        {**rule("s", **one_day), **size},
        rule("never", **past),
    )
    until(lambda: t.keys(bucket) == ["half tagged", "kept"])
    assert t.get(bucket, "kept") == b"x"
    # Other rules, and a date that is over.
    set_rules(t, bucket, rule("half", **past))
    until(lambda: t.keys(bucket) == ["kept"])


def test_versions_expire_and_markers_after_them(t):
    bucket = versioned(t)
    for body in (b"1", b"2", b"3"):
        t.put(bucket, "k", body)
    t.s3.delete_object(Bucket=bucket, Key="gone")
    keep_one = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}
    set_rules(t, bucket, rule("k", NoncurrentVersionExpiration=keep_one))
    until(lambda: len(versions(t, bucket)) == 3)
    assert t.get(bucket, "k") == b"3"
    lone_markers = {"Expiration": {"ExpiredObjectDeleteMarker": True}}
    set_rules(t, bucket, rule("", **NONCURRENT_GO, **lone_markers))
    until(lambda: versions(t, bucket) == [("k", False)])
    # It is hidden, then removed, then forgotten.
    set_rules(t, bucket, rule("", Expiration={"Days": 1}, **NONCURRENT_GO))
    until(lambda: versions(t, bucket) == [])


def test_what_is_locked_stays(t):
    bucket = t.bucket_name()
    t.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    held = t.put(bucket, "held", b"1", ObjectLockLegalHoldStatus="ON")["VersionId"]
    t.put(bucket, "held", b"2")
    t.put(bucket, "free", b"1")
    t.put(bucket, "free", b"2")
    set_rules(t, bucket, rule("", **NONCURRENT_GO))
    until(lambda: versions(t, bucket).count(("free", False)) == 1)
    assert versions(t, bucket).count(("held", False)) == 2
    where = {"Bucket": bucket, "Key": "held", "VersionId": held}
    t.s3.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    until(lambda: versions(t, bucket).count(("held", False)) == 1)


def test_uploads_are_aborted(t):
    bucket = t.bucket()
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    set_rules(t, bucket, rule("a/", **abort))
    ids = {}
    for key in ("a/1", "b/1"):
        began = t.s3.create_multipart_upload(Bucket=bucket, Key=key)
        ids[key] = began["UploadId"]
        assert began.get("AbortRuleId") == ("rule%20a%2F" if key == "a/1" else None)
        if key == "a/1":
            at = began["AbortDate"]
            assert (at.hour, at.minute, at.second) == (0, 0, 0)
    until(
        lambda: [
            upload["Key"]
            for upload in t.other.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        ]
        == ["b/1"]
    )
    with refused("NoSuchUpload", 404):
        t.s3.list_parts(Bucket=bucket, Key="a/1", UploadId=ids["a/1"])
    listed = t.s3.list_parts(Bucket=bucket, Key="b/1", UploadId=ids["b/1"])
    assert "AbortDate" not in listed


def test_objects_move_and_stay_what_they_were(t):
    bucket = versioned(t)
    bodies = {"one": data(300 * KIB), "empty": b"", "small": b"x" * 1000}
    for key, body in bodies.items():
        t.put(bucket, key, body, Tagging="a=b", Metadata={"m": "n"}, ContentType="text/plain")
    parts = [data(5 * MIB), data(100 * KIB, 2)]
    bodies["parts"] = b"".join(parts)
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    where = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    etags = [
        t.s3.upload_part(**where, PartNumber=number, Body=body)["ETag"]
        for number, body in enumerate(parts, 1)
    ]
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    t.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})
    shown = ("ETag", "VersionId", "LastModified", "ContentLength", "Metadata", "ContentType")

    def heads():
        found = {}
        for key in bodies:
            head = t.other.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            names = [name for name in head if name.startswith("Checksum")]
            found[key] = {name: head.get(name) for name in (*shown, *names)}
        return found

    before = heads()
    set_rules(t, bucket, rule("", **TO_ONE_ZONE))
    large = {"one": "ONEZONE_IA", "parts": "ONEZONE_IA"}
    stay = {"empty": "STANDARD", "small": "STANDARD"}
    until(lambda: classes(t, bucket) == {**large, **stay})
    assert heads() == before
    for s3 in (t.s3, t.other):
        for key, body in bodies.items():
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
        part = s3.get_object(Bucket=bucket, Key="parts", PartNumber=2)
        assert (part["Body"].read(), part["PartsCount"]) == (parts[1], 2)
        assert part["StorageClass"] == "ONEZONE_IA"
    tags = t.s3.get_object_tagging(Bucket=bucket, Key="one")["TagSet"]
    assert tags == [{"Key": "a", "Value": "b"}]
    assert len(versions(t, bucket)) == len(bodies)
    # A rule that names a size moves small ones too.
    sized = {"Filter": {"ObjectSizeLessThan": 2000}}
    set_rules(t, bucket, {**rule("", **TO_ONE_ZONE), **sized})
    until(lambda: set(classes(t, bucket).values()) == {"ONEZONE_IA"})
    assert heads() == before
    assert t.get(bucket, "small") == bodies["small"]


def test_what_will_expire_is_announced(t):
    bucket = t.bucket()
    t.put(bucket, "before", b"x")
    set_rules(t, bucket, rule("soon", Expiration={"Days": 400}))
    put = t.put(bucket, "soon", b"x")
    assert 'rule-id="rule%20soon"' in put["Expiration"]
    at = put["Expiration"].split('"')[1]
    moment = datetime.datetime.strptime(at, "%a, %d %b %Y %H:%M:%S GMT")
    days = (moment - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)).days
    assert days in (400, 401) and (moment.hour, moment.minute) == (0, 0)
    where = {"Bucket": bucket, "Key": "soon"}
    assert t.s3.head_object(**where)["Expiration"] == put["Expiration"]
    assert t.s3.get_object(**where)["Expiration"] == put["Expiration"]
    assert "Expiration" not in t.s3.head_object(Bucket=bucket, Key="before")
    source = {"Bucket": bucket, "Key": "before"}
    copied = t.s3.copy_object(Bucket=bucket, Key="soon too", CopySource=source)
    assert 'rule-id="rule%20soon"' in copied["Expiration"]
    t.s3.delete_bucket_lifecycle(Bucket=bucket)
    assert "Expiration" not in t.s3.head_object(**where)


def test_a_key_that_lives_on_is_left_alone(t):
    """What is written anew all the time is never a day old."""
    bucket = t.bucket()
    t.put(bucket, "old", b"x")
    set_rules(t, bucket, rule("", Expiration={"Days": 1}))

    def write_and_look():
        t.put(bucket, "new", b"y")
        assert t.get(bucket, "new") == b"y"
        try:
            t.s3.head_object(Bucket=bucket, Key="old")
        except ClientError:
            return True
        return False

    until(write_and_look)

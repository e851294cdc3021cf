"""Tags of objects, their versions, and buckets."""

from support import refused


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


def tags_of(s3, bucket, key, **which):
    answer = s3.get_object_tagging(Bucket=bucket, Key=key, **which)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def test_tags_come_and_go(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x", Tagging="a=1&b=%C3%BC")
    for s3 in (t.s3, t.other):
        assert tags_of(s3, bucket, "k") == {"a": "1", "b": "ü"}
        assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    t.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(c="3"))
    assert tags_of(t.other, bucket, "k") == {"c": "3"}
    modified = t.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    t.s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert tags_of(t.other, bucket, "k") == {}
    got = t.s3.get_object(Bucket=bucket, Key="k")
    assert "TagCount" not in got
    assert (got["Body"].read(), got["LastModified"]) == (b"x", modified)
    # A new object brings its own, or none.
    t.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(d="4"))
    t.put(bucket, "k", b"y")
    assert tags_of(t.s3, bucket, "k") == {}
    for call in (t.s3.get_object_tagging, t.s3.delete_object_tagging):
        with refused("NoSuchKey", 404):
            call(Bucket=bucket, Key="absent")


def test_bad_tags_change_nothing(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x", Tagging="a=1")
    many = {f"k{n}": "v" for n in range(11)}
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    for tags in (tag_set(**many), twice, tag_set(**{"k" * 129: "v"}), tag_set(k="v" * 257)):
        with refused("InvalidTag", 400):
            t.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tags)
    with refused(("InvalidTag", "InvalidArgument"), 400):
        t.put(bucket, "k", b"y", Tagging="a=1&a=2")
    assert tags_of(t.s3, bucket, "k") == {"a": "1"}
    assert t.get(bucket, "k") == b"x"
    t.s3.put_object_tagging(
        Bucket=bucket, Key="k", Tagging=tag_set(**{"k" * 128: "v" * 256, "empty": ""})
    )
    assert tags_of(t.s3, bucket, "k") == {"k" * 128: "v" * 256, "empty": ""}


def test_tags_belong_to_a_version(t):
    bucket = t.bucket()
    settings = {"Status": "Enabled"}
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=settings)
    first = t.put(bucket, "k", b"1", Tagging="n=1")["VersionId"]
    second = t.put(bucket, "k", b"2")["VersionId"]
    put = t.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(n="2"))
    assert put["VersionId"] == second
    t.s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=first, Tagging=tag_set(n="one"))
    assert tags_of(t.other, bucket, "k", VersionId=first) == {"n": "one"}
    assert tags_of(t.other, bucket, "k") == {"n": "2"}
    t.s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=first)
    assert tags_of(t.other, bucket, "k", VersionId=first) == {}
    assert tags_of(t.other, bucket, "k") == {"n": "2"}
    gone = t.s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    with refused("NoSuchKey", 404):
        t.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(n="3"))
    with refused("MethodNotAllowed", 405):
        t.s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=gone, Tagging=tag_set(n="3"))
    with refused("NoSuchVersion", 404):
        t.s3.get_object_tagging(Bucket=bucket, Key="k", VersionId="0" * 32)


def test_copies_and_uploads_have_tags(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x", Tagging="a=1")
    source = {"Bucket": bucket, "Key": "k"}
    t.s3.copy_object(Bucket=bucket, Key="same", CopySource=source)
    assert tags_of(t.s3, bucket, "same") == {"a": "1"}
    t.s3.copy_object(
        Bucket=bucket, Key="other", CopySource=source, TaggingDirective="REPLACE", Tagging="b=2"
    )
    assert tags_of(t.s3, bucket, "other") == {"b": "2"}
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="m", Tagging="c=3")["UploadId"]
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    part = t.s3.upload_part(**where, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    t.s3.complete_multipart_upload(**where, MultipartUpload=parts)
    assert tags_of(t.other, bucket, "m") == {"c": "3"}


def test_buckets_have_tags(t):
    bucket = t.bucket()
    with refused("NoSuchTagSet", 404):
        t.s3.get_bucket_tagging(Bucket=bucket)
    t.s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(team="vent d autan", year="2026"))
    for s3 in (t.s3, t.other):
        tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        assert tags == {"team": "vent d autan", "year": "2026"}
    t.s3.delete_bucket_tagging(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        t.other.get_bucket_tagging(Bucket=bucket)
    # Nothing of it is left for a bucket that takes the name.
    t.s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(a="1"))
    t.s3.delete_bucket(Bucket=bucket)
    t.s3.create_bucket(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        t.s3.get_bucket_tagging(Bucket=bucket)

"""A boto3 from before checksums were sent without being asked for: Content-MD5, or nothing."""

import boto3

from support import MIB, data, md5, refused, sha256
from test_boto3 import there_and_back
from test_conditions import race


def sent(t, operation):
    """Keeps the headers of each request of an operation."""
    seen = []
    event = f"before-send.s3.{operation}"
    t.s3.meta.events.register(event, lambda request, **_: seen.append(dict(request.headers)))
    return seen


def test_it_is_the_old_one(t):
    version = tuple(int(number) for number in boto3.__version__.split(".")[:2])
    assert version < (1, 36), boto3.__version__
    seen = sent(t, "PutObject")
    t.put(t.bucket(), "object", b"abc")
    assert not [name for name in seen[-1] if "checksum" in name.lower()], seen


def test_sizes(t):
    for size in (0, 1, 5 * MIB, 20 * MIB):
        there_and_back(t, size)


def test_overwrites_metadata_and_copies(t):
    bucket = t.bucket()
    t.put(bucket, "object", b"first")
    answer = t.put(bucket, "object", b"second", Metadata={"a": "1"})
    assert answer["ETag"] == f'"{md5(b"second")}"'
    t.s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/object")
    head = t.other.head_object(Bucket=bucket, Key="copy")
    assert head["Metadata"] == {"a": "1"}
    assert t.get(bucket, "copy") == b"second"


def test_delete_objects_sends_an_md5(t):
    bucket = t.bucket()
    for number in range(10):
        t.put(bucket, f"k{number}")
    seen = sent(t, "DeleteObjects")
    objects = [{"Key": f"k{number}"} for number in range(10)]
    answer = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert "Content-MD5" in seen[-1], seen
    assert len(answer["Deleted"]) == 10 and "Errors" not in answer
    assert t.keys(bucket) == []


def test_checksums_that_are_asked_for(t):
    bucket = t.bucket()
    body = data(100_000)
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        answer = t.put(bucket, "object", body, ChecksumAlgorithm=algorithm)
        found = t.s3.get_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
        assert found[f"Checksum{algorithm}"] == answer[f"Checksum{algorithm}"]
        assert sha256(found["Body"].read()) == sha256(body)


def test_one_of_many_creators_wins(t):
    bucket = t.bucket()

    def create(number):
        s3 = (t.s3, t.other)[number % 2]
        s3.put_object(Bucket=bucket, Key="k", Body=str(number).encode(), IfNoneMatch="*")

    winners = race(create, 16)
    assert len(winners) == 1, winners
    assert t.get(bucket, "k") == str(winners[0]).encode()


def test_errors_are_the_same(t):
    bucket = t.bucket()
    with refused("NoSuchKey", 404):
        t.get(bucket, "absent")
    with refused("NoSuchBucket", 404):
        t.s3.list_objects_v2(Bucket=t.bucket_name())

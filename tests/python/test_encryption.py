"""Server-side encryption: what comes back, to whom, and that disks hold none of it."""

import base64
import hashlib
import itertools
import os
import pathlib
import time

from support import KIB, MIB, client, data, refused

KMS_KEY = os.environ["RIQUET_KMS_KEY_ID"]


def customer(letter, prefix=""):
    """The arguments of a customer's key."""
    key = letter.encode() * 32
    return {
        f"{prefix}SSECustomerAlgorithm": "AES256",
        f"{prefix}SSECustomerKey": key,
    }


def md5_of(letter):
    return base64.b64encode(hashlib.md5(letter.encode() * 32).digest()).decode()


def customer_header(letter):
    """The same as headers have it, for calls that boto3 does not help with."""
    key = base64.b64encode(letter.encode() * 32).decode()
    return customer(letter) | {"SSECustomerKey": key, "SSECustomerKeyMD5": md5_of(letter)}


KINDS = {
    "plain": {},
    "store": {"ServerSideEncryption": "AES256"},
    "service": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY},
    "customer": customer("k"),
}


def reading(kind):
    """What a read of an object brings along."""
    return KINDS[kind] if kind == "customer" else {}


def assert_shown(answer, kind):
    if kind == "customer":
        assert answer["SSECustomerAlgorithm"] == "AES256"
        assert answer["SSECustomerKeyMD5"] == md5_of("k")
        assert "ServerSideEncryption" not in answer
    else:
        asked = KINDS[kind]
        assert answer.get("ServerSideEncryption") == asked.get("ServerSideEncryption")
        assert answer.get("SSEKMSKeyId") == asked.get("SSEKMSKeyId")


def test_each_kind_comes_back_at_both_gateways(t):
    bucket = t.bucket()
    body = data(3 * MIB + 17)
    ranges = [(0, 0), (65535, 65536), (131072, 196607), (100, 2 * MIB), (3 * MIB, 3 * MIB + 16)]
    for kind, asked in KINDS.items():
        put = t.put(bucket, kind, body, **asked)
        assert_shown(put, kind)
        for s3 in (t.s3, t.other):
            got = s3.get_object(Bucket=bucket, Key=kind, **reading(kind))
            assert got["Body"].read() == body
            assert got["ETag"] == put["ETag"]
            assert_shown(got, kind)
            head = s3.head_object(Bucket=bucket, Key=kind, **reading(kind))
            assert head["ContentLength"] == len(body)
            assert_shown(head, kind)
            for first, last in ranges:
                part = s3.get_object(
                    Bucket=bucket, Key=kind, Range=f"bytes={first}-{last}", **reading(kind)
                )
                assert part["Body"].read() == body[first : last + 1]
                assert part["ContentRange"] == f"bytes {first}-{last}/{len(body)}"
    listed = t.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert {entry["Size"] for entry in listed} == {len(body)}


def test_small_objects_too(t):
    bucket = t.bucket()
    for size, (kind, asked) in itertools.product((0, 1, 4096, 4097, 65536), KINDS.items()):
        body = data(size)
        t.put(bucket, kind, body, **asked)
        got = t.other.get_object(Bucket=bucket, Key=kind, **reading(kind))
        assert (got["Body"].read(), got["ContentLength"]) == (body, size)
        assert_shown(got, kind)


def written(path):
    """What was written of a file. Segments are made at their full length, which is a hole."""
    with open(path, "rb", buffering=0) as file:
        at, end = 0, file.seek(0, os.SEEK_END)
        while at < end:
            try:
                at = file.seek(at, os.SEEK_DATA)
            except OSError:
                return
            hole = file.seek(at, os.SEEK_HOLE)
            file.seek(at)
            yield file.read(hole - at)
            at = hole


def test_disks_hold_no_plaintext(t):
    bucket = t.bucket()
    windows = {}
    for number, (kind, asked) in enumerate(KINDS.items()):
        for size in (2 * KIB, 200 * KIB):
            body = data(size, seed=1000 + number + size)
            t.put(bucket, f"{kind}-{size}", body, **asked)
            windows[kind, size] = body[size // 2 : size // 2 + 64]
    found = set()
    # Segments hold the large ones, the metadata's log the small ones.
    for path in pathlib.Path(os.environ["RIQUET_DIR"], "data").rglob("*"):
        for content in written(path) if path.is_file() else ():
            found |= {name for name, window in windows.items() if window in content}
    assert ("plain", 200 * KIB) in found, "the search finds what is there"
    assert {kind for kind, _ in found} == {"plain"}


def test_copies_from_any_kind_to_any(t):
    bucket = t.bucket()
    body = data(300 * KIB)
    for source, target in itertools.product(KINDS, KINDS):
        t.put(bucket, "source", body, **KINDS[source])
        arguments = dict(KINDS[target])
        if arguments.get("SSECustomerKey"):
            arguments.update(customer("t"))
        origin = {"Bucket": bucket, "Key": "source"}
        if source == "customer":
            with refused("InvalidRequest", 400):
                t.s3.copy_object(Bucket=bucket, Key="copy", CopySource=origin, **arguments)
            arguments.update(customer("k", prefix="CopySource"))
        t.s3.copy_object(Bucket=bucket, Key="copy", CopySource=origin, **arguments)
        read = customer("t") if target == "customer" else {}
        assert t.get(bucket, "copy", **read) == body, (source, target)


def test_a_copy_onto_itself_changes_the_encryption(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"body", Metadata={"a": "b"})
    origin = {"Bucket": bucket, "Key": "k"}
    with refused("InvalidRequest", 400):
        t.s3.copy_object(Bucket=bucket, Key="k", CopySource=origin)
    t.s3.copy_object(Bucket=bucket, Key="k", CopySource=origin, ServerSideEncryption="AES256")
    head = t.s3.head_object(Bucket=bucket, Key="k")
    assert (head["ServerSideEncryption"], head["Metadata"]) == ("AES256", {"a": "b"})
    t.s3.copy_object(Bucket=bucket, Key="k", CopySource=origin, **customer("k"))
    assert t.get(bucket, "k", **customer("k")) == b"body"


def test_parts(t):
    bucket = t.bucket()
    t.put(bucket, "source", data(6 * MIB, seed=5), **customer("s"))
    copied = data(6 * MIB, seed=5)[7 : 5 * MIB + 8]
    bodies = [data(5 * MIB + 1, seed=1), data(5 * MIB, seed=2), copied, b"end"]
    whole = b"".join(bodies)
    for kind, asked in KINDS.items():
        begun = t.s3.create_multipart_upload(Bucket=bucket, Key=kind, **asked)
        assert_shown(begun, kind)
        place = {"Bucket": bucket, "Key": kind, "UploadId": begun["UploadId"]}
        if kind == "customer":
            for wrong in ({}, customer("w")):
                with refused("InvalidRequest", 400):
                    t.s3.upload_part(PartNumber=1, Body=b"x", **place, **wrong)
        parts = []
        for number, body in enumerate(bodies, start=1):
            if number == 3:
                answer = t.other.upload_part_copy(
                    PartNumber=number,
                    CopySource={"Bucket": bucket, "Key": "source"},
                    CopySourceRange=f"bytes=7-{5 * MIB + 7}",
                    **place,
                    **reading(kind),
                    **customer("s", prefix="CopySource"),
                )
                part = {"ETag": answer["CopyPartResult"]["ETag"], "PartNumber": number}
                checksums = answer["CopyPartResult"]
            else:
                # Sent twice: the second one counts, under a key of its own.
                t.s3.upload_part(PartNumber=number, Body=body[::-1], **place, **reading(kind))
                answer = t.s3.upload_part(PartNumber=number, Body=body, **place, **reading(kind))
                part = {"ETag": answer["ETag"], "PartNumber": number}
                checksums = answer
            assert_shown(answer, kind)
            part.update({n: v for n, v in checksums.items() if n.startswith("Checksum")})
            parts.append(part)
        listing = t.s3.list_parts(**place, **(customer_header("k") if kind == "customer" else {}))
        sizes = [part["Size"] for part in listing["Parts"]]
        assert sizes == [len(body) for body in bodies]
        done = t.s3.complete_multipart_upload(
            MultipartUpload={"Parts": parts}, **place, **reading(kind)
        )
        assert done["ETag"].endswith('-4"')
        assert t.get(bucket, kind, **reading(kind)) == whole
        for number, body in enumerate(bodies, start=1):
            got = t.other.get_object(Bucket=bucket, Key=kind, PartNumber=number, **reading(kind))
            assert got["Body"].read() == body
            assert got["PartsCount"] == len(bodies)
        first = 5 * MIB - 10
        last = first + 5 * MIB + 100
        across = t.get(bucket, kind, Range=f"bytes={first}-{last}", **reading(kind))
        assert across == whole[first : last + 1]


def test_another_customer_key_opens_nothing(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"body", **customer("k"))
    t.put(bucket, "plain", b"body")
    for arguments in ({}, customer("w")):
        with refused("InvalidRequest", 400):
            t.get(bucket, "k", **arguments)
        with refused("400", 400):
            t.s3.head_object(Bucket=bucket, Key="k", **arguments)
    with refused("InvalidRequest", 400):
        t.get(bucket, "plain", **customer("k"))
    attributes = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ObjectSize"]}
    with refused("InvalidRequest", 400):
        t.s3.get_object_attributes(**attributes)
    answer = t.s3.get_object_attributes(**attributes, **customer_header("k"))
    assert answer["ObjectSize"] == len(b"body")
    with refused("InvalidArgument", 400):
        # Given an MD5, boto3 leaves both as they are.
        arguments = customer_header("k") | {"SSECustomerKeyMD5": md5_of("w")}
        t.put(bucket, "k", b"body", **arguments)
    with refused("InvalidArgument", 400):
        t.put(bucket, "k", b"body", ServerSideEncryption="AES256", **customer("k"))
    with refused("InvalidEncryptionAlgorithmError", 400):
        t.put(bucket, "k", b"body", **(customer("k") | {"SSECustomerAlgorithm": "AES128"}))
    assert t.get(bucket, "k", **customer("k")) == b"body"


def test_service_keys(t):
    bucket = t.bucket()
    by_default = t.put(bucket, "k", b"body", ServerSideEncryption="aws:kms")
    assert by_default["SSEKMSKeyId"] == KMS_KEY
    with refused("KMS.NotFoundException", 400):
        t.put(bucket, "k", b"body", ServerSideEncryption="aws:kms", SSEKMSKeyId="nobody's")
    context = base64.b64encode(b'{"team": "one"}').decode()
    put = t.put(
        bucket,
        "k",
        b"other",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=f"arn:aws:kms:us-east-1:1:key/{KMS_KEY}",
        SSEKMSEncryptionContext=context,
        BucketKeyEnabled=True,
    )
    assert put["SSEKMSKeyId"].endswith(f":key/{KMS_KEY}")
    assert put["BucketKeyEnabled"] is True
    assert base64.b64decode(put["SSEKMSEncryptionContext"]) == b'{"team":"one"}'
    assert t.get(bucket, "k") == b"other"
    with refused("InvalidArgument", 400):
        t.put(bucket, "k", b"body", SSEKMSKeyId=KMS_KEY)


def test_service_keys_of_copies_and_uploads(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"body")
    service = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": KMS_KEY,
        "SSEKMSEncryptionContext": base64.b64encode(b'{"team": "one"}').decode(),
        "BucketKeyEnabled": True,
    }
    source = {"Bucket": bucket, "Key": "k"}
    copied = t.s3.copy_object(Bucket=bucket, Key="c", CopySource=source, **service)
    where = {"Bucket": bucket, "Key": "m"}
    begun = t.s3.create_multipart_upload(**where, **service)
    for answer in (copied, begun):
        assert answer["SSEKMSKeyId"] == KMS_KEY and answer["BucketKeyEnabled"] is True
        assert base64.b64decode(answer["SSEKMSEncryptionContext"]) == b'{"team":"one"}'
    where["UploadId"] = begun["UploadId"]
    etag = t.s3.upload_part(**where, PartNumber=1, Body=b"body")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    t.s3.complete_multipart_upload(**where, MultipartUpload=parts)
    for key in ("c", "m"):
        assert t.get(bucket, key) == b"body"
        assert t.other.head_object(Bucket=bucket, Key=key)["SSEKMSKeyId"] == KMS_KEY


def default_of(algorithm, key=None):
    rule = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}


def test_a_bucket_has_a_default(t):
    bucket = t.bucket()
    missing = "ServerSideEncryptionConfigurationNotFoundError"
    with refused(missing, 404):
        t.s3.get_bucket_encryption(Bucket=bucket)
    for algorithm, key in (("AES256", None), ("aws:kms", KMS_KEY), ("aws:kms", None)):
        configuration = default_of(algorithm, key)
        t.s3.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration=configuration
        )
        answer = t.other.get_bucket_encryption(Bucket=bucket)
        rule = answer["ServerSideEncryptionConfiguration"]["Rules"][0]
        expected = configuration["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        assert rule["ApplyServerSideEncryptionByDefault"] == expected
        put = t.put(bucket, "k", b"body")
        assert put["ServerSideEncryption"] == algorithm
        begun = t.s3.create_multipart_upload(Bucket=bucket, Key="k")
        assert begun["ServerSideEncryption"] == algorithm
        copied = t.s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})
        assert copied["ServerSideEncryption"] == algorithm
        assert t.get(bucket, "c") == b"body"
        own = t.put(bucket, "own", b"body", **customer("k"))
        assert "ServerSideEncryption" not in own
    # The other gateway follows within a second.
    deadline = time.monotonic() + 10
    while "ServerSideEncryption" not in t.other.put_object(Bucket=bucket, Key="k", Body=b""):
        assert time.monotonic() < deadline
    t.s3.delete_bucket_encryption(Bucket=bucket)
    with refused(missing, 404):
        t.other.get_bucket_encryption(Bucket=bucket)
    assert "ServerSideEncryption" not in t.put(bucket, "k", b"body")


def test_versions_have_their_own_keys(t):
    bucket = t.bucket()
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = {
        kind: t.put(bucket, "k", kind.encode(), **asked)["VersionId"]
        for kind, asked in KINDS.items()
    }
    for kind, version in versions.items():
        assert t.get(bucket, "k", VersionId=version, **reading(kind)) == kind.encode()


def test_presigned_urls_carry_customer_keys(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"body", **customer("k"))
    s3 = client(t.url, signature_version="s3v4")
    arguments = {"Bucket": bucket, "Key": "k", **customer("k")}
    url = s3.generate_presigned_url("get_object", Params=arguments)
    path = url.split("/", 3)[3]
    key = base64.b64encode(b"k" * 32).decode()
    headers = {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": key,
        "x-amz-server-side-encryption-customer-key-MD5": md5_of("k"),
    }
    reply = t.raw.send("GET", f"/{path}", headers, b"")
    reply.expect(200)
    assert reply.body == b"body"

"""Checksums and framing, in every form in which today's SDKs send them."""

import base64
import gzip
import hashlib
import io

from boto3.s3.transfer import TransferConfig

import tls
from raw import SIGNED_CHUNKS, UNSIGNED_CHUNKS_TRAILER, Signer
from support import KIB, MIB, client, data, needs, refused, sha256

# The forms of an object's checksum that exist; the parts' checksums are one more.
FULL_OBJECT = ("CRC32", "CRC32C", "CRC64NVME")
COMPOSITE = ("CRC32", "CRC32C", "SHA1", "SHA256")
EMPTY = {
    "CRC32": "AAAAAA==",
    "CRC32C": "AAAAAA==",
    "CRC64NVME": "AAAAAAAAAAA=",
    "SHA1": "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "SHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
}


def sent(s3, operation):
    """Keeps the headers of each request of an operation."""
    seen = []

    def keep(request, **_):
        seen.append({name.lower(): text(value) for name, value in request.headers.items()})

    s3.meta.events.register(f"before-send.s3.{operation}", keep)
    return seen


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def framed(body, trailer=None):
    """A body in unsigned chunks of 8 KiB, with a trailer."""
    out = b""
    for at in range(0, len(body), 8 * KIB):
        piece = body[at : at + 8 * KIB]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    out += b"0\r\n"
    if trailer:
        out += f"{trailer[0]}:{trailer[1]}\r\n".encode()
    return out + b"\r\n"


def put_framed(t, path, body, trailer=None, **headers):
    headers = {"content-encoding": "aws-chunked", **headers}
    headers["x-amz-decoded-content-length"] = str(len(body))
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    return t.raw.signed(
        "PUT",
        path,
        headers=headers,
        payload=UNSIGNED_CHUNKS_TRAILER,
        framed=lambda _seed: framed(body, trailer),
    )


def test_an_empty_object_with_each_checksum_in_a_trailer(t):
    bucket = t.bucket()
    for algorithm, value in EMPTY.items():
        name = f"x-amz-checksum-{algorithm.lower()}"
        reply = put_framed(t, f"/{bucket}/empty", b"", (name, value)).expect(200)
        assert reply.headers[name] == value
        head = t.other.head_object(Bucket=bucket, Key="empty", ChecksumMode="ENABLED")
        assert (head["ContentLength"], head[f"Checksum{algorithm}"]) == (0, value)
        assert t.get(bucket, "empty") == b""


def test_framing_is_never_stored(t):
    bucket = t.bucket()
    body = data(100 * KIB)
    packed = gzip.compress(body)
    for encoding, kept, content in (
        ("aws-chunked", None, body),
        ("aws-chunked,gzip", "gzip", packed),
        ("gzip, aws-chunked", "gzip", packed),
    ):
        reply = put_framed(t, f"/{bucket}/k", content, **{"content-encoding": encoding})
        reply.expect(200)
        found = t.raw.signed("GET", f"/{bucket}/k").expect(200)
        assert found.body == content, encoding
        assert found.headers.get("content-encoding") == kept, encoding
    # Some SDKs frame without saying so in Content-Encoding.
    signer = Signer()
    reply = t.raw.signed(
        "PUT",
        f"/{bucket}/k",
        headers={"x-amz-decoded-content-length": str(len(body))},
        payload=SIGNED_CHUNKS,
        signer=signer,
        framed=lambda seed: signer.chunks(seed, [body]),
    )
    reply.expect(200)
    assert t.get(bucket, "k") == body
    # Nor in a part.
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    url = f"/{bucket}/k"
    part = t.raw.signed(
        "PUT",
        url,
        f"partNumber=1&uploadId={upload}",
        headers={
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(len(body)),
        },
        payload=UNSIGNED_CHUNKS_TRAILER,
        framed=lambda _seed: framed(body),
    ).expect(200)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part.headers["etag"]}]}
    t.s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert t.get(bucket, "k") == body


def test_what_boto3_sends_by_default_over_http(t):
    bucket = t.bucket()
    s3 = client(t.url)
    seen = sent(s3, "PutObject")
    for body in (b"", b"abc", data(300 * KIB)):
        s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(body))
        assert t.get(bucket, "k") == body
        head = t.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert head["ChecksumType"] == "FULL_OBJECT"
    assert [name for name in seen[-1] if name.startswith("x-amz-checksum-")], seen[-1]


def test_what_boto3_sends_by_default_over_https(t):
    """Unsigned chunks with the checksum in a trailer, through a proxy that ends TLS."""
    bucket = t.bucket()
    with tls.in_front_of(t.url) as (url, trusted):
        s3 = client(url, verify=trusted)
        puts, parts = sent(s3, "PutObject"), sent(s3, "UploadPart")
        for body in (b"", b"abc", data(300 * KIB)):
            s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(body))
            assert puts[-1]["x-amz-content-sha256"] == UNSIGNED_CHUNKS_TRAILER
            assert puts[-1]["x-amz-trailer"].startswith("x-amz-checksum-")
            answer = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
            assert answer["Body"].read() == body
            assert answer["ChecksumType"] == "FULL_OBJECT"
            assert "ContentEncoding" not in answer
        body = data(12 * MIB)
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        s3.upload_fileobj(io.BytesIO(body), bucket, "large", Config=config)
        assert parts[-1]["x-amz-content-sha256"] == UNSIGNED_CHUNKS_TRAILER
    assert sha256(t.other.get_object(Bucket=bucket, Key="large")["Body"].read()) == sha256(body)


def test_multipart_uploads_that_ask_for_nothing(t):
    """What upload_file does: the SDK's default algorithm, whatever it is."""
    bucket = t.bucket()
    body = data(11 * MIB)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    t.s3.upload_fileobj(io.BytesIO(body), bucket, "k", Config=config)
    answer = t.other.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert sha256(answer["Body"].read()) == sha256(body)
    assert [name for name in answer if name.startswith("Checksum") and name != "ChecksumType"]


@needs("awscrt")
def test_parts_of_every_algorithm_and_form(t):
    bucket = t.bucket()
    bodies = [data(5 * MIB, 1), data(1000, 2)]
    forms = [(a, "FULL_OBJECT") for a in FULL_OBJECT] + [(a, "COMPOSITE") for a in COMPOSITE]
    for algorithm, form in forms:
        field = f"Checksum{algorithm}"
        upload = t.s3.create_multipart_upload(
            Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=form
        )
        assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (algorithm, form)
        where = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
        done = []
        for number, body in enumerate(bodies, 1):
            answer = t.s3.upload_part(
                **where, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm
            )
            done.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
        listed = t.other.list_parts(**where)
        assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, form)
        answer = t.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
        assert answer["ChecksumType"] == form, (algorithm, form)
        head = t.other.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (head[field], head["ChecksumType"]) == (answer[field], form)
        assert head[field].endswith("-2") == (form == "COMPOSITE"), head
        part = t.s3.get_object(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
        assert part["Body"].read() == bodies[1]
        # A whole object by the same algorithm, and a false value of it.
        t.put(bucket, "whole", b"".join(bodies), ChecksumAlgorithm=algorithm)
        whole = t.other.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
        assert (whole[field] == head[field]) == (form == "FULL_OBJECT")
        false = base64.b64encode(bytes(len(base64.b64decode(whole[field])))).decode()
        with refused("BadDigest", 400):
            t.put(bucket, "whole", b"x", **{field: false})


def crc(body, polynomial, bits):
    """A reflected CRC, bit by bit."""
    register = (1 << bits) - 1
    for byte in body:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (polynomial if register & 1 else 0)
    return (register ^ (1 << bits) - 1).to_bytes(bits // 8, "big")


DIGESTS = {
    "CRC32": lambda body: crc(body, 0xEDB88320, 32),
    "CRC32C": lambda body: crc(body, 0x82F63B78, 32),
    "CRC64NVME": lambda body: crc(body, 0x9A6C9329AC4BC9B5, 64),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}


def test_checksums_that_the_client_computed(t):
    """Of whole objects, of parts, and of the object that parts make."""
    bucket = t.bucket()
    body = b"vent d'autan"
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    size = {"ContentLength": len(body), "ContentMD5": md5}
    for algorithm, digest in DIGESTS.items():
        field = f"Checksum{algorithm}"
        right = {field: base64.b64encode(digest(body)).decode()}
        false = {field: base64.b64encode(digest(b"another")).decode()}
        t.put(bucket, "k", body, **size, **right)
        head = t.other.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert head[field] == right[field]

        form = "FULL_OBJECT" if algorithm in FULL_OBJECT else "COMPOSITE"
        where = {"Bucket": bucket, "Key": "m"}
        where["UploadId"] = t.s3.create_multipart_upload(
            **where, ChecksumAlgorithm=algorithm, ChecksumType=form
        )["UploadId"]
        part = {**where, "PartNumber": 1, "Body": body, **size}
        with refused("BadDigest", 400):
            t.put(bucket, "k", body, **false)
        with refused("BadDigest", 400):
            t.s3.upload_part(**part, **false)
        etag = t.s3.upload_part(**part, **right)["ETag"]
        where["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": etag, **right}]}
        where |= {"ChecksumType": form, "MpuObjectSize": len(body)}
        whole = right
        if form == "COMPOSITE":
            whole = {field: base64.b64encode(digest(digest(body))).decode() + "-1"}
        with refused("BadDigest", 400):
            t.s3.complete_multipart_upload(**where, **false)
        with refused("InvalidRequest", 400):
            t.s3.complete_multipart_upload(**(where | {"MpuObjectSize": 1}), **whole)
        done = t.s3.complete_multipart_upload(**where, **whole)
        assert (done[field], done["ChecksumType"]) == (whole[field], form)


def test_forms_that_do_not_exist(t):
    bucket = t.bucket()
    for algorithm, form in (("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT")):
        with refused("InvalidRequest", 400):
            t.s3.create_multipart_upload(
                Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=form
            )


def test_delete_objects_with_a_checksum_instead_of_an_md5(t):
    bucket = t.bucket()
    s3 = client(t.url)
    seen = sent(s3, "DeleteObjects")
    for algorithm in (None, "CRC32", "SHA1", "SHA256"):
        for number in range(3):
            t.put(bucket, f"k{number}")
        chosen = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        objects = [{"Key": f"k{number}"} for number in range(3)]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects}, **chosen)
        assert len(answer["Deleted"]) == 3 and "Errors" not in answer
        assert "content-md5" not in seen[-1], seen[-1]
        wanted = f"x-amz-checksum-{(algorithm or 'crc32').lower()}"
        assert wanted in seen[-1], seen[-1]
        assert t.keys(bucket) == []

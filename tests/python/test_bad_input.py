"""Input that must be refused: AWS's error code, and nothing stored."""

import base64
import datetime
import hashlib
import socket

from raw import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED,
    UNSIGNED_CHUNKS_TRAILER,
    Signer,
    crc32,
    unsigned_chunks,
)
from support import GIB, KIB, MIB, data, md5, refused, sha256

BODY = b"sixteen bytes..."


def b64(raw):
    return base64.b64encode(raw).decode()


def assert_empty(t, bucket):
    assert t.keys(bucket) == []
    assert not t.s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def chunked(t, bucket, payload, framed, headers=None, decoded=len(BODY), signer=None, **options):
    """PUTs an aws-chunked body."""
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(decoded),
        **(headers or {}),
    }
    return t.raw.signed(
        "PUT", f"/{bucket}/k", headers=headers, payload=payload, framed=framed, signer=signer, **options
    )


# Who asks, and when.


def test_wrong_signature(t):
    bucket = t.bucket()
    signer = Signer(secret_key="not-the-secret")
    reply = t.raw.signed("PUT", f"/{bucket}/k", body=BODY, signer=signer)
    reply.expect(403, "SignatureDoesNotMatch")
    assert_empty(t, bucket)


def test_signature_covers_path_query_and_headers(t):
    bucket = t.bucket()
    signer = Signer()
    headers = {
        "x-amz-date": signer.time,
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-meta-a": "1",
    }
    signed = {**headers, "host": t.raw.host}
    signature = signer.request("PUT", f"/{bucket}/k", "", signed, UNSIGNED)
    headers["Authorization"] = signer.authorization(list(signed), signature)
    for target, changed in [
        (f"/{bucket}/other", headers),
        (f"/{bucket}/k?tagging", headers),
        (f"/{bucket}/k", {**headers, "x-amz-meta-a": "2"}),
    ]:
        t.raw.send("PUT", target, changed, BODY).expect(403, "SignatureDoesNotMatch")
    assert_empty(t, bucket)
    t.raw.send("PUT", f"/{bucket}/k", headers, BODY).expect(200)


def test_unsigned_amz_header_is_refused(t):
    bucket = t.bucket()
    signer = Signer()
    headers = {"x-amz-date": signer.time, "x-amz-content-sha256": UNSIGNED}
    signed = {**headers, "host": t.raw.host}
    signature = signer.request("PUT", f"/{bucket}/k", "", signed, UNSIGNED)
    headers["Authorization"] = signer.authorization(list(signed), signature)
    headers["x-amz-copy-source"] = f"/{bucket}/secret"
    reply = t.raw.send("PUT", f"/{bucket}/k", headers, b"")
    reply.expect(403, ("AccessDenied", "SignatureDoesNotMatch"))
    assert_empty(t, bucket)


def test_clock_skew(t):
    bucket = t.bucket()
    now = datetime.datetime.now(datetime.timezone.utc)
    for minutes in (-20, 20):
        signer = Signer(at=now + datetime.timedelta(minutes=minutes))
        reply = t.raw.signed("PUT", f"/{bucket}/k", body=BODY, signer=signer)
        reply.expect(403, "RequestTimeTooSkewed")
    assert_empty(t, bucket)
    signer = Signer(at=now - datetime.timedelta(minutes=10))
    t.raw.signed("PUT", f"/{bucket}/k", body=BODY, signer=signer).expect(200)


def test_unknown_access_key(t):
    bucket = t.bucket()
    signer = Signer(access_key="AKIANOBODYNOBODY0000")
    reply = t.raw.signed("PUT", f"/{bucket}/k", body=BODY, signer=signer)
    reply.expect(403, "InvalidAccessKeyId")
    assert_empty(t, bucket)


def test_no_signature(t):
    bucket = t.bucket()
    t.raw.send("PUT", f"/{bucket}/k", {}, BODY).expect(403, "AccessDenied")
    t.raw.send("GET", f"/{bucket}", {}).expect(403, "AccessDenied")
    assert_empty(t, bucket)


def test_scope_of_another_region_or_service(t):
    bucket = t.bucket()
    for signer in (Signer(region="mars-north-1"), Signer(service="ec2")):
        reply = t.raw.signed("PUT", f"/{bucket}/k", body=BODY, signer=signer)
        reply.expect(400, "AuthorizationHeaderMalformed")
    assert_empty(t, bucket)


def test_mangled_authorization_headers(t):
    bucket = t.bucket()
    good = Signer()
    headers = {"x-amz-date": good.time, "x-amz-content-sha256": UNSIGNED}
    for value in (
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a",
        f"AWS4-HMAC-SHA256 Credential=a/b/c,SignedHeaders=host,Signature={'0' * 64}",
        f"AWS4-HMAC-SHA256 Credential={good.access_key}/{good.scope},SignedHeaders=,Signature=",
        f"AWS4-HMAC-SHA256 Credential={good.access_key}/{good.scope},SignedHeaders=host",
        "Basic dXNlcjpwYXNz",
        "AWS a:b",
        "",
    ):
        reply = t.raw.send("PUT", f"/{bucket}/k", {**headers, "Authorization": value}, BODY)
        assert reply.status in (400, 403), (value, reply.status, reply.body)
        assert reply.code, (value, reply.body)
    assert_empty(t, bucket)


def test_presigned_expired_tampered_and_too_long(t):
    bucket = t.bucket()
    t.put(bucket, "k", BODY)
    now = datetime.datetime.now(datetime.timezone.utc)
    target = t.raw.presigned("GET", f"/{bucket}/k")
    assert t.raw.send("GET", target, {}).expect(200).body == BODY
    old = Signer(at=now - datetime.timedelta(seconds=120))
    expired = t.raw.presigned("GET", f"/{bucket}/k", expires_s=60, signer=old)
    t.raw.send("GET", expired, {}).expect(403, "AccessDenied")
    t.raw.send("PUT", target, {}, BODY).expect(403, "SignatureDoesNotMatch")
    t.raw.send("GET", target.replace("/k?", "/l?"), {}).expect(403, "SignatureDoesNotMatch")
    t.raw.send("GET", target + "&partNumber=1", {}).expect(403, "SignatureDoesNotMatch")
    week = t.raw.presigned("GET", f"/{bucket}/k", expires_s=7 * 86400 + 1)
    t.raw.send("GET", week, {}).expect(400, "AuthorizationQueryParametersError")
    broken = t.raw.presigned("GET", f"/{bucket}/k").replace("X-Amz-Date", "X-Amz-Dat")
    t.raw.send("GET", broken, {}).expect(400, "AuthorizationQueryParametersError")


# What the body is said to be.


def test_wrong_content_md5(t):
    bucket = t.bucket()
    wrong = {"content-md5": b64(hashlib.md5(b"other").digest())}
    t.raw.signed("PUT", f"/{bucket}/k", headers=wrong, body=BODY).expect(400, "BadDigest")
    for value in ("garbage!", b64(b"short"), ""):
        reply = t.raw.signed("PUT", f"/{bucket}/k", headers={"content-md5": value}, body=BODY)
        reply.expect(400, "InvalidDigest")
    assert_empty(t, bucket)


def test_wrong_content_sha256(t):
    bucket = t.bucket()
    for size in (len(BODY), 300 * KIB):
        reply = t.raw.signed("PUT", f"/{bucket}/k", body=data(size), payload="0" * 64)
        reply.expect(400, "XAmzContentSHA256Mismatch")
    assert_empty(t, bucket)


def test_nonsense_content_sha256(t):
    bucket = t.bucket()
    for payload in ("nonsense", "STREAMING-NONSENSE"):
        reply = t.raw.signed("PUT", f"/{bucket}/k", body=BODY, payload=payload)
        assert reply.status == 400, (reply.status, reply.body)
    assert_empty(t, bucket)


def test_wrong_checksums_in_headers(t):
    bucket = t.bucket()
    sizes = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
    for algorithm, size in sizes.items():
        headers = {f"x-amz-checksum-{algorithm}": b64(bytes(size))}
        reply = t.raw.signed("PUT", f"/{bucket}/k", headers=headers, body=BODY)
        reply.expect(400, "BadDigest")
        for value in (b64(bytes(size + 1)), "no base64!"):
            headers = {f"x-amz-checksum-{algorithm}": value}
            reply = t.raw.signed("PUT", f"/{bucket}/k", headers=headers, body=BODY)
            reply.expect(400, "BadDigest")
    assert_empty(t, bucket)


def test_two_checksums_at_once(t):
    bucket = t.bucket()
    headers = {
        "x-amz-checksum-crc32": crc32(BODY),
        "x-amz-checksum-sha256": b64(hashlib.sha256(BODY).digest()),
    }
    reply = t.raw.signed("PUT", f"/{bucket}/k", headers=headers, body=BODY)
    reply.expect(400, "InvalidRequest")
    assert_empty(t, bucket)


def test_bad_digest_of_a_part_keeps_the_part_out(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    query = f"partNumber=1&uploadId={upload}"
    wrong = {"content-md5": b64(hashlib.md5(b"other").digest())}
    reply = t.raw.signed("PUT", f"/{bucket}/k", query, headers=wrong, body=BODY)
    reply.expect(400, "BadDigest")
    assert not t.s3.list_parts(Bucket=bucket, Key="k", UploadId=upload).get("Parts")
    t.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    assert_empty(t, bucket)


def test_refused_overwrite_leaves_the_old_object(t):
    bucket = t.bucket()
    for size in (16, 300 * KIB):
        t.put(bucket, "k", BODY)
        wrong = {"content-md5": b64(hashlib.md5(b"other").digest())}
        reply = t.raw.signed("PUT", f"/{bucket}/k", headers=wrong, body=data(size))
        reply.expect(400, "BadDigest")
        assert t.get(bucket, "k") == BODY


# Bodies cut short, and without a length.


def test_truncated_body(t):
    bucket = t.bucket()
    for size in (100, 5 * MIB):
        body = data(size)
        reply = t.raw.signed("PUT", f"/{bucket}/k", body=body, payload=UNSIGNED, length=size + 1)
        reply.expect(400, "IncompleteBody")
    assert_empty(t, bucket)


def test_connection_lost_in_the_middle(t):
    bucket = t.bucket()
    host, port = t.raw.host.split(":")
    signer = Signer()
    for size in (100, 3 * MIB):
        headers = {"x-amz-date": signer.time, "x-amz-content-sha256": UNSIGNED}
        signed = {**headers, "host": t.raw.host}
        signature = signer.request("PUT", f"/{bucket}/k", "", signed, UNSIGNED)
        headers["authorization"] = signer.authorization(list(signed), signature)
        head = f"PUT /{bucket}/k HTTP/1.1\r\nhost: {t.raw.host}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head += f"content-length: {size + 1}\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head.encode() + data(size))
            # A reset, as when the client's machine dies.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    # Whatever the gateway still does with it, the next request sees no object.
    assert_empty(t, bucket)


def test_body_without_length(t):
    bucket = t.bucket()
    reply = t.raw.signed("PUT", f"/{bucket}/k", payload=UNSIGNED, length=False)
    reply.expect(411, "MissingContentLength")
    assert_empty(t, bucket)


def test_oversized_object_and_part(t):
    bucket = t.bucket()
    size = 5 * GIB + 1
    reply = t.raw.signed("PUT", f"/{bucket}/k", payload=UNSIGNED, length=size)
    reply.expect(400, "EntityTooLarge")
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    query = f"partNumber=1&uploadId={upload}"
    reply = t.raw.signed("PUT", f"/{bucket}/k", query, payload=UNSIGNED, length=size)
    reply.expect(400, "EntityTooLarge")
    t.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    assert_empty(t, bucket)


def test_oversized_metadata(t):
    bucket = t.bucket()
    headers = {f"x-amz-meta-{i}": "v" * 200 for i in range(11)}
    reply = t.raw.signed("PUT", f"/{bucket}/k", headers=headers, body=BODY)
    reply.expect(400, "MetadataTooLarge")
    reply = t.raw.signed("POST", f"/{bucket}/k", "uploads=", headers=headers)
    reply.expect(400, "MetadataTooLarge")
    assert_empty(t, bucket)


# aws-chunked framing.


def test_signed_chunks(t):
    bucket = t.bucket()
    for size in (0, 1, 70 * KIB, 200 * KIB):
        body = data(size)
        pieces = [body[at : at + 64 * KIB] for at in range(0, size, 64 * KIB)]
        signer = Signer()
        reply = chunked(
            t, bucket, SIGNED_CHUNKS, lambda seed: signer.chunks(seed, pieces), decoded=size, signer=signer
        )
        reply.expect(200)
        assert reply.headers["etag"] == f'"{md5(body)}"'
        assert t.get(bucket, "k") == body


def test_signed_chunks_with_signed_trailer(t):
    bucket = t.bucket()
    signer = Signer()
    trailer = ("x-amz-checksum-crc32", crc32(BODY))
    reply = chunked(
        t,
        bucket,
        SIGNED_CHUNKS_TRAILER,
        lambda seed: signer.chunks(seed, [BODY], trailer),
        headers={"x-amz-trailer": trailer[0]},
        signer=signer,
    )
    reply.expect(200)
    assert t.get(bucket, "k") == BODY
    head = t.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == trailer[1]
    assert "aws-chunked" not in head.get("ContentEncoding", "")


def test_tampered_chunk(t):
    bucket = t.bucket()
    signer = Signer()
    for at in (0, 1):
        pieces = [data(64 * KIB, 1), data(64 * KIB, 2)]

        def tampered(seed):
            body = signer.chunks(seed, pieces)
            return body.replace(pieces[at], data(64 * KIB, 3))

        reply = chunked(
            t, bucket, SIGNED_CHUNKS, tampered, decoded=128 * KIB, signer=signer
        )
        reply.expect(403, "SignatureDoesNotMatch")
    assert_empty(t, bucket)


def test_tampered_trailer(t):
    bucket = t.bucket()
    signer = Signer()
    trailer = ("x-amz-checksum-crc32", crc32(BODY))

    def tampered(seed):
        body = signer.chunks(seed, [BODY], trailer)
        at = body.index(b"x-amz-trailer-signature:") + len(b"x-amz-trailer-signature:")
        return body[:at] + b"0" * 64 + b"\r\n\r\n"

    reply = chunked(
        t,
        bucket,
        SIGNED_CHUNKS_TRAILER,
        tampered,
        headers={"x-amz-trailer": trailer[0]},
        signer=signer,
    )
    reply.expect(403, "SignatureDoesNotMatch")
    assert_empty(t, bucket)


def test_reordered_and_dropped_chunks(t):
    bucket = t.bucket()
    signer = Signer()
    pieces = [data(64 * KIB, 1), data(64 * KIB, 2)]

    def split(seed):
        body = signer.chunks(seed, pieces)
        second = body.index(b"10000;", 1)
        end = body.index(b"0;chunk-signature", second + 64 * KIB)
        return body[:second], body[second:end], body[end:]

    def swapped(seed):
        one, two, end = split(seed)
        return two + one + end

    def dropped(seed):
        one, _, end = split(seed)
        return one + end

    for framed, decoded in ((swapped, 128 * KIB), (dropped, 64 * KIB)):
        reply = chunked(t, bucket, SIGNED_CHUNKS, framed, decoded=decoded, signer=signer)
        reply.expect(403, "SignatureDoesNotMatch")
    assert_empty(t, bucket)


def test_broken_chunk_framing(t):
    bucket = t.bucket()
    trailer = ("x-amz-checksum-crc32", crc32(BODY))
    size = f"{len(BODY):x}".encode()
    end = b"0\r\n" + f"{trailer[0]}:{trailer[1]}\r\n\r\n".encode()
    for name, body in {
        "no number": b"zz\r\n" + BODY + b"\r\n" + end,
        "negative": b"-10\r\n" + BODY + b"\r\n" + end,
        "huge": b"ffffffffffffffffff\r\n" + BODY + b"\r\n" + end,
        "endless header": b"1" * 20_000 + BODY,
        "no line end after data": size + b"\r\n" + BODY + end,
        "data longer than said": b"f\r\n" + BODY + b"\r\n" + end,
        "no last chunk": size + b"\r\n" + BODY + b"\r\n",
        "cut in data": size + b"\r\n" + BODY[:8],
        "empty": b"",
        "not framed": BODY,
    }.items():
        reply = chunked(
            t,
            bucket,
            UNSIGNED_CHUNKS_TRAILER,
            lambda _seed, body=body: body,
            headers={"x-amz-trailer": trailer[0]},
        )
        assert reply.status == 400, (name, reply.status, reply.body)
        codes = ("IncompleteBody", "InvalidRequest", "InvalidChunkSizeError", "MalformedTrailerError")
        assert reply.code in codes, (name, reply.body)
    assert_empty(t, bucket)


def test_decoded_length_does_not_match(t):
    bucket = t.bucket()
    trailer = ("x-amz-checksum-crc32", crc32(BODY))
    for decoded in (len(BODY) - 1, len(BODY) + 1):
        reply = chunked(
            t,
            bucket,
            UNSIGNED_CHUNKS_TRAILER,
            lambda _seed: unsigned_chunks([BODY], trailer),
            headers={"x-amz-trailer": trailer[0]},
            decoded=decoded,
        )
        assert reply.status == 400, (decoded, reply.status, reply.body)
    assert_empty(t, bucket)


def test_trailer_checksum_wrong_missing_or_undeclared(t):
    bucket = t.bucket()
    name = "x-amz-checksum-crc32"
    declared = {"x-amz-trailer": name}
    for label, trailer, headers, codes in (
        ("wrong", (name, crc32(b"other")), declared, ("BadDigest",)),
        ("no base64", (name, "!!"), declared, ("InvalidRequest", "MalformedTrailerError", "BadDigest")),
        ("missing", None, declared, ("MalformedTrailerError", "InvalidRequest", "IncompleteBody")),
        ("another", ("x-amz-checksum-sha1", b64(bytes(20))), declared, ("MalformedTrailerError", "InvalidRequest")),
    ):
        reply = chunked(
            t,
            bucket,
            UNSIGNED_CHUNKS_TRAILER,
            lambda _seed: unsigned_chunks([BODY], trailer),
            headers=headers,
        )
        assert reply.status == 400 and reply.code in codes, (label, reply.status, reply.body)
    assert_empty(t, bucket)


# XML.


def test_malformed_xml(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    bodies = (
        b"<",
        b"not xml",
        b"<Delete><Object></Delete>",
        b"<Wrong/>",
        b"\xff\xfe\x00",
        b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
    )
    for body in bodies:
        headers = {"content-md5": b64(hashlib.md5(body).digest())}
        reply = t.raw.signed("POST", f"/{bucket}", "delete=", headers=headers, body=body)
        reply.expect(400, "MalformedXML")
        reply = t.raw.signed("POST", f"/{bucket}/k", f"uploadId={upload}", body=body)
        reply.expect(400, "MalformedXML")
    t.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    assert_empty(t, bucket)


def test_empty_xml_body(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    reply = t.raw.signed("POST", f"/{bucket}/k", f"uploadId={upload}")
    reply.expect(400, ("MalformedXML", "InvalidRequest"))
    reply = t.raw.signed("POST", f"/{bucket}", "delete=")
    reply.expect(400, ("MalformedXML", "MissingRequestBodyError", "InvalidRequest"))


def test_xml_bombs_are_refused(t):
    bucket = t.bucket()
    bomb = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    bomb += b"<Delete><Object><Key>&b;</Key></Object></Delete>"
    deep = b"<Delete>" + b"<Object>" * 50_000
    for body in (bomb, deep):
        headers = {"content-md5": b64(hashlib.md5(body).digest())}
        reply = t.raw.signed("POST", f"/{bucket}", "delete=", headers=headers, body=body)
        reply.expect(400, "MalformedXML")


def test_too_many_keys_to_delete(t):
    bucket = t.bucket()
    t.put(bucket, "k1", BODY)
    keys = "".join(f"<Object><Key>k{i}</Key></Object>" for i in range(1001))
    body = f"<Delete>{keys}</Delete>".encode()
    headers = {"content-md5": b64(hashlib.md5(body).digest())}
    reply = t.raw.signed("POST", f"/{bucket}", "delete=", headers=headers, body=body)
    reply.expect(400, "MalformedXML")
    assert t.keys(bucket) == ["k1"]


def test_delete_objects_with_a_wrong_digest(t):
    bucket = t.bucket()
    t.put(bucket, "k", BODY)
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    headers = {"content-md5": b64(hashlib.md5(b"other").digest())}
    reply = t.raw.signed("POST", f"/{bucket}", "delete=", headers=headers, body=body)
    reply.expect(400, "BadDigest")
    assert t.keys(bucket) == ["k"]


# Names and parameters.


def test_illegal_bucket_names(t):
    before = {bucket["Name"] for bucket in t.s3.list_buckets()["Buckets"]}
    for name in (
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-dash",
        "dash-",
        "dot..dot",
        ".dot",
        "192.168.1.1",
        "xn--bucket",
        "name-s3alias",
        "sp%20ace",
        "%2e%2e",
        "caf%C3%A9",
    ):
        reply = t.raw.signed("PUT", f"/{name}")
        reply.expect(400, "InvalidBucketName")
    after = {bucket["Name"] for bucket in t.s3.list_buckets()["Buckets"]}
    # Other tests make buckets at the same time, with lawful names.
    assert all(name.startswith("test-") or name in before for name in after), after - before


def test_key_too_long(t):
    bucket = t.bucket()
    for key in ("k" * 1025, "%C3%A9" * 513):
        t.raw.signed("PUT", f"/{bucket}/{key}", body=BODY).expect(400, "KeyTooLongError")
    assert_empty(t, bucket)


def test_key_that_is_not_utf8(t):
    bucket = t.bucket()
    for key in ("%FF", "a%C3", "%ED%A0%80"):
        reply = t.raw.signed("PUT", f"/{bucket}/{key}", body=BODY)
        assert reply.status == 400 and reply.code, (key, reply.status, reply.body)
    assert_empty(t, bucket)


def test_malformed_escapes_in_the_path(t):
    bucket = t.bucket()
    for key in ("a%", "a%2", "a%zz"):
        reply = t.raw.signed("PUT", f"/{bucket}/{key}", body=BODY)
        assert reply.status in (400, 403) and reply.code, (key, reply.status, reply.body)
    assert_empty(t, bucket)


def test_bad_list_parameters(t):
    bucket = t.bucket()
    for query in (
        "list-type=2&max-keys=-1",
        "list-type=2&max-keys=x",
        "max-keys=99999999999999999999",
        "encoding-type=hex&list-type=2",
        "continuation-token=nonsense%00&list-type=2",
    ):
        t.raw.signed("GET", f"/{bucket}", query).expect(400, "InvalidArgument")


def test_bad_part_numbers(t):
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    for number in ("0", "10001", "-1", "x", ""):
        query = f"partNumber={number}&uploadId={upload}"
        reply = t.raw.signed("PUT", f"/{bucket}/k", query, body=BODY)
        reply.expect(400, "InvalidArgument")
    assert not t.s3.list_parts(Bucket=bucket, Key="k", UploadId=upload).get("Parts")
    t.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_unknown_storage_class(t):
    bucket = t.bucket()
    headers = {"x-amz-storage-class": "MARBLE"}
    reply = t.raw.signed("PUT", f"/{bucket}/k", headers=headers, body=BODY)
    reply.expect(400, "InvalidStorageClass")
    assert_empty(t, bucket)


def test_bad_copy_sources(t):
    bucket = t.bucket()
    t.put(bucket, "source", BODY)
    for source, codes in (
        ("", ("InvalidArgument",)),
        ("nobucketonly", ("InvalidArgument",)),
        (f"/{bucket}/absent", ("NoSuchKey",)),
        (f"/{bucket}-absent/k", ("NoSuchBucket",)),
        ("/UPPER/k", ("InvalidBucketName", "NoSuchBucket", "InvalidArgument")),
    ):
        headers = {"x-amz-copy-source": source}
        reply = t.raw.signed("PUT", f"/{bucket}/k", headers=headers)
        assert reply.status in (400, 404) and reply.code in codes, (source, reply.status, reply.body)
    assert t.keys(bucket) == ["source"]


def test_unknown_location_constraint(t):
    body = (
        b"<CreateBucketConfiguration><LocationConstraint>mars-north-1"
        b"</LocationConstraint></CreateBucketConfiguration>"
    )
    reply = t.raw.signed("PUT", "/test-on-mars", body=body)
    reply.expect(400, ("IllegalLocationConstraintException", "InvalidLocationConstraint"))
    with refused("404"):
        t.s3.head_bucket(Bucket="test-on-mars")


def test_unknown_method(t):
    bucket = t.bucket()
    for method in ("PATCH", "TRACE", "BREW"):
        reply = t.raw.signed(method, f"/{bucket}/k")
        assert reply.status in (400, 405, 501), (method, reply.status, reply.body)
        assert reply.code in ("MethodNotAllowed", "NotImplemented", "BadRequest"), reply.body


def test_gateway_still_serves_after_nonsense_bytes(t):
    bucket = t.bucket()
    host, port = t.raw.host.split(":")
    for nonsense in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\r\n" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 2000 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            try:
                connection.sendall(nonsense)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    t.put(bucket, "k", BODY)
    assert sha256(t.get(bucket, "k")) == sha256(BODY)

"""Presigned URLs of every operation that people hand out."""

import datetime
import http.client
import os
import urllib.parse

from people import connect
from raw import Signer
from support import MIB, client, data, md5, refused, sha256


def presigner(t):
    return client(t.url, request_checksum_calculation="when_required", signature_version="s3v4")


def ask(method, url, body=None, **headers):
    """Sends a request as a browser does, without credentials: (status, headers, body)."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_put_get_head_and_delete(t):
    bucket = t.bucket()
    s3 = presigner(t)
    where = {"Bucket": bucket, "Key": "a folder/é+ &=#?"}
    body = data(100_000)
    kind = {"ContentType": "text/x-test", "Metadata": {"station": "7"}}
    put = s3.generate_presigned_url("put_object", Params={**where, **kind})
    # What was signed must be sent.
    assert ask("PUT", put, body)[0] == 403
    headers = {"Content-Type": "text/x-test", "x-amz-meta-station": "7"}
    assert ask("PUT", put, body, **headers)[0] == 200
    assert t.get(**{name.lower(): value for name, value in where.items()}) == body

    overrides = {
        "ResponseContentType": "text/csv",
        "ResponseContentDisposition": 'attachment; filename="données é.csv"',
        "ResponseCacheControl": "no-store",
        "ResponseContentLanguage": "fr",
        "ResponseContentEncoding": "identity",
        "ResponseExpires": "Wed, 21 Oct 2037 07:28:00 GMT",
    }
    status, headers, found = ask(
        "GET", s3.generate_presigned_url("get_object", Params={**where, **overrides})
    )
    assert (status, found) == (200, body)
    assert headers["Content-Type"] == "text/csv"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Language"] == "fr"
    assert headers["Content-Encoding"] == "identity"
    assert headers["Expires"] == "Wed, 21 Oct 2037 07:28:00 GMT"
    assert headers["Content-Disposition"].startswith("attachment; filename=")

    plain = s3.generate_presigned_url("get_object", Params=where)
    status, headers, found = ask("GET", plain, Range="bytes=5-9")
    assert (status, found) == (206, body[5:10])
    status, headers, found = ask("HEAD", s3.generate_presigned_url("head_object", Params=where))
    assert (status, headers["Content-Length"], found) == (200, "100000", b"")
    assert headers["x-amz-meta-station"] == "7"
    assert ask("DELETE", s3.generate_presigned_url("delete_object", Params=where))[0] == 204
    status, _, found = ask("GET", plain)
    assert status == 404 and b"<Code>NoSuchKey</Code>" in found


def test_the_method_is_signed(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"abc")
    get = presigner(t).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    status, _, found = ask("HEAD", get)
    assert (status, found) == (403, b"")
    for method in ("PUT", "DELETE"):
        status, _, found = ask(method, get, b"")
        assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in found, method
    assert ask("GET", get)[2] == b"abc"


def test_an_upload_in_parts_by_others(t):
    bucket = t.bucket()
    s3 = presigner(t)
    where = {"Bucket": bucket, "Key": "large"}
    create = s3.generate_presigned_url("create_multipart_upload", Params=where)
    status, _, found = ask("POST", create, b"")
    assert status == 200, found
    upload = found.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()
    bodies, done = [data(5 * MIB, 1), data(10, 2)], ""
    for number, body in enumerate(bodies, 1):
        part = {**where, "UploadId": upload, "PartNumber": number}
        url = s3.generate_presigned_url("upload_part", Params=part)
        status, headers, found = ask("PUT", url, body)
        assert status == 200, found
        done += f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>"
    listed = s3.generate_presigned_url("list_parts", Params={**where, "UploadId": upload})
    assert ask("GET", listed)[2].count(b"<Part>") == 2
    complete = s3.generate_presigned_url(
        "complete_multipart_upload", Params={**where, "UploadId": upload}
    )
    document = f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>"
    status, _, found = ask("POST", complete, document.encode())
    assert status == 200 and b"<ETag>" in found, found
    assert sha256(t.get(bucket, "large")) == sha256(b"".join(bodies))


def test_listings_copies_and_versions(t):
    bucket = t.bucket()
    s3 = presigner(t)
    t.put(bucket, "a/one", b"1")
    t.put(bucket, "b", b"2")
    page = {"Bucket": bucket, "Delimiter": "/", "MaxKeys": 5}
    status, _, found = ask("GET", s3.generate_presigned_url("list_objects_v2", Params=page))
    assert status == 200 and b"<Key>b</Key>" in found
    assert b"<Prefix>a/</Prefix>" in found
    status, _, _ = ask("HEAD", s3.generate_presigned_url("head_bucket", Params={"Bucket": bucket}))
    assert status == 200
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/b"}
    url = s3.generate_presigned_url("copy_object", Params=copy)
    status, _, found = ask("PUT", url, b"", **{"x-amz-copy-source": f"{bucket}/b"})
    assert status == 200, found
    assert t.get(bucket, "copy") == b"2"
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    t.put(bucket, "b", b"3")
    old = {"Bucket": bucket, "Key": "b", "VersionId": "null"}
    assert ask("GET", s3.generate_presigned_url("get_object", Params=old))[2] == b"2"


def test_time_runs_out(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"abc")
    now = datetime.datetime.now(datetime.timezone.utc)
    for age_s, expires_s, status in ((30, 60, 200), (90, 60, 403)):
        signer = Signer(at=now - datetime.timedelta(seconds=age_s))
        target = t.raw.presigned("GET", f"/{bucket}/k", expires_s, signer)
        assert t.raw.send("GET", target, {}).status == status


def test_requests_signed_in_version_2(t):
    """As tools of before 2014 sign, and newer ones that are told to."""
    bucket = t.bucket()
    s3 = client(t.other_url, signature_version="s3")
    key = "a folder/é+ &=#?"
    s3.put_object(Bucket=bucket, Key=key, Body=b"x", Metadata={"a": "b  c"}, ContentType="text/x")
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    found = s3.get_object(Bucket=bucket, Key=key, ResponseContentLanguage="oc")
    assert (found["Body"].read(), found["Metadata"]) == (b"x", {"a": "b  c"})
    assert (found["ContentType"], found["ContentLanguage"]) == ("text/x", "oc")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    where = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    tag = s3.upload_part(**where, PartNumber=1, Body=data(MIB))["ETag"]
    s3.complete_multipart_upload(
        **where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}
    )
    assert t.get(bucket, "parts") == data(MIB)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "parts"}]})
    assert "Contents" not in t.s3.list_objects_v2(Bucket=bucket)
    # What the signature would not cover is not done.
    with refused("AccessDenied", 403):
        s3.delete_bucket_encryption(Bucket=bucket)
    key = os.environ["AWS_ACCESS_KEY_ID"]
    s3 = connect("s3", t.url, key, "x" * 40, signature_version="s3")
    with refused("SignatureDoesNotMatch", 403):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def test_a_body_of_unknown_length(t):
    """As `curl -T -` sends one, in HTTP's own chunks."""
    bucket = t.bucket()
    s3 = presigner(t)
    for size in [0, 5, 19 * MIB + 5]:
        where = {"Bucket": bucket, "Key": f"k{size}"}
        url = s3.generate_presigned_url("put_object", Params=where)
        body = data(size)
        pieces = [body[at : at + MIB] for at in range(0, size, MIB)]
        status, headers, _ = ask("PUT", url, body=iter(pieces))
        assert (status, headers["etag"]) == (200, f'"{md5(body)}"')
        assert t.get(bucket, f"k{size}") == body
    # A part's length must be known.
    where = {"Bucket": bucket, "Key": "parts"}
    where["UploadId"] = t.s3.create_multipart_upload(**where)["UploadId"]
    url = s3.generate_presigned_url("upload_part", Params={**where, "PartNumber": 1})
    assert ask("PUT", url, body=iter([b"x"]))[0] == 411

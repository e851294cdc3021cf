"""Uploads from HTML forms, as browsers send them."""

import urllib3

from support import MIB, client_of, data

HTTP = urllib3.PoolManager()


def post(form, body, **more):
    """Sends a presigned form with a file; the answer."""
    fields = [*form["fields"].items(), *more.items(), ("file", ("name.txt", body))]
    return HTTP.request("POST", form["url"], fields=fields, redirect=False)


def test_a_form_stores_its_file(t):
    bucket = t.bucket()
    large = data(9 * MIB + 7)
    for s3, key, body in (
        (t.s3, "small", b"hello"),
        (t.other, "empty", b""),
        (t.s3, "large", large),
    ):
        form = s3.generate_presigned_post(bucket, key)
        answer = post(form, body)
        assert (answer.status, answer.data) == (204, b""), answer.data
        got = t.other.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == body
        assert got["ETag"] == answer.headers["ETag"]
    ranged = t.get(bucket, "large", Range="bytes=8388600-8388620")
    assert ranged == large[8388600:8388621]


def test_fields_say_what_headers_say(t):
    bucket = t.bucket()
    conditions = [
        ["starts-with", "$key", "up/"],
        {"Content-Type": "text/plain"},
        {"x-amz-meta-colour": "blue"},
        {"success_action_status": "201"},
        {"acl": "public-read"},
    ]
    fields = {
        "Content-Type": "text/plain",
        "x-amz-meta-colour": "blue",
        "success_action_status": "201",
        "acl": "public-read",
    }
    form = t.s3.generate_presigned_post(bucket, "up/${filename}", fields, conditions)
    answer = post(form, b"x")
    assert answer.status == 201, answer.data
    assert b"<Key>up/name.txt</Key>" in answer.data
    got = t.s3.head_object(Bucket=bucket, Key="up/name.txt")
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"colour": "blue"})
    assert HTTP.request("GET", f"{t.url}/{bucket}/up/name.txt").data == b"x"


def test_what_the_policy_does_not_allow_changes_nothing(t):
    bucket = t.bucket()
    limited = [["content-length-range", 2, 4]]
    form = t.s3.generate_presigned_post(bucket, "k", Conditions=limited)
    for body, status in ((b"x", 400), (b"xxxxx", 400)):
        assert post(form, body).status == status
    assert post(form, b"xxx", **{"x-amz-meta-extra": "1"}).status == 403
    form["fields"]["key"] = "other"
    assert post(form, b"xxx").status == 403
    broken = t.s3.generate_presigned_post(bucket, "k")
    name = "x-amz-signature" if "x-amz-signature" in broken["fields"] else "signature"
    broken["fields"][name] = "0" * 64
    assert post(broken, b"xxx").status == 403
    expired = t.s3.generate_presigned_post(bucket, "k", ExpiresIn=-10)
    assert post(expired, b"xxx").status == 403
    foreign = client_of(t.url, "RIQUET_ALT").generate_presigned_post(bucket, "k")
    assert post(foreign, b"xxx").status == 403
    unsigned = {"url": f"{t.url}/{bucket}", "fields": {"key": "k"}}
    assert post(unsigned, b"xxx").status == 403
    assert t.keys(bucket) == []
    t.s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert post(unsigned, b"xxx").status == 204

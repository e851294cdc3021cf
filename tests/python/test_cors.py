"""What web pages of other origins are allowed."""

from support import refused

RULES = {
    "CORSRules": [
        {
            "AllowedOrigins": ["https://*.example.org"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["x-amz-*", "content-type"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 600,
        },
        {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
    ]
}


def preflight(t, bucket, origin, method, headers=None):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return t.raw.send("OPTIONS", f"/{bucket}/k", asked, b"")


def test_rules_come_and_go(t):
    bucket = t.bucket()
    with refused("NoSuchCORSConfiguration", 404):
        t.s3.get_bucket_cors(Bucket=bucket)
    t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    for s3 in (t.s3, t.other):
        assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES["CORSRules"]
    with refused("InvalidRequest", 400):
        rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}
        t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    t.s3.delete_bucket_cors(Bucket=bucket)
    with refused("NoSuchCORSConfiguration", 404):
        t.other.get_bucket_cors(Bucket=bucket)


def test_a_browser_asks_first(t):
    bucket = t.bucket()
    refusal = preflight(t, bucket, "https://a.example.org", "GET")
    refusal.expect(403, "AccessForbidden")
    t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    reply = preflight(t, bucket, "https://a.example.org", "PUT", "X-Amz-Date, content-type")
    reply.expect(200)
    assert reply.headers["access-control-allow-origin"] == "https://a.example.org"
    assert reply.headers["access-control-allow-methods"] == "GET, PUT"
    assert reply.headers["access-control-max-age"] == "600"
    assert reply.headers["access-control-allow-credentials"] == "true"
    for origin, method, headers in (
        ("https://example.net", "PUT", None),
        ("https://a.example.org", "DELETE", None),
        ("https://a.example.org", "PUT", "x-other"),
    ):
        reply = preflight(t, bucket, origin, method, headers)
        reply.expect(403, "AccessForbidden")
    reply = preflight(t, bucket, "https://example.net", "GET")
    reply.expect(200)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    t.raw.send("OPTIONS", f"/{bucket}/k", {}, b"").expect(400, "BadRequest")
    preflight(t, "no-such-bucket-here", "https://a.example.org", "GET").expect(404)


def test_every_answer_says_who_may_see_it(t):
    bucket = t.bucket()
    t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    t.put(bucket, "k", b"x")
    for path, status in ((f"/{bucket}/k", 200), (f"/{bucket}/absent", 404)):
        origin = {"Origin": "https://b.example.org"}
        reply = t.raw.signed("GET", path, headers=origin)
        reply.expect(status)
        assert reply.headers["access-control-allow-origin"] == "https://b.example.org"
        assert reply.headers["access-control-expose-headers"] == "ETag"
        reply = t.raw.signed("GET", path)
        reply.expect(status)
        assert "access-control-allow-origin" not in reply.headers

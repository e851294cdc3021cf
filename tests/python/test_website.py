"""Buckets as web sites, for those whom nobody knows."""

import http.client
import urllib.parse

from support import refused

DOMAIN = "web.localhost"


def site(t, bucket, path="/", method="GET", url=None, **headers):
    """What a browser gets."""
    where = urllib.parse.urlsplit(url or t.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    host = f"{bucket}.{DOMAIN}:{where.port}"
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def configure(t, bucket, **configuration):
    t.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)


PAGES = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}


def test_configurations_come_and_go(t):
    bucket = t.bucket()
    with refused("NoSuchWebsiteConfiguration", 404):
        t.s3.get_bucket_website(Bucket=bucket)
    configure(t, bucket, **PAGES)
    for s3 in (t.s3, t.other):
        got = s3.get_bucket_website(Bucket=bucket)
        assert {name: got[name] for name in PAGES} == PAGES
    with refused("InvalidArgument", 400):
        configure(t, bucket, IndexDocument={"Suffix": "a/b"})
    t.s3.delete_bucket_website(Bucket=bucket)
    with refused("NoSuchWebsiteConfiguration", 404):
        t.other.get_bucket_website(Bucket=bucket)


def test_what_is_no_site_says_so_in_a_page(t):
    bucket = t.bucket()
    answer = site(t, bucket)
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-amz-error-code"] == "NoSuchWebsiteConfiguration"
    assert "<li>Code: NoSuchWebsiteConfiguration</li>" in answer.text
    assert site(t, t.bucket_name()).headers["x-amz-error-code"] == "NoSuchBucket"
    configure(t, bucket, **PAGES)
    assert site(t, bucket, method="POST").status == 405
    head = site(t, bucket, "/x", "HEAD")
    assert head.status in (403, 404) and head.text == ""


def test_what_is_not_public_is_denied(t):
    bucket = t.bucket()
    configure(t, bucket, IndexDocument={"Suffix": "index.html"})
    t.put(bucket, "index.html", b"secret")
    for path in ("/", "/index.html"):
        answer = site(t, bucket, path)
        assert answer.status == 403 and "secret" not in answer.text
        assert answer.headers["x-amz-error-code"] == "AccessDenied"


def test_requests_are_sent_elsewhere(t):
    bucket = t.bucket()
    configure(t, bucket, RedirectAllRequestsTo={"HostName": "example.org", "Protocol": "https"})
    for url in (t.url, t.other_url):
        answer = site(t, bucket, "/a%20b", url=url)
        assert (answer.status, answer.headers["location"]) == (301, "https://example.org/a%20b")
    rules = [
        {
            "Condition": {"KeyPrefixEquals": "docs/"},
            "Redirect": {"ReplaceKeyPrefixWith": "documents/"},
        },
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "403"},
            "Redirect": {"HostName": "login.example.org", "HttpRedirectCode": "302"},
        },
    ]
    configure(t, bucket, IndexDocument={"Suffix": "i"}, RoutingRules=rules)
    port = urllib.parse.urlsplit(t.url).port
    answer = site(t, bucket, "/docs/x")
    moved = f"http://{bucket}.{DOMAIN}:{port}/documents/x"
    assert (answer.status, answer.headers["location"]) == (301, moved)
    answer = site(t, bucket, "/other")
    assert (answer.status, answer.headers["location"]) == (302, "http://login.example.org/other")

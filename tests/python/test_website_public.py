"""Web sites that everybody may read, by the policies of their buckets."""

import json

from test_website import PAGES, configure, site


def public(t, *actions):
    """A bucket that everybody may read."""
    bucket = t.bucket()
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(actions or ("s3:GetObject", "s3:ListBucket")),
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    t.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    return bucket


def test_pages_are_shown(t):
    bucket = public(t)
    configure(t, bucket, **PAGES)
    t.put(bucket, "index.html", b"<p>home", ContentType="text/html")
    t.put(bucket, "folder/index.html", b"<p>folder", ContentType="text/html")
    t.put(bucket, "error.html", b"<p>oops", ContentType="text/html")
    for url in (t.url, t.other_url):
        answer = site(t, bucket, url=url)
        assert (answer.status, answer.text) == (200, "<p>home")
        assert answer.headers["content-type"] == "text/html"
    assert site(t, bucket, "/folder/").text == "<p>folder"
    answer = site(t, bucket, "/folder")
    assert (answer.status, answer.headers["location"]) == (302, "/folder/")
    answer = site(t, bucket, "/none")
    assert (answer.status, answer.text) == (404, "<p>oops")
    head = site(t, bucket, "/folder/", "HEAD")
    assert (head.status, head.headers["content-length"], head.text) == (200, "9", "")
    part = site(t, bucket, "/index.html", Range="bytes=0-2")
    assert (part.status, part.text) == (206, "<p>")
    same = site(t, bucket, If_None_Match=site(t, bucket).headers["etag"])
    assert (same.status, same.text) == (304, "")


def test_objects_send_elsewhere(t):
    bucket = public(t)
    configure(t, bucket, **PAGES)
    t.put(bucket, "old", b"", WebsiteRedirectLocation="/new")
    answer = site(t, bucket, "/old")
    assert (answer.status, answer.headers["location"], answer.text) == (301, "/new", "")


def test_errors_without_a_page_are_explained(t):
    bucket = public(t)
    configure(t, bucket, **PAGES)
    answer = site(t, bucket, "/%3Cnone%3E")
    assert answer.status == 404
    assert "<li>Key: &lt;none&gt;</li>" in answer.text
    assert "Custom Error Document" in answer.text


def test_rules_follow_errors(t):
    bucket = public(t)
    rule = {
        "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "a/"},
        "Redirect": {"ReplaceKeyWith": "found"},
    }
    configure(t, bucket, IndexDocument={"Suffix": "i"}, RoutingRules=[rule])
    t.put(bucket, "a/there", b"there")
    assert site(t, bucket, "/a/there").text == "there"
    answer = site(t, bucket, "/a/none")
    assert answer.status == 301 and answer.headers["location"].endswith("/found")
    assert site(t, bucket, "/b").status == 404

"""Who may do what: users, tenants, policies, access control lists, and nobody in particular."""

import json
import os
import time
import urllib.request

from support import client_of, refused


def statement(effect, principal, action, resource, **more):
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": resource,
    } | more


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def objects(bucket):
    return f"arn:aws:s3:::{bucket}/*"


def await_that(holds):
    """Waits until something holds: the other gateway may act on what it knew for a second."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it never holds"
        time.sleep(0.05)


def is_refused(call, **arguments):
    try:
        call(**arguments)
    except call.__self__.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "403"), error
        return True
    return False


def test_a_bucket_is_its_owners_alone(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x")
    for other in (client_of(t.url, "RIQUET_ALT"), client_of(t.other_url, "RIQUET_IAM")):
        for call, arguments in [
            (other.get_object, {"Key": "k"}),
            (other.head_object, {"Key": "k"}),
            (other.get_object, {"Key": "absent"}),
            (other.put_object, {"Key": "mine"}),
            (other.delete_object, {"Key": "k"}),
            (other.list_objects_v2, {}),
            (other.get_bucket_versioning, {}),
            (other.put_bucket_tagging, {"Tagging": {"TagSet": []}}),
            (other.delete_bucket, {}),
            (other.create_multipart_upload, {"Key": "k"}),
        ]:
            assert is_refused(call, Bucket=bucket, **arguments), call
        assert bucket not in [b["Name"] for b in other.list_buckets()["Buckets"]]
        errors = other.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "l"}]}
        )["Errors"]
        assert [error["Code"] for error in errors] == ["AccessDenied"] * 2
        with refused("BucketAlreadyExists", 409):
            other.create_bucket(Bucket=bucket)
    assert t.get(bucket, "k") == b"x"
    assert t.keys(bucket) == ["k"]


def test_a_policy_lets_in_whom_it_names(t):
    bucket = t.bucket()
    t.put(bucket, "open/a", b"a")
    t.put(bucket, "shut", b"s")
    alt = client_of(t.url, "RIQUET_ALT")
    user = "arn:aws:iam:::user/" + alt.user_id
    text = policy(
        statement("Allow", {"AWS": user}, "s3:GetObject", objects(bucket)),
        statement("Deny", "*", "s3:GetObject", f"arn:aws:s3:::{bucket}/shut"),
        statement(
            "Allow",
            {"AWS": user},
            "s3:ListBucket",
            f"arn:aws:s3:::{bucket}",
            Condition={"StringEquals": {"s3:prefix": "open/"}},
        ),
    )
    t.s3.put_bucket_policy(Bucket=bucket, Policy=text)
    for gateway in (t.url, t.other_url):
        alt = client_of(gateway, "RIQUET_ALT")
        await_that(lambda: not is_refused(alt.get_object, Bucket=bucket, Key="open/a"))
        assert is_refused(alt.get_object, Bucket=bucket, Key="shut")
        assert is_refused(alt.put_object, Bucket=bucket, Key="open/b")
        assert is_refused(alt.list_objects_v2, Bucket=bucket)
        listed = alt.list_objects_v2(Bucket=bucket, Prefix="open/")
        assert [entry["Key"] for entry in listed["Contents"]] == ["open/a"]
        assert is_refused(client_of(gateway, "RIQUET_TENANT").get_object, Bucket=":" + bucket, Key="open/a")
    # A Deny holds for the owner too, who can still mend it.
    assert is_refused(t.s3.get_object, Bucket=bucket, Key="shut")
    assert json.loads(t.s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(text)
    t.s3.delete_bucket_policy(Bucket=bucket)
    assert t.get(bucket, "shut") == b"s"
    await_that(lambda: is_refused(alt.get_object, Bucket=bucket, Key="open/a"))
    with refused("NoSuchBucketPolicy", 404):
        t.s3.get_bucket_policy(Bucket=bucket)


def test_bad_policies_change_nothing(t):
    bucket = t.bucket()
    good = policy(statement("Allow", "*", "s3:GetObject", objects(bucket)))
    t.s3.put_bucket_policy(Bucket=bucket, Policy=good)
    for bad in (
        "{",
        policy(),
        policy(statement("Alow", "*", "s3:GetObject", objects(bucket))),
        policy(statement("Allow", "*", "s3:GetObject", objects("another-bucket"))),
        policy(statement("Allow", {"AWS": "arn:aws:iam::x"}, "s3:GetObject", objects(bucket))),
    ):
        with refused("MalformedPolicy", 400):
            t.s3.put_bucket_policy(Bucket=bucket, Policy=bad)
    assert t.s3.get_bucket_policy(Bucket=bucket)["Policy"] == good


def test_a_policy_is_public_or_not(t):
    bucket = t.bucket()
    for principal, is_public in (("*", True), ({"AWS": "arn:aws:iam:::user/main"}, False)):
        text = policy(statement("Allow", principal, "s3:GetObject", objects(bucket)))
        t.s3.put_bucket_policy(Bucket=bucket, Policy=text, ConfirmRemoveSelfBucketAccess=True)
        status = t.s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]
        assert status == {"IsPublic": is_public}, principal


def fetch(url):
    """An unsigned GET: status and body."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_lists_open_objects_and_buckets_to_everybody(t):
    bucket = t.bucket()
    t.put(bucket, "open", b"o", ACL="public-read")
    t.put(bucket, "shut", b"s")
    for gateway in (t.url, t.other_url):
        assert fetch(f"{gateway}/{bucket}/open") == (200, b"o")
        for path in ("shut", "absent", ""):
            assert fetch(f"{gateway}/{bucket}/{path}")[0] == 403, path
    t.s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    await_that(lambda: fetch(f"{t.other_url}/{bucket}/")[0] == 200)
    assert fetch(f"{t.other_url}/{bucket}/absent")[0] == 404
    assert fetch(f"{t.other_url}/{bucket}/shut")[0] == 403
    t.s3.put_object_acl(Bucket=bucket, Key="open", ACL="private")
    assert fetch(f"{t.url}/{bucket}/open")[0] == 403
    # One list for all versions there is not: each has its own.
    grants = t.s3.get_object_acl(Bucket=bucket, Key="open")["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]


def test_grants_go_to_accounts(t):
    bucket = t.bucket()
    alt = client_of(t.url, "RIQUET_ALT")
    t.s3.put_bucket_acl(Bucket=bucket, GrantWrite=f'id="{alt.user_id}"', GrantRead="id=main")
    alt.put_object(Bucket=bucket, Key="gift", Body=b"g")
    assert is_refused(alt.list_objects_v2, Bucket=bucket)
    # What another writes is the other's, in listings too.
    assert is_refused(t.s3.get_object, Bucket=bucket, Key="gift")
    listed = t.s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"]
    assert [entry["Owner"]["ID"] for entry in listed] == [alt.user_id]
    alt.put_object_acl(Bucket=bucket, Key="gift", ACL="bucket-owner-read")
    assert t.get(bucket, "gift") == b"g"
    with refused("InvalidArgument", 400):
        t.s3.put_bucket_acl(Bucket=bucket, GrantRead='id="nobody-at-all"')
    by_address = f'emailAddress="{alt.email}"'
    t.s3.put_bucket_acl(Bucket=bucket, GrantRead=by_address)
    assert [entry["Key"] for entry in alt.list_objects_v2(Bucket=bucket)["Contents"]] == ["gift"]
    with refused("UnresolvableGrantByEmailAddress", 400):
        t.s3.put_bucket_acl(Bucket=bucket, GrantRead='emailAddress="nobody@example.org"')


def test_a_copy_needs_its_source(t):
    bucket = t.bucket()
    t.put(bucket, "k", b"x")
    alt = client_of(t.url, "RIQUET_ALT")
    own = t.bucket_name()
    alt.create_bucket(Bucket=own)
    source = {"Bucket": bucket, "Key": "k"}
    assert is_refused(alt.copy_object, Bucket=own, Key="copy", CopySource=source)
    t.s3.put_object_acl(Bucket=bucket, Key="k", ACL="authenticated-read")
    alt.copy_object(Bucket=own, Key="copy", CopySource=source)
    assert alt.get_object(Bucket=own, Key="copy")["Body"].read() == b"x"
    assert is_refused(t.s3.get_object, Bucket=own, Key="copy")


def test_tenants_name_buckets_by_themselves(t):
    tenant = client_of(t.url, "RIQUET_TENANT")
    name = t.bucket()
    tenant.create_bucket(Bucket=name)
    tenant.put_object(Bucket=name, Key="k", Body=b"theirs")
    t.put(name, "k", b"ours")
    assert tenant.get_object(Bucket=name, Key="k")["Body"].read() == b"theirs"
    assert t.get(name, "k") == b"ours"
    assert name in [b["Name"] for b in tenant.list_buckets()["Buckets"]]
    ours = client_of(t.url, "RIQUET")
    assert is_refused(ours.get_object, Bucket=f"{tenant.tenant}:{name}", Key="k")
    text = policy(statement("Allow", "*", "s3:GetObject", objects(name)))
    tenant.put_bucket_policy(Bucket=name, Policy=text)
    got = ours.get_object(Bucket=f"{tenant.tenant}:{name}", Key="k")
    assert got["Body"].read() == b"theirs"
    assert is_refused(tenant.get_object, Bucket=f":{name}", Key="k")


def test_conditions_ask_for_the_object_and_the_request(t):
    bucket = t.bucket()
    alt = client_of(t.url, "RIQUET_ALT")
    t.put(bucket, "public", b"p", Tagging="security=public")
    t.put(bucket, "secret", b"s", Tagging="security=secret")
    everybody = {"AWS": "*"}
    t.s3.put_bucket_policy(
        Bucket=bucket,
        Policy=policy(
            statement(
                "Allow",
                everybody,
                "s3:GetObject",
                objects(bucket),
                Condition={"StringEquals": {"s3:ExistingObjectTag/security": "public"}},
            ),
            statement("Allow", everybody, "s3:PutObject", objects(bucket)),
            statement(
                "Deny",
                everybody,
                "s3:PutObject",
                objects(bucket),
                Condition={"StringLike": {"s3:x-amz-acl": "public*"}},
            ),
            statement(
                "Deny",
                everybody,
                "s3:*",
                objects(bucket),
                Condition={"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1"]}},
            ),
        ),
    )
    assert alt.get_object(Bucket=bucket, Key="public")["Body"].read() == b"p"
    assert is_refused(alt.get_object, Bucket=bucket, Key="secret")
    alt.put_object(Bucket=bucket, Key="new", Body=b"n")
    assert is_refused(alt.put_object, Bucket=bucket, Key="n2", Body=b"n", ACL="public-read")


def test_expected_owner(t):
    """A bucket that belongs to somebody else than the client believes is not touched."""
    bucket = t.bucket()
    account = os.environ["RIQUET_IAM_USER_ID"]
    t.s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    alt = client_of(t.other_url, "RIQUET_ALT")
    for s3 in [alt, t.s3]:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner=account)
        other = "1" * 12
        for call, arguments in [
            (s3.put_object, {"Key": "k", "Body": b"yy"}),
            (s3.delete_object, {"Key": "k"}),
            (s3.list_objects_v2, {}),
            (s3.head_bucket, {}),
        ]:
            assert is_refused(call, Bucket=bucket, ExpectedBucketOwner=other, **arguments)
    assert t.get(bucket, "k") == b"x"

    copy = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}}
    t.s3.copy_object(**copy, ExpectedBucketOwner=account, ExpectedSourceBucketOwner=account)
    assert is_refused(t.s3.copy_object, **copy, ExpectedSourceBucketOwner=other)
    # The owner's own name will do.
    t.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=os.environ["RIQUET_USER_ID"])


def test_uploads_belong_to_who_began_them(t):
    bucket = t.bucket()
    t.s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    alt = client_of(t.url, "RIQUET_ALT")
    t.s3.create_multipart_upload(Bucket=bucket, Key="a")
    upload = alt.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    found = t.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    main = os.environ["RIQUET_USER_ID"]
    for entry, user in zip(found, [main, alt.user_id], strict=True):
        assert entry["Initiator"]["ID"] == entry["Owner"]["ID"] == user
    parts = alt.list_parts(Bucket=bucket, Key="b", UploadId=upload)
    assert parts["Initiator"]["ID"] == parts["Owner"]["ID"] == alt.user_id

"""Access control lists in each form that requests may bring them in."""

from support import client_of

GRANTS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}
# Nobody can be let write into an object.
OF_OBJECTS = {name: value for name, value in GRANTS.items() if name != "GrantWrite"}
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


def granted(acl):
    """Who may do what, by a list: pairs of grantee and permission."""
    grants = [(grant["Grantee"], grant["Permission"]) for grant in acl["Grants"]]
    return {(who.get("ID") or who.get("URI"), what) for who, what in grants}


def given(names, user):
    """The parameters that grant `user` each of them, and what a list then shows."""
    return {name: f'id="{user}"' for name in names}, {(user, what) for what in names.values()}


def another(t):
    return client_of(t.url, "RIQUET_ALT").user_id


def test_buckets_begin_with_the_list_they_are_given(t):
    grants, shown = given(GRANTS, another(t))
    bucket = t.bucket(**grants)
    assert granted(t.other.get_bucket_acl(Bucket=bucket)) == shown
    bucket = t.bucket(ACL="public-read")
    assert (EVERYBODY, "READ") in granted(t.other.get_bucket_acl(Bucket=bucket))


def test_objects_begin_with_the_list_they_are_given(t):
    bucket = t.bucket()
    t.put(bucket, "source", b"x")
    grants, shown = given(OF_OBJECTS, another(t))

    def copy(key, **acl):
        source = {"Bucket": bucket, "Key": "source"}
        t.s3.copy_object(Bucket=bucket, Key=key, CopySource=source, **acl)

    def upload(key, **acl):
        where = {"Bucket": bucket, "Key": key}
        begun = t.s3.create_multipart_upload(**where, **acl)
        where["UploadId"] = begun["UploadId"]
        etag = t.s3.upload_part(**where, PartNumber=1, Body=b"x")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        t.s3.complete_multipart_upload(**where, MultipartUpload=parts)

    def put(key, **acl):
        t.put(bucket, key, b"x", **acl)

    for write in (put, copy, upload):
        write("k", **grants)
        assert granted(t.other.get_object_acl(Bucket=bucket, Key="k")) == shown, write
        write("k", ACL="public-read")
        acl = granted(t.other.get_object_acl(Bucket=bucket, Key="k"))
        assert (EVERYBODY, "READ") in acl, write


def test_lists_are_replaced(t):
    bucket = t.bucket()
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [t.put(bucket, "k", b"x")["VersionId"] for _ in range(2)]
    old = {"Bucket": bucket, "Key": "k", "VersionId": versions[0]}
    user = another(t)
    for put, get, where in (
        (t.s3.put_bucket_acl, t.s3.get_bucket_acl, {"Bucket": bucket}),
        (t.s3.put_object_acl, t.s3.get_object_acl, old),
    ):
        before = get(**where)
        grants, shown = given(GRANTS, user)
        put(**where, **grants)
        assert granted(get(**where)) == shown
        put(**where, ACL="public-read")
        assert (EVERYBODY, "READ") in granted(get(**where))
        extra = {"Grantee": {"Type": "CanonicalUser", "ID": user}, "Permission": "READ_ACP"}
        policy = {"Owner": before["Owner"], "Grants": [*before["Grants"], extra]}
        put(**where, AccessControlPolicy=policy)
        assert granted(get(**where)) == granted(before) | {(user, "READ_ACP")}
    # The newer version has the list that it began with.
    assert len(granted(t.s3.get_object_acl(Bucket=bucket, Key="k"))) == 1

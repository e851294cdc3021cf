"""Configurations of buckets that come and go, and those that nobody can set."""

from support import refused

BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": False,
}


def ownership(value):
    return {"Rules": [{"ObjectOwnership": value}]}


def test_public_access_blocks_come_and_go(t):
    bucket = t.bucket()
    missing = "NoSuchPublicAccessBlockConfiguration"
    with refused(missing, 404):
        t.s3.get_public_access_block(Bucket=bucket)
    t.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCK)
    for s3 in (t.s3, t.other):
        got = s3.get_public_access_block(Bucket=bucket)
        assert got["PublicAccessBlockConfiguration"] == BLOCK
    t.s3.delete_public_access_block(Bucket=bucket)
    t.s3.delete_public_access_block(Bucket=bucket)
    with refused(missing, 404):
        t.other.get_public_access_block(Bucket=bucket)


def test_ownership_comes_and_goes(t):
    bucket = t.bucket()
    missing = "OwnershipControlsNotFoundError"
    with refused(missing, 404):
        t.s3.get_bucket_ownership_controls(Bucket=bucket)
    for value in ("ObjectWriter", "BucketOwnerEnforced"):
        t.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership(value))
        got = t.other.get_bucket_ownership_controls(Bucket=bucket)
        assert got["OwnershipControls"] == ownership(value)
    t.s3.delete_bucket_ownership_controls(Bucket=bucket)
    with refused(missing, 404):
        t.other.get_bucket_ownership_controls(Bucket=bucket)


def test_lists_are_taken_back_before_none_counts(t):
    bucket = t.bucket()
    t.s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    enforced = ownership("BucketOwnerEnforced")
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        t.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
    t.s3.put_bucket_acl(Bucket=bucket, ACL="private")
    t.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)


def test_ownership_of_a_new_bucket(t):
    bucket = t.bucket(ObjectOwnership="BucketOwnerPreferred")
    got = t.other.get_bucket_ownership_controls(Bucket=bucket)
    assert got["OwnershipControls"] == ownership("BucketOwnerPreferred")
    with refused("InvalidArgument", 400):
        t.s3.create_bucket(Bucket=bucket + "-2", ObjectOwnership="Nobody")


def test_a_new_bucket_is_where_it_is_asked_for(t):
    where = {"LocationConstraint": t.s3.meta.region_name}
    bucket = t.bucket(CreateBucketConfiguration=where, BucketNamespace="global")
    location = t.other.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    assert location in (where["LocationConstraint"], None)
    with refused("IllegalLocationConstraintException", 400):
        t.bucket(CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})


def test_acceleration_and_payment_are_as_they_can_be(t):
    bucket = t.bucket()
    assert "Status" not in t.s3.get_bucket_accelerate_configuration(Bucket=bucket)
    put = t.s3.put_bucket_accelerate_configuration
    put(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    got = t.other.get_bucket_accelerate_configuration(Bucket=bucket)
    assert got["Status"] == "Suspended"
    with refused("NotImplemented", 501):
        put(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    put = t.s3.put_bucket_request_payment
    put(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert t.s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    with refused("NotImplemented", 501):
        put(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})


def test_what_nobody_can_set_is_not_there(t):
    bucket = t.bucket()
    with refused("ReplicationConfigurationNotFoundError", 404):
        t.s3.get_bucket_replication(Bucket=bucket)
    for kind in ("analytics", "inventory", "metrics", "intelligent_tiering"):
        list_all = getattr(t.s3, f"list_bucket_{kind}_configurations")
        # An empty token is that of the first page, and nobody was given another.
        listed = list_all(Bucket=bucket, ContinuationToken="")
        with refused("InvalidArgument", 400):
            list_all(Bucket=bucket, ContinuationToken="x")
        assert listed["IsTruncated"] is False
        assert not any(name.endswith("List") for name in listed)
        with refused("NoSuchConfiguration", 404):
            getattr(t.s3, f"get_bucket_{kind}_configuration")(Bucket=bucket, Id="x")
        with refused("NoSuchBucket", 404):
            list_all(Bucket=bucket + "-none")


def test_redirects_are_stored_but_not_copied(t):
    bucket = t.bucket()
    where = {"Bucket": bucket, "Key": "k"}
    t.s3.put_object(**where, Body=b"x", WebsiteRedirectLocation="/other")
    for answer in (t.s3.head_object(**where), t.other.get_object(**where)):
        assert answer["WebsiteRedirectLocation"] == "/other"
    source = {"CopySource": where, "Bucket": bucket}
    t.s3.copy_object(**source, Key="c")
    assert "WebsiteRedirectLocation" not in t.s3.head_object(Bucket=bucket, Key="c")
    t.s3.copy_object(**source, Key="c", WebsiteRedirectLocation="https://example.org/")
    head = t.s3.head_object(Bucket=bucket, Key="c")
    assert head["WebsiteRedirectLocation"] == "https://example.org/"
    # The location alone is something to change by a copy onto itself.
    t.s3.copy_object(**source, Key="k", WebsiteRedirectLocation="/elsewhere")
    assert t.s3.head_object(**where)["WebsiteRedirectLocation"] == "/elsewhere"
    with refused("InvalidRedirectLocation", 400):
        t.s3.put_object(**where, Body=b"x", WebsiteRedirectLocation="other")

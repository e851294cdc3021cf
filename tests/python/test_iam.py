"""Users, groups, roles, policies, keys and providers, and what follows from them at both gateways."""

import os

from people import (
    PATH,
    allow,
    clear_user,
    code_of,
    connect,
    document,
    name,
    other_root,
    person,
    role,
    root,
    someone,
    soon,
    trust,
)
from support import refused


def test_a_user_comes_and_goes(t):
    iam = root(t)
    user = name("User")
    made = iam.create_user(UserName=user, Path=PATH, Tags=[{"Key": "a", "Value": "1"}])["User"]
    assert made["Arn"].endswith(f":user{PATH}{user}")
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 20
    with refused("EntityAlreadyExists", 409):
        iam.create_user(UserName=user.lower())
    assert iam.get_user(UserName=user.upper())["User"]["UserId"] == made["UserId"]
    iam.tag_user(UserName=user, Tags=[{"Key": "A", "Value": "2"}, {"Key": "b", "Value": ""}])
    iam.untag_user(UserName=user, TagKeys=["B"])
    assert iam.list_user_tags(UserName=user)["Tags"] == [{"Key": "A", "Value": "2"}]
    renamed = name("user")
    iam.update_user(UserName=user, NewUserName=renamed, NewPath=f"{PATH}x/")
    with refused("NoSuchEntity", 404):
        iam.get_user(UserName=user)
    found = iam.get_user(UserName=renamed)["User"]
    assert (found["UserId"], found["Path"]) == (made["UserId"], f"{PATH}x/")
    iam.create_access_key(UserName=renamed)
    with refused("DeleteConflict", 409):
        iam.delete_user(UserName=renamed)
    clear_user(iam, renamed)
    with refused("NoSuchEntity", 404):
        iam.delete_user(UserName=renamed)


def test_lists_are_paged_in_order(t):
    iam = root(t)
    path = f"/{name('list')}/"
    users = [f"{kind}{path.strip('/')}" for kind in ("aa", "Ab", "ac", "Ad")]
    for user in reversed(users):
        iam.create_user(UserName=user, Path=path)
    pages = iam.get_paginator("list_users").paginate(PathPrefix=path, PaginationConfig={"PageSize": 1})
    assert [user["UserName"] for page in pages for user in page["Users"]] == users
    for user in users:
        iam.delete_user(UserName=user)
    assert iam.list_users(PathPrefix=path)["Users"] == []


def test_a_user_may_what_policies_allow(t):
    iam, bucket = root(t), t.bucket_name()
    person("s3", t.url, "RIQUET_IAM").create_bucket(Bucket=bucket)
    with someone(iam) as user:
        here, there = user.at(t.url), user.at(t.other_url)
        soon(lambda: there.list_objects(Bucket=bucket), "AccessDenied")
        user.may(allow("s3:ListBucket", "s3:PutObject", "s3:GetObject"))
        soon(lambda: there.put_object(Bucket=bucket, Key="k", Body=b"x"), None)
        soon(lambda: here.get_object(Bucket=bucket, Key="k"), None)
        # What it makes is the tenant's.
        owner = root(t, "s3").get_object_acl(Bucket=bucket, Key="k")["Owner"]["ID"]
        assert owner == root(t, "sts").get_caller_identity()["Account"]
        soon(lambda: there.delete_object(Bucket=bucket, Key="k"), "AccessDenied")
        user.may(allow("s3:*"), {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"})
        soon(lambda: there.get_object(Bucket=bucket, Key="k"), "AccessDenied")
        soon(lambda: there.delete_object(Bucket=bucket, Key="k"), None)


def test_keys_stop_within_a_second_and_rotate(t):
    iam = root(t)
    with someone(iam) as user:
        user.may(allow("s3:ListAllMyBuckets"))
        first = {"UserName": user.name, "AccessKeyId": user.key["AccessKeyId"]}
        there = user.at(t.other_url)
        soon(there.list_buckets, None)
        second = iam.create_access_key(UserName=user.name)["AccessKey"]
        with refused("LimitExceeded", 409):
            iam.create_access_key(UserName=user.name)
        rotated = connect("s3", t.other_url, second["AccessKeyId"], second["SecretAccessKey"])
        soon(rotated.list_buckets, None)
        iam.update_access_key(Status="Inactive", **first)
        soon(there.list_buckets, "InvalidAccessKeyId")
        iam.update_access_key(Status="Active", **first)
        soon(there.list_buckets, None)
        iam.delete_access_key(**first)
        soon(there.list_buckets, "InvalidAccessKeyId")
        assert code_of(rotated.list_buckets) is None
        assert iam.get_access_key_last_used(AccessKeyId=second["AccessKeyId"])["UserName"] == user.name
        # Nobody else's.
        with someone(iam) as other, refused("NoSuchEntity", 404):
            iam.delete_access_key(UserName=other.name, AccessKeyId=second["AccessKeyId"])


def test_groups_share_policies(t):
    iam = root(t)
    group = name("group")
    made = iam.create_group(GroupName=group, Path=PATH)["Group"]
    assert made["Arn"].endswith(f":group{PATH}{group}")
    with someone(iam) as user:
        there = user.at(t.other_url)
        soon(there.list_buckets, "AccessDenied")
        iam.put_group_policy(
            GroupName=group, PolicyName="p", PolicyDocument=document(allow("s3:ListAllMyBuckets"))
        )
        iam.add_user_to_group(GroupName=group, UserName=user.name)
        soon(there.list_buckets, None)
        assert [it["UserName"] for it in iam.get_group(GroupName=group)["Users"]] == [user.name]
        groups = iam.list_groups_for_user(UserName=user.name)["Groups"]
        assert [it["GroupId"] for it in groups] == [made["GroupId"]]
        iam.delete_group_policy(GroupName=group, PolicyName="p")
        with refused("DeleteConflict", 409):
            iam.delete_group(GroupName=group)
        soon(there.list_buckets, "AccessDenied")
        managed = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
        iam.attach_group_policy(GroupName=group, PolicyArn=managed)
        soon(there.list_buckets, None)
        iam.detach_group_policy(GroupName=group, PolicyArn=managed)
        iam.remove_user_from_group(GroupName=group, UserName=user.name)
    iam.delete_group(GroupName=group)


def test_managed_policies_have_versions(t):
    iam = root(t)
    created = iam.create_policy(
        PolicyName=name("policy"), Path=PATH, PolicyDocument=document(allow("s3:GetObject"))
    )["Policy"]
    arn = created["Arn"]
    with someone(iam) as user:
        there = user.at(t.other_url)
        iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
        assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
        soon(there.list_buckets, "AccessDenied")
        text = document(allow("s3:ListAllMyBuckets"))
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        assert version["PolicyVersion"]["VersionId"] == "v2"
        soon(there.list_buckets, None)
        iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
        soon(there.list_buckets, "AccessDenied")
        for _ in range(3):
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text)
        with refused("LimitExceeded", 409):
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text)
        with refused("DeleteConflict", 409):
            iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
        for number in range(2, 6):
            iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
        with refused("DeleteConflict", 409):
            iam.delete_policy(PolicyArn=arn)
        iam.detach_user_policy(UserName=user.name, PolicyArn=arn)
        with refused("NoSuchEntity", 404):
            iam.detach_user_policy(UserName=user.name, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    with refused("NoSuchEntity", 404):
        iam.get_policy(PolicyArn=arn)
    names = {it["PolicyName"] for it in iam.list_policies(Scope="AWS")["Policies"]}
    assert {"AdministratorAccess", "AmazonS3FullAccess", "IAMFullAccess"} <= names


def test_what_is_stored_is_a_policy_of_bounded_size(t):
    iam = root(t)
    with someone(iam) as user:
        which = {"UserName": user.name, "PolicyName": "p"}
        for text in ("{}", "no", document({"Effect": "Allow", "Action": "s3:*"})):
            with refused("MalformedPolicyDocument", 400):
                iam.put_user_policy(PolicyDocument=text, **which)
        long = [f"arn:aws:s3:::{'x' * 50}{n}" for n in range(40)]
        with refused("LimitExceeded", 409):
            iam.put_user_policy(PolicyDocument=document(allow("s3:*", resource=long)), **which)
        assert iam.list_user_policies(UserName=user.name)["PolicyNames"] == []
    with refused("MalformedPolicyDocument", 400):
        iam.create_role(RoleName=name("role"), AssumeRolePolicyDocument=document(allow("s3:*")))


def test_who_may_call_iam(t):
    iam = root(t)
    with someone(iam) as user:
        its = user.at(t.other_url, "iam")
        soon(lambda: its.list_users(), "AccessDenied")
        user.may(allow("iam:GetUser", resource=f"arn:aws:iam::*:user{PATH}*"))
        soon(lambda: its.get_user(), None)
        assert its.get_user()["User"]["UserName"] == user.name
        assert code_of(lambda: its.get_user(UserName="main")) == "AccessDenied"
        # It isn't told which users there are.
        assert code_of(lambda: its.get_user(UserName=name("absent"))) == "AccessDenied"
        iam.attach_user_policy(
            UserName=user.name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess"
        )
        soon(lambda: its.list_roles(), None)
        assert code_of(lambda: its.create_user(UserName=name("user"))) == "AccessDenied"
    # Another tenant has users of its own.
    other = other_root(t)
    assert code_of(lambda: other.get_user(UserName="main")) == "NoSuchEntity"
    assert other.get_user()["User"]["Arn"].endswith(":root")
    stranger = connect("iam", t.url, "AKIAAAAAAAAAAAAAAAAA", "x" * 40)
    assert code_of(stranger.list_users) == "InvalidClientTokenId"
    wrong = connect("iam", t.url, os.environ["RIQUET_IAM_ACCESS_KEY_ID"], "x")
    assert code_of(wrong.list_users) == "SignatureDoesNotMatch"


def test_roles_and_providers_are_kept(t):
    iam = root(t)
    trusted = trust({"AWS": "*"})
    with role(iam, trusted, Description="d", MaxSessionDuration=7200) as made:
        found = iam.get_role(RoleName=made["RoleName"])["Role"]
        assert (found["Description"], found["MaxSessionDuration"]) == ("d", 7200)
        iam.update_role(RoleName=made["RoleName"], Description="e", MaxSessionDuration=3600)
        iam.update_assume_role_policy(
            RoleName=made["RoleName"], PolicyDocument=trust({"AWS": "123456789012"})
        )
        iam.tag_role(RoleName=made["RoleName"], Tags=[{"Key": "k", "Value": "v"}])
        found = iam.get_role(RoleName=made["RoleName"])["Role"]
        assert (found["Description"], found["MaxSessionDuration"]) == ("e", 3600)
        assert found["Tags"] == [{"Key": "k", "Value": "v"}]
        principal = found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        assert principal == {"AWS": "123456789012"}
    url = f"https://{name('idp')}.example.com/realm"
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["a"])["OpenIDConnectProviderArn"]
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"]) == (url, ["b"])
    with refused("EntityAlreadyExists", 409):
        iam.create_open_id_connect_provider(Url=url)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    with refused("NoSuchEntity", 404):
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["Users"] >= 2 and summary["AccessKeysPerUserQuota"] == 2


def test_what_is_not_served_is_said(t):
    iam = root(t)
    with refused("InvalidAction", 400):
        iam.list_virtual_mfa_devices()
    with refused("NotImplemented", 501):
        boundary = "arn:aws:iam::aws:policy/IAMFullAccess"
        iam.create_user(UserName=name("user"), PermissionsBoundary=boundary)

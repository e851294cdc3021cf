"""Callers of IAM and STS: the people of a development cluster, and those that tests make."""

import contextlib
import json
import os
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# What one gateway knows of a key or policy another believes for a second at most.
BELIEVED_S = 1.0
PATH = "/test/"


def connect(service, url, key, secret, token=None, **settings):
    """A client of a gateway with these credentials."""
    if service == "s3":
        settings = {"s3": {"addressing_style": "path"}} | settings
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=os.environ["AWS_REGION"],
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, **settings),
    )


def person(service, url, prefix):
    """A client for one whose keys are in the cluster's environment."""
    key = os.environ[f"{prefix}_ACCESS_KEY_ID"]
    return connect(service, url, key, os.environ[f"{prefix}_SECRET_ACCESS_KEY"])


def root(t, service="iam"):
    """The default tenant itself."""
    return person(service, t.url, "RIQUET_IAM")


def other_root(t, service="iam"):
    """The second tenant itself, at the other gateway."""
    return person(service, t.other_url, "RIQUET_IAM_ALT")


def name(what):
    return f"{what}-{uuid.uuid4().hex[:12]}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def trust(principal, *actions, **more):
    return document(
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": list(actions) or ["sts:AssumeRole"],
            **more,
        }
    )


class Someone:
    """A user that a test made, with a key."""

    def __init__(self, iam, user, key):
        self.iam = iam
        self.name = user["UserName"]
        self.arn = user["Arn"]
        self.id = user["UserId"]
        self.key = key

    def at(self, url, service="s3"):
        return connect(service, url, self.key["AccessKeyId"], self.key["SecretAccessKey"])

    def may(self, *statements):
        self.iam.put_user_policy(
            UserName=self.name, PolicyName="p", PolicyDocument=document(*statements)
        )


@contextlib.contextmanager
def someone(iam):
    """A new user, gone afterwards."""
    user = iam.create_user(UserName=name("user"), Path=PATH)["User"]
    key = iam.create_access_key(UserName=user["UserName"])["AccessKey"]
    try:
        yield Someone(iam, user, key)
    finally:
        clear_user(iam, user["UserName"])


def clear_user(iam, user):
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
        iam.delete_user_policy(UserName=user, PolicyName=policy)
    for policy in iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=user, PolicyArn=policy["PolicyArn"])
    for group in iam.list_groups_for_user(UserName=user)["Groups"]:
        iam.remove_user_from_group(UserName=user, GroupName=group["GroupName"])
    iam.delete_user(UserName=user)


@contextlib.contextmanager
def role(iam, trusted, *statements, **more):
    """A new role, gone afterwards."""
    made = iam.create_role(
        RoleName=name("role"), Path=PATH, AssumeRolePolicyDocument=trusted, **more
    )["Role"]
    if statements:
        iam.put_role_policy(
            RoleName=made["RoleName"], PolicyName="p", PolicyDocument=document(*statements)
        )
    try:
        yield made
    finally:
        for policy in iam.list_role_policies(RoleName=made["RoleName"])["PolicyNames"]:
            iam.delete_role_policy(RoleName=made["RoleName"], PolicyName=policy)
        iam.delete_role(RoleName=made["RoleName"])


def session(credentials, url, service="s3"):
    """A client with temporary credentials."""
    return connect(
        service,
        url,
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
    )


def code_of(call):
    """The code of a call's error; `None` when it goes well."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def soon(call, code):
    """Awaits that a call ends so, which takes no longer than anything is believed."""
    # A second for what is believed, and one for a busy machine.
    end = time.monotonic() + BELIEVED_S + 1
    while True:
        asked = time.monotonic()
        found = code_of(call)
        if found == code:
            return
        assert asked < end, f"{found} instead of {code}"
        time.sleep(0.05)

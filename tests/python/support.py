"""What test functions get: clients of both gateways, fresh buckets, and ways to expect errors."""

import contextlib
import hashlib
import os
import random
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name

from raw import Raw

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def needs(_what):
    """Marks what a test needs beyond boto3; the harness reads it from the text."""
    return lambda function: function


def client(url, verify=None, **options):
    """A boto3 client of a gateway, with the credentials of the environment.

    `verify` names the certificates to trust instead of the system's.
    """
    settings = {
        "s3": {"addressing_style": "path"},
        "retries": {"total_max_attempts": 2},
        "connect_timeout": 5,
        "read_timeout": 60,
        "max_pool_connections": 32,
    }
    settings.update(options)
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=os.environ["AWS_REGION"],
        verify=verify,
        config=Config(**settings),
    )


def client_of(url, prefix):
    """A boto3 client of somebody else of the cluster, by what their variables begin with. Buckets of
    other tenants can be named."""
    s3 = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=os.environ["AWS_REGION"],
        aws_access_key_id=os.environ[f"{prefix}_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ[f"{prefix}_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
    )
    s3.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    s3.user_id = os.environ[f"{prefix}_USER_ID"]
    s3.email = os.environ[f"{prefix}_EMAIL"]
    s3.tenant = os.environ["RIQUET_TENANT_NAME"]
    return s3


def data(size_bytes, seed=1):
    """Reproducible random bytes."""
    return random.Random(seed).randbytes(size_bytes)


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def md5(body):
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


class Refusal:
    """What came back instead of success."""

    response = None
    code = None
    status = None


@contextlib.contextmanager
def refused(code, status=None):
    """Expects the S3 error `code`; one of several when a tuple is given."""
    codes = (code,) if isinstance(code, str) else code
    refusal = Refusal()
    try:
        yield refusal
    except ClientError as error:
        refusal.response = error.response
        refusal.code = error.response["Error"]["Code"]
        refusal.status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert refusal.code in codes, f"{refusal.code} instead of {code}: {error}"
        if status is not None:
            assert refusal.status == status, f"{refusal.status} instead of {status}: {error}"
    else:
        raise AssertionError(f"succeeded instead of {code}")


class Tester:
    """The cluster, as a test sees it."""

    def __init__(self):
        self.url = os.environ["AWS_ENDPOINT_URL"]
        self.other_url = os.environ["RIQUET_OTHER_URL"]
        self.s3 = client(self.url)
        self.other = client(self.other_url)
        self.raw = Raw(self.url)

    def until(self, condition, limit_s=30):
        """Waits until something holds."""
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, f"not within {limit_s} s"
            time.sleep(0.05)

    def bucket_name(self):
        """A name that no bucket has."""
        return f"test-{uuid.uuid4().hex[:20]}"

    def bucket(self, **arguments):
        """The name of a new bucket."""
        name = self.bucket_name()
        self.s3.create_bucket(Bucket=name, **arguments)
        return name

    def put(self, bucket, key, body=b"", **arguments):
        return self.s3.put_object(Bucket=bucket, Key=key, Body=body, **arguments)

    def get(self, bucket, key, **arguments):
        """The bytes of an object."""
        return self.s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()

    def keys(self, bucket, **arguments):
        """All keys of a bucket by ListObjectsV2, page by page."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **arguments)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def exists(self, bucket, key):
        try:
            self.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "404", error
            return False
        return True

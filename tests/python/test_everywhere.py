"""Parameters that mean the same in every operation that has them (`[everywhere]` of
`docs/s3-compatibility.toml`)."""

import base64
import datetime
import hashlib
import json

from botocore import xform_name

from compatibility import members, served_alike
from support import client, refused


def md5_header(body):
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def documents(t, bucket):
    """A document for each operation that takes one with a digest."""
    acl = t.s3.get_bucket_acl(Bucket=bucket)
    acl = {"AccessControlPolicy": {name: acl[name] for name in ("Owner", "Grants")}}
    rule = {"ID": "r", "Filter": {}, "Status": "Enabled", "Expiration": {"Days": 9}}
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/open/*",
    }
    policy = {"Version": "2012-10-17", "Statement": statement}
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    key = {"Key": "k"}
    return {
        "PutBucketAccelerateConfiguration": {"AccelerateConfiguration": {"Status": "Suspended"}},
        "PutBucketAcl": acl,
        "PutBucketCors": {
            "CORSConfiguration": {
                "CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
            }
        },
        "PutBucketEncryption": {"ServerSideEncryptionConfiguration": {"Rules": [encryption]}},
        "PutBucketLifecycleConfiguration": {"LifecycleConfiguration": {"Rules": [rule]}},
        "PutBucketLogging": {"BucketLoggingStatus": {}},
        "PutBucketOwnershipControls": {
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        },
        "PutBucketPolicy": {"Policy": json.dumps(policy)},
        "PutBucketRequestPayment": {"RequestPaymentConfiguration": {"Payer": "BucketOwner"}},
        "PutBucketTagging": {"Tagging": tags},
        "PutBucketVersioning": {"VersioningConfiguration": {"Status": "Enabled"}},
        "PutBucketWebsite": {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}}},
        "PutObjectAcl": key | acl,
        "PutObjectLegalHold": key | {"LegalHold": {"Status": "OFF"}},
        "PutObjectLockConfiguration": {
            "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}
        },
        "PutObjectRetention": key
        | {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": tomorrow}},
        "PutObjectTagging": key | {"Tagging": tags},
        "PutPublicAccessBlock": {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}},
    }


def test_documents_come_with_their_digests(t):
    bucket = t.bucket(ObjectLockEnabledForBucket=True)
    t.put(bucket, "k", b"x")
    s3 = client(t.url)
    bodies = []
    s3.meta.events.register("before-send.s3", lambda request, **_: bodies.append(request.body))
    calls = documents(t, bucket)
    assert set(calls) == served_alike(s3, "ContentMD5") | served_alike(s3, "ChecksumAlgorithm")
    for operation, arguments in calls.items():
        call = getattr(s3, xform_name(operation))
        arguments = {"Bucket": bucket, **arguments}
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            call(**arguments, ChecksumAlgorithm=algorithm)
        if "ContentMD5" not in members(s3, operation):
            continue
        call(**arguments, ContentMD5=md5_header(bodies[-1]))
        with refused("BadDigest", 400):
            call(**arguments, ContentMD5=md5_header(b"another"))


def test_nobody_is_charged(t):
    bucket = t.bucket(ObjectLockEnabledForBucket=True)
    called = set()

    def call(operation, key="k", **arguments):
        called.add(operation)
        where = {"Bucket": bucket, **({"Key": key} if "Key" in members(t.s3, operation) else {})}
        answer = getattr(t.s3, xform_name(operation))(
            **where, **arguments, RequestPayer="requester"
        )
        assert "RequestCharged" not in answer, operation
        return answer

    source = {"CopySource": {"Bucket": bucket, "Key": "k"}}
    call("PutObject", Body=b"x")
    call("CopyObject", key="copy", **source)
    for operation in ("GetObject", "HeadObject", "GetObjectAcl", "GetObjectTagging"):
        call(operation)
    call("GetObjectAttributes", ObjectAttributes=["ETag"])
    call("PutObjectAcl", ACL="private")
    call("PutObjectTagging", Tagging={"TagSet": []})
    call("PutObjectLegalHold", LegalHold={"Status": "OFF"})
    call("GetObjectLegalHold")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    call("PutObjectRetention", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    call("GetObjectRetention")
    call("PutObjectLockConfiguration", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    call("GetBucketAccelerateConfiguration")

    upload = {"UploadId": call("CreateMultipartUpload", key="m")["UploadId"]}
    etag = call("UploadPart", key="m", **upload, PartNumber=1, Body=b"x")["ETag"]
    call("UploadPartCopy", key="m", **upload, PartNumber=2, **source)
    call("ListParts", key="m", **upload)
    call("ListMultipartUploads")
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    call("CompleteMultipartUpload", key="m", **upload, MultipartUpload=parts)
    upload = {"UploadId": call("CreateMultipartUpload", key="n")["UploadId"]}
    call("AbortMultipartUpload", key="n", **upload)

    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        call(operation)
    call("DeleteObject", key="copy")
    call("DeleteObjects", Delete={"Objects": [{"Key": "m"}]})
    assert called == served_alike(t.s3, "RequestPayer")
    assert t.keys(bucket) == ["k"]

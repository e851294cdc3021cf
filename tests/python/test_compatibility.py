"""What `docs/s3-compatibility.toml` calls not implemented, asked of a cluster.

Requests are the smallest that the model allows, on a bucket that has something to lose.
"""

import datetime

from botocore import xform_name
from botocore.exceptions import ClientError

import compatibility

# What a bucket, its object and its upload can show of a change.
OF_BUCKETS = (
    "list_object_versions",
    "list_multipart_uploads",
    "get_bucket_acl",
    "get_bucket_encryption",
    "get_bucket_lifecycle_configuration",
    "get_bucket_notification_configuration",
    "get_bucket_replication",
    "get_bucket_tagging",
    "get_bucket_versioning",
    "get_object_lock_configuration",
)
OF_OBJECTS = ("head_object", "get_object_acl", "get_object_tagging", "get_object_legal_hold")


class Place:
    """A bucket with an object and an open upload, and the requests that could change them."""

    def __init__(self, t):
        self.s3 = t.s3
        bucket = t.bucket(ObjectLockEnabledForBucket=True)
        version = t.put(bucket, "k", b"body", Tagging="a=1")["VersionId"]
        upload = t.s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
        self.upload = {"Bucket": bucket, "Key": "m", "UploadId": upload}
        t.s3.upload_part(**self.upload, PartNumber=1, Body=b"part")
        self.object = {"Bucket": bucket, "Key": "k"}
        self.known = {
            **self.object,
            "CopySource": f"{bucket}/k",
            "RenameSource": f"/{bucket}/k",
            "VersionId": version,
            "PartNumber": 1,
        }

    def state(self):
        """Everything that can be seen."""
        bucket = {"Bucket": self.object["Bucket"]}
        seen = [self.answer(name, bucket) for name in OF_BUCKETS]
        seen += [self.answer(name, self.object) for name in OF_OBJECTS]
        return [*seen, self.answer("list_parts", self.upload)]

    def answer(self, method, arguments):
        """What a call answers, or the code of its error."""
        try:
            answer = getattr(self.s3, method)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]
        answer.pop("ResponseMetadata")
        return answer

    def call(self, operation, parameter=None):
        """The answer to the smallest request, with one parameter more."""
        shape = self.s3.meta.service_model.operation_model(operation).input_shape
        arguments = self.sample(shape, also=parameter)
        if "UploadId" in arguments:
            arguments |= self.upload
        return self.answer(xform_name(operation), arguments)

    def sample(self, shape, name=None, also=None):
        """A value that the model allows."""
        if shape.type_name == "structure":
            wanted = [*shape.required_members, *([also] if also else [])]
            if getattr(shape, "is_tagged_union", False):
                wanted = list(shape.members)[:1]
            return {member: self.sample(shape.members[member], member) for member in wanted}
        if name in self.known:
            return self.known[name]
        if getattr(shape, "enum", None):
            return shape.enum[0]
        if shape.type_name == "list":
            return [self.sample(shape.member)]
        return {
            "map": {},
            "blob": b"x",
            "boolean": True,
            "integer": 1,
            "long": 1,
            "timestamp": datetime.datetime.now(datetime.timezone.utc),
        }.get(shape.type_name, "x" * shape.metadata.get("min", 1))


def assert_not_implemented(t, calls):
    """None of the calls (operation, parameter) is implemented, and none changes anything."""
    place = Place(t)
    before = place.state()
    answers = {call: place.call(*call) for call in calls}
    wrong = {call: got for call, got in answers.items() if got not in ("NotImplemented", "501")}
    assert not wrong, wrong
    assert answers, "the file names nothing"
    assert place.state() == before
    assert t.get(**{name.lower(): value for name, value in place.object.items()}) == b"body"


def test_what_is_not_implemented_changes_nothing(t):
    entries = compatibility.operations().items()
    names = [name for name, entry in entries if entry["status"] == "not-implemented"]
    assert_not_implemented(t, [(name, None) for name in names])


def test_what_is_refused_changes_nothing(t):
    entries = compatibility.operations().items()
    calls = [(name, parameter) for name, entry in entries for parameter in entry.get("refused", [])]
    assert_not_implemented(t, calls)

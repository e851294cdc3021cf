"""Webhooks are told of what happens to objects."""

import fcntl
import http.server
import json
import os
import pathlib
import queue
import tempfile
import threading
import urllib.parse

from support import MIB, refused

PORT = int(os.environ["RIQUET_WEBHOOK_PORT"])
ARN = "arn:riquet:sqs::dev:webhook"
WAIT_S = 30


class Turn:
    """Only one test at a time has the port, whatever process it runs in."""

    def __enter__(self):
        path = pathlib.Path(tempfile.gettempdir()) / f"riquet-webhook-{PORT}.lock"
        self.file = path.open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


class Webhook:
    """Listens where the cluster's webhook is said to be, at any time for one test."""

    def __init__(self):
        self.bodies = queue.Queue()
        self.answer = 200
        self.refusals = 0

    def __enter__(self):
        outer = self

        # One connection for each event (HTTP/1.0): none is left to a webhook that is gone.
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer.answer
                if status == 200:
                    outer.bodies.put(json.loads(body))
                else:
                    outer.refusals += 1
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.turn = Turn()
        self.turn.__enter__()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.turn.__exit__()

    def test_event(self, bucket):
        """What the target was tried with."""
        while True:
            body = self.bodies.get(timeout=WAIT_S)
            if body.get("Bucket") == bucket:
                return body

    def event(self, bucket):
        """The next event of a bucket."""
        while True:
            body = self.bodies.get(timeout=WAIT_S)
            for record in body.get("Records", []):
                if record["s3"]["bucket"]["name"] == bucket:
                    return record

    def names(self, bucket, count):
        return [self.event(bucket)["eventName"] for _ in range(count)]


def rule(events, arn=ARN, **filters):
    configuration = {"Id": "rule", "QueueArn": arn, "Events": events}
    if filters:
        rules = [{"Name": name, "Value": value} for name, value in filters.items()]
        configuration["Filter"] = {"Key": {"FilterRules": rules}}
    return {"QueueConfigurations": [configuration]}


def configure(t, bucket, configuration, **arguments):
    t.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=configuration, **arguments
    )


def test_configurations_come_and_go(t):
    bucket = t.bucket()
    get = lambda s3: s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "QueueConfigurations" not in get(t.s3)
    asked = rule(["s3:ObjectCreated:*"], prefix="a/")
    configure(t, bucket, asked, SkipDestinationValidation=True)
    for s3 in (t.s3, t.other):
        (got,) = get(s3)["QueueConfigurations"]
        assert (got["Id"], got["QueueArn"]) == ("rule", ARN)
        assert got["Events"] == ["s3:ObjectCreated:*"]
    configure(t, bucket, {})
    assert "QueueConfigurations" not in get(t.other)
    for arn in ("arn:aws:sqs:eu-west-1:1:queue", "arn:riquet:sqs::nobody:webhook"):
        with refused("InvalidArgument", 400):
            configure(t, bucket, rule(["s3:ObjectCreated:*"], arn), SkipDestinationValidation=True)
    with refused("NotImplemented", 501):
        configure(t, bucket, {"EventBridgeConfiguration": {}})
    # Nobody listens, and the target is tried.
    with Turn(), refused("InvalidArgument", 400):
        configure(t, bucket, asked)


def test_changes_of_objects_are_told(t):
    bucket = t.bucket()
    with Webhook() as hook:
        configure(t, bucket, rule(["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]))
        assert hook.test_event(bucket)["Event"] == "s3:TestEvent"
        # The other gateway learns of the configuration within a second.
        t.s3.put_object(Bucket=bucket, Key="a b/é", Body=b"abc")
        event = hook.event(bucket)
        assert event["eventName"] == "ObjectCreated:Put"
        assert event["eventSource"] == "aws:s3"
        told = event["s3"]["object"]
        assert urllib.parse.unquote_plus(told["key"]) == "a b/é"
        assert told["size"] == 3 and "versionId" not in told
        head = t.s3.head_object(Bucket=bucket, Key="a b/é")
        assert told["eTag"] == head["ETag"].strip('"')
        assert event["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
        t.s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "a b/é"})
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        t.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tags)
        t.s3.delete_object_tagging(Bucket=bucket, Key="k")
        upload = t.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        part = t.s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=bytes(MIB)
        )
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
        t.s3.complete_multipart_upload(**where, MultipartUpload=parts)
        t.s3.delete_object(Bucket=bucket, Key="k")
        t.s3.delete_object(Bucket=bucket, Key="not there")
        t.s3.put_object(Bucket=bucket, Key="k", Body=b"")
        assert hook.names(bucket, 6) == [
            "ObjectCreated:Copy",
            "ObjectTagging:Put",
            "ObjectTagging:Delete",
            "ObjectCreated:CompleteMultipartUpload",
            "ObjectRemoved:Delete",
            "ObjectCreated:Put",
        ]


def test_versions_are_named(t):
    bucket = t.bucket()
    with Webhook() as hook:
        configure(t, bucket, rule(["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]))
        t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        version = t.s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
        marker = t.s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
        t.s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
        events = [hook.event(bucket) for _ in range(3)]
        assert [(event["eventName"], event["s3"]["object"]["versionId"]) for event in events] == [
            ("ObjectCreated:Put", version),
            ("ObjectRemoved:DeleteMarkerCreated", marker),
            ("ObjectRemoved:Delete", version),
        ]
        sequencers = [event["s3"]["object"]["sequencer"] for event in events]
        assert sequencers == sorted(set(sequencers))


def test_only_what_is_asked_for_is_told(t):
    bucket = t.bucket()
    with Webhook() as hook:
        configure(t, bucket, rule(["s3:ObjectRemoved:Delete"], prefix="a/", suffix=".jpg"))
        for key in ("a/1.jpg", "a/2.png", "b/3.jpg", "a/4.jpg"):
            t.s3.put_object(Bucket=bucket, Key=key, Body=b"")
        delete = {"Objects": [{"Key": key} for key in ("a/1.jpg", "a/2.png", "b/3.jpg")]}
        t.s3.delete_objects(Bucket=bucket, Delete=delete)
        assert hook.event(bucket)["s3"]["object"]["key"] == "a/1.jpg"
        t.s3.delete_object(Bucket=bucket, Key="a/4.jpg")
        assert hook.event(bucket)["s3"]["object"]["key"] == "a/4.jpg"


def test_what_is_refused_is_told_again(t):
    bucket = t.bucket()
    with Webhook() as hook:
        configure(t, bucket, rule(["s3:ObjectCreated:*"]))
        hook.answer = 503
        for body in (b"1", b"22", b"333"):
            t.s3.put_object(Bucket=bucket, Key="k", Body=body)
        t.until(lambda: hook.refusals > 0)
        hook.answer = 200
        assert [hook.event(bucket)["s3"]["object"]["size"] for _ in range(3)] == [1, 2, 3]

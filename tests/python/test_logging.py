"""Access logs: lines of what was asked of a bucket, delivered into another."""

import datetime
import re

from support import client_of, refused
from test_access import await_that, is_refused

LINE = re.compile(
    r"(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>[^]]+)\] (?P<remote>\S+) (?P<requester>\S+) "
    r"(?P<request>\S+) (?P<operation>\S+) (?P<key>\S+) \"(?P<uri>[^\"]*)\" (?P<status>\d+) "
    r"(?P<error>\S+) (?P<sent>\S+) (?P<size>\S+) (?P<total>\d+) (?P<turn>\d+) "
    r"\"(?P<referer>[^\"]*)\" \"(?P<agent>[^\"]*)\" (?P<version>\S+) (?P<host_id>\S+) "
    r"(?P<signature>\S+) (?P<cipher>\S+) (?P<auth>\S+) (?P<host>\S+) (?P<tls>\S+) "
    r"(?P<access_point>\S+) (?P<acl>\S+)"
)


def enable(t, bucket, logs, prefix="log/", **target):
    enabled = {"TargetBucket": logs, "TargetPrefix": prefix, **target}
    t.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def lines(t, logs):
    found = []
    for key in t.keys(logs):
        for line in t.get(logs, key).decode().splitlines():
            match = LINE.fullmatch(line)
            assert match, line
            found.append(match.groupdict())
    return found


def test_configurations_come_and_go(t):
    bucket, logs = t.bucket(), t.bucket()
    assert "LoggingEnabled" not in t.s3.get_bucket_logging(Bucket=bucket)
    enable(t, bucket, logs)
    for s3 in (t.s3, t.other):
        got = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
        assert (got["TargetBucket"], got["TargetPrefix"]) == (logs, "log/")
        assert got["TargetObjectKeyFormat"] == {"SimplePrefix": {}}
    t.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in t.other.get_bucket_logging(Bucket=bucket)
    with refused("InvalidTargetBucketForLogging", 400):
        enable(t, bucket, t.bucket_name())
    for grantee in (
        {"Type": "CanonicalUser", "ID": "x"},
        {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/Nobody"},
    ):
        with refused("InvalidArgument", 400):
            grants = [{"Grantee": grantee, "Permission": "READ"}]
            enable(t, bucket, logs, TargetGrants=grants)


def test_others_may_read_logs(t):
    bucket, logs = t.bucket(), t.bucket()
    alt = client_of(t.other_url, "RIQUET_ALT")
    grantee = {"Type": "CanonicalUser", "ID": alt.user_id}
    enable(t, bucket, logs, TargetGrants=[{"Grantee": grantee, "Permission": "READ"}])
    t.put(bucket, "k", b"x")
    await_that(lambda: t.keys(logs))
    key = t.keys(logs)[0]
    assert alt.get_object(Bucket=logs, Key=key)["Body"].read()
    assert is_refused(alt.delete_object, Bucket=logs, Key=key)
    assert is_refused(alt.list_objects_v2, Bucket=logs)


def test_what_is_asked_is_logged(t):
    bucket, logs = t.bucket(), t.bucket()
    enable(t, bucket, logs)
    put = t.s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    t.s3.get_object(Bucket=bucket, Key="a b", Range="bytes=1-2")["Body"].read()
    with refused("NoSuchKey", 404):
        t.s3.get_object(Bucket=bucket, Key="none")
    t.s3.list_objects_v2(Bucket=bucket)
    wanted = ["REST.PUT.OBJECT", "REST.GET.OBJECT", "REST.GET.OBJECT", "REST.GET.BUCKET"]

    def logged():
        return [line for line in lines(t, logs) if line["operation"] in wanted]

    t.until(lambda: len(logged()) >= len(wanted))
    by_request = {line["request"]: line for line in logged()}
    line = by_request[put["ResponseMetadata"]["RequestId"]]
    assert (line["bucket"], line["key"], line["operation"]) == (bucket, "a%20b", "REST.PUT.OBJECT")
    assert (line["status"], line["error"], line["size"]) == ("200", "-", "5")
    assert (line["remote"], line["signature"], line["auth"]) == ("127.0.0.1", "SigV4", "AuthHeader")
    assert line["owner"] == line["requester"]
    assert line["uri"] == f"PUT /{bucket}/a%20b HTTP/1.1"
    time = datetime.datetime.strptime(line["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert abs(time - datetime.datetime.now(datetime.timezone.utc)).total_seconds() < 600
    (part,) = [line for line in logged() if line["status"] == "206"]
    assert (part["sent"], part["size"]) == ("2", "5")
    (missing,) = [line for line in logged() if line["status"] == "404"]
    assert missing["error"] == "NoSuchKey"
    for key in t.keys(logs):
        assert re.fullmatch(r"log/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", key), key


def test_keys_may_have_folders(t):
    bucket, logs = t.bucket(), t.bucket()
    partitioned = {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}}
    enable(t, bucket, logs, TargetObjectKeyFormat=partitioned)
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    t.until(lambda: t.keys(logs))
    for key in t.keys(logs):
        date = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}"
        assert re.fullmatch(rf"log/[^/]+/us-east-1/{bucket}/{date}", key), key

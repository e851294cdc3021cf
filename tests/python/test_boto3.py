"""boto3 as scientists use it: file objects of all sizes, and every checksum algorithm."""

import base64
import hashlib
import io
import os
import tempfile

from boto3.s3.transfer import TransferConfig

from support import GIB, KIB, MIB, client, data, md5, needs, refused, sha256


class Hasher:
    """A file object that keeps only the SHA-256 of what is written to it, in order."""

    def __init__(self):
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, piece):
        self.hash.update(piece)
        self.size += len(piece)
        return len(piece)


class Repeated(io.RawIOBase):
    """A stream of `size` bytes that takes no memory: numbered copies of one block."""

    def __init__(self, size):
        self.block, self.size, self.at = data(MIB), size, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        at = self.at % MIB
        count = min(len(buffer), MIB - at, self.size - self.at)
        block = (self.at // MIB).to_bytes(8, "little") + self.block[8:] if at < 8 else self.block
        buffer[:count] = block[at : at + count]
        self.at += count
        return count


def there_and_back(t, size):
    bucket = t.bucket()
    body = data(size)
    t.s3.upload_fileobj(io.BytesIO(body), bucket, "object")
    back = io.BytesIO()
    t.s3.download_fileobj(bucket, "object", back)
    assert sha256(back.getvalue()) == sha256(body)
    back = io.BytesIO()
    t.other.download_fileobj(bucket, "object", back)
    assert sha256(back.getvalue()) == sha256(body)
    head = t.s3.head_object(Bucket=bucket, Key="object")
    assert head["ContentLength"] == size
    t.s3.delete_object(Bucket=bucket, Key="object")


def test_fileobj_of_0_bytes(t):
    there_and_back(t, 0)


def test_fileobj_of_1_byte(t):
    there_and_back(t, 1)


def test_fileobj_of_5_mib(t):
    there_and_back(t, 5 * MIB)


def test_fileobj_of_64_mib(t):
    there_and_back(t, 64 * MIB)


@needs("large")
def test_fileobj_of_1_gib(t):
    bucket = t.bucket()
    expected = hashlib.sha256()
    stream = Repeated(GIB)
    while piece := stream.read(MIB):
        expected.update(piece)
    t.s3.upload_fileobj(Repeated(GIB), bucket, "object")
    back = Hasher()
    # Without threads the parts arrive in order.
    t.s3.download_fileobj(bucket, "object", back, Config=TransferConfig(use_threads=False))
    assert back.size == GIB
    assert back.hash.hexdigest() == expected.hexdigest()
    t.s3.delete_object(Bucket=bucket, Key="object")


def test_sizes_around_every_boundary(t):
    bucket = t.bucket()
    cell = 64 * KIB
    inline = 4 * KIB
    for size in (
        2,
        63,
        64,
        65,
        inline - 1,
        inline,
        inline + 1,
        cell - 1,
        cell,
        cell + 1,
        4 * cell - 1,
        4 * cell,
        4 * cell + 1,
        8 * cell,
        MIB + 12345,
    ):
        body = data(size, seed=size)
        answer = t.put(bucket, "object", body)
        assert answer["ETag"] == f'"{md5(body)}"'
        assert t.get(bucket, "object") == body, size
        assert t.other.get_object(Bucket=bucket, Key="object")["Body"].read() == body, size


def test_upload_file_in_parts_and_download_file(t):
    bucket = t.bucket()
    body = data(20 * MIB + 1)
    with tempfile.TemporaryDirectory() as folder:
        source, back = os.path.join(folder, "source"), os.path.join(folder, "back")
        with open(source, "wb") as file:
            file.write(body)
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        extra = {"ContentType": "image/tiff", "Metadata": {"station": "meteo-7"}}
        t.s3.upload_file(source, bucket, "object", ExtraArgs=extra, Config=config)
        t.s3.download_file(bucket, "object", back, Config=config)
        with open(back, "rb") as file:
            assert sha256(file.read()) == sha256(body)
    head = t.s3.head_object(Bucket=bucket, Key="object")
    digests = [hashlib.md5(body[at : at + 5 * MIB]).digest() for at in range(0, len(body), 5 * MIB)]
    assert head["ETag"] == f'"{md5(b"".join(digests))}-{len(digests)}"'
    assert head["ContentType"] == "image/tiff"
    assert head["Metadata"] == {"station": "meteo-7"}


# Checksums: sent by boto3 in a header, or in a trailer when the body is a stream.


def stored_checksum(t, bucket, algorithm, body):
    """The object reads back and gives its checksum, which boto3 verifies too."""
    answer = t.s3.get_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
    assert answer["Body"].read() == body
    head = t.s3.head_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
    value = head[f"Checksum{algorithm}"]
    assert answer[f"Checksum{algorithm}"] == value
    assert head["ChecksumType"] == "FULL_OBJECT"
    without = t.s3.head_object(Bucket=bucket, Key="object")
    assert f"Checksum{algorithm}" not in without
    return value


def checksum_there_and_back(t, algorithm):
    bucket = t.bucket()
    for size in (0, 100, 300 * KIB):
        body = data(size)
        answer = t.put(bucket, "object", body, ChecksumAlgorithm=algorithm)
        value = stored_checksum(t, bucket, algorithm, body)
        assert answer[f"Checksum{algorithm}"] == value
        # A value computed by somebody else, and a false one.
        t.put(bucket, "object", body, **{f"Checksum{algorithm}": value})
        assert stored_checksum(t, bucket, algorithm, body) == value
        false = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
        if false != value:
            with refused("BadDigest", 400):
                t.put(bucket, "object", body, **{f"Checksum{algorithm}": false})
    return value


def test_checksum_crc32(t):
    checksum_there_and_back(t, "CRC32")


def test_checksum_sha1(t):
    value = checksum_there_and_back(t, "SHA1")
    assert value == base64.b64encode(hashlib.sha1(data(300 * KIB)).digest()).decode()


def test_checksum_sha256(t):
    value = checksum_there_and_back(t, "SHA256")
    assert value == base64.b64encode(hashlib.sha256(data(300 * KIB)).digest()).decode()


@needs("awscrt")
def test_checksum_crc32c(t):
    checksum_there_and_back(t, "CRC32C")


@needs("awscrt")
def test_checksum_crc64nvme(t):
    checksum_there_and_back(t, "CRC64NVME")


def test_default_checksum_is_stored(t):
    bucket = t.bucket()
    t.put(bucket, "object", b"abc")
    head = t.s3.head_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
    found = [name for name in head if name.startswith("Checksum") and name != "ChecksumType"]
    assert found in (["ChecksumCRC32"], ["ChecksumCRC64NVME"]), head


def test_no_checksum_when_none_is_asked_for(t):
    bucket = t.bucket()
    plain = client(t.url, request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="object", Body=b"abc")
    assert t.get(bucket, "object") == b"abc"


def test_multipart_checksums(t):
    bucket = t.bucket()
    parts = [data(5 * MIB, 1), data(1000, 2)]
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        start = t.s3.create_multipart_upload(
            Bucket=bucket, Key="object", ChecksumAlgorithm=algorithm
        )
        assert start["ChecksumAlgorithm"] == algorithm
        assert start["ChecksumType"] == "COMPOSITE"
        done = []
        for number, body in enumerate(parts, 1):
            answer = t.s3.upload_part(
                Bucket=bucket,
                Key="object",
                UploadId=start["UploadId"],
                PartNumber=number,
                Body=body,
                ChecksumAlgorithm=algorithm,
            )
            field = f"Checksum{algorithm}"
            done.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
        listed = t.s3.list_parts(Bucket=bucket, Key="object", UploadId=start["UploadId"])
        assert [part[field] for part in listed["Parts"]] == [part[field] for part in done]
        answer = t.s3.complete_multipart_upload(
            Bucket=bucket,
            Key="object",
            UploadId=start["UploadId"],
            MultipartUpload={"Parts": done},
        )
        assert answer[field].endswith("-2"), answer
        raw = b"".join(base64.b64decode(part[field]) for part in done)
        if algorithm != "CRC32":
            digest = hashlib.new(algorithm.lower(), raw).digest()
            assert answer[field] == base64.b64encode(digest).decode() + "-2"
        head = t.s3.head_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
        assert head[field] == answer[field]
        assert head["ChecksumType"] == "COMPOSITE"
        assert t.get(bucket, "object") == b"".join(parts)


@needs("awscrt")
def test_multipart_full_object_checksum(t):
    bucket = t.bucket()
    body = data(12 * MIB)
    for algorithm in ("CRC64NVME", "CRC32", "CRC32C"):
        start = t.s3.create_multipart_upload(
            Bucket=bucket,
            Key="object",
            ChecksumAlgorithm=algorithm,
            ChecksumType="FULL_OBJECT",
        )
        field = f"Checksum{algorithm}"
        done = []
        for number, at in enumerate(range(0, len(body), 5 * MIB), 1):
            answer = t.s3.upload_part(
                Bucket=bucket,
                Key="object",
                UploadId=start["UploadId"],
                PartNumber=number,
                Body=body[at : at + 5 * MIB],
                ChecksumAlgorithm=algorithm,
            )
            done.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
        answer = t.s3.complete_multipart_upload(
            Bucket=bucket,
            Key="object",
            UploadId=start["UploadId"],
            MultipartUpload={"Parts": done},
            ChecksumType="FULL_OBJECT",
        )
        # The checksum of the whole, as if it had come in one piece.
        t.put(bucket, "whole", body, ChecksumAlgorithm=algorithm)
        whole = t.s3.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
        assert answer[field] == whole[field]
        head = t.s3.head_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
        assert (head[field], head["ChecksumType"]) == (whole[field], "FULL_OBJECT")


def test_presigned_urls_of_an_unconfigured_client(t):
    """For us-east-1 boto3 presigns in version 2 unless told otherwise."""
    import http.client
    import urllib.error
    import urllib.parse
    import urllib.request

    bucket = t.bucket()
    body = data(100 * KIB)
    plain = client(t.url, request_checksum_calculation="when_required")
    where = {"Bucket": bucket, "Key": "a key + ümlaut"}
    put = urllib.parse.urlsplit(plain.generate_presigned_url("put_object", Params=where))
    assert "AWSAccessKeyId" in put.query
    connection = http.client.HTTPConnection(put.netloc, timeout=30)
    connection.request("PUT", f"{put.path}?{put.query}", body=body)
    assert connection.getresponse().status == 200
    asked = {**where, "ResponseContentType": "text/x-test"}
    get = plain.generate_presigned_url("get_object", Params=asked, ExpiresIn=300)
    answer = urllib.request.urlopen(get, timeout=30)
    assert answer.headers["content-type"] == "text/x-test"
    assert answer.read() == body
    for changed in (get.replace("x-test", "x-other"), get + "&acl", get + "&uploadId=x"):
        try:
            urllib.request.urlopen(changed, timeout=30)
            raise AssertionError(f"served {changed}")
        except urllib.error.HTTPError as refusal:
            assert refusal.code == 403


def test_presigned_urls(t):
    import urllib.request

    bucket = t.bucket()
    body = data(100 * KIB)
    plain = client(t.url, request_checksum_calculation="when_required", signature_version="s3v4")
    where = {"Bucket": bucket, "Key": "a key + ümlaut"}
    put = plain.generate_presigned_url("put_object", Params=where, ExpiresIn=300)
    request = urllib.request.Request(put, data=body, method="PUT")
    assert urllib.request.urlopen(request, timeout=30).status == 200
    get = plain.generate_presigned_url("get_object", Params=where, ExpiresIn=300)
    assert urllib.request.urlopen(get, timeout=30).read() == body
    asked = {**where, "ResponseContentType": "text/x-test", "ResponseContentDisposition": "inline"}
    get = plain.generate_presigned_url("get_object", Params=asked, ExpiresIn=300)
    answer = urllib.request.urlopen(get, timeout=30)
    assert answer.headers["content-type"] == "text/x-test"
    assert answer.headers["content-disposition"] == "inline"

"""What GetObjectAttributes tells."""

from support import MIB, data, refused

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def test_of_an_object_in_one_piece(t):
    bucket = t.bucket()
    put = t.s3.put_object(Bucket=bucket, Key="k", Body=b"foo", ChecksumAlgorithm="SHA256")
    got = t.other.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert got["ETag"] == put["ETag"].strip('"')
    assert got["ObjectSize"] == 3
    assert got["StorageClass"] == "STANDARD"
    assert got["Checksum"]["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert "ObjectParts" not in got and "VersionId" not in got
    head = t.s3.head_object(Bucket=bucket, Key="k")
    assert got["LastModified"] == head["LastModified"]
    only = t.s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    assert "ETag" not in only and only["ObjectSize"] == 3
    with refused("InvalidArgument", 400):
        t.s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Colour"])
    with refused("NoSuchKey", 404):
        t.s3.get_object_attributes(Bucket=bucket, Key="none", ObjectAttributes=ALL)


def test_of_an_object_in_parts(t):
    bucket = t.bucket()
    where = {"Bucket": bucket, "Key": "k"}
    upload = t.s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32C")
    sizes, parts = [5 * MIB, 5 * MIB, 7], []
    for number, size in zip((1, 4, 9), sizes):
        part = t.s3.upload_part(
            **where,
            UploadId=upload["UploadId"],
            PartNumber=number,
            Body=data(size, number),
            ChecksumAlgorithm="CRC32C",
        )
        tags = {name: part[name] for name in ("ETag", "ChecksumCRC32C")}
        parts.append({"PartNumber": number, **tags})
    done = t.s3.complete_multipart_upload(
        **where, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    got = t.other.get_object_attributes(**where, ObjectAttributes=ALL)
    assert got["ETag"] == done["ETag"].strip('"')
    assert got["ObjectSize"] == sum(sizes)
    # The number of parts is told by ETag and ObjectParts, so that the checksum goes without it.
    assert got["Checksum"]["ChecksumCRC32C"].split("-")[0] == done["ChecksumCRC32C"].split("-")[0]
    found = got["ObjectParts"]
    assert found["TotalPartsCount"] == 3 and not found["IsTruncated"]
    assert [(part["PartNumber"], part["Size"]) for part in found["Parts"]] == [
        (1, sizes[0]),
        (4, sizes[1]),
        (9, sizes[2]),
    ]
    for part, sent in zip(found["Parts"], parts):
        assert part["ChecksumCRC32C"] == sent["ChecksumCRC32C"]
    page = t.s3.get_object_attributes(
        **where, ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1
    )["ObjectParts"]
    assert (page["MaxParts"], page["PartNumberMarker"], page["NextPartNumberMarker"]) == (1, 1, 4)
    assert page["IsTruncated"] and [part["PartNumber"] for part in page["Parts"]] == [4]


def test_of_versions(t):
    bucket = t.bucket()
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = t.s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    ask = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ObjectSize"]}
    got = t.s3.get_object_attributes(**ask, VersionId=old)
    assert (got["VersionId"], got["ObjectSize"]) == (old, 3)
    assert t.s3.get_object_attributes(**ask)["ObjectSize"] == 5
    marker = t.s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    with refused("NoSuchKey", 404) as refusal:
        t.s3.get_object_attributes(**ask)
    headers = refusal.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true"
    with refused("MethodNotAllowed", 405):
        t.s3.get_object_attributes(**ask, VersionId=marker)

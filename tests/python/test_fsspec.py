"""s3fs and fsspec: a bucket as a file system of Python."""

import functools
import os
import tempfile
import urllib.request

import s3fs

from support import KIB, MIB, data, sha256


@functools.cache
def at(url, **options):
    """One for each gateway, kept: s3fs complains when its event loop is gone before it."""
    return s3fs.S3FileSystem(endpoint_url=url, use_listings_cache=False, **options)


def filesystem(t, **options):
    return at(t.url, **options)


def test_files_come_and_go(t):
    bucket = t.bucket()
    here, there = at(t.url), at(t.other_url)
    for size in (0, 1, 5 * MIB, 12 * MIB + 1):
        body = data(size)
        path = f"{bucket}/a folder/été {size}"
        with here.open(path, "wb", block_size=5 * MIB) as file:
            file.write(body)
        assert there.size(path) == size
        assert sha256(there.cat_file(path)) == sha256(body)
        here.pipe_file(path, b"overwritten")
        assert there.cat_file(path) == b"overwritten"
    assert len(there.ls(f"{bucket}/a folder")) == 4
    here.rm(f"{bucket}/a folder", recursive=True)
    assert there.find(bucket) == []
    assert not there.exists(f"{bucket}/a folder/été 0")


def test_ranges_are_read_alone(t):
    bucket = t.bucket()
    body = data(3 * MIB)
    fs = filesystem(t)
    fs.pipe_file(f"{bucket}/object", body)
    assert fs.cat_file(f"{bucket}/object", start=MIB, end=MIB + 10) == body[MIB : MIB + 10]
    assert fs.cat_file(f"{bucket}/object", start=-7) == body[-7:]
    paths, starts = [f"{bucket}/object"] * 3, [0, 1000, 2 * MIB]
    found = fs.cat_ranges(paths, starts, [start + 99 for start in starts])
    assert found == [body[start : start + 99] for start in starts]
    with fs.open(f"{bucket}/object", "rb", block_size=64 * KIB) as file:
        file.seek(2 * MIB + 5)
        assert file.read(100) == body[2 * MIB + 5 : 2 * MIB + 105]


def test_appending_keeps_what_was_there(t):
    """Small objects are rewritten, large ones continued by UploadPartCopy."""
    bucket = t.bucket()
    fs = filesystem(t)
    for size in (100, 6 * MIB):
        head, tail = data(size, 1), data(1000, 2)
        fs.pipe_file(f"{bucket}/log", head)
        with fs.open(f"{bucket}/log", "ab") as file:
            file.write(tail)
        assert sha256(fs.cat_file(f"{bucket}/log")) == sha256(head + tail)


def test_only_the_first_creates(t):
    bucket = t.bucket()
    fs = filesystem(t)
    for body in (b"small", data(11 * MIB)):
        path = f"{bucket}/once {len(body)}"
        fs.pipe_file(path, body, mode="create")
        try:
            fs.pipe_file(path, b"second", mode="create")
        except FileExistsError:
            pass
        else:
            raise AssertionError("created twice")
        assert sha256(fs.cat_file(path)) == sha256(body)


def test_folders_are_copied_and_moved(t):
    bucket = t.bucket()
    fs = filesystem(t)
    with tempfile.TemporaryDirectory() as folder:
        source, back = os.path.join(folder, "tree"), os.path.join(folder, "back")
        os.makedirs(os.path.join(source, "deep/er"))
        for name, size in (("empty", 0), ("deep/a+b&c=d", 70 * KIB), ("deep/er/é", 6 * MIB)):
            with open(os.path.join(source, name), "wb") as file:
                file.write(data(size))
        fs.put(source, f"{bucket}/tree", recursive=True)
        fs.copy(f"{bucket}/tree", f"{bucket}/copy", recursive=True)
        fs.mv(f"{bucket}/copy/deep/er/é", f"{bucket}/copy/deep/moved")
        fs.mv(f"{bucket}/copy/deep/moved", f"{bucket}/copy/deep/er/é")
        fs.rm(f"{bucket}/tree", recursive=True)
        found = [path.removeprefix(f"{bucket}/") for path in fs.find(bucket)]
        assert found == ["copy/deep/a+b&c=d", "copy/deep/er/é", "copy/empty"], found
        fs.get(f"{bucket}/copy", back, recursive=True)
        for name, size in (("deep/a+b&c=d", 70 * KIB), ("deep/er/é", 6 * MIB)):
            with open(os.path.join(back, name), "rb") as file:
                assert sha256(file.read()) == sha256(data(size)), name


def test_versions_are_read_by_their_id(t):
    bucket = t.bucket()
    t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    fs = filesystem(t, version_aware=True)
    for body in (b"first", b"second"):
        with fs.open(f"{bucket}/object", "wb") as file:
            file.write(body)
    versions = fs.object_version_info(f"{bucket}/object")
    found = [fs.cat_file(f"{bucket}/object", version_id=v["VersionId"]) for v in versions]
    assert found == [b"second", b"first"]


def test_metadata_tags_and_signed_urls(t):
    bucket = t.bucket()
    fs = filesystem(t)
    fs.pipe_file(f"{bucket}/object", b"abc", ContentType="text/x-test")
    fs.setxattr(f"{bucket}/object", station="meteo-7")
    assert fs.getxattr(f"{bucket}/object", "station") == "meteo-7"
    fs.put_tags(f"{bucket}/object", {"project": "ocean"})
    assert fs.get_tags(f"{bucket}/object") == {"project": "ocean"}
    assert urllib.request.urlopen(fs.sign(f"{bucket}/object"), timeout=30).read() == b"abc"

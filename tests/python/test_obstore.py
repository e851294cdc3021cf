"""object_store, the client of Rust's data libraries, by its Python face obstore."""

import concurrent.futures
import datetime
import urllib.request

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    NotFoundError,
    NotModifiedError,
    PreconditionError,
)
from obstore.store import S3Store

from support import MIB, data, sha256


def store(t, bucket, url=None, **options):
    return S3Store(bucket, endpoint=url or t.url, client_options={"allow_http": True}, **options)


def refused(error, attempt, *arguments, **options):
    try:
        attempt(*arguments, **options)
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def test_objects_come_and_go(t):
    bucket = t.bucket()
    here, there = store(t, bucket), store(t, bucket, t.other_url)
    for size in (0, 1, 5 * MIB, 17 * MIB + 3):
        body = data(size)
        obstore.put(here, "a/objet é", body, chunk_size=5 * MIB)
        answer = obstore.get(there, "a/objet é")
        assert answer.meta["size"] == size
        assert sha256(bytes(answer.bytes())) == sha256(body)
    obstore.put(here, "a/objet é", b"over", attributes={"Content-Type": "text/x-test"})
    answer = obstore.get(there, "a/objet é")
    assert answer.attributes["Content-Type"] == "text/x-test"
    obstore.delete(here, "a/objet é")
    refused((NotFoundError, FileNotFoundError), obstore.head, there, "a/objet é")


def test_all_checksums_it_knows(t):
    bucket = t.bucket()
    for algorithm in ("sha256", "crc64nvme"):
        checked = store(t, bucket, checksum_algorithm=algorithm)
        for body in (b"", b"abc", data(11 * MIB)):
            obstore.put(checked, algorithm, body, chunk_size=5 * MIB)
            head = t.s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
            assert head[f"Checksum{algorithm.upper()}"], head
            assert sha256(t.get(bucket, algorithm)) == sha256(body)


def test_ranges(t):
    bucket = t.bucket()
    body = data(2 * MIB)
    s3 = store(t, bucket)
    obstore.put(s3, "object", body)
    found = obstore.get_range(s3, "object", start=MIB, length=100)
    assert bytes(found) == body[MIB : MIB + 100]
    starts = [0, 500, 2 * MIB - 50]
    found = obstore.get_ranges(s3, "object", starts=starts, lengths=[50] * 3)
    assert [bytes(piece) for piece in found] == [body[start : start + 50] for start in starts]
    tail = obstore.get(s3, "object", options={"range": {"suffix": 9}})
    assert bytes(tail.bytes()) == body[-9:]


def test_listings(t):
    bucket = t.bucket()
    s3 = store(t, bucket)
    names = [f"folder {number % 7}/file {number}" for number in range(1100)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: obstore.put(s3, name, b"x"), names))
    found = [entry["path"] for page in obstore.list(s3) for entry in page]
    assert sorted(found) == sorted(names)
    groups = obstore.list_with_delimiter(s3)
    assert groups["common_prefixes"] == [f"folder {number}" for number in range(7)]
    after = [entry["path"] for page in obstore.list(s3, offset="folder 5") for entry in page]
    assert sorted(after) == sorted(name for name in names if name > "folder 5")
    obstore.delete(s3, names)
    assert [entry for page in obstore.list(s3) for entry in page] == []


def test_conditions(t):
    bucket = t.bucket()
    here, there = store(t, bucket), store(t, bucket, t.other_url)
    first = obstore.put(here, "k", b"1", mode="create")
    refused((AlreadyExistsError, FileExistsError), obstore.put, there, "k", b"2", mode="create")
    version = {"e_tag": first["e_tag"]}
    obstore.put(there, "k", b"3", mode=version)
    refused(PreconditionError, obstore.put, here, "k", b"4", mode=version)
    assert t.get(bucket, "k") == b"3"
    etag = obstore.head(here, "k")["e_tag"]
    obstore.get(here, "k", options={"if_match": etag})
    refused(NotModifiedError, obstore.get, here, "k", options={"if_none_match": etag})
    refused(PreconditionError, obstore.get, here, "k", options={"if_match": '"other"'})


def test_one_of_many_creators_wins(t):
    bucket = t.bucket()
    sites = store(t, bucket), store(t, bucket, t.other_url)

    def create(number):
        try:
            obstore.put(sites[number % 2], "lock", str(number).encode(), mode="create")
        except (AlreadyExistsError, FileExistsError):
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        winners = [n for n in pool.map(create, range(24)) if n is not None]
    assert len(winners) == 1, winners
    assert t.get(bucket, "lock") == str(winners[0]).encode()


def test_copies_and_renames(t):
    bucket = t.bucket()
    s3 = store(t, bucket, copy_if_not_exists="multipart")
    obstore.put(s3, "source", b"abc")
    obstore.copy(s3, "source", "copy")
    obstore.rename(s3, "copy", "renamed")
    assert sorted(t.keys(bucket)) == ["renamed", "source"]
    obstore.copy(s3, "source", "once", overwrite=False)
    refused(
        (AlreadyExistsError, FileExistsError),
        obstore.copy,
        s3,
        "renamed",
        "once",
        overwrite=False,
    )


def test_signed_urls(t):
    bucket = t.bucket()
    s3 = store(t, bucket)
    minute = datetime.timedelta(minutes=1)
    put = urllib.request.Request(obstore.sign(s3, "PUT", "k é", minute), b"abc", method="PUT")
    assert urllib.request.urlopen(put, timeout=30).status == 200
    get = obstore.sign(s3, "GET", "k é", minute)
    assert urllib.request.urlopen(get, timeout=30).read() == b"abc"


def test_upload_without_signing_the_body(t):
    bucket = t.bucket()
    s3 = store(t, bucket, unsigned_payload=True)
    body = data(6 * MIB)
    obstore.put(s3, "k", body)
    assert sha256(t.get(bucket, "k")) == sha256(body)

"""Listings: v1, v2 and versions, with prefixes, delimiters, pages and odd keys."""

import random

from support import refused

KEYS = ["a", "a/1", "a/2", "a/b/3", "b/1", "b//1", "c", "d/", "é/1", "é/2"]


def filled(t, keys):
    bucket = t.bucket()
    for key in keys:
        t.put(bucket, key, b"x")
    return bucket


def prefixes(page):
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


def contents(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


def in_order(keys):
    return sorted(keys, key=lambda key: key.encode())


def test_all_keys_in_byte_order(t):
    keys = KEYS + ["Z", "z", "~", "!", "\U0001f41f", "ﬁsh", "a.", "a0"]
    bucket = filled(t, keys)
    assert t.keys(bucket) == in_order(keys)
    page = t.s3.list_objects(Bucket=bucket)
    assert contents(page) == in_order(keys)
    assert not page["IsTruncated"]


def test_entries_are_complete(t):
    bucket = filled(t, [])
    etag = t.put(bucket, "k", b"hello", StorageClass="ONEZONE_IA")["ETag"]
    page = t.s3.list_objects_v2(Bucket=bucket, FetchOwner=True)
    (entry,) = page["Contents"]
    assert entry["ETag"] == etag
    assert entry["Size"] == 5
    assert entry["StorageClass"] == "ONEZONE_IA"
    assert entry["Owner"]["ID"]
    head = t.s3.head_object(Bucket=bucket, Key="k")
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert page["KeyCount"] == 1 and page["Name"] == bucket and page["MaxKeys"] == 1000
    (entry,) = t.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert "Owner" not in entry
    (entry,) = t.s3.list_objects(Bucket=bucket)["Contents"]
    assert entry["Owner"]["ID"]


def test_prefix_and_delimiter(t):
    bucket = filled(t, KEYS)
    for call in (t.s3.list_objects_v2, t.s3.list_objects):
        page = call(Bucket=bucket, Delimiter="/")
        assert contents(page) == ["a", "c"]
        assert prefixes(page) == ["a/", "b/", "d/", "é/"]
        page = call(Bucket=bucket, Delimiter="/", Prefix="a/")
        assert (contents(page), prefixes(page)) == (["a/1", "a/2"], ["a/b/"])
        page = call(Bucket=bucket, Delimiter="/", Prefix="b/")
        assert (contents(page), prefixes(page)) == (["b/1"], ["b//"])
        page = call(Bucket=bucket, Delimiter="/", Prefix="d/")
        assert (contents(page), prefixes(page)) == (["d/"], [])
        page = call(Bucket=bucket, Delimiter="/1")
        assert prefixes(page) == ["a/1", "b//1", "b/1", "é/1"]
        page = call(Bucket=bucket, Prefix="nothing")
        assert (contents(page), prefixes(page)) == ([], [])
        page = call(Bucket=bucket, Prefix="é")
        assert contents(page) == ["é/1", "é/2"]


def test_pages_of_every_size_give_everything_once(t):
    bucket = filled(t, KEYS)
    for size in (1, 2, 3, 7, 10, 11):
        for delimiter in ("", "/"):
            arguments = {"Bucket": bucket, "Delimiter": delimiter, "MaxKeys": size}
            for name in ("list_objects_v2", "list_objects"):
                keys, groups, pages = [], [], 0
                paginator = t.s3.get_paginator(name)
                for page in paginator.paginate(**arguments):
                    count = len(contents(page)) + len(prefixes(page))
                    assert count <= size
                    assert count == size or not page["IsTruncated"], (name, size, page)
                    keys += contents(page)
                    groups += prefixes(page)
                    pages += 1
                if delimiter:
                    assert (keys, groups) == (["a", "c"], ["a/", "b/", "d/", "é/"]), (name, size)
                else:
                    assert keys == in_order(KEYS), (name, size)


def test_more_than_a_thousand_keys(t):
    import concurrent.futures

    bucket = t.bucket()
    keys = [f"k{number:05}" for number in range(1100)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: t.put(bucket, key, b""), keys))
    page = t.s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert len(page["Contents"]) == 1000 and page["IsTruncated"]
    assert t.keys(bucket) == keys
    page = t.s3.list_objects_v2(Bucket=bucket, StartAfter="k01050")
    assert contents(page) == keys[1051:]


def test_start_after_and_marker(t):
    bucket = filled(t, ["a", "b/1", "b/2", "c"])
    page = t.s3.list_objects_v2(Bucket=bucket, StartAfter="a")
    assert contents(page) == ["b/1", "b/2", "c"]
    assert page["StartAfter"] == "a"
    page = t.s3.list_objects_v2(Bucket=bucket, StartAfter="b/1")
    assert contents(page) == ["b/2", "c"]
    page = t.s3.list_objects_v2(Bucket=bucket, StartAfter="zzz")
    assert contents(page) == []
    page = t.s3.list_objects(Bucket=bucket, Marker="b/1")
    assert contents(page) == ["b/2", "c"]
    assert page["Marker"] == "b/1"
    page = t.s3.list_objects(Bucket=bucket, Marker="b/", Delimiter="/")
    assert contents(page) == ["c"]


def test_continuation_token(t):
    bucket = filled(t, ["a", "b", "c"])
    first = t.s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    assert first["IsTruncated"] and first["KeyCount"] == 2
    token = first["NextContinuationToken"]
    # The token wins over start-after.
    second = t.s3.list_objects_v2(Bucket=bucket, ContinuationToken=token, StartAfter="")
    assert contents(second) == ["c"]
    assert second["ContinuationToken"] == token
    assert "NextContinuationToken" not in second


def test_an_empty_token_stands_for_the_beginning(t):
    bucket = filled(t, ["a", "b"])
    page = t.s3.list_objects_v2(Bucket=bucket, ContinuationToken="")
    assert (contents(page), page["ContinuationToken"]) == (["a", "b"], "")


def test_order_can_be_waived(t):
    """An extension of Ceph's: whoever needs no order says so, and then can't have common prefixes."""
    bucket = filled(t, ["b", "a", "c"])
    for query in ("list-type=2", ""):
        more = f"&{query}" if query else ""
        page = t.raw.signed("GET", f"/{bucket}", f"allow-unordered=true{more}").expect(200)
        assert page.body.count(b"<Key>") == 3
        reply = t.raw.signed("GET", f"/{bucket}", f"allow-unordered=true&delimiter=%2F{more}")
        reply.expect(400, "InvalidArgument")


def test_zero_keys(t):
    bucket = filled(t, ["a"])
    page = t.s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert contents(page) == [] and not page["IsTruncated"]


def test_encoding_type_url(t):
    keys = ["a b", "a+b", "a&<>b", "a%2Fb", "tab\there", "line\nhere", "é"]
    bucket = filled(t, keys)
    # boto3 asks for the encoding and decodes; the raw answer must hold what XML cannot.
    assert t.keys(bucket) == in_order(keys)
    reply = t.raw.signed("GET", f"/{bucket}", "encoding-type=url&list-type=2&prefix=a%25")
    assert reply.element("EncodingType") == "url"
    assert reply.element("Key") == "a%252Fb"
    reply = t.raw.signed("GET", f"/{bucket}", "list-type=2&prefix=a%26").expect(200)
    assert reply.element("Key") == "a&<>b"
    reply = t.raw.signed("GET", f"/{bucket}", "encoding-type=url&list-type=2&prefix=a%20")
    assert reply.element("Key") in ("a+b", "a%20b")


def test_uploads_are_encoded_when_asked(t):
    bucket = t.bucket()
    for key in ("é/1", "é/2", "k&"):
        t.s3.create_multipart_upload(Bucket=bucket, Key=key)
    page = t.s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", EncodingType="url")
    assert page["EncodingType"] == "url"
    assert [upload["Key"] for upload in page["Uploads"]] == ["k%26"]
    assert prefixes(page) == ["%C3%A9/"]


def test_nothing_was_ever_restored(t):
    bucket = filled(t, ["a"])
    for call in (t.s3.list_objects_v2, t.s3.list_objects, t.s3.list_object_versions):
        page = call(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])
        (entry,) = page.get("Contents") or page["Versions"]
        assert entry["Key"] == "a" and "RestoreStatus" not in entry


def test_list_of_an_absent_bucket(t):
    for call in (t.s3.list_objects_v2, t.s3.list_objects, t.s3.list_object_versions):
        with refused("NoSuchBucket", 404):
            call(Bucket="test-absent-bucket")


def test_versions_of_an_unversioned_bucket(t):
    bucket = filled(t, ["a", "b/1", "b/2"])
    page = t.s3.list_object_versions(Bucket=bucket)
    versions = page["Versions"]
    assert [entry["Key"] for entry in versions] == ["a", "b/1", "b/2"]
    assert all(entry["VersionId"] == "null" and entry["IsLatest"] for entry in versions)
    assert all(entry["Size"] == 1 for entry in versions)
    page = t.s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [entry["Key"] for entry in page["Versions"]] == ["a"]
    assert prefixes(page) == ["b/"]
    seen = []
    for page in t.s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1}
    ):
        seen += [entry["Key"] for entry in page.get("Versions", [])]
    assert seen == ["a", "b/1", "b/2"]


def test_null_versions_can_be_named(t):
    bucket = filled(t, ["a"])
    assert t.get(bucket, "a", VersionId="null") == b"x"
    with refused(("NoSuchVersion", "InvalidArgument")):
        t.s3.get_object(Bucket=bucket, Key="a", VersionId="3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH")
    t.s3.delete_object(Bucket=bucket, Key="a", VersionId="null")
    assert t.keys(bucket) == []


def test_list_after_write_and_delete_at_both_gateways(t):
    bucket = t.bucket()
    for number in range(20):
        writer, reader = (t.s3, t.other) if number % 2 else (t.other, t.s3)
        key = f"k{number}"
        writer.put_object(Bucket=bucket, Key=key, Body=b"x")
        listed = contents(reader.list_objects_v2(Bucket=bucket))
        assert listed == [key]
        reader.delete_object(Bucket=bucket, Key=key)
        assert contents(writer.list_objects_v2(Bucket=bucket)) == []


def test_listing_of_multipart_uploads(t):
    bucket = t.bucket()
    keys = ["a", "a", "b/1", "b/2", "c"]
    ids = [t.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys]
    assert len(set(ids)) == len(ids)
    uploads = t.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == keys
    assert {upload["UploadId"] for upload in uploads} == set(ids)
    page = t.s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [upload["Key"] for upload in page["Uploads"]] == ["a", "a", "c"]
    assert prefixes(page) == ["b/"]
    page = t.s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")
    assert [upload["Key"] for upload in page["Uploads"]] == ["b/1", "b/2"]
    for size in (1, 2, 3):
        seen = []
        for page in t.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": size}
        ):
            seen += [upload["UploadId"] for upload in page.get("Uploads", [])]
        assert sorted(seen) == sorted(ids), size
    for key, upload in zip(keys, ids):
        t.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    assert not t.s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def model(keys, prefix, delimiter, after):
    """The entries of a listing, by the documentation: (key, whether it is a common prefix)."""
    entries = []
    for key in sorted(keys, key=lambda key: key.encode()):
        if not key.startswith(prefix):
            continue
        entry = (key, False)
        if delimiter and (at := key.find(delimiter, len(prefix))) >= 0:
            entry = (key[: at + len(delimiter)], True)
        if entry not in entries and (entry[0].encode() > after.encode()):
            entries.append(entry)
    return entries


def test_random_listings_match_a_model(t):
    """Keys over a small alphabet, so that prefixes, delimiters and page borders often meet."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    letters = ["a", "b", "/", "-", "é"]

    def word(longest):
        return "".join(dice.choices(letters, k=dice.randint(0, longest)))

    keys = {word(6) + dice.choice(letters) for _ in range(120)}
    bucket = filled(t, keys)
    for _ in range(150):
        prefix, size = word(3), dice.choice([1, 2, 3, 10, 1000])
        delimiter = dice.choice(["", "/", "/", "a", "-/", "é"])
        after = dice.choice(["", "", word(4)])
        case = (seed, prefix, delimiter, after, size)
        arguments = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": size}
        for call in ("v2", "v1", "versions"):
            found, position, truncated = [], {}, True
            if call == "v2" and after:
                position = {"StartAfter": after}
            elif call == "v1" and after:
                position = {"Marker": after}
            while truncated:
                if call == "v2":
                    page = t.s3.list_objects_v2(**arguments, **position)
                    position = {"ContinuationToken": page.get("NextContinuationToken")}
                    objects = page.get("Contents", [])
                elif call == "v1":
                    page = t.s3.list_objects(**arguments, **position)
                    objects = page.get("Contents", [])
                    last = page.get("NextMarker") or (objects[-1]["Key"] if objects else None)
                    position = {"Marker": last}
                else:
                    page = t.s3.list_object_versions(**arguments, **position)
                    position = {
                        "KeyMarker": page.get("NextKeyMarker"),
                        "VersionIdMarker": page.get("NextVersionIdMarker"),
                    }
                    position = {name: value for name, value in position.items() if value}
                    objects = page.get("Versions", [])
                truncated = page["IsTruncated"]
                entries = [(entry["Key"], False) for entry in objects]
                entries += [(group, True) for group in prefixes(page)]
                assert len(entries) <= size, (case, call)
                assert len(entries) == size or not truncated, (case, call, page)
                found += sorted(entries, key=lambda entry: entry[0].encode())
            start = "" if call == "versions" else after
            expected = model(keys, prefix, delimiter, start)
            if start and delimiter:
                # A group that begins before the start may still hold keys after it.
                groups = {g for g, is_group in found if is_group and g.encode() <= start.encode()}
                assert all(start.startswith(group) for group in groups), (case, call)
                found = [entry for entry in found if entry[0] not in groups]
            assert found == expected, (case, call)

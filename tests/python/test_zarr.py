"""Zarr of format 3, by fsspec and by object_store."""

import warnings

import numpy
import obstore.store
import zarr
import zarr.errors
import zarr.storage

VALUES = numpy.random.default_rng(1).random((300, 400))


def fsspec_store(t, path, url):
    return zarr.storage.FsspecStore.from_url(
        f"s3://{path}",
        storage_options={"endpoint_url": url, "use_listings_cache": False},
    )


def obstore_store(t, path, url):
    bucket, _, prefix = path.partition("/")
    store = obstore.store.S3Store(
        bucket, prefix=prefix, endpoint=url, client_options={"allow_http": True}
    )
    return zarr.storage.ObjectStore(store)


def arrays_there_and_back(t, store):
    bucket = t.bucket()
    path = f"{bucket}/cube"
    root = zarr.create_group(store=store(t, path, t.url), overwrite=True)
    array = root.create_array(
        "temperature", shape=VALUES.shape, chunks=(100, 100), shards=(200, 200), dtype="f8"
    )
    array[:] = VALUES
    root.attrs["station"] = "météo 7"
    plain = root.create_array("plain", shape=(1000,), chunks=(10,), dtype="i4")
    plain[:] = numpy.arange(1000)

    there = zarr.open_group(store=store(t, path, t.other_url), mode="r")
    assert there.attrs["station"] == "météo 7"
    assert sorted(there.array_keys()) == ["plain", "temperature"]
    # A shard's index is read from its end, a chunk from its middle.
    assert numpy.array_equal(there["temperature"][150:250, 30:40], VALUES[150:250, 30:40])
    assert numpy.array_equal(there["temperature"][:], VALUES)
    assert there["plain"][:].sum() == 499_500

    array[0:10] = 0
    again = zarr.open_group(store=store(t, path, t.other_url), mode="r")
    assert again["temperature"][0:10].sum() == 0
    assert numpy.array_equal(again["temperature"][10:], VALUES[10:])
    plain.resize((500,))
    del root["temperature"]
    assert sorted(zarr.open_group(store=store(t, path, t.url)).array_keys()) == ["plain"]
    assert not [key for key in t.keys(bucket) if "temperature" in key]
    chunks = [key for key in t.keys(bucket) if key.startswith("cube/plain/c/")]
    assert len(chunks) == 50, chunks


def test_arrays_by_fsspec(t):
    arrays_there_and_back(t, fsspec_store)


def test_arrays_by_object_store(t):
    arrays_there_and_back(t, obstore_store)


def test_consolidated_metadata(t):
    path = f"{t.bucket()}/set"
    root = zarr.create_group(store=fsspec_store(t, path, t.url))
    for name in ("a", "b"):
        root.create_array(name, shape=(4,), dtype="u1")[:] = 7
    with warnings.catch_warnings():
        # That this is an extension of the format.
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(root.store)
    there = zarr.open_consolidated(store=fsspec_store(t, path, t.other_url))
    assert sorted(there.array_keys()) == ["a", "b"]
    assert there["b"][:].tolist() == [7] * 4

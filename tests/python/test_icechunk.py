"""Icechunk: Zarr with transactions, which conditional writes of one reference decide."""

import os

import icechunk
import numpy
import zarr


def repository(t, bucket, url, make=False):
    storage = icechunk.s3_storage(
        bucket=bucket,
        prefix="repository",
        endpoint_url=url,
        allow_http=True,
        force_path_style=True,
        region=os.environ["AWS_REGION"],
        from_env=True,
    )
    opened = icechunk.Repository.create if make else icechunk.Repository.open
    return opened(storage)


def test_snapshots_branches_and_tags(t):
    bucket = t.bucket()
    here = repository(t, bucket, t.url, make=True)
    session = here.writable_session("main")
    array = zarr.create_group(session.store).create_array(
        "a", shape=(1000, 1000), chunks=(250, 250), dtype="f8"
    )
    values = numpy.random.default_rng(1).random((1000, 1000))
    array[:] = values
    first = session.commit("first")
    here.create_tag("v1", snapshot_id=first)

    there = repository(t, bucket, t.other_url)
    session = there.writable_session("main")
    zarr.open_group(session.store)["a"][0] = 0
    session.commit("second")

    at_tag = zarr.open_group(here.readonly_session(tag="v1").store, mode="r")["a"]
    assert numpy.array_equal(at_tag[:], values)
    now = zarr.open_group(here.readonly_session("main").store, mode="r")["a"]
    assert now[0].sum() == 0
    assert numpy.array_equal(now[1:], values[1:])
    assert [info.message for info in there.ancestry(branch="main")][:2] == ["second", "first"]


def test_one_of_two_writers_commits(t):
    bucket = t.bucket()
    here = repository(t, bucket, t.url, make=True)
    session = here.writable_session("main")
    zarr.create_group(session.store).create_array("a", shape=(4,), chunks=(2,), dtype="i4")
    session.commit("start")
    sessions = [
        here.writable_session("main"),
        repository(t, bucket, t.other_url).writable_session("main"),
    ]
    for number, session in enumerate(sessions):
        zarr.open_group(session.store)["a"][2 * number : 2 * number + 2] = number + 1
    sessions[0].commit("mine")
    try:
        sessions[1].commit("yours")
    except icechunk.ConflictError:
        sessions[1].rebase(icechunk.ConflictDetector())
        sessions[1].commit("yours, later")
    else:
        raise AssertionError("both commits went through")
    store = here.readonly_session("main").store
    assert zarr.open_group(store, mode="r")["a"][:].tolist() == [1, 1, 2, 2]

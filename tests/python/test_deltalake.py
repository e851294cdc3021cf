"""Delta Lake: a table whose log is a chain of files that only one writer may create."""

import concurrent.futures

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

# Commits that append never conflict but by the name of their file, which is tried again.
WRITERS = 8


def options(url):
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        # Commits are conditional creations, without a lock table elsewhere.
        "conditional_put": "etag",
    }


def rows(first, count):
    numbers = list(range(first, first + count))
    return pa.table({"number": numbers, "name": [f"station {n % 10}" for n in numbers]})


def numbers(table):
    return sorted(table.to_pyarrow_table()["number"].to_pylist())


def test_a_table_and_its_history(t):
    url = f"s3://{t.bucket()}/table"
    here, there = options(t.url), options(t.other_url)
    write_deltalake(url, rows(0, 100_000), storage_options=here)
    write_deltalake(url, rows(100_000, 10), mode="append", storage_options=there)
    table = DeltaTable(url, storage_options=here)
    assert numbers(table) == list(range(100_010))
    table.delete("number >= 50")
    table.update(predicate="number = 7", updates={"name": "'renamed'"})
    there_now = DeltaTable(url, storage_options=there)
    assert numbers(there_now) == list(range(50))
    names = there_now.to_pyarrow_table().sort_by("number")["name"].to_pylist()
    assert names[7] == "renamed"
    before = DeltaTable(url, version=0, storage_options=there)
    assert len(numbers(before)) == 100_000
    write_deltalake(url, rows(0, 3), mode="overwrite", storage_options=there)
    table = DeltaTable(url, storage_options=here)
    assert numbers(table) == [0, 1, 2]
    table.optimize.compact()
    table.create_checkpoint()
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert numbers(DeltaTable(url, storage_options=there)) == [0, 1, 2]


def test_concurrent_appends_lose_nothing(t):
    url = f"s3://{t.bucket()}/table"
    write_deltalake(url, rows(0, 1), storage_options=options(t.url))

    def append(number):
        site = options((t.url, t.other_url)[number % 2])
        for _ in range(20):
            try:
                return write_deltalake(url, rows(number, 1), mode="append", storage_options=site)
            except CommitFailedError:
                continue
        raise AssertionError("never committed")

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(append, range(1, 1 + WRITERS)))
    table = DeltaTable(url, storage_options=options(t.other_url))
    assert numbers(table) == list(range(1 + WRITERS))
    assert table.version() == WRITERS


def test_one_of_two_overwriters_is_told(t):
    url = f"s3://{t.bucket()}/table"
    write_deltalake(url, rows(0, 10), storage_options=options(t.url))
    first = DeltaTable(url, storage_options=options(t.url))
    second = DeltaTable(url, storage_options=options(t.other_url))
    first.delete("number < 5")
    try:
        second.delete("number < 8")
    except CommitFailedError:
        second.update_incremental()
        second.delete("number < 8")
    assert numbers(DeltaTable(url, storage_options=options(t.url))) == [8, 9]

"""DuckDB with its extension httpfs, which a wheel brings along."""

import os
import pathlib

import duckdb
import duckdb_extension_httpfs

from support import MIB


def connection(t, url=None):
    """A connection that keeps no file outside of the virtual environment's own."""
    extensions = pathlib.Path(duckdb_extension_httpfs.__file__).parent / "extensions"
    [extension] = extensions.glob("*/httpfs.duckdb_extension")
    base = duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "4"})
    base.execute(f"LOAD '{extension}'")
    base.execute(
        f"""CREATE SECRET (
            TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
            SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}', REGION '{os.environ["AWS_REGION"]}',
            ENDPOINT '{(url or t.url).partition("://")[2]}', URL_STYLE 'path', USE_SSL false)"""
    )
    return base


def test_csv_and_parquet_there_and_back(t):
    bucket = t.bucket()
    here, there = connection(t), connection(t, t.other_url)
    for kind in ("csv", "parquet"):
        url = f"s3://{bucket}/folder é/numbers.{kind}"
        query = "SELECT range AS n, 'station ' || range % 10 AS name FROM range(100000)"
        here.execute(f"COPY ({query}) TO '{url}' (FORMAT {kind})")
        found = there.execute(f"SELECT count(*), sum(n), max(name) FROM '{url}'").fetchone()
        assert found == (100_000, 4_999_950_000, "station 9")
        here.execute(f"COPY (SELECT 1 AS n, 'x' AS name) TO '{url}' (FORMAT {kind})")
        assert there.execute(f"SELECT n, name FROM '{url}'").fetchone() == (1, "x")


def test_parts_of_unequal_size(t):
    bucket = t.bucket()
    here = connection(t)
    # As small as parts may be: 50 GB in 10 000 of them, a little more than 5 MiB each.
    here.execute("SET s3_uploader_max_filesize='50GB'")
    url = f"s3://{bucket}/large.parquet"
    rows = "SELECT range AS n, md5(range::VARCHAR) AS a, sha256(range::VARCHAR) AS b"
    here.execute(f"COPY ({rows} FROM range(250000)) TO '{url}' (COMPRESSION uncompressed)")
    head = t.s3.head_object(Bucket=bucket, Key="large.parquet")
    parts = int(head["ETag"].strip('"').partition("-")[2])
    assert parts > 1, head["ETag"]
    sizes = [
        t.s3.head_object(Bucket=bucket, Key="large.parquet", PartNumber=n)["ContentLength"]
        for n in range(1, parts + 1)
    ]
    assert sum(sizes) == head["ContentLength"] > 10 * MIB
    there = connection(t, t.other_url)
    wrong = f"SELECT count(*) FROM '{url}' WHERE a <> md5(n::VARCHAR) OR b <> sha256(n::VARCHAR)"
    assert there.execute(wrong).fetchone() == (0,)
    assert there.execute(f"SELECT count(DISTINCT n) FROM '{url}'").fetchone() == (250_000,)


def test_partitions_globs_and_ranges(t):
    bucket = t.bucket()
    here, there = connection(t), connection(t, t.other_url)
    query = "SELECT range AS n, range % 3 AS third FROM range(30000)"
    here.execute(f"COPY ({query}) TO 's3://{bucket}/set' (FORMAT parquet, PARTITION_BY third)")
    files = there.execute(f"SELECT file FROM glob('s3://{bucket}/set/**/*.parquet')").fetchall()
    assert len(files) == 3, files
    found = there.execute(
        f"SELECT count(*), min(n) FROM read_parquet('s3://{bucket}/set/*/*.parquet', "
        "hive_partitioning = true) WHERE third = 2"
    ).fetchone()
    assert found == (10_000, 2)

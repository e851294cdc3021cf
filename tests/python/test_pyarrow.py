"""pyarrow: its own client of S3, and data sets of Parquet files."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from support import MIB, data, sha256


def filesystem(t, url=None, **options):
    scheme, endpoint = (url or t.url).split("://")
    return fs.S3FileSystem(endpoint_override=endpoint, scheme=scheme, **options)


def table(rows):
    return pa.table(
        {
            "year": pa.array([2000 + row % 3 for row in range(rows)], pa.int16()),
            "number": pa.array(range(rows), pa.int64()),
            "name": pa.array([f"station {row % 100}" for row in range(rows)]),
        }
    )


def test_streams_of_all_sizes(t):
    bucket = t.bucket()
    here, there = filesystem(t), filesystem(t, t.other_url)
    for size in (0, 1, 5 * MIB, 10 * MIB, 10 * MIB + 1, 23 * MIB):
        body = data(size)
        with here.open_output_stream(f"{bucket}/object") as stream:
            for at in range(0, size, 3 * MIB):
                stream.write(body[at : at + 3 * MIB])
        with there.open_input_stream(f"{bucket}/object") as stream:
            assert sha256(stream.read()) == sha256(body), size
        assert there.get_file_info(f"{bucket}/object").size == size


def test_a_part_of_one_byte(t):
    """Each flush of the buffer is a part; the last is what is left."""
    bucket = t.bucket()
    body = data(10 * MIB + 1)
    with filesystem(t).open_output_stream(f"{bucket}/object", buffer_size=0) as stream:
        stream.write(body[: 10 * MIB])
        stream.write(body[10 * MIB :])
    assert sha256(t.get(bucket, "object")) == sha256(body)
    with filesystem(t).open_output_stream(f"{bucket}/one", buffer_size=0) as stream:
        stream.write(b"1")
    assert t.get(bucket, "one") == b"1"


def test_random_access(t):
    bucket = t.bucket()
    body = data(2 * MIB)
    t.put(bucket, "object", body)
    with filesystem(t).open_input_file(f"{bucket}/object") as file:
        assert file.read_at(100, MIB) == body[MIB : MIB + 100]
        file.seek(2 * MIB - 5)
        assert file.read() == body[-5:]


def test_folders(t):
    bucket = t.bucket()
    s3 = filesystem(t)
    s3.create_dir(f"{bucket}/a/b", recursive=True)
    with s3.open_output_stream(f"{bucket}/a/b/one") as stream:
        stream.write(b"1")
    assert s3.get_file_info(f"{bucket}/a/b").type == fs.FileType.Directory
    found = s3.get_file_info(fs.FileSelector(f"{bucket}/a", recursive=True))
    assert f"{bucket}/a/b/one" in [info.path for info in found]
    s3.move(f"{bucket}/a/b/one", f"{bucket}/a/two")
    s3.copy_file(f"{bucket}/a/two", f"{bucket}/a/three")
    assert t.get(bucket, "a/three") == b"1"
    s3.delete_dir(f"{bucket}/a")
    assert s3.get_file_info(f"{bucket}/a/two").type == fs.FileType.NotFound
    assert [key for key in t.keys(bucket) if key.startswith("a/")] == []


def test_buckets_of_its_own(t):
    s3 = filesystem(t, allow_bucket_creation=True, allow_bucket_deletion=True)
    name = t.bucket_name()
    s3.create_dir(name)
    assert s3.get_file_info(name).type == fs.FileType.Directory
    s3.delete_dir(name)
    assert s3.get_file_info(name).type == fs.FileType.NotFound


def test_parquet_data_set(t):
    bucket = t.bucket()
    here, there = filesystem(t), filesystem(t, t.other_url)
    rows = table(200_000)
    ds.write_dataset(
        rows,
        f"{bucket}/set",
        filesystem=here,
        format="parquet",
        partitioning=["year"],
        partitioning_flavor="hive",
    )
    found = ds.dataset(f"{bucket}/set", filesystem=there, format="parquet", partitioning="hive")
    assert found.count_rows() == 200_000
    some = found.to_table(filter=pc.field("year") == 2001, columns=["number"])
    expected = rows.filter(pc.equal(rows["year"], 2001))["number"]
    assert sorted(some["number"].to_pylist()) == expected.to_pylist()
    # Written again, the old files go.
    ds.write_dataset(
        rows.slice(0, 300),
        f"{bucket}/set",
        filesystem=there,
        format="parquet",
        partitioning=["year"],
        partitioning_flavor="hive",
        existing_data_behavior="delete_matching",
    )
    again = ds.dataset(f"{bucket}/set", filesystem=here, format="parquet", partitioning="hive")
    assert again.count_rows() == 300


def test_a_parquet_file_in_parts(t):
    bucket = t.bucket()
    body = data(16 * MIB)
    rows = pa.table({"blob": [body[at : at + 1024] for at in range(0, len(body), 1024)]})
    pq.write_table(rows, f"{bucket}/file.parquet", filesystem=filesystem(t), compression="none")
    assert "-" in t.s3.head_object(Bucket=bucket, Key="file.parquet")["ETag"]
    back = pq.read_table(f"{bucket}/file.parquet", filesystem=filesystem(t, t.other_url))
    assert back.equals(rows)

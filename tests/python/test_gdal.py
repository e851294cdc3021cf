"""GDAL's /vsis3/ by rasterio: rasters written to a bucket, and read window by window."""

import numpy
import rasterio
import rasterio.shutil
from rasterio.session import AWSSession
from rasterio.transform import from_origin
from rasterio.windows import Window

VALUES = numpy.random.default_rng(1).integers(0, 60_000, (2000, 2400), dtype="u2")


def gdal(url):
    """The settings of one gateway; nothing is remembered between two of them."""
    return rasterio.Env(
        session=AWSSession(endpoint_url=url.partition("://")[2]),
        AWS_HTTPS="NO",
        AWS_VIRTUAL_HOSTING="FALSE",
        CPL_VSIL_CURL_NON_CACHED="/vsis3/",
        CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE="YES",
        VSIS3_CHUNK_SIZE="5",
    )


def write(path, values, **options):
    height, width = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "uint16"}
    profile["transform"] = from_origin(600_000, 6_300_000, 10, 10)
    with rasterio.open(path, "w", **profile, **options) as raster:
        raster.write(values, 1)


def test_rasters_are_read_by_window(t):
    bucket = t.bucket()
    path = f"/vsis3/{bucket}/relief é.tif"
    with gdal(t.url):
        write(path, VALUES, tiled=True, blockxsize=256, blockysize=256)
    with gdal(t.other_url), rasterio.open(path) as raster:
        window = Window(1100, 900, 300, 200)
        assert numpy.array_equal(raster.read(1, window=window), VALUES[900:1100, 1100:1400])
        assert numpy.array_equal(raster.read(1), VALUES)
    # Nine megabytes are more than one part.
    assert "-" in t.s3.head_object(Bucket=bucket, Key="relief é.tif")["ETag"]
    with gdal(t.url):
        write(path, VALUES[:10, :10])
    with gdal(t.other_url), rasterio.open(path) as raster:
        assert numpy.array_equal(raster.read(1), VALUES[:10, :10])


def test_cloud_optimised_rasters(t):
    bucket = t.bucket()
    path = f"/vsis3/{bucket}/a folder/cog.tif"
    with gdal(t.url), rasterio.io.MemoryFile() as memory:
        write(memory.name, VALUES)
        rasterio.shutil.copy(memory.name, path, driver="COG", compress="DEFLATE")
    with gdal(t.other_url), rasterio.open(path) as raster:
        assert raster.overviews(1)
        small = raster.read(1, out_shape=(250, 300))
        assert small.shape == (250, 300)
        assert numpy.array_equal(raster.read(1), VALUES)


def test_files_are_found_and_removed(t):
    bucket = t.bucket()
    path = f"/vsis3/{bucket}/gone.tif"
    with gdal(t.url):
        write(path, VALUES[:10, :10])
        assert rasterio.shutil.exists(path)
        rasterio.shutil.delete(path)
    assert t.keys(bucket) == []
    with gdal(t.other_url):
        try:
            rasterio.open(path)
        except rasterio.errors.RasterioIOError:
            return
    raise AssertionError("a raster that is gone was opened")

//! The clients that people use, each doing what people do with it.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::paths::Venv;
use riquet_tests::python::{self, Python};
use riquet_tests::suite;

mod aws;
mod curl;
mod mounts;
mod node;
mod rclone;
mod restic;
mod s3cmd;
mod serve;
mod versions;

/// Seconds for one call of a client that moves at most some tens of MiB, on a busy machine.
const CLIENT_TIMEOUT_S: u64 = 120;

/// Libraries for data, each with the file of its tests.
const LIBRARIES: [(&str, &str); 8] = [
    ("s3fs", "test_fsspec"),
    ("pyarrow", "test_pyarrow"),
    ("zarr", "test_zarr"),
    ("obstore", "test_obstore"),
    ("deltalake", "test_deltalake"),
    ("icechunk", "test_icechunk"),
    ("duckdb", "test_duckdb"),
    ("rasterio", "test_gdal"),
];

fn main() -> ExitCode {
    if !Arguments::from_args().list {
        versions::print();
    }
    suite::run(|shared| {
        let mut trials = python::trials(shared, "test_boto3");
        trials.extend(Python::of(Venv::OldBoto3).trials(shared, "boto3", "test_old_boto3"));
        let data = Python::of(Venv::Data);
        for (library, module) in LIBRARIES {
            trials.extend(data.trials(shared, library, module));
        }
        trials.extend(aws::trials(shared));
        trials.extend(rclone::trials(shared));
        trials.extend(serve::trials(shared));
        trials.extend(restic::trials(shared));
        trials.extend(node::trials(shared));
        trials.extend(s3cmd::trials(shared));
        trials.extend(curl::trials(shared));
        trials.extend(mounts::trials(shared));
        trials
    })
}

/// Makes a bucket of a name that no other trial uses.
fn bucket(cluster: &Cluster, name: &str) -> Result<String, Failed> {
    let path = format!("/{name}");
    cluster.s3(Site::Toulouse).put(&path, &[])?;
    Ok(name.to_owned())
}

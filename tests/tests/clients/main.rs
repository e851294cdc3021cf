//! The clients that people use, each doing what people do with it.

use std::process::ExitCode;

use libtest_mimic::Failed;
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::{python, suite};

mod aws;
mod curl;
mod mounts;
mod rclone;
mod s3cmd;

/// Seconds for one call of a client that moves at most some tens of MiB, on a busy machine.
const CLIENT_TIMEOUT_S: u64 = 120;

fn main() -> ExitCode {
    suite::run(|shared| {
        let mut trials = python::trials(shared, "test_boto3");
        trials.extend(aws::trials(shared));
        trials.extend(rclone::trials(shared));
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

//! The AWS SDK for JavaScript: each trial is a function of `node/sdk.cjs`.

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::paths;
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;

use crate::{CLIENT_TIMEOUT_S, bucket};

/// The functions of the script.
const TESTS: [&str; 6] = [
    "objects",
    "streams",
    "multipart",
    "listings",
    "conditions",
    "presigned",
];

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::NodePackage("@aws-sdk/client-s3")];
    TESTS
        .into_iter()
        .map(|test| shared.trial(format!("node::{test}"), needs, move |c| call(c, test)))
        .collect()
}

fn call(cluster: &Cluster, test: &str) -> Result<(), Failed> {
    let bucket = bucket(cluster, &format!("node-{test}"))?;
    let command = Run::new("node")
        .arg(paths::node_tests().join("sdk.cjs"))
        .args([test, &bucket])
        .for_cluster(cluster, Site::Toulouse)
        .env("RIQUET_OTHER_URL", cluster.endpoint(Site::Montpellier))
        .env("NODE_PATH", paths::node_modules());
    run(&command, CLIENT_TIMEOUT_S)?;
    Ok(())
}

//! restic: a repository of backups in a bucket.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use riquet_tests::tree;
use serde_json::Value;
use tempfile::TempDir;

use crate::{CLIENT_TIMEOUT_S, bucket};

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::Program("restic")];
    vec![shared.trial("restic::life_of_a_repository", needs, repository)]
}

/// Runs restic in `folder`, without a cache of its own.
fn restic(
    cluster: &Cluster,
    site: Site,
    folder: &Path,
    bucket: &str,
    words: &[&str],
) -> Result<String, Failed> {
    let command = Run::new("restic")
        .args(["--no-cache", "--quiet"])
        .args(["-o", "s3.bucket-lookup=path", "-r"])
        .arg(format!("s3:{}/{bucket}/backups", cluster.endpoint(site)))
        .args(words)
        .within(folder)
        .for_cluster(cluster, site)
        .env("RESTIC_PASSWORD", "secret");
    Ok(String::from_utf8(run(&command, CLIENT_TIMEOUT_S)?)?)
}

fn repository(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "restic")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    let at = |site, words: &[&str]| restic(cluster, site, folder.path(), &bucket, words);
    let first = tree::write_sample(&source)?;
    at(Site::Toulouse, &["init"])?;
    at(Site::Toulouse, &["backup", "source"])?;
    std::fs::remove_file(source.join("large.bin"))?;
    tree::write(&source, "one", b"changed")?;
    let second = tree::snapshot(&source)?;
    at(Site::Montpellier, &["backup", "source"])?;

    let listed: Value = serde_json::from_str(&at(Site::Toulouse, &["snapshots", "--json"])?)?;
    let snapshots = listed.as_array().ok_or("no list of snapshots")?;
    let ids: Vec<_> = snapshots.iter().filter_map(|s| s["id"].as_str()).collect();
    assert_eq!(ids.len(), 2, "{listed}");
    let target = back.to_string_lossy();
    for (id, files) in ids.iter().zip([&first, &second]) {
        at(Site::Montpellier, &["restore", id, "--target", &target])?;
        assert_eq!(&tree::snapshot(&back.join("source"))?, files);
        std::fs::remove_dir_all(&back)?;
    }

    let forget = ["forget", "--keep-last", "1", "--prune", "--max-unused", "0"];
    at(Site::Toulouse, &forget)?;
    at(Site::Montpellier, &["check", "--read-data"])?;
    at(Site::Toulouse, &["restore", "latest", "--target", &target])?;
    assert_eq!(tree::snapshot(&back.join("source"))?, second);
    Ok(())
}

//! rclone, with the remote that `DIR/env` makes ready.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use riquet_tests::tree;
use tempfile::TempDir;

use crate::{CLIENT_TIMEOUT_S, bucket};

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::Program("rclone")];
    vec![
        shared.trial("rclone::copy_and_check", needs, copy_and_check),
        shared.trial("rclone::sync", needs, sync),
        shared.trial("rclone::server_side_move", needs, server_side_move),
    ]
}

/// Runs rclone; it exits with an error when `check` finds a difference.
fn rclone(
    cluster: &Cluster,
    site: Site,
    words: &[&str],
    from: &Path,
    to: &Path,
) -> Result<String, Failed> {
    let command = Run::new("rclone")
        .args(["--retries", "1", "--s3-upload-cutoff", "6M"])
        .args(words)
        .arg(from)
        .arg(to)
        .for_cluster(cluster, site);
    Ok(String::from_utf8(run(&command, CLIENT_TIMEOUT_S)?)?)
}

fn copy_and_check(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "rclone-copy")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    let files = tree::write_sample(&source)?;
    let remote = format!("riquet:{bucket}/tree");
    let remote = Path::new(&remote);
    rclone(cluster, Site::Toulouse, &["copy"], &source, remote)?;
    for site in Site::ALL {
        rclone(cluster, site, &["check"], &source, remote)?;
        rclone(cluster, site, &["check", "--download"], &source, remote)?;
    }
    rclone(cluster, Site::Montpellier, &["copy"], remote, &back)?;
    assert_eq!(tree::snapshot(&back)?, files);
    // The check can fail.
    tree::write(&source, "one", b"x")?;
    let differs = rclone(
        cluster,
        Site::Toulouse,
        &["check", "--download"],
        &source,
        remote,
    );
    assert!(differs.is_err());
    Ok(())
}

fn sync(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "rclone-sync")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    tree::write_sample(&source)?;
    let remote = format!("riquet:{bucket}");
    let remote = Path::new(&remote);
    rclone(cluster, Site::Montpellier, &["sync"], &source, remote)?;
    std::fs::remove_file(source.join("data/100%.csv"))?;
    tree::write(&source, "deep/new file", b"new")?;
    tree::write(&source, "one", b"longer than before")?;
    rclone(cluster, Site::Toulouse, &["sync"], &source, remote)?;
    rclone(
        cluster,
        Site::Toulouse,
        &["check", "--download"],
        &source,
        remote,
    )?;
    rclone(cluster, Site::Montpellier, &["sync"], remote, &back)?;
    assert_eq!(tree::snapshot(&back)?, tree::snapshot(&source)?);
    Ok(())
}

fn server_side_move(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "rclone-move")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    let files = tree::write_sample(&source)?;
    let (old, new) = (
        format!("riquet:{bucket}/old"),
        format!("riquet:{bucket}/new"),
    );
    let (old, new) = (Path::new(&old), Path::new(&new));
    rclone(cluster, Site::Toulouse, &["copy"], &source, old)?;
    let cutoff = ["move", "--s3-copy-cutoff", "6M"];
    rclone(cluster, Site::Montpellier, &cutoff, old, new)?;
    rclone(cluster, Site::Montpellier, &["copy"], new, &back)?;
    assert_eq!(tree::snapshot(&back)?, files);
    let keys = cluster.s3(Site::Toulouse).keys(&bucket, "old/")?;
    assert_eq!(keys, Vec::<String>::new());
    Ok(())
}

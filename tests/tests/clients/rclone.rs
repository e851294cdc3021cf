//! rclone, with the remote that `DIR/env` makes ready.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

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
        shared.trial("rclone::times_of_files", needs, times_of_files),
        shared.trial("rclone::bisync", needs, bisync),
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
    said(&command)
}

/// What a command prints.
fn said(command: &Run) -> Result<String, Failed> {
    Ok(String::from_utf8(run(command, CLIENT_TIMEOUT_S)?)?)
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

/// A file's time is metadata. Where only the time differs, the object is copied onto itself.
fn times_of_files(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "rclone-times")?;
    let folder = TempDir::new()?;
    let source = folder.path().join("source");
    let files = tree::write_sample(&source)?;
    let remote = format!("riquet:{bucket}");
    let remote = Path::new(&remote);
    rclone(cluster, Site::Toulouse, &["copy"], &source, remote)?;
    // One of a single piece, one of several parts.
    for (name, seconds) in [("one", 1_000_000_000), ("large.bin", 1_100_000_000)] {
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        let file = File::options().write(true).open(source.join(name))?;
        file.set_modified(time)?;
        rclone(cluster, Site::Montpellier, &["copy"], &source, remote)?;
        let listed = Run::new("rclone")
            .args(["lsf", "--files-only", "--format", "t", "--include", name])
            .arg(remote)
            .for_cluster(cluster, Site::Toulouse)
            .env("TZ", "UTC");
        let expected = jiff::Timestamp::try_from(time)?.strftime("%F %T");
        assert_eq!(said(&listed)?.trim(), expected.to_string(), "{name}");
        let path = format!("/{bucket}/{name}");
        assert_eq!(cluster.s3(Site::Toulouse).sha256(&path)?.1, files[name]);
    }
    rclone(
        cluster,
        Site::Toulouse,
        &["check", "--download"],
        &source,
        remote,
    )?;
    Ok(())
}

fn bisync(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "rclone-bisync")?;
    let folder = TempDir::new()?;
    let (source, work) = (folder.path().join("source"), folder.path().join("work"));
    let work = work.to_string_lossy();
    tree::write_sample(&source)?;
    let remote = format!("riquet:{bucket}/tree");
    let remote = Path::new(&remote);
    let s3 = cluster.s3(Site::Montpellier);
    let words = ["bisync", "--workdir", &work];
    let first = [&words[..], &["--resync"]].concat();
    rclone(cluster, Site::Toulouse, &first, &source, remote)?;

    // Each side changes in its own way.
    std::fs::remove_file(source.join("read me.txt"))?;
    tree::write(&source, "data/here", b"new here")?;
    s3.put(&format!("/{bucket}/tree/data/there"), b"new there")?;
    s3.put(&format!("/{bucket}/tree/one"), b"changed there")?;
    s3.ask("DELETE", &format!("/{bucket}/tree/data/100%.csv"))?
        .expect(204)?;
    // The same site: what bisync remembers is about one endpoint.
    rclone(cluster, Site::Toulouse, &words, &source, remote)?;
    let both = ["check", "--download"];
    rclone(cluster, Site::Montpellier, &both, &source, remote)?;
    assert_eq!(std::fs::read(source.join("one"))?, b"changed there");
    assert!(source.join("data/there").is_file() && source.join("data/here").is_file());
    assert!(!source.join("data/100%.csv").exists() && !source.join("read me.txt").exists());
    Ok(())
}

//! s3cmd.

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use riquet_tests::tree;
use tempfile::TempDir;

use crate::{CLIENT_TIMEOUT_S, bucket};

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::Program("s3cmd")];
    vec![
        shared.trial("s3cmd::put_get_del", needs, put_get_del),
        shared.trial("s3cmd::sync", needs, sync),
    ]
}

fn s3cmd(cluster: &Cluster, site: Site, words: &[&str]) -> Result<String, Failed> {
    let host = format!("127.0.0.1:{}", cluster.gateway_port(site));
    let value = |name: &str| cluster.env().get(name).cloned().unwrap_or_default();
    let command = Run::new("s3cmd")
        .args(["--config=/dev/null", "--no-ssl", "--no-progress"])
        .arg(format!("--host={host}"))
        // Without a place for the bucket in it: path style.
        .arg(format!("--host-bucket={host}"))
        .arg(format!("--access_key={}", value("AWS_ACCESS_KEY_ID")))
        .arg(format!("--secret_key={}", value("AWS_SECRET_ACCESS_KEY")))
        .arg("--multipart-chunk-size-mb=5")
        .args(words)
        .for_cluster(cluster, site);
    Ok(String::from_utf8(run(&command, CLIENT_TIMEOUT_S)?)?)
}

fn put_get_del(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "s3cmd-put")?;
    let folder = TempDir::new()?;
    let files = tree::write_sample(folder.path())?;
    for name in ["empty", "read me.txt", "large.bin"] {
        let file = folder.path().join(name);
        let url = format!("s3://{bucket}/été/{name}");
        let back = folder.path().join("back");
        let (file, back) = (file.to_string_lossy(), back.to_string_lossy());
        s3cmd(cluster, Site::Toulouse, &["put", &file, &url])?;
        s3cmd(cluster, Site::Montpellier, &["get", "--force", &url, &back])?;
        assert_eq!(
            tree::snapshot(folder.path())?["back"],
            files[name],
            "{name}"
        );
        let info = s3cmd(cluster, Site::Toulouse, &["info", &url])?;
        assert!(info.contains("MD5 sum"), "{info}");
    }
    let (one, back) = (folder.path().join("one"), folder.path().join("back"));
    let (one, back) = (one.to_string_lossy(), back.to_string_lossy());
    let url = format!("s3://{bucket}/été/large.bin");
    s3cmd(cluster, Site::Montpellier, &["put", &one, &url])?;
    s3cmd(cluster, Site::Toulouse, &["get", "--force", &url, &back])?;
    assert_eq!(tree::snapshot(folder.path())?["back"], files["one"]);
    let listing = s3cmd(cluster, Site::Toulouse, &["ls", &format!("s3://{bucket}/")])?;
    assert!(listing.contains("DIR"), "{listing}");
    let everything = format!("s3://{bucket}/");
    let words = ["del", "--recursive", "--force", &everything];
    s3cmd(cluster, Site::Montpellier, &words)?;
    assert_eq!(
        cluster.s3(Site::Toulouse).keys(&bucket, "")?,
        Vec::<String>::new()
    );
    Ok(())
}

fn sync(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "s3cmd-sync")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    let files = tree::write_sample(&source)?;
    std::fs::create_dir(&back)?;
    let source = format!("{}/", source.display());
    let target = format!("{}/", back.display());
    let url = format!("s3://{bucket}/tree/");
    s3cmd(cluster, Site::Toulouse, &["sync", &source, &url])?;
    s3cmd(cluster, Site::Montpellier, &["sync", &url, &target])?;
    assert_eq!(tree::snapshot(&back)?, files);
    Ok(())
}

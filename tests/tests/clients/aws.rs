//! aws-cli.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, outcome, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use riquet_tests::tree;
use serde_json::Value;
use tempfile::TempDir;

use crate::{CLIENT_TIMEOUT_S, bucket};

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::Program("aws")];
    vec![
        shared.trial("aws::cp_all_sizes", needs, cp_all_sizes),
        shared.trial("aws::cp_from_a_pipe", needs, cp_from_a_pipe),
        shared.trial("aws::sync", needs, sync),
        shared.trial("aws::mv_ls_rm_rb", needs, mv_ls_rm_rb),
        shared.trial("aws::s3api_multipart", needs, s3api_multipart),
        shared.trial("aws::s3api_copy_and_list", needs, s3api_copy_and_list),
        shared.trial(
            "aws::presign",
            &[Need::Program("aws"), Need::Program("curl")],
            presign,
        ),
    ]
}

fn aws(cluster: &Cluster, site: Site, words: &[&str]) -> Result<String, Failed> {
    let command = Run::new("aws").args(words).for_cluster(cluster, site);
    let printed = run(&command, CLIENT_TIMEOUT_S)?;
    Ok(String::from_utf8(printed)?)
}

fn json(cluster: &Cluster, site: Site, words: &[&str]) -> Result<Value, Failed> {
    let words = [&["--output", "json", "s3api"], words].concat();
    Ok(serde_json::from_str(&aws(cluster, site, &words)?)?)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test folders have plain names")
}

fn cp_all_sizes(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "aws-cp")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    for size_bytes in [0, 1, 5 * MIB, 64 * MIB] {
        let bytes = data::bytes(size_bytes, size_bytes);
        std::fs::write(&source, &bytes)?;
        let url = format!("s3://{bucket}/size {size_bytes}");
        let up = ["s3", "cp", "--no-progress", text(&source), &url];
        aws(cluster, Site::Toulouse, &up)?;
        for site in Site::ALL {
            let down = ["s3", "cp", "--no-progress", &url, text(&back)];
            aws(cluster, site, &down)?;
            let found = data::sha256(&std::fs::read(&back)?);
            assert_eq!(found, data::sha256(&bytes), "{size_bytes} bytes, {site:?}");
        }
    }
    Ok(())
}

fn cp_from_a_pipe(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "aws-pipe")?;
    let url = format!("s3://{bucket}/piped");
    let script =
        format!("head -c 20000000 /dev/zero | aws s3 cp - {url}; aws s3 cp {url} - | wc -c");
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = riquet_tests::paths::venv().join("bin");
    let command = Run::new("sh")
        .args(["-c", &script])
        .for_cluster(cluster, Site::Montpellier)
        .env("PATH", format!("{}:{path}", bin.display()));
    let printed = String::from_utf8(run(&command, CLIENT_TIMEOUT_S)?)?;
    assert_eq!(printed.trim(), "20000000");
    Ok(())
}

fn sync(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "aws-sync")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    let mut files = tree::write_sample(&source)?;
    let url = format!("s3://{bucket}/tree");
    let up = ["s3", "sync", "--no-progress", text(&source), &url];
    let down = ["s3", "sync", "--no-progress", &url, text(&back)];
    aws(cluster, Site::Toulouse, &up)?;
    aws(cluster, Site::Montpellier, &down)?;
    assert_eq!(tree::snapshot(&back)?, files);
    // Nothing has changed, so nothing is copied.
    assert_eq!(aws(cluster, Site::Montpellier, &up)?.trim(), "");
    // One file changes, one comes, one goes.
    tree::write(&source, "one", b"another length")?;
    tree::write(&source, "new", b"new")?;
    std::fs::remove_file(source.join("read me.txt"))?;
    files = tree::snapshot(&source)?;
    aws(
        cluster,
        Site::Montpellier,
        &[&up[..], &["--delete"]].concat(),
    )?;
    aws(
        cluster,
        Site::Toulouse,
        &[&down[..], &["--delete"]].concat(),
    )?;
    assert_eq!(tree::snapshot(&back)?, files);
    Ok(())
}

fn mv_ls_rm_rb(cluster: &Cluster) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let files = tree::write_sample(folder.path())?;
    let url = "s3://aws-life-of-a-bucket";
    let site = Site::Montpellier;
    aws(cluster, site, &["s3", "mb", url])?;
    let object = format!("{url}/a/");
    let cp = ["s3", "cp", "--no-progress", "--recursive"];
    aws(
        cluster,
        site,
        &[&cp[..], &[text(folder.path()), &object]].concat(),
    )?;
    let moved = format!("{url}/b/");
    aws(cluster, site, &["s3", "mv", "--recursive", &object, &moved])?;
    let listing = aws(cluster, Site::Toulouse, &["s3", "ls", "--recursive", url])?;
    assert_eq!(listing.lines().count(), files.len(), "{listing}");
    assert!(listing.contains("b/data/2026/été.nc"), "{listing}");
    let top = aws(cluster, site, &["s3", "ls", &format!("{url}/")])?;
    assert_eq!(top.trim(), "PRE b/");
    aws(cluster, site, &["s3", "rm", "--recursive", &moved])?;
    let empty = Run::new("aws")
        .args(["s3", "ls", &format!("{url}/")])
        .for_cluster(cluster, site);
    assert_eq!(outcome(&empty, CLIENT_TIMEOUT_S)?.stdout, b"");
    aws(cluster, site, &["s3", "rb", "--force", url])?;
    let buckets = aws(cluster, Site::Toulouse, &["s3", "ls"])?;
    assert!(!buckets.contains("aws-life-of-a-bucket"), "{buckets}");
    Ok(())
}

fn s3api_multipart(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "aws-multipart")?;
    let folder = TempDir::new()?;
    let parts = [data::bytes(1, 5 * MIB), data::bytes(2, 1000)];
    let object = ["--bucket", &bucket, "--key", "object"];
    let create = [&["create-multipart-upload"], &object[..]].concat();
    let upload = json(cluster, Site::Toulouse, &create)?;
    let upload = upload["UploadId"].as_str().ok_or("no UploadId")?.to_owned();
    let mut done = Vec::new();
    for (bytes, number) in parts.iter().zip(1..) {
        let file = folder.path().join("part");
        std::fs::write(&file, bytes)?;
        let number = number.to_string();
        let of = ["--upload-id", &upload, "--part-number", &number];
        let body = ["--body", text(&file)];
        let words = [&["upload-part"], &object[..], &of, &body].concat();
        let answer = json(cluster, Site::Montpellier, &words)?;
        done.push(serde_json::json!({
            "PartNumber": number.parse::<u32>()?,
            "ETag": answer["ETag"],
            "ChecksumCRC32": answer["ChecksumCRC32"],
        }));
    }
    let of = ["--upload-id", upload.as_str()];
    let listed = json(
        cluster,
        Site::Toulouse,
        &[&["list-parts"], &object[..], &of].concat(),
    )?;
    assert_eq!(listed["Parts"].as_array().map(Vec::len), Some(2));
    for part in &mut done {
        // Absent where the client sends no checksum of its own.
        if part["ChecksumCRC32"].is_null() {
            part.as_object_mut()
                .ok_or("no map")?
                .remove("ChecksumCRC32");
        }
    }
    let list = serde_json::json!({ "Parts": done }).to_string();
    let complete = ["--multipart-upload", list.as_str()];
    let words = [&["complete-multipart-upload"], &object[..], &of, &complete].concat();
    let answer = json(cluster, Site::Toulouse, &words)?;
    assert!(
        answer["ETag"]
            .as_str()
            .is_some_and(|etag| etag.ends_with("-2\""))
    );
    let whole = data::sha256(&parts.concat());
    let (_, found) = cluster
        .s3(Site::Montpellier)
        .sha256(&format!("/{bucket}/object"))?;
    assert_eq!(found, whole);
    Ok(())
}

fn s3api_copy_and_list(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "aws-copy")?;
    let bytes = data::bytes(3, MIB);
    let s3 = cluster.s3(Site::Toulouse);
    s3.put(&format!("/{bucket}/a/source"), &bytes)?;
    let source = format!("{bucket}/a/source");
    let words = ["copy-object", "--bucket", &bucket, "--key", "b/copy"];
    let from = ["--copy-source", &source, "--metadata", "m=1"];
    let directive = ["--metadata-directive", "REPLACE"];
    json(
        cluster,
        Site::Montpellier,
        &[&words[..], &from, &directive].concat(),
    )?;
    let words = ["head-object", "--bucket", &bucket, "--key", "b/copy"];
    let head = json(cluster, Site::Toulouse, &words)?;
    assert_eq!(head["Metadata"]["m"], "1");
    assert_eq!(head["ContentLength"], MIB);
    let words = ["list-objects-v2", "--bucket", &bucket, "--delimiter", "/"];
    let page = json(cluster, Site::Toulouse, &words)?;
    let groups = page["CommonPrefixes"].as_array().ok_or("no groups")?;
    assert_eq!(groups.len(), 2);
    let (_, found) = s3.sha256(&format!("/{bucket}/b/copy"))?;
    assert_eq!(found, data::sha256(&bytes));
    Ok(())
}

fn presign(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "aws-presign")?;
    let bytes = data::bytes(4, 100_000);
    cluster
        .s3(Site::Toulouse)
        .put(&format!("/{bucket}/a b+é"), &bytes)?;
    let url = format!("s3://{bucket}/a b+é");
    // Version 1 of aws-cli presigns with the old version 2 of signatures unless told otherwise.
    let folder = TempDir::new()?;
    let config = folder.path().join("config");
    std::fs::write(&config, "[default]\ns3 =\n  signature_version = s3v4\n")?;
    let presign = Run::new("aws")
        .args(["s3", "presign", &url])
        .for_cluster(cluster, Site::Montpellier)
        .env("AWS_CONFIG_FILE", &config);
    let signed = String::from_utf8(run(&presign, CLIENT_TIMEOUT_S)?)?;
    let curl = Run::new("curl").args(["-sSf", signed.trim()]);
    let found = run(&curl, CLIENT_TIMEOUT_S)?;
    assert_eq!(data::sha256(&found), data::sha256(&bytes));
    let broken = signed
        .trim()
        .replace("X-Amz-Signature=", "X-Amz-Signature=0");
    let curl = Run::new("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &broken]);
    assert_eq!(run(&curl, CLIENT_TIMEOUT_S)?, b"403");
    Ok(())
}

//! curl: requests signed by curl itself, HTTP/1.1 and HTTP/2 without TLS.

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Outcome, Run, outcome, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use tempfile::TempDir;

use crate::{CLIENT_TIMEOUT_S, bucket};

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::Program("curl")];
    vec![
        shared.trial("curl::http_1", needs, |cluster| {
            there_and_back(cluster, "curl-http-1", "--http1.1", "1.1")
        }),
        shared.trial("curl::http_2_prior_knowledge", needs, |cluster| {
            there_and_back(cluster, "curl-http-2", "--http2-prior-knowledge", "2")
        }),
        shared.trial("curl::keep_alive", needs, keep_alive),
        shared.trial("curl::expect_100_continue", needs, expect_100_continue),
        shared.trial(
            "curl::refused_before_the_body",
            needs,
            refused_before_the_body,
        ),
    ]
}

/// curl that signs with the cluster's credentials.
fn curl(cluster: &Cluster) -> Run {
    let value = |name: &str| cluster.env().get(name).cloned().unwrap_or_default();
    let region = value("AWS_REGION");
    let user = format!(
        "{}:{}",
        value("AWS_ACCESS_KEY_ID"),
        value("AWS_SECRET_ACCESS_KEY")
    );
    Run::new("curl")
        .args(["-sS", "--aws-sigv4", &format!("aws:amz:{region}:s3")])
        .args(["--user", &user])
        .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
}

fn there_and_back(
    cluster: &Cluster,
    name: &str,
    protocol: &str,
    version: &str,
) -> Result<(), Failed> {
    let bucket = bucket(cluster, name)?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    for size_bytes in [0, 1, 5000, 20 * MIB + 1] {
        let bytes = data::bytes(size_bytes, size_bytes);
        std::fs::write(&source, &bytes)?;
        let url = |site| format!("{}/{bucket}/object", cluster.endpoint(site));
        let put = curl(cluster)
            .args([protocol, "-f", "-w", "%{http_version} %{http_code}", "-T"])
            .arg(&source)
            .arg(url(Site::Toulouse));
        let printed = String::from_utf8(run(&put, CLIENT_TIMEOUT_S)?)?;
        assert_eq!(printed, format!("{version} 200"));
        let get = curl(cluster)
            .args([protocol, "-f", "-w", "%{http_version} %{http_code}", "-o"])
            .arg(&back)
            .arg(url(Site::Montpellier));
        let printed = String::from_utf8(run(&get, CLIENT_TIMEOUT_S)?)?;
        assert_eq!(printed, format!("{version} 200"));
        assert_eq!(data::sha256(&std::fs::read(&back)?), data::sha256(&bytes));
        std::fs::remove_file(&back)?;
    }
    Ok(())
}

fn keep_alive(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "curl-keep-alive")?;
    let path = format!("/{bucket}/object");
    cluster
        .s3(Site::Toulouse)
        .put(&path, &data::bytes(1, MIB))?;
    let url = format!("{}{path}", cluster.endpoint(Site::Toulouse));
    let head = curl(cluster).args(["--http1.1", "-f", "-I", "-v", &url, &url, &url]);
    let Outcome { code, stderr, .. } = outcome(&head, CLIENT_TIMEOUT_S)?;
    assert_eq!(code, Some(0), "{stderr}");
    let again = stderr.matches("Re-using existing connection").count();
    assert_eq!(again, 2, "{stderr}");
    Ok(())
}

fn expect_100_continue(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "curl-expect")?;
    let folder = TempDir::new()?;
    let source = folder.path().join("source");
    std::fs::write(&source, data::bytes(1, 2 * MIB))?;
    let put = curl(cluster)
        .args(["--http1.1", "-f", "-v", "-H", "Expect: 100-continue", "-T"])
        .arg(&source)
        .arg(format!(
            "{}/{bucket}/object",
            cluster.endpoint(Site::Toulouse)
        ));
    let Outcome { code, stderr, .. } = outcome(&put, CLIENT_TIMEOUT_S)?;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("HTTP/1.1 100 Continue"), "{stderr}");
    Ok(())
}

/// Who waits for `100 Continue` is told of a refusal at once, and keeps the body.
fn refused_before_the_body(cluster: &Cluster) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let source = folder.path().join("source");
    std::fs::write(&source, data::bytes(1, 2 * MIB))?;
    let put = curl(cluster)
        .args(["--http1.1", "-v", "-H", "Expect: 100-continue"])
        .args(["-w", "%{http_code} %{size_upload}", "-o", "/dev/null", "-T"])
        .arg(&source)
        .arg(format!(
            "{}/curl-no-bucket/object",
            cluster.endpoint(Site::Toulouse)
        ));
    let Outcome { stdout, stderr, .. } = outcome(&put, CLIENT_TIMEOUT_S)?;
    assert_eq!(String::from_utf8_lossy(&stdout), "404 0", "{stderr}");
    Ok(())
}

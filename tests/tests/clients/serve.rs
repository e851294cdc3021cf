//! rclone serving a bucket to programs that know no S3.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, run, wait_until};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use tempfile::TempDir;

use crate::{CLIENT_TIMEOUT_S, bucket};

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    let needs = &[Need::Program("rclone"), Need::Program("curl")];
    vec![shared.trial("rclone::serve_webdav", needs, serve_webdav)]
}

/// A server in the foreground, until it is dropped.
struct Served {
    process: Child,
    url: String,
}

impl Served {
    /// Starts `command`, which tells on its standard error where it listens.
    fn start(command: &Run) -> Result<Self, Failed> {
        let mut process = command
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut log = BufReader::new(process.stderr.take().ok_or("no log")?);
        let mut served = Self {
            process,
            url: String::new(),
        };
        let mut said = String::new();
        while served.url.is_empty() {
            let start = said.len();
            if log.read_line(&mut said)? == 0 {
                return Err(format!("rclone serves nothing: {said}").into());
            }
            if let Some((_, rest)) = said[start..].split_once("http://") {
                let end = rest.find([']', '/', '"', '\n']).unwrap_or(rest.len());
                served.url = format!("http://{}", &rest[..end]);
            }
        }
        // What it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve_webdav(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "rclone-serve")?;
    let folder = TempDir::new()?;
    let (source, back) = (folder.path().join("source"), folder.path().join("back"));
    let large = data::bytes(9, 12 * MIB + 1);
    std::fs::write(&source, &large)?;
    let command = Run::new("rclone")
        .args(["serve", "webdav", "-v", "--addr", "127.0.0.1:0"])
        .args(["--vfs-cache-mode", "writes", "--vfs-write-back", "0s"])
        .args(["--s3-upload-cutoff", "6M", "--dir-cache-time", "0s"])
        .arg("--cache-dir")
        .arg(folder.path().join("cache"))
        .arg(format!("riquet:{bucket}"))
        .for_cluster(cluster, Site::Toulouse);
    let served = Served::start(&command)?;
    let curl = |words: &[&str], name: &str| {
        let words = [&["-sSf"], words].concat();
        let url = format!("{}/{name}", served.url);
        run(&Run::new("curl").args(words).arg(url), CLIENT_TIMEOUT_S)
    };
    let (source, back) = (source.to_string_lossy(), back.to_string_lossy());
    curl(&["-X", "MKCOL"], "folder")?;
    curl(&["-T", &source], "folder/large")?;
    curl(&["-o", &back], "folder/large")?;
    assert_eq!(data::sha256(&std::fs::read(&*back)?), data::sha256(&large));
    curl(&["-o", &back, "-r", "5000000-5000099"], "folder/large")?;
    assert_eq!(std::fs::read(&*back)?, large[5_000_000..5_000_100]);
    let target = format!("Destination: {}/folder/moved", served.url);
    curl(&["-X", "MOVE", "-H", &target], "folder/large")?;
    let s3 = cluster.s3(Site::Montpellier);
    let keys = || s3.keys(&bucket, "folder/");
    wait_until("the move is done", || Ok(keys()? == ["folder/moved"]))?;
    let found = s3.sha256(&format!("/{bucket}/folder/moved"))?.1;
    assert_eq!(found, data::sha256(&large));
    curl(&["-X", "DELETE"], "folder/moved")?;
    wait_until("the deletion is done", || Ok(keys()?.is_empty()))
}

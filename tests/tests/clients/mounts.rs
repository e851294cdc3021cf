//! Buckets mounted as folders, by rclone and by s3fs-fuse.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::Run;
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::mount::Mount;
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use riquet_tests::tree;
use tempfile::TempDir;

use crate::bucket;

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    vec![
        shared.trial(
            "rclone::mount",
            &[Need::Program("rclone"), Need::Fuse],
            |cluster| folder_in_a_bucket(cluster, "rclone-mount", rclone),
        ),
        shared.trial(
            "s3fs::mount",
            &[Need::Program("s3fs"), Need::Fuse],
            |cluster| folder_in_a_bucket(cluster, "s3fs-mount", s3fs),
        ),
    ]
}

fn rclone(cluster: &Cluster, bucket: &str, _work: &Path, folder: &Path) -> Result<Run, Failed> {
    Ok(Run::new("rclone")
        .args([
            "mount",
            "--vfs-cache-mode",
            "writes",
            "--vfs-write-back",
            "0s",
        ])
        .args(["--dir-cache-time", "0s", "--s3-upload-cutoff", "6M"])
        .arg("--cache-dir")
        .arg(folder.with_extension("cache"))
        .arg(format!("riquet:{bucket}"))
        .arg(folder)
        .for_cluster(cluster, Site::Toulouse))
}

fn s3fs(cluster: &Cluster, bucket: &str, work: &Path, folder: &Path) -> Result<Run, Failed> {
    use std::io::Write;
    let value = |name: &str| cluster.env().get(name).cloned().unwrap_or_default();
    let passwords = work.join("passwd-s3fs");
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        // s3fs refuses a file that others can read.
        .mode(0o600)
        .open(&passwords)?;
    writeln!(
        file,
        "{}:{}",
        value("AWS_ACCESS_KEY_ID"),
        value("AWS_SECRET_ACCESS_KEY")
    )?;
    Ok(Run::new("s3fs")
        .arg(bucket)
        .arg(folder)
        .args(["-f", "-o", "use_path_request_style"])
        .args(["-o", &format!("url={}", cluster.endpoint(Site::Toulouse))])
        .args(["-o", &format!("endpoint={}", value("AWS_REGION"))])
        .args(["-o", &format!("passwd_file={}", passwords.display())])
        .args(["-o", "multipart_size=5", "-o", "max_stat_cache_size=0"])
        .for_cluster(cluster, Site::Toulouse))
}

/// What people do in folders, and what the bucket then holds.
fn folder_in_a_bucket(
    cluster: &Cluster,
    name: &str,
    command: fn(&Cluster, &str, &Path, &Path) -> Result<Run, Failed>,
) -> Result<(), Failed> {
    let bucket = bucket(cluster, name)?;
    let there_before = data::bytes(7, 300_000);
    let s3 = cluster.s3(Site::Montpellier);
    s3.put(&format!("/{bucket}/before/object"), &there_before)?;
    let work = TempDir::new()?;
    // Canonical, as the list of mounts shows it.
    let work_path = work.path().canonicalize()?;
    let folder = work_path.join("mnt");
    std::fs::create_dir(&folder)?;
    let mount = Mount::start(&command(cluster, &bucket, &work_path, &folder)?, &folder)?;

    assert_eq!(std::fs::read(folder.join("before/object"))?, there_before);
    let mut file = std::fs::File::open(folder.join("before/object"))?;
    file.seek(SeekFrom::Start(200_000))?;
    let mut middle = [0; 1000];
    file.read_exact(&mut middle)?;
    assert_eq!(middle[..], there_before[200_000..201_000]);
    drop(file);

    let files = tree::write_sample(&folder.join("tree"))?;
    std::fs::rename(folder.join("tree/one"), folder.join("tree/renamed"))?;
    std::fs::remove_file(folder.join("tree/empty"))?;
    std::fs::write(folder.join("tree/read me.txt"), b"overwritten")?;
    let large = data::bytes(8, 20 * MIB);
    std::fs::write(folder.join("large"), &large)?;
    assert_eq!(
        data::sha256(&std::fs::read(folder.join("large"))?),
        data::sha256(&large)
    );
    let names: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<Result<_, _>>()?;
    for name in ["before", "tree", "large"] {
        assert!(
            names.iter().any(|found| found == name),
            "{name} in {names:?}"
        );
    }
    mount.unmount()?;

    let hash = |key: &str| s3.sha256(&format!("/{bucket}/{key}")).map(|(_, hash)| hash);
    assert_eq!(hash("large")?, data::sha256(&large));
    assert_eq!(hash("tree/renamed")?, files["one"]);
    assert_eq!(hash("tree/read me.txt")?, data::sha256(b"overwritten"));
    for (name, expected) in &files {
        if !["one", "empty", "read me.txt"].contains(&name.as_str()) {
            assert_eq!(&hash(&format!("tree/{name}"))?, expected, "{name}");
        }
    }
    for gone in ["tree/one", "tree/empty"] {
        s3.ask("HEAD", &format!("/{bucket}/{gone}"))?.expect(404)?;
    }
    Ok(())
}

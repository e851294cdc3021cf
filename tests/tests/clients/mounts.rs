//! Buckets mounted as folders, by rclone and by s3fs-fuse.

use std::fs::{File, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Run, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, MIB};
use riquet_tests::mount::Mount;
use riquet_tests::s3::{Request, elements};
use riquet_tests::skip::Need;
use riquet_tests::suite::Shared;
use riquet_tests::tree;
use tempfile::TempDir;

use crate::bucket;

/// What mounts a bucket at a folder, given a second folder to work in.
type Command = fn(&Cluster, &str, &Path, &Path) -> Result<Run, Failed>;

pub(crate) fn trials(shared: &Shared) -> Vec<Trial> {
    vec![
        shared.trial(
            "rclone::mount",
            &[Need::Program("rclone"), Need::Fuse],
            |cluster| folder_in_a_bucket(cluster, "rclone-mount", rclone),
        ),
        shared.trial(
            "rclone::mount_and_change_in_place",
            &[Need::Program("rclone"), Need::Fuse],
            |cluster| changed_in_place(cluster, "rclone-change", rclone_full),
        ),
        shared.trial(
            "s3fs::mount",
            &[Need::Program("s3fs"), Need::Fuse],
            |cluster| folder_in_a_bucket(cluster, "s3fs-mount", s3fs),
        ),
        shared.trial(
            "s3fs::mount_and_change_in_place",
            &[Need::Program("s3fs"), Need::Fuse],
            |cluster| changed_in_place(cluster, "s3fs-change", s3fs),
        ),
        shared.trial(
            "s3fs::owners_modes_and_times",
            &[Need::Program("s3fs"), Need::Fuse],
            owners_modes_and_times,
        ),
        shared.trial(
            "s3fs::versioned_bucket",
            &[Need::Program("s3fs"), Need::Fuse],
            versioned_bucket,
        ),
    ]
}

/// The folder to work in and the one to mount at, within a new one.
fn places(new: &TempDir) -> Result<(PathBuf, PathBuf), Failed> {
    // Canonical, as the list of mounts shows it.
    let work = new.path().canonicalize()?;
    let folder = work.join("mnt");
    std::fs::create_dir(&folder)?;
    Ok((work, folder))
}

fn rclone(cluster: &Cluster, bucket: &str, _work: &Path, folder: &Path) -> Result<Run, Failed> {
    Ok(rclone_with("writes", cluster, bucket, folder))
}

fn rclone_full(
    cluster: &Cluster,
    bucket: &str,
    _work: &Path,
    folder: &Path,
) -> Result<Run, Failed> {
    Ok(rclone_with("full", cluster, bucket, folder))
}

fn rclone_with(cache: &str, cluster: &Cluster, bucket: &str, folder: &Path) -> Run {
    Run::new("rclone")
        .args(["mount", "--vfs-cache-mode", cache, "--vfs-write-back", "0s"])
        .args(["--dir-cache-time", "0s", "--s3-upload-cutoff", "6M"])
        .arg("--cache-dir")
        .arg(folder.with_extension("cache"))
        .arg(format!("riquet:{bucket}"))
        .arg(folder)
        .for_cluster(cluster, Site::Toulouse)
}

fn s3fs(cluster: &Cluster, bucket: &str, work: &Path, folder: &Path) -> Result<Run, Failed> {
    let value = |name: &str| cluster.env().get(name).cloned().unwrap_or_default();
    let passwords = work.join("passwd-s3fs");
    let mut file = File::options()
        .create(true)
        .truncate(true)
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
fn folder_in_a_bucket(cluster: &Cluster, name: &str, command: Command) -> Result<(), Failed> {
    let bucket = bucket(cluster, name)?;
    let there_before = data::bytes(7, 300_000);
    let s3 = cluster.s3(Site::Montpellier);
    s3.put(&format!("/{bucket}/before/object"), &there_before)?;
    let temporary = TempDir::new()?;
    let (work, folder) = places(&temporary)?;
    let mount = Mount::start(&command(cluster, &bucket, &work, &folder)?, &folder)?;

    assert_eq!(std::fs::read(folder.join("before/object"))?, there_before);
    let mut file = File::open(folder.join("before/object"))?;
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

/// Files written into, lengthened and cut, small ones and such of several parts.
fn changed_in_place(cluster: &Cluster, name: &str, command: Command) -> Result<(), Failed> {
    let bucket = bucket(cluster, name)?;
    let temporary = TempDir::new()?;
    let (work, folder) = places(&temporary)?;
    let mount = Mount::start(&command(cluster, &bucket, &work, &folder)?, &folder)?;
    let mut expected = Vec::new();
    for (name, size_bytes) in [("small", 10_000), ("large", 21 * MIB)] {
        let path = folder.join(name);
        let mut bytes = data::bytes(size_bytes, size_bytes);
        std::fs::write(&path, &bytes)?;

        let patch = data::bytes(1, 3000);
        let at = bytes.len() / 2;
        let file = File::options().write(true).open(&path)?;
        file.write_all_at(&patch, at as u64)?;
        drop(file);
        bytes[at..at + patch.len()].copy_from_slice(&patch);
        assert_eq!(data::sha256(&std::fs::read(&path)?), data::sha256(&bytes));

        let mut file = File::options().append(true).open(&path)?;
        file.write_all(b"appended")?;
        drop(file);
        bytes.extend_from_slice(b"appended");
        assert_eq!(data::sha256(&std::fs::read(&path)?), data::sha256(&bytes));

        // A hole, then its end is cut off.
        let file = File::options().write(true).open(&path)?;
        file.write_all_at(b"beyond", bytes.len() as u64 + 5000)?;
        drop(file);
        bytes.resize(bytes.len() + 5000, 0);
        let file = File::options().write(true).open(&path)?;
        file.set_len(bytes.len() as u64 - 1000)?;
        drop(file);
        bytes.truncate(bytes.len() - 1000);
        assert_eq!(data::sha256(&std::fs::read(&path)?), data::sha256(&bytes));
        expected.push((name, data::sha256(&bytes)));
    }
    std::fs::create_dir(folder.join("folder"))?;
    std::fs::rename(folder.join("large"), folder.join("folder/large"))?;
    std::fs::rename(folder.join("folder"), folder.join("renamed"))?;
    mount.unmount()?;
    let s3 = cluster.s3(Site::Montpellier);
    for ((_, hash), key) in expected.iter().zip(["small", "renamed/large"]) {
        assert_eq!(&s3.sha256(&format!("/{bucket}/{key}"))?.1, hash, "{key}");
    }
    Ok(())
}

/// A moment, for `touch` and as seconds.
const TIME: &str = "@1000000000";
const TIME_S: i64 = 1_000_000_000;
/// Seconds for one call of `touch`, which copies an object of some tens of MiB.
const TOUCH_TIMEOUT_S: u64 = 60;

/// What s3fs keeps as metadata, set by copying an object onto itself, also where it has parts.
fn owners_modes_and_times(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "s3fs-modes")?;
    let temporary = TempDir::new()?;
    let (work, folder) = places(&temporary)?;
    let start = || Mount::start(&s3fs(cluster, &bucket, &work, &folder)?, &folder);
    // Only root may give files away.
    let owner = match std::fs::metadata(&work)?.uid() {
        0 => 1234,
        uid => uid,
    };
    let files = [("small", 10_000), ("large", 21 * MIB)];
    let mount = start()?;
    for (name, size_bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, data::bytes(size_bytes, size_bytes))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o640))?;
        std::os::unix::fs::chown(&path, Some(owner), None)?;
        // By name: what is open is flushed with a time of its own.
        run(
            &Run::new("touch").args(["-d", TIME]).arg(&path),
            TOUCH_TIMEOUT_S,
        )?;
    }
    std::os::unix::fs::symlink("small", folder.join("link"))?;
    mount.unmount()?;
    let mount = start()?;
    for (name, size_bytes) in files {
        let path = folder.join(name);
        let found = std::fs::metadata(&path)?;
        assert_eq!(
            (found.mode() & 0o777, found.uid()),
            (0o640, owner),
            "{name}"
        );
        assert_eq!(found.mtime(), TIME_S, "{name}");
        let bytes = data::bytes(size_bytes, size_bytes);
        assert_eq!(
            data::sha256(&std::fs::read(&path)?),
            data::sha256(&bytes),
            "{name}"
        );
    }
    assert_eq!(std::fs::read_link(folder.join("link"))?, Path::new("small"));
    mount.unmount()
}

/// The MD5 of `first`.
const MD5_OF_FIRST: &str = "8b04d5e3775d298e78455efc5ca404d5";

fn versioned_bucket(cluster: &Cluster) -> Result<(), Failed> {
    let bucket = bucket(cluster, "s3fs-versions")?;
    let s3 = cluster.s3(Site::Toulouse);
    let versioning = Request::new("PUT", format!("/{bucket}")).query("versioning", "");
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    s3.send(versioning, enabled.as_bytes())?.expect(200)?;
    let temporary = TempDir::new()?;
    let (work, folder) = places(&temporary)?;
    let mount = Mount::start(&s3fs(cluster, &bucket, &work, &folder)?, &folder)?;
    std::fs::write(folder.join("file"), b"first")?;
    std::fs::write(folder.join("file"), b"second")?;
    std::fs::set_permissions(folder.join("file"), Permissions::from_mode(0o600))?;
    assert_eq!(std::fs::read(folder.join("file"))?, b"second");
    std::fs::rename(folder.join("file"), folder.join("renamed"))?;
    assert_eq!(std::fs::read(folder.join("renamed"))?, b"second");
    std::fs::remove_file(folder.join("renamed"))?;
    assert!(!folder.join("renamed").exists());
    std::fs::create_dir(folder.join("sub"))?;
    std::fs::remove_dir(folder.join("sub"))?;
    mount.unmount()?;
    assert_eq!(s3.keys(&bucket, "")?, Vec::<String>::new());
    // What was written is still there, behind markers.
    let listing = Request::new("GET", format!("/{bucket}"))
        .query("versions", "")
        .query("prefix", "file");
    let listing = s3.send(listing, b"")?.expect(200)?.text();
    assert!(elements(&listing, "DeleteMarker").len() == 1, "{listing}");
    let etags = elements(&listing, "ETag").join(" ");
    assert!(etags.contains(MD5_OF_FIRST), "{listing}");
    Ok(())
}

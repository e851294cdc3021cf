//! `riquet metadata export`, `import` and `verify`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use riquet_metadata::backup::{self, BackupError, Summary};
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use crate::error::Error;
use crate::output;

/// What of a backup is shown.
#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    id: String,
    cluster: String,
    layout_epoch: u64,
    key_groups: u32,
    exported_ms: u64,
    program: String,
    file_bytes: u64,
    buckets: u64,
    objects: u64,
    object_bytes: u64,
    uploads: u64,
    identities: u64,
    records: u64,
}

/// Writes a backup aside, checks what was written, and gives it its name.
pub(crate) async fn export(client: &Client, path: &Path, json: bool) -> Result<(), Error> {
    if path.exists() {
        return Err(exists(path));
    }
    let next = Unfinished::of(path);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&next.0)
        .map_err(Error::file("write", &next.0))?;
    let program = concat!("riquet ", env!("CARGO_PKG_VERSION"));
    backup::export(client, program, &mut file)
        .await
        .map_err(failed(path))?;
    file.sync_all().map_err(Error::file("write", &next.0))?;
    let summary = open(&next.0).and_then(|file| backup::verify(file).map_err(failed(path)))?;
    // A hard link, as a rename would replace a file that was made meanwhile.
    let named = fs::hard_link(&next.0, path).and_then(|()| {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    });
    match named {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
        named => named.map_err(Error::file("write", path))?,
    }
    show(path, &summary, json)
}

pub(crate) async fn import(client: &Client, path: &Path, json: bool) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let progress = |group: GroupId| eprintln!("importing {group}");
    let summary = backup::import(client, &mut file, progress)
        .await
        .map_err(failed(path))?;
    show(path, &summary, json)
}

pub(crate) fn verify(path: &Path, json: bool) -> Result<(), Error> {
    let summary = backup::verify(open(path)?).map_err(failed(path))?;
    show(path, &summary, json)
}

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    let file = File::open(path).map_err(Error::file("read", path))?;
    Ok(BufReader::new(file))
}

fn exists(path: &Path) -> Error {
    let path = path.to_owned();
    Error::Exists { path }
}

fn failed(path: &Path) -> impl FnOnce(BackupError) -> Error {
    let path = path.to_owned();
    move |source| Error::Backup { path, source }
}

/// A file that is being written, removed when that ends.
struct Unfinished(PathBuf);

impl Unfinished {
    fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let next = path.with_file_name(format!(".{name}.{}.next", std::process::id()));
        // A leftover might have a wider mode than ours.
        let _ = fs::remove_file(&next);
        Self(next)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn show(path: &Path, summary: &Summary, json: bool) -> Result<(), Error> {
    let head = &summary.head;
    let report = Report {
        file: path.to_owned(),
        id: hex::encode(summary.id.0),
        cluster: head.cluster.to_string(),
        layout_epoch: head.epoch.0,
        key_groups: head.key_groups,
        exported_ms: head.exported_ms,
        program: head.program.clone(),
        file_bytes: fs::metadata(path).map_err(Error::file("read", path))?.len(),
        buckets: summary.buckets,
        objects: summary.objects,
        object_bytes: summary.object_bytes,
        uploads: summary.uploads,
        identities: summary.identities,
        records: summary.records,
    };
    if json {
        println!("{}", output::json(&report));
        return Ok(());
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = [
        row("backup", report.id),
        row("cluster", report.cluster),
        row("layout epoch", report.layout_epoch.to_string()),
        row("key groups", report.key_groups.to_string()),
        row("exported, ms since 1970", report.exported_ms.to_string()),
        row("by", report.program),
        row("file, bytes", report.file_bytes.to_string()),
        row("buckets", report.buckets.to_string()),
        row("objects", report.objects.to_string()),
        row("objects' bytes", report.object_bytes.to_string()),
        row("uploads in progress", report.uploads.to_string()),
        row("tenants, users and keys", report.identities.to_string()),
        row("records", report.records.to_string()),
    ];
    println!("{}", output::table(&["what", "value"], &rows, 1));
    Ok(())
}

//! Folders of files to copy back and forth.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::{self, KIB, MIB};

/// Files by their path under the folder, each with the SHA-256 of its bytes.
pub type Snapshot = BTreeMap<String, String>;

/// Names and sizes of the sample: nested, with characters that URLs and XML escape, and large
/// enough that some clients upload in parts.
const SAMPLE: [(&str, u64); 9] = [
    ("empty", 0),
    ("one", 1),
    ("read me.txt", 1000),
    ("data/2026/été.nc", 300 * KIB),
    ("data/2026/a+b&c=d.nc", 5000),
    ("data/100%.csv", 4096),
    ("data/[x] 'y' (z)~.bin", 4097),
    ("deep/er/and/deeper/file", 70 * KIB),
    ("large.bin", 12 * MIB + 5),
];

/// Writes the sample files under `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_sample(folder: &Path) -> std::io::Result<Snapshot> {
    for ((name, size_bytes), seed) in SAMPLE.into_iter().zip(1..) {
        write(folder, name, &data::bytes(seed, size_bytes))?;
    }
    snapshot(folder)
}

/// Writes one file under `folder`, and the folders above it.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
    std::fs::write(path, bytes)
}

/// What lies under `folder`.
///
/// # Errors
/// When a file cannot be read.
pub fn snapshot(folder: &Path) -> std::io::Result<Snapshot> {
    let mut files = Snapshot::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap_or(&path);
                let hash = data::sha256(&std::fs::read(&path)?);
                files.insert(name.to_string_lossy().into_owned(), hash);
            }
        }
    }
    Ok(files)
}

//! Which disk a folder is: the file `riquet-disk`.

use std::io;
use std::path::Path;

use riquet_cluster::id::DiskId;
use serde::{Deserialize, Serialize};

use super::env::Env;
use crate::error::{Error, IoContext};

/// Name of the identity file.
pub(super) const IDENTITY_FILE: &str = "riquet-disk";
/// Name of the folder with the segments.
pub(super) const SEGMENT_FOLDER: &str = "segments";
/// The format that `docs/FORMAT.md` describes.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Identity {
    format: u32,
    disk: DiskId,
}

/// Checks that the folder is the disk `disk`; an empty one becomes it.
pub(super) fn check_or_format(env: &dyn Env, path: &Path, disk: DiskId) -> Result<(), Error> {
    let wrong = |reason: String| Error::WrongDisk {
        path: path.to_owned(),
        reason,
    };
    match env.read_small(&path.join(IDENTITY_FILE)) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let found: Identity =
                toml::from_str(&text).map_err(|e| wrong(format!("unreadable identity: {e}")))?;
            if found.format != FORMAT {
                return Err(wrong(format!("format {}, not {FORMAT}", found.format)));
            }
            if found.disk != disk {
                return Err(wrong(format!("holds disk {}, not {disk}", found.disk)));
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            env.create_dir(path).doing("create the disk's folder")?;
            let segments = path.join(SEGMENT_FOLDER);
            if env.list(&segments).is_ok_and(|names| !names.is_empty()) {
                return Err(wrong(format!("segments but no {IDENTITY_FILE}")));
            }
            env.create_dir(&segments)
                .doing("create the segment folder")?;
            let identity = toml::to_string(&Identity {
                format: FORMAT,
                disk,
            })
            .map_err(|e| wrong(format!("identity can't be written: {e}")))?;
            // Last, so that a folder with an identity is a whole disk.
            env.sync_dir(path).doing("sync the disk's folder")?;
            env.write_small(&path.join(IDENTITY_FILE), identity.as_bytes())
                .doing("write the disk's identity")
        }
        Err(error) => Err(error).doing("read the disk's identity"),
    }
}

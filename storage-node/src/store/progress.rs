//! How far background work on a disk has come: the file `riquet-progress`.
//!
//! It only saves work. Where it is lost or can't be read, everything is looked at again.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use riquet_cluster::id::{Epoch, ShardId};
use serde::{Deserialize, Serialize};

use super::ShardStore;
use super::env::Env;
use crate::error::{Error, IoContext};

/// Name of the file.
pub(super) const PROGRESS_FILE: &str = "riquet-progress";

/// How far background work on a disk has come.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Blobs that were made before this time, ms since 1970, are known to be named or garbage.
    pub swept_before_ms: u64,
    /// When the last sweep of all blobs ended, ms since 1970.
    pub swept_all_ms: u64,
    /// At this layout the disk held, or was owed, all that was placed on it, and what came since came by
    /// migration. None: that must be looked at.
    pub complete_at: Option<Epoch>,
    /// When the present or last scrub began, ms since 1970.
    pub scrub_began_ms: u64,
    /// The last shard that the present scrub has checked; none: no scrub was cut short.
    pub scrub_after: Option<ShardId>,
}

impl Progress {
    pub(super) fn load(env: &dyn Env, path: &Path) -> Self {
        let read = env.read_small(&path.join(PROGRESS_FILE));
        let text = read.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| toml::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Notes durably that the disk may have lost shards that it is not owed yet.
    pub(super) fn note_losses(&mut self, env: &dyn Env, path: &Path) -> Result<(), Error> {
        if self.complete_at.take().is_none() {
            return Ok(());
        }
        let file = path.join(PROGRESS_FILE);
        match env.write_small(&file, self.encode().as_bytes()) {
            // Without the file, everything is looked at too.
            Err(error) if is_full(&error) => {
                env.remove(&file).doing("forget the progress")?;
                env.sync_dir(path).doing("sync the disk's folder")
            }
            written => written.doing("note losses"),
        }
    }

    fn encode(&self) -> String {
        toml::to_string(self).expect("numbers")
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl ShardStore {
    /// How far background work has come.
    pub fn progress(&self) -> Progress {
        let progress = self.progress.lock();
        progress.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what [`Self::progress`] says, durably.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::DiskFull`]: it is changed until the next start.
    pub async fn note_progress(&self, change: impl FnOnce(&mut Progress)) -> Result<(), Error> {
        let text = {
            let progress = self.progress.lock();
            let mut progress = progress.unwrap_or_else(PoisonError::into_inner);
            let before = progress.clone();
            change(&mut progress);
            if *progress == before {
                return Ok(());
            }
            progress.encode()
        };
        let (env, path) = (Arc::clone(&self.env), self.path.join(PROGRESS_FILE));
        let write = move || {
            env.write_small(&path, text.as_bytes())
                .doing("note the progress")
        };
        self.shared.threads.run(write).await
    }
}

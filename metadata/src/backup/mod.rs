//! Backups of all metadata, and restores of them.
//!
//! An *export* streams the records of every group, each as of one moment, into a file ([`file`]). An
//! *import* gives them back to groups that hold nothing yet, through their logs.
//!
//! # Why a backup is consistent
//! Groups are read one after the other, so the moments differ. What several groups know of is where
//! the tablets are: the control group's maps and changes, and the tablets themselves. The control
//! group is read before all key groups and once more after them. If its counters of changes and
//! buckets are the same both times, and no change was under way either time, then none was in
//! between: changes begin with a step of that counter. So the maps held for the whole time, each key
//! belonged to one group, and is in that group's section only. Everything else that a command does,
//! it does within one group. Otherwise the export starts over.
//!
//! A bucket that was recorded by then, and whose first tablet was not open yet, is as one whose
//! maker died there: whoever uses it opens the tablet.

pub(crate) mod blocks;
mod export;
mod file;
mod import;
mod verify;

#[cfg(test)]
mod tests;

use std::io;

pub use export::export;
pub use file::Head;
pub use import::import;
pub use verify::{Summary, verify};

use crate::error::Error;
use crate::id::{ClusterId, Epoch, GroupId};
use crate::store::StoreError;

/// Why a backup was not made, is none, or was not restored. Where nothing else is said, the cluster
/// was not changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file can't be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The cluster does not answer, or not as it should.
    #[error(transparent)]
    Metadata(#[from] Error),
    /// The file is something else.
    #[error("the file is no backup of metadata")]
    NotABackup,
    /// Another release wrote the file.
    #[error("the backup has format {found}; this release reads format {newest}")]
    UnknownFormat {
        /// The format found.
        found: u32,
        /// The newest format known.
        newest: u32,
    },
    /// The file ends too early. Use another copy of it.
    #[error("the backup was cut off")]
    Truncated,
    /// The file is not as it was written. Use another copy of it.
    #[error("the backup is damaged before byte {before_bytes}: {what}")]
    Damaged {
        /// Somewhere before this byte.
        before_bytes: u64,
        /// What was noticed.
        what: &'static str,
    },
    /// A record is of a newer release, or of none.
    #[error("a record of {group} in the backup can't be used: {error}")]
    Record {
        /// The group it is of.
        group: GroupId,
        /// What is wrong with it.
        error: StoreError,
    },
    /// Buckets and tablets changed at each try. Try again when fewer buckets are being made.
    #[error("tablets or buckets changed during each of {tries} tries to export")]
    Unsettled {
        /// Tries.
        tries: u32,
    },
    /// The cluster holds buckets, or held some. Only one that never did can be restored.
    #[error(
        "{group} is not empty: backups are only imported into a cluster that never had a bucket"
    )]
    NotEmpty {
        /// A group that is not empty.
        group: GroupId,
    },
    /// The voters belong to another cluster than the backup.
    #[error("the backup is of cluster {backup}, the voters are of cluster {present}")]
    OtherCluster {
        /// The backup's.
        backup: ClusterId,
        /// The voters'.
        present: ClusterId,
    },
    /// The cluster was made with another number of key groups.
    #[error("the backup has {backup} key groups, the cluster has {present}")]
    OtherKeyGroups {
        /// The backup's.
        backup: u32,
        /// The cluster's.
        present: u32,
    },
    /// Storage nodes know a newer layout already and would refuse the backup's.
    #[error("the cluster's layout has epoch {present}, newer than the backup's {backup}")]
    NewerLayout {
        /// Epoch of the backup's layout.
        backup: Epoch,
        /// Epoch of the cluster's.
        present: Epoch,
    },
    /// This file was imported before, to its end.
    #[error("this backup was imported into this cluster before; nothing was changed")]
    ImportedBefore,
    /// An import of another file took this one's place. Groups are out of service until one of them
    /// is complete.
    #[error("another import has begun in {group}")]
    Replaced {
        /// The group.
        group: GroupId,
    },
    /// A group refuses what it should take: voters of another release. The cluster is out of service
    /// until an import is complete.
    #[error("{group} refuses records of the backup")]
    Refused {
        /// The group.
        group: GroupId,
    },
}

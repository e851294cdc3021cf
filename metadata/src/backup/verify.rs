//! What is in a backup, and whether it is whole.

use std::io::Read;

use super::BackupError;
use super::file::{Head, Item, Reader};
use crate::command::{RawRecord, RestoreId};
use crate::id::GroupId;
use crate::keys::Family;
use crate::machine::{ClusterRecord, check_record};
use crate::record::ObjectHead;
use crate::store::{StoreError, decode};

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What it is of.
    pub head: Head,
    /// Buckets.
    pub buckets: u64,
    /// Objects.
    pub objects: u64,
    /// Their length, bytes.
    pub object_bytes: u64,
    /// Uploads in progress.
    pub uploads: u64,
    /// Accounts' keys.
    pub identities: u64,
    /// Records of all kinds.
    pub records: u64,
    /// Names the backup.
    pub id: RestoreId,
}

/// Reads a whole backup and checks every hash and every record.
///
/// # Errors
/// Whatever keeps the file from being a backup that this release can restore.
pub fn verify(file: impl Read) -> Result<Summary, BackupError> {
    let mut reader = Reader::begin(file)?;
    let mut summary = Summary {
        head: reader.head().clone(),
        buckets: 0,
        objects: 0,
        object_bytes: 0,
        uploads: 0,
        identities: 0,
        records: 0,
        id: RestoreId([0; 32]),
    };
    let mut group = GroupId::SYSTEM;
    let mut is_headed = false;
    loop {
        match reader.next()? {
            Item::Group(next) => group = next,
            Item::Records(records) => {
                for record in &records {
                    is_headed |= summary
                        .count(group, record)
                        .map_err(|error| BackupError::Record { group, error })?;
                }
            }
            Item::Closed { .. } => {}
            Item::End(id) => {
                summary.id = id;
                break;
            }
        }
    }
    // The head was made of the cluster's record; that is what the voters will go by.
    if !is_headed {
        return Err(BackupError::Damaged {
            before_bytes: 0,
            what: "the head is of another cluster than the records",
        });
    }
    Ok(summary)
}

impl Summary {
    /// Counts a record. Whether it is the cluster's, as the head has it.
    fn count(&mut self, group: GroupId, record: &RawRecord) -> Result<bool, StoreError> {
        let RawRecord { key, value } = record;
        self.records += 1;
        match check_record(group, key, value)? {
            Family::Current => {
                self.objects += 1;
                self.object_bytes += decode::<ObjectHead>(key, value)?.size_bytes;
            }
            Family::Bucket => self.buckets += 1,
            Family::Upload => self.uploads += 1,
            Family::Identity => self.identities += 1,
            Family::Cluster => {
                let cluster: ClusterRecord = decode(key, value)?;
                return Ok(cluster.cluster == self.head.cluster
                    && cluster.key_groups == self.head.key_groups);
            }
            _ => {}
        }
        Ok(false)
    }
}

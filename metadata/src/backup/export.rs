//! From a cluster into a file.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use super::file::{Head, Writer};
use super::{BackupError, blocks};
use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::id::GroupId;
use crate::keys::Family;
use crate::machine::Header;
use crate::store::decode;

/// Tries to find buckets and tablets unchanged for the time of an export.
const TRIES: u32 = 8;
/// Pause between two of them, ms: a change of a tablet takes about a second.
const PAUSE_MS: u64 = 1_000;

/// Writes a backup of a cluster to the beginning of a file, in memory of a few MiB.
///
/// # Errors
/// [`BackupError::Unsettled`]; [`BackupError::Metadata`] when no leader of a group answers;
/// [`BackupError::Io`]. The file holds no backup then.
pub async fn export<F: Write + Seek>(
    client: &Client,
    program: &str,
    file: &mut F,
) -> Result<(), BackupError> {
    let mut last = BackupError::Unsettled { tries: TRIES };
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            file.seek(SeekFrom::Start(0))?;
        }
        last = match export_once(client, program, file).await {
            Ok(true) => return Ok(()),
            Ok(false) => BackupError::Unsettled { tries: TRIES },
            // A leader that died in between: another one is there soon.
            Err(BackupError::Metadata(Error::Unavailable)) => Error::Unavailable.into(),
            Err(error) => return Err(error),
        };
    }
    Err(last)
}

/// Whether what was written is consistent.
pub(super) async fn export_once<F: Write>(
    client: &Client,
    program: &str,
    file: &mut F,
) -> Result<bool, BackupError> {
    let cluster = client.cluster().await?;
    let head = Head {
        cluster: cluster.cluster,
        epoch: cluster.layout.epoch,
        key_groups: cluster.key_groups,
        exported_ms: clock::now_ms(),
        program: program.to_owned(),
    };
    let mut writer = Writer::begin(file, &head)?;
    let before = write_group(client, GroupId::SYSTEM, &mut writer).await?;
    if before.has_changes {
        return Ok(false);
    }
    for group in GroupId::keys(head.key_groups) {
        write_group(client, group, &mut writer).await?;
    }
    let mut after = Moment::default();
    let mut records = client.export(GroupId::SYSTEM).await?;
    while let Some(block) = records.next().await? {
        after.note(GroupId::SYSTEM, &block)?;
    }
    writer.end()?;
    Ok(before == after)
}

async fn write_group<F: Write>(
    client: &Client,
    group: GroupId,
    writer: &mut Writer<F>,
) -> Result<Moment, BackupError> {
    let mut moment = Moment::default();
    let mut records = client.export(group).await?;
    writer.group()?;
    while let Some(block) = records.next().await? {
        let count = moment.note(group, &block)?;
        writer.records(&block, count)?;
    }
    writer.close_group()?;
    Ok(moment)
}

/// What of the control group must be the same before and after: see the module.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moment {
    /// Last change of tablets that was begun.
    sequence: u64,
    /// Last bucket that was made.
    last_bucket: u64,
    has_changes: bool,
}

impl Moment {
    /// Looks at a block; the number of its records.
    fn note(&mut self, group: GroupId, block: &[u8]) -> Result<u64, BackupError> {
        let records = blocks::records(block).ok_or(Error::Protocol("no block of records"))?;
        if group.is_system() {
            for record in &records {
                match Family::of(&record.key) {
                    Some(Family::Header) => {
                        let header = decode::<Header>(&record.key, &record.value);
                        let header =
                            header.map_err(|error| BackupError::Record { group, error })?;
                        (self.sequence, self.last_bucket) = (header.sequence, header.last_bucket);
                    }
                    Some(Family::Change) => self.has_changes = true,
                    _ => {}
                }
            }
        }
        Ok(records.len() as u64)
    }
}

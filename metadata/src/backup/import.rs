//! From a file into a cluster that holds nothing.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::file::{Head, Item, Reader};
use super::{BackupError, Summary, verify};
use crate::client::Client;
use crate::command::{RestoreCommand, RestoreId, RestoreOutcome, RestorePhase, RestoreStep};
use crate::error::Error;
use crate::id::{ClusterId, GroupId};

/// Tries of one step while its group has no leader: each lasts as long as a client waits.
const TRIES: u32 = 8;

/// Restores a cluster from a backup. The file is read twice: nothing is changed before all of it was
/// checked.
///
/// `progress` is told of each group whose turn it is.
///
/// An import that ended early leaves groups out of service. Run again, it goes on where it was; with
/// another file, it begins anew.
///
/// # Errors
/// Those of [`verify`]; [`BackupError::NotEmpty`], [`BackupError::OtherCluster`],
/// [`BackupError::OtherKeyGroups`] and [`BackupError::NewerLayout`], when the cluster is none to
/// restore this backup into; [`BackupError::Metadata`], when a group stays without a leader.
pub async fn import<F: Read + Seek>(
    client: &Client,
    file: &mut F,
    mut progress: impl FnMut(GroupId),
) -> Result<Summary, BackupError> {
    let summary = verify(BufReader::new(&mut *file))?;
    let import = Import {
        client,
        head: &summary.head,
        id: summary.id,
    };
    import.check().await?;
    for group in import.groups() {
        import.begin(group).await?;
    }
    file.seek(SeekFrom::Start(0))?;
    let blocks = import.send(BufReader::new(file), &mut progress).await?;
    // The control group last: whoever finds a bucket finds all its tablets in service.
    for (group, blocks) in import.groups().zip(blocks).rev() {
        let phase = import.step(group, RestoreStep::End { blocks }).await?;
        if phase != RestorePhase::Done {
            return Err(BackupError::Refused { group });
        }
    }
    Ok(summary)
}

struct Import<'a> {
    client: &'a Client,
    head: &'a Head,
    id: RestoreId,
}

impl Import<'_> {
    fn groups(&self) -> impl DoubleEndedIterator<Item = GroupId> + ExactSizeIterator + use<> {
        let count = self.head.key_groups as usize + 1;
        (0..count).map(|group| GroupId(u32::try_from(group).expect("as many as a u32 counts")))
    }

    /// Asks all groups before any is changed.
    async fn check(&self) -> Result<(), BackupError> {
        let group = GroupId::SYSTEM;
        let system = self.client.restore_state(group).await?;
        if !system.is_restoring() {
            if system.restore.is_some_and(|restore| restore.id == self.id) {
                return Err(BackupError::ImportedBefore);
            }
            self.check_cluster().await?;
            if !system.is_empty {
                return Err(BackupError::NotEmpty { group });
            }
        }
        for group in self.groups().skip(1) {
            let state = self.client.restore_state(group).await?;
            // As long as the control group is restored, what others hold is of that restore.
            let is_of_restore = system.is_restoring() && state.restore.is_some();
            if !is_of_restore && !state.is_restoring() && !state.is_empty {
                return Err(BackupError::NotEmpty { group });
            }
        }
        Ok(())
    }

    async fn check_cluster(&self) -> Result<(), BackupError> {
        let cluster = match self.client.cluster().await {
            Err(Error::NotBootstrapped) => return Ok(()),
            cluster => cluster?,
        };
        if cluster.cluster != self.head.cluster {
            return Err(self.other_cluster(cluster.cluster));
        }
        if cluster.key_groups != self.head.key_groups {
            return Err(self.other_key_groups(cluster.key_groups));
        }
        let (backup, present) = (self.head.epoch, cluster.layout.epoch);
        if present > backup {
            return Err(BackupError::NewerLayout { backup, present });
        }
        Ok(())
    }

    fn other_cluster(&self, present: ClusterId) -> BackupError {
        let backup = self.head.cluster;
        BackupError::OtherCluster { backup, present }
    }

    fn other_key_groups(&self, present: u32) -> BackupError {
        let backup = self.head.key_groups;
        BackupError::OtherKeyGroups { backup, present }
    }

    /// Takes a group out of service and empties it, unless that was done before.
    async fn begin(&self, group: GroupId) -> Result<(), BackupError> {
        let begin = RestoreStep::Begin {
            cluster: self.head.cluster,
            key_groups: self.head.key_groups,
        };
        let mut phase = self.step(group, begin).await?;
        while phase == RestorePhase::Clearing {
            phase = self.step(group, RestoreStep::Clear).await?;
        }
        Ok(())
    }

    /// Sends the blocks that are not in yet; how many each group has.
    async fn send(
        &self,
        file: impl Read,
        progress: &mut impl FnMut(GroupId),
    ) -> Result<Vec<u64>, BackupError> {
        let mut reader = Reader::begin(file)?;
        let mut counts = Vec::new();
        let mut group = GroupId::SYSTEM;
        let mut block = 0;
        // Blocks that the group has by all that is known.
        let mut present = 0;
        loop {
            match reader.next()? {
                Item::Group(next) => {
                    group = next;
                    block = 0;
                    progress(group);
                    let state = self.client.restore_state(group).await?;
                    present = match state.restore.filter(|restore| restore.id == self.id) {
                        Some(restore) => blocks_in(restore.phase),
                        None => return Err(BackupError::Replaced { group }),
                    };
                }
                Item::Records(records) => {
                    if block >= present {
                        let step = RestoreStep::Ingest { block, records };
                        present = blocks_in(self.step(group, step).await?);
                        if present <= block {
                            return Err(BackupError::Refused { group });
                        }
                    }
                    block += 1;
                }
                Item::Closed { blocks } => counts.push(blocks),
                Item::End(id) if id == self.id => return Ok(counts),
                // Somebody writes to the file.
                Item::End(_) => {
                    return Err(BackupError::Damaged {
                        before_bytes: 0,
                        what: "it changed while it was read",
                    });
                }
            }
        }
    }

    async fn step(&self, group: GroupId, step: RestoreStep) -> Result<RestorePhase, BackupError> {
        let command = RestoreCommand { id: self.id, step };
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            match self.client.restore(group, command.clone()).await {
                // A step that may have been taken may be repeated.
                Err(Error::Uncertain | Error::Unavailable) if tries < TRIES => {}
                outcome => break outcome?,
            }
        };
        match outcome {
            RestoreOutcome::Phase(phase) => Ok(phase),
            RestoreOutcome::NotEmpty => Err(BackupError::NotEmpty { group }),
            RestoreOutcome::OtherCluster { cluster } => Err(self.other_cluster(cluster)),
            RestoreOutcome::OtherKeyGroups { present } => Err(self.other_key_groups(present)),
            RestoreOutcome::NotUnderWay => Err(BackupError::Replaced { group }),
            RestoreOutcome::ForeignRecords => Err(BackupError::Refused { group }),
        }
    }
}

/// Blocks that a group has in a phase of its restore.
fn blocks_in(phase: RestorePhase) -> u64 {
    match phase {
        RestorePhase::Clearing => 0,
        RestorePhase::Receiving { blocks } => blocks,
        RestorePhase::Done => u64::MAX,
    }
}

//! The state machines: what each command does to the records, decided in log order.
//!
//! Apply is deterministic: it reads the records, the proposal and nothing else. No clock, no
//! randomness (`clippy.toml` forbids them in this crate's state code), no iteration over
//! unordered maps. A group's time is the greatest proposal time it applied.

mod blobs;
mod buckets;
mod changes;
mod dedup;
mod events;
mod identities;
mod lifecycle;
mod objects;
mod recovery;
mod restore;
mod system;
mod tablets;
mod transfer;
mod turns;
mod uploads;
mod versions;

pub(crate) use changes::bucket_of;
pub(crate) use identities::{identity_known_as, identity_named, key_holder, principal};
pub(crate) use restore::{check_record, restore_state};
pub(crate) use system::ClusterRecord;
pub(crate) use tablets::tablet_of;
pub(crate) use transfer::{copy, debts_of_tablet};
pub(crate) use versions::{newest_version, version_named};

use minicbor::{Decode, Encode};

use crate::codec::Record;
use crate::command::{Command, KeyCommand, KeyOutcome, Outcome, Proposal, Restore};
use crate::id::GroupId;
use crate::keys;
use crate::store::{Changes, Overlay, Reader, StoreError, get};

/// A group's counters, stored with every batch of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Header {
    /// Index of the last log entry applied; 0: none.
    #[n(0)]
    pub applied: u64,
    /// Greatest proposal time applied, ms since 1970.
    #[n(1)]
    pub clock_ms: u64,
    /// Last order given to a write.
    #[n(2)]
    pub sequence: u64,
    /// Oldest outcome remembered.
    #[n(3)]
    pub outcomes_first: u64,
    /// One past the newest outcome remembered.
    #[n(4)]
    pub outcomes_next: u64,
    /// Proposals up to this time may have been forgotten, ms since 1970.
    #[n(5)]
    pub forgotten_ms: u64,
    /// Oldest completed upload remembered.
    #[n(6)]
    pub completed_first: u64,
    /// One past the newest completed upload remembered.
    #[n(7)]
    pub completed_next: u64,
    /// Control group: last number given to a bucket.
    #[n(8)]
    pub last_bucket: u64,
    /// The restore that is under way, or was the last.
    #[n(9)]
    pub restore: Option<Restore>,
    /// Since when the records are complete: the first command or the last restore, ms since 1970.
    /// Of blobs that are older nothing follows from their not being known.
    #[n(10)]
    pub complete_since_ms: Option<u64>,
}

impl Header {
    /// Whether the group is out of service while its records come back from a backup.
    pub fn is_restoring(&self) -> bool {
        self.restore.is_some_and(|restore| restore.is_under_way())
    }
}

impl Record for Header {
    const VERSION: u8 = 1;
}

/// Reads a group's counters.
pub fn read_header(reader: &dyn Reader) -> Result<Header, StoreError> {
    Ok(get(reader, &keys::header())?.unwrap_or_default())
}

/// A batch of log entries being applied to one group.
pub struct Batch<'a> {
    group: GroupId,
    header: Header,
    state: Overlay<'a>,
}

impl<'a> Batch<'a> {
    /// Begins a batch on top of what is stored.
    pub fn begin(group: GroupId, stored: &'a dyn Reader) -> Result<Self, StoreError> {
        Ok(Self {
            group,
            header: read_header(stored)?,
            state: Overlay::new(stored),
        })
    }

    /// Index of the last entry applied.
    pub fn applied(&self) -> u64 {
        self.header.applied
    }

    /// Applies the entry at `index`. After an error the batch must be dropped and the group
    /// stopped.
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Result<Outcome, StoreError> {
        assert_eq!(
            index,
            self.header.applied + 1,
            "entries are applied in order, each once"
        );
        self.header.applied = index;
        self.header.clock_ms = self.header.clock_ms.max(proposal.timestamp_ms);
        let now_ms = self.header.clock_ms;
        self.header.complete_since_ms.get_or_insert(now_ms);
        if let Command::Restore(command) = &proposal.command {
            return Ok(Outcome::Restore(self.restore(command)?));
        }
        if self.header.is_restoring() {
            return Ok(Outcome::Restoring);
        }
        match (self.group.is_system(), &proposal.command) {
            (true, Command::System(_)) | (false, Command::Keys(_)) => {}
            _ => return Ok(Outcome::WrongGroup),
        }
        if let Some(outcome) = self.remembered(proposal)? {
            return Ok(outcome);
        }
        let outcome = match &proposal.command {
            Command::System(command) => Outcome::System(self.apply_system(command)?),
            Command::Keys(command) => Outcome::Keys(self.apply_keys(command)?),
            Command::Restore(_) => unreachable!("applied above"),
        };
        self.remember(proposal, &outcome)?;
        Ok(outcome)
    }

    /// Passes over the entries up to `index`, which are the log's own.
    pub fn pass(&mut self, index: u64) {
        assert!(
            index > self.header.applied,
            "entries are applied in order, each once"
        );
        self.header.applied = index;
    }

    /// The changes, header included, to be stored atomically.
    pub fn finish(mut self) -> Changes {
        self.state.put(keys::header(), &self.header);
        self.state.into_changes()
    }

    fn apply_keys(&mut self, command: &KeyCommand) -> Result<KeyOutcome, StoreError> {
        match command {
            KeyCommand::OpenTablet { bucket } => self.open_tablet(*bucket),
            KeyCommand::Tablet {
                bucket,
                start,
                change,
                step,
            } => self.tablet_step(*bucket, start, *change, step),
            KeyCommand::PutObject { bucket, put } => self.put_object(*bucket, put),
            KeyCommand::DeleteObject { bucket, delete } => self.delete_object(*bucket, delete),
            KeyCommand::AlterVersion { bucket, alter } => self.alter_version(*bucket, alter),
            KeyCommand::CreateUpload { bucket, create } => self.create_upload(*bucket, create),
            KeyCommand::PutPart { bucket, put } => self.put_part(*bucket, put),
            KeyCommand::CompleteUpload { bucket, complete } => {
                self.complete_upload(*bucket, complete)
            }
            KeyCommand::AbortUpload {
                bucket,
                key,
                upload,
            } => self.abort_upload(*bucket, key, *upload),
            KeyCommand::AbortBlob { blob, bucket, key } => self.abort_blob(*blob, *bucket, key),
            KeyCommand::RepayDebts { debts } => self.repay_debts(debts),
            KeyCommand::DropGarbage { collected } => self.drop_garbage(collected),
            KeyCommand::StrikeRemovals { removals } => self.strike_removals(removals),
            KeyCommand::OweShards { debts } => self.owe_shards(debts),
            KeyCommand::Told { command, notices } => self.apply_told(command, notices),
            KeyCommand::HoldEvents(hold) => self.hold_events(hold),
            KeyCommand::DropEvents { target, numbers } => self.drop_events(target, numbers),
            KeyCommand::ApplyRule { bucket, rule } => self.apply_rule(*bucket, rule),
            KeyCommand::RecoverTablet(recover) => self.recover_tablet(recover),
            KeyCommand::RecoverObject { bucket, recover } => self.recover_object(*bucket, recover),
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.header.sequence += 1;
        self.header.sequence
    }
}

/// Whether repeating a command in any later state could do harm or answer wrongly, so that its
/// outcome must be remembered. The others are idempotent.
fn must_remember(command: &Command) -> bool {
    match command {
        Command::System(_) => true,
        // Each step names its place.
        Command::Restore(_) => false,
        Command::Keys(command) => match command {
            KeyCommand::PutObject { .. }
            | KeyCommand::DeleteObject { .. }
            | KeyCommand::AlterVersion { .. }
            | KeyCommand::CreateUpload { .. }
            | KeyCommand::PutPart { .. }
            | KeyCommand::CompleteUpload { .. }
            | KeyCommand::AbortUpload { .. }
            | KeyCommand::ApplyRule { .. }
            | KeyCommand::RecoverObject { .. }
            | KeyCommand::Told { .. } => true,
            KeyCommand::OpenTablet { .. }
            | KeyCommand::Tablet { .. }
            | KeyCommand::RecoverTablet(_)
            | KeyCommand::AbortBlob { .. }
            | KeyCommand::RepayDebts { .. }
            | KeyCommand::DropGarbage { .. }
            | KeyCommand::StrikeRemovals { .. }
            | KeyCommand::OweShards { .. }
            | KeyCommand::HoldEvents(_)
            | KeyCommand::DropEvents { .. } => false,
        },
    }
}

#[cfg(test)]
mod tests;

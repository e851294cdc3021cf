//! How a group's records come back from a backup.
//!
//! ```text
//! begin -> clear, clear .. -> block 0, 1, .. n-1 -> end
//! ```
//! The header says how far a restore has come, and changes with what brought it there. A step that
//! comes again, or late, finds that and changes nothing.

use super::dedup::Remembered;
use super::{Batch, ClusterRecord, Header};
use crate::codec::{CodecError, Record};
use crate::command::{
    Outcome, RawRecord, Restore, RestoreCommand, RestoreOutcome, RestorePhase, RestoreStep,
};
use crate::id::{ClusterId, GroupId};
use crate::keys::{self, Family};
use crate::limits::{PASSED_BUCKETS, SWEEP_RECORDS};
use crate::query::RestoreState;
use crate::record::{
    BlobRecord, Bucket, Change, CompletedUpload, DebtRecord, Document, Event, EventQueue, Garbage,
    IdentityName, LayoutChange, LifecycleTurn, ObjectBody, ObjectHead, Part, RemovalRecord,
    StoredIdentity, Tablet, Tombstone, Upload,
};
use crate::store::{Reader, StoreError, damaged, decode, get, scan};

/// Past every record.
const END: [u8; 1] = [0xFF];

/// Checks that a group can hold a record, and that this release can read it.
///
/// # Errors
/// [`StoreError::Damaged`].
pub(crate) fn check_record(group: GroupId, key: &[u8], value: &[u8]) -> Result<Family, StoreError> {
    let malformed = |what: &str| damaged(key, CodecError::Malformed(what.to_owned()));
    let family = Family::of(key).ok_or_else(|| malformed("of no known family"))?;
    let is_of_either = matches!(
        family,
        Family::Header | Family::Outcome | Family::OutcomeOrder
    );
    if !is_of_either && (family >= Family::Bucket) != group.is_system() {
        return Err(malformed("of another kind of group"));
    }
    let key_fits = match family {
        Family::Header | Family::Cluster => key.len() == 1,
        Family::Tablet => key.len() >= 10,
        Family::Current => keys::object_key(key).is_some_and(|(_, rest)| rest.is_empty()),
        Family::Version | Family::Body => {
            keys::object_key(key).is_some_and(|(_, rest)| rest.len() == 8)
        }
        Family::Upload => keys::object_key(key).is_some_and(|(_, rest)| rest.len() == 16),
        Family::Part => keys::object_key(key).is_some_and(|(_, rest)| rest.len() == 20),
        Family::Completed | Family::Blob | Family::Tombstone | Family::Outcome => key.len() == 17,
        Family::CompletedOrder
        | Family::OutcomeOrder
        | Family::BucketName
        | Family::Change
        | Family::LayoutChange
        | Family::LifecycleTurn => key.len() == 9,
        Family::Garbage => key.len() == 25,
        Family::Debt => keys::parse_debt(key).is_some(),
        Family::Removal => keys::parse_removal(key).is_some(),
        Family::Bucket | Family::OwnedBucket => key.len() > 1,
        Family::Identity => key.len() > 2,
        // The default tenant's name is empty.
        Family::IdentityAlias => key.len() >= 2,
        Family::Event => keys::parse_event(key).is_some(),
        Family::EventQueue => keys::parse_event_queue(key).is_some(),
        Family::Document => key.len() == 10,
    };
    if !key_fits {
        return Err(malformed("the key"));
    }
    match family {
        Family::Header => reads::<Header>(key, value)?,
        Family::Tablet => reads::<Tablet>(key, value)?,
        Family::Current | Family::Version => reads::<ObjectHead>(key, value)?,
        Family::Body => reads::<ObjectBody>(key, value)?,
        Family::Upload => reads::<Upload>(key, value)?,
        Family::Part => reads::<Part>(key, value)?,
        Family::Completed => reads::<CompletedUpload>(key, value)?,
        Family::CompletedOrder if value.len() == 16 => {}
        Family::CompletedOrder => return Err(malformed("an upload's id")),
        Family::Garbage => reads::<Garbage>(key, value)?,
        Family::Blob => reads::<BlobRecord>(key, value)?,
        Family::Tombstone => reads::<Tombstone>(key, value)?,
        Family::Debt => reads::<DebtRecord>(key, value)?,
        Family::Removal => reads::<RemovalRecord>(key, value)?,
        Family::Event => reads::<Event>(key, value)?,
        Family::EventQueue => reads::<EventQueue>(key, value)?,
        Family::Outcome => reads::<Outcome>(key, value)?,
        Family::OutcomeOrder => reads::<Remembered>(key, value)?,
        Family::Bucket => reads::<Bucket>(key, value)?,
        Family::BucketName | Family::OwnedBucket => {}
        Family::Identity => reads::<StoredIdentity>(key, value)?,
        Family::IdentityAlias => reads::<IdentityName>(key, value)?,
        Family::Cluster => reads::<ClusterRecord>(key, value)?,
        Family::Change => reads::<Change>(key, value)?,
        Family::Document => reads::<Document>(key, value)?,
        Family::LayoutChange => reads::<LayoutChange>(key, value)?,
        Family::LifecycleTurn => reads::<LifecycleTurn>(key, value)?,
    }
    Ok(family)
}

fn reads<R: Record>(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    decode::<R>(key, value).map(drop)
}

/// How a group is with regard to restores.
pub(crate) fn restore_state(group: GroupId, view: &dyn Reader) -> Result<RestoreState, StoreError> {
    let header = super::read_header(view)?;
    Ok(RestoreState {
        restore: header.restore,
        is_empty: is_empty(group, &header, view)?,
    })
}

/// Whether a group holds nothing that a restore would remove: no bucket was ever made. What
/// bootstrap makes, and outcomes of commands that came to nothing, don't count.
fn is_empty(group: GroupId, header: &Header, view: &dyn Reader) -> Result<bool, StoreError> {
    if group.is_system() {
        return Ok(header.last_bucket == 0);
    }
    let from = keys::family(Family::Tablet);
    let to = keys::family(Family::Outcome);
    Ok(scan(view, &from, &to, 1)?.is_empty())
}

impl Batch<'_> {
    pub(super) fn restore(
        &mut self,
        command: &RestoreCommand,
    ) -> Result<RestoreOutcome, StoreError> {
        let present = self.header.restore;
        if let RestoreStep::Begin {
            cluster,
            key_groups,
        } = &command.step
        {
            return match present.filter(|present| present.id == command.id) {
                Some(present) => Ok(RestoreOutcome::Phase(present.phase)),
                None => self.begin_restore(command, *cluster, *key_groups),
            };
        }
        let Some(present) = present.filter(|present| present.id == command.id) else {
            return Ok(RestoreOutcome::NotUnderWay);
        };
        let phase = match (&command.step, present.phase) {
            (RestoreStep::Clear, RestorePhase::Clearing) => self.clear()?,
            (RestoreStep::Ingest { block, records }, RestorePhase::Receiving { blocks })
                if *block == blocks =>
            {
                if !self.take_back(records)? {
                    return Ok(RestoreOutcome::ForeignRecords);
                }
                RestorePhase::Receiving { blocks: blocks + 1 }
            }
            (RestoreStep::End { blocks: all }, RestorePhase::Receiving { blocks })
                if *all == blocks =>
            {
                self.pass_over_lost_buckets();
                self.header.complete_since_ms = Some(self.header.clock_ms);
                RestorePhase::Done
            }
            // Taken already, or not its turn.
            (_, phase) => phase,
        };
        let id = command.id;
        self.header.restore = Some(Restore { id, phase });
        Ok(RestoreOutcome::Phase(phase))
    }

    fn begin_restore(
        &mut self,
        command: &RestoreCommand,
        cluster: ClusterId,
        key_groups: u32,
    ) -> Result<RestoreOutcome, StoreError> {
        // What another restore left behind is not worth keeping, nor whole.
        if !self.header.is_restoring() {
            if let Some(present) = get::<ClusterRecord>(&self.state, &keys::cluster())? {
                let cluster_now = present.cluster;
                if cluster_now != cluster {
                    return Ok(RestoreOutcome::OtherCluster {
                        cluster: cluster_now,
                    });
                }
                if present.key_groups != key_groups {
                    let present = present.key_groups;
                    return Ok(RestoreOutcome::OtherKeyGroups { present });
                }
            }
            // A key group in which another restore was complete is not in use: that restore did not
            // end in the control group, which begins first and refuses otherwise.
            let was_restored = !self.group.is_system() && self.header.restore.is_some();
            if !was_restored && !is_empty(self.group, &self.header, &self.state)? {
                return Ok(RestoreOutcome::NotEmpty);
            }
        }
        let phase = RestorePhase::Clearing;
        self.header.restore = Some(Restore {
            id: command.id,
            phase,
        });
        Ok(RestoreOutcome::Phase(phase))
    }

    /// Removes records, and the counters with the last of them.
    fn clear(&mut self) -> Result<RestorePhase, StoreError> {
        let from = keys::family(Family::Tablet);
        let found = scan(&self.state, &from, &END, SWEEP_RECORDS)?;
        let is_last = found.len() < SWEEP_RECORDS;
        for (key, _) in found {
            self.state.delete(key);
        }
        if !is_last {
            return Ok(RestorePhase::Clearing);
        }
        self.header = Header {
            applied: self.header.applied,
            clock_ms: self.header.clock_ms,
            ..Header::default()
        };
        Ok(RestorePhase::Receiving { blocks: 0 })
    }

    /// Stores records. Not if one can't be of this group.
    fn take_back(&mut self, records: &[RawRecord]) -> Result<bool, StoreError> {
        for RawRecord { key, value } in records {
            if check_record(self.group, key, value).is_err() {
                return Ok(false);
            }
        }
        for RawRecord { key, value } in records {
            if Family::of(key) == Some(Family::Header) {
                let theirs: Header = decode(key, value)?;
                self.header = Header {
                    applied: self.header.applied,
                    clock_ms: self.header.clock_ms.max(theirs.clock_ms),
                    ..theirs
                };
            } else {
                self.state.put_bytes(key.clone(), value.clone());
            }
        }
        Ok(true)
    }

    /// Buckets that were made after the backup are lost, but their shards may be on the disks and
    /// say their numbers: those must not be given again.
    fn pass_over_lost_buckets(&mut self) {
        if self.group.is_system() {
            self.header.last_bucket = self.header.last_bucket.saturating_add(PASSED_BUCKETS);
        }
    }
}

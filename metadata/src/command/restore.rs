//! The steps that restore a group from a backup.
//!
//! From the first step to the last the group takes no other command and answers no query. Steps name
//! the backup they come from and, where order matters, their place: repeating one changes nothing, so
//! a restore that died goes on where it was.

use std::fmt;

use minicbor::{Decode, Encode};

use super::RawRecord;
use crate::id::ClusterId;

/// The backup that a group is restored from: the BLAKE3 of its file.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct RestoreId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for RestoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A restore of a group, as the group remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Restore {
    /// From which backup.
    #[n(0)]
    pub id: RestoreId,
    /// How far it has come.
    #[n(1)]
    pub phase: RestorePhase,
}

impl Restore {
    /// Whether it keeps the group out of service.
    pub fn is_under_way(&self) -> bool {
        self.phase != RestorePhase::Done
    }
}

/// How far a restore has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum RestorePhase {
    /// What the group holds is being removed.
    #[n(0)]
    Clearing,
    /// Records come in.
    #[n(1)]
    Receiving {
        /// Blocks of records that are in.
        #[n(0)]
        blocks: u64,
    },
    /// It is complete: the group is in service.
    #[n(2)]
    Done,
}

/// A step of a restore of one group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RestoreCommand {
    /// From which backup.
    #[n(0)]
    pub id: RestoreId,
    /// The step.
    #[n(1)]
    pub step: RestoreStep,
}

/// What a step of a restore does.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum RestoreStep {
    /// Takes the group out of service, if it holds nothing that would be lost. Where a restore from
    /// another backup is under way, this one takes its place and begins anew.
    #[n(0)]
    Begin {
        /// The cluster that the backup is of.
        #[n(0)]
        cluster: ClusterId,
        /// Number of its key groups.
        #[n(1)]
        key_groups: u32,
    },
    /// Removes what the group holds, a bounded number of records per call.
    #[n(1)]
    Clear,
    /// Stores a block of records, if it is the next one.
    #[n(2)]
    Ingest {
        /// Blocks before it.
        #[n(0)]
        block: u64,
        /// Its records.
        #[n(1)]
        records: Vec<RawRecord>,
    },
    /// Puts the group into service, if all blocks are in.
    #[n(3)]
    End {
        /// How many there are.
        #[n(0)]
        blocks: u64,
    },
}

/// What a step of a restore came to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RestoreOutcome {
    /// The restore is as far as this, by this or an earlier step.
    #[n(0)]
    Phase(#[n(0)] RestorePhase),
    /// The group holds, or held, buckets or objects. Nothing was done.
    #[n(1)]
    NotEmpty,
    /// The voters belong to another cluster. Nothing was done.
    #[n(2)]
    OtherCluster {
        /// To this one.
        #[n(0)]
        cluster: ClusterId,
    },
    /// The cluster has another number of key groups. Nothing was done.
    #[n(3)]
    OtherKeyGroups {
        /// As many as these.
        #[n(0)]
        present: u32,
    },
    /// No restore from this backup is under way. Nothing was done.
    #[n(4)]
    NotUnderWay,
    /// A record is none that the group can hold: nothing of the block was stored.
    #[n(5)]
    ForeignRecords,
}

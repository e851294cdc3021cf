//! The steps of changes of tablets.

use minicbor::{Decode, Encode};

use crate::id::{GroupId, ObjectKey};
use crate::record::{CopyPosition, Debt, TabletSize};

/// A step of a change of a bucket's tablets, at one tablet of one group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum TabletStep {
    /// Deletion: closes the tablet if it holds no object. Uploads in progress do not keep it from
    /// that.
    #[n(0)]
    Close,
    /// Deletion, decided: seals the closed tablet for good.
    #[n(1)]
    Seal,
    /// Deletion, cancelled: opens the closed tablet again, and makes sure that the change never
    /// closes it any more.
    #[n(2)]
    Reopen,
    /// Removes records from a sealed or moved tablet, a bounded number per call.
    #[n(3)]
    Sweep,
    /// Split: makes two tablets of one.
    #[n(4)]
    Split {
        /// First key of the second.
        #[n(0)]
        at: ObjectKey,
        /// How large the first is about to be.
        #[n(1)]
        first: TabletSize,
    },
    /// Move, at the group that gets the tablet: takes its place, before any record comes.
    #[n(5)]
    Receive {
        /// First key after the tablet.
        #[n(0)]
        end: Option<ObjectKey>,
    },
    /// Move, at the group that has the tablet: refuses writes from now on.
    #[n(6)]
    Freeze,
    /// Move, at the group that gets the tablet: takes the records that follow `position`, if its
    /// copy has come just so far.
    #[n(7)]
    Ingest {
        /// How far the copy has come without these.
        #[n(0)]
        position: CopyPosition,
        /// How far with these; none: that was all.
        #[n(1)]
        next: Option<CopyPosition>,
        /// The records.
        #[n(2)]
        records: Vec<RawRecord>,
    },
    /// Move, at the group that has the tablet: gives it away. Only when the copy is complete.
    #[n(8)]
    Release {
        /// To this group.
        #[n(0)]
        to: GroupId,
    },
    /// Move, at the group that gets the tablet, once it was released: opens it.
    #[n(9)]
    Admit {
        /// As in [`crate::record::TabletState::Moved`]: orders given here are greater.
        #[n(0)]
        sequence: u64,
        /// As in [`crate::record::TabletState::Moved`]: times given here are no earlier, ms since
        /// 1970.
        #[n(1)]
        clock_ms: u64,
    },
    /// Move, decided, at the group that got the tablet: takes over what its blobs are owed.
    #[n(10)]
    TakeDebts {
        /// The debts.
        #[n(0)]
        debts: Vec<OwedShard>,
    },
    /// Move, decided, at the group that had the tablet: forgets debts that were taken over.
    #[n(11)]
    GiveDebts {
        /// The debts.
        #[n(0)]
        debts: Vec<Debt>,
    },
}

/// A stored record, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RawRecord {
    /// Its stored key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub key: Vec<u8>,
    /// Its bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub value: Vec<u8>,
}

/// A debt and its age.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwedShard {
    /// The debt.
    #[n(0)]
    pub debt: Debt,
    /// Since when, ms since 1970.
    #[n(1)]
    pub since_ms: u64,
}

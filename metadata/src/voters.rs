//! Who votes in a group, and how that is changed while it serves.
//!
//! `POST` [`VOTERS_PATH`] to the group's leader with a [`VotersRequest`], answered with a
//! [`VotersAnswer`] or, as all of [`crate::wire`], with a [`crate::wire::Refusal`]. A change may be
//! repeated until it is done: what is done of it already is passed over.

use minicbor::{Decode, Encode};

use crate::codec::Record;
use crate::id::GroupId;

/// Where questions about voters, and changes of them, go.
pub const VOTERS_PATH: &str = "/v1/raft/voters";

/// A voter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Voter {
    /// Its number, never given to another: one that lost its disk must come back under a new one,
    /// as it forgot what it voted for.
    #[n(0)]
    pub id: u64,
    /// Where it serves, `host:port`.
    #[n(1)]
    pub endpoint: String,
    /// The data site it is at; none: an arbiter.
    #[n(2)]
    pub site: Option<String>,
}

/// What is to become of a group's voters: those added get everything before those removed go. With
/// nothing to add or remove, a question who votes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct VoterChange {
    /// Who is to vote that did not. Its process already runs, and waits.
    #[n(0)]
    pub add: Vec<Voter>,
    /// Numbers of those who are not to vote any more.
    #[n(1)]
    pub remove: Vec<u64>,
}

/// Asks a group's leader for a change of its voters.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct VotersRequest {
    /// The group meant.
    #[n(0)]
    pub group: GroupId,
    /// The change.
    #[n(1)]
    pub change: VoterChange,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum VotersAnswer {
    /// These vote.
    #[n(0)]
    Voters(#[n(0)] Vec<Voter>),
    /// Nothing was changed: another voter had this number, or has it.
    #[n(1)]
    NumberTaken(#[n(0)] u64),
    /// Nothing was changed: nobody would be left to vote.
    #[n(2)]
    NobodyLeft,
}

impl Record for VotersRequest {
    const VERSION: u8 = 1;
}
impl Record for VotersAnswer {
    const VERSION: u8 = 1;
}

//! Who votes in a group, how that is changed while it serves, and what is left when it does not.
//!
//! | path | to | body | answer with 200 |
//! | --- | --- | --- | --- |
//! | [`VOTERS_PATH`] | the group's leader | [`VotersRequest`] | [`VotersAnswer`] |
//! | [`STATUS_PATH`] | any voter | nothing | [`VoterStatus`] |
//! | [`PROMOTE_PATH`] | the voter that is to take over | [`PromoteRequest`] | [`PromoteAnswer`] |
//!
//! Any other status carries a [`crate::wire::Refusal`]. A change of voters may be repeated until it
//! is done: what is done of it already is passed over.
//!
//! With an arbiter, or all voters at one site, a majority of all decides. With voters at two sites
//! and no arbiter, a majority at each site does: then a site's loss stops the group, and its
//! survivor is *promoted*, on the word of an operator that the other site is gone or fenced.

use minicbor::{Decode, Encode};

use crate::codec::Record;
use crate::id::GroupId;

/// Where questions about voters, and changes of them, go.
pub const VOTERS_PATH: &str = "/v1/raft/voters";
/// Where a voter tells what it knows by itself.
pub const STATUS_PATH: &str = "/v1/raft/status";
/// Where a voter is told to take over a group that lost its quorum.
pub const PROMOTE_PATH: &str = "/v1/raft/promote";

/// A voter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Voter {
    /// Its number, never given to another: one that lost its folder must come back under a new one,
    /// as it forgot what it voted for, and is not heard under the old one.
    #[n(0)]
    pub id: u64,
    /// Where it serves, `host:port`.
    #[n(1)]
    pub endpoint: String,
    /// The data site it is at; none: an arbiter.
    #[n(2)]
    pub site: Option<String>,
    /// The name of the folder it votes from, made with it; none: not known yet.
    #[n(3)]
    pub folder: Option<String>,
}

impl Voter {
    /// Whether this may be the voter that is known as `known`: one that lost its folder is not.
    pub fn may_be(&self, known: &Self) -> bool {
        let is_other = |known: &String| self.folder.as_ref().is_some_and(|own| own != known);
        self.id == known.id && !known.folder.as_ref().is_some_and(is_other)
    }
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

/// A place in a group's log, ordered as Raft orders logs: the greater has everything that was
/// committed when the lesser was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct LogPosition {
    /// The term of the leader that wrote the entry.
    #[n(0)]
    pub term: u64,
    /// That leader.
    #[n(1)]
    pub leader: u64,
    /// The entry's index.
    #[n(2)]
    pub index: u64,
}

/// A group, as one voter sees it. Nothing of it is proven to be still so.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GroupView {
    /// The group.
    #[n(0)]
    pub group: GroupId,
    /// The newest term that the voter knows of.
    #[n(1)]
    pub term: u64,
    /// Who leads, as far as the voter knows.
    #[n(2)]
    pub leader: Option<u64>,
    /// The last entry in the voter's log; none: it holds nothing.
    #[n(3)]
    pub last: Option<LogPosition>,
    /// Index of the last entry that it has applied.
    #[n(4)]
    pub applied: u64,
    /// Who votes, by the newest word in the voter's log.
    #[n(5)]
    pub voters: Vec<Voter>,
}

/// What a voter knows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct VoterStatus {
    /// The voter.
    #[n(0)]
    pub voter: Voter,
    /// Its groups, in order.
    #[n(1)]
    pub groups: Vec<GroupView>,
}

/// Makes the voters of one site the only voters of a group, by the hand of the one of them that
/// holds most.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PromoteRequest {
    /// The group.
    #[n(0)]
    pub group: GroupId,
    /// The site that goes on alone.
    #[n(1)]
    pub site: String,
    /// The last entry of the voter that is asked. Of a majority of the site's voters none holds a
    /// greater.
    #[n(2)]
    pub last: LogPosition,
    /// The newest term that any of these voters knows of.
    #[n(3)]
    pub term: u64,
}

/// What became of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum PromoteAnswer {
    /// The voter is about to lead the group with these voters.
    #[n(0)]
    Promoted(#[n(0)] Vec<Voter>),
    /// Nothing was changed: the voter's log has changed since. Look again.
    #[n(1)]
    Moved,
    /// Nothing was changed: the voter is not at that site, or does not vote.
    #[n(2)]
    NotThere,
}

impl Record for VoterStatus {
    const VERSION: u8 = 1;
}
impl Record for PromoteRequest {
    const VERSION: u8 = 1;
}
impl Record for PromoteAnswer {
    const VERSION: u8 = 1;
}
impl Record for VotersRequest {
    const VERSION: u8 = 1;
}
impl Record for VotersAnswer {
    const VERSION: u8 = 1;
}

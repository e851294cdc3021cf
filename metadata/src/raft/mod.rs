//! Replicated groups: each an `openraft` instance, all of a process over one log and one network.
//!
//! ```text
//! propose -> leader's log -> followers' logs -> commit -> apply -> one match at each site -> reply
//! query   -> leader: who leads, asked of a majority -> applied so far -> read
//! ```
//!
//! Consensus itself is `openraft`'s; nothing outside of this module sees it. What is ours:
//!
//! * [`types`]: what its generic types are filled with.
//! * [`log`]: one RocksDB for the logs and votes of all groups, synced by one thread: a sync
//!   serves whatever groups wait for one. [`disk`]: what it asks of that database.
//! * [`state`]: a RocksDB per group, never synced by itself: its flushed part and the log's tail
//!   make it whole.
//! * [`snapshot`]: a checkpoint of that database, sent as the files it consists of.
//! * [`network`], [`service`]: both ends of the calls between voters.
//! * [`host`]: the groups of a process, behind [`crate::replica::Replica`]; [`slot`]: one of them.
//! * [`members`]: changes of who votes; [`quorum`]: how many must agree; [`promotion`]: how a group
//!   begins, and how a site goes on that lost the other.
//! * [`identity`]: that a voter which lost its folder is not taken for who it was.
//! * [`runtime`]: where what waits for the disk runs.
//! * [`sites`]: which sites hold an entry, and who should lead a group.
//! * `simulation`, among the tests: all of this in simulated time, under faults.
//!
//! # Which openraft
//! Exactly 0.10.0-alpha.37. The stable line 0.9 has neither pre-vote (a voter that comes back from
//! behind a cut would depose a healthy leader), nor `transfer_leader` (the arbiter must hand over,
//! leaders must spread over the sites), nor a membership that stays joint. What the alphas are known
//! to do wrong is met here: a purge of the log that races with an apply ends a group's core, so a
//! long tail of the log is kept, and a group whose core ended is built anew from its stores; a log
//! that took entries with a gap would lose what is missing, so ours refuses them; a leader that
//! comes back would lead on in its term, without what its crash took and without knowing what it
//! had committed, so it must be elected again (`simulation` shows both).

mod disk;
mod host;
mod identity;
mod limits;
mod log;
mod members;
mod network;
mod promotion;
mod quorum;
mod runtime;
mod service;
mod sites;
mod slot;
mod snapshot;
mod state;
mod types;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use crate::voters::Voter;
pub use host::{GroupStatus, RaftHost};
pub use service::RaftService;

/// First part of the path of every call between voters.
pub const PATH_PREFIX: &str = "/v1/raft/";

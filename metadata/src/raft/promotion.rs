//! What is written into a log without a leader: its first entry, and the one that promotes a site.
//!
//! A group whose voters are at two sites, without an arbiter, needs a majority at each
//! ([`super::quorum`]). When one site is lost, the other is promoted: of a majority of its voters
//! the one with the greatest log gets one more entry, which makes the site's voters the only ones.
//! Raft takes the newest membership of a log for the one in force, so this voter can be elected by a
//! majority of the site; the others grant it their votes as they would any greater log. All that
//! follows is plain Raft.
//!
//! Nothing acknowledged is lost: it was held by a majority of this site, which shares a voter with
//! the majority that was looked at, so it is in the greatest of their logs. The lost site's voters
//! can't do harm when they come back, for they still need a majority here: they commit nothing,
//! prove no read and win no vote, as their logs are lesser. They vote again once they are added
//! ([`super::members`]); what they had written and nobody acknowledged gives way to this log.
//!
//! A promotion names all voters of the site, reached or not, so that promotions one after another,
//! if the first voter dies too, need majorities of the same set.
//!
//! With an arbiter the same is done when site and arbiter are lost together. Then a majority may
//! have been without this site, and what was acknowledged while it was out of service may be gone.

use std::collections::BTreeMap;
use std::io;

use openraft::entry::RaftEntry;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::storage::RaftLogStorage;
use openraft::vote::RaftVote;
use openraft::{Membership, RaftLogReader};

use super::log::GroupLog;
use super::quorum;
use super::types::{Entry, LogId, Peer, Vote};
use crate::voters::{LogPosition, PromoteAnswer, PromoteRequest, Voter};

/// Begins a group in an empty log, unless it has begun. All voters may do so, as they name the same
/// members: the entries say the same, and that of whoever leads first wins.
pub(super) async fn found(
    log: &mut GroupLog,
    voter: u64,
    members: &BTreeMap<u64, Peer>,
) -> io::Result<()> {
    let state = log.get_log_state().await?;
    if state.last_log_id.is_some() || log.read_vote().await?.is_some() {
        return Ok(());
    }
    write(log, voter, 0, 0, members).await
}

/// Promotes a site in a group whose core has ended, by this voter of it. `members` are the group's
/// voters by the newest word in its log.
pub(super) async fn promote(
    log: &mut GroupLog,
    voter: u64,
    members: &BTreeMap<u64, Peer>,
    request: &PromoteRequest,
) -> io::Result<PromoteAnswer> {
    let mut left = members.clone();
    left.retain(|_, peer| peer.site.as_ref() == Some(&request.site));
    if !left.contains_key(&voter) {
        return Ok(PromoteAnswer::NotThere);
    }
    let last = log.get_log_state().await?.last_log_id;
    if last.as_ref().map(position) != Some(request.last) {
        return Ok(PromoteAnswer::Moved);
    }
    let vote = log.read_vote().await?;
    let voted = vote.map_or(0, |vote| vote.leader_id().term);
    // Greater than any vote given: the entry is nobody else's.
    let term = voted.max(request.term).max(request.last.term) + 1;
    write(log, voter, term, request.last.index + 1, &left).await?;
    let voters = left.iter().map(|(&id, peer)| voter_of(id, peer));
    Ok(PromoteAnswer::Promoted(voters.collect()))
}

async fn write(
    log: &GroupLog,
    voter: u64,
    term: u64,
    index: u64,
    members: &BTreeMap<u64, Peer>,
) -> io::Result<()> {
    let leader = LeaderId {
        term,
        node_id: voter,
    };
    let membership = Membership::new(quorum::of(members), members.clone());
    let membership = membership.map_err(io::Error::other)?;
    let entry = Entry::new_membership(LogId::new(leader, index), membership);
    // Not committed: whoever wrote it must be elected like everybody else.
    log.force(&entry, &Vote::from_leader_id(leader, false))
        .await
}

/// Where an entry is.
pub(super) fn position(log_id: &LogId) -> LogPosition {
    LogPosition {
        term: log_id.leader_id.term,
        leader: log_id.leader_id.node_id,
        index: log_id.index,
    }
}

/// A member as others are told of it.
pub(super) fn voter_of(id: u64, peer: &Peer) -> Voter {
    Voter {
        id,
        endpoint: peer.endpoint.clone(),
        site: peer.site.clone(),
        folder: None,
    }
}

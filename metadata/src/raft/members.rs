//! Changes of who votes in a group, made by its leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::entry::RaftPayload;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::{EntryPayload, Precondition};

use super::limits::VOTERS_MS;
use super::quorum;
use super::slot::Slot;
use super::types::{Group, Membership, Peer, Raft};
use crate::replica::ReplicaError;
use crate::voters::{Voter, VoterChange, VotersAnswer};

type WriteError = RaftError<Group, ClientWriteError<Group>>;

fn refusal(error: WriteError) -> ReplicaError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
            ReplicaError::NotLeader(to.leader_node.map(|node| node.endpoint))
        }
        // Another change is under way, or the leader is new: later.
        RaftError::APIError(_) => ReplicaError::Unavailable,
        RaftError::Fatal(_) => ReplicaError::Stopped,
    }
}

/// The newest membership in this voter's log.
pub(super) async fn newest(raft: &Raft) -> Result<Arc<Membership>, ReplicaError> {
    let effective = raft.with_raft_state(|state| state.membership_state.effective().clone());
    effective.await.map_err(|_| ReplicaError::Stopped)
}

/// Those who vote by a membership.
pub(super) fn voters(membership: &Membership) -> BTreeMap<u64, Peer> {
    let ids: BTreeSet<u64> = membership.voter_ids().collect();
    let voting = membership.nodes().filter(|(id, _)| ids.contains(id));
    voting.map(|(&id, peer)| (id, peer.clone())).collect()
}

impl From<&Voter> for Peer {
    fn from(voter: &Voter) -> Self {
        Self {
            endpoint: voter.endpoint.clone(),
            site: voter.site.clone(),
        }
    }
}

impl Slot {
    /// Makes a change of the voters, or as much of it as there is time for.
    pub(super) async fn change_voters(
        &self,
        change: &VoterChange,
    ) -> Result<VotersAnswer, ReplicaError> {
        let within = Duration::from_millis(VOTERS_MS);
        tokio::time::timeout(within, self.change(change))
            .await
            .map_err(|_| ReplicaError::Unavailable)?
    }

    async fn change(&self, change: &VoterChange) -> Result<VotersAnswer, ReplicaError> {
        // Only who leads now knows who votes now.
        self.barrier().await?;
        let raft = self.raft();
        let membership = newest(&raft).await?;
        let known: BTreeMap<u64, &Peer> =
            membership.nodes().map(|(&id, peer)| (id, peer)).collect();
        let mut wanted = voters(&membership);
        for voter in &change.add {
            let peer = Peer::from(voter);
            let is_another =
                |&known: &&Peer| *known != peer || !voter.may_be(&self.voter_of(voter.id, known));
            if known.get(&voter.id).is_some_and(is_another) {
                return Ok(VotersAnswer::NumberTaken(voter.id));
            }
            wanted.insert(voter.id, peer);
        }
        wanted.retain(|id, _| !change.remove.contains(id));
        if wanted.is_empty() {
            return Ok(VotersAnswer::NobodyLeft);
        }

        // First they learn, so that their votes delay nothing.
        for voter in &change.add {
            if !known.contains_key(&voter.id) {
                let added = raft.add_learner(voter.id, Peer::from(voter), false).await;
                added.map_err(refusal)?;
            }
            caught_up(&raft, voter.id).await?;
        }
        // A question changes nothing, not even a quorum that a change left on its way.
        if *change != VoterChange::default() {
            vote_with(&raft, &wanted).await?;
        }
        let now = voters(&*newest(&raft).await?);
        let now = now
            .iter()
            .map(|(&id, peer)| self.voter_of(id, peer))
            .collect();
        Ok(VotersAnswer::Voters(now))
    }
}

/// Makes these the voters, with the quorum that follows from who they are. All of them learn
/// already; others stay no members.
async fn vote_with(raft: &Raft, wanted: &BTreeMap<u64, Peer>) -> Result<(), ReplicaError> {
    let membership = newest(raft).await?;
    let steps = quorum::steps(membership.get_joint_config(), &quorum::of(wanted));
    let all: BTreeMap<u64, Peer> = membership
        .nodes()
        .map(|(&id, peer)| (id, peer.clone()))
        .collect();
    // Those that only ever learned go with the last step; it may have none before it.
    let steps = match steps.is_empty() && all.len() > wanted.len() {
        true => vec![quorum::of(wanted)],
        false => steps,
    };
    let count = steps.len();
    for (number, step) in (1..).zip(steps) {
        let nodes = if number == count { wanted } else { &all };
        let next = openraft::Membership::new(step, nodes.clone());
        let next = next.map_err(|_| ReplicaError::Unavailable)?;
        // Whoever else changed it meanwhile is not overruled.
        let present = Precondition::LastMembershipLogId {
            last_membership_log_id: *newest(raft).await?.log_id(),
        };
        raft.append_membership(next, EntryPayload::blank(), [present])
            .await
            .map_err(refusal)?;
    }
    Ok(())
}

/// Waits until a voter holds what the leader's log had at the call.
async fn caught_up(raft: &Raft, voter: u64) -> Result<(), ReplicaError> {
    let mut metrics = raft.metrics();
    let last = metrics.borrow_watched().last_log_index;
    loop {
        {
            let metrics = metrics.borrow_and_update();
            let Some(replication) = &metrics.replication else {
                return Err(ReplicaError::NotLeader(None));
            };
            let held = replication.get(&voter).and_then(Option::as_ref);
            if held.map(|held| held.index) >= last {
                return Ok(());
            }
        }
        let changed = metrics.changed().await;
        changed.map_err(|_| ReplicaError::Stopped)?;
    }
}

//! Changes of who votes in a group, made by its leader.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};

use super::host::Slot;
use super::limits::VOTERS_MS;
use super::types::{Group, Metrics, Peer, Raft};
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

fn voters(metrics: &Metrics) -> Vec<Voter> {
    let membership = metrics.membership_config.membership();
    let ids: BTreeSet<u64> = membership.voter_ids().collect();
    let voting = membership.nodes().filter(|(id, _)| ids.contains(id));
    voting
        .map(|(&id, peer)| Voter {
            id,
            endpoint: peer.endpoint.clone(),
            site: peer.site.clone(),
        })
        .collect()
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
        let metrics = raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership().clone();
        let present: BTreeSet<u64> = membership.voter_ids().collect();
        let mut wanted = present.clone();
        for voter in &change.add {
            let known = membership.get_node(&voter.id);
            if known.is_some_and(|known| *known != Peer::from(voter)) {
                return Ok(VotersAnswer::NumberTaken(voter.id));
            }
            wanted.insert(voter.id);
        }
        wanted.retain(|id| !change.remove.contains(id));
        if wanted.is_empty() {
            return Ok(VotersAnswer::NobodyLeft);
        }

        // First they learn, so that their votes delay nothing.
        for voter in &change.add {
            if membership.get_node(&voter.id).is_none() {
                let added = raft.add_learner(voter.id, Peer::from(voter), false).await;
                added.map_err(refusal)?;
            }
            caught_up(&raft, voter.id).await?;
        }
        let is_joint = membership.get_joint_config().len() > 1;
        if wanted != present || is_joint {
            let changed = raft.change_membership(wanted.clone(), false).await;
            changed.map_err(refusal)?;
        }
        // Those that only ever learned.
        let learned = |id: &&u64| !present.contains(id) && membership.get_node(id).is_some();
        let leaving: BTreeSet<u64> = change.remove.iter().filter(learned).copied().collect();
        if !leaving.is_empty() {
            let leave = ChangeMembers::RemoveNodes(leaving);
            raft.change_membership(leave, false)
                .await
                .map_err(refusal)?;
        }
        let now = voters(&raft.metrics().borrow_watched());
        Ok(VotersAnswer::Voters(now))
    }
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

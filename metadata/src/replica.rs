//! What hosts groups: it puts proposals in one order, applies them, and answers queries that see
//! everything acknowledged before they were asked.
//!
//! [`crate::raft::RaftHost`] is the replica of a cluster, [`MemoryReplica`] that of a test.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::{self, BoxFuture};
use tokio::sync::watch;

use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::machine::Batch;
use crate::query::{Answer, Query};
use crate::read;
use crate::store::MemoryStore;

/// Why a replica did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// It does not host that group. Nothing was done; ask another.
    #[error("the group is not hosted here")]
    NotHere,
    /// Another voter leads the group: the one at this `host:port`, if it is known. Nothing was done.
    #[error("another voter leads the group")]
    NotLeader(Option<String>),
    /// No majority, or not every site in service, answered in time. A proposal may be decided yet.
    #[error("the group can't decide now")]
    Unavailable,
    /// The group stopped, as its storage failed. The proposal may have been logged.
    #[error("the group is stopped")]
    Stopped,
}

/// A voter of some groups.
pub trait Replica: Send + Sync + 'static {
    /// Has a proposal decided. Once this returns, the outcome is durable.
    fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>>;

    /// Answers from a view that holds everything acknowledged before the call: a read barrier,
    /// then a read.
    fn query(&self, group: GroupId, query: Query) -> BoxFuture<'_, Result<Answer, ReplicaError>>;

    /// Follows the index of the last entry applied to a group.
    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError>;
}

/// A replica in memory, without a log: for tests and simulations.
pub struct MemoryReplica {
    groups: BTreeMap<GroupId, MemoryGroup>,
}

struct MemoryGroup {
    store: Mutex<MemoryStore>,
    applied: watch::Sender<u64>,
}

impl MemoryReplica {
    /// Hosts the control group and `key_groups` key groups, all empty.
    pub fn new(key_groups: u32) -> Self {
        let ids = std::iter::once(GroupId::SYSTEM).chain(GroupId::keys(key_groups));
        let group = || MemoryGroup {
            store: Mutex::default(),
            applied: watch::Sender::new(0),
        };
        Self {
            groups: ids.map(|id| (id, group())).collect(),
        }
    }

    fn group(&self, group: GroupId) -> Result<&MemoryGroup, ReplicaError> {
        self.groups.get(&group).ok_or(ReplicaError::NotHere)
    }

    fn apply(&self, id: GroupId, proposal: &Proposal) -> Result<Outcome, ReplicaError> {
        let group = self.group(id)?;
        let store = group.store.lock().map_err(|_| ReplicaError::Stopped)?;
        let before = store.snapshot();
        let mut batch = Batch::begin(id, &before).map_err(|_| ReplicaError::Stopped)?;
        let index = batch.applied() + 1;
        let outcome = batch
            .apply(index, proposal)
            .map_err(|_| ReplicaError::Stopped)?;
        let changes = batch.finish();
        drop(before);
        store.commit(changes);
        group.applied.send_replace(index);
        Ok(outcome)
    }
}

impl Replica for MemoryReplica {
    fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(future::ready(self.apply(group, &proposal)))
    }

    fn query(&self, id: GroupId, query: Query) -> BoxFuture<'_, Result<Answer, ReplicaError>> {
        let answer = self.group(id).and_then(|group| {
            let store = group.store.lock().map_err(|_| ReplicaError::Stopped)?;
            read::answer(id, &store.snapshot(), &query).map_err(|_| ReplicaError::Stopped)
        });
        Box::pin(future::ready(answer))
    }

    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        Ok(self.group(group)?.applied.subscribe())
    }
}

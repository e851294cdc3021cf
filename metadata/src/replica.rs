//! What hosts groups: it puts proposals in one order, applies them, and answers queries that see
//! everything acknowledged before they were asked.
//!
//! [`crate::raft::RaftHost`] is the replica of a cluster, [`MemoryReplica`] that of a test.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::backup::blocks::{self, WalkError};
use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::limits::{EXPORT_BLOCKS, EXPORT_STALL_MS};
use crate::machine::Batch;
use crate::query::{Answer, Query};
use crate::read;
use crate::store::{MemoryStore, StoreError};

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

/// A group's records in blocks, by key. It ends early with an error if the store fails; blocks that
/// are not taken for [`EXPORT_STALL_MS`] end it too.
pub type RecordBlocks = mpsc::Receiver<Result<Bytes, StoreError>>;

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

    /// Streams all records of a group, as they are at one moment after a read barrier.
    fn export(&self, group: GroupId) -> BoxFuture<'_, Result<RecordBlocks, ReplicaError>>;

    /// Follows the index of the last entry applied to a group.
    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError>;
}

/// Streams the blocks that `walk` makes of a store. It runs where it may wait for the disk.
pub(crate) fn stream_records<S: Send + 'static>(
    group: GroupId,
    store: S,
    walk: impl FnOnce(&S, &mut dyn FnMut(Bytes) -> Result<(), WalkError>) -> Result<(), WalkError>
    + Send
    + 'static,
) -> RecordBlocks {
    let (sender, blocks) = mpsc::channel(EXPORT_BLOCKS);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let stall = Duration::from_millis(EXPORT_STALL_MS);
        let mut take = |block| {
            let sent = async { tokio::time::timeout(stall, sender.send(Ok(block))).await };
            match runtime.block_on(sent) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(WalkError::ReaderGone),
            }
        };
        match walk(&store, &mut take) {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%group, %error, "an export ended early");
                let error = match error {
                    WalkError::Store(error) => error,
                    error => StoreError::Engine(error.to_string()),
                };
                // The reader may be gone, or not taking anything; then it needs no error.
                let _ = sender.try_send(Err(error));
            }
        }
    });
    blocks
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

    fn export(&self, id: GroupId) -> BoxFuture<'_, Result<RecordBlocks, ReplicaError>> {
        let blocks = self.group(id).and_then(|group| {
            let store = group.store.lock().map_err(|_| ReplicaError::Stopped)?;
            let view = store.snapshot();
            Ok(stream_records(id, view, |view, take| {
                blocks::walk(view, take)
            }))
        });
        Box::pin(future::ready(blocks))
    }

    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        Ok(self.group(group)?.applied.subscribe())
    }
}

//! The log of a single voter: what is synced here is decided.
//!
//! ```text
//! propose -> queue -> logger: one batch, one sync -> queue -> applier: one batch per group -> reply
//! ```
//!
//! Both stages are threads of their own, so the next batch is synced while this one is applied,
//! and proposals that wait for a sync share the next one. A reply is sent after the state shows
//! the change, so a read after it needs no barrier beyond reading.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::log::LogStore;
use super::options::Shared;
use super::state::StateStore;
use crate::codec::{CodecError, Record};
use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::limits::{
    APPLY_QUEUE, FLUSH_EVERY_BYTES, FLUSH_EVERY_ENTRIES, LOG_BATCH_BYTES, LOG_BATCH_ENTRIES,
    PROPOSAL_QUEUE,
};
use crate::machine::Batch;
use crate::query::{Answer, Query};
use crate::read;
use crate::replica::{Replica, ReplicaError};
use crate::store::StoreError;

/// A voter that is alone: it hosts every group, and its log is the only copy.
pub struct SoloLog {
    groups: Arc<BTreeMap<GroupId, Group>>,
    proposals: Option<mpsc::Sender<Pending>>,
    threads: Vec<JoinHandle<()>>,
}

struct Group {
    id: GroupId,
    state: StateStore,
    applied: watch::Sender<u64>,
    stopped: AtomicBool,
}

/// A proposal on its way to the log.
struct Pending {
    group: GroupId,
    proposal: Proposal,
    bytes: Vec<u8>,
    reply: oneshot::Sender<Outcome>,
}

/// A proposal that is logged and on its way to the state.
struct Logged {
    index: u64,
    size_bytes: usize,
    proposal: Proposal,
    reply: oneshot::Sender<Outcome>,
}

impl SoloLog {
    /// Opens or makes a voter's data and brings every group up to its log's end.
    ///
    /// Blocks on the disk, and for as long as the replay takes.
    ///
    /// # Errors
    /// When the data is damaged, in use by another process, or the disk fails.
    pub fn open(dir: &Path, key_groups: u32) -> Result<Self, StoreError> {
        let shared = Shared::new();
        let states = dir.join("state");
        std::fs::create_dir_all(&states).map_err(|e| StoreError::Engine(e.to_string()))?;
        let log = LogStore::open(&dir.join("log"), &shared)?;
        let mut groups = BTreeMap::new();
        let mut next = BTreeMap::new();
        for id in std::iter::once(GroupId::SYSTEM).chain(GroupId::keys(key_groups)) {
            let state = StateStore::open(&states.join(format!("{:04}", id.0)), &shared)?;
            let applied = replay(&log, id, &state)?;
            next.insert(id, applied + 1);
            let group = Group {
                id,
                state,
                applied: watch::Sender::new(applied),
                stopped: AtomicBool::new(false),
            };
            groups.insert(id, group);
        }
        let groups = Arc::new(groups);
        let log = Arc::new(log);
        let (proposals, proposed) = mpsc::channel(PROPOSAL_QUEUE);
        let (logged, to_apply) = blocking::sync_channel(APPLY_QUEUE);
        let applier = Applier {
            groups: groups.clone(),
            log: log.clone(),
            since_flush: BTreeMap::new(),
        };
        let threads = vec![
            spawn("meta-log", move || {
                run_logger(&log, proposed, &logged, next)
            })?,
            spawn("meta-apply", move || applier.run(&to_apply))?,
        ];
        Ok(Self {
            groups,
            proposals: Some(proposals),
            threads,
        })
    }

    fn group(&self, group: GroupId) -> Result<&Group, ReplicaError> {
        let group = self.groups.get(&group).ok_or(ReplicaError::NotHere)?;
        match group.stopped.load(Ordering::Acquire) {
            true => Err(ReplicaError::Stopped),
            false => Ok(group),
        }
    }
}

impl Drop for SoloLog {
    /// Waits for what is proposed to be logged and applied.
    fn drop(&mut self) {
        self.proposals = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a metadata thread panicked");
            }
        }
    }
}

impl Replica for SoloLog {
    fn propose(
        &self,
        group: GroupId,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(async move {
            self.group(group)?;
            let (reply, outcome) = oneshot::channel();
            let bytes = proposal.to_bytes();
            let pending = Pending {
                group,
                proposal,
                bytes,
                reply,
            };
            let proposals = self.proposals.as_ref().expect("open until dropped");
            proposals
                .send(pending)
                .await
                .map_err(|_| ReplicaError::Stopped)?;
            outcome.await.map_err(|_| ReplicaError::Stopped)
        })
    }

    fn query(&self, group: GroupId, query: Query) -> BoxFuture<'_, Result<Answer, ReplicaError>> {
        Box::pin(async move {
            self.group(group)?;
            let groups = self.groups.clone();
            // A read may wait for the disk.
            let answer = tokio::task::spawn_blocking(move || {
                let group = &groups[&group];
                read::answer(group.id, &group.state.view(), &query)
            });
            match answer.await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => {
                    tracing::error!(%group, %error, "a metadata query failed");
                    Err(ReplicaError::Stopped)
                }
                Err(_) => Err(ReplicaError::Stopped),
            }
        })
    }

    fn applied(&self, group: GroupId) -> Result<watch::Receiver<u64>, ReplicaError> {
        Ok(self.group(group)?.applied.subscribe())
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(run)
        .map_err(|e| StoreError::Engine(e.to_string()))
}

/// Applies what the log holds beyond a group's state; the index of its last entry.
fn replay(log: &LogStore, id: GroupId, state: &StateStore) -> Result<u64, StoreError> {
    let mut applied = state.applied()?;
    let last = log.last(id)?;
    if last < applied {
        return Err(incomplete(id, applied));
    }
    while applied < last {
        let entries = log.read(id, applied + 1, LOG_BATCH_ENTRIES)?;
        let view = state.view();
        let mut batch = Batch::begin(id, &view)?;
        for (index, bytes) in entries {
            if index != applied + 1 {
                return Err(incomplete(id, applied + 1));
            }
            let proposal = Proposal::from_bytes(&bytes).map_err(|error| StoreError::Damaged {
                key: format!("{id} entry {index}"),
                error,
            })?;
            batch.apply(index, &proposal)?;
            applied = index;
        }
        state.commit(batch.finish())?;
    }
    Ok(applied)
}

fn incomplete(id: GroupId, index: u64) -> StoreError {
    StoreError::Damaged {
        key: format!("{id} entry {index}"),
        error: CodecError::Empty,
    }
}

/// Writes batches to the log until there is nobody left to propose, or the log fails.
fn run_logger(
    log: &LogStore,
    mut proposed: mpsc::Receiver<Pending>,
    logged: &blocking::SyncSender<Vec<(GroupId, Logged)>>,
    mut next: BTreeMap<GroupId, u64>,
) {
    while let Some(first) = proposed.blocking_recv() {
        let mut size_bytes = first.bytes.len();
        let mut batch = vec![first];
        while batch.len() < LOG_BATCH_ENTRIES
            && size_bytes < LOG_BATCH_BYTES
            && let Ok(pending) = proposed.try_recv()
        {
            size_bytes += pending.bytes.len();
            batch.push(pending);
        }
        let indexes: Vec<u64> = batch
            .iter()
            .map(|pending| {
                let next = next
                    .get_mut(&pending.group)
                    .expect("only hosted groups are proposed");
                let index = *next;
                *next += 1;
                index
            })
            .collect();
        let entries = batch.iter().zip(&indexes);
        let entries = entries.map(|(p, &index)| (p.group, index, p.bytes.as_slice()));
        if let Err(error) = log.append(entries) {
            // Whether the entries are on disk is not known: only a restart tells.
            tracing::error!(%error, "the metadata log failed; the voter stops");
            return;
        }
        metrics::histogram!("riquet_metadata_log_batch_entries").record(batch.len() as f64);
        let batch = batch.into_iter().zip(indexes).map(|(pending, index)| {
            let logged = Logged {
                index,
                size_bytes: pending.bytes.len(),
                proposal: pending.proposal,
                reply: pending.reply,
            };
            (pending.group, logged)
        });
        if logged.send(batch.collect()).is_err() {
            return;
        }
    }
}

/// Applies logged batches.
struct Applier {
    groups: Arc<BTreeMap<GroupId, Group>>,
    log: Arc<LogStore>,
    since_flush: BTreeMap<GroupId, Unflushed>,
}

/// What a group applied since its state was flushed.
#[derive(Default)]
struct Unflushed {
    entries: u64,
    size_bytes: u64,
}

impl Applier {
    fn run(mut self, batches: &blocking::Receiver<Vec<(GroupId, Logged)>>) {
        for batch in batches {
            let mut by_group: BTreeMap<GroupId, Vec<Logged>> = BTreeMap::new();
            for (group, logged) in batch {
                by_group.entry(group).or_default().push(logged);
            }
            let groups = self.groups.clone();
            for (id, entries) in by_group {
                let group = &groups[&id];
                if group.stopped.load(Ordering::Acquire) {
                    continue;
                }
                let unflushed = self.since_flush.entry(id).or_default();
                unflushed.entries += entries.len() as u64;
                unflushed.size_bytes += entries.iter().map(|e| e.size_bytes as u64).sum::<u64>();
                let applied = group.apply(entries);
                if let Err(error) = applied.and_then(|()| self.shorten(group)) {
                    tracing::error!(%id, %error, "a metadata group stops");
                    group.stopped.store(true, Ordering::Release);
                }
            }
        }
    }

    /// Flushes the state and drops the log before it, every [`FLUSH_EVERY_ENTRIES`] or
    /// [`FLUSH_EVERY_BYTES`].
    fn shorten(&mut self, group: &Group) -> Result<(), StoreError> {
        let unflushed = self.since_flush.entry(group.id).or_default();
        if unflushed.entries < FLUSH_EVERY_ENTRIES && unflushed.size_bytes < FLUSH_EVERY_BYTES {
            return Ok(());
        }
        *unflushed = Unflushed::default();
        let flushed = group.state.flush()?;
        self.log.drop_before(group.id, flushed)
    }
}

impl Group {
    fn apply(&self, entries: Vec<Logged>) -> Result<(), StoreError> {
        let view = self.state.view();
        let mut batch = Batch::begin(self.id, &view)?;
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in &entries {
            outcomes.push(batch.apply(entry.index, &entry.proposal)?);
        }
        let applied = batch.applied();
        self.state.commit(batch.finish())?;
        self.applied.send_replace(applied);
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            // A proposer that gave up no longer listens.
            let _ = entry.reply.send(outcome);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

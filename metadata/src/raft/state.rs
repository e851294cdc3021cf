//! A group's state machine: our records over RocksDB, fed by the group's committed entries.
//!
//! ```text
//! DIR/current       number of the folder below that counts
//! DIR/state-N       the records
//! DIR/snapshot-I    a checkpoint of them as of entry I, to be sent to voters that lack more than
//!                   the log still has
//! DIR/incoming-N    one that is arriving
//! ```
//!
//! A core that ended by itself may leave an apply under way. Its successor's [`Machine`] takes over
//! the records: who held them before changes nothing more, so entries are applied in order by one.
//!
//! Records, applied entry and membership change in one atomic batch, so the database is at every
//! moment, and after every crash, exactly what the log was up to some entry. A snapshot that was
//! installed takes the place of the records by one renamed file, `current`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use futures_util::{FutureExt, Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::limits::APPLY_ENTRIES;
use super::runtime::blocking;
use super::snapshot::{Checkpoint, sync_folder};
use super::types::{
    Applied, Entry, Group, LogId, Membership, Snapshot, SnapshotMeta, from_bytes, to_bytes,
};
use crate::codec::Record;
use crate::command::{Outcome, Proposal};
use crate::id::GroupId;
use crate::machine::Batch;
use crate::rocks::{Shared, StateStore};
use crate::store::Reader;

/// Where a state database keeps what [`Position`] says; no record's key begins so.
const POSITION_KEY: &[u8] = &[0];

/// What a state database has applied.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Position {
    applied: Option<LogId>,
    membership: Membership,
}

/// A group's records, for its machine and its readers.
pub(super) struct GroupState {
    id: GroupId,
    folder: PathBuf,
    shared: Arc<Shared>,
    store: ArcSwap<StateStore>,
    /// Number of the machine that may change the records. Held by whoever changes them.
    holder: Mutex<u64>,
    snapshot: Mutex<Option<(SnapshotMeta, Checkpoint)>>,
    /// Held by whoever makes a checkpoint.
    checkpoints: Mutex<()>,
    /// Snapshots that began to arrive.
    arrivals: AtomicU64,
    applied: watch::Sender<u64>,
}

impl GroupState {
    /// Opens or makes a group's records in a folder.
    pub(super) fn open(id: GroupId, folder: PathBuf, shared: Arc<Shared>) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&folder)?;
        let number = current(&folder)?;
        let keep = format!("state-{number}");
        let mut newest: Option<(u64, PathBuf)> = None;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("incoming-") || (name.starts_with("state-") && name != keep) {
                fs::remove_dir_all(&path)?;
            } else if let Some(index) = name.strip_prefix("snapshot-").and_then(|i| i.parse().ok())
            {
                let older = match &newest {
                    Some((newest, _)) if *newest > index => Some(path.clone()),
                    _ => newest.replace((index, path.clone())).map(|(_, path)| path),
                };
                older.map_or(Ok(()), fs::remove_dir_all)?;
            }
        }
        let store = StateStore::open(&folder.join(keep), &shared).map_err(io::Error::other)?;
        let snapshot = newest
            .map(|(_, path)| read_checkpoint(&path, &shared))
            .transpose()?;
        let position = position(&store)?;
        Ok(Arc::new(Self {
            id,
            folder,
            shared,
            store: ArcSwap::from_pointee(store),
            holder: Mutex::new(0),
            snapshot: Mutex::new(snapshot),
            checkpoints: Mutex::new(()),
            arrivals: AtomicU64::new(0),
            applied: watch::Sender::new(index_of(&position)),
        }))
    }

    /// The records as they are.
    pub(super) fn store(&self) -> Arc<StateStore> {
        self.store.load_full()
    }

    /// Follows the number of entries applied.
    pub(super) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// The last entry applied.
    pub(super) fn last_applied(&self) -> io::Result<Option<LogId>> {
        Ok(position(&self.store())?.applied)
    }

    /// Lets a machine change the records, as long as no other took them over.
    fn held_by(&self, machine: u64) -> io::Result<MutexGuard<'_, u64>> {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        if *holder != machine {
            let what = format!("{}: another core took the records over", self.id);
            return Err(io::Error::other(what));
        }
        Ok(holder)
    }

    /// Applies committed entries in one batch; what each came to.
    fn apply(&self, machine: u64, entries: &[Entry]) -> io::Result<Vec<Option<Outcome>>> {
        let _held = self.held_by(machine)?;
        let store = self.store();
        let mut position = position(&store)?;
        let view = store.view();
        let mut batch = Batch::begin(self.id, &view).map_err(io::Error::other)?;
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let number = entry.log_id.index + 1;
            if position.applied.is_none() && number > 1 {
                // A log may begin past its start.
                batch.pass(number - 1);
            }
            outcomes.push(match &entry.payload {
                EntryPayload::Normal(proposal) => {
                    let proposal = Proposal::from_bytes(&proposal.0).map_err(io::Error::other)?;
                    Some(batch.apply(number, &proposal).map_err(io::Error::other)?)
                }
                EntryPayload::Membership(membership) => {
                    position.membership = Membership::new(Some(entry.log_id), membership.clone());
                    batch.pass(number);
                    None
                }
                EntryPayload::Blank => {
                    batch.pass(number);
                    None
                }
            });
            position.applied = Some(entry.log_id);
        }
        let mut changes = batch.finish();
        changes.insert(POSITION_KEY.to_vec(), Some(to_bytes(&position)));
        store.commit(changes).map_err(io::Error::other)?;
        self.applied.send_replace(index_of(&position));
        Ok(outcomes)
    }

    /// Makes a checkpoint of what is applied, which is durable with it.
    fn checkpoint(&self) -> io::Result<(SnapshotMeta, Checkpoint)> {
        let _one = self
            .checkpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let store = self.store();
        let path = self.folder.join("checkpoint");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        store.checkpoint(&path).map_err(io::Error::other)?;
        // Entries may have been applied meanwhile: what it holds, it says itself.
        let made = StateStore::open_to_read(&path, &self.shared).map_err(io::Error::other)?;
        let position = position(&made)?;
        drop(made);
        let named = self
            .folder
            .join(format!("snapshot-{}", index_of(&position)));
        if named.exists() {
            // The same entries gave the same records.
            fs::remove_dir_all(&path)?;
        } else {
            fs::rename(&path, &named)?;
            sync_folder(&self.folder)?;
        }
        let snapshot = (meta(position), Checkpoint::of_own(named));
        let mut latest = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let outdated = latest.replace(snapshot.clone());
        drop(latest);
        if let Some((outdated, checkpoint)) = outdated
            && outdated.last_log_id != snapshot.0.last_log_id
        {
            checkpoint.discard();
        }
        Ok(snapshot)
    }

    /// Puts a checkpoint that arrived in the place of the records.
    fn install(&self, machine: u64, expected: &SnapshotMeta, arrived: &Path) -> io::Result<()> {
        let _held = self.held_by(machine)?;
        let number = current(&self.folder)? + 1;
        let path = self.folder.join(format!("state-{number}"));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::rename(arrived, &path)?;
        let store = StateStore::open(&path, &self.shared).map_err(io::Error::other)?;
        let position = position(&store)?;
        if position.applied != expected.last_log_id {
            let what = format!(
                "{}: a snapshot of other entries than it was said to be",
                self.id
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        sync_folder(&self.folder)?;
        set_current(&self.folder, number)?;
        // From here on a crash finds the new records.
        let outdated = self.store.swap(Arc::new(store));
        outdated.remove_when_closed();
        self.applied.send_replace(index_of(&position));
        drop(outdated);
        self.checkpoint()?;
        Ok(())
    }
}

/// Number of entries applied: one more than the index of the last, as indexes begin with 0.
fn index_of(position: &Position) -> u64 {
    position.applied.map_or(0, |applied| applied.index + 1)
}

fn meta(position: Position) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: position.applied,
        last_membership: position.membership,
    }
}

fn position(store: &StateStore) -> io::Result<Position> {
    let stored = store.view().get(POSITION_KEY).map_err(io::Error::other)?;
    stored.map_or_else(|| Ok(Position::default()), |bytes| from_bytes(&bytes))
}

fn read_checkpoint(path: &Path, shared: &Shared) -> io::Result<(SnapshotMeta, Checkpoint)> {
    let store = StateStore::open_to_read(path, shared).map_err(io::Error::other)?;
    Ok((meta(position(&store)?), Checkpoint::of_own(path.to_owned())))
}

fn current(folder: &Path) -> io::Result<u64> {
    match fs::read_to_string(folder.join("current")) {
        Ok(number) => number.trim().parse().map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn set_current(folder: &Path, number: u64) -> io::Result<()> {
    let new = folder.join("current.new");
    fs::write(&new, format!("{number}\n"))?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, folder.join("current"))?;
    sync_folder(folder)
}

/// The state machine as the group's core drives it.
pub(super) struct Machine {
    state: Arc<GroupState>,
    number: u64,
}

impl Machine {
    /// Takes the records over, after whatever change of them is under way.
    pub(super) fn new(state: Arc<GroupState>) -> Self {
        let mut holder = state.holder.lock().unwrap_or_else(PoisonError::into_inner);
        *holder += 1;
        let number = *holder;
        drop(holder);
        Self { state, number }
    }

    /// Where a snapshot may arrive.
    pub(super) fn incoming(state: &GroupState) -> PathBuf {
        let number = state.arrivals.fetch_add(1, Ordering::Relaxed);
        state.folder.join(format!("incoming-{number}"))
    }
}

impl RaftStateMachine<Group> for Machine {
    type SnapshotData = Checkpoint;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        let position = position(&self.state.store())?;
        Ok((position.applied, position.membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Group>>> + Unpin + OptionalSend,
    {
        while let Some(first) = entries.next().await {
            let (entry, responder) = first?;
            let (mut batch, mut responders) = (vec![entry], vec![responder]);
            while batch.len() < APPLY_ENTRIES
                && let Some(Some(next)) = entries.next().now_or_never()
            {
                let (entry, responder) = next?;
                batch.push(entry);
                responders.push(responder);
            }
            let (state, number) = (self.state.clone(), self.number);
            let outcomes = blocking(move || state.apply(number, &batch)).await?;
            for (responder, outcome) in responders.into_iter().zip(outcomes) {
                if let Some(responder) = responder {
                    responder.send(Applied(outcome));
                }
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(self.state.clone())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        arrived: Checkpoint,
    ) -> io::Result<()> {
        let (state, number, meta) = (self.state.clone(), self.number, meta.clone());
        blocking(move || state.install(number, &meta, arrived.path())).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let latest = self
            .state
            .snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(latest
            .clone()
            .map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Makes snapshots beside what is being applied.
pub(super) struct Builder(Arc<GroupState>);

impl RaftSnapshotBuilder<Group> for Builder {
    type SnapshotData = Checkpoint;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let state = self.0.clone();
        let (meta, snapshot) = blocking(move || state.checkpoint()).await?;
        Ok(Snapshot { meta, snapshot })
    }
}

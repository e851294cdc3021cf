//! The log, vote and bounds of all groups of a voter: one database, one sync for many groups.
//!
//! ```text
//! entry   01 | group 4 | index 8   -> entry
//! vote    02 | group 4             -> vote
//! purged  03 | group 4             -> log id of the last entry that was dropped
//! folder  04                       -> the folder's name, made with it
//!         04 | voter 8             -> that of another voter's folder
//! ```
//!
//! A write goes into the database's own log at once, where every reader sees it, and is durable
//! after the next sync of that log. Writers that wait for one wait together: the syncing thread
//! takes all who came while it was busy. The database's log keeps the order of writes, so what a
//! crash leaves is a prefix: never a later entry without an earlier one, nor a vote undone.
//!
//! What a failed sync left on the disk nobody knows, and the next one may succeed without it. So
//! after one the log takes nothing more until the process starts again and reads what is there.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::disk::{Change, Disk, RocksDisk};
use super::limits::READ_BYTES;
use super::types::{Entry, Group, LogId, Vote, from_bytes, to_bytes};
use crate::clock;
use crate::id::GroupId;
use crate::rocks::Shared;

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const PURGED: u8 = 3;
const FOLDER: u8 = 4;

fn folder_key(voter: u64) -> [u8; 9] {
    let mut key = [FOLDER; 9];
    key[1..].copy_from_slice(&voter.to_be_bytes());
    key
}

/// The log of a process. The last one to drop it waits for the syncing thread.
pub(super) struct LogStore {
    disk: Arc<dyn Disk>,
    /// Whether a sync has failed.
    is_failed: Arc<AtomicBool>,
    waiting: Option<mpsc::UnboundedSender<Waiting>>,
    syncer: Option<JoinHandle<()>>,
}

/// Who is told once everything written so far is durable.
pub(super) enum Waiting {
    Entries(IOFlushed<Group>),
    Call(oneshot::Sender<io::Result<()>>),
}

/// What makes a log durable, whoever drives it.
pub(super) struct Syncer {
    disk: Arc<dyn Disk>,
    is_failed: Arc<AtomicBool>,
    queue: mpsc::UnboundedReceiver<Waiting>,
}

impl LogStore {
    /// Opens or makes the log in a folder.
    pub(super) fn open(path: &Path, shared: &Shared) -> io::Result<Arc<Self>> {
        let (mut store, syncer) = Self::on(Arc::new(RocksDisk::open(path, shared)?));
        let syncer = std::thread::Builder::new()
            .name("meta-log".to_owned())
            .spawn(move || syncer.run())?;
        store.syncer = Some(syncer);
        Ok(Arc::new(store))
    }

    /// The log on a disk, and what must be driven for it.
    pub(super) fn on(disk: Arc<dyn Disk>) -> (Self, Syncer) {
        let (waiting, queue) = mpsc::unbounded_channel();
        let is_failed = Arc::new(AtomicBool::new(false));
        let store = Self {
            disk: disk.clone(),
            is_failed: is_failed.clone(),
            waiting: Some(waiting),
            syncer: None,
        };
        let syncer = Syncer {
            disk,
            is_failed,
            queue,
        };
        (store, syncer)
    }

    /// The name of the folder that it is in; durable before anybody hears of it.
    pub(super) fn name(&self) -> io::Result<String> {
        if let Some(name) = self.get(&[FOLDER])? {
            return Ok(name);
        }
        let name = clock::fresh_name();
        self.write(vec![Change::put([FOLDER], to_bytes(&name))])?;
        self.disk.sync()?;
        Ok(name)
    }

    /// The names of other voters' folders that were kept.
    pub(super) fn known_folders(&self) -> io::Result<BTreeMap<u64, String>> {
        let mut known = BTreeMap::new();
        self.disk.scan(&folder_key(0), &mut |key, name| {
            let Some(voter) = key.strip_prefix(&[FOLDER]) else {
                return Ok(ControlFlow::Break(()));
            };
            let voter = voter.try_into().map_err(io::Error::other)?;
            known.insert(u64::from_be_bytes(voter), from_bytes(name)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(known)
    }

    /// Keeps the name of a voter's folder, durable on return.
    pub(super) async fn keep_folder(&self, voter: u64, name: &str) -> io::Result<()> {
        self.write(vec![Change::put(folder_key(voter), to_bytes(&name))])?;
        self.synced().await
    }

    /// The part of it that is one group's.
    pub(super) fn of(self: &Arc<Self>, group: GroupId) -> GroupLog {
        GroupLog {
            store: self.clone(),
            group,
        }
    }

    fn write(&self, changes: Vec<Change>) -> io::Result<()> {
        if self.is_failed.load(Ordering::Acquire) {
            return Err(io::Error::other(
                "the log takes nothing after a failed sync",
            ));
        }
        self.disk.write(changes)
    }

    fn wait(&self, waiting: Waiting) {
        let queue = self.waiting.as_ref().expect("open until dropped");
        // The thread ends only after this sender; a failed sync is told to who waits.
        let _ = queue.send(waiting);
    }

    async fn synced(&self) -> io::Result<()> {
        let (done, told) = oneshot::channel();
        self.wait(Waiting::Call(done));
        told.await
            .map_err(|_| io::Error::other("the log's thread ended"))?
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> io::Result<Option<T>> {
        let bytes = self.disk.get(key)?;
        bytes.map(|bytes| from_bytes(&bytes)).transpose()
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(syncer) = self.syncer.take()
            && syncer.join().is_err()
        {
            tracing::error!("the metadata log's thread panicked");
        }
    }
}

impl Syncer {
    /// Syncs whenever somebody waits, until there is nobody left to.
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            self.sync_for(first);
        }
    }

    /// Syncs for `first` and for all who wait by now.
    pub(super) fn sync_for(&mut self, first: Waiting) {
        let mut all = vec![first];
        while let Ok(next) = self.queue.try_recv() {
            all.push(next);
        }
        // Everything that these wait for was written before they were queued.
        let began = Instant::now();
        let synced = match self.is_failed.load(Ordering::Acquire) {
            true => Err("an earlier sync failed".to_owned()),
            false => self.disk.sync().map_err(|error| error.to_string()),
        };
        if let Err(error) = &synced {
            self.is_failed.store(true, Ordering::Release);
            tracing::error!(%error, "the metadata log can't be synced");
        }
        metrics::histogram!("riquet_metadata_log_sync_seconds").record(began.elapsed());
        metrics::histogram!("riquet_metadata_log_sync_waiters").record(all.len() as f64);
        for waiting in all {
            let synced = synced.clone().map_err(io::Error::other);
            match waiting {
                Waiting::Entries(flushed) => flushed.io_completed(synced),
                Waiting::Call(done) => {
                    let _ = done.send(synced);
                }
            }
        }
    }

    /// The next who waits; none: the log is closed.
    #[cfg(test)] // Who drives it otherwise is a thread.
    pub(super) async fn next(&mut self) -> Option<Waiting> {
        self.queue.recv().await
    }
}

/// One group's log.
#[derive(Clone)]
pub(super) struct GroupLog {
    store: Arc<LogStore>,
    group: GroupId,
}

impl GroupLog {
    fn entry_key(&self, index: u64) -> [u8; 13] {
        let mut key = [ENTRY; 13];
        key[1..5].copy_from_slice(&self.group.0.to_be_bytes());
        key[5..].copy_from_slice(&index.to_be_bytes());
        key
    }

    fn key(&self, kind: u8) -> [u8; 5] {
        let mut key = [kind; 5];
        key[1..].copy_from_slice(&self.group.0.to_be_bytes());
        key
    }

    /// Where the logs of all groups are.
    pub(super) fn store(&self) -> &Arc<LogStore> {
        &self.store
    }

    /// The index in a stored key, if it is one of this group's entries.
    fn index_of(&self, stored: &[u8]) -> Option<u64> {
        let index = stored.strip_prefix(&self.entry_key(0)[..5])?;
        Some(u64::from_be_bytes(index.try_into().ok()?))
    }

    /// Writes an entry and a vote that no leader sent, durable on return. The group has no core
    /// meanwhile.
    pub(super) async fn force(&self, entry: &Entry, vote: &Vote) -> io::Result<()> {
        self.store.write(vec![
            Change::put(self.entry_key(entry.log_id.index), to_bytes(entry)),
            Change::put(self.key(VOTE), to_bytes(vote)),
        ])?;
        self.store.synced().await
    }

    /// Gives way to records that say otherwise, and refuses those that lack what it no longer has.
    /// They may be ahead: an entry is applied once a
    /// majority has it, be it not synced here yet, and the database writes records when it likes.
    /// What a power failure left in such an entry's place is a former leader's, and so is all that
    /// comes after.
    pub(super) fn give_way_to(&self, applied: Option<LogId>) -> io::Result<()> {
        let purged: Option<LogId> = self.store.get(&self.key(PURGED))?;
        if purged.map(|purged| purged.index) > applied.map(|applied| applied.index) {
            let what = format!("{}: the records lack what the log has dropped", self.group);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let Some(applied) = applied else {
            return Ok(());
        };
        let held = self.read(applied.index, applied.index + 1, usize::MAX)?;
        if held.iter().all(|entry| entry.log_id == applied) {
            return Ok(());
        }
        tracing::warn!(group = %self.group, %applied, "the log is behind the records");
        self.store.write(vec![
            Change::put(self.key(PURGED), to_bytes(&applied)),
            Change::remove(self.entry_key(0), self.entry_key(u64::MAX)),
        ])
    }

    fn last(&self) -> io::Result<Option<LogId>> {
        match self.store.disk.last(&self.entry_key(u64::MAX))? {
            Some((key, value)) if self.index_of(&key).is_some() => {
                Ok(Some(from_bytes::<Entry>(&value)?.log_id))
            }
            _ => self.store.get(&self.key(PURGED)),
        }
    }

    /// Entries from `first` to before `end`, in order, as far as they go within `max_bytes`; at
    /// least one, if it is there.
    fn read(&self, first: u64, end: u64, max_bytes: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        self.store
            .disk
            .scan(&self.entry_key(first), &mut |key, value| {
                let Some(index) = self.index_of(key).filter(|&index| index < end) else {
                    return Ok(ControlFlow::Break(()));
                };
                if !entries.is_empty() && bytes + value.len() > max_bytes {
                    return Ok(ControlFlow::Break(()));
                }
                let entry: Entry = from_bytes(value)?;
                // The first may come late: what was before it is purged.
                let expected = entries
                    .last()
                    .map_or(index, |last: &Entry| last.log_id.index + 1);
                if index != expected || entry.log_id.index != index {
                    return Err(gap(self.group, expected, index));
                }
                bytes += value.len();
                entries.push(entry);
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(entries)
    }
}

fn gap(group: GroupId, expected: u64, found: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{group}: entry {found} where {expected} comes next"),
    )
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let first = match range.start_bound() {
        Bound::Included(&first) => first,
        Bound::Excluded(&before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    (first, end)
}

impl RaftLogReader<Group> for GroupLog {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<Entry>> {
        let (first, end) = bounds(&range);
        self.read(first, end, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, first: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(first, end, READ_BYTES)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.store.get(&self.key(VOTE))
    }
}

impl RaftLogStorage<Group> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Group>> {
        Ok(LogState {
            last_purged_log_id: self.store.get(&self.key(PURGED))?,
            last_log_id: self.last()?,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.store
            .write(vec![Change::put(self.key(VOTE), to_bytes(vote))])?;
        // A vote that a crash forgets could be given twice.
        self.store.synced().await
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Group>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut changes = Vec::new();
        let mut next = None;
        for entry in entries {
            let index = entry.log_id.index;
            let expected = match next {
                Some(next) => next,
                // Entries may be written again over those of a leader that lost them.
                None => self.last()?.map_or(index, |last| index.min(last.index + 1)),
            };
            if index != expected {
                return Err(gap(self.group, expected, index));
            }
            changes.push(Change::put(self.entry_key(index), to_bytes(&entry)));
            next = Some(index + 1);
        }
        self.store.write(changes)?;
        self.store.wait(Waiting::Entries(flushed));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let first = last.map_or(0, |last| last.index + 1);
        let from = self.entry_key(first);
        self.store
            .write(vec![Change::remove(from, self.entry_key(u64::MAX))])
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.store.write(vec![
            Change::put(self.key(PURGED), to_bytes(&upto)),
            Change::remove(self.entry_key(0), self.entry_key(upto.index + 1)),
        ])
    }
}

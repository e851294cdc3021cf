//! The shard store of one disk: append-only segments and an index that can be rebuilt from them.
//!
//! ```text
//! begin -> claim the id -> buffers -> reserve [offset, offset + length) of the active segment
//! write -> fill an aligned buffer, write it when full (the next fills meanwhile)
//! finish -> last buffer with the footer -> commit thread: one fdatasync for all who wait
//!        -> one index batch -> acknowledged
//! ```
//! `docs/FORMAT.md` has the bytes and the invariants.

mod buffer;
mod commit;
mod compact;
#[cfg(test)]
mod compact_tests;
#[cfg(test)]
mod crash_tests;
mod env;
mod faulty;
#[cfg(test)]
mod full_tests;
#[cfg(test)]
mod hang_tests;
mod identity;
mod index;
#[cfg(test)]
mod loss_tests;
mod measured;
mod progress;
mod reader;
mod record;
mod recovery;
mod removal;
#[cfg(test)]
mod replace_tests;
mod scan;
mod segment;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod threads;
mod tombstone;
#[cfg(test)]
mod tombstone_tests;
mod verify;
mod victim;
mod writer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use riquet_cluster::id::{BlobId, DiskId, ShardId};
use riquet_cluster::wire::shard::{
    DescriptorPage, MAX_DESCRIPTOR_PAGE, MAX_PAGE, ShardDescriptor, ShardPage,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{Error, IoContext};
use buffer::BufferPool;
pub use compact::Compacted;
use compact::{Compaction, Scope};
pub use env::{BLOCK_BYTES, Env, EnvFile, OsEnv, Space};
pub use faulty::{DiskFault, FaultyEnv};
pub use index::{HeldBlob, PlacedShard};
use index::{Index, Live};
pub use measured::MeasuredEnv;
pub use progress::Progress;
pub use reader::ShardReader;
use segment::Log;
pub(crate) use threads::THREADS_PER_DISK;
use threads::Threads;
pub use verify::Verdict;
use writer::Present;
pub use writer::{ShardWriter, Stored};

/// Commit requests that may wait for the commit thread; more than that wait in their writers.
const COMMIT_QUEUE: usize = 4096;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The disk's folder.
    pub path: PathBuf,
    /// Where the index lies; `path/index` unless it has a faster disk of its own.
    pub index_path: PathBuf,
    /// The disk that should be there; an empty folder becomes it.
    pub disk: DiskId,
    /// Length of a segment: the largest shard plus a few blocks must fit.
    pub segment_bytes: u64,
    /// Segments for which there must be room left after a put made one: deletes and compactions need
    /// it to free anything of a full disk. Deletes leave half of it to compactions.
    pub reserve_segments: u64,
    /// Memory for all writers of this disk together.
    pub write_buffer_bytes: usize,
    /// Memory for all pieces that were read and not sent yet.
    pub read_buffer_bytes: usize,
}

impl StoreOptions {
    /// The defaults for a disk.
    pub fn new(path: impl Into<PathBuf>, disk: DiskId) -> Self {
        let path = path.into();
        Self {
            index_path: path.join("index"),
            path,
            disk,
            segment_bytes: 1 << 30,
            reserve_segments: 2,
            write_buffer_bytes: 64 << 20,
            read_buffer_bytes: 64 << 20,
        }
    }
}

/// Whether a disk takes writes; it is read from in every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskHealth {
    /// Takes writes.
    Online,
    /// A put found no room that is not kept in reserve; the next one tries again. Deletes go on. It
    /// ends once another segment can be made for puts, whether one comes or not.
    Full,
    /// A write or sync failed: what the device holds is unknown, so nothing more is acknowledged.
    Failed,
}

/// Figures of one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskStats {
    /// Whether it takes writes.
    pub health: DiskHealth,
    /// Shards stored.
    pub shards: u64,
    /// Record bytes of stored shards.
    pub live_bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// The filesystem's room.
    pub space: Space,
}

/// What writers, readers and the commit thread share.
struct Shared {
    log: Arc<Log>,
    index: Index,
    pool: BufferPool,
    threads: Threads,
    read_budget: Arc<Semaphore>,
    health: AtomicU8,
    /// Stored shards by segment: what compaction chooses by.
    live: Mutex<BTreeMap<u64, Live>>,
    /// Held by the commit thread from before a tombstone is reserved until the index has it.
    deleting: Mutex<()>,
    compaction: Compaction,
}

impl Shared {
    fn health(&self) -> DiskHealth {
        match self.health.load(Ordering::Acquire) {
            0 => DiskHealth::Online,
            1 => DiskHealth::Full,
            _ => DiskHealth::Failed,
        }
    }

    /// The same, but a disk that was full is asked for its room anew: those who leave it alone while
    /// it is full would else never learn that somebody else made room.
    fn present_health(&self) -> DiskHealth {
        if self.health() == DiskHealth::Full && self.log.has_room_for_puts() {
            self.note_room();
        }
        self.health()
    }

    fn check_writable(&self) -> Result<(), Error> {
        match self.health() {
            DiskHealth::Failed => Err(Error::DiskFailed),
            DiskHealth::Online | DiskHealth::Full => Ok(()),
        }
    }

    /// Notes what a failed write says of the disk, and passes the error on.
    fn note_failure(&self, error: Error) -> Error {
        match &error {
            Error::DiskFull => {
                self.health
                    .fetch_max(DiskHealth::Full as u8, Ordering::AcqRel);
            }
            Error::Io { .. } | Error::Index(_) | Error::IndexEntry => {
                tracing::error!(%error, "disk failed; it takes no more writes");
                self.fail();
            }
            _ => {}
        }
        error
    }

    /// From here on nothing more is acknowledged.
    fn fail(&self) {
        let failed = DiskHealth::Failed as u8;
        self.health.store(failed, Ordering::Release);
    }

    fn note_room(&self) {
        let (full, online) = (DiskHealth::Full as u8, DiskHealth::Online as u8);
        // Fails when the disk was not full, which is as well.
        let _ = self
            .health
            .compare_exchange(full, online, Ordering::AcqRel, Ordering::Acquire);
    }

    fn deleting(&self) -> MutexGuard<'_, ()> {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<u64, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shard store of one disk.
pub struct ShardStore {
    disk: DiskId,
    path: PathBuf,
    env: Arc<dyn Env>,
    shared: Arc<Shared>,
    progress: Mutex<Progress>,
    commits: Option<mpsc::Sender<commit::Request>>,
    commit_thread: Option<JoinHandle<()>>,
}

impl ShardStore {
    /// Opens a disk, formatting an empty folder and recovering after a crash. Where shards may have been
    /// lost, [`Progress::complete_at`] is none afterwards. Blocks on I/O.
    ///
    /// # Errors
    /// [`Error::WrongDisk`] for a folder that is not this disk; [`Error::Io`], [`Error::Index`].
    pub fn open(env: Arc<dyn Env>, options: &StoreOptions) -> Result<Self, Error> {
        identity::check_or_format(&*env, &options.path, options.disk)?;
        let mut progress = Progress::load(&*env, &options.path);
        let recovered = recovery::recover(Arc::clone(&env), options, &mut progress)?;
        let shared = Arc::new(Shared {
            log: Arc::new(recovered.log),
            index: recovered.index,
            pool: BufferPool::new(options.write_buffer_bytes),
            threads: Threads::new(),
            read_budget: reader::budget(options.read_buffer_bytes),
            health: AtomicU8::new(DiskHealth::Online as u8),
            live: Mutex::new(recovered.live),
            deleting: Mutex::new(()),
            compaction: Compaction::default(),
        });
        let (commits, requests) = mpsc::channel(COMMIT_QUEUE);
        let own = Arc::clone(&shared);
        let commit_thread = std::thread::Builder::new()
            .name("riquet-commit".into())
            .spawn(move || commit::run(&own, requests))
            .doing("start the commit thread")?;
        Ok(Self {
            disk: options.disk,
            path: options.path.clone(),
            env,
            shared,
            progress: Mutex::new(progress),
            commits: Some(commits),
            commit_thread: Some(commit_thread),
        })
    }

    /// The disk's id.
    pub fn disk(&self) -> DiskId {
        self.disk
    }

    fn commits(&self) -> &mpsc::Sender<commit::Request> {
        self.commits.as_ref().expect("taken only when dropped")
    }

    /// Begins to store a shard. Waits while the disk's write memory is in use by others.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Conflict`], [`Error::BadShard`], [`Error::DiskFull`],
    /// [`Error::DiskFailed`], [`Error::Stopped`].
    pub async fn begin(&self, descriptor: ShardDescriptor) -> Result<ShardWriter, Error> {
        self.begin_with(descriptor, Present::Compare).await
    }

    /// Begins to store a shard anew whose record is damaged. The old record stays until the new one is
    /// durable, and counts until then. As [`Self::begin`] if the shard is not stored.
    ///
    /// # Errors
    /// As [`Self::begin`]; [`Error::NotFound`], here or in the end, if the shard is deleted meanwhile.
    pub async fn begin_replacing(&self, descriptor: ShardDescriptor) -> Result<ShardWriter, Error> {
        self.begin_with(descriptor, Present::Replace).await
    }

    async fn begin_with(
        &self,
        descriptor: ShardDescriptor,
        present: Present,
    ) -> Result<ShardWriter, Error> {
        let (shared, commits) = (Arc::clone(&self.shared), self.commits().clone());
        ShardWriter::begin(shared, commits, descriptor, present).await
    }

    /// Whether the index has a shard, and its segment is there.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::IndexEntry`].
    pub fn has(&self, id: &ShardId) -> Result<bool, Error> {
        let entry = self.shared.index.get(id)?;
        Ok(entry.is_some_and(|entry| self.shared.log.segment(entry.segment).is_some()))
    }

    /// Begins to read a range of a shard's payload, or all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::BadRange`], [`Error::Io`].
    pub async fn read(&self, id: ShardId, range: Option<Range<u64>>) -> Result<ShardReader, Error> {
        ShardReader::open(Arc::clone(&self.shared), id, range).await
    }

    /// A shard's descriptor.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`].
    pub async fn describe(&self, id: ShardId) -> Result<ShardDescriptor, Error> {
        reader::describe(Arc::clone(&self.shared), id).await
    }

    /// Forgets a shard durably; returns whether it was there.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::DiskFailed`], [`Error::Stopped`].
    pub async fn delete(&self, id: ShardId) -> Result<bool, Error> {
        let (reply, answer) = oneshot::channel();
        let request = commit::Request::Delete { id, reply };
        self.commits()
            .send(request)
            .await
            .map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }

    /// Up to `max` (at most [`MAX_PAGE`]) shards after `after`, in order of id.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub async fn list(&self, after: Option<ShardId>, max: usize) -> Result<ShardPage, Error> {
        let shared = Arc::clone(&self.shared);
        let max = max.clamp(1, MAX_PAGE);
        let list = move || {
            let mut shards = shared.index.list(after.as_ref(), max + 1)?;
            let more = shards.len() > max;
            shards.truncate(max);
            Ok(ShardPage { shards, more })
        };
        self.shared.threads.run(list).await
    }

    /// Up to `max` shards after `after`, in order of id, and where they belong.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::IndexEntry`].
    pub async fn placed(
        &self,
        after: Option<ShardId>,
        max: usize,
    ) -> Result<Vec<PlacedShard>, Error> {
        let shared = Arc::clone(&self.shared);
        let placed = move || shared.index.placed(after.as_ref(), max);
        self.shared.threads.run(placed).await
    }

    /// Up to `max` blobs from `from` on of which the disk holds shards, in order of id.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::IndexEntry`].
    pub async fn blobs_from(&self, from: BlobId, max: usize) -> Result<Vec<HeldBlob>, Error> {
        let shared = Arc::clone(&self.shared);
        let blobs = move || shared.index.blobs(from, max);
        self.shared.threads.run(blobs).await
    }

    /// Up to `max` (at most [`MAX_DESCRIPTOR_PAGE`]) shards after `after`, in order of id, with what
    /// their records say of them.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub async fn describe_page(
        &self,
        after: Option<ShardId>,
        max: usize,
    ) -> Result<DescriptorPage, Error> {
        let max = max.clamp(1, MAX_DESCRIPTOR_PAGE);
        reader::describe_page(Arc::clone(&self.shared), after, max).await
    }

    /// Takes no more writes: what the disk gives back is not what it was given.
    pub fn distrust(&self) -> Error {
        tracing::error!(disk = %self.disk, "the disk does not keep what it is given; it takes no more writes");
        self.shared.fail();
        Error::DiskFailed
    }

    /// Whether the disk takes writes. Asks the filesystem for its room if there was none.
    pub fn health(&self) -> DiskHealth {
        self.shared.present_health()
    }

    /// Copies what is live out of the segment that gains the most, and removes it. `pace` is
    /// awaited with the bytes of a record before each is copied. `None`: no segment is worth it.
    /// Dropped half-way, it leaves copies that the next call need not make again. Waits for another
    /// call of it on this disk.
    ///
    /// # Errors
    /// [`Error::DiskFull`] if there is no room for the segment that takes the copies;
    /// [`Error::DiskFailed`], [`Error::Io`], [`Error::Index`], [`Error::Stopped`].
    pub async fn compact_once<F>(
        &self,
        pace: impl Fn(u64) -> F + Send + Sync,
    ) -> Result<Option<Compacted>, Error>
    where
        F: Future<Output = ()> + Send,
    {
        let worth_percent = match self.health() {
            DiskHealth::Full => victim::WORTH_PERCENT_WHEN_FULL,
            DiskHealth::Online | DiskHealth::Failed => victim::WORTH_PERCENT,
        };
        compact::once(self.scope(), worth_percent, pace).await
    }

    fn scope(&self) -> Scope {
        Scope {
            shared: Arc::clone(&self.shared),
            commits: self.commits().clone(),
        }
    }

    /// The disk's figures.
    ///
    /// # Errors
    /// [`Error::Io`] if the filesystem can't be asked.
    pub fn stats(&self) -> Result<DiskStats, Error> {
        let live = self.shared.live();
        Ok(DiskStats {
            health: self.shared.present_health(),
            shards: live.values().map(|segment| segment.shards).sum(),
            live_bytes: live.values().map(|segment| segment.bytes).sum(),
            segments: self.shared.log.segment_count(),
            space: self.env.space(&self.path).doing("ask for free space")?,
        })
    }

    /// Takes no more writes, seals what nobody writes to any more, and flushes the index. A disk
    /// that was not closed is recovered when it is next opened.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Index`], [`Error::DiskFailed`].
    pub async fn close(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let request = commit::Request::Close { reply };
        self.commits()
            .send(request)
            .await
            .map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }
}

impl Drop for ShardStore {
    /// Ends the commit thread once the writers have gone, so that the index is closed too.
    fn drop(&mut self) {
        drop(self.commits.take());
        if let Some(thread) = self.commit_thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the commit thread panicked");
        }
    }
}

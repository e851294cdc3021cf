//! The log of one disk: its segments, the active one's tail, and who is writing where.
//!
//! Space is reserved before it is written, so several writers fill their own ranges of a segment
//! side by side. A reservation is *unsettled* until its record is in the index, or it is dropped;
//! the lowest unsettled one is how far the index's mark may go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use riquet_cluster::id::{BlobId, ShardId};

use super::StoreOptions;
use super::env::{Env, EnvFile};
use super::index::Mark;
use super::record::{BLOCK, Header, Kind, SegmentHead, encode_whole, record_bytes_for};
use crate::error::{Error, IoContext};

/// A segment file that is open.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) nonce: u128,
    pub(super) file: Arc<dyn EnvFile>,
    sealed: AtomicBool,
}

impl Segment {
    pub(super) fn new(number: u64, nonce: u128, file: Arc<dyn EnvFile>) -> Self {
        Self {
            number,
            nonce,
            file,
            sealed: AtomicBool::new(false),
        }
    }

    /// Its seal is durable and the file cut: it never changes again.
    pub(super) fn note_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }
}

/// What a record is written for: how much of a full disk it may use. Whoever frees room comes last,
/// so that it always can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Put,
    Delete,
    /// Copies and tombstones of a segment that goes.
    Compact,
}

/// The segments of one disk.
pub(super) struct Log {
    pub(super) env: Arc<dyn Env>,
    folder: PathBuf,
    disk_id: u128,
    segment_bytes: u64,
    reserve_segments: u64,
    state: Mutex<State>,
    /// Held while a new segment is made: one at a time, without holding up reservations.
    rotation: Mutex<()>,
    open: RwLock<BTreeMap<u64, Arc<Segment>>>,
}

struct State {
    /// `None` before the first write and once the store is closing.
    active: Option<Arc<Segment>>,
    /// The store is closing: no more reservations.
    stopped: bool,
    /// Free bytes of the filesystem when the active segment was made, or since: for whom it is. Else
    /// puts would fill what a compaction made out of the reserve, and the reserve would be theirs.
    left_bytes: u64,
    /// End of the last reservation in the active segment.
    tail: u64,
    next_number: u64,
    /// Number of the last segment that was made, by this life or an earlier one.
    last_made: u64,
    next_sequence: u64,
    unsettled: BTreeSet<(u64, u64)>,
    /// Shards that a writer is at work on.
    writing: HashSet<ShardId>,
    /// Full segments with their tails, until they are sealed.
    retired: Vec<(Arc<Segment>, u64)>,
}

/// The exclusive right to write a shard; ends when dropped.
pub(super) struct Claim {
    log: Arc<Log>,
    id: ShardId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.log.lock().writing.remove(&self.id);
    }
}

/// A range of a segment that belongs to one writer. Dropped before it was settled, it leaves a
/// hole.
pub(super) struct Reservation {
    log: Arc<Log>,
    pub(super) segment: Arc<Segment>,
    pub(super) offset: u64,
    pub(super) sequence: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.log
            .lock()
            .unsettled
            .remove(&(self.segment.number, self.offset));
    }
}

impl Log {
    /// A log that goes on after `opened`, with no active segment yet.
    pub(super) fn new(
        env: Arc<dyn Env>,
        folder: PathBuf,
        disk_id: u128,
        options: &StoreOptions,
        opened: BTreeMap<u64, Arc<Segment>>,
        next: (u64, u64),
    ) -> Self {
        let (next_number, next_sequence) = next;
        Self {
            env,
            folder,
            disk_id,
            segment_bytes: options.segment_bytes,
            reserve_segments: options.reserve_segments,
            state: Mutex::new(State {
                active: None,
                stopped: false,
                left_bytes: 0,
                tail: 0,
                next_number,
                last_made: next_number - 1,
                next_sequence,
                unsettled: BTreeSet::new(),
                writing: HashSet::new(),
                retired: Vec::new(),
            }),
            rotation: Mutex::new(()),
            open: RwLock::new(opened),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one step, so it is whole even after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest record that fits a segment, between its head and its seal.
    pub(super) fn max_record_bytes(&self) -> u64 {
        self.segment_bytes - 2 * BLOCK
    }

    pub(super) fn claim(self: &Arc<Self>, id: ShardId) -> Result<Claim, Error> {
        if !self.lock().writing.insert(id) {
            return Err(Error::Busy);
        }
        Ok(Claim {
            log: Arc::clone(self),
            id,
        })
    }

    /// Whether a shard of one of these blobs is being written.
    pub(super) fn is_writing_any(&self, blobs: &[BlobId]) -> bool {
        let state = self.lock();
        let mut writing = state.writing.iter();
        writing.any(|id| blobs.contains(&id.chunk.blob))
    }

    /// Reserves without any I/O; `None` if the active segment is too full, or not for this purpose.
    pub(super) fn try_reserve(
        self: &Arc<Self>,
        record_bytes: u64,
        purpose: Purpose,
    ) -> Result<Option<Reservation>, Error> {
        debug_assert!(record_bytes.is_multiple_of(BLOCK) && record_bytes > 0);
        if record_bytes > self.max_record_bytes() {
            return Err(Error::BadShard("longer than a segment"));
        }
        let mut state = self.lock();
        if state.stopped {
            return Err(Error::Stopped);
        }
        let Some(segment) = state.active.as_ref().map(Arc::clone) else {
            return Ok(None);
        };
        let offset = state.tail;
        if !self.fits(offset, record_bytes) || state.left_bytes < self.kept_from(purpose) {
            return Ok(None);
        }
        state.tail += record_bytes;
        let sequence = state.next_sequence;
        state.next_sequence += 1;
        let fresh = state.unsettled.insert((segment.number, offset));
        assert!(fresh, "a range is reserved once");
        drop(state);
        Ok(Some(Reservation {
            log: Arc::clone(self),
            segment,
            offset,
            sequence,
        }))
    }

    /// Whether a record fits the active segment. One block at the end is kept for the seal.
    fn fits(&self, tail: u64, record_bytes: u64) -> bool {
        tail + record_bytes + BLOCK <= self.segment_bytes
    }

    /// Free bytes that must be left beside a segment that takes records for this purpose.
    fn kept_from(&self, purpose: Purpose) -> u64 {
        let segments = match purpose {
            Purpose::Put => self.reserve_segments,
            Purpose::Delete => self.reserve_segments / 2,
            Purpose::Compact => 0,
        };
        segments.saturating_mul(self.segment_bytes)
    }

    /// Reserves, making a new segment where needed. Blocks on I/O.
    pub(super) fn reserve(
        self: &Arc<Self>,
        record_bytes: u64,
        purpose: Purpose,
    ) -> Result<Reservation, Error> {
        loop {
            if let Some(reservation) = self.try_reserve(record_bytes, purpose)? {
                return Ok(reservation);
            }
            let _one = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
            // Another writer may have made the room while this one waited for its turn.
            if let Some(reservation) = self.try_reserve(record_bytes, purpose)? {
                return Ok(reservation);
            }
            self.make_room(record_bytes, purpose)?;
        }
    }

    /// Opens the active segment to this purpose, if it is only not for it and there is more room by now;
    /// else starts another. The caller holds `rotation`.
    fn make_room(&self, record_bytes: u64, purpose: Purpose) -> Result<(), Error> {
        let kept_bytes = self.kept_from(purpose);
        let free_bytes = self.free_bytes()?;
        {
            let mut state = self.lock();
            if state.active.is_some() && self.fits(state.tail, record_bytes) {
                if free_bytes < kept_bytes {
                    return Err(Error::DiskFull);
                }
                state.left_bytes = free_bytes;
                return Ok(());
            }
        }
        // What compactions may use has no bound but the filesystem's own, which knows best.
        if kept_bytes > 0 && free_bytes.saturating_sub(self.segment_bytes) < kept_bytes {
            return Err(Error::DiskFull);
        }
        self.rotate()
    }

    /// Starts a new active segment and retires the old one. The caller holds `rotation`.
    fn rotate(&self) -> Result<(), Error> {
        let number = self.lock().next_number;
        let created = self.create(number).map(Arc::new);
        // Asked for again: the segment is there now, and others may use the filesystem too.
        let left_bytes = self.free_bytes();
        if let Ok(segment) = &created {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            open.insert(number, Arc::clone(segment));
        }
        let mut state = self.lock();
        // Only now: until the segment takes records, the mark may be "the start of this number".
        // A number whose segment could not be made is not tried again.
        state.next_number = number + 1;
        let segment = created?;
        state.last_made = number;
        state.left_bytes = left_bytes.unwrap_or(0);
        if state.stopped {
            state.retired.push((segment, BLOCK));
            return Err(Error::Stopped);
        }
        let tail = std::mem::replace(&mut state.tail, BLOCK);
        if let Some(full) = state.active.replace(segment) {
            state.retired.push((full, tail));
        }
        Ok(())
    }

    fn create(&self, number: u64) -> Result<Segment, Error> {
        let path = segment_path(&self.folder, number);
        let file = self
            .env
            .create(&path, self.segment_bytes)
            .doing("create a segment")?;
        let nonce = self.env.random_u128();
        let head = SegmentHead {
            disk_id: self.disk_id,
            number,
            nonce,
            created_ms: self.env.now_unix_ms(),
        };
        write_blocks(&*file, &head.encode(), 0)?;
        file.sync_data().doing("sync a segment's head")?;
        self.env
            .sync_dir(&self.folder)
            .doing("sync the segment folder")?;
        Ok(Segment::new(number, nonce, file))
    }

    /// Settles `batch`, whose records go into the index with the mark returned.
    pub(super) fn settle<'a>(&self, batch: impl Iterator<Item = &'a Reservation>) -> Mark {
        let mut state = self.lock();
        for reservation in batch {
            state
                .unsettled
                .remove(&(reservation.segment.number, reservation.offset));
        }
        let (segment, offset) = match (state.unsettled.first(), &state.active) {
            (Some(first), _) => *first,
            (None, Some(active)) => (active.number, state.tail),
            // Not `next_number`, which goes past segments that could not be made.
            (None, None) => (state.last_made + 1, 0),
        };
        Mark {
            segment,
            offset,
            next_sequence: state.next_sequence,
        }
    }

    /// Takes no more reservations.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        if let Some(active) = state.active.take() {
            let tail = state.tail;
            state.retired.push((active, tail));
        }
    }

    /// Takes a retired segment in which nobody writes any more; the caller seals it.
    pub(super) fn next_to_seal(&self) -> Option<ToSeal> {
        let mut state = self.lock();
        let idle = state.retired.iter().position(|(segment, _)| {
            let own = (segment.number, 0)..(segment.number + 1, 0);
            state.unsettled.range(own).next().is_none()
        })?;
        let (segment, tail) = state.retired.swap_remove(idle);
        let sequence = state.next_sequence;
        state.next_sequence += 1;
        Some(ToSeal {
            segment,
            tail,
            sequence,
        })
    }

    pub(super) fn segment(&self, number: u64) -> Option<Arc<Segment>> {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&number)
            .cloned()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.values().cloned().collect()
    }

    /// The sealed segments but the one with the highest number: that one must outlive the others,
    /// for a mark past the number after it tells recovery that the index is not of these segments.
    pub(super) fn removable(&self) -> Vec<Arc<Segment>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let last = open.keys().next_back().copied();
        open.values()
            .filter(|segment| segment.is_sealed() && Some(segment.number) != last)
            .cloned()
            .collect()
    }

    /// Removes the file of a segment that nobody looks for any more, durably. Who has it open goes
    /// on reading.
    pub(super) fn remove(&self, segment: &Segment) -> Result<(), Error> {
        let number = segment.number;
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        assert!(
            segment.is_sealed() && open.keys().next_back() > Some(&number),
            "the mark may be in it or after it"
        );
        open.remove(&number);
        drop(open);
        let path = segment_path(&self.folder, number);
        self.env.remove(&path).doing("remove a segment")?;
        self.env
            .sync_dir(&self.folder)
            .doing("sync the segment folder")
    }

    /// Whether another segment could be made for puts.
    pub(super) fn has_room_for_puts(&self) -> bool {
        let needed_bytes = self
            .kept_from(Purpose::Put)
            .saturating_add(self.segment_bytes);
        self.free_bytes().is_ok_and(|bytes| bytes >= needed_bytes)
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        let space = self.env.space(&self.folder).doing("ask for free space")?;
        Ok(space.free_bytes)
    }

    pub(super) fn segment_count(&self) -> usize {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

/// A segment that is full and idle.
pub(super) struct ToSeal {
    pub(super) segment: Arc<Segment>,
    pub(super) tail: u64,
    pub(super) sequence: u64,
}

impl ToSeal {
    /// Appends the seal, syncs, and gives the unused rest of the file back.
    pub(super) fn seal(self, kind: Kind, written_ms: u64) -> Result<(), Error> {
        let Self {
            segment,
            tail,
            sequence,
        } = self;
        let record_bytes = record_bytes_for(kind.header_bytes(), 0).expect("one block");
        let nonce = segment.nonce;
        let header = Header {
            nonce,
            sequence,
            record_bytes,
            payload_bytes: 0,
            written_ms,
            kind,
        };
        // What the seal vouches for must be durable before the seal can be.
        segment.file.sync_data().doing("sync a segment")?;
        write_blocks(&*segment.file, &encode_whole(&header, &[]), tail)?;
        segment.file.sync_data().doing("sync a seal")?;
        segment
            .file
            .truncate(tail + record_bytes)
            .doing("cut a sealed segment")?;
        segment.note_sealed();
        Ok(())
    }
}

/// Writes bytes that are not in an aligned buffer yet, padded to whole blocks.
pub(super) fn write_blocks(file: &dyn EnvFile, bytes: &[u8], offset: u64) -> Result<(), Error> {
    let mut buffer =
        super::buffer::AlignedBuffer::new(bytes.len().next_multiple_of(BLOCK as usize));
    buffer.fill(bytes);
    buffer.pad();
    file.write_at(buffer.filled(), offset)
        .doing("write to a segment")
}

pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.seg"))
}

/// The number in a segment's file name.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let digits = name
        .strip_suffix(".seg")
        .filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

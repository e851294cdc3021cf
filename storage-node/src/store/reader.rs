//! Reads a range of a shard's payload, piece by piece.
//!
//! The store does not verify cells: their hashes travel with them, and only a check at the far
//! end covers the way there too. It does check that the record is the shard that was asked for.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use riquet_cluster::id::ShardId;
use riquet_cluster::wire::shard::{DescriptorPage, ShardDescriptor, StoredShard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::task::JoinHandle;

use super::Shared;
use super::env::BLOCK_BYTES;
use super::index::Entry;
use super::record::{Header, Kind};
use super::segment::Segment;
use super::threads::Thread;
use crate::error::{Error, IoContext};

/// A piece at most: large enough to hide the cost of a thread hop, small enough to stream.
const PIECE_BYTES: u64 = 512 * 1024;

/// A header that starts this near the wanted bytes is read along with them.
const READ_THROUGH_BYTES: u64 = 64 * 1024;

pub(super) fn budget(bytes: usize) -> Arc<Semaphore> {
    let pieces = (bytes as u64 / PIECE_BYTES).max(2) * PIECE_BYTES;
    Arc::new(Semaphore::new((pieces as usize).div_ceil(BLOCK_BYTES)))
}

/// A stream of a shard's payload.
pub struct ShardReader {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    descriptor: ShardDescriptor,
    range: Range<u64>,
    /// In the segment; what lies before it was read.
    next: u64,
    end: u64,
    ahead: Option<Ahead>,
}

enum Ahead {
    Here(Bytes),
    Coming(JoinHandle<Result<Bytes, Error>>),
}

impl ShardReader {
    pub(super) async fn open(
        shared: Arc<Shared>,
        id: ShardId,
        range: Option<Range<u64>>,
    ) -> Result<Self, Error> {
        let permit = piece_permit(&shared, PIECE_BYTES + READ_THROUGH_BYTES).await;
        let own = Arc::clone(&shared);
        let open = move || Self::open_blocking(own, id, range, permit);
        shared.threads.run(open).await
    }

    fn open_blocking(
        shared: Arc<Shared>,
        id: ShardId,
        range: Option<Range<u64>>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let (entry, segment) = find(&shared, &id)?;
        let payload_bytes = entry.shape.payload_len;
        let range = range.unwrap_or(0..payload_bytes);
        if range.start >= range.end || range.end > payload_bytes {
            return Err(Error::BadRange { payload_bytes });
        }
        let header_bytes = u64::from(entry.header_bytes);
        let start = entry.offset + header_bytes + range.start;
        let end = entry.offset + header_bytes + range.end;
        let first_end = end.min(start + PIECE_BYTES);
        let (descriptor, first) = if start - entry.offset <= READ_THROUGH_BYTES {
            let head = read(&segment, entry.offset..first_end)?;
            let descriptor = check_header(&head, &segment, &id)?;
            (descriptor, head.slice((start - entry.offset) as usize..))
        } else {
            let head = read(&segment, entry.offset..entry.offset + header_bytes)?;
            (
                check_header(&head, &segment, &id)?,
                read(&segment, start..first_end)?,
            )
        };
        let ahead = Some(Ahead::Here(charge(first, permit)));
        Ok(Self {
            shared,
            segment,
            descriptor,
            range,
            next: first_end,
            end,
            ahead,
        })
    }

    /// The shard's descriptor.
    pub fn descriptor(&self) -> &ShardDescriptor {
        &self.descriptor
    }

    /// The range that is being read.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// The next piece; `None` at the end. The piece after it is read meanwhile. A piece counts
    /// against the disk's read memory until it is dropped.
    ///
    /// # Errors
    /// [`Error::Io`]; the stream ends with it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = match self.ahead.take() {
            Some(Ahead::Here(piece)) => piece,
            Some(Ahead::Coming(coming)) => coming.await.map_err(|_| Error::Stopped)??,
            None if self.next == self.end => return Ok(None),
            None => {
                let bytes = PIECE_BYTES.min(self.end - self.next);
                let permit = piece_permit(&self.shared, bytes).await;
                let thread = self.shared.threads.one().await;
                let coming = self.read_on(permit, thread);
                coming.await.map_err(|_| Error::Stopped)??
            }
        };
        if self.next < self.end {
            // Never wait for memory while holding a piece: readers who all did would wait forever.
            let bytes = PIECE_BYTES.min(self.end - self.next);
            if let Ok(permit) = try_piece_permit(&self.shared, bytes)
                && let Some(thread) = self.shared.threads.try_one()
            {
                self.ahead = Some(Ahead::Coming(self.read_on(permit, thread)));
            }
        }
        Ok(Some(piece))
    }

    fn read_on(
        &mut self,
        permit: OwnedSemaphorePermit,
        thread: Thread,
    ) -> JoinHandle<Result<Bytes, Error>> {
        let range = self.next..self.end.min(self.next + PIECE_BYTES);
        self.next = range.end;
        let segment = Arc::clone(&self.segment);
        thread.start(move || Ok(charge(read(&segment, range)?, permit)))
    }
}

/// Up to `max` shards with ids above `after`, as their records tell of them. One whose record is
/// gone meanwhile is left out.
pub(super) async fn describe_page(
    shared: Arc<Shared>,
    after: Option<ShardId>,
    max: usize,
) -> Result<DescriptorPage, Error> {
    let own = Arc::clone(&shared);
    let describe = move || {
        let ids = shared.index.list(after.as_ref(), max + 1)?;
        let mut page = DescriptorPage {
            shards: Vec::with_capacity(max),
            damaged: Vec::new(),
            next: (ids.len() > max).then(|| ids[max - 1]),
        };
        for id in ids.into_iter().take(max) {
            let found = find(&shared, &id).and_then(|(entry, segment)| {
                let end = entry.offset + u64::from(entry.header_bytes);
                let head = read(&segment, entry.offset..end)?;
                Ok((check_header(&head, &segment, &id)?, entry.written_ms))
            });
            match found {
                Ok((descriptor, written_ms)) => page.shards.push(StoredShard {
                    descriptor,
                    written_ms,
                }),
                Err(Error::NotFound) => {}
                Err(Error::Damaged | Error::Io { .. }) => page.damaged.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    };
    own.threads.run(describe).await
}

/// A shard's descriptor, from its record.
pub(super) async fn describe(shared: Arc<Shared>, id: ShardId) -> Result<ShardDescriptor, Error> {
    let own = Arc::clone(&shared);
    let describe = move || {
        let (entry, segment) = find(&shared, &id)?;
        let end = entry.offset + u64::from(entry.header_bytes);
        check_header(&read(&segment, entry.offset..end)?, &segment, &id)
    };
    own.threads.run(describe).await
}

fn find(shared: &Shared, id: &ShardId) -> Result<(Entry, Arc<Segment>), Error> {
    let mut entry = shared.index.get(id)?.ok_or(Error::NotFound)?;
    loop {
        if let Some(segment) = shared.log.segment(entry.segment) {
            return Ok((entry, segment));
        }
        // Compaction may have moved the shard since the index was asked, and removed the segment:
        // in that order, so the index knows the new place by now.
        match shared.index.get(id)?.ok_or(Error::NotFound)? {
            same if same == entry => return Err(Error::Damaged),
            moved => entry = moved,
        }
    }
}

fn check_header(head: &[u8], segment: &Segment, id: &ShardId) -> Result<ShardDescriptor, Error> {
    match Header::decode(head, segment.nonce) {
        Some((
            Header {
                kind: Kind::Shard(descriptor),
                ..
            },
            _,
        )) if descriptor.id == *id => Ok(*descriptor),
        _ => Err(Error::Damaged),
    }
}

fn read(segment: &Segment, range: Range<u64>) -> Result<Bytes, Error> {
    let len = usize::try_from(range.end - range.start).expect("pieces are small");
    Ok(segment
        .file
        .read_at(range.start, len)
        .doing("read a shard")?
        .into())
}

fn blocks(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(BLOCK_BYTES as u64)).expect("pieces are small")
}

async fn piece_permit(shared: &Shared, bytes: u64) -> OwnedSemaphorePermit {
    let budget = Arc::clone(&shared.read_budget);
    budget
        .acquire_many_owned(blocks(bytes))
        .await
        .expect("the budget is never closed")
}

fn try_piece_permit(shared: &Shared, bytes: u64) -> Result<OwnedSemaphorePermit, TryAcquireError> {
    Arc::clone(&shared.read_budget).try_acquire_many_owned(blocks(bytes))
}

/// Ties the permit to the bytes: it returns to the budget when the last slice of them is dropped.
fn charge(bytes: Bytes, permit: OwnedSemaphorePermit) -> Bytes {
    struct Charged {
        bytes: Bytes,
        _permit: OwnedSemaphorePermit,
    }
    impl AsRef<[u8]> for Charged {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Charged {
        bytes,
        _permit: permit,
    })
}

//! Checks a stored shard from the first byte of its record to the last, as the medium gives it.
//!
//! The page cache is passed by: it may hold what the medium does not, and what users read should stay
//! in it. Checked are header, payload checksum, footer, and each cell's hash, which is keyed by the
//! cell's place and was made by the gateway that wrote it.

use std::sync::Arc;

use riquet_cluster::cell_hash::{HASH_LEN, hash_cell};
use riquet_cluster::id::ShardId;
use riquet_cluster::profile::{ChunkGeometry, ProfileId};
use riquet_cluster::wire::shard::ShardDescriptor;

use super::buffer::AlignedBuffer;
use super::env::BLOCK_BYTES;
use super::index::Entry;
use super::record::{FOOTER_BYTES, Footer, Header, Kind, checksum};
use super::segment::Segment;
use super::{ShardStore, Shared};
use crate::error::{Error, IoContext};

/// Read at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is as it was written.
    Good {
        /// Length of the record.
        bytes: u64,
    },
    /// It can't be read, or is not what was written.
    Damaged,
    /// It is not stored, or not any more.
    Gone,
}

impl ShardStore {
    /// Checks a shard.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::IndexEntry`], [`Error::Stopped`]. What the medium refuses to give is
    /// no error but damage.
    pub async fn verify(&self, id: ShardId) -> Result<Verdict, Error> {
        let shared = Arc::clone(&self.shared);
        let threads = &self.shared.threads;
        threads.run(move || verify(&shared, &id)).await
    }

    /// The profile of a shard, by the index; none: it is not stored.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::IndexEntry`].
    pub fn profile_of(&self, id: &ShardId) -> Result<Option<ProfileId>, Error> {
        let entry = self.shared.index.get(id)?;
        Ok(entry.map(|entry| entry.shape.profile))
    }

    /// Length of a shard's record, bytes; none: it is not stored.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::IndexEntry`].
    pub fn record_bytes(&self, id: &ShardId) -> Result<Option<u64>, Error> {
        let entry = self.shared.index.get(id)?;
        Ok(entry.map(|entry| entry.record_bytes))
    }
}

fn verify(shared: &Shared, id: &ShardId) -> Result<Verdict, Error> {
    let Some(entry) = shared.index.get(id)? else {
        return Ok(Verdict::Gone);
    };
    let is_good = match shared.log.segment(entry.segment) {
        Some(segment) => is_good(&segment, &entry, id).unwrap_or_else(|error| {
            tracing::warn!(shard = %id, %error, "a shard can't be read");
            false
        }),
        None => false,
    };
    // It may have been deleted, or moved, while it was read.
    Ok(match (is_good, shared.index.get(id)?) {
        (true, _) => Verdict::Good {
            bytes: entry.record_bytes,
        },
        (false, Some(now)) if now == entry => Verdict::Damaged,
        (false, Some(_)) => return verify(shared, id),
        (false, None) => Verdict::Gone,
    })
}

fn is_good(segment: &Segment, entry: &Entry, id: &ShardId) -> Result<bool, Error> {
    let mut record = Record {
        segment,
        next: entry.offset,
        end: entry.offset + entry.record_bytes,
        buffer: AlignedBuffer::new(PIECE_BYTES.min(entry.record_bytes as usize)),
        taken: 0,
    };
    let header = record.take(usize::from(entry.header_bytes))?;
    let descriptor = match Header::decode(&header, segment.nonce) {
        Some((
            Header {
                kind: Kind::Shard(descriptor),
                sequence,
                ..
            },
            _,
        )) if descriptor.id == *id && sequence == entry.sequence => descriptor,
        _ => return Ok(false),
    };
    let Some(geometry) = geometry(&descriptor) else {
        return Ok(false);
    };
    let mut crc = checksum();
    for stripe in 0..geometry.stripes() {
        let cell = record.take(geometry.cell_len(stripe))?;
        crc.update(&cell);
        let hash = record.take(HASH_LEN)?;
        crc.update(&hash);
        if hash != hash_cell(*id, stripe, &cell) {
            return Ok(false);
        }
    }
    let crc = crc.finalize();
    let footer = Footer::decode(&record.take(FOOTER_BYTES)?);
    Ok(footer.is_some_and(|footer| {
        footer.sequence == entry.sequence && footer.payload_crc == crc && entry.payload_crc == crc
    }))
}

/// How the shard's chunk is cut; none: the descriptor is not of a shard that can be.
fn geometry(descriptor: &ShardDescriptor) -> Option<ChunkGeometry> {
    let (k, cell) = (descriptor.data.into(), descriptor.cell_size as usize);
    if k == 0 || cell == 0 || descriptor.chunk_len == 0 {
        return None;
    }
    let geometry = ChunkGeometry::new(k, cell, descriptor.chunk_len);
    (geometry.payload_len() == descriptor.payload_len).then_some(geometry)
}

/// A record, read in large pieces from front to back.
struct Record<'a> {
    segment: &'a Segment,
    /// In the segment; what lies before it is in the buffer, or was.
    next: u64,
    end: u64,
    buffer: AlignedBuffer,
    /// Of the buffer.
    taken: usize,
}

impl Record<'_> {
    fn take(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            if self.taken == self.buffer.filled().len() {
                self.read_on()?;
            }
            let here = &self.buffer.filled()[self.taken..];
            let piece = here.len().min(len - bytes.len());
            bytes.extend_from_slice(&here[..piece]);
            self.taken += piece;
        }
        Ok(bytes)
    }

    fn read_on(&mut self) -> Result<(), Error> {
        let left = usize::try_from(self.end - self.next).expect("a record fits a segment");
        if left == 0 {
            return Err(Error::Damaged);
        }
        debug_assert!(left.is_multiple_of(BLOCK_BYTES), "records are whole blocks");
        let len = left.min(self.buffer.capacity());
        let into = self.buffer.overwrite(len);
        let read = self.segment.file.read_uncached(self.next, into);
        read.doing("read a shard")?;
        self.next += len as u64;
        self.taken = 0;
        Ok(())
    }
}

//! Stores one shard as it streams in.

use std::sync::Arc;

use crc_fast::Digest;
use riquet_cluster::id::ShardId;
use riquet_cluster::wire::shard::ShardDescriptor;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Shared;
use super::buffer::{AlignedBuffer, Grant};
use super::commit::{Put, Request};
use super::index::Entry;
use super::record::{Footer, Header, Kind, Shape, check, checksum, record_bytes_for};
use super::segment::{Claim, Purpose, Reservation};
use crate::error::{Error, IoContext};

/// How a shard came to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// By this writer.
    Now,
    /// It was there before, with the very same payload.
    Before,
}

/// Takes a shard's payload and makes it durable. Dropped before [`ShardWriter::finish`], it stores
/// nothing.
pub struct ShardWriter {
    received_bytes: u64,
    declared_bytes: u64,
    crc: Digest,
    sink: Sink,
}

enum Sink {
    Record(Box<Record>),
    /// The shard is stored already: the payload is only compared.
    Known {
        payload_crc: u64,
    },
}

/// What a writer is to do where the shard is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// Compare, and store nothing.
    Compare,
    /// Store it anew, and let the new record take the old one's place: that is damaged.
    Replace,
}

impl ShardWriter {
    pub(super) async fn begin(
        shared: Arc<Shared>,
        commits: mpsc::Sender<Request>,
        descriptor: ShardDescriptor,
        present: Present,
    ) -> Result<Self, Error> {
        let (id, shape) = (descriptor.id, Shape::of(&descriptor));
        let kind = Kind::Shard(Box::new(descriptor));
        let header_bytes = check(&kind)?;
        let record_bytes = record_bytes_for(header_bytes, shape.payload_len)
            .filter(|bytes| *bytes <= shared.log.max_record_bytes())
            .ok_or(Error::BadShard("longer than a segment"))?;
        shared.check_writable()?;

        let claim = shared.log.claim(id)?;
        // After the claim, so that no other writer can store the shard in between. The filters of
        // the index answer for an absent shard from memory, so this is no blocking call in practice.
        let stored = shared.index.get(&id)?;
        let replaces = stored.filter(|_| present == Present::Replace);
        let sink = match stored.filter(|_| replaces.is_none()) {
            Some(entry) if same_shard(&entry.shape, &shape) => Sink::Known {
                payload_crc: entry.payload_crc,
            },
            Some(_) => return Err(Error::Conflict),
            None => {
                // Memory first: who waits for it must not hold up the index's mark.
                let grant = shared.pool.grant(record_bytes).await;
                let reservation = reserve(&shared, record_bytes).await?;
                if let Some(replaced) = replaces {
                    await_deletes(&shared, id, replaced).await?;
                }
                let entry = Entry {
                    segment: reservation.segment.number,
                    offset: reservation.offset,
                    header_bytes: u16::try_from(header_bytes).expect("below a block"),
                    record_bytes,
                    payload_crc: 0,
                    sequence: reservation.sequence,
                    written_ms: shared.log.env.now_unix_ms(),
                    shape,
                };
                let buffer = shared.pool.take(&grant);
                let mut record = Record {
                    next_offset: reservation.offset,
                    claim,
                    id,
                    entry,
                    replaces,
                    hold: Arc::new(Hold {
                        reservation: Arc::new(reservation),
                        grant,
                    }),
                    buffer: Some(buffer),
                    in_flight: None,
                    shared,
                    commits,
                };
                record.append(&record.header(kind)).await?;
                Sink::Record(Box::new(record))
            }
        };
        Ok(Self {
            received_bytes: 0,
            declared_bytes: shape.payload_len,
            crc: checksum(),
            sink,
        })
    }

    /// Takes the next bytes of the payload.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] past the declared length; [`Error::DiskFailed`], [`Error::Io`],
    /// [`Error::DiskFull`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.received_bytes += bytes.len() as u64;
        if self.received_bytes > self.declared_bytes {
            return Err(self.length_mismatch());
        }
        self.crc.update(bytes);
        match &mut self.sink {
            Sink::Record(record) => record.append(bytes).await,
            Sink::Known { .. } => Ok(()),
        }
    }

    /// Returns once the shard is durable.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] if the payload was short; [`Error::Conflict`] if another payload
    /// is stored; [`Error::DiskFailed`], [`Error::Io`], [`Error::DiskFull`], [`Error::Stopped`].
    pub async fn finish(self) -> Result<Stored, Error> {
        if self.received_bytes != self.declared_bytes {
            return Err(self.length_mismatch());
        }
        let payload_crc = self.crc.finalize();
        match self.sink {
            Sink::Record(record) => record.commit(payload_crc).await.map(|()| Stored::Now),
            Sink::Known {
                payload_crc: stored,
            } if stored == payload_crc => Ok(Stored::Before),
            Sink::Known { .. } => Err(Error::Conflict),
        }
    }

    #[cfg(test)]
    pub(super) fn is_known(&self) -> bool {
        matches!(self.sink, Sink::Known { .. })
    }

    fn length_mismatch(&self) -> Error {
        Error::LengthMismatch {
            declared_bytes: self.declared_bytes,
            received_bytes: self.received_bytes,
        }
    }
}

/// As [`ShardDescriptor::same_shard`], by what the index keeps.
fn same_shard(a: &Shape, b: &Shape) -> bool {
    let placed_alike = Shape {
        pg: b.pg,
        epoch: b.epoch,
        profile: b.profile,
        ..*a
    };
    placed_alike == *b
}

async fn reserve(shared: &Arc<Shared>, record_bytes: u64) -> Result<Reservation, Error> {
    if let Some(reservation) = shared.log.try_reserve(record_bytes, Purpose::Put)? {
        return Ok(reservation);
    }
    let own = Arc::clone(shared);
    let reserve = move || {
        let reservation = own
            .log
            .reserve(record_bytes, Purpose::Put)
            .map_err(|e| own.note_failure(e))?;
        own.note_room();
        Ok(reservation)
    };
    shared.threads.run(reserve).await
}

/// Waits until no delete that was reserved before the present moment is under way.
///
/// Its tombstone would be lower than the record that is to replace the shard, so a recovery that finds
/// both would bring the shard back. A delete that begins later is higher.
///
/// # Errors
/// [`Error::NotFound`] if the shard is deleted by then.
async fn await_deletes(shared: &Arc<Shared>, id: ShardId, replaced: Entry) -> Result<(), Error> {
    let own = Arc::clone(shared);
    let is_there = move || {
        drop(own.deleting());
        Ok(own.index.get(&id)? == Some(replaced))
    };
    match shared.threads.run(is_there).await? {
        true => Ok(()),
        false => Err(Error::NotFound),
    }
}

/// What must outlive every write that is under way, even if the writer is dropped: the range is
/// not settled before its last write has ended, nor is its memory given to others.
struct Hold {
    reservation: Arc<Reservation>,
    grant: Grant,
}

/// A record being written to its reserved range.
struct Record {
    shared: Arc<Shared>,
    commits: mpsc::Sender<Request>,
    id: ShardId,
    claim: Claim,
    entry: Entry,
    /// The record whose place this one takes.
    replaces: Option<Entry>,
    hold: Arc<Hold>,
    /// `None` only while buffers change places.
    buffer: Option<AlignedBuffer>,
    next_offset: u64,
    in_flight: Option<JoinHandle<(AlignedBuffer, Result<(), Error>)>>,
}

impl Record {
    fn header(&self, kind: Kind) -> Vec<u8> {
        let header = Header {
            nonce: self.hold.reservation.segment.nonce,
            sequence: self.entry.sequence,
            record_bytes: self.entry.record_bytes,
            payload_bytes: self.entry.shape.payload_len,
            written_ms: self.entry.written_ms,
            kind,
        };
        header.encode()
    }

    async fn append(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.buffer_mut().is_full() {
                self.flush().await?;
            }
            let taken = self.buffer_mut().fill(bytes);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn buffer_mut(&mut self) -> &mut AlignedBuffer {
        self.buffer
            .as_mut()
            .expect("put back after every change of buffers")
    }

    /// Sends the full buffer to disk and goes on with the other one.
    async fn flush(&mut self) -> Result<(), Error> {
        let other = match self.written().await? {
            Some(buffer) => buffer,
            None => self.shared.pool.take(&self.hold.grant),
        };
        let thread = self.shared.threads.one().await;
        let buffer = self
            .buffer
            .replace(other)
            .expect("put back after every change of buffers");
        let (hold, offset) = (Arc::clone(&self.hold), self.next_offset);
        self.next_offset += buffer.filled().len() as u64;
        self.in_flight = Some(thread.start(move || {
            let written = hold
                .reservation
                .segment
                .file
                .write_at(buffer.filled(), offset);
            (buffer, written.doing("write a shard"))
        }));
        Ok(())
    }

    /// Waits for the write under way, if any, and returns its buffer, cleared.
    async fn written(&mut self) -> Result<Option<AlignedBuffer>, Error> {
        let Some(in_flight) = self.in_flight.take() else {
            return Ok(None);
        };
        let (mut buffer, written) = in_flight.await.map_err(|_| Error::Stopped)?;
        written.map_err(|error| self.shared.note_failure(error))?;
        buffer.clear();
        Ok(Some(buffer))
    }

    async fn commit(mut self: Box<Self>, payload_crc: u64) -> Result<(), Error> {
        let footer = Footer {
            sequence: self.entry.sequence,
            payload_crc,
        };
        self.append(&footer.encode()).await?;
        if let Some(buffer) = self.written().await? {
            self.shared.pool.give_back(buffer);
        }
        let mut buffer = self
            .buffer
            .take()
            .expect("put back after every change of buffers");
        buffer.pad();
        debug_assert!(!buffer.is_empty(), "a record ends in its last buffer");
        let end = self.next_offset + buffer.filled().len() as u64;
        assert_eq!(
            end,
            self.entry.offset + self.entry.record_bytes,
            "the record fills its range"
        );

        let (reply, answer) = oneshot::channel();
        let entry = Entry {
            payload_crc,
            ..self.entry
        };
        let Self {
            shared,
            commits,
            id,
            claim,
            replaces,
            hold,
            next_offset,
            ..
        } = *self;
        let thread = shared.threads.one().await;
        // The write hands over to the commit thread itself: one wake-up fewer, and a caller that
        // vanishes now leaves a committed shard, not a whole record that nobody knows.
        let last = thread.start(move || {
            let segment = &hold.reservation.segment;
            let written = segment.file.write_at(buffer.filled(), next_offset);
            shared.pool.give_back(buffer);
            written
                .doing("write a shard")
                .map_err(|error| shared.note_failure(error))?;
            let reservation = Arc::clone(&hold.reservation);
            let put = Put {
                id,
                entry,
                replaces,
                reservation,
                _claim: claim,
                reply,
            };
            commits
                .blocking_send(Request::Put(put))
                .map_err(|_| Error::Stopped)
        });
        match answer.await {
            Ok(committed) => committed,
            // The sender was dropped unused: the write failed, and says why.
            Err(_) => match last.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) | Err(_) => Err(Error::Stopped),
            },
        }
    }
}

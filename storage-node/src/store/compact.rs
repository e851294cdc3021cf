//! Gives the room of deleted shards back: what is live in a segment is copied into the active one,
//! and the file removed.
//!
//! A copy keeps the sequence of its original, so it is the same record to every recovery, and the
//! tombstones and later records that stand above the one stand above the other. What must not
//! happen, at whatever point the power goes:
//! * a file is removed that the durable index still needs: it is flushed past the last move first;
//! * a tombstone is lost while a dead record that it covers is left anywhere: it is carried along
//!   until the figures of the other segments ([`Live`]) rule that out;
//! * a copy is found by a recovery that does not see the tombstone of its shard: [`copy`].
//!
//! [`Live`]: super::index::Live

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::ShardId;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

use super::Shared;
use super::buffer::{AlignedBuffer, Grant, WRITE_BYTES};
use super::commit::{Carry, Move, Request};
use super::env::EnvFile;
use super::index::{Changes, Entry};
use super::record::{BLOCK, Footer, Header, Kind, checksum, encode_whole, for_segment};
use super::segment::{Claim, Purpose, Segment, write_blocks};
use super::threads::Threads;
use super::tombstone::{Carriage, Tombstone, carried_record_bytes, encode_carried};
use super::victim::{Aside, Item, Victim, choose, find};
use crate::error::{Error, IoContext};

/// How often, and after how long, a shard is asked for again that a writer holds. A writer of a
/// stored shard only looks, or waits for the commit that stored it.
const BUSY_TRIES: u32 = 100;
const BUSY_WAIT: Duration = Duration::from_millis(2);

/// What became of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// Its number.
    pub segment: u64,
    /// Shards that lie in another segment now.
    pub moved_shards: u64,
    /// Their records' bytes.
    pub moved_bytes: u64,
    /// Length of the file that was removed; 0 if it had to stay: it has damaged records, or a shard
    /// was held by a writer all the time, and the next call tries again.
    pub freed_bytes: u64,
    /// Shards whose records can't be copied, since they are not what was written. Their segment stays, and
    /// is not chosen again before some of what is in it was deleted, or the store is opened anew.
    pub damaged: Vec<ShardId>,
}

/// The right to compact; copies hold it until they are counted.
pub(super) type Turn = Arc<OwnedMutexGuard<()>>;

/// What a store remembers of its compactions.
#[derive(Default)]
pub(super) struct Compaction {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Segments that are not worth another look while this is true of them.
    aside: Mutex<BTreeMap<u64, Aside>>,
}

impl Compaction {
    pub(super) fn aside(&self) -> MutexGuard<'_, BTreeMap<u64, Aside>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store, for work that goes on when its caller has gone.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) shared: Arc<Shared>,
    pub(super) commits: mpsc::Sender<Request>,
}

/// How far a shard's copy came.
enum Copied {
    /// To the commit thread.
    Sent(oneshot::Receiver<Result<bool, Error>>),
    /// It was deleted meanwhile.
    Dead,
    Busy,
    Damaged,
    /// Segments are shorter than they were when it was written.
    TooLong,
}

/// Compacts one segment, if one has less than `below_percent` that is needed.
pub(super) async fn once<F: Future<Output = ()>>(
    scope: Scope,
    below_percent: u64,
    pace: impl Fn(u64) -> F,
) -> Result<Option<Compacted>, Error> {
    let turn = Arc::clone(&scope.shared.compaction.turn);
    let turn = Arc::new(turn.lock_owned().await);
    scope.shared.check_writable()?;
    let shared = Arc::clone(&scope.shared);
    let choose = move || choose(&shared, below_percent);
    let Some(victim) = scope.shared.threads.run(choose).await? else {
        return Ok(None);
    };
    let done = Compacted {
        segment: victim.segment.number,
        moved_shards: 0,
        moved_bytes: 0,
        freed_bytes: 0,
        damaged: Vec::new(),
    };
    let mut job = Job {
        scope,
        turn,
        victim,
        done,
        busy: false,
        stuck: false,
    };
    job.empty(pace).await?;
    job.finish().await.map(Some)
}

/// A compaction under way.
struct Job {
    scope: Scope,
    turn: Turn,
    victim: Victim,
    done: Compacted,
    busy: bool,
    stuck: bool,
}

impl Job {
    /// Copies everything that is needed, and waits until it is durable.
    async fn empty<F: Future<Output = ()>>(
        &mut self,
        pace: impl Fn(u64) -> F,
    ) -> Result<(), Error> {
        let mut from = BLOCK;
        let mut carriage = Carriage::default();
        loop {
            let (shared, victim) = (Arc::clone(&self.scope.shared), self.victim.clone());
            let find = move || find(&shared, &victim, from);
            let found = self.threads().run(find).await;
            let (items, next) = found.inspect_err(|_| self.set_aside())?;
            // Tombstones wait for others of the segment, as many as go into one record.
            let is_last = items.is_empty();
            from = next;
            let (mut moves, mut carries) = (Vec::new(), Vec::new());
            for item in items {
                match item {
                    Item::Shard(id, entry) => {
                        pace(entry.record_bytes).await;
                        match self.move_shard(id, entry).await? {
                            Copied::Sent(answer) => moves.push((entry.record_bytes, answer)),
                            Copied::Dead => {}
                            Copied::Busy => self.busy = true,
                            Copied::Damaged => self.done.damaged.push(id),
                            Copied::TooLong => self.stuck = true,
                        }
                    }
                    Item::Tombstones(tombstones) => carriage.add(tombstones),
                    Item::Unreadable => self.stuck = true,
                }
            }
            while let Some(tombstones) = carriage.take(is_last) {
                pace(carried_record_bytes(tombstones.len())).await;
                carries.push(self.carry(tombstones).await?);
            }
            for (record_bytes, answer) in moves {
                if answer.await.map_err(|_| Error::Stopped)?? {
                    self.done.moved_shards += 1;
                    self.done.moved_bytes += record_bytes;
                }
            }
            for answer in carries {
                answer.await.map_err(|_| Error::Stopped)??;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn move_shard(&self, id: ShardId, entry: Entry) -> Result<Copied, Error> {
        let shared = &self.scope.shared;
        let mut tries = 0;
        let claim = loop {
            match shared.log.claim(id) {
                Ok(claim) => break claim,
                Err(_) if tries < BUSY_TRIES => tries += 1,
                Err(_) => return Ok(Copied::Busy),
            }
            let wait = || {
                std::thread::sleep(BUSY_WAIT);
                Ok(())
            };
            self.threads().run(wait).await?;
        };
        // Two pieces, whatever the record: the one that is read and the one that is written.
        // Memory first: who waits for it must not hold up the index's mark.
        let grant = shared.pool.grant(2 * WRITE_BYTES as u64).await;
        let (scope, turn) = (self.scope.clone(), Arc::clone(&self.turn));
        let segment = Arc::clone(&self.victim.segment);
        let source = Source { segment, id, entry };
        let copy = move || copy(scope, turn, source, claim, grant);
        self.threads().run(copy).await
    }

    async fn carry(
        &self,
        tombstones: Vec<Tombstone>,
    ) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let record_bytes = carried_record_bytes(tombstones.len());
        let grant = self.scope.shared.pool.grant(record_bytes).await;
        let (Scope { shared, commits }, turn) = (self.scope.clone(), Arc::clone(&self.turn));
        let write = move || {
            let _grant = grant;
            shared.check_writable()?;
            let reservation = shared
                .log
                .reserve(record_bytes, Purpose::Compact)
                .map_err(|error| shared.note_failure(error))?;
            let sequence = reservation.sequence;
            assert!(
                tombstones.iter().all(|own| own.sequence < sequence),
                "who carries is younger: `needed_tombstones` relies on it"
            );
            let payload = encode_carried(&tombstones);
            let header = Header {
                nonce: reservation.segment.nonce,
                sequence,
                record_bytes,
                payload_bytes: payload.len() as u64,
                written_ms: shared.log.env.now_unix_ms(),
                kind: Kind::Carried,
            };
            let record = encode_whole(&header, &payload);
            write_blocks(&*reservation.segment.file, &record, reservation.offset)
                .map_err(|error| shared.note_failure(error))?;
            let (reply, answer) = oneshot::channel();
            let request = Request::Carry(Carry {
                reservation,
                _turn: turn,
                reply,
            });
            commits.blocking_send(request).map_err(|_| Error::Stopped)?;
            Ok(answer)
        };
        self.threads().run(write).await
    }

    fn threads(&self) -> &Threads {
        &self.scope.shared.threads
    }

    /// Removes the segment, if nothing in it is needed any more.
    async fn finish(mut self) -> Result<Compacted, Error> {
        if self.busy {
            return Ok(self.done);
        }
        if !self.stuck && self.done.damaged.is_empty() {
            let (shared, victim) = (Arc::clone(&self.scope.shared), self.victim.clone());
            let turn = Arc::clone(&self.turn);
            let remove = move || {
                let _turn = turn;
                remove(&shared, &victim).map_err(|error| shared.note_failure(error))
            };
            match self.threads().run(remove).await? {
                Removal::Done => {
                    self.done.freed_bytes = self.victim.len;
                    return Ok(self.done);
                }
                Removal::Lost(shards) => self.done.damaged = shards,
            }
        }
        tracing::error!(
            segment = self.victim.segment.number,
            damaged = self.done.damaged.len(),
            "segment with records that can't be copied; it stays"
        );
        self.set_aside();
        Ok(self.done)
    }

    fn set_aside(&self) {
        let (shared, number) = (&self.scope.shared, self.victim.segment.number);
        let live = shared.live().get(&number).copied().unwrap_or_default();
        let stuck = Aside::Stuck {
            live_bytes: live.bytes,
        };
        shared.compaction.aside().insert(number, stuck);
    }
}

/// A record to be copied.
struct Source {
    segment: Arc<Segment>,
    id: ShardId,
    entry: Entry,
}

impl Source {
    /// The record's header, if it is there and the index speaks of it.
    fn header(&self) -> Option<Vec<u8>> {
        let Self { segment, id, entry } = self;
        let bytes = segment
            .file
            .read_at(entry.offset, entry.header_bytes.into());
        let bytes = bytes.ok()?;
        let (header, header_bytes) = Header::decode(&bytes, segment.nonce)?;
        let same = matches!(&header.kind, Kind::Shard(descriptor) if descriptor.id == *id)
            && header.sequence == entry.sequence
            && header.record_bytes == entry.record_bytes
            && header.payload_bytes == entry.shape.payload_len
            && header_bytes == bytes.len();
        same.then_some(bytes)
    }
}

/// Copies a shard's record into the active segment and hands it to the commit thread.
fn copy(
    scope: Scope,
    turn: Turn,
    source: Source,
    claim: Claim,
    grant: Grant,
) -> Result<Copied, Error> {
    let Scope { shared, commits } = scope;
    let Source { segment, id, entry } = &source;
    let is_there = || Ok::<_, Error>(shared.index.get(id)? == Some(*entry));
    shared.check_writable()?;
    if !is_there()? {
        return Ok(Copied::Dead);
    }
    let Some(header) = source.header() else {
        return Ok(Copied::Damaged);
    };
    let reservation = match shared.log.reserve(entry.record_bytes, Purpose::Compact) {
        Ok(reservation) => reservation,
        Err(Error::BadShard(_)) => return Ok(Copied::TooLong),
        Err(error) => return Err(shared.note_failure(error)),
    };
    // The mark can't pass this reservation now, but may have passed a tombstone of the shard that was
    // reserved before it. A recovery would find the copy and not the tombstone. So any delete that
    // is under way must be in the index before it is asked; one that begins later reserves later,
    // and a recovery that meets the copy meets its tombstone too.
    drop(shared.deleting());
    if !is_there()? {
        return Ok(Copied::Dead);
    }
    let to = Entry {
        segment: reservation.segment.number,
        offset: reservation.offset,
        ..*entry
    };
    let mut output = Output {
        file: &*reservation.segment.file,
        buffer: shared.pool.take(&grant),
        offset: reservation.offset,
    };
    let failed = |error| shared.note_failure(error);
    let header = for_segment(&header, reservation.segment.nonce);
    output.append(&header).map_err(failed)?;
    let mut crc = checksum();
    let mut at = entry.offset + u64::from(entry.header_bytes);
    let end = at + entry.shape.payload_len;
    while at < end {
        let len = (end - at).min(WRITE_BYTES as u64);
        let Ok(piece) = segment.file.read_at(at, len as usize) else {
            return Ok(Copied::Damaged);
        };
        crc.update(&piece);
        output.append(&piece).map_err(failed)?;
        at += len;
    }
    // Without a footer, the copy is a hole.
    if crc.finalize() != entry.payload_crc {
        return Ok(Copied::Damaged);
    }
    let footer = Footer {
        sequence: entry.sequence,
        payload_crc: entry.payload_crc,
    };
    output.append(&footer.encode()).map_err(failed)?;
    let (buffer, offset) = output.end().map_err(failed)?;
    assert_eq!(
        offset,
        to.offset + to.record_bytes,
        "the record fills its range"
    );
    shared.pool.give_back(buffer);
    drop(grant);
    let (reply, answer) = oneshot::channel();
    die_at("node::compact::copied");
    let request = Request::Move(Move {
        id: *id,
        from: *entry,
        to,
        reservation,
        _claim: claim,
        _turn: turn,
        reply,
    });
    commits.blocking_send(request).map_err(|_| Error::Stopped)?;
    Ok(Copied::Sent(answer))
}

/// Writes what is appended, a full buffer at a time.
struct Output<'a> {
    file: &'a dyn EnvFile,
    buffer: AlignedBuffer,
    /// Of the buffer, in the file.
    offset: u64,
}

impl Output<'_> {
    fn append(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.buffer.is_full() {
                self.flush()?;
            }
            let taken = self.buffer.fill(bytes);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let filled = self.buffer.filled();
        self.file
            .write_at(filled, self.offset)
            .doing("copy a shard")?;
        self.offset += filled.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest, padded; returns the buffer and the end.
    fn end(mut self) -> Result<(AlignedBuffer, u64), Error> {
        self.buffer.pad();
        self.flush()?;
        Ok((self.buffer, self.offset))
    }
}

enum Removal {
    Done,
    /// The index has these in the segment, but their headers can't be read.
    Lost(Vec<ShardId>),
}

/// Removes a segment from which everything that was found was copied.
fn remove(shared: &Shared, victim: &Victim) -> Result<Removal, Error> {
    let number = victim.segment.number;
    // Deletes are counted before the index has them; moves of this turn were answered.
    drop(shared.deleting());
    let live = shared.live().get(&number).copied().unwrap_or_default();
    if live.shards > 0 || live.bytes > 0 {
        return Ok(Removal::Lost(shared.index.shards_in(number)?));
    }
    // Nothing can come to be live in a sealed segment. So from here on the index, were it to be as
    // it is after a crash, does not need the file.
    shared.index.flush()?;
    die_at("node::compact::flushed");
    // A delete that failed was counted, but is not in the index.
    shared.check_writable()?;
    shared.log.remove(&victim.segment)?;
    // Only now, when no crash brings its dead records back.
    shared.live().remove(&number);
    shared.compaction.aside().remove(&number);
    let mut changes = Changes::default();
    changes.forget(number);
    shared.index.apply(changes)?;
    if shared.log.has_room_for_puts() {
        shared.note_room();
    }
    tracing::debug!(segment = number, bytes = victim.len, "removed a segment");
    Ok(Removal::Done)
}

//! Group commit: one thread per disk that makes many writers durable with one sync.
//!
//! While a sync runs, whoever finishes queues up; the next sync serves all of them. So a lone
//! writer waits for nobody, and many share the cost.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::ShardId;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::compact::Turn;
use super::index::{Changes, Entry, Live};
use super::record::{Header, Kind, encode_whole, record_bytes_for};
use super::segment::{Claim, Purpose, Reservation, Segment, write_blocks};
use crate::error::{Error, IoContext};

/// Requests that share one sync, at most: bounds the index batch to about 100 KiB, and the
/// tombstones of a batch to one modest record.
const MAX_BATCH: usize = 1024;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the commit thread is asked for.
pub(super) enum Request {
    Put(Put),
    Move(Move),
    Carry(Carry),
    Delete { id: ShardId, reply: Reply<bool> },
    Close { reply: Reply<()> },
}

/// A shard whose record is written whole, footer included.
pub(super) struct Put {
    pub(super) id: ShardId,
    pub(super) entry: Entry,
    /// The damaged record whose place this one takes; the shard may have been deleted meanwhile.
    pub(super) replaces: Option<Entry>,
    pub(super) reservation: Arc<Reservation>,
    /// Held until the index has the shard, so that "not stored and not being written" is one fact.
    pub(super) _claim: Claim,
    pub(super) reply: Reply<()>,
}

/// A stored shard whose record was copied whole into another segment.
pub(super) struct Move {
    pub(super) id: ShardId,
    pub(super) from: Entry,
    pub(super) to: Entry,
    pub(super) reservation: Reservation,
    pub(super) _claim: Claim,
    /// Held until the copy is counted, wanted or not: who decides which tombstones are needed still
    /// must know of every dead record.
    pub(super) _turn: Turn,
    /// Whether the index has the new place now; if not, the shard was deleted meanwhile.
    pub(super) reply: Reply<bool>,
}

/// Tombstones that were copied into another segment, in one record.
pub(super) struct Carry {
    pub(super) reservation: Reservation,
    pub(super) _turn: Turn,
    pub(super) reply: Reply<()>,
}

/// Requests that become durable together.
#[derive(Default)]
struct Batch {
    puts: Vec<Put>,
    moves: Vec<Move>,
    carries: Vec<Carry>,
    deletes: Vec<(ShardId, Reply<bool>)>,
}

impl Batch {
    fn len(&self) -> usize {
        self.puts.len() + self.moves.len() + self.carries.len() + self.deletes.len()
    }
}

/// The commit thread: runs until every sender is gone.
pub(super) fn run(shared: &Shared, mut requests: mpsc::Receiver<Request>) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while requests.blocking_recv_many(&mut waiting, MAX_BATCH) > 0 {
        let mut batch = Batch::default();
        let mut closes = Vec::new();
        for request in waiting.drain(..) {
            match request {
                Request::Put(put) => batch.puts.push(put),
                Request::Move(moved) => batch.moves.push(moved),
                Request::Carry(carry) => batch.carries.push(carry),
                Request::Delete { id, reply } => batch.deletes.push((id, reply)),
                Request::Close { reply } => closes.push(reply),
            }
        }
        commit(shared, batch);
        if let Err(error) = seal_full(shared) {
            shared.note_failure(error);
        }
        for reply in closes {
            // Nobody waits for the answer when the process ends in a hurry.
            let _ = reply.send(close(shared));
        }
    }
}

fn commit(shared: &Shared, batch: Batch) {
    if batch.len() == 0 {
        return;
    }
    metrics::histogram!("riquet_store_commit_batch").record(batch.len() as f64);
    // Until the index has the deletes, or their failure is noted.
    let deleting = (!batch.deletes.is_empty()).then(|| shared.deleting());
    let ids = batch.deletes.iter().map(|(id, _)| *id);
    let tombstones = shared.check_writable().and_then(|()| bury(shared, ids));
    let (graves, bury_error) = match tombstones {
        Ok(graves) => (graves, None),
        Err(error) => (Graves::default(), Some(shared.note_failure(error))),
    };
    let outcome = shared
        .check_writable()
        .and_then(|()| make_durable(shared, &batch, &graves))
        .map_err(|error| shared.note_failure(error));
    drop(deleting);
    // Claims and reservations end before the answers go out: whoever was answered may write or
    // delete this shard again at once.
    let Batch {
        puts,
        moves,
        carries,
        deletes,
    } = batch;
    let put_replies: Vec<_> = puts.into_iter().map(|put| put.reply).collect();
    let move_replies: Vec<_> = moves.into_iter().map(|moved| moved.reply).collect();
    let carry_replies: Vec<_> = carries.into_iter().map(|carry| carry.reply).collect();
    // Whoever was cut off meanwhile is not there to be told.
    for (number, reply) in put_replies.into_iter().enumerate() {
        let _ = reply.send(match &outcome {
            Ok(durable) if durable.stored[number] => Ok(()),
            Ok(_) => Err(Error::NotFound),
            Err(_) => Err(Error::DiskFailed),
        });
    }
    for reply in carry_replies {
        let carried = outcome.as_ref().map(drop);
        let _ = reply.send(carried.map_err(|_| Error::DiskFailed));
    }
    for (number, reply) in move_replies.into_iter().enumerate() {
        let moved = outcome.as_ref().map(|durable| durable.moved[number]);
        let _ = reply.send(moved.map_err(|_| Error::DiskFailed));
    }
    for (id, reply) in deletes {
        let answer = match (&outcome, &bury_error) {
            (Ok(_), None) => Ok(graves.shards.contains_key(&id)),
            (_, Some(Error::DiskFull)) => Err(Error::DiskFull),
            (_, Some(Error::Stopped)) => Err(Error::Stopped),
            _ => Err(Error::DiskFailed),
        };
        let _ = reply.send(answer);
    }
}

/// The deletes of a batch that found their shard.
#[derive(Default)]
struct Graves {
    shards: BTreeMap<ShardId, Entry>,
    reservation: Option<Reservation>,
}

/// Writes one record of tombstones for those of `ids` that are stored.
fn bury(shared: &Shared, ids: impl Iterator<Item = ShardId>) -> Result<Graves, Error> {
    let mut shards = BTreeMap::new();
    for id in ids {
        if let Some(entry) = shared.index.get(&id)? {
            shards.insert(id, entry);
        }
    }
    if shards.is_empty() {
        return Ok(Graves::default());
    }
    let payload: Vec<u8> = shards.keys().flat_map(|id| id.to_bytes()).collect();
    let payload_bytes = payload.len() as u64;
    let record_bytes = record_bytes_for(Kind::Tombstones.header_bytes(), payload_bytes)
        .expect("a batch of ids is small");
    let reservation = shared.log.reserve(record_bytes, Purpose::Delete)?;
    let header = Header {
        nonce: reservation.segment.nonce,
        sequence: reservation.sequence,
        record_bytes,
        payload_bytes,
        written_ms: shared.log.env.now_unix_ms(),
        kind: Kind::Tombstones,
    };
    let record = encode_whole(&header, &payload);
    write_blocks(&*reservation.segment.file, &record, reservation.offset)?;
    Ok(Graves {
        shards,
        reservation: Some(reservation),
    })
}

/// What a batch came to.
#[derive(Default)]
struct Durable {
    /// Of each put, whether its shard is stored; not if it was to replace one that is deleted.
    stored: Vec<bool>,
    /// Of each move, whether the shard was still there to be moved.
    moved: Vec<bool>,
}

/// One sync per segment concerned (nearly always one in all), then one index batch.
fn make_durable(shared: &Shared, batch: &Batch, graves: &Graves) -> Result<Durable, Error> {
    let reservations = || {
        let puts = batch.puts.iter().map(|put| &*put.reservation);
        let moves = batch.moves.iter().map(|moved| &moved.reservation);
        let carries = batch.carries.iter().map(|carry| &carry.reservation);
        puts.chain(moves)
            .chain(carries)
            .chain(graves.reservation.as_ref())
    };
    let segments: BTreeMap<u64, &Arc<Segment>> = reservations()
        .map(|r| (r.segment.number, &r.segment))
        .collect();
    if segments.is_empty() {
        return Ok(Durable::default());
    }
    die_at("node::commit::begun");
    metrics::counter!("riquet_store_syncs_total").increment(segments.len() as u64);
    for segment in segments.values() {
        segment.file.sync_data().doing("sync a segment")?;
    }
    die_at("node::commit::synced");
    // A shard moves only from the place that was copied, and is replaced only where it was found. A
    // delete beside that wins: its tombstone is higher than the copy, which has the sequence of the
    // original, and than the replacement, which was reserved before it (invariant 4).
    let is_there = |id: &ShardId, at: &Entry| -> Result<bool, Error> {
        Ok(shared.index.get(id)? == Some(*at) && !graves.shards.contains_key(id))
    };
    let moves = batch.moves.iter();
    let puts = batch.puts.iter();
    let durable = Durable {
        moved: moves
            .map(|moved| is_there(&moved.id, &moved.from))
            .collect::<Result<_, _>>()?,
        stored: puts
            .map(|put| put.replaces.map_or(Ok(true), |old| is_there(&put.id, &old)))
            .collect::<Result<_, _>>()?,
    };
    let mut changes = Changes::default();
    let mut figures = Figures {
        live: shared.live(),
        touched: BTreeMap::new(),
    };
    for (put, &applies) in batch.puts.iter().zip(&durable.stored) {
        if !applies {
            figures.change(put.entry.segment, |live| live.add_dead(&put.entry));
            continue;
        }
        if let Some(old) = &put.replaces {
            figures.change(old.segment, |live| live.remove(old));
        }
        changes.put(&put.id, &put.entry);
        figures.change(put.entry.segment, |live| live.add(&put.entry));
    }
    for (Move { id, from, to, .. }, &applies) in batch.moves.iter().zip(&durable.moved) {
        if applies {
            changes.put(id, to);
            figures.change(from.segment, |live| live.remove(from));
            figures.change(to.segment, |live| live.add(to));
        } else {
            figures.change(to.segment, |live| live.add_dead(to));
        }
    }
    for (id, entry) in &graves.shards {
        changes.delete(id);
        figures.change(entry.segment, |live| live.remove(entry));
    }
    for (segment, live) in figures.finish() {
        changes.live(segment, live);
    }
    changes.mark(shared.log.settle(reservations()));
    // A write that failed may be whole on the disk all the same. Its reservation ends after its
    // failure is noted, so the mark can't have passed it unless this check fails, and the next
    // start will find it: a shard is never on the disk for one recovery and not for another.
    shared.check_writable()?;
    shared.index.apply(changes)?;
    die_at("node::commit::indexed");
    Ok(durable)
}

/// The figures of segments while a batch changes them.
struct Figures<'a> {
    live: MutexGuard<'a, BTreeMap<u64, Live>>,
    touched: BTreeMap<u64, Live>,
}

impl Figures<'_> {
    fn change(&mut self, segment: u64, change: impl FnOnce(&mut Live)) {
        let live = self.live.entry(segment).or_default();
        change(live);
        self.touched.insert(segment, *live);
    }

    /// Lets others at the figures, and returns those that changed.
    fn finish(self) -> BTreeMap<u64, Live> {
        self.touched
    }
}

/// Seals segments that are full and idle; the index is flushed with each, which bounds how much a
/// recovery has to replay.
fn seal_full(shared: &Shared) -> Result<(), Error> {
    while let Some(full) = shared.log.next_to_seal() {
        // A seal vouches for every footer before it. A writer that failed may have left one over
        // a torn payload; it noted its failure before it let the segment go.
        shared.check_writable()?;
        full.seal(Kind::Seal, shared.log.env.now_unix_ms())?;
        shared.index.flush()?;
    }
    Ok(())
}

fn close(shared: &Shared) -> Result<(), Error> {
    shared.log.stop();
    shared.check_writable()?;
    seal_full(shared)?;
    let mut changes = Changes::default();
    changes.mark(shared.log.settle(std::iter::empty()));
    shared.check_writable()?;
    shared.index.apply(changes)?;
    shared.index.flush()
}

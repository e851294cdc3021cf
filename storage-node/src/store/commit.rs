//! Group commit: one thread per disk that makes many writers durable with one sync.
//!
//! While a sync runs, whoever finishes queues up; the next sync serves all of them. So a lone
//! writer waits for nobody, and many share the cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use riquet_cluster::id::ShardId;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::index::{Changes, Entry};
use super::record::{Header, Kind, encode_whole, record_bytes_for};
use super::segment::{Claim, Reservation, Segment, write_blocks};
use crate::error::{Error, IoContext};

/// Requests that share one sync, at most: bounds the index batch to about 100 KiB, and the
/// tombstones of a batch to one modest record.
const MAX_BATCH: usize = 1024;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the commit thread is asked for.
pub(super) enum Request {
    Put(Put),
    Delete { id: ShardId, reply: Reply<bool> },
    Close { reply: Reply<()> },
}

/// A shard whose record is written whole, footer included.
pub(super) struct Put {
    pub(super) id: ShardId,
    pub(super) entry: Entry,
    pub(super) reservation: Arc<Reservation>,
    /// Held until the index has the shard, so that "not stored and not being written" is one fact.
    pub(super) _claim: Claim,
    pub(super) reply: Reply<()>,
}

/// The commit thread: runs until every sender is gone.
pub(super) fn run(shared: &Shared, mut requests: mpsc::Receiver<Request>) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while requests.blocking_recv_many(&mut waiting, MAX_BATCH) > 0 {
        let mut puts = Vec::with_capacity(waiting.len());
        let mut deletes = Vec::new();
        let mut closes = Vec::new();
        for request in waiting.drain(..) {
            match request {
                Request::Put(put) => puts.push(put),
                Request::Delete { id, reply } => deletes.push((id, reply)),
                Request::Close { reply } => closes.push(reply),
            }
        }
        commit(shared, puts, deletes);
        if let Err(error) = seal_full(shared) {
            shared.note_failure(error);
        }
        for reply in closes {
            // Nobody waits for the answer when the process ends in a hurry.
            let _ = reply.send(close(shared));
        }
    }
}

fn commit(shared: &Shared, puts: Vec<Put>, deletes: Vec<(ShardId, Reply<bool>)>) {
    if puts.is_empty() && deletes.is_empty() {
        return;
    }
    metrics::histogram!("riquet_store_commit_batch").record((puts.len() + deletes.len()) as f64);
    let ids = deletes.iter().map(|(id, _)| *id);
    let tombstones = shared.check_writable().and_then(|()| bury(shared, ids));
    let (graves, bury_error) = match tombstones {
        Ok(graves) => (graves, None),
        Err(error) => (Graves::default(), Some(shared.note_failure(error))),
    };
    let outcome = shared
        .check_writable()
        .and_then(|()| make_durable(shared, &puts, &graves))
        .map_err(|error| shared.note_failure(error));
    // Claims and reservations end before the answers go out: whoever was answered may write or
    // delete this shard again at once.
    let replies: Vec<_> = puts.into_iter().map(|put| put.reply).collect();
    for reply in replies {
        // A writer that was cut off meanwhile is not there to be told.
        let _ = reply.send(
            outcome
                .as_ref()
                .map_or_else(|_| Err(Error::DiskFailed), |()| Ok(())),
        );
    }
    for (id, reply) in deletes {
        let answer = match (&outcome, &bury_error) {
            (Ok(()), None) => Ok(graves.shards.contains_key(&id)),
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
    let reservation = shared.log.reserve(record_bytes)?;
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

/// One sync per segment concerned (nearly always one in all), then one index batch.
fn make_durable(shared: &Shared, puts: &[Put], graves: &Graves) -> Result<(), Error> {
    let reservations = || {
        puts.iter()
            .map(|put| &*put.reservation)
            .chain(graves.reservation.as_ref())
    };
    let segments: BTreeMap<u64, &Arc<Segment>> = reservations()
        .map(|r| (r.segment.number, &r.segment))
        .collect();
    if segments.is_empty() {
        return Ok(());
    }
    for segment in segments.values() {
        segment.file.sync_data().doing("sync a segment")?;
    }
    let mut changes = Changes::default();
    let mut live = shared.live();
    let mut touched = BTreeMap::new();
    for put in puts {
        changes.put(&put.id, &put.entry);
        let segment = live.entry(put.entry.segment).or_default();
        segment.add(&put.entry);
        touched.insert(put.entry.segment, *segment);
    }
    for (id, entry) in &graves.shards {
        changes.delete(id);
        let segment = live.entry(entry.segment).or_default();
        segment.remove(entry);
        touched.insert(entry.segment, *segment);
    }
    drop(live);
    for (segment, live) in touched {
        changes.live(segment, live);
    }
    changes.mark(shared.log.settle(reservations()));
    // A write that failed may be whole on the disk all the same. Its reservation ends after its
    // failure is noted, so the mark can't have passed it unless this check fails, and the next
    // start will find it: a shard is never on the disk for one recovery and not for another.
    shared.check_writable()?;
    shared.index.apply(changes)
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

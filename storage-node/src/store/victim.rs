//! Which segment to compact, and what of it must be copied.

use std::collections::BTreeMap;
use std::sync::Arc;

use riquet_cluster::id::ShardId;

use super::Shared;
use super::index::{Entry, Live};
use super::record::{BLOCK, Header, Kind};
use super::scan::{End, Place, Records, find_end, footer, whole};
use super::segment::Segment;
use super::tombstone::{self, Tombstone, carried_bytes};
use crate::error::{Error, IoContext};

/// A segment is worth the copying when less than this part of its file is needed: then at least
/// two bytes come back for every three that are copied.
pub(super) const WORTH_PERCENT: u64 = 60;

/// The same on a full disk: there room is worth more than the copying, down to a byte for every twenty.
pub(super) const WORTH_PERCENT_WHEN_FULL: u64 = 95;

/// Records that wait for one answer of the commit thread: enough to share its syncs, few enough
/// that what was found live mostly still is when its turn comes.
const BATCH: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aside {
    /// Something in it can't be copied; this much is live.
    Stuck { live_bytes: u64 },
    /// Its tombstones are needed while dead records of this sequence may be elsewhere.
    Needed { live_bytes: u64, floor: u64 },
}

/// A segment to be removed.
#[derive(Clone)]
pub(super) struct Victim {
    pub(super) segment: Arc<Segment>,
    pub(super) len: u64,
    /// Its payloads were synced before its seal was written.
    pub(super) vouched: bool,
}

/// What must be copied.
pub(super) enum Item {
    Shard(ShardId, Entry),
    /// The tombstones of a record that are still needed.
    Tombstones(Vec<Tombstone>),
    /// Tombstones that the disk has changed.
    Unreadable,
}

/// The lowest sequence that a dead record outside of a segment can have. No tombstone up to it is
/// needed outside of that segment: no dead record comes to be below a tombstone of its shard, but
/// by a move that the tombstone overtakes, and moves are counted before the next turn.
fn floor(figures: &BTreeMap<u64, Live>, segment: u64) -> u64 {
    let others = figures.iter().filter(|(number, _)| **number != segment);
    let dead = others.filter_map(|(_, live)| live.lowest_dead());
    dead.min().unwrap_or(u64::MAX)
}

/// The emptiest segment that is worth it.
pub(super) fn choose(shared: &Shared, below_percent: u64) -> Result<Option<Victim>, Error> {
    let worth =
        |used: u64, len: u64| u128::from(used) * 100 < u128::from(len) * u128::from(below_percent);
    let figures = shared.live().clone();
    let mut candidates = Vec::new();
    for segment in shared.log.removable() {
        let len = segment
            .file
            .size()
            .doing("ask for a segment's length")?
            .max(1);
        let live = figures.get(&segment.number).copied().unwrap_or_default();
        if worth(live.bytes, len) {
            let share = u128::from(live.bytes) * 1_000_000 / u128::from(len);
            let shards = live.counted_bytes().unwrap_or(live.bytes);
            // What is not shards may be tombstones.
            let others = len.saturating_sub(shards + 2 * BLOCK);
            candidates.push(((share, others, segment.number), segment, len, live.bytes));
        }
    }
    // Of segments without a live shard, those first that need no room to be removed.
    candidates.sort_by_key(|(order, ..)| *order);
    for ((_, others, number), segment, len, live_bytes) in candidates {
        let needed = Aside::Needed {
            live_bytes,
            floor: floor(&figures, number),
        };
        let aside = shared.compaction.aside().get(&number).copied();
        if aside.is_some_and(|aside| aside == needed || aside == (Aside::Stuck { live_bytes })) {
            continue;
        }
        let chosen = find_end(&segment, len).and_then(|end| {
            let victim = Victim {
                segment,
                len,
                vouched: end == End::Sealed { vouched: true },
            };
            // Without a look at its tombstones, a segment full of them would be copied again and
            // again.
            let worth_it = worth(live_bytes + others, len)
                || worth(live_bytes + tombstone_bytes(shared, &victim)?, len);
            Ok(worth_it.then_some(victim))
        });
        let aside = match chosen {
            Ok(Some(victim)) => return Ok(Some(victim)),
            Ok(None) => needed,
            // One that can't be read must not keep all others from their turn.
            Err(_) => Aside::Stuck { live_bytes },
        };
        shared.compaction.aside().insert(number, aside);
        chosen?;
    }
    Ok(None)
}

/// What the tombstones that are still needed take when they are copied.
fn tombstone_bytes(shared: &Shared, victim: &Victim) -> Result<u64, Error> {
    let floor = floor(&shared.live(), victim.segment.number);
    let mut count = 0;
    let mut records = Records::from(&victim.segment, victim.len, BLOCK);
    while let Some((header, place)) = records.next()? {
        if matches!(header.kind, Kind::Tombstones | Kind::Carried)
            && let Some(Item::Tombstones(needed)) =
                needed_tombstones(shared, victim, &header, place, floor)?
        {
            count += needed.len();
        }
    }
    Ok(carried_bytes(count))
}

/// What of the segment must be copied, from `from` on, a batch of it; and where to go on.
pub(super) fn find(shared: &Shared, victim: &Victim, from: u64) -> Result<(Vec<Item>, u64), Error> {
    let segment = &*victim.segment;
    let floor = floor(&shared.live(), segment.number);
    let mut items = Vec::with_capacity(BATCH);
    let mut records = Records::from(segment, victim.len, from);
    while items.len() < BATCH
        && let Some((header, place)) = records.next()?
    {
        match &header.kind {
            Kind::Shard(descriptor) => {
                // Whether the record is whole shows when it is copied.
                let entry = shared.index.get(&descriptor.id)?.filter(|entry| {
                    (entry.segment, entry.offset) == (segment.number, place.offset)
                });
                items.extend(entry.map(|entry| Item::Shard(descriptor.id, entry)));
            }
            Kind::Tombstones | Kind::Carried => {
                items.extend(needed_tombstones(shared, victim, &header, place, floor)?);
            }
            Kind::Seal | Kind::RecoveredSeal => {}
        }
    }
    Ok((items, records.tail()))
}

/// Those tombstones of a record without which a lost index could bring a deleted shard back.
fn needed_tombstones(
    shared: &Shared,
    victim: &Victim,
    header: &Header,
    place: Place,
    floor: u64,
) -> Result<Option<Item>, Error> {
    // Carried tombstones are lower than the record that carries them.
    if floor >= header.sequence {
        return Ok(None);
    }
    if whole(&victim.segment, header, place, false)?.is_none() {
        // Torn by a crash, it was never acknowledged, and no recovery heeds it. Behind a seal that
        // vouches for it, the disk has changed it.
        let torn = !victim.vouched || footer(&victim.segment, header, place)?.is_none();
        return Ok((!torn).then_some(Item::Unreadable));
    }
    let mut needed = tombstone::read(&victim.segment, header, place)?;
    needed.retain(|tombstone| tombstone.sequence > floor);
    let mut kept = Vec::with_capacity(needed.len());
    for tombstone in needed {
        // A later record of the shard covers the dead ones as well as the tombstone does.
        let entry = shared.index.get(&tombstone.id)?;
        if entry.is_none_or(|entry| entry.sequence < tombstone.sequence) {
            kept.push(tombstone);
        }
    }
    Ok((!kept.is_empty()).then_some(Item::Tombstones(kept)))
}

//! Tombstones: which shards were deleted, and when in the order of the disk.
//!
//! A delete writes them with the sequence of their record, which is one for all (`Kind::Tombstones`).
//! A compaction brings those of many records together, so each goes with the sequence that it had
//! (`Kind::Carried`): 29 bytes where the record of a lone delete takes a block.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use riquet_cluster::id::ShardId;

use super::record::{Header, Kind, record_bytes_for};
use super::scan::Place;
use super::segment::Segment;
use crate::error::{Error, IoContext};

/// Tombstones that are carried in one record, at most: bounds what is kept in memory and written in
/// one piece; eight blocks, nearly full.
pub(super) const CARRIED_AT_ONCE: usize = 1_000;

/// Length of a carried tombstone: the shard's id and the tombstone's sequence.
const CARRIED_BYTES: usize = ShardId::LEN + 8;

/// A shard that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub(super) id: ShardId,
    /// Records of the shard with a lower sequence are dead.
    pub(super) sequence: u64,
}

/// The tombstones of a record that is whole; none, if it is of another kind.
pub(super) fn read(
    segment: &Segment,
    header: &Header,
    place: Place,
) -> Result<Vec<Tombstone>, Error> {
    if !matches!(header.kind, Kind::Tombstones | Kind::Carried) {
        return Ok(Vec::new());
    }
    let len = usize::try_from(header.payload_bytes).expect("fits a segment");
    let payload = segment
        .file
        .read_at(place.payload_start(), len)
        .doing("read tombstones")?;
    Ok(match header.kind {
        Kind::Carried => {
            let pairs = payload.as_chunks::<CARRIED_BYTES>().0;
            pairs.iter().map(decode).collect()
        }
        _ => {
            let ids = payload.as_chunks::<{ ShardId::LEN }>().0;
            let buried = |id: &[u8; ShardId::LEN]| Tombstone {
                id: ShardId::from_bytes(*id),
                sequence: header.sequence,
            };
            ids.iter().map(buried).collect()
        }
    })
}

fn decode(pair: &[u8; CARRIED_BYTES]) -> Tombstone {
    let mut pair = &pair[..];
    let mut id = [0; ShardId::LEN];
    pair.copy_to_slice(&mut id);
    Tombstone {
        id: ShardId::from_bytes(id),
        sequence: pair.get_u64_le(),
    }
}

/// Length on disk of a record that carries so many.
pub(super) fn carried_record_bytes(count: usize) -> u64 {
    debug_assert!(count <= CARRIED_AT_ONCE);
    record_bytes_for(Kind::Carried.header_bytes(), (count * CARRIED_BYTES) as u64)
        .expect("the number is bounded")
}

/// Length on disk of the records that carry so many.
pub(super) fn carried_bytes(count: usize) -> u64 {
    let (full, rest) = (count / CARRIED_AT_ONCE, count % CARRIED_AT_ONCE);
    let last = match rest {
        0 => 0,
        rest => carried_record_bytes(rest),
    };
    full as u64 * carried_record_bytes(CARRIED_AT_ONCE) + last
}

/// Tombstones on their way from one segment to another.
#[derive(Debug, Default)]
pub(super) struct Carriage {
    /// The highest of each shard: it covers what the others cover.
    tombstones: BTreeMap<ShardId, u64>,
}

impl Carriage {
    pub(super) fn add(&mut self, tombstones: Vec<Tombstone>) {
        for Tombstone { id, sequence } in tombstones {
            let highest = self.tombstones.entry(id).or_default();
            *highest = sequence.max(*highest);
        }
    }

    /// Takes those of one record: a full one, or if `all` must go, what there is.
    pub(super) fn take(&mut self, all: bool) -> Option<Vec<Tombstone>> {
        let count = self.tombstones.len().min(CARRIED_AT_ONCE);
        if count == 0 || (count < CARRIED_AT_ONCE && !all) {
            return None;
        }
        let first = std::iter::from_fn(|| self.tombstones.pop_first());
        let first = first.map(|(id, sequence)| Tombstone { id, sequence });
        Some(first.take(count).collect())
    }
}

/// The payload of a record that carries them.
pub(super) fn encode_carried(tombstones: &[Tombstone]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(tombstones.len() * CARRIED_BYTES);
    for Tombstone { id, sequence } in tombstones {
        payload.put_slice(&id.to_bytes());
        payload.put_u64_le(*sequence);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::shard_id;

    #[test]
    fn the_highest_tombstone_of_each_shard_is_carried_in_dense_records() {
        let mut carriage = Carriage::default();
        let tombstone = |blob: u128, sequence| Tombstone {
            id: shard_id(blob, 0),
            sequence,
        };
        carriage.add((0..1_500).map(|blob| tombstone(blob, 7)).collect());
        carriage.add(vec![tombstone(3, 9), tombstone(4, 5)]);
        let full = carriage.take(false).unwrap();
        assert_eq!(full.len(), CARRIED_AT_ONCE);
        assert_eq!(
            full[2..5],
            [(2, 7), (3, 9), (4, 7)].map(|(b, s)| tombstone(b, s))
        );
        assert_eq!(carriage.take(false), None);
        assert_eq!(carriage.take(true).unwrap().len(), 500);
        assert_eq!(carriage.take(true), None);
        assert_eq!(carried_record_bytes(CARRIED_AT_ONCE), 8 * 4096);
        assert_eq!(carried_bytes(1_500), (8 + 4) * 4096);
        assert_eq!(carried_bytes(0), 0);

        let payload = encode_carried(&full);
        let pairs = payload.as_chunks::<CARRIED_BYTES>().0;
        assert_eq!(pairs.iter().map(decode).collect::<Vec<_>>(), full);
    }
}

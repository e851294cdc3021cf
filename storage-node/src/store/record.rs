//! Bytes of a segment: its head, and header and footer of the records in it (`docs/FORMAT.md`).

use std::ops::Range;

use bytes::{Buf, BufMut};
use crc_fast::{CrcAlgorithm, Digest};
use riquet_cluster::id::Epoch;
use riquet_cluster::layout::Pg;
use riquet_cluster::profile::ProfileId;
use riquet_cluster::wire::shard::ShardDescriptor;

use super::env::BLOCK_BYTES;
use crate::error::Error;

/// One block, as an offset.
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;

const SEGMENT_MAGIC: u64 = u64::from_le_bytes(*b"RQSEGMT1");
const HEADER_MAGIC: u32 = u32::from_le_bytes(*b"RQRH");
const FOOTER_MAGIC: u32 = u32::from_le_bytes(*b"RQRF");
const VERSION: u8 = 1;

const SEGMENT_HEAD_BYTES: usize = 64;
const COMMON_BYTES: usize = 56;
const CRC_BYTES: usize = 8;
/// The nonce's place in a header.
const NONCE: Range<usize> = 8..24;

/// Length of a footer.
pub(super) const FOOTER_BYTES: usize = 32;
/// The longest header: one block always holds it. A descriptor with a key of 1024 bytes needs a
/// third of that.
pub(super) const MAX_HEADER_BYTES: usize = BLOCK_BYTES;

pub(super) fn checksum() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Nvme)
}

fn checksum_of(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// The part of a descriptor that the index keeps too: all but the id, which is the key there, and
/// the owner, whose length has no small bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) profile: ProfileId,
    pub(super) data: u8,
    pub(super) total: u8,
    pub(super) cell_size: u32,
    pub(super) chunk_len: u64,
    pub(super) payload_len: u64,
    pub(super) pg: Pg,
    pub(super) epoch: Epoch,
}

impl Shape {
    pub(super) fn of(descriptor: &ShardDescriptor) -> Self {
        Self {
            profile: descriptor.profile,
            data: descriptor.data,
            total: descriptor.total,
            cell_size: descriptor.cell_size,
            chunk_len: descriptor.chunk_len,
            payload_len: descriptor.payload_len,
            pg: descriptor.pg,
            epoch: descriptor.epoch,
        }
    }
}

/// The first block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) disk_id: u128,
    pub(super) number: u64,
    pub(super) nonce: u128,
    pub(super) created_ms: u64,
}

impl SegmentHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK_BYTES);
        out.put_u64_le(SEGMENT_MAGIC);
        out.put_u128_le(self.disk_id);
        out.put_u64_le(self.number);
        out.put_u128_le(self.nonce);
        out.put_u64_le(self.created_ms);
        out.put_u64_le(checksum_of(&out));
        out
    }

    /// `None` if the head is torn or foreign.
    pub(super) fn decode(mut from: &[u8]) -> Option<Self> {
        let (body, crc) = from
            .get(..SEGMENT_HEAD_BYTES)?
            .split_at(SEGMENT_HEAD_BYTES - CRC_BYTES);
        if checksum_of(body) != u64::from_le_bytes(crc.try_into().ok()?)
            || from.get_u64_le() != SEGMENT_MAGIC
        {
            return None;
        }
        Some(Self {
            disk_id: from.get_u128_le(),
            number: from.get_u64_le(),
            nonce: from.get_u128_le(),
            created_ms: from.get_u64_le(),
        })
    }
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Shard(Box<ShardDescriptor>),
    /// The payload lists deleted shards.
    Tombstones,
    /// The payload lists deleted shards, each with the sequence of its tombstone: a compaction brought
    /// them together.
    Carried,
    /// End of a segment, by the life that wrote it: every whole footer before it stands behind a
    /// synced payload.
    Seal,
    /// End of a segment, by a recovery: payloads before it may be torn.
    RecoveredSeal,
}

impl Kind {
    fn code(&self) -> u8 {
        match self {
            Self::Shard(_) => 1,
            Self::Tombstones => 2,
            Self::Seal => 3,
            Self::RecoveredSeal => 4,
            Self::Carried => 5,
        }
    }

    fn own_bytes(&self) -> Vec<u8> {
        match self {
            Self::Shard(descriptor) => {
                minicbor::to_vec(descriptor).expect("encoding into memory does not fail")
            }
            Self::Tombstones | Self::Carried | Self::Seal | Self::RecoveredSeal => Vec::new(),
        }
    }

    pub(super) fn header_bytes(&self) -> usize {
        COMMON_BYTES + self.own_bytes().len() + CRC_BYTES
    }
}

/// Length on disk of a record; `None` if it overflows.
pub(super) fn record_bytes_for(header_bytes: usize, payload_bytes: u64) -> Option<u64> {
    let around = (header_bytes + FOOTER_BYTES) as u64;
    payload_bytes
        .checked_add(around)?
        .checked_next_multiple_of(BLOCK)
}

/// The header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) nonce: u128,
    pub(super) sequence: u64,
    pub(super) record_bytes: u64,
    pub(super) payload_bytes: u64,
    pub(super) written_ms: u64,
    pub(super) kind: Kind,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let own = self.kind.own_bytes();
        let header_bytes = COMMON_BYTES + own.len() + CRC_BYTES;
        assert!(
            header_bytes <= MAX_HEADER_BYTES,
            "owners are bounded where shards come in"
        );
        let mut out = Vec::with_capacity(header_bytes);
        out.put_u32_le(HEADER_MAGIC);
        out.put_u8(VERSION);
        out.put_u8(self.kind.code());
        out.put_u16_le(u16::try_from(header_bytes).expect("below a block"));
        out.put_u128_le(self.nonce);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.record_bytes);
        out.put_u64_le(self.payload_bytes);
        out.put_u64_le(self.written_ms);
        out.put_slice(&own);
        out.put_u64_le(checksum_of(&out));
        debug_assert_eq!(out.len(), header_bytes);
        out
    }

    /// Reads a header and its length from the start of `from`; `None` if there is none, or it is torn, or it
    /// belongs to another segment.
    pub(super) fn decode(from: &[u8], nonce: u128) -> Option<(Self, usize)> {
        let mut fixed = from.get(..COMMON_BYTES)?;
        if fixed.get_u32_le() != HEADER_MAGIC || fixed.get_u8() != VERSION {
            return None;
        }
        let code = fixed.get_u8();
        let header_bytes = usize::from(fixed.get_u16_le());
        let body = from.get(..header_bytes.checked_sub(CRC_BYTES)?)?;
        let mut crc = from.get(body.len()..header_bytes)?;
        if crc.get_u64_le() != checksum_of(body) || fixed.get_u128_le() != nonce {
            return None;
        }
        let sequence = fixed.get_u64_le();
        let record_bytes = fixed.get_u64_le();
        let payload_bytes = fixed.get_u64_le();
        let written_ms = fixed.get_u64_le();
        let kind = match code {
            1 => {
                let own = body.get(COMMON_BYTES..)?;
                let descriptor: ShardDescriptor = minicbor::decode(own).ok()?;
                if descriptor.payload_len != payload_bytes {
                    return None;
                }
                Kind::Shard(Box::new(descriptor))
            }
            2 => Kind::Tombstones,
            3 => Kind::Seal,
            4 => Kind::RecoveredSeal,
            5 => Kind::Carried,
            _ => return None,
        };
        let header = Self {
            nonce,
            sequence,
            record_bytes,
            payload_bytes,
            written_ms,
            kind,
        };
        (record_bytes_for(header_bytes, payload_bytes) == Some(record_bytes))
            .then_some((header, header_bytes))
    }
}

/// The same header for another segment. The rest stays as it is byte for byte, fields that only
/// another version of the descriptor has included; so the record's length stays too.
pub(super) fn for_segment(header: &[u8], nonce: u128) -> Vec<u8> {
    let mut out = header.to_vec();
    let body_bytes = out.len() - CRC_BYTES;
    out[NONCE].copy_from_slice(&nonce.to_le_bytes());
    let crc = checksum_of(&out[..body_bytes]);
    out[body_bytes..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The footer of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) sequence: u64,
    pub(super) payload_crc: u64,
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut out = [0; FOOTER_BYTES];
        let mut rest = &mut out[..];
        rest.put_u32_le(FOOTER_MAGIC);
        rest.put_u32_le(0);
        rest.put_u64_le(self.sequence);
        rest.put_u64_le(self.payload_crc);
        let crc = checksum_of(&out[..FOOTER_BYTES - CRC_BYTES]);
        out[FOOTER_BYTES - CRC_BYTES..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` if the footer is torn or not there.
    pub(super) fn decode(from: &[u8]) -> Option<Self> {
        let (mut body, mut crc) = from.get(..FOOTER_BYTES)?.split_at(FOOTER_BYTES - CRC_BYTES);
        if crc.get_u64_le() != checksum_of(body) || body.get_u32_le() != FOOTER_MAGIC {
            return None;
        }
        body.advance(4);
        Some(Self {
            sequence: body.get_u64_le(),
            payload_crc: body.get_u64_le(),
        })
    }
}

/// Encodes a record that is written in one piece, padded to whole blocks.
pub(super) fn encode_whole(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut out = header.encode();
    out.put_slice(payload);
    let footer = Footer {
        sequence: header.sequence,
        payload_crc: checksum_of(payload),
    };
    out.put_slice(&footer.encode());
    out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
    debug_assert_eq!(out.len() as u64, header.record_bytes);
    out
}

/// Checks what the record format can carry, and returns the length of the header.
pub(super) fn check(kind: &Kind) -> Result<usize, Error> {
    if let Kind::Shard(descriptor) = kind
        && descriptor.payload_len == 0
    {
        return Err(Error::BadShard("an empty payload"));
    }
    let header_bytes = kind.header_bytes();
    if header_bytes > MAX_HEADER_BYTES {
        return Err(Error::BadShard("the owner's key is too long"));
    }
    Ok(header_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::descriptor;

    #[test]
    fn a_header_reads_back_and_any_flipped_bit_kills_it() {
        let kind = Kind::Shard(Box::new(descriptor(7, 1, 10_000)));
        let header_bytes = check(&kind).unwrap();
        let header = Header {
            nonce: 99,
            sequence: 5,
            record_bytes: record_bytes_for(header_bytes, 10_000).unwrap(),
            payload_bytes: 10_000,
            written_ms: 1,
            kind,
        };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes, 99), Some((header, header_bytes)));
        assert_eq!(Header::decode(&bytes, 98), None, "another segment's");
        assert_eq!(Header::decode(&bytes[..bytes.len() - 1], 99), None, "cut");
        let moved = for_segment(&bytes, 100);
        assert_eq!(Header::decode(&moved, 99), None);
        let (found, found_bytes) = Header::decode(&moved, 100).unwrap();
        assert_eq!((found.encode(), found_bytes), (moved, header_bytes));
        assert_eq!(Header { nonce: 99, ..found }.encode(), bytes);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes, 99), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_footer_and_a_segment_head_read_back_or_not_at_all() {
        let footer = Footer {
            sequence: 3,
            payload_crc: 4,
        };
        let mut bytes = footer.encode();
        assert_eq!(Footer::decode(&bytes), Some(footer));
        bytes[9] ^= 1;
        assert_eq!(Footer::decode(&bytes), None);
        let head = SegmentHead {
            disk_id: 1,
            number: 2,
            nonce: 3,
            created_ms: 4,
        };
        let mut bytes = head.encode();
        assert_eq!(SegmentHead::decode(&bytes), Some(head));
        bytes[30] ^= 1;
        assert_eq!(SegmentHead::decode(&bytes), None);
    }
}

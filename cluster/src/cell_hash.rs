//! The hash that each cell carries from the encoder to the reader.
//!
//! BLAKE3 keyed by the cell's place (blob, chunk, shard, stripe). A cell whose bytes are whole but
//! which stands in the wrong place (a misdirected disk write, a swapped shard) fails like a flipped
//! bit does, since its key is another.

use crate::id::ShardId;

/// Bytes of a cell's hash, on the wire and on disk.
pub const HASH_LEN: usize = 32;

/// A cell's hash.
pub type CellHash = [u8; HASH_LEN];

/// The key of the cell at `stripe` of `shard`: blob id (16 bytes, little-endian), chunk sequence
/// (4), shard index (2), stripe (4), and 6 zero bytes.
pub fn cell_key(shard: ShardId, stripe: u32) -> [u8; blake3::KEY_LEN] {
    let mut key = [0; blake3::KEY_LEN];
    key[..16].copy_from_slice(&shard.chunk.blob.as_u128().to_le_bytes());
    key[16..20].copy_from_slice(&shard.chunk.seq.to_le_bytes());
    key[20..22].copy_from_slice(&u16::from(shard.index).to_le_bytes());
    key[22..26].copy_from_slice(&stripe.to_le_bytes());
    key
}

/// The hash of a cell that lies in one piece.
pub fn hash_cell(shard: ShardId, stripe: u32, cell: &[u8]) -> CellHash {
    *blake3::keyed_hash(&cell_key(shard, stripe), cell).as_bytes()
}

/// The hash of a cell that lies in fragments, followed by `padding` zero bytes.
pub fn hash_fragments<'a>(
    shard: ShardId,
    stripe: u32,
    fragments: impl IntoIterator<Item = &'a [u8]>,
    padding: usize,
) -> CellHash {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut hasher = blake3::Hasher::new_keyed(&cell_key(shard, stripe));
    for fragment in fragments {
        hasher.update(fragment);
    }
    let mut left = padding;
    while left > 0 {
        let n = left.min(ZEROS.len());
        hasher.update(&ZEROS[..n]);
        left -= n;
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{BlobId, ChunkId};

    fn shard(blob: u128, seq: u32, index: u8) -> ShardId {
        ShardId {
            chunk: ChunkId {
                blob: BlobId::from_u128(blob),
                seq,
            },
            index,
        }
    }

    #[test]
    fn fragments_and_padding_hash_like_the_whole() {
        let cell: Vec<u8> = (0..10_000u32).map(|i| (i * 7) as u8).collect();
        let mut padded = cell.clone();
        padded.resize(16_384, 0);
        let parts = [&cell[..1], &cell[1..70], &cell[70..]];
        assert_eq!(
            hash_cell(shard(1, 2, 3), 4, &padded),
            hash_fragments(shard(1, 2, 3), 4, parts, 6_384)
        );
    }

    #[test]
    fn the_same_bytes_in_another_place_hash_otherwise() {
        let here = hash_cell(shard(1, 2, 3), 4, b"cell");
        for (other, stripe) in [
            (shard(0, 2, 3), 4),
            (shard(1, 1, 3), 4),
            (shard(1, 2, 2), 4),
            (shard(1, 2, 3), 5),
        ] {
            assert_ne!(here, hash_cell(other, stripe, b"cell"));
        }
    }
}

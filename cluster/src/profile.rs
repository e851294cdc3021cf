//! Storage profiles: which code, over which sites, cut into which cells.
//!
//! A chunk of `len` bytes is striped row by row: stripe `r` is the chunk's bytes
//! `r * k * cell .. (r + 1) * k * cell`, and data cell `j` of it the `j`-th `cell` bytes of those.
//! The last stripe may be short: its cells are `ceil(left / k)` bytes, rounded up to
//! [`CELL_ALIGN`], and what lies past the data counts as zeros. All shards of a chunk have the same
//! payload length: each cell followed by its hash.
//!
//! ```text
//! chunk    | stripe 0: cell 0 | cell 1 | .. | cell k-1 | stripe 1: cell 0 | ..
//! shard j  | cell j of stripe 0 | hash | cell j of stripe 1 | hash | .. | last, shorter cell | hash |
//! ```

use std::ops::Range;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cell_hash::HASH_LEN;

/// Cells are a multiple of this many bytes, so that kernels see whole vectors.
pub const CELL_ALIGN: usize = 64;

/// A profile's number within its layout; stored with every blob, so never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct ProfileId(#[n(0)] pub u16);

/// A site's number within its layout.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct SiteId(#[n(0)] pub u8);

/// One Reed-Solomon code and where its shards go.
///
/// `data` shards hold the object's bytes as they are; the code has `sites.len() * per_site` shards
/// in all, any `data` of which rebuild the chunk. Shards `i * per_site .. (i + 1) * per_site` live
/// at `sites[i]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Profile {
    /// Number within the layout.
    #[n(0)]
    pub id: ProfileId,
    /// Name for people, such as `4/6`.
    #[n(1)]
    pub name: String,
    /// Data shards, `k`.
    #[n(2)]
    pub data: u8,
    /// Shards at each site, `s`; more than `data`.
    #[n(3)]
    pub per_site: u8,
    /// The sites that hold shards, in the order of the code.
    #[n(4)]
    pub sites: Vec<SiteId>,
    /// Bytes of a full cell; a multiple of [`CELL_ALIGN`].
    #[n(5)]
    pub cell_size: u32,
    /// Bytes of object data in a full chunk; a multiple of the stripe.
    #[n(6)]
    pub chunk_size: u64,
}

impl Profile {
    /// Shards of the whole code.
    pub fn total(&self) -> usize {
        usize::from(self.per_site) * self.sites.len()
    }

    /// Parity shards of the whole code.
    pub fn parity(&self) -> usize {
        self.total() - usize::from(self.data)
    }

    /// Data shards, as an index type.
    pub fn k(&self) -> usize {
        usize::from(self.data)
    }

    /// Bytes of object data in a full stripe.
    pub fn stripe_size(&self) -> usize {
        self.k() * self.cell_size as usize
    }

    /// The shards that live at the `position`-th of the profile's sites.
    pub fn shards_at(&self, position: usize) -> Range<usize> {
        let s = usize::from(self.per_site);
        position * s..(position + 1) * s
    }

    /// Which of the profile's sites (by position) holds shard `index`.
    pub fn site_position(&self, index: usize) -> usize {
        index / usize::from(self.per_site)
    }

    /// How a chunk with `len` bytes of data (1 to `chunk_size`) is cut.
    pub fn geometry(&self, len: u64) -> ChunkGeometry {
        ChunkGeometry::new(self.k(), self.cell_size as usize, len)
    }

    /// Chunks of a blob of `blob_len` bytes, as the length of each in order of `seq`.
    pub fn chunk_lengths(&self, blob_len: u64) -> impl Iterator<Item = u64> + use<> {
        let size = self.chunk_size;
        (0..blob_len.div_ceil(size)).map(move |i| size.min(blob_len - i * size))
    }

    /// Checks the profile's own invariants.
    pub fn validate(&self) -> Result<(), Error> {
        let fail = |why: &str| {
            Err(Error::InvalidLayout(format!(
                "profile {}: {why}",
                self.name
            )))
        };
        if self.data == 0 || self.per_site <= self.data {
            return fail("needs at least one data shard, and more shards at each site than that");
        }
        if self.sites.is_empty() || self.total() > 255 {
            return fail("a code has 1 to 255 shards");
        }
        if self.cell_size == 0 || !(self.cell_size as usize).is_multiple_of(CELL_ALIGN) {
            return fail("cells are a multiple of 64 bytes");
        }
        if self.chunk_size == 0 || !self.chunk_size.is_multiple_of(self.stripe_size() as u64) {
            return fail("chunks are whole stripes");
        }
        if self.chunk_size / self.stripe_size() as u64 > u64::from(u32::MAX) {
            return fail("a chunk has at most 2^32 stripes");
        }
        Ok(())
    }
}

/// How one chunk is cut into stripes and cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkGeometry {
    k: usize,
    cell: usize,
    len: u64,
    stripes: u32,
    last_cell: usize,
}

impl ChunkGeometry {
    /// A chunk of `len` bytes of data over `k` data shards with cells of `cell` bytes.
    ///
    /// # Panics
    /// When `k`, `cell` or `len` is zero: an empty object has no chunk.
    pub fn new(k: usize, cell: usize, len: u64) -> Self {
        assert!(k > 0 && cell > 0 && len > 0, "a chunk has data");
        let stripe = (k * cell) as u64;
        let stripes = len.div_ceil(stripe);
        let left = (len - (stripes - 1) * stripe) as usize;
        let last_cell = left.div_ceil(k).next_multiple_of(CELL_ALIGN).min(cell);
        Self {
            k,
            cell,
            len,
            stripes: u32::try_from(stripes).expect("profiles bound stripes per chunk"),
            last_cell,
        }
    }

    /// Bytes of object data in the chunk.
    pub fn data_len(&self) -> u64 {
        self.len
    }

    /// Stripes in the chunk.
    pub fn stripes(&self) -> u32 {
        self.stripes
    }

    /// Bytes of each cell of `stripe`.
    pub fn cell_len(&self, stripe: u32) -> usize {
        if stripe + 1 == self.stripes {
            self.last_cell
        } else {
            self.cell
        }
    }

    /// The chunk's bytes that `stripe` holds (without padding).
    pub fn stripe_range(&self, stripe: u32) -> Range<u64> {
        let size = (self.k * self.cell) as u64;
        let start = u64::from(stripe) * size;
        start..(start + size).min(self.len)
    }

    /// Bytes of each shard's payload: every cell followed by its hash.
    pub fn payload_len(&self) -> u64 {
        u64::from(self.stripes - 1) * (self.cell + HASH_LEN) as u64
            + (self.last_cell + HASH_LEN) as u64
    }

    /// The stripe that holds the chunk's byte `offset`.
    pub fn stripe_of(&self, offset: u64) -> u32 {
        (offset / (self.k * self.cell) as u64) as u32
    }

    /// The payload bytes (cells and hashes) of the stripes `stripes`.
    pub fn payload_range(&self, stripes: Range<u32>) -> Range<u64> {
        let step = (self.cell + HASH_LEN) as u64;
        let end = if stripes.end == self.stripes {
            self.payload_len()
        } else {
            u64::from(stripes.end) * step
        };
        u64::from(stripes.start) * step..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stripes_cover_the_chunk_once(k in 1usize..20, cells in 1usize..8, len in 1u64..200_000) {
            let g = ChunkGeometry::new(k, cells * CELL_ALIGN, len);
            let mut at = 0;
            let mut payload = 0;
            for r in 0..g.stripes() {
                let range = g.stripe_range(r);
                prop_assert_eq!(range.start, at);
                prop_assert!(range.end > range.start);
                let room = (g.cell_len(r) * k) as u64;
                prop_assert!(room >= range.end - range.start);
                prop_assert!(g.cell_len(r).is_multiple_of(CELL_ALIGN));
                prop_assert_eq!(g.stripe_of(range.start), r);
                prop_assert_eq!(g.stripe_of(range.end - 1), r);
                prop_assert_eq!(g.payload_range(r..r + 1), payload..payload + (g.cell_len(r) + HASH_LEN) as u64);
                payload += (g.cell_len(r) + HASH_LEN) as u64;
                at = range.end;
            }
            prop_assert_eq!(at, len);
            prop_assert_eq!(g.payload_len(), payload);
        }
    }

    #[test]
    fn chunk_lengths_sum_to_the_blob() {
        let profile = Profile {
            id: ProfileId(0),
            name: "2/3".into(),
            data: 2,
            per_site: 3,
            sites: vec![SiteId(0), SiteId(1)],
            cell_size: 64,
            chunk_size: 1280,
        };
        profile.validate().unwrap();
        assert_eq!(profile.chunk_lengths(0).count(), 0);
        assert_eq!(profile.chunk_lengths(1280).collect::<Vec<_>>(), [1280]);
        assert_eq!(
            profile.chunk_lengths(3000).collect::<Vec<_>>(),
            [1280, 1280, 440]
        );
    }
}

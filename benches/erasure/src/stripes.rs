//! Memory for the runs: stripes of shards, placed alike for all that are compared.

use crate::work::{Residence, Row};

/// Bytes of all stripes of a run from memory: many times any last-level cache.
const MEMORY_BYTES: usize = 384 << 20;

/// Bytes between two shards. Without them, shards of a power of two would all
/// fall on the same sets of the first-level cache, which measures no code.
const GAP_BYTES: usize = 5 * LINE_BYTES;

const LINE_BYTES: usize = 64;

/// Stripes of shards with arbitrary contents. Each shard starts at a cache line.
pub struct Stripes {
    // Never read: the shards point into it.
    _memory: Vec<u8>,
    stripes: Vec<Stripe>,
}

/// The shards of a stripe. Whoever borrows some of them as written to holds the
/// stripe alone.
pub struct Stripe {
    shards: Vec<*mut u8>,
    cell_bytes: usize,
}

impl Stripes {
    /// As many stripes as the row's residence asks for.
    pub fn new(row: &Row) -> Stripes {
        let step = row.cell_bytes + GAP_BYTES;
        let stripe_bytes = row.total() * step;
        let count = match row.residence {
            Residence::Cache => 1,
            Residence::Memory => MEMORY_BYTES.div_ceil(stripe_bytes),
        };
        let noise = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29) as u8;
        let mut memory = vec![0; count * stripe_bytes + LINE_BYTES];
        let skip = memory.as_ptr().align_offset(LINE_BYTES);
        let mut rest = &mut memory[skip..];
        rest.iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte = noise(i));
        let mut stripes = Vec::with_capacity(count);
        for _ in 0..count {
            let mut shards = Vec::with_capacity(row.total());
            for _ in 0..row.total() {
                let (shard, after) = rest.split_at_mut(step);
                shards.push(shard.as_mut_ptr());
                rest = after;
            }
            stripes.push(Stripe {
                shards,
                cell_bytes: row.cell_bytes,
            });
        }
        Stripes {
            _memory: memory,
            stripes,
        }
    }

    /// The stripes.
    pub fn stripes(&self) -> &[Stripe] {
        &self.stripes
    }
}

impl Stripe {
    /// A shard to read.
    pub fn shard(&self, index: usize) -> &[u8] {
        // SAFETY: a shard is `cell_bytes` long within the memory of its stripes;
        // shards are distinct, and who writes to one reads it no more.
        unsafe { std::slice::from_raw_parts(self.shards[index], self.cell_bytes) }
    }

    /// A shard to write.
    ///
    /// # Safety
    /// Nothing else borrows that shard while this borrow is used.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn shard_mut(&self, index: usize) -> &mut [u8] {
        // SAFETY: as for `shard`, and borrowed once, says the caller.
        unsafe { std::slice::from_raw_parts_mut(self.shards[index], self.cell_bytes) }
    }
}

//! Systematic Reed-Solomon codes over GF(2^8), up to 255 shards: field,
//! matrices, SIMD kernels and a codec over fragmented cells.
//!
//! A code turns `k` data shards into `m` parity shards such that any `k` of the
//! `k + m` rebuild all the others. The generator matrix is the one of the crate
//! `reed-solomon-erasure` (polynomial 0x11d, a Vandermonde matrix made
//! systematic), so shards of either are shards of the other; the tests hold
//! every kernel to it byte for byte.
//!
//! # Example
//! ```
//! use riquet_erasure::Codec;
//!
//! # fn main() -> Result<(), riquet_erasure::Error> {
//! let codec = Codec::new(2, 2)?;
//! let (a, b) = ([1u8, 2, 3], [4u8, 5, 6]);
//! let (mut p, mut q) = ([0u8; 3], [0u8; 3]);
//! codec.encode(&[&a, &b], &mut [&mut p, &mut q])?;
//!
//! // Both data shards are lost; the two parity shards bring shard 1 back.
//! let mut rebuilt = [0u8; 3];
//! codec.reconstruct(&[(3, &q), (2, &p)], &[1], &mut [&mut rebuilt])?;
//! assert_eq!(rebuilt, b);
//! # Ok(())
//! # }
//! ```
//!
//! # Cost
//! With `k` data shards, computing `n` shards of `B` bytes multiplies and adds
//! `k * n * B` bytes, loads `k * B` once per block of outputs (six to eight on
//! x86-64), and stores `n * B`. On 512-bit GFNI that is one affine instruction and
//! half an addition per 64 bytes, input and output. A stripe that fits a core's
//! second-level cache is then bound by how fast that cache feeds the first, one of
//! four or more outputs by the affine unit; a stripe from memory is bound by the
//! memory. `benches/erasure/results` has figures, and the same for hashing right
//! after encoding.
//!
//! Rebuilding reads exactly `k` shards, computes only those asked for, and works
//! on any byte range, the same of each shard. Finding the matrix costs `O(k^3)`
//! the first time for a pattern of losses, and a look-up from then on.
//!
//! # Sources
//! * The code: J. S. Plank, "A Tutorial on Reed-Solomon Coding for Fault-Tolerance
//!   in RAID-like Systems" (1997) with its correction (Plank and Ding, 2003): a
//!   Vandermonde matrix made systematic. J. Blömer and others, "An XOR-Based
//!   Erasure-Resilient Coding Scheme" (1995): multiplication by a constant as a bit
//!   matrix, which the affine instructions of GFNI apply.
//! * Byte shuffles on tables of nibbles: Plank, Greenan, Miller, "Screaming Fast
//!   Galois Field Arithmetic Using Intel SIMD Instructions" (2013).
//! * Several outputs per pass over the inputs: Intel's ISA-L; affine instructions,
//!   and strips that stay in the first-level cache: K. Post's `reedsolomon` for Go.
//!
//! Layers, lowest first: `field` (multiplication tables), `matrix` (the
//! generator, inversion), `kernel` (sums of products over byte ranges, one
//! implementation per instruction set), `plan` (a matrix expanded for one
//! kernel), `cell` and `gather` (fragmented input), `cache` (decoding plans per
//! loss pattern), `codec` (the interface). There is no I/O, no thread and no
//! async here: a call runs to its end on the caller's thread, in microseconds
//! for a stripe of 64 KiB cells.

mod cache;
mod cell;
mod codec;
mod error;
mod field;
mod gather;
mod kernel;
mod matrix;
mod plan;

pub use cell::Cell;
pub use codec::Codec;
pub use error::Error;
pub use kernel::Kernel;

/// Most shards, data and parity together, that one code can have: field
/// elements number 256, and a shard index must fit a byte with one to spare.
pub const MAX_SHARDS: usize = 255;

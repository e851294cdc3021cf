//! AArch64: 128-bit table look-ups, one per nibble.

use std::arch::aarch64::*;

use super::lane::{self, Lane};
use super::{Blocks, Job};
use crate::field;

/// The kernel's code.
pub(super) static BLOCKS: Blocks = Blocks {
    by_outputs: &[
        block::<1>, block::<2>, block::<3>, block::<4>, block::<5>, block::<6>,
    ],
    words: Tables::WORDS,
    expand: |factor, words| words.extend(field::NIBBLES[usize::from(factor)]),
};

#[target_feature(enable = "neon")]
unsafe fn block<const OUTPUTS: usize>(job: &Job<'_>) {
    // SAFETY: by the caller's promises, with the feature enabled here.
    unsafe { lane::run::<Tables, OUTPUTS, 2>(job) }
}

const BYTES: usize = 16;

/// Looks the products of both nibbles up.
struct Tables;

impl Lane for Tables {
    const BYTES: usize = BYTES;
    const WORDS: usize = 4;
    type Vector = uint8x16_t;
    /// The low nibble of each byte, and the high one.
    type Operand = [uint8x16_t; 2];
    /// Their tables.
    type Factor = [uint8x16_t; 2];

    #[inline(always)]
    unsafe fn zero() -> uint8x16_t {
        // SAFETY: the caller enables the feature.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> uint8x16_t {
        // SAFETY: readable for `BYTES`, says the caller; unaligned is fine.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn load_head(from: *const u8, len: usize) -> uint8x16_t {
        // SAFETY: readable for `len`, says the caller; the buffer is as long as
        // a vector.
        unsafe { Self::load(lane::padded::<BYTES>(from, len).as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, vector: uint8x16_t) {
        // SAFETY: writable for `BYTES`, says the caller; unaligned is fine.
        unsafe { vst1q_u8(to, vector) }
    }

    #[inline(always)]
    unsafe fn store_head(to: *mut u8, vector: uint8x16_t, len: usize) {
        let mut buffer = [0; BYTES];
        // SAFETY: the buffer is as long as a vector, and `to` writable for
        // `len`, which is less.
        unsafe {
            Self::store(buffer.as_mut_ptr(), vector);
            std::ptr::copy_nonoverlapping(buffer.as_ptr(), to, len);
        }
    }

    #[inline(always)]
    unsafe fn operand(vector: uint8x16_t) -> [uint8x16_t; 2] {
        // SAFETY: the caller enables the feature.
        unsafe { [vandq_u8(vector, vdupq_n_u8(15)), vshrq_n_u8::<4>(vector)] }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> [uint8x16_t; 2] {
        // SAFETY: four words are readable, says the caller.
        unsafe { [vld1q_u8(from.cast()), vld1q_u8(from.add(2).cast())] }
    }

    #[inline(always)]
    unsafe fn add_product(
        sum: uint8x16_t,
        [low_table, high_table]: [uint8x16_t; 2],
        [low, high]: [uint8x16_t; 2],
    ) -> uint8x16_t {
        // SAFETY: the caller enables the feature.
        unsafe {
            let product = veorq_u8(vqtbl1q_u8(low_table, low), vqtbl1q_u8(high_table, high));
            veorq_u8(sum, product)
        }
    }
}

//! x86-64 with 512-bit vectors: affine transforms where GFNI is there, byte
//! shuffles where it isn't. Tails are masked, so odd fragment boundaries cost
//! one more step and no copy.

use std::arch::x86_64::*;

use super::lane::{self, Lane};
use super::{Blocks, Job};
use crate::field;

/// Whether the CPU has what both kernels need; the affine one needs GFNI too.
pub(super) fn detected() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// The kernel by affine transforms.
pub(super) static GFNI_BLOCKS: Blocks = Blocks {
    by_outputs: &[
        gfni_block::<1, 1>,
        gfni_block::<2, 2>,
        gfni_block::<3, 4>,
        gfni_block::<4, 4>,
        gfni_block::<5, 4>,
        gfni_block::<6, 3>,
        gfni_block::<7, 3>,
        gfni_block::<8, 2>,
    ],
    words: Affine::WORDS,
    expand: |factor, words| words.push(field::AFFINE[usize::from(factor)]),
};

/// The kernel by byte shuffles.
pub(super) static SHUFFLE_BLOCKS: Blocks = Blocks {
    by_outputs: &[
        shuffle_block::<1, 1>,
        shuffle_block::<2, 2>,
        shuffle_block::<3, 4>,
        shuffle_block::<4, 4>,
        shuffle_block::<5, 4>,
        shuffle_block::<6, 3>,
        shuffle_block::<7, 3>,
        shuffle_block::<8, 2>,
    ],
    words: Shuffle::WORDS,
    expand: |factor, words| words.extend(field::NIBBLES[usize::from(factor)]),
};

#[target_feature(enable = "avx512f,avx512bw,gfni")]
unsafe fn gfni_block<const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>) {
    // SAFETY: by the caller's promises, with the features enabled here.
    unsafe { lane::run::<Affine, OUTPUTS, VECTORS>(job) }
}

#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn shuffle_block<const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>) {
    // SAFETY: by the caller's promises, with the features enabled here.
    unsafe { lane::run::<Shuffle, OUTPUTS, VECTORS>(job) }
}

const BYTES: usize = 64;

/// Mask of the first `len` bytes, `0 < len < BYTES`.
#[inline(always)]
fn head(len: usize) -> __mmask64 {
    u64::MAX >> (BYTES - len)
}

/// Loads and stores, which both lanes share.
macro_rules! memory {
    () => {
        const BYTES: usize = BYTES;
        type Vector = __m512i;

        #[inline(always)]
        unsafe fn zero() -> __m512i {
            // SAFETY: the caller enables the feature.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        unsafe fn load(from: *const u8) -> __m512i {
            // SAFETY: readable for `BYTES`, says the caller; unaligned is fine.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }

        #[inline(always)]
        unsafe fn load_head(from: *const u8, len: usize) -> __m512i {
            // SAFETY: bytes outside the mask are not accessed.
            unsafe { _mm512_maskz_loadu_epi8(head(len), from.cast()) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut u8, vector: __m512i) {
            // SAFETY: writable for `BYTES`, says the caller; unaligned is fine.
            unsafe { _mm512_storeu_si512(to.cast(), vector) }
        }

        #[inline(always)]
        unsafe fn store_past_caches(to: *mut u8, vector: __m512i) {
            // SAFETY: writable for `BYTES` and aligned, says the caller.
            unsafe { _mm512_stream_si512(to.cast(), vector) }
        }

        #[inline(always)]
        unsafe fn fence() {
            // SAFETY: the instruction is in all x86-64.
            unsafe { _mm_sfence() }
        }

        #[inline(always)]
        unsafe fn prefetch(address: *const u8) {
            // SAFETY: a hint, which no address makes fault.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }

        #[inline(always)]
        unsafe fn store_head(to: *mut u8, vector: __m512i, len: usize) {
            // SAFETY: bytes outside the mask are not accessed.
            unsafe { _mm512_mask_storeu_epi8(to.cast(), head(len), vector) }
        }
    };
}

/// Multiplies by an 8x8 bit matrix per factor.
struct Affine;

impl Lane for Affine {
    memory!();
    const WORDS: usize = 1;
    const PAIRED: bool = true;
    type Operand = __m512i;
    type Factor = __m512i;

    #[inline(always)]
    unsafe fn operand(vector: __m512i) -> __m512i {
        vector
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> __m512i {
        // SAFETY: one word is readable, says the caller.
        unsafe { _mm512_set1_epi64(*from as i64) }
    }

    #[inline(always)]
    unsafe fn add_product(sum: __m512i, factor: __m512i, operand: __m512i) -> __m512i {
        // SAFETY: the caller enables the features.
        unsafe { _mm512_xor_si512(sum, Self::product(factor, operand)) }
    }

    #[inline(always)]
    unsafe fn add_products(sum: __m512i, factors: [__m512i; 2], operands: [__m512i; 2]) -> __m512i {
        // SAFETY: the caller enables the features.
        unsafe {
            add3(
                sum,
                Self::product(factors[0], operands[0]),
                Self::product(factors[1], operands[1]),
            )
        }
    }
}

impl Affine {
    #[inline(always)]
    unsafe fn product(factor: __m512i, operand: __m512i) -> __m512i {
        // SAFETY: the caller enables the features.
        unsafe { _mm512_gf2p8affine_epi64_epi8::<0>(operand, factor) }
    }
}

/// Looks the products of both nibbles up.
struct Shuffle;

impl Lane for Shuffle {
    memory!();
    const WORDS: usize = 4;
    /// The low nibble of each byte, and the high one.
    type Operand = [__m512i; 2];
    /// Their tables, in each 128-bit part.
    type Factor = [__m512i; 2];

    #[inline(always)]
    unsafe fn operand(vector: __m512i) -> [__m512i; 2] {
        // SAFETY: the caller enables the features.
        unsafe {
            let nibble = _mm512_set1_epi8(15);
            [
                _mm512_and_si512(vector, nibble),
                _mm512_and_si512(_mm512_srli_epi64::<4>(vector), nibble),
            ]
        }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> [__m512i; 2] {
        // SAFETY: four words are readable, says the caller.
        unsafe {
            [from, from.add(2)].map(|table| _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast())))
        }
    }

    #[inline(always)]
    unsafe fn add_product(
        sum: __m512i,
        [low_table, high_table]: [__m512i; 2],
        [low, high]: [__m512i; 2],
    ) -> __m512i {
        // SAFETY: the caller enables the features.
        unsafe {
            let low = _mm512_shuffle_epi8(low_table, low);
            let high = _mm512_shuffle_epi8(high_table, high);
            add3(sum, low, high)
        }
    }
}

/// The sum of three, in one instruction: bit `i` of the table is the parity of
/// the bits of `i`.
#[inline(always)]
unsafe fn add3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    const PARITY: i32 = 0b1001_0110;
    // SAFETY: the caller enables the feature.
    unsafe { _mm512_ternarylogic_epi64::<PARITY>(a, b, c) }
}

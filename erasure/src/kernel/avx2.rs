//! x86-64 with 256-bit vectors: affine transforms where GFNI is there, byte
//! shuffles where it isn't. Sixteen registers hold the sums of fewer outputs
//! than the 512-bit kernels' thirty-two.

use std::arch::x86_64::*;

use super::lane::{self, Lane};
use super::{Blocks, Job};
use crate::field;

/// Whether the CPU has what both kernels need; the affine one needs GFNI too.
pub(super) fn detected() -> bool {
    is_x86_feature_detected!("avx2")
}

/// The kernel by affine transforms.
pub(super) static GFNI_BLOCKS: Blocks = Blocks {
    by_outputs: &[
        gfni_block::<1, 2>,
        gfni_block::<2, 4>,
        gfni_block::<3, 3>,
        gfni_block::<4, 2>,
        gfni_block::<5, 2>,
        gfni_block::<6, 2>,
    ],
    words: Affine::WORDS,
    expand: |factor, words| words.push(field::AFFINE[usize::from(factor)]),
};

/// The kernel by byte shuffles.
pub(super) static SHUFFLE_BLOCKS: Blocks = Blocks {
    by_outputs: &[
        shuffle_block::<1, 2>,
        shuffle_block::<2, 3>,
        shuffle_block::<3, 2>,
        shuffle_block::<4, 2>,
    ],
    words: Shuffle::WORDS,
    expand: |factor, words| words.extend(field::NIBBLES[usize::from(factor)]),
};

#[target_feature(enable = "avx2,gfni")]
unsafe fn gfni_block<const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>) {
    // SAFETY: by the caller's promises, with the features enabled here.
    unsafe { lane::run::<Affine, OUTPUTS, VECTORS>(job) }
}

#[target_feature(enable = "avx2")]
unsafe fn shuffle_block<const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>) {
    // SAFETY: by the caller's promises, with the features enabled here.
    unsafe { lane::run::<Shuffle, OUTPUTS, VECTORS>(job) }
}

const BYTES: usize = 32;

/// Loads and stores, which both lanes share.
macro_rules! memory {
    () => {
        const BYTES: usize = BYTES;
        type Vector = __m256i;

        #[inline(always)]
        unsafe fn zero() -> __m256i {
            // SAFETY: the caller enables the feature.
            unsafe { _mm256_setzero_si256() }
        }

        #[inline(always)]
        unsafe fn load(from: *const u8) -> __m256i {
            // SAFETY: readable for `BYTES`, says the caller; unaligned is fine.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }

        #[inline(always)]
        unsafe fn load_head(from: *const u8, len: usize) -> __m256i {
            // SAFETY: readable for `len`, says the caller; the buffer is as
            // long as a vector.
            unsafe { Self::load(lane::padded::<BYTES>(from, len).as_ptr()) }
        }

        #[inline(always)]
        unsafe fn store(to: *mut u8, vector: __m256i) {
            // SAFETY: writable for `BYTES`, says the caller; unaligned is fine.
            unsafe { _mm256_storeu_si256(to.cast(), vector) }
        }

        #[inline(always)]
        unsafe fn store_past_caches(to: *mut u8, vector: __m256i) {
            // SAFETY: writable for `BYTES` and aligned, says the caller.
            unsafe { _mm256_stream_si256(to.cast(), vector) }
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
        unsafe fn store_head(to: *mut u8, vector: __m256i, len: usize) {
            let mut buffer = [0; BYTES];
            // SAFETY: the buffer is as long as a vector, and `to` writable for
            // `len`, which is less.
            unsafe {
                Self::store(buffer.as_mut_ptr(), vector);
                std::ptr::copy_nonoverlapping(buffer.as_ptr(), to, len);
            }
        }
    };
}

/// Multiplies by an 8x8 bit matrix per factor.
struct Affine;

impl Lane for Affine {
    memory!();
    const WORDS: usize = 1;
    type Operand = __m256i;
    type Factor = __m256i;

    #[inline(always)]
    unsafe fn operand(vector: __m256i) -> __m256i {
        vector
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> __m256i {
        // SAFETY: one word is readable, says the caller.
        unsafe { _mm256_set1_epi64x(*from as i64) }
    }

    #[inline(always)]
    unsafe fn add_product(sum: __m256i, factor: __m256i, operand: __m256i) -> __m256i {
        // SAFETY: the caller enables the features.
        unsafe { _mm256_xor_si256(sum, _mm256_gf2p8affine_epi64_epi8::<0>(operand, factor)) }
    }
}

/// Looks the products of both nibbles up.
struct Shuffle;

impl Lane for Shuffle {
    memory!();
    const WORDS: usize = 4;
    /// The low nibble of each byte, and the high one.
    type Operand = [__m256i; 2];
    /// Their tables, in each 128-bit part.
    type Factor = [__m256i; 2];

    #[inline(always)]
    unsafe fn operand(vector: __m256i) -> [__m256i; 2] {
        // SAFETY: the caller enables the features.
        unsafe {
            let nibble = _mm256_set1_epi8(15);
            [
                _mm256_and_si256(vector, nibble),
                _mm256_and_si256(_mm256_srli_epi64::<4>(vector), nibble),
            ]
        }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> [__m256i; 2] {
        // SAFETY: four words are readable, says the caller.
        unsafe {
            [from, from.add(2)]
                .map(|table| _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast())))
        }
    }

    #[inline(always)]
    unsafe fn add_product(
        sum: __m256i,
        [low_table, high_table]: [__m256i; 2],
        [low, high]: [__m256i; 2],
    ) -> __m256i {
        // SAFETY: the caller enables the features.
        unsafe {
            let low = _mm256_shuffle_epi8(low_table, low);
            let high = _mm256_shuffle_epi8(high_table, high);
            _mm256_xor_si256(sum, _mm256_xor_si256(low, high))
        }
    }
}

//! x86-64 with 256-bit vectors: 8 lanes.

use std::arch::x86_64::*;

use super::vector::{self, Vector};
use super::{Block, State};

/// Whether the CPU has what the kernel needs.
pub(super) fn detected() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Takes up to 8 states over their blocks.
///
/// # Safety
/// The CPU has what `detected` asks for.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn compress(states: &mut [State], blocks: &[&[Block]]) {
    // SAFETY: the features are enabled here.
    unsafe { vector::compress::<__m256i, 8>(states, blocks) }
}

impl Vector<8> for __m256i {
    #[inline(always)]
    unsafe fn from_lanes(lanes: [u32; 8]) -> Self {
        // SAFETY: the array is as long as the vector.
        unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn into_lanes(self) -> [u32; 8] {
        let mut lanes = [0; 8];
        // SAFETY: the array is as long as the vector.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), self) };
        lanes
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm256_add_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe {
            _mm256_or_si256(
                _mm256_slli_epi32::<LEFT>(self),
                _mm256_srli_epi32::<RIGHT>(self),
            )
        }
    }

    #[inline(always)]
    unsafe fn add_choice(sum: Self, mask: Self, set: Self, clear: Self) -> Self {
        // The two halves share no bit, so they can be added one after the other,
        // and the half that doesn't need the newest word goes first.
        // SAFETY: the caller enables the feature.
        unsafe {
            let sum = _mm256_add_epi32(sum, _mm256_andnot_si256(mask, clear));
            _mm256_add_epi32(sum, _mm256_and_si256(mask, set))
        }
    }

    #[inline(always)]
    unsafe fn parity(b: Self, c: Self, d: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm256_xor_si256(b, _mm256_xor_si256(c, d)) }
    }

    #[inline(always)]
    unsafe fn tilt(b: Self, c: Self, d: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe {
            let not_d = _mm256_xor_si256(d, _mm256_set1_epi32(-1));
            _mm256_xor_si256(c, _mm256_or_si256(b, not_d))
        }
    }

    #[inline(always)]
    unsafe fn load(from: &[*const u8; 8], offset_bytes: usize) -> [Self; 16] {
        // Four words at a time: 16 bytes of lanes `row` and `row + 4` make a
        // vector on their way from memory, and four such vectors are
        // transposed within their halves.
        // SAFETY: the caller enables the feature; of 64 readable bytes, each
        // load takes 16.
        unsafe {
            let halves = |row: usize, at: usize| {
                let part = |lane: usize| _mm_loadu_si128(from[lane].add(offset_bytes + at).cast());
                _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(part(row)), part(row + 4))
            };
            let mut words = [_mm256_setzero_si256(); 16];
            for (group, words) in words.chunks_exact_mut(4).enumerate() {
                let at = 16 * group;
                let rows = [halves(0, at), halves(1, at), halves(2, at), halves(3, at)];
                let low01 = _mm256_unpacklo_epi32(rows[0], rows[1]);
                let low23 = _mm256_unpacklo_epi32(rows[2], rows[3]);
                let high01 = _mm256_unpackhi_epi32(rows[0], rows[1]);
                let high23 = _mm256_unpackhi_epi32(rows[2], rows[3]);
                words[0] = _mm256_unpacklo_epi64(low01, low23);
                words[1] = _mm256_unpackhi_epi64(low01, low23);
                words[2] = _mm256_unpacklo_epi64(high01, high23);
                words[3] = _mm256_unpackhi_epi64(high01, high23);
            }
            words
        }
    }
}

//! x86-64 with 512-bit vectors: 16 lanes. Each of the rounds' functions is one
//! `vpternlogd`, each rotation one `vprold`.

use std::arch::x86_64::*;

use super::vector::{self, Vector};
use super::{Block, State};

/// Whether the CPU has what the kernel needs.
pub(super) fn detected() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Takes up to 16 states over their blocks.
///
/// # Safety
/// The CPU has what `detected` asks for.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn compress(states: &mut [State], blocks: &[&[Block]]) {
    // SAFETY: the features are enabled here.
    unsafe { vector::compress::<__m512i, 16>(states, blocks) }
}

impl Vector<16> for __m512i {
    #[inline(always)]
    unsafe fn from_lanes(lanes: [u32; 16]) -> Self {
        // SAFETY: the array is as long as the vector.
        unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn into_lanes(self) -> [u32; 16] {
        let mut lanes = [0; 16];
        // SAFETY: the array is as long as the vector.
        unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), self) };
        lanes
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm512_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm512_add_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm512_rol_epi32::<LEFT>(self) }
    }

    // The tables of `vpternlogd`: bit `4a + 2b + c` is the result for those
    // bits of the three operands.

    #[inline(always)]
    unsafe fn add_choice(sum: Self, mask: Self, set: Self, clear: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe {
            let choice = _mm512_ternarylogic_epi32::<0b1100_1010>(mask, set, clear);
            _mm512_add_epi32(sum, choice)
        }
    }

    #[inline(always)]
    unsafe fn parity(b: Self, c: Self, d: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm512_ternarylogic_epi32::<0b1001_0110>(b, c, d) }
    }

    #[inline(always)]
    unsafe fn tilt(b: Self, c: Self, d: Self) -> Self {
        // SAFETY: the caller enables the feature.
        unsafe { _mm512_ternarylogic_epi32::<0b0011_1001>(b, c, d) }
    }

    #[inline(always)]
    unsafe fn load(from: &[*const u8; 16], offset_bytes: usize) -> [Self; 16] {
        // Four words at a time: 16 bytes of lanes `row`, `row + 4`, `row + 8`
        // and `row + 12` make a vector on their way from memory, and four such
        // vectors are transposed within their quarters. On Zen 5 a transposition
        // of whole loads takes as long, and gathers half as long again per block.
        // SAFETY: the caller enables the feature; of 64 readable bytes, each
        // load takes 16.
        unsafe {
            let quarters = |row: usize, at: usize| {
                let part = |lane: usize| _mm_loadu_si128(from[lane].add(offset_bytes + at).cast());
                let vector = _mm512_castsi128_si512(part(row));
                let vector = _mm512_inserti32x4::<1>(vector, part(row + 4));
                let vector = _mm512_inserti32x4::<2>(vector, part(row + 8));
                _mm512_inserti32x4::<3>(vector, part(row + 12))
            };
            let mut words = [_mm512_setzero_si512(); 16];
            for (group, words) in words.chunks_exact_mut(4).enumerate() {
                let at = 16 * group;
                let rows = [
                    quarters(0, at),
                    quarters(1, at),
                    quarters(2, at),
                    quarters(3, at),
                ];
                let low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
                let low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
                let high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
                let high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
                words[0] = _mm512_unpacklo_epi64(low01, low23);
                words[1] = _mm512_unpackhi_epi64(low01, low23);
                words[2] = _mm512_unpacklo_epi64(high01, high23);
                words[3] = _mm512_unpackhi_epi64(high01, high23);
            }
            words
        }
    }
}

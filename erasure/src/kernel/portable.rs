//! Any CPU: 64-bit words, eight field elements each.
//!
//! An input is doubled seven times, once for all outputs; a product is the sum
//! of those powers whose bit the factor has, picked by masks. No table is looked
//! up, and compilers turn the eight-word vectors into whatever SIMD there is.

use super::lane::{self, Lane};
use super::{Blocks, Job};
use crate::field;

/// The kernel's code.
pub(super) static BLOCKS: Blocks = Blocks {
    by_outputs: &[block::<1>, block::<2>, block::<3>, block::<4>],
    words: Words::WORDS,
    expand: |factor, words| words.push(u64::from(factor)),
};

unsafe fn block<const OUTPUTS: usize>(job: &Job<'_>) {
    // SAFETY: by the caller's promises; no feature is needed.
    unsafe { lane::run::<Words, OUTPUTS, 1>(job) }
}

/// Words in a vector: enough to share the making of masks among them.
const VECTOR_WORDS: usize = 8;
const BYTES: usize = VECTOR_WORDS * size_of::<u64>();

/// The same byte in all eight places.
const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

struct Words;

impl Lane for Words {
    const BYTES: usize = BYTES;
    const WORDS: usize = 1;
    type Vector = [u64; VECTOR_WORDS];
    /// The vector times 1, 2, 4, ... 128.
    type Operand = [[u64; VECTOR_WORDS]; 8];
    type Factor = u64;

    #[inline(always)]
    unsafe fn zero() -> Self::Vector {
        [0; VECTOR_WORDS]
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Vector {
        // SAFETY: readable for `BYTES`, says the caller; unaligned is fine.
        unsafe { from.cast::<[u64; VECTOR_WORDS]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_head(from: *const u8, len: usize) -> Self::Vector {
        // SAFETY: readable for `len`, says the caller.
        let bytes = unsafe { lane::padded::<BYTES>(from, len) };
        // SAFETY: the buffer is as long as a vector.
        unsafe { Self::load(bytes.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, vector: Self::Vector) {
        // SAFETY: writable for `BYTES`, says the caller; unaligned is fine.
        unsafe { to.cast::<[u64; VECTOR_WORDS]>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn store_head(to: *mut u8, vector: Self::Vector, len: usize) {
        // SAFETY: writable for `len`, which is less than a vector.
        unsafe { std::ptr::copy_nonoverlapping(vector.as_ptr().cast(), to, len) }
    }

    #[inline(always)]
    unsafe fn operand(vector: Self::Vector) -> Self::Operand {
        let mut powers = [vector; 8];
        for bit in 1..8 {
            powers[bit] = powers[bit - 1].map(double);
        }
        powers
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> Self::Factor {
        // SAFETY: one word is readable, says the caller.
        unsafe { *from }
    }

    #[inline(always)]
    unsafe fn add_product(
        mut sum: Self::Vector,
        factor: Self::Factor,
        powers: Self::Operand,
    ) -> Self::Vector {
        for (bit, power) in powers.iter().enumerate() {
            let mask = (factor >> bit & 1).wrapping_neg();
            for (sum, &word) in sum.iter_mut().zip(power) {
                *sum ^= word & mask;
            }
        }
        sum
    }
}

/// Eight field elements times 2.
#[inline(always)]
fn double(word: u64) -> u64 {
    let carries = word >> 7 & splat(1);
    (word << 1 & splat(0xfe)) ^ (carries * u64::from(field::POLYNOMIAL_LOW))
}

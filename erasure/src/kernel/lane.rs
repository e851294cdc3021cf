//! The loop that all kernels share, over what an instruction set calls a vector.
//!
//! A step takes `VECTORS` vectors of each input in turn and adds their products
//! to `OUTPUTS * VECTORS` sums, which stay in registers until all inputs are
//! through: each input byte is loaded once per block of outputs, each factor
//! once per step, and outputs are written once and never read.

use super::{Job, Source};

/// A vector type and its arithmetic.
///
/// All methods are `inline(always)` into a function that enables the features
/// they need; that, and valid pointers, is what their callers promise.
pub(super) trait Lane {
    /// Bytes in a vector.
    const BYTES: usize;
    /// Words in an expanded factor.
    const WORDS: usize;
    /// Bytes, or a sum of them.
    type Vector: Copy;
    /// A vector prepared to be multiplied, work that all outputs share.
    type Operand: Copy;
    /// A constant to multiply with, in registers.
    type Factor: Copy;

    unsafe fn zero() -> Self::Vector;
    /// Reads `BYTES` bytes, at any alignment.
    unsafe fn load(from: *const u8) -> Self::Vector;
    /// Reads `len < BYTES` bytes and no more; the rest is zero.
    unsafe fn load_head(from: *const u8, len: usize) -> Self::Vector;
    /// Writes `BYTES` bytes, at any alignment.
    unsafe fn store(to: *mut u8, vector: Self::Vector);
    /// Writes the first `len < BYTES` bytes and no more.
    unsafe fn store_head(to: *mut u8, vector: Self::Vector, len: usize);
    unsafe fn operand(vector: Self::Vector) -> Self::Operand;
    /// Reads `WORDS` words.
    unsafe fn factor(from: *const u64) -> Self::Factor;
    /// `sum + factor * operand`.
    unsafe fn add_product(
        sum: Self::Vector,
        factor: Self::Factor,
        operand: Self::Operand,
    ) -> Self::Vector;
}

/// Does a job with `VECTORS` vectors a step, then single ones, then the tail.
///
/// # Safety
/// As `Block`, for a block of `OUTPUTS`; the caller enables the lane's features.
#[inline(always)]
pub(super) unsafe fn run<L: Lane, const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>) {
    assert_eq!(job.outputs.len(), OUTPUTS, "the block is made for its job");
    debug_assert!(
        job.sources
            .iter()
            .all(|s| (s.column + 1) * OUTPUTS * L::WORDS <= job.factors.len())
    );
    let end = job.range.end;
    let mut at = job.range.start;
    // SAFETY: the caller's promises cover the range, and each step stays within
    // it: a whole step is taken only while that many bytes are left.
    unsafe {
        while end.saturating_sub(at) >= VECTORS * L::BYTES {
            step::<L, OUTPUTS, VECTORS>(job, at);
            at += VECTORS * L::BYTES;
        }
        while VECTORS > 1 && end.saturating_sub(at) >= L::BYTES {
            step::<L, OUTPUTS, 1>(job, at);
            at += L::BYTES;
        }
        if at < end {
            tail::<L, OUTPUTS>(job, at, end - at);
        }
    }
}

/// Computes `VECTORS` vectors of each output at `at`.
#[inline(always)]
unsafe fn step<L: Lane, const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>, at: usize) {
    // SAFETY: by the caller's promises.
    unsafe {
        let mut sums = [[L::zero(); VECTORS]; OUTPUTS];
        for source in job.sources {
            let from = source.base.wrapping_add(at);
            let mut operands = [L::operand(L::zero()); VECTORS];
            for (v, operand) in operands.iter_mut().enumerate() {
                *operand = L::operand(L::load(from.add(v * L::BYTES)));
            }
            let factors = factors::<L, OUTPUTS>(job, source);
            for (j, sums) in sums.iter_mut().enumerate() {
                let factor = L::factor(factors.add(j * L::WORDS));
                for (sum, &operand) in sums.iter_mut().zip(&operands) {
                    *sum = L::add_product(*sum, factor, operand);
                }
            }
        }
        for (j, sums) in sums.iter().enumerate() {
            let to = job.outputs.get_unchecked(j).wrapping_add(at);
            for (v, &sum) in sums.iter().enumerate() {
                L::store(to.add(v * L::BYTES), sum);
            }
        }
    }
}

/// Computes the last `len < BYTES` bytes of each output, at `at`.
#[inline(always)]
unsafe fn tail<L: Lane, const OUTPUTS: usize>(job: &Job<'_>, at: usize, len: usize) {
    // SAFETY: by the caller's promises.
    unsafe {
        let mut sums = [L::zero(); OUTPUTS];
        for source in job.sources {
            let operand = L::operand(L::load_head(source.base.wrapping_add(at), len));
            let factors = factors::<L, OUTPUTS>(job, source);
            for (j, sum) in sums.iter_mut().enumerate() {
                let factor = L::factor(factors.add(j * L::WORDS));
                *sum = L::add_product(*sum, factor, operand);
            }
        }
        for (j, &sum) in sums.iter().enumerate() {
            L::store_head(job.outputs.get_unchecked(j).wrapping_add(at), sum, len);
        }
    }
}

/// The expanded factors of one source, for all outputs of the block.
#[inline(always)]
unsafe fn factors<L: Lane, const OUTPUTS: usize>(job: &Job<'_>, source: &Source) -> *const u64 {
    // SAFETY: factors are there for every source's column, says the caller.
    unsafe { job.factors.as_ptr().add(source.column * OUTPUTS * L::WORDS) }
}

/// `load_head` for instruction sets without masked loads: by way of the stack.
///
/// # Safety
/// `from` is readable for `len` bytes; `N` is the size of a vector.
#[inline(always)]
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code)
)]
pub(super) unsafe fn padded<const N: usize>(from: *const u8, len: usize) -> [u8; N] {
    let mut buffer = [0; N];
    assert!(len <= N, "a tail is shorter than a vector");
    // SAFETY: readable by the caller's promise, and the buffer holds `len`.
    unsafe { std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), len) };
    buffer
}

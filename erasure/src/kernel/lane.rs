//! The loop that all kernels share, over what an instruction set calls a vector.
//!
//! A step takes `VECTORS` vectors of each input in turn and adds their products
//! to `OUTPUTS * VECTORS` sums, which stay in registers until all inputs are
//! through: each input byte is loaded once per block of outputs, each factor
//! once per step, and outputs are written once and never read. Inputs go in
//! pairs where the instruction set adds three vectors at the price of two.
//!
//! How many vectors a step has is each kernel's choice per number of outputs, by
//! measurement: more amortize the factors' loads, fewer go through the inputs in
//! an order that the caches serve faster.

use super::{Job, Traffic};

/// How far ahead of its step a kernel asks for its inputs, bytes: the hardware's
/// prefetchers follow fewer streams than a wide code has inputs.
const PREFETCH_BYTES: usize = 512;

/// Bytes that one prefetch brings.
const LINE_BYTES: usize = 64;

/// A vector type and its arithmetic.
///
/// All methods are `inline(always)` into a function that enables the features
/// they need; that, and valid pointers, is what their callers promise.
pub(super) trait Lane {
    /// Bytes in a vector.
    const BYTES: usize;
    /// Words in an expanded factor.
    const WORDS: usize;
    /// Whether `add_products` costs less than `add_product` twice; otherwise two
    /// inputs at a time would only take registers.
    const PAIRED: bool = false;
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
    /// Writes `BYTES` bytes past the caches, where the instruction set can; `to`
    /// is aligned to `BYTES`.
    #[inline(always)]
    unsafe fn store_past_caches(to: *mut u8, vector: Self::Vector) {
        // SAFETY: by the caller's promises.
        unsafe { Self::store(to, vector) }
    }
    /// Orders what went past the caches before all that is stored later.
    #[inline(always)]
    unsafe fn fence() {}
    /// Writes the first `len < BYTES` bytes and no more.
    unsafe fn store_head(to: *mut u8, vector: Self::Vector, len: usize);
    /// Asks for the line of an address, which need not be readable.
    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
    unsafe fn operand(vector: Self::Vector) -> Self::Operand;
    /// Reads `WORDS` words.
    unsafe fn factor(from: *const u64) -> Self::Factor;
    /// `sum + factor * operand`.
    unsafe fn add_product(
        sum: Self::Vector,
        factor: Self::Factor,
        operand: Self::Operand,
    ) -> Self::Vector;
    /// `sum + factors[0] * operands[0] + factors[1] * operands[1]`.
    #[inline(always)]
    unsafe fn add_products(
        sum: Self::Vector,
        factors: [Self::Factor; 2],
        operands: [Self::Operand; 2],
    ) -> Self::Vector {
        // SAFETY: by the caller's promises.
        unsafe {
            let sum = Self::add_product(sum, factors[0], operands[0]);
            Self::add_product(sum, factors[1], operands[1])
        }
    }
}

/// Does a job with `VECTORS` vectors a step, then single ones, then the tail.
///
/// # Safety
/// As `Block`, for a block of `OUTPUTS`; the caller enables the lane's features.
#[inline(always)]
pub(super) unsafe fn run<L: Lane, const OUTPUTS: usize, const VECTORS: usize>(job: &Job<'_>) {
    assert_eq!(job.outputs.len(), OUTPUTS, "the block is made for its job");
    assert_eq!(
        job.factors.len(),
        job.sources.len() * OUTPUTS * L::WORDS,
        "every source has its factors"
    );
    let mut at = job.range.start;
    // SAFETY: the caller's promises cover the range, and each step stays within
    // it: a whole step is taken only while that many bytes are left.
    unsafe {
        match job.traffic {
            Traffic::Cached => steps::<L, Cached, OUTPUTS, VECTORS>(job, &mut at),
            Traffic::Fetched => steps::<L, Fetched, OUTPUTS, VECTORS>(job, &mut at),
            Traffic::PastCaches => match head_to_align::<L>(job) {
                None => steps::<L, Fetched, OUTPUTS, VECTORS>(job, &mut at),
                Some(head) => {
                    if head > 0 {
                        tail::<L, OUTPUTS>(job, at, head);
                        at += head;
                    }
                    steps::<L, PastCaches, OUTPUTS, 2>(job, &mut at);
                    L::fence();
                }
            },
        }
        steps::<L, Cached, OUTPUTS, 1>(job, &mut at);
        if at < job.range.end {
            tail::<L, OUTPUTS>(job, at, job.range.end - at);
        }
    }
}

/// Bytes, less than a vector and than the range, from its start to where every
/// output is aligned to a vector; none if there is no such place.
#[inline(always)]
fn head_to_align<L: Lane>(job: &Job<'_>) -> Option<usize> {
    let ahead = |to: &*mut u8| to.wrapping_add(job.range.start).addr().wrapping_neg() % L::BYTES;
    let head = ahead(job.outputs.first()?);
    let together = job.outputs.iter().all(|to| ahead(to) == head);
    (together && head < job.range.len()).then_some(head)
}

/// How a step moves its bytes: `Traffic` as types, so that each has a loop.
trait Move<L: Lane> {
    /// Is told of every line that is about to be loaded.
    #[inline(always)]
    unsafe fn announce(_: *const u8) {}

    #[inline(always)]
    unsafe fn store(to: *mut u8, vector: L::Vector) {
        // SAFETY: by the caller's promises.
        unsafe { L::store(to, vector) }
    }
}

struct Cached;

impl<L: Lane> Move<L> for Cached {}

struct Fetched;

impl<L: Lane> Move<L> for Fetched {
    #[inline(always)]
    unsafe fn announce(line: *const u8) {
        // SAFETY: a prefetch may point anywhere.
        unsafe { L::prefetch(line.wrapping_add(PREFETCH_BYTES)) }
    }
}

struct PastCaches;

impl<L: Lane> Move<L> for PastCaches {
    #[inline(always)]
    unsafe fn announce(line: *const u8) {
        // SAFETY: as there.
        unsafe { <Fetched as Move<L>>::announce(line) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, vector: L::Vector) {
        // SAFETY: by the caller's promises; `run` has aligned the outputs.
        unsafe { L::store_past_caches(to, vector) }
    }
}

/// Takes steps of `VECTORS` vectors from `at` on while the range has them.
#[inline(always)]
unsafe fn steps<L: Lane, M: Move<L>, const OUTPUTS: usize, const VECTORS: usize>(
    job: &Job<'_>,
    at: &mut usize,
) {
    while job.range.end.saturating_sub(*at) >= VECTORS * L::BYTES {
        // SAFETY: by the caller's promises, and within the range.
        unsafe { step::<L, M, OUTPUTS, VECTORS>(job, *at) };
        *at += VECTORS * L::BYTES;
    }
}

/// Computes `VECTORS` vectors of each output at `at`.
#[inline(always)]
unsafe fn step<L: Lane, M: Move<L>, const OUTPUTS: usize, const VECTORS: usize>(
    job: &Job<'_>,
    at: usize,
) {
    // SAFETY: by the caller's promises; factors are there for every source.
    unsafe {
        let mut sums = [[L::zero(); VECTORS]; OUTPUTS];
        let mut factors = job.factors.as_ptr();
        let (pairs, odd) = match L::PAIRED {
            true => job.sources.as_chunks::<2>(),
            false => (&[][..], job.sources),
        };
        // No closures here: they would not inherit the lane's features.
        for &[a, b] in pairs {
            let (a, b) = (
                operands::<L, M, VECTORS>(a, at),
                operands::<L, M, VECTORS>(b, at),
            );
            for (j, sums) in sums.iter_mut().enumerate() {
                let factors = [
                    L::factor(factors.add(j * L::WORDS)),
                    L::factor(factors.add((OUTPUTS + j) * L::WORDS)),
                ];
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = L::add_products(*sum, factors, [a[v], b[v]]);
                }
            }
            factors = factors.add(2 * OUTPUTS * L::WORDS);
        }
        for &base in odd {
            let operands = operands::<L, M, VECTORS>(base, at);
            for (j, sums) in sums.iter_mut().enumerate() {
                let factor = L::factor(factors.add(j * L::WORDS));
                for (sum, &operand) in sums.iter_mut().zip(&operands) {
                    *sum = L::add_product(*sum, factor, operand);
                }
            }
            factors = factors.add(OUTPUTS * L::WORDS);
        }
        for (j, sums) in sums.iter().enumerate() {
            let to = job.outputs.get_unchecked(j).wrapping_add(at);
            for (v, &sum) in sums.iter().enumerate() {
                M::store(to.add(v * L::BYTES), sum);
            }
        }
    }
}

/// Reads `VECTORS` vectors of a source at `at`.
#[inline(always)]
unsafe fn operands<L: Lane, M: Move<L>, const VECTORS: usize>(
    base: *const u8,
    at: usize,
) -> [L::Operand; VECTORS] {
    let from = base.wrapping_add(at);
    // SAFETY: by the caller's promises.
    unsafe {
        for line in (0..VECTORS * L::BYTES).step_by(LINE_BYTES) {
            M::announce(from.add(line));
        }
        let mut operands = [L::operand(L::zero()); VECTORS];
        for (v, operand) in operands.iter_mut().enumerate() {
            *operand = L::operand(L::load(from.add(v * L::BYTES)));
        }
        operands
    }
}

/// Computes the last `len < BYTES` bytes of each output, at `at`.
#[inline(always)]
unsafe fn tail<L: Lane, const OUTPUTS: usize>(job: &Job<'_>, at: usize, len: usize) {
    // SAFETY: by the caller's promises; factors are there for every source.
    unsafe {
        let mut sums = [L::zero(); OUTPUTS];
        let mut factors = job.factors.as_ptr();
        for base in job.sources {
            let operand = L::operand(L::load_head(base.wrapping_add(at), len));
            for (j, sum) in sums.iter_mut().enumerate() {
                let factor = L::factor(factors.add(j * L::WORDS));
                *sum = L::add_product(*sum, factor, operand);
            }
            factors = factors.add(OUTPUTS * L::WORDS);
        }
        for (j, &sum) in sums.iter().enumerate() {
            L::store_head(job.outputs.get_unchecked(j).wrapping_add(at), sum, len);
        }
    }
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

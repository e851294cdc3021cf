//! Kernels: sums of products of byte ranges with constants, the one operation
//! that encoding, decoding and verifying are made of.
//!
//! There is one kernel per instruction set; which one runs is decided once, at
//! run time, from what the CPU has. All share the loop of `lane` and differ in
//! how a vector is multiplied by a constant.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lane;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::Error;

/// Names a kernel to use instead of the fastest one; for tests and comparisons.
const FORCE_VARIABLE: &str = "RIQUET_ERASURE_KERNEL";

/// An implementation of the field arithmetic for one instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// x86-64, 512-bit affine transforms (GFNI with AVX-512 F and BW).
    GfniAvx512,
    /// x86-64, 256-bit affine transforms (GFNI with AVX2).
    GfniAvx2,
    /// x86-64, 512-bit byte shuffles (AVX-512 F and BW).
    Avx512,
    /// x86-64, 256-bit byte shuffles.
    Avx2,
    /// AArch64, 128-bit table look-ups.
    Neon,
    /// Any CPU, 64-bit words.
    Portable,
}

impl Kernel {
    /// All kernels, fastest first.
    const ALL: [Kernel; 6] = [
        Kernel::GfniAvx512,
        Kernel::GfniAvx2,
        Kernel::Avx512,
        Kernel::Avx2,
        Kernel::Neon,
        Kernel::Portable,
    ];

    /// The kernels that this CPU can run, fastest first; never none.
    pub fn available() -> impl Iterator<Item = Kernel> {
        Kernel::ALL
            .into_iter()
            .filter(|kernel| kernel.blocks().is_some())
    }

    /// The kernel's name, as the variable `RIQUET_ERASURE_KERNEL` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::GfniAvx512 => "gfni-avx512",
            Kernel::GfniAvx2 => "gfni-avx2",
            Kernel::Avx512 => "avx512",
            Kernel::Avx2 => "avx2",
            Kernel::Neon => "neon",
            Kernel::Portable => "portable",
        }
    }

    /// The kernel for codes that don't name one: the fastest, unless the
    /// environment forces another. Decided once per process.
    pub(crate) fn chosen() -> Result<Kernel, Error> {
        static CHOSEN: OnceLock<Result<Kernel, Error>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| match std::env::var_os(FORCE_VARIABLE) {
                None => Ok(Kernel::available().next().unwrap_or(Kernel::Portable)),
                Some(name) => name.to_string_lossy().parse(),
            })
            .clone()
    }

    /// The kernel's code, if this CPU can run it.
    pub(crate) fn blocks(self) -> Option<&'static Blocks> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::GfniAvx512 => (avx512::detected() && is_x86_feature_detected!("gfni"))
                .then_some(&avx512::GFNI_BLOCKS),
            #[cfg(target_arch = "x86_64")]
            Kernel::GfniAvx2 => {
                (avx2::detected() && is_x86_feature_detected!("gfni")).then_some(&avx2::GFNI_BLOCKS)
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => avx512::detected().then_some(&avx512::SHUFFLE_BLOCKS),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::detected().then_some(&avx2::SHUFFLE_BLOCKS),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => {
                std::arch::is_aarch64_feature_detected!("neon").then_some(&neon::BLOCKS)
            }
            Kernel::Portable => Some(&portable::BLOCKS),
            #[allow(unreachable_patterns)] // Every variant has an arm on no architecture.
            _ => None,
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = Error;

    /// The available kernel of that name.
    fn from_str(name: &str) -> Result<Kernel, Error> {
        Kernel::available()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| Error::Kernel {
                name: name.to_owned(),
            })
    }
}

/// Work for one block: `outputs[j][i] = sum over c of factor(c, j) * sources[c][i]`
/// for every `i` in `range`.
pub(crate) struct Job<'a> {
    /// Where byte 0 of each input would be, one per column of the matrix: only
    /// `base + offset` for offsets of the range points to memory, so that one
    /// offset serves inputs and outputs alike.
    pub(crate) sources: &'a [*const u8],
    /// The factors, expanded for the kernel (`Blocks::expand`): column after
    /// column, in each one entry per output of the block.
    pub(crate) factors: &'a [u64],
    /// Where byte 0 of each output would be, as for the sources.
    pub(crate) outputs: &'a [*mut u8],
    pub(crate) range: Range<usize>,
    pub(crate) traffic: Traffic,
}

/// How a job's bytes go between memory and registers. The results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// All through the caches, which are taken to hold the inputs.
    Cached,
    /// The same, with inputs asked for ahead of their use.
    Fetched,
    /// Inputs asked for ahead, outputs written past the caches, where the
    /// instruction set can and all outputs are aligned alike: what the caches
    /// can't hold would be read from memory only to be overwritten.
    PastCaches,
}

/// Does a job.
///
/// # Safety
/// The CPU has the kernel's features; the job has exactly as many outputs as
/// the block was made for, and factors for every source; all sources are readable and all outputs writable over the job's range, and no
/// output overlaps another or a source there.
pub(crate) type Block = unsafe fn(&Job<'_>);

/// A kernel's code and the way it wants its factors.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// `by_outputs[n - 1]` computes n outputs in one pass over the inputs, as
    /// many as the registers hold.
    pub(crate) by_outputs: &'static [Block],
    /// Words that one expanded factor takes.
    pub(crate) words: usize,
    /// Appends a factor's `words`.
    pub(crate) expand: fn(u8, &mut Vec<u64>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_back() {
        for kernel in Kernel::available() {
            assert_eq!(kernel.name().parse(), Ok(kernel));
        }
        let name = "abacus".to_owned();
        assert_eq!(name.parse::<Kernel>(), Err(Error::Kernel { name }));
    }

    #[test]
    fn the_portable_kernel_is_always_there_and_last() {
        assert_eq!(Kernel::available().last(), Some(Kernel::Portable));
    }
}

//! Kernels: MD5's compression function over as many streams as a vector has
//! lanes, one kernel per instruction set.
//!
//! MD5 is one chain of dependent operations, so lanes cost no time as long as
//! that chain is what the CPU waits for: 16 streams take about as long as 3.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod vector;

use std::fmt;

/// The bytes that one application of the compression function takes.
pub(crate) type Block = [u8; 64];
/// The chaining value: A, B, C, D.
pub(crate) type State = [u32; 4];

/// The most lanes that any kernel has.
pub(crate) const MAX_LANES: usize = 16;

/// An implementation of the compression function for one instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// x86-64, 512-bit vectors (AVX-512 F): 16 lanes.
    Avx512,
    /// x86-64, 256-bit vectors: 8 lanes.
    Avx2,
    /// Any CPU, general registers: 2 lanes.
    Portable,
}

impl Kernel {
    /// All kernels, fastest first.
    const ALL: [Kernel; 3] = [Kernel::Avx512, Kernel::Avx2, Kernel::Portable];

    /// The kernels that this CPU can run, fastest first; never none.
    pub fn available() -> impl Iterator<Item = Kernel> {
        Kernel::ALL.into_iter().filter(|kernel| kernel.detected())
    }

    /// The fastest kernel that this CPU can run.
    pub fn fastest() -> Kernel {
        Kernel::available().next().unwrap_or(Kernel::Portable)
    }

    /// The streams that it hashes side by side.
    pub fn lanes(self) -> usize {
        match self {
            Kernel::Avx512 => MAX_LANES,
            Kernel::Avx2 => 8,
            Kernel::Portable => portable::LANES,
        }
    }

    /// The kernel's name, for logs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Avx512 => "avx512",
            Kernel::Avx2 => "avx2",
            Kernel::Portable => "portable",
        }
    }

    /// The most streams for which pairs in general registers are at least as
    /// fast as the vectors, as measured on Zen 5: a pair takes half the time of
    /// a 512-bit block and two fifths of a 256-bit one.
    fn lanes_in_pairs(self) -> usize {
        match self {
            Kernel::Avx512 => 2,
            Kernel::Avx2 => 4,
            Kernel::Portable => portable::LANES,
        }
    }

    /// Whether this CPU can run it.
    pub(crate) fn detected(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => avx512::detected(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::detected(),
            Kernel::Portable => true,
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx512 | Kernel::Avx2 => false,
        }
    }

    /// Takes each state over its run of blocks. There are at most `lanes` of
    /// them, the runs are equally long, and the CPU has the kernel.
    pub(crate) fn compress(self, states: &mut [State], blocks: &[&[Block]]) {
        assert!(
            states.len() <= self.lanes(),
            "a kernel's lanes are its bound"
        );
        if states.len() <= self.lanes_in_pairs() {
            return portable::compress(states, blocks);
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => {
                assert!(self.detected(), "the CPU has AVX-512");
                // SAFETY: as asserted (a cached bit's test).
                unsafe { avx512::compress(states, blocks) }
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => {
                assert!(self.detected(), "the CPU has AVX2");
                // SAFETY: as asserted (a cached bit's test).
                unsafe { avx2::compress(states, blocks) }
            }
            _ => portable::compress(states, blocks),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Takes one state over its blocks, on the caller's thread.
pub(crate) fn compress_one(state: &mut State, blocks: &[Block]) {
    portable::compress(std::slice::from_mut(state), &[blocks]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kernel with each number of lanes in use, at every alignment of the
    /// input, against one stream at a time.
    #[test]
    fn every_kernel_with_every_number_of_lanes() {
        use md5::block_api::compress;
        let bytes: Vec<u8> = (0..6000u32).map(|i| (i * i % 241) as u8).collect();
        for kernel in Kernel::available() {
            for lanes in 1..=kernel.lanes() {
                for blocks in 0..4 {
                    let runs: Vec<&[Block]> = (0..lanes)
                        .map(|lane| &bytes[lane * 67 + blocks..].as_chunks().0[..blocks])
                        .collect();
                    let mut states: Vec<State> = (0..lanes as u32)
                        .map(|lane| [lane, !lane, lane << 20, 5])
                        .collect();
                    let mut expected = states.clone();
                    for (state, run) in expected.iter_mut().zip(&runs) {
                        compress(state, run);
                    }
                    kernel.compress(&mut states, &runs);
                    assert_eq!(states, expected, "{kernel}: {lanes} lanes, {blocks} blocks");
                }
            }
        }
    }
}

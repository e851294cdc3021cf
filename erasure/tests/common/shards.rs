//! Shards to test with: contents, what the reference makes of them, fragmented
//! cells, and outputs in frames that show any byte written outside. The fuzz
//! targets use this file too.
//!
//! Buffers end with their allocation wherever they can, so that an address
//! sanitizer or an interpreter sees a read or write past the end.

use std::ops::Range;

use bytes::Bytes;
use reed_solomon_erasure::galois_8::ReedSolomon;
use riquet_erasure::{Cell, Kernel};

/// What outputs, and the frames around them, hold before a call.
pub(crate) const CANARY: u8 = 0xa5;

/// Where outputs lie, and the canaries around them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Bytes of canaries in front, or up to 63 more.
    pub(crate) before: usize,
    /// Bytes of canaries behind. Staggered outputs without any end with their
    /// allocation.
    pub(crate) after: usize,
    pub(crate) place: Place,
}

/// How outputs begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At various odd addresses: outputs need no alignment.
    Staggered,
    /// All at the same distance, of `before` bytes, from a multiple of 64.
    Together,
}

impl Frame {
    /// More than the widest vector on both sides.
    pub(crate) const WIDE: Frame = Frame {
        before: 80,
        after: 80,
        place: Place::Staggered,
    };

    /// Runs `call` on outputs of the given lengths, checks that it left the
    /// frames alone and returns the outputs.
    pub(crate) fn around(
        self,
        lens: impl IntoIterator<Item = usize>,
        call: impl FnOnce(&mut [&mut [u8]]),
    ) -> Vec<Vec<u8>> {
        let mut buffers: Vec<Framed> = lens
            .into_iter()
            .enumerate()
            .map(|(output, len)| Framed::new(self, output, len))
            .collect();
        let mut outputs: Vec<&mut [u8]> = buffers
            .iter_mut()
            .map(|framed| &mut framed.bytes[framed.output.clone()])
            .collect();
        call(&mut outputs);
        buffers.into_iter().map(Framed::into_output).collect()
    }
}

/// One output in its frame.
struct Framed {
    bytes: Vec<u8>,
    output: Range<usize>,
}

impl Framed {
    fn new(frame: Frame, output: usize, len: usize) -> Framed {
        const LINE: usize = 64;
        let slack = match frame.place {
            Place::Staggered => output % 7,
            Place::Together => LINE - 1,
        };
        let bytes = vec![CANARY; frame.before + slack + len + frame.after];
        let shift = match frame.place {
            Place::Staggered => slack,
            Place::Together => bytes.as_ptr().addr().wrapping_neg() % LINE,
        };
        let start = frame.before + shift;
        Framed {
            bytes,
            output: start..start + len,
        }
    }

    fn into_output(mut self) -> Vec<u8> {
        let behind = self.bytes.split_off(self.output.end);
        let written = self.bytes.split_off(self.output.start);
        assert!(
            self.bytes.iter().chain(&behind).all(|&byte| byte == CANARY),
            "bytes outside an output were written"
        );
        written
    }
}

/// As `Frame::around` with wide frames, for `count` outputs of one length.
pub(crate) fn framed(
    count: usize,
    len: usize,
    call: impl FnOnce(&mut [&mut [u8]]),
) -> Vec<Vec<u8>> {
    Frame::WIDE.around(vec![len; count], call)
}

/// All shards of a code as the reference encodes them.
pub(crate) fn reference(parity: usize, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut shards = data.to_vec();
    shards.resize(data.len() + parity, vec![0; data[0].len()]);
    // The reference refuses empty shards.
    if !data[0].is_empty() {
        ReedSolomon::new(data.len(), parity)
            .unwrap()
            .encode(&mut shards)
            .unwrap();
    }
    shards
}

/// The kernel that the environment forces, else all that this CPU has.
pub(crate) fn kernels() -> Vec<Kernel> {
    match std::env::var("RIQUET_ERASURE_KERNEL") {
        Ok(name) => vec![name.parse().unwrap()],
        Err(_) => Kernel::available().collect(),
    }
}

/// Shards as the codec takes them.
pub(crate) fn slices(shards: &[Vec<u8>]) -> Vec<&[u8]> {
    shards.iter().map(Vec::as_slice).collect()
}

/// Pseudo-random numbers, enough to tell any two shards apart.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    })
}

/// `count` shards of `len` pseudo-random bytes.
pub(crate) fn noisy_data(seed: u64, count: usize, len: usize) -> Vec<Vec<u8>> {
    let mut bytes = noise(seed).map(|number| number as u8);
    (0..count)
        .map(|_| bytes.by_ref().take(len).collect())
        .collect()
}

/// The numbers below `count`, in a pseudo-random order.
pub(crate) fn shuffled(seed: u64, count: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    for (last, random) in (0..count).rev().zip(noise(seed)) {
        numbers.swap(last, random as usize % (last + 1));
    }
    numbers
}

/// Bytes cut into fragments at the given places (taken modulo the length), some
/// of them empty, each at some alignment in an allocation of its own.
pub(crate) fn cell(bytes: &[u8], cuts: &[usize]) -> Cell {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|ends| {
            let start = (ends[0] * 5 + ends[1]) % 16;
            let mut buffer = vec![CANARY; start + ends[1] - ends[0]];
            buffer[start..].copy_from_slice(&bytes[ends[0]..ends[1]]);
            Bytes::from(buffer).slice(start..)
        })
        .collect()
}

//! General registers: for any CPU, and for a few streams on all. A superscalar
//! CPU runs two chains in the time of one; for more it lacks registers.

use super::vector::{self, Vector};
use super::{Block, State};

/// The streams hashed side by side.
pub(super) const LANES: usize = 2;

/// Takes any number of states over their blocks, two by two.
pub(super) fn compress(states: &mut [State], blocks: &[&[Block]]) {
    for (states, blocks) in states.chunks_mut(LANES).zip(blocks.chunks(LANES)) {
        // SAFETY: plain integers need no feature.
        unsafe {
            match states.len() {
                1 => vector::compress::<u32, 1>(states, blocks),
                _ => vector::compress::<Pair, LANES>(states, blocks),
            }
        }
    }
}

impl Vector<1> for u32 {
    #[inline(always)]
    unsafe fn from_lanes([word]: [u32; 1]) -> u32 {
        word
    }

    #[inline(always)]
    unsafe fn into_lanes(self) -> [u32; 1] {
        [self]
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> u32 {
        word
    }

    #[inline(always)]
    unsafe fn add(self, other: u32) -> u32 {
        self.wrapping_add(other)
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> u32 {
        self.rotate_left(LEFT as u32)
    }

    #[inline(always)]
    unsafe fn add_choice(sum: u32, mask: u32, set: u32, clear: u32) -> u32 {
        // The two halves share no bit, so they can be added one after the other,
        // and the half that doesn't need the newest word goes first.
        sum.wrapping_add(clear & !mask).wrapping_add(set & mask)
    }

    #[inline(always)]
    unsafe fn parity(b: u32, c: u32, d: u32) -> u32 {
        b ^ (c ^ d)
    }

    #[inline(always)]
    unsafe fn tilt(b: u32, c: u32, d: u32) -> u32 {
        c ^ (b | !d)
    }

    #[inline(always)]
    unsafe fn load(from: &[*const u8; 1], offset_bytes: usize) -> [u32; 16] {
        // SAFETY: 64 bytes are readable there, and bytes have no alignment.
        let block = unsafe { &*from[0].add(offset_bytes).cast::<Block>() };
        let words = block.as_chunks().0;
        std::array::from_fn(|word| u32::from_le_bytes(words[word]))
    }
}

/// Two words, each in its register. Not an array, nor a loop over one: with
/// those the compiler packs both into one register, which ties the chains.
#[derive(Clone, Copy)]
struct Pair(u32, u32);

impl Vector<2> for Pair {
    #[inline(always)]
    unsafe fn from_lanes([first, second]: [u32; 2]) -> Pair {
        Pair(first, second)
    }

    #[inline(always)]
    unsafe fn into_lanes(self) -> [u32; 2] {
        [self.0, self.1]
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Pair {
        Pair(word, word)
    }

    #[inline(always)]
    unsafe fn add(self, other: Pair) -> Pair {
        // SAFETY: plain integers need no feature.
        unsafe { Pair(self.0.add(other.0), self.1.add(other.1)) }
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Pair {
        // SAFETY: plain integers need no feature.
        unsafe {
            Pair(
                self.0.rotate::<LEFT, RIGHT>(),
                self.1.rotate::<LEFT, RIGHT>(),
            )
        }
    }

    #[inline(always)]
    unsafe fn add_choice(sum: Pair, mask: Pair, set: Pair, clear: Pair) -> Pair {
        // SAFETY: plain integers need no feature.
        unsafe {
            Pair(
                u32::add_choice(sum.0, mask.0, set.0, clear.0),
                u32::add_choice(sum.1, mask.1, set.1, clear.1),
            )
        }
    }

    #[inline(always)]
    unsafe fn parity(b: Pair, c: Pair, d: Pair) -> Pair {
        // SAFETY: plain integers need no feature.
        unsafe { Pair(u32::parity(b.0, c.0, d.0), u32::parity(b.1, c.1, d.1)) }
    }

    #[inline(always)]
    unsafe fn tilt(b: Pair, c: Pair, d: Pair) -> Pair {
        // SAFETY: plain integers need no feature.
        unsafe { Pair(u32::tilt(b.0, c.0, d.0), u32::tilt(b.1, c.1, d.1)) }
    }

    #[inline(always)]
    unsafe fn load(from: &[*const u8; 2], offset_bytes: usize) -> [Pair; 16] {
        // SAFETY: 64 bytes are readable at either.
        let (first, second) = unsafe {
            (
                u32::load(&[from[0]], offset_bytes),
                u32::load(&[from[1]], offset_bytes),
            )
        };
        std::array::from_fn(|word| Pair(first[word], second[word]))
    }
}

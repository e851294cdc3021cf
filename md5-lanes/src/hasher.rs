//! One stream's MD5 between blocks: the chaining value, the block that slices
//! have begun to fill, and the final padding.

use bytes::{Buf as _, Bytes};

use crate::kernel::{self, Block, State};

const BLOCK_BYTES: usize = size_of::<Block>();
/// RFC 1321, 3.3: the words A, B, C and D, little endian 0123456789abcdef...
const INITIAL: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The state of one stream. Slices come through `stage`, `staged` and `advance`
/// in turn, so that whoever calls can take the blocks of several streams at once.
#[derive(Debug)]
pub(crate) struct Hasher {
    state: State,
    /// Blocks taken into `state`.
    blocks: u64,
    /// A block that one slice began and another fills.
    partial: Block,
    /// The bytes of `partial` that are filled.
    partial_bytes: usize,
}

impl Hasher {
    pub(crate) fn new() -> Hasher {
        Hasher {
            state: INITIAL,
            blocks: 0,
            partial: [0; BLOCK_BYTES],
            partial_bytes: 0,
        }
    }

    /// Moves bytes of `slice` that don't lie in a whole block of their own into
    /// the partial block. If no block is staged afterwards, `slice` is empty.
    pub(crate) fn stage(&mut self, slice: &mut Bytes) {
        if self.partial_bytes == 0 && slice.len() >= BLOCK_BYTES {
            return;
        }
        let room = &mut self.partial[self.partial_bytes..];
        let moved_bytes = slice.len().min(room.len());
        slice.copy_to_slice(&mut room[..moved_bytes]);
        self.partial_bytes += moved_bytes;
    }

    /// The blocks that come next: the partial one if it is full, or those that
    /// lie in `slice`.
    pub(crate) fn staged<'a>(&'a self, slice: &'a Bytes) -> &'a [Block] {
        match self.partial_bytes {
            BLOCK_BYTES => std::slice::from_ref(&self.partial),
            0 => slice.as_chunks().0,
            _ => &[],
        }
    }

    /// The chaining value for the blocks that are staged.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Notes that the first `blocks` staged blocks have led to `state`.
    pub(crate) fn advance(&mut self, slice: &mut Bytes, state: State, blocks: usize) {
        self.state = state;
        self.blocks += blocks as u64;
        if self.partial_bytes == BLOCK_BYTES {
            assert_eq!(blocks, 1, "a full partial block is staged alone");
            self.partial_bytes = 0;
        } else {
            slice.advance(blocks * BLOCK_BYTES);
        }
    }

    /// Takes a whole slice, on the caller's thread.
    pub(crate) fn update(&mut self, mut slice: Bytes) {
        loop {
            self.stage(&mut slice);
            let staged = self.staged(&slice);
            if staged.is_empty() {
                return;
            }
            let (mut state, blocks) = (self.state, staged.len());
            kernel::compress_one(&mut state, staged);
            self.advance(&mut slice, state, blocks);
        }
    }

    /// The digest of all bytes so far.
    pub(crate) fn finish(&self) -> [u8; 16] {
        assert!(
            self.partial_bytes < BLOCK_BYTES,
            "no staged block is left out"
        );
        let bytes = self.blocks * BLOCK_BYTES as u64 + self.partial_bytes as u64;
        let mut padded = [[0; BLOCK_BYTES]; 2];
        let flat = padded.as_flattened_mut();
        flat[..self.partial_bytes].copy_from_slice(&self.partial[..self.partial_bytes]);
        flat[self.partial_bytes] = 0x80;
        // One block if the mark and the length in bits fit behind the bytes.
        let length_bytes = size_of::<u64>();
        let blocks = (self.partial_bytes + 1 + length_bytes).div_ceil(BLOCK_BYTES);
        let end = blocks * BLOCK_BYTES;
        flat[end - length_bytes..end].copy_from_slice(&bytes.wrapping_mul(8).to_le_bytes());

        let mut state = self.state;
        kernel::compress_one(&mut state, &padded[..blocks]);
        let mut digest = [0; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321, A.5.
    #[test]
    fn the_test_suite_of_the_rfc() {
        let digits = "1234567890".repeat(8);
        for (message, digest) in [
            ("", 0xd41d8cd98f00b204e9800998ecf8427e_u128),
            ("a", 0x0cc175b9c0f1b6a831c399e269772661),
            ("abc", 0x900150983cd24fb0d6963f7d28e17f72),
            ("message digest", 0xf96b697d7cb7938d525a2f31aaf161d0),
            (
                "abcdefghijklmnopqrstuvwxyz",
                0xc3fcd3d76192e4007dfb496cca67e13b,
            ),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                0xd174ab98d277d9f5a5611c2c9f419d9f,
            ),
            (&digits, 0x57edf4a22be3c955ac49da2e2107b67a),
        ] {
            let mut hasher = Hasher::new();
            hasher.update(Bytes::copy_from_slice(message.as_bytes()));
            assert_eq!(hasher.finish(), digest.to_be_bytes(), "{message:?}");
        }
    }

    /// Where the padding needs a second block, and where slices cut blocks.
    #[test]
    fn every_length_around_two_blocks_in_two_slices() {
        use md5::{Digest as _, Md5};
        let bytes = Bytes::from_iter(0..150u8);
        for len in 0..bytes.len() {
            for cut in 0..=len {
                let mut hasher = Hasher::new();
                hasher.update(bytes.slice(..cut));
                hasher.update(bytes.slice(cut..len));
                let expected: [u8; 16] = Md5::digest(&bytes[..len]).into();
                assert_eq!(hasher.finish(), expected, "{cut} of {len}");
            }
        }
    }
}

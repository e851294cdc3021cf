//! Bytes to store: reproducible, incompressible, and never equal at two offsets by accident.

use std::io::Read;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Bytes in a KiB.
pub const KIB: u64 = 1 << 10;
/// Bytes in a MiB.
pub const MIB: u64 = 1 << 20;
/// Bytes in a GiB.
pub const GIB: u64 = 1 << 30;

/// `size_bytes` pseudo-random bytes; the same for the same seed.
pub fn bytes(seed: u64, size_bytes: u64) -> Vec<u8> {
    let mut all = vec![0; usize::try_from(size_bytes).expect("fits memory")];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut all);
    all
}

/// SHA-256 of `data`, in hex.
pub fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// An endless-looking stream of `size_bytes` bytes that takes no memory: a random block repeated,
/// each time with its number written over its first 8 bytes.
#[derive(Debug)]
pub struct Stream {
    block: Vec<u8>,
    offset: u64,
    size_bytes: u64,
}

/// Bytes of the block that [`Stream`] repeats.
const BLOCK_BYTES: u64 = MIB;

impl Stream {
    /// A stream of `size_bytes`; the same for the same seed.
    pub fn new(seed: u64, size_bytes: u64) -> Self {
        Self {
            block: bytes(seed, BLOCK_BYTES),
            offset: 0,
            size_bytes,
        }
    }

    /// SHA-256 of the whole stream, in hex.
    pub fn sha256(mut self) -> String {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = self.read(&mut buffer).expect("memory does not fail");
            if n == 0 {
                return hex::encode(hash.finalize());
            }
            hash.update(&buffer[..n]);
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let at = self.offset % BLOCK_BYTES;
        if at == 0 {
            let number = self.offset / BLOCK_BYTES;
            self.block[..8].copy_from_slice(&number.to_le_bytes());
        }
        let n = (BLOCK_BYTES - at)
            .min(self.size_bytes - self.offset)
            .min(into.len() as u64) as usize;
        into[..n].copy_from_slice(&self.block[at as usize..at as usize + n]);
        self.offset += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_by_seed_and_blocks_differ() {
        let size_bytes = 2 * MIB + 77;
        let mut once = Vec::new();
        Stream::new(1, size_bytes).read_to_end(&mut once).unwrap();
        assert_eq!(once.len() as u64, size_bytes);
        assert_eq!(sha256(&once), Stream::new(1, size_bytes).sha256());
        assert_ne!(sha256(&once), Stream::new(2, size_bytes).sha256());
        assert_ne!(once[..16], once[MIB as usize..MIB as usize + 16]);
    }
}

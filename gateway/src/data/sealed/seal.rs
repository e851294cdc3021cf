//! Plaintext to packages.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use riquet_metadata::record::PACKAGE_BYTES;

use super::super::write::Source;
use super::key::{Package, StreamKey, TAG};

/// Seals what a source gives.
pub(crate) struct Sealing<'a, S> {
    source: &'a mut S,
    sealer: Sealer,
    /// Packages that are sealed and not taken yet: at most those of one slice of the source.
    ready: VecDeque<Bytes>,
}

impl<'a, S: Source> Sealing<'a, S> {
    /// Seals `source`, which announced that many bytes.
    pub(crate) fn new(source: &'a mut S, key: StreamKey, length_bytes: u64) -> Self {
        Self {
            source,
            sealer: Sealer::new(key, length_bytes),
            ready: VecDeque::new(),
        }
    }
}

impl<S: Source> Source for Sealing<'_, S> {
    type Error = S::Error;

    async fn next(&mut self) -> Option<Result<Bytes, S::Error>> {
        loop {
            if let Some(package) = self.ready.pop_front() {
                return Some(Ok(package));
            }
            match self.source.next().await? {
                Ok(bytes) => self.sealer.push(bytes, &mut self.ready),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The packages of bytes that are there as a whole.
pub(crate) fn seal_whole(key: StreamKey, plain: Bytes) -> Bytes {
    let mut packages = VecDeque::new();
    Sealer::new(key, plain.len() as u64).push(plain, &mut packages);
    let sealed: Vec<Bytes> = packages.into();
    sealed.concat().into()
}

struct Sealer {
    key: StreamKey,
    /// Bytes of plaintext that are still to come, beyond the package that is being filled.
    left: u64,
    index: u64,
    filling: BytesMut,
}

impl Sealer {
    fn new(key: StreamKey, length_bytes: u64) -> Self {
        Self {
            key,
            left: length_bytes,
            index: 0,
            filling: BytesMut::new(),
        }
    }

    /// Takes a slice, and gives the packages that it completes. What comes past the announced length
    /// goes on as it is: whoever takes the packages counts bytes and refuses it.
    fn push(&mut self, mut bytes: Bytes, ready: &mut VecDeque<Bytes>) {
        while !bytes.is_empty() && self.left + self.filling.len() as u64 > 0 {
            let length = PACKAGE_BYTES.min(self.left + self.filling.len() as u64) as usize;
            if self.filling.is_empty() {
                self.filling.reserve(length + TAG);
            }
            let taken = bytes.split_to(bytes.len().min(length - self.filling.len()));
            // The one copy: sealed bytes need a place of their own.
            self.filling.extend_from_slice(&taken);
            self.left -= taken.len() as u64;
            if self.filling.len() == length {
                let package = Package {
                    index: self.index,
                    is_last: self.left == 0,
                };
                self.index += 1;
                let filled = std::mem::take(&mut self.filling);
                ready.push_back(self.key.seal(package, filled));
            }
        }
        if !bytes.is_empty() {
            ready.push_back(bytes);
        }
    }
}

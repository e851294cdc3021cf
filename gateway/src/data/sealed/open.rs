//! Packages to plaintext.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use riquet_metadata::record::{PACKAGE_BYTES, PACKAGE_TAG_BYTES, plain_length};

use super::Damaged;
use super::key::{Package, StreamKey};

/// A package with its tag.
const SEALED_PACKAGE_BYTES: u64 = PACKAGE_BYTES + PACKAGE_TAG_BYTES;

/// Opens a stream that is there as a whole.
pub(in super::super) fn open_whole(key: StreamKey, sealed: &Bytes) -> Result<Bytes, Damaged> {
    let sealed_bytes = sealed.len() as u64;
    let plain = 0..plain_length(sealed_bytes);
    if plain.is_empty() {
        return if sealed.is_empty() {
            Ok(Bytes::new())
        } else {
            Err(Damaged)
        };
    }
    let (mut opener, _) = Opener::new(key, sealed_bytes, plain);
    Ok(opener.open(vec![sealed.clone()])?.concat().into())
}

/// Opens the packages that hold a range of a stream.
pub(crate) struct Opener {
    key: StreamKey,
    /// Bytes of the whole sealed stream.
    sealed_bytes: u64,
    /// The next package.
    index: u64,
    /// Bytes of the next package before those that are wanted.
    skip: u64,
    /// Wanted bytes still to come.
    left: u64,
    filling: BytesMut,
}

impl Opener {
    /// Opens bytes `plain` of the stream of `sealed_bytes`; with it, the bytes to read of the stream.
    pub(crate) fn new(key: StreamKey, sealed_bytes: u64, plain: Range<u64>) -> (Self, Range<u64>) {
        assert!(
            plain.start < plain.end && plain.end <= plain_length(sealed_bytes),
            "a range within, and not an empty one"
        );
        let packages = plain.start / PACKAGE_BYTES..plain.end.div_ceil(PACKAGE_BYTES);
        let end = (packages.end * SEALED_PACKAGE_BYTES).min(sealed_bytes);
        let opener = Self {
            key,
            sealed_bytes,
            index: packages.start,
            skip: plain.start % PACKAGE_BYTES,
            left: plain.end - plain.start,
            filling: BytesMut::new(),
        };
        (opener, packages.start * SEALED_PACKAGE_BYTES..end)
    }

    /// Takes the next slices of the sealed stream, and gives the wanted bytes of the packages that they
    /// complete.
    pub(crate) fn open(&mut self, sealed: Vec<Bytes>) -> Result<Vec<Bytes>, Damaged> {
        let mut opened = Vec::new();
        for bytes in sealed {
            self.push(bytes, &mut opened)?;
        }
        Ok(opened)
    }

    fn push(&mut self, mut bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), Damaged> {
        while !bytes.is_empty() {
            let start = self.index * SEALED_PACKAGE_BYTES;
            let end = (start + SEALED_PACKAGE_BYTES).min(self.sealed_bytes);
            let length = end.checked_sub(start).ok_or(Damaged)? as usize;
            if self.filling.is_empty() {
                self.filling.reserve(length);
            }
            let taken = bytes.split_to(bytes.len().min(length - self.filling.len()));
            // The one copy: a package is opened in one piece, and cells are shared with others.
            self.filling.extend_from_slice(&taken);
            if self.filling.len() < length {
                break;
            }
            let package = Package {
                index: self.index,
                is_last: end == self.sealed_bytes,
            };
            let opened = self.key.open(package, std::mem::take(&mut self.filling))?;
            self.index += 1;
            let from = self.skip.min(opened.len() as u64);
            let to = (from + self.left).min(opened.len() as u64);
            self.skip = 0;
            self.left -= to - from;
            out.push(opened.slice(from as usize..to as usize));
        }
        Ok(())
    }
}

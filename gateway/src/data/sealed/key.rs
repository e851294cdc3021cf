//! The keys that streams are sealed with.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt as HkdfSalt};
use bytes::{Bytes, BytesMut};
use riquet_metadata::record::{PACKAGE_TAG_BYTES, Salt};
use zeroize::Zeroizing;

use super::Damaged;

/// Bytes of a key of AES-256.
pub(crate) const KEY_BYTES: usize = 32;

/// Bytes of a package's tag, in memory.
pub(super) const TAG: usize = PACKAGE_TAG_BYTES as usize;

/// The key of an object or an upload, from which the keys of its streams follow.
pub(crate) struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// What is sealed as one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// An object that came in one piece.
    Object,
    /// A part.
    Part { number: u32, salt: Salt },
}

impl DataKey {
    /// A key that nobody has had before.
    pub(crate) fn fresh() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut key[..]);
        Self(key)
    }

    /// A key that was kept.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|key| Self(Zeroizing::new(key)))
    }

    /// Its bytes, to be kept sealed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }

    /// The key of a stream, to be written with it once: either this key or the part's salt must be
    /// fresh then.
    pub(crate) fn stream(&self, stream: Stream) -> StreamKey {
        match stream {
            Stream::Object => self.derive(&[], &[b"object"]),
            Stream::Part { number, salt } => {
                self.derive(&salt.0, &[b"part", &number.to_be_bytes()])
            }
        }
    }

    fn derive(&self, salt: &[u8], info: &[&[u8]]) -> StreamKey {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        HkdfSalt::new(HKDF_SHA256, salt)
            .extract(self.bytes())
            .expand(info, &AES_256_GCM)
            .and_then(|okm| okm.fill(&mut key[..]))
            .expect("a key is shorter than what HKDF can give");
        StreamKey::new(&key)
    }
}

/// A salt that no stream had before.
pub(crate) fn fresh_salt() -> Salt {
    Salt(rand::random())
}

/// The key of one stream. It is not `Clone`: two streams under one key would give their bytes away.
pub(crate) struct StreamKey(LessSafeKey);

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(hidden)")
    }
}

/// Which package of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Package {
    /// From 0.
    pub(super) index: u64,
    /// Whether the stream ends with it: cutting a stream short is noticed by that.
    pub(super) is_last: bool,
}

impl Package {
    /// Its nonce, which is in use for one package of one key.
    fn nonce(self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3] = u8::from(self.is_last);
        nonce[4..].copy_from_slice(&self.index.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl StreamKey {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has its length");
        Self(LessSafeKey::new(key))
    }

    /// Seals a package in its place, and adds the tag.
    pub(super) fn seal(&self, package: Package, mut bytes: BytesMut) -> Bytes {
        let tag = self
            .0
            .seal_in_place_separate_tag(package.nonce(), Aad::empty(), &mut bytes)
            .expect("a package is far below the cipher's bound");
        bytes.extend_from_slice(tag.as_ref());
        bytes.freeze()
    }

    /// Opens a package in its place.
    pub(super) fn open(&self, package: Package, mut bytes: BytesMut) -> Result<Bytes, Damaged> {
        let length = bytes.len().checked_sub(TAG).ok_or(Damaged)?;
        let tag = bytes.split_off(length);
        self.0
            .open_in_place_separate_tag(package.nonce(), Aad::empty(), &tag, &mut bytes)
            .map_err(|_| Damaged)?;
        Ok(bytes.freeze())
    }
}

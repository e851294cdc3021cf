//! How the bytes of an object are sealed, and where the key to them is.
//!
//! The bytes of an object, or of each part of an upload, are a stream of *packages*: 64 KiB of plaintext
//! (the last one less) under AES-256-GCM, each followed by its tag. No bytes, no packages. The key of
//! the stream follows from the object's data key, which the record holds sealed under a key that it does
//! not hold ([`KeyKeeper`]).

use bytes::Bytes;
use minicbor::{Decode, Encode};

/// Plaintext bytes of a package but the last.
pub const PACKAGE_BYTES: u64 = 64 * 1024;
/// Bytes of the tag behind each package.
pub const PACKAGE_TAG_BYTES: u64 = 16;

/// Bytes of a sealed stream of `plain_bytes`.
pub const fn sealed_length(plain_bytes: u64) -> u64 {
    plain_bytes + plain_bytes.div_ceil(PACKAGE_BYTES) * PACKAGE_TAG_BYTES
}

/// Bytes of plaintext in a sealed stream of `sealed_bytes`: none in one that is too short to be one.
pub const fn plain_length(sealed_bytes: u64) -> u64 {
    let packages = sealed_bytes.div_ceil(PACKAGE_BYTES + PACKAGE_TAG_BYTES);
    sealed_bytes.saturating_sub(packages * PACKAGE_TAG_BYTES)
}

/// How an object is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Encryption {
    /// How the bytes are sealed.
    #[n(0)]
    pub cipher: Cipher,
    /// Under whose key the data key is sealed.
    #[n(1)]
    pub keeper: KeyKeeper,
    /// The data key as its keeper sealed it: only the gateway knows what is in there.
    #[cbor(n(2), with = "crate::codec::bytes")]
    pub sealed_key: Bytes,
}

/// How bytes are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Cipher {
    /// AES-256-GCM over packages of [`PACKAGE_BYTES`].
    #[n(0)]
    Aes256Gcm,
}

/// Who has the key that opens a data key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum KeyKeeper {
    /// The customer, who brings it with every request.
    #[n(0)]
    Customer,
    /// The cluster: its key ring.
    #[n(1)]
    Store,
    /// A key service.
    #[n(2)]
    KeyService {
        /// Which of its keys.
        #[n(0)]
        key_id: String,
        /// What else it is bound to: a JSON object.
        #[n(1)]
        context: Option<String>,
        /// Whether the writer asked for a key of the bucket's.
        #[n(2)]
        bucket_key: bool,
    },
}

/// What tells the stream of a part from that of the same part sent again: they have the data key and the
/// number in common, and no two streams may have a key in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Salt(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_length_is_known_by_its_sealed_length(plain in 0..1_u64 << 43) {
            prop_assert_eq!(plain_length(sealed_length(plain)), plain);
        }
    }

    #[test]
    fn lengths_at_the_borders_of_packages() {
        for (plain, sealed) in [
            (0, 0),
            (1, 17),
            (PACKAGE_BYTES, PACKAGE_BYTES + 16),
            (PACKAGE_BYTES + 1, PACKAGE_BYTES + 33),
            (2 * PACKAGE_BYTES, 2 * PACKAGE_BYTES + 32),
        ] {
            assert_eq!(sealed_length(plain), sealed);
            assert_eq!(plain_length(sealed), plain);
        }
        // What no writer made is no reason to panic.
        assert_eq!(plain_length(3), 0);
    }
}

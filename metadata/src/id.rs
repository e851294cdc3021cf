//! The names of things: groups, buckets, keys, uploads; and those that the whole cluster shares.

use std::fmt;

use bytes::Bytes;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
pub use riquet_cluster::id::{BlobId, ChunkId, ClusterId, DiskId, Epoch, RequestId, ShardId};

/// A replicated group: one log, one state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct GroupId(#[n(0)] pub u32);

impl GroupId {
    /// The control group: layout, accounts, buckets and the map of tablets.
    pub const SYSTEM: Self = Self(0);

    /// The key groups of a cluster that has `count` of them.
    pub fn keys(count: u32) -> impl Iterator<Item = Self> {
        (1..=count).map(Self)
    }

    /// Whether this is the control group.
    pub fn is_system(self) -> bool {
        self == Self::SYSTEM
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}", self.0)
    }
}

/// A bucket's number. Never used again once its bucket is deleted, so that a name that is taken
/// anew can't be confused with what it meant before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct BucketId(#[n(0)] pub u64);

/// A change of a bucket's tablets. Numbers rise from change to change of the whole cluster: of two
/// that name the same tablet the greater is the newer, and what an older one still asks is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct ChangeId(#[n(0)] pub u64);

/// An object's key: any bytes, at most [`crate::limits::KEY_BYTES`]. Orders as its bytes do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectKey(pub Bytes);

impl ObjectKey {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl From<&str> for ObjectKey {
    fn from(key: &str) -> Self {
        Self(Bytes::copy_from_slice(key.as_bytes()))
    }
}

impl From<String> for ObjectKey {
    fn from(key: String) -> Self {
        Self(Bytes::from(key))
    }
}

impl From<Vec<u8>> for ObjectKey {
    fn from(key: Vec<u8>) -> Self {
        Self(Bytes::from(key))
    }
}

impl From<&[u8]> for ObjectKey {
    fn from(key: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(key))
    }
}

impl<C> Encode<C> for ObjectKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ObjectKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Ok(Self(Bytes::copy_from_slice(d.bytes()?)))
    }
}

/// A multipart upload, a UUIDv7: uploads of one key sort by their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub u128);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl<C> Encode<C> for UploadId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0.to_be_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for UploadId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes: [u8; 16] = d
            .bytes()?
            .try_into()
            .map_err(|_| DecodeError::message("an upload id has 16 bytes"))?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl UploadId {
    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let exact = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        exact.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

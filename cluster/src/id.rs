//! Identifiers, their text forms, and their binary forms.
//!
//! A *blob* is one uploaded byte stream (a single PUT, or one part of a multipart upload); its id
//! is made fresh for it and never used again. A blob is cut into *chunks*, numbered from 0; a
//! chunk is erasure-coded into *shards*, numbered from 0. So a metadata record that holds a blob's
//! id and length names every chunk and shard of it, however many there are.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with these 128 bits.
            pub const fn from_u128(bits: u128) -> Self {
                Self(Uuid::from_u128(bits))
            }

            /// The id's 128 bits.
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            /// The id as 16 big-endian bytes, whose order is the order of ids.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The id of 16 big-endian bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_simple(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Error::BadId { kind: stringify!($name), text: text.to_owned() })
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(self.0.as_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                <[u8; 16]>::try_from(bytes)
                    .map(Self::from_bytes)
                    .map_err(|_| minicbor::decode::Error::message("an id has 16 bytes"))
            }
        }
    };
}

uuid_id! {
    /// One uploaded byte stream. Time-ordered (UUIDv7), never reused.
    BlobId
}
uuid_id! {
    /// One disk, written on the disk itself; a disk keeps its id wherever it is mounted.
    DiskId
}
uuid_id! {
    /// One cluster; processes of different clusters refuse each other.
    ClusterId
}
uuid_id! {
    /// One request of a client, carried through gateway, nodes and metadata.
    RequestId
}

impl BlobId {
    /// A fresh id from the given random bits and time.
    ///
    /// Time and randomness come from the caller, so that tests own them.
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// When it was made, ms since 1970, by its maker's clock: the first 48 bits of a UUIDv7.
    pub fn made_ms(self) -> u64 {
        u64::try_from(self.as_u128() >> 80).expect("48 bits fit")
    }
}

/// A version of the layout; grows by one with each committed change.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Encode,
    Decode,
    JsonSchema,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Epoch(#[n(0)] pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A chunk: the `seq`-th piece of a blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ChunkId {
    /// The blob it is a piece of.
    #[n(0)]
    pub blob: BlobId,
    /// Which piece, from 0.
    #[n(1)]
    pub seq: u32,
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.blob, self.seq)
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A shard: the `index`-th of a chunk's erasure-coded pieces, data shards first within the code.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[serde(into = "String", try_from = "String")]
pub struct ShardId {
    /// The chunk it belongs to.
    #[n(0)]
    pub chunk: ChunkId,
    /// Its place in the code, `0..profile.total()`.
    #[n(1)]
    pub index: u8,
}

impl ShardId {
    /// Bytes of [`ShardId::to_bytes`].
    pub const LEN: usize = 21;

    /// Blob (16 bytes), seq (4) and index (1), all big-endian: sorts as the id does.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..16].copy_from_slice(&self.chunk.blob.to_bytes());
        out[16..20].copy_from_slice(&self.chunk.seq.to_be_bytes());
        out[20] = self.index;
        out
    }

    /// Reverses [`ShardId::to_bytes`].
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let (blob, rest) = bytes.split_first_chunk::<16>().expect("21 bytes hold 16");
        let (seq, rest) = rest.split_first_chunk::<4>().expect("5 bytes hold 4");
        Self {
            chunk: ChunkId {
                blob: BlobId::from_bytes(*blob),
                seq: u32::from_be_bytes(*seq),
            },
            index: rest[0],
        }
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.chunk, self.index)
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<ShardId> for String {
    fn from(id: ShardId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ShardId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for ShardId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadId {
            kind: "ShardId",
            text: text.to_owned(),
        };
        let mut fields = text.split('-');
        let (Some(blob), Some(seq), Some(index), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            chunk: ChunkId {
                blob: blob.parse()?,
                seq: seq.parse().map_err(|_| bad())?,
            },
            index: index.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shard_ids_round_trip_and_sort_as_bytes(
            a in (any::<u128>(), any::<u32>(), any::<u8>()),
            b in (any::<u128>(), any::<u32>(), any::<u8>()),
        ) {
            let id = |(blob, seq, index)| ShardId {
                chunk: ChunkId { blob: BlobId::from_u128(blob), seq },
                index,
            };
            let (a, b) = (id(a), id(b));
            prop_assert_eq!(ShardId::from_bytes(a.to_bytes()), a);
            prop_assert_eq!(a.to_string().parse::<ShardId>().unwrap(), a);
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            prop_assert_eq!(minicbor::decode::<ShardId>(&minicbor::to_vec(a).unwrap()).unwrap(), a);
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "",
            "x",
            "00-1-2",
            "0193-1",
            "00000000000000000000000000000001-1-256",
        ] {
            assert!(text.parse::<ShardId>().is_err(), "{text}");
        }
    }
}

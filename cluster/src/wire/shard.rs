//! The shard protocol: what gateways (and repairing nodes) say to storage nodes.
//!
//! HTTP/1.1. A shard's payload travels exactly as it lies on disk: each cell followed by its hash.
//!
//! | request | meaning | success |
//! | --- | --- | --- |
//! | `PUT /v1/disks/{disk}/shards/{shard}` with [`DESCRIPTOR`], body = payload | store durably | 201 (200 when the same shard was there) |
//! | `GET /v1/disks/{disk}/shards/{shard}`, optional `range: bytes=a-b` of the payload | read | 200 or 206, [`DESCRIPTOR`], body |
//! | `HEAD /v1/disks/{disk}/shards/{shard}` | is it there | 200, [`DESCRIPTOR`] |
//! | `DELETE /v1/disks/{disk}/shards/{shard}` | forget durably | 204, also when it was not there |
//! | `POST /v1/disks/{disk}/shards/{shard}/suspect` | a reader got wrong bytes: look | 204 |
//! | `POST /v1/disks/{disk}/removals`, body = [`BlobList`] as CBOR | forget all shards of these blobs durably | 204; 429 while one is being written |
//! | `GET /v1/disks/{disk}/shards?after={shard}&max={n}` | list in order of id | 200, [`ShardPage`] as CBOR |
//! | `GET /v1/disks/{disk}/descriptors?after={shard}&max={n}` | the same with what their records say of them | 200, [`DescriptorPage`] as CBOR |
//! | `GET /v1/disks/{disk}/slots` | what it holds of each slot | 200, [`SlotLoads`] as CBOR |
//!
//! Every request carries [`EPOCH`], the layout its sender placed it by, and [`CLUSTER`]; a node that
//! knows a newer one, by which the shard belongs on another disk, refuses a PUT with `newer-layout` and
//! its own epoch. Reads and deletes name a disk and a shard that never change meaning, so any epoch is
//! served. What a disk lacks of a slot that is on its way to it, its node reads from the disk that the
//! slot comes from, unless the request is [`LOCAL`]. A failed request has [`ERROR`] with one of
//! [`ErrorCode`]'s words, and a text body for people.

use minicbor::{Decode, Encode};

use crate::Error;
use crate::id::{BlobId, Epoch, ShardId};
use crate::layout::Pg;
use crate::profile::ProfileId;

/// Header: the layout epoch that the sender placed the request by; in answers, the node's own.
pub const EPOCH: &str = "riquet-epoch";
/// Header: the sender's cluster id.
pub const CLUSTER: &str = "riquet-cluster";
/// Header: a [`ShardDescriptor`] as hexadecimal CBOR.
pub const DESCRIPTOR: &str = "riquet-shard";
/// Header of failed answers: an [`ErrorCode`].
pub const ERROR: &str = "riquet-error";
/// Header of requests for nobody who waits: repair, rather than a user. Any value.
pub const BACKGROUND: &str = "riquet-background";
/// Header of requests that are about the disk itself: nothing is read from elsewhere. Any value.
pub const LOCAL: &str = "riquet-local";
/// Header: the request id, for logs.
pub const REQUEST_ID: &str = "riquet-request-id";

/// Shards in one page of a listing, at most: bounds the answer to about 100 KiB.
pub const MAX_PAGE: usize = 1000;

/// Descriptors in one page of a listing, at most: with the longest keys about 700 KiB.
pub const MAX_DESCRIPTOR_PAGE: usize = 500;

/// What a shard belongs to: enough to find its object again from the shards alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Owner {
    /// The bucket's id.
    #[n(0)]
    pub bucket: u64,
    /// The object's key.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub key: Vec<u8>,
    /// The multipart upload's id and part number, for a part.
    #[n(2)]
    pub part: Option<PartOwner>,
    /// Whether its bytes are encrypted: then they are nothing without the object's record.
    #[n(3)]
    #[cbor(default)]
    pub sealed: bool,
}

/// Which part of which multipart upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PartOwner {
    /// The upload's id.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub upload: [u8; 16],
    /// The part's number, from 1.
    #[n(1)]
    pub number: u16,
}

/// Everything a node must know of a shard to store it, and a reader to use it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardDescriptor {
    /// The shard.
    #[n(0)]
    pub id: ShardId,
    /// The profile that cut it.
    #[n(1)]
    pub profile: ProfileId,
    /// Data shards of the code.
    #[n(2)]
    pub data: u8,
    /// Shards of the code.
    #[n(3)]
    pub total: u8,
    /// Bytes of a full cell.
    #[n(4)]
    pub cell_size: u32,
    /// Bytes of object data in the whole chunk.
    #[n(5)]
    pub chunk_len: u64,
    /// Bytes of this shard's payload (cells and hashes).
    #[n(6)]
    pub payload_len: u64,
    /// Its placement group.
    #[n(7)]
    pub pg: Pg,
    /// The layout that placed it.
    #[n(8)]
    pub epoch: Epoch,
    /// What it belongs to.
    #[n(9)]
    pub owner: Owner,
    /// Bytes of object data in the whole blob: how many chunks it has. None: the writer did not say.
    #[n(10)]
    pub blob_len: Option<u64>,
}

impl ShardDescriptor {
    /// The text form that travels in a header.
    pub fn to_header(&self) -> String {
        hex::encode(minicbor::to_vec(self).expect("encoding into memory does not fail"))
    }

    /// Reads the text form; `None` when it is not one.
    pub fn from_header(text: &str) -> Option<Self> {
        minicbor::decode(&hex::decode(text).ok()?).ok()
    }

    /// Whether both describe the same stored bytes. Epoch and placement group are left out: a
    /// retry after a layout change still writes the same shard.
    pub fn same_shard(&self, other: &Self) -> bool {
        self.id == other.id
            && self.data == other.data
            && self.total == other.total
            && self.cell_size == other.cell_size
            && self.chunk_len == other.chunk_len
            && self.payload_len == other.payload_len
    }
}

/// One page of a disk's shards.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardPage {
    /// In order of id.
    #[n(0)]
    pub shards: Vec<ShardId>,
    /// Whether more follow the last one.
    #[n(1)]
    pub more: bool,
}

/// What a disk holds of a slot of a placement group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SlotLoad {
    /// The profile.
    #[n(0)]
    pub profile: ProfileId,
    /// The placement group.
    #[n(1)]
    pub pg: Pg,
    /// The shard's number in the code.
    #[n(2)]
    pub slot: u8,
    /// Shards.
    #[n(3)]
    pub shards: u64,
    /// Bytes of their payloads.
    #[n(4)]
    pub bytes: u64,
}

/// What a disk holds, slot by slot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SlotLoads {
    /// By profile, group and slot; of which it holds nothing are left out.
    #[n(0)]
    pub loads: Vec<SlotLoad>,
}

/// Blobs in one [`BlobList`], at most.
pub const MAX_BLOBS: usize = 1000;

/// Blobs of which a disk is to keep no shard.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlobList {
    /// At most [`MAX_BLOBS`].
    #[n(0)]
    pub blobs: Vec<BlobId>,
}

/// A shard as its disk holds it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoredShard {
    /// What it is.
    #[n(0)]
    pub descriptor: ShardDescriptor,
    /// When it was written, by the node's clock, ms since 1970.
    #[n(1)]
    pub written_ms: u64,
}

/// One page of the descriptors of a disk's shards.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DescriptorPage {
    /// In order of id.
    #[n(0)]
    pub shards: Vec<StoredShard>,
    /// Shards whose records can't be read.
    #[n(1)]
    pub damaged: Vec<ShardId>,
    /// The last shard that was looked at, if more follow.
    #[n(2)]
    pub next: Option<ShardId>,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        /// Why a node refused, as one word and an HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// The word in [`ERROR`].
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status it goes with.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The code with that word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

error_codes! {
    /// The request is malformed.
    Refused = "refused", 400;
    /// The request is of a version of the protocol that the node does not understand.
    OtherProtocol = "other-protocol", 426;
    /// No such shard on that disk.
    NoSuchShard = "no-such-shard", 404;
    /// Another shard has that id.
    ShardConflict = "shard-conflict", 409;
    /// The node knows a newer layout than the request's.
    NewerLayout = "newer-layout", 412;
    /// The node's queues are full.
    Overloaded = "overloaded", 429;
    /// The disk failed or is not here.
    DiskUnavailable = "disk-unavailable", 503;
    /// The disk is full.
    DiskFull = "disk-full", 507;
}

impl ErrorCode {
    /// The caller's error, with the node's epoch and text where they belong.
    pub fn into_error(self, epoch: Epoch, text: String) -> Error {
        match self {
            Self::Refused | Self::OtherProtocol => Error::Refused(text),
            Self::NoSuchShard => Error::NoSuchShard,
            Self::ShardConflict => Error::ShardConflict,
            Self::NewerLayout => Error::NewerLayout { current: epoch },
            Self::Overloaded => Error::Overloaded,
            Self::DiskUnavailable => Error::DiskUnavailable,
            Self::DiskFull => Error::DiskFull,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkId;

    #[test]
    fn descriptors_travel_in_headers() {
        let descriptor = ShardDescriptor {
            id: ShardId {
                chunk: ChunkId {
                    blob: BlobId::from_u128(7),
                    seq: 3,
                },
                index: 11,
            },
            profile: ProfileId(1),
            data: 4,
            total: 12,
            cell_size: 65536,
            chunk_len: 1 << 26,
            payload_len: 1 << 24,
            pg: Pg(17),
            epoch: Epoch(5),
            owner: Owner {
                bucket: 9,
                key: b"a/\xc3\xa9".to_vec(),
                part: Some(PartOwner {
                    upload: [4; 16],
                    number: 10_000,
                }),
                sealed: true,
            },
            blob_len: Some(1 << 40),
        };
        let text = descriptor.to_header();
        assert!(http::HeaderValue::from_str(&text).is_ok());
        assert_eq!(ShardDescriptor::from_header(&text), Some(descriptor));
        assert_eq!(ShardDescriptor::from_header("zz"), None);
    }

    #[test]
    fn descriptors_that_do_not_say_their_blobs_length_read_as_before() {
        let descriptor = ShardDescriptor {
            id: ShardId {
                chunk: ChunkId {
                    blob: BlobId::from_u128(7),
                    seq: 3,
                },
                index: 11,
            },
            profile: ProfileId(1),
            data: 4,
            total: 12,
            cell_size: 64,
            chunk_len: 1,
            payload_len: 2,
            pg: Pg(3),
            epoch: Epoch(4),
            owner: Owner {
                bucket: 5,
                key: Vec::new(),
                part: None,
                sealed: false,
            },
            blob_len: None,
        };
        let bytes = minicbor::to_vec(&descriptor).unwrap();
        assert_eq!(bytes[0], 0x8A, "ten fields, as there were");
        assert_eq!(
            minicbor::decode::<ShardDescriptor>(&bytes).unwrap(),
            descriptor
        );
    }

    #[test]
    fn every_code_is_found_by_its_word() {
        for word in ["refused", "newer-layout", "disk-full", "no-such-shard"] {
            assert_eq!(ErrorCode::from_word(word).map(ErrorCode::word), Some(word));
        }
        assert_eq!(ErrorCode::from_word("other"), None);
    }
}

//! What `openraft`'s generic types are filled with.

use std::fmt;

use bytes::Bytes;
use openraft::type_config::alias;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::command::Outcome;
use crate::raft::snapshot::Checkpoint;

openraft::declare_raft_types!(
    /// The types of a group.
    pub(super) Group:
        D = EncodedProposal,
        R = Applied,
        Node = Peer,
);

pub(super) type Raft = openraft::Raft<Group, super::state::Machine>;
pub(super) type Entry = alias::EntryOf<Group>;
pub(super) type LogId = alias::LogIdOf<Group>;
pub(super) type Vote = alias::VoteOf<Group>;
pub(super) type Membership = alias::StoredMembershipOf<Group>;
pub(super) type SnapshotMeta = alias::SnapshotMetaOf<Group>;
pub(super) type Snapshot = alias::SnapshotOf<Group, Checkpoint>;
pub(super) type Metrics = openraft::RaftMetrics<Group>;

/// A proposal's bytes, as the client sent them.
#[derive(Clone)]
pub(super) struct EncodedProposal(pub(super) Bytes);

impl fmt::Debug for EncodedProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EncodedProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal of {} bytes", self.0.len())
    }
}

impl Serialize for EncodedProposal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EncodedProposal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Ok(Self(Bytes::from(bytes.into_vec())))
    }
}

/// What applying an entry came to; none for entries that are the log's own.
#[derive(Debug)]
pub(super) struct Applied(pub(super) Option<Outcome>);

// Outcomes never leave the process that applies for its own proposer.
impl Serialize for Applied {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("outcomes are not replicated"))
    }
}

impl<'de> Deserialize<'de> for Applied {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("outcomes are not replicated"))
    }
}

/// A voter as the others know it. Part of the membership, so it is stored.
#[cfg_attr(test, derive(Default))] // The suite of `openraft` makes some up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Peer {
    /// Where its calls go, `host:port`.
    pub(super) endpoint: String,
    /// The data site that it is at; none: an arbiter.
    pub(super) site: Option<String>,
}

/// Bytes of a stored or sent value: CBOR, with named fields.
pub(super) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    minicbor_serde::to_vec(value).expect("these types have a CBOR form")
}

/// The value of bytes that [`to_bytes`] made.
pub(super) fn from_bytes<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> std::io::Result<T> {
    minicbor_serde::from_slice(bytes)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string()))
}

//! What others are to be told of: events of objects, queued until they are told.

use minicbor::{Decode, Encode};

use super::{Document, ETag, VersionName};
use crate::id::{ObjectKey, RequestId};

/// An event that waits to be told. Its order in its group is part of its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// When it happened, ms since 1970.
    #[n(0)]
    pub at_ms: u64,
    /// Its name, as gateways call it.
    #[n(1)]
    pub name: String,
    /// The rule by which the target is told.
    #[n(2)]
    pub rule: String,
    /// The key.
    #[n(3)]
    pub key: ObjectKey,
    /// The object's length, bytes, where there still is one.
    #[n(4)]
    pub size_bytes: Option<u64>,
    /// The object's tag, where there still is one.
    #[n(5)]
    pub etag: Option<ETag>,
    /// The version that it is about.
    #[n(6)]
    pub version: Option<VersionName>,
    /// Who did what where: only gateways understand it.
    #[n(7)]
    pub origin: Document,
}

/// The events that wait to be told to one target, all together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct EventQueue {
    /// How many wait.
    #[n(0)]
    pub waiting: u64,
    /// How many were never queued, as too many waited.
    #[n(1)]
    pub lost: u64,
    /// Who tells them at the moment.
    #[n(2)]
    pub holder: Option<RequestId>,
    /// Until when nobody else does, ms since 1970.
    #[n(3)]
    pub held_until_ms: u64,
}

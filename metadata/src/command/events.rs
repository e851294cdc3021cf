//! Who is to be told of a change, and what becomes of that.

use minicbor::{Decode, Encode};

use crate::id::RequestId;
use crate::record::Document;

/// Who is to be told of a change, should it come about.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Notices {
    /// Who asks for the change, and where: kept with each event.
    #[n(0)]
    pub origin: Document,
    /// One for each thing that the change may come to and each target.
    #[n(1)]
    pub notices: Vec<Notice>,
}

/// That a target is to be told if a change comes to this.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Notice {
    /// What the change must come to.
    #[n(0)]
    pub when: Happening,
    /// The event's name, as gateways call it.
    #[n(1)]
    pub name: String,
    /// The target's name.
    #[n(2)]
    pub target: String,
    /// The rule by which it is told.
    #[n(3)]
    pub rule: String,
}

/// What a change of an object comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Happening {
    /// An object was stored.
    #[n(0)]
    Stored,
    /// An object or version was removed for good.
    #[n(1)]
    Removed,
    /// An object was hidden behind a delete marker.
    #[n(2)]
    Hidden,
    /// A version was altered.
    #[n(3)]
    Altered,
}

/// Takes it on to tell a target of its events, or gives that up.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HoldEvents {
    /// The target.
    #[n(0)]
    pub target: String,
    /// Who.
    #[n(1)]
    pub holder: RequestId,
    /// For how long, ms; zero: no longer.
    #[n(2)]
    pub for_ms: u64,
}

//! The messages between a client and a voter: HTTP `POST`, each body one version byte and a CBOR
//! value.
//!
//! | path | body | answer with 200 |
//! | --- | --- | --- |
//! | `/v1/meta/propose` | [`ProposeRequest`] | [`crate::command::Outcome`] |
//! | `/v1/meta/query` | [`QueryRequest`] | [`crate::query::Answer`] |
//! | `/v1/meta/relay/propose`, `/v1/meta/relay/query` | the same | the leader's answer |
//! | `/v1/meta/export` | [`ExportRequest`] | blocks of all the group's records: each its length, 4 bytes big-endian, and [`crate::backup`]'s bytes; a length of zero ends it |
//!
//! Any other status carries a [`Refusal`]. A voter that does not lead names who does; one that is
//! asked to relay asks that one itself, for a client that a cut keeps from it.

use http::StatusCode;
use minicbor::{Decode, Encode};

use crate::codec::Record;
use crate::command::Proposal;
use crate::id::GroupId;
use crate::query::Query;

/// Every path of this protocol begins so.
pub const PATH_PREFIX: &str = "/v1/meta/";
/// Where proposals go.
pub const PROPOSE_PATH: &str = "/v1/meta/propose";
/// Where queries go.
pub const QUERY_PATH: &str = "/v1/meta/query";
/// Where proposals go that a voter is to pass on to the leader.
pub const RELAY_PROPOSE_PATH: &str = "/v1/meta/relay/propose";
/// Where queries go that a voter is to pass on to the leader.
pub const RELAY_QUERY_PATH: &str = "/v1/meta/relay/query";

/// Where exports are asked for; the leader alone streams them.
pub const EXPORT_PATH: &str = "/v1/meta/export";

/// Asks a leader for all records of its group.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ExportRequest {
    /// The group meant.
    #[n(0)]
    pub group: GroupId,
}

/// Asks a voter to have a proposal decided.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ProposeRequest {
    /// The group meant.
    #[n(0)]
    pub group: GroupId,
    /// The proposal.
    #[n(1)]
    pub proposal: Proposal,
}

/// Asks a voter to answer a query.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct QueryRequest {
    /// The group meant.
    #[n(0)]
    pub group: GroupId,
    /// The query.
    #[n(1)]
    pub query: Query,
}

/// Why a voter did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Refusal {
    /// It does not host the group. Nothing was done.
    #[n(0)]
    #[error("the group is not hosted there")]
    NotHere,
    /// The group's storage failed. The proposal may have been logged.
    #[n(1)]
    #[error("the group is stopped")]
    Stopped,
    /// The clocks of proposer and voter differ too much. Nothing was done.
    #[n(2)]
    #[error("the clocks of client and voter differ too much")]
    ClockSkew,
    /// The message is not of this protocol or version. Nothing was done.
    #[n(3)]
    #[error("the voter does not understand the message")]
    Malformed,
    /// The message is larger than [`crate::limits::MESSAGE_BYTES`]. Nothing was done.
    #[n(4)]
    #[error("the message is too large")]
    TooLarge,
    /// Another voter leads the group. Nothing was done.
    #[n(5)]
    #[error("another voter leads the group")]
    NotLeader {
        /// Where that one serves, `host:port`, if it is known.
        #[n(0)]
        leader: Option<String>,
    },
    /// The group has no majority now, or a site of it is behind. A proposal may be decided yet.
    #[n(6)]
    #[error("the group can't decide now")]
    Unavailable,
    /// The group is being restored from a backup. Nothing was done.
    #[n(7)]
    #[error("the group is being restored from a backup")]
    Restoring,
}

impl Refusal {
    /// The HTTP status it travels with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotHere | Self::NotLeader { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Stopped | Self::Unavailable | Self::Restoring => StatusCode::SERVICE_UNAVAILABLE,
            Self::ClockSkew => StatusCode::PRECONDITION_FAILED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Whether the proposal was certainly not logged.
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Stopped | Self::Unavailable)
    }
}

impl Record for ProposeRequest {
    const VERSION: u8 = 1;
}
impl Record for ExportRequest {
    const VERSION: u8 = 1;
}
impl Record for QueryRequest {
    const VERSION: u8 = 1;
}
impl Record for Refusal {
    const VERSION: u8 = 2;
}

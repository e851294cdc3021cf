//! Why a request of operators is refused: the one place where that becomes a status and a word.

use http::StatusCode;
use riquet_cluster::admin::Refusal;
use riquet_cluster::layout::ChangeError;
use riquet_metadata::Error as MetadataError;
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::error::Error;

/// Why a request is refused. Nothing was changed, unless that is said.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// There is no such path, or not with this method.
    #[error("the admin API has no such path, or not with this method")]
    NoSuchPath,
    /// The document or a parameter is not what it should be.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Who it is, or what they may do.
    #[error(transparent)]
    NotAllowed(S3Error),
    /// The layout does not allow it now.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Others keep changing the layout.
    #[error("the layout is changed by others all the time: try again")]
    Contended,
    /// The metadata said no, or nothing.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A node that is to come does not answer.
    #[error("node {name} does not answer at {address}: {why}")]
    NodeSilent {
        /// Its name.
        name: String,
        /// Where it was asked.
        address: String,
        /// What came of it.
        why: String,
    },
    /// Another node answers there.
    #[error("at {address} answers {found}, not {wanted}")]
    OtherNode {
        /// Where it was asked.
        address: String,
        /// Who is there.
        found: String,
        /// Who should be.
        wanted: String,
    },
    /// The node does not have the disk.
    #[error("node {node} has no disk {disk}")]
    NoSuchDisk {
        /// The node.
        node: String,
        /// The disk.
        disk: String,
    },
    /// What left a disk is not yet known to be elsewhere.
    #[error(
        "{what} still keeps {shards} shards until they are where they moved to: try again later"
    )]
    StillLeaving {
        /// A node or a disk.
        what: String,
        /// Shards.
        shards: u64,
    },
    /// The plan is not the one that is meant.
    #[error("the plan has changed: plan anew")]
    OtherPlan,
}

impl AdminError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotAllowed(error) => error.status(),
            Self::Change(
                ChangeError::UnknownNode(_)
                | ChangeError::UnknownDisk(_)
                | ChangeError::UnknownSite(_),
            ) => StatusCode::NOT_FOUND,
            Self::Change(ChangeError::ZeroWeight | ChangeError::TooManyWindows(_)) => {
                StatusCode::BAD_REQUEST
            }
            Self::NoSuchDisk { .. } => StatusCode::NOT_FOUND,
            Self::Change(_)
            | Self::OtherPlan
            | Self::OtherNode { .. }
            | Self::StillLeaving { .. } => StatusCode::CONFLICT,
            Self::Contended | Self::Metadata(_) | Self::NodeSilent { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// A word for programs.
    fn code(&self) -> &str {
        use ChangeError as C;
        match self {
            Self::NoSuchPath => "no-such-path",
            Self::Malformed(_) => "malformed",
            Self::NotAllowed(error) => error.code().as_str(),
            Self::Contended => "contended",
            Self::Metadata(_) => "metadata-unavailable",
            Self::NodeSilent { .. } => "node-silent",
            Self::OtherNode { .. } => "other-node",
            Self::NoSuchDisk { .. } => "unknown-disk",
            Self::OtherPlan => "other-plan",
            Self::StillLeaving { .. } => "still-leaving",
            Self::Change(change) => match change {
                C::UnknownNode(_) => "unknown-node",
                C::UnknownSite(_) => "unknown-site",
                C::UnknownDisk(_) => "unknown-disk",
                C::NameTaken(_) => "name-taken",
                C::AddressTaken { .. } => "address-taken",
                C::DiskTaken(_) => "disk-taken",
                C::NoDisks(_) => "no-disks",
                C::ZeroWeight => "zero-weight",
                C::TooMany => "too-many",
                C::TooFewDisks { .. } => "too-few-disks",
                C::Draining(_) => "draining",
                C::NotDraining(_) => "not-draining",
                C::StillHolds { .. } => "still-holds",
                C::OtherSite { .. } => "other-site",
                C::NotEmpty { .. } => "not-empty",
                C::InMaintenance(_) => "in-maintenance",
                C::NotInMaintenance(_) => "not-in-maintenance",
                C::TooFewShards { .. } => "too-few-shards",
                C::OldPlan { .. } => "old-plan",
                C::NothingToMove => "nothing-to-move",
                C::NoRebalance => "no-rebalance",
                C::AsItIs(_) => "as-it-is",
                C::TooManyWindows(_) => "too-many-windows",
                C::Invalid(_) => "invalid-layout",
            },
        }
    }

    pub(super) fn to_refusal(&self) -> Refusal {
        Refusal {
            code: self.code().to_owned(),
            message: self.to_string(),
        }
    }
}

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        match error {
            // Who asks can't be looked up, which says nothing of what they may.
            Error::Metadata(error) => Self::Metadata(error),
            error => Self::NotAllowed(error.into_s3()),
        }
    }
}

impl From<S3Error> for AdminError {
    fn from(error: S3Error) -> Self {
        Self::NotAllowed(error)
    }
}

impl From<ErrorCode> for AdminError {
    fn from(code: ErrorCode) -> Self {
        Self::NotAllowed(code.into())
    }
}

//! Inputs about the locks of versions.

use jiff::Timestamp;

use super::Target;
use super::fields::Fields;
use super::object::VersionId;
use crate::config::object_lock::{Governance, LegalHold, Retention};
use crate::error::Result;
use crate::name::{BucketName, ObjectKey};

/// What a new version brings to be kept by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewLock {
    /// Until when; none: as its bucket says.
    pub retention: Option<Retention>,
    /// Whether until it is lifted.
    pub legal_hold: Option<LegalHold>,
}

impl NewLock {
    pub(crate) fn parse(fields: Fields<'_>) -> Result<Self> {
        let mode = fields.header("x-amz-object-lock-mode")?;
        let until = fields.header("x-amz-object-lock-retain-until-date")?;
        let hold = fields.header("x-amz-object-lock-legal-hold")?;
        Ok(Self {
            retention: Retention::parse_headers(mode, until, Timestamp::now())?,
            legal_hold: hold.map(LegalHold::parse_header).transpose()?,
        })
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a caller wants to override retentions in governance mode.
pub(crate) fn governance(fields: Fields<'_>) -> Result<Governance> {
    Ok(match fields.flag("x-amz-bypass-governance-retention")? {
        true => Governance::Bypassed,
        false => Governance::Enforced,
    })
}

/// The input of PutObjectRetention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectRetentionInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// The retention from now on; none: it is lifted.
    pub retention: Option<Retention>,
    /// Whether one in governance mode may be shortened.
    pub governance: Governance,
}

impl PutObjectRetentionInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id: VersionId::requested(fields)?,
            retention: Retention::parse(body, Timestamp::now())?,
            governance: governance(fields)?,
        })
    }
}

/// The input of PutObjectLegalHold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectLegalHoldInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// Whether it is kept until told otherwise.
    pub legal_hold: LegalHold,
}

impl PutObjectLegalHoldInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id: VersionId::requested(fields)?,
            legal_hold: LegalHold::parse(body)?,
        })
    }
}

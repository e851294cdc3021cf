//! Inputs of the operations on access control lists and bucket policies.

use bytes::Bytes;

use super::Target;
use super::fields::Fields;
use super::object::VersionId;
use crate::acl::RequestedAcl;
use crate::error::Result;
use crate::name::{BucketName, ObjectKey};

/// The input of PutBucketAcl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBucketAclInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The list.
    pub acl: RequestedAcl,
}

impl PutBucketAclInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        let acl = RequestedAcl::from_put(fields.headers, fields.query, body)?;
        Ok(Self { bucket, acl })
    }
}

/// The input of PutObjectAcl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectAclInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// The list.
    pub acl: RequestedAcl,
}

impl PutObjectAclInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id: VersionId::requested(fields)?,
            acl: RequestedAcl::from_put(fields.headers, fields.query, body)?,
        })
    }
}

/// The input of PutBucketPolicy. What the text says is for whoever knows the bucket's account to
/// read, with [`crate::policy::Policy::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBucketPolicyInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The policy, JSON.
    pub text: Bytes,
    /// What the client declares about shutting itself out.
    pub self_access: SelfAccess,
}

/// Whether a policy may keep the one who puts it from replacing it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfAccess {
    /// It is refused if it does.
    Kept,
    /// It may (`x-amz-confirm-remove-self-bucket-access`).
    MayBeLost,
}

impl PutBucketPolicyInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        let may_lose = fields.flag("x-amz-confirm-remove-self-bucket-access")?;
        Ok(Self {
            bucket,
            text: Bytes::copy_from_slice(body),
            self_access: match may_lose {
                true => SelfAccess::MayBeLost,
                false => SelfAccess::Kept,
            },
        })
    }
}

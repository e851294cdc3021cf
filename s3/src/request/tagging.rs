//! Inputs of the operations on the tags of objects.

use super::Target;
use super::fields::Fields;
use super::object::VersionId;
use crate::config::tagging::{TagSet, Tagged};
use crate::error::Result;
use crate::name::{BucketName, ObjectKey};

/// The input of PutObjectTagging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectTaggingInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// All its tags from now on.
    pub tags: TagSet,
}

impl PutObjectTaggingInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id: VersionId::requested(fields)?,
            tags: TagSet::parse(body, Tagged::Object)?,
        })
    }
}

/// The tags that a new object brings in its `x-amz-tagging` header.
pub(crate) fn new_tags(fields: Fields<'_>) -> Result<TagSet> {
    match fields.header("x-amz-tagging")? {
        Some(header) => TagSet::parse_header(header),
        None => Ok(TagSet::default()),
    }
}

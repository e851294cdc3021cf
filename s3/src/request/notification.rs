//! Input of PutBucketNotificationConfiguration.

use super::fields::Fields;
use crate::config::notification::NotificationConfiguration;
use crate::error::Result;
use crate::name::BucketName;

/// The input of PutBucketNotificationConfiguration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutNotificationInput {
    /// The bucket.
    pub bucket: BucketName,
    /// Who is told of what from now on.
    pub configuration: NotificationConfiguration,
    /// Whether the targets are tried first.
    pub check: DestinationCheck,
}

/// Whether targets are tried before they are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationCheck {
    /// They are.
    Wanted,
    /// `x-amz-skip-destination-validation: true`.
    Skipped,
}

impl PutNotificationInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        Ok(Self {
            bucket,
            configuration: NotificationConfiguration::parse(body)?,
            check: match fields.flag("x-amz-skip-destination-validation")? {
                true => DestinationCheck::Skipped,
                false => DestinationCheck::Wanted,
            },
        })
    }
}

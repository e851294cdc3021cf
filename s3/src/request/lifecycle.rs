//! The input of PutBucketLifecycleConfiguration.

use super::{BucketConfiguration, Request, StorageClass, bucket_configuration};
use crate::config::lifecycle::{LifecycleConfiguration, TransitionMinimum, minimum};
use crate::error::Result;

/// The classes that objects can be moved to.
const TARGETS: [StorageClass; 1] = [StorageClass::OneZoneIa];

pub(super) fn parse(request: Request<'_>) -> Result<BucketConfiguration<LifecycleConfiguration>> {
    let minimum = TransitionMinimum::parse(request.fields.header(minimum::HEADER)?)?;
    bucket_configuration(request, |body| {
        let rules = LifecycleConfiguration::parse(body, &TARGETS)?;
        Ok(rules.with_transition_minimum(minimum))
    })
}

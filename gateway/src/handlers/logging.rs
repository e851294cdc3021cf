//! Where the requests to a bucket are logged.

use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::{Document, DocumentKind};
use riquet_s3::config::logging::{BucketLogging, LogTarget};
use riquet_s3::response::{ConfigurationOutput, Done};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, acl, document, whole};
use crate::access::Ownership;
use crate::access_log;
use crate::error::Error;
use crate::names::stored_beside;

/// A bucket that was never told answers an empty document.
pub(super) async fn get(cx: &Context) -> Answer {
    let kind = DocumentKind::Logging;
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let nowhere = || BucketLogging::default().to_xml();
    let document = found.map_or_else(nowhere, |Document(stored)| stored);
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

pub(super) async fn put(cx: &Context, logging: &BucketLogging) -> Answer {
    if let Some(target) = &logging.target {
        check_target(cx, target).await?;
    }
    let document = logging.target.is_some().then(|| logging.to_xml());
    document::configure(cx, DocumentKind::Logging, document).await?;
    cx.gateway.documents.logging.forget(cx.bucket().id).await;
    Ok(whole(Done.into_response()))
}

/// Logs go to a bucket of the same owner that can take them.
async fn check_target(cx: &Context, target: &LogTarget) -> Result<(), Error> {
    let name = target.bucket.as_str();
    let stored = stored_beside(&target.bucket, cx.bucket());
    let refused = |why: &'static str| {
        S3Error::new(ErrorCode::InvalidTargetBucketForLogging)
            .message(why)
            .field("TargetBucket", name)
    };
    let bucket = match cx.metadata().bucket_now(&stored).await {
        Err(MetadataError::NoSuchBucket) => {
            return Err(refused("The target bucket for logging does not exist").into());
        }
        found => found?,
    };
    if bucket.owner != cx.bucket().owner {
        let why = "The owner for the bucket to be logged and the target bucket must be the same.";
        return Err(refused(why).into());
    }
    let owner = acl::owner_named(cx, &bucket.owner).await?;
    let has_lists =
        cx.gateway.know(bucket.clone()).await?.rules.ownership != Ownership::BucketOwnerEnforced;
    if !target.grants.is_empty() && !has_lists {
        return Err(refused("The target bucket does not allow ACLs").into());
    }
    access_log::check_grants(&cx.gateway.directory, target, &owner).await?;
    // A log without an end to its retention could never be removed by whoever pays for it.
    if bucket.documents.contains(&DocumentKind::ObjectLock) {
        let why = "The target bucket must not have a default retention period";
        return Err(refused(why).into());
    }
    Ok(())
}

//! The rules of buckets: read anew by those who act on them, remembered a moment by those who announce
//! what they will do.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use riquet_metadata::limits::{BUCKET_TTL_MS, CACHED_BUCKETS};
use riquet_metadata::record::{Bucket, Document, DocumentKind};
use riquet_metadata::{BucketId, Client};
use riquet_s3::ErrorCode;
use riquet_s3::config::lifecycle::LifecycleConfiguration;

use crate::error::Error;

/// The rules of a bucket, as they are now.
///
/// # Errors
/// When no voter answers, or the document does not read back.
pub(crate) async fn read(
    metadata: &Client,
    bucket: BucketId,
) -> Result<Option<LifecycleConfiguration>, Error> {
    let kind = DocumentKind::Lifecycle;
    let Some(Document(document)) = metadata.bucket_document(bucket, kind).await? else {
        return Ok(None);
    };
    let rules = LifecycleConfiguration::parse_stored(&document).map_err(|error| {
        tracing::error!(bucket = bucket.0, %error, "stored lifecycle rules don't read back");
        ErrorCode::InternalError
    })?;
    Ok(Some(rules))
}

/// Rules as they were a moment ago: as old as what is known of the bucket itself.
pub(crate) struct Rules {
    metadata: Client,
    known: Cache<BucketId, Option<Arc<LifecycleConfiguration>>>,
}

impl Rules {
    pub(crate) fn new(metadata: Client) -> Self {
        let known = Cache::builder()
            .max_capacity(CACHED_BUCKETS)
            .time_to_live(Duration::from_millis(BUCKET_TTL_MS))
            .build();
        Self { metadata, known }
    }

    /// # Errors
    /// As [`read`].
    pub(crate) async fn of(
        &self,
        bucket: &Bucket,
    ) -> Result<Option<Arc<LifecycleConfiguration>>, Error> {
        if !bucket.documents.contains(&DocumentKind::Lifecycle) {
            return Ok(None);
        }
        if let Some(known) = self.known.get(&bucket.id).await {
            return Ok(known);
        }
        let rules = read(&self.metadata, bucket.id).await?.map(Arc::new);
        self.known.insert(bucket.id, rules.clone()).await;
        Ok(rules)
    }

    /// Forgets what was known: somebody changed the rules here.
    pub(crate) async fn forget(&self, bucket: BucketId) {
        self.known.invalidate(&bucket).await;
    }
}

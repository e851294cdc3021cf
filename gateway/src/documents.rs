//! Documents of buckets that many requests need, remembered for as long as buckets' records are.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use riquet_metadata::Client;
use riquet_metadata::id::BucketId;
use riquet_metadata::limits::{BUCKET_TTL_MS, CACHED_BUCKETS};
use riquet_metadata::record::{Bucket, Document, DocumentKind};
use riquet_s3::config::logging::BucketLogging;
use riquet_s3::config::notification::NotificationConfiguration;
use riquet_s3::config::website::WebsiteConfiguration;
use riquet_s3::{Error as S3Error, ErrorCode};

use crate::error::Error;

/// The documents that requests need.
pub(crate) struct KnownDocuments {
    /// Who is told of changes.
    pub(crate) notification: Documents<NotificationConfiguration>,
    /// Where requests are logged.
    pub(crate) logging: Documents<BucketLogging>,
    /// How the bucket is shown as a web site.
    pub(crate) website: Documents<WebsiteConfiguration>,
}

impl Default for KnownDocuments {
    fn default() -> Self {
        let parse = NotificationConfiguration::parse;
        Self {
            notification: Documents::new(DocumentKind::Notification, parse),
            logging: Documents::new(DocumentKind::Logging, BucketLogging::parse),
            website: Documents::new(DocumentKind::Website, WebsiteConfiguration::parse),
        }
    }
}

/// The documents of one kind, read.
pub(crate) struct Documents<T> {
    kind: DocumentKind,
    parse: fn(&[u8]) -> Result<T, S3Error>,
    by_bucket: Cache<BucketId, Arc<T>>,
}

impl<T: Send + Sync + 'static> Documents<T> {
    fn new(kind: DocumentKind, parse: fn(&[u8]) -> Result<T, S3Error>) -> Self {
        let by_bucket = Cache::builder()
            .max_capacity(CACHED_BUCKETS)
            .time_to_live(Duration::from_millis(BUCKET_TTL_MS));
        Self {
            kind,
            parse,
            by_bucket: by_bucket.build(),
        }
    }

    /// The document of a bucket, if it has one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) async fn of(
        &self,
        metadata: &Client,
        bucket: &Bucket,
    ) -> Result<Option<Arc<T>>, Error> {
        if !bucket.documents.contains(&self.kind) {
            return Ok(None);
        }
        if let Some(known) = self.by_bucket.get(&bucket.id).await {
            return Ok(Some(known));
        }
        let found = metadata.bucket_document(bucket.id, self.kind).await?;
        let Some(Document(document)) = found else {
            return Ok(None);
        };
        let read = (self.parse)(&document).map_err(|error| {
            let kind = self.kind;
            tracing::error!(bucket = bucket.name, ?kind, %error, "a stored document doesn't read back");
            S3Error::new(ErrorCode::InternalError)
        })?;
        let read = Arc::new(read);
        self.by_bucket.insert(bucket.id, read.clone()).await;
        Ok(Some(read))
    }

    /// Forgets a document that was replaced, so that this gateway acts on the new one at once.
    pub(crate) async fn forget(&self, bucket: BucketId) {
        self.by_bucket.invalidate(&bucket).await;
    }
}

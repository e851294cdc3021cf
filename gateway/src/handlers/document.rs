//! The documents that configure buckets: stored as their parsers write them, answered as stored.

use bytes::Bytes;
use riquet_metadata::command::BucketChange;
use riquet_metadata::record::{Document, DocumentKind};
use riquet_s3::response::{ConfigurationOutput, Done, NoContent};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, whole};
use crate::error::Error;
use crate::names::plain_name;

/// The bucket's document of a kind; `missing` if it has none.
pub(super) async fn get(cx: &Context, kind: DocumentKind, missing: ErrorCode) -> Answer {
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let Document(document) = found
        .ok_or_else(|| S3Error::new(missing).field("BucketName", plain_name(&cx.bucket().name)))?;
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

/// Stores a document, and answers 200.
pub(super) async fn put(cx: &Context, kind: DocumentKind, document: Bytes) -> Answer {
    configure(cx, kind, Some(document)).await?;
    Ok(whole(Done.into_response()))
}

/// Removes a document, if there is one, and answers 204.
pub(super) async fn delete(cx: &Context, kind: DocumentKind) -> Answer {
    configure(cx, kind, None).await?;
    Ok(whole(NoContent.into_response()))
}

pub(super) async fn configure(
    cx: &Context,
    kind: DocumentKind,
    document: Option<Bytes>,
) -> Result<(), Error> {
    let change = BucketChange::Document {
        kind,
        document: document.map(Document),
    };
    let result = cx.metadata().configure_bucket(cx.bucket(), change).await;
    // Also where it isn't known whether it was done.
    cx.gateway.rules.forget(cx.bucket().id).await;
    result?;
    Ok(())
}

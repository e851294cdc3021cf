//! The tags of objects and buckets.

use bytes::Bytes;
use riquet_metadata::command::{AlterVersion, Alteration, BucketChange};
use riquet_metadata::record::{Document, DocumentKind, VersionName};
use riquet_s3::config::tagging::TagSet;
use riquet_s3::request::{BucketConfiguration, ObjectInput, PutObjectTaggingInput, VersionId};
use riquet_s3::response::{ConfigurationOutput, NoContent, ObjectTaggingOutput, TaggingOutcome};
use riquet_s3::{Error as S3Error, ErrorCode, ObjectKey};

use super::{Answer, Context, get, no_such_version, whole};
use crate::convert;
use crate::error::Error;

pub(super) async fn get_object_tagging(cx: &Context, input: &ObjectInput) -> Answer {
    let version = input.version_id.as_ref();
    let object = get::find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let output = ObjectTaggingOutput {
        version_id: convert::shown_version(cx.bucket(), object.head.name()),
        outcome: TaggingOutcome::Are(TagSet::from_stored(object.body.tags)),
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn put_object_tagging(cx: &Context, input: &PutObjectTaggingInput) -> Answer {
    let tags = input.tags.clone().into_pairs();
    let named = alter(cx, &input.key, input.version_id.as_ref(), tags).await?;
    let output = ObjectTaggingOutput {
        version_id: convert::shown_version(cx.bucket(), named),
        outcome: TaggingOutcome::Replaced,
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn delete_object_tagging(cx: &Context, input: &ObjectInput) -> Answer {
    let named = alter(cx, &input.key, input.version_id.as_ref(), Vec::new()).await?;
    let output = ObjectTaggingOutput {
        version_id: convert::shown_version(cx.bucket(), named),
        outcome: TaggingOutcome::Removed,
    };
    Ok(whole(output.into_response()))
}

async fn alter(
    cx: &Context,
    key: &ObjectKey,
    version: Option<&VersionId>,
    tags: Vec<(String, String)>,
) -> Result<VersionName, Error> {
    let named = match version {
        None => None,
        Some(version) => Some(
            convert::stored_version(version)
                .ok_or_else(|| no_such_version(version, key.as_str()))?,
        ),
    };
    let alter = AlterVersion {
        key: convert::stored_key(key.as_str()),
        version: named,
        alteration: Alteration::Tags(tags),
    };
    Ok(cx.metadata().alter_version(cx.bucket(), alter).await?)
}

pub(super) async fn get_bucket_tagging(cx: &Context) -> Answer {
    let kind = DocumentKind::Tagging;
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let Document(document) = found.ok_or_else(|| {
        S3Error::new(ErrorCode::NoSuchTagSet).field("BucketName", cx.bucket().name.as_str())
    })?;
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

pub(super) async fn put_bucket_tagging(
    cx: &Context,
    input: &BucketConfiguration<TagSet>,
) -> Answer {
    configure(cx, Some(input.configuration.to_xml())).await?;
    Ok(whole(NoContent.into_response()))
}

pub(super) async fn delete_bucket_tagging(cx: &Context) -> Answer {
    configure(cx, None).await?;
    Ok(whole(NoContent.into_response()))
}

async fn configure(cx: &Context, document: Option<Bytes>) -> Result<(), Error> {
    let change = BucketChange::Document {
        kind: DocumentKind::Tagging,
        document: document.map(Document),
    };
    cx.metadata().configure_bucket(cx.bucket(), change).await?;
    Ok(())
}

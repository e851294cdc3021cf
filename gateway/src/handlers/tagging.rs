//! The tags of objects and buckets.

use riquet_metadata::command::Alteration;
use riquet_metadata::record::DocumentKind;
use riquet_s3::config::tagging::TagSet;
use riquet_s3::request::{BucketConfiguration, ObjectInput, PutObjectTaggingInput};
use riquet_s3::response::{NoContent, ObjectTaggingOutput, TaggingOutcome};

use super::{Answer, Context, alter, document, get, whole};
use crate::{convert, notify};

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
    let tags = Alteration::Tags(input.tags.clone().into_pairs());
    let version = input.version_id.as_ref();
    let named = alter(cx, &input.key, version, tags, notify::PUT_TAGS).await?;
    let output = ObjectTaggingOutput {
        version_id: convert::shown_version(cx.bucket(), named),
        outcome: TaggingOutcome::Replaced,
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn delete_object_tagging(cx: &Context, input: &ObjectInput) -> Answer {
    let tags = Alteration::Tags(Vec::new());
    let version = input.version_id.as_ref();
    let named = alter(cx, &input.key, version, tags, notify::DELETE_TAGS).await?;
    let output = ObjectTaggingOutput {
        version_id: convert::shown_version(cx.bucket(), named),
        outcome: TaggingOutcome::Removed,
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn put_bucket_tagging(
    cx: &Context,
    input: &BucketConfiguration<TagSet>,
) -> Answer {
    let document = input.configuration.to_xml();
    document::configure(cx, DocumentKind::Tagging, Some(document)).await?;
    Ok(whole(NoContent.into_response()))
}

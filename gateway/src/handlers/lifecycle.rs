//! The rules of a bucket's lifecycle, and what answers announce of them.

use bytes::Bytes;
use http::{HeaderMap, Response};
use riquet_metadata::record::{DocumentKind, ObjectVersion, StorageClass, VersionName};
use riquet_s3::Error as S3Error;
use riquet_s3::ErrorCode;
use riquet_s3::config::lifecycle::{Day, LifecycleConfiguration, VersionFacts, VersionState};
use riquet_s3::config::tagging::TagSet;
use riquet_s3::name::ObjectKey;
use riquet_s3::request::BucketConfiguration;
use riquet_s3::response::{LifecycleOutput, LifecycleStored, announce_abort, announce_expiry};

use super::{Answer, Context, document, whole};
use crate::convert;
use crate::lifecycle;

const KIND: DocumentKind = DocumentKind::Lifecycle;

pub(super) async fn get_configuration(cx: &Context) -> Answer {
    let found = lifecycle::read(cx.metadata(), cx.bucket().id).await?;
    let configuration = found.ok_or_else(|| {
        let name = cx.bucket().name.as_str();
        S3Error::new(ErrorCode::NoSuchLifecycleConfiguration).field("BucketName", name)
    })?;
    Ok(whole(LifecycleOutput { configuration }.into_response()))
}

pub(super) async fn put_configuration(
    cx: &Context,
    input: &BucketConfiguration<LifecycleConfiguration>,
) -> Answer {
    let rules = &input.configuration;
    document::configure(cx, KIND, Some(rules.to_stored())).await?;
    cx.gateway.lifecycle_rules.forget(cx.bucket().id).await;
    let output = LifecycleStored {
        transition_minimum: rules.transition_minimum(),
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn delete_configuration(cx: &Context) -> Answer {
    let answer = document::delete(cx, KIND).await?;
    cx.gateway.lifecycle_rules.forget(cx.bucket().id).await;
    Ok(answer)
}

/// What rules look at of an object that is answered: the current one of its key.
pub(super) struct Announced<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) modified_ms: u64,
    pub(super) size_bytes: u64,
    pub(super) class: StorageClass,
    pub(super) tags: TagSet,
}

impl<'a> Announced<'a> {
    pub(super) fn of(key: &'a ObjectKey, object: &ObjectVersion) -> Self {
        Self {
            key,
            modified_ms: object.head.modified_ms,
            size_bytes: object.head.size_bytes,
            class: object.head.storage_class,
            tags: TagSet::from_stored(object.body.tags.clone()),
        }
    }
}

/// Says on an answer when the object expires, if it ever does.
pub(super) async fn announce<B>(
    cx: &Context,
    mut response: Response<B>,
    object: Announced<'_>,
) -> Response<B> {
    announce_in(cx, response.headers_mut(), &object).await;
    response
}

/// The same of an object that was just stored as this version.
pub(super) async fn announce_stored(
    cx: &Context,
    mut response: Response<Bytes>,
    key: &ObjectKey,
    version: VersionName,
) -> Response<Bytes> {
    if !cx.bucket().documents.contains(&KIND) {
        return response;
    }
    let stored = convert::stored_key(key.as_str());
    let found = cx
        .metadata()
        .get_version(cx.bucket(), &stored, Some(version));
    match found.await {
        Ok(Some(object)) => {
            let object = Announced::of(key, &object);
            announce_in(cx, response.headers_mut(), &object).await;
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "no expiry is announced"),
    }
    response
}

async fn announce_in(cx: &Context, headers: &mut HeaderMap, object: &Announced<'_>) {
    let Some(rules) = rules(cx).await else {
        return;
    };
    let facts = VersionFacts {
        key: object.key.as_str(),
        tags: &object.tags,
        size_bytes: object.size_bytes,
        storage_class: convert::class(object.class),
        created: convert::moment(object.modified_ms),
        state: VersionState::Current,
    };
    if let Some(expiry) = rules.expiry(&facts, Day::Calendar) {
        announce_expiry(headers, &expiry);
    }
}

/// Says on an answer when an upload is aborted, if it ever is.
pub(super) async fn announce_upload(
    cx: &Context,
    mut response: Response<Bytes>,
    key: &ObjectKey,
    initiated_ms: u64,
) -> Response<Bytes> {
    if let Some(rules) = rules(cx).await {
        let initiated = convert::moment(initiated_ms);
        if let Some(expiry) = rules.upload_expiry(key.as_str(), initiated, Day::Calendar) {
            announce_abort(response.headers_mut(), &expiry);
        }
    }
    response
}

/// The bucket's rules. That they can't be read now is no reason to refuse what is done already.
async fn rules(cx: &Context) -> Option<std::sync::Arc<LifecycleConfiguration>> {
    match cx.gateway.lifecycle_rules.of(cx.bucket()).await {
        Ok(rules) => rules,
        Err(error) => {
            tracing::warn!(bucket = cx.bucket().name, %error, "no expiry is announced");
            None
        }
    }
}

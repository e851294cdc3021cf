//! DeleteObject, DeleteObjects.

use futures_util::StreamExt as _;
use riquet_cluster::failpoint::die_at;
use riquet_metadata::command::{DeleteObject, Deleted};
use riquet_metadata::record::Bypass;
use riquet_s3::conditions::DeleteConditions;
use riquet_s3::config::object_lock::Governance;
use riquet_s3::name::ObjectKey;
use riquet_s3::request::{DeleteObjectInput, DeleteObjectsInput, ObjectToDelete, VersionId};
use riquet_s3::response::{DeleteError, DeleteObjectOutput, DeleteObjectsOutput, DeletedObject};

use super::{Answer, Context, whole};
use crate::error::Error;
use crate::{convert, notify};

/// Deletions of one request under way at once: they share the log's syncs.
const DELETIONS_AT_ONCE: usize = 32;

pub(super) async fn delete_object(cx: &Context, input: &DeleteObjectInput) -> Answer {
    let version = input.version_id.as_ref();
    let bypass = cx.bypass(input.governance, input.key.as_str());
    let deleted = commit(cx, &input.key, version, &input.conditions, bypass).await?;
    Ok(whole(shown(deleted, version).into_response()))
}

/// What an answer says of a deletion.
fn shown(deleted: Deleted, asked: Option<&VersionId>) -> DeleteObjectOutput {
    match deleted {
        Deleted::Hidden { marker } => DeleteObjectOutput {
            version_id: Some(convert::version_id(marker)),
            delete_marker: true,
        },
        Deleted::Removed { was_marker } => DeleteObjectOutput {
            version_id: asked.cloned(),
            delete_marker: was_marker && asked.is_some(),
        },
        Deleted::Nothing => DeleteObjectOutput {
            version_id: asked.cloned(),
            delete_marker: false,
        },
    }
}

pub(super) async fn delete_objects(cx: &Context, input: &DeleteObjectsInput) -> Answer {
    let deletions: Vec<_> = input
        .objects
        .iter()
        .map(|object| delete_one(cx, object, input.governance))
        .collect();
    let results: Vec<_> = futures_util::stream::iter(deletions)
        .buffered(DELETIONS_AT_ONCE)
        .collect()
        .await;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (object, result) in input.objects.iter().zip(results) {
        let (key, version_id) = (object.key.clone(), object.version_id.clone());
        match result {
            Ok(done) => {
                let shown = shown(done, version_id.as_ref());
                deleted.push(DeletedObject {
                    key,
                    version_id,
                    marker: shown.version_id.filter(|_| shown.delete_marker),
                });
            }
            // The bucket is another than known here: all of it runs again with the right one.
            Err(error @ Error::Metadata(riquet_metadata::Error::StaleBucket)) => return Err(error),
            Err(error) => errors.push(DeleteError {
                key,
                version_id,
                error: error.into_s3(),
            }),
        }
    }
    let output = DeleteObjectsOutput {
        quiet: input.quiet,
        deleted,
        errors,
    };
    Ok(whole(output.into_response()))
}

async fn delete_one(
    cx: &Context,
    object: &ObjectToDelete,
    governance: Governance,
) -> Result<Deleted, Error> {
    let key = ObjectKey::parse(&object.key)?;
    let version = object.version_id.as_ref();
    let action = match version {
        None => "s3:DeleteObject",
        Some(_) => "s3:DeleteObjectVersion",
    };
    cx.authorize(action, key.as_str())?;
    let bypass = cx.bypass(governance, key.as_str());
    commit(cx, &key, version, &object.conditions, bypass).await
}

async fn commit(
    cx: &Context,
    key: &ObjectKey,
    version: Option<&VersionId>,
    conditions: &DeleteConditions,
    bypass: Bypass,
) -> Result<Deleted, Error> {
    let name = match version.map(convert::stored_version) {
        None => None,
        Some(Some(name)) => Some(name),
        // As at AWS, deleting what is not there succeeds; a version that can't be is not there.
        Some(None) => return Ok(Deleted::Nothing),
    };
    let delete = DeleteObject {
        key: convert::stored_key(key.as_str()),
        version: name,
        preconditions: convert::deletion_preconditions(conditions),
        versioning: cx.bucket().versioning,
        bypass,
    };
    let metadata = notify::telling(cx, key.as_str(), notify::DELETE).await?;
    die_at("gateway::delete::begun");
    let deleted = metadata
        .delete_object(cx.bucket(), delete)
        .await
        .map_err(|error| Error::from(error).of_write(conditions.header()))?;
    die_at("gateway::delete::committed");
    Ok(deleted)
}

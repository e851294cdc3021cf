//! DeleteObject, DeleteObjects.

use futures_util::StreamExt as _;
use riquet_cluster::failpoint::die_at;
use riquet_metadata::command::Preconditions;
use riquet_metadata::id::ObjectKey as StoredKey;
use riquet_s3::name::ObjectKey;
use riquet_s3::request::{DeleteObjectInput, DeleteObjectsInput, ObjectToDelete, VersionId};
use riquet_s3::response::{DeleteError, DeleteObjectsOutput, DeletedObject, NoContent};

use super::{Answer, Context, whole};
use crate::convert;
use crate::error::Error;

/// Deletions of one request under way at once: they share the log's syncs.
const DELETIONS_AT_ONCE: usize = 32;

pub(super) async fn delete_object(cx: &Context, input: &DeleteObjectInput) -> Answer {
    // As at AWS, deleting what is not there succeeds; a version that can't be is not there.
    if !is_foreign(input.version_id.as_ref()) {
        let key = convert::stored_key(input.key.as_str());
        let preconditions = convert::preconditions(&input.condition);
        commit(cx, &key, preconditions).await?;
    }
    Ok(whole(NoContent.into_response()))
}

pub(super) async fn delete_objects(cx: &Context, input: &DeleteObjectsInput) -> Answer {
    let deletions: Vec<_> = input
        .objects
        .iter()
        .map(|object| delete_one(cx, object))
        .collect();
    let results: Vec<_> = futures_util::stream::iter(deletions)
        .buffered(DELETIONS_AT_ONCE)
        .collect()
        .await;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (object, result) in input.objects.iter().zip(results) {
        let (key, version_id) = (object.key.clone(), object.version_id.clone());
        match result {
            Ok(()) => deleted.push(DeletedObject { key, version_id }),
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

async fn delete_one(cx: &Context, object: &ObjectToDelete) -> Result<(), Error> {
    let key = ObjectKey::parse(&object.key)?;
    if is_foreign(object.version_id.as_ref()) {
        return Ok(());
    }
    let key = convert::stored_key(key.as_str());
    let preconditions = convert::preconditions(&object.condition);
    commit(cx, &key, preconditions).await
}

async fn commit(cx: &Context, key: &StoredKey, preconditions: Preconditions) -> Result<(), Error> {
    die_at("gateway::delete::begun");
    let deleted = cx.metadata().delete_object(cx.bucket(), key, preconditions);
    deleted.await?;
    die_at("gateway::delete::committed");
    Ok(())
}

fn is_foreign(version: Option<&VersionId>) -> bool {
    matches!(version, Some(VersionId::Other(_)))
}

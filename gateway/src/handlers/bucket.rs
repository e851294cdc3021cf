//! Buckets themselves: list, create, look at, delete.

use http::Response;
use riquet_metadata::Created;
use riquet_metadata::command::{BucketChange, NewBucket, NewDocument};
use riquet_metadata::record::{Bucket, Document, DocumentKind, Versioning as StoredVersioning};
use riquet_s3::config::object_lock::ObjectLockConfiguration;
use riquet_s3::config::versioning::{Versioning, VersioningStatus};
use riquet_s3::request::{
    BucketConfiguration, CreateBucketInput, ListBucketsInput, ObjectLockAtCreation,
};
use riquet_s3::response::{
    BucketEntry, ConfigurationOutput, CreateBucketOutput, Done, GetBucketLocationOutput,
    HeadBucketOutput, ListBucketsOutput, NoContent,
};
use riquet_s3::{Error as S3Error, ErrorCode};

use super::{Answer, Context, acl, whole};
use crate::answer::AnswerBody;
use crate::convert;
use crate::error::Error;
use crate::names::{plain_name, stored_name};

/// The region where AWS forgives creating one's own bucket again.
const FORGIVING_REGION: &str = "us-east-1";

pub(super) async fn list_buckets(cx: &Context, input: &ListBucketsInput) -> Answer {
    let mut buckets = Vec::new();
    let mut next = None;
    let is_elsewhere = input
        .bucket_region
        .as_ref()
        .is_some_and(|region| *region != cx.gateway.settings.region);
    if !is_elsewhere {
        (buckets, next) = page_of_buckets(cx, input).await?;
    }
    let output = ListBucketsOutput {
        owner: cx.caller.owner(),
        region: cx.gateway.settings.region.clone(),
        buckets: buckets.iter().map(entry).collect(),
        prefix: input.prefix.clone(),
        next,
    };
    Ok(whole(output.into_response()))
}

/// Up to `max_buckets` buckets, in as many of the metadata's pages as it takes; and the name of
/// the last one if there are more.
async fn page_of_buckets(
    cx: &Context,
    input: &ListBucketsInput,
) -> Result<(Vec<Bucket>, Option<String>), Error> {
    let max = input.max_buckets as usize;
    // An owner's buckets are all in its own namespace.
    let stored = |text: &str| match cx.caller.namespace() {
        "" => text.to_owned(),
        namespace => format!("{namespace}:{text}"),
    };
    let mut buckets: Vec<Bucket> = Vec::new();
    loop {
        let after = match buckets.last() {
            Some(last) => Some(last.name.clone()),
            None => input.continuation_token.as_deref().map(stored),
        };
        let owner = Some(cx.caller.canonical_id().to_owned());
        let prefix = stored(input.prefix.as_deref().unwrap_or_default());
        let wanted = (max - buckets.len()) as u32;
        let (page, more) = cx.metadata().buckets(owner, prefix, after, wanted).await?;
        let is_stuck = page.is_empty();
        buckets.extend(page);
        if !more || is_stuck || buckets.len() >= max {
            let next = buckets
                .last()
                .filter(|_| more)
                .map(|last| plain_name(&last.name).to_owned());
            return Ok((buckets, next));
        }
    }
}

fn entry(bucket: &Bucket) -> BucketEntry {
    BucketEntry {
        name: plain_name(&bucket.name).to_owned(),
        created: convert::moment(bucket.created_ms),
    }
}

pub(super) async fn create_bucket(cx: &Context, input: &CreateBucketInput) -> Answer {
    let region = &cx.gateway.settings.region;
    check_location(input.location.as_deref(), region)?;
    let namespace = cx.caller.namespace();
    if input
        .bucket
        .namespace()
        .is_some_and(|named| named != namespace)
    {
        return Err(ErrorCode::AccessDenied.into());
    }
    let owner = cx.caller.canonical_id();
    let tenant = cx.caller.tenant().ok_or(ErrorCode::AccessDenied)?;
    let name = stored_name(&input.bucket, &cx.caller);
    let new = NewBucket {
        has_locks: input.object_lock == ObjectLockAtCreation::Enabled,
        tenant: tenant.id.clone(),
        documents: first_documents(cx, input).await?,
        ..NewBucket::named(&name, owner, region)
    };
    match cx.metadata().create_bucket(&new).await? {
        Created::New(_) => {}
        Created::Exists(bucket) => {
            check_same_acl(cx, &bucket, &new).await?;
            judge_existing(&bucket, owner)?;
        }
    }
    Ok(whole(
        CreateBucketOutput {
            bucket: input.bucket.clone(),
        }
        .into_response(),
    ))
}

/// What a bucket is configured with from its beginning.
async fn first_documents(
    cx: &Context,
    input: &CreateBucketInput,
) -> Result<Vec<NewDocument>, Error> {
    let ownership = input.object_ownership.map(|ownership| NewDocument {
        kind: DocumentKind::OwnershipControls,
        document: Document(ownership.to_xml()),
    });
    let acl = acl::of_new_bucket(cx, input.acl.as_ref(), input.object_ownership).await?;
    Ok(ownership.into_iter().chain(acl).collect())
}

/// A bucket is made in the store's own region, named or not.
fn check_location(location: Option<&str>, region: &str) -> Result<(), S3Error> {
    match location {
        Some(location) if location != region => Err(S3Error::new(
            ErrorCode::IllegalLocationConstraintException,
        )
        .message(format!(
            "The {location} location constraint is incompatible for the region specific \
                 endpoint this request was sent to."
        ))),
        Some(_) | None => Ok(()),
    }
}

/// One's own bucket is not made again with another list than it has.
async fn check_same_acl(cx: &Context, bucket: &Bucket, new: &NewBucket) -> Result<(), Error> {
    let kind = DocumentKind::Acl;
    let present = match bucket.documents.contains(&kind) {
        true => cx.metadata().bucket_document(bucket.id, kind).await?,
        false => None,
    };
    let asked = new.documents.iter().find(|document| document.kind == kind);
    match present.as_ref() == asked.map(|asked| &asked.document) {
        true => Ok(()),
        false => Err(S3Error::new(ErrorCode::BucketAlreadyExists)
            .field("BucketName", plain_name(&bucket.name))
            .into()),
    }
}

/// Whether creating a bucket that exists counts as done.
fn judge_existing(bucket: &Bucket, caller: &str) -> Result<(), S3Error> {
    let code = if bucket.owner != caller {
        ErrorCode::BucketAlreadyExists
    } else if bucket.region == FORGIVING_REGION {
        return Ok(());
    } else {
        ErrorCode::BucketAlreadyOwnedByYou
    };
    Err(S3Error::new(code).field("BucketName", plain_name(&bucket.name)))
}

pub(super) fn head_bucket(cx: &Context) -> Response<AnswerBody> {
    whole(
        HeadBucketOutput {
            region: cx.bucket().region.clone(),
        }
        .into_response(),
    )
}

pub(super) async fn delete_bucket(cx: &Context) -> Answer {
    cx.metadata().delete_bucket(cx.bucket()).await?;
    Ok(whole(NoContent.into_response()))
}

pub(super) fn get_bucket_location(cx: &Context) -> Response<AnswerBody> {
    whole(
        GetBucketLocationOutput {
            region: cx.bucket().region.clone(),
        }
        .into_response(),
    )
}

pub(super) fn versioning_of(bucket: &Bucket) -> Versioning {
    match bucket.versioning {
        StoredVersioning::Never => Versioning::Unversioned,
        StoredVersioning::Enabled => Versioning::Set(VersioningStatus::Enabled),
        StoredVersioning::Suspended => Versioning::Set(VersioningStatus::Suspended),
    }
}

pub(super) fn get_bucket_versioning(cx: &Context) -> Response<AnswerBody> {
    let document = versioning_of(cx.bucket()).to_xml();
    whole(ConfigurationOutput { document }.into_response())
}

pub(super) async fn put_bucket_versioning(
    cx: &Context,
    input: &BucketConfiguration<VersioningStatus>,
) -> Answer {
    if cx.bucket().has_locks {
        ObjectLockConfiguration::check_versioning(input.configuration)?;
    }
    let versioning = match input.configuration {
        VersioningStatus::Enabled => StoredVersioning::Enabled,
        VersioningStatus::Suspended => StoredVersioning::Suspended,
    };
    let change = BucketChange::Versioning(versioning);
    cx.metadata().configure_bucket(cx.bucket(), change).await?;
    Ok(whole(Done.into_response()))
}

#[cfg(test)]
mod tests {
    use riquet_metadata::id::BucketId;

    use super::*;

    fn bucket(owner: &str, region: &str) -> Bucket {
        Bucket {
            id: BucketId(1),
            tenant: String::new(),
            name: "b-1".to_owned(),
            owner: owner.to_owned(),
            created_ms: 0,
            region: region.to_owned(),
            tablets: Vec::new(),
            versioning: StoredVersioning::Never,
            has_locks: false,
            documents: Vec::new(),
        }
    }

    #[test]
    fn creating_again_is_judged_as_at_aws() {
        let code =
            |owner, region| judge_existing(&bucket(owner, region), "ada").map_err(|e| e.code());
        assert_eq!(code("ada", "us-east-1"), Ok(()));
        assert_eq!(
            code("ada", "eu-west-3"),
            Err(ErrorCode::BucketAlreadyOwnedByYou)
        );
        assert_eq!(
            code("eve", "us-east-1"),
            Err(ErrorCode::BucketAlreadyExists)
        );
    }

    #[test]
    fn a_bucket_is_made_in_the_stores_own_region() {
        let code = |location, region| check_location(location, region).map_err(|e| e.code());
        assert_eq!(code(None, "eu-west-3"), Ok(()));
        assert_eq!(code(Some("eu-west-3"), "eu-west-3"), Ok(()));
        let elsewhere = Err(ErrorCode::IllegalLocationConstraintException);
        assert_eq!(code(Some("eu-west-1"), "eu-west-3"), elsewhere);
    }
}

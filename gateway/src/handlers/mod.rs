//! The operations, one file for each family. A handler gets a typed input and who asks, does what
//! the operation says over metadata and data path, and gives a typed output.

mod acl;
mod attributes;
mod bucket;
mod copy;
mod delete;
mod document;
mod encryption;
mod get;
mod lifecycle;
mod list;
mod lock;
mod logging;
mod multipart;
mod multipart_complete;
mod multipart_list;
mod notification;
mod policy;
mod post;
mod put;
mod settings;
mod tagging;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Response;
use riquet_cluster::id::RequestId;
use riquet_cluster::wire::shard::{Owner as ShardOwner, PartOwner};
use riquet_metadata::Client;
use riquet_metadata::command::{AlterVersion, Alteration};
use riquet_metadata::id::{ObjectKey, UploadId};
use riquet_metadata::record::{Bucket, Bypass, DocumentKind, VersionName};
use riquet_s3::body::PayloadSpec;
use riquet_s3::config::object_lock::Governance;
use riquet_s3::policy as iam;
use riquet_s3::request::{Operation, VersionId};
use riquet_s3::response::EmptyListOutput;
use riquet_s3::{Error as S3Error, ErrorCode, ObjectKey as S3Key};

use crate::access::{self, BucketPolicy, Known, Question, Rules, Verdict, authorize};
use crate::answer::AnswerBody;
use crate::client_body::ClientBody;
use crate::convert;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::identity::Caller;
use crate::notify::{self, Possible};

pub(crate) use post::post_object;

/// Largest object or part that comes in one request, bytes; S3's own limit.
const UPLOAD_MAX_BYTES: u64 = 5 << 30;

/// Largest object that is made of parts, bytes.
const OBJECT_MAX_BYTES: u64 = 5 << 40;

type Answer = Result<Response<AnswerBody>, Error>;

/// Who asks for what, beyond the operation's input.
pub(crate) struct Context {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) request: RequestId,
    /// The bucket of the request's path, which the caller may use as asked.
    pub(crate) known: Option<Known>,
    /// Whether that holds for the object of the request's path hangs on the object.
    pub(crate) verdict: Verdict,
    /// What conditions of policies may ask.
    pub(crate) conditions: iam::Context,
    /// The host that the client believes to talk to.
    pub(crate) host: String,
    /// Where the request comes from.
    pub(crate) peer: SocketAddr,
}

/// The body of an upload, not read yet.
pub(crate) struct Upload<'a> {
    pub(crate) body: &'a mut ClientBody,
    pub(crate) spec: PayloadSpec,
}

impl Context {
    fn metadata(&self) -> &Client {
        &self.gateway.metadata
    }

    /// The bucket of the request's path.
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.known().bucket
    }

    /// What its documents say about access.
    fn rules(&self) -> &Rules {
        &self.known().rules
    }

    fn known(&self) -> &Known {
        let known = self.known.as_ref();
        known.expect("an operation on a bucket is given it")
    }

    /// Whether the caller may do something else with the request's bucket, or an object in it, than
    /// was asked before.
    ///
    /// # Errors
    /// `AccessDenied`.
    fn authorize(&self, action: &str, key: &str) -> Result<Verdict, Error> {
        authorize(&self.question(action, Some(key)))
    }

    fn question<'a>(&'a self, action: &'a str, key: Option<&'a str>) -> Question<'a> {
        Question {
            caller: &self.caller,
            action,
            bucket: Some(self.known().target(key)),
            context: &self.conditions,
        }
    }

    fn is_denied_by(&self, policy: &BucketPolicy, action: &str) -> bool {
        access::is_denied_by(&self.question(action, None), policy)
    }

    /// The retention that the caller may get past where it asks to.
    fn bypass(&self, governance: Governance, key: &str) -> Bypass {
        let bypass = lock::bypass(governance);
        match self.authorize("s3:BypassGovernanceRetention", key) {
            Ok(Verdict::Allowed) => bypass,
            Ok(Verdict::ObjectDecides(_)) | Err(_) => lock::bypass(Governance::Enforced),
        }
    }

    /// What the shards of an object, or of a part of an upload, say that they belong to.
    fn shard_owner(&self, key: &ObjectKey, part: Option<(UploadId, u32)>) -> ShardOwner {
        let part = part.map(|(upload, number)| PartOwner {
            upload: upload.0.to_be_bytes(),
            number: u16::try_from(number).expect("part numbers end at 10,000"),
        });
        ShardOwner {
            bucket: self.bucket().id.0,
            key: key.as_bytes().to_vec(),
            part,
            sealed: false,
        }
    }
}

impl Upload<'_> {
    /// Its length without framing.
    ///
    /// # Errors
    /// `EntityTooLarge`.
    fn length_bytes(&self) -> Result<u64, S3Error> {
        let length_bytes = self.spec.length_bytes();
        let length_bytes = length_bytes.ok_or(ErrorCode::MissingContentLength)?;
        check_upload_size(length_bytes)?;
        Ok(length_bytes)
    }
}

fn check_upload_size(size_bytes: u64) -> Result<(), S3Error> {
    if size_bytes <= UPLOAD_MAX_BYTES {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::EntityTooLarge)
        .field("ProposedSize", size_bytes.to_string())
        .field("MaxSizeAllowed", UPLOAD_MAX_BYTES.to_string()))
}

fn no_such_version(version: &VersionId, key: &str) -> S3Error {
    S3Error::new(ErrorCode::NoSuchVersion)
        .field("Key", key)
        .field("VersionId", version.as_str())
}

/// The name of the version that a client asks for, if it asks for one.
///
/// # Errors
/// `NoSuchVersion` for a name that no version of ours has.
fn named_version(version: Option<&VersionId>, key: &str) -> Result<Option<VersionName>, S3Error> {
    let named =
        |version| convert::stored_version(version).ok_or_else(|| no_such_version(version, key));
    version.map(named).transpose()
}

/// Changes what can be changed of a version; its name.
async fn alter(
    cx: &Context,
    key: &S3Key,
    version: Option<&VersionId>,
    alteration: Alteration,
    told: Possible,
) -> Result<VersionName, Error> {
    if matches!(cx.verdict, Verdict::ObjectDecides(_)) {
        get::find(cx, cx.bucket(), key.as_str(), version).await?;
    }
    let alter = AlterVersion {
        key: convert::stored_key(key.as_str()),
        version: named_version(version, key.as_str())?,
        alteration,
    };
    let metadata = notify::telling(cx, key.as_str(), told).await?;
    Ok(metadata.alter_version(cx.bucket(), alter).await?)
}

/// Runs an operation whose body is taken in as it comes.
pub(crate) fn handle_upload<'a>(
    cx: &'a Context,
    operation: &'a Operation,
    upload: Upload<'a>,
) -> BoxFuture<'a, Answer> {
    dispatch_upload(cx, operation, upload).boxed()
}

async fn dispatch_upload(cx: &Context, operation: &Operation, upload: Upload<'_>) -> Answer {
    match operation {
        Operation::PutObject(input) => put::put_object(cx, input, upload).await,
        Operation::UploadPart(input) => multipart::upload_part(cx, input, upload).await,
        other => unreachable!("{} has no streamed body", other.name()),
    }
}

/// Runs an operation that is fully known. May be called again with another bucket.
///
/// Boxed, as the states of all operations together are large.
pub(crate) fn handle<'a>(cx: &'a Context, operation: &'a Operation) -> BoxFuture<'a, Answer> {
    dispatch(cx, operation).boxed()
}

async fn dispatch(cx: &Context, operation: &Operation) -> Answer {
    use Operation as Op;
    match operation {
        Op::ListBuckets(input) => bucket::list_buckets(cx, input).await,
        Op::CreateBucket(input) => bucket::create_bucket(cx, input).await,
        Op::HeadBucket(_) => Ok(bucket::head_bucket(cx)),
        Op::DeleteBucket(_) => bucket::delete_bucket(cx).await,
        Op::GetBucketLocation(_) => Ok(bucket::get_bucket_location(cx)),
        Op::GetBucketVersioning(_) => Ok(bucket::get_bucket_versioning(cx)),
        Op::PutBucketVersioning(input) => bucket::put_bucket_versioning(cx, input).await,
        Op::GetBucketCors(_) => {
            document::get(cx, DocumentKind::Cors, ErrorCode::NoSuchCORSConfiguration).await
        }
        Op::PutBucketCors(input) => {
            document::put(cx, DocumentKind::Cors, input.configuration.to_xml()).await
        }
        Op::DeleteBucketCors(_) => document::delete(cx, DocumentKind::Cors).await,
        Op::GetBucketLifecycleConfiguration(_) => lifecycle::get_configuration(cx).await,
        Op::PutBucketLifecycleConfiguration(input) => lifecycle::put_configuration(cx, input).await,
        Op::DeleteBucketLifecycle(_) => lifecycle::delete_configuration(cx).await,
        Op::GetBucketEncryption(_) => {
            let missing = ErrorCode::ServerSideEncryptionConfigurationNotFoundError;
            document::get(cx, DocumentKind::Encryption, missing).await
        }
        Op::PutBucketEncryption(input) => {
            document::put(cx, DocumentKind::Encryption, input.configuration.to_xml()).await
        }
        Op::DeleteBucketEncryption(_) => document::delete(cx, DocumentKind::Encryption).await,
        Op::GetBucketTagging(_) => {
            document::get(cx, DocumentKind::Tagging, ErrorCode::NoSuchTagSet).await
        }
        Op::PutBucketTagging(input) => tagging::put_bucket_tagging(cx, input).await,
        Op::DeleteBucketTagging(_) => document::delete(cx, DocumentKind::Tagging).await,
        Op::GetPublicAccessBlock(_) => {
            let missing = ErrorCode::NoSuchPublicAccessBlockConfiguration;
            document::get(cx, DocumentKind::PublicAccessBlock, missing).await
        }
        Op::PutPublicAccessBlock(input) => {
            let document = input.configuration.to_xml();
            document::put(cx, DocumentKind::PublicAccessBlock, document).await
        }
        Op::DeletePublicAccessBlock(_) => {
            document::delete(cx, DocumentKind::PublicAccessBlock).await
        }
        Op::GetBucketOwnershipControls(_) => {
            let missing = ErrorCode::OwnershipControlsNotFoundError;
            document::get(cx, DocumentKind::OwnershipControls, missing).await
        }
        Op::PutBucketOwnershipControls(input) => {
            acl::check_before(cx, input.configuration)?;
            let document = input.configuration.to_xml();
            document::put(cx, DocumentKind::OwnershipControls, document).await
        }
        Op::DeleteBucketOwnershipControls(_) => {
            document::delete(cx, DocumentKind::OwnershipControls).await
        }
        Op::GetBucketAccelerateConfiguration(_) => settings::get_acceleration(cx).await,
        Op::PutBucketAccelerateConfiguration(input) => {
            settings::put_acceleration(cx, input.configuration).await
        }
        Op::GetBucketRequestPayment(_) => Ok(settings::get_payer()),
        Op::PutBucketRequestPayment(input) => settings::put_payer(input.configuration),
        Op::GetBucketReplication(_) => Err(ErrorCode::ReplicationConfigurationNotFoundError.into()),
        Op::GetBucketAnalyticsConfiguration(_)
        | Op::GetBucketIntelligentTieringConfiguration(_)
        | Op::GetBucketInventoryConfiguration(_)
        | Op::GetBucketMetricsConfiguration(_) => Err(ErrorCode::NoSuchConfiguration.into()),
        Op::ListBucketAnalyticsConfigurations(_) => Ok(settings::none(EmptyListOutput::Analytics)),
        Op::ListBucketIntelligentTieringConfigurations(_) => {
            Ok(settings::none(EmptyListOutput::IntelligentTiering))
        }
        Op::ListBucketInventoryConfigurations(_) => Ok(settings::none(EmptyListOutput::Inventory)),
        Op::ListBucketMetricsConfigurations(_) => Ok(settings::none(EmptyListOutput::Metrics)),
        Op::GetBucketWebsite(_) => {
            let missing = ErrorCode::NoSuchWebsiteConfiguration;
            document::get(cx, DocumentKind::Website, missing).await
        }
        Op::PutBucketWebsite(input) => {
            let answer =
                document::put(cx, DocumentKind::Website, input.configuration.to_xml()).await;
            cx.gateway.documents.website.forget(cx.bucket().id).await;
            answer
        }
        Op::DeleteBucketWebsite(_) => document::delete(cx, DocumentKind::Website).await,
        Op::GetBucketLogging(_) => logging::get(cx).await,
        Op::PutBucketLogging(input) => logging::put(cx, &input.configuration).await,
        Op::GetBucketNotificationConfiguration(_) => notification::get(cx).await,
        Op::PutBucketNotificationConfiguration(input) => notification::put(cx, input).await,
        Op::GetObjectLockConfiguration(_) => lock::get_configuration(cx).await,
        Op::PutObjectLockConfiguration(input) => lock::put_configuration(cx, input).await,
        Op::GetObjectRetention(input) => lock::get_retention(cx, input).await,
        Op::PutObjectRetention(input) => lock::put_retention(cx, input).await,
        Op::GetObjectLegalHold(input) => lock::get_legal_hold(cx, input).await,
        Op::PutObjectLegalHold(input) => lock::put_legal_hold(cx, input).await,
        Op::GetBucketAcl(_) => acl::get_bucket_acl(cx).await,
        Op::PutBucketAcl(input) => acl::put_bucket_acl(cx, input).await,
        Op::GetBucketPolicy(_) => policy::get(cx).await,
        Op::PutBucketPolicy(input) => policy::put(cx, input).await,
        Op::DeleteBucketPolicy(_) => document::delete(cx, DocumentKind::Policy).await,
        Op::GetBucketPolicyStatus(_) => policy::status(cx).await,
        Op::ListObjects(input) => list::list_objects(cx, input).await,
        Op::ListObjectsV2(input) => list::list_objects_v2(cx, input).await,
        Op::ListObjectVersions(input) => list::list_object_versions(cx, input).await,
        Op::GetObject(input) => get::get_object(cx, input).await,
        Op::HeadObject(input) => get::head_object(cx, input).await,
        Op::GetObjectAcl(input) => acl::get_object_acl(cx, input).await,
        Op::PutObjectAcl(input) => acl::put_object_acl(cx, input).await,
        Op::GetObjectAttributes(input) => attributes::get_object_attributes(cx, input).await,
        Op::GetObjectTagging(input) => tagging::get_object_tagging(cx, input).await,
        Op::PutObjectTagging(input) => tagging::put_object_tagging(cx, input).await,
        Op::DeleteObjectTagging(input) => tagging::delete_object_tagging(cx, input).await,
        Op::DeleteObject(input) => delete::delete_object(cx, input).await,
        Op::DeleteObjects(input) => delete::delete_objects(cx, input).await,
        Op::CopyObject(input) => copy::copy_object(cx, input).await,
        Op::CreateMultipartUpload(input) => multipart::create(cx, input).await,
        Op::UploadPartCopy(input) => multipart::upload_part_copy(cx, input).await,
        Op::CompleteMultipartUpload(input) => multipart_complete::complete(cx, input).await,
        Op::AbortMultipartUpload(input) => multipart::abort(cx, input).await,
        Op::ListParts(input) => multipart_list::list_parts(cx, input).await,
        Op::ListMultipartUploads(input) => multipart_list::list_uploads(cx, input).await,
        Op::PutObject(_) | Op::UploadPart(_) => unreachable!("a streamed body is never collected"),
    }
}

/// An answer whose body is in memory.
fn whole(response: Response<Bytes>) -> Response<AnswerBody> {
    response.map(AnswerBody::whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_of_more_than_5_gib_is_too_large() {
        assert!(check_upload_size(UPLOAD_MAX_BYTES).is_ok());
        let refused = check_upload_size(UPLOAD_MAX_BYTES + 1).expect_err("one byte more");
        assert_eq!(refused.code(), ErrorCode::EntityTooLarge);
    }
}

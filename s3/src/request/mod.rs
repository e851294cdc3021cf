//! Typed inputs: a routed request is read once, here, into an [`Operation`]; nothing behind this
//! looks at raw headers, queries or XML again.

mod access;
mod attributes;
mod bucket;
mod conditions;
mod copy;
mod encryption;
mod expected_owner;
pub(crate) mod fields;
mod headers;
mod lifecycle;
mod list;
mod lock;
mod multipart;
mod notification;
mod object;
mod tagging;
pub(crate) mod unsupported;

use http::HeaderMap;

pub use access::{PutBucketAclInput, PutBucketPolicyInput, PutObjectAclInput, SelfAccess};
pub use attributes::{GetObjectAttributesInput, WantedAttributes};
pub use bucket::{
    BUCKETS_PER_PAGE_MAX, BucketConfiguration, BucketInput, CreateBucketInput, ListBucketsInput,
    ListConfigurationsInput, ObjectLockAtCreation,
};
pub use copy::{CopyMetadata, CopyObjectInput, CopySource, CopyTags, UploadPartCopyInput};
pub use encryption::{CUSTOMER_KEY_BYTES, CustomerKey, EncryptionContext, NewEncryption};
pub use expected_owner::ExpectedOwner;
pub use headers::{
    ObjectHeaders, StorageClass, USER_METADATA_BYTES_MAX, USER_METADATA_PREFIX, UserMetadata,
};
pub use list::{
    EncodingType, KEYS_PER_PAGE_MAX, ListCommon, ListMultipartUploadsInput,
    ListObjectVersionsInput, ListObjectsInput, ListObjectsV2Input, ListPosition, VersionPosition,
};
pub use lock::{NewLock, PutObjectLegalHoldInput, PutObjectRetentionInput};
pub use multipart::{
    CompleteMultipartUploadInput, CompletedPart, CreateMultipartUploadInput, ListPartsInput,
    MultipartChecksum, PARTS_PER_PAGE_MAX, UploadInput, UploadPartInput,
};
pub use notification::{DestinationCheck, PutNotificationInput};
pub use object::{
    ChecksumMode, DELETE_KEYS_MAX, DeleteObjectInput, DeleteObjectsInput, GetObjectInput,
    ObjectInput, ObjectToDelete, PART_NUMBER_MAX, PutObjectInput, ResponseOverrides, Selection,
    VersionId,
};
pub use tagging::PutObjectTaggingInput;

use crate::config::accelerate::Acceleration;
use crate::config::cors::CorsConfiguration;
use crate::config::encryption::BucketEncryption;
use crate::config::lifecycle::LifecycleConfiguration;
use crate::config::logging::BucketLogging;
use crate::config::object_lock::ObjectLockConfiguration;
use crate::config::ownership::ObjectOwnership;
use crate::config::public_access_block::PublicAccessBlock;
use crate::config::request_payment::Payer;
use crate::config::tagging::{TagSet, Tagged};
use crate::config::versioning::VersioningStatus;
use crate::config::website::WebsiteConfiguration;
use crate::error::{Error, ErrorCode, Result};
use crate::name::{BucketName, ObjectKey};
use crate::operation::{OperationName, Route, Status};
use fields::Fields;

/// Declares [`Operation`], its parser's dispatch and the way back to the name.
macro_rules! operations {
    ($($name:ident($input:ty) = $parse:expr;)*) => {
        /// An operation with its input.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of the S3 API reference")]
        pub enum Operation {
            $($name($input),)*
        }

        impl Operation {
            /// The operation's name.
            #[must_use]
            pub const fn name(&self) -> OperationName {
                match self { $(Self::$name(_) => OperationName::$name,)* }
            }

            fn dispatch(request: Request<'_>, name: OperationName) -> Result<Self> {
                match name {
                    $(OperationName::$name => {
                        let parse: fn(Request<'_>) -> Result<$input> = $parse;
                        parse(request).map(Self::$name)
                    })*
                    _ => Err(not_implemented(name)),
                }
            }
        }
    };
}

/// A routed request with everything an input can be read from.
struct Request<'a> {
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
    fields: Fields<'a>,
    body: &'a [u8],
}

/// The bucket and key of an operation on an object.
pub(crate) struct Target {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
}

impl Request<'_> {
    fn bucket(&self) -> BucketName {
        self.bucket
            .clone()
            .expect("the router gives a bucket to every operation on one")
    }

    fn target(&self) -> Target {
        let key = self
            .key
            .clone()
            .expect("the router gives a key to every operation on one");
        Target {
            bucket: self.bucket(),
            key,
        }
    }
}

fn bucket_input(request: Request<'_>) -> Result<BucketInput> {
    Ok(BucketInput {
        bucket: request.bucket(),
    })
}

/// Reads what a bucket is to be configured with.
fn bucket_configuration<T>(
    request: Request<'_>,
    parse: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<BucketConfiguration<T>> {
    Ok(BucketConfiguration {
        bucket: request.bucket(),
        configuration: parse(request.body)?,
    })
}

operations! {
    AbortMultipartUpload(UploadInput) = |r| UploadInput::parse(r.target(), r.fields);
    CompleteMultipartUpload(Box<CompleteMultipartUploadInput>) =
        |r| CompleteMultipartUploadInput::parse(r.target(), r.fields, r.body).map(Box::new);
    CopyObject(Box<CopyObjectInput>) =
        |r| CopyObjectInput::parse(r.target(), r.fields).map(Box::new);
    CreateBucket(CreateBucketInput) = |r| CreateBucketInput::parse(r.bucket(), r.fields, r.body);
    CreateMultipartUpload(Box<CreateMultipartUploadInput>) =
        |r| CreateMultipartUploadInput::parse(r.target(), r.fields).map(Box::new);
    DeleteBucket(BucketInput) = bucket_input;
    DeleteBucketCors(BucketInput) = bucket_input;
    DeleteBucketPolicy(BucketInput) = bucket_input;
    DeleteBucketOwnershipControls(BucketInput) = bucket_input;
    DeleteBucketLifecycle(BucketInput) = bucket_input;
    DeleteBucketEncryption(BucketInput) = bucket_input;
    DeleteBucketTagging(BucketInput) = bucket_input;
    DeleteBucketWebsite(BucketInput) = bucket_input;
    DeleteObject(DeleteObjectInput) = |r| DeleteObjectInput::parse(r.target(), r.fields);
    DeleteObjects(DeleteObjectsInput) =
        |r| DeleteObjectsInput::parse(r.bucket(), r.fields, r.body);
    DeletePublicAccessBlock(BucketInput) = bucket_input;
    DeleteObjectTagging(ObjectInput) = |r| ObjectInput::parse(r.target(), r.fields);
    GetBucketAccelerateConfiguration(BucketInput) = bucket_input;
    GetBucketAcl(BucketInput) = bucket_input;
    GetBucketAnalyticsConfiguration(BucketInput) = bucket_input;
    GetBucketCors(BucketInput) = bucket_input;
    GetBucketIntelligentTieringConfiguration(BucketInput) = bucket_input;
    GetBucketInventoryConfiguration(BucketInput) = bucket_input;
    GetBucketLifecycleConfiguration(BucketInput) = bucket_input;
    GetBucketEncryption(BucketInput) = bucket_input;
    GetBucketLocation(BucketInput) = bucket_input;
    GetBucketPolicy(BucketInput) = bucket_input;
    GetBucketPolicyStatus(BucketInput) = bucket_input;
    GetBucketLogging(BucketInput) = bucket_input;
    GetBucketMetricsConfiguration(BucketInput) = bucket_input;
    GetBucketNotificationConfiguration(BucketInput) = bucket_input;
    GetBucketOwnershipControls(BucketInput) = bucket_input;
    GetBucketReplication(BucketInput) = bucket_input;
    GetBucketRequestPayment(BucketInput) = bucket_input;
    GetBucketTagging(BucketInput) = bucket_input;
    GetBucketVersioning(BucketInput) = bucket_input;
    GetBucketWebsite(BucketInput) = bucket_input;
    GetObject(Box<GetObjectInput>) = |r| GetObjectInput::parse(r.target(), r.fields).map(Box::new);
    GetObjectAcl(ObjectInput) = |r| ObjectInput::parse(r.target(), r.fields);
    GetObjectAttributes(GetObjectAttributesInput) =
        |r| GetObjectAttributesInput::parse(r.target(), r.fields);
    GetObjectLegalHold(ObjectInput) = |r| ObjectInput::parse(r.target(), r.fields);
    GetObjectLockConfiguration(BucketInput) = bucket_input;
    GetObjectRetention(ObjectInput) = |r| ObjectInput::parse(r.target(), r.fields);
    GetObjectTagging(ObjectInput) = |r| ObjectInput::parse(r.target(), r.fields);
    GetPublicAccessBlock(BucketInput) = bucket_input;
    HeadBucket(BucketInput) = bucket_input;
    HeadObject(Box<GetObjectInput>) = |r| GetObjectInput::parse(r.target(), r.fields).map(Box::new);
    ListBucketAnalyticsConfigurations(ListConfigurationsInput) =
        |r| ListConfigurationsInput::parse(r.bucket(), r.fields);
    ListBucketIntelligentTieringConfigurations(ListConfigurationsInput) =
        |r| ListConfigurationsInput::parse(r.bucket(), r.fields);
    ListBucketInventoryConfigurations(ListConfigurationsInput) =
        |r| ListConfigurationsInput::parse(r.bucket(), r.fields);
    ListBucketMetricsConfigurations(ListConfigurationsInput) =
        |r| ListConfigurationsInput::parse(r.bucket(), r.fields);
    ListBuckets(ListBucketsInput) = |r| ListBucketsInput::parse(r.fields);
    ListMultipartUploads(ListMultipartUploadsInput) =
        |r| ListMultipartUploadsInput::parse(r.bucket(), r.fields);
    ListObjectVersions(ListObjectVersionsInput) =
        |r| ListObjectVersionsInput::parse(r.bucket(), r.fields);
    ListObjects(ListObjectsInput) = |r| ListObjectsInput::parse(r.bucket(), r.fields);
    ListObjectsV2(ListObjectsV2Input) = |r| ListObjectsV2Input::parse(r.bucket(), r.fields);
    ListParts(ListPartsInput) = |r| ListPartsInput::parse(r.target(), r.fields);
    PutBucketAcl(PutBucketAclInput) =
        |r| PutBucketAclInput::parse(r.bucket(), r.fields, r.body);
    PutBucketPolicy(PutBucketPolicyInput) =
        |r| PutBucketPolicyInput::parse(r.bucket(), r.fields, r.body);
    PutBucketAccelerateConfiguration(BucketConfiguration<Acceleration>) =
        |r| bucket_configuration(r, Acceleration::parse);
    PutBucketCors(BucketConfiguration<CorsConfiguration>) =
        |r| bucket_configuration(r, CorsConfiguration::parse);
    PutBucketLogging(BucketConfiguration<BucketLogging>) =
        |r| bucket_configuration(r, BucketLogging::parse);
    PutBucketNotificationConfiguration(PutNotificationInput) =
        |r| PutNotificationInput::parse(r.bucket(), r.fields, r.body);
    PutBucketOwnershipControls(BucketConfiguration<ObjectOwnership>) =
        |r| bucket_configuration(r, ObjectOwnership::parse);
    PutBucketRequestPayment(BucketConfiguration<Payer>) =
        |r| bucket_configuration(r, Payer::parse);
    PutBucketLifecycleConfiguration(BucketConfiguration<LifecycleConfiguration>) = lifecycle::parse;
    PutBucketEncryption(BucketConfiguration<BucketEncryption>) =
        |r| bucket_configuration(r, BucketEncryption::parse);
    PutBucketTagging(BucketConfiguration<TagSet>) =
        |r| bucket_configuration(r, |body| TagSet::parse(body, Tagged::Bucket));
    PutBucketVersioning(BucketConfiguration<VersioningStatus>) =
        |r| bucket_configuration(r, VersioningStatus::parse);
    PutBucketWebsite(BucketConfiguration<WebsiteConfiguration>) =
        |r| bucket_configuration(r, WebsiteConfiguration::parse);
    PutObject(Box<PutObjectInput>) = |r| PutObjectInput::parse(r.target(), r.fields).map(Box::new);
    PutObjectAcl(PutObjectAclInput) =
        |r| PutObjectAclInput::parse(r.target(), r.fields, r.body);
    PutObjectLegalHold(PutObjectLegalHoldInput) =
        |r| PutObjectLegalHoldInput::parse(r.target(), r.fields, r.body);
    PutObjectLockConfiguration(BucketConfiguration<ObjectLockConfiguration>) =
        |r| bucket_configuration(r, ObjectLockConfiguration::parse);
    PutObjectRetention(PutObjectRetentionInput) =
        |r| PutObjectRetentionInput::parse(r.target(), r.fields, r.body);
    PutObjectTagging(PutObjectTaggingInput) =
        |r| PutObjectTaggingInput::parse(r.target(), r.fields, r.body);
    PutPublicAccessBlock(BucketConfiguration<PublicAccessBlock>) =
        |r| bucket_configuration(r, PublicAccessBlock::parse);
    UploadPart(UploadPartInput) = |r| UploadPartInput::parse(r.target(), r.fields);
    UploadPartCopy(Box<UploadPartCopyInput>) =
        |r| UploadPartCopyInput::parse(r.target(), r.fields).map(Box::new);
}

impl Operation {
    /// Reads a routed request. `body` is the collected document of an operation whose
    /// [`Route::body_kind`] is XML, and empty for every other.
    ///
    /// # Errors
    /// `NotImplemented` for an operation, or a header's function, that isn't there; else what the
    /// operation answers to a malformed input.
    pub fn parse(route: Route, headers: &HeaderMap, body: &[u8]) -> Result<Self> {
        let Route {
            operation,
            bucket,
            key,
            query,
        } = route;
        if operation.status != Status::Implemented {
            return Err(not_implemented(operation.name));
        }
        let fields = Fields {
            headers,
            query: &query,
        };
        unsupported::refuse_unsupported(fields)?;
        Self::dispatch(
            Request {
                bucket,
                key,
                fields,
                body,
            },
            operation.name,
        )
    }
}

fn not_implemented(name: OperationName) -> Error {
    Error::new(ErrorCode::NotImplemented)
        .message("The requested operation is not implemented")
        .field("Operation", name.as_str())
}

#[cfg(test)]
mod tests {
    use http::{Method, Request as HttpRequest};

    use super::*;
    use crate::operation::table::{Scope, TABLE};
    use crate::operation::{BodyKind, Router};

    fn parse(
        method: &Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Operation> {
        let mut request = HttpRequest::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let route = Router::default().route(&head)?;
        Operation::parse(route, &head.headers, body.as_bytes())
    }

    #[test]
    fn every_implemented_row_has_an_input_and_every_other_is_not_implemented() {
        // A form is read by `crate::post`.
        let rows = TABLE
            .iter()
            .filter(|row| row.name != OperationName::PostObject);
        for row in rows.filter(|row| row.is_routed()) {
            let path = match row.scope {
                Scope::Service => "/",
                Scope::Bucket => "/abc",
                Scope::Object => "/abc/k",
            };
            let query = row.query.join("&").replace("partNumber", "partNumber=1");
            let headers = [
                ("x-amz-copy-source", "abc/other"),
                ("content-md5", "x"),
                ("x-amz-object-attributes", "ETag"),
            ];
            let headers = if row.headers.is_empty() {
                &headers[1..]
            } else {
                &headers[..]
            };
            let body = row.name.smallest_document();
            let parsed = parse(&row.method, &format!("{path}?{query}"), headers, body);
            match row.status {
                Status::Implemented => {
                    let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", row.name));
                    assert_eq!(parsed.name(), row.name);
                }
                _ => {
                    let error = parsed.unwrap_err();
                    assert_eq!(error.code(), ErrorCode::NotImplemented, "{}", row.name);
                    assert_eq!(error.fields()[0].1, row.name.as_str());
                }
            }
        }
    }

    #[test]
    fn a_put_is_read_whole() {
        let headers = [
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-meta-Colour", "blue"),
            ("x-amz-storage-class", "ONEZONE_IA"),
            ("if-none-match", "*"),
        ];
        let operation = parse(&Method::PUT, "/abc/a%2F../b", &headers, "").unwrap();
        let Operation::PutObject(input) = operation else {
            panic!("{operation:?}")
        };
        assert_eq!(input.key.as_str(), "a/../b");
        assert_eq!(input.headers.content_type.as_deref(), Some("text/plain"));
        assert_eq!(input.headers.content_encoding, None);
        assert_eq!(
            input.headers.metadata.iter().next(),
            Some(("colour", "blue"))
        );
        assert_eq!(input.storage_class, StorageClass::OneZoneIa);
    }

    #[test]
    fn a_get_is_read_whole() {
        let target = "/abc/k?response-content-type=a%2Fb&versionId=null";
        let headers = [("range", "bytes=1-2"), ("x-amz-checksum-mode", "enabled")];
        let operation = parse(&Method::GET, target, &headers, "").unwrap();
        let Operation::GetObject(input) = operation else {
            panic!("{operation:?}")
        };
        assert!(matches!(input.selection, Selection::Range(_)));
        assert_eq!(input.overrides.content_type.as_deref(), Some("a/b"));
        assert_eq!(input.version_id, Some(VersionId::Null));
        assert_eq!(input.checksum_mode, ChecksumMode::Enabled);
        let both = parse(&Method::GET, "/abc/k?partNumber=1", &headers, "").unwrap_err();
        assert_eq!(both.code(), ErrorCode::InvalidRequest);
        let ignored = parse(&Method::GET, "/abc/k", &[("range", "bytes=1-2,4-5")], "").unwrap();
        let Operation::GetObject(input) = ignored else {
            panic!("{ignored:?}")
        };
        assert_eq!(input.selection, Selection::Whole);
    }

    #[test]
    fn every_document_is_collected() {
        for row in TABLE.iter().filter(|row| row.is_routed()) {
            let route = Route {
                operation: row,
                bucket: None,
                key: None,
                query: crate::operation::Query::default(),
            };
            if !row.name.smallest_document().is_empty() {
                assert!(
                    matches!(route.body_kind(), BodyKind::Xml { .. }),
                    "{}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn only_documents_are_collected() {
        let kind = |method: Method, target: &str| {
            let head = HttpRequest::builder()
                .method(method)
                .uri(target)
                .body(())
                .unwrap();
            Router::default()
                .route(&head.into_parts().0)
                .unwrap()
                .body_kind()
        };
        assert_eq!(kind(Method::PUT, "/abc/k"), BodyKind::Stream);
        assert_eq!(
            kind(Method::PUT, "/abc/k?partNumber=1&uploadId=x"),
            BodyKind::Stream
        );
        assert_eq!(kind(Method::GET, "/abc/k"), BodyKind::Empty);
        for (method, target) in [
            (Method::PUT, "/abc"),
            (Method::POST, "/abc?delete"),
            (Method::POST, "/abc/k?uploadId=x"),
        ] {
            assert!(matches!(kind(method, target), BodyKind::Xml { .. }));
        }
    }
}

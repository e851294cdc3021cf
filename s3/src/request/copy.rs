//! Inputs of the operations that copy: CopyObject and UploadPartCopy.

use super::Target;
use super::conditions::{copy_source_conditions, write_condition};
use super::encryption::{CustomerKey, CustomerKeyOf, NewEncryption};
use super::expected_owner::ExpectedOwner;
use super::fields::Fields;
use super::headers::{ObjectHeaders, StorageClass, website_redirect};
use super::lock::NewLock;
use super::multipart::{UploadTarget, checksum_algorithm};
use super::object::VersionId;
use super::tagging::new_tags;
use crate::acl::RequestedAcl;
use crate::body::checksum::ChecksumAlgorithm;
use crate::conditions::{ReadConditions, WriteCondition};
use crate::config::tagging::TagSet;
use crate::error::{Error, ErrorCode, Result};
use crate::name::{BucketName, ObjectKey};
use crate::operation::query::percent_decode;
use crate::range::CopyRange;

/// The object a copy reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its version, where the client names one.
    pub version_id: Option<VersionId>,
    /// Whom the client believes its bucket to belong to.
    pub expected_owner: Option<ExpectedOwner>,
}

impl CopySource {
    /// Reads an `x-amz-copy-source` header: `/bucket/key` or `bucket/key`, percent-encoded, with
    /// an optional `?versionId=`.
    ///
    /// # Errors
    /// `InvalidArgument` without bucket and key, and what the names' own checks give.
    pub fn parse(value: &str) -> Result<Self> {
        let incomplete = || {
            Error::invalid_argument(
                "x-amz-copy-source",
                value,
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
        };
        let (path, version_id) = match value.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version)),
            None => (value, None),
        };
        // The slash after the bucket may be encoded too, so the whole path is decoded first.
        let path = percent_decode(path)?;
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        let slash = path
            .iter()
            .position(|byte| *byte == b'/')
            .ok_or_else(incomplete)?;
        let (bucket, key) = (&path[..slash], &path[slash + 1..]);
        if bucket.is_empty() || key.is_empty() {
            return Err(incomplete());
        }
        Ok(Self {
            bucket: BucketName::parse(&String::from_utf8_lossy(bucket))?,
            key: ObjectKey::from_bytes(key)?,
            version_id: version_id.map(VersionId::parse).transpose()?,
            expected_owner: None,
        })
    }

    fn requested(fields: Fields<'_>) -> Result<Self> {
        let source = Self::parse(fields.header("x-amz-copy-source")?.unwrap_or(""))?;
        Ok(Self {
            expected_owner: ExpectedOwner::of_source(fields)?,
            ..source
        })
    }
}

/// Where the copy's headers and metadata come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyMetadata {
    /// From the source.
    Copy,
    /// From the request.
    Replace(ObjectHeaders),
}

/// Where the copy's tags come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyTags {
    /// From the source.
    Copy,
    /// From the request.
    Replace(TagSet),
}

/// The input of CopyObject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyObjectInput {
    /// The bucket of the copy.
    pub bucket: BucketName,
    /// The key of the copy.
    pub key: ObjectKey,
    /// What is copied.
    pub source: CopySource,
    /// What must hold of the source.
    pub source_conditions: ReadConditions,
    /// The key that a customer encrypted the source with.
    pub source_customer_key: Option<CustomerKey>,
    /// Where the copy's headers and metadata come from.
    pub metadata: CopyMetadata,
    /// Where a web site sends those who ask for the copy. The source's is never copied.
    pub website_redirect: Option<String>,
    /// Where the copy's tags come from.
    pub tags: CopyTags,
    /// What the copy is to be kept by. A source's lock is not copied.
    pub lock: NewLock,
    /// Who may do what with the copy, where the client says. A source's list is not copied.
    pub acl: Option<RequestedAcl>,
    /// How the copy is to be encrypted. A source's encryption is not copied.
    pub encryption: NewEncryption,
    /// The copy's storage class.
    pub storage_class: StorageClass,
    /// The checksum the copy is to have, where the client wants another than the source's.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// What must hold of the object the copy would replace.
    pub condition: WriteCondition,
}

impl CopyObjectInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let source = CopySource::requested(fields)?;
        let metadata = match directive(fields, "x-amz-metadata-directive")? {
            Directive::Copy => CopyMetadata::Copy,
            Directive::Replace => CopyMetadata::Replace(ObjectHeaders::parse(fields)?),
        };
        let tags = match directive(fields, "x-amz-tagging-directive")? {
            Directive::Copy => CopyTags::Copy,
            Directive::Replace => CopyTags::Replace(new_tags(fields)?),
        };
        let storage_class = StorageClass::requested(fields)?;
        let website_redirect = website_redirect(fields)?;
        let checksum_algorithm = checksum_algorithm(fields)?;
        let encryption = NewEncryption::parse(fields)?;
        let onto_itself = source.bucket == target.bucket && source.key == target.key;
        let changes_nothing = metadata == CopyMetadata::Copy
            && storage_class.is_none()
            && website_redirect.is_none()
            && checksum_algorithm.is_none()
            && !encryption.is_asked()
            && source.version_id.is_none();
        if onto_itself && changes_nothing {
            return Err(Error::new(ErrorCode::InvalidRequest).message(
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes.",
            ));
        }
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            source,
            source_conditions: copy_source_conditions(fields)?,
            source_customer_key: CustomerKey::parse(fields, CustomerKeyOf::CopySource)?,
            metadata,
            website_redirect,
            tags,
            lock: NewLock::parse(fields)?,
            acl: RequestedAcl::from_headers(fields.headers, fields.query)?,
            encryption,
            storage_class: storage_class.unwrap_or_default(),
            checksum_algorithm,
            condition: write_condition(fields)?,
        })
    }
}

/// The two values of `x-amz-metadata-directive` and `x-amz-tagging-directive`.
enum Directive {
    Copy,
    Replace,
}

fn directive(fields: Fields<'_>, name: &'static str) -> Result<Directive> {
    match fields.header(name)? {
        None | Some("" | "COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(Error::invalid_argument(
            name,
            other,
            format!("Unknown {name}."),
        )),
    }
}

/// The input of UploadPartCopy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPartCopyInput {
    /// The bucket of the upload.
    pub bucket: BucketName,
    /// The key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: String,
    /// The part, 1 to 10,000.
    pub part_number: u32,
    /// What is copied.
    pub source: CopySource,
    /// What must hold of the source.
    pub source_conditions: ReadConditions,
    /// The key that a customer encrypted the source with.
    pub source_customer_key: Option<CustomerKey>,
    /// The key that a customer began the upload with.
    pub customer_key: Option<CustomerKey>,
    /// The bytes to copy; all where there is none.
    pub range: Option<CopyRange>,
}

impl UploadPartCopyInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let range = fields.header("x-amz-copy-source-range")?;
        let UploadTarget {
            bucket,
            key,
            upload_id,
            part_number,
        } = UploadTarget::parse(target, fields)?;
        Ok(Self {
            bucket,
            key,
            upload_id,
            part_number,
            source: CopySource::requested(fields)?,
            source_conditions: copy_source_conditions(fields)?,
            source_customer_key: CustomerKey::parse(fields, CustomerKeyOf::CopySource)?,
            customer_key: CustomerKey::parse(fields, CustomerKeyOf::Object)?,
            range: range.map(CopyRange::parse).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::operation::Query;

    #[test]
    fn copy_sources_are_decoded_once() {
        let read = |value: &str| {
            let source = CopySource::parse(value).unwrap();
            (
                source.bucket.to_string(),
                source.key.to_string(),
                source.version_id,
            )
        };
        let plain = |key: &str| ("abc".to_owned(), key.to_owned(), None);
        assert_eq!(read("abc/k"), plain("k"));
        assert_eq!(read("/abc/a/b"), plain("a/b"));
        assert_eq!(read("/abc//a"), plain("/a"));
        assert_eq!(read("abc%2Fa%20b+c%252F"), plain("a b+c%2F"));
        assert_eq!(read("abc/k?versionId=null").2, Some(VersionId::Null));
        assert_eq!(read("abc/what%3FversionId=x"), plain("what?versionId=x"));
    }

    #[test]
    fn bad_copy_sources_are_refused() {
        let code = |value: &str| CopySource::parse(value).unwrap_err().code();
        for value in ["", "/", "abc", "/abc/", "//k"] {
            assert_eq!(code(value), ErrorCode::InvalidArgument, "{value}");
        }
        assert_eq!(code("A_B/k"), ErrorCode::InvalidBucketName);
        assert_eq!(code("abc/%zz"), ErrorCode::InvalidURI);
        assert_eq!(code("abc/k?versionId="), ErrorCode::InvalidArgument);
    }

    fn copy(pairs: &[(&'static str, &str)]) -> Result<CopyObjectInput> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let target = Target {
            bucket: BucketName::parse("abc").unwrap(),
            key: ObjectKey::parse("k").unwrap(),
        };
        CopyObjectInput::parse(
            target,
            Fields {
                headers: &headers,
                query: &Query::default(),
            },
        )
    }

    #[test]
    fn a_copy_onto_itself_must_change_something() {
        let itself = ("x-amz-copy-source", "abc/k");
        assert_eq!(
            copy(&[itself]).unwrap_err().code(),
            ErrorCode::InvalidRequest
        );
        assert!(copy(&[itself, ("x-amz-storage-class", "ONEZONE_IA")]).is_ok());
        let replaced = copy(&[itself, ("x-amz-metadata-directive", "REPLACE")]).unwrap();
        assert_eq!(
            replaced.metadata,
            CopyMetadata::Replace(ObjectHeaders::default())
        );
        assert!(copy(&[("x-amz-copy-source", "abc/other")]).is_ok());
    }

    #[test]
    fn unknown_directives_are_refused() {
        let source = ("x-amz-copy-source", "abc/other");
        let error = copy(&[source, ("x-amz-metadata-directive", "MERGE")]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}

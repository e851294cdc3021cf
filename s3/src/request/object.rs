//! Inputs of the operations on single objects, and of DeleteObjects.

use http::{HeaderMap, HeaderValue};

use super::Target;
use super::conditions::{
    delete_conditions, delete_conditions_of, read_conditions, write_condition,
};
use super::encryption::{CustomerKey, CustomerKeyOf, NewEncryption, refuse_on_read};
use super::fields::Fields;
use super::headers::{ObjectHeaders, StorageClass};
use super::lock::{NewLock, governance};
use super::tagging::new_tags;
use crate::acl::RequestedAcl;
use crate::body::checksum::ChecksumAlgorithm;
use crate::conditions::{DeleteConditions, ReadConditions, WriteCondition};
use crate::config::object_lock::Governance;
use crate::config::tagging::TagSet;
use crate::error::{Error, ErrorCode, Result};
use crate::name::{BucketName, ObjectKey};
use crate::range::RangeRequest;
use crate::xml::read::{Element, malformed};

/// The highest part number.
pub const PART_NUMBER_MAX: u32 = 10_000;

/// The most keys of one DeleteObjects.
pub const DELETE_KEYS_MAX: usize = 1000;

/// A version as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionId {
    /// `null`: the version that was written while its bucket kept none.
    Null,
    /// Any other name, which the store gave or didn't.
    Other(String),
}

impl VersionId {
    /// Reads a version's name.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty one.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "" => Err(Error::invalid_argument(
                "versionId",
                "",
                "Version id cannot be the empty string",
            )),
            "null" => Ok(Self::Null),
            other => Ok(Self::Other(other.to_owned())),
        }
    }

    /// The version in the request's query, if any.
    pub(crate) fn requested(fields: Fields<'_>) -> Result<Option<Self>> {
        fields.parameter("versionId").map(Self::parse).transpose()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Other(name) => name,
        }
    }
}

/// The input of the operations that take an object, perhaps a version, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
}

impl ObjectInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let version_id = VersionId::requested(fields)?;
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id,
        })
    }
}

/// The input of PutObject; the body and what is declared of it are read by
/// [`crate::body::PayloadSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is stored with the bytes.
    pub headers: ObjectHeaders,
    /// Its tags.
    pub tags: TagSet,
    /// What it is to be kept by.
    pub lock: NewLock,
    /// How it is to be encrypted.
    pub encryption: NewEncryption,
    /// The storage class.
    pub storage_class: StorageClass,
    /// Who may do what with it, where the client says.
    pub acl: Option<RequestedAcl>,
    /// What must hold of the object there is now.
    pub condition: WriteCondition,
}

impl PutObjectInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        if let Some(number) = fields.parameter("partNumber") {
            return Err(Error::invalid_argument(
                "partNumber",
                number,
                "uploadId is missing",
            ));
        }
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            headers: ObjectHeaders::parse(fields)?,
            tags: new_tags(fields)?,
            lock: NewLock::parse(fields)?,
            encryption: NewEncryption::parse(fields)?,
            storage_class: StorageClass::requested(fields)?.unwrap_or_default(),
            acl: RequestedAcl::from_headers(fields.headers, fields.query)?,
            condition: write_condition(fields)?,
        })
    }
}

/// The input of GetObject and HeadObject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// What must hold of the object.
    pub conditions: ReadConditions,
    /// Which bytes are wanted.
    pub selection: Selection,
    /// Headers that replace the stored ones in the answer.
    pub overrides: ResponseOverrides,
    /// Whether the answer shows the object's checksum.
    pub checksum_mode: ChecksumMode,
    /// The key that a customer encrypted it with.
    pub customer_key: Option<CustomerKey>,
}

/// Which bytes of an object are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All.
    Whole,
    /// A range.
    Range(RangeRequest),
    /// The part with this number, 1 to [`PART_NUMBER_MAX`].
    Part(u32),
}

/// Whether an answer shows the object's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumMode {
    /// `x-amz-checksum-mode: ENABLED`.
    Enabled,
    /// Without that header.
    Disabled,
}

impl GetObjectInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let enabled = fields
            .header("x-amz-checksum-mode")?
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
        refuse_on_read(fields)?;
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id: VersionId::requested(fields)?,
            conditions: read_conditions(fields)?,
            selection: Selection::parse(fields)?,
            overrides: ResponseOverrides::parse(fields)?,
            checksum_mode: if enabled {
                ChecksumMode::Enabled
            } else {
                ChecksumMode::Disabled
            },
            customer_key: CustomerKey::parse(fields, CustomerKeyOf::Object)?,
        })
    }
}

impl Selection {
    fn parse(fields: Fields<'_>) -> Result<Self> {
        let range = fields.header("range")?;
        match (range, fields.parameter("partNumber")) {
            (Some(_), Some(_)) => Err(Error::new(ErrorCode::InvalidRequest)
                .message("Cannot specify both Range header and partNumber query parameter")),
            (None, Some(number)) => Ok(Self::Part(parse_part_number(number)?)),
            (range, None) => Ok(range
                .and_then(RangeRequest::parse)
                .map_or(Self::Whole, Self::Range)),
        }
    }
}

/// Reads a part number.
pub(crate) fn parse_part_number(text: &str) -> Result<u32> {
    match text.parse() {
        Ok(number) if (1..=PART_NUMBER_MAX).contains(&number) => Ok(number),
        _ => Err(Error::invalid_argument(
            "partNumber",
            text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )),
    }
}

/// The `response-*` parameters of GetObject. AWS takes them from signed requests only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseOverrides {
    /// `response-content-type`.
    pub content_type: Option<String>,
    /// `response-content-encoding`.
    pub content_encoding: Option<String>,
    /// `response-content-language`.
    pub content_language: Option<String>,
    /// `response-content-disposition`.
    pub content_disposition: Option<String>,
    /// `response-cache-control`.
    pub cache_control: Option<String>,
    /// `response-expires`.
    pub expires: Option<String>,
}

impl ResponseOverrides {
    fn parse(fields: Fields<'_>) -> Result<Self> {
        let value =
            |name: &'static str| match fields.non_empty(name) {
                Some(text) if HeaderValue::from_str(&text).is_err() => Err(
                    Error::invalid_argument(name, text, "The value is no header"),
                ),
                value => Ok(value),
            };
        Ok(Self {
            content_type: value("response-content-type")?,
            content_encoding: value("response-content-encoding")?,
            content_language: value("response-content-language")?,
            content_disposition: value("response-content-disposition")?,
            cache_control: value("response-cache-control")?,
            expires: value("response-expires")?,
        })
    }

    /// Whether nothing is replaced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The input of DeleteObject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteObjectInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// What must hold of the object there is now.
    pub conditions: DeleteConditions,
    /// Whether a version may be removed though a retention in governance mode keeps it.
    pub governance: Governance,
}

impl DeleteObjectInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let version_id = VersionId::requested(fields)?;
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            version_id,
            conditions: delete_conditions(fields)?,
            governance: governance(fields)?,
        })
    }
}

/// The input of DeleteObjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteObjectsInput {
    /// The bucket.
    pub bucket: BucketName,
    /// 1 to [`DELETE_KEYS_MAX`] objects.
    pub objects: Vec<ObjectToDelete>,
    /// Whether the answer holds the failures only.
    pub quiet: bool,
    /// Whether versions may be removed though retentions in governance mode keep them.
    pub governance: Governance,
}

/// One object of a DeleteObjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectToDelete {
    /// The key as the client wrote it.
    pub key: String,
    /// The version, where the client names one.
    pub version_id: Option<VersionId>,
    /// What must hold of the object there is now.
    pub conditions: DeleteConditions,
}

impl DeleteObjectsInput {
    pub(crate) fn parse(bucket: BucketName, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        require_digest(fields.headers)?;
        if body.is_empty() {
            return Err(ErrorCode::MissingRequestBodyError.into());
        }
        let root = Element::parse(body, "Delete")?;
        root.only(&["Object", "Quiet"])?;
        let quiet = match root.optional_text("Quiet")?.map(str::trim) {
            None | Some("false" | "") => false,
            Some("true") => true,
            Some(_) => return Err(malformed()),
        };
        let objects = root
            .all("Object")
            .map(ObjectToDelete::parse)
            .collect::<Result<Vec<_>>>()?;
        if objects.is_empty() || objects.len() > DELETE_KEYS_MAX {
            return Err(malformed());
        }
        Ok(Self {
            bucket,
            objects,
            quiet,
            governance: governance(fields)?,
        })
    }
}

impl ObjectToDelete {
    fn parse(element: &Element) -> Result<Self> {
        element.only(&["Key", "VersionId", "ETag", "LastModifiedTime", "Size"])?;
        let key = element.text_of("Key")?;
        // The schema wants a key; whether it is too long is that object's own failure.
        if key.is_empty() {
            return Err(malformed());
        }
        let version_id = element
            .optional_text("VersionId")?
            .filter(|text| !text.is_empty());
        let conditions = delete_conditions_of(
            element.optional_text("ETag")?,
            element.optional_text("LastModifiedTime")?,
            element.optional_text("Size")?,
        )?;
        Ok(Self {
            key: key.to_owned(),
            version_id: version_id.map(VersionId::parse).transpose()?,
            conditions,
        })
    }
}

/// A body that deletes a thousand objects must prove that it arrived whole.
fn require_digest(headers: &HeaderMap) -> Result<()> {
    let has_digest = headers.contains_key("content-md5")
        || headers.contains_key("x-amz-trailer")
        || ChecksumAlgorithm::ALL
            .iter()
            .any(|known| headers.contains_key(known.header()));
    if has_digest {
        return Ok(());
    }
    Err(Error::new(ErrorCode::InvalidRequest)
        .message("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etag::ETagMatch;
    use crate::operation::Query;

    fn delete_with(headers: &HeaderMap, body: &str) -> Result<DeleteObjectsInput> {
        let query = Query::default();
        let fields = Fields {
            headers,
            query: &query,
        };
        DeleteObjectsInput::parse(BucketName::parse("abc").unwrap(), fields, body.as_bytes())
    }

    fn delete(body: &str) -> Result<DeleteObjectsInput> {
        let mut headers = HeaderMap::new();
        headers.insert("content-md5", "x".parse().unwrap());
        delete_with(&headers, body)
    }

    #[test]
    fn delete_objects_reads_every_key() {
        let input = delete(
            "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Object><Key> a&amp;b </Key></Object>\
             <Object><Key>c</Key><VersionId>null</VersionId><ETag>*</ETag><Size>7</Size></Object>\
             <Quiet>true</Quiet></Delete>",
        )
        .unwrap();
        assert!(input.quiet);
        assert_eq!(input.objects[0].key, " a&b ");
        assert_eq!(input.objects[0].version_id, None);
        assert_eq!(input.objects[1].version_id, Some(VersionId::Null));
        let conditions = DeleteConditions {
            if_match: Some(ETagMatch::Any),
            modified: None,
            size_bytes: Some(7),
        };
        assert_eq!(input.objects[1].conditions, conditions);
    }

    #[test]
    fn delete_objects_is_bounded_and_strict() {
        let code = |body: &str| delete(body).unwrap_err().code();
        let many = |count| {
            format!(
                "<Delete>{}</Delete>",
                "<Object><Key>k</Key></Object>".repeat(count)
            )
        };
        assert_eq!(delete(&many(1000)).unwrap().objects.len(), 1000);
        assert_eq!(code(&many(1001)), ErrorCode::MalformedXML);
        assert_eq!(code(&many(0)), ErrorCode::MalformedXML);
        assert_eq!(code(""), ErrorCode::MissingRequestBodyError);
        assert_eq!(code("<Delete><Object/></Delete>"), ErrorCode::MalformedXML);
        assert_eq!(
            code("<Delete><Key>k</Key></Delete>"),
            ErrorCode::MalformedXML
        );
        let error = delete_with(&HeaderMap::new(), &many(1));
        assert_eq!(error.unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn part_numbers_are_bounded() {
        assert_eq!(parse_part_number("10000").unwrap(), 10_000);
        for bad in ["0", "10001", "-1", "x", ""] {
            assert_eq!(
                parse_part_number(bad).unwrap_err().code(),
                ErrorCode::InvalidArgument
            );
        }
    }
}

//! Inputs of the multipart family.

use super::Target;
use super::conditions::write_condition;
use super::encryption::{CustomerKey, CustomerKeyOf, NewEncryption};
use super::fields::Fields;
use super::headers::{ObjectHeaders, StorageClass};
use super::lock::NewLock;
use super::object::{PART_NUMBER_MAX, parse_part_number};
use super::tagging::new_tags;
use crate::acl::RequestedAcl;
use crate::body::checksum::{Checksum, ChecksumAlgorithm, ChecksumType};
use crate::conditions::WriteCondition;
use crate::config::tagging::TagSet;
use crate::error::{Error, ErrorCode, Result};
use crate::etag::ETag;
use crate::name::{BucketName, ObjectKey};
use crate::xml::read::{Element, malformed};

/// The most parts one ListParts answers.
pub const PARTS_PER_PAGE_MAX: u32 = 1000;

/// The input of CreateMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateMultipartUploadInput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is stored with the bytes.
    pub headers: ObjectHeaders,
    /// The object's tags.
    pub tags: TagSet,
    /// What the object is to be kept by.
    pub lock: NewLock,
    /// Who may do what with the object, where the client says.
    pub acl: Option<RequestedAcl>,
    /// How the object is to be encrypted.
    pub encryption: NewEncryption,
    /// The storage class.
    pub storage_class: StorageClass,
    /// The checksum the object is to have.
    pub checksum: Option<MultipartChecksum>,
}

/// The kind of checksum of an upload: a combination that exists, such as no composite CRC64NVME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MultipartChecksum {
    /// The algorithm of the parts and the object.
    pub algorithm: ChecksumAlgorithm,
    /// How the object's checksum follows from the parts'.
    pub kind: ChecksumType,
}

impl CreateMultipartUploadInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            headers: ObjectHeaders::parse(fields)?,
            tags: new_tags(fields)?,
            lock: NewLock::parse(fields)?,
            acl: RequestedAcl::from_headers(fields.headers, fields.query)?,
            encryption: NewEncryption::parse(fields)?,
            storage_class: StorageClass::requested(fields)?.unwrap_or_default(),
            checksum: MultipartChecksum::requested(fields)?,
        })
    }
}

impl MultipartChecksum {
    fn requested(fields: Fields<'_>) -> Result<Option<Self>> {
        let kind = checksum_type(fields)?;
        let Some(algorithm) = checksum_algorithm(fields)? else {
            return match kind {
                None => Ok(None),
                Some(_) => Err(Error::new(ErrorCode::InvalidRequest).message(
                    "The x-amz-checksum-type header can only be used with the \
                     x-amz-checksum-algorithm header.",
                )),
            };
        };
        let kind = kind.unwrap_or(algorithm.default_multipart_type());
        if !algorithm.allows_multipart(kind) {
            return Err(Error::new(ErrorCode::InvalidRequest).message(format!(
                "The {kind} checksum type cannot be used with the {} checksum algorithm.",
                algorithm.name().to_ascii_lowercase()
            )));
        }
        Ok(Some(Self { algorithm, kind }))
    }
}

/// The algorithm in `x-amz-checksum-algorithm`.
pub(crate) fn checksum_algorithm(fields: Fields<'_>) -> Result<Option<ChecksumAlgorithm>> {
    let Some(name) = fields.header("x-amz-checksum-algorithm")? else {
        return Ok(None);
    };
    let algorithm = ChecksumAlgorithm::from_name(name).ok_or_else(|| {
        Error::new(ErrorCode::InvalidRequest).message(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid \
             types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })?;
    Ok(Some(algorithm))
}

fn checksum_type(fields: Fields<'_>) -> Result<Option<ChecksumType>> {
    let Some(name) = fields.header("x-amz-checksum-type")? else {
        return Ok(None);
    };
    let kind = ChecksumType::from_name(name).ok_or_else(|| {
        Error::new(ErrorCode::InvalidRequest)
            .message("Value for x-amz-checksum-type header is invalid.")
    })?;
    Ok(Some(kind))
}

/// The object, upload and part that UploadPart and UploadPartCopy name.
pub(crate) struct UploadTarget {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) upload_id: String,
    pub(crate) part_number: u32,
}

impl UploadTarget {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            upload_id: fields.required("uploadId")?.to_owned(),
            part_number: parse_part_number(fields.required("partNumber")?)?,
        })
    }
}

/// The input of UploadPart; the body and what is declared of it are read by
/// [`crate::body::PayloadSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPartInput {
    /// The bucket of the upload.
    pub bucket: BucketName,
    /// The key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: String,
    /// The part, 1 to 10,000.
    pub part_number: u32,
    /// The key that a customer began the upload with.
    pub customer_key: Option<CustomerKey>,
}

impl UploadPartInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
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
            customer_key: CustomerKey::parse(fields, CustomerKeyOf::Object)?,
        })
    }
}

/// The input of AbortMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInput {
    /// The bucket of the upload.
    pub bucket: BucketName,
    /// The key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: String,
}

impl UploadInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let upload_id = fields.required("uploadId")?.to_owned();
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            upload_id,
        })
    }
}

/// The input of ListParts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPartsInput {
    /// The bucket of the upload.
    pub bucket: BucketName,
    /// The key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: String,
    /// Only parts with higher numbers.
    pub part_number_marker: u32,
    /// The most parts to answer, 0 to [`PARTS_PER_PAGE_MAX`].
    pub max_parts: u32,
    /// The key that a customer began the upload with.
    pub customer_key: Option<CustomerKey>,
}

impl ListPartsInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>) -> Result<Self> {
        let marker = fields
            .parameter("part-number-marker")
            .filter(|text| !text.is_empty());
        let part_number_marker = match marker {
            None => 0,
            Some(text) => text
                .parse::<i32>()
                .ok()
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| {
                    Error::invalid_argument(
                        "part-number-marker",
                        text,
                        "Argument part-number-marker must be an integer between 0 and 2147483647",
                    )
                })?,
        };
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            upload_id: fields.required("uploadId")?.to_owned(),
            part_number_marker,
            max_parts: fields.count("max-parts", 0, PARTS_PER_PAGE_MAX)?,
            customer_key: CustomerKey::parse(fields, CustomerKeyOf::Object)?,
        })
    }
}

/// The input of CompleteMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteMultipartUploadInput {
    /// The bucket of the upload.
    pub bucket: BucketName,
    /// The key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: String,
    /// The parts of the object: at least one, numbers strictly ascending.
    pub parts: Vec<CompletedPart>,
    /// The object's checksum as the client computed it. One without `-N` may still be meant as a
    /// composite one: compare [`Checksum::bytes`], and [`Checksum::parts`] where there are any.
    pub checksum: Option<Checksum>,
    /// The checksum type the client believes the upload has.
    pub checksum_type: Option<ChecksumType>,
    /// The object's size as the client computed it.
    pub object_size_bytes: Option<u64>,
    /// What must hold of the object that the upload would replace.
    pub condition: WriteCondition,
    /// The key that a customer began the upload with.
    pub customer_key: Option<CustomerKey>,
}

/// A part as CompleteMultipartUpload names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number, 1 to 10,000.
    pub part_number: u32,
    /// Its ETag; `None` when the text given is the ETag of no part (answered with `InvalidPart`).
    pub etag: Option<ETag>,
    /// Its checksum, where the client gives one.
    pub checksum: Option<Checksum>,
}

impl CompleteMultipartUploadInput {
    pub(crate) fn parse(target: Target, fields: Fields<'_>, body: &[u8]) -> Result<Self> {
        if body.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            bucket: target.bucket,
            key: target.key,
            upload_id: fields.required("uploadId")?.to_owned(),
            parts: parse_parts(body)?,
            checksum: object_checksum(fields)?,
            checksum_type: checksum_type(fields)?,
            object_size_bytes: object_size(fields)?,
            condition: write_condition(fields)?,
            customer_key: CustomerKey::parse(fields, CustomerKeyOf::Object)?,
        })
    }
}

fn parse_parts(body: &[u8]) -> Result<Vec<CompletedPart>> {
    let root = Element::parse(body, "CompleteMultipartUpload")?;
    let parts = root
        .only(&["Part"])?
        .all("Part")
        .map(CompletedPart::parse)
        .collect::<Result<Vec<_>>>()?;
    if parts.is_empty() || parts.len() > PART_NUMBER_MAX as usize {
        return Err(malformed());
    }
    if !parts.is_sorted_by(|a, b| a.part_number < b.part_number) {
        return Err(ErrorCode::InvalidPartOrder.into());
    }
    Ok(parts)
}

impl CompletedPart {
    fn parse(element: &Element) -> Result<Self> {
        let number = element
            .text_of("PartNumber")?
            .trim()
            .parse::<i32>()
            .map_err(|_| malformed())?;
        let part_number = parse_part_number(&number.to_string())?;
        let etag = ETag::parse(element.text_of("ETag")?);
        let mut checksum = None;
        for algorithm in ChecksumAlgorithm::ALL {
            let Some(text) = element.optional_text(algorithm.element())? else {
                continue;
            };
            // A part's checksum is one of its bytes, never a composite.
            let value = Checksum::parse(algorithm, text.trim()).filter(|sum| sum.parts().is_none());
            if checksum
                .replace(value.ok_or_else(|| bad_part_checksum(part_number))?)
                .is_some()
            {
                return Err(malformed());
            }
        }
        Ok(Self {
            part_number,
            etag,
            checksum,
        })
    }
}

fn bad_part_checksum(part_number: u32) -> Error {
    Error::new(ErrorCode::InvalidPart).field("PartNumber", part_number.to_string())
}

/// The object's checksum in a header.
fn object_checksum(fields: Fields<'_>) -> Result<Option<Checksum>> {
    let mut declared = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let Some(text) = fields.header(algorithm.header())? else {
            continue;
        };
        let invalid = |message: String| Error::new(ErrorCode::InvalidRequest).message(message);
        let checksum = Checksum::parse(algorithm, text).ok_or_else(|| {
            Error::new(ErrorCode::BadDigest).message(format!(
                "Value for {} header is invalid.",
                algorithm.header()
            ))
        })?;
        if declared.replace(checksum).is_some() {
            return Err(invalid(
                "Expecting a single x-amz-checksum- header.".to_owned(),
            ));
        }
    }
    Ok(declared)
}

fn object_size(fields: Fields<'_>) -> Result<Option<u64>> {
    let name = "x-amz-mp-object-size";
    let Some(text) = fields.header(name)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(size_bytes) => Ok(Some(size_bytes)),
        Err(_) => Err(Error::invalid_argument(
            name,
            text,
            "The object size is no number",
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::operation::Query;

    const TAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn document(parts: &[(i64, &str)]) -> String {
        let part = |(number, rest): &(i64, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber>{rest}</Part>")
        };
        format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}\
             </CompleteMultipartUpload>",
            parts.iter().map(part).collect::<String>()
        )
    }

    fn parts(list: &[(i64, &str)]) -> Result<Vec<CompletedPart>> {
        parse_parts(document(list).as_bytes())
    }

    #[test]
    fn parts_are_read_with_quoted_and_escaped_tags() {
        let quoted = format!("<ETag>&quot;{TAG}&quot;</ETag>");
        let bare = format!("<ETag>{TAG}</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32>");
        let parts = parts(&[(1, &quoted), (3, &bare), (10_000, "<ETag>foreign</ETag>")]).unwrap();
        assert_eq!(parts[0].etag, ETag::parse(TAG));
        assert_eq!(
            parts[1].checksum,
            Checksum::parse(ChecksumAlgorithm::Crc32, "AAAAAA==")
        );
        assert_eq!((parts[2].part_number, parts[2].etag), (10_000, None));
    }

    #[test]
    fn unsound_part_lists_are_refused() {
        let tag = format!("<ETag>{TAG}</ETag>");
        let code = |list: &[(i64, &str)]| parts(list).unwrap_err().code();
        assert_eq!(code(&[(2, &tag), (1, &tag)]), ErrorCode::InvalidPartOrder);
        assert_eq!(code(&[(1, &tag), (1, &tag)]), ErrorCode::InvalidPartOrder);
        assert_eq!(code(&[(0, &tag)]), ErrorCode::InvalidArgument);
        assert_eq!(code(&[(10_001, &tag)]), ErrorCode::InvalidArgument);
        assert_eq!(code(&[(1, "")]), ErrorCode::MalformedXML);
        assert_eq!(code(&[]), ErrorCode::MalformedXML);
        let bad_checksum = format!("{tag}<ChecksumSHA1>AAAA</ChecksumSHA1>");
        assert_eq!(code(&[(1, &bad_checksum)]), ErrorCode::InvalidPart);
        let ten_thousand: Vec<_> = (1..=10_000).map(|number| (number, tag.as_str())).collect();
        assert_eq!(parts(&ten_thousand).unwrap().len(), 10_000);
    }

    #[test]
    fn an_upload_checksum_is_a_combination_that_exists() {
        let read = |algorithm: Option<&str>, kind: Option<&str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("x-amz-checksum-algorithm", algorithm),
                ("x-amz-checksum-type", kind),
            ] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let query = Query::default();
            MultipartChecksum::requested(Fields {
                headers: &headers,
                query: &query,
            })
        };
        assert_eq!(read(None, None).unwrap(), None);
        let kind = |algorithm: &str, kind: Option<&str>| {
            read(Some(algorithm), kind)
                .map(|checksum| checksum.unwrap().kind)
                .ok()
        };
        assert_eq!(kind("SHA256", None), Some(ChecksumType::Composite));
        assert_eq!(kind("CRC64NVME", None), Some(ChecksumType::FullObject));
        assert_eq!(
            kind("CRC32", Some("FULL_OBJECT")),
            Some(ChecksumType::FullObject)
        );
        assert_eq!(kind("SHA1", Some("FULL_OBJECT")), None);
        assert_eq!(kind("CRC64NVME", Some("COMPOSITE")), None);
        assert_eq!(kind("MD4", None), None);
        assert!(read(None, Some("COMPOSITE")).is_err());
    }
}

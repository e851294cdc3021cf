//! Answers of the multipart family.

use bytes::Bytes;
use http::{HeaderValue, Response};
use jiff::Timestamp;

use super::Owner;
use super::encryption::{ServerSideEncryption, insert_encryption};
use super::object::{SOURCE_VERSION_ID, VERSION_ID, insert_checksum, insert_etag, insert_version};
use crate::body::checksum::Checksum;
use crate::etag::ETag;
use crate::name::{BucketName, ObjectKey};
use crate::request::{ListPartsInput, MultipartChecksum, StorageClass, VersionId};
use crate::time::to_iso8601;
use crate::xml::write::{self as xml, XmlWriter};

/// The answer of CreateMultipartUpload.
#[derive(Debug, Clone)]
pub struct CreateMultipartUploadOutput {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The new upload.
    pub upload_id: String,
    /// The checksum the object is to have.
    pub checksum: Option<MultipartChecksum>,
    /// How the object is to be encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl CreateMultipartUploadOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let document = XmlWriter::document("InitiateMultipartUploadResult", |writer| {
            writer.text("Bucket", self.bucket.as_str());
            writer.text("Key", self.key.as_str());
            writer.text("UploadId", &self.upload_id);
        });
        let mut response = xml::ok(document);
        insert_encryption(response.headers_mut(), self.encryption.as_ref());
        if let Some(MultipartChecksum { algorithm, kind }) = self.checksum {
            let headers = response.headers_mut();
            let algorithm = HeaderValue::from_static(algorithm.name());
            headers.insert("x-amz-checksum-algorithm", algorithm);
            headers.insert("x-amz-checksum-type", HeaderValue::from_static(kind.name()));
        }
        response
    }
}

/// The answer of UploadPart.
#[derive(Debug, Clone)]
pub struct UploadPartOutput {
    /// The part's tag.
    pub etag: ETag,
    /// The part's checksum.
    pub checksum: Option<Checksum>,
    /// How it is encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl UploadPartOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        insert_etag(headers, &self.etag);
        insert_checksum(headers, self.checksum.as_ref());
        // Only objects have a type of checksum.
        headers.remove("x-amz-checksum-type");
        insert_encryption(headers, self.encryption.as_ref());
        response
    }
}

/// The answer of UploadPartCopy.
#[derive(Debug, Clone)]
pub struct UploadPartCopyOutput {
    /// The part's tag.
    pub etag: ETag,
    /// When the part was written.
    pub last_modified: Timestamp,
    /// The part's checksum.
    pub checksum: Option<Checksum>,
    /// The version that was copied, of a bucket that keeps versions or ever did.
    pub source_version_id: Option<VersionId>,
    /// How it is encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl UploadPartCopyOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let document = XmlWriter::document("CopyPartResult", |writer| {
            writer.text("LastModified", &to_iso8601(self.last_modified));
            writer.text("ETag", &self.etag.quoted());
            write_part_checksum(writer, self.checksum.as_ref());
        });
        let mut response = xml::ok(document);
        let source = self.source_version_id.as_ref();
        insert_version(response.headers_mut(), SOURCE_VERSION_ID, source);
        insert_encryption(response.headers_mut(), self.encryption.as_ref());
        response
    }
}

/// A part's checksum, which has no type.
pub(super) fn write_part_checksum(writer: &mut XmlWriter, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        writer.value(checksum.algorithm().element(), checksum);
    }
}

/// The answer of CompleteMultipartUpload.
#[derive(Debug, Clone)]
pub struct CompleteMultipartUploadOutput {
    /// The object's URL.
    pub location: String,
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The object's tag.
    pub etag: ETag,
    /// The object's checksum.
    pub checksum: Option<Checksum>,
    /// The object's version, if its bucket keeps it as one.
    pub version_id: Option<VersionId>,
    /// How it is encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl CompleteMultipartUploadOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let document = XmlWriter::document("CompleteMultipartUploadResult", |writer| {
            writer.text("Location", &self.location);
            writer.text("Bucket", self.bucket.as_str());
            writer.text("Key", self.key.as_str());
            writer.text("ETag", &self.etag.quoted());
            writer.checksum(self.checksum.as_ref());
        });
        let mut response = xml::ok(document);
        insert_version(response.headers_mut(), VERSION_ID, self.version_id.as_ref());
        insert_encryption(response.headers_mut(), self.encryption.as_ref());
        response
    }
}

/// The answer of ListParts.
#[derive(Debug, Clone)]
pub struct ListPartsOutput {
    /// What was asked for.
    pub input: ListPartsInput,
    /// Who began it.
    pub initiator: Owner,
    /// Whose its object is to be.
    pub owner: Owner,
    /// The storage class of the upload.
    pub storage_class: StorageClass,
    /// The checksum the object is to have.
    pub checksum: Option<MultipartChecksum>,
    /// The parts, in order of number.
    pub parts: Vec<PartEntry>,
    /// Whether there are more parts.
    pub is_truncated: bool,
}

/// A part in a listing.
#[derive(Debug, Clone, Copy)]
pub struct PartEntry {
    /// Its number.
    pub part_number: u32,
    /// When it was written.
    pub last_modified: Timestamp,
    /// Its tag.
    pub etag: ETag,
    /// Its size.
    pub size_bytes: u64,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

impl ListPartsOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let last = self
            .parts
            .last()
            .map_or(self.input.part_number_marker, |part| part.part_number);
        xml::ok(XmlWriter::document("ListPartsResult", |writer| {
            writer.text("Bucket", self.input.bucket.as_str());
            writer.text("Key", self.input.key.as_str());
            writer.text("UploadId", &self.input.upload_id);
            writer.owner("Initiator", &self.initiator);
            writer.owner("Owner", &self.owner);
            writer.text("StorageClass", self.storage_class.as_str());
            writer.checksum_kind(self.checksum);
            writer.value("PartNumberMarker", self.input.part_number_marker);
            writer.value("NextPartNumberMarker", last);
            writer.value("MaxParts", self.input.max_parts);
            writer.value("IsTruncated", self.is_truncated);
            for part in &self.parts {
                writer.element("Part", |writer| part.write(writer));
            }
        }))
    }
}

impl PartEntry {
    fn write(&self, writer: &mut XmlWriter) {
        writer.value("PartNumber", self.part_number);
        writer.text("LastModified", &to_iso8601(self.last_modified));
        writer.text("ETag", &self.etag.quoted());
        writer.value("Size", self.size_bytes);
        write_part_checksum(writer, self.checksum.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::checksum::{ChecksumAlgorithm, ChecksumType};
    use crate::time::from_unix_ms;

    fn body(response: Response<Bytes>) -> String {
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    fn bucket() -> BucketName {
        BucketName::parse("abc").unwrap()
    }

    #[test]
    fn an_upload_is_begun_and_completed() {
        let key = ObjectKey::parse("a&b").unwrap();
        let begun = CreateMultipartUploadOutput {
            bucket: bucket(),
            key: key.clone(),
            upload_id: "u1".to_owned(),
            checksum: Some(MultipartChecksum {
                algorithm: ChecksumAlgorithm::Sha256,
                kind: ChecksumType::Composite,
            }),
            encryption: Some(ServerSideEncryption::Store),
        };
        let begun = begun.into_response();
        assert_eq!(begun.headers()["x-amz-server-side-encryption"], "AES256");
        assert_eq!(begun.headers()["x-amz-checksum-algorithm"], "SHA256");
        assert_eq!(begun.headers()["x-amz-checksum-type"], "COMPOSITE");
        assert!(body(begun).contains("<Key>a&amp;b</Key><UploadId>u1</UploadId>"));
        let completed = CompleteMultipartUploadOutput {
            location: "http://h/abc/a&b".to_owned(),
            bucket: bucket(),
            key,
            etag: ETag::multipart([0; 16], 2),
            checksum: Checksum::parse(ChecksumAlgorithm::Crc32c, "AAAAAA==-2"),
            version_id: Some(VersionId::Null),
            encryption: Some(ServerSideEncryption::Store),
        };
        let completed = completed.into_response();
        assert_eq!(completed.headers()["x-amz-version-id"], "null");
        let completed = body(completed);
        assert!(completed.contains("-2&quot;</ETag><ChecksumCRC32C>AAAAAA==-2</ChecksumCRC32C>"));
        assert!(completed.contains("<ChecksumType>COMPOSITE</ChecksumType>"));
    }

    #[test]
    fn parts_are_listed() {
        let checksum = Checksum::parse(ChecksumAlgorithm::Crc32, "AAAAAA==");
        let output = ListPartsOutput {
            input: ListPartsInput {
                bucket: bucket(),
                key: ObjectKey::parse("k").unwrap(),
                upload_id: "u1".to_owned(),
                part_number_marker: 1,
                max_parts: 1,
                customer_key: None,
            },
            initiator: Owner {
                id: "i1".to_owned(),
                display_name: "i".to_owned(),
            },
            owner: Owner {
                id: "o1".to_owned(),
                display_name: "o".to_owned(),
            },
            storage_class: StorageClass::Standard,
            checksum: None,
            parts: vec![PartEntry {
                part_number: 3,
                last_modified: from_unix_ms(0),
                etag: ETag::single([0; 16]),
                size_bytes: 5,
                checksum,
            }],
            is_truncated: true,
        };
        let body = body(output.into_response());
        assert!(body.contains(
            "<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker>\
             <MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>3</PartNumber>"
        ));
        assert!(body.contains("<Size>5</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"));
        let part = UploadPartOutput {
            etag: ETag::single([0; 16]),
            checksum,
            encryption: None,
        }
        .into_response();
        assert_eq!(part.headers()["x-amz-checksum-crc32"], "AAAAAA==");
        assert!(!part.headers().contains_key("x-amz-checksum-type"));
    }
}

//! Answer of GetObjectAttributes.

use bytes::Bytes;
use http::Response;
use http::header::LAST_MODIFIED;
use jiff::Timestamp;

use super::multipart::write_part_checksum;
use super::object::{VERSION_ID, insert_text, insert_version};
use crate::body::checksum::Checksum;
use crate::etag::ETag;
use crate::request::{StorageClass, VersionId};
use crate::time::to_http_date;
use crate::xml::write::{self as xml, XmlWriter};

/// The answer of GetObjectAttributes: of the attributes, those that were asked for.
#[derive(Debug, Clone)]
pub struct GetObjectAttributesOutput {
    /// When the object was written.
    pub last_modified: Timestamp,
    /// Its version, in a bucket that keeps versions or ever did.
    pub version_id: Option<VersionId>,
    /// Its tag.
    pub etag: Option<ETag>,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// Its parts, if it was uploaded in parts.
    pub parts: Option<PartsPage>,
    /// Its storage class.
    pub storage_class: Option<StorageClass>,
    /// Its size.
    pub size_bytes: Option<u64>,
}

/// Some of an object's parts.
#[derive(Debug, Clone)]
pub struct PartsPage {
    /// How many it has in all.
    pub total: usize,
    /// Only parts with higher numbers were asked for.
    pub part_number_marker: u32,
    /// The most parts that were asked for.
    pub max_parts: u32,
    /// Whether there are more.
    pub is_truncated: bool,
    /// The parts, in order of number.
    pub parts: Vec<ObjectPart>,
}

/// A part of an object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectPart {
    /// Its number.
    pub part_number: u32,
    /// Its size.
    pub size_bytes: u64,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

impl GetObjectAttributesOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let document = XmlWriter::document("GetObjectAttributesResponse", |writer| {
            if let Some(etag) = &self.etag {
                // Here, and only here, without quotes.
                writer.text("ETag", etag.quoted().trim_matches('"'));
            }
            if self.checksum.is_some() {
                writer.element("Checksum", |writer| writer.checksum(self.checksum.as_ref()));
            }
            if let Some(page) = &self.parts {
                writer.element("ObjectParts", |writer| page.write(writer));
            }
            writer.optional("StorageClass", self.storage_class.map(StorageClass::as_str));
            if let Some(size_bytes) = self.size_bytes {
                writer.value("ObjectSize", size_bytes);
            }
        });
        let mut response = xml::ok(document);
        let headers = response.headers_mut();
        let modified = to_http_date(self.last_modified);
        insert_text(headers, LAST_MODIFIED, Some(&modified));
        insert_version(headers, VERSION_ID, self.version_id.as_ref());
        response
    }
}

impl PartsPage {
    fn write(&self, writer: &mut XmlWriter) {
        let last = self.parts.last();
        let next = last.map_or(self.part_number_marker, |part| part.part_number);
        writer.value("PartsCount", self.total);
        writer.value("PartNumberMarker", self.part_number_marker);
        writer.value("NextPartNumberMarker", next);
        writer.value("MaxParts", self.max_parts);
        writer.value("IsTruncated", self.is_truncated);
        for part in &self.parts {
            writer.element("Part", |writer| {
                writer.value("PartNumber", part.part_number);
                writer.value("Size", part.size_bytes);
                write_part_checksum(writer, part.checksum.as_ref());
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::checksum::ChecksumAlgorithm;
    use crate::time::from_unix_ms;

    #[test]
    fn only_what_was_asked_for_is_answered() {
        let nothing = GetObjectAttributesOutput {
            last_modified: from_unix_ms(0),
            version_id: Some(VersionId::Null),
            etag: None,
            checksum: None,
            parts: None,
            storage_class: None,
            size_bytes: None,
        };
        let response = nothing.clone().into_response();
        assert_eq!(
            response.headers()["last-modified"],
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
        assert_eq!(response.headers()["x-amz-version-id"], "null");
        let text = |output: GetObjectAttributesOutput| {
            String::from_utf8(output.into_response().into_body().to_vec()).unwrap()
        };
        assert!(text(nothing.clone()).ends_with("2006-03-01/\"></GetObjectAttributesResponse>"));
        let checksum = Checksum::parse(ChecksumAlgorithm::Crc32, "AAAAAA==");
        let all = GetObjectAttributesOutput {
            etag: Some(ETag::multipart([0; 16], 2)),
            checksum,
            parts: Some(PartsPage {
                total: 2,
                part_number_marker: 1,
                max_parts: 1,
                is_truncated: false,
                parts: vec![ObjectPart {
                    part_number: 4,
                    size_bytes: 5,
                    checksum,
                }],
            }),
            storage_class: Some(StorageClass::Standard),
            size_bytes: Some(9),
            ..nothing
        };
        let text = text(all);
        for expected in [
            "<ETag>00000000000000000000000000000000-2</ETag>",
            "<Checksum><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>FULL_OBJECT",
            "<PartsCount>2</PartsCount><PartNumberMarker>1</PartNumberMarker>\
             <NextPartNumberMarker>4</NextPartNumberMarker><MaxParts>1</MaxParts>\
             <IsTruncated>false</IsTruncated><Part><PartNumber>4</PartNumber><Size>5</Size>\
             <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></ObjectParts>",
            "<StorageClass>STANDARD</StorageClass><ObjectSize>9</ObjectSize>",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}

//! Answers of the listings of a bucket. Each repeats what was asked for, so each holds its input.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use super::Owner;
use crate::body::checksum::Checksum;
use crate::etag::ETag;
use crate::request::{
    EncodingType, ListCommon, ListMultipartUploadsInput, ListObjectVersionsInput, ListObjectsInput,
    ListObjectsV2Input, ListPosition, MultipartChecksum, StorageClass, VersionId, VersionPosition,
};
use crate::time::to_iso8601;
use crate::xml::write::{self as xml, XmlWriter};

/// An object in a listing.
#[derive(Debug, Clone)]
pub struct ObjectEntry {
    /// Its key.
    pub key: String,
    /// When it was written.
    pub last_modified: Timestamp,
    /// Its tag.
    pub etag: ETag,
    /// Its size.
    pub size_bytes: u64,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// Its checksum, of which a listing shows the kind.
    pub checksum: Option<Checksum>,
    /// Its owner.
    pub owner: Arc<Owner>,
}

impl ObjectEntry {
    /// The elements that an object has in every listing, behind its key.
    fn write(&self, writer: &mut XmlWriter) {
        writer.text("LastModified", &to_iso8601(self.last_modified));
        writer.text("ETag", &self.etag.quoted());
        if let Some(checksum) = &self.checksum {
            writer.text("ChecksumAlgorithm", checksum.algorithm().name());
            writer.text("ChecksumType", checksum.checksum_type().name());
        }
        writer.value("Size", self.size_bytes);
        writer.text("StorageClass", self.storage_class.as_str());
    }
}

/// The elements that all listings repeat of their input, but for the markers.
fn write_common(writer: &mut XmlWriter, list: &ListCommon, max_name: &str, is_truncated: bool) {
    writer.key("Prefix", &list.prefix, list.encoding);
    if let Some(delimiter) = &list.delimiter {
        writer.key("Delimiter", delimiter, list.encoding);
    }
    writer.value(max_name, list.max_keys);
    if list.encoding == Some(EncodingType::Url) {
        writer.text("EncodingType", "url");
    }
    writer.value("IsTruncated", is_truncated);
}

fn write_common_prefixes(writer: &mut XmlWriter, list: &ListCommon, prefixes: &[String]) {
    for prefix in prefixes {
        writer.element("CommonPrefixes", |writer| {
            writer.key("Prefix", prefix, list.encoding)
        });
    }
}

/// Whether a listing of objects shows whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShowsOwner {
    Yes,
    No,
}

fn write_contents(
    writer: &mut XmlWriter,
    list: &ListCommon,
    contents: &[ObjectEntry],
    shows_owner: ShowsOwner,
) {
    for entry in contents {
        writer.element("Contents", |writer| {
            writer.key("Key", &entry.key, list.encoding);
            entry.write(writer);
            if shows_owner == ShowsOwner::Yes {
                writer.owner("Owner", &entry.owner);
            }
        });
    }
}

/// The answer of ListObjects.
#[derive(Debug, Clone)]
pub struct ListObjectsOutput {
    /// What was asked for.
    pub input: ListObjectsInput,
    /// The objects, in order of key.
    pub contents: Vec<ObjectEntry>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<ListPosition>,
}

impl ListObjectsOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let list = &self.input.list;
        xml::ok(XmlWriter::document("ListBucketResult", |writer| {
            writer.text("Name", list.bucket.as_str());
            writer.key(
                "Marker",
                self.input.marker.as_deref().unwrap_or(""),
                list.encoding,
            );
            // Without a delimiter the last key is the next marker, and AWS leaves it at that.
            if let (Some(next), Some(_)) = (&self.next, &list.delimiter) {
                writer.key("NextMarker", marker_text(next), list.encoding);
            }
            write_common(writer, list, "MaxKeys", self.next.is_some());
            write_contents(writer, list, &self.contents, ShowsOwner::Yes);
            write_common_prefixes(writer, list, &self.common_prefixes);
        }))
    }
}

/// A position as the older listings write it: as the last entry's text.
fn marker_text(position: &ListPosition) -> &str {
    match position {
        ListPosition::AfterKey(text) | ListPosition::AfterPrefix(text) => text,
    }
}

/// The answer of ListObjectsV2.
#[derive(Debug, Clone)]
pub struct ListObjectsV2Output {
    /// What was asked for.
    pub input: ListObjectsV2Input,
    /// The objects, in order of key.
    pub contents: Vec<ObjectEntry>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<ListPosition>,
}

impl ListObjectsV2Output {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let list = &self.input.list;
        let shows_owner = match self.input.fetch_owner {
            true => ShowsOwner::Yes,
            false => ShowsOwner::No,
        };
        xml::ok(XmlWriter::document("ListBucketResult", |writer| {
            writer.text("Name", list.bucket.as_str());
            if let Some(start_after) = &self.input.start_after {
                writer.key("StartAfter", start_after, list.encoding);
            }
            writer.optional("ContinuationToken", self.input.token.as_deref());
            if let Some(next) = &self.next {
                writer.text("NextContinuationToken", &next.to_token());
            }
            writer.value("KeyCount", self.contents.len() + self.common_prefixes.len());
            write_common(writer, list, "MaxKeys", self.next.is_some());
            write_contents(writer, list, &self.contents, shows_owner);
            write_common_prefixes(writer, list, &self.common_prefixes);
        }))
    }
}

/// A version in a listing.
#[derive(Debug, Clone)]
pub struct VersionEntry {
    /// Its name.
    pub version_id: VersionId,
    /// Whether it is the newest of its key.
    pub is_latest: bool,
    /// Its owner.
    pub owner: Arc<Owner>,
    /// What it is.
    pub kind: VersionKind,
}

/// What a version is.
#[derive(Debug, Clone)]
pub enum VersionKind {
    /// An object.
    Object(ObjectEntry),
    /// A marker that hides the older ones.
    DeleteMarker {
        /// The key.
        key: String,
        /// When it was made.
        last_modified: Timestamp,
    },
}

impl VersionEntry {
    fn write(&self, writer: &mut XmlWriter, encoding: Option<EncodingType>) {
        let (element, key) = match &self.kind {
            VersionKind::Object(object) => ("Version", &object.key),
            VersionKind::DeleteMarker { key, .. } => ("DeleteMarker", key),
        };
        writer.element(element, |writer| {
            writer.key("Key", key, encoding);
            writer.text("VersionId", self.version_id.as_str());
            writer.text("IsLatest", if self.is_latest { "true" } else { "false" });
            match &self.kind {
                VersionKind::Object(object) => object.write(writer),
                VersionKind::DeleteMarker { last_modified, .. } => {
                    writer.text("LastModified", &to_iso8601(*last_modified));
                }
            }
            writer.owner("Owner", &self.owner);
        });
    }
}

/// The answer of ListObjectVersions.
#[derive(Debug, Clone)]
pub struct ListObjectVersionsOutput {
    /// What was asked for.
    pub input: ListObjectVersionsInput,
    /// The versions and delete markers, in order of key, the newest first.
    pub versions: Vec<VersionEntry>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<VersionPosition>,
}

impl ListObjectVersionsOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let ListObjectVersionsInput {
            list,
            key_marker,
            version_id_marker,
        } = &self.input;
        xml::ok(XmlWriter::document("ListVersionsResult", |writer| {
            writer.text("Name", list.bucket.as_str());
            writer.key(
                "KeyMarker",
                key_marker.as_deref().unwrap_or(""),
                list.encoding,
            );
            let version_id_marker = version_id_marker.as_ref().map_or("", |id| id.as_str());
            writer.text("VersionIdMarker", version_id_marker);
            if let Some(next) = &self.next {
                let (key, version_id) = match next {
                    VersionPosition::After(position) => (marker_text(position), None),
                    VersionPosition::AfterVersion(key, id) => (key.as_str(), Some(id.as_str())),
                };
                writer.key("NextKeyMarker", key, list.encoding);
                writer.optional("NextVersionIdMarker", version_id);
            }
            write_common(writer, list, "MaxKeys", self.next.is_some());
            for entry in &self.versions {
                entry.write(writer, list.encoding);
            }
            write_common_prefixes(writer, list, &self.common_prefixes);
        }))
    }
}

/// The answer of ListMultipartUploads.
#[derive(Debug, Clone)]
pub struct ListMultipartUploadsOutput {
    /// What was asked for.
    pub input: ListMultipartUploadsInput,
    /// The uploads, in order of key and then of upload.
    pub uploads: Vec<UploadEntry>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// The key and upload the page ends with, if there is a next one. The upload is empty where
    /// the page ends with a common prefix.
    pub next: Option<(String, String)>,
}

/// An upload in a listing.
#[derive(Debug, Clone)]
pub struct UploadEntry {
    /// Its key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// Who began it.
    pub initiator: Owner,
    /// Whose its object is to be.
    pub owner: Owner,
    /// When it was begun.
    pub initiated: Timestamp,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// The checksum its object is to have.
    pub checksum: Option<MultipartChecksum>,
}

impl ListMultipartUploadsOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let ListMultipartUploadsInput {
            list,
            key_marker,
            upload_id_marker,
        } = &self.input;
        xml::ok(XmlWriter::document(
            "ListMultipartUploadsResult",
            |writer| {
                writer.text("Bucket", list.bucket.as_str());
                writer.key(
                    "KeyMarker",
                    key_marker.as_deref().unwrap_or(""),
                    list.encoding,
                );
                writer.text("UploadIdMarker", upload_id_marker.as_deref().unwrap_or(""));
                if let Some((key, upload_id)) = &self.next {
                    writer.key("NextKeyMarker", key, list.encoding);
                    writer.text("NextUploadIdMarker", upload_id);
                }
                write_common(writer, list, "MaxUploads", self.next.is_some());
                for upload in &self.uploads {
                    writer.element("Upload", |writer| self.write_upload(writer, upload));
                }
                write_common_prefixes(writer, list, &self.common_prefixes);
            },
        ))
    }

    fn write_upload(&self, writer: &mut XmlWriter, upload: &UploadEntry) {
        writer.key("Key", &upload.key, self.input.list.encoding);
        writer.text("UploadId", &upload.upload_id);
        writer.owner("Initiator", &upload.initiator);
        writer.owner("Owner", &upload.owner);
        writer.text("StorageClass", upload.storage_class.as_str());
        writer.text("Initiated", &to_iso8601(upload.initiated));
        writer.checksum_kind(upload.checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::BucketName;
    use crate::time::from_unix_ms;

    fn common(encoding: Option<EncodingType>) -> ListCommon {
        ListCommon {
            bucket: BucketName::parse("abc").unwrap(),
            prefix: "p ".to_owned(),
            delimiter: Some("/".to_owned()),
            max_keys: 2,
            encoding,
        }
    }

    fn owner() -> Arc<Owner> {
        Arc::new(Owner {
            id: "o1".to_owned(),
            display_name: "o".to_owned(),
        })
    }

    fn entry() -> ObjectEntry {
        ObjectEntry {
            key: "p \u{1}".to_owned(),
            last_modified: from_unix_ms(0),
            etag: ETag::single([0; 16]),
            size_bytes: 7,
            storage_class: StorageClass::Standard,
            checksum: None,
            owner: owner(),
        }
    }

    fn body(response: Response<Bytes>) -> String {
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    #[test]
    fn a_truncated_page_says_where_to_go_on() {
        let next = ListPosition::AfterPrefix("p b/".to_owned());
        let output = ListObjectsV2Output {
            input: ListObjectsV2Input {
                list: common(Some(EncodingType::Url)),
                start_after: Some("p +".to_owned()),
                continuation: None,
                token: None,
                fetch_owner: true,
            },
            contents: vec![entry()],
            common_prefixes: vec!["p b/".to_owned()],
            next: Some(next.clone()),
        };
        let body = body(output.into_response());
        for piece in [
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
            "<StartAfter>p%20%2B</StartAfter>",
            &format!(
                "<NextContinuationToken>{}</NextContinuationToken>",
                next.to_token()
            ),
            "<KeyCount>2</KeyCount><Prefix>p%20</Prefix><Delimiter>/</Delimiter>\
             <MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>",
            "<Key>p%20%01</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>",
            "<Size>7</Size><StorageClass>STANDARD</StorageClass><Owner><ID>o1</ID>",
            "<CommonPrefixes><Prefix>p%20b/</Prefix></CommonPrefixes>",
        ] {
            assert!(body.contains(piece), "{piece} in {body}");
        }
    }

    #[test]
    fn the_last_page_says_so() {
        let output = ListObjectsOutput {
            input: ListObjectsInput {
                list: common(None),
                marker: None,
            },
            contents: vec![entry()],
            common_prefixes: vec![],
            next: None,
        };
        let body = body(output.into_response());
        assert!(
            body.contains("<Marker></Marker><Prefix>p </Prefix>"),
            "{body}"
        );
        assert!(body.contains("<IsTruncated>false</IsTruncated>"));
        assert!(body.contains("<Key>p &#x1;</Key>"));
        assert!(!body.contains("NextMarker"));
    }

    #[test]
    fn versions_and_markers_are_listed() {
        let newer = VersionId::Other("v2".to_owned());
        let marker = VersionEntry {
            version_id: newer.clone(),
            is_latest: true,
            owner: owner(),
            kind: VersionKind::DeleteMarker {
                key: "p a".to_owned(),
                last_modified: from_unix_ms(0),
            },
        };
        let object = VersionEntry {
            version_id: VersionId::Null,
            is_latest: false,
            owner: owner(),
            kind: VersionKind::Object(entry()),
        };
        let output = ListObjectVersionsOutput {
            input: ListObjectVersionsInput {
                list: common(None),
                key_marker: Some("p".to_owned()),
                version_id_marker: Some(VersionId::Null),
            },
            versions: vec![marker, object],
            common_prefixes: vec![],
            next: Some(VersionPosition::AfterVersion("p a".to_owned(), newer)),
        };
        let body = body(output.into_response());
        for piece in [
            "<DeleteMarker><Key>p a</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>\
             <LastModified>1970-01-01T00:00:00.000Z</LastModified><Owner>",
            "<VersionId>null</VersionId><IsLatest>false</IsLatest>",
            "<VersionIdMarker>null</VersionIdMarker>",
            "<NextKeyMarker>p a</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>",
        ] {
            assert!(body.contains(piece), "{piece} in {body}");
        }
    }

    #[test]
    fn uploads_are_listed() {
        let output = ListMultipartUploadsOutput {
            input: ListMultipartUploadsInput {
                list: common(None),
                key_marker: None,
                upload_id_marker: None,
            },
            uploads: vec![UploadEntry {
                key: "p k".to_owned(),
                upload_id: "u1".to_owned(),
                initiator: (*owner()).clone(),
                owner: (*owner()).clone(),
                initiated: from_unix_ms(0),
                storage_class: StorageClass::Standard,
                checksum: None,
            }],
            common_prefixes: vec![],
            next: Some(("p k".to_owned(), "u1".to_owned())),
        };
        let body = body(output.into_response());
        assert!(body.contains("<NextUploadIdMarker>u1</NextUploadIdMarker>"));
        assert!(body.contains("<MaxUploads>2</MaxUploads>"));
        assert!(body.contains("<Upload><Key>p k</Key><UploadId>u1</UploadId><Initiator>"));
    }
}

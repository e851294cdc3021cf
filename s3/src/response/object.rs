//! Answers of the operations on objects.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use super::encryption::{ServerSideEncryption, insert_encryption};
use super::{header_text, metadata_text};
use crate::body::checksum::{Checksum, ChecksumType};
use crate::config::object_lock::{LegalHold, Retention};
use crate::config::tagging::TagSet;
use crate::error::{Error, ErrorCode};
use crate::etag::ETag;
use crate::range::ByteRange;
use crate::request::{
    ChecksumMode, ObjectHeaders, ResponseOverrides, StorageClass, USER_METADATA_PREFIX, VersionId,
};
use crate::time::{to_http_date, to_iso8601};
use crate::xml::write::{self as xml, XmlWriter};

/// The version that an answer is about.
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// The version that a copy was made of.
pub(super) const SOURCE_VERSION_ID: HeaderName =
    HeaderName::from_static("x-amz-copy-source-version-id");

/// Where a web site sends those who ask for the object.
const WEBSITE_REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");

/// That the version is a delete marker.
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// The type of an object that was stored without one.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// A stored object, as GET and HEAD show it.
#[derive(Debug, Clone)]
pub struct ObjectInfo {
    /// Its tag.
    pub etag: ETag,
    /// When it was written.
    pub last_modified: Timestamp,
    /// Its size.
    pub size_bytes: u64,
    /// What was stored with it.
    pub headers: ObjectHeaders,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// Its version, in a bucket that keeps versions or ever did.
    pub version_id: Option<VersionId>,
    /// How many tags it has.
    pub tag_count: usize,
    /// Until when it is kept.
    pub retention: Option<Retention>,
    /// Whether it is kept until told otherwise.
    pub legal_hold: LegalHold,
}

/// The answer of GetObject and HeadObject.
#[derive(Debug, Clone)]
pub struct GetObjectOutput {
    /// The object.
    pub object: ObjectInfo,
    /// The bytes that are answered, with 206; all of them, with 200, where there is no range.
    pub range: Option<ByteRange>,
    /// The number of parts, in the answer to a request for one part of a multipart object.
    pub parts_count: Option<u32>,
    /// Headers that replace the stored ones.
    pub overrides: ResponseOverrides,
    /// The checksum of the bytes that are answered, where it is known, and the type that the
    /// object's is of. With a range it isn't the object's.
    pub checksum: Option<(Checksum, ChecksumType)>,
    /// Whether it is shown.
    pub checksum_mode: ChecksumMode,
    /// How it is encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl GetObjectOutput {
    /// The number of bytes of the answer's body.
    #[must_use]
    pub fn content_length_bytes(&self) -> u64 {
        self.range
            .map_or(self.object.size_bytes, |range| range.size_bytes())
    }

    /// The answer. `body` is the selected bytes for GET and nothing for HEAD.
    pub fn into_response<B>(self, body: B) -> Response<B> {
        let length_bytes = self.content_length_bytes();
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        insert_validators(headers, &self.object.etag, self.object.last_modified);
        insert_content_headers(headers, &self.object.headers, self.overrides);
        insert_metadata(headers, &self.object.headers);
        insert_version(headers, VERSION_ID, self.object.version_id.as_ref());
        insert_lock(headers, self.object.retention, self.object.legal_hold);
        insert_encryption(headers, self.encryption.as_ref());
        if self.object.tag_count > 0 {
            headers.insert("x-amz-tagging-count", self.object.tag_count.into());
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_LENGTH, length_bytes.into());
        if self.object.storage_class != StorageClass::Standard {
            let class = HeaderValue::from_static(self.object.storage_class.as_str());
            headers.insert("x-amz-storage-class", class);
        }
        if let Some(parts) = self.parts_count {
            headers.insert("x-amz-mp-parts-count", parts.into());
        }
        if let Some((checksum, kind)) = &self.checksum
            && self.checksum_mode == ChecksumMode::Enabled
        {
            insert_checksum(headers, Some(checksum));
            let kind = HeaderValue::from_static(kind.name());
            headers.insert(CHECKSUM_TYPE, kind);
        }
        if let Some(range) = self.range {
            let value = header_text(&range.content_range(self.object.size_bytes));
            headers.insert(CONTENT_RANGE, value.expect("digits and a slash are legal"));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        response
    }
}

/// The answer to a conditional read of an object that has not changed.
#[derive(Debug, Clone)]
pub struct NotModifiedOutput {
    /// The object's tag.
    pub etag: ETag,
    /// When it was written.
    pub last_modified: Timestamp,
    /// What was stored with it, of which the caching headers are shown.
    pub headers: ObjectHeaders,
    /// Its version, in a bucket that keeps versions or ever did.
    pub version_id: Option<VersionId>,
}

impl NotModifiedOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        insert_validators(headers, &self.etag, self.last_modified);
        for (name, value) in [
            (CACHE_CONTROL, self.headers.cache_control),
            (EXPIRES, self.headers.expires),
        ] {
            insert_text(headers, name, value.as_deref());
        }
        insert_version(headers, VERSION_ID, self.version_id.as_ref());
        response
    }
}

/// The answer of PutObject.
#[derive(Debug, Clone)]
pub struct PutObjectOutput {
    /// The object's tag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// Its version, if its bucket keeps it as one.
    pub version_id: Option<VersionId>,
    /// How it is encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl PutObjectOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        insert_etag(response.headers_mut(), &self.etag);
        insert_checksum(response.headers_mut(), self.checksum.as_ref());
        insert_version(response.headers_mut(), VERSION_ID, self.version_id.as_ref());
        insert_encryption(response.headers_mut(), self.encryption.as_ref());
        response
    }
}

/// The answer of CopyObject.
#[derive(Debug, Clone)]
pub struct CopyObjectOutput {
    /// The copy's tag.
    pub etag: ETag,
    /// When the copy was written.
    pub last_modified: Timestamp,
    /// The copy's checksum.
    pub checksum: Option<Checksum>,
    /// The copy's version, if its bucket keeps it as one.
    pub version_id: Option<VersionId>,
    /// The version that was copied, of such a bucket.
    pub source_version_id: Option<VersionId>,
    /// How the copy is encrypted.
    pub encryption: Option<ServerSideEncryption>,
}

impl CopyObjectOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let document = XmlWriter::document("CopyObjectResult", |writer| {
            writer.text("LastModified", &to_iso8601(self.last_modified));
            writer.text("ETag", &self.etag.quoted());
            writer.checksum(self.checksum.as_ref());
        });
        let mut response = xml::ok(document);
        let headers = response.headers_mut();
        insert_version(headers, VERSION_ID, self.version_id.as_ref());
        insert_version(headers, SOURCE_VERSION_ID, self.source_version_id.as_ref());
        insert_encryption(headers, self.encryption.as_ref());
        response
    }
}

/// The answer of the operations on an object's tags.
#[derive(Debug, Clone)]
pub struct ObjectTaggingOutput {
    /// The version, in a bucket that keeps versions or ever did.
    pub version_id: Option<VersionId>,
    /// What was done.
    pub outcome: TaggingOutcome,
}

/// What an operation on an object's tags came to.
#[derive(Debug, Clone)]
pub enum TaggingOutcome {
    /// These are its tags.
    Are(TagSet),
    /// They were replaced.
    Replaced,
    /// They were removed.
    Removed,
}

impl ObjectTaggingOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = match self.outcome {
            TaggingOutcome::Are(tags) => xml::ok(tags.to_xml()),
            TaggingOutcome::Replaced => Done.into_response(),
            TaggingOutcome::Removed => NoContent.into_response(),
        };
        insert_version(response.headers_mut(), VERSION_ID, self.version_id.as_ref());
        response
    }
}

/// The answer of DeleteObject.
#[derive(Debug, Clone, Default)]
pub struct DeleteObjectOutput {
    /// The version that was removed, or the delete marker that was made.
    pub version_id: Option<VersionId>,
    /// Whether that is a delete marker.
    pub delete_marker: bool,
}

impl DeleteObjectOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = NoContent.into_response();
        let headers = response.headers_mut();
        insert_version(headers, VERSION_ID, self.version_id.as_ref());
        if self.delete_marker {
            headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
        }
        response
    }
}

/// The answer to a read that meets a delete marker.
///
/// Asked for the object, there is none; asked for that very version, it can't be read.
#[must_use]
pub fn delete_marker_met(
    version_id: &VersionId,
    asked: Option<&VersionId>,
    key: &str,
    last_modified: Timestamp,
) -> Error {
    let error = match asked {
        None => Error::new(ErrorCode::NoSuchKey).field("Key", key),
        Some(_) => Error::new(ErrorCode::MethodNotAllowed)
            .field("Method", "GET")
            .field("ResourceType", "DeleteMarker")
            .header(LAST_MODIFIED, to_http_date(last_modified)),
    };
    error
        .header(VERSION_ID, version_id.as_str())
        .header(DELETE_MARKER, "true")
}

/// The answer of operations that set something: 200 and nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct Done;

impl Done {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        Response::new(Bytes::new())
    }
}

/// The answer of operations that remove something: 204 and nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl NoContent {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }
}

/// The answer of DeleteObjects.
#[derive(Debug, Clone)]
pub struct DeleteObjectsOutput {
    /// Whether only failures are written.
    pub quiet: bool,
    /// What was deleted, or was not there to begin with.
    pub deleted: Vec<DeletedObject>,
    /// What failed.
    pub errors: Vec<DeleteError>,
}

/// An object that is gone.
#[derive(Debug, Clone)]
pub struct DeletedObject {
    /// Its key.
    pub key: String,
    /// The version, as the client named it.
    pub version_id: Option<VersionId>,
    /// The delete marker that was made or removed.
    pub marker: Option<VersionId>,
}

/// An object that could not be deleted.
#[derive(Debug, Clone)]
pub struct DeleteError {
    /// Its key.
    pub key: String,
    /// The version, as the client named it.
    pub version_id: Option<VersionId>,
    /// What went wrong.
    pub error: Error,
}

impl DeleteObjectsOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        xml::ok(XmlWriter::document("DeleteResult", |writer| {
            for deleted in self.deleted.iter().filter(|_| !self.quiet) {
                writer.element("Deleted", |writer| {
                    writer.text("Key", &deleted.key);
                    let version = deleted.version_id.as_ref().map(VersionId::as_str);
                    writer.optional("VersionId", version);
                    if let Some(marker) = &deleted.marker {
                        writer.text("DeleteMarker", "true");
                        writer.text("DeleteMarkerVersionId", marker.as_str());
                    }
                });
            }
            for failed in &self.errors {
                writer.element("Error", |writer| {
                    writer.text("Key", &failed.key);
                    let version = failed.version_id.as_ref().map(VersionId::as_str);
                    writer.optional("VersionId", version);
                    writer.text("Code", failed.error.code().as_str());
                    writer.text("Message", failed.error.text());
                });
            }
        }))
    }
}

fn insert_lock(headers: &mut HeaderMap, retention: Option<Retention>, legal_hold: LegalHold) {
    if let Some(Retention { mode, until }) = retention {
        let mode = HeaderValue::from_static(mode.as_str());
        headers.insert("x-amz-object-lock-mode", mode);
        let name = HeaderName::from_static("x-amz-object-lock-retain-until-date");
        insert_text(headers, name, Some(&to_iso8601(until)));
    }
    if legal_hold == LegalHold::On {
        let on = HeaderValue::from_static(legal_hold.as_str());
        headers.insert("x-amz-object-lock-legal-hold", on);
    }
}

pub(super) fn insert_version(
    headers: &mut HeaderMap,
    name: HeaderName,
    version_id: Option<&VersionId>,
) {
    insert_text(headers, name, version_id.map(VersionId::as_str));
}

pub(super) fn insert_etag(headers: &mut HeaderMap, etag: &ETag) {
    let value = header_text(&etag.quoted());
    headers.insert(ETAG, value.expect("hexadecimal digits are legal"));
}

fn insert_validators(headers: &mut HeaderMap, etag: &ETag, last_modified: Timestamp) {
    insert_etag(headers, etag);
    let date = header_text(&to_http_date(last_modified));
    headers.insert(LAST_MODIFIED, date.expect("an HTTP date is legal"));
}

pub(super) fn insert_checksum(headers: &mut HeaderMap, checksum: Option<&Checksum>) {
    let Some(checksum) = checksum else { return };
    let value = header_text(&checksum.to_string());
    headers.insert(
        checksum.algorithm().header(),
        value.expect("Base64 is legal"),
    );
    let kind = HeaderValue::from_static(checksum.checksum_type().name());
    headers.insert(CHECKSUM_TYPE, kind);
}

fn insert_content_headers(
    headers: &mut HeaderMap,
    stored: &ObjectHeaders,
    overrides: ResponseOverrides,
) {
    let table = [
        (CONTENT_TYPE, overrides.content_type, &stored.content_type),
        (
            CONTENT_ENCODING,
            overrides.content_encoding,
            &stored.content_encoding,
        ),
        (
            CONTENT_LANGUAGE,
            overrides.content_language,
            &stored.content_language,
        ),
        (
            CONTENT_DISPOSITION,
            overrides.content_disposition,
            &stored.content_disposition,
        ),
        (
            CACHE_CONTROL,
            overrides.cache_control,
            &stored.cache_control,
        ),
        (EXPIRES, overrides.expires, &stored.expires),
        (WEBSITE_REDIRECT, None, &stored.website_redirect),
    ];
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(DEFAULT_CONTENT_TYPE));
    for (name, replacement, stored) in table {
        insert_text(headers, name, replacement.as_deref().or(stored.as_deref()));
    }
}

pub(super) fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: Option<&str>) {
    if let Some(value) = text.filter(|text| !text.is_empty()).and_then(header_text) {
        headers.insert(name, value);
    }
}

/// What cannot be a header is counted in `x-amz-missing-meta`, as AWS does.
fn insert_metadata(headers: &mut HeaderMap, stored: &ObjectHeaders) {
    let mut missing = 0_u64;
    for (name, value) in stored.metadata.iter() {
        let name = HeaderName::try_from(format!("{USER_METADATA_PREFIX}{name}"));
        match (name, metadata_text(value)) {
            (Ok(name), Some(value)) => {
                headers.insert(name, value);
            }
            _ => missing += 1,
        }
    }
    if missing > 0 {
        headers.insert("x-amz-missing-meta", missing.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::checksum::ChecksumAlgorithm;
    use crate::config::object_lock::RetentionMode;
    use crate::error::ErrorCode;
    use crate::request::UserMetadata;
    use crate::time::from_unix_ms;

    fn output() -> GetObjectOutput {
        let metadata = vec![
            ("colour".to_owned(), "blue".to_owned()),
            ("name".to_owned(), "é".to_owned()),
            ("bad name".to_owned(), "x".to_owned()),
        ];
        GetObjectOutput {
            object: ObjectInfo {
                etag: ETag::multipart([1; 16], 2),
                last_modified: from_unix_ms(1_445_412_480_000),
                size_bytes: 10,
                headers: ObjectHeaders {
                    content_disposition: Some("inline".to_owned()),
                    metadata: UserMetadata::from_stored(metadata),
                    ..ObjectHeaders::default()
                },
                storage_class: StorageClass::OneZoneIa,
                version_id: Some(VersionId::Null),
                tag_count: 3,
                retention: Some(Retention {
                    mode: RetentionMode::Governance,
                    until: from_unix_ms(0),
                }),
                legal_hold: LegalHold::On,
            },
            range: None,
            parts_count: None,
            overrides: ResponseOverrides::default(),
            checksum: Checksum::parse(ChecksumAlgorithm::Crc32, "AAAAAA==-2")
                .map(|checksum| (checksum, ChecksumType::Composite)),
            checksum_mode: ChecksumMode::Enabled,
            encryption: Some(ServerSideEncryption::Store),
        }
    }

    #[test]
    fn a_whole_object() {
        let response = output().into_response(());
        let headers = response.headers();
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("etag", "\"01010101010101010101010101010101-2\""),
            ("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("content-length", "10"),
            ("content-type", "binary/octet-stream"),
            ("content-disposition", "inline"),
            ("accept-ranges", "bytes"),
            ("x-amz-storage-class", "ONEZONE_IA"),
            ("x-amz-checksum-crc32", "AAAAAA==-2"),
            ("x-amz-checksum-type", "COMPOSITE"),
            ("x-amz-meta-colour", "blue"),
            ("x-amz-meta-name", "=?UTF-8?B?w6k=?="),
            ("x-amz-missing-meta", "1"),
            ("x-amz-version-id", "null"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-tagging-count", "3"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            (
                "x-amz-object-lock-retain-until-date",
                "1970-01-01T00:00:00.000Z",
            ),
            ("x-amz-object-lock-legal-hold", "ON"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }

    #[test]
    fn a_part_may_have_a_checksum() {
        let mut output = output();
        let of_part = Checksum::parse(ChecksumAlgorithm::Crc32, "AAAAAA==").unwrap();
        output.checksum = Some((of_part, ChecksumType::Composite));
        output.range = Some(ByteRange {
            start: 2,
            end_exclusive: 5,
        });
        output.parts_count = Some(2);
        output.overrides.content_type = Some("text/html".to_owned());
        let response = output.into_response(());
        assert_eq!(response.status(), 206);
        assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
        assert_eq!(response.headers()["content-length"], "3");
        assert_eq!(response.headers()["content-type"], "text/html");
        assert_eq!(response.headers()["x-amz-mp-parts-count"], "2");
        assert_eq!(response.headers()["x-amz-checksum-crc32"], "AAAAAA==");
        assert_eq!(response.headers()["x-amz-checksum-type"], "COMPOSITE");
    }

    #[test]
    fn deletes_are_told_one_by_one_unless_quiet() {
        let output = |quiet| DeleteObjectsOutput {
            quiet,
            deleted: vec![DeletedObject {
                key: "a<".into(),
                version_id: Some(VersionId::Null),
                marker: Some(VersionId::Null),
            }],
            errors: vec![DeleteError {
                key: "b".into(),
                version_id: None,
                error: Error::new(ErrorCode::AccessDenied),
            }],
        };
        let body =
            |quiet| String::from_utf8(output(quiet).into_response().body().to_vec()).unwrap();
        let deleted = "<Deleted><Key>a&lt;</Key><VersionId>null</VersionId><DeleteMarker>true\
                       </DeleteMarker><DeleteMarkerVersionId>null</DeleteMarkerVersionId></Deleted>";
        let error = "<Error><Key>b</Key><Code>AccessDenied</Code><Message>Access Denied</Message>";
        assert!(body(false).contains(deleted) && body(false).contains(error));
        assert!(!body(true).contains("<Deleted>") && body(true).contains(error));
    }

    #[test]
    fn a_delete_marker_is_told_apart_from_nothing() {
        let marker = VersionId::Other("m".to_owned());
        let hidden = delete_marker_met(&marker, None, "k", from_unix_ms(0));
        assert_eq!(hidden.code(), ErrorCode::NoSuchKey);
        let named = delete_marker_met(&marker, Some(&marker), "k", from_unix_ms(0));
        assert_eq!(named.code(), ErrorCode::MethodNotAllowed);
        for error in [hidden, named] {
            let names: Vec<_> = error.headers().iter().map(|(name, _)| name).collect();
            assert!(names.contains(&&DELETE_MARKER) && names.contains(&&VERSION_ID));
        }
        let gone = DeleteObjectOutput {
            version_id: Some(marker),
            delete_marker: true,
        };
        let gone = gone.into_response();
        assert_eq!(gone.status(), 204);
        assert_eq!(gone.headers()["x-amz-delete-marker"], "true");
        assert_eq!(gone.headers()["x-amz-version-id"], "m");
    }

    #[test]
    fn small_answers() {
        let put = PutObjectOutput {
            etag: ETag::single([0; 16]),
            checksum: None,
            version_id: None,
            encryption: None,
        }
        .into_response();
        assert!(!put.headers().contains_key("x-amz-version-id"));
        assert_eq!(
            put.headers()["etag"],
            "\"00000000000000000000000000000000\""
        );
        assert_eq!(NoContent.into_response().status(), 204);
        let unchanged = NotModifiedOutput {
            etag: ETag::single([0; 16]),
            last_modified: from_unix_ms(0),
            headers: ObjectHeaders {
                cache_control: Some("no-cache".into()),
                ..Default::default()
            },
            version_id: None,
        };
        let unchanged = unchanged.into_response();
        assert_eq!(unchanged.status(), 304);
        assert_eq!(unchanged.headers()["cache-control"], "no-cache");
        assert!(unchanged.headers().contains_key("etag"));
        let copy = CopyObjectOutput {
            etag: ETag::single([0; 16]),
            last_modified: from_unix_ms(0),
            checksum: None,
            version_id: Some(VersionId::Other("v2".to_owned())),
            source_version_id: Some(VersionId::Other("v1".to_owned())),
            encryption: None,
        };
        let headers = copy.clone().into_response().into_parts().0.headers;
        assert_eq!(headers["x-amz-version-id"], "v2");
        assert_eq!(headers["x-amz-copy-source-version-id"], "v1");
        let copy = String::from_utf8(copy.into_response().body().to_vec()).unwrap();
        assert!(copy.contains("<ETag>&quot;0000"));
    }
}

//! Typed answers and their way into `http::Response`. Bodies are complete `Bytes`, but for
//! GetObject's, which is the caller's stream.

mod acl;
mod attributes;
mod bucket;
mod encryption;
pub mod error;
mod lifecycle;
mod list;
mod multipart;
mod object;
mod policy;
pub mod website;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{DATE, SERVER};
use http::{HeaderValue, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use acl::AclOutput;
pub use attributes::{GetObjectAttributesOutput, ObjectPart, PartsPage};
pub use bucket::{
    BucketEntry, ConfigurationOutput, CreateBucketOutput, EmptyListOutput, GetBucketLocationOutput,
    HeadBucketOutput, ListBucketsOutput,
};
pub use encryption::ServerSideEncryption;
pub use lifecycle::{LifecycleOutput, LifecycleStored, announce_abort, announce_expiry};
pub use list::{
    ListMultipartUploadsOutput, ListObjectVersionsOutput, ListObjectsOutput, ListObjectsV2Output,
    ObjectEntry, UploadEntry, VersionEntry, VersionKind,
};
pub use multipart::{
    CompleteMultipartUploadOutput, CreateMultipartUploadOutput, ListPartsOutput, PartEntry,
    UploadPartCopyOutput, UploadPartOutput,
};
pub use object::{
    CopyObjectOutput, DeleteError, DeleteObjectOutput, DeleteObjectsOutput, DeletedObject, Done,
    GetObjectOutput, NoContent, NotModifiedOutput, ObjectInfo, ObjectTaggingOutput,
    PutObjectOutput, TaggingOutcome, delete_marker_met,
};
pub use policy::{BucketPolicyOutput, BucketPolicyStatus};

use crate::time::to_http_date;

/// An account, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The canonical id.
    pub id: String,
    /// The name for people.
    pub display_name: String,
}

/// Puts the headers of every answer on one: the request's id, the answering gateway's id, the
/// time and the server's name.
pub fn stamp<B>(response: &mut Response<B>, request_id: &str, host_id: &str, now: Timestamp) {
    let headers = response.headers_mut();
    let texts = [
        ("x-amz-request-id", request_id),
        ("x-amz-id-2", host_id),
        (DATE.as_str(), &to_http_date(now)),
    ];
    for (name, text) in texts {
        if let Some(value) = header_text(text) {
            headers.insert(
                http::HeaderName::from_bytes(name.as_bytes()).expect("constant header names"),
                value,
            );
        }
    }
    headers.insert(SERVER, HeaderValue::from_static("Riquet"));
}

/// Text as a header's value; `None` where it holds a control character.
pub(crate) fn header_text(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

/// A user metadata value as a header's: as it is when plain ASCII, else as an encoded word of
/// RFC 2047, as AWS answers it.
fn metadata_text(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        header_text(text)
    } else {
        header_text(&format!("=?UTF-8?B?{}?=", BASE64.encode(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_stamped() {
        let mut response = Response::new(());
        stamp(&mut response, "id", "host", Timestamp::UNIX_EPOCH);
        assert_eq!(response.headers()["x-amz-request-id"], "id");
        assert_eq!(response.headers()["x-amz-id-2"], "host");
        assert_eq!(response.headers()["date"], "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(response.headers()["server"], "Riquet");
    }

    #[test]
    fn control_characters_never_reach_a_header() {
        assert_eq!(header_text("a\r\nset-cookie: x"), None);
        assert_eq!(metadata_text("a\u{1}"), None);
    }
}

//! The answers of GetBucketPolicy and GetBucketPolicyStatus.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::xml::write::{self as xml, XmlWriter};

/// A bucket's policy, as it was put.
#[derive(Debug, Clone)]
pub struct BucketPolicyOutput {
    /// The text, JSON.
    pub text: Bytes,
}

impl BucketPolicyOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.text);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

/// Whether a bucket is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketPolicyStatus {
    /// Its policy lets in everybody.
    Public,
    /// It doesn't.
    NotPublic,
}

impl BucketPolicyStatus {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let is_public = match self {
            Self::Public => "true",
            Self::NotPublic => "false",
        };
        xml::ok(XmlWriter::document("PolicyStatus", |writer| {
            writer.text("IsPublic", is_public);
        }))
    }
}

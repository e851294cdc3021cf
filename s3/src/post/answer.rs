//! The answer of PostObject.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::input::SuccessAction;
use crate::name::{BucketName, ObjectKey};
use crate::response::{PutObjectOutput, header_text};
use crate::xml::write::XmlWriter;

/// What stands for itself in a URL's query, and in the URL of an object, whose slashes AWS encodes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The answer of PostObject.
#[derive(Debug, Clone)]
pub struct PostObjectOutput {
    /// What PutObject would answer.
    pub put: PutObjectOutput,
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: ObjectKey,
    /// The URL that the form was sent to, without a query: the bucket's.
    pub bucket_url: String,
    /// What the client wants to see.
    pub success: SuccessAction,
}

impl PostObjectOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let etag = self.put.etag.quoted();
        let mut response = self.put.into_response();
        let key = utf8_percent_encode(self.key.as_str(), ENCODED);
        let (status, location) = match &self.success {
            SuccessAction::Status(status) => {
                let url = format!("{}/{key}", self.bucket_url.trim_end_matches('/'));
                (*status, url)
            }
            SuccessAction::Redirect(url) => {
                let etag = utf8_percent_encode(&etag, ENCODED);
                let query = format!("bucket={}&key={key}&etag={etag}", self.bucket);
                (StatusCode::SEE_OTHER, with_query(url, &query))
            }
        };
        *response.status_mut() = status;
        if status == StatusCode::CREATED {
            *response.body_mut() = XmlWriter::plain_document("PostResponse", |writer| {
                writer.text("Location", &location);
                writer.text("Bucket", self.bucket.as_str());
                writer.text("Key", self.key.as_str());
                writer.text("ETag", &etag);
            });
            let xml = HeaderValue::from_static("application/xml");
            response.headers_mut().insert(CONTENT_TYPE, xml);
        }
        if let Some(location) = header_text(&location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// Appends to a URL's query, before its fragment.
fn with_query(url: &str, query: &str) -> String {
    let (base, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let separator = if base.contains('?') { '&' } else { '?' };
    format!("{base}{separator}{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etag::ETag;

    const ETAG: &str = "37b51d194a7513e45b56f6524f2d51f2";

    fn answer(key: &str, success: SuccessAction) -> Response<Bytes> {
        PostObjectOutput {
            put: PutObjectOutput {
                version_id: None,
                encryption: None,
                etag: ETag::parse(ETAG).unwrap(),
                checksum: None,
            },
            bucket: BucketName::parse("abc").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
            bucket_url: "http://host/abc".to_owned(),
            success,
        }
        .into_response()
    }

    #[test]
    fn only_201_has_a_body() {
        for status in [StatusCode::OK, StatusCode::NO_CONTENT] {
            let response = answer("a", SuccessAction::Status(status));
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["location"], "http://host/abc/a");
            assert_eq!(response.headers()["etag"], format!("\"{ETAG}\"").as_str());
            assert!(response.body().is_empty());
        }
        let response = answer("é/<a>", SuccessAction::Status(StatusCode::CREATED));
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["content-type"], "application/xml");
        let body = std::str::from_utf8(response.body()).unwrap();
        let (_, body) = body.split_once("?>\n").unwrap();
        assert_eq!(
            body,
            "<PostResponse><Location>http://host/abc/%C3%A9%2F%3Ca%3E</Location>\
             <Bucket>abc</Bucket><Key>é/&lt;a&gt;</Key>\
             <ETag>&quot;37b51d194a7513e45b56f6524f2d51f2&quot;</ETag></PostResponse>"
        );
    }

    #[test]
    fn redirects_tell_what_was_stored() {
        let told = format!("bucket=abc&key=a%2Fb%20%26&etag=%22{ETAG}%22");
        for (url, expected) in [
            ("http://a/b", format!("http://a/b?{told}")),
            ("http://a/b?c=d", format!("http://a/b?c=d&{told}")),
            ("http://a/b#c?", format!("http://a/b?{told}#c?")),
        ] {
            let response = answer("a/b &", SuccessAction::Redirect(url.to_owned()));
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            assert_eq!(response.headers()["location"], expected.as_str());
            assert!(response.body().is_empty());
        }
    }
}

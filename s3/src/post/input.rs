//! A form's fields as the input of a write.

use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::fields::FormFields;
use crate::acl::RequestedAcl;
use crate::body::PayloadSpec;
use crate::error::Result;
use crate::name::{BucketName, ObjectKey};
use crate::operation::Query;
use crate::request::fields::Fields;
use crate::request::unsupported::refuse_unsupported;
use crate::request::{PutObjectInput, Target};

/// What a URL must not hold as it is, and still may hold where people write it.
const UNSAFE_IN_URL: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// The input of PostObject, but for its file.
#[derive(Debug, Clone)]
pub struct PostObjectInput {
    /// What the same PutObject would be.
    pub put: PutObjectInput,
    /// The list that is asked for.
    pub acl: Option<RequestedAcl>,
    /// A `Tagging` document, as PutObjectTagging has it in its body.
    pub tagging: Option<String>,
    /// What is promised of the file's bytes.
    pub payload: PayloadSpec,
    /// What the client wants to see once the object is there.
    pub success: SuccessAction,
}

/// How success is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuccessAction {
    /// With a status: 200 or 204 without a body, or 201 with a document.
    Status(StatusCode),
    /// By sending the browser on to a URL.
    Redirect(String),
}

impl PostObjectInput {
    /// Reads the fields of a form that was sent to `bucket`. Its policy, if it is signed, must have
    /// been checked before.
    ///
    /// # Errors
    /// What PutObject answers to malformed headers.
    pub fn parse(fields: &FormFields, bucket: BucketName, key: ObjectKey) -> Result<Self> {
        let headers = fields.to_headers()?;
        let query = Query::default();
        let as_put = Fields {
            headers: &headers,
            query: &query,
        };
        refuse_unsupported(as_put)?;
        let tagging = fields.get("tagging").filter(|text| !text.is_empty());
        Ok(Self {
            put: PutObjectInput::parse(Target { bucket, key }, as_put)?,
            acl: RequestedAcl::from_headers(&headers, &query)?,
            tagging: tagging.map(str::to_owned),
            payload: PayloadSpec::of_form(&headers)?,
            success: SuccessAction::parse(fields),
        })
    }
}

impl SuccessAction {
    /// What makes no sense counts as not there, as at AWS.
    fn parse(fields: &FormFields) -> Self {
        let url = fields.get("success_action_redirect");
        if let Some(url) = url
            .or_else(|| fields.get("redirect"))
            .and_then(absolute_url)
        {
            return Self::Redirect(url);
        }
        Self::Status(match fields.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        })
    }
}

/// A URL that a browser can be sent to from anywhere, ready for a header.
fn absolute_url(text: &str) -> Option<String> {
    let url = utf8_percent_encode(text.trim(), UNSAFE_IN_URL).to_string();
    let parsed: Uri = url.parse().ok()?;
    let scheme = parsed.scheme_str()?;
    ["http", "https"].contains(&scheme).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::CannedAcl;
    use crate::body::checksum::ChecksumAlgorithm;
    use crate::error::ErrorCode;
    use crate::post::fields::fields;

    fn parse(pairs: &[(&str, &str)]) -> Result<PostObjectInput> {
        let bucket = BucketName::parse("abc").unwrap();
        PostObjectInput::parse(&fields(pairs), bucket, ObjectKey::parse("k").unwrap())
    }

    #[test]
    fn fields_are_read_as_headers_are() {
        let input = parse(&[
            ("Content-Type", "text/plain"),
            ("acl", "private"),
            ("X-Amz-Meta-Foo", "barclamp"),
            (
                "x-amz-checksum-sha256",
                "aTL9MeXa9HObn6eP93eygxsJlcwdCwCTysgGAZAgE7w=",
            ),
            ("tagging", "<Tagging/>"),
            ("submit", "x"),
        ])
        .unwrap();
        assert_eq!(
            input.put.headers.content_type.as_deref(),
            Some("text/plain")
        );
        let metadata: Vec<_> = input.put.headers.metadata.iter().collect();
        assert_eq!(metadata, [("foo", "barclamp")]);
        assert_eq!(input.acl, Some(RequestedAcl::Canned(CannedAcl::Private)));
        assert_eq!(input.tagging.as_deref(), Some("<Tagging/>"));
        assert_eq!(
            input.payload.digest_spec().checksum_algorithm(),
            Some(ChecksumAlgorithm::Sha256)
        );
        assert_eq!(input.success, SuccessAction::Status(StatusCode::NO_CONTENT));
        for (name, value, code) in [
            ("x-amz-checksum-sha256", "sailorjerry", ErrorCode::BadDigest),
            ("content-md5", "x", ErrorCode::InvalidDigest),
            (
                "x-amz-storage-class",
                "FakeClass",
                ErrorCode::InvalidStorageClass,
            ),
        ] {
            let error = parse(&[(name, value)]).unwrap_err();
            assert_eq!(error.code(), code, "{name}");
        }
    }

    #[test]
    fn success_is_answered_as_asked_for_or_with_204() {
        let status = |code| SuccessAction::Status(StatusCode::from_u16(code).unwrap());
        let redirect = |url: &str| SuccessAction::Redirect(url.to_owned());
        for (pairs, expected) in [
            (vec![], status(204)),
            (vec![("success_action_status", "200")], status(200)),
            (vec![("Success_Action_Status", "201")], status(201)),
            (vec![("success_action_status", "404")], status(204)),
            (vec![("redirect", "http://a/b")], redirect("http://a/b")),
            (
                vec![
                    ("success_action_status", "200"),
                    ("redirect", "http://a/"),
                    ("success_action_redirect", "https://b/?c=d e"),
                ],
                redirect("https://b/?c=d%20e"),
            ),
            (
                vec![
                    ("success_action_redirect", "/relative"),
                    ("success_action_status", "201"),
                ],
                status(201),
            ),
            (
                vec![("success_action_redirect", "javascript:alert(1)")],
                status(204),
            ),
            (
                vec![("success_action_redirect", "http://a/\r\nset-cookie: b")],
                redirect("http://a/%0D%0Aset-cookie:%20b"),
            ),
        ] {
            assert_eq!(parse(&pairs).unwrap().success, expected, "{pairs:?}");
        }
    }
}

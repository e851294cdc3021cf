//! The query protocol of AWS, in which IAM and STS are spoken.
//!
//! A call is a form: `Action=CreateUser&Version=2010-05-08&UserName=...`, in the body of `POST /`
//! or in the query of `GET /`. [`addressed`] tells from a head that it is one, before it is taken
//! for a request to the store; [`Form::read`] takes the form apart; [`crate::iam::Operation`] and
//! [`crate::sts::Operation`] are what it means. Answers and errors are XML in an envelope of
//! their own ([`answer`]).
//!
//! ```text
//! head -> addressed -> body (at most FORM_BYTES_MAX) -> auth::parse_call -> verify
//!      -> Form::read -> iam::Operation or sts::Operation -> Output -> answer
//! ```

pub mod answer;
mod form;
mod values;

#[cfg(test)]
pub(crate) use form::tests::form as form_for_tests;
pub use form::{FORM_BYTES_MAX, Form};
pub use values::{LIST_PAGE_MAX, Page, PageRequest, Tag, TagKey, Value};
pub(crate) use values::{check_length, invalid, texts};

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::auth::Service;
use crate::operation::Query;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The one action that is called without a signature: its token says who asks.
const UNSIGNED_ACTION: &str = "AssumeRoleWithWebIdentity";

/// How a call tells whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressed {
    /// It is signed for IAM or STS.
    Signed(Service),
    /// It isn't signed; only STS has actions for that.
    Unsigned,
}

impl Addressed {
    /// The service that answers.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Self::Signed(service) => service,
            Self::Unsigned => Service::Sts,
        }
    }
}

/// Tells whether a request is a call of IAM or STS; `None` means that it is for the store.
#[must_use]
pub fn addressed(head: &Parts) -> Option<Addressed> {
    if head.uri.path() != "/" || !matches!(head.method, Method::POST | Method::GET) {
        return None;
    }
    match Service::claimed(head) {
        Some(Service::S3) => None,
        Some(service) => Some(Addressed::Signed(service)),
        // A signature of another kind is the store's to refuse.
        None if head.headers.contains_key(http::header::AUTHORIZATION) => None,
        None if head.method == Method::POST => {
            is_form(&head.headers).then_some(Addressed::Unsigned)
        }
        None => {
            let query = Query::parse(head.uri.query()?).ok()?;
            (query.get("Action") == Some(UNSIGNED_ACTION)).then_some(Addressed::Unsigned)
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|it| it.trim().eq_ignore_ascii_case(FORM))
}

impl Service {
    /// The version of the interface, which calls may name.
    const fn version(self) -> &'static str {
        match self {
            Self::S3 | Self::Riquet => "2006-03-01",
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn told(method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<Addressed> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        addressed(&request.body(()).unwrap().into_parts().0)
    }

    fn signed(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AK/20130524/eu-x/{service}/aws4_request, \
             SignedHeaders=host, Signature=0"
        )
    }

    #[test]
    fn calls_are_told_from_requests_to_the_store() {
        let iam = signed("iam");
        let sts = signed("sts");
        let s3 = signed("s3");
        let form = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let presigned =
            "/?Action=GetCallerIdentity&X-Amz-Credential=A%2F1%2Fr%2Fsts%2Faws4_request";
        for (method, uri, headers, expected) in [
            (
                "POST",
                "/",
                vec![form, ("authorization", &iam)],
                Some(Addressed::Signed(Service::Iam)),
            ),
            (
                "POST",
                "/",
                vec![form, ("authorization", &sts)],
                Some(Addressed::Signed(Service::Sts)),
            ),
            (
                "GET",
                "/?Action=ListUsers",
                vec![("authorization", &iam)],
                Some(Addressed::Signed(Service::Iam)),
            ),
            (
                "GET",
                presigned,
                vec![],
                Some(Addressed::Signed(Service::Sts)),
            ),
            ("POST", "/", vec![form], Some(Addressed::Unsigned)),
            (
                "GET",
                "/?Version=2011-06-15&Action=AssumeRoleWithWebIdentity",
                vec![],
                Some(Addressed::Unsigned),
            ),
            ("POST", "/", vec![form, ("authorization", &s3)], None),
            (
                "POST",
                "/",
                vec![form, ("authorization", "Basic eDp5")],
                None,
            ),
            (
                "POST",
                "/",
                vec![("content-type", "multipart/form-data; boundary=x")],
                None,
            ),
            (
                "POST",
                "/bucket?delete",
                vec![("authorization", &iam)],
                None,
            ),
            ("GET", "/bucket/key", vec![("authorization", &iam)], None),
            ("PUT", "/", vec![form, ("authorization", &iam)], None),
            ("GET", "/", vec![], None),
            ("GET", "/?Action=ListUsers", vec![], None),
            ("GET", "/?Action=%", vec![], None),
        ] {
            assert_eq!(
                told(method, uri, &headers),
                expected,
                "{method} {uri} {headers:?}"
            );
        }
    }
}

//! Errors as answers.

use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{HeaderValue, Method, Response};

use crate::error::{Error, ErrorCode};
use crate::xml::write::{self as xml, XmlWriter};

/// What an error's answer says besides the error.
#[derive(Debug, Clone, Copy)]
pub struct ErrorContext<'a> {
    /// The request's method: the answer to HEAD has no body.
    pub method: &'a Method,
    /// The path of the request, as it came.
    pub resource: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// The id of the gateway that answers.
    pub host_id: &'a str,
}

/// The answer to a request that failed.
#[must_use]
pub fn render(error: &Error, context: &ErrorContext<'_>) -> Response<Bytes> {
    let has_body = context.method != Method::HEAD && error.code() != ErrorCode::NotModified;
    let mut response = if has_body {
        xml::with_status(error.status(), document(error, context))
    } else {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = error.status();
        response
    };
    for (name, value) in error.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(range) = unsatisfied_range(error) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn document(error: &Error, context: &ErrorContext<'_>) -> Bytes {
    XmlWriter::plain_document("Error", |writer| {
        writer.text("Code", error.code().as_str());
        writer.text("Message", &legible(error.text()));
        for (name, value) in error.fields() {
            writer.text(name, &legible(value));
        }
        writer.text("Resource", &legible(context.resource));
        writer.text("RequestId", context.request_id);
        writer.text("HostId", context.host_id);
    })
}

/// Echoed input without what XML 1.0 can't carry, even escaped: an error must parse everywhere.
pub(crate) fn legible(text: &str) -> String {
    let illegal = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    text.replace(illegal, "\u{fffd}")
}

/// `Content-Range: bytes */SIZE` of an `InvalidRange` that knows the object's size.
fn unsatisfied_range(error: &Error) -> Option<HeaderValue> {
    if error.code() != ErrorCode::InvalidRange {
        return None;
    }
    let (_, size) = error
        .fields()
        .iter()
        .find(|(name, _)| *name == "ActualObjectSize")?;
    HeaderValue::from_str(&format!("bytes */{size}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::RangeRequest;

    fn answer(error: &Error, method: &Method) -> Response<Bytes> {
        let context = ErrorContext {
            method,
            resource: "/abc/a&b",
            request_id: "id",
            host_id: "host",
        };
        render(error, &context)
    }

    #[test]
    fn echoed_input_never_makes_an_error_unreadable() {
        let error = Error::new(ErrorCode::InvalidArgument).field("ArgumentValue", "a\0b\u{1b}\tc");
        let body = answer(&error, &Method::GET).into_body();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains("<ArgumentValue>a\u{fffd}b\u{fffd}\tc</ArgumentValue>"),
            "{text}"
        );
    }

    #[test]
    fn an_error_is_written_with_its_fields() {
        let error = Error::new(ErrorCode::NoSuchKey).field("Key", "a&b");
        let response = answer(&error, &Method::GET);
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/xml");
        assert_eq!(
            response.body(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The \
             specified key does not exist.</Message><Key>a&amp;b</Key><Resource>/abc/a&amp;b\
             </Resource><RequestId>id</RequestId><HostId>host</HostId></Error>"
        );
    }

    #[test]
    fn head_and_not_modified_have_no_body() {
        let response = answer(&ErrorCode::NoSuchKey.into(), &Method::HEAD);
        assert_eq!(
            (response.status().as_u16(), response.body().len()),
            (404, 0)
        );
        let response = answer(&ErrorCode::NotModified.into(), &Method::GET);
        assert_eq!(
            (response.status().as_u16(), response.body().len()),
            (304, 0)
        );
    }

    #[test]
    fn an_unsatisfiable_range_tells_the_size() {
        let error = RangeRequest::From(9).resolve(5).unwrap_err();
        let response = answer(&error, &Method::GET);
        assert_eq!(response.status(), 416);
        assert_eq!(response.headers()["content-range"], "bytes */5");
    }
}

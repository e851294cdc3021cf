//! Answers of web sites: pages for people instead of documents for clients.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::error::ErrorContext;
use super::header_text;
use crate::error::Error;
use crate::xml::write::XmlWriter;

/// The error of the object that was to be shown for an error.
const AT_ERROR_DOCUMENT: &str =
    "An Error Occurred While Attempting to Retrieve a Custom Error Document";

/// The page for an error; `at_document` is why the site's own page for it can't be shown.
#[must_use]
pub fn error_page(
    error: &Error,
    at_document: Option<&Error>,
    context: &ErrorContext<'_>,
) -> Response<Bytes> {
    let status = error.status();
    let title = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let page = XmlWriter::page("html", |writer| {
        writer.element("head", |writer| writer.text("title", &title));
        writer.element("body", |writer| {
            writer.text("h1", &title);
            writer.element("ul", |writer| {
                write_error(writer, error);
                writer.text("li", &format!("RequestId: {}", context.request_id));
                writer.text("li", &format!("HostId: {}", context.host_id));
            });
            if let Some(error) = at_document {
                writer.text("h3", AT_ERROR_DOCUMENT);
                writer.element("ul", |writer| write_error(writer, error));
            }
        });
    });
    let length_bytes = page.len();
    let body = match *context.method {
        Method::HEAD => Bytes::new(),
        _ => page,
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_LENGTH, length_bytes.into());
    insert(headers, "x-amz-error-code", error.code().as_str());
    insert(headers, "x-amz-error-message", error.text());
    for (name, value) in error.fields() {
        insert(headers, &format!("x-amz-error-detail-{name}"), value);
    }
    for (name, value) in error.headers() {
        insert(headers, name.as_str(), value);
    }
    response
}

fn write_error(writer: &mut XmlWriter, error: &Error) {
    writer.text("li", &format!("Code: {}", error.code()));
    writer.text("li", &format!("Message: {}", error.text()));
    for (name, value) in error.fields() {
        writer.text("li", &format!("{name}: {value}"));
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Some(value)) = (HeaderName::try_from(name), header_text(value)) {
        headers.insert(name, value);
    }
}

/// The answer that sends a browser elsewhere. A location that can't be a header is left out, and the
/// status alone is answered.
#[must_use]
pub fn redirect(status: StatusCode, location: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    if let Some(location) = header_text(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn page(method: &Method) -> Response<Bytes> {
        let error = Error::new(ErrorCode::NoSuchKey).field("Key", "<script>\r\n");
        let denied = Error::new(ErrorCode::AccessDenied);
        let context = ErrorContext {
            method,
            resource: "/",
            request_id: "R",
            host_id: "H",
        };
        error_page(&error, Some(&denied), &context)
    }

    #[test]
    fn a_page_tells_and_never_runs_what_it_was_asked() {
        let response = page(&Method::GET);
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["x-amz-error-code"], "NoSuchKey");
        assert!(!response.headers().contains_key("x-amz-error-detail-key"));
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(text.starts_with("<html><head><title>404 Not Found</title></head><body>"));
        assert!(text.contains("<li>Key: &lt;script&gt;"), "{text}");
        assert!(text.contains("<li>RequestId: R</li><li>HostId: H</li></ul><h3>An Error"));
        assert!(text.contains("<li>Code: AccessDenied</li>"));
    }

    #[test]
    fn the_answer_to_head_has_no_body() {
        let (whole, head) = (page(&Method::GET), page(&Method::HEAD));
        assert!(head.body().is_empty());
        assert_eq!(whole.headers(), head.headers());
    }
}

//! The envelope of answers and errors.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::values::{Page, Tag};
use crate::auth::Service;
use crate::error::{Error, ErrorCode};
use crate::response::error::legible;
use crate::xml::write::{self as xml, XmlWriter};

/// All but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The namespace of a service's documents.
const fn namespace(service: Service) -> &'static str {
    match service {
        Service::S3 | Service::Riquet => xml::NAMESPACE,
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

/// The answer to a call that went well; without a `result`, one that only says so.
pub(crate) fn document<F: FnOnce(&mut XmlWriter)>(
    service: Service,
    action: &str,
    request_id: &str,
    result: Option<F>,
) -> Response<Bytes> {
    let root = format!("{action}Response");
    xml::ok(XmlWriter::document_in(
        namespace(service),
        &root,
        |writer| {
            if let Some(result) = result {
                writer.element(&format!("{action}Result"), result);
            }
            writer.element("ResponseMetadata", |writer| {
                writer.text("RequestId", request_id)
            });
        },
    ))
}

/// The answer to a call that failed.
///
/// What the store and these services have other words for (an unknown access key, a clock that
/// is wrong) is said in theirs.
#[must_use]
pub fn error(error: &Error, service: Service, request_id: &str) -> Response<Bytes> {
    let code = spoken(error.code(), service);
    let message = if error.text() == error.code().default_message() {
        code.default_message()
    } else {
        error.text()
    };
    let fault = if code.status().is_server_error() {
        "Receiver"
    } else {
        "Sender"
    };
    let document = XmlWriter::document_in(namespace(service), "ErrorResponse", |writer| {
        writer.element("Error", |writer| {
            writer.text("Type", fault);
            writer.text("Code", code.as_str());
            writer.text("Message", &legible(message));
        });
        writer.text("RequestId", request_id);
    });
    xml::with_status(code.status(), document)
}

/// What a service calls an error that the store has a name of its own for.
const fn spoken(code: ErrorCode, service: Service) -> ErrorCode {
    match code {
        ErrorCode::AuthorizationHeaderMalformed
        | ErrorCode::AuthorizationQueryParametersError
        | ErrorCode::InvalidRequest => ErrorCode::IncompleteSignature,
        ErrorCode::InternalError => match service {
            Service::Iam => ErrorCode::ServiceFailure,
            Service::S3 | Service::Sts | Service::Riquet => ErrorCode::InternalFailure,
        },
        ErrorCode::InvalidAccessKeyId | ErrorCode::InvalidToken => ErrorCode::InvalidClientTokenId,
        ErrorCode::InvalidArgument => ErrorCode::InvalidParameterValue,
        ErrorCode::InvalidURI => ErrorCode::MalformedQueryString,
        ErrorCode::RequestTimeTooSkewed => ErrorCode::RequestExpired,
        ErrorCode::SlowDown => ErrorCode::Throttling,
        other => other,
    }
}

/// Policies are answered percent-encoded.
pub(crate) fn encoded(writer: &mut XmlWriter, name: &str, document: &str) {
    writer.value(name, utf8_percent_encode(document, ESCAPED));
}

/// A moment, to the second.
pub(crate) fn moment(writer: &mut XmlWriter, name: &str, moment: Timestamp) {
    writer.value(name, moment.strftime("%Y-%m-%dT%H:%M:%SZ"));
}

/// A list.
pub(crate) fn members<T>(
    writer: &mut XmlWriter,
    name: &str,
    items: &[T],
    member: impl Fn(&mut XmlWriter, &T),
) {
    writer.element(name, |writer| {
        for item in items {
            writer.element("member", |writer| member(writer, item));
        }
    });
}

/// A list of texts.
pub(crate) fn texts<T: AsRef<str>>(writer: &mut XmlWriter, name: &str, items: &[T]) {
    members(writer, name, items, |writer, item| {
        writer.escaped(item.as_ref())
    });
}

/// A page of a list, with what asks for the next one.
pub(crate) fn page<T>(
    writer: &mut XmlWriter,
    name: &str,
    page: &Page<T>,
    member: impl Fn(&mut XmlWriter, &T),
) {
    members(writer, name, &page.items, member);
    end_of_page(writer, page.next_marker.as_deref());
}

/// A page of a list of texts.
pub(crate) fn page_of_texts(writer: &mut XmlWriter, name: &str, page: &Page<String>) {
    texts(writer, name, &page.items);
    end_of_page(writer, page.next_marker.as_deref());
}

fn end_of_page(writer: &mut XmlWriter, next_marker: Option<&str>) {
    writer.value("IsTruncated", next_marker.is_some());
    writer.optional("Marker", next_marker);
}

/// The inside of a tag.
pub(crate) fn tag(writer: &mut XmlWriter, tag: &Tag) {
    writer.text("Key", tag.key.as_str());
    writer.text("Value", &tag.value);
}

/// The tags of something, if it has any.
pub(crate) fn tags(writer: &mut XmlWriter, tags: &[Tag]) {
    if !tags.is_empty() {
        members(writer, "Tags", tags, tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(of: &Error, service: Service) -> (u16, String) {
        let response = error(of, service, "id");
        let status = response.status().as_u16();
        (
            status,
            String::from_utf8(response.into_body().to_vec()).unwrap(),
        )
    }

    #[test]
    fn an_error_has_an_envelope_of_its_own() {
        let message = Error::new(ErrorCode::NoSuchEntity).message("No user <x>\u{1} & co.");
        let (status, text) = answered(&message, Service::Iam);
        assert_eq!(status, 404);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse \
             xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>NoSuchEntity</Code><Message>No user &lt;x&gt;\u{fffd} &amp; co.</Message>\
             </Error><RequestId>id</RequestId></ErrorResponse>"
        );
    }

    #[test]
    fn errors_of_the_store_are_said_in_the_services_words() {
        for (code, service, status, expected) in [
            (
                ErrorCode::InvalidAccessKeyId,
                Service::Sts,
                403,
                "InvalidClientTokenId",
            ),
            (
                ErrorCode::InternalError,
                Service::Iam,
                500,
                "ServiceFailure",
            ),
            (
                ErrorCode::InternalError,
                Service::Sts,
                500,
                "InternalFailure",
            ),
            (
                ErrorCode::RequestTimeTooSkewed,
                Service::Iam,
                400,
                "RequestExpired",
            ),
            (ErrorCode::SlowDown, Service::Iam, 400, "Throttling"),
            (ErrorCode::AccessDenied, Service::Iam, 403, "AccessDenied"),
        ] {
            let (found, text) = answered(&code.into(), service);
            assert_eq!(found, status, "{code}");
            assert!(text.contains(&format!("<Code>{expected}</Code>")), "{text}");
            let fault = if status < 500 { "Sender" } else { "Receiver" };
            assert!(text.contains(&format!("<Type>{fault}</Type>")), "{text}");
        }
        let (_, text) = answered(&ErrorCode::InvalidAccessKeyId.into(), Service::Iam);
        assert!(
            text.contains(ErrorCode::InvalidClientTokenId.default_message()),
            "{text}"
        );
    }
}

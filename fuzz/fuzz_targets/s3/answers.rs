//! What must hold of every answer to a request that is refused.

use http::{Method, StatusCode};
use quick_xml::Reader;
use quick_xml::events::Event;
use riquet_s3::Error;
use riquet_s3::response::error::{ErrorContext, render};

/// Renders the error of a request for `resource`; clients must be able to read it.
pub(crate) fn check_error(error: &Error, method: &Method, resource: &str) {
    let answer = render(
        error,
        &ErrorContext {
            method,
            resource,
            request_id: "request",
            host_id: "host",
        },
    );
    assert!(is_clients_fault(answer.status()), "{error:?}");
    if !answer.body().is_empty() {
        check_xml(answer.body());
    }
}

/// Whether a status says that the request was wrong, or asked for what isn't there.
pub(crate) fn is_clients_fault(status: StatusCode) -> bool {
    status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED
}

/// The document is well formed, of characters that XML has.
pub(crate) fn check_xml(document: &[u8]) {
    let text = std::str::from_utf8(document).unwrap();
    let is_character = |c: char| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    assert!(text.chars().all(is_character), "{text:?}");
    let mut reader = Reader::from_str(text);
    let mut depth = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => depth -= 1,
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => panic!("{error}: {text}"),
        }
    }
    assert_eq!(depth, 0, "{text}");
}

//! Heads of requests from text: a line with method and target, lines with headers, and after a
//! blank one the body.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// Reads a head and its body. Headers that HTTP doesn't allow are left out, as they would never
/// come this far; without a legal first line there is no head.
pub(crate) fn read(text: &[u8]) -> Option<(Parts, &[u8])> {
    let end = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((text, &b""[..]), |end| (&text[..end], &text[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = split(lines.next()?, b' ')?;
    let (target, _version) = split(target, b' ')?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::try_from(target).ok()?;
    for line in lines {
        if let Some((name, value)) = split(line, b':')
            && let Ok(name) = HeaderName::from_bytes(name)
            && let Ok(value) = HeaderValue::from_bytes(value.trim_ascii())
        {
            request.headers_mut().append(name, value);
        }
    }
    Some((request.into_parts().0, body))
}

fn split(line: &[u8], by: u8) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == by)?;
    Some((&line[..at], &line[at + 1..]))
}

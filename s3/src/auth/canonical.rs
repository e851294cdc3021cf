//! The canonical request: the bytes that both sides hash and sign.
//!
//! S3 differs from AWS's other services in two points: the path is percent-encoded once, and it
//! is not normalised (`//` and `..` are parts of keys). Client and server agree on it by decoding
//! what was sent and encoding it again with one alphabet, so that it doesn't matter which
//! characters a client chose to escape in the URI.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// All but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As [`ESCAPED`], with `/` left alone.
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// Builds the canonical request. `signed_headers` are lower-case names in the order the client
/// listed them; `payload` is the text that stands for the body.
///
/// Header values may hold any bytes, hence no `String`.
pub(super) fn canonical_request(head: &Parts, signed_headers: &[String], payload: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b'\n');
    push_path(&mut out, head.uri.path());
    out.push(b'\n');
    out.extend_from_slice(canonical_query(head.uri.query().unwrap_or("")).as_bytes());
    out.push(b'\n');
    for name in signed_headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        push_header(&mut out, &head.headers, &head.uri, name);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

/// The decoded parameters of a query, in the order sent. A `+` is a space, as in forms and as S3
/// reads it.
pub(super) fn query_parameters(raw: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_form(name), decode_form(value))
    })
}

fn decode_form(text: &str) -> Vec<u8> {
    let spaced: Cow<'_, [u8]> = match text.contains('+') {
        true => text
            .bytes()
            .map(|byte| if byte == b'+' { b' ' } else { byte })
            .collect(),
        false => text.as_bytes().into(),
    };
    percent_decode(&spaced).collect()
}

/// An escaped slash stays escaped, since clients sign paths as they send them.
fn push_path(out: &mut Vec<u8>, raw: &str) {
    // `OPTIONS *` and the like have no path of their own.
    let raw = if raw.is_empty() { "/" } else { raw };
    let mut rest = raw.as_bytes();
    while !rest.is_empty() {
        let slash = find_escaped_slash(rest).unwrap_or(rest.len());
        let decoded: Cow<'_, [u8]> = percent_decode(&rest[..slash]).into();
        for piece in percent_encode(&decoded, ESCAPED_IN_PATH) {
            out.extend_from_slice(piece.as_bytes());
        }
        rest = &rest[slash..];
        if !rest.is_empty() {
            out.extend_from_slice(b"%2F");
            rest = &rest[3..];
        }
    }
}

fn find_escaped_slash(raw: &[u8]) -> Option<usize> {
    raw.windows(3)
        .position(|window| window.eq_ignore_ascii_case(b"%2F"))
}

/// Sorted by encoded name, then encoded value; a presigned URL's signature can't cover itself.
fn canonical_query(raw: &str) -> String {
    let mut parameters: Vec<_> = query_parameters(raw)
        .filter(|(name, _)| name != b"X-Amz-Signature")
        .map(|(name, value)| {
            let encode = |bytes: &[u8]| percent_encode(bytes, ESCAPED).to_string();
            (encode(&name), encode(&value))
        })
        .collect();
    parameters.sort_unstable();
    let pairs: Vec<_> = parameters
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The values of a header, joined by commas, each trimmed and with runs of spaces collapsed. A
/// header that isn't there counts as empty, which a client that meant to send it hasn't signed.
fn push_header(out: &mut Vec<u8>, headers: &HeaderMap, uri: &Uri, name: &str) {
    let mut values = headers.get_all(name).iter().peekable();
    // HTTP/2 carries the host as the URI's authority.
    if values.peek().is_none() && name == "host" {
        out.extend(
            uri.authority()
                .map_or("", |authority| authority.as_str())
                .bytes(),
        );
    }
    let mut first = true;
    for value in values {
        if !first {
            out.push(b',');
        }
        first = false;
        push_collapsed(out, value.as_bytes());
    }
}

fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let mut previous = b' ';
    let start = out.len();
    for byte in value.trim_ascii() {
        if *byte != b' ' || previous != b' ' || out.len() == start {
            out.push(*byte);
        }
        previous = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> String {
        let mut out = Vec::new();
        push_path(&mut out, raw);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn paths_are_encoded_once_and_not_normalised() {
        assert_eq!(path(""), "/");
        assert_eq!(path("/b/a%20b"), "/b/a%20b");
        assert_eq!(path("/b/..//./c"), "/b/..//./c");
        assert_eq!(path("/b/%2f%2F/%25%2"), "/b/%2F%2F/%25%252");
        assert_eq!(path("/b/%252F"), "/b/%252F");
        assert_eq!(path("/b/a+b(c)!~é"), "/b/a%2Bb%28c%29%21~%C3%A9");
        assert_eq!(path("/b/100%"), "/b/100%25");
    }

    #[test]
    fn queries_are_sorted_by_encoded_name_then_value() {
        assert_eq!(canonical_query(""), "");
        assert_eq!(canonical_query("lifecycle"), "lifecycle=");
        assert_eq!(canonical_query("b=2&a=%7e&a=1&&B"), "B=&a=1&a=~&b=2");
        assert_eq!(canonical_query("prefix=a+b/c=d"), "prefix=a%20b%2Fc%3Dd");
        assert_eq!(canonical_query("X-Amz-Signature=0&x=%2B"), "x=%2B");
        // Encoded, not decoded, order: "%C3" sorts before "a".
        assert_eq!(canonical_query("a=1&%C3%A9=1"), "%C3%A9=1&a=1");
    }

    #[test]
    fn header_values_are_trimmed_collapsed_and_joined() {
        let uri = Uri::from_static("http://host.example:9000/");
        let mut headers = HeaderMap::new();
        headers.append("x-amz-meta-a", "  one   two ".parse().unwrap());
        headers.append("x-amz-meta-a", "three".parse().unwrap());
        let value = |name| {
            let mut out = Vec::new();
            push_header(&mut out, &headers, &uri, name);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(value("x-amz-meta-a"), "one two,three");
        assert_eq!(value("host"), "host.example:9000");
        assert_eq!(value("absent"), "");
    }
}

//! Writing of answer documents.
//!
//! Keys may hold characters that XML 1.0 cannot express. With `encoding-type=url` they are
//! percent-encoded; without it they become numeric character references, as AWS writes them,
//! which lenient parsers accept.

use std::fmt::{Display, Write as _};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::body::checksum::{Checksum, ChecksumType};
use crate::request::{EncodingType, MultipartChecksum};
use crate::response::Owner;

/// The namespace of every answer but errors.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Everything but what is legal in a URL and the slash.
const URL_ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// A document under construction.
pub(crate) struct XmlWriter {
    text: String,
}

impl XmlWriter {
    /// A document with a root in S3's namespace.
    pub(crate) fn document(root: &'static str, content: impl FnOnce(&mut Self)) -> Bytes {
        Self::build(root, &[("xmlns", NAMESPACE)], content)
    }

    /// A document with a root outside every namespace.
    pub(crate) fn plain_document(root: &'static str, content: impl FnOnce(&mut Self)) -> Bytes {
        Self::build(root, &[], content)
    }

    /// A page for a browser, of the same elements.
    pub(crate) fn page(root: &'static str, content: impl FnOnce(&mut Self)) -> Bytes {
        let mut writer = Self {
            text: String::new(),
        };
        writer.element(root, content);
        writer.text.into()
    }

    /// A document with a root in another service's namespace.
    pub(crate) fn document_in(
        namespace: &str,
        root: &str,
        content: impl FnOnce(&mut Self),
    ) -> Bytes {
        Self::build(root, &[("xmlns", namespace)], content)
    }

    fn build(root: &str, attributes: &[(&str, &str)], content: impl FnOnce(&mut Self)) -> Bytes {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        let mut writer = Self { text };
        writer.element_with(root, attributes, content);
        writer.text.into()
    }

    /// An element with content.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.element_with(name, &[], content);
    }

    /// An element with attributes, whose values are constants without special characters.
    pub(crate) fn element_with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            let _ = write!(self.text, " {attribute}=\"{value}\"");
        }
        self.text.push('>');
        content(self);
        let _ = write!(self.text, "</{name}>");
    }

    /// An element with text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.element(name, |writer| writer.escaped(value));
    }

    /// An element with a number or a truth value.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) {
        self.text(name, &value.to_string());
    }

    /// An element with text, if there is any.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// An element with a key, a prefix or the like, in the encoding the client asked for.
    pub(crate) fn key(&mut self, name: &str, value: &str, encoding: Option<EncodingType>) {
        match encoding {
            Some(EncodingType::Url) => self.value(name, utf8_percent_encode(value, URL_ENCODED)),
            None => self.text(name, value),
        }
    }

    /// An `Owner` (or `Initiator`) element.
    pub(crate) fn owner(&mut self, name: &str, owner: &Owner) {
        self.element(name, |writer| {
            writer.text("ID", &owner.id);
            writer.text("DisplayName", &owner.display_name);
        });
    }

    /// The elements of an object's checksum with its value.
    pub(crate) fn checksum(&mut self, checksum: Option<&Checksum>) {
        if let Some(checksum) = checksum {
            self.value(checksum.algorithm().element(), checksum);
            self.text("ChecksumType", checksum.checksum_type().name());
        }
    }

    /// The elements of a checksum's kind without its value.
    pub(crate) fn checksum_kind(&mut self, checksum: Option<MultipartChecksum>) {
        if let Some(MultipartChecksum { algorithm, kind }) = checksum {
            self.text("ChecksumAlgorithm", algorithm.name());
            self.text("ChecksumType", ChecksumType::name(kind));
        }
    }

    /// Text, itself only if empty or the document's root content.
    pub(crate) fn escaped(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\t' | '\n' => self.text.push(character),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                    let _ = write!(self.text, "&#x{:X};", u32::from(character));
                }
                _ => self.text.push(character),
            }
        }
    }
}

/// A 200 with a document.
pub(crate) fn ok(document: Bytes) -> Response<Bytes> {
    with_status(StatusCode::OK, document)
}

/// A document with another status.
pub(crate) fn with_status(status: StatusCode, document: Bytes) -> Response<Bytes> {
    let mut response = Response::new(document);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &str, encoding: Option<EncodingType>) -> String {
        let document = XmlWriter::plain_document("R", |writer| writer.key("K", value, encoding));
        let text = String::from_utf8(document.to_vec()).unwrap();
        let (_, rest) = text.split_once("<R><K>").unwrap();
        rest.strip_suffix("</K></R>").unwrap().to_owned()
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(
            written("a<b>&\"c'\r\n\t", None),
            "a&lt;b&gt;&amp;&quot;c'&#xD;\n\t"
        );
        assert_eq!(written("\0\u{1b}\u{ffff}é", None), "&#x0;&#x1B;&#xFFFF;é");
        assert_eq!(
            written("a b+c/é%~*", Some(EncodingType::Url)),
            "a%20b%2Bc/%C3%A9%25~%2A"
        );
    }

    proptest! {
        /// What is written is read back: by XML where XML can express it, by URL decoding always.
        #[test]
        fn keys_round_trip(key in "\\PC{0,60}|[\\x00-\\x7f]{0,60}") {
            let encoded = written(&key, Some(EncodingType::Url));
            let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), key.as_str());
            let document = XmlWriter::document("R", |writer| writer.text("K", &key));
            let mut reader = quick_xml::Reader::from_reader(&document[..]);
            let mut read = String::new();
            loop {
                use quick_xml::events::Event;
                match reader.read_event().unwrap() {
                    Event::Text(text) => read.push_str(&text.xml10_content()),
                    Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                        Ok(Some(character)) => read.push(character),
                        Ok(None) => read.push_str(
                            quick_xml::escape::resolve_predefined_entity(&reference).unwrap(),
                        ),
                        // This reader refuses a reference to NUL.
                        Err(_) => read.push('\0'),
                    },
                    Event::Eof => break,
                    _ => {}
                }
            }
            prop_assert_eq!(read.trim_start_matches('\n'), key.trim_start_matches('\n'));
        }
    }
}

//! Strict reading of the small XML documents that clients send.
//!
//! A document becomes a tree of elements known by their local names, so that bodies with and
//! without a namespace read alike. Text is kept to the byte: a key may begin with a space. What
//! isn't well formed, isn't UTF-8, has a document type or nests deeper than S3's schemas do is
//! `MalformedXML`.

use std::str::FromStr;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::error::{Error, ErrorCode, Result};

/// The deepest nesting of elements; S3's request bodies need four.
const DEPTH_MAX: usize = 8;

/// The most elements of a document: 10,000 parts with all their fields fit, and a body of nothing
/// but tiny elements cannot take many times its size in memory.
const ELEMENTS_MAX: usize = 100_000;

/// The most attributes of an element: namespaces and a schema location. Looking for doubles among
/// many would take quadratic time.
const ATTRIBUTES_MAX: usize = 16;

/// An element with its children and its text (everything between its tags that is no child).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    text: String,
    /// The `xsi:type` attribute, the one in which a request of S3 says anything.
    schema_type: Option<Box<str>>,
    children: Vec<Element>,
}

/// The error for any body that cannot be understood.
pub(crate) fn malformed() -> Error {
    Error::new(ErrorCode::MalformedXML)
}

impl Element {
    /// Reads a document whose root is called `root`.
    pub(crate) fn parse(document: &[u8], root: &str) -> Result<Self> {
        let text = std::str::from_utf8(document).map_err(|_| malformed())?;
        // No document can say NUL, not even by a reference, so one that was read with it could
        // not be written again.
        if text.contains('\0') {
            return Err(malformed());
        }
        let element = parse_tree(text.trim_start_matches('\u{feff}'))?;
        if element.name == root {
            Ok(element)
        } else {
            Err(malformed())
        }
    }

    /// The children of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> + Clone {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The only child of a name, if there is one; two are malformed.
    pub(crate) fn optional<'a>(&'a self, name: &'a str) -> Result<Option<&'a Element>> {
        let mut found = self.all(name);
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            _ => Err(malformed()),
        }
    }

    /// The text of the only child of a name, if there is one.
    pub(crate) fn optional_text<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>> {
        self.optional(name)?.map(Element::leaf).transpose()
    }

    /// The text of the only child of a name.
    pub(crate) fn text_of<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        self.optional_text(name)?.ok_or_else(malformed)
    }

    /// The only child of a name.
    pub(crate) fn required<'a>(&'a self, name: &'a str) -> Result<&'a Element> {
        self.optional(name)?.ok_or_else(malformed)
    }

    /// The text of the only child of a name as a number (or whatever else can be read from text
    /// without the white space around it), if there is one.
    pub(crate) fn optional_number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let text = self.optional_text(name)?;
        text.map(|text| text.trim().parse().map_err(|_| malformed()))
            .transpose()
    }

    /// The truth value of the only child of a name, if there is one. Some clients write `TRUE`.
    pub(crate) fn optional_flag(&self, name: &str) -> Result<Option<bool>> {
        self.optional_text(name)?
            .map(|text| match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(malformed()),
            })
            .transpose()
    }

    /// Checks that every child has one of these names.
    pub(crate) fn only(&self, names: &[&str]) -> Result<&Self> {
        let known = self
            .children
            .iter()
            .all(|child| names.contains(&child.name.as_str()));
        let blank = self.text.trim().is_empty();
        if known && blank {
            Ok(self)
        } else {
            Err(malformed())
        }
    }

    /// The value of the `xsi:type` attribute.
    pub(crate) fn schema_type(&self) -> Option<&str> {
        self.schema_type.as_deref()
    }

    /// The text of an element without children.
    pub(crate) fn leaf(&self) -> Result<&str> {
        if self.children.is_empty() {
            Ok(&self.text)
        } else {
            Err(malformed())
        }
    }
}

fn parse_tree(text: &str) -> Result<Element> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    // The elements that are open, outermost first, and the root once it is closed.
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements: usize = 0;
    loop {
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start)
                if root.is_none() && open.len() < DEPTH_MAX && elements < ELEMENTS_MAX =>
            {
                elements += 1;
                open.push(begin(&start)?);
            }
            Event::End(_) => {
                let closed = open.pop().ok_or_else(malformed)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => root = Some(closed),
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(data) => append(&mut open, &data.xml10_content())?,
            Event::GeneralRef(reference) => append(&mut open, &resolve(&reference)?)?,
            Event::Decl(_) if root.is_none() && open.is_empty() => {}
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or_else(malformed),
            // A document type, a second root, too deep a nesting or an early end.
            _ => return Err(malformed()),
        }
    }
}

/// Adds text to the innermost open element; outside the root only white space may stand.
fn append(open: &mut [Element], text: &str) -> Result<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(malformed()),
    }
    Ok(())
}

/// An element without its prefix. But for the type, its attributes are read only to see that they
/// are well formed.
fn begin(start: &BytesStart<'_>) -> Result<Element> {
    let mut schema_type = None;
    for (index, attribute) in start.attributes().enumerate() {
        let attribute = attribute.map_err(|_| malformed())?;
        if index >= ATTRIBUTES_MAX {
            return Err(malformed());
        }
        // The prefix is the client's choice, and no other attribute of S3's has this name.
        if attribute.key.local_name().as_ref() == "type" {
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| malformed())?;
            schema_type = Some(value.into());
        }
    }
    Ok(Element {
        name: start.local_name().as_ref().to_owned(),
        schema_type,
        ..Element::default()
    })
}

/// A character reference or one of XML's five entities. References to control characters are
/// illegal in XML 1.0, but are the only way S3 clients can name such keys.
fn resolve(reference: &BytesRef<'_>) -> Result<String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| malformed())? {
        return Ok(character.to_string());
    }
    let text = quick_xml::escape::resolve_predefined_entity(reference).ok_or_else(malformed)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(document: &str) -> Result<String> {
        let root = Element::parse(document.as_bytes(), "R")?;
        root.text_of("Key").map(str::to_owned)
    }

    #[test]
    fn text_is_kept_to_the_byte() {
        for (document, expected) in [
            ("<R><Key>a</Key></R>", "a"),
            ("<R><Key> a  b </Key></R>", " a  b "),
            (
                "<?xml version=\"1.0\"?>\n<R xmlns=\"http://x/\"> <Key>a&amp;b&lt;&#x20AC;</Key>\n</R>\n",
                "a&b<€",
            ),
            (
                "<s:R xmlns:s='u'><s:Key><![CDATA[<&>]]></s:Key></s:R>",
                "<&>",
            ),
            ("<R><Key>a<!-- c -->b&#13;&#10;</Key></R>", "ab\r\n"),
            ("\u{feff}<R><Key/></R>", ""),
            ("<R><Key>&#1;</Key></R>", "\u{1}"),
        ] {
            assert_eq!(key(document).unwrap(), expected, "{document}");
        }
    }

    #[test]
    fn anything_unsound_is_malformed() {
        for document in [
            "",
            " ",
            "R",
            "<R>",
            "<R><Key>a</R>",
            "<R><Key>a</Key></R><R/>",
            "<X><Key>a</Key></X>",
            "<R><Key>a</Key><Key>b</Key></R>",
            "<R/>",
            "<R><Key><b/></Key></R>",
            "<R><Key>&nbsp;</Key></R>",
            "<!DOCTYPE R [<!ENTITY e 'x'>]><R><Key>&e;</Key></R>",
            "<R><Key>a</Key></R>tail",
            "lead<R><Key>a</Key></R>",
            "<R a=1><Key>a</Key></R>",
            "<R><Key>a\0</Key></R>",
            "<R><Key>&#xD800;</Key></R>",
            "<R><Key>a</Key></R></R>",
            "{\"Key\":1}",
        ] {
            assert!(key(document).is_err(), "{document}");
        }
        assert!(Element::parse(b"<R><Key>\xff</Key></R>", "R").is_err());
        let deep = "<R>".repeat(DEPTH_MAX + 1) + &"</R>".repeat(DEPTH_MAX + 1);
        assert!(Element::parse(deep.as_bytes(), "R").is_err());
        let wide = |count| format!("<R>{}</R>", "<a/>".repeat(count));
        assert!(Element::parse(wide(ELEMENTS_MAX - 1).as_bytes(), "R").is_ok());
        assert!(Element::parse(wide(ELEMENTS_MAX).as_bytes(), "R").is_err());
        let attributes: String = (0..=ATTRIBUTES_MAX).map(|n| format!(" a{n}=''")).collect();
        assert!(Element::parse(format!("<R{attributes}/>").as_bytes(), "R").is_err());
    }

    #[test]
    fn types_are_read() {
        for (document, expected) in [
            ("<R xsi:type='Group'/>", Some("Group")),
            ("<R xmlns:x='u' x:type=\"a&amp;b\" other=''/>", Some("a&b")),
            ("<R kind='Group'/>", None),
        ] {
            let root = Element::parse(document.as_bytes(), "R").unwrap();
            assert_eq!(root.schema_type(), expected, "{document}");
        }
    }

    #[test]
    fn unknown_children_can_be_refused() {
        let root = Element::parse(b"<R><Key>a</Key></R>", "R").unwrap();
        assert!(root.only(&["Key", "Quiet"]).is_ok());
        assert!(root.only(&["Quiet"]).is_err());
        assert!(
            Element::parse(b"<R>x<Key/></R>", "R")
                .unwrap()
                .only(&["Key"])
                .is_err()
        );
    }

    #[test]
    fn numbers_and_flags_are_read_strictly() {
        let root = Element::parse(b"<R><N> 7 </N><Big>256</Big><F>TRUE</F></R>", "R").unwrap();
        assert_eq!(root.optional_number::<u8>("N").unwrap(), Some(7));
        assert_eq!(root.optional_number::<u8>("None").unwrap(), None);
        assert!(root.optional_number::<u8>("Big").is_err());
        assert_eq!(root.optional_flag("F").unwrap(), Some(true));
        assert!(root.optional_flag("N").is_err());
        assert!(root.required("Missing").is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(document in "[<>/R!?\\[\\]&;#x \"=a-c-]{0,60}") {
            let _ = Element::parse(document.as_bytes(), "R");
        }
    }
}

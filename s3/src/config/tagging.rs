//! Tags of buckets and objects.
//!
//! A tag set comes as XML or, for a new object, as the `x-amz-tagging` header in the form of a URL
//! query. It is kept in order of key, as S3 answers it.

use bytes::Bytes;

use crate::error::{Error, ErrorCode, Result};
use crate::operation::Query;
use crate::xml::read::Element;
use crate::xml::write::XmlWriter;

/// The most tags of an object.
pub const OBJECT_TAGS_MAX: usize = 10;

/// The most tags of a bucket.
pub const BUCKET_TAGS_MAX: usize = 50;

/// The most UTF-16 units in a tag's key.
pub const TAG_KEY_UNITS_MAX: usize = 128;

/// The most UTF-16 units in a tag's value.
pub const TAG_VALUE_UNITS_MAX: usize = 256;

/// The header with a new object's tags.
const HEADER: &str = "x-amz-tagging";

/// What the prefix of tags that only the system may set is, in any case.
const SYSTEM_PREFIX: &[u8] = b"aws:";

/// What is tagged, which decides how many tags there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged {
    /// An object: [`OBJECT_TAGS_MAX`].
    Object,
    /// A bucket: [`BUCKET_TAGS_MAX`].
    Bucket,
}

/// Tags with distinct keys, in order of key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagSet(Vec<(String, String)>);

impl TagSet {
    /// Tags read back from storage.
    #[must_use]
    pub fn from_stored(mut pairs: Vec<(String, String)>) -> Self {
        pairs.sort();
        Self(pairs)
    }

    /// Reads a `Tagging` document.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidTag` for an illegal tag, a repeated key or too many tags of an
    /// object; `BadRequest` for too many tags of a bucket.
    pub fn parse(body: &[u8], tagged: Tagged) -> Result<Self> {
        let root = Element::parse(body, "Tagging")?;
        let set = root.only(&["TagSet"])?.required("TagSet")?;
        Self::from_elements(set.only(&["Tag"])?, tagged)
    }

    /// Reads the `x-amz-tagging` header of a new object.
    ///
    /// # Errors
    /// `InvalidArgument` where it is no URL query or repeats a key; else as [`TagSet::parse`].
    pub fn parse_header(value: &str) -> Result<Self> {
        let not_a_query = || {
            Error::invalid_argument(
                HEADER,
                value,
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
                 parameters without tag name duplicates.",
            )
        };
        let query = Query::parse(value).map_err(|_| not_a_query())?;
        let pairs = query
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self::checked(pairs, Tagged::Object, not_a_query)
    }

    /// The `Tag` children of an element, whatever others it has.
    pub(crate) fn from_elements(parent: &Element, tagged: Tagged) -> Result<Self> {
        let pairs = parent
            .all("Tag")
            .map(|tag| {
                let tag = tag.only(&["Key", "Value"])?;
                Ok((
                    tag.text_of("Key")?.to_owned(),
                    tag.text_of("Value")?.to_owned(),
                ))
            })
            .collect::<Result<_>>()?;
        Self::checked(pairs, tagged, repeated_key)
    }

    /// The tags of both sets, as an object can have them.
    pub(crate) fn and(self, other: Self) -> Result<Self> {
        let pairs = [self.0, other.0].concat();
        Self::checked(pairs, Tagged::Object, repeated_key)
    }

    fn checked(
        mut pairs: Vec<(String, String)>,
        tagged: Tagged,
        repeated: impl FnOnce() -> Error,
    ) -> Result<Self> {
        match tagged {
            Tagged::Object if pairs.len() > OBJECT_TAGS_MAX => {
                return Err(Error::new(ErrorCode::InvalidTag)
                    .message("Object tags cannot be greater than 10"));
            }
            Tagged::Bucket if pairs.len() > BUCKET_TAGS_MAX => {
                return Err(Error::new(ErrorCode::BadRequest)
                    .message("Bucket tag count cannot be greater than 50"));
            }
            _ => {}
        }
        for (key, value) in &pairs {
            check_tag(key, value)?;
        }
        pairs.sort();
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(repeated());
        }
        Ok(Self(pairs))
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("Tagging", |writer| {
            writer.element("TagSet", |writer| self.write_elements(writer));
        })
    }

    /// The `Tag` elements.
    pub(crate) fn write_elements(&self, writer: &mut XmlWriter) {
        for (key, value) in &self.0 {
            writer.element("Tag", |writer| {
                writer.text("Key", key);
                writer.text("Value", value);
            });
        }
    }

    /// The keys and values, in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self
            .0
            .binary_search_by(|(known, _)| known.as_str().cmp(key));
        found.ok().map(|index| self.0[index].1.as_str())
    }

    /// How many tags there are: `x-amz-tagging-count`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys and values, to be stored.
    #[must_use]
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

fn repeated_key() -> Error {
    Error::new(ErrorCode::InvalidTag).message("Cannot provide multiple Tags with the same key")
}

fn check_tag(key: &str, value: &str) -> Result<()> {
    let invalid = |message: &'static str, part: &'static str, text: &str| {
        Err(Error::new(ErrorCode::InvalidTag)
            .message(message)
            .field(part, text))
    };
    if key.is_empty() || !is_legal(key, TAG_KEY_UNITS_MAX) {
        return invalid("The TagKey you have provided is invalid", "TagKey", key);
    }
    if !is_legal(value, TAG_VALUE_UNITS_MAX) {
        return invalid(
            "The TagValue you have provided is invalid",
            "TagValue",
            value,
        );
    }
    let prefix = key.as_bytes().get(..SYSTEM_PREFIX.len());
    if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(SYSTEM_PREFIX)) {
        return invalid(
            "System tags cannot be added/updated by requester",
            "TagKey",
            key,
        );
    }
    Ok(())
}

/// Letters, digits and spaces of every script, and a few signs.
fn is_legal(text: &str, units_max: usize) -> bool {
    text.encode_utf16().take(units_max + 1).count() <= units_max
        && text.chars().all(|character| {
            character.is_alphanumeric()
                || (character.is_whitespace() && !character.is_control())
                || matches!(character, '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(pairs: &[(&str, &str)]) -> Vec<u8> {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        TagSet(pairs.collect()).to_xml().to_vec()
    }

    fn code(pairs: &[(&str, &str)], tagged: Tagged) -> Option<ErrorCode> {
        TagSet::parse(&document(pairs), tagged)
            .err()
            .map(|error| error.code())
    }

    #[test]
    fn documents_are_read_and_written() {
        let set = TagSet::parse(
            b"<Tagging><TagSet><Tag><Key>foo</Key><Value>a b</Value></Tag>\
              <Tag><Key>bar</Key><Value/></Tag></TagSet></Tagging>",
            Tagged::Object,
        )
        .unwrap();
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [("bar", ""), ("foo", "a b")]
        );
        assert_eq!(set.get("foo"), Some("a b"));
        assert_eq!(set.get("fo"), None);
        assert!(set.to_xml().ends_with(
            b"/\"><TagSet><Tag><Key>bar</Key><Value></Value></Tag><Tag><Key>foo</Key>\
              <Value>a b</Value></Tag></TagSet></Tagging>"
        ));
        for malformed in [
            "<Tagging/>",
            "<Tagging><TagSet/><TagSet/></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Key>a</Key></TagSet></Tagging>",
        ] {
            let error = TagSet::parse(malformed.as_bytes(), Tagged::Object).unwrap_err();
            assert_eq!(error.code(), ErrorCode::MalformedXML, "{malformed}");
        }
    }

    #[test]
    fn tags_are_bounded() {
        let keys: Vec<_> = (0..=BUCKET_TAGS_MAX).map(|n| format!("k{n}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "")).collect();
        assert_eq!(code(&pairs[..10], Tagged::Object), None);
        assert_eq!(
            code(&pairs[..11], Tagged::Object),
            Some(ErrorCode::InvalidTag)
        );
        assert_eq!(code(&pairs[..50], Tagged::Bucket), None);
        assert_eq!(
            code(&pairs[..51], Tagged::Bucket),
            Some(ErrorCode::BadRequest)
        );
        // A character outside the basic plane is two units.
        for (letter, units) in [("a", 1), ("é", 1), ("𝒳", 2)] {
            let key = letter.repeat(TAG_KEY_UNITS_MAX / units);
            let value = letter.repeat(TAG_VALUE_UNITS_MAX / units);
            assert_eq!(code(&[(&key, &value)], Tagged::Object), None);
            let longer = format!("{key}{letter}");
            assert_eq!(
                code(&[(&longer, "")], Tagged::Object),
                Some(ErrorCode::InvalidTag)
            );
            let longer = format!("{value}{letter}");
            assert_eq!(
                code(&[("k", &longer)], Tagged::Object),
                Some(ErrorCode::InvalidTag)
            );
        }
    }

    #[test]
    fn illegal_tags_are_refused() {
        for key in ["", "a\tb", "a!", "a&b", "aws:x", "AWS:x", "a\u{85}"] {
            assert_eq!(
                code(&[(key, "")], Tagged::Bucket),
                Some(ErrorCode::InvalidTag),
                "{key}"
            );
        }
        for key in ["aws", "xaws:", "a b+-=._:/@", "naïve", "数\u{3000}字"] {
            assert_eq!(code(&[(key, key)], Tagged::Bucket), None, "{key}");
        }
        assert_eq!(
            code(&[("a", "!")], Tagged::Object),
            Some(ErrorCode::InvalidTag)
        );
        let twice = [("a", "1"), ("b", "1"), ("a", "2")];
        assert_eq!(code(&twice, Tagged::Object), Some(ErrorCode::InvalidTag));
    }

    #[test]
    fn the_header_is_a_query() {
        let set = TagSet::parse_header("foo=bar&bar&a%20b=c+d%2B").unwrap();
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [("a b", "c d+"), ("bar", ""), ("foo", "bar")]
        );
        assert!(TagSet::parse_header("").unwrap().is_empty());
        let code = |header: &str| TagSet::parse_header(header).unwrap_err().code();
        assert_eq!(code("a=1&a=2"), ErrorCode::InvalidArgument);
        assert_eq!(code("a=%zz"), ErrorCode::InvalidArgument);
        assert_eq!(code("a=%ff"), ErrorCode::InvalidArgument);
        assert_eq!(code("=x"), ErrorCode::InvalidTag);
        assert_eq!(code("a=b=c%21"), ErrorCode::InvalidTag);
        let eleven = (0..11).map(|n| format!("k{n}=v&")).collect::<String>();
        assert_eq!(code(&eleven), ErrorCode::InvalidTag);
    }

    proptest! {
        #[test]
        fn what_is_accepted_round_trips(
            pairs in proptest::collection::vec(("[a-cA é:/]{0,4}", "[a-c é+&<]{0,4}"), 0..5),
        ) {
            let written = TagSet(pairs).to_xml();
            if let Ok(set) = TagSet::parse(&written, Tagged::Object) {
                prop_assert!(set.0.is_sorted());
                prop_assert_eq!(TagSet::parse(&set.to_xml(), Tagged::Object).unwrap(), set);
            }
        }

        #[test]
        fn headers_never_panic(header in "[a=&%+2é-]{0,40}") {
            let _ = TagSet::parse_header(&header);
        }
    }
}

//! What parameters may say: bounded texts, tags, and pages of lists.

use std::fmt::Display;

use super::form::Form;
use crate::error::{Error, ErrorCode, Result};

/// The most entries of a page, as at AWS.
pub const LIST_PAGE_MAX: usize = 1000;

/// The entries of a page unless the caller says how many.
const LIST_PAGE_DEFAULT: usize = 100;

/// The longest marker.
const MARKER_CHARS_MAX: usize = 320;

/// The longest key of a tag.
const TAG_KEY_CHARS_MAX: usize = 128;

/// The longest value of a tag.
const TAG_VALUE_CHARS_MAX: usize = 256;

/// The most characters of a value that an error repeats.
const ECHO_CHARS_MAX: usize = 256;

/// Something that a parameter's text can be read as.
pub trait Value: Sized {
    /// Reads the text of the parameter `name`.
    ///
    /// # Errors
    /// `ValidationError` or `InvalidInput`.
    fn read(name: &'static str, text: String) -> Result<Self>;
}

/// The error for a parameter that breaks a rule, in AWS's words.
pub(crate) fn invalid(name: &str, value: &str, constraint: impl Display) -> Error {
    let value: String = value.chars().take(ECHO_CHARS_MAX).collect();
    let mut member = name.to_owned();
    if let Some(first) = member.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    Error::new(ErrorCode::ValidationError).message(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
         {constraint}"
    ))
}

/// Checks a text's length, in characters.
pub(crate) fn check_length(name: &str, text: &str, least: usize, most: usize) -> Result<()> {
    let length = text.chars().take(most + 1).count();
    if length >= least && length <= most {
        return Ok(());
    }
    let constraint = format!("Member must have length between {least} and {most}");
    Err(invalid(name, text, constraint))
}

/// Declares texts of bounded length and alphabet.
macro_rules! texts {
    ($($(#[$meta:meta])* $type:ident: $least:literal..=$most:literal of $is_legal:expr, $pattern:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::aws_query::Value for $type {
            fn read(name: &'static str, text: String) -> $crate::error::Result<Self> {
                $crate::aws_query::check_length(name, &text, $least, $most)?;
                if !text.chars().all($is_legal) {
                    let constraint =
                        concat!("Member must satisfy regular expression pattern: ", $pattern);
                    return Err($crate::aws_query::invalid(name, &text, constraint));
                }
                Ok(Self(text))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(crate) use texts;

/// A tag's key, which is the same key in any case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagKey(String);

impl TagKey {
    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What equal keys have in common.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Display for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for TagKey {
    fn read(name: &'static str, text: String) -> Result<Self> {
        check_length(name, &text, 1, TAG_KEY_CHARS_MAX)?;
        check_tag_text(name, &text)?;
        let is_reserved = |prefix: &[u8]| prefix.eq_ignore_ascii_case(b"aws:");
        if text.as_bytes().get(..4).is_some_and(is_reserved) {
            return Err(Error::new(ErrorCode::InvalidInput)
                .message("Tag keys that begin with aws: are reserved."));
        }
        Ok(Self(text))
    }
}

/// A tag of a user, role, policy, provider or session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: TagKey,
    /// Its value, which may be empty.
    pub value: String,
}

impl Tag {
    /// A tag, if the value is a legal one.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn new(key: TagKey, value: String) -> Result<Self> {
        check_length("Tags", &value, 0, TAG_VALUE_CHARS_MAX)?;
        check_tag_text("Tags", &value)?;
        Ok(Self { key, value })
    }
}

fn check_tag_text(name: &str, text: &str) -> Result<()> {
    let is_legal = |c: char| {
        c.is_alphanumeric()
            || c == ' '
            || c.is_whitespace() && !c.is_control()
            || "_.:/=+-@".contains(c)
    };
    if text.chars().all(is_legal) {
        return Ok(());
    }
    let pattern = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";
    Err(invalid(name, text, pattern))
}

/// Where in a list the caller is, and how much of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The marker of the page before, if there was one: the list goes on after it.
    pub marker: Option<String>,
    /// The most entries wanted.
    pub max_items: usize,
}

impl PageRequest {
    pub(super) fn read(form: &mut Form) -> Result<Self> {
        let marker: Option<Marker> = form.optional("Marker")?;
        let max_items = form.number("MaxItems", 1, LIST_PAGE_MAX)?;
        Ok(Self {
            marker: marker.map(|marker| marker.0),
            max_items: max_items.unwrap_or(LIST_PAGE_DEFAULT),
        })
    }

    /// Cuts the page out of a list in ascending order of `key`, which becomes the marker.
    pub fn cut<T>(&self, list: impl IntoIterator<Item = T>, key: impl Fn(&T) -> &str) -> Page<T> {
        let after = |entry: &T| {
            self.marker
                .as_deref()
                .is_none_or(|marker| key(entry) > marker)
        };
        let mut rest = list.into_iter().filter(after);
        let items: Vec<T> = rest.by_ref().take(self.max_items).collect();
        let last = items.last().map(|entry| key(entry).to_owned());
        let next_marker = rest.next().and(last);
        Page { items, next_marker }
    }
}

struct Marker(String);

impl Value for Marker {
    fn read(name: &'static str, text: String) -> Result<Self> {
        check_length(name, &text, 1, MARKER_CHARS_MAX)?;
        Ok(Self(text))
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What asks for the next page; `None` at the end.
    pub next_marker: Option<String>,
}

impl<T> Page<T> {
    /// A page with other entries in place of its own.
    pub fn map<U>(self, entry: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(entry).collect(),
            next_marker: self.next_marker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once() {
        let list = ["a", "b", "c", "d", "e"];
        for max_items in 1..7 {
            let mut request = PageRequest {
                marker: None,
                max_items,
            };
            let mut seen = Vec::new();
            loop {
                let page = request.cut(list, |entry| entry);
                assert!(page.items.len() <= max_items);
                seen.extend(page.items);
                let Some(marker) = page.next_marker else {
                    break;
                };
                request.marker = Some(marker);
            }
            assert_eq!(seen, list, "{max_items}");
        }
    }

    #[test]
    fn tags_follow_the_rules() {
        let key = |text: &str| TagKey::read("Tags", text.to_owned()).map_err(|error| error.code());
        for text in ["a", "Über/ich:x=+-@_. 1", &"k".repeat(128)] {
            assert_eq!(key(text).unwrap().as_str(), text);
        }
        for text in ["", "a*b", "a\nb", &"k".repeat(129)] {
            assert_eq!(key(text), Err(ErrorCode::ValidationError), "{text}");
        }
        assert_eq!(key("AWS:x"), Err(ErrorCode::InvalidInput));
        let value = |text: &str| Tag::new(key("k").unwrap(), text.to_owned());
        assert!(value("").is_ok() && value(&"v".repeat(256)).is_ok());
        assert!(value(&"v".repeat(257)).is_err() && value("<").is_err());
    }
}

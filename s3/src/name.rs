//! Bucket names and object keys, validated once: code that holds one of these types holds a legal
//! one.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::error::{Error, ErrorCode, Result};

/// The most bytes of UTF-8 in an object key.
pub const OBJECT_KEY_BYTES_MAX: usize = 1024;

/// A bucket's name that follows the rules for general purpose buckets: 3 to 63 of `a-z 0-9 . -`,
/// a letter or digit at either end of every dot-separated label, not shaped like an IPv4 address
/// and without a reserved prefix or suffix. Cheap to clone.
///
/// The bucket of another tenant is named with the tenant's namespace and a colon before it,
/// `physics:spectra`; nothing before the colon is the default namespace.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName {
    text: Arc<str>,
    /// Where the name begins: past the colon, if there is one.
    start: usize,
}

/// The most bytes of a namespace's name.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// Prefixes that AWS keeps for itself.
const RESERVED_PREFIXES: [&str; 4] = ["xn--", "sthree-", "amzn-s3-demo-", "sthree-configurator"];

/// Suffixes that AWS keeps for itself.
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

impl BucketName {
    /// Checks a name.
    ///
    /// # Errors
    /// `InvalidBucketName`, with the name.
    pub fn parse(text: &str) -> Result<Self> {
        let (namespace, name) = text.split_once(':').unwrap_or(("", text));
        if is_namespace(namespace) && Self::is_valid(name) {
            Ok(Self {
                text: text.into(),
                start: text.len() - name.len(),
            })
        } else {
            Err(Error::new(ErrorCode::InvalidBucketName).field("BucketName", text))
        }
    }

    fn is_valid(name: &str) -> bool {
        let label_is_valid = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        (3..=63).contains(&name.len())
            && name.split('.').all(label_is_valid)
            && name.parse::<Ipv4Addr>().is_err()
            && !RESERVED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            && !RESERVED_SUFFIXES
                .iter()
                .any(|suffix| name.ends_with(suffix))
    }

    /// The name, without the namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text[self.start..]
    }

    /// The name as it was given: after its namespace, if one is named.
    #[must_use]
    pub fn in_namespace(&self) -> &str {
        &self.text
    }

    /// The namespace, if one is named.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let end = self.start.checked_sub(1)?;
        Some(&self.text[..end])
    }
}

/// Whether a text can name a namespace of buckets. The default one's name is empty.
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= NAMESPACE_BYTES_MAX && text.bytes().all(is_plain)
}

/// An object's key: 1 to 1024 bytes of UTF-8, any characters. Never normalised. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Checks a key.
    ///
    /// # Errors
    /// `KeyTooLongError` beyond 1024 bytes; `UserKeyMustBeSpecified` for an empty key.
    pub fn parse(key: &str) -> Result<Self> {
        if key.is_empty() {
            return Err(Error::new(ErrorCode::UserKeyMustBeSpecified)
                .message("An object key must be specified."));
        }
        if key.len() > OBJECT_KEY_BYTES_MAX {
            return Err(Error::new(ErrorCode::KeyTooLongError)
                .field("Size", key.len().to_string())
                .field("MaxSizeAllowed", OBJECT_KEY_BYTES_MAX.to_string()));
        }
        Ok(Self(key.into()))
    }

    /// Checks a key's bytes, already percent-decoded.
    ///
    /// # Errors
    /// `InvalidURI` when they are not UTF-8, else as [`ObjectKey::parse`].
    pub fn from_bytes(key: &[u8]) -> Result<Self> {
        let key = std::str::from_utf8(key).map_err(|_| {
            Error::new(ErrorCode::InvalidURI).message("The object key is not valid UTF-8.")
        })?;
        Self::parse(key)
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The traits both names share.
macro_rules! text_type {
    ($name:ident) => {
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

text_type!(BucketName);
text_type!(ObjectKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_bucket_names_pass() {
        let longest = "a".repeat(63);
        for name in [
            "abc",
            "1ab",
            "my.bucket-1",
            "a-b",
            "a--b",
            "1.2.3",
            "256.1.1.1",
            &longest,
        ] {
            assert_eq!(BucketName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_namespace_stands_before_a_colon() {
        for (text, namespace) in [
            ("abc", None),
            (":abc", Some("")),
            ("physics:abc", Some("physics")),
        ] {
            let name = BucketName::parse(text).unwrap();
            assert_eq!((name.as_str(), name.namespace()), ("abc", namespace));
            assert_eq!(name.in_namespace(), text);
        }
        for text in ["a/b:abc", "a:b:abc", "abc:", ":ab", "a b:abc"] {
            assert!(BucketName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn illegal_bucket_names_are_refused() {
        let too_long = "a".repeat(64);
        for name in [
            "",
            "ab",
            &too_long,
            "Abc",
            "a_b",
            "a..b",
            ".abc",
            "abc.",
            "-abc",
            "abc-",
            "a.-b",
            "a-.b",
            "192.168.0.1",
            "xn--abc",
            "sthree-abc",
            "abc-s3alias",
            "abc--ol-s3",
            "a b",
            "été",
            "a/b",
            "amzn-s3-demo-x",
            "abc--x-s3",
        ] {
            let error = BucketName::parse(name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidBucketName, "{name}");
        }
    }

    #[test]
    fn keys_are_bounded_in_bytes_not_characters() {
        for key in [
            "a",
            "../",
            "//",
            " ",
            "%2F",
            "\u{0}",
            "é".repeat(512).as_str(),
        ] {
            assert_eq!(ObjectKey::parse(key).unwrap().as_str(), key);
        }
        let code = |key: &[u8]| ObjectKey::from_bytes(key).unwrap_err().code();
        assert_eq!(code("é".repeat(513).as_bytes()), ErrorCode::KeyTooLongError);
        assert_eq!(code(b""), ErrorCode::UserKeyMustBeSpecified);
        assert_eq!(code(b"\xff"), ErrorCode::InvalidURI);
    }
}

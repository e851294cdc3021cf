//! Entity tags: the MD5 of an object's bytes, or for a multipart object the MD5 of its parts' MD5s
//! with `-N`. Comparison is always strong.

use std::fmt;

use crate::error::{Error, Result};

/// The ETag of an object or a part, without quotes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    md5: [u8; 16],
    /// The number of parts of a multipart object; `None` for an object of a single upload.
    parts: Option<u32>,
}

impl ETag {
    /// The tag of one upload: the MD5 of its bytes.
    #[must_use]
    pub const fn single(md5: [u8; 16]) -> Self {
        Self { md5, parts: None }
    }

    /// The tag of a multipart object: the MD5 of the parts' concatenated MD5s, and their number.
    #[must_use]
    pub const fn multipart(md5_of_md5s: [u8; 16], parts: u32) -> Self {
        Self {
            md5: md5_of_md5s,
            parts: Some(parts),
        }
    }

    /// The MD5 (of the bytes or of the parts' MD5s).
    #[must_use]
    pub const fn md5(&self) -> &[u8; 16] {
        &self.md5
    }

    /// The number of parts, if the object came from a multipart upload.
    #[must_use]
    pub const fn parts(&self) -> Option<u32> {
        self.parts
    }

    /// Reads a tag with or without its double quotes; `None` when the text is no tag this store
    /// could have made (which then matches nothing).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let (digest, parts) = match text.split_once('-') {
            None => (text, None),
            Some((digest, parts)) => {
                let plain = parts.bytes().all(|b| b.is_ascii_digit()) && !parts.starts_with('0');
                (digest, Some(parts.parse().ok().filter(|_| plain)?))
            }
        };
        let mut md5 = [0; 16];
        hex::decode_to_slice(digest, &mut md5).ok()?;
        Some(Self { md5, parts })
    }

    /// The tag in double quotes, as headers and XML carry it.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.md5))?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ETag({self})")
    }
}

/// The value of an `If-Match` or `If-None-Match` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any existing object.
    Any,
    /// Any of these tags. Weak tags and tags of a foreign shape are left out, as they can match
    /// nothing; the list may therefore be empty, and an empty list matches nothing.
    Tags(Vec<ETag>),
}

/// The most tags one header may list: enough for any cache, and a bound on the work per request.
pub const ETAGS_MAX: usize = 100;

impl ETagMatch {
    /// Reads `*`, one tag (quoted or bare) or a comma-separated list.
    ///
    /// # Errors
    /// `InvalidArgument` when more than [`ETAGS_MAX`] tags are listed.
    pub fn parse(header: &str, value: &str) -> Result<Self> {
        if value.trim() == "*" {
            return Ok(Self::Any);
        }
        // Commas never occur inside a tag of this store, so a plain split is exact for every tag
        // that could match.
        if value.split(',').count() > ETAGS_MAX {
            return Err(Error::invalid_argument(
                header,
                "",
                "The header lists too many tags",
            ));
        }
        Ok(Self::Tags(
            value.split(',').filter_map(ETag::parse).collect(),
        ))
    }

    /// Whether an existing object with this tag is matched.
    #[must_use]
    pub fn matches(&self, tag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.contains(tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn tags_round_trip() {
        let single = ETag::parse(EMPTY).unwrap();
        assert_eq!(single.quoted(), format!("\"{EMPTY}\""));
        assert_eq!(ETag::parse(&single.quoted()), Some(single));
        let many = ETag::multipart(*single.md5(), 10_000);
        assert_eq!(many.to_string(), format!("{EMPTY}-10000"));
        assert_eq!(ETag::parse(&many.quoted()), Some(many));
        assert_ne!(single, many);
    }

    #[test]
    fn foreign_tags_are_refused() {
        for text in [
            "",
            "\"",
            "abc",
            "W/\"x\"",
            &format!("{EMPTY}-"),
            &format!("{EMPTY}-01"),
            &format!("{EMPTY}-+1"),
            &format!("W/\"{EMPTY}\""),
        ] {
            assert_eq!(ETag::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lists_match_strongly() {
        let tag = ETag::parse(EMPTY).unwrap();
        let list = ETagMatch::parse("If-Match", &format!("\"abc\", \"{EMPTY}\"")).unwrap();
        assert!(list.matches(&tag));
        assert!(ETagMatch::parse("If-Match", " * ").unwrap().matches(&tag));
        let weak = ETagMatch::parse("If-Match", &format!("W/\"{EMPTY}\"")).unwrap();
        assert!(!weak.matches(&tag));
        assert!(!ETagMatch::parse("If-Match", "").unwrap().matches(&tag));
        assert!(ETagMatch::parse("If-Match", &",".repeat(200)).is_err());
    }
}

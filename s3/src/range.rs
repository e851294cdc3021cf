//! Byte ranges of a request (`Range`, `x-amz-copy-source-range`) and the bytes they select of an
//! object.

use crate::error::{Error, ErrorCode, Result};

/// Bytes `start..end` of an object, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end_exclusive: u64,
}

impl ByteRange {
    /// The number of bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.end_exclusive - self.start
    }

    /// The value of `Content-Range` for an object of `size_bytes`.
    #[must_use]
    pub fn content_range(&self, size_bytes: u64) -> String {
        format!(
            "bytes {}-{}/{size_bytes}",
            self.start,
            self.end_exclusive - 1
        )
    }
}

/// A `Range` header with one range, not yet held against an object's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeRequest {
    /// `bytes=first-last`, both included.
    Between {
        /// The first byte.
        first: u64,
        /// The last byte, at least `first`.
        last: u64,
    },
    /// `bytes=first-`: to the end.
    From(u64),
    /// `bytes=-length`: the last `length` bytes.
    Last(u64),
}

impl RangeRequest {
    /// Reads a `Range` header. `None` means that the header is ignored and the whole object
    /// answered, which is what HTTP and AWS do with several ranges, other units and bad syntax.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (unit, range) = value.trim().split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", length) => Some(Self::Last(position(length)?)),
            (first, "") => Some(Self::From(position(first)?)),
            (first, last) => {
                let (first, last) = (position(first)?, position(last)?);
                (first <= last).then_some(Self::Between { first, last })
            }
        }
    }

    /// The bytes selected of an object of `size_bytes`.
    ///
    /// # Errors
    /// `InvalidRange` when no byte of the object is selected.
    pub fn resolve(&self, size_bytes: u64) -> Result<ByteRange> {
        let (start, end_exclusive) = match *self {
            Self::Between { first, last } => (first, last.saturating_add(1).min(size_bytes)),
            Self::From(first) => (first, size_bytes),
            Self::Last(length) => (size_bytes.saturating_sub(length), size_bytes),
        };
        if start < end_exclusive {
            Ok(ByteRange {
                start,
                end_exclusive,
            })
        } else {
            Err(self.unsatisfiable(size_bytes))
        }
    }

    fn unsatisfiable(&self, size_bytes: u64) -> Error {
        let requested = match *self {
            Self::Between { first, last } => format!("bytes={first}-{last}"),
            Self::From(first) => format!("bytes={first}-"),
            Self::Last(length) => format!("bytes=-{length}"),
        };
        Error::new(ErrorCode::InvalidRange)
            .field("RangeRequested", requested)
            .field("ActualObjectSize", size_bytes.to_string())
    }
}

/// The strict range of UploadPartCopy: both ends given, both inside the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRange {
    first: u64,
    last: u64,
}

impl CopyRange {
    /// Reads an `x-amz-copy-source-range` header: `bytes=first-last` and nothing else.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse(value: &str) -> Result<Self> {
        match RangeRequest::parse(value) {
            Some(RangeRequest::Between { first, last }) => Ok(Self { first, last }),
            _ => Err(Error::invalid_argument(
                "x-amz-copy-source-range",
                value,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where \
                 first and last are the zero-based offsets of the first and last bytes to copy",
            )),
        }
    }

    /// The bytes selected of a source of `size_bytes`.
    ///
    /// # Errors
    /// `InvalidRange` when the range ends outside the source.
    pub fn resolve(&self, size_bytes: u64) -> Result<ByteRange> {
        if self.last >= size_bytes {
            return Err(Error::new(ErrorCode::InvalidRange)
                .message(format!(
                    "Range specified is not valid for source object of size: {size_bytes}"
                ))
                .field(
                    "RangeRequested",
                    format!("bytes={}-{}", self.first, self.last),
                )
                .field("ActualObjectSize", size_bytes.to_string()));
        }
        Ok(ByteRange {
            start: self.first,
            end_exclusive: self.last + 1,
        })
    }
}

/// Decimal digits only: no sign, no space, no overflow.
fn position(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A position too large for 64 bits lies beyond every object, as u64::MAX does.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(header: &str, size: u64) -> Option<(u64, u64)> {
        let range = RangeRequest::parse(header)
            .expect("a valid header")
            .resolve(size)
            .ok()?;
        Some((range.start, range.end_exclusive))
    }

    #[test]
    fn each_form_selects_its_bytes() {
        assert_eq!(resolve("bytes=0-0", 10), Some((0, 1)));
        assert_eq!(resolve("bytes=2-5", 10), Some((2, 6)));
        assert_eq!(resolve("Bytes = 2-50", 10), Some((2, 10)));
        assert_eq!(resolve("bytes=9-", 10), Some((9, 10)));
        assert_eq!(resolve("bytes=-3", 10), Some((7, 10)));
        assert_eq!(resolve("bytes=-30", 10), Some((0, 10)));
        assert_eq!(
            resolve("bytes=0-99999999999999999999999", 10),
            Some((0, 10))
        );
    }

    #[test]
    fn ranges_without_a_byte_are_unsatisfiable() {
        for (header, size) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(resolve(header, size), None, "{header} of {size}");
        }
        let error = RangeRequest::From(10).resolve(10).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRange);
        assert_eq!(error.fields()[1], ("ActualObjectSize", "10".to_owned()));
    }

    #[test]
    fn anything_else_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=--1",
        ] {
            assert_eq!(RangeRequest::parse(header), None, "{header}");
        }
    }

    #[test]
    fn a_copy_range_is_strict() {
        let range = CopyRange::parse("bytes=0-4").unwrap();
        assert_eq!(
            range.resolve(5).unwrap(),
            ByteRange {
                start: 0,
                end_exclusive: 5
            }
        );
        assert!(range.resolve(4).is_err());
        assert!(CopyRange::parse("bytes=0-").is_err());
        assert!(CopyRange::parse("0-4").is_err());
    }

    proptest! {
        #[test]
        fn a_resolved_range_is_inside_and_not_empty(a: u64, b: u64, size: u64) {
            for range in [
                RangeRequest::Between { first: a.min(b), last: a.max(b) },
                RangeRequest::From(a),
                RangeRequest::Last(a),
            ] {
                if let Ok(range) = range.resolve(size) {
                    prop_assert!(range.start < range.end_exclusive);
                    prop_assert!(range.end_exclusive <= size);
                }
            }
        }

        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = RangeRequest::parse(&text);
            let _ = CopyRange::parse(&text);
        }
    }
}

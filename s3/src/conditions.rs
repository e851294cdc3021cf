//! Preconditions as pure decisions: what a request's `If-*` headers say about an object with a
//! given ETag and modification time, in the order of RFC 9110 section 13.2.2.

use jiff::Timestamp;

use crate::error::{Error, ErrorCode, Result};
use crate::etag::{ETag, ETagMatch};

/// The preconditions of a read (GET, HEAD, or the source of a copy).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagMatch>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<Timestamp>,
}

/// What a read does after its preconditions were held against the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Answer the object.
    Proceed,
    /// Answer 304 without a body.
    NotModified,
    /// Answer 412, because of the named header.
    PreconditionFailed(&'static str),
}

impl ReadConditions {
    /// Decides for an object with this tag, last modified at `modified`.
    ///
    /// `If-Match` outranks `If-Unmodified-Since` and `If-None-Match` outranks `If-Modified-Since`:
    /// where the tag header is present the date header is not looked at. Dates are compared in
    /// whole seconds, as that is all a header can carry.
    #[must_use]
    pub fn evaluate(&self, tag: &ETag, modified: Timestamp) -> ReadOutcome {
        let modified = modified.as_second();
        if let Some(tags) = &self.if_match {
            if !tags.matches(tag) {
                return ReadOutcome::PreconditionFailed("If-Match");
            }
        } else if self
            .if_unmodified_since
            .is_some_and(|since| modified > since.as_second())
        {
            return ReadOutcome::PreconditionFailed("If-Unmodified-Since");
        }
        let not_modified = match &self.if_none_match {
            Some(tags) => tags.matches(tag),
            None => self
                .if_modified_since
                .is_some_and(|since| modified <= since.as_second()),
        };
        if not_modified {
            ReadOutcome::NotModified
        } else {
            ReadOutcome::Proceed
        }
    }

    /// Decides for the source of a copy, where 'not modified' is a failed precondition too.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn evaluate_copy(&self, tag: &ETag, modified: Timestamp) -> Result<()> {
        let condition = match self.evaluate(tag, modified) {
            ReadOutcome::Proceed => return Ok(()),
            ReadOutcome::PreconditionFailed("If-Match") => "x-amz-copy-source-If-Match",
            ReadOutcome::PreconditionFailed(_) => "x-amz-copy-source-If-Unmodified-Since",
            ReadOutcome::NotModified if self.if_none_match.is_some() => {
                "x-amz-copy-source-If-None-Match"
            }
            ReadOutcome::NotModified => "x-amz-copy-source-If-Modified-Since",
        };
        Err(precondition_failed(condition))
    }
}

/// The precondition of a write, about the object that is there now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Write whatever is there.
    #[default]
    None,
    /// `If-None-Match`: only where no object is, or none that is matched.
    IfNoneMatch(ETagMatch),
    /// `If-Match`: only over an object that is matched.
    IfMatch(ETagMatch),
}

impl WriteCondition {
    /// The header that states it.
    #[must_use]
    pub fn header(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::IfNoneMatch(_) => Some("If-None-Match"),
            Self::IfMatch(_) => Some("If-Match"),
        }
    }
}

/// The preconditions of a deletion, about the object that is there now. All must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteConditions {
    /// `If-Match`: its tag is matched.
    pub if_match: Option<ETagMatch>,
    /// `x-amz-if-match-last-modified-time`: it was last modified in that second.
    pub modified: Option<Timestamp>,
    /// `x-amz-if-match-size`: it has that many bytes.
    pub size_bytes: Option<u64>,
}

impl DeleteConditions {
    /// The header that states the first of them.
    #[must_use]
    pub fn header(&self) -> Option<&'static str> {
        let stated = [
            (self.if_match.is_some(), "If-Match"),
            (self.modified.is_some(), "x-amz-if-match-last-modified-time"),
            (self.size_bytes.is_some(), "x-amz-if-match-size"),
        ];
        let mut stated = stated.into_iter().filter(|(is_stated, _)| *is_stated);
        stated.next().map(|(_, header)| header)
    }
}

/// `PreconditionFailed` with the name of the header that failed, as AWS gives it.
#[must_use]
pub fn precondition_failed(condition: &'static str) -> Error {
    Error::new(ErrorCode::PreconditionFailed).field("Condition", condition)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::from_unix_ms;

    fn tag(byte: u8) -> ETag {
        ETag::single([byte; 16])
    }

    fn tags(byte: u8) -> Option<ETagMatch> {
        Some(ETagMatch::Tags(vec![tag(byte)]))
    }

    fn second(second: i64) -> Option<Timestamp> {
        Some(from_unix_ms(second * 1000))
    }

    /// The object of these tests: tag 1, modified at 100.7 s.
    fn evaluate(conditions: ReadConditions) -> ReadOutcome {
        conditions.evaluate(&tag(1), from_unix_ms(100_700))
    }

    #[test]
    fn single_headers() {
        let none = ReadConditions::default;
        let table = [
            (none(), ReadOutcome::Proceed),
            (
                ReadConditions {
                    if_match: tags(1),
                    ..none()
                },
                ReadOutcome::Proceed,
            ),
            (
                ReadConditions {
                    if_match: tags(2),
                    ..none()
                },
                ReadOutcome::PreconditionFailed("If-Match"),
            ),
            (
                ReadConditions {
                    if_none_match: tags(2),
                    ..none()
                },
                ReadOutcome::Proceed,
            ),
            (
                ReadConditions {
                    if_none_match: tags(1),
                    ..none()
                },
                ReadOutcome::NotModified,
            ),
            (
                ReadConditions {
                    if_modified_since: second(99),
                    ..none()
                },
                ReadOutcome::Proceed,
            ),
            (
                ReadConditions {
                    if_modified_since: second(100),
                    ..none()
                },
                ReadOutcome::NotModified,
            ),
            (
                ReadConditions {
                    if_unmodified_since: second(100),
                    ..none()
                },
                ReadOutcome::Proceed,
            ),
            (
                ReadConditions {
                    if_unmodified_since: second(99),
                    ..none()
                },
                ReadOutcome::PreconditionFailed("If-Unmodified-Since"),
            ),
        ];
        for (conditions, expected) in table {
            assert_eq!(evaluate(conditions.clone()), expected, "{conditions:?}");
        }
    }

    #[test]
    fn tags_outrank_dates() {
        let none = ReadConditions::default;
        let matched = ReadConditions {
            if_match: tags(1),
            if_unmodified_since: second(1),
            ..none()
        };
        assert_eq!(evaluate(matched), ReadOutcome::Proceed);
        let changed = ReadConditions {
            if_none_match: tags(2),
            if_modified_since: second(200),
            ..none()
        };
        assert_eq!(evaluate(changed), ReadOutcome::Proceed);
    }

    #[test]
    fn a_copy_fails_where_a_read_is_not_modified() {
        let conditions = ReadConditions {
            if_none_match: tags(1),
            ..Default::default()
        };
        let error = conditions
            .evaluate_copy(&tag(1), from_unix_ms(0))
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::PreconditionFailed);
        assert!(conditions.evaluate_copy(&tag(2), from_unix_ms(0)).is_ok());
    }

    proptest! {
        #[test]
        fn not_modified_needs_a_header_that_asks_for_it(
            matched in proptest::option::of(0u8..3),
            unmodified in proptest::option::of(0i64..200),
            modified in 0i64..200,
        ) {
            let conditions = ReadConditions {
                if_match: matched.and_then(tags),
                if_unmodified_since: unmodified.and_then(second),
                ..Default::default()
            };
            let outcome = conditions.evaluate(&tag(1), from_unix_ms(modified * 1000));
            prop_assert_ne!(outcome, ReadOutcome::NotModified);
        }
    }
}

//! Headers that ask for something this store does not do. They are refused before anything else
//! is read: a promise such as encryption or retention must never be dropped silently.

use super::encryption;
use super::fields::Fields;
use crate::body::checksum::ChecksumAlgorithm;
use crate::error::{Error, Result};

/// Beginnings of header names that are refused whatever their value.
const REFUSED_PREFIXES: [&str; 1] = ["x-amz-object-lock-event-hold"];

/// Header names that are refused whatever their value.
const REFUSED: [&str; 5] = [
    "x-amz-bucket-object-lock-token",
    "x-amz-if-match-initiated-time",
    "x-amz-mfa",
    "x-amz-write-offset-bytes",
    "x-amz-rename-source",
];

/// Headers that are accepted with the values that describe what the store does anyway.
const ACCEPTED_VALUES: [(&str, &[&str]); 2] = [
    // All names are in one namespace.
    ("x-amz-bucket-namespace", &["global"]),
    // No object has annotations.
    ("x-amz-object-annotation-directive", &["COPY", "EXCLUDE"]),
];

/// `x-amz-checksum-` headers that carry no digest.
const CHECKSUM_SETTINGS: [&str; 3] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
];

/// Refuses a request with any header (or query parameter in a header's place) of a function that
/// is not there.
pub(crate) fn refuse_unsupported(fields: Fields<'_>) -> Result<()> {
    for (name, value) in fields.headers {
        // A value that isn't text is none of the accepted ones.
        refuse(name.as_str(), value.to_str().unwrap_or("\u{fffd}"))?;
    }
    for (name, value) in fields.query.iter() {
        refuse(&name.to_ascii_lowercase(), value)?;
    }
    Ok(())
}

fn refuse(name: &str, value: &str) -> Result<()> {
    if !name.starts_with("x-amz-") {
        return Ok(());
    }
    let accepted = match ACCEPTED_VALUES.iter().find(|(known, _)| *known == name) {
        Some((_, values)) => values
            .iter()
            .any(|known| known.eq_ignore_ascii_case(value.trim())),
        None => {
            !REFUSED.contains(&name)
                && !REFUSED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
                && !is_unknown_checksum(name)
                && !encryption::is_unknown(name)
        }
    };
    if accepted {
        Ok(())
    } else {
        Err(Error::not_implemented_header(name))
    }
}

fn is_unknown_checksum(name: &str) -> bool {
    name.starts_with("x-amz-checksum-")
        && !CHECKSUM_SETTINGS.contains(&name)
        && ChecksumAlgorithm::from_header(name).is_none()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::error::ErrorCode;
    use crate::operation::Query;

    fn outcome(name: &'static str, value: &str) -> Option<ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let query = Query::default();
        let by_header = refuse_unsupported(Fields {
            headers: &headers,
            query: &query,
        });
        let query = Query::parse(&format!("{}={value}", name.to_ascii_uppercase())).unwrap();
        let by_query = refuse_unsupported(Fields {
            headers: &HeaderMap::new(),
            query: &query,
        });
        assert_eq!(by_header, by_query, "header and query are read alike");
        by_header.err().map(|error| error.code())
    }

    #[test]
    fn promises_that_cannot_be_kept_are_refused() {
        for (name, value) in [
            ("x-amz-server-side-encryption-new", "AES256"),
            ("x-amz-checksum-sha512", "AAAA"),
            ("x-amz-object-lock-event-hold", "ON"),
            ("x-amz-object-annotation-directive", "x"),
            ("x-amz-bucket-namespace", "account-regional"),
        ] {
            assert_eq!(
                outcome(name, value),
                Some(ErrorCode::NotImplemented),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_true_anyway_is_accepted() {
        for (name, value) in [
            ("x-amz-acl", "private"),
            ("x-amz-bucket-namespace", "global"),
            ("x-amz-checksum-crc32c", "AAAAAA"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-meta-server-side-encryption", "AES256"),
            ("x-amz-tagging-directive", "COPY"),
            ("x-amz-request-payer", "requester"),
        ] {
            assert_eq!(outcome(name, value), None, "{name}");
        }
    }
}

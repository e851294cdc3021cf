//! Percent-decoding of paths and query strings, exactly once and strictly.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::error::{Error, ErrorCode, Result};

/// The parameters of a request's query string, decoded, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a raw query string; a `+` stands for a space.
    ///
    /// # Errors
    /// `InvalidURI` on a broken percent escape or when the result is not UTF-8.
    pub fn parse(raw: &str) -> Result<Self> {
        raw.split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode_query(name)?, decode_query(value)?))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The first value of a parameter; empty when the parameter stands without `=`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// As [`Query::get`], with the name in any case: for headers that signers moved to the query.
    #[must_use]
    pub fn get_ignoring_case(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decode_query(raw: &str) -> Result<String> {
    let raw = if raw.contains('+') {
        Cow::Owned(raw.replace('+', " "))
    } else {
        Cow::Borrowed(raw)
    };
    String::from_utf8(percent_decode(&raw)?.into_owned()).map_err(|_| {
        Error::new(ErrorCode::InvalidURI).message("The query string is not valid UTF-8.")
    })
}

/// Decodes `%XX` escapes once; everything else, `+` and `..` included, stays as it is.
///
/// # Errors
/// `InvalidURI` where a `%` isn't followed by two hexadecimal digits.
pub fn percent_decode(raw: &str) -> Result<Cow<'_, [u8]>> {
    let escapes_are_whole = raw
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    if escapes_are_whole {
        Ok(percent_decode_str(raw).into())
    } else {
        Err(Error::new(ErrorCode::InvalidURI))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let query = Query::parse("acl&prefix=a%2Fb+c%2B&x=%252F&&prefix=second&e=").unwrap();
        assert_eq!(query.get("acl"), Some(""));
        assert_eq!(query.get("prefix"), Some("a/b c+"));
        assert_eq!(query.get("x"), Some("%2F"));
        assert_eq!(query.get("e"), Some(""));
        assert_eq!(query.get("ACL"), None);
        assert_eq!(query.get_ignoring_case("ACL"), Some(""));
        assert_eq!(query.iter().count(), 5);
    }

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["a=%", "a=%2", "a=%zz", "%=1", "a=%ff", "a=%+1"] {
            assert_eq!(
                Query::parse(raw).unwrap_err().code(),
                ErrorCode::InvalidURI,
                "{raw}"
            );
        }
        assert_eq!(&*percent_decode("%2e%2E/+%ff").unwrap(), b"../+\xff");
    }
}

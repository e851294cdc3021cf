//! Reading of a request's headers and query parameters, with the errors AWS gives.

use http::HeaderMap;

use crate::error::{Error, ErrorCode, Result};
use crate::operation::Query;

/// The headers and parameters of one request.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a Query,
}

impl<'a> Fields<'a> {
    /// A header's text. An `x-amz-` header may also stand in the query, where presigned URLs
    /// carry it.
    pub(crate) fn header(&self, name: &'static str) -> Result<Option<&'a str>> {
        match self.headers.get(name) {
            Some(value) => match std::str::from_utf8(value.as_bytes()) {
                Ok(text) => Ok(Some(text.trim())),
                Err(_) => Err(Error::invalid_argument(
                    name,
                    "",
                    "Header value is not UTF-8",
                )),
            },
            None if name.starts_with("x-amz-") => Ok(self.query.get_ignoring_case(name)),
            None => Ok(None),
        }
    }

    /// As [`Fields::header`], owned.
    pub(crate) fn header_owned(&self, name: &'static str) -> Result<Option<String>> {
        Ok(self.header(name)?.map(str::to_owned))
    }

    /// Whether a header says `true`; without it, it doesn't.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool> {
        match self.header(name)? {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) => Err(Error::invalid_argument(
                name,
                value,
                format!("Value for {name} must be true or false"),
            )),
        }
    }

    /// A query parameter's value.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.query.get(name)
    }

    /// A query parameter's value, `None` where it is missing or empty.
    pub(crate) fn non_empty(&self, name: &str) -> Option<String> {
        self.query
            .get(name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// A parameter that must be there because routing selected by it.
    pub(crate) fn required(&self, name: &'static str) -> Result<&'a str> {
        self.parameter(name).ok_or_else(|| {
            Error::new(ErrorCode::InvalidRequest).message("A required parameter is missing.")
        })
    }

    /// A count such as `max-keys`: at least `min`, clamped to `max`, which is also the default.
    pub(crate) fn count(&self, name: &'static str, min: u32, max: u32) -> Result<u32> {
        let Some(text) = self.parameter(name).filter(|text| !text.is_empty()) else {
            return Ok(max);
        };
        Ok(count(name, text, min)?.min(max))
    }

    /// A count in a header.
    pub(crate) fn header_count(&self, name: &'static str) -> Result<Option<u32>> {
        let text = self.header(name)?;
        text.map(|text| count(name, text, 0)).transpose()
    }
}

/// AWS takes a 32-bit signed integer.
fn count(name: &'static str, text: &str, min: u32) -> Result<u32> {
    let count = text.parse::<i32>().ok().and_then(|n| u32::try_from(n).ok());
    count.filter(|count| *count >= min).ok_or_else(|| {
        Error::invalid_argument(
            name,
            text,
            format!(
                "Argument {name} must be an integer between {min} and {}",
                i32::MAX
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_clamped_above_and_refused_below() {
        let count = |raw: &str| {
            let query = Query::parse(raw).unwrap();
            Fields {
                headers: &HeaderMap::new(),
                query: &query,
            }
            .count("max-keys", 0, 1000)
        };
        assert_eq!(count("").unwrap(), 1000);
        assert_eq!(count("max-keys=").unwrap(), 1000);
        assert_eq!(count("max-keys=0").unwrap(), 0);
        assert_eq!(count("max-keys=7").unwrap(), 7);
        assert_eq!(count("max-keys=2147483647").unwrap(), 1000);
        for bad in ["-1", "x", "2147483648", "1.5"] {
            let error = count(&format!("max-keys={bad}")).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn amz_headers_may_stand_in_the_query() {
        let query = Query::parse("X-Amz-Checksum-Mode=ENABLED&range=bytes%3D0-1").unwrap();
        let headers = HeaderMap::new();
        let fields = Fields {
            headers: &headers,
            query: &query,
        };
        assert_eq!(
            fields.header("x-amz-checksum-mode").unwrap(),
            Some("ENABLED")
        );
        assert_eq!(fields.header("range").unwrap(), None);
    }
}

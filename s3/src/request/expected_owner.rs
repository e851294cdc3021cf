//! Whom a client believes a bucket to belong to. A bucket that was deleted may have been made anew by
//! somebody else; who names its owner finds out before sending or reading anything.

use http::HeaderMap;

use super::fields::Fields;
use crate::error::{Error, ErrorCode, Result};
use crate::operation::Query;

/// The owner that a request expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedOwner(String);

impl ExpectedOwner {
    /// Of the request's bucket: `x-amz-expected-bucket-owner`.
    ///
    /// # Errors
    /// `InvalidArgument` where the header is not text.
    pub fn of_bucket(headers: &HeaderMap, query: &Query) -> Result<Option<Self>> {
        let fields = Fields { headers, query };
        Self::read(fields, "x-amz-expected-bucket-owner")
    }

    /// Of the bucket that a copy reads: `x-amz-source-expected-bucket-owner`.
    pub(crate) fn of_source(fields: Fields<'_>) -> Result<Option<Self>> {
        Self::read(fields, "x-amz-source-expected-bucket-owner")
    }

    fn read(fields: Fields<'_>, name: &'static str) -> Result<Option<Self>> {
        Ok(fields.header_owned(name)?.map(Self))
    }

    /// Compares with the names that the owner goes by: the account's number, which AWS wants, and the
    /// canonical id, which some stores want.
    ///
    /// # Errors
    /// `AccessDenied` if none of them is the one expected.
    pub fn check(&self, names: &[&str]) -> Result<()> {
        match names.contains(&self.0.as_str()) {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::AccessDenied)
                .message("The bucket does not belong to the expected bucket owner")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_expected_by_header_or_query() {
        let none = Query::parse("").unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(ExpectedOwner::of_bucket(&headers, &none).unwrap(), None);

        let query = Query::parse("X-Amz-Expected-Bucket-Owner=1").unwrap();
        let expected = ExpectedOwner::of_bucket(&headers, &query).unwrap().unwrap();
        assert!(expected.check(&["1", "a"]).is_ok());

        headers.insert("x-amz-expected-bucket-owner", "a".parse().unwrap());
        let expected = ExpectedOwner::of_bucket(&headers, &none).unwrap().unwrap();
        assert!(expected.check(&["1", "a"]).is_ok());
        let code = expected.check(&["1", "ab"]).unwrap_err().code();
        assert_eq!(code, ErrorCode::AccessDenied);
    }
}

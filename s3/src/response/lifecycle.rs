//! Answers about a bucket's lifecycle, and what other answers announce of it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::header_text;
use crate::config::lifecycle::{Expiry, LifecycleConfiguration, TransitionMinimum, minimum};
use crate::time::to_http_date;
use crate::xml::write as xml;

const MINIMUM: HeaderName = HeaderName::from_static(minimum::HEADER);

/// The answer of GetBucketLifecycleConfiguration.
#[derive(Debug, Clone)]
pub struct LifecycleOutput {
    /// The rules.
    pub configuration: LifecycleConfiguration,
}

impl LifecycleOutput {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = xml::ok(self.configuration.to_xml());
        insert_minimum(
            response.headers_mut(),
            self.configuration.transition_minimum(),
        );
        response
    }
}

/// The answer of PutBucketLifecycleConfiguration.
#[derive(Debug, Clone, Copy)]
pub struct LifecycleStored {
    /// The least size of what moves, as it was stored.
    pub transition_minimum: TransitionMinimum,
}

impl LifecycleStored {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        insert_minimum(response.headers_mut(), self.transition_minimum);
        response
    }
}

fn insert_minimum(headers: &mut HeaderMap, minimum: TransitionMinimum) {
    headers.insert(MINIMUM, HeaderValue::from_static(minimum.as_str()));
}

/// Announces when an object expires, and by which rule.
pub fn announce_expiry(headers: &mut HeaderMap, expiry: &Expiry<'_>) {
    if let Some(value) = header_text(&expiry.to_header()) {
        headers.insert("x-amz-expiration", value);
    }
}

/// Announces when an upload is aborted, and by which rule.
pub fn announce_abort(headers: &mut HeaderMap, expiry: &Expiry<'_>) {
    for (name, text) in [
        ("x-amz-abort-date", to_http_date(expiry.at)),
        ("x-amz-abort-rule-id", expiry.encoded_rule_id()),
    ] {
        if let Some(value) = header_text(&text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_will_go_is_announced() {
        let expiry = Expiry {
            at: Timestamp::UNIX_EPOCH,
            rule_id: "a b",
        };
        let mut headers = HeaderMap::new();
        announce_expiry(&mut headers, &expiry);
        announce_abort(&mut headers, &expiry);
        let date = "Thu, 01 Jan 1970 00:00:00 GMT";
        let announced = format!("expiry-date=\"{date}\", rule-id=\"a%20b\"");
        assert_eq!(headers["x-amz-expiration"], announced.as_str());
        assert_eq!(headers["x-amz-abort-date"], date);
        assert_eq!(headers["x-amz-abort-rule-id"], "a%20b");
    }
}

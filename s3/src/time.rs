//! The two spellings of a moment in S3: HTTP dates in headers and ISO 8601 with milliseconds in
//! XML.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The moment `ms` milliseconds after 1970-01-01T00:00:00Z; moments outside the calendar (years
/// beyond 9999) become its last or first one.
#[must_use]
pub fn from_unix_ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`; moments before 1970 are written as 1970.
#[must_use]
pub fn to_http_date(moment: Timestamp) -> String {
    let second = u64::try_from(moment.as_second()).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second))
}

/// Reads any of the three forms of an HTTP date, or an ISO 8601 date, which AWS accepts too.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    match httpdate::parse_http_date(text) {
        Ok(moment) => from_system_time(moment),
        Err(_) => text.parse().ok(),
    }
}

/// `2015-10-21T07:28:00.000Z`.
#[must_use]
pub fn to_iso8601(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn from_system_time(moment: SystemTime) -> Option<Timestamp> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_aws_does() {
        let moment = from_unix_ms(1_445_412_480_007);
        assert_eq!(to_http_date(moment), "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(to_iso8601(moment), "2015-10-21T07:28:00.007Z");
    }

    #[test]
    fn dates_are_read_in_every_form() {
        let expected = Some(from_unix_ms(784_111_777_000));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(parse_http_date(text), expected, "{text}");
        }
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn moments_outside_the_calendar_are_clamped() {
        assert_eq!(from_unix_ms(i64::MAX), Timestamp::MAX);
        assert_eq!(
            to_http_date(from_unix_ms(-5)),
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}

//! The two ways a signed request tells its time, and the one in which answers tell ours.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;

/// Reads `20130524T000000Z`, and nothing looser.
pub(crate) fn parse_basic(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let well_formed = bytes.len() == 16
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !well_formed {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|value| i8::try_from(value).ok());
    let time = DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(9)?,
        small(11)?,
        small(13)?,
        0,
    )
    .ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}

/// How mail writes dates; which day of the week it says nobody checks.
const MAIL_DATE: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// Reads a `Date` header: an HTTP date, or one as mail writes it, of any zone (botocore signs those of
/// `-0000`). Before 1970 there are none.
pub(super) fn parse_date_header(text: &str) -> Option<SystemTime> {
    let of_mail = || MAIL_DATE.parse_timestamp(text).ok().map(SystemTime::from);
    let moment = httpdate::parse_http_date(text).ok().or_else(of_mail);
    moment.filter(|moment| *moment >= UNIX_EPOCH)
}

/// Writes `20130524T000000Z`.
pub(super) fn format_basic(time: SystemTime) -> String {
    format(time, "%Y%m%dT%H%M%SZ")
}

/// Writes `2013-05-24T00:00:00Z`.
pub(super) fn format_extended(time: SystemTime) -> String {
    format(time, "%Y-%m-%dT%H:%M:%SZ")
}

/// Times outside the years -9999..=9999, which no clock gives, become the epoch.
fn format(time: SystemTime, pattern: &str) -> String {
    Timestamp::try_from(time)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime(pattern)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let time = parse_basic("20130524T012345Z").unwrap();
        assert_eq!(format_basic(time), "20130524T012345Z");
        assert_eq!(format_extended(time), "2013-05-24T01:23:45Z");
        assert_eq!(
            time,
            SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_369_358_625)
        );
    }

    #[test]
    fn date_headers_tell_a_moment_in_several_ways() {
        let time = parse_basic("20130524T012345Z");
        for text in [
            "Fri, 24 May 2013 01:23:45 GMT",
            "Fri, 24 May 2013 01:23:45 UTC",
            "Fri, 24 May 2013 01:23:45 +0000",
            "Fri, 24 May 2013 01:23:45 -0000",
            "Fri, 24 May 2013 02:23:45 +0100",
            "Mon, 24 May 2013 01:23:45 GMT",
            "Friday, 24-May-13 01:23:45 GMT",
        ] {
            assert_eq!(parse_date_header(text), time, "{text:?}");
        }
        for bad in [
            "",
            " -0000",
            "Fri, 24 May 2013 01:23:45",
            "Sat, 24 May 1969 01:23:45 GMT",
            "Fri, 24 May 2013 01:23:45 GMT -0000",
        ] {
            assert_eq!(parse_date_header(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn refuses_anything_looser() {
        for bad in [
            "",
            "20130524",
            "20130524T000000",
            "20130524T000000z",
            "20130524 000000Z",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T240000Z",
            "2013052\u{e9}T00000Z",
            "+0130524T000000Z",
        ] {
            assert_eq!(parse_basic(bad), None, "{bad:?}");
        }
    }
}

//! When a rule's time has come, and how answers announce it.

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Expiration, LifecycleConfiguration, VersionFacts, VersionState, When};
use crate::time::to_http_date;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What a rule's id needs no escape for in a header.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The length of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// A real one: what is due in some days is due at the first midnight UTC from then.
    Calendar,
    /// Some seconds, for tests: what is due in some days is due exactly then.
    Seconds(u32),
}

impl Day {
    /// The moment a number of days after another.
    #[must_use]
    pub fn after(self, from: Timestamp, days: u32) -> Timestamp {
        let seconds = |length: i64| SignedDuration::from_secs(i64::from(days) * length);
        let due = match self {
            Self::Seconds(length) => from.checked_add(seconds(i64::from(length))),
            Self::Calendar => from.checked_add(seconds(DAY_SECONDS)).and_then(|due| {
                // Up to the whole second first, then to the whole day.
                let second = due.as_second() + i64::from(due.subsec_nanosecond() > 0);
                let days = second.div_euclid(DAY_SECONDS) + i64::from(second % DAY_SECONDS != 0);
                Timestamp::from_second(days * DAY_SECONDS)
            }),
        };
        due.unwrap_or(Timestamp::MAX)
    }
}

impl When {
    /// The moment for a version created at another.
    #[must_use]
    pub(super) fn for_created(self, created: Timestamp, day: Day) -> Timestamp {
        match self {
            Self::Days(days) => day.after(created, days),
            Self::Date(date) => date,
        }
    }
}

/// When a rule will remove something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// The moment.
    pub at: Timestamp,
    /// The rule.
    pub rule_id: &'a str,
}

impl Expiry<'_> {
    /// The value of `x-amz-expiration`.
    #[must_use]
    pub fn to_header(&self) -> String {
        format!(
            "expiry-date=\"{}\", rule-id=\"{}\"",
            to_http_date(self.at),
            self.encoded_rule_id()
        )
    }

    /// The rule's id as headers carry it, such as `x-amz-abort-rule-id`.
    #[must_use]
    pub fn encoded_rule_id(&self) -> String {
        utf8_percent_encode(self.rule_id, PLAIN).to_string()
    }
}

impl LifecycleConfiguration {
    /// When a current version will expire, by the rule that is first to do it.
    #[must_use]
    pub fn expiry(&self, version: &VersionFacts<'_>, day: Day) -> Option<Expiry<'_>> {
        if version.state != VersionState::Current {
            return None;
        }
        let expiries = self.rules_for(version).filter_map(|rule| {
            let Some(Expiration::At(when)) = rule.expiration else {
                return None;
            };
            Some(Expiry {
                at: when.for_created(version.created, day),
                rule_id: &rule.id,
            })
        });
        expiries.min_by_key(|expiry| expiry.at)
    }

    /// When an incomplete multipart upload will be aborted, by the rule that is first to do it.
    #[must_use]
    pub fn upload_expiry(&self, key: &str, initiated: Timestamp, day: Day) -> Option<Expiry<'_>> {
        let expiries = self.rules_for_upload(key).filter_map(|rule| {
            Some(Expiry {
                at: day.after(initiated, rule.abort_upload_days?),
                rule_id: &rule.id,
            })
        });
        expiries.min_by_key(|expiry| expiry.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_escape_the_rule() {
        let expiry = Expiry {
            at: Timestamp::from_second(1_356_220_800).unwrap(),
            rule_id: "a \"b\"-é",
        };
        assert_eq!(
            expiry.to_header(),
            "expiry-date=\"Sun, 23 Dec 2012 00:00:00 GMT\", rule-id=\"a%20%22b%22-%C3%A9\""
        );
    }

    #[test]
    fn days_end_at_midnight() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        for (from, days, due) in [
            ("2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"),
            ("2014-01-15T00:00:00Z", 3, "2014-01-18T00:00:00Z"),
            ("2014-01-15T00:00:00.001Z", 3, "2014-01-19T00:00:00Z"),
            ("2014-01-15T10:30:00Z", 0, "2014-01-16T00:00:00Z"),
        ] {
            assert_eq!(
                Day::Calendar.after(moment(from), days),
                moment(due),
                "{from}"
            );
        }
        let from = moment("2014-01-15T10:30:00.5Z");
        assert_eq!(
            Day::Seconds(10).after(from, 3),
            moment("2014-01-15T10:30:30.5Z")
        );
        assert_eq!(Day::Calendar.after(from, u32::MAX), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn a_due_midnight_is_less_than_a_day_late(from_ms in 0..4_000_000_000_000_i64, days in 0..40_000_u32) {
            let from = Timestamp::from_millisecond(from_ms).unwrap();
            let due_ms = Day::Calendar.after(from, days).as_millisecond();
            let late_ms = due_ms - from_ms - i64::from(days) * DAY_SECONDS * 1000;
            prop_assert_eq!(due_ms % (DAY_SECONDS * 1000), 0);
            prop_assert!((0..DAY_SECONDS * 1000).contains(&late_ms));
        }
    }
}

//! When a bucket is gone through, by the length of a day.

use std::time::Duration;

use riquet_s3::Timestamp;
use riquet_s3::config::lifecycle::Day;

/// How often gateways look for buckets that are due.
const LOOK: Duration = Duration::from_secs(30);

/// When a round is repeated that could not do all that was due.
const RETRY: Duration = Duration::from_secs(15 * 60);

/// Rounds in a day of tests, so that nothing is a whole day late.
const ROUNDS_IN_SHORT_DAY: u32 = 2;

/// Looks in the time of a round of tests.
const LOOKS_IN_SHORT_ROUND: u32 = 4;

/// When to do what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) day: Day,
}

impl Schedule {
    pub(super) fn new(day: Day) -> Self {
        Self { day }
    }

    /// How often to look for buckets that are due.
    pub(super) fn look(&self) -> Duration {
        match self.day {
            Day::Calendar => LOOK,
            Day::Seconds(seconds) => (short_round(seconds) / LOOKS_IN_SHORT_ROUND).min(LOOK),
        }
    }

    /// When the next round is due after one that began and left so much undone.
    pub(super) fn next_round(&self, began: Timestamp, now: Timestamp, failed: u64) -> Timestamp {
        let next = match self.day {
            // Days end at midnight, and what is due by then was not due before.
            Day::Calendar => Day::Calendar.after(after(began, Duration::from_secs(1)), 0),
            Day::Seconds(seconds) => after(began, short_round(seconds)),
        };
        if failed > 0 {
            next.min(after(now, RETRY))
        } else {
            next
        }
    }
}

fn short_round(day_seconds: u32) -> Duration {
    Duration::from_secs(u64::from(day_seconds)) / ROUNDS_IN_SHORT_DAY
}

fn after(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    #[test]
    fn rounds_follow_midnights() {
        let schedule = Schedule::new(Day::Calendar);
        for (began, failed, next) in [
            ("2026-01-01T00:00:00Z", 0, "2026-01-02T00:00:00Z"),
            ("2026-01-01T09:00:00Z", 0, "2026-01-02T00:00:00Z"),
            ("2026-01-01T23:59:58.5Z", 0, "2026-01-02T00:00:00Z"),
            ("2026-01-01T09:00:00Z", 3, "2026-01-01T10:15:00Z"),
            ("2026-01-01T23:00:00Z", 3, "2026-01-02T00:00:00Z"),
        ] {
            let began = moment(began);
            let now = after(began, Duration::from_secs(3600));
            let found = schedule.next_round(began, now, failed);
            assert_eq!(found, moment(next), "{began} {failed}");
            assert!(found > began);
        }
    }

    #[test]
    fn short_days_have_several_rounds() {
        let schedule = Schedule::new(Day::Seconds(2));
        let began = moment("2026-01-01T00:00:00Z");
        let next = schedule.next_round(began, began, 0);
        assert_eq!(next, moment("2026-01-01T00:00:01Z"));
        assert_eq!(schedule.look(), Duration::from_millis(250));
        assert_eq!(Schedule::new(Day::Seconds(u32::MAX)).look(), LOOK);
    }
}

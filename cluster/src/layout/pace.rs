//! How fast shards move from disk to disk, and at what hours.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// Windows of a pace, at most.
pub const MAX_WINDOWS: usize = 24;

/// What each node may read and write to take in shards that move, unless operators say otherwise:
/// a few per cent of what its disks and its network carry.
pub const DEFAULT_BYTES_PER_SECOND: u64 = 32 << 20;

/// How fast shards move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
pub struct Pace {
    /// Bytes that each node may take in a second, outside of all windows. 0: nothing.
    #[n(0)]
    pub bytes_per_second: u64,
    /// Hours with a rate of their own, the first that fits counts; at most [`MAX_WINDOWS`].
    #[n(1)]
    pub windows: Vec<PaceWindow>,
    /// Whether everything stands still until an operator resumes it.
    #[n(2)]
    pub is_paused: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            bytes_per_second: DEFAULT_BYTES_PER_SECOND,
            windows: Vec::new(),
            is_paused: false,
        }
    }
}

impl Pace {
    /// The rate at a time, ms since 1970: bytes per second, 0: nothing moves.
    pub fn rate_at(&self, now_ms: u64) -> u64 {
        if self.is_paused {
            return 0;
        }
        let minute = (now_ms / 60_000 % u64::from(DAY_MINUTES)) as u16;
        let window = self.windows.iter().find(|window| window.contains(minute));
        window.map_or(self.bytes_per_second, |window| window.bytes_per_second)
    }
}

/// A part of each day, in UTC, with a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PaceWindow {
    /// First minute of the day.
    #[n(0)]
    from: u16,
    /// First minute after it; before `from`: it goes on past midnight.
    #[n(1)]
    to: u16,
    /// Bytes that each node may take in a second. 0: nothing.
    #[n(2)]
    bytes_per_second: u64,
}

impl PaceWindow {
    fn contains(&self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// Why a text is no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is HH:MM-HH:MM=MIB, in UTC, such as 08:00-19:00=8 or 22:30-05:00=0")]
pub struct BadWindow;

impl FromStr for PaceWindow {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<Self, BadWindow> {
        let parse = || {
            let (hours, rate) = text.split_once('=')?;
            let (from, to) = hours.split_once('-')?;
            let minute = |text: &str| {
                let (hours, minutes) = text.split_once(':')?;
                let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
                (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
            };
            let (from, to) = (minute(from)?, minute(to)?);
            let bytes_per_second = rate.parse::<u64>().ok()?.checked_mul(1 << 20)?;
            (from != to).then_some(Self {
                from,
                to,
                bytes_per_second,
            })
        };
        parse().ok_or(BadWindow)
    }
}

impl fmt::Display for PaceWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        let rate = self.bytes_per_second >> 20;
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}={rate}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

impl TryFrom<String> for PaceWindow {
    type Error = BadWindow;

    fn try_from(text: String) -> Result<Self, BadWindow> {
        text.parse()
    }
}

impl From<PaceWindow> for String {
    fn from(window: PaceWindow) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u64, minute: u64) -> u64 {
        (20_000 * 24 * 60 + hour * 60 + minute) * 60_000
    }

    #[test]
    fn hours_have_rates_of_their_own() {
        let mut pace = Pace {
            bytes_per_second: 100 << 20,
            windows: vec![
                "08:00-19:00=8".parse().unwrap(),
                "23:30-01:15=0".parse().unwrap(),
            ],
            is_paused: false,
        };
        let rate = |pace: &Pace, hour, minute| pace.rate_at(at(hour, minute)) >> 20;
        assert_eq!(rate(&pace, 7, 59), 100);
        assert_eq!(rate(&pace, 8, 0), 8);
        assert_eq!(rate(&pace, 18, 59), 8);
        assert_eq!(rate(&pace, 19, 0), 100);
        assert_eq!(rate(&pace, 23, 30), 0);
        assert_eq!(rate(&pace, 0, 0), 0);
        assert_eq!(rate(&pace, 1, 15), 100);
        pace.is_paused = true;
        assert_eq!(rate(&pace, 12, 0), 0);
    }

    #[test]
    fn windows_read_as_they_are_written() {
        for text in ["08:00-19:00=8", "22:30-05:00=0"] {
            assert_eq!(text.parse::<PaceWindow>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "8-9=1",
            "24:00-01:00=1",
            "08:00-08:00=1",
            "08:60-09:00=1",
            "08:00-09:00",
            "08:00-09:00=-1",
            "08:00-09:00=99999999999999999999",
        ] {
            assert_eq!(text.parse::<PaceWindow>(), Err(BadWindow), "{text}");
        }
    }
}

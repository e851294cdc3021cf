//! The wall clock, as ids, records and reports give it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, ms since 1970; zero on a machine whose clock is set before that.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

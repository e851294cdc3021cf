//! A rate that many tasks keep together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::load::Load;

/// Lets so many bytes a second through, one reservation after another.
pub(crate) struct Pace {
    bytes_per_second: u64,
    load: Arc<Load>,
    /// When all that was let through has been paid for.
    free_at: Mutex<Instant>,
}

impl Pace {
    /// At most this rate, and less while users wait.
    pub(crate) fn new(bytes_per_second: u64, load: Arc<Load>) -> Self {
        Self {
            load,
            bytes_per_second: bytes_per_second.max(1),
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Waits for the turn of so many bytes.
    pub(crate) async fn take(&self, bytes: u64) {
        self.take_at(bytes, self.bytes_per_second).await;
    }

    /// The same at another rate, for these bytes.
    pub(crate) async fn take_at(&self, bytes: u64, bytes_per_second: u64) {
        let seconds = bytes as f64 / bytes_per_second.max(1) as f64;
        let costs = Duration::from_secs_f64(seconds * self.load.strain());
        let turn = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = Instant::now().max(*free_at);
            *free_at = turn + costs;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_by_all_together() {
        let load = Arc::new(Load::new(Duration::from_millis(50)));
        let (pace, start) = (Pace::new(1000, load), Instant::now());
        futures_util::future::join_all((0..10).map(|_| pace.take(500))).await;
        // The last begins when the nine before it are paid for.
        assert_eq!(start.elapsed().as_millis(), 4500);
        // What was not used is not saved up.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        pace.take(1000).await;
        pace.take(1000).await;
        assert_eq!(start.elapsed().as_millis(), 1000);
    }
}

//! How long users wait for this node, so that background work can stand back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Weight of a new wait in the mean: the last dozen count.
const WEIGHT: f64 = 0.15;

/// Without users for so long, there is nobody to stand back for.
const CALM_AFTER: Duration = Duration::from_secs(2);

/// How many times slower background work goes at most: it must come to an end all the same.
const MAX_STRAIN: f64 = 8.0;

/// How long background reads of a strained node are put off, for each time that it is slower.
const PUT_OFF: Duration = Duration::from_millis(20);

/// The waits of users' requests.
#[derive(Debug)]
pub struct Load {
    /// Waits that users may have.
    tolerated: Duration,
    recent: Mutex<Option<Recent>>,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    mean_s: f64,
    last: Instant,
}

impl Load {
    /// Background work stands back when users wait for longer than this.
    pub fn new(tolerated: Duration) -> Self {
        Self {
            tolerated,
            recent: Mutex::new(None),
        }
    }

    /// A user's request waited for so long.
    pub fn waited(&self, wait: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let wait_s = wait.as_secs_f64();
        let mean_s = match *recent {
            Some(before) if before.last.elapsed() < CALM_AFTER => {
                before.mean_s + WEIGHT * (wait_s - before.mean_s)
            }
            _ => wait_s,
        };
        *recent = Some(Recent {
            mean_s,
            last: Instant::now(),
        });
    }

    /// How many times slower background work is to go now: 1 while users do not wait.
    pub fn strain(&self) -> f64 {
        let recent = *self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = recent.filter(|recent| recent.last.elapsed() < CALM_AFTER);
        let strain = recent.map_or(1.0, |recent| recent.mean_s / self.tolerated.as_secs_f64());
        strain.clamp(1.0, MAX_STRAIN)
    }

    /// Puts off a request of another node's background work while users wait.
    pub async fn stand_back(&self) {
        let strain = self.strain();
        if strain > 1.0 {
            tokio::time::sleep(PUT_OFF.mul_f64(strain)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn background_work_goes_slower_while_users_wait() {
        let load = Load::new(Duration::from_millis(50));
        assert_eq!(load.strain(), 1.0, "nobody is there");
        load.waited(Duration::from_millis(10));
        assert_eq!(load.strain(), 1.0, "nobody minds");
        for _ in 0..50 {
            load.waited(Duration::from_millis(200));
        }
        assert!((load.strain() - 4.0).abs() < 0.1, "{}", load.strain());
        for _ in 0..50 {
            load.waited(Duration::from_secs(60));
        }
        assert_eq!(load.strain(), MAX_STRAIN);
        tokio::time::sleep(CALM_AFTER).await;
        assert_eq!(load.strain(), 1.0, "they have gone");
    }
}

//! How fast the lifecycle's work goes: at most at the rates of the settings, and slower while users move
//! many bodies.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::Gateway;

/// Versions that are looked at in the time of one that is changed: a page of a listing is one query.
const LOOKS_FOR_CHANGE: u64 = 50;

/// The rates that all of a gateway's rounds keep together.
pub(super) struct Pace {
    changes: Rate,
    bytes: Rate,
    /// How many times slower to go now.
    strain: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Pace {
    pub(super) fn new(gateway: &std::sync::Arc<Gateway>) -> Self {
        let settings = gateway.settings.lifecycle;
        let gateway = gateway.clone();
        Self {
            changes: Rate::new(settings.objects_per_second),
            bytes: Rate::new(settings.bytes_per_second),
            strain: Box::new(move || gateway.admission.strain()),
        }
    }

    /// Waits for the turn of versions that were listed.
    pub(super) async fn look(&self, versions: usize) {
        let share = versions as f64 / LOOKS_FOR_CHANGE as f64;
        self.changes.take(share * (self.strain)()).await;
    }

    /// Waits for the turn of one change.
    pub(super) async fn change(&self) {
        self.changes.take((self.strain)()).await;
    }

    /// Waits for the turn of bytes to be moved.
    pub(super) async fn bytes(&self, bytes: usize) {
        self.bytes.take(bytes as f64 * (self.strain)()).await;
    }
}

/// Lets so much a second through, one reservation after another.
struct Rate {
    per_second: f64,
    /// When all that was let through has been paid for.
    free_at: Mutex<Instant>,
}

impl Rate {
    fn new(per_second: u64) -> Self {
        Self {
            per_second: per_second.max(1) as f64,
            free_at: Mutex::new(Instant::now()),
        }
    }

    async fn take(&self, amount: f64) {
        let costs = Duration::from_secs_f64(amount / self.per_second);
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
impl Pace {
    /// One that nobody waits for.
    pub(super) fn unbounded() -> Self {
        Self {
            changes: Rate::new(u64::MAX),
            bytes: Rate::new(u64::MAX),
            strain: Box::new(|| 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_kept_and_strain_slows_them() {
        let pace = |strain: f64| Pace {
            changes: Rate::new(100),
            bytes: Rate::new(1000),
            strain: Box::new(move || strain),
        };
        for (strain, ms) in [(1.0, 90), (4.0, 360)] {
            let (pace, start) = (pace(strain), Instant::now());
            futures_util::future::join_all((0..10).map(|_| pace.change())).await;
            assert_eq!(start.elapsed().as_millis(), ms, "the first waits for none");
        }
        let (pace, start) = (pace(1.0), Instant::now());
        pace.look(500).await;
        pace.bytes(500).await;
        pace.change().await;
        assert_eq!(start.elapsed().as_millis(), 100);
        pace.bytes(1).await;
        assert_eq!(start.elapsed().as_millis(), 500);
    }
}

//! Turns: how many bodies the gateway moves at once, so that its memory is bounded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::step;
use riquet_cluster::telemetry::traces::fail;
use riquet_s3::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::config::Limits;

/// The right to move one body; ends when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _taken: Counted,
}

/// Adds one to a gauge until it is dropped.
struct Counted(metrics::Gauge);

impl Counted {
    fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Gives turns.
#[derive(Debug)]
pub(crate) struct Admission {
    uploads: Turns,
    downloads: Turns,
    wait: Duration,
}

/// Turns of one kind.
#[derive(Debug)]
struct Turns {
    kind: &'static str,
    free: Arc<Semaphore>,
    all: usize,
}

impl Turns {
    fn new(kind: &'static str, all: usize) -> Self {
        metrics::gauge!("riquet_gateway_turns", "kind" => kind).set(all as f64);
        let free = Arc::new(Semaphore::new(all));
        Self { kind, free, all }
    }

    /// The share of them that is taken.
    fn taken(&self) -> f64 {
        1.0 - self.free.available_permits() as f64 / self.all as f64
    }
}

/// The share of turns above which background work stands back.
const BUSY: f64 = 0.25;

/// How many times slower background work goes at most: it must come to an end all the same.
const MAX_STRAIN: f64 = 8.0;

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            uploads: Turns::new("upload", limits.uploads_max),
            downloads: Turns::new("download", limits.downloads_max),
            wait: limits.turn_wait(),
        }
    }

    /// A turn to take a body in. Who holds one waits for no other: a copy takes its turn to read
    /// first, so nobody waits in a circle. Until it is given, not a byte of the body is read, so a waiting
    /// client costs its connection only.
    pub(crate) async fn upload(&self) -> Result<Turn, ErrorCode> {
        self.turn(&self.uploads).await
    }

    /// A turn to send an object.
    pub(crate) async fn download(&self) -> Result<Turn, ErrorCode> {
        self.turn(&self.downloads).await
    }

    /// How many times slower background work is to go now: 1 while most turns are free.
    pub(crate) fn strain(&self) -> f64 {
        let taken = self.uploads.taken().max(self.downloads.taken());
        let busy = ((taken - BUSY) / (1.0 - BUSY)).max(0.0);
        1.0 + busy * (MAX_STRAIN - 1.0)
    }

    async fn turn(&self, turns: &Turns) -> Result<Turn, ErrorCode> {
        let kind = turns.kind;
        let waiting = metrics::gauge!("riquet_gateway_turns_waiting", "kind" => kind);
        let waiting = Counted::new(waiting);
        let step = step!("turn", riquet.kind = kind);
        let permit = tokio::time::timeout(self.wait, turns.free.clone().acquire_owned())
            .instrument(step.clone())
            .await;
        drop(waiting);
        match permit {
            Ok(permit) => Ok(Turn {
                _permit: permit.expect("the semaphore is never closed"),
                _taken: Counted::new(metrics::gauge!("riquet_gateway_turns_taken", "kind" => kind)),
            }),
            Err(late) => {
                fail(&step, &late);
                metrics::counter!("riquet_gateway_turns_refused_total", "kind" => kind)
                    .increment(1);
                Err(ErrorCode::SlowDown)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_told_to_slow_down() {
        let limits = Limits {
            uploads_max: 1,
            turn_wait_ms: 10,
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        let first = admission.upload().await.expect("the first turn");
        assert_eq!(
            admission.upload().await.expect_err("no second"),
            ErrorCode::SlowDown
        );
        assert!(
            admission.download().await.is_ok(),
            "downloads have turns of their own"
        );
        drop(first);
        assert!(admission.upload().await.is_ok());
    }

    #[tokio::test]
    async fn background_work_stands_back_as_turns_are_taken() {
        let limits = Limits {
            downloads_max: 8,
            ..Limits::default()
        };
        let admission = Admission::new(&limits);
        let mut turns = Vec::new();
        let mut strains = Vec::new();
        for _ in 0..8 {
            strains.push(admission.strain());
            turns.push(admission.download().await.expect("one is free"));
        }
        assert_eq!(strains[..3], [1.0; 3]);
        assert!(strains[3..].is_sorted_by(|a, b| a < b));
        assert_eq!(admission.strain(), MAX_STRAIN);
    }
}

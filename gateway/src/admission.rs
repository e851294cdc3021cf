//! Turns: how many bodies the gateway moves at once, so that its memory is bounded.

use std::sync::Arc;
use std::time::Duration;

use riquet_s3::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;

/// The right to move one body; ends when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// Gives turns.
#[derive(Debug)]
pub(crate) struct Admission {
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    wait: Duration,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(limits.uploads_max)),
            downloads: Arc::new(Semaphore::new(limits.downloads_max)),
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

    async fn turn(&self, turns: &Arc<Semaphore>) -> Result<Turn, ErrorCode> {
        let permit = tokio::time::timeout(self.wait, turns.clone().acquire_owned()).await;
        match permit {
            Ok(permit) => Ok(Turn {
                _permit: permit.expect("the semaphore is never closed"),
            }),
            Err(_) => Err(ErrorCode::SlowDown),
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
}

//! The threads that wait for a disk.
//!
//! A disk that hangs keeps every thread that asks it for something. So each disk has a bound of its
//! own, and takes none from the node's other disks, nor from its metadata.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::error::Error;

/// Threads that wait for one disk at a time: enough to keep the queue of a fast device filled.
pub(crate) const THREADS_PER_DISK: usize = 32;

/// A disk's share of the runtime's threads for blocking work.
pub(super) struct Threads {
    free: Arc<Semaphore>,
}

/// The right to keep a thread waiting.
pub(super) struct Thread {
    permit: OwnedSemaphorePermit,
}

impl Threads {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(THREADS_PER_DISK)),
        }
    }

    /// Waits until one is free.
    pub(super) async fn one(&self) -> Thread {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        Thread {
            permit: permit.expect("never closed"),
        }
    }

    /// One, if one is free.
    pub(super) fn try_one(&self) -> Option<Thread> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Thread { permit })
    }

    /// Waits until one is free, and until it has done some work. Dropped before it is free, nothing was
    /// done; dropped later, the work goes on.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match self.one().await.start(work).await {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that shuts down cancels blocking work.
                Err(_) => Err(Error::Stopped),
            },
        }
    }
}

impl Thread {
    /// Does some work, whether or not anybody waits for it.
    pub(super) fn start<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(self.permit);
            done
        })
    }
}

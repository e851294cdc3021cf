//! What background work on a disk is doing: told to operators, and begun early when they ask.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riquet_cluster::id::ShardId;
use riquet_cluster::wire::upkeep::{JobKind, JobReport, MoveReport};
use tokio::sync::Notify;
use tokio::time::timeout;

use riquet_cluster::clock::now_ms;

/// The background work on one disk.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// Looks for shards that nothing names; counts blobs.
    pub sweep: Job,
    /// Looks for shards that should be here; looks at blobs, finds shards.
    pub losses: Job,
    /// Checks every shard; finds damaged ones, and leaves those that nothing needs.
    pub scrub: Job,
    /// Shards that are to be checked at once.
    pub suspects: Suspects,
    /// What comes to the disk and leaves it.
    pub moves: Moves,
}

impl Upkeep {
    /// The job of a kind.
    pub fn job(&self, kind: JobKind) -> &Job {
        match kind {
            JobKind::Sweep => &self.sweep,
            JobKind::Losses => &self.losses,
            JobKind::Scrub => &self.scrub,
        }
    }
}

/// A kind of work that is done again and again.
#[derive(Debug, Default)]
pub struct Job {
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct State {
    report: JobReport,
    /// That a run is asked for, and of what age.
    asked: Option<Duration>,
}

impl Job {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands.
    pub fn report(&self) -> JobReport {
        self.lock().report.clone()
    }

    /// Asks for a run now, of what is at least so old. Returns its number.
    pub fn ask(&self, age: Duration) -> u64 {
        let mut state = self.lock();
        state.asked = Some(age);
        self.asked.notify_one();
        // Not the run under way, which may have passed what this one is to find.
        state.report.begun + 1
    }

    /// Waits until a run is asked for, or so long. Returns the age that was asked for.
    pub async fn wait(&self, at_most: Duration) -> Option<Duration> {
        // Being asked ends the wait early, and that is all it does.
        let _ = timeout(at_most, self.asked.notified()).await;
        self.lock().asked.take()
    }

    /// A run begins.
    pub fn begin(&self) {
        let report = &mut self.lock().report;
        *report = JobReport {
            begun: report.begun + 1,
            done: report.done,
            done_ms: report.done_ms,
            running: true,
            ..JobReport::default()
        };
    }

    /// The run goes on.
    pub fn count(&self, looked_at: u64, found: u64, left: u64) {
        let report = &mut self.lock().report;
        report.looked_at += looked_at;
        report.found += found;
        report.left += left;
    }

    /// The run is over.
    pub fn end<E: std::fmt::Display>(&self, outcome: Result<(), E>) {
        let report = &mut self.lock().report;
        report.running = false;
        match outcome {
            Ok(()) => {
                report.done = report.begun;
                report.done_ms = Some(now_ms());
            }
            Err(error) => report.error = Some(error.to_string()),
        }
    }
}

/// How what comes to a disk and leaves it stands.
#[derive(Debug, Default)]
pub struct Moves {
    report: Mutex<MoveReport>,
    has_strays: AtomicBool,
    strayed: Notify,
}

impl Moves {
    /// A shard came to the disk after its slot had left.
    pub fn stray(&self) {
        self.has_strays.store(true, Ordering::Release);
        self.strayed.notify_one();
    }

    /// Waits for such a shard.
    pub async fn strays(&self) {
        self.strayed.notified().await;
    }

    /// Whether there was one since this was last asked.
    pub fn takes_strays(&self) -> bool {
        self.has_strays.swap(false, Ordering::AcqRel)
    }

    /// How it stands.
    pub fn report(&self) -> MoveReport {
        self.lock().clone()
    }

    /// Notes a change.
    pub fn note(&self, change: impl FnOnce(&mut MoveReport)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, MoveReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Suspects kept in mind, at most. Others are found by the scrub.
const MAX_SUSPECTS: usize = 10_000;

/// Shards that somebody could not read, or whose bytes were not what was written.
#[derive(Debug, Default)]
pub struct Suspects {
    waiting: Mutex<BTreeSet<ShardId>>,
    came: Notify,
}

impl Suspects {
    /// Has a shard looked at.
    pub fn add(&self, id: ShardId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_SUSPECTS {
            waiting.insert(id);
            self.came.notify_one();
        }
    }

    /// Waits for one, and takes it.
    pub async fn next(&self) -> ShardId {
        loop {
            let first = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.pop_first()
            };
            match first {
                Some(id) => return id,
                None => self.came.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_asked_for_is_not_waited_for() {
        let job = Job::default();
        assert_eq!(job.wait(Duration::from_secs(5)).await, None);
        assert_eq!(job.ask(Duration::from_secs(3)), 1);
        let asked = job.wait(Duration::from_secs(1000)).await;
        assert_eq!(asked, Some(Duration::from_secs(3)));
        assert_eq!(job.wait(Duration::from_secs(5)).await, None, "asked once");
        job.begin();
        job.count(10, 2, 1);
        assert!(job.report().running);
        job.end(Ok::<_, &str>(()));
        let report = job.report();
        assert_eq!((report.done, report.running), (1, false));
        assert_eq!((report.looked_at, report.found, report.left), (10, 2, 1));
        job.begin();
        job.end(Err("no voter"));
        assert_eq!(job.report().done, 1, "the second came to no end");
    }
}

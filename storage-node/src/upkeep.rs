//! What background work on a disk is doing: told to operators, and begun early when they ask.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riquet_cluster::wire::upkeep::{JobKind, JobReport};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The background work on one disk.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// Looks for shards that nothing names; counts blobs.
    pub sweep: Job,
    /// Looks for shards that should be here; looks at blobs, finds shards.
    pub losses: Job,
}

impl Upkeep {
    /// The job of a kind.
    pub fn job(&self, kind: JobKind) -> &Job {
        match kind {
            JobKind::Sweep => &self.sweep,
            JobKind::Losses => &self.losses,
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
            Ok(()) => report.done = report.begun,
            Err(error) => report.error = Some(error.to_string()),
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

//! One suite: its trials, and the cluster that those share which only touch their own buckets.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cluster::Cluster;
use crate::skip::{self, Need};

/// A cluster that starts with the first trial that asks for it.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    slot: Arc<Mutex<Option<Started>>>,
    /// What `riquet dev up` is told besides.
    options: &'static [&'static str],
}

/// The cluster, or why it did not start.
type Started = Result<Arc<Cluster>, String>;

impl Shared {
    /// The cluster; started now if no trial has asked before.
    ///
    /// # Errors
    /// When it does not start, the same for every trial.
    pub fn cluster(&self) -> Result<Arc<Cluster>, Failed> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let started = slot.get_or_insert_with(|| match Cluster::start_as(self.options) {
            Ok(cluster) => Ok(Arc::new(cluster)),
            Err(error) => Err(error.message().unwrap_or("no message").to_owned()),
        });
        started.clone().map_err(Into::into)
    }

    /// Runs `test` on the cluster; a failure keeps the cluster's logs.
    ///
    /// # Errors
    /// The test's failure.
    pub fn with(&self, test: impl FnOnce(&Cluster) -> Result<(), Failed>) -> Result<(), Failed> {
        let cluster = self.cluster()?;
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| test(&cluster)));
        cluster.keep_on_failure(outcome)
    }

    /// A trial on this cluster that needs `needs` of the machine.
    pub fn trial(
        &self,
        name: impl Into<String>,
        needs: &[Need],
        test: impl FnOnce(&Cluster) -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        let shared = self.clone();
        skip::trial(name, needs, move || shared.with(test))
    }

    fn stop(&self) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        // The last reference: trials are over, and their clones of it with them.
        drop(slot.take());
    }
}

/// Runs the trials that `build` makes, then stops the shared cluster.
pub fn run(build: impl FnOnce(&Shared) -> Vec<Trial>) -> ExitCode {
    run_with(&[], build)
}

/// The same with a shared cluster of another kind: `options` are those of `riquet dev up`.
pub fn run_with(
    options: &'static [&'static str],
    build: impl FnOnce(&Shared) -> Vec<Trial>,
) -> ExitCode {
    let arguments = Arguments::from_args();
    let shared = Shared {
        options,
        ..Shared::default()
    };
    let conclusion = libtest_mimic::run(&arguments, build(&shared));
    shared.stop();
    conclusion.exit_code()
}

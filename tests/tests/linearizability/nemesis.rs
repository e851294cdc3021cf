//! Faults, chosen by a seed: processes are killed, frozen and cut off, one after another or two at
//! a time, until told to stop. Each is undone before the next begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Failed;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use riquet_tests::cluster::{Cluster, Site};

/// How long a fault lasts, ms.
const FAULT_MS: std::ops::Range<u64> = 1_000..8_000;
/// How long all is well between two faults, ms.
const PEACE_MS: std::ops::Range<u64> = 500..3_000;
/// The share of site faults that a fault of a process elsewhere comes on top of.
const SECOND_FAULT: f64 = 0.4;
/// The share of faults that strike a site.
const SITE_FAULT: f64 = 0.4;

/// Something that is broken and mended.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Killed(Vec<String>),
    Paused(Vec<String>),
    SiteKilled(Site),
    /// Cut from the other data site.
    Cut(Site),
    /// Cut from the arbiter as well.
    Isolated(Site),
}

impl Fault {
    fn begin(&self, cluster: &Cluster) -> Result<(), Failed> {
        match self {
            Self::Killed(names) => cluster.kill(&borrowed(names)),
            Self::Paused(names) => signal(cluster, names, "STOP"),
            Self::SiteKilled(site) => cluster.kill_site(*site),
            Self::Cut(site) => cluster.partition(*site),
            Self::Isolated(site) => cluster.isolate(*site),
        }
    }

    fn end(&self, cluster: &Cluster) -> Result<(), Failed> {
        match self {
            Self::Killed(names) => cluster.start_again(&borrowed(names)),
            Self::Paused(names) => signal(cluster, names, "CONT"),
            Self::SiteKilled(site) => cluster.start_site(*site),
            Self::Cut(site) | Self::Isolated(site) => cluster.heal(*site),
        }
    }
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn signal(cluster: &Cluster, names: &[String], signal: &str) -> Result<(), Failed> {
    names
        .iter()
        .try_for_each(|name| cluster.signal(name, signal))
}

/// A seeded choice of faults for the processes of one cluster.
#[derive(Debug)]
pub(crate) struct Nemesis {
    rng: SmallRng,
    /// Names of processes by kind: the nodes of a site, the gateways, the arbiter, and once more
    /// the voters, so that they are struck often.
    kinds: Vec<Vec<String>>,
}

impl Nemesis {
    /// For all processes of a running cluster.
    ///
    /// # Errors
    /// When the cluster's files do not tell which these are.
    pub(crate) fn new(seed: u64, cluster: &Cluster) -> Result<Self, Failed> {
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in cluster.pids()?.into_keys() {
            let kind = match name.split_once('-') {
                Some((kind, _)) => kind.to_owned(),
                None => name.clone(),
            };
            kinds.entry(kind).or_default().push(name);
        }
        let mut kinds: Vec<_> = kinds.into_values().collect();
        kinds.push(cluster.voters()?);
        Ok(Self {
            rng: SmallRng::seed_from_u64(seed),
            kinds,
        })
    }

    /// One fault, or one of a site and one of a process elsewhere.
    pub(crate) fn choose(&mut self) -> Vec<Fault> {
        if !self.rng.random_bool(SITE_FAULT) {
            return vec![self.of_processes(None)];
        }
        let site = *Site::ALL.choose(&mut self.rng).expect("two sites");
        let mut faults = vec![match self.rng.random_range(0..4) {
            0 => Fault::SiteKilled(site),
            1 => Fault::Paused(self.of_site(site)),
            2 => Fault::Cut(site),
            _ => Fault::Isolated(site),
        }];
        if self.rng.random_bool(SECOND_FAULT) {
            faults.push(self.of_processes(Some(site)));
        }
        faults
    }

    fn of_site(&self, site: Site) -> Vec<String> {
        let all = self.kinds.iter().flatten();
        let names: BTreeSet<&String> = all.filter(|name| name.contains(site.name())).collect();
        names.into_iter().cloned().collect()
    }

    /// A fault of one process, or of two of one kind; none of the site `spared`.
    fn of_processes(&mut self, spared: Option<Site>) -> Fault {
        let is_spared = |name: &&String| spared.is_some_and(|site| name.contains(site.name()));
        let kinds: Vec<Vec<String>> = self
            .kinds
            .iter()
            .map(|kind| kind.iter().filter(|n| !is_spared(n)).cloned().collect())
            .filter(|kind: &Vec<String>| !kind.is_empty())
            .collect();
        let kind = kinds.choose(&mut self.rng).expect("a site is left");
        let count = if self.rng.random_bool(0.3) { 2 } else { 1 };
        let names: Vec<String> = kind.sample(&mut self.rng, count).cloned().collect();
        if self.rng.random_bool(0.5) {
            Fault::Killed(names)
        } else {
            Fault::Paused(names)
        }
    }

    /// Breaks and mends until `stop`, which it sets when it fails; how many faults there were.
    ///
    /// # Errors
    /// When a process does not come back.
    pub(crate) fn run(&mut self, cluster: &Cluster, stop: &AtomicBool) -> Result<usize, Failed> {
        let outcome = self.break_and_mend(cluster, stop);
        stop.store(true, Ordering::Relaxed);
        outcome
    }

    fn break_and_mend(&mut self, cluster: &Cluster, stop: &AtomicBool) -> Result<usize, Failed> {
        let mut count = 0;
        while self.wait(PEACE_MS, stop) {
            let faults = self.choose();
            println!("fault: {faults:?}");
            for fault in &faults {
                fault.begin(cluster)?;
                count += 1;
            }
            self.wait(FAULT_MS, stop);
            // The last first: what the start of a site waits for is back by then.
            for fault in faults.iter().rev() {
                fault.end(cluster)?;
            }
        }
        Ok(count)
    }

    /// Waits for a time within `range_ms`; false when `stop` came first.
    fn wait(&mut self, range_ms: std::ops::Range<u64>, stop: &AtomicBool) -> bool {
        const STEP_MS: u64 = 50;
        let wait_ms = self.rng.random_range(range_ms);
        for _ in 0..wait_ms / STEP_MS {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(STEP_MS));
        }
        !stop.load(Ordering::Relaxed)
    }
}

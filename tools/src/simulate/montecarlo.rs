//! Durability by Monte Carlo: years of whole clusters, event by event.
//!
//! Every group of every disk is there, placed as the product places it, so that groups share disks,
//! nodes, repair and fate, which the Markov chain of a single group can't know. Times between events
//! are exponential as there: of all that may happen next, one is drawn by its rate (Gillespie, 1977).
//! What is rare is not seen at all; then it tells how rare it must at least be.

mod cluster;
mod jobs;
mod placement;

use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use self::cluster::Cluster;
use self::placement::Placement;
use super::repair::Repair;
use super::scheme::Scheme;
use super::settings::Settings;

/// Two-sided 95 % of a normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// One-sided 95 %: of no event in N years a rate of 3 / N.
const NONE_SEEN: f64 = 2.995_732_273_553_991;

/// An estimate and its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Years of clusters that were simulated.
    pub(super) cluster_years: f64,
    /// Those in which anything was lost.
    pub(super) years_with_loss: u64,
    /// Groups lost in a year, other than by the loss of all sites they are at.
    pub(super) groups_lost: Estimate,
    /// Bytes that repair sent between the sites in a year, a lost site's refill left out.
    pub(super) sent_bytes: f64,
}

impl Sample {
    /// Probability that anything is lost in a year: Wilson's interval, or the rule of three where
    /// nothing was seen.
    pub(super) fn loss_in_a_year(&self) -> Estimate {
        let (n, seen) = (self.cluster_years, self.years_with_loss as f64);
        let share = seen / n;
        if self.years_with_loss == 0 {
            return Estimate {
                value: 0.0,
                low: 0.0,
                high: (NONE_SEEN / n).min(1.0),
            };
        }
        let scale = 1.0 + Z * Z / n;
        let middle = (share + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        Estimate {
            value: share,
            low: (middle - half).max(0.0),
            high: (middle + half).min(1.0),
        }
    }
}

/// What one trial saw.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    groups_lost: u64,
    years_with_loss: u32,
    sent_bytes: f64,
}

/// Simulates the trials that `settings` asks for, on all processors; none if it asks for none.
///
/// The outcome depends on the seed, and not on how many processors there are.
pub(super) fn sample(settings: &Settings, scheme: &Scheme) -> Option<Sample> {
    if settings.trials == 0 {
        return None;
    }
    let placement = Placement::new(settings, scheme);
    let repair = Repair::new(settings, scheme);
    let next = AtomicU32::new(0);
    let run = || {
        let mut cluster = Cluster::new(settings, scheme, &repair, &placement);
        let mut trials = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= settings.trials {
                return trials;
            }
            trials.push((number, cluster.trial(generator(settings.seed, number))));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut trials: Vec<(u32, Trial)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let joined = threads.into_iter().map(|it| it.join());
        joined
            .flat_map(|it| it.expect("a trial does not panic"))
            .collect()
    });
    // Sums of floats depend on their order.
    trials.sort_unstable_by_key(|(number, _)| *number);
    Some(summed(settings, scheme, &trials))
}

fn generator(seed: u64, trial: u32) -> Xoshiro256PlusPlus {
    // seed_from_u64 scrambles its argument, so neighbours are as good as any.
    Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(1 << 32).wrapping_add(u64::from(trial)))
}

fn summed(settings: &Settings, scheme: &Scheme, trials: &[(u32, Trial)]) -> Sample {
    let years = f64::from(settings.years);
    let n = trials.len() as f64;
    // Groups at one site only: one site is simulated, and each has such a store.
    let stores = f64::from(settings.sites / scheme.sites());
    let per_year = |trial: &Trial| trial.groups_lost as f64 / years * stores;
    let mean = trials.iter().map(|(_, it)| per_year(it)).sum::<f64>() / n;
    let squares = trials.iter().map(|(_, it)| (per_year(it) - mean).powi(2));
    let half = Z * (squares.sum::<f64>() / (n - 1.0).max(1.0) / n).sqrt();
    Sample {
        cluster_years: n * years,
        years_with_loss: trials
            .iter()
            .map(|(_, it)| u64::from(it.years_with_loss))
            .sum(),
        groups_lost: Estimate {
            value: mean,
            low: (mean - half).max(0.0),
            high: mean + half,
        },
        sent_bytes: trials.iter().map(|(_, it)| it.sent_bytes).sum::<f64>() / n / years * stores,
    }
}

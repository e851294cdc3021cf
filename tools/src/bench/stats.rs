//! What was measured, operation by operation.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency that is told apart from longer ones, microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Kind {
    Put,
    Get,
    Head,
    List,
    Delete,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::List => "LIST",
            Self::Delete => "DELETE",
        }
    }
}

/// What one kind of request came to.
#[derive(Clone, Debug)]
struct Tally {
    /// Latency of those that succeeded, microseconds, to three digits.
    latency_us: Histogram<u64>,
    bytes: u64,
    errors: u64,
}

impl Tally {
    fn new() -> Self {
        let latency_us =
            Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are an hour apart");
        Self {
            latency_us,
            bytes: 0,
            errors: 0,
        }
    }
}

/// What a worker, or all of them together, did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    tallies: BTreeMap<Kind, Tally>,
    first_error: Option<String>,
}

impl Record {
    /// Notes a request that moved `bytes` of objects.
    pub(crate) fn success(&mut self, kind: Kind, latency: Duration, bytes: u64) {
        let tally = self.tallies.entry(kind).or_insert_with(Tally::new);
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        tally.latency_us.saturating_record(us.max(1));
        tally.bytes += bytes;
    }

    /// Notes a request that failed.
    pub(crate) fn failure(&mut self, kind: Kind, why: &dyn std::fmt::Display) {
        let tally = self.tallies.entry(kind).or_insert_with(Tally::new);
        tally.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(format!("{}: {why}", kind.name()));
        }
    }

    /// Adds what another worker did.
    pub(crate) fn merge(&mut self, other: Self) {
        for (kind, theirs) in other.tallies {
            let ours = self.tallies.entry(kind).or_insert_with(Tally::new);
            ours.latency_us
                .add(&theirs.latency_us)
                .expect("all have the same bounds");
            ours.bytes += theirs.bytes;
            ours.errors += theirs.errors;
        }
        self.first_error = self.first_error.take().or(other.first_error);
    }

    pub(crate) fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    /// Requests that succeeded and that failed.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let done = self.tallies.values().map(|t| t.latency_us.len()).sum();
        let failed = self.tallies.values().map(|t| t.errors).sum();
        (done, failed)
    }

    /// Bytes of objects moved, either way.
    pub(crate) fn bytes(&self) -> u64 {
        self.tallies.values().map(|t| t.bytes).sum()
    }

    /// One summary for each kind of request.
    pub(crate) fn summaries(&self, elapsed: Duration) -> Vec<Summary> {
        let elapsed_s = elapsed.as_secs_f64().max(1e-9);
        self.tallies
            .iter()
            .map(|(kind, tally)| {
                let quantile_ms = |q| tally.latency_us.value_at_quantile(q) as f64 / 1000.0;
                let operations = tally.latency_us.len();
                Summary {
                    operation: *kind,
                    operations,
                    errors: tally.errors,
                    bytes: tally.bytes,
                    mib_per_s: tally.bytes as f64 / f64::from(1 << 20) / elapsed_s,
                    ops_per_s: operations as f64 / elapsed_s,
                    p50_ms: quantile_ms(0.5),
                    p90_ms: quantile_ms(0.9),
                    p99_ms: quantile_ms(0.99),
                    max_ms: tally.latency_us.max() as f64 / 1000.0,
                }
            })
            .collect()
    }
}

/// The figures of one kind of request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) operation: Kind,
    pub(crate) operations: u64,
    pub(crate) errors: u64,
    pub(crate) bytes: u64,
    pub(crate) mib_per_s: f64,
    pub(crate) ops_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_merged_workers() {
        let mut all = Record::default();
        for worker in 0..2u64 {
            let mut record = Record::default();
            for n in 1..=50 {
                let latency = Duration::from_millis(worker * 50 + n);
                record.success(Kind::Get, latency, 1 << 20);
            }
            record.failure(Kind::Put, &"no answer");
            all.merge(record);
        }
        let summaries = all.summaries(Duration::from_secs(2));
        let [get, put] = &summaries[..] else {
            panic!("{summaries:?}")
        };
        // PUT sorts before GET.
        let (put, get) = (get, put);
        assert_eq!((put.operations, put.errors), (0, 2));
        assert_eq!((get.operations, get.errors), (100, 0));
        assert!((get.mib_per_s - 50.0).abs() < 1e-6);
        assert!((get.ops_per_s - 50.0).abs() < 1e-6);
        assert!((get.p50_ms - 50.0).abs() < 0.5, "{}", get.p50_ms);
        assert!((get.p99_ms - 99.0).abs() < 0.5, "{}", get.p99_ms);
        assert!((get.max_ms - 100.0).abs() < 0.5, "{}", get.max_ms);
        assert_eq!(all.totals(), (100, 2));
        assert_eq!(all.bytes(), 100 << 20);
        assert_eq!(all.first_error(), Some("PUT: no answer"));
    }

    #[test]
    fn extreme_latencies_are_kept_within_bounds() {
        let mut record = Record::default();
        record.success(Kind::Head, Duration::ZERO, 0);
        record.success(Kind::Head, Duration::from_secs(1 << 40), 0);
        assert_eq!(record.totals(), (2, 0));
    }
}

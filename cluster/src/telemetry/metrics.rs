//! The metrics of a process: a table says which there are, an [`Exporter`] renders them.
//!
//! Each crate that counts has one [`Table`] of all that it counts; `docs/METRICS.md` holds the same tables,
//! and a test compares the two. What counts names its metric by the macros of the `metrics` crate.
//!
//! A counter whose labels have known values begins at 0 rather than with its first event: `rate` and
//! `increase` see no first step otherwise, and the one damaged shard of a year would raise no alert.

use std::fmt::Write;
use std::time::Duration;

use metrics::{Label as Pair, Unit};
pub use metrics_exporter_prometheus::BuildError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

/// How often histograms are drained: bounds what they hold between two scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Metrics that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Whose they are, in the documentation.
    pub title: &'static str,
    /// In the order of the documentation.
    pub metrics: &'static [Metric],
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// By the conventions of Prometheus: base units, and `_total` of counters.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What tells its series apart.
    pub labels: &'static [Label],
    /// What it says, in one line.
    pub help: &'static str,
}

/// A kind of metric.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by their size; the upper bounds of the buckets.
    Histogram(&'static [f64]),
}

/// A label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All values that it has; none: they are not known beforehand.
    pub values: &'static [&'static str],
}

impl Label {
    /// One whose values are not known beforehand: bounded all the same, by what there is in a cluster.
    pub const fn open(name: &'static str) -> Self {
        Self { name, values: &[] }
    }

    /// One with these values only.
    pub const fn of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values }
    }
}

impl Metric {
    /// One that only grows.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, help)
    }

    /// One that goes up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, help)
    }

    /// One that counts values by their size.
    pub const fn histogram(name: &'static str, bounds: &'static [f64], help: &'static str) -> Self {
        Self::new(name, Kind::Histogram(bounds), help)
    }

    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            labels: &[],
            help,
        }
    }

    /// The same with labels.
    pub const fn by(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    fn unit(&self) -> Unit {
        let base = self.name.trim_end_matches("_total");
        match base.rsplit('_').next() {
            Some("seconds") => Unit::Seconds,
            Some("bytes") => Unit::Bytes,
            _ => Unit::Count,
        }
    }

    fn describe(&self) {
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, self.unit(), self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, self.unit(), self.help),
            Kind::Histogram(_) => metrics::describe_histogram!(self.name, self.unit(), self.help),
        }
    }

    /// Lets all series begin that are known beforehand.
    fn begin(&self) {
        for pairs in self.known_series() {
            match self.kind {
                Kind::Counter => metrics::counter!(self.name, pairs).increment(0),
                Kind::Histogram(_) => drop(metrics::histogram!(self.name, pairs)),
                // Zero may not be what it is.
                Kind::Gauge => {}
            }
        }
    }

    /// The labels of each series; none where a label's values are not known.
    fn known_series(&self) -> Vec<Vec<Pair>> {
        let mut series = vec![Vec::new()];
        for label in self.labels {
            let longer = series.iter().flat_map(|pairs: &Vec<Pair>| {
                label.values.iter().map(|value| {
                    let mut pairs = pairs.clone();
                    pairs.push(Pair::from_static_parts(label.name, value));
                    pairs
                })
            });
            series = longer.collect();
        }
        series
    }
}

impl Table {
    /// The table as the documentation has it, in Markdown.
    pub fn markdown(&self) -> String {
        let mut page = format!("## {}\n\n", self.title);
        page.push_str("| metric | kind | labels | what it says |\n| --- | --- | --- | --- |\n");
        for metric in self.metrics {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = metric
                .labels
                .iter()
                .map(|label| match label.values {
                    [] => format!("`{}`", label.name),
                    values => format!("`{}`: {}", label.name, values.join(", ")),
                })
                .collect();
            let labels = labels.join("; ");
            // Writing into a text does not fail.
            let _ = writeln!(
                page,
                "| `{}` | {kind} | {labels} | {} |",
                metric.name, metric.help
            );
        }
        page
    }
}

/// Renders a process's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
    process: Collector,
}

impl Exporter {
    /// Makes the process's recorder, for the metrics of these tables and [`COMMON`]. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// When the process has a recorder already, or a histogram no buckets.
    pub fn install(tables: &[Table]) -> Result<Self, BuildError> {
        let metrics = || {
            COMMON
                .metrics
                .iter()
                .chain(tables.iter().flat_map(|table| table.metrics))
        };
        let mut builder = PrometheusBuilder::new();
        for metric in metrics() {
            if let Kind::Histogram(bounds) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(name, bounds)?;
            }
        }
        let handle = builder.install_recorder()?;
        for metric in metrics() {
            metric.describe();
            metric.begin();
        }
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                tick.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self::of(handle))
    }

    /// One that nothing is recorded for: several servers in one test can have it.
    pub fn detached() -> Self {
        Self::of(PrometheusBuilder::new().build_recorder().handle())
    }

    fn of(handle: PrometheusHandle) -> Self {
        Self {
            handle,
            process: Collector::default(),
        }
    }

    /// All metrics in Prometheus' text form. Blocks for some milliseconds at most.
    pub fn render(&self) -> String {
        self.process.collect();
        self.handle.run_upkeep();
        self.handle.render()
    }
}

/// Says which program this is and where it serves, once it is known.
pub fn note_build(process: &'static str, name: &str, site: &str, version: &'static str) {
    metrics::gauge!(
        "riquet_build_info",
        "process" => process,
        "name" => name.to_owned(),
        "site" => site.to_owned(),
        "version" => version
    )
    .set(1.0);
}

/// Says which layout the process goes by.
pub fn note_epoch(epoch: crate::id::Epoch) {
    metrics::gauge!("riquet_layout_epoch").set(epoch.0 as f64);
}

/// Says whether the process can serve.
pub fn note_ready(is_ready: bool) {
    metrics::gauge!("riquet_ready").set(f64::from(u8::from(is_ready)));
}

/// What every process has.
pub const COMMON: Table = Table {
    title: "Every process",
    metrics: &[
        Metric::gauge(
            "riquet_build_info",
            "Which program this is, and where it serves; always 1.",
        )
        .by(&[
            Label::open("process"),
            Label::open("name"),
            Label::open("site"),
            Label::open("version"),
        ]),
        Metric::gauge(
            "riquet_ready",
            "Whether the process can serve; `/ready` says why not.",
        ),
        Metric::gauge(
            "riquet_layout_epoch",
            "Epoch of the layout that the process goes by.",
        ),
        Metric::counter(
            "riquet_trace_spans_lost_total",
            "Spans of traces that no collector took.",
        ),
        Metric::counter(
            "process_cpu_seconds_total",
            "Processor time that the process took, in user and system mode.",
        ),
        Metric::gauge(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM.",
        ),
        Metric::gauge(
            "process_virtual_memory_bytes",
            "Address space of the process.",
        ),
        Metric::gauge(
            "process_virtual_memory_max_bytes",
            "Address space that the process may have.",
        ),
        Metric::gauge("process_open_fds", "Open file descriptors."),
        Metric::gauge(
            "process_max_fds",
            "File descriptors that the process may have open.",
        ),
        Metric::gauge(
            "process_start_time_seconds",
            "When the process started, since 1970.",
        ),
        Metric::gauge("process_threads", "Threads of the process."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_that_are_known_begin_at_once() {
        const FROM: Label = Label::of("from", &["site", "elsewhere"]);
        const KIND: Label = Label::of("kind", &["a", "b"]);
        const DISK: Label = Label::open("disk");
        let plain = Metric::counter("plain_total", "");
        assert_eq!(plain.known_series(), [Vec::new()]);
        let known = Metric::counter("known_total", "").by(&[FROM, KIND]);
        assert_eq!(known.known_series().len(), 4);
        let open = Metric::counter("open_total", "").by(&[FROM, DISK]);
        assert_eq!(open.known_series().len(), 0);
    }

    #[test]
    fn units_follow_from_names() {
        let unit = |name| Metric::counter(name, "").unit();
        assert_eq!(unit("riquet_a_bytes_total"), Unit::Bytes);
        assert_eq!(unit("riquet_a_seconds"), Unit::Seconds);
        assert_eq!(unit("riquet_a_total"), Unit::Count);
    }

    #[tokio::test]
    async fn what_is_installed_is_rendered_with_its_text() {
        const TABLE: Table = Table {
            title: "Test",
            metrics: &[
                Metric::counter("riquet_test_events_total", "Events."),
                Metric::histogram("riquet_test_seconds", &[0.1, 1.0], "Seconds."),
            ],
        };
        let exporter = Exporter::install(&[TABLE]).expect("the only one of this process");
        metrics::histogram!("riquet_test_seconds").record(0.5);
        let page = exporter.render();
        for line in [
            "# HELP riquet_test_events_total Events.",
            "riquet_test_events_total 0",
            "# TYPE riquet_test_seconds histogram",
            "riquet_test_seconds_bucket{le=\"0.1\"} 0",
            "riquet_test_seconds_bucket{le=\"1\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
        assert!(page.contains("process_open_fds "));
    }

    /// Where the reader looks for what a metric means.
    #[test]
    fn the_common_metrics_are_documented() {
        let page = include_str!("../../../docs/METRICS.md");
        let wanted = COMMON.markdown();
        assert!(
            page.contains(&format!("{wanted}\n")),
            "docs/METRICS.md lacks:\n{wanted}"
        );
    }
}

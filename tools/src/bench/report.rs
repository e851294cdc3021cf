//! The figures of a load, for people and for scripts.

use std::time::Duration;

use serde::Serialize;

use super::cpu::{self, Usage};
use super::options::Load;
use super::stats::{Record, Summary};
use crate::output;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    load: Load,
    size_bytes: u64,
    concurrency: u16,
    elapsed_s: f64,
    operations: Vec<Summary>,
    processes: Vec<CpuFigures>,
    roles: Vec<CpuFigures>,
    first_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct CpuFigures {
    #[serde(flatten)]
    usage: Usage,
    /// CPU seconds for each GiB of objects moved; none when no object was.
    cpu_s_per_gib: Option<f64>,
    /// CPU milliseconds for each request.
    cpu_ms_per_op: Option<f64>,
}

impl Report {
    pub(crate) fn new(
        load: Load,
        size_bytes: u64,
        concurrency: u16,
        record: &Record,
        elapsed: Duration,
        used: &[Usage],
    ) -> Self {
        let gib = record.bytes() as f64 / f64::from(1 << 30);
        let (done, _) = record.totals();
        let figures = |usage: &Usage| CpuFigures {
            usage: usage.clone(),
            cpu_s_per_gib: (gib > 0.0).then(|| usage.cpu_s / gib),
            cpu_ms_per_op: (done > 0).then(|| usage.cpu_s * 1000.0 / done as f64),
        };
        Self {
            load,
            size_bytes,
            concurrency,
            elapsed_s: elapsed.as_secs_f64(),
            operations: record.summaries(elapsed),
            processes: used.iter().map(figures).collect(),
            roles: cpu::by_role(used).iter().map(figures).collect(),
            first_error: record.first_error().map(str::to_owned),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        output::json(self)
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = format!(
            "{} of {} with concurrency {}: {:.1} s\n",
            self.load,
            size_text(self.size_bytes),
            self.concurrency,
            self.elapsed_s
        );
        text += &self.operations_table();
        text += "\n\n";
        text += &self.cpu_table();
        if let Some(error) = &self.first_error {
            text += &format!("\n\nfirst error: {error}");
        }
        text
    }

    fn operations_table(&self) -> String {
        let titles = [
            "", "ops", "errors", "MiB/s", "ops/s", "p50 ms", "p90 ms", "p99 ms", "max ms",
        ];
        let rows: Vec<Vec<String>> = self
            .operations
            .iter()
            .map(|s| {
                vec![
                    s.operation.name().into(),
                    s.operations.to_string(),
                    s.errors.to_string(),
                    format!("{:.1}", s.mib_per_s),
                    format!("{:.1}", s.ops_per_s),
                    format!("{:.2}", s.p50_ms),
                    format!("{:.2}", s.p90_ms),
                    format!("{:.2}", s.p99_ms),
                    format!("{:.2}", s.max_ms),
                ]
            })
            .collect();
        output::table(&titles, &rows, 1)
    }

    fn cpu_table(&self) -> String {
        let titles = ["process", "role", "CPU s", "CPU s/GiB", "CPU ms/op"];
        let optional = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.3}"));
        let rows: Vec<Vec<String>> = self
            .processes
            .iter()
            .chain(&self.roles)
            .map(|f| {
                vec![
                    f.usage.name.clone(),
                    f.usage.role.clone(),
                    format!("{:.2}", f.usage.cpu_s),
                    optional(f.cpu_s_per_gib),
                    optional(f.cpu_ms_per_op),
                ]
            })
            .collect();
        output::table(&titles, &rows, 2)
    }
}

/// A size in the largest unit that writes it whole.
fn size_text(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::super::stats::Kind;
    use super::*;

    #[test]
    fn cpu_is_related_to_what_was_moved() {
        let mut record = Record::default();
        for _ in 0..4 {
            record.success(Kind::Put, Duration::from_millis(10), 1 << 29);
        }
        let used = [Usage {
            name: "gateway-toulouse".into(),
            role: "gateway".into(),
            cpu_s: 3.0,
        }];
        let elapsed = Duration::from_secs(2);
        let report = Report::new(Load::Put, 1 << 29, 4, &record, elapsed, &used);
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["load"], "put");
        assert_eq!(json["operations"][0]["operation"], "PUT");
        assert_eq!(json["operations"][0]["mib_per_s"], 1024.0);
        assert_eq!(json["processes"][0]["name"], "gateway-toulouse");
        assert_eq!(json["processes"][0]["cpu_s_per_gib"], 1.5);
        assert_eq!(json["processes"][0]["cpu_ms_per_op"], 750.0);
        let text = report.to_text();
        assert!(text.contains("512 MiB") && text.contains("1.500"), "{text}");
    }

    #[test]
    fn sizes_are_written_whole() {
        assert_eq!(size_text(0), "0 B");
        assert_eq!(size_text(4096), "4 KiB");
        assert_eq!(size_text(1 << 30), "1 GiB");
        assert_eq!(size_text(1_000_000), "1000000 B");
    }
}

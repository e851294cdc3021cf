//! Logs and metrics of the process.
//!
//! Metrics: `riquet_gateway_requests_total{operation,status}`,
//! `riquet_gateway_request_seconds{operation}`, `riquet_gateway_received_bytes_total`,
//! `riquet_gateway_sent_bytes_total`, `riquet_gateway_requests_running`; of the lifecycle's work
//! `riquet_gateway_lifecycle_rounds_total`, `riquet_gateway_lifecycle_actions_total{action}`,
//! `riquet_gateway_lifecycle_moved_bytes_total`.

use std::time::Duration;

use http::StatusCode;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

const REQUESTS: &str = "riquet_gateway_requests_total";
const SECONDS: &str = "riquet_gateway_request_seconds";
const RECEIVED: &str = "riquet_gateway_received_bytes_total";
const SENT: &str = "riquet_gateway_sent_bytes_total";
const RUNNING: &str = "riquet_gateway_requests_running";

/// From a small read in memory to a 5 GiB upload over a slow line.
const SECONDS_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// How often the exporter drains its histograms: bounds what they hold between two scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Sends logs to standard error, filtered by `RIQUET_LOG` (else: `info`).
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("RIQUET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A process that has a subscriber already, such as a test, keeps it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

/// Makes the process's metrics recorder. Must be called within a tokio runtime.
pub(crate) fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(SECONDS.to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Counts a request as running.
pub(crate) fn request_began() {
    gauge!(RUNNING).increment(1.0);
}

/// What is known of a request once its last byte is sent or given up.
pub(crate) struct Ended {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) duration: Duration,
}

/// Counts an ended request.
pub(crate) fn request_ended(ended: &Ended) {
    let status = ended.status.as_str().to_owned();
    counter!(REQUESTS, "operation" => ended.operation, "status" => status).increment(1);
    histogram!(SECONDS, "operation" => ended.operation).record(ended.duration);
    counter!(RECEIVED).increment(ended.received_bytes);
    counter!(SENT).increment(ended.sent_bytes);
    gauge!(RUNNING).decrement(1.0);
}

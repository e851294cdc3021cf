//! What processes tell those who watch them: logs, metrics and traces, the same way in all of them.
//!
//! * [`logs`]: lines for people or machines, on standard error.
//! * [`metrics`]: the tables of all metrics there are, and the exporter that renders them.
//! * [`buckets`]: the bounds of histograms.
//! * [`request`]: the id that a client's request is known by in every process it comes to.
//! * [`traces`]: what requests spend their time on, for a collector of OpenTelemetry's, if there is one.

pub mod buckets;
pub mod logs;
pub mod metrics;
pub mod request;
pub mod traces;

use traces::{Service, Traces};

/// Has the process's lines written as [`logs`] says, and its requests traced if the environment names a
/// collector. A process that could not read its settings is no service, and traces nothing.
pub fn start(default_filter: &str, service: Option<&Service<'_>>) -> Traces {
    let (traces, refused) = match service.map(Traces::from_environment) {
        None => (Traces::none(), None),
        Some(Ok(traces)) => (traces, None),
        Some(Err(error)) => (Traces::none(), Some(error)),
    };
    logs::init(default_filter, traces.layer());
    if let Some(error) = refused {
        // What only watches is no reason not to serve.
        tracing::error!(%error, "nothing is traced: the environment's settings for it are refused");
    }
    traces
}

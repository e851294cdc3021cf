//! What processes tell those who watch them: logs and metrics, the same way in all of them.
//!
//! * [`logs`]: lines for people or machines, on standard error.
//! * [`metrics`]: the tables of all metrics there are, and the exporter that renders them.
//! * [`buckets`]: the bounds of histograms.
//! * [`request`]: the id that a client's request is known by in every process it comes to.

pub mod buckets;
pub mod logs;
pub mod metrics;
pub mod request;

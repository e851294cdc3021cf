//! What the gateway counts of its clients' requests. All its metrics are in [`table`]; what traces tell is
//! in [`traces`].

mod table;
mod tenants;
pub(crate) mod traces;

use std::time::Duration;

use http::StatusCode;
use metrics::{counter, gauge, histogram};

pub use table::METRICS;
use tenants::{Tenants, label_of};

/// Counts a request as running.
pub(crate) fn request_began() {
    gauge!("riquet_gateway_requests_running").increment(1.0);
}

/// Takes down how long a client waited for the first byte of its answer. Where an object is sent, its
/// first bytes are there by then.
pub(crate) fn first_byte(operation: &'static str, status: StatusCode, waited: Duration) {
    histogram!(
        "riquet_gateway_first_byte_seconds",
        "operation" => operation, "class" => class(status)
    )
    .record(waited);
}

/// What is known of a request once its last byte is sent or given up.
pub(crate) struct Ended<'a> {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) duration: Duration,
    /// The answer broke off.
    pub(crate) is_cut: bool,
    /// Whose bucket it was about, else who asked; empty: nobody's, of nobody known.
    pub(crate) tenant: &'a str,
}

/// Counts an ended request.
pub(crate) fn request_ended(ended: &Ended<'_>) {
    let (operation, class) = (ended.operation, class(ended.status));
    let status = ended.status.as_str().to_owned();
    counter!("riquet_gateway_requests_total", "operation" => operation, "status" => status)
        .increment(1);
    histogram!("riquet_gateway_request_seconds", "operation" => operation, "class" => class)
        .record(ended.duration);
    counter!("riquet_gateway_received_bytes_total").increment(ended.received_bytes);
    counter!("riquet_gateway_sent_bytes_total").increment(ended.sent_bytes);
    if ended.is_cut {
        counter!("riquet_gateway_cut_answers_total").increment(1);
    }
    static TENANTS: Tenants = Tenants::new();
    let tenant = || ("tenant", label_of(&TENANTS, ended.tenant));
    counter!("riquet_gateway_tenant_requests_total", &[tenant()]).increment(1);
    counter!("riquet_gateway_tenant_received_bytes_total", &[tenant()])
        .increment(ended.received_bytes);
    counter!("riquet_gateway_tenant_sent_bytes_total", &[tenant()]).increment(ended.sent_bytes);
    gauge!("riquet_gateway_requests_running").decrement(1.0);
}

/// The first digit of a status, as people write it.
const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

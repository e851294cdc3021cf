//! All metrics that a gateway counts.

use riquet_cluster::telemetry::buckets::{REQUEST_SECONDS, WORK_SECONDS};
use riquet_cluster::telemetry::metrics::{Label, Metric, Table};

const OPERATION: Label = Label::open("operation");
const CLASS: Label = Label::open("class");
const TENANT: Label = Label::open("tenant");
const TARGET: Label = Label::open("target");
const KIND: Label = Label::of("kind", &["upload", "download"]);

/// The metrics of a gateway.
pub const METRICS: Table = Table {
    title: "Gateways",
    metrics: &[
        Metric::gauge(
            "riquet_gateway_connections",
            "Connections of clients that are open.",
        ),
        Metric::gauge(
            "riquet_gateway_requests_running",
            "Requests that came and whose answers are not sent to the end.",
        ),
        Metric::counter("riquet_gateway_requests_total", "Ended requests.")
            .by(&[OPERATION, Label::open("status")]),
        Metric::histogram(
            "riquet_gateway_request_seconds",
            REQUEST_SECONDS,
            "From a request's head to the last byte of its answer.",
        )
        .by(&[OPERATION, CLASS]),
        Metric::histogram(
            "riquet_gateway_first_byte_seconds",
            REQUEST_SECONDS,
            "From a request's head to the first byte of its answer; uploads have come by then.",
        )
        .by(&[OPERATION, CLASS]),
        Metric::counter(
            "riquet_gateway_received_bytes_total",
            "Bytes of bodies that clients sent.",
        ),
        Metric::counter(
            "riquet_gateway_sent_bytes_total",
            "Bytes of bodies that clients were sent.",
        ),
        Metric::counter(
            "riquet_gateway_cut_answers_total",
            "Answers that broke off since an object could not be read on.",
        ),
        Metric::counter(
            "riquet_gateway_tenant_requests_total",
            "Requests by the tenant that the bucket belongs to, else by who asked; the first 500 are named.",
        )
        .by(&[TENANT]),
        Metric::counter(
            "riquet_gateway_tenant_received_bytes_total",
            "Bytes that came in, in the same way.",
        )
        .by(&[TENANT]),
        Metric::counter(
            "riquet_gateway_tenant_sent_bytes_total",
            "Bytes that went out, in the same way.",
        )
        .by(&[TENANT]),
        // Admission.
        Metric::gauge(
            "riquet_gateway_turns",
            "Bodies that may move at once.",
        )
        .by(&[KIND]),
        Metric::gauge("riquet_gateway_turns_taken", "Bodies that move now.").by(&[KIND]),
        Metric::gauge(
            "riquet_gateway_turns_waiting",
            "Requests that wait until their body may move.",
        )
        .by(&[KIND]),
        Metric::counter(
            "riquet_gateway_turns_refused_total",
            "Requests that waited too long and were told to slow down.",
        )
        .by(&[KIND]),
        // The data path.
        Metric::histogram(
            "riquet_gateway_encode_seconds",
            WORK_SECONDS,
            "Time to compute the parity of one chunk of an upload.",
        ),
        Metric::histogram(
            "riquet_gateway_hash_seconds",
            WORK_SECONDS,
            "Time to hash the cells of one chunk of an upload.",
        ),
        Metric::histogram(
            "riquet_gateway_rebuild_seconds",
            WORK_SECONDS,
            "Time to rebuild what was missing of one chunk of a read, where anything was.",
        ),
        Metric::counter(
            "riquet_gateway_shards_owed_total",
            "Shards that a disk did not get with an upload and is owed.",
        ),
        Metric::counter(
            "riquet_gateway_corrupt_cells_total",
            "Cells whose bytes were not what was written; others took their place.",
        ),
        Metric::counter(
            "riquet_gateway_late_cells_total",
            "Cells that did not come in time; others took their place.",
        ),
        Metric::counter(
            "riquet_gateway_failed_cells_total",
            "Cells that a node refused or could not send; others took their place.",
        ),
        Metric::counter(
            "riquet_gateway_rebuilt_cells_total",
            "Cells of data that reads made from others.",
        ),
        Metric::gauge(
            "riquet_gateway_nodes_down",
            "Storage nodes that do not answer this gateway.",
        ),
        Metric::gauge(
            "riquet_gateway_nodes",
            "Storage nodes of the layout, by whether they answer this gateway.",
        )
        .by(&[
            Label::open("site"),
            Label::of("state", &["up", "down"]),
        ]),
        // Work in the background, and telling others.
        Metric::counter(
            "riquet_gateway_lifecycle_rounds_total",
            "Rounds through a bucket with lifecycle rules.",
        ),
        Metric::counter(
            "riquet_gateway_lifecycle_actions_total",
            "What lifecycle rules had done.",
        )
        .by(&[Label::open("action")]),
        Metric::counter(
            "riquet_gateway_lifecycle_moved_bytes_total",
            "Bytes of objects that moved to another class.",
        ),
        Metric::gauge(
            "riquet_gateway_events",
            "Events in the queues of a target: that wait, and that were dropped for want of room.",
        )
        .by(&[TARGET, Label::of("state", &["waiting", "lost"])]),
        Metric::counter(
            "riquet_gateway_events_told_total",
            "Events that a target took.",
        )
        .by(&[TARGET]),
        Metric::counter(
            "riquet_gateway_event_failures_total",
            "Tries at which a target took nothing.",
        )
        .by(&[TARGET]),
        Metric::counter(
            "riquet_gateway_access_log_lines_lost_total",
            "Lines of access logs that were not delivered.",
        )
        .by(&[Label::of(
            "why",
            &["crowded", "too much waits", "not written"],
        )]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_are_documented() {
        let page = include_str!("../../../docs/METRICS.md");
        let wanted = METRICS.markdown();
        assert!(
            page.contains(&format!("{wanted}\n")),
            "docs/METRICS.md lacks:\n{wanted}"
        );
    }
}

//! All metrics that are counted by voters on the metadata, and by who asks them.

use riquet_cluster::telemetry::buckets::{CALL_SECONDS, DISK_SECONDS, SHARERS};
use riquet_cluster::telemetry::metrics::{Label, Metric, Table};

const GROUP: Label = Label::open("group");

/// The metrics of a voter: a storage node or arbiter with the role `meta`.
pub const METRICS: Table = Table {
    title: "Voters on the metadata",
    metrics: &[
        Metric::counter(
            "riquet_metadata_proposals_total",
            "Commands that clients sent here.",
        ),
        Metric::counter(
            "riquet_metadata_queries_total",
            "Queries that clients sent here.",
        ),
        Metric::counter(
            "riquet_metadata_relayed_total",
            "Of these, such as were passed on to the leader for who can't reach it.",
        ),
        Metric::counter(
            "riquet_metadata_skewed_proposals_total",
            "Commands that were refused since their sender's clock and this one differ too much.",
        ),
        Metric::histogram(
            "riquet_metadata_propose_seconds",
            CALL_SECONDS,
            "At the leader, from a command to its outcome: logged by a majority, applied, held at each site.",
        ),
        Metric::histogram(
            "riquet_metadata_read_barrier_seconds",
            CALL_SECONDS,
            "At the leader, what a query waits for the proof that it leads.",
        ),
        Metric::histogram(
            "riquet_metadata_read_barrier_reads",
            SHARERS,
            "Queries that shared one such proof.",
        ),
        Metric::histogram(
            "riquet_metadata_append_seconds",
            CALL_SECONDS,
            "At the leader, from sending entries to another voter to its answer that they are synced.",
        )
        .by(&[Label::open("voter")]),
        Metric::histogram(
            "riquet_metadata_log_sync_seconds",
            DISK_SECONDS,
            "Time of one sync of the log of all groups.",
        ),
        Metric::histogram(
            "riquet_metadata_log_sync_waiters",
            SHARERS,
            "Writers that shared one such sync.",
        ),
        Metric::gauge(
            "riquet_metadata_group_leads",
            "Whether this voter leads the group, as far as it knows.",
        )
        .by(&[GROUP]),
        Metric::gauge(
            "riquet_metadata_group_has_leader",
            "Whether this voter knows of a leader of the group.",
        )
        .by(&[GROUP]),
        Metric::gauge(
            "riquet_metadata_group_term",
            "Term of the group: grows with each election.",
        )
        .by(&[GROUP]),
        Metric::gauge(
            "riquet_metadata_group_applied_entries",
            "Entries of the group's log that are applied here.",
        )
        .by(&[GROUP]),
        Metric::counter(
            "riquet_metadata_rebuilt_groups_total",
            "Cores of groups that ended by themselves and were built anew.",
        ),
    ],
};

const KIND: Label = Label::of("kind", &["propose", "query"]);

/// The metrics of whoever asks voters: gateways and storage nodes.
pub const CLIENT: Table = Table {
    title: "Clients of the metadata",
    metrics: &[
        Metric::histogram(
            "riquet_metadata_client_seconds",
            CALL_SECONDS,
            "From a question or command to its answer, with all retries.",
        )
        .by(&[KIND]),
        Metric::counter(
            "riquet_metadata_client_unanswered_total",
            "Questions and commands that were given up.",
        )
        .by(&[KIND]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_are_documented() {
        let page = include_str!("../../docs/METRICS.md");
        for table in [METRICS, CLIENT] {
            let wanted = table.markdown();
            assert!(
                page.contains(&format!("{wanted}\n")),
                "docs/METRICS.md lacks:\n{wanted}"
            );
        }
    }
}

//! All metrics that a storage node counts, beside those of [`riquet_metadata::telemetry`].

use riquet_cluster::telemetry::buckets::{CALL_SECONDS, DISK_SECONDS, SHARERS};
use riquet_cluster::telemetry::metrics::{Label, Metric, Table};

const DISK: Label = Label::open("disk");
const JOB: Label = Label::of("job", &["sweep", "losses", "scrub"]);

/// The states that a disk can be in.
pub(crate) const DISK_STATES: [&str; 4] = ["online", "full", "failed", "refused"];

/// The metrics of a storage node.
pub const METRICS: Table = Table {
    title: "Storage nodes",
    metrics: &[
        Metric::gauge(
            "riquet_node_connections",
            "Connections that are open.",
        ),
        Metric::counter(
            "riquet_node_requests_total",
            "Answered requests, but those of the metadata.",
        )
        .by(&[Label::open("endpoint"), Label::open("status")]),
        Metric::histogram(
            "riquet_node_request_seconds",
            CALL_SECONDS,
            "From a request's head to its answer's; with a body that comes in, without one that goes out.",
        )
        .by(&[Label::open("endpoint")]),
        Metric::counter(
            "riquet_node_received_bytes_total",
            "Bytes of shards that came in.",
        ),
        Metric::counter("riquet_node_sent_bytes_total", "Bytes of shards that went out."),
        Metric::counter(
            "riquet_node_site_received_bytes_total",
            "All bytes that came on connections from processes at another site.",
        )
        .by(&[Label::open("site")]),
        Metric::counter(
            "riquet_node_site_sent_bytes_total",
            "All bytes that went to processes at another site, on connections that they made.",
        )
        .by(&[Label::open("site")]),
        Metric::gauge(
            "riquet_node_strain",
            "How many times slower background work goes for the sake of users.",
        ),
        // Disks.
        Metric::gauge(
            "riquet_disk_state",
            "1 for the state that the disk is in; refused: it could not be opened.",
        )
        .by(&[DISK, Label::of("state", &DISK_STATES)]),
        Metric::gauge("riquet_disk_online", "Whether the disk takes reads and writes.").by(&[DISK]),
        Metric::gauge("riquet_disk_shards", "Shards on the disk.").by(&[DISK]),
        Metric::gauge("riquet_disk_live_bytes", "Bytes of the records of these shards.").by(&[DISK]),
        Metric::gauge("riquet_disk_segments", "Segment files on the disk.").by(&[DISK]),
        Metric::gauge("riquet_disk_free_bytes", "Room that is left on the filesystem.").by(&[DISK]),
        Metric::gauge("riquet_disk_total_bytes", "Size of the filesystem.").by(&[DISK]),
        Metric::histogram(
            "riquet_disk_operation_seconds",
            DISK_SECONDS,
            "Time in the system's calls on segments: append writes, sync is fdatasync.",
        )
        .by(&[DISK, Label::of("operation", &["append", "sync", "read"])]),
        Metric::counter("riquet_disk_written_bytes_total", "Bytes written into segments.").by(&[DISK]),
        Metric::counter("riquet_disk_read_bytes_total", "Bytes read from segments.").by(&[DISK]),
        Metric::histogram(
            "riquet_store_commit_batch",
            SHARERS,
            "Writes and deletes that became durable together.",
        ),
        Metric::counter(
            "riquet_store_syncs_total",
            "Syncs of segments for writes and deletes.",
        ),
        // Repair.
        Metric::gauge(
            "riquet_node_owed_shards",
            "Shards that the node's own disks were owed at its last look.",
        ),
        Metric::gauge(
            "riquet_node_owed_of_one_chunk_shards",
            "The most of them, and of what other disks are owed, that belong to one chunk.",
        ),
        Metric::gauge(
            "riquet_node_owed_since_timestamp_seconds",
            "Since when the oldest of them is owed, since 1970; 0: none is.",
        ),
        Metric::gauge(
            "riquet_cluster_owed_shards",
            "Shards that a disk is owed, lost disks too; told by who leads the control group, 0 by others.",
        )
        .by(&[DISK]),
        Metric::counter("riquet_node_repaired_shards_total", "Shards made anew."),
        Metric::counter("riquet_node_repaired_bytes_total", "Bytes of these shards."),
        Metric::counter(
            "riquet_node_repair_read_bytes_total",
            "Bytes read to make shards of.",
        )
        .by(&[Label::of("from", &["site", "elsewhere"])]),
        Metric::counter(
            "riquet_node_repairs_failed_total",
            "Shards that could not be made when they were tried.",
        ),
        // Migration.
        Metric::counter(
            "riquet_node_moved_shards_total",
            "Shards of slots that came to a disk, copied to it.",
        ),
        Metric::counter("riquet_node_moved_bytes_total", "Bytes of these shards."),
        Metric::counter(
            "riquet_node_relayed_reads_total",
            "Reads of shards that had not come yet, passed on to the disk that they come from.",
        ),
        // Scrub and garbage.
        Metric::counter(
            "riquet_node_scrubbed_bytes_total",
            "Bytes that the scrub has read and checked.",
        ),
        Metric::counter("riquet_node_damaged_shards_total", "Shards found damaged.")
            .by(&[Label::of("found_by", &["scrub", "reader"])]),
        Metric::gauge(
            "riquet_disk_scrub_began_timestamp_seconds",
            "When the present or last scrub of the disk began, since 1970.",
        )
        .by(&[DISK]),
        Metric::gauge("riquet_disk_job_running", "Whether a run of the job is under way.")
            .by(&[DISK, JOB]),
        Metric::gauge(
            "riquet_disk_job_done_timestamp_seconds",
            "When a run of the job last came to its end, since 1970; 0: none did since the start.",
        )
        .by(&[DISK, JOB]),
        Metric::counter(
            "riquet_node_collected_blobs_total",
            "Blobs of the garbage queues whose shards were removed.",
        ),
        Metric::counter(
            "riquet_node_removed_shards_total",
            "Shards of garbage removed from the node's disks.",
        ),
        Metric::counter(
            "riquet_node_orphans_removed_total",
            "Shards removed whose upload came to no commit.",
        ),
        Metric::counter(
            "riquet_node_compacted_bytes_total",
            "Bytes that compaction moved.",
        ),
        Metric::counter(
            "riquet_node_freed_bytes_total",
            "Bytes of segments that compaction removed.",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_are_documented() {
        let page = include_str!("../../docs/METRICS.md");
        let wanted = METRICS.markdown();
        assert!(
            page.contains(&format!("{wanted}\n")),
            "docs/METRICS.md lacks:\n{wanted}"
        );
    }
}

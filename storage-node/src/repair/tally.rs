//! What a node has repaired since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use riquet_cluster::wire::upkeep::RepairReport;

/// Counts, for metrics and for operators.
#[derive(Debug, Default)]
pub struct Tally {
    shards: AtomicU64,
    bytes: AtomicU64,
    from_site_bytes: AtomicU64,
    from_elsewhere_bytes: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    /// Shards were made, of so many bytes together.
    pub(super) fn made(&self, shards: u64, bytes: u64) {
        self.shards.fetch_add(shards, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        metrics::counter!("riquet_node_repaired_shards_total").increment(shards);
        metrics::counter!("riquet_node_repaired_bytes_total").increment(bytes);
    }

    /// Bytes were read to make shards of.
    pub(super) fn read(&self, bytes: u64, is_near: bool) {
        let (count, from) = match is_near {
            true => (&self.from_site_bytes, "site"),
            false => (&self.from_elsewhere_bytes, "elsewhere"),
        };
        count.fetch_add(bytes, Ordering::Relaxed);
        metrics::counter!("riquet_node_repair_read_bytes_total", "from" => from).increment(bytes);
    }

    /// A shard could not be made now.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("riquet_node_repairs_failed_total").increment(1);
    }

    /// The counts.
    pub fn report(&self) -> RepairReport {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RepairReport {
            shards: of(&self.shards),
            bytes: of(&self.bytes),
            from_site_bytes: of(&self.from_site_bytes),
            from_elsewhere_bytes: of(&self.from_elsewhere_bytes),
            failed: of(&self.failed),
        }
    }
}

//! Has the shards of garbage removed: the work of whoever leads a metadata group.
//!
//! Two collectors of one group do no harm: removing again changes nothing, and only the first to drop
//! an entry says where shards are left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::{BlobId, DiskId, RequestId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::transport::Transport;
use riquet_metadata::command::{Collected, GarbageKey};
use riquet_metadata::record::Garbage;
use riquet_metadata::{Client, Error, GroupId};

use riquet_cluster::clock::now_ms;

/// How long a collector waits before it looks again.
const LOOK: Duration = Duration::from_secs(5);

/// Entries of one page: their shards on a disk are removed with one request.
const PAGE: u32 = 500;

/// Disks that remove at once.
const DISKS_AT_ONCE: usize = 16;

/// How long a disk may take to remove a page's shards before it is passed over.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes disks forget blobs.
pub trait BlobRemover: Send + Sync {
    /// Has a disk forget every shard of these blobs, durably. Whether it did.
    fn remove_blobs(
        &self,
        layout: &Layout,
        disk: DiskId,
        blobs: &[BlobId],
    ) -> impl Future<Output = bool> + Send;
}

/// Asks the disks' nodes.
pub struct NodeRemover {
    transport: Transport,
}

impl BlobRemover for NodeRemover {
    async fn remove_blobs(&self, layout: &Layout, disk: DiskId, blobs: &[BlobId]) -> bool {
        let Some((found, _)) = layout.find_disk(disk) else {
            return false;
        };
        let nodes = NodeClient::new(self.transport.clone(), layout.cluster);
        let request = RequestId::from_u128(rand::random());
        let target = Target::on_disk(layout, found, request);
        match tokio::time::timeout(REMOVAL_TIMEOUT, nodes.remove_blobs(&target, blobs)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%disk, %error, "garbage left to the disk's node");
                false
            }
            Err(_) => false,
        }
    }
}

/// Collects the garbage of groups.
pub struct Collector<R> {
    client: Client,
    remover: R,
    /// How long garbage is left to those who began to read it.
    grace: Duration,
    /// Disks that gave no answer in the present look: not waited for again in it.
    silent: Mutex<BTreeSet<DiskId>>,
}

impl Collector<NodeRemover> {
    /// A collector that asks the disks' nodes.
    pub fn new(client: Client, transport: Transport, grace: Duration) -> Self {
        Self::with_remover(client, NodeRemover { transport }, grace)
    }
}

impl<R: BlobRemover> Collector<R> {
    /// A collector that removes shards in another way.
    pub fn with_remover(client: Client, remover: R, grace: Duration) -> Self {
        Self {
            client,
            remover,
            grace,
            silent: Mutex::default(),
        }
    }

    /// Collects the garbage of the groups that `leads` names, until it is dropped.
    pub async fn run(
        self,
        layout: impl Fn() -> Option<Arc<Layout>>,
        leads: impl Fn(GroupId) -> bool,
    ) {
        loop {
            tokio::time::sleep(LOOK).await;
            let (Some(layout), Ok(cluster)) = (layout(), self.client.cluster().await) else {
                continue;
            };
            self.silent().clear();
            for group in GroupId::keys(cluster.key_groups).filter(|group| leads(*group)) {
                if let Err(error) = self.collect(&layout, group, now_ms()).await {
                    tracing::debug!(%group, %error, "garbage can't be looked at");
                }
            }
        }
    }

    /// Collects the garbage of a group that is old enough at this time, ms since 1970.
    ///
    /// # Errors
    /// When no voter answers. What was collected before that is.
    pub async fn collect(&self, layout: &Layout, group: GroupId, now_ms: u64) -> Result<(), Error> {
        let before_ms = now_ms.saturating_sub(self.grace.as_millis() as u64);
        let mut after = None;
        loop {
            let (entries, more) = self
                .client
                .list_garbage(group, before_ms, after, PAGE)
                .await?;
            after = entries.last().map(GarbageKey::from);
            let collected = self.remove(layout, &entries).await;
            if !collected.is_empty() {
                metrics::counter!("riquet_node_collected_blobs_total")
                    .increment(collected.len() as u64);
                die_at("node::garbage::removed");
                self.client.drop_garbage(group, collected).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Has the shards of these entries removed wherever they can be. Entries that this layout can't
    /// place are left out.
    async fn remove(&self, layout: &Layout, entries: &[Garbage]) -> Vec<Collected> {
        let placed: Vec<(&Garbage, BTreeSet<DiskId>)> = entries
            .iter()
            .filter_map(|entry| Some((entry, entry.blob.disks(layout)?)))
            .collect();
        let mut of_disk: BTreeMap<DiskId, Vec<BlobId>> = BTreeMap::new();
        for (entry, disks) in &placed {
            for disk in disks {
                of_disk.entry(*disk).or_default().push(entry.blob.id);
            }
        }
        let left_at: BTreeSet<DiskId> = stream::iter(of_disk)
            .map(async |(disk, blobs)| (disk, self.remove_from(layout, disk, &blobs).await))
            .buffer_unordered(DISKS_AT_ONCE)
            .filter_map(async |(disk, is_done)| (!is_done).then_some(disk))
            .collect()
            .await;
        placed
            .into_iter()
            .map(|(entry, disks)| Collected {
                entry: GarbageKey::from(entry),
                left_at: disks.intersection(&left_at).copied().collect(),
            })
            .collect()
    }

    async fn remove_from(&self, layout: &Layout, disk: DiskId, blobs: &[BlobId]) -> bool {
        if self.silent().contains(&disk) {
            return false;
        }
        let is_done = self.remover.remove_blobs(layout, disk, blobs).await;
        if !is_done {
            self.silent().insert(disk);
        }
        is_done
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<DiskId>> {
        self.silent.lock().expect("no holder panics")
    }
}

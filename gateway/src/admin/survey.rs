//! Asks all nodes of a layout how they are, at once; those that do not answer are left out.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use riquet_cluster::admin::LinkView;
use riquet_cluster::id::{DiskId, RequestId};
use riquet_cluster::layout::{Disk, Layout, Node};
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::wire::health::{DiskHealth, NodeHealth, ONLINE};
use riquet_cluster::wire::shard::SlotLoad;
use riquet_cluster::wire::upkeep::{DiskUpkeep, UpkeepReport};
use tokio::time::timeout;

/// How long a node may take to say how it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// How long it may take to add up what a disk holds.
const LOADS_WAIT: Duration = Duration::from_secs(60);

/// What the nodes said.
#[derive(Debug, Default)]
pub(super) struct Survey {
    nodes: BTreeMap<String, NodeHealth>,
    disks: BTreeMap<DiskId, DiskHealth>,
    upkeep: BTreeMap<DiskId, DiskUpkeep>,
}

impl Survey {
    /// Asks them.
    pub(super) async fn of(nodes: &NodeClient, layout: &Layout) -> Self {
        let asked = layout.present_nodes().map(async |node: &Node| {
            let health = timeout(ANSWER_WAIT, nodes.health(&node.address));
            let upkeep = timeout(ANSWER_WAIT, nodes.upkeep(&node.address));
            let (health, upkeep) = tokio::join!(health, upkeep);
            let health: Option<NodeHealth> = health.ok().and_then(Result::ok);
            let upkeep: Option<UpkeepReport> = upkeep.ok().and_then(Result::ok);
            (node, health, upkeep)
        });
        let mut survey = Self::default();
        for (node, health, upkeep) in join_all(asked).await {
            // Another process may serve at the address of one that is gone.
            let Some(health) = health.filter(|health| health.name == node.name) else {
                continue;
            };
            let disks = health.disks.iter().cloned();
            survey.disks.extend(disks.map(|disk| (disk.id, disk)));
            survey.nodes.insert(node.name.clone(), health);
            let disks = upkeep.into_iter().flat_map(|report| report.disks);
            survey
                .upkeep
                .extend(disks.map(|of_disk| (of_disk.disk, of_disk)));
        }
        survey
    }

    /// What a node said.
    pub(super) fn node(&self, name: &str) -> Option<&NodeHealth> {
        self.nodes.get(name)
    }

    /// What its node said of a disk.
    pub(super) fn disk(&self, id: DiskId) -> Option<&DiskHealth> {
        self.disks.get(&id)
    }

    /// Whether a disk takes writes: its node answers, and it neither failed nor is full.
    pub(super) fn takes_writes(&self, id: DiskId) -> bool {
        self.disk(id).is_some_and(|disk| disk.state == ONLINE)
    }

    /// What crosses between sites, by sender and receiver.
    pub(super) fn links(&self) -> Vec<LinkView> {
        let mut links: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for node in self.nodes.values() {
            for peer in &node.traffic {
                let (here, there) = (node.site.as_str(), peer.site.as_str());
                *links.entry((there, here)).or_default() += peer.received_bytes_per_second;
                *links.entry((here, there)).or_default() += peer.sent_bytes_per_second;
            }
        }
        let link = |((from, to), bytes_per_second): ((&str, &str), u64)| LinkView {
            from: from.to_owned(),
            to: to.to_owned(),
            bytes_per_second,
        };
        links.into_iter().map(link).collect()
    }

    /// Background work on the disks of nodes that answered.
    pub(super) fn upkeep(&self) -> impl Iterator<Item = &DiskUpkeep> {
        self.upkeep.values()
    }
}

/// Bytes of the shards on a disk; 0 if it does not answer.
pub(super) async fn held_bytes(nodes: &NodeClient, layout: &Layout, disk: DiskId) -> u64 {
    let Some((disk, _)) = layout.find_disk(disk) else {
        return 0;
    };
    let loads = loads_of(nodes, layout, disk).await.unwrap_or_default();
    loads.iter().map(|load| load.bytes).sum()
}

/// What the disks of a layout hold, slot by slot; disks that don't answer are left out.
pub(super) async fn loads(nodes: &NodeClient, layout: &Layout) -> BTreeMap<DiskId, Vec<SlotLoad>> {
    let asked = layout
        .present_disks()
        .map(async |(_, disk)| Some((disk.id, loads_of(nodes, layout, disk).await?)));
    join_all(asked).await.into_iter().flatten().collect()
}

/// What a disk holds, slot by slot; none: it does not answer.
async fn loads_of(nodes: &NodeClient, layout: &Layout, disk: &Disk) -> Option<Vec<SlotLoad>> {
    let target = Target::on_disk(layout, disk, RequestId::from_u128(rand::random()));
    let loads = timeout(LOADS_WAIT, nodes.slot_loads(&target)).await;
    Some(loads.ok()?.ok()?.loads)
}

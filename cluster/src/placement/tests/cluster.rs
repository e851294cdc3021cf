//! Random clusters and changes, and a second opinion on how their tables should look.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::id::DiskId;
use crate::layout::{Disk, DiskState, Node, NodeState, PgTable};
use crate::profile::{Profile, ProfileId, SiteId};

/// A cluster with one profile.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) profile: Profile,
    pub(super) nodes: Vec<Node>,
    pub(super) disks: Vec<Disk>,
    pub(super) groups: u32,
}

/// What an operator does to a cluster.
#[derive(Clone, Debug)]
pub(super) enum Change {
    AddDisk { node: Index, weight: u32 },
    AddNode { site: Index, weights: Vec<u32> },
    DrainDisk(Index),
    DrainNode(Index),
    RemoveNode(Index),
    Reweigh { disk: Index, weight: u32 },
}

/// Slots and limits of one node, for the second opinion.
pub(super) struct NodeView {
    pub(super) disks: Vec<usize>,
    pub(super) limit: usize,
}

impl Cluster {
    pub(super) fn new(data: u8, per_site: u8, groups: u32, sites: &[Vec<Vec<u32>>]) -> Self {
        let mut cluster = Self {
            profile: Profile {
                id: ProfileId(1),
                name: format!("{data}/{per_site}"),
                data,
                per_site,
                sites: (0..sites.len() as u8).map(SiteId).collect(),
                cell_size: 64,
                chunk_size: u64::from(data) * 64,
            },
            nodes: Vec::new(),
            disks: Vec::new(),
            groups,
        };
        for (site, nodes) in sites.iter().enumerate() {
            for weights in nodes {
                cluster.add_node(SiteId(site as u8), weights);
            }
        }
        cluster
    }

    fn add_node(&mut self, site: SiteId, weights: &[u32]) {
        let node = self.nodes.len() as u16;
        self.nodes.push(Node {
            name: format!("n{node}"),
            site,
            address: format!("n{node}:1"),
            state: NodeState::Serving,
        });
        for weight in weights {
            self.add_disk(node, *weight);
        }
    }

    fn add_disk(&mut self, node: u16, weight: u32) {
        self.disks.push(Disk {
            id: DiskId::from_u128(self.disks.len() as u128 + 1),
            node,
            weight,
            state: DiskState::Active,
        });
    }

    /// The cluster after a change.
    pub(super) fn changed(&self, change: &Change) -> Self {
        let mut next = self.clone();
        match change {
            Change::AddDisk { node, weight } => {
                next.add_disk(node.index(self.nodes.len()) as u16, *weight);
            }
            Change::AddNode { site, weights } => {
                next.add_node(*site.get(&self.profile.sites), weights);
            }
            Change::DrainDisk(disk) => {
                next.disks[disk.index(self.disks.len())].state = DiskState::Draining;
            }
            Change::DrainNode(node) => next.retire(node, DiskState::Draining),
            Change::RemoveNode(node) => next.retire(node, DiskState::Removed),
            Change::Reweigh { disk, weight } => {
                next.disks[disk.index(self.disks.len())].weight = *weight;
            }
        }
        next
    }

    fn retire(&mut self, node: &Index, state: DiskState) {
        let node = node.index(self.nodes.len()) as u16;
        for disk in self.disks.iter_mut().filter(|d| d.node == node) {
            disk.state = state;
        }
    }

    fn takes_slots(&self, disk: usize) -> bool {
        self.disks[disk].state == DiskState::Active && self.disks[disk].weight > 0
    }

    /// Whether each site has disks for a row.
    pub(super) fn is_feasible(&self) -> bool {
        self.profile.sites.iter().all(|site| {
            let usable = (0..self.disks.len()).filter(|d| {
                self.takes_slots(*d) && self.nodes[usize::from(self.disks[*d].node)].site == *site
            });
            usable.count() >= usize::from(self.profile.per_site)
        })
    }

    /// The nodes of a site that have disks for slots, with the even limit of slots per group.
    pub(super) fn nodes_at(&self, site: SiteId) -> Vec<NodeView> {
        let mut nodes: Vec<NodeView> = (0..self.nodes.len())
            .filter(|n| self.nodes[*n].site == site)
            .map(|node| NodeView {
                disks: (0..self.disks.len())
                    .filter(|d| usize::from(self.disks[*d].node) == node && self.takes_slots(*d))
                    .collect(),
                limit: 0,
            })
            .filter(|node| !node.disks.is_empty())
            .collect();
        let mut left = usize::from(self.profile.per_site);
        // Round by round each node takes one slot more while it has a disk for it.
        let mut limit = 0;
        while left > 0 {
            limit += 1;
            let able = nodes.iter().filter(|n| n.disks.len() >= limit).count();
            left = left.saturating_sub(able);
        }
        for node in &mut nodes {
            node.limit = limit.min(node.disks.len());
        }
        nodes
    }

    /// How full the fullest node is, or the fullest disk: its share of slots, relative to the most
    /// that it may hold. Near 1 it is in nearly every group.
    pub(super) fn crowding(&self) -> f64 {
        let shares = self.shares();
        let most = f64::from(self.groups);
        let sites = self.profile.sites.iter();
        let nodes = sites.flat_map(|site| self.nodes_at(*site)).map(|node| {
            let share: f64 = node.disks.iter().map(|d| shares[*d]).sum();
            share / (most * node.limit as f64)
        });
        let disks = shares.iter().map(|share| share / most);
        nodes.chain(disks).fold(0.0, f64::max)
    }

    /// Each disk's share of slots, found by bisection.
    pub(super) fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.disks.len()];
        let most = f64::from(self.groups);
        for site in &self.profile.sites {
            let nodes = self.nodes_at(*site);
            let poured = |disks: &[usize], level: f64| -> f64 {
                let weights = disks.iter().map(|d| f64::from(self.disks[*d].weight));
                weights.map(|w| most.min(level * w)).sum()
            };
            let of_node =
                |node: &NodeView, level| poured(&node.disks, level).min(most * node.limit as f64);
            let level = bisect(most * f64::from(self.profile.per_site), |level| {
                nodes.iter().map(|n| of_node(n, level)).sum()
            });
            for node in &nodes {
                let level = bisect(of_node(node, level), |level| poured(&node.disks, level));
                for disk in &node.disks {
                    shares[*disk] = most.min(level * f64::from(self.disks[*disk].weight));
                }
            }
        }
        shares
    }

    /// A disk that does not hold its share rounded down or up, if there is one; then the largest
    /// deviation of a disk that may hold slots, in slots, and as a part of the share.
    pub(super) fn deviation(&self, table: &PgTable) -> (Option<usize>, f64, f64) {
        let held = super::super::slot_counts(table, &self.disks);
        let (mut slots, mut part) = (0.0f64, 0.0f64);
        let mut off = None;
        for (disk, share) in self.shares().iter().enumerate() {
            let (low, high) = rounded(*share);
            if !(low..=high).contains(&held[disk]) {
                off = Some(disk);
            }
            let deviation = (held[disk] as f64 - share).abs();
            slots = slots.max(deviation);
            // Where a slot is less than 2 % of the share.
            if *share >= 50.0 {
                part = part.max(deviation / share);
            }
        }
        (off, slots, part)
    }

    /// Slots of a table that move at least, whatever is in their way: at each site what disks hold
    /// beyond their share rounded up, or at all if they may hold none; or what they lack of their
    /// share rounded down, if that is more.
    pub(super) fn naive_minimum(&self, table: &PgTable) -> usize {
        let held = super::super::slot_counts(table, &self.disks);
        let shares = self.shares();
        let of_site = |site: &SiteId| -> usize {
            let disks = (0..held.len())
                .filter(|disk| self.nodes[usize::from(self.disks[*disk].node)].site == *site);
            let (mut beyond, mut lacking) = (0, 0);
            for disk in disks {
                let (low, high) = rounded(shares[disk]);
                beyond += held[disk].saturating_sub(high);
                lacking += low.saturating_sub(held[disk]);
            }
            beyond.max(lacking)
        };
        self.profile.sites.iter().map(of_site).sum()
    }

    /// What is wrong with a table, if anything is.
    pub(super) fn fault(&self, table: &PgTable) -> Option<String> {
        let total = self.profile.total();
        if table.profile != self.profile.id || table.slots.len() != self.groups as usize * total {
            return Some("the table has another shape".into());
        }
        for (position, site) in self.profile.sites.iter().enumerate() {
            let nodes = self.nodes_at(*site);
            for row in table.slots.chunks_exact(total) {
                let row = &row[self.profile.shards_at(position)];
                let found: usize = nodes
                    .iter()
                    .flat_map(|n| &n.disks)
                    .filter(|d| row.contains(&(**d as u16)))
                    .count();
                if found != row.len() {
                    return Some(format!("{row:?} has a disk twice, or one it may not have"));
                }
                for node in &nodes {
                    let disks = row
                        .iter()
                        .filter(|d| node.disks.contains(&usize::from(**d)));
                    if disks.count() > node.limit {
                        return Some(format!("{row:?} has a node too often"));
                    }
                }
            }
        }
        let (off, worst, _) = self.deviation(table);
        off.map(|disk| format!("disk {disk} is off its share, the worst by {worst}"))
    }
}

/// A share rounded down and up, the same for what is whole but for how floats are computed. Shares
/// are fractions of denominators below a million.
pub(super) fn rounded(share: f64) -> (usize, usize) {
    (
        (share + 1e-6).floor() as usize,
        (share - 1e-6).ceil() as usize,
    )
}

/// The level at which an increasing amount reaches what is `wanted`.
fn bisect(wanted: f64, amount: impl Fn(f64) -> f64) -> f64 {
    // Weights are at least 1 and groups at most thousands: no level is above this.
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if amount(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0u32), 20 => 1u32..=30]
}

fn node() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        prop::collection::vec(weight(), 1..=12),
        (weight(), 1usize..=12).prop_map(|(weight, disks)| vec![weight; disks]),
    ]
}

fn site() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop_oneof![
        prop::collection::vec(node(), 1..=12),
        prop::collection::vec(node(), 1..=40),
    ]
}

/// Clusters of one or two sites; a few have too few disks.
pub(super) fn clusters() -> impl Strategy<Value = Cluster> {
    let codes = prop::sample::select(vec![(2, 3), (4, 6), (8, 10)]);
    (codes, 64u32..=512, prop::collection::vec(site(), 1..=2))
        .prop_map(|((data, per_site), groups, sites)| Cluster::new(data, per_site, groups, &sites))
}

/// What may happen to any cluster.
pub(super) fn changes() -> impl Strategy<Value = Change> {
    let any = any::<Index>;
    prop_oneof![
        (any(), weight()).prop_map(|(node, weight)| Change::AddDisk { node, weight }),
        (any(), node()).prop_map(|(site, weights)| Change::AddNode { site, weights }),
        any().prop_map(Change::DrainDisk),
        any().prop_map(Change::DrainNode),
        any().prop_map(Change::RemoveNode),
        (any(), weight()).prop_map(|(disk, weight)| Change::Reweigh { disk, weight }),
    ]
}

/// Clusters of one or two sites that are small enough for the exact solver. Many have hardly more
/// nodes than a group has slots, or fewer, or nodes much larger than others, which then have slots of
/// nearly every group.
pub(super) fn small_clusters() -> impl Strategy<Value = Cluster> {
    let codes = prop::sample::select(vec![(2u8, 3u8), (4, 6), (8, 10)]);
    let site = |per_site: u8| {
        let few = usize::from(per_site).saturating_sub(2)..=usize::from(per_site) + 2;
        prop_oneof![
            prop::collection::vec(small_node(), few),
            prop::collection::vec(small_node(), 2..=16),
            prop::collection::vec(prop::collection::vec(8u32..=12, 2..=3), 4..=24),
        ]
    };
    (codes, 8u32..=96)
        .prop_flat_map(move |(code, groups)| {
            let sites = prop::collection::vec(site(code.1), 1..=2);
            (Just(code), Just(groups), sites)
        })
        .prop_map(|((data, per_site), groups, sites)| Cluster::new(data, per_site, groups, &sites))
}

/// A node of few disks, or of one; all alike, or not.
fn small_node() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        weight().prop_map(|weight| vec![weight]),
        prop::collection::vec(weight(), 1..=5),
        (1u32..=30, 1usize..=5).prop_map(|(weight, disks)| vec![weight; disks]),
    ]
}

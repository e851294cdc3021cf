//! Which disk holds which shard.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::index;
use riquet_cluster::id::DiskId;
use riquet_cluster::layout::{Disk, DiskState, Node, NodeState};
use riquet_cluster::placement::compute_table;
use riquet_cluster::profile::{Profile, ProfileId, SiteId};

use super::super::scheme::Scheme;
use super::super::settings::Settings;

/// Scores (groups times disks) that are computed for the real placement: about a second. Beyond, disks
/// are drawn at random by the same rules, which is what equal weights amount to.
const REAL_SCORES: u64 = 8_000_000;

/// A shard: `group * shards of a group + slot`; the slots of side 0 come first.
pub(super) type Shard = u32;

/// The shards of each disk. Disks are numbered site by site, node by node.
pub(super) struct Placement {
    /// Of disk `d`: `shards[starts[d]..starts[d + 1]]`.
    starts: Vec<u32>,
    shards: Vec<Shard>,
}

impl Placement {
    /// Places the groups of `scheme`.
    pub(super) fn new(settings: &Settings, scheme: &Scheme) -> Self {
        let disks = settings.disks_per_site();
        let mut of_disk: Vec<Vec<Shard>> = vec![Vec::new(); (2 * disks) as usize];
        for side in 0..scheme.sites() as usize {
            let wanted = scheme.shards(side);
            let is_small = u64::from(disks) * u64::from(settings.placement_groups) <= REAL_SCORES;
            let chosen = if is_small {
                as_the_product(settings, side, wanted)
            } else {
                at_random(settings, side, wanted)
            };
            for (group, row) in (0..).zip(chosen.chunks_exact(wanted as usize)) {
                let site = site_of(scheme, group, side) as u32;
                for (slot, disk) in (0..).zip(row) {
                    let slot = side as u32 * scheme.shards(0) + slot;
                    of_disk[(site * disks + disk) as usize].push(group * scheme.total() + slot);
                }
            }
        }
        let mut starts = vec![0];
        let mut shards = Vec::new();
        for disk in of_disk {
            shards.extend(disk);
            starts.push(shards.len() as u32);
        }
        Self { starts, shards }
    }

    /// The shards on these disks, which follow each other.
    pub(super) fn shards_on(&self, first: u32, disks: u32) -> &[Shard] {
        let [from, to] = [first, first + disks].map(|disk| self.starts[disk as usize] as usize);
        &self.shards[from..to]
    }
}

/// The site at which a group has its side 0 or 1: sides that differ take turns.
pub(super) fn site_of(scheme: &Scheme, group: u32, side: usize) -> usize {
    let is_turned = !scheme.is_symmetric() && scheme.sites() == 2 && group % 2 == 1;
    if is_turned { 1 - side } else { side }
}

/// `wanted` disks of one site for each group, by the product's own placement.
fn as_the_product(settings: &Settings, side: usize, wanted: u32) -> Vec<u32> {
    let site = SiteId(side as u8);
    let nodes: Vec<Node> = (0..settings.nodes_per_site)
        .map(|n| Node {
            name: n.to_string(),
            site,
            address: String::new(),
            state: NodeState::Serving,
        })
        .collect();
    let disks: Vec<Disk> = (0..settings.disks_per_site())
        .map(|d| Disk {
            // Other ids at the other site, or both would place alike.
            id: DiskId::from_u128(u128::from(d) + ((side as u128 + 1) << 64)),
            node: (d / settings.disks_per_node) as u16,
            weight: 1,
            state: DiskState::Active,
        })
        .collect();
    // Only what says where shards go matters; one site at a time gives any scheme a table.
    let profile = Profile {
        id: ProfileId(0),
        name: String::new(),
        data: 1,
        per_site: wanted as u8,
        sites: vec![site],
        cell_size: 64,
        chunk_size: 64,
    };
    let table = compute_table(&profile, &nodes, &disks, settings.placement_groups)
        .expect("the settings have enough disks for each scheme");
    table.slots.into_iter().map(u32::from).collect()
}

/// `wanted` disks of one site for each group at random, as evenly over nodes as can be.
fn at_random(settings: &Settings, side: usize, wanted: u32) -> Vec<u32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(settings.seed ^ ((side as u64 + 1) << 62));
    let (nodes, per_node) = (settings.nodes_per_site, settings.disks_per_node);
    let (each, more) = (wanted / nodes, wanted % nodes);
    let mut chosen = Vec::with_capacity((settings.placement_groups * wanted) as usize);
    for _ in 0..settings.placement_groups {
        let order = index::sample(&mut random, nodes as usize, nodes as usize);
        for (place, node) in (0..).zip(order) {
            let count = each + u32::from(place < more);
            let disks = index::sample(&mut random, per_node as usize, count as usize);
            chosen.extend(
                disks
                    .into_iter()
                    .map(|disk| node as u32 * per_node + disk as u32),
            );
        }
    }
    chosen
}

//! Layouts to try things on.

use super::{ChangeNote, Disk, DiskState, Layout, Migration, Node, NodeState, Site};
use crate::id::{ClusterId, DiskId, Epoch};
use crate::placement::compute_table;
use crate::profile::{Profile, ProfileId, SiteId};

/// Two sites of so many nodes with one disk each, and a profile over both. Disk `i` has the id `i + 1`.
pub(crate) fn layout(nodes_per_site: u16, data: u8, per_site: u8, groups: u32) -> Layout {
    let sites = ["toulouse", "montpellier"];
    let sites = (0..).zip(sites).map(|(id, name)| Site {
        id: SiteId(id),
        name: name.into(),
    });
    let node = |number: u16| Node {
        name: format!("n{number}"),
        site: SiteId((number / nodes_per_site) as u8),
        address: format!("host-{number}:1"),
        state: NodeState::Serving,
    };
    let nodes: Vec<Node> = (0..2 * nodes_per_site).map(node).collect();
    let disk = |number: u16| Disk {
        id: DiskId::from_u128(u128::from(number) + 1),
        node: number,
        weight: 10,
        state: DiskState::Active,
    };
    let disks: Vec<Disk> = (0..2 * nodes_per_site).map(disk).collect();
    let profile = Profile {
        id: ProfileId(0),
        name: format!("{data}/{per_site}"),
        data,
        per_site,
        sites: vec![SiteId(0), SiteId(1)],
        cell_size: 64,
        chunk_size: u64::from(data) * 64,
    };
    let table = compute_table(&profile, &nodes, &disks, groups).unwrap();
    let layout = Layout {
        cluster: ClusterId::from_u128(1),
        epoch: Epoch(1),
        sites: sites.collect(),
        nodes,
        disks,
        standard: profile.id,
        profiles: vec![profile],
        tables: vec![table],
        one_zone: Vec::new(),
        migration: Migration::default(),
        change: None::<ChangeNote>,
    };
    layout.validate().unwrap();
    layout
}

//! The fewest moves there can be, by a general min-cost flow that knows nothing of how plans are
//! made. It writes every edge down, so it is for small clusters only.

use mcmf::{Capacity, Cost, GraphBuilder, Vertex};

use super::cluster::{Cluster, rounded};
use crate::layout::PgTable;

/// What flows from a group to a disk passes these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Group(usize),
    Node(usize, usize),
    Disk(usize),
    /// Where slots are counted that disks hold beyond their share rounded down.
    RoundedUp,
}

/// The fewest slots of `old` that move in any table in which each disk of the cluster holds its
/// share rounded down or up, and each group spreads over nodes as it should.
pub(super) fn fewest_moves(cluster: &Cluster, old: &PgTable) -> usize {
    (0..cluster.profile.sites.len())
        .map(|position| fewest_at(cluster, old, position))
        .sum()
}

/// The fewest at one site.
///
/// Group -> node at its limit, node -> disk at 1; from a disk the share rounded down goes straight to
/// the sink, and one more may go there by a vertex that lets through what is left of all slots. What
/// the sink takes adds up to all slots, so the largest flow meets all shares.
fn fewest_at(cluster: &Cluster, old: &PgTable, position: usize) -> usize {
    let nodes = cluster.nodes_at(cluster.profile.sites[position]);
    let shares = cluster.shares();
    let slots = cluster.groups as usize * usize::from(cluster.profile.per_site);
    let mut graph = GraphBuilder::<At>::new();
    let mut edge = |from: Vertex<At>, to: Vertex<At>, room: usize, cost| {
        graph.add_edge(from, to, Capacity(room as i32), Cost(cost));
    };
    let mut rounded_up = slots;
    for disk in nodes.iter().flat_map(|node| &node.disks) {
        let (low, high) = rounded(shares[*disk]);
        edge(Vertex::Node(At::Disk(*disk)), Vertex::Sink, low, 0);
        let above = Vertex::Node(At::RoundedUp);
        edge(Vertex::Node(At::Disk(*disk)), above, high - low, 0);
        rounded_up -= low;
    }
    let above = Vertex::Node(At::RoundedUp);
    edge(above, Vertex::Sink, rounded_up, 0);
    let rows = old.slots.chunks_exact(cluster.profile.total());
    for (group, row) in rows.enumerate() {
        let row = &row[cluster.profile.shards_at(position)];
        let of_group = Vertex::Node(At::Group(group));
        edge(Vertex::Source, of_group.clone(), row.len(), 0);
        for (node, view) in nodes.iter().enumerate() {
            let of_node = Vertex::Node(At::Node(group, node));
            edge(of_group.clone(), of_node.clone(), view.limit, 0);
            for disk in &view.disks {
                let cost = i32::from(!row.contains(&(*disk as u16)));
                edge(of_node.clone(), Vertex::Node(At::Disk(*disk)), 1, cost);
            }
        }
    }
    let (cost, paths) = graph.mcmf();
    let flow: usize = paths.iter().map(|path| path.amount() as usize).sum();
    assert_eq!(flow, slots, "all slots find room");
    cost as usize
}

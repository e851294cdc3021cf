//! Whether a table could have moved fewer slots, for clusters that are too large for the exact solver.
//!
//! A flow is one of least cost exactly when no cycle in what it leaves free has a negative cost
//! (Klein, 1967). Between two disks only the cheapest step counts, of whatever group; so the cycles
//! are those of a small graph, whose vertices are the disks, and one for rounding.

use super::cluster::{Cluster, rounded};
use crate::layout::PgTable;

/// Costs of steps between vertices.
struct Graph {
    vertices: usize,
    /// Row-major by where a step leaves and where it goes to.
    costs: Vec<Option<i32>>,
}

impl Graph {
    fn edge(&mut self, from: usize, to: usize, cost: i32) {
        let known = &mut self.costs[from * self.vertices + to];
        *known = Some(known.map_or(cost, |known| known.min(cost)));
    }

    /// Bellman and Ford, from everywhere at once.
    fn has_negative_cycle(&self) -> bool {
        let mut distances = vec![0; self.vertices];
        for _ in 0..=self.vertices {
            let mut changed = false;
            for (at, cost) in self.costs.iter().enumerate() {
                let (from, to) = (at / self.vertices, at % self.vertices);
                if let Some(cost) = cost
                    && distances[from] + cost < distances[to]
                {
                    distances[to] = distances[from] + cost;
                    changed = true;
                }
            }
            if !changed {
                return false;
            }
            // No path without a cycle gains more than 1 with each step.
            if distances.iter().any(|d| *d < -(self.vertices as i32)) {
                return true;
            }
        }
        true
    }
}

/// Whether some table with the same promises as `new` keeps more slots of `old` than it does.
pub(super) fn can_be_cheaper(cluster: &Cluster, old: &PgTable, new: &PgTable) -> bool {
    (0..cluster.profile.sites.len())
        .any(|position| free(cluster, old, new, position).has_negative_cycle())
}

/// The steps that the new table leaves free at one site.
fn free(cluster: &Cluster, old: &PgTable, new: &PgTable, position: usize) -> Graph {
    let nodes = cluster.nodes_at(cluster.profile.sites[position]);
    let rounding = cluster.disks.len();
    let mut graph = Graph {
        vertices: rounding + 1,
        costs: vec![None; (rounding + 1) * (rounding + 1)],
    };
    let range = cluster.profile.shards_at(position);
    let rows = |table: &'_ PgTable| -> Vec<Vec<usize>> {
        let rows = table.slots.chunks_exact(cluster.profile.total());
        let rows = rows.map(|row| row[range.clone()].iter().map(|d| usize::from(*d)).collect());
        rows.collect()
    };
    let mut held = vec![0; cluster.disks.len()];
    for (was, is) in rows(old).iter().zip(rows(new)) {
        let cost = |disk: usize| i32::from(!was.contains(&disk));
        for disk in &is {
            held[*disk] += 1;
        }
        for node in &nodes {
            let here = is.iter().filter(|disk| node.disks.contains(disk)).count();
            for to in node.disks.iter().filter(|disk| !is.contains(disk)) {
                for from in &is {
                    if here < node.limit || node.disks.contains(from) {
                        graph.edge(*from, *to, cost(*to) - cost(*from));
                    }
                }
            }
        }
    }
    let shares = cluster.shares();
    for disk in nodes.iter().flat_map(|node| &node.disks) {
        let (low, high) = rounded(shares[*disk]);
        if held[*disk] < high {
            graph.edge(*disk, rounding, 0);
        }
        if held[*disk] > low {
            graph.edge(rounding, *disk, 0);
        }
    }
    graph
}

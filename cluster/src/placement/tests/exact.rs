//! The fewest moves there can be, by a general min-cost flow that is too slow for real tables.

use super::super::site::SiteDisks;

struct Edge {
    to: usize,
    room: usize,
    cost: i64,
}

/// A flow network; edge `i ^ 1` is the way back along edge `i`.
#[derive(Default)]
struct Network {
    edges: Vec<Edge>,
    out: Vec<Vec<usize>>,
}

impl Network {
    fn vertex(&mut self) -> usize {
        self.out.push(Vec::new());
        self.out.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, room: usize, cost: i64) {
        for (from, to, room, cost) in [(from, to, room, cost), (to, from, 0, -cost)] {
            self.out[from].push(self.edges.len());
            self.edges.push(Edge { to, room, cost });
        }
    }

    /// Sends one unit by the cheapest way (Bellman and Ford); its cost, unless there is no way.
    fn send(&mut self, source: usize, sink: usize) -> Option<i64> {
        let mut best: Vec<Option<(i64, usize)>> = vec![None; self.out.len()];
        best[source] = Some((0, usize::MAX));
        let mut changed = true;
        while changed {
            changed = false;
            for from in 0..self.out.len() {
                let Some((cost, _)) = best[from] else {
                    continue;
                };
                for at in &self.out[from] {
                    let edge = &self.edges[*at];
                    let cost = cost + edge.cost;
                    if edge.room > 0 && best[edge.to].is_none_or(|(known, _)| cost < known) {
                        best[edge.to] = Some((cost, *at));
                        changed = true;
                    }
                }
            }
        }
        let (cost, _) = best[sink]?;
        let mut vertex = sink;
        while let Some((_, at)) = best[vertex].filter(|_| vertex != source) {
            self.edges[at].room -= 1;
            self.edges[at ^ 1].room += 1;
            vertex = self.edges[at ^ 1].to;
        }
        Some(cost)
    }
}

/// The fewest slots of `old` that move in any table of the site in which each disk holds its
/// target.
pub(super) fn fewest_moves(site: &SiteDisks, old: &[Option<usize>], targets: &[usize]) -> usize {
    let mut network = Network::default();
    let (source, sink) = (network.vertex(), network.vertex());
    let disks: Vec<usize> = targets.iter().map(|_| network.vertex()).collect();
    for (disk, target) in disks.iter().zip(targets) {
        network.edge(*disk, sink, *target, 0);
    }
    for row in old.chunks_exact(site.per_group) {
        let group = network.vertex();
        network.edge(source, group, site.per_group, 0);
        let nodes: Vec<usize> = site.node_limits.iter().map(|_| network.vertex()).collect();
        for (node, limit) in nodes.iter().zip(&site.node_limits) {
            network.edge(group, *node, *limit, 0);
        }
        for (disk, vertex) in disks.iter().enumerate() {
            let cost = i64::from(!row.contains(&Some(disk)));
            network.edge(nodes[site.node_of[disk]], *vertex, 1, cost);
        }
    }
    let costs: Vec<i64> = std::iter::from_fn(|| network.send(source, sink)).collect();
    assert_eq!(costs.len(), old.len(), "the targets fit");
    costs.iter().sum::<i64>() as usize
}

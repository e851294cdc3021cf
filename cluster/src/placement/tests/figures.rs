//! Measures tables and plans:
//! `cargo test --release -p riquet-cluster figures -- --ignored --nocapture`, over as many clusters
//! as `CLUSTERS` says.

use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::{Plan, compute_table, rebalance};
use super::certificate::can_be_cheaper;
use super::cluster::{Change, Cluster, changes, clusters, small_clusters};
use super::exact::fewest_moves;
use crate::layout::PgTable;

/// Changes that each cluster goes through.
const CHANGES: usize = 6;

/// Changes are counted apart by how crowded the cluster is, before or after: up to these.
const CROWDING: [f64; 5] = [0.25, 0.5, 0.75, 0.9, 1.01];

/// Changes that have to move fewer slots than this say little about ratios.
const FEW_SLOTS: usize = 20;

/// One change.
struct Measured {
    crowding: f64,
    moves: usize,
    /// By the solver, or as the plan says and the certificate confirms.
    fewest: usize,
    /// What disks hold too much or lack.
    naive: usize,
}

/// What was found of many clusters.
#[derive(Default)]
struct Figures {
    clusters: usize,
    tables: usize,
    /// Tables in which a disk does not hold its share rounded down or up.
    off: usize,
    worst_slots: f64,
    worst_part: f64,
    changes: Vec<Measured>,
    seconds: f64,
    slowest: f64,
}

impl Figures {
    fn check(&mut self, cluster: &Cluster, table: &PgTable) {
        let (off, slots, part) = cluster.deviation(table);
        self.tables += 1;
        self.off += usize::from(off.is_some());
        self.worst_slots = self.worst_slots.max(slots);
        self.worst_part = self.worst_part.max(part);
    }

    fn print(&self) {
        println!(
            "{} clusters, {} tables, {} off; the worst by {:.4} slots, and by {:.2} % of shares of 50 \
             slots or more; plans took {:.2} s, the slowest {:.4} s",
            self.clusters,
            self.tables,
            self.off,
            self.worst_slots,
            self.worst_part * 100.0,
            self.seconds,
            self.slowest
        );
        let mut least = 0.0;
        for most in CROWDING {
            let class = |m: &&Measured| m.crowding > least && m.crowding <= most;
            print_class(
                &format!("crowding up to {most}"),
                &self.changes.iter().filter(class).collect::<Vec<_>>(),
            );
            least = most;
        }
        print_class("all", &self.changes.iter().collect::<Vec<_>>());
    }
}

fn print_class(name: &str, class: &[&Measured]) {
    let sum = |of: fn(&Measured) -> usize| class.iter().map(|m| of(m)).sum::<usize>();
    let (moves, fewest) = (sum(|m| m.moves), sum(|m| m.fewest));
    let naive = sum(|m| m.naive);
    let beyond = |of: fn(&Measured) -> (usize, usize)| {
        let pairs = class.iter().map(|m| of(m));
        pairs.filter(|(is, least)| is * 10 > least * 11).count()
    };
    let worst = |of: fn(&Measured) -> (usize, usize)| {
        let pairs = class.iter().map(|m| of(m));
        let ratios = pairs
            .filter(|(_, least)| *least >= FEW_SLOTS)
            .map(|(is, least)| is as f64 / least as f64);
        ratios.fold(0.0, f64::max)
    };
    println!(
        "{name}: {} changes; {moves} moves / {fewest} fewest = {:.4}, {} beyond 1.1, worst {:.3}; \
         fewest / naive {naive} = {:.4}, {} beyond 1.1, worst {:.3}",
        class.len(),
        moves as f64 / fewest as f64,
        beyond(|m| (m.moves, m.fewest)),
        worst(|m| (m.moves, m.fewest)),
        fewest as f64 / naive as f64,
        beyond(|m| (m.fewest, m.naive)),
        worst(|m| (m.fewest, m.naive)),
    );
}

/// Takes as many clusters as `CLUSTERS` says through random changes. `fewest` says how many slots a
/// change from one table to another has to move.
fn measure(
    clusters: impl Strategy<Value = Cluster>,
    fewest: impl Fn(&Cluster, &PgTable, &Plan) -> usize,
) -> Figures {
    let count = std::env::var("CLUSTERS").map_or(1_000, |n| n.parse().unwrap());
    let mut runner = TestRunner::deterministic();
    let mut figures = Figures::default();
    while figures.clusters < count {
        let mut cluster = clusters.new_tree(&mut runner).unwrap().current();
        let profile = cluster.profile.clone();
        let table = compute_table(&profile, &cluster.nodes, &cluster.disks, cluster.groups);
        let Ok(mut table) = table else {
            continue;
        };
        figures.clusters += 1;
        figures.check(&cluster, &table);
        let some = prop::collection::vec(changes(), CHANGES).new_tree(&mut runner);
        for change in some.unwrap().current() {
            let next = cluster.changed(&change);
            let start = Instant::now();
            let Ok(plan) = rebalance(&profile, &table, &next.nodes, &next.disks) else {
                continue;
            };
            let took = start.elapsed().as_secs_f64();
            figures.seconds += took;
            figures.slowest = figures.slowest.max(took);
            figures.check(&next, &plan.table);
            figures.changes.push(Measured {
                crowding: cluster.crowding().max(next.crowding()),
                moves: plan.moves.len(),
                fewest: fewest(&next, &table, &plan),
                naive: next.naive_minimum(&table),
            });
            (cluster, table) = (next, plan.table);
        }
    }
    figures
}

/// Of clusters up to hundreds of disks, where a certificate takes the solver's place.
#[test]
#[ignore = "prints figures, takes minutes"]
fn figures() {
    measure(clusters(), |cluster, old, plan| {
        assert!(!can_be_cheaper(cluster, old, &plan.table), "{cluster:?}");
        plan.minimum
    })
    .print();
}

/// Of small clusters, beside a general solver.
#[test]
#[ignore = "prints figures, takes minutes"]
fn figures_beside_an_exact_solver() {
    measure(small_clusters(), |cluster, old, plan| {
        let fewest = fewest_moves(cluster, old);
        assert!(plan.moves.len() >= fewest, "the solver is exact");
        assert!(can_be_cheaper(cluster, old, &plan.table) == (plan.moves.len() > fewest));
        fewest
    })
    .print();
}

#[test]
#[ignore = "prints figures, takes a few seconds"]
fn figures_of_ten_thousand_disks() {
    figures_of_nodes(500, 10);
    // Hardly more nodes than slots of a group, so that much is in the way.
    figures_of_nodes(12, 400);
}

fn figures_of_nodes(nodes: u32, disks_each: u32) {
    let node = |n: u32| {
        let disks = 0..disks_each;
        disks.map(|d| 4000 + 2000 * ((n + d) % 7)).collect()
    };
    let site: Vec<Vec<u32>> = (0..nodes).map(node).collect();
    let cluster = Cluster::new(8, 10, 4096, &[site.clone(), site]);
    let start = Instant::now();
    let table = compute_table(
        &cluster.profile,
        &cluster.nodes,
        &cluster.disks,
        cluster.groups,
    )
    .unwrap();
    println!(
        "{nodes} nodes of {disks_each} disks at each site; first table: {:?}",
        start.elapsed()
    );
    assert_eq!(cluster.fault(&table), None);

    let index = any::<Index>()
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    for change in [
        Change::AddDisk {
            node: index,
            weight: 16_000,
        },
        Change::AddNode {
            site: index,
            weights: vec![16_000; disks_each as usize],
        },
        Change::DrainDisk(index),
        Change::DrainNode(index),
        Change::Reweigh {
            disk: index,
            weight: 40_000,
        },
    ] {
        let next = cluster.changed(&change);
        let start = Instant::now();
        let plan = rebalance(&next.profile, &table, &next.nodes, &next.disks).unwrap();
        let took = start.elapsed();
        println!(
            "{}: {} moves, {} at least naively, {took:?}",
            name(&change),
            plan.moves.len(),
            next.naive_minimum(&table)
        );
        assert_eq!(next.fault(&plan.table), None);
    }
}

fn name(change: &Change) -> &'static str {
    match change {
        Change::AddDisk { .. } => "a disk comes",
        Change::AddNode { .. } => "a node comes",
        Change::DrainDisk(_) => "a disk is drained",
        Change::DrainNode(_) => "a node is drained",
        Change::RemoveNode(_) => "a node goes",
        Change::Reweigh { .. } => "a disk is weighed anew",
    }
}

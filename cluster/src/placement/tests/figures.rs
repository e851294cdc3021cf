//! Measures tables and plans:
//! `cargo test --release -p riquet-cluster figures -- --ignored --nocapture`.

use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::{compute_table, rebalance};
use super::cluster::{Change, Cluster, changes, clusters};

/// Clusters that are measured, each through this many changes.
const CLUSTERS: usize = 3_000;
const CHANGES: usize = 6;

/// Changes that have to move fewer slots than this say nothing about ratios.
const FEWEST_SLOTS: usize = 20;

/// Moves of many changes.
#[derive(Default)]
struct Tally {
    changes: usize,
    moves: usize,
    minimum: usize,
    bound: usize,
    worst_ratio: f64,
    worst: String,
    most_over: f64,
    over: usize,
}

impl Tally {
    fn add(&mut self, moves: usize, minimum: usize, misplaced: usize, what: impl Fn() -> String) {
        let bound = minimum.max(misplaced);
        self.changes += 1;
        self.moves += moves;
        self.minimum += minimum;
        self.bound += bound;
        if moves * 10 > bound * 11 {
            self.over += 1;
        }
        self.most_over = self.most_over.max(moves as f64 - 1.1 * bound as f64);
        let ratio = moves as f64 / bound as f64;
        if bound >= FEWEST_SLOTS && ratio > self.worst_ratio {
            self.worst_ratio = ratio;
            self.worst = format!(
                "{moves} moves, minimum {minimum}, misplaced {misplaced}, {}",
                what()
            );
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: {} changes, {} moves / {} minimum = {:.4} ({:.4} of the sharper bound {}); \
             {} changes beyond 1.1, most beyond 1.1 x: {:.1} slots; worst ratio {:.3} ({})",
            self.changes,
            self.moves,
            self.minimum,
            self.moves as f64 / self.minimum as f64,
            self.moves as f64 / self.bound as f64,
            self.bound,
            self.over,
            self.most_over,
            self.worst_ratio,
            self.worst,
        );
    }
}

#[test]
#[ignore = "prints figures, takes a minute"]
fn figures() {
    let mut runner = TestRunner::deterministic();
    let (mut roomy, mut crowded) = (Tally::default(), Tally::default());
    let mut worst_deviation = 0.0f64;
    let mut off = 0;
    let mut measured = 0;
    while measured < CLUSTERS {
        let mut cluster = clusters().new_tree(&mut runner).unwrap().current();
        if !cluster.is_feasible() {
            continue;
        }
        measured += 1;
        let mut table = compute_table(
            &cluster.profile,
            &cluster.nodes,
            &cluster.disks,
            cluster.groups,
        )
        .unwrap();
        let (is_off, deviation) = cluster.deviation(&table);
        off += usize::from(is_off.is_some());
        worst_deviation = worst_deviation.max(deviation);
        for change in prop::collection::vec(changes(), CHANGES)
            .new_tree(&mut runner)
            .unwrap()
            .current()
        {
            let next = cluster.changed(&change);
            if !next.is_feasible() {
                continue;
            }
            let plan = rebalance(&next.profile, &table, &next.nodes, &next.disks).unwrap();
            let (is_off, deviation) = next.deviation(&plan.table);
            off += usize::from(is_off.is_some());
            worst_deviation = worst_deviation.max(deviation);
            let tally = if cluster.is_crowded() || next.is_crowded() {
                &mut crowded
            } else {
                &mut roomy
            };
            tally.add(plan.moves.len(), plan.minimum, plan.misplaced, || {
                format!("{}, {} groups, {change:?}", next.profile.name, next.groups)
            });
            (cluster, table) = (next, plan.table);
        }
    }
    println!("{CLUSTERS} clusters, worst deviation {worst_deviation:.4} slots, {off} tables off");
    roomy.print("roomy");
    crowded.print("crowded");
}

#[test]
#[ignore = "prints figures, takes a few seconds"]
fn figures_of_ten_thousand_disks() {
    let node = |n: u32| (0..10).map(|d| 4000 + 2000 * ((n + d) % 7)).collect();
    let site: Vec<Vec<u32>> = (0..500).map(node).collect();
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
        "first table of {} disks: {:?}",
        cluster.disks.len(),
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
            weights: vec![16_000; 10],
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
            "{change:?}: {} moves, minimum {}, {took:?}",
            plan.moves.len(),
            plan.minimum
        );
        assert_eq!(next.fault(&plan.table), None);
    }
}

//! Measures tables and plans:
//! `cargo test --release -p riquet-cluster figures -- --ignored --nocapture`.

use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::site::SiteDisks;
use super::super::targets::targets;
use super::super::{Plan, compute_table, rebalance};
use super::cluster::{Change, Cluster, changes, clusters, small_clusters};
use super::exact::fewest_moves;

/// Clusters that are measured, each through this many changes.
const CLUSTERS: usize = 3_000;
const CHANGES: usize = 6;

/// Changes are counted apart by how crowded the cluster is, before or after: up to these.
const CROWDING: [f64; 5] = [0.25, 0.5, 0.75, 0.9, 1.01];

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
    /// The most by which moves were beyond 1.1 times the bound, in slots and of 1,000 slots.
    most_over: f64,
    most_over_of_1000: f64,
    over: usize,
}

impl Tally {
    fn add(&mut self, plan: &Plan, what: impl Fn() -> String) {
        let (moves, minimum, misplaced) = (plan.moves.len(), plan.minimum, plan.misplaced);
        let bound = minimum.max(misplaced);
        self.changes += 1;
        self.moves += moves;
        self.minimum += minimum;
        self.bound += bound;
        if moves * 10 > bound * 11 {
            self.over += 1;
        }
        let over = moves as f64 - 1.1 * bound as f64;
        self.most_over = self.most_over.max(over);
        self.most_over_of_1000 = self
            .most_over_of_1000
            .max(over * 1000.0 / plan.table.slots.len() as f64);
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
             {} changes beyond 1.1, the most by {:.1} slots and by {:.2} of 1,000 slots; worst ratio {:.3} ({})",
            self.changes,
            self.moves,
            self.minimum,
            self.moves as f64 / self.minimum as f64,
            self.moves as f64 / self.bound as f64,
            self.bound,
            self.over,
            self.most_over,
            self.most_over_of_1000,
            self.worst_ratio,
            self.worst,
        );
    }
}

#[test]
#[ignore = "prints figures, takes a minute"]
fn figures() {
    let mut runner = TestRunner::deterministic();
    let mut tallies: Vec<Tally> = CROWDING.iter().map(|_| Tally::default()).collect();
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
            let crowding = cluster.crowding().max(next.crowding());
            let class = CROWDING.iter().position(|most| crowding <= *most);
            let tally = &mut tallies[class.expect("nothing is fuller than full")];
            tally.add(&plan, || {
                format!("{}, {} groups, {change:?}", next.profile.name, next.groups)
            });
            (cluster, table) = (next, plan.table);
        }
    }
    println!("{CLUSTERS} clusters, worst deviation {worst_deviation:.4} slots, {off} tables off");
    for (most, tally) in CROWDING.iter().zip(&tallies) {
        tally.print(&format!("crowding up to {most}"));
    }
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

/// Moves of our plans beside the fewest possible, for the same targets.
#[test]
#[ignore = "prints figures, takes some seconds"]
fn figures_beside_an_exact_solver() {
    let mut runner = TestRunner::deterministic();
    let (mut plans, mut optimal, mut moves, mut fewest, mut worst) = (0, 0, 0, 0, 0);
    while plans < 1_000 {
        let cluster = small_clusters().new_tree(&mut runner).unwrap().current();
        let change = changes().new_tree(&mut runner).unwrap().current();
        let next = cluster.changed(&change);
        if !cluster.is_feasible() || !next.is_feasible() {
            continue;
        }
        let profile = &next.profile;
        let table = compute_table(profile, &cluster.nodes, &cluster.disks, cluster.groups).unwrap();
        let plan = rebalance(profile, &table, &next.nodes, &next.disks).unwrap();

        let site = SiteDisks::new(profile, 0, &next.nodes, &next.disks).unwrap();
        let locals = site.locals(next.disks.len());
        let old: Vec<_> = table
            .slots
            .iter()
            .map(|d| locals[usize::from(*d)])
            .collect();
        let mut held = vec![0; site.disks.len()];
        old.iter().flatten().for_each(|d| held[*d] += 1);
        let exact = fewest_moves(&site, &old, &targets(&site, next.groups, &held));

        assert!(plan.moves.len() >= exact, "the solver is exact");
        plans += 1;
        optimal += usize::from(plan.moves.len() == exact);
        moves += plan.moves.len();
        fewest += exact;
        worst = worst.max(plan.moves.len() - exact);
    }
    println!(
        "{plans} plans, {optimal} optimal; {moves} moves, {fewest} at least; worst by {worst}"
    );
}

//! What holds of every table and every plan.

use proptest::prelude::*;

use super::super::{Fill, Plan, compute_table, rebalance, slot_counts};
use super::certificate::can_be_cheaper;
use super::cluster::{Change, Cluster, changes, clusters, small_clusters};
use super::exact::fewest_moves;
use crate::Error;
use crate::layout::{DiskState, Pg, PgTable};
use crate::profile::ProfileId;

fn compute(cluster: &Cluster) -> Result<PgTable, Error> {
    compute_table(
        &cluster.profile,
        &cluster.nodes,
        &cluster.disks,
        cluster.groups,
    )
}

fn plan(cluster: &Cluster, old: &PgTable) -> Result<Plan, Error> {
    rebalance(&cluster.profile, old, &cluster.nodes, &cluster.disks)
}

/// What is wrong with a plan, if anything is.
fn fault(cluster: &Cluster, old: &PgTable, plan: &Plan) -> Option<String> {
    let total = cluster.profile.total();
    let mut moved = old.clone();
    for step in &plan.moves {
        let row = step.pg.0 as usize * total;
        let slot = row + usize::from(step.slot);
        if moved.slots[slot] != step.from || step.from == step.to {
            return Some(format!("{step:?} is not from the old table"));
        }
        if old.slots[row..][..total].contains(&step.to) {
            return Some(format!(
                "{step:?} goes to a disk that has a slot there already"
            ));
        }
        moved.slots[slot] = step.to;
    }
    if moved != plan.table {
        return Some("the moves do not make the new table".into());
    }
    if plan.moves.len() != plan.minimum {
        let (moves, minimum) = (plan.moves.len(), plan.minimum);
        return Some(format!("{moves} moves, and not {minimum}"));
    }
    cluster.fault(&plan.table)
}

/// Clusters for which plans are compared with what is exact and slow. The figures (see
/// [`super::figures`]) take thousands.
const MEASURED_CASES: u32 = 300;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn tables_are_even_and_stay_so(
        cluster in clusters(),
        changes in prop::collection::vec(changes(), 0..8),
    ) {
        if !cluster.is_feasible() {
            prop_assert!(matches!(compute(&cluster), Err(Error::InvalidLayout(_))));
            return Ok(());
        }
        let mut cluster = cluster;
        let mut table = compute(&cluster).unwrap();
        prop_assert_eq!(cluster.fault(&table), None);
        for change in changes {
            let next = cluster.changed(&change);
            if !next.is_feasible() {
                prop_assert!(matches!(plan(&next, &table), Err(Error::InvalidLayout(_))));
                continue;
            }
            let plan = plan(&next, &table).unwrap();
            prop_assert_eq!(fault(&next, &table, &plan), None, "after {:?}", change);
            prop_assert!(plan.moves.len() >= next.naive_minimum(&table), "after {:?}", change);
            (cluster, table) = (next, plan.table);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(MEASURED_CASES))]

    /// What is promised is a tenth more; what is done is not one more.
    #[test]
    fn no_plan_moves_more_than_it_must(
        cluster in small_clusters(),
        changes in prop::collection::vec(changes(), 1..5),
    ) {
        for (next, old, plan) in walk(cluster, changes) {
            prop_assert_eq!(plan.moves.len(), fewest_moves(&next, &old));
            // What was rounded stays as it was rounded.
            prop_assert!(self::plan(&next, &plan.table).unwrap().moves.is_empty());
        }
    }

    #[test]
    fn no_plan_could_be_cheaper(
        cluster in clusters(),
        changes in prop::collection::vec(changes(), 1..5),
    ) {
        for (next, old, plan) in walk(cluster, changes) {
            prop_assert!(!can_be_cheaper(&next, &old, &plan.table));
        }
    }
}

/// The plans for one change after the other, each with the cluster that it is for and the table
/// before it; for those changes only after which there can be a plan.
fn walk(mut cluster: Cluster, changes: Vec<Change>) -> Vec<(Cluster, PgTable, Plan)> {
    let mut steps = Vec::new();
    let Ok(mut table) = compute(&cluster) else {
        return steps;
    };
    for change in changes {
        let next = cluster.changed(&change);
        if let Ok(plan) = plan(&next, &table) {
            let old = std::mem::replace(&mut table, plan.table.clone());
            steps.push((next.clone(), old, plan));
            cluster = next;
        }
    }
    steps
}

/// Three nodes of two disks at each of two sites, the second disk twice as large.
fn small() -> Cluster {
    let site = vec![vec![10, 20]; 3];
    Cluster::new(2, 3, 64, &[site.clone(), site])
}

#[test]
fn a_table_is_the_same_on_every_machine() {
    let table = compute(&small()).unwrap();
    let bytes: Vec<u8> = table.slots.iter().flat_map(|d| d.to_be_bytes()).collect();
    assert_eq!(blake3::hash(&bytes).to_hex()[..16], *"3bf25e4286fed4aa");
}

#[test]
fn nothing_moves_when_nothing_changed() {
    let cluster = small();
    let table = compute(&cluster).unwrap();
    let plan = plan(&cluster, &table).unwrap();
    assert_eq!(plan.table, table);
    assert!(plan.moves.is_empty());
    assert_eq!(plan.minimum, 0);
}

#[test]
fn a_drained_disk_gives_its_slots_to_its_node() {
    // The other nodes have a slot of every group already.
    let mut cluster = small();
    let table = compute(&cluster).unwrap();
    cluster.disks[1].state = DiskState::Draining;
    let plan = plan(&cluster, &table).unwrap();
    assert_eq!(plan.moves.len(), slot_counts(&table, &cluster.disks)[1]);
    assert!(
        plan.moves
            .iter()
            .all(|m| (m.from, m.to) == (1, 0) && m.pg < Pg(64) && m.slot < 3)
    );
}

#[test]
fn fills_show_slots_beside_shares() {
    let mut cluster = small();
    let table = compute(&cluster).unwrap();
    cluster.disks[1].state = DiskState::Draining;
    let fills = Fill::of_table(&cluster.profile, &table, &cluster.nodes, &cluster.disks).unwrap();
    let counts: Vec<usize> = fills.iter().map(|f| f.slots).collect();
    assert_eq!(counts, slot_counts(&table, &cluster.disks));
    // One slot of 64 groups for each node; the drained disk has none of it.
    assert_eq!((fills[0].share, fills[1].share), (64.0, 0.0));
    assert!((fills[2].share - 64.0 / 3.0).abs() < 1e-9);
    assert!((fills[3].share - 128.0 / 3.0).abs() < 1e-9);
}

#[test]
fn tables_of_other_profiles_and_clusters_are_refused() {
    let cluster = small();
    let good = compute(&cluster).unwrap();
    let refused = |table: &PgTable| matches!(plan(&cluster, table), Err(Error::InvalidLayout(_)));

    let mut table = good.clone();
    table.profile = ProfileId(7);
    assert!(refused(&table), "another profile's");
    let mut table = good.clone();
    table.slots.pop();
    assert!(refused(&table), "a row is not whole");
    let mut table = good.clone();
    table.slots[0] = 99;
    assert!(refused(&table), "an unknown disk");
    let mut table = good.clone();
    table.slots[0] = table.slots[3];
    assert!(refused(&table), "a disk of the other site");
    let mut table = good;
    table.slots[0] = table.slots[1];
    assert!(refused(&table), "a disk twice");
}

//! What holds of every table and every plan.

use proptest::prelude::*;

use super::super::{Fill, Plan, compute_table, rebalance, slot_counts};
use super::cluster::{Change, Cluster, changes, clusters};
use crate::Error;
use crate::layout::{DiskState, PgTable};

/// Moves beyond 1.1 times what no plan can avoid, per site of the profile and per 1,000 of its
/// slots. See `moves_are_few`.
const SLACK: usize = 2;

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
    if plan.moves.len() < plan.minimum.max(plan.misplaced) {
        return Some(format!("fewer moves than {}", plan.minimum));
    }
    cluster.fault(&plan.table)
}

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
            (cluster, table) = (next, plan.table);
        }
    }
}

//! Changes of layouts: every one valid, every one arrives.

use proptest::prelude::*;

use super::testing::layout;
use super::{ChangeError, Disk, DiskState, Layout, NodeState, Pg, PgTable, SlotMove};
use crate::id::{DiskId, Epoch};
use crate::placement::compute_table;

fn disk(number: u128) -> DiskId {
    DiskId::from_u128(number)
}

/// Tables that the disks of a layout should have, in which a group keeps the slots of what it keeps.
fn targets(layout: &Layout) -> Vec<PgTable> {
    let tables = layout.profiles.iter().zip(&layout.tables);
    let target = |(profile, table): (&crate::profile::Profile, &PgTable)| {
        let groups = (table.slots.len() / profile.total()) as u32;
        let disks: Vec<Disk> = layout
            .disks
            .iter()
            .map(|disk| match disk.state {
                DiskState::Active => disk.clone(),
                _ => Disk {
                    weight: 0,
                    ..disk.clone()
                },
            })
            .collect();
        let mut to_be = compute_table(profile, &layout.nodes, &disks, groups).unwrap();
        let per_site = usize::from(profile.per_site);
        let rows = table.slots.chunks_exact(per_site);
        for (is, to_be) in rows.zip(to_be.slots.chunks_exact_mut(per_site)) {
            for (slot, present) in is.iter().enumerate() {
                if let Some(at) = to_be.iter().position(|disk| disk == present) {
                    to_be.swap(at, slot);
                }
            }
        }
        to_be
    };
    tables.map(target).collect()
}

fn rebalanced(layout: &Layout) -> Result<Layout, ChangeError> {
    layout.rebalancing(layout.epoch, targets(layout), 7, 1000)
}

/// Settles the moves to one disk after the other, until nothing moves.
fn settled(mut layout: Layout) -> Layout {
    while let Some(first) = layout.migration.moves.first().copied() {
        let to = layout.disk(layout.slot_of(&first)).id;
        let arrived: Vec<SlotMove> = layout.moves_to(to).copied().collect();
        layout = layout.settle(to, &arrived, 10).expect("there were some");
        layout.validate().unwrap();
    }
    layout
}

#[test]
fn a_node_comes_and_another_goes() {
    let old = layout(6, 4, 6, 64);
    let grown = old
        .with_node("new", "toulouse", "host-new:1", &[(disk(100), 10)])
        .unwrap();
    assert_eq!(grown.tables, old.tables, "nothing moves by itself");
    let going = rebalanced(&grown).unwrap();
    let planned = going.migration.rebalance.as_ref().unwrap().planned_slots;
    assert_eq!(
        going.migration.moves.len() as u64,
        planned,
        "one of a group and site"
    );
    let done = settled(going);
    assert!(done.migration.rebalance.is_none());
    assert_eq!(done.tables, targets(&grown));

    let old_disk = disk(1);
    let emptied = settled(rebalanced(&done.draining(&[old_disk]).unwrap()).unwrap());
    assert_eq!(emptied.slots_held(0), 0);
    let shrunk = emptied.without_node("n0").unwrap();
    assert_eq!(shrunk.nodes[0].state, NodeState::Removed);
    assert_eq!(shrunk.disks[0].state, DiskState::Removed);
    assert!(shrunk.find_node("n0").is_none());
    assert_eq!(
        shrunk.draining(&[old_disk]),
        Err(ChangeError::UnknownDisk(old_disk))
    );
    // Its name may come back, its disk not.
    assert_eq!(
        shrunk.with_node("n0", "toulouse", "host-0:1", &[(old_disk, 10)]),
        Err(ChangeError::DiskTaken(old_disk))
    );
    shrunk
        .with_node("n0", "toulouse", "host-0:1", &[(disk(101), 10)])
        .unwrap();
}

#[test]
fn what_must_not_be_is_refused_and_changes_nothing() {
    let six = layout(6, 4, 6, 16);
    let refused: Vec<(&str, Result<Layout, ChangeError>)> = vec![
        ("no disk x", six.draining(&[disk(99)])),
        ("drain below s", six.draining(&[disk(1)])),
        ("remove what is full", six.without_disk(disk(1))),
        ("remove a full node", six.without_node("n0")),
        ("no node x", six.without_node("x")),
        ("weight 0", six.weighted(&[disk(1)], 0)),
        ("not drained", six.undrained(&[disk(1)])),
        (
            "name taken",
            six.with_node("n1", "toulouse", "a:1", &[(disk(50), 1)]),
        ),
        (
            "address taken",
            six.with_node("x", "toulouse", "host-3:1", &[(disk(50), 1)]),
        ),
        (
            "no site",
            six.with_node("x", "paris", "a:1", &[(disk(50), 1)]),
        ),
        ("no disks", six.with_node("x", "toulouse", "a:1", &[])),
        ("disk taken", six.with_disks("n0", &[(disk(2), 1)])),
        ("disk of weight 0", six.with_disks("n0", &[(disk(50), 0)])),
        ("old plan", six.rebalancing(Epoch(0), targets(&six), 0, 0)),
        (
            "nothing to move",
            six.rebalancing(six.epoch, six.tables.clone(), 0, 0),
        ),
        ("no rebalance", six.aborted()),
        ("not paused", six.resumed()),
        ("not in maintenance", six.serving_again("n0")),
        (
            "another takes no writes",
            six.in_maintenance("n0", |at| at.id != disk(2)),
        ),
        (
            "replaced by itself",
            six.with_replacement(disk(1), disk(1), 0, 0),
        ),
        (
            "replaced by a full one",
            six.with_replacement(disk(1), disk(2), 0, 0),
        ),
    ];
    for (what, outcome) in refused {
        assert!(outcome.is_err(), "{what}: {outcome:?}");
    }
    let away = six.in_maintenance("n0", |_| true).unwrap();
    assert!(matches!(
        away.in_maintenance("n1", |_| true),
        Err(ChangeError::TooFewShards {
            left: 4,
            needed: 5,
            ..
        })
    ));
    // The other site stands on its own.
    away.in_maintenance("n6", |_| true).unwrap();
    assert_eq!(away.serving_again("n0").unwrap().nodes, six.nodes);
}

#[test]
fn a_disk_is_replaced_by_an_empty_one() {
    let six = layout(6, 4, 6, 16);
    let ready = six.with_disks("n0", &[(disk(50), 10)]).unwrap();
    let going = ready.with_replacement(disk(1), disk(50), 7, 5).unwrap();
    assert_eq!(going.migration.moves.len(), 16);
    let at = |layout: &Layout| layout.slots(&layout.profiles[0], Pg(3)).to_vec();
    let row = at(&six);
    let slot = row.iter().position(|disk| *disk == 0).unwrap() as u8;
    assert_eq!(
        going.source_of(six.standard, Pg(3), slot).unwrap().id,
        disk(1)
    );
    assert!(going.holds(disk(1), six.standard, Pg(3), slot));
    assert!(going.holds(disk(50), six.standard, Pg(3), slot));
    let done = settled(going.clone());
    assert_eq!(done.slots_held(0), 0);
    assert_eq!(done.slots_held(12), 16);
    done.without_disk(disk(1)).unwrap();

    // Given up, all goes back where it was.
    let back = going.aborted().unwrap();
    assert_eq!(back.tables, six.tables);
    assert!(back.migration.moves.iter().all(|moving| moving.from == 12));
    let back = settled(back);
    assert_eq!(back.tables, six.tables);
    assert_eq!(back.slots_held(12), 0);
}

#[test]
fn what_moves_to_a_dead_disk_turns_elsewhere() {
    let six = layout(6, 4, 6, 16);
    let ready = six
        .with_disks("n0", &[(disk(50), 10), (disk(51), 10)])
        .unwrap();
    let going = ready.with_replacement(disk(1), disk(50), 7, 5).unwrap();
    // The one that takes in dies, and is replaced itself.
    let turned = going.with_replacement(disk(50), disk(51), 8, 5).unwrap();
    assert_eq!(turned.slots_held(12), 0, "nothing waits for it");
    assert!(turned.migration.moves.iter().all(|moving| moving.from == 0));
    let done = settled(turned);
    assert_eq!((done.slots_held(0), done.slots_held(13)), (0, 16));
    // Or the old one goes on after all.
    let back = settled(
        rebalanced(
            &going
                .undrained(&[disk(1)])
                .unwrap()
                .draining(&[disk(50)])
                .unwrap(),
        )
        .unwrap(),
    );
    assert_eq!(back.slots_held(12), 0);
    assert!(back.slots_held(0) > 0);
    // Given up twice, it goes on.
    let there = going.aborted().unwrap().aborted().unwrap();
    assert_eq!(there.tables, going.tables);
    assert_ne!(there.migration.moves, going.migration.moves, "begun anew");
}

#[test]
fn what_moves_to_a_disk_may_settle_in_parts() {
    let grown = layout(7, 4, 6, 32).draining(&[disk(1)]).unwrap();
    let going = rebalanced(&grown).unwrap();
    let first = going.migration.moves[0];
    let to = going.disk(going.slot_of(&first)).id;
    let next = going.settle(to, &[first], 10).unwrap();
    assert_eq!(next.migration.moves.len(), going.migration.moves.len() - 1);
    assert_eq!(next.settle(to, &[first], 10), None, "once");
    assert_eq!(next.migration.rebalance.as_ref().unwrap().moved_bytes, 10);
    let other = going.disk(0).id;
    assert_eq!(going.settle(other, &[first], 10), None, "of the disk alone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever operators do, in whatever order, while moves settle one by one: every layout is valid,
    /// and in the end everything is where it should be.
    #[test]
    fn every_way_ends(
        nodes in 5u16..9,
        steps in prop::collection::vec((0u8..8, any::<u16>()), 1..25),
    ) {
        let mut now = layout(nodes, 2, 3, 16);
        for (what, which) in steps {
            let of_layout = now.disks[usize::from(which) % now.disks.len()].id;
            let next = match what {
                0 => now.with_node(
                    &format!("x{which}"),
                    if which % 2 == 0 { "toulouse" } else { "montpellier" },
                    &format!("x{which}:1"),
                    &[(disk(1000 + u128::from(which)), 1 + u32::from(which % 30))],
                ),
                1 => now.draining(&[of_layout]),
                2 => now.undrained(&[of_layout]),
                3 => now.weighted(&[of_layout], 1 + u32::from(which % 40)),
                4 => rebalanced(&now),
                5 => now.without_disk(of_layout),
                6 => now.aborted(),
                _ => {
                    let moves = &now.migration.moves;
                    let Some(moving) = moves.get(usize::from(which) % moves.len().max(1)) else {
                        continue;
                    };
                    let to = now.disk(now.slot_of(moving)).id;
                    Ok(now.settle(to, &[*moving], 1).expect("it is there"))
                }
            };
            if let Ok(next) = next {
                prop_assert_eq!(next.epoch.0, now.epoch.0 + 1);
                next.validate().unwrap();
                now = next;
            }
        }
        let wanted = now.migration.rebalance.as_ref().map(|r| r.targets.clone());
        let end = settled(now);
        prop_assert!(end.migration.rebalance.is_none());
        if let Some(wanted) = wanted {
            prop_assert_eq!(&end.tables, &wanted);
        }
    }
}

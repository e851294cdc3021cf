//! Blobs, garbage and debts.

use super::*;

#[test]
fn a_blob_is_committed_or_aborted_never_both() {
    let mut machine = Machine::keys();
    let aborted = blob(1, 10);
    let abort = |blob: &crate::record::BlobRef| abort(blob.id);
    assert_eq!(machine.run(abort(&aborted)), KeyOutcome::BlobAborted);
    let late = machine.put(put("k", 1, blobs(1, 10)));
    assert_eq!(late, KeyOutcome::BlobRefused { blob: aborted.id });
    assert_eq!(
        machine.run(abort(&aborted)),
        KeyOutcome::BlobAborted,
        "again"
    );

    machine.put(put("k", 1, blobs(2, 10)));
    assert_eq!(machine.run(abort(&blob(2, 10))), KeyOutcome::BlobCommitted);
    let again = machine.put(put("other", 1, blobs(2, 10)));
    let second = blob(2, 10).id;
    assert_eq!(
        again,
        KeyOutcome::BlobRefused { blob: second },
        "named once"
    );
    let twice = Content::Blobs(vec![blob(3, 1), blob(3, 1)]);
    let third = blob(3, 1).id;
    assert_eq!(
        machine.put(put("k", 1, twice)),
        KeyOutcome::BlobRefused { blob: third }
    );
}

#[test]
fn a_blob_past_its_window_is_refused_and_its_tombstone_dropped() {
    let mut machine = Machine::keys();
    machine.run(abort(blob(1, 10).id));
    machine.now_ms += BLOB_COMMIT_WINDOW_MS + 1;
    let old = machine.put(put("k", 1, blobs(2, 10)));
    let blob_2 = blob(2, 10).id;
    assert_eq!(old, KeyOutcome::BlobRefused { blob: blob_2 });
    machine.run(abort(blob_2));
    let from = keys::family(keys::Family::Tombstone);
    let left = crate::store::scan(&machine.store.snapshot(), &from, &keys::end_of(&from), 9);
    assert_eq!(left.unwrap().len(), 0);
    let late = machine.put(put("k", 1, blobs(1, 10)));
    assert!(
        matches!(late, KeyOutcome::BlobRefused { .. }),
        "without a tombstone too"
    );
}

#[test]
fn garbage_and_debts_are_kept_until_struck() {
    let mut machine = Machine::keys();
    let debt = |disk, index| Debt {
        disk: DiskId::from_u128(disk),
        shard: ShardId {
            chunk: crate::id::ChunkId {
                blob: blob(1, 10).id,
                seq: 0,
            },
            index,
        },
    };
    let mut owing = put("k", 1, blobs(1, 10));
    owing.debts = vec![debt(1, 0), debt(1, 3), debt(2, 5)];
    machine.put(owing);
    let KeyAnswer::DebtCounts(counts) = machine.ask(KeyQuery::DebtCounts) else {
        panic!("no counts");
    };
    assert_eq!(counts.iter().map(|c| c.shards).collect::<Vec<_>>(), [2, 1]);
    let list = |machine: &Machine, after| {
        let query = KeyQuery::ListDebts {
            disk: Some(DiskId::from_u128(1)),
            after,
            max: 1,
        };
        match machine.ask(query) {
            KeyAnswer::Debts { debts, more } => (debts, more),
            other => panic!("{other:?}"),
        }
    };
    let (debts, more) = list(&machine, None);
    assert_eq!((&debts[0].debt, more), (&debt(1, 0), true));
    assert_eq!(debts[0].blob.as_ref().unwrap().state, BlobState::Live);
    let (debts, more) = list(&machine, Some(debt(1, 0)));
    assert_eq!((&debts[0].debt, more), (&debt(1, 3), false));

    machine.put(put("k", 2, inline("x")));
    let (debts, _) = list(&machine, None);
    assert_eq!(debts[0].blob.as_ref().unwrap().state, BlobState::Garbage);
    let entry = GarbageKey {
        since_ms: START_MS,
        blob: blob(1, 10).id,
    };
    machine.run(KeyCommand::DropGarbage {
        collected: vec![Collected {
            entry,
            left_at: Vec::new(),
        }],
    });
    assert!(machine.garbage().is_empty());
    let (debts, _) = list(&machine, None);
    assert_eq!(debts[0].blob, None);
    machine.run(KeyCommand::RepayDebts {
        debts: vec![debt(1, 0), debt(1, 3), debt(2, 5)],
    });
    assert_eq!(
        machine.ask(KeyQuery::DebtCounts),
        KeyAnswer::DebtCounts(Vec::new())
    );
}

#[test]
fn garbage_is_listed_from_an_entry_on() {
    let mut machine = Machine::keys();
    for n in 1..=3 {
        machine.put(put("k", 1, blobs(n, 10)));
        machine.now_ms += 1;
    }
    machine.put(put("k", 1, inline("x")));
    let page = |after, max| {
        let query = KeyQuery::ListGarbage {
            before_ms: u64::MAX,
            after,
            max,
        };
        match machine.ask(query) {
            KeyAnswer::Garbage { entries, more } => (entries, more),
            other => panic!("{other:?}"),
        }
    };
    let (first, more) = page(None, 2);
    assert_eq!((first.len(), more), (2, true));
    let (rest, more) = page(Some(GarbageKey::from(&first[1])), 2);
    assert_eq!((rest.len(), more), (1, false));
    assert_eq!(rest[0].blob.id, blob(3, 10).id);
}

#[test]
fn a_removal_is_noted_with_the_entry_that_is_dropped() {
    let mut machine = Machine::keys();
    machine.put(put("k", 1, blobs(1, 10)));
    machine.put(put("k", 1, inline("x")));
    let disk = DiskId::from_u128(7);
    let drop = |left_at: &[DiskId]| KeyCommand::DropGarbage {
        collected: vec![Collected {
            entry: GarbageKey {
                since_ms: START_MS,
                blob: blob(1, 10).id,
            },
            left_at: left_at.to_vec(),
        }],
    };
    let removals = |machine: &Machine, disk| {
        let query = KeyQuery::ListRemovals {
            disk,
            after: None,
            max: 10,
        };
        match machine.ask(query) {
            KeyAnswer::Removals { removals, more } => {
                assert!(!more);
                removals
            }
            other => panic!("{other:?}"),
        }
    };
    machine.run(drop(&[disk]));
    // A second collector comes too late to say more.
    machine.run(drop(&[DiskId::from_u128(8)]));
    let removal = Removal {
        disk,
        blob: blob(1, 10).id,
    };
    assert_eq!(removals(&machine, disk), [removal]);
    assert_eq!(removals(&machine, DiskId::from_u128(8)), []);
    machine.run(KeyCommand::StrikeRemovals {
        removals: vec![removal],
    });
    assert_eq!(removals(&machine, disk), []);
}

#[test]
fn only_live_blobs_come_to_be_owed() {
    let mut machine = Machine::keys();
    machine.put(put("live", 1, blobs(1, 10)));
    machine.put(put("dead", 1, blobs(2, 10)));
    machine.put(put("dead", 1, inline("x")));
    let debt = |n| Debt {
        disk: DiskId::from_u128(1),
        shard: ShardId {
            chunk: crate::id::ChunkId {
                blob: blob(n, 10).id,
                seq: 0,
            },
            index: 4,
        },
    };
    let owe = || KeyCommand::OweShards {
        debts: vec![debt(1), debt(2), debt(3)],
    };
    assert_eq!(machine.run(owe()), KeyOutcome::ShardsOwed { added: 1 });
    assert_eq!(machine.run(owe()), KeyOutcome::ShardsOwed { added: 0 });
    let asked = KeyQuery::AreOwed {
        debts: vec![debt(1), debt(2), debt(3)],
    };
    assert_eq!(
        machine.ask(asked),
        KeyAnswer::Owed(vec![true, false, false])
    );

    let known = KeyQuery::KnownBlobs {
        blobs: (1..=3).map(|n| blob(n, 10).id).collect(),
    };
    let ids = vec![blob(1, 10).id, blob(2, 10).id];
    assert_eq!(machine.ask(known), KeyAnswer::KnownBlobs(ids));
    let list = KeyQuery::ListBlobs {
        after: Some(blob(1, 10).id),
        max: 10,
    };
    match machine.ask(list) {
        KeyAnswer::Blobs { blobs, more: false } => {
            assert_eq!(blobs[0].blob.id, blob(2, 10).id);
            assert_eq!(blobs[0].state, BlobState::Garbage);
        }
        other => panic!("{other:?}"),
    }
}

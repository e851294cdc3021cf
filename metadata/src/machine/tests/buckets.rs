//! Tablets and buckets.

use super::*;

#[test]
fn a_sealed_tablet_never_opens_again() {
    let mut machine = Machine::keys();
    machine.put(put("k", 1, blobs(1, 10)));
    let close = step_of("", 1, TabletStep::Close);
    assert_eq!(machine.run(close), KeyOutcome::TabletNotEmpty);
    machine.delete("k");
    let id = machine.begin_upload(1);
    machine.put_part(id, part(1, 1, blobs(2, 5)));
    assert_eq!(
        machine.step("", 2, TabletStep::Close).state,
        TabletState::Closing
    );
    let get = KeyQuery::GetObject {
        bucket: BUCKET,
        key: "k".into(),
        version: None,
    };
    assert_eq!(machine.ask(get.clone()), KeyAnswer::TabletBusy);
    assert_eq!(
        machine.put(put("k", 1, inline("x"))),
        KeyOutcome::TabletBusy
    );
    assert_eq!(
        machine.step("", 2, TabletStep::Seal).state,
        TabletState::Sealed
    );
    assert_eq!(
        machine.put(put("k", 1, inline("x"))),
        KeyOutcome::TabletSealed
    );
    assert_eq!(machine.run(open_tablet(BUCKET)), KeyOutcome::TabletSealed);
    let reopened = machine.step("", 2, TabletStep::Reopen);
    assert_eq!(reopened.state, TabletState::Sealed);
    let sweep = step_of("", 2, TabletStep::Sweep);
    assert_eq!(machine.run(sweep), KeyOutcome::Swept { clean: true });
    let expected: BTreeSet<_> = [blob(1, 0).id, blob(2, 0).id].into();
    assert_eq!(machine.garbage(), expected, "the upload's part too");
    assert_eq!(machine.ask(get), KeyAnswer::TabletSealed);
}

#[test]
fn a_deletion_that_was_cancelled_closes_nothing_any_more() {
    let mut machine = Machine::keys();
    machine.step("", 5, TabletStep::Close);
    let seal_of_another = machine.step("", 4, TabletStep::Seal);
    assert_eq!(seal_of_another.state, TabletState::Closing);
    assert_eq!(
        machine.step("", 5, TabletStep::Reopen).state,
        TabletState::Open
    );
    // Late copies of the deletion's steps.
    for step in [TabletStep::Close, TabletStep::Seal] {
        assert_eq!(machine.step("", 5, step).state, TabletState::Open);
    }
    // A tablet that the deletion never came to close.
    let mut machine = Machine::keys();
    machine.step("", 5, TabletStep::Reopen);
    assert_eq!(
        machine.step("", 5, TabletStep::Close).state,
        TabletState::Open
    );
    assert_eq!(
        machine.step("", 6, TabletStep::Close).state,
        TabletState::Closing
    );
}

#[test]
fn the_control_group_names_buckets_and_keeps_the_layout() {
    let mut machine = Machine::system();
    let create = |name: &str| SystemCommand::CreateBucket(NewBucket::named(name, "a", "r"));
    assert_eq!(
        machine.run_system(create("b")),
        SystemOutcome::NotBootstrapped
    );
    let bootstrap = |cluster| SystemCommand::Bootstrap {
        cluster: crate::id::ClusterId::from_u128(cluster),
        layout: Box::new(layout(1)),
        identities: vec![tenant("root")],
        key_groups: 8,
    };
    assert_eq!(
        machine.run_system(bootstrap(1)),
        SystemOutcome::Bootstrapped
    );
    assert_eq!(
        machine.run_system(bootstrap(1)),
        SystemOutcome::Bootstrapped
    );
    assert!(matches!(
        machine.run_system(bootstrap(2)),
        SystemOutcome::OtherCluster { .. }
    ));
    let put_layout = |epoch| SystemCommand::PutLayout {
        layout: Box::new(layout(epoch)),
    };
    assert_eq!(
        machine.run_system(put_layout(2)),
        SystemOutcome::LayoutStored
    );
    assert!(matches!(
        machine.run_system(put_layout(4)),
        SystemOutcome::LayoutConflict { .. }
    ));

    let made = |outcome| -> Bucket {
        match outcome {
            SystemOutcome::BucketCreated { bucket } => bucket,
            other => panic!("{other:?}"),
        }
    };
    let first = made(machine.run_system(create("b")));
    assert!(matches!(
        machine.run_system(create("b")),
        SystemOutcome::BucketExists { bucket } if bucket == first
    ));
    let delete = |machine: &mut Machine, id| {
        let begin = SystemCommand::BeginChange {
            bucket: id,
            kind: Box::new(ChangeKind::Delete),
        };
        let SystemOutcome::Change(Some(change)) = machine.run_system(begin) else {
            panic!("not begun");
        };
        for step in [commit, end] {
            machine.run_system(step(id, change.id));
        }
        change.id
    };
    let change = delete(&mut machine, first.id);
    let second = made(machine.run_system(create("b")));
    assert_ne!(first.id, second.id);
    assert_eq!(
        machine.run_system(end(first.id, change)),
        SystemOutcome::Change(None)
    );
    assert!(
        matches!(
            machine.run_system(create("b")),
            SystemOutcome::BucketExists { .. }
        ),
        "a late deletion of the first leaves the second"
    );
}

fn commit(bucket: BucketId, change: ChangeId) -> SystemCommand {
    SystemCommand::CommitChange { bucket, change }
}

fn cancel(bucket: BucketId, change: ChangeId) -> SystemCommand {
    SystemCommand::CancelChange { bucket, change }
}

fn end(bucket: BucketId, change: ChangeId) -> SystemCommand {
    SystemCommand::EndChange { bucket, change }
}

fn phase(outcome: &SystemOutcome) -> Option<ChangePhase> {
    match outcome {
        SystemOutcome::Change(change) => change.as_ref().map(|change| change.phase),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_follow_the_map_one_at_a_time() {
    let mut machine = Machine::system();
    machine.run_system(SystemCommand::Bootstrap {
        cluster: crate::id::ClusterId::from_u128(1),
        layout: Box::new(layout(1)),
        identities: vec![tenant("root")],
        key_groups: 2,
    });
    let new = NewBucket::named("b", "a", "r");
    let created = machine.run_system(SystemCommand::CreateBucket(new));
    let SystemOutcome::BucketCreated { bucket } = created else {
        panic!("{created:?}");
    };
    let home = bucket.tablets[0].group;
    let other = GroupId(3 - home.0);
    let range = |start: &str, end: Option<&str>| KeyRange {
        start: start.into(),
        end: end.map(ObjectKey::from),
    };
    let split = |at: &str| ChangeKind::Split {
        range: range("", None),
        at: at.into(),
        group: home,
        first: TabletSize::default(),
    };
    let begin = |machine: &mut Machine, kind: ChangeKind| {
        machine.run_system(SystemCommand::BeginChange {
            bucket: bucket.id,
            kind: Box::new(kind),
        })
    };
    let begun = |outcome| -> Change {
        match outcome {
            SystemOutcome::Change(Some(change)) => *change,
            other => panic!("{other:?}"),
        }
    };
    let map = |machine: &Machine| -> Vec<(ObjectKey, GroupId)> {
        let query = Query::System(SystemQuery::BucketById { id: bucket.id });
        match crate::read::answer(GroupId::SYSTEM, &machine.store.snapshot(), &query).unwrap() {
            Answer::System(SystemAnswer::BucketById { bucket, .. }) => {
                let tablets = bucket.unwrap().tablets;
                tablets.into_iter().map(|t| (t.start, t.group)).collect()
            }
            other => panic!("{other:?}"),
        }
    };

    let unfit = [
        split(""),
        ChangeKind::Move {
            range: range("", None),
            from: home,
            to: home,
        },
        ChangeKind::Move {
            range: range("", None),
            from: home,
            to: GroupId(9),
        },
        ChangeKind::Move {
            range: range("", Some("x")),
            from: home,
            to: other,
        },
    ];
    for kind in unfit {
        assert_eq!(begin(&mut machine, kind), SystemOutcome::ChangeUnfit);
    }

    let first = begun(begin(&mut machine, split("m")));
    let found = begun(begin(&mut machine, ChangeKind::Delete));
    assert_eq!(found, first, "one at a time");
    let done = machine.run_system(commit(bucket.id, first.id));
    assert_eq!(phase(&done), None);
    assert_eq!(map(&machine), [("".into(), home), ("m".into(), home)]);
    machine.run_system(commit(bucket.id, first.id));
    assert_eq!(map(&machine).len(), 2, "a late commit changes nothing");

    let upper = ChangeKind::Move {
        range: range("m", None),
        from: home,
        to: other,
    };
    let moved = begun(begin(&mut machine, upper));
    assert!(moved.id > first.id);
    let kept = machine.run_system(end(bucket.id, moved.id));
    assert_eq!(phase(&kept), Some(ChangePhase::Begun), "nothing is decided");
    let kept = machine.run_system(cancel(bucket.id, moved.id));
    assert_eq!(
        phase(&kept),
        Some(ChangePhase::Begun),
        "a move goes through"
    );
    let decided = machine.run_system(commit(bucket.id, moved.id));
    assert_eq!(phase(&decided), Some(ChangePhase::Committed));
    assert_eq!(map(&machine), [("".into(), home), ("m".into(), other)]);
    assert_eq!(phase(&machine.run_system(end(bucket.id, moved.id))), None);

    let deletion = begun(begin(&mut machine, ChangeKind::Delete));
    let cancelled = machine.run_system(cancel(bucket.id, deletion.id));
    assert_eq!(phase(&cancelled), Some(ChangePhase::Cancelled));
    let late = machine.run_system(commit(bucket.id, deletion.id));
    assert_eq!(phase(&late), Some(ChangePhase::Cancelled), "decided once");
    machine.run_system(end(bucket.id, deletion.id));
    assert_eq!(map(&machine).len(), 2, "the bucket stays");
}

//! Tablets and buckets.

use super::*;

#[test]
fn a_sealed_tablet_never_opens_again() {
    let mut machine = Machine::keys();
    let seal = KeyCommand::SealTabletIfEmpty {
        bucket: BUCKET,
        start: ObjectKey::default(),
    };
    machine.put(put("k", 1, blobs(1, 10)));
    assert_eq!(machine.run(seal.clone()), KeyOutcome::TabletNotEmpty);
    let delete = KeyCommand::DeleteObject {
        bucket: BUCKET,
        key: "k".into(),
        preconditions: Preconditions::default(),
    };
    machine.run(delete);
    let id = machine.begin_upload(1);
    machine.put_part(id, part(1, 1, blobs(2, 5)));
    assert_eq!(machine.run(seal.clone()), KeyOutcome::TabletSealed);
    assert_eq!(
        machine.put(put("k", 1, inline("x"))),
        KeyOutcome::TabletSealed
    );
    assert_eq!(machine.run(open_tablet(BUCKET)), KeyOutcome::TabletSealed);
    assert_eq!(machine.run(seal), KeyOutcome::TabletSealed);
    let sweep = KeyCommand::SweepTablet {
        bucket: BUCKET,
        start: ObjectKey::default(),
    };
    assert_eq!(machine.run(sweep), KeyOutcome::Swept { clean: true });
    let expected: BTreeSet<_> = [blob(1, 0).id, blob(2, 0).id].into();
    assert_eq!(machine.garbage(), expected, "the upload's part too");
    let get = KeyQuery::GetObject {
        bucket: BUCKET,
        key: "k".into(),
    };
    assert_eq!(machine.ask(get), KeyAnswer::TabletSealed);

    // A tablet that was never opened: the creator was overtaken by the deletion.
    let never = BucketId(8);
    let seal = KeyCommand::SealTabletIfEmpty {
        bucket: never,
        start: ObjectKey::default(),
    };
    let put_never = put_command(never, put("k", 1, inline("x")));
    assert_eq!(machine.run(put_never), KeyOutcome::NoTablet);
    assert_eq!(machine.run(seal), KeyOutcome::TabletSealed);
    assert_eq!(machine.run(open_tablet(never)), KeyOutcome::TabletSealed);
}

#[test]
fn the_control_group_names_buckets_and_keeps_the_layout() {
    let mut machine = Machine::system();
    let create = |name: &str| SystemCommand::CreateBucket {
        name: name.to_owned(),
        owner: "a".to_owned(),
        region: "r".to_owned(),
    };
    assert_eq!(
        machine.run_system(create("b")),
        SystemOutcome::NotBootstrapped
    );
    let bootstrap = |cluster| SystemCommand::Bootstrap {
        cluster: crate::id::ClusterId::from_u128(cluster),
        layout: Box::new(layout(1)),
        root: account("root"),
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
    let delete = SystemCommand::DeleteBucket {
        name: "b".to_owned(),
        id: first.id,
    };
    machine.run_system(delete.clone());
    let second = made(machine.run_system(create("b")));
    assert_ne!(first.id, second.id);
    machine.run_system(delete);
    assert!(
        matches!(
            machine.run_system(create("b")),
            SystemOutcome::BucketExists { .. }
        ),
        "a late deletion of the first leaves the second"
    );
}

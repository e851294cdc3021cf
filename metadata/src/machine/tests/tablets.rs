//! Tablets that split and move.

use super::*;

/// Two groups, the first of which has the bucket's tablet.
fn groups() -> (Machine, Machine) {
    let receiver = Machine {
        group: GroupId(2),
        ..Machine::system()
    };
    (Machine::keys(), receiver)
}

fn copy_page(from: &Machine, start: &str, change: u64, position: &CopyPosition) -> KeyAnswer {
    from.ask(KeyQuery::CopyTablet {
        bucket: BUCKET,
        start: start.into(),
        change: ChangeId(change),
        position: position.clone(),
    })
}

/// Copies a frozen tablet, each page twice.
fn copy_all(from: &Machine, to: &mut Machine, start: &str, change: u64) -> usize {
    let mut position = CopyPosition::default();
    let mut pages = 0;
    loop {
        let KeyAnswer::Records { records, next } = copy_page(from, start, change, &position) else {
            panic!("not frozen");
        };
        let ingest = TabletStep::Ingest {
            position: position.clone(),
            next: next.clone(),
            records,
        };
        let once = to.step(start, change, ingest.clone());
        assert_eq!(
            once.state,
            TabletState::Receiving {
                position: next.clone()
            }
        );
        assert_eq!(to.step(start, change, ingest), once, "a page comes once");
        pages += 1;
        match next {
            Some(next) => position = next,
            None => return pages,
        }
    }
}

/// Moves a tablet by its steps, without the debts.
fn move_tablet(from: &mut Machine, to: &mut Machine, start: &str, end: Option<&str>, change: u64) {
    let receive = TabletStep::Receive {
        end: end.map(ObjectKey::from),
    };
    to.step(start, change, receive);
    from.step(start, change, TabletStep::Freeze);
    copy_all(from, to, start, change);
    let moved = from.step(start, change, TabletStep::Release { to: to.group });
    let TabletState::Moved {
        sequence, clock_ms, ..
    } = moved.state
    else {
        panic!("{moved:?}");
    };
    let admitted = to.step(start, change, TabletStep::Admit { sequence, clock_ms });
    assert_eq!(admitted.state, TabletState::Open);
}

fn sweep(machine: &mut Machine, start: &str, change: u64) {
    let sweep = step_of(start, change, TabletStep::Sweep);
    while machine.run(sweep.clone()) == (KeyOutcome::Swept { clean: false }) {}
}

/// Stored keys of the families that a tablet takes with it.
fn records(machine: &Machine, families: std::ops::RangeInclusive<u8>) -> usize {
    let (from, to) = ([*families.start()], [*families.end() + 1]);
    let found = crate::store::scan(&machine.store.snapshot(), &from, &to, usize::MAX);
    found.unwrap().len()
}

fn tablets(machine: &Machine) -> Vec<Tablet> {
    let query = KeyQuery::Tablets {
        after: None,
        max: 100,
    };
    match machine.ask(query) {
        KeyAnswer::Tablets { tablets, .. } => tablets.into_iter().map(|t| t.tablet).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_split_takes_its_keys_apart_once() {
    let mut machine = Machine::keys();
    for key in ["a", "b", "c", "d"] {
        machine.put(put(key, 1, inline("x")));
    }
    let whole = tablets(&machine)[0].size;
    assert_eq!(whole.keys, 4);
    let split = TabletStep::Split {
        at: "c".into(),
        first: TabletSize {
            keys: 2,
            bytes: whole.bytes / 2,
            writes: 0,
        },
    };
    let lower = machine.step("", 3, split.clone());
    assert_eq!(lower.range.end, Some("c".into()));
    assert_eq!(machine.step("", 3, split.clone()), lower, "again");
    let halves = tablets(&machine);
    assert_eq!(halves.len(), 2);
    assert_eq!(halves[0].size.keys + halves[1].size.keys, 4);
    assert_eq!(halves[0].size.bytes + halves[1].size.bytes, whole.bytes);
    machine.delete("d");
    machine.put(put("a", 1, inline("y")));
    let keys: Vec<_> = tablets(&machine).iter().map(|t| t.size.keys).collect();
    assert_eq!(keys, [2, 1]);
    // An older change, a border outside, a tablet that begins elsewhere.
    assert_eq!(machine.step("", 2, split.clone()).changed, ChangeId(3));
    machine.step("", 4, split);
    assert_eq!(
        machine.run(step_of("b", 5, TabletStep::Freeze)),
        KeyOutcome::NoTablet
    );
    assert_eq!(tablets(&machine).len(), 2);
}

#[test]
fn a_tablet_takes_all_that_is_its_own() {
    let (mut from, mut to) = groups();
    // Something of another tablet stays.
    from.put(put("a", 1, blobs(1, 10)));
    let split = TabletStep::Split {
        at: "b".into(),
        first: TabletSize::default(),
    };
    from.step("", 1, split);
    from.put(put("k", 1, blobs(2, 10)));
    from.put(put("k", 2, blobs(3, 10)));
    let done = from.begin_upload(1);
    from.put_part(done, part(1, 1, blobs(4, 5)));
    let completed = from.complete(done, &[(1, 1)]);
    let open = from.begin_upload(2);
    from.put_part(open, part(1, 1, blobs(5, 5)));
    from.run(abort(blob(6, 10).id));
    let sequence = read_header(&from.store.snapshot()).unwrap().sequence;
    to.now_ms = START_MS - 5000;
    assert!(to.run(open_tablet(BucketId(99))) == KeyOutcome::TabletOpen);

    move_tablet(&mut from, &mut to, "b", None, 2);
    assert_eq!(
        from.put(put("k", 1, inline("x"))),
        KeyOutcome::TabletMoved { to: GroupId(2) }
    );
    let garbage = from.garbage();
    sweep(&mut from, "b", 2);
    assert_eq!(from.garbage(), garbage, "what moved is no garbage");
    assert_eq!(records(&from, 0x20..=0x31), 2, "head and body of a");
    let get = |machine: &Machine, key: &str| {
        let (bucket, key) = (BUCKET, key.into());
        machine.ask(KeyQuery::GetObject {
            bucket,
            key,
            version: None,
        })
    };
    assert!(matches!(get(&from, "a"), KeyAnswer::Object(Some(_))));
    assert!(matches!(get(&from, "k"), KeyAnswer::TabletMoved { .. }));

    assert_eq!(
        to.complete(done, &[(1, 1)]),
        completed,
        "a repeated completion"
    );
    assert_eq!(to.run(abort(blob(4, 5).id)), KeyOutcome::BlobCommitted);
    let KeyOutcome::BlobRefused { .. } = to.put(put("k", 1, blobs(6, 10))) else {
        panic!("a blob that was aborted before the move is committed after it");
    };
    let KeyOutcome::Stored(stored) = to.put(put("k", 3, blobs(7, 10))) else {
        panic!("not stored");
    };
    assert!(stored.sequence > sequence, "orders go on");
    assert!(stored.modified_ms >= START_MS, "time never goes back");
    assert_eq!(
        to.garbage(),
        [blob(4, 0).id].into(),
        "what was replaced there"
    );
    assert!(matches!(
        to.complete(open, &[(1, 1)]),
        KeyOutcome::UploadCompleted { .. }
    ));
}

#[test]
fn versions_move_in_their_order() {
    let (mut from, mut to) = groups();
    let kept = |tag: u8| PutObject {
        versioning: Versioning::Enabled,
        ..put("k", tag, blobs(tag.into(), 10))
    };
    for tag in 1..4 {
        from.put(kept(tag));
    }
    let versions = from.versions(10);
    let size = from.tablet_size();
    move_tablet(&mut from, &mut to, "", None, 1);
    assert_eq!(to.versions(10), versions);
    assert_eq!(
        (to.tablet_size().keys, to.tablet_size().bytes),
        (size.keys, size.bytes)
    );
    sweep(&mut from, "", 1);
    assert_eq!(records(&from, 0x20..=0x22), 0);
    to.put(kept(4));
    let after = to.versions(10);
    assert_eq!(after[1..].len(), versions.len());
    assert!(after[0].head.sequence > versions[0].head.sequence);
}

#[test]
fn writes_wait_and_reads_go_on_while_a_tablet_is_copied() {
    let (mut from, mut to) = groups();
    from.put(put("k", 1, inline("x")));
    to.step("", 1, TabletStep::Receive { end: None });
    from.step("", 1, TabletStep::Freeze);
    assert_eq!(from.put(put("k", 2, inline("y"))), KeyOutcome::TabletBusy);
    assert_eq!(from.delete("k"), KeyOutcome::TabletBusy);
    assert_eq!(from.run(abort(blob(1, 1).id)), KeyOutcome::TabletBusy);
    assert_eq!(
        from.list(&ListRequest {
            max: 9,
            ..ListRequest::default()
        })
        .objects
        .len(),
        1
    );
    assert_eq!(to.put(put("k", 2, inline("y"))), KeyOutcome::TabletBusy);
    let get = KeyQuery::GetObject {
        bucket: BUCKET,
        key: "k".into(),
        version: None,
    };
    assert_eq!(to.ask(get.clone()), KeyAnswer::TabletBusy);
    // Nobody opens what is not complete, or lets go twice.
    let admit = TabletStep::Admit {
        sequence: 0,
        clock_ms: 0,
    };
    assert!(matches!(
        to.step("", 1, admit.clone()).state,
        TabletState::Receiving { position: Some(_) }
    ));
    copy_all(&from, &mut to, "", 1);
    let released = from.step("", 1, TabletStep::Release { to: GroupId(2) });
    assert_eq!(
        from.step("", 1, TabletStep::Release { to: GroupId(3) }),
        released
    );
    assert_eq!(from.ask(get), KeyAnswer::TabletMoved { to: GroupId(2) });
    assert_eq!(to.step("", 1, admit).state, TabletState::Open);
}

#[test]
fn a_large_tablet_is_copied_page_by_page() {
    let (mut from, mut to) = groups();
    let mut large = put("", 1, inline("x"));
    large.version.body.user_metadata = vec![("a".to_owned(), "b".repeat(100_000))];
    for n in 0..40 {
        large.key = format!("{n:02}").into();
        from.put(large.clone());
    }
    to.step("", 1, TabletStep::Receive { end: None });
    from.step("", 1, TabletStep::Freeze);
    let pages = copy_all(&from, &mut to, "", 1);
    assert!((4..=8).contains(&pages), "{pages} pages of a megabyte");
    assert_eq!(records(&to, 0x20..=0x31), records(&from, 0x20..=0x31));
    let size = |machine: &Machine| {
        (
            tablets(machine)[0].size.keys,
            tablets(machine)[0].size.bytes,
        )
    };
    assert_eq!(size(&to), size(&from));
}

#[test]
fn what_comes_late_from_an_old_move_does_nothing() {
    let (mut a, mut b) = groups();
    a.put(put("k", 1, inline("x")));
    move_tablet(&mut a, &mut b, "", None, 1);
    sweep(&mut a, "", 1);
    move_tablet(&mut b, &mut a, "", None, 2);
    sweep(&mut b, "", 2);
    a.put(put("k", 2, inline("y")));
    let (at_a, at_b) = (tablets(&a), tablets(&b));
    let late = [
        TabletStep::Freeze,
        TabletStep::Release { to: GroupId(2) },
        TabletStep::Receive { end: None },
        TabletStep::Ingest {
            position: CopyPosition::default(),
            next: None,
            records: Vec::new(),
        },
        TabletStep::Admit {
            sequence: 1,
            clock_ms: 1,
        },
        TabletStep::Sweep,
        TabletStep::Close,
        TabletStep::Seal,
        TabletStep::Reopen,
        TabletStep::GiveDebts { debts: Vec::new() },
        TabletStep::TakeDebts { debts: Vec::new() },
    ];
    for step in late {
        for change in 0..=1 {
            a.step("", change, step.clone());
            b.step("", change, step.clone());
        }
    }
    assert_eq!((tablets(&a), tablets(&b)), (at_a, at_b));
    assert_eq!(
        a.list(&ListRequest {
            max: 9,
            ..ListRequest::default()
        })
        .objects
        .len(),
        1
    );
    assert_eq!(
        b.run(open_tablet(BUCKET)),
        KeyOutcome::TabletMoved { to: GroupId(1) }
    );
}

#[test]
fn half_a_tablet_may_come_back() {
    let (mut a, mut b) = groups();
    for key in ["a", "b", "c"] {
        a.put(put(key, 1, inline("x")));
    }
    move_tablet(&mut a, &mut b, "", None, 1);
    sweep(&mut a, "", 1);
    for (change, (start, at)) in (2..).zip([("", "b"), ("b", "c")]) {
        let split = TabletStep::Split {
            at: at.into(),
            first: TabletSize::default(),
        };
        b.step(start, change, split);
    }
    move_tablet(&mut b, &mut a, "b", Some("c"), 4);
    let states: Vec<_> = tablets(&a)
        .into_iter()
        .map(|t| (t.range.start, t.range.end, t.state == TabletState::Open))
        .collect();
    assert_eq!(
        states,
        [
            ("".into(), Some("b".into()), false),
            ("b".into(), Some("c".into()), true),
            ("c".into(), None, false)
        ]
    );
    let put = |machine: &mut Machine, key: &str| machine.put(put(key, 2, inline("y")));
    assert!(matches!(put(&mut a, "b"), KeyOutcome::Stored(_)));
    assert!(matches!(put(&mut a, "c"), KeyOutcome::TabletMoved { .. }));
    assert!(matches!(put(&mut b, "b"), KeyOutcome::TabletMoved { .. }));
    assert!(matches!(put(&mut b, "c"), KeyOutcome::Stored(_)));
    // A tablet that overlaps what the group has can't come.
    let mut whole = a.step("", 9, TabletStep::Receive { end: None });
    assert_eq!(whole.range.start, "b".into(), "that is in the way");
    whole = a.step(
        "",
        9,
        TabletStep::Receive {
            end: Some("a".into()),
        },
    );
    assert!(matches!(whole.state, TabletState::Receiving { .. }));
}

#[test]
fn records_of_others_are_not_taken() {
    let (mut from, mut to) = groups();
    let receive = TabletStep::Receive {
        end: Some("m".into()),
    };
    to.step("", 1, receive);
    from.put(put("x", 1, inline("x")));
    from.step("", 1, TabletStep::Freeze);
    let KeyAnswer::Records { records: all, .. } = copy_page(&from, "", 1, &CopyPosition::default())
    else {
        panic!("not frozen");
    };
    let ingest = |records| {
        let (position, next) = (CopyPosition::default(), None);
        step_of(
            "",
            1,
            TabletStep::Ingest {
                position,
                next,
                records,
            },
        )
    };
    assert_eq!(to.run(ingest(all)), KeyOutcome::ForeignRecords);
    let header = RawRecord {
        key: keys::header(),
        value: Vec::new(),
    };
    assert_eq!(to.run(ingest(vec![header])), KeyOutcome::ForeignRecords);
    assert_eq!(records(&to, 0x20..=0x31), 0);
}

#[test]
fn debts_follow_their_blobs() {
    let (mut from, mut to) = groups();
    let debt = |n| Debt {
        disk: DiskId::from_u128(1),
        shard: ShardId {
            chunk: crate::id::ChunkId {
                blob: blob(n, 10).id,
                seq: 0,
            },
            index: 3,
        },
    };
    for (n, key) in [(1, "a"), (2, "x")] {
        let mut owing = put(key, 1, blobs(n, 10));
        owing.debts = vec![debt(n)];
        from.put(owing);
    }
    let split = TabletStep::Split {
        at: "m".into(),
        first: TabletSize::default(),
    };
    from.step("", 1, split);
    move_tablet(&mut from, &mut to, "m", None, 2);
    let query = |change| KeyQuery::DebtsOfTablet {
        bucket: BUCKET,
        start: "m".into(),
        change: ChangeId(change),
        after: None,
    };
    assert!(matches!(from.ask(query(1)), KeyAnswer::Tablet(_)));
    let KeyAnswer::TabletDebts { debts, next: None } = from.ask(query(2)) else {
        panic!("no debts");
    };
    assert_eq!(debts.len(), 1);
    to.step("m", 2, TabletStep::TakeDebts { debts });
    from.step(
        "m",
        2,
        TabletStep::GiveDebts {
            debts: vec![debt(2)],
        },
    );
    // Until it is swept the group knows the blob; who owes it shards is the other's business now.
    let late = || KeyCommand::OweShards {
        debts: vec![Debt {
            disk: DiskId::from_u128(2),
            ..debt(2)
        }],
    };
    assert_eq!(from.run(late()), KeyOutcome::ShardsOwed { added: 0 });
    sweep(&mut from, "m", 2);
    for (machine, n) in [(&from, 1), (&to, 2)] {
        let query = KeyQuery::ListDebts {
            disk: None,
            after: None,
            max: 10,
        };
        let KeyAnswer::Debts { debts, .. } = machine.ask(query) else {
            panic!("no debts");
        };
        assert_eq!(debts.len(), 1);
        assert_eq!(debts[0].debt, debt(n));
        assert_eq!(debts[0].blob.as_ref().unwrap().state, BlobState::Live);
    }
}

#[test]
fn a_request_refused_by_a_busy_tablet_is_never_applied() {
    let (mut from, _) = groups();
    from.step("", 1, TabletStep::Close);
    let refused = proposal(900, START_MS, put_command(BUCKET, put("k", 1, inline("x"))));
    let first = from.apply(&refused);
    assert_eq!(first, Outcome::Keys(KeyOutcome::TabletBusy));
    from.step("", 1, TabletStep::Reopen);
    // Its client has gone on with another request by now.
    from.put(put("k", 2, inline("y")));
    assert_eq!(from.apply(&refused), first);
    let moved = proposal(901, START_MS, put_command(BUCKET, put("k", 3, inline("z"))));
    from.apply(&moved);
    from.step("", 2, TabletStep::Freeze);
    from.step("", 2, TabletStep::Release { to: GroupId(2) });
    let again = from.apply(&moved);
    assert!(
        matches!(again, Outcome::Keys(KeyOutcome::Stored(_))),
        "applied before the tablet moved, found where it was applied: {again:?}"
    );
}

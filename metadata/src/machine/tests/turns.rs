//! Whose turn it is in a bucket, by the control group's clock.

use super::*;
use crate::record::{Document, DocumentKind, LifecycleTally, LifecycleTurn};

const LEASE_MS: u64 = 100;

/// A control group with one bucket.
fn system() -> (Machine, BucketId) {
    let mut machine = Machine::system();
    machine.run_system(SystemCommand::Bootstrap {
        cluster: crate::id::ClusterId::from_u128(1),
        layout: Box::new(layout(1)),
        identities: vec![tenant("a")],
        key_groups: 1,
    });
    let create = SystemCommand::CreateBucket(NewBucket::named("b", "a", "r"));
    match machine.run_system(create) {
        SystemOutcome::BucketCreated { bucket } => (machine, bucket.id),
        other => panic!("{other:?}"),
    }
}

fn set_rules(machine: &mut Machine, bucket: BucketId, rules: Option<&'static str>) {
    let document = rules.map(|rules| Document(rules.into()));
    let kind = DocumentKind::Lifecycle;
    let change = BucketChange::Document { kind, document };
    machine.run_system(SystemCommand::ConfigureBucket { bucket, change });
}

fn step(
    machine: &mut Machine,
    bucket: BucketId,
    worker: u128,
    step: TurnStep,
) -> Option<LifecycleTurn> {
    let worker = RequestId::from_u128(worker);
    let command = SystemCommand::LifecycleTurn {
        bucket,
        worker,
        step,
    };
    match machine.run_system(command) {
        SystemOutcome::LifecycleTurn(turn) => turn.map(|turn| *turn),
        other => panic!("{other:?}"),
    }
}

fn take(machine: &mut Machine, bucket: BucketId, worker: u128) -> Option<LifecycleTurn> {
    let lease_ms = LEASE_MS;
    step(machine, bucket, worker, TurnStep::Take { lease_ms })
}

fn end(machine: &mut Machine, bucket: BucketId, worker: u128, due_ms: u64) -> LifecycleTurn {
    let tally = LifecycleTally::default();
    let end = TurnStep::End { tally, due_ms };
    step(machine, bucket, worker, end).expect("it holds the turn")
}

#[test]
fn rules_make_a_turn_and_their_end_ends_it() {
    let (mut machine, bucket) = system();
    assert_eq!(take(&mut machine, bucket, 1), None, "no rules");
    set_rules(&mut machine, bucket, Some("a"));
    assert!(take(&mut machine, bucket, 1).is_some());
    set_rules(&mut machine, bucket, None);
    let lease_ms = LEASE_MS;
    let renewed = step(&mut machine, bucket, 1, TurnStep::Renew { lease_ms });
    assert_eq!(renewed, None);
}

#[test]
fn one_works_at_a_time_and_another_goes_on_where_it_fell_silent() {
    let (mut machine, bucket) = system();
    set_rules(&mut machine, bucket, Some("a"));
    let began_ms = machine.now_ms;
    take(&mut machine, bucket, 1).expect("it is due");
    let tally = LifecycleTally {
        looked_at: 5,
        ..LifecycleTally::default()
    };
    let after = Some(ObjectKey::from("k"));
    let note = TurnStep::Note { after, tally };
    assert!(step(&mut machine, bucket, 1, note.clone()).is_some());
    machine.now_ms += LEASE_MS - 1;
    assert_eq!(take(&mut machine, bucket, 2), None, "the other is there");
    machine.now_ms += 1;
    let turn = take(&mut machine, bucket, 2).expect("the other is silent");
    let round = turn.round.expect("it goes on");
    assert_eq!(round.after, Some("k".into()));
    assert_eq!((round.began_ms, round.tally), (began_ms, tally));
    // Who was thought dead has no say any more.
    for late in [note, TurnStep::Leave, TurnStep::End { tally, due_ms: 0 }] {
        assert_eq!(step(&mut machine, bucket, 1, late), None);
    }
    // Who leaves makes room at once.
    assert!(step(&mut machine, bucket, 2, TurnStep::Leave).is_some());
    assert!(take(&mut machine, bucket, 3).is_some());
}

#[test]
fn a_round_follows_when_it_is_due_or_the_rules_changed() {
    let (mut machine, bucket) = system();
    set_rules(&mut machine, bucket, Some("a"));
    take(&mut machine, bucket, 1).expect("it is due");
    let due_ms = machine.now_ms + 500;
    let turn = end(&mut machine, bucket, 1, due_ms);
    assert_eq!((turn.round, turn.due_ms), (None, due_ms));
    assert!(turn.last.is_some_and(|last| last.ended_ms.is_some()));
    assert_eq!(take(&mut machine, bucket, 1), None, "not due yet");
    machine.now_ms = due_ms;
    take(&mut machine, bucket, 1).expect("it is due");
    // What changes during a round may concern keys that it has passed.
    set_rules(&mut machine, bucket, Some("b"));
    let due_ms = machine.now_ms + 500;
    let turn = end(&mut machine, bucket, 1, due_ms);
    assert_eq!(turn.due_ms, machine.now_ms);
    take(&mut machine, bucket, 1).expect("the rules are others");
    let due_ms = machine.now_ms + 500;
    end(&mut machine, bucket, 1, due_ms);
    assert_eq!(take(&mut machine, bucket, 1), None);
    set_rules(&mut machine, bucket, Some("c"));
    assert!(take(&mut machine, bucket, 1).is_some());
}

//! Events: queued with what they tell of, in its order, each once; told by one at a time.

use super::*;
use crate::limits::EVENTS_PER_QUEUE;
use crate::record::{Document, Event, EventQueue, VersionName};
use crate::store::Overlay;

const ALL: [Happening; 4] = [
    Happening::Stored,
    Happening::Removed,
    Happening::Hidden,
    Happening::Altered,
];

/// Tells "hook" of whatever comes of a command.
fn told(command: KeyCommand) -> KeyCommand {
    let notice = |when: Happening| Notice {
        when,
        name: format!("{when:?}"),
        target: "hook".to_owned(),
        rule: "rule".to_owned(),
    };
    let notices = Notices {
        origin: Document::default(),
        notices: ALL.map(notice).into(),
    };
    let command = Box::new(command);
    KeyCommand::Told { command, notices }
}

fn events(machine: &Machine) -> Vec<ListedEvent> {
    let target = "hook".to_owned();
    match machine.ask(KeyQuery::Events { target, max: 1000 }) {
        KeyAnswer::Events(events) => events,
        other => panic!("{other:?}"),
    }
}

fn queue(machine: &Machine) -> EventQueue {
    match machine.ask(KeyQuery::EventQueues) {
        KeyAnswer::EventQueues(queues) => {
            let found = queues.into_iter().find(|listed| listed.target == "hook");
            found.map(|listed| listed.queue).unwrap_or_default()
        }
        other => panic!("{other:?}"),
    }
}

fn names(machine: &Machine) -> Vec<String> {
    let events = events(machine).into_iter();
    events.map(|listed| listed.event.name).collect()
}

fn delete(versioning: Versioning, version: Option<VersionName>) -> KeyCommand {
    KeyCommand::DeleteObject {
        bucket: BUCKET,
        delete: Box::new(DeleteObject {
            version,
            versioning,
            ..DeleteObject::of_key("k".into())
        }),
    }
}

fn alter(tags: &[&str]) -> KeyCommand {
    let tags = tags.iter().map(|tag| (tag.to_string(), String::new()));
    KeyCommand::AlterVersion {
        bucket: BUCKET,
        alter: Box::new(AlterVersion {
            key: "k".into(),
            version: None,
            alteration: Alteration::Tags(tags.collect()),
        }),
    }
}

fn hold(holder: u128, for_ms: u64) -> KeyCommand {
    KeyCommand::HoldEvents(HoldEvents {
        target: "hook".to_owned(),
        holder: RequestId::from_u128(holder),
        for_ms,
    })
}

#[test]
fn what_comes_of_a_change_is_told() {
    let mut machine = Machine::keys();
    machine.run(put_command(BUCKET, put("k", 1, inline("untold"))));
    machine.run(told(delete(Versioning::Never, None)));
    // Nothing is there, so nothing happens; nor where a precondition fails.
    machine.run(told(delete(Versioning::Never, None)));
    let mut refused = put("k", 1, inline("x"));
    refused.preconditions.if_match = Some(TagMatch::Any);
    machine.run(told(put_command(BUCKET, refused)));
    machine.run(told(put_command(BUCKET, put("k", 1, inline("abc")))));
    machine.run(told(alter(&["a"])));
    machine.run(told(delete(Versioning::Enabled, None)));
    let expected = ["Removed", "Stored", "Altered", "Hidden"];
    assert_eq!(names(&machine), expected);
    let events = events(&machine);
    assert!(events.is_sorted_by(|a, b| a.number < b.number));
    let Event {
        size_bytes,
        etag: tag,
        rule,
        ..
    } = &events[1].event;
    assert_eq!(
        (*size_bytes, *tag, rule.as_str()),
        (Some(3), Some(etag(1)), "rule")
    );
    let removed = &events[0].event;
    assert_eq!((removed.size_bytes, removed.etag), (None, None));
    assert!(matches!(
        events[3].event.version,
        Some(VersionName::Kept(_))
    ));
    assert_eq!(queue(&machine).waiting, 4);
}

#[test]
fn what_is_repeated_is_told_once() {
    let mut machine = Machine::keys();
    let command = told(put_command(BUCKET, put("k", 1, inline("x"))));
    let proposal = proposal(100, START_MS, command);
    let first = machine.apply(&proposal);
    assert_eq!(machine.apply(&proposal), first);
    let id = machine.begin_upload(5);
    machine.put_part(id, part(1, 1, inline("x")));
    let complete = told(KeyCommand::CompleteUpload {
        bucket: BUCKET,
        complete: Box::new(completion(id, &[(1, 1)])),
    });
    let first = machine.run(complete.clone());
    assert!(matches!(first, KeyOutcome::UploadCompleted { .. }));
    assert_eq!(machine.run(complete), first);
    assert_eq!(names(&machine), ["Stored", "Stored"]);
}

#[test]
fn one_teller_at_a_time_holds_a_queue() {
    let mut machine = Machine::keys();
    let granted = |yes| KeyOutcome::EventsHeld { granted: yes };
    assert_eq!(
        machine.run(hold(1, 1000)),
        granted(false),
        "there is no queue"
    );
    machine.run(told(put_command(BUCKET, put("k", 1, inline("x")))));
    assert_eq!(machine.run(hold(1, 1000)), granted(true));
    assert_eq!(machine.run(hold(2, 1000)), granted(false));
    assert_eq!(machine.run(hold(1, 1000)), granted(true), "held on to");
    assert_eq!(machine.run(hold(1, 0)), granted(true));
    assert_eq!(machine.run(hold(2, 1000)), granted(true), "let go");
    machine.now_ms += 1000;
    assert_eq!(
        machine.run(hold(1, 1000)),
        granted(true),
        "not held any more"
    );
    let drop = KeyCommand::DropEvents {
        target: "hook".to_owned(),
        numbers: vec![events(&machine)[0].number, 99],
    };
    for _ in 0..2 {
        assert_eq!(machine.run(drop.clone()), KeyOutcome::EventsDropped);
        assert_eq!((events(&machine).len(), queue(&machine).waiting), (0, 0));
    }
}

#[test]
fn a_full_queue_counts_what_goes_untold() {
    let mut machine = Machine::keys();
    let before = machine.store.snapshot();
    let mut overlay = Overlay::new(&before);
    let full = EventQueue {
        waiting: EVENTS_PER_QUEUE - 1,
        ..EventQueue::default()
    };
    overlay.put(keys::event_queue("hook"), &full);
    let changes = overlay.into_changes();
    machine.store.commit(changes);
    for n in 0..3 {
        let stored = machine.run(told(put_command(BUCKET, put("k", n, inline("x")))));
        assert!(matches!(stored, KeyOutcome::Stored(_)));
    }
    let EventQueue { waiting, lost, .. } = queue(&machine);
    assert_eq!(
        (waiting, lost, events(&machine).len()),
        (EVENTS_PER_QUEUE, 2, 1)
    );
}

proptest! {
    /// Whatever is told and dropped: what waits is counted, and in the order of the changes.
    #[test]
    fn a_queue_is_in_order_and_counted(steps in proptest::collection::vec(0u8..4, 1..40)) {
        let mut machine = Machine::keys();
        let mut expected: Vec<&str> = Vec::new();
        let mut is_there = false;
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                0 => {
                    machine.run(told(put_command(BUCKET, put("k", n as u8, inline("x")))));
                    expected.push("Stored");
                    is_there = true;
                }
                1 => {
                    machine.run(told(delete(Versioning::Never, None)));
                    expected.extend(is_there.then_some("Removed"));
                    is_there = false;
                }
                2 => {
                    machine.run(told(alter(&["t"])));
                    expected.extend(is_there.then_some("Altered"));
                }
                _ => {
                    let numbers = events(&machine).iter().take(2).map(|e| e.number).collect();
                    let target = "hook".to_owned();
                    machine.run(KeyCommand::DropEvents { target, numbers });
                    expected.drain(..expected.len().min(2));
                }
            }
            prop_assert_eq!(names(&machine), expected.clone());
            prop_assert_eq!(queue(&machine).waiting, expected.len() as u64);
        }
    }
}

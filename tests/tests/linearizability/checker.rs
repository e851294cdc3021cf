//! The checker's own trials: it accepts what is right, and refuses each kind of wrong history.

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::Site;

use crate::history::{Event, Object, SEARCH_LIMIT, Verdict, check};
use crate::model::{Action, Answer, Change, Condition, KEYS, Value};

/// A request between two moments.
type Span = (i64, i64, Action);

pub(crate) fn trials() -> Vec<Trial> {
    use Condition::{Absent, Always, Holds};
    use Verdict::{Linearizable, NotLinearizable, RefusalBroken};
    let cases: [(&'static str, Verdict, Vec<Span>); 17] = [
        (
            "accepts_reads_of_either_side_of_a_write",
            Linearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 9, put(2, Always, Answer::Done)),
                (3, 4, read(Some(1))),
                (5, 6, read(Some(2))),
            ],
        ),
        (
            "refuses_a_stale_read",
            NotLinearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 3, put(2, Always, Answer::Done)),
                (4, 5, read(Some(1))),
            ],
        ),
        (
            "refuses_reads_that_go_back_during_a_write",
            NotLinearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 9, put(2, Always, Answer::Done)),
                (3, 4, read(Some(2))),
                (5, 6, read(Some(1))),
            ],
        ),
        (
            "refuses_a_lost_write",
            NotLinearizable,
            vec![(0, 1, put(1, Always, Answer::Done)), (2, 3, read(None))],
        ),
        (
            "refuses_a_resurrected_object",
            NotLinearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 3, delete(Always, Answer::Done)),
                (4, 5, read(None)),
                (6, 7, read(Some(1))),
            ],
        ),
        (
            "refuses_two_creations",
            NotLinearizable,
            vec![
                (0, 9, put(1, Absent, Answer::Done)),
                (0, 9, put(2, Absent, Answer::Done)),
            ],
        ),
        (
            "refuses_two_changes_of_one_version",
            NotLinearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 9, put(2, Holds(1), Answer::Done)),
                (2, 9, put(3, Holds(1), Answer::Done)),
            ],
        ),
        (
            // What a gateway would do that repeats a request as a new one.
            "refuses_a_write_that_was_applied_twice",
            NotLinearizable,
            vec![
                (0, 1, put(1, Absent, Answer::Done)),
                (2, 3, delete(Always, Answer::Done)),
                (4, 5, put(2, Absent, Answer::Done)),
                (6, 7, delete(Always, Answer::Done)),
                (8, 9, read(Some(1))),
            ],
        ),
        (
            "refuses_a_condition_that_failed_for_no_reason",
            NotLinearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 3, put(2, Holds(1), Answer::PreconditionFailed)),
            ],
        ),
        (
            "refuses_success_on_what_is_absent",
            NotLinearizable,
            vec![(0, 1, put(2, Holds(1), Answer::Done))],
        ),
        (
            "accepts_an_uncertain_write_that_took_effect_late",
            Linearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 3, put(2, Always, Answer::Uncertain)),
                (4, 5, read(Some(1))),
                (6, 7, read(Some(2))),
            ],
        ),
        (
            "accepts_an_uncertain_write_that_never_took_effect",
            Linearizable,
            vec![
                (0, 1, put(1, Always, Answer::Done)),
                (2, 3, put(2, Holds(1), Answer::Uncertain)),
                (4, 5, read(Some(1))),
            ],
        ),
        (
            "refuses_an_uncertain_write_that_took_effect_twice",
            NotLinearizable,
            vec![
                (0, 1, put(2, Always, Answer::Uncertain)),
                (2, 3, read(Some(2))),
                (4, 5, put(3, Always, Answer::Done)),
                (6, 7, read(Some(2))),
            ],
        ),
        (
            "refuses_an_effect_before_the_request",
            NotLinearizable,
            vec![
                (0, 1, read(Some(1))),
                (2, 3, put(1, Always, Answer::Uncertain)),
            ],
        ),
        (
            "tells_a_refused_write_that_took_effect",
            RefusalBroken,
            vec![
                (0, 1, put(1, Always, Answer::Refused)),
                (2, 3, read(Some(1))),
            ],
        ),
        (
            "refuses_a_torn_listing",
            NotLinearizable,
            vec![
                (0, 1, write(0, Change::Put(1), Always, Answer::Done)),
                (2, 3, write(1, Change::Put(2), Always, Answer::Done)),
                (0, 9, list([None, Some(2), None])),
            ],
        ),
        (
            "refuses_a_listing_without_what_was_written",
            NotLinearizable,
            vec![
                (0, 1, write(2, Change::Put(1), Always, Answer::Done)),
                (2, 3, list([None; KEYS])),
            ],
        ),
    ];
    cases
        .into_iter()
        .map(|(name, verdict, spans)| {
            Trial::test(format!("checker::{name}"), move || expect(verdict, &spans))
        })
        .collect()
}

fn expect(verdict: Verdict, spans: &[Span]) -> Result<(), Failed> {
    let events: Vec<Event> = (0..)
        .zip(spans)
        .map(|(client, &(call_us, return_us, action))| Event {
            client,
            gateway: Site::Toulouse,
            object: Object { round: 0, slot: 0 },
            call_us,
            return_us,
            action,
        })
        .collect();
    assert_eq!(check(&events, SEARCH_LIMIT), verdict);
    Ok(())
}

fn write(key: usize, change: Change, condition: Condition, answer: Answer) -> Action {
    Action::Write {
        key,
        change,
        condition,
        answer,
    }
}

fn put(value: Value, condition: Condition, answer: Answer) -> Action {
    write(0, Change::Put(value), condition, answer)
}

fn delete(condition: Condition, answer: Answer) -> Action {
    write(0, Change::Delete, condition, answer)
}

fn read(seen: Option<Value>) -> Action {
    Action::Read { key: 0, seen }
}

fn list(seen: [Option<Value>; KEYS]) -> Action {
    Action::List { seen }
}

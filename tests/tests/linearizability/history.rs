//! What clients saw, and whether one order explains it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;
use porcupine_rs::{CheckResult, Operation};
use riquet_tests::cluster::Site;

use crate::model::{Action, Answer, Keys};

/// How long the order of one object's requests is searched for: a search fills memory. Orders that
/// exist are found in milliseconds; what takes longer counts as a failure, of the test if not of
/// the product.
pub(crate) const SEARCH_LIMIT: Duration = Duration::from_secs(20);

/// Requests shown around the one that no order explains.
const EXCERPT: usize = 14;

/// Keys that are checked together, and apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    pub(crate) round: u32,
    pub(crate) slot: u32,
}

/// A request and what came of it. Times are µs on the one monotonic clock of the test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) client: u32,
    pub(crate) gateway: Site,
    pub(crate) object: Object,
    pub(crate) call_us: i64,
    pub(crate) return_us: i64,
    pub(crate) action: Action,
}

impl Event {
    /// How a write was answered; nothing for other events.
    pub(crate) fn answer(&self) -> Option<Answer> {
        match self.action {
            Action::Write { answer, .. } => Some(answer),
            Action::Read { .. } | Action::List { .. } => None,
        }
    }

    fn operation(&self) -> Operation<Keys> {
        let is_known = !matches!(self.answer(), Some(Answer::Refused | Answer::Uncertain));
        Operation {
            client_id: Some(self.client),
            call_time: self.call_us,
            return_time: if is_known { self.return_us } else { i64::MAX },
            op: self.action,
            metadata: None,
        }
    }
}

/// What the search says of one object's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Linearizable,
    /// If anything explains it, then that a write took effect which was answered with 503.
    RefusalBroken,
    NotLinearizable,
    /// The search took too long.
    Undecided,
}

/// Searches for an order that explains all of an object's events.
pub(crate) fn check(events: &[Event], limit: Duration) -> Verdict {
    // A history that holds with refused writes left out holds with them as well: they come last.
    match porcupine_rs::check_operations_timeout(&believing(events), limit) {
        CheckResult::Ok => return Verdict::Linearizable,
        CheckResult::Unknown => return Verdict::Undecided,
        CheckResult::Illegal => {}
    }
    let all: Vec<_> = events.iter().map(Event::operation).collect();
    match porcupine_rs::check_operations_timeout(&all, limit) {
        CheckResult::Ok | CheckResult::Unknown => Verdict::RefusalBroken,
        CheckResult::Illegal => Verdict::NotLinearizable,
    }
}

/// The operations, if refused writes changed nothing.
fn believing(events: &[Event]) -> Vec<Operation<Keys>> {
    let took_part = |event: &&Event| event.answer() != Some(Answer::Refused);
    events
        .iter()
        .filter(took_part)
        .map(Event::operation)
        .collect()
}

/// Events by object, in the order of their calls.
pub(crate) fn by_object(events: &[Event]) -> BTreeMap<Object, Vec<Event>> {
    let mut objects: BTreeMap<Object, Vec<Event>> = BTreeMap::new();
    for event in events {
        objects.entry(event.object).or_default().push(*event);
    }
    for events in objects.values_mut() {
        events.sort_by_key(|event| event.call_us);
    }
    objects
}

/// Checks each object, and writes the history of the first that fails to a file of `folder`.
///
/// # Errors
/// The verdict on that object and an excerpt of its history, and where all of it is.
pub(crate) fn check_all(events: &[Event], folder: &Path) -> Result<(), Failed> {
    for (object, events) in by_object(events) {
        let verdict = check(&events, SEARCH_LIMIT);
        if verdict == Verdict::Linearizable {
            continue;
        }
        let Object { round, slot } = object;
        let file = folder.join(format!("history-{round}-{slot}.txt"));
        std::fs::write(&file, lines(&events, None))?;
        let mut text = format!(
            "round {round}, slot {slot}: {verdict:?}, {} requests, all in {}\n",
            events.len(),
            file.display()
        );
        if verdict != Verdict::Undecided {
            text += &explain(&events, &file.with_extension("html"))?;
        }
        return Err(text.into());
    }
    Ok(())
}

/// The requests around the first that the longest order leaves out; all orders go to `page`.
fn explain(events: &[Event], page: &Path) -> Result<String, Failed> {
    let operations = believing(events);
    let (_, info) = porcupine_rs::check_operations_info_timeout(&operations, SEARCH_LIMIT);
    porcupine_rs::visualize_path::<Keys>(&info, page)?;
    let longest = info
        .partial_linearizations
        .iter()
        .flatten()
        .max_by_key(|order| order.len())
        .cloned()
        .unwrap_or_default();
    let stuck = (0..operations.len())
        .filter(|index| !longest.contains(index))
        .min_by_key(|&index| operations[index].return_time)
        .ok_or("the checker explains a history that it refused")?;
    let stuck_us = (operations[stuck].call_time, operations[stuck].client_id);
    let index = events
        .iter()
        .position(|event| (event.call_us, Some(event.client)) == stuck_us)
        .unwrap_or(0);
    let from = index.saturating_sub(EXCERPT);
    let until = events.len().min(index + EXCERPT);
    Ok(lines(&events[from..until], Some(index - from)))
}

/// One line per event; the one at `marked` is pointed at.
fn lines(events: &[Event], marked: Option<usize>) -> String {
    let mut text = String::new();
    for (index, event) in events.iter().enumerate() {
        let mark = if Some(index) == marked { '>' } else { ' ' };
        let _ = writeln!(
            text,
            "{mark} {:>11} {:>11} us  client {:>3} at {:<11}  {}",
            event.call_us,
            event.return_us,
            event.client,
            event.gateway.name(),
            event.action
        );
    }
    text
}

/// Replaces, one at a time, the value that some reads saw by one that a read saw earlier; how many
/// of so many false histories are refused.
pub(crate) fn refused_stale_reads(events: &[Event], attempts: usize) -> (usize, usize) {
    /// A wrong history costs the whole search, so that only those of one key are tried.
    const SEARCH_LIMIT: Duration = Duration::from_secs(2);
    let (mut tried, mut refused) = (0, 0);
    for (_, events) in by_object(events) {
        let mut earlier = None;
        for index in 0..events.len() {
            let Action::Read { key: 0, seen } = events[index].action else {
                continue;
            };
            let stale = earlier.replace(seen).filter(|&stale| stale != seen);
            let Some(stale) = stale.filter(|_| index % 7 == 0 && tried < attempts) else {
                continue;
            };
            let mut wrong = events.clone();
            wrong[index].action = Action::Read {
                key: 0,
                seen: stale,
            };
            tried += 1;
            refused += usize::from(check(&wrong, SEARCH_LIMIT) == Verdict::NotLinearizable);
        }
    }
    (refused, tried)
}

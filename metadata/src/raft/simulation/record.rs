//! What happened, and whether it may have.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What a key holds.
pub(super) type Value = u32;

/// When a write may take place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    Always,
    Absent,
    Holds(Value),
}

/// How a write was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Done,
    Failed,
    NoSuchKey,
    /// It took effect at some moment since, will do so, or never.
    Unknown,
}

/// A request to one key, with what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Read(Option<Value>),
    /// Of nothing: a removal.
    Write(Option<Value>, Condition, Said),
}

/// What one key must do when one request comes after another.
#[derive(Clone, Debug)]
struct Register;

impl Model for Register {
    type State = Option<Value>;
    type Op = Action;
    type Metadata = ();

    fn init() -> Option<Value> {
        None
    }

    fn step(&held: &Option<Value>, action: &Action) -> (bool, Option<Value>) {
        match *action {
            Action::Read(seen) => (seen == held, held),
            Action::Write(value, condition, said) => {
                let right = match (held, condition) {
                    (_, Condition::Always) | (None, Condition::Absent) => Said::Done,
                    // What is not there is removed already.
                    (None, Condition::Holds(_)) if value.is_none() => Said::Done,
                    (None, Condition::Holds(_)) => Said::NoSuchKey,
                    (Some(held), Condition::Holds(expected)) if held == expected => Said::Done,
                    (Some(_), _) => Said::Failed,
                };
                let next = if right == Said::Done { value } else { held };
                (said == Said::Unknown || said == right, next)
            }
        }
    }
}

/// All that is noted of a run.
pub(super) struct Record(Mutex<Noted>);

struct Noted {
    began: Instant,
    trace: DefaultHasher,
    events: i64,
    requests: BTreeMap<u64, Vec<Operation<Register>>>,
    /// Entries applied anywhere, by index.
    applied: BTreeMap<u64, Vec<u8>>,
    mistakes: Vec<String>,
}

/// What came of a run.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// A hash of all events and their times.
    pub(super) trace: u64,
    pub(super) requests: usize,
    pub(super) applied: usize,
    pub(super) mistakes: Vec<String>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Noted {
            began: Instant::now(),
            trace: DefaultHasher::new(),
            events: 0,
            requests: BTreeMap::new(),
            applied: BTreeMap::new(),
            mistakes: Vec::new(),
        }))
    }

    /// Notes an event; its number.
    pub(super) fn note(&self, event: impl fmt::Display) -> i64 {
        let mut noted = self.0.lock().unwrap();
        let at = noted.began.elapsed();
        (at, event.to_string()).hash(&mut noted.trace);
        if std::env::var_os("RIQUET_SIMULATION_TRACE").is_some() {
            println!("{at:?} {event}");
        }
        noted.events += 1;
        noted.events
    }

    pub(super) fn mistake(&self, what: String) {
        self.note(&what);
        self.0.lock().unwrap().mistakes.push(what);
    }

    /// A request that began with event `from`, and has just ended.
    pub(super) fn request(&self, key: u64, from: i64, action: Action) {
        let now = self.note(format_args!("key {key} since {from}: {action:?}"));
        let is_open = matches!(action, Action::Write(_, _, Said::Unknown));
        let operation = Operation {
            client_id: None,
            call_time: from,
            return_time: if is_open { i64::MAX } else { now },
            op: action,
            metadata: None,
        };
        let mut noted = self.0.lock().unwrap();
        noted.requests.entry(key).or_default().push(operation);
    }

    /// An entry that a voter applied, which all others must apply in that place.
    pub(super) fn applied(&self, voter: u64, index: u64, entry: Vec<u8>) {
        let mut noted = self.0.lock().unwrap();
        let first = noted.applied.entry(index).or_insert_with(|| entry.clone());
        if *first != entry {
            let what = format!("voter {voter} applied another entry {index} than others");
            noted.mistakes.push(what);
        }
    }

    /// Looks for an order of each key's requests that explains what they saw.
    pub(super) fn finish(&self) -> Report {
        let mut noted = self.0.lock().unwrap();
        let noted = &mut *noted;
        for (key, requests) in &noted.requests {
            match porcupine_rs::check_operations_timeout(requests, Duration::from_secs(20)) {
                CheckResult::Ok => {}
                CheckResult::Illegal => {
                    let what = format!("no order explains the requests of key {key}");
                    noted.mistakes.push(what);
                }
                CheckResult::Unknown => {
                    let what = format!("the requests of key {key} were too many to check");
                    noted.mistakes.push(what);
                }
            }
        }
        Report {
            trace: noted.trace.finish(),
            requests: noted.requests.values().map(Vec::len).sum(),
            applied: noted.applied.len(),
            mistakes: noted.mistakes.clone(),
        }
    }
}

//! What a few keys must do when one request comes after another: the specification that histories
//! are held against.

use std::fmt;

use porcupine_rs::Model;

/// Keys that are looked at together. A register uses only the first.
pub(crate) const KEYS: usize = 3;

/// What a write stores; no two writes of a run store the same.
pub(crate) type Value = u32;

/// What each key holds.
pub(crate) type State = [Option<Value>; KEYS];

/// What a write asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Value),
    Delete,
}

/// When a write may take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match` with the ETag of this value.
    Holds(Value),
}

/// How a write was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    PreconditionFailed,
    NoSuchKey,
    /// 503. The gateway promises that nothing was changed; a cautious client believes nothing.
    Refused,
    /// No answer, or 500: it took effect at any moment since, will do so, or never.
    Uncertain,
}

/// One request, with what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Write {
        key: usize,
        change: Change,
        condition: Condition,
        answer: Answer,
    },
    /// GET or HEAD.
    Read { key: usize, seen: Option<Value> },
    /// A listing of all keys: they must have been so at one moment.
    List { seen: State },
}

/// The specification. It allows an uncertain write to take effect as late as it likes: its return
/// lies after all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys;

impl Model for Keys {
    type State = State;
    type Op = Action;
    type Metadata = ();

    fn init() -> State {
        [None; KEYS]
    }

    fn step(state: &State, action: &Action) -> (bool, State) {
        match *action {
            Action::Read { key, seen } => (state[key] == seen, *state),
            Action::List { seen } => (*state == seen, *state),
            Action::Write {
                key,
                change,
                condition,
                answer,
            } => {
                let right = decide(state[key], change, condition);
                let mut next = *state;
                if right == Answer::Done {
                    next[key] = match change {
                        Change::Put(value) => Some(value),
                        Change::Delete => None,
                    };
                }
                let is_known = !matches!(answer, Answer::Refused | Answer::Uncertain);
                (!is_known || answer == right, next)
            }
        }
    }

    fn describe_operation(action: &Action) -> String {
        action.to_string()
    }
}

/// The right answer to a write of a key that holds `held`.
fn decide(held: Option<Value>, change: Change, condition: Condition) -> Answer {
    match (held, condition) {
        // What is not there is deleted already, whatever was expected of it.
        (None, _) if change == Change::Delete => Answer::Done,
        (_, Condition::Always) | (None, Condition::Absent) => Answer::Done,
        (None, Condition::Holds(_)) => Answer::NoSuchKey,
        (Some(held), Condition::Holds(expected)) if held == expected => Answer::Done,
        (Some(_), Condition::Absent | Condition::Holds(_)) => Answer::PreconditionFailed,
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { key, seen } => write!(f, "read {key}: {}", Shown(*seen)),
            Self::List { seen } => {
                write!(f, "list:")?;
                seen.iter()
                    .try_for_each(|&value| write!(f, " {}", Shown(value)))
            }
            Self::Write {
                key,
                change,
                condition,
                answer,
            } => {
                match change {
                    Change::Put(value) => write!(f, "put {key} = {value}")?,
                    Change::Delete => write!(f, "delete {key}")?,
                }
                match condition {
                    Condition::Always => {}
                    Condition::Absent => write!(f, " if absent")?,
                    Condition::Holds(value) => write!(f, " if {value}")?,
                }
                write!(f, ": {answer:?}")
            }
        }
    }
}

struct Shown(Option<Value>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("-"),
        }
    }
}

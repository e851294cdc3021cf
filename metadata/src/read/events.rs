//! Queries about events that wait to be told.

use crate::codec::CodecError;
use crate::keys::{self, Family, end_of};
use crate::query::{KeyAnswer, ListedEvent, ListedQueue};
use crate::store::{Reader, StoreError, damaged, decode, scan};

/// The queues of a group, by target.
pub(super) fn queues(view: &dyn Reader, max: usize) -> Result<KeyAnswer, StoreError> {
    let from = keys::family(Family::EventQueue);
    let found = scan(view, &from, &end_of(&from), max)?;
    let queues = found.iter().map(|(key, value)| {
        Ok(ListedQueue {
            target: keys::parse_event_queue(key).ok_or_else(|| bad_key(key))?,
            queue: decode(key, value)?,
        })
    });
    Ok(KeyAnswer::EventQueues(queues.collect::<Result<_, _>>()?))
}

/// The first events that wait to be told to a target.
pub(super) fn events(view: &dyn Reader, target: &str, max: usize) -> Result<KeyAnswer, StoreError> {
    let from = keys::events_for(target);
    let found = scan(view, &from, &end_of(&from), max)?;
    let events = found.iter().map(|(key, value)| {
        let (_, number) = keys::parse_event(key).ok_or_else(|| bad_key(key))?;
        let event = decode(key, value)?;
        Ok(ListedEvent { number, event })
    });
    Ok(KeyAnswer::Events(events.collect::<Result<_, _>>()?))
}

fn bad_key(key: &[u8]) -> StoreError {
    damaged(key, CodecError::Malformed("the key".to_owned()))
}

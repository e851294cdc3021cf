//! Events: queued in the very batch of the change that they tell of, and dropped once they were told.
//!
//! A group has a queue for each target, in the order in which its changes were applied. So a key's
//! events are told in order, but for those of a tablet that moved: the older ones wait with the group
//! that had it. Their numbers tell: those of a key only grow.

use super::Batch;
use super::versions::{newest_version, version_named};
use crate::command::{Deleted, Happening, HoldEvents, KeyCommand, KeyOutcome, Notices};
use crate::id::{BucketId, ObjectKey};
use crate::keys;
use crate::limits::EVENTS_PER_QUEUE;
use crate::record::{Event, EventQueue, ObjectHead, Upload, VersionName};
use crate::store::{Reader as _, StoreError};

/// What a change came to, and to what.
struct Came {
    bucket: BucketId,
    key: ObjectKey,
    happening: Happening,
    /// The version that it is about; none: the newest.
    version: Option<VersionName>,
}

impl Batch<'_> {
    /// Makes a change, and queues the events that come of it.
    pub(super) fn apply_told(
        &mut self,
        command: &KeyCommand,
        notices: &Notices,
    ) -> Result<KeyOutcome, StoreError> {
        let is_repeated = self.is_repeated_completion(command)?;
        let outcome = self.apply_keys(command)?;
        if !is_repeated && let Some(came) = what_came(command, &outcome) {
            self.queue_events(&came, notices)?;
        }
        Ok(outcome)
    }

    /// Whether a completion can only repeat the outcome of an earlier one: its upload is gone.
    fn is_repeated_completion(&self, command: &KeyCommand) -> Result<bool, StoreError> {
        let KeyCommand::CompleteUpload { bucket, complete } = command else {
            return Ok(false);
        };
        let upload = keys::upload(*bucket, complete.key.as_bytes(), complete.upload);
        Ok(self.state.record::<Upload>(&upload)?.is_none())
    }

    fn queue_events(&mut self, came: &Came, notices: &Notices) -> Result<(), StoreError> {
        let mut wanted = notices
            .notices
            .iter()
            .filter(|notice| notice.when == came.happening)
            .peekable();
        if wanted.peek().is_none() {
            return Ok(());
        }
        let object = self.object_of(came)?;
        for notice in wanted {
            let stored = keys::event_queue(&notice.target);
            let mut queue: EventQueue = self.state.record(&stored)?.unwrap_or_default();
            if queue.waiting < EVENTS_PER_QUEUE {
                let event = Event {
                    at_ms: self.header.clock_ms,
                    name: notice.name.clone(),
                    rule: notice.rule.clone(),
                    key: came.key.clone(),
                    size_bytes: object.as_ref().map(|head| head.size_bytes),
                    etag: object.as_ref().map(|head| head.etag),
                    version: came.version.or(object.as_ref().map(ObjectHead::name)),
                    origin: notices.origin.clone(),
                };
                let number = self.next_sequence();
                self.state.put(keys::event(&notice.target, number), &event);
                queue.waiting += 1;
            } else {
                queue.lost += 1;
            }
            self.state.put(stored, &queue);
        }
        Ok(())
    }

    /// The object that is there after a change, if the change left one.
    fn object_of(&self, came: &Came) -> Result<Option<ObjectHead>, StoreError> {
        if matches!(came.happening, Happening::Removed | Happening::Hidden) {
            return Ok(None);
        }
        let newest = newest_version(&self.state, came.bucket, &came.key)?;
        match (newest, came.version) {
            (Some(newest), Some(name)) => {
                version_named(&self.state, came.bucket, &came.key, &newest, name)
            }
            (newest, _) => Ok(newest),
        }
    }

    /// Lets one teller at a time have a queue. Its events may be told twice nevertheless, by one who is
    /// slower than it said.
    pub(super) fn hold_events(&mut self, hold: &HoldEvents) -> Result<KeyOutcome, StoreError> {
        let stored = keys::event_queue(&hold.target);
        let Some(mut queue) = self.state.record::<EventQueue>(&stored)? else {
            return Ok(KeyOutcome::EventsHeld { granted: false });
        };
        let now_ms = self.header.clock_ms;
        let is_others = queue.holder.is_some_and(|holder| holder != hold.holder);
        if is_others && queue.held_until_ms > now_ms {
            return Ok(KeyOutcome::EventsHeld { granted: false });
        }
        queue.holder = (hold.for_ms > 0).then_some(hold.holder);
        queue.held_until_ms = now_ms.saturating_add(hold.for_ms);
        self.state.put(stored, &queue);
        Ok(KeyOutcome::EventsHeld { granted: true })
    }

    pub(super) fn drop_events(
        &mut self,
        target: &str,
        numbers: &[u64],
    ) -> Result<KeyOutcome, StoreError> {
        let stored = keys::event_queue(target);
        let mut queue: EventQueue = self.state.record(&stored)?.unwrap_or_default();
        for number in numbers {
            let event = keys::event(target, *number);
            // Another teller may have been as fast.
            if self.state.get(&event)?.is_some() {
                self.state.delete(event);
                queue.waiting = queue
                    .waiting
                    .checked_sub(1)
                    .expect("every event is counted");
            }
        }
        self.state.put(stored, &queue);
        Ok(KeyOutcome::EventsDropped)
    }
}

fn what_came(command: &KeyCommand, outcome: &KeyOutcome) -> Option<Came> {
    let (bucket, key) = match command {
        KeyCommand::PutObject { bucket, put } => (bucket, &put.key),
        KeyCommand::DeleteObject { bucket, delete } => (bucket, &delete.key),
        KeyCommand::CompleteUpload { bucket, complete } => (bucket, &complete.key),
        KeyCommand::AlterVersion { bucket, alter } => (bucket, &alter.key),
        _ => return None,
    };
    let asked = match command {
        KeyCommand::DeleteObject { delete, .. } => delete.version,
        _ => None,
    };
    let (happening, version) = match outcome {
        KeyOutcome::Stored(stored) | KeyOutcome::UploadCompleted { stored, .. } => {
            (Happening::Stored, Some(stored.version))
        }
        KeyOutcome::Deleted(Deleted::Removed { .. }) => (Happening::Removed, asked),
        KeyOutcome::Deleted(Deleted::Hidden { marker }) => (Happening::Hidden, Some(*marker)),
        KeyOutcome::Altered { version } => (Happening::Altered, Some(*version)),
        _ => return None,
    };
    Some(Came {
        bucket: *bucket,
        key: key.clone(),
        happening,
        version,
    })
}

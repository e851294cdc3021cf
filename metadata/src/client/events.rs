//! Events: changes that others are told of, and what those need who tell them.

use std::sync::Arc;

use super::Client;
use crate::command::{HoldEvents, KeyCommand, KeyOutcome, Notices};
use crate::error::Error;
use crate::id::GroupId;
use crate::query::{KeyAnswer, KeyQuery, ListedEvent, ListedQueue};

const ODD: Error = Error::Protocol("an answer to another question");

impl Client {
    /// A client whose changes of objects are told to others: their events are queued in the same commit.
    #[must_use]
    pub fn telling(&self, notices: Notices) -> Self {
        Self {
            notices: Some(Arc::new(notices)),
            ..self.clone()
        }
    }

    /// A command as it is proposed, with what others are told of it.
    pub(super) fn told(&self, command: KeyCommand) -> KeyCommand {
        match &self.notices {
            None => command,
            Some(notices) => KeyCommand::Told {
                command: Box::new(command),
                notices: Notices::clone(notices),
            },
        }
    }

    /// The groups that queue events.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn event_groups(&self) -> Result<impl Iterator<Item = GroupId>, Error> {
        Ok(GroupId::keys(self.cluster().await?.key_groups))
    }

    /// The queues of a group, with how many events wait in each.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn event_queues(&self, group: GroupId) -> Result<Vec<ListedQueue>, Error> {
        let query = KeyQuery::EventQueues;
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::EventQueues(queues) => Ok(queues),
            _ => Err(ODD),
        }
    }

    /// The first events that wait to be told to a target, in order.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn events(
        &self,
        group: GroupId,
        target: &str,
        max: u32,
    ) -> Result<Vec<ListedEvent>, Error> {
        let query = KeyQuery::Events {
            target: target.to_owned(),
            max,
        };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Events(events) => Ok(events),
            _ => Err(ODD),
        }
    }

    /// Takes it on to tell a target of a group's events, or gives it up; whether that was granted.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn hold_events(&self, group: GroupId, hold: HoldEvents) -> Result<bool, Error> {
        let command = KeyCommand::HoldEvents(hold);
        match self.inner.calls.propose_keys(group, command).await? {
            KeyOutcome::EventsHeld { granted } => Ok(granted),
            _ => Err(ODD),
        }
    }

    /// Forgets events that were told.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn drop_events(
        &self,
        group: GroupId,
        target: &str,
        numbers: Vec<u64>,
    ) -> Result<(), Error> {
        let command = KeyCommand::DropEvents {
            target: target.to_owned(),
            numbers,
        };
        match self.inner.calls.propose_keys(group, command).await? {
            KeyOutcome::EventsDropped => Ok(()),
            _ => Err(ODD),
        }
    }
}

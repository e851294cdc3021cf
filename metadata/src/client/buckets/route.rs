//! The way to the group that has a key's tablet, which may be moving: what to do when a group says
//! no.
//!
//! A refusal is an outcome: nothing was done, and the group remembers that it refused this very
//! request. So each further try is a request of its own, to the same group or another.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::command::{KeyCommand, KeyOutcome};
use crate::error::Error;
use crate::id::{ChangeId, GroupId, ObjectKey};
use crate::limits::{CHANGE_PATIENCE_MS, CLIENT_DEADLINE_MS};
use crate::query::{KeyAnswer, KeyQuery};
use crate::record::{Bucket, TabletState};

/// First pause before a busy tablet is asked again, ms; doubles up to [`PAUSE_MAX_MS`].
const PAUSE_MIN_MS: u64 = 5;
/// Longest pause before a busy tablet is asked again, ms.
const PAUSE_MAX_MS: u64 = 160;

/// Why a group said no.
#[derive(Clone, Copy, PartialEq)]
enum Met {
    NoTablet,
    Sealed,
    Busy,
    Moved(GroupId),
}

/// An operation's way to the tablet of its key.
struct Route<'a> {
    client: &'a Client,
    /// The bucket as the caller knows it.
    given: &'a Bucket,
    /// The bucket as it was looked up since, if its map is newer.
    newer: Option<Arc<Bucket>>,
    key: &'a [u8],
    /// The group to ask.
    group: GroupId,
    began: Instant,
    pause_ms: u64,
    /// Whether the steps of a change were taken on the way: once is enough.
    has_helped: bool,
}

impl Client {
    /// Proposes a change of a key.
    pub(in crate::client) async fn change(
        &self,
        bucket: &Bucket,
        key: &[u8],
        command: KeyCommand,
    ) -> Result<KeyOutcome, Error> {
        let mut route = Route::new(self, bucket, key);
        loop {
            let command = command.clone();
            let met = match self.inner.calls.propose_keys(route.group, command).await? {
                KeyOutcome::NoTablet => Met::NoTablet,
                KeyOutcome::TabletSealed => Met::Sealed,
                KeyOutcome::TabletBusy => Met::Busy,
                KeyOutcome::TabletMoved { to } => Met::Moved(to),
                outcome => return Ok(outcome),
            };
            route.after(met).await?;
            if met == Met::Busy {
                // Looking is cheaper than proposing.
                route.await_open().await?;
            }
        }
    }

    /// Asks about a key.
    pub(in crate::client) async fn ask(
        &self,
        bucket: &Bucket,
        key: &[u8],
        query: KeyQuery,
    ) -> Result<KeyAnswer, Error> {
        let mut route = Route::new(self, bucket, key);
        loop {
            let query = query.clone();
            let met = match self.inner.calls.query_keys(route.group, query).await? {
                KeyAnswer::NoTablet => Met::NoTablet,
                KeyAnswer::TabletSealed => Met::Sealed,
                KeyAnswer::TabletBusy => Met::Busy,
                KeyAnswer::TabletMoved { to } => Met::Moved(to),
                answer => return Ok(answer),
            };
            route.after(met).await?;
        }
    }
}

impl<'a> Route<'a> {
    fn new(client: &'a Client, bucket: &'a Bucket, key: &'a [u8]) -> Self {
        Self {
            client,
            given: bucket,
            newer: None,
            key,
            group: bucket.group_of(key),
            began: Instant::now(),
            pause_ms: PAUSE_MIN_MS,
            has_helped: false,
        }
    }

    fn bucket(&self) -> &Bucket {
        self.newer.as_deref().unwrap_or(self.given)
    }

    /// After this the operation may be tried again; an error says why it can't succeed.
    async fn after(&mut self, met: Met) -> Result<(), Error> {
        let asked = self.group;
        self.look_up().await?;
        match met {
            Met::Sealed => {
                self.client.finish_deletion(self.bucket()).await?;
                self.look_up().await?;
                self.pause().await
            }
            Met::Moved(to) => {
                // The map may not know of the move yet.
                if self.group == asked {
                    self.group = to;
                }
                self.check_deadline()
            }
            Met::NoTablet if self.group != asked => self.check_deadline(),
            Met::NoTablet => {
                if self.bucket().generation() == ChangeId::default()
                    && self.client.open_tablet(self.bucket()).await? == KeyOutcome::TabletOpen
                {
                    return self.check_deadline();
                }
                self.pause().await
            }
            Met::Busy => {
                let patience = Duration::from_millis(CHANGE_PATIENCE_MS);
                if !self.has_helped && self.began.elapsed() > patience {
                    self.has_helped = true;
                    self.client.unblock(self.bucket().id).await?;
                }
                self.pause().await
            }
        }
    }

    /// Waits while the tablet is busy.
    async fn await_open(&mut self) -> Result<(), Error> {
        loop {
            let key = ObjectKey::from(self.key);
            let tablet = self.client.tablet_at(self.group, self.given.id, &key);
            let tablet = tablet.await?;
            let is_busy = tablet.is_some_and(|tablet| {
                matches!(
                    tablet.state,
                    TabletState::Frozen | TabletState::Receiving { .. } | TabletState::Closing
                )
            });
            if !is_busy {
                return Ok(());
            }
            self.after(Met::Busy).await?;
        }
    }

    /// Looks the bucket up again. It must be the same; its map may be newer.
    async fn look_up(&mut self) -> Result<(), Error> {
        let found = self.client.look_up(&self.given.name).await?;
        let found = found.ok_or(Error::NoSuchBucket)?;
        if found.id != self.given.id {
            return Err(Error::StaleBucket);
        }
        if found.generation() > self.bucket().generation() {
            self.group = found.group_of(self.key);
            self.newer = Some(found);
        }
        Ok(())
    }

    fn check_deadline(&self) -> Result<(), Error> {
        // Whatever was asked so far was refused: nothing was done.
        if self.began.elapsed() > Duration::from_millis(CLIENT_DEADLINE_MS) {
            return Err(Error::Unavailable);
        }
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), Error> {
        self.check_deadline()?;
        tokio::time::sleep(Duration::from_millis(self.pause_ms)).await;
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MAX_MS);
        Ok(())
    }
}

//! Changes of a bucket's tablets, driven from step to step: split, move, delete.
//!
//! | step | where | what a crash after it leaves |
//! | --- | --- | --- |
//! | begin | control group | the change, to be found by [`Client::tablet_changes`] |
//! | the steps below | key groups | the same: each may be repeated |
//! | commit or cancel | control group | the change, decided |
//! | clean up | key groups | the same |
//! | end | control group | nothing |
//!
//! * **Split**: the group makes two tablets of one, then the map does. In between, clients with the
//!   old map reach the right group, which is all they need.
//! * **Move**: the receiver takes its place, the giver freezes, the records are copied, the giver
//!   lets go, *then* the receiver opens: at no moment do two groups take reads or writes of a key.
//!   Then the map is changed, debts follow and the giver is swept.
//! * **Delete**: all tablets are closed, one after the other, if they hold no object. If all are,
//!   the deletion is committed: they are sealed and swept, and the bucket is forgotten. If one is
//!   not, it is cancelled and every tablet opened again. A closed tablet takes neither reads nor
//!   writes, so at the moment of the decision the whole bucket is empty.
//!
//! Any number of drivers may be at work on one change; each learns from the outcomes what others
//! did. Nothing here is remembered but in the groups.

use super::ODD;
use crate::client::Client;
use crate::command::{KeyCommand, KeyOutcome, SystemCommand, SystemOutcome, TabletStep};
use crate::error::Error;
use crate::id::{BucketId, GroupId, ObjectKey};
use crate::limits::PAGE_ITEMS;
use crate::query::{KeyAnswer, KeyQuery, ListedTablet, SystemAnswer, SystemQuery, TabletPosition};
use crate::record::{Bucket, Change, ChangeKind, ChangePhase, KeyRange, Tablet};
use crate::tablets::TabletChanged;

/// Rounds in which a driver finds that others did its work, or that the change was decided, before
/// it gives up: a change has fewer phases.
const ROUNDS: usize = 8;

/// What the control group is to decide after the steps of a phase.
#[derive(Clone, Copy)]
pub(super) enum Decision {
    Commit,
    Cancel,
    End,
}

impl Client {
    /// Moves a tablet of a bucket to another group. Returns once it is there and nothing of it is
    /// left where it was.
    ///
    /// # Errors
    /// When no voter answers. The change may be under way, and is then ended by whoever finds it.
    pub async fn move_tablet(
        &self,
        bucket: &Bucket,
        range: &KeyRange,
        to: GroupId,
    ) -> Result<TabletChanged, Error> {
        let kind = ChangeKind::Move {
            range: range.clone(),
            from: bucket.group_of(range.start.as_bytes()),
            to,
        };
        self.carry_out(bucket.id, kind).await
    }

    pub(super) async fn carry_out(
        &self,
        bucket: BucketId,
        kind: ChangeKind,
    ) -> Result<TabletChanged, Error> {
        for _ in 0..ROUNDS {
            let Some(change) = self.begin_change(bucket, kind.clone()).await? else {
                return Ok(TabletChanged::Unfit);
            };
            self.drive(&change).await?;
            if change.kind == kind {
                return Ok(TabletChanged::Done);
            }
            // Another change was under way; now it is out of the way.
        }
        Err(Error::Unavailable)
    }

    /// A page of the changes that are under way, in the order of their buckets, and whether there
    /// are more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn tablet_changes(
        &self,
        after: Option<BucketId>,
        max: u32,
    ) -> Result<(Vec<Change>, bool), Error> {
        let query = SystemQuery::Changes { after, max };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Changes { changes, more } => Ok((changes, more)),
            _ => Err(ODD),
        }
    }

    /// The change that is under way in a bucket.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn tablet_change(&self, bucket: BucketId) -> Result<Option<Change>, Error> {
        let query = SystemQuery::Change { bucket };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Change(change) => Ok(change.map(|change| *change)),
            _ => Err(ODD),
        }
    }

    /// A group's tablet of a key, whatever its state.
    pub(super) async fn tablet_at(
        &self,
        group: GroupId,
        bucket: BucketId,
        key: &ObjectKey,
    ) -> Result<Option<Tablet>, Error> {
        let key = key.clone();
        let query = KeyQuery::Tablet { bucket, key };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Tablet(tablet) => Ok(tablet.map(|tablet| *tablet)),
            _ => Err(ODD),
        }
    }

    /// All tablets that a group has or had.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn tablets_of_group(&self, group: GroupId) -> Result<Vec<ListedTablet>, Error> {
        let mut all: Vec<ListedTablet> = Vec::new();
        loop {
            let after = all.last().map(|last| TabletPosition {
                bucket: last.bucket,
                end: last.tablet.range.end.clone(),
            });
            let max = u32::try_from(PAGE_ITEMS).expect("a page is small");
            let query = KeyQuery::Tablets { after, max };
            match self.inner.calls.query_keys(group, query).await? {
                KeyAnswer::Tablets { tablets, more } => {
                    all.extend(tablets);
                    if !more {
                        return Ok(all);
                    }
                }
                _ => return Err(ODD),
            }
        }
    }

    /// Begins a change, or finds the one that is under way. None: it does not fit the bucket.
    pub(crate) async fn begin_change(
        &self,
        bucket: BucketId,
        kind: ChangeKind,
    ) -> Result<Option<Change>, Error> {
        let command = SystemCommand::BeginChange {
            bucket,
            kind: Box::new(kind),
        };
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::Change(Some(change)) => Ok(Some(*change)),
            SystemOutcome::ChangeUnfit => Ok(None),
            _ => Err(ODD),
        }
    }

    /// Takes the remaining steps of a change, whoever began it.
    ///
    /// # Errors
    /// When no voter answers. What is left of it stays to be found.
    pub async fn drive(&self, change: &Change) -> Result<(), Error> {
        let mut now = change.clone();
        for _ in 0..ROUNDS {
            let decision = match (&now.kind, now.phase) {
                (ChangeKind::Split { .. }, _) => self.split(&now).await?,
                (ChangeKind::Move { .. }, ChangePhase::Begun) => self.copy(&now).await?,
                (ChangeKind::Move { .. }, _) => self.clean_up(&now).await?,
                (ChangeKind::Delete, ChangePhase::Begun) => self.close_all(&now).await?,
                (ChangeKind::Delete, ChangePhase::Committed) => self.seal_all(&now).await?,
                (ChangeKind::Delete, ChangePhase::Cancelled) => self.reopen_all(&now).await?,
            };
            let next = match decision {
                Some(decision) => self.decide(&now, decision).await?,
                // Somebody else decided or ended it meanwhile.
                None => self.tablet_change(now.bucket).await?,
            };
            match next {
                Some(next) if next.id == change.id => now = next,
                _ => return Ok(()),
            }
        }
        Err(Error::Unavailable)
    }

    /// Gets a change out of the way of an operation that waits for it, if a few steps do that: a
    /// deletion, or a move that only the last steps are missing of. A copy takes its time, and is
    /// left to whoever looks after the tablets.
    pub(super) async fn unblock(&self, bucket: BucketId) -> Result<(), Error> {
        let Some(change) = self.tablet_change(bucket).await? else {
            return Ok(());
        };
        match (&change.kind, change.phase) {
            (ChangeKind::Delete, _) => self.drive(&change).await,
            (ChangeKind::Move { .. }, ChangePhase::Begun) => {
                if let Some(decision) = self.hand_over(&change).await? {
                    self.decide(&change, decision).await?;
                }
                Ok(())
            }
            (ChangeKind::Move { .. } | ChangeKind::Split { .. }, _) => Ok(()),
        }
    }

    /// Has a change decided or ended; the change that is under way then.
    async fn decide(&self, change: &Change, decision: Decision) -> Result<Option<Change>, Error> {
        let (bucket, change) = (change.bucket, change.id);
        let command = match decision {
            Decision::Commit => SystemCommand::CommitChange { bucket, change },
            Decision::Cancel => SystemCommand::CancelChange { bucket, change },
            Decision::End => SystemCommand::EndChange { bucket, change },
        };
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::Change(change) => Ok(change.map(|change| *change)),
            _ => Err(ODD),
        }
    }

    /// Takes a step at the tablet that begins at `start`. The tablet after it, if no newer change
    /// touched it, and this one did.
    pub(super) async fn step(
        &self,
        change: &Change,
        group: GroupId,
        start: &ObjectKey,
        step: TabletStep,
    ) -> Result<Option<Tablet>, Error> {
        match self.propose_step(change, group, start, step).await? {
            KeyOutcome::Tablet(tablet) => Ok(Some(*tablet).filter(|t| t.changed == change.id)),
            KeyOutcome::NoTablet => Ok(None),
            _ => Err(ODD),
        }
    }

    /// Removes what is left in a moved or sealed tablet. Whether this change may.
    pub(super) async fn sweep(
        &self,
        change: &Change,
        group: GroupId,
        start: &ObjectKey,
    ) -> Result<bool, Error> {
        loop {
            match self
                .propose_step(change, group, start, TabletStep::Sweep)
                .await?
            {
                KeyOutcome::Swept { clean: true } => return Ok(true),
                KeyOutcome::Swept { clean: false } => {}
                KeyOutcome::Tablet(_) | KeyOutcome::NoTablet => return Ok(false),
                _ => return Err(ODD),
            }
        }
    }

    pub(super) async fn propose_step(
        &self,
        change: &Change,
        group: GroupId,
        start: &ObjectKey,
        step: TabletStep,
    ) -> Result<KeyOutcome, Error> {
        let command = KeyCommand::Tablet {
            bucket: change.bucket,
            start: start.clone(),
            change: change.id,
            step,
        };
        self.inner.calls.propose_keys(group, command).await
    }
}

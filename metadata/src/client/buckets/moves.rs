//! The steps of a move.

use super::ODD;
use super::changes::Decision;
use crate::client::Client;
use crate::command::{RawRecord, TabletStep};
use crate::error::Error;
use crate::id::GroupId;
use crate::query::{KeyAnswer, KeyQuery};
use crate::record::{Change, ChangeKind, CopyPosition, KeyRange, Tablet, TabletState};

/// What is moved, from where, and to where.
fn parts(change: &Change) -> (&KeyRange, GroupId, GroupId) {
    match &change.kind {
        ChangeKind::Move { range, from, to } => (range, *from, *to),
        _ => unreachable!("asked for moves only"),
    }
}

/// A page of a copy.
enum Page {
    Records {
        records: Vec<RawRecord>,
        next: Option<CopyPosition>,
    },
    /// Somebody else has copied all of it, and taken the next step.
    NotFrozen,
}

impl Client {
    /// Takes the steps up to the decision.
    pub(super) async fn copy(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let (range, from, to) = parts(change);
        // The receiver comes first: if it can't be reached, nobody has to wait for it.
        let step = TabletStep::Receive {
            end: range.end.clone(),
        };
        let Some(receiver) = self.step(change, to, &range.start, step).await? else {
            return Ok(None);
        };
        let step = TabletStep::Freeze;
        if self.step(change, from, &range.start, step).await?.is_none() {
            return Ok(None);
        }
        if !self.copy_records(change, receiver).await? {
            return Ok(None);
        }
        let step = TabletStep::Release { to };
        self.step(change, from, &range.start, step).await?;
        self.hand_over(change).await
    }

    /// Copies a frozen tablet's records to where it moves. Whether all are there; else somebody
    /// else has taken the next step.
    async fn copy_records(&self, change: &Change, receiver: Tablet) -> Result<bool, Error> {
        let (range, from, to) = parts(change);
        let mut receiver = receiver;
        // The page to come is read while the one before it is written.
        let mut ahead: Option<(CopyPosition, Page)> = None;
        loop {
            let position = match receiver.state {
                TabletState::Receiving { position: Some(at) } => at,
                _ => return Ok(true),
            };
            let page = match ahead.take() {
                Some((at, page)) if at == position => page,
                // The beginning; or somebody else is further.
                _ => self.read_page(change, from, position.clone()).await?,
            };
            let Page::Records { records, next } = page else {
                return Ok(false);
            };
            let step = TabletStep::Ingest {
                position,
                next: next.clone(),
                records,
            };
            let write = self.step(change, to, &range.start, step);
            let read = async {
                match next {
                    Some(next) => {
                        let page = self.read_page(change, from, next.clone()).await?;
                        Ok(Some((next, page)))
                    }
                    None => Ok(None),
                }
            };
            let (written, read) = futures_util::future::try_join(write, read).await?;
            ahead = read;
            match written {
                Some(tablet) => receiver = tablet,
                None => return Ok(false),
            }
        }
    }

    async fn read_page(
        &self,
        change: &Change,
        from: GroupId,
        position: CopyPosition,
    ) -> Result<Page, Error> {
        let (range, ..) = parts(change);
        let query = KeyQuery::CopyTablet {
            bucket: change.bucket,
            start: range.start.clone(),
            change: change.id,
            position,
        };
        match self.inner.calls.query_keys(from, query).await? {
            KeyAnswer::Records { records, next } => Ok(Page::Records { records, next }),
            KeyAnswer::Tablet(_) => Ok(Page::NotFrozen),
            _ => Err(ODD),
        }
    }

    /// Opens the tablet where it moved, if it was released where it was.
    pub(super) async fn hand_over(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let (range, from, to) = parts(change);
        let given = self.tablet_at(from, change.bucket, &range.start).await?;
        let given = given.filter(|given| given.changed == change.id);
        let Some(TabletState::Moved {
            sequence, clock_ms, ..
        }) = given.map(|given| given.state)
        else {
            return Ok(None);
        };
        let step = TabletStep::Admit { sequence, clock_ms };
        let taken = self.step(change, to, &range.start, step).await?;
        let is_open = taken.is_some_and(|tablet| tablet.state == TabletState::Open);
        Ok(is_open.then_some(Decision::Commit))
    }

    /// Takes the steps after the decision.
    pub(super) async fn clean_up(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let (range, from, to) = parts(change);
        let mut after = None;
        loop {
            let query = KeyQuery::DebtsOfTablet {
                bucket: change.bucket,
                start: range.start.clone(),
                change: change.id,
                after,
            };
            let (owed, next) = match self.inner.calls.query_keys(from, query).await? {
                KeyAnswer::TabletDebts { debts, next } => (debts, next),
                KeyAnswer::Tablet(_) => return Ok(None),
                _ => return Err(ODD),
            };
            if !owed.is_empty() {
                let debts = owed.iter().map(|owed| owed.debt.clone()).collect();
                let take = TabletStep::TakeDebts { debts: owed };
                let give = TabletStep::GiveDebts { debts };
                for (group, step) in [(to, take), (from, give)] {
                    if self
                        .step(change, group, &range.start, step)
                        .await?
                        .is_none()
                    {
                        return Ok(None);
                    }
                }
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        let is_clean = self.sweep(change, from, &range.start).await?;
        Ok(is_clean.then_some(Decision::End))
    }
}

//! Whose turn it is to go through a bucket's keys by the rules of its lifecycle.

use super::Batch;
use crate::command::{SystemOutcome, TurnStep};
use crate::id::{BucketId, RequestId};
use crate::keys;
use crate::record::{LifecycleRound, LifecycleTurn, TurnHolder};
use crate::store::StoreError;

impl Batch<'_> {
    /// A bucket was given rules, other ones, or none any more.
    pub(super) fn rules_changed(
        &mut self,
        bucket: BucketId,
        has_rules: bool,
    ) -> Result<(), StoreError> {
        let stored = keys::lifecycle_turn(bucket);
        if !has_rules {
            self.state.delete(stored);
            return Ok(());
        }
        let now_ms = self.header.clock_ms;
        let turn: Option<LifecycleTurn> = self.state.record(&stored)?;
        let turn = match turn {
            None => LifecycleTurn::of_new_rules(bucket, now_ms),
            Some(turn) => LifecycleTurn {
                due_ms: now_ms,
                is_outdated: turn.round.is_some(),
                ..turn
            },
        };
        self.state.put(stored, &turn);
        Ok(())
    }

    pub(super) fn lifecycle_turn(
        &mut self,
        bucket: BucketId,
        worker: RequestId,
        step: &TurnStep,
    ) -> Result<SystemOutcome, StoreError> {
        let stored = keys::lifecycle_turn(bucket);
        let turn: Option<LifecycleTurn> = self.state.record(&stored)?;
        let now_ms = self.header.clock_ms;
        let turn = turn.and_then(|turn| turn.after_step(worker, step, now_ms));
        if let Some(turn) = &turn {
            self.state.put(stored, turn);
        }
        Ok(SystemOutcome::LifecycleTurn(turn.map(Box::new)))
    }
}

impl LifecycleTurn {
    /// The turn after a worker's step; none: it may not take it.
    fn after_step(mut self, worker: RequestId, step: &TurnStep, now_ms: u64) -> Option<Self> {
        let hold = |lease_ms: &u64| {
            let until_ms = now_ms.saturating_add(*lease_ms);
            Some(TurnHolder { worker, until_ms })
        };
        if let TurnStep::Take { lease_ms } = step {
            if !self.is_free(now_ms) {
                return None;
            }
            if self.round.is_none() {
                self.is_outdated = false;
            }
            self.round.get_or_insert_with(|| LifecycleRound {
                began_ms: now_ms,
                ..LifecycleRound::default()
            });
            self.holder = hold(lease_ms);
            return Some(self);
        }
        // Whose lease has run out goes on as long as nobody took its place.
        self.holder.filter(|holder| holder.worker == worker)?;
        match step {
            TurnStep::Take { .. } => unreachable!("taken above"),
            TurnStep::Renew { lease_ms } => self.holder = hold(lease_ms),
            TurnStep::Note { after, tally } => {
                let round = self.round.as_mut()?;
                round.after.clone_from(after);
                round.tally = *tally;
            }
            TurnStep::Leave => self.holder = None,
            TurnStep::End { tally, due_ms } => {
                let round = self.round.take()?;
                self.last = Some(LifecycleRound {
                    ended_ms: Some(now_ms),
                    after: None,
                    tally: *tally,
                    ..round
                });
                self.holder = None;
                self.due_ms = if self.is_outdated { now_ms } else { *due_ms };
                self.is_outdated = false;
            }
        }
        Some(self)
    }
}

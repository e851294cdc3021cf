//! Remembered outcomes: a retry gets the first outcome, never a second application.
//!
//! The oldest outcomes are forgotten, by count and by time. A proposal no newer than the newest
//! forgotten one could be a retry of it, so it is refused as expired: forgetting can make a late
//! retry fail, never apply twice.
//!
//! A request belongs to one group for good: its client repeats it only there, and asks another
//! group (or this one again, when a tablet was busy) only after an outcome of this one said that
//! nothing was done, and as a new request. That outcome is remembered as all are, so no copy of the
//! first request that is still on its way can be applied after it. Therefore a tablet may move to
//! another group without the outcomes of its requests.

use minicbor::{Decode, Encode};

use super::{Batch, must_remember};
use crate::codec::Record;
use crate::command::{Outcome, Proposal};
use crate::id::RequestId;
use crate::keys;
use crate::limits::{DEDUP_ENTRIES, DEDUP_MS, EVICTIONS_PER_COMMAND};
use crate::store::StoreError;

/// An entry of the queue in which outcomes are forgotten.
#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct Remembered {
    #[n(0)]
    request: RequestId,
    /// The proposer's time.
    #[n(1)]
    timestamp_ms: u64,
    /// The group's time when it was applied.
    #[n(2)]
    applied_ms: u64,
}

impl Record for Remembered {
    const VERSION: u8 = 1;
}

impl Batch<'_> {
    /// The outcome of an earlier try of this proposal, if there was one or may have been.
    pub(super) fn remembered(&self, proposal: &Proposal) -> Result<Option<Outcome>, StoreError> {
        if !must_remember(&proposal.command) {
            return Ok(None);
        }
        if let Some(outcome) = self.state.record(&keys::outcome(proposal.request))? {
            return Ok(Some(outcome));
        }
        Ok((proposal.timestamp_ms <= self.header.forgotten_ms).then_some(Outcome::Expired))
    }

    pub(super) fn remember(
        &mut self,
        proposal: &Proposal,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        if !must_remember(&proposal.command) {
            return Ok(());
        }
        let entry = Remembered {
            request: proposal.request,
            timestamp_ms: proposal.timestamp_ms,
            applied_ms: self.header.clock_ms,
        };
        self.state.put(keys::outcome(proposal.request), outcome);
        self.state
            .put(keys::outcome_order(self.header.outcomes_next), &entry);
        self.header.outcomes_next += 1;
        self.forget()
    }

    fn forget(&mut self) -> Result<(), StoreError> {
        for _ in 0..EVICTIONS_PER_COMMAND {
            let order = keys::outcome_order(self.header.outcomes_first);
            let Some(oldest) = self.state.record::<Remembered>(&order)? else {
                break;
            };
            let count = self.header.outcomes_next - self.header.outcomes_first;
            let expired = self.header.clock_ms - oldest.applied_ms > DEDUP_MS;
            if count <= DEDUP_ENTRIES && !expired {
                break;
            }
            self.state.delete(order);
            self.state.delete(keys::outcome(oldest.request));
            self.header.outcomes_first += 1;
            self.header.forgotten_ms = self.header.forgotten_ms.max(oldest.timestamp_ms);
        }
        Ok(())
    }
}

//! What those ask who hold buckets against the rules of their lifecycles.

use super::Client;
use super::objects::refused;
use crate::command::{ApplyRule, KeyCommand, KeyOutcome, SystemCommand, SystemOutcome, TurnStep};
use crate::error::Error;
use crate::id::{BucketId, RequestId};
use crate::query::{SystemAnswer, SystemQuery};
use crate::record::{Bucket, LifecycleTurn};

const ODD: Error = Error::Protocol("an answer to another question");

impl Client {
    /// Does to a version what a rule says, if the version is still as the rule was held against it.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] where it is not, [`Error::VersionLocked`], [`Error::BlobRefused`], or
    /// as all operations in a bucket.
    pub async fn apply_rule(&self, bucket: &Bucket, rule: ApplyRule) -> Result<(), Error> {
        let key = rule.key.clone();
        let command = KeyCommand::ApplyRule {
            bucket: bucket.id,
            rule: Box::new(rule),
        };
        match self.change(bucket, key.as_bytes(), command).await? {
            KeyOutcome::Deleted(_) | KeyOutcome::Altered { .. } => Ok(()),
            outcome => Err(refused(outcome)),
        }
    }

    /// Takes a step of a worker through a bucket; the bucket's turn after it. None: it is not the
    /// worker's to take, or the bucket has no rules (any more).
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn lifecycle_turn(
        &self,
        bucket: BucketId,
        worker: RequestId,
        step: TurnStep,
    ) -> Result<Option<LifecycleTurn>, Error> {
        let command = SystemCommand::LifecycleTurn {
            bucket,
            worker,
            step,
        };
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::LifecycleTurn(turn) => Ok(turn.map(|turn| *turn)),
            _ => Err(ODD),
        }
    }

    /// A page of the buckets that have a lifecycle, after one of them, and whether there are more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn lifecycle_turns(
        &self,
        after: Option<BucketId>,
        max: u32,
    ) -> Result<(Vec<LifecycleTurn>, bool), Error> {
        let query = SystemQuery::LifecycleTurns { after, max };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::LifecycleTurns { turns, more } => Ok((turns, more)),
            _ => Err(ODD),
        }
    }
}

//! The steps of a bucket's deletion.

use super::ODD;
use super::changes::Decision;
use crate::client::Client;
use crate::command::{KeyOutcome, TabletStep};
use crate::error::Error;
use crate::id::ChangeId;
use crate::record::{Bucket, Change, TabletState};

impl Client {
    /// Closes the bucket's tablets, unless one holds an object.
    pub(super) async fn close_all(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let Some(bucket) = self.bucket_by_id(change.bucket).await? else {
            return Ok(None);
        };
        if bucket.generation() == ChangeId::default() {
            // Its maker may not have come to that; and must not, once the bucket is forgotten.
            self.open_tablet(&bucket).await?;
        }
        for tablet in &bucket.tablets {
            let step = TabletStep::Close;
            match self
                .propose_step(change, tablet.group, &tablet.start, step)
                .await?
            {
                KeyOutcome::TabletNotEmpty => return Ok(Some(Decision::Cancel)),
                KeyOutcome::Tablet(tablet)
                    if tablet.changed == change.id && tablet.state == TabletState::Closing => {}
                // It was decided meanwhile, this way or that.
                KeyOutcome::Tablet(_) | KeyOutcome::NoTablet => return Ok(None),
                _ => return Err(ODD),
            }
        }
        Ok(Some(Decision::Commit))
    }

    /// Seals the closed tablets and collects what uploads left in them.
    pub(super) async fn seal_all(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let Some(bucket) = self.bucket_by_id(change.bucket).await? else {
            return Ok(None);
        };
        self.step_all(change, &bucket, &TabletStep::Seal).await?;
        for tablet in &bucket.tablets {
            if !self.sweep(change, tablet.group, &tablet.start).await? {
                return Ok(None);
            }
        }
        Ok(Some(Decision::End))
    }

    /// Opens the closed tablets again. The others too learn that this change closes no more: a
    /// closing that is still on its way would find nobody to open what it closes.
    pub(super) async fn reopen_all(&self, change: &Change) -> Result<Option<Decision>, Error> {
        let Some(bucket) = self.bucket_by_id(change.bucket).await? else {
            return Ok(None);
        };
        self.step_all(change, &bucket, &TabletStep::Reopen).await?;
        Ok(Some(Decision::End))
    }

    async fn step_all(
        &self,
        change: &Change,
        bucket: &Bucket,
        step: &TabletStep,
    ) -> Result<(), Error> {
        for tablet in &bucket.tablets {
            self.step(change, tablet.group, &tablet.start, step.clone())
                .await?;
        }
        Ok(())
    }
}

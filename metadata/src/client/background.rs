//! What background work asks: debts, garbage, and the fate of unconfirmed blobs.

use super::Client;
use crate::command::{Collected, GarbageKey, KeyCommand, KeyOutcome};
use crate::error::Error;
use crate::id::{BlobId, BucketId, DiskId, GroupId, ObjectKey};
use crate::query::{DebtCount, KeyAnswer, KeyQuery, ListedDebt, SystemAnswer, SystemQuery};
use crate::record::{BlobRecord, Debt, Garbage, Removal};

const ODD: Error = Error::Protocol("an answer to another question");

/// What becomes of a blob whose commit its holder never heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobFate {
    /// No commit of it can succeed any more: its shards may be removed.
    Aborted,
    /// It is committed: its shards must stay.
    Committed,
    /// It is older than the records, which began anew or were restored from a backup since. They
    /// can't judge it: its shards must stay until a person decides.
    OlderThanRecords,
}

impl Client {
    /// Rules out a later commit of a blob, unless it is committed already. `bucket` and `key` are
    /// those it was uploaded for.
    ///
    /// # Errors
    /// When no voter answers, or none knows of the bucket: its shards must stay.
    pub async fn abort_blob(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        blob: BlobId,
    ) -> Result<BlobFate, Error> {
        let query = SystemQuery::BucketById { id: bucket };
        let record = match self.inner.calls.query_system(query).await? {
            SystemAnswer::BucketById {
                complete_since_ms, ..
            } if complete_since_ms.is_none_or(|since_ms| blob.made_ms() < since_ms) => {
                return Ok(BlobFate::OlderThanRecords);
            }
            SystemAnswer::BucketById {
                bucket: Some(bucket),
                ..
            } => bucket,
            // A bucket is forgotten only when its tablets are sealed and swept: nothing is
            // committed in it any more, and nothing that was is still named.
            SystemAnswer::BucketById {
                bucket: None,
                was_allocated: true,
                ..
            } => return Ok(BlobFate::Aborted),
            SystemAnswer::BucketById { .. } => return Err(Error::NoSuchBucket),
            _ => return Err(ODD),
        };
        let command = KeyCommand::AbortBlob {
            blob,
            bucket,
            key: key.clone(),
        };
        let outcome = match self.change(&record, key.as_bytes(), command).await {
            // The bucket was deleted meanwhile.
            Err(Error::NoSuchBucket | Error::StaleBucket) => return Ok(BlobFate::Aborted),
            outcome => outcome?,
        };
        match outcome {
            KeyOutcome::BlobAborted => Ok(BlobFate::Aborted),
            KeyOutcome::BlobCommitted => Ok(BlobFate::Committed),
            _ => Err(ODD),
        }
    }

    /// How many shards each disk is owed, over all groups.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn debt_counts(&self) -> Result<Vec<DebtCount>, Error> {
        let mut counts = std::collections::BTreeMap::new();
        for group in GroupId::keys(self.cluster().await?.key_groups) {
            match self
                .inner
                .calls
                .query_keys(group, KeyQuery::DebtCounts)
                .await?
            {
                KeyAnswer::DebtCounts(found) => {
                    for count in found {
                        *counts.entry(count.disk).or_default() += count.shards;
                    }
                }
                _ => return Err(ODD),
            }
        }
        let counts = counts
            .into_iter()
            .map(|(disk, shards)| DebtCount { disk, shards });
        Ok(counts.collect())
    }

    /// A page of the shards that a group owes, and whether there are more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn list_debts(
        &self,
        group: GroupId,
        disk: Option<DiskId>,
        after: Option<Debt>,
        max: u32,
    ) -> Result<(Vec<ListedDebt>, bool), Error> {
        let query = KeyQuery::ListDebts { disk, after, max };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Debts { debts, more } => Ok((debts, more)),
            _ => Err(ODD),
        }
    }

    /// Strikes debts of a group that are paid or void.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn repay_debts(&self, group: GroupId, debts: Vec<Debt>) -> Result<(), Error> {
        let command = KeyCommand::RepayDebts { debts };
        match self.inner.calls.propose_keys(group, command).await? {
            KeyOutcome::DebtsRepaid => Ok(()),
            _ => Err(ODD),
        }
    }

    /// Notes shards that their disks should hold and don't; those of blobs that are not live in the
    /// group are passed over. Returns how many were not known before.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn owe_shards(&self, group: GroupId, debts: Vec<Debt>) -> Result<u64, Error> {
        let command = KeyCommand::OweShards { debts };
        match self.inner.calls.propose_keys(group, command).await? {
            KeyOutcome::ShardsOwed { added } => Ok(added),
            _ => Err(ODD),
        }
    }

    /// For each of these shards, whether the group owes it.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn are_owed(&self, group: GroupId, debts: Vec<Debt>) -> Result<Vec<bool>, Error> {
        let query = KeyQuery::AreOwed { debts };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Owed(owed) => Ok(owed),
            _ => Err(ODD),
        }
    }

    /// A page of a group's garbage that nothing names since before a time, after an entry, and
    /// whether there is more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn list_garbage(
        &self,
        group: GroupId,
        before_ms: u64,
        after: Option<GarbageKey>,
        max: u32,
    ) -> Result<(Vec<Garbage>, bool), Error> {
        let query = KeyQuery::ListGarbage {
            before_ms,
            after,
            max,
        };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Garbage { entries, more } => Ok((entries, more)),
            _ => Err(ODD),
        }
    }

    /// Forgets garbage of a group whose shards are removed, but where it says that they are left.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn drop_garbage(
        &self,
        group: GroupId,
        collected: Vec<Collected>,
    ) -> Result<(), Error> {
        let command = KeyCommand::DropGarbage { collected };
        match self.inner.calls.propose_keys(group, command).await? {
            KeyOutcome::GarbageDropped => Ok(()),
            _ => Err(ODD),
        }
    }

    /// A page of the blobs of a group whose shards a disk has yet to remove, and whether there are
    /// more.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn list_removals(
        &self,
        group: GroupId,
        disk: DiskId,
        after: Option<BlobId>,
        max: u32,
    ) -> Result<(Vec<Removal>, bool), Error> {
        let query = KeyQuery::ListRemovals { disk, after, max };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Removals { removals, more } => Ok((removals, more)),
            _ => Err(ODD),
        }
    }

    /// Strikes removals of a group that are done.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn strike_removals(
        &self,
        group: GroupId,
        removals: Vec<Removal>,
    ) -> Result<(), Error> {
        let command = KeyCommand::StrikeRemovals { removals };
        match self.inner.calls.propose_keys(group, command).await? {
            KeyOutcome::RemovalsStruck => Ok(()),
            _ => Err(ODD),
        }
    }

    /// A page of a group's committed blobs, by id, and whether there are more. A blob whose tablet
    /// moves meanwhile may be met in no group, or in two.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn list_blobs(
        &self,
        group: GroupId,
        after: Option<BlobId>,
        max: u32,
    ) -> Result<(Vec<BlobRecord>, bool), Error> {
        let query = KeyQuery::ListBlobs { after, max };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::Blobs { blobs, more } => Ok((blobs, more)),
            _ => Err(ODD),
        }
    }

    /// Those of these blobs that a group knows, garbage included. That it does not know one proves
    /// nothing: see [`Self::abort_blob`].
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn known_blobs(
        &self,
        group: GroupId,
        blobs: Vec<BlobId>,
    ) -> Result<Vec<BlobId>, Error> {
        let query = KeyQuery::KnownBlobs { blobs };
        match self.inner.calls.query_keys(group, query).await? {
            KeyAnswer::KnownBlobs(known) => Ok(known),
            _ => Err(ODD),
        }
    }

    /// A committed blob of a group, if it has it.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn blob(&self, group: GroupId, blob: BlobId) -> Result<Option<BlobRecord>, Error> {
        match self
            .inner
            .calls
            .query_keys(group, KeyQuery::Blob { blob })
            .await?
        {
            KeyAnswer::Blob(record) => Ok(record.map(|record| *record)),
            _ => Err(ODD),
        }
    }
}

//! Blobs: committed once, garbage once, or aborted before they ever were.
//!
//! A blob goes one way: fresh, then live, then garbage, then forgotten; or fresh, then aborted.
//! Which of the two ways a fresh blob goes is decided by whichever of its commit and its abortion
//! is applied first.

use std::collections::BTreeSet;

use super::Batch;
use super::tablets::tablet_of;
use crate::command::{Collected, KeyOutcome};
use crate::id::{BlobId, BucketId, ObjectKey};
use crate::keys::{self, Family, end_of};
use crate::limits::{BLOB_COMMIT_WINDOW_MS, EVICTIONS_PER_COMMAND};
use crate::record::{
    BlobRecord, BlobRef, BlobState, Content, Debt, DebtRecord, Garbage, Removal, RemovalRecord,
    TabletState, Tombstone,
};
use crate::store::{Reader, StoreError, scan};

impl Batch<'_> {
    /// The first blob of `content` that the group knows: committed, discarded or ruled out.
    pub(super) fn known_blob(&self, content: &Content) -> Result<Option<BlobId>, StoreError> {
        for blob in content.blobs() {
            if self.state.get(&keys::tombstone(blob.id))?.is_some()
                || self.state.get(&keys::blob(blob.id))?.is_some()
            {
                return Ok(Some(blob.id));
            }
        }
        Ok(None)
    }

    /// The first blob of `content` that must not be committed.
    pub(super) fn refused_blob(&self, content: &Content) -> Result<Option<BlobId>, StoreError> {
        let mut named = BTreeSet::new();
        for blob in content.blobs() {
            if !named.insert(blob.id)
                || self.is_too_old(blob.id)
                || self.state.get(&keys::tombstone(blob.id))?.is_some()
                || self.state.get(&keys::blob(blob.id))?.is_some()
            {
                return Ok(Some(blob.id));
            }
        }
        Ok(None)
    }

    fn is_too_old(&self, blob: BlobId) -> bool {
        blob.made_ms().saturating_add(BLOB_COMMIT_WINDOW_MS) < self.header.clock_ms
    }

    /// Commits the blobs of `content` for an object or upload, with what is owed of them.
    pub(super) fn commit_blobs(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        content: &Content,
        debts: &[Debt],
    ) {
        for blob in content.blobs() {
            self.state.put(
                keys::blob(blob.id),
                &BlobRecord {
                    blob: blob.clone(),
                    bucket,
                    key: key.clone(),
                    state: BlobState::Live,
                },
            );
        }
        let since_ms = self.header.clock_ms;
        for debt in debts {
            self.state.put(keys::debt(debt), &DebtRecord { since_ms });
        }
    }

    /// Puts blobs that nothing names any more on the garbage queue.
    pub(super) fn discard_all<'b>(
        &mut self,
        blobs: impl Iterator<Item = &'b BlobRef>,
    ) -> Result<(), StoreError> {
        for blob in blobs {
            let key = keys::blob(blob.id);
            let record = self.state.record::<BlobRecord>(&key)?;
            let mut record = record.expect("what was named was committed");
            assert_eq!(record.state, BlobState::Live, "a blob is named once");
            record.state = BlobState::Garbage;
            self.state.put(key, &record);
            let since_ms = self.header.clock_ms;
            self.state.put(
                keys::garbage(since_ms, blob.id),
                &Garbage {
                    since_ms,
                    blob: record.blob,
                    bucket: record.bucket,
                },
            );
        }
        Ok(())
    }

    /// The tablet decides, as it does of the commit: where it can't take a commit now, but could
    /// later or elsewhere, nothing may be promised.
    pub(super) fn abort_blob(
        &mut self,
        blob: BlobId,
        bucket: BucketId,
        key: &ObjectKey,
    ) -> Result<KeyOutcome, StoreError> {
        match self.open_tablet_of(bucket, key.as_bytes())? {
            // In a sealed tablet no commit succeeds any more.
            Ok(_) | Err(KeyOutcome::TabletSealed) => {}
            Err(refusal) => return Ok(refusal),
        }
        if self.state.get(&keys::blob(blob))?.is_some() {
            return Ok(KeyOutcome::BlobCommitted);
        }
        // A blob past the window can't be committed anyway and needs no tombstone.
        if !self.is_too_old(blob) {
            let tombstone = Tombstone {
                since_ms: self.header.clock_ms,
                bucket,
                key: key.clone(),
            };
            self.state.put(keys::tombstone(blob), &tombstone);
        }
        // Tombstones sort by their blobs' age, so the outdated ones come first.
        let from = keys::family(Family::Tombstone);
        for (key, _) in scan(&self.state, &from, &end_of(&from), EVICTIONS_PER_COMMAND)? {
            let id = key[1..].try_into().expect("a tombstone's key has 17 bytes");
            if !self.is_too_old(BlobId::from_bytes(id)) {
                break;
            }
            self.state.delete(key);
        }
        Ok(KeyOutcome::BlobAborted)
    }

    pub(super) fn repay_debts(&mut self, debts: &[Debt]) -> Result<KeyOutcome, StoreError> {
        for debt in debts {
            self.state.delete(keys::debt(debt));
        }
        Ok(KeyOutcome::DebtsRepaid)
    }

    pub(super) fn drop_garbage(
        &mut self,
        collected: &[Collected],
    ) -> Result<KeyOutcome, StoreError> {
        for Collected { entry, left_at } in collected {
            let key = keys::garbage(entry.since_ms, entry.blob);
            // Whoever drops an entry first says where shards are left.
            if self.state.get(&key)?.is_none() {
                continue;
            }
            self.state.delete(key);
            self.state.delete(keys::blob(entry.blob));
            for &disk in left_at {
                let removal = Removal {
                    disk,
                    blob: entry.blob,
                };
                let since_ms = entry.since_ms;
                self.state
                    .put(keys::removal(&removal), &RemovalRecord { since_ms });
            }
        }
        Ok(KeyOutcome::GarbageDropped)
    }

    pub(super) fn strike_removals(
        &mut self,
        removals: &[Removal],
    ) -> Result<KeyOutcome, StoreError> {
        for removal in removals {
            self.state.delete(keys::removal(removal));
        }
        Ok(KeyOutcome::RemovalsStruck)
    }

    pub(super) fn owe_shards(&mut self, debts: &[Debt]) -> Result<KeyOutcome, StoreError> {
        let mut added = 0;
        let since_ms = self.header.clock_ms;
        for debt in debts {
            let blob = keys::blob(debt.shard.chunk.blob);
            let blob = self.state.record::<BlobRecord>(&blob)?;
            let Some(blob) = blob.filter(|blob| blob.state == BlobState::Live) else {
                continue;
            };
            // What is left of a tablet that moved is about to be swept: what it is owed has been handed
            // over, and a debt noted now would go with it.
            let tablet = tablet_of(&self.state, blob.bucket, blob.key.as_bytes())?;
            if tablet.is_some_and(|tablet| matches!(tablet.state, TabletState::Moved { .. })) {
                continue;
            }
            let key = keys::debt(debt);
            if self.state.get(&key)?.is_none() {
                self.state.put(key, &DebtRecord { since_ms });
                added += 1;
            }
        }
        Ok(KeyOutcome::ShardsOwed { added })
    }
}

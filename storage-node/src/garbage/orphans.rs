//! Finds and removes shards of uploads that never came to their commit.
//!
//! A blob's id says when it was made, and ids sort by that, so a sweep goes through the blobs of a
//! disk in order of age and stops at those that are too young. For each it asks the group of the
//! owner's key, many at a time; one that the group does not know is aborted there, and only when that
//! is committed its shards go. A blob whose commit is on its way either comes first, and stays, or is
//! refused from then on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::BlobId;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::record::Bucket;
use riquet_metadata::{BlobFate, BucketId, Client, Error as MetadataError, GroupId, ObjectKey};

use crate::error::Error;
use crate::store::{HeldBlob, ShardStore};

/// Blobs that are looked up together.
const PAGE: usize = 500;

/// What came of a sweep, in blobs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Looked at.
    pub looked_at: u64,
    /// Removed: their commit is ruled out.
    pub removed: u64,
    /// Left, because the records are younger than they are, or nobody knows their bucket.
    pub unjudged: u64,
    /// Every blob below this age was judged, ms since 1970.
    pub before_ms: u64,
}

/// Why a sweep broke off.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The metadata could not be asked.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Sweeps disks.
pub struct Sweeper {
    client: Client,
}

/// A blob that the metadata may not know.
struct Suspect {
    blob: BlobId,
    owner: Owner,
}

impl Sweeper {
    /// A sweeper that asks this metadata.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Judges the blobs on a disk that were made from `from_ms` on, and of which everything here was
    /// written before `before_ms`, ms since 1970. `note` is told of every page.
    ///
    /// # Errors
    /// [`SweepError`]; what was removed before is.
    pub async fn sweep(
        &self,
        store: &ShardStore,
        from_ms: u64,
        before_ms: u64,
        mut note: impl FnMut(&Swept),
    ) -> Result<Swept, SweepError> {
        let mut swept = Swept {
            before_ms,
            ..Swept::default()
        };
        let mut buckets = HashMap::new();
        let mut from = BlobId::new(from_ms, [0; 10]);
        loop {
            let held = store.blobs_from(from, PAGE).await?;
            let is_last = held.len() < PAGE;
            let Some(last) = held.last() else { break };
            // The next id there can be.
            from = BlobId::from_u128(last.blob.as_u128().saturating_add(1));
            let is_past = last.blob.made_ms() >= before_ms;
            let of_age = held.into_iter().filter(|held| {
                let is_of_age = held.blob.made_ms() < before_ms && held.written_ms < before_ms;
                if !is_of_age {
                    // The next sweep begins with it.
                    swept.before_ms = swept.before_ms.min(held.blob.made_ms());
                }
                is_of_age
            });
            let of_age: Vec<HeldBlob> = of_age.collect();
            let judged = self.judge(store, &mut buckets, of_age).await?;
            swept.looked_at += judged.looked_at;
            swept.removed += judged.removed;
            swept.unjudged += judged.unjudged;
            note(&judged);
            if is_last || is_past {
                break;
            }
        }
        Ok(swept)
    }

    async fn judge(
        &self,
        store: &ShardStore,
        buckets: &mut HashMap<u64, Option<Arc<Bucket>>>,
        held: Vec<HeldBlob>,
    ) -> Result<Swept, SweepError> {
        let mut swept = Swept {
            looked_at: held.len() as u64,
            ..Swept::default()
        };
        let mut by_group: BTreeMap<Option<GroupId>, Vec<Suspect>> = BTreeMap::new();
        for HeldBlob { blob, shard, .. } in held {
            let owner = match store.describe(shard).await {
                Ok(descriptor) => descriptor.owner,
                // The scrub sees to it.
                Err(Error::NotFound | Error::Damaged) => continue,
                Err(error) => return Err(error.into()),
            };
            let bucket = self.bucket(buckets, owner.bucket).await?;
            let group = bucket.map(|bucket| bucket.group_of(&owner.key));
            by_group
                .entry(group)
                .or_default()
                .push(Suspect { blob, owner });
        }
        for (group, suspects) in by_group {
            let mut known = BTreeSet::new();
            if let Some(group) = group {
                let ids = suspects.iter().map(|suspect| suspect.blob).collect();
                known.extend(self.client.known_blobs(group, ids).await?);
            }
            for suspect in suspects
                .iter()
                .filter(|suspect| !known.contains(&suspect.blob))
            {
                match self.fate(suspect).await? {
                    Some(BlobFate::Aborted) => {
                        die_at("node::sweep::aborted");
                        match store.remove_blobs(&[suspect.blob]).await {
                            Ok(shards) => {
                                swept.removed += 1;
                                metrics::counter!("riquet_node_orphans_removed_total")
                                    .increment(shards);
                            }
                            // Its upload goes on, in vain.
                            Err(Error::Busy) => swept.unjudged += 1,
                            Err(error) => return Err(error.into()),
                        }
                    }
                    Some(BlobFate::Committed) => {}
                    Some(BlobFate::OlderThanRecords) | None => swept.unjudged += 1,
                }
            }
        }
        Ok(swept)
    }

    /// What becomes of a blob; none: nobody knows its bucket.
    async fn fate(&self, suspect: &Suspect) -> Result<Option<BlobFate>, MetadataError> {
        let (bucket, key) = (
            BucketId(suspect.owner.bucket),
            ObjectKey::from(&suspect.owner.key[..]),
        );
        match self.client.abort_blob(bucket, &key, suspect.blob).await {
            Ok(fate) => Ok(Some(fate)),
            Err(MetadataError::NoSuchBucket) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn bucket(
        &self,
        known: &mut HashMap<u64, Option<Arc<Bucket>>>,
        id: u64,
    ) -> Result<Option<Arc<Bucket>>, MetadataError> {
        if let Some(bucket) = known.get(&id) {
            return Ok(bucket.clone());
        }
        let bucket = self.client.bucket_by_id(BucketId(id)).await?.map(Arc::new);
        known.insert(id, bucket.clone());
        Ok(bucket)
    }
}

//! Goes through all blobs, though tablets move meanwhile.
//!
//! Groups are gone through one after the other, so a blob whose tablet moves from a group that is still
//! to come to one that was gone through would be met in neither. When all were gone through, those that
//! tablets came to since are gone through again, until none did. (One that moved away and back within a
//! look would still be missed; tablets do not move that often.)

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Client;
use crate::error::Error;
use crate::id::{BlobId, BucketId, ChangeId, GroupId};
use crate::query::ListedTablet;
use crate::record::{BlobRecord, KeyRange, TabletState};

/// Blobs of one page.
const PAGE: u32 = 500;

/// A look at all blobs of a cluster.
pub struct BlobWalk<'a> {
    client: &'a Client,
    /// The tablets of each group when it began to be gone through.
    met: BTreeMap<GroupId, HashMap<BucketId, Vec<KeyRange>>>,
    /// Groups still to be gone through.
    ahead: VecDeque<GroupId>,
    /// The last blob that was met of the first of them.
    after: Option<BlobId>,
}

/// Some blobs of a group, in order of id.
#[derive(Debug)]
pub struct BlobPage {
    /// The group.
    pub group: GroupId,
    /// The blob before the first.
    pub after: Option<BlobId>,
    /// The blobs, garbage too.
    pub blobs: Vec<BlobRecord>,
}

impl BlobPage {
    /// Reads the page again, as it is now.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn again(&self, client: &Client) -> Result<Vec<BlobRecord>, Error> {
        Ok(client.list_blobs(self.group, self.after, PAGE).await?.0)
    }
}

impl<'a> BlobWalk<'a> {
    /// Begins with the first blob of the first group.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn begin(client: &'a Client) -> Result<Self, Error> {
        let key_groups = client.cluster().await?.key_groups;
        Ok(Self {
            client,
            met: BTreeMap::new(),
            ahead: GroupId::keys(key_groups).collect(),
            after: None,
        })
    }

    /// The next page; none: all blobs were met that were there when the look began.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn next(&mut self) -> Result<Option<BlobPage>, Error> {
        if self.ahead.is_empty() {
            self.find_arrivals().await?;
        }
        let Some(group) = self.ahead.front().copied() else {
            return Ok(None);
        };
        if self.after.is_none() {
            // Before the first page is read: what comes later may be missed by it.
            let tablets = self.client.tablets_of_group(group).await?;
            let mut here: HashMap<BucketId, Vec<KeyRange>> = HashMap::new();
            for listed in tablets.into_iter().filter(is_here) {
                let ranges = here.entry(listed.bucket).or_default();
                ranges.push(listed.tablet.range);
            }
            self.met.insert(group, here);
        }
        let after = self.after;
        let (blobs, more) = self.client.list_blobs(group, after, PAGE).await?;
        self.after = match (more, blobs.last()) {
            (true, Some(last)) => Some(last.blob.id),
            _ => {
                self.ahead.pop_front();
                None
            }
        };
        Ok(Some(BlobPage {
            group,
            after,
            blobs,
        }))
    }

    /// Looks which groups tablets came to since they began to be gone through.
    async fn find_arrivals(&mut self) -> Result<(), Error> {
        for (group, met) in &self.met {
            let tablets = self.client.tablets_of_group(*group).await?;
            let came = |listed: &ListedTablet| {
                let range = &listed.tablet.range;
                let was_here = met.get(&listed.bucket).into_iter().flatten();
                let was_here = was_here.into_iter().any(|was| was.covers(range));
                // One that no change has touched was made here, with its bucket.
                let is_new = listed.tablet.changed == ChangeId::default();
                is_here(listed) && !was_here && !is_new
            };
            if tablets.iter().any(came) {
                self.ahead.push_back(*group);
            }
        }
        Ok(())
    }
}

/// Whether a tablet's blobs are with its group: they are not all there while they come, and a tablet that
/// comes is met where it still is.
fn is_here(listed: &ListedTablet) -> bool {
    match listed.tablet.state {
        TabletState::Open | TabletState::Sealed | TabletState::Frozen | TabletState::Closing => {
            true
        }
        TabletState::Receiving { .. } | TabletState::Moved { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::client::LocalCaller;
    use crate::command::PutObject;
    use crate::id::ClusterId;
    use crate::record::{Bucket, Content};
    use crate::testing::{etag, inline, layout, put, tenant, version};
    use crate::{MemoryReplica, MetadataService, contract};

    /// Has the only tablet of a bucket move, and returns the bucket as it is then.
    async fn moved(client: &Client, bucket: &Bucket, to: GroupId) -> Arc<Bucket> {
        let range = bucket.range_at(0);
        client.move_tablet(bucket, &range, to).await.unwrap();
        client.bucket_now("b").await.unwrap()
    }

    #[tokio::test]
    async fn a_tablet_that_moves_behind_the_walk_is_met() {
        let service = MetadataService::new(Arc::new(MemoryReplica::new(2)));
        let caller = Arc::new(LocalCaller::new(service));
        let client = Client::with_caller(caller, vec!["here".to_owned()]);
        let cluster = ClusterId::from_u128(1);
        let made = client.bootstrap(cluster, layout(1), vec![tenant("a")], 2);
        made.await.unwrap();
        let (first, second) = (GroupId(1), GroupId(2));
        let mut bucket = contract::new_bucket(&client, "b").await;
        if bucket.group_of(b"") == first {
            bucket = moved(&client, &bucket, second).await;
        }
        let mut wanted = BTreeSet::new();
        for number in 1..=5 {
            let blob = contract::fresh_blob(number);
            wanted.insert(blob.id);
            let object = PutObject {
                version: version(etag(number), Content::Blobs(vec![blob])),
                ..put(&format!("key-{number}"), 1, inline(""))
            };
            client.put_object(&bucket, object).await.unwrap();
        }
        let mut walk = BlobWalk::begin(&client).await.unwrap();
        let page = walk.next().await.unwrap().unwrap();
        assert_eq!((page.group, page.blobs.len()), (first, 0));
        let bucket = moved(&client, &bucket, first).await;
        assert_eq!(bucket.group_of(b""), first);
        let (mut met, mut groups) = (BTreeSet::new(), Vec::new());
        while let Some(page) = walk.next().await.unwrap() {
            groups.push(page.group);
            met.extend(page.blobs.iter().map(|record| record.blob.id));
        }
        assert_eq!(groups, [second, first], "the first once more, and no more");
        assert_eq!(met, wanted);
    }
}

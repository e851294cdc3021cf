//! Buckets, and the steps between the control group and a key group that make and delete them.
//!
//! Making: the control group records the bucket, then the key group opens its tablet. Deleting:
//! the key group seals the tablet if it is empty, uploads left in it are swept, then the control
//! group forgets the bucket. A client may die between any two steps; whoever next meets the
//! bucket takes the remaining ones. All of them may be repeated, and each names the bucket's
//! number, so none can touch another bucket of the same name.

use std::sync::Arc;

use super::Client;
use crate::command::{KeyCommand, KeyOutcome, SystemCommand, SystemOutcome};
use crate::error::Error;
use crate::query::{KeyAnswer, KeyQuery, SystemAnswer, SystemQuery};
use crate::record::Bucket;

/// Tries of a step that another client's deletion or creation may thwart.
const TRIES: usize = 4;

const ODD: Error = Error::Protocol("an answer to another question");

/// What came of making a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    New(Arc<Bucket>),
    /// The name is taken, by this bucket. Its owner tells by whom.
    Exists(Arc<Bucket>),
}

impl Client {
    /// A bucket by name, possibly as it was a while ago. Use it for operations inside the bucket:
    /// they check it, and fail with [`Error::NoSuchBucket`] or [`Error::StaleBucket`].
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`].
    pub async fn bucket(&self, name: &str) -> Result<Arc<Bucket>, Error> {
        match self.inner.buckets.get(name).await {
            Some(bucket) => Ok(bucket),
            None => self.bucket_now(name).await,
        }
    }

    /// A bucket by name, as it is now.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`].
    pub async fn bucket_now(&self, name: &str) -> Result<Arc<Bucket>, Error> {
        match self.look_up(name).await? {
            Some(bucket) => Ok(bucket),
            None => Err(Error::NoSuchBucket),
        }
    }

    async fn look_up(&self, name: &str) -> Result<Option<Arc<Bucket>>, Error> {
        let query = SystemQuery::Bucket {
            name: name.to_owned(),
        };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Bucket(Some(bucket)) => {
                let bucket = Arc::new(bucket);
                self.inner
                    .buckets
                    .insert(name.to_owned(), bucket.clone())
                    .await;
                Ok(Some(bucket))
            }
            SystemAnswer::Bucket(None) => {
                self.inner.buckets.invalidate(name).await;
                Ok(None)
            }
            _ => Err(ODD),
        }
    }

    /// A page of buckets by name, and whether there are more. With an owner: only theirs.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn buckets(
        &self,
        owner: Option<String>,
        prefix: String,
        after: Option<String>,
        max: u32,
    ) -> Result<(Vec<Bucket>, bool), Error> {
        let query = SystemQuery::Buckets {
            owner,
            prefix,
            after,
            max,
        };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Buckets { buckets, more } => Ok((buckets, more)),
            _ => Err(ODD),
        }
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// When no voter answers. Whether the name is taken is not an error here.
    pub async fn create_bucket(
        &self,
        name: &str,
        owner: &str,
        region: &str,
    ) -> Result<Created, Error> {
        for _ in 0..TRIES {
            let command = SystemCommand::CreateBucket {
                name: name.to_owned(),
                owner: owner.to_owned(),
                region: region.to_owned(),
            };
            match self.inner.calls.propose_system(command).await? {
                SystemOutcome::BucketCreated { bucket } => {
                    let bucket = Arc::new(bucket);
                    // Sealed: somebody deleted it already. It was made nevertheless.
                    self.open_tablet(&bucket).await?;
                    self.inner
                        .buckets
                        .insert(name.to_owned(), bucket.clone())
                        .await;
                    return Ok(Created::New(bucket));
                }
                SystemOutcome::BucketExists { bucket } => {
                    if self.open_tablet(&bucket).await? == KeyOutcome::TabletOpen {
                        return Ok(Created::Exists(Arc::new(bucket)));
                    }
                    // A deletion stopped half way: finish it, then the name is free.
                    self.finish_deletion(&bucket).await?;
                }
                _ => return Err(ODD),
            }
        }
        Err(Error::Unavailable)
    }

    /// Deletes a bucket that holds no objects. Uploads in progress are aborted.
    ///
    /// # Errors
    /// [`Error::BucketNotEmpty`].
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        let tablet = only_tablet(bucket);
        let command = KeyCommand::SealTabletIfEmpty {
            bucket: bucket.id,
            start: tablet.start.clone(),
        };
        match self.inner.calls.propose_keys(tablet.group, command).await? {
            KeyOutcome::TabletSealed => self.finish_deletion(bucket).await,
            KeyOutcome::TabletNotEmpty => Err(Error::BucketNotEmpty),
            _ => Err(ODD),
        }
    }

    /// Takes the steps of a deletion that follow the sealing.
    async fn finish_deletion(&self, bucket: &Bucket) -> Result<(), Error> {
        let tablet = only_tablet(bucket);
        loop {
            let sweep = KeyCommand::SweepTablet {
                bucket: bucket.id,
                start: tablet.start.clone(),
            };
            match self.inner.calls.propose_keys(tablet.group, sweep).await? {
                KeyOutcome::Swept { clean: true } => break,
                KeyOutcome::Swept { clean: false } => {}
                _ => return Err(ODD),
            }
        }
        let command = SystemCommand::DeleteBucket {
            name: bucket.name.clone(),
            id: bucket.id,
        };
        let outcome = self.inner.calls.propose_system(command).await?;
        self.inner.buckets.invalidate(&bucket.name).await;
        match outcome {
            SystemOutcome::BucketDeleted => Ok(()),
            _ => Err(ODD),
        }
    }

    async fn open_tablet(&self, bucket: &Bucket) -> Result<KeyOutcome, Error> {
        let tablet = only_tablet(bucket);
        let command = KeyCommand::OpenTablet {
            bucket: bucket.id,
            start: tablet.start.clone(),
            end: None,
        };
        self.inner.calls.propose_keys(tablet.group, command).await
    }

    /// Proposes a change in a bucket, taking the steps that another client left untaken.
    pub(super) async fn change(
        &self,
        bucket: &Bucket,
        key: &[u8],
        command: KeyCommand,
    ) -> Result<KeyOutcome, Error> {
        for _ in 0..TRIES {
            let group = bucket.group_of(key);
            // Each round is a request of its own: the last one's outcome is final.
            match self
                .inner
                .calls
                .propose_keys(group, command.clone())
                .await?
            {
                KeyOutcome::NoTablet => self.roll_forward(bucket, Met::NoTablet).await?,
                KeyOutcome::TabletSealed => self.roll_forward(bucket, Met::Sealed).await?,
                outcome => return Ok(outcome),
            }
        }
        Err(Error::Unavailable)
    }

    /// Asks about a bucket, taking the steps that another client left untaken.
    pub(super) async fn ask(
        &self,
        bucket: &Bucket,
        key: &[u8],
        query: KeyQuery,
    ) -> Result<KeyAnswer, Error> {
        for _ in 0..TRIES {
            let group = bucket.group_of(key);
            match self.inner.calls.query_keys(group, query.clone()).await? {
                KeyAnswer::NoTablet => self.roll_forward(bucket, Met::NoTablet).await?,
                KeyAnswer::TabletSealed => self.roll_forward(bucket, Met::Sealed).await?,
                answer => return Ok(answer),
            }
        }
        Err(Error::Unavailable)
    }

    /// After this the operation may be tried again; an error says why it can't succeed.
    async fn roll_forward(&self, bucket: &Bucket, met: Met) -> Result<(), Error> {
        match self.look_up(&bucket.name).await? {
            None => return Err(Error::NoSuchBucket),
            Some(now) if now.id != bucket.id => return Err(Error::StaleBucket),
            Some(_) => {}
        }
        if met == Met::NoTablet && self.open_tablet(bucket).await? == KeyOutcome::TabletOpen {
            return Ok(());
        }
        self.finish_deletion(bucket).await?;
        Err(Error::NoSuchBucket)
    }
}

/// Why a tablet refused.
#[derive(Clone, Copy, PartialEq)]
enum Met {
    NoTablet,
    Sealed,
}

/// The bucket's tablet. A bucket of several would have to be sealed as a whole.
fn only_tablet(bucket: &Bucket) -> &crate::record::TabletPlace {
    assert_eq!(bucket.tablets.len(), 1, "a bucket is one tablet");
    &bucket.tablets[0]
}

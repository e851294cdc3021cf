//! Buckets: looked up, made, deleted.
//!
//! Making: the control group records the bucket, then the key group opens its tablet. Deleting is
//! a change of all its tablets (see `changes`). A client may die between any two steps; whoever
//! next meets the bucket takes the remaining ones. All of them may be repeated, and each names the
//! bucket's number, so none can touch another bucket of the same name.

mod changes;
mod deletion;
mod moves;
mod route;
mod splits;

use std::sync::Arc;

use super::Client;
use crate::command::{
    BucketChange, KeyCommand, KeyOutcome, NewBucket, SystemCommand, SystemOutcome,
};
use crate::error::Error;
use crate::id::{BucketId, ObjectKey};
use crate::query::{ListRequest, SystemAnswer, SystemQuery};
use crate::record::{Bucket, ChangeKind, ChangePhase, Document, DocumentKind};

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
    pub async fn create_bucket(&self, new: &NewBucket) -> Result<Created, Error> {
        for _ in 0..TRIES {
            let command = SystemCommand::CreateBucket(new.clone());
            match self.inner.calls.propose_system(command).await? {
                SystemOutcome::BucketCreated { bucket } => {
                    let bucket = Arc::new(bucket);
                    // Sealed: somebody deleted it already. It was made nevertheless.
                    self.open_tablet(&bucket).await?;
                    self.inner
                        .buckets
                        .insert(new.name.clone(), bucket.clone())
                        .await;
                    return Ok(Created::New(bucket));
                }
                SystemOutcome::BucketExists { bucket } => {
                    if !self.finish_deletion(&bucket).await? {
                        return Ok(Created::Exists(Arc::new(bucket)));
                    }
                    // A deletion stopped half way was finished: the name is free.
                }
                _ => return Err(ODD),
            }
        }
        Err(Error::Unavailable)
    }

    /// Changes a bucket; the bucket as it is then. Other clients may go on with the former one for
    /// [`crate::limits::BUCKET_TTL_MS`].
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`].
    pub async fn configure_bucket(
        &self,
        bucket: &Bucket,
        change: BucketChange,
    ) -> Result<Arc<Bucket>, Error> {
        let command = SystemCommand::ConfigureBucket {
            bucket: bucket.id,
            change,
        };
        let name = bucket.name.clone();
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::BucketConfigured(Some(bucket)) => {
                let bucket = Arc::new(*bucket);
                self.inner.buckets.insert(name, bucket.clone()).await;
                Ok(bucket)
            }
            SystemOutcome::BucketConfigured(None) => {
                self.inner.buckets.invalidate(&name).await;
                Err(Error::NoSuchBucket)
            }
            _ => Err(ODD),
        }
    }

    /// A document of a bucket, if it has one of the kind.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn bucket_document(
        &self,
        bucket: BucketId,
        kind: DocumentKind,
    ) -> Result<Option<Document>, Error> {
        let query = SystemQuery::Document { bucket, kind };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::Document(document) => Ok(document),
            _ => Err(ODD),
        }
    }

    /// Deletes a bucket that holds no objects. Uploads in progress are aborted.
    ///
    /// # Errors
    /// [`Error::BucketNotEmpty`].
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(bucket) = self.bucket_by_id(bucket.id).await? else {
                self.inner.buckets.invalidate(&bucket.name).await;
                return Ok(());
            };
            // Looked at first: to close tablets that will be opened again holds up their users.
            if self.holds_objects(&bucket).await? {
                return Err(Error::BucketNotEmpty);
            }
            let Some(change) = self.begin_change(bucket.id, ChangeKind::Delete).await? else {
                continue;
            };
            self.drive(&change).await?;
            if change.kind == ChangeKind::Delete {
                self.inner.buckets.invalidate(&bucket.name).await;
                return match self.bucket_by_id(bucket.id).await? {
                    None => Ok(()),
                    Some(_) => Err(Error::BucketNotEmpty),
                };
            }
        }
        Err(Error::Unavailable)
    }

    async fn holds_objects(&self, bucket: &Bucket) -> Result<bool, Error> {
        let any = ListRequest {
            max: 1,
            ..ListRequest::default()
        };
        match self.list_versions(bucket, any).await {
            Ok(page) => Ok(!page.objects.is_empty()),
            // Somebody else is deleting it: the change tells.
            Err(Error::NoSuchBucket | Error::StaleBucket) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A bucket by number, as it is now.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn bucket_by_id(&self, id: BucketId) -> Result<Option<Bucket>, Error> {
        let query = SystemQuery::BucketById { id };
        match self.inner.calls.query_system(query).await? {
            SystemAnswer::BucketById { bucket, .. } => Ok(bucket),
            _ => Err(ODD),
        }
    }

    /// Takes the steps that are left of a deletion that was decided. Whether there was one.
    async fn finish_deletion(&self, bucket: &Bucket) -> Result<bool, Error> {
        match self.tablet_change(bucket.id).await? {
            Some(change)
                if change.kind == ChangeKind::Delete && change.phase == ChangePhase::Committed =>
            {
                self.drive(&change).await?;
                self.inner.buckets.invalidate(&bucket.name).await;
                Ok(true)
            }
            _ => Ok(self.bucket_by_id(bucket.id).await?.is_none()),
        }
    }

    /// Opens the tablet of a bucket that is all in its first group. Does nothing where it was
    /// opened before.
    async fn open_tablet(&self, bucket: &Bucket) -> Result<KeyOutcome, Error> {
        let group = bucket.group_of(ObjectKey::default().as_bytes());
        let command = KeyCommand::OpenTablet { bucket: bucket.id };
        self.inner.calls.propose_keys(group, command).await
    }
}

#[cfg(test)]
mod tests;

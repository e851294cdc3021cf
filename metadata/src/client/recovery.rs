//! What a rebuild from the shards asks: buckets, tablets and objects are put back, and nothing that is
//! there is replaced.

use super::Client;
use crate::command::{
    KeyCommand, KeyOutcome, RecoverBucket, RecoverObject, RecoverTablet, SystemCommand,
    SystemOutcome,
};
use crate::error::Error;
use crate::id::BucketId;
use crate::query::{SystemAnswer, SystemQuery};
use crate::record::Bucket;

const ODD: Error = Error::Protocol("an answer to another question");

/// What is known of a bucket's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketFate {
    /// The bucket exists.
    Exists(Box<Bucket>),
    /// It was deleted, or its number was passed over by a restore.
    Gone,
    /// The number was never given, as far as the records tell.
    Unknown,
}

/// What came of recovering an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// It was stored.
    Stored,
    /// The key has an object, which stays.
    Present,
    /// The records know one of its blobs: it was replaced or deleted, or never became an object.
    Known,
}

impl Client {
    /// What became of the bucket of a number.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn bucket_fate(&self, id: BucketId) -> Result<BucketFate, Error> {
        match self
            .inner
            .calls
            .query_system(SystemQuery::BucketById { id })
            .await?
        {
            SystemAnswer::BucketById {
                bucket: Some(bucket),
                ..
            } => Ok(BucketFate::Exists(Box::new(bucket))),
            SystemAnswer::BucketById {
                was_allocated: true,
                ..
            } => Ok(BucketFate::Gone),
            SystemAnswer::BucketById { .. } => Ok(BucketFate::Unknown),
            _ => Err(ODD),
        }
    }

    /// Makes the bucket of a number, unless it exists. Returns that bucket, or another that has its
    /// name.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn recover_bucket(&self, recover: RecoverBucket) -> Result<Bucket, Error> {
        let command = SystemCommand::RecoverBucket(recover);
        match self.inner.calls.propose_system(command).await? {
            SystemOutcome::BucketCreated { bucket } | SystemOutcome::BucketExists { bucket } => {
                Ok(bucket)
            }
            _ => Err(ODD),
        }
    }

    /// Opens those tablets of a bucket of which their groups know nothing.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn recover_tablets(&self, bucket: &Bucket) -> Result<(), Error> {
        for (place, tablet) in bucket.tablets.iter().enumerate() {
            let command = KeyCommand::RecoverTablet(RecoverTablet {
                bucket: bucket.id,
                range: bucket.range_at(place),
                change: tablet.since,
            });
            match self.inner.calls.propose_keys(tablet.group, command).await? {
                KeyOutcome::Tablet(_) => {}
                _ => return Err(ODD),
            }
        }
        Ok(())
    }

    /// Stores an object whose shards are there, unless the records know better.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn recover_object(
        &self,
        bucket: &Bucket,
        recover: RecoverObject,
    ) -> Result<Recovered, Error> {
        let key = recover.key.clone();
        let command = KeyCommand::RecoverObject {
            bucket: bucket.id,
            recover: Box::new(recover),
        };
        match self.change(bucket, key.as_bytes(), command).await? {
            KeyOutcome::Stored(_) => Ok(Recovered::Stored),
            KeyOutcome::PreconditionFailed => Ok(Recovered::Present),
            KeyOutcome::BlobRefused { .. } => Ok(Recovered::Known),
            _ => Err(ODD),
        }
    }
}

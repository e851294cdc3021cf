//! Object Lock: which versions can't be removed, and until when.
//!
//! The state machine holds removals against a version's lock when they are applied. Here it is decided
//! what a new version's lock is, and whether the bucket has locks at all.

use riquet_metadata::command::{Alteration, BucketChange};
use riquet_metadata::record::{
    Bypass, Document, DocumentKind, Lock, Retention as StoredRetention, RetentionMode as StoredMode,
};
use riquet_s3::config::object_lock::{
    DefaultRetention, Governance, LegalHold, ObjectLockConfiguration, Retention, RetentionMode,
};
use riquet_s3::request::{
    BucketConfiguration, NewLock, ObjectInput, PutObjectLegalHoldInput, PutObjectRetentionInput,
};
use riquet_s3::response::{ConfigurationOutput, Done};
use riquet_s3::{Error as S3Error, ErrorCode, Timestamp};

use super::bucket::versioning_of;
use super::{Answer, Context, alter, document, get, whole};
use crate::convert;
use crate::error::Error;

pub(super) async fn get_configuration(cx: &Context) -> Answer {
    if !cx.bucket().has_locks {
        return Err(ErrorCode::ObjectLockConfigurationNotFoundError.into());
    }
    let configuration = configuration(cx).await?;
    let document = configuration.to_xml();
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

pub(super) async fn put_configuration(
    cx: &Context,
    input: &BucketConfiguration<ObjectLockConfiguration>,
) -> Answer {
    ObjectLockConfiguration::check_bucket(versioning_of(cx.bucket()))?;
    // In this order: a gateway that dies in between leaves locks without a default, which do no harm.
    let allow = BucketChange::AllowLocks;
    cx.metadata().configure_bucket(cx.bucket(), allow).await?;
    document::put(cx, DocumentKind::ObjectLock, input.configuration.to_xml()).await
}

async fn configuration(cx: &Context) -> Result<ObjectLockConfiguration, Error> {
    let kind = DocumentKind::ObjectLock;
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    Ok(match found {
        Some(Document(document)) => ObjectLockConfiguration::parse(&document)?,
        None => ObjectLockConfiguration::default(),
    })
}

/// The lock of a new version: what it asks for, else what its bucket says.
///
/// # Errors
/// `InvalidRequest` where the bucket has no locks.
pub(super) async fn of_new_version(cx: &Context, asked: &NewLock) -> Result<Lock, Error> {
    if !cx.bucket().has_locks {
        if asked.is_empty() {
            return Ok(Lock::default());
        }
        return Err(no_locks().into());
    }
    let retention = match asked.retention {
        Some(retention) => Some(retention),
        None => default_retention(cx).await?,
    };
    Ok(Lock {
        retention: retention.map(stored_retention),
        legal_hold: asked.legal_hold == Some(LegalHold::On),
    })
}

async fn default_retention(cx: &Context) -> Result<Option<Retention>, Error> {
    if !cx.bucket().documents.contains(&DocumentKind::ObjectLock) {
        return Ok(None);
    }
    let default = configuration(cx).await?.default_retention;
    let from_now = |default: DefaultRetention| default.of_version_created(Timestamp::now());
    Ok(default.map(from_now))
}

pub(super) async fn get_retention(cx: &Context, input: &ObjectInput) -> Answer {
    check_bucket(cx)?;
    let version = input.version_id.as_ref();
    let object = get::find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let retention = object.head.lock.retention;
    let retention = retention.ok_or(ErrorCode::NoSuchObjectLockConfiguration)?;
    let document = convert::retention(retention).to_xml();
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

pub(super) async fn put_retention(cx: &Context, input: &PutObjectRetentionInput) -> Answer {
    check_bucket(cx)?;
    let alteration = Alteration::Retention {
        retention: input.retention.map(stored_retention),
        bypass: cx.bypass(input.governance, input.key.as_str()),
    };
    alter(cx, &input.key, input.version_id.as_ref(), alteration, &[]).await?;
    Ok(whole(Done.into_response()))
}

pub(super) async fn get_legal_hold(cx: &Context, input: &ObjectInput) -> Answer {
    check_bucket(cx)?;
    let version = input.version_id.as_ref();
    let object = get::find(cx, cx.bucket(), input.key.as_str(), version).await?;
    let document = convert::legal_hold(object.head.lock).to_xml();
    Ok(whole(ConfigurationOutput { document }.into_response()))
}

pub(super) async fn put_legal_hold(cx: &Context, input: &PutObjectLegalHoldInput) -> Answer {
    check_bucket(cx)?;
    let hold = Alteration::LegalHold(input.legal_hold == LegalHold::On);
    alter(cx, &input.key, input.version_id.as_ref(), hold, &[]).await?;
    Ok(whole(Done.into_response()))
}

fn check_bucket(cx: &Context) -> Result<(), S3Error> {
    match cx.bucket().has_locks {
        true => Ok(()),
        false => Err(no_locks()),
    }
}

fn no_locks() -> S3Error {
    S3Error::new(ErrorCode::InvalidRequest).message("Bucket is missing Object Lock Configuration")
}

fn stored_retention(retention: Retention) -> StoredRetention {
    StoredRetention {
        mode: match retention.mode {
            RetentionMode::Governance => StoredMode::Governance,
            RetentionMode::Compliance => StoredMode::Compliance,
        },
        until_ms: u64::try_from(retention.until.as_millisecond()).unwrap_or_default(),
    }
}

/// What the caller may do to what is locked: the bucket's owner, who alone comes here, may override.
pub(super) fn bypass(governance: Governance) -> Bypass {
    match governance {
        Governance::Enforced => Bypass::Nothing,
        Governance::Bypassed => Bypass::Governance,
    }
}

//! Server-side encryption: what new objects are sealed with, and the keys of those there are.

use riquet_metadata::record::{
    Document, DocumentKind, Encryption, KeyKeeper, ObjectVersion, Upload,
};
use riquet_s3::config::encryption::{BucketEncryption, DefaultAlgorithm};
use riquet_s3::request::{CustomerKey, NewEncryption};
use riquet_s3::response::ServerSideEncryption;
use riquet_s3::{Error as S3Error, ErrorCode};

use super::Context;
use crate::data::DataKey;
use crate::encryption::{Keeper, Keepers, NewKey, ObjectName};
use crate::error::Error;

/// The key of a new object or upload: as the request asks, else as its bucket says; none: its bytes
/// are not to be sealed.
pub(super) async fn of_new_object(
    cx: &Context,
    key: &str,
    asked: &NewEncryption,
) -> Result<Option<NewKey>, Error> {
    let default = match asked {
        NewEncryption::Default { .. } => bucket_default(cx).await?,
        _ => None,
    };
    let keeper = match (asked, &default) {
        (NewEncryption::Default { .. }, None) => return Ok(None),
        (NewEncryption::Customer(customer), _) => Keeper::Customer(customer),
        (NewEncryption::Store, _) => Keeper::Store,
        (
            NewEncryption::KeyService {
                key_id,
                context,
                bucket_key,
            },
            _,
        ) => Keeper::KeyService {
            key_id: key_id.as_deref(),
            context: context.as_ref(),
            bucket_key: bucket_key.unwrap_or(false),
        },
        (NewEncryption::Default { bucket_key }, Some(default)) => match &default.algorithm {
            DefaultAlgorithm::Aes256 => Keeper::Store,
            DefaultAlgorithm::Kms { key_id } => Keeper::KeyService {
                key_id: key_id.as_deref(),
                context: None,
                bucket_key: bucket_key.unwrap_or(default.bucket_key_enabled),
            },
        },
    };
    let name = ObjectName {
        bucket: &cx.bucket().name,
        key,
    };
    Ok(Some(keepers(cx).make(name, keeper).await?))
}

async fn bucket_default(cx: &Context) -> Result<Option<BucketEncryption>, Error> {
    let kind = DocumentKind::Encryption;
    if !cx.bucket().documents.contains(&kind) {
        return Ok(None);
    }
    let found = cx.metadata().bucket_document(cx.bucket().id, kind).await?;
    let parse = |Document(document)| BucketEncryption::parse(&document);
    Ok(found.map(parse).transpose()?)
}

fn keepers(cx: &Context) -> Keepers<'_> {
    Keepers {
        ring: &cx.gateway.keys,
        service: cx.gateway.key_service.as_deref(),
    }
}

/// What a request lacks or brings too much of, by what it is about.
struct Refusals {
    missing: &'static str,
    not_applicable: &'static str,
}

const OF_OBJECT: Refusals = Refusals {
    missing: "The object was stored using a form of Server Side Encryption. The correct parameters \
              must be provided to retrieve the object.",
    not_applicable: "The encryption parameters are not applicable to this object.",
};

const OF_UPLOAD: Refusals = Refusals {
    missing: "The multipart upload initiate requested encryption. Subsequent part requests must \
              include the appropriate encryption parameters.",
    not_applicable: "The multipart upload initiate did not request encryption with a customer key. \
                     Please resend the request without sending encryption parameters.",
};

impl Refusals {
    /// Refuses a customer's key where none is needed, and its lack where one is.
    fn check(
        &self,
        record: Option<&Encryption>,
        customer: Option<&CustomerKey>,
    ) -> Result<(), S3Error> {
        let is_customers = record.is_some_and(|record| record.keeper == KeyKeeper::Customer);
        let refuse = |message| Err(S3Error::new(ErrorCode::InvalidRequest).message(message));
        match (is_customers, customer) {
            (true, None) => refuse(self.missing),
            (false, Some(_)) => refuse(self.not_applicable),
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }
}

/// The key of an object, if it is sealed.
///
/// # Errors
/// `InvalidRequest` without the customer's key, with another, or with one where there is none.
pub(super) async fn of_object(
    cx: &Context,
    name: ObjectName<'_>,
    object: &ObjectVersion,
    customer: Option<&CustomerKey>,
) -> Result<Option<DataKey>, Error> {
    open(
        cx,
        name,
        object.body.encryption.as_ref(),
        customer,
        &OF_OBJECT,
    )
    .await
}

/// Whether a customer may see an object. Only a customer's key is asked for: who sees no bytes needs no
/// other.
pub(super) async fn check_object(
    cx: &Context,
    name: ObjectName<'_>,
    object: &ObjectVersion,
    customer: Option<&CustomerKey>,
) -> Result<(), Error> {
    let record = object.body.encryption.as_ref();
    check(cx, name, record, customer, &OF_OBJECT).await
}

/// The key of an upload, if it is sealed.
///
/// # Errors
/// As for an object.
pub(super) async fn of_upload(
    cx: &Context,
    key: &str,
    upload: &Upload,
    customer: Option<&CustomerKey>,
) -> Result<Option<DataKey>, Error> {
    let bucket = &cx.bucket().name;
    let record = upload.encryption.as_ref();
    open(cx, ObjectName { bucket, key }, record, customer, &OF_UPLOAD).await
}

/// Whether a customer may go on with an upload.
pub(super) async fn check_upload(
    cx: &Context,
    key: &str,
    upload: &Upload,
    customer: Option<&CustomerKey>,
) -> Result<(), Error> {
    let bucket = &cx.bucket().name;
    let record = upload.encryption.as_ref();
    check(cx, ObjectName { bucket, key }, record, customer, &OF_UPLOAD).await
}

async fn check(
    cx: &Context,
    name: ObjectName<'_>,
    record: Option<&Encryption>,
    customer: Option<&CustomerKey>,
    refusals: &Refusals,
) -> Result<(), Error> {
    match customer {
        None => Ok(refusals.check(record, None)?),
        Some(_) => open(cx, name, record, customer, refusals).await.map(drop),
    }
}

async fn open(
    cx: &Context,
    name: ObjectName<'_>,
    record: Option<&Encryption>,
    customer: Option<&CustomerKey>,
    refusals: &Refusals,
) -> Result<Option<DataKey>, Error> {
    refusals.check(record, customer)?;
    let Some(record) = record else {
        return Ok(None);
    };
    Ok(Some(keepers(cx).open(name, record, customer).await?))
}

/// How something is encrypted, as answers to reads show it.
pub(super) fn shown(
    record: Option<&Encryption>,
    customer: Option<&CustomerKey>,
) -> Option<ServerSideEncryption> {
    Some(match &record?.keeper {
        // The key's MD5 is not kept: only who brings the key is told.
        KeyKeeper::Customer => ServerSideEncryption::Customer {
            key_md5: customer?.md5_base64(),
        },
        KeyKeeper::Store => ServerSideEncryption::Store,
        KeyKeeper::KeyService {
            key_id, bucket_key, ..
        } => ServerSideEncryption::KeyService {
            key_id: key_id.clone(),
            context: None,
            bucket_key: *bucket_key,
        },
    })
}

/// How something new is encrypted, as the answer to its writer shows it.
pub(super) fn shown_to_writer(
    record: Option<&Encryption>,
    asked: &NewEncryption,
) -> Option<ServerSideEncryption> {
    let customer = match asked {
        NewEncryption::Customer(customer) => Some(customer),
        _ => None,
    };
    let mut shown = shown(record, customer)?;
    if let ServerSideEncryption::KeyService { context, .. } = &mut shown
        && let NewEncryption::KeyService {
            context: Some(asked),
            ..
        } = asked
    {
        *context = Some(asked.to_json());
    }
    Some(shown)
}

//! Server-side encryption: the keys of objects, and who keeps them.
//!
//! Each object, and each upload, has a data key of its own, from which the keys of its streams follow
//! ([`crate::data`]). The record holds it sealed: under the customer's key (SSE-C), under the cluster's
//! key ring (SSE-S3), or by a key service (SSE-KMS). It is bound to the object's name, so that a record
//! can't lend its key to another. Changing the ring or a service's key leaves data and records as they are.

mod envelope;
mod key_service;

use bytes::Bytes;
use riquet_cluster::keyring::{KeyRing, KeyRingError, Sealed};
use riquet_metadata::record::{Cipher, Encryption, KeyKeeper};
use riquet_s3::request::{CustomerKey, EncryptionContext};

use crate::data::DataKey;

pub use key_service::KeyFileError;
pub(crate) use key_service::{KeyService, KeyServiceError, LocalKeys};

/// Why a data key can't be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeyError {
    /// The customer's key is not the one that the data key was sealed with.
    #[error("another customer key than the one used before")]
    OtherCustomerKey,
    /// No key service is configured.
    #[error("there is no key service")]
    NoKeyService,
    /// The key service did not do it.
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    /// The record can't be opened with the keys there are.
    #[error("a stored key is damaged, or the key ring lacks its key: {0}")]
    Damaged(String),
}

/// The object that a key is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObjectName<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

impl ObjectName<'_> {
    /// What the ring's and customers' keys are bound to.
    fn purpose(self) -> Vec<u8> {
        format!("data key of {}", self.arn()).into_bytes()
    }

    /// Unambiguous: no bucket's name has a slash.
    fn arn(self) -> String {
        format!("arn:aws:s3:::{}/{}", self.bucket, self.key)
    }

    /// What a service's key is bound to: what the client said, and the object's name.
    fn service_context(self, context: Option<EncryptionContext>) -> String {
        let context = context.unwrap_or_else(EncryptionContext::empty);
        context.with("aws:s3:arn", &self.arn()).to_json()
    }
}

/// Who is to keep a new data key.
#[derive(Debug, Clone)]
pub(crate) enum Keeper<'a> {
    Customer(&'a CustomerKey),
    Store,
    KeyService {
        key_id: Option<&'a str>,
        context: Option<&'a EncryptionContext>,
        bucket_key: bool,
    },
}

/// A data key that is in use for the first time, and what is stored of it.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub(crate) key: DataKey,
    pub(crate) record: Encryption,
}

/// The keepers of one gateway.
pub(crate) struct Keepers<'a> {
    pub(crate) ring: &'a KeyRing,
    pub(crate) service: Option<&'a dyn KeyService>,
}

impl Keepers<'_> {
    /// Makes a data key for an object.
    pub(crate) async fn make(
        &self,
        name: ObjectName<'_>,
        keeper: Keeper<'_>,
    ) -> Result<NewKey, KeyError> {
        let key = DataKey::fresh();
        let (keeper, sealed_key) = match keeper {
            Keeper::Customer(customer) => {
                let sealed = envelope::seal(customer.bytes(), &name.purpose(), key.bytes());
                (KeyKeeper::Customer, sealed)
            }
            Keeper::Store => {
                let sealed = self.ring.seal(&name.purpose(), key.bytes());
                let sealed = minicbor::to_vec(&sealed).expect("a Vec takes every write");
                (KeyKeeper::Store, sealed)
            }
            Keeper::KeyService {
                key_id,
                context,
                bucket_key,
            } => {
                let bound = name.service_context(context.cloned());
                let service = self.service.ok_or(KeyError::NoKeyService)?;
                let sealed = service.seal(key_id, bound.as_bytes(), key.bytes()).await?;
                let keeper = KeyKeeper::KeyService {
                    key_id: sealed.key_id,
                    context: context.map(EncryptionContext::to_json),
                    bucket_key,
                };
                (keeper, sealed.bytes)
            }
        };
        let record = Encryption {
            cipher: Cipher::Aes256Gcm,
            keeper,
            sealed_key: Bytes::from(sealed_key),
        };
        Ok(NewKey { key, record })
    }

    /// Opens the data key of an object.
    ///
    /// # Panics
    /// When the customer has the key and it isn't given.
    pub(crate) async fn open(
        &self,
        name: ObjectName<'_>,
        record: &Encryption,
        customer: Option<&CustomerKey>,
    ) -> Result<DataKey, KeyError> {
        let damaged = |why: &str| KeyError::Damaged(why.to_owned());
        let opened = match &record.keeper {
            KeyKeeper::Customer => {
                let customer = customer.expect("the caller asks for it");
                envelope::open(customer.bytes(), &name.purpose(), &record.sealed_key)
                    .ok_or(KeyError::OtherCustomerKey)?
            }
            KeyKeeper::Store => {
                let sealed: Sealed = minicbor::decode(&record.sealed_key)
                    .map_err(|_| damaged("not sealed by a key ring"))?;
                let ring = |error: KeyRingError| KeyError::Damaged(error.to_string());
                self.ring.open(&name.purpose(), &sealed).map_err(ring)?
            }
            KeyKeeper::KeyService {
                key_id, context, ..
            } => {
                let context = context
                    .as_deref()
                    .map(|json| {
                        EncryptionContext::from_json(json).ok_or_else(|| damaged("context"))
                    })
                    .transpose()?;
                let bound = name.service_context(context);
                let service = self.service.ok_or(KeyError::NoKeyService)?;
                service
                    .open(key_id, bound.as_bytes(), &record.sealed_key)
                    .await?
            }
        };
        DataKey::from_bytes(&opened).ok_or_else(|| damaged("not of a key's length"))
    }
}

#[cfg(test)]
mod tests;

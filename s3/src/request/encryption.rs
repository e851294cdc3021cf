//! What requests say of server-side encryption: how new bytes are to be encrypted, and the keys that
//! customers bring along.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::fields::Fields;
use crate::config::encryption::is_key_id;
use crate::error::{Error, ErrorCode, Result};

const METHOD: &str = "x-amz-server-side-encryption";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// The bytes of a customer's key: AES-256.
pub const CUSTOMER_KEY_BYTES: usize = 32;

/// The most bytes of an encryption context as JSON, as KMS takes it.
const CONTEXT_BYTES_MAX: usize = 8192;

/// How a new object is to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewEncryption {
    /// As its bucket says.
    Default {
        /// What is said of bucket keys, should a key service's key be the bucket's default.
        bucket_key: Option<bool>,
    },
    /// With a key of the customer's, which is not kept.
    Customer(CustomerKey),
    /// With a key of the store's.
    Store,
    /// With a key of the key service's.
    KeyService {
        /// Which; without one, the service's default.
        key_id: Option<String>,
        /// What the key is bound to besides the object's name.
        context: Option<EncryptionContext>,
        /// Whether a key of the bucket's is to spare requests to the service.
        bucket_key: Option<bool>,
    },
}

impl NewEncryption {
    pub(crate) fn parse(fields: Fields<'_>) -> Result<Self> {
        let customer = CustomerKey::parse(fields, CustomerKeyOf::Object)?;
        let method = fields.header(METHOD)?;
        if method != Some("aws:kms") {
            refuse(
                fields,
                [KEY_ID, CONTEXT],
                "Server Side Encryption with AWS KMS managed key requires HTTP header \
                 x-amz-server-side-encryption : aws:kms",
            )?;
        }
        let bucket_key = match fields.header(BUCKET_KEY)? {
            Some(_) => Some(fields.flag(BUCKET_KEY)?),
            None => None,
        };
        match (method, customer) {
            (Some(method), Some(_)) => Err(Error::invalid_argument(
                METHOD,
                method,
                "Server Side Encryption with Customer provided key is incompatible with the \
                 encryption method specified",
            )),
            (None, Some(key)) => Ok(Self::Customer(key)),
            (None, None) => Ok(Self::Default { bucket_key }),
            (Some("AES256"), None) => Ok(Self::Store),
            (Some("aws:kms"), None) => Ok(Self::KeyService {
                key_id: requested_key_id(fields)?,
                context: EncryptionContext::requested(fields)?,
                bucket_key,
            }),
            (Some("aws:kms:dsse"), None) => Err(Error::not_implemented_header(METHOD)),
            (Some(method), None) => Err(Error::invalid_argument(
                METHOD,
                method,
                "The encryption method specified is not supported",
            )),
        }
    }

    /// Whether the request itself says how.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !matches!(self, Self::Default { .. })
    }
}

fn requested_key_id(fields: Fields<'_>) -> Result<Option<String>> {
    match fields.header(KEY_ID)?.filter(|id| !id.is_empty()) {
        Some(id) if !is_key_id(id) => {
            Err(Error::invalid_argument(KEY_ID, id, "Invalid KMS key id"))
        }
        id => Ok(id.map(str::to_owned)),
    }
}

/// Refuses what says how new bytes are encrypted, in a request that brings none.
pub(crate) fn refuse_on_read(fields: Fields<'_>) -> Result<()> {
    refuse(
        fields,
        [METHOD, KEY_ID, CONTEXT, BUCKET_KEY],
        "x-amz-server-side-encryption header is not supported for this operation.",
    )
}

fn refuse<const N: usize>(
    fields: Fields<'_>,
    names: [&'static str; N],
    message: &'static str,
) -> Result<()> {
    for name in names {
        if let Some(value) = fields.header(name)? {
            return Err(Error::invalid_argument(name, value, message));
        }
    }
    Ok(())
}

/// Whether a header's name begins as those read here, and is none of them.
pub(crate) fn is_unknown(name: &str) -> bool {
    let customer = |of: CustomerKeyOf| {
        let names = of.names();
        [names.algorithm, names.key, names.md5].contains(&name)
    };
    let is_ours =
        name.starts_with(METHOD) || name.starts_with("x-amz-copy-source-server-side-encryption");
    is_ours
        && ![METHOD, KEY_ID, CONTEXT, BUCKET_KEY].contains(&name)
        && !customer(CustomerKeyOf::Object)
        && !customer(CustomerKeyOf::CopySource)
}

/// What a key of a key service is bound to: names and values that the service wants again before it
/// opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    fn requested(fields: Fields<'_>) -> Result<Option<Self>> {
        let Some(text) = fields.header(CONTEXT)? else {
            return Ok(None);
        };
        let invalid = || {
            Error::invalid_argument(
                CONTEXT,
                text,
                "The header must be the Base64 of a JSON object of strings",
            )
        };
        let json = BASE64.decode(text).map_err(|_| invalid())?;
        if json.len() > CONTEXT_BYTES_MAX {
            return Err(invalid());
        }
        let pairs = serde_json::from_slice(&json).map_err(|_| invalid())?;
        Ok(Some(Self(pairs)))
    }

    /// Reads what [`EncryptionContext::to_json`] wrote.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The one text of this context: an object with its names in order.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("strings are always JSON")
    }

    /// This context with the value of one name set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A context of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(BTreeMap::new())
    }
}

/// Whose key a customer's headers bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CustomerKeyOf {
    /// That of the object, upload or part that the request names.
    Object,
    /// That of the object that is copied.
    CopySource,
}

struct Names {
    algorithm: &'static str,
    key: &'static str,
    md5: &'static str,
}

impl CustomerKeyOf {
    const fn names(self) -> Names {
        match self {
            Self::Object => Names {
                algorithm: "x-amz-server-side-encryption-customer-algorithm",
                key: "x-amz-server-side-encryption-customer-key",
                md5: "x-amz-server-side-encryption-customer-key-md5",
            },
            Self::CopySource => Names {
                algorithm: "x-amz-copy-source-server-side-encryption-customer-algorithm",
                key: "x-amz-copy-source-server-side-encryption-customer-key",
                md5: "x-amz-copy-source-server-side-encryption-customer-key-md5",
            },
        }
    }
}

/// A key that a customer brings with every request, checked against its MD5. It is wiped from memory
/// when dropped, and its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(Zeroizing<[u8; CUSTOMER_KEY_BYTES]>);

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(hidden)")
    }
}

impl CustomerKey {
    pub(crate) fn parse(fields: Fields<'_>, of: CustomerKeyOf) -> Result<Option<Self>> {
        let names = of.names();
        let algorithm = fields.header(names.algorithm)?;
        let key = fields.header(names.key)?;
        let md5 = fields.header(names.md5)?;
        if algorithm.or(key).or(md5).is_none() {
            return Ok(None);
        }
        // The key's text never goes into an answer.
        let invalid = |name, message| Error::invalid_argument(name, "", message);
        match algorithm {
            Some("AES256") => {}
            Some(_) => return Err(ErrorCode::InvalidEncryptionAlgorithmError.into()),
            None => {
                return Err(invalid(
                    names.algorithm,
                    "Requests specifying Server Side Encryption with Customer provided keys must \
                     provide a valid encryption algorithm.",
                ));
            }
        }
        let key = key.ok_or_else(|| {
            invalid(
                names.key,
                "Requests specifying Server Side Encryption with Customer provided keys must \
                 provide an appropriate secret key.",
            )
        })?;
        let md5 = md5.ok_or_else(|| {
            invalid(
                names.md5,
                "Requests specifying Server Side Encryption with Customer provided keys must \
                 provide the client calculated MD5 of the secret key.",
            )
        })?;
        let decoded = BASE64.decode(key).ok().map(Zeroizing::new);
        let bytes = decoded.and_then(|bytes| <[u8; CUSTOMER_KEY_BYTES]>::try_from(&**bytes).ok());
        let this = bytes.map(|bytes| Self(Zeroizing::new(bytes)));
        let this = this.ok_or_else(|| {
            invalid(
                names.key,
                "The secret key was invalid for the specified algorithm.",
            )
        })?;
        if this.md5_base64() != md5 {
            return Err(invalid(
                names.md5,
                "The calculated MD5 hash of the key did not match the hash that was provided.",
            ));
        }
        Ok(Some(this))
    }

    /// The key.
    #[must_use]
    pub fn bytes(&self) -> &[u8; CUSTOMER_KEY_BYTES] {
        &self.0
    }

    /// The Base64 of its MD5, as answers show it.
    #[must_use]
    pub fn md5_base64(&self) -> String {
        BASE64.encode(Md5::digest(*self.0))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::operation::Query;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    fn read<T>(headers: &[(&'static str, &str)], parse: fn(Fields<'_>) -> Result<T>) -> Result<T> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let query = Query::default();
        parse(Fields {
            headers: &map,
            query: &query,
        })
    }

    fn new(headers: &[(&'static str, &str)]) -> Result<NewEncryption> {
        read(headers, NewEncryption::parse)
    }

    fn customer(algorithm: &str, key: &str, md5: &str) -> Result<NewEncryption> {
        let Names {
            algorithm: algorithm_name,
            key: key_name,
            md5: md5_name,
        } = CustomerKeyOf::Object.names();
        let headers = [
            (algorithm_name, algorithm),
            (key_name, key),
            (md5_name, md5),
        ];
        let given: Vec<_> = headers.into_iter().filter(|(_, v)| !v.is_empty()).collect();
        new(&given)
    }

    #[test]
    fn each_kind_is_read() {
        assert_eq!(new(&[]), Ok(NewEncryption::Default { bucket_key: None }));
        assert_eq!(new(&[(METHOD, "AES256")]), Ok(NewEncryption::Store));
        let context = BASE64.encode(r#"{"b":"2","a":"1"}"#);
        let named = new(&[
            (METHOD, "aws:kms"),
            (KEY_ID, "k"),
            (CONTEXT, &context),
            (BUCKET_KEY, "true"),
        ]);
        let Ok(NewEncryption::KeyService {
            key_id,
            context: Some(context),
            bucket_key: Some(true),
        }) = named
        else {
            panic!("{named:?}")
        };
        assert_eq!(key_id.as_deref(), Some("k"));
        assert_eq!(context.to_json(), r#"{"a":"1","b":"2"}"#);
        assert_eq!(
            EncryptionContext::from_json(&context.to_json()),
            Some(context.clone())
        );
        assert_eq!(
            context.with("a", "3").with("c", "3").to_json(),
            r#"{"a":"3","b":"2","c":"3"}"#
        );
        let Ok(NewEncryption::Customer(key)) = customer("AES256", KEY, MD5) else {
            panic!("a good key")
        };
        assert_eq!(key.md5_base64(), MD5);
        assert!(!format!("{key:?}").contains(KEY));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for headers in [
            &[(METHOD, "aes:kms")][..],
            &[(METHOD, "AES256"), (KEY_ID, "k")],
            &[(METHOD, "AES256"), (CONTEXT, "e30=")],
            &[(KEY_ID, "k")],
            &[(METHOD, "aws:kms"), (KEY_ID, "a b")],
            &[(METHOD, "aws:kms"), (CONTEXT, "e30")],
            &[(METHOD, "aws:kms"), (CONTEXT, "W10=")],
            &[(METHOD, "aws:kms"), (BUCKET_KEY, "x")],
            &[
                (METHOD, "AES256"),
                ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
                ("x-amz-server-side-encryption-customer-key", KEY),
                ("x-amz-server-side-encryption-customer-key-md5", MD5),
            ],
        ] {
            let error = new(headers).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{headers:?}");
        }
        let double = new(&[(METHOD, "aws:kms:dsse")]).unwrap_err();
        assert_eq!(double.code(), ErrorCode::NotImplemented);
    }

    #[test]
    fn bad_customer_keys_are_refused_and_not_told() {
        for (algorithm, key, md5) in [
            ("", KEY, MD5),
            ("AES256", "", MD5),
            ("AES256", KEY, ""),
            ("AES256", KEY, "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("AES256", "c2hvcnQ=", "LcG1acyvQ0z1XcXsj7tztA=="),
            ("AES256", "not base64!", MD5),
        ] {
            let error = customer(algorithm, key, md5).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(!format!("{error:?}").contains(KEY));
        }
        let other = customer("AES128", KEY, MD5).unwrap_err();
        assert_eq!(other.code(), ErrorCode::InvalidEncryptionAlgorithmError);
    }

    #[test]
    fn a_read_says_nothing_of_new_bytes() {
        assert!(read(&[], refuse_on_read).is_ok());
        for name in [METHOD, KEY_ID, CONTEXT, BUCKET_KEY] {
            let error = read(&[(name, "AES256")], refuse_on_read).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
        }
    }

    #[test]
    fn every_name_read_here_is_known() {
        for name in [METHOD, KEY_ID, CONTEXT, BUCKET_KEY] {
            assert!(!is_unknown(name));
        }
        for of in [CustomerKeyOf::Object, CustomerKeyOf::CopySource] {
            let names = of.names();
            assert!(
                ![names.algorithm, names.key, names.md5]
                    .iter()
                    .any(|name| is_unknown(name))
            );
        }
        assert!(is_unknown("x-amz-server-side-encryption-new"));
        assert!(is_unknown("x-amz-copy-source-server-side-encryption"));
        assert!(!is_unknown("x-amz-meta-a"));
    }
}

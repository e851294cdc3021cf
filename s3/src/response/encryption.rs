//! How answers tell that something is encrypted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::header_text;

/// How an object, upload or part is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerSideEncryption {
    /// With a key of the customer's.
    Customer {
        /// The Base64 of the key's MD5.
        key_md5: String,
    },
    /// With a key of the store's.
    Store,
    /// With a key of the key service's.
    KeyService {
        /// The key.
        key_id: String,
        /// What the key is bound to, as JSON; only answers to writes show it.
        context: Option<String>,
        /// Whether a key of the bucket's was asked for.
        bucket_key: bool,
    },
}

pub(super) fn insert_encryption(headers: &mut HeaderMap, shown: Option<&ServerSideEncryption>) {
    let mut insert = |name: &'static str, value: &str| {
        if let Some(value) = header_text(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    match shown {
        None => {}
        Some(ServerSideEncryption::Customer { key_md5 }) => {
            insert("x-amz-server-side-encryption-customer-algorithm", "AES256");
            insert("x-amz-server-side-encryption-customer-key-md5", key_md5);
        }
        Some(ServerSideEncryption::Store) => insert("x-amz-server-side-encryption", "AES256"),
        Some(ServerSideEncryption::KeyService {
            key_id,
            context,
            bucket_key,
        }) => {
            insert("x-amz-server-side-encryption", "aws:kms");
            insert("x-amz-server-side-encryption-aws-kms-key-id", key_id);
            if let Some(context) = context {
                let context = BASE64.encode(context);
                insert("x-amz-server-side-encryption-context", &context);
            }
            if *bucket_key {
                let name = "x-amz-server-side-encryption-bucket-key-enabled";
                headers.insert(name, HeaderValue::from_static("true"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_headers() {
        let shown = |encryption: &ServerSideEncryption| {
            let mut headers = HeaderMap::new();
            insert_encryption(&mut headers, Some(encryption));
            let mut lines: Vec<_> = headers
                .iter()
                .map(|(name, value)| {
                    let name = name
                        .as_str()
                        .trim_start_matches("x-amz-server-side-encryption");
                    format!("{name}={}", value.to_str().unwrap())
                })
                .collect();
            lines.sort();
            lines.join(" ")
        };
        let customer = ServerSideEncryption::Customer {
            key_md5: "m".to_owned(),
        };
        assert_eq!(
            shown(&customer),
            "-customer-algorithm=AES256 -customer-key-md5=m"
        );
        assert_eq!(shown(&ServerSideEncryption::Store), "=AES256");
        let service = |context, bucket_key| ServerSideEncryption::KeyService {
            key_id: "k".to_owned(),
            context,
            bucket_key,
        };
        assert_eq!(shown(&service(None, false)), "-aws-kms-key-id=k =aws:kms");
        assert_eq!(
            shown(&service(Some("{}".to_owned()), true)),
            "-aws-kms-key-id=k -bucket-key-enabled=true -context=e30= =aws:kms"
        );
    }
}

//! `ServerSideEncryptionConfiguration`: how new objects of a bucket are encrypted by default.

use bytes::Bytes;

use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// The most bytes of a key's id or ARN.
const KEY_ID_BYTES_MAX: usize = 2048;

/// A bucket's default encryption: its one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEncryption {
    /// The algorithm and key.
    pub algorithm: DefaultAlgorithm,
    /// Whether one data key per bucket spares requests to the key service.
    pub bucket_key_enabled: bool,
}

/// An algorithm, with the key it may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultAlgorithm {
    /// `AES256`, with keys of the store.
    Aes256,
    /// `aws:kms`, with a key of the key service.
    Kms {
        /// The key; without one, the service's own.
        key_id: Option<String>,
    },
}

impl DefaultAlgorithm {
    /// The name in XML and in `x-amz-server-side-encryption`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms { .. } => "aws:kms",
        }
    }
}

impl BucketEncryption {
    /// Reads a `ServerSideEncryptionConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidArgument` for a key that the algorithm doesn't use;
    /// `NotImplemented` for double encryption and for blocked kinds of encryption.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "ServerSideEncryptionConfiguration")?;
        let rule = root.only(&["Rule"])?.required("Rule")?;
        if rule.optional("BlockedEncryptionTypes")?.is_some() {
            return Err(not_implemented("BlockedEncryptionTypes is not implemented"));
        }
        rule.only(&["ApplyServerSideEncryptionByDefault", "BucketKeyEnabled"])?;
        let default = rule.required("ApplyServerSideEncryptionByDefault")?;
        default.only(&["SSEAlgorithm", "KMSMasterKeyID"])?;
        let key_id = default
            .optional_text("KMSMasterKeyID")?
            .map(str::trim)
            .filter(|id| !id.is_empty());
        let algorithm = match (default.text_of("SSEAlgorithm")?.trim(), key_id) {
            ("AES256", None) => DefaultAlgorithm::Aes256,
            ("AES256", Some(id)) => {
                return Err(Error::invalid_argument(
                    "KMSMasterKeyID",
                    id,
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not \
                     aws:kms or aws:kms:dsse",
                ));
            }
            ("aws:kms", Some(id)) if !is_key_id(id) => {
                return Err(Error::invalid_argument(
                    "KMSMasterKeyID",
                    id,
                    "Invalid KMS key id",
                ));
            }
            ("aws:kms", id) => DefaultAlgorithm::Kms {
                key_id: id.map(str::to_owned),
            },
            ("aws:kms:dsse", _) => return Err(not_implemented("aws:kms:dsse is not implemented")),
            _ => return Err(malformed()),
        };
        Ok(Self {
            algorithm,
            bucket_key_enabled: rule.optional_flag("BucketKeyEnabled")?.unwrap_or(false),
        })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("ServerSideEncryptionConfiguration", |writer| {
            writer.element("Rule", |writer| {
                writer.element("ApplyServerSideEncryptionByDefault", |writer| {
                    writer.text("SSEAlgorithm", self.algorithm.as_str());
                    if let DefaultAlgorithm::Kms { key_id } = &self.algorithm {
                        writer.optional("KMSMasterKeyID", key_id.as_deref());
                    }
                });
                writer.value("BucketKeyEnabled", self.bucket_key_enabled);
            });
        })
    }
}

/// An id is answered as a header, so it must be able to be one.
pub(crate) fn is_key_id(id: &str) -> bool {
    id.len() <= KEY_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn not_implemented(message: &'static str) -> Error {
    Error::new(ErrorCode::NotImplemented).message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(default: &str, more: &str) -> Result<BucketEncryption> {
        let document = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>{default}\
             </ApplyServerSideEncryptionByDefault>{more}</Rule></ServerSideEncryptionConfiguration>"
        );
        BucketEncryption::parse(document.as_bytes())
    }

    #[test]
    fn rules_are_read_and_written() {
        for key_id in [None, Some("arn:aws:kms:eu:1:key/a".to_owned())] {
            for algorithm in [DefaultAlgorithm::Aes256, DefaultAlgorithm::Kms { key_id }] {
                for bucket_key_enabled in [false, true] {
                    let encryption = BucketEncryption {
                        algorithm: algorithm.clone(),
                        bucket_key_enabled,
                    };
                    let read = BucketEncryption::parse(&encryption.to_xml()).unwrap();
                    assert_eq!(read, encryption);
                }
            }
        }
        let plain = parse("<SSEAlgorithm>AES256</SSEAlgorithm>", "").unwrap();
        assert!(!plain.bucket_key_enabled);
    }

    #[test]
    fn bad_rules_are_refused() {
        let key = "<KMSMasterKeyID>k</KMSMasterKeyID>";
        for (default, more, code) in [
            ("", "", ErrorCode::MalformedXML),
            (
                "<SSEAlgorithm>aes256</SSEAlgorithm>",
                "",
                ErrorCode::MalformedXML,
            ),
            (
                &format!("<SSEAlgorithm>AES256</SSEAlgorithm>{key}"),
                "",
                ErrorCode::InvalidArgument,
            ),
            (
                "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>a b</KMSMasterKeyID>",
                "",
                ErrorCode::InvalidArgument,
            ),
            (
                "<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>",
                "",
                ErrorCode::NotImplemented,
            ),
            (
                "<SSEAlgorithm>AES256</SSEAlgorithm>",
                "<BlockedEncryptionTypes/>",
                ErrorCode::NotImplemented,
            ),
            (
                "<SSEAlgorithm>AES256</SSEAlgorithm>",
                "<BucketKeyEnabled>maybe</BucketKeyEnabled>",
                ErrorCode::MalformedXML,
            ),
        ] {
            let error = parse(default, more).unwrap_err();
            assert_eq!(error.code(), code, "{default}{more}");
        }
    }
}

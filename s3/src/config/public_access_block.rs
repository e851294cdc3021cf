//! `PublicAccessBlockConfiguration`: four switches against public ACLs and policies.

use bytes::Bytes;

use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::Element;
use crate::xml::write::XmlWriter;

/// The switches; one that a document leaves out is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// Writes of public ACLs fail.
    pub block_public_acls: bool,
    /// Public ACLs give nothing.
    pub ignore_public_acls: bool,
    /// Writes of public bucket policies fail.
    pub block_public_policy: bool,
    /// A public policy gives access to the owner's account only.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Reads a `PublicAccessBlockConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidRequest` without any switch.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "PublicAccessBlockConfiguration")?;
        let names = Self::default().switches().map(|(name, _)| name);
        root.only(&names)?;
        let mut values = [None; 4];
        for (value, name) in values.iter_mut().zip(names) {
            *value = root.optional_flag(name)?;
        }
        if values == [None; 4] {
            return Err(Error::new(ErrorCode::InvalidRequest)
                .message("Must specify at least one configuration."));
        }
        let [acls, ignore, policy, restrict] = values.map(Option::unwrap_or_default);
        Ok(Self {
            block_public_acls: acls,
            ignore_public_acls: ignore,
            block_public_policy: policy,
            restrict_public_buckets: restrict,
        })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(self) -> Bytes {
        XmlWriter::document("PublicAccessBlockConfiguration", |writer| {
            for (name, value) in self.switches() {
                writer.value(name, value);
            }
        })
    }

    fn switches(self) -> [(&'static str, bool); 4] {
        [
            ("BlockPublicAcls", self.block_public_acls),
            ("IgnorePublicAcls", self.ignore_public_acls),
            ("BlockPublicPolicy", self.block_public_policy),
            ("RestrictPublicBuckets", self.restrict_public_buckets),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<PublicAccessBlock> {
        let name = "PublicAccessBlockConfiguration";
        PublicAccessBlock::parse(format!("<{name}>{inner}</{name}>").as_bytes())
    }

    #[test]
    fn every_combination_round_trips() {
        for bits in 0_u8..16 {
            let block = PublicAccessBlock {
                block_public_acls: bits & 1 != 0,
                ignore_public_acls: bits & 2 != 0,
                block_public_policy: bits & 4 != 0,
                restrict_public_buckets: bits & 8 != 0,
            };
            assert_eq!(PublicAccessBlock::parse(&block.to_xml()).unwrap(), block);
        }
    }

    #[test]
    fn a_document_names_at_least_one_switch() {
        let block = parse("<IgnorePublicAcls>TRUE</IgnorePublicAcls>").unwrap();
        assert!(block.ignore_public_acls && !block.block_public_acls);
        assert_eq!(parse("").unwrap_err().code(), ErrorCode::InvalidRequest);
        for inner in [
            "<Other>true</Other>",
            "<BlockPublicAcls>yes</BlockPublicAcls>",
            "<BlockPublicAcls>true</BlockPublicAcls><BlockPublicAcls>true</BlockPublicAcls>",
        ] {
            assert_eq!(
                parse(inner).unwrap_err().code(),
                ErrorCode::MalformedXML,
                "{inner}"
            );
        }
    }
}

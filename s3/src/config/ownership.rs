//! `OwnershipControls`: who owns the objects that others write into a bucket, and whether ACLs
//! count at all.

use bytes::Bytes;

use super::{known, named};
use crate::error::{Error, Result};
use crate::xml::read::Element;
use crate::xml::write::XmlWriter;

named! {
    /// A bucket's object ownership.
    ObjectOwnership {
        /// The bucket's owner owns everything; ACLs have no effect and can't be set.
        BucketOwnerEnforced = "BucketOwnerEnforced",
        /// The bucket's owner owns what is written with the ACL `bucket-owner-full-control`.
        BucketOwnerPreferred = "BucketOwnerPreferred",
        /// The writer owns the object.
        ObjectWriter = "ObjectWriter",
    }
}

impl ObjectOwnership {
    /// Reads an `OwnershipControls` with its one rule.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "OwnershipControls")?;
        let rule = root.only(&["Rule"])?.required("Rule")?;
        known(
            Self::from_name,
            rule.only(&["ObjectOwnership"])?
                .text_of("ObjectOwnership")?,
        )
    }

    /// Reads the `x-amz-object-ownership` header of CreateBucket.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse_header(value: &str) -> Result<Self> {
        Self::from_name(value.trim()).ok_or_else(|| {
            Error::invalid_argument(
                "x-amz-object-ownership",
                value,
                format!("Invalid x-amz-object-ownership header: {value}"),
            )
        })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(self) -> Bytes {
        XmlWriter::document("OwnershipControls", |writer| {
            writer.element("Rule", |writer| {
                writer.text("ObjectOwnership", self.as_str());
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn controls_are_read_and_written() {
        for ownership in [
            ObjectOwnership::BucketOwnerEnforced,
            ObjectOwnership::BucketOwnerPreferred,
            ObjectOwnership::ObjectWriter,
        ] {
            assert_eq!(
                ObjectOwnership::parse(&ownership.to_xml()).unwrap(),
                ownership
            );
            assert_eq!(
                ObjectOwnership::parse_header(ownership.as_str()).unwrap(),
                ownership
            );
        }
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        for inner in [
            "",
            "<Rule/>",
            &rule.replace("ObjectWriter", "objectwriter"),
            &rule.repeat(2),
        ] {
            let document = format!("<OwnershipControls>{inner}</OwnershipControls>");
            let error = ObjectOwnership::parse(document.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::MalformedXML, "{inner}");
        }
        let error = ObjectOwnership::parse_header("Nobody").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}

//! `RequestPaymentConfiguration`: who pays for requests to a bucket.

use bytes::Bytes;

use super::{known, named};
use crate::error::Result;
use crate::xml::read::Element;
use crate::xml::write::XmlWriter;

named! {
    /// Who pays. Where the requester does, requests must say so with `x-amz-request-payer`.
    #[derive(Default)]
    Payer {
        /// The bucket's owner, as it is until it is set.
        #[default]
        BucketOwner = "BucketOwner",
        /// Whoever asks.
        Requester = "Requester",
    }
}

impl Payer {
    /// Reads a `RequestPaymentConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "RequestPaymentConfiguration")?;
        known(Self::from_name, root.only(&["Payer"])?.text_of("Payer")?)
    }

    /// The document.
    #[must_use]
    pub fn to_xml(self) -> Bytes {
        XmlWriter::document("RequestPaymentConfiguration", |writer| {
            writer.text("Payer", self.as_str());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payers_are_read_and_written() {
        assert_eq!(Payer::default(), Payer::BucketOwner);
        for payer in [Payer::BucketOwner, Payer::Requester] {
            assert_eq!(Payer::parse(&payer.to_xml()).unwrap(), payer);
        }
        for inner in ["", "<Payer>Nobody</Payer>", "<Payer>requester</Payer>"] {
            let document =
                format!("<RequestPaymentConfiguration>{inner}</RequestPaymentConfiguration>");
            assert!(Payer::parse(document.as_bytes()).is_err(), "{inner}");
        }
    }
}

//! `AccelerateConfiguration`: whether a bucket asks for transfer acceleration.

use bytes::Bytes;

use super::{known, named};
use crate::error::Result;
use crate::xml::read::Element;
use crate::xml::write::XmlWriter;

named! {
    /// What a client may set. A bucket where it was never set answers an empty document.
    Acceleration {
        /// On.
        Enabled = "Enabled",
        /// Off again.
        Suspended = "Suspended",
    }
}

impl Acceleration {
    /// Reads an `AccelerateConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "AccelerateConfiguration")?;
        known(Self::from_name, root.only(&["Status"])?.text_of("Status")?)
    }

    /// The document of a bucket's state, `None` where it was never set.
    #[must_use]
    pub fn to_xml(state: Option<Self>) -> Bytes {
        XmlWriter::document("AccelerateConfiguration", |writer| {
            writer.optional("Status", state.map(Self::as_str));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_and_written() {
        for state in [Acceleration::Enabled, Acceleration::Suspended] {
            let document = Acceleration::to_xml(Some(state));
            assert_eq!(Acceleration::parse(&document).unwrap(), state);
        }
        // The answer of a bucket without a state cannot be set.
        assert!(Acceleration::parse(&Acceleration::to_xml(None)).is_err());
        let wrong = b"<AccelerateConfiguration><Status>On</Status></AccelerateConfiguration>";
        assert!(Acceleration::parse(wrong).is_err());
    }
}

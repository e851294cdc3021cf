//! `VersioningConfiguration`: whether a bucket keeps the versions of its objects.

use bytes::Bytes;

use super::{known, named};
use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

named! {
    /// What a client may set.
    VersioningStatus {
        /// Every write makes a version.
        Enabled = "Enabled",
        /// Writes replace the null version; older versions stay.
        Suspended = "Suspended",
    }
}

/// A bucket's versioning. Once set it can be suspended, but never unset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Versioning {
    /// Never set.
    #[default]
    Unversioned,
    /// Set.
    Set(VersioningStatus),
}

impl VersioningStatus {
    /// Reads a `VersioningConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`; `IllegalVersioningConfigurationException` without a status;
    /// `NotImplemented` where deletes shall need a second factor.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "VersioningConfiguration")?;
        root.only(&["Status", "MfaDelete", "MFADelete"])?;
        for name in ["MfaDelete", "MFADelete"] {
            match root.optional_text(name)?.map(str::trim) {
                None | Some("Disabled") => {}
                // Accepting it would promise a protection that isn't there.
                Some("Enabled") => {
                    return Err(Error::new(ErrorCode::NotImplemented)
                        .message("MFA delete is not implemented"));
                }
                Some(_) => return Err(malformed()),
            }
        }
        let status = root.optional_text("Status")?.ok_or_else(|| {
            Error::new(ErrorCode::IllegalVersioningConfigurationException)
                .message("The Versioning element must be specified")
        })?;
        known(Self::from_name, status)
    }
}

impl Versioning {
    /// The document.
    #[must_use]
    pub fn to_xml(self) -> Bytes {
        XmlWriter::document("VersioningConfiguration", |writer| {
            if let Self::Set(status) = self {
                writer.text("Status", status.as_str());
            }
        })
    }

    /// Whether writes make versions now.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        self == Self::Set(VersioningStatus::Enabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<VersioningStatus> {
        let document = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
        VersioningStatus::parse(document.as_bytes())
    }

    #[test]
    fn a_status_is_read_and_written() {
        for status in [VersioningStatus::Enabled, VersioningStatus::Suspended] {
            let versioning = Versioning::Set(status);
            assert_eq!(
                VersioningStatus::parse(&versioning.to_xml()).unwrap(),
                status
            );
        }
        assert!(!Versioning::Set(VersioningStatus::Suspended).is_enabled());
        assert!(Versioning::Set(VersioningStatus::Enabled).is_enabled());
        let unset = Versioning::Unversioned.to_xml();
        assert!(unset.ends_with(b"/\"></VersioningConfiguration>"));
        let harmless = parse("<MfaDelete>Disabled</MfaDelete><Status>Enabled</Status>");
        assert_eq!(harmless.unwrap(), VersioningStatus::Enabled);
    }

    #[test]
    fn anything_else_is_refused() {
        for (inner, code) in [
            ("", ErrorCode::IllegalVersioningConfigurationException),
            ("<Status>enabled</Status>", ErrorCode::MalformedXML),
            ("<Status>Disabled</Status>", ErrorCode::MalformedXML),
            ("<Other/><Status>Enabled</Status>", ErrorCode::MalformedXML),
            (
                "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>",
                ErrorCode::NotImplemented,
            ),
            (
                "<Status>Enabled</Status><MfaDelete>x</MfaDelete>",
                ErrorCode::MalformedXML,
            ),
        ] {
            assert_eq!(parse(inner).unwrap_err().code(), code, "{inner}");
        }
    }
}

//! The lock of one version: its retention and its legal hold, from documents and headers.

use bytes::Bytes;
use jiff::Timestamp;

use crate::config::{known, named, parse_moment};
use crate::error::{Error, Result};
use crate::time::to_iso8601;
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

const MODE_HEADER: &str = "x-amz-object-lock-mode";
const UNTIL_HEADER: &str = "x-amz-object-lock-retain-until-date";
const HOLD_HEADER: &str = "x-amz-object-lock-legal-hold";

named! {
    /// How strict a retention is.
    RetentionMode {
        /// Those with a special permission may override it.
        Governance = "GOVERNANCE",
        /// Nobody may.
        Compliance = "COMPLIANCE",
    }
}

named! {
    /// Whether a version is kept until the hold is lifted.
    LegalHold {
        /// It is.
        On = "ON",
        /// It is not.
        Off = "OFF",
    }
}

/// Whether a request may override governance: it says so with
/// `x-amz-bypass-governance-retention`, and its caller has the permission
/// `s3:BypassGovernanceRetention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Governance {
    /// It counts.
    Enforced,
    /// It is overridden.
    Bypassed,
}

/// The retention of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Its mode.
    pub mode: RetentionMode,
    /// The moment from which the version is free.
    pub until: Timestamp,
}

impl Retention {
    /// Reads a `Retention`. An empty one lifts the retention there is.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidArgument` for a moment that is over.
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Option<Self>> {
        let root = Element::parse(body, "Retention")?;
        root.only(&["Mode", "RetainUntilDate"])?;
        match (
            root.optional_text("Mode")?,
            root.optional_text("RetainUntilDate")?,
        ) {
            (None, None) => Ok(None),
            (Some(mode), Some(until)) => Ok(Some(Self {
                mode: known(RetentionMode::from_name, mode)?,
                until: in_future(parse_moment(until)?, now)?,
            })),
            _ => Err(malformed()),
        }
    }

    /// Reads the headers `x-amz-object-lock-mode` and `x-amz-object-lock-retain-until-date` of a
    /// new version.
    ///
    /// # Errors
    /// `InvalidArgument` for one without the other, an unknown mode, or a moment that is none or
    /// is over.
    pub fn parse_headers(
        mode: Option<&str>,
        until: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let (mode, until) = match (mode, until) {
            (None, None) => return Ok(None),
            (Some(mode), Some(until)) => (mode, until),
            (mode, _) => {
                let missing = if mode.is_none() {
                    MODE_HEADER
                } else {
                    UNTIL_HEADER
                };
                return Err(Error::invalid_argument(
                    missing,
                    "",
                    "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                     supplied",
                ));
            }
        };
        let mode = RetentionMode::from_name(mode.trim()).ok_or_else(|| {
            Error::invalid_argument(MODE_HEADER, mode, "Unknown wormMode directive.")
        })?;
        let moment = parse_moment(until).map_err(|_| {
            Error::invalid_argument(
                UNTIL_HEADER,
                until,
                "The retain until date must be provided in ISO 8601 format",
            )
        })?;
        Ok(Some(Self {
            mode,
            until: in_future(moment, now)?,
        }))
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("Retention", |writer| {
            writer.text("Mode", self.mode.as_str());
            writer.text("RetainUntilDate", &to_iso8601(self.until));
        })
    }
}

fn in_future(until: Timestamp, now: Timestamp) -> Result<Timestamp> {
    if until > now {
        return Ok(until);
    }
    Err(Error::invalid_argument(
        UNTIL_HEADER,
        to_iso8601(until),
        "The retain until date must be in the future!",
    ))
}

impl LegalHold {
    /// Reads a `LegalHold`.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "LegalHold")?;
        known(Self::from_name, root.only(&["Status"])?.text_of("Status")?)
    }

    /// Reads the header `x-amz-object-lock-legal-hold` of a new version.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn parse_header(value: &str) -> Result<Self> {
        Self::from_name(value.trim()).ok_or_else(|| {
            Error::invalid_argument(
                HOLD_HEADER,
                value,
                "Legal Hold must be either of 'ON' or 'OFF'",
            )
        })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(self) -> Bytes {
        XmlWriter::document("LegalHold", |writer| writer.text("Status", self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn retentions_are_read_and_written() {
        let now = Timestamp::UNIX_EPOCH;
        let parse = |inner: &str| {
            Retention::parse(format!("<Retention>{inner}</Retention>").as_bytes(), now)
        };
        let until = "<RetainUntilDate>2030-01-01T00:00:00.123456Z</RetainUntilDate>";
        let retention = parse(&format!("<Mode>GOVERNANCE</Mode>{until}"))
            .unwrap()
            .unwrap();
        assert_eq!(to_iso8601(retention.until), "2030-01-01T00:00:00.123Z");
        assert_eq!(
            Retention::parse(&retention.to_xml(), now).unwrap(),
            Some(retention)
        );
        assert_eq!(parse("").unwrap(), None);
        for (inner, code) in [
            (until.to_owned(), ErrorCode::MalformedXML),
            (
                "<Mode>GOVERNANCE</Mode>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (format!("<Mode>abc</Mode>{until}"), ErrorCode::MalformedXML),
            (
                "<Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                "<Mode>GOVERNANCE</Mode><RetainUntilDate>1970-01-01</RetainUntilDate>".to_owned(),
                ErrorCode::InvalidArgument,
            ),
        ] {
            assert_eq!(parse(&inner).unwrap_err().code(), code, "{inner}");
        }
    }

    #[test]
    fn headers_are_read() {
        let now = Timestamp::UNIX_EPOCH;
        let parse = |mode, until| Retention::parse_headers(mode, until, now);
        let later = Some("2030-01-01T00:00:00Z");
        assert_eq!(parse(None, None).unwrap(), None);
        let retention = parse(Some("COMPLIANCE"), later).unwrap().unwrap();
        assert_eq!(retention.mode, RetentionMode::Compliance);
        for (mode, until) in [
            (None, later),
            (Some("COMPLIANCE"), None),
            (Some("x"), later),
            (Some("COMPLIANCE"), Some("x")),
            (Some("COMPLIANCE"), Some("1970-01-01")),
        ] {
            let error = parse(mode, until).unwrap_err();
            assert_eq!(
                error.code(),
                ErrorCode::InvalidArgument,
                "{mode:?} {until:?}"
            );
        }
        assert_eq!(LegalHold::parse_header("ON").unwrap(), LegalHold::On);
        assert!(LegalHold::parse_header("on").is_err());
    }

    #[test]
    fn holds_are_read_and_written() {
        for hold in [LegalHold::On, LegalHold::Off] {
            assert_eq!(LegalHold::parse(&hold.to_xml()).unwrap(), hold);
        }
        let error = LegalHold::parse(b"<LegalHold><Status>abc</Status></LegalHold>").unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedXML);
    }
}

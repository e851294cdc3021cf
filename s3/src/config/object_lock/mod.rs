//! Object Lock: the bucket's `ObjectLockConfiguration`, and the `Retention` and `LegalHold` of one
//! version.

mod version;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

pub use version::{Governance, LegalHold, Retention, RetentionMode};

use super::known;
use super::versioning::{Versioning, VersioningStatus};
use crate::error::{Error, ErrorCode, Result};
use crate::xml::read::{Element, malformed};
use crate::xml::write::XmlWriter;

/// The longest default retention: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

/// The longest default retention.
pub const RETENTION_YEARS_MAX: u32 = 100;

const DAYS_PER_YEAR: u32 = 365;
const HOURS_PER_DAY: i64 = 24;

/// A bucket with Object Lock, which can't be switched off again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectLockConfiguration {
    /// The retention of new versions that come without one.
    pub default_retention: Option<DefaultRetention>,
}

/// The retention of new versions that come without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Its mode.
    pub mode: RetentionMode,
    /// Its length.
    pub period: RetentionPeriod,
}

/// A length of retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionPeriod {
    /// 1 to [`RETENTION_DAYS_MAX`] days.
    Days(u32),
    /// 1 to [`RETENTION_YEARS_MAX`] years of 365 days.
    Years(u32),
}

impl ObjectLockConfiguration {
    /// Reads an `ObjectLockConfiguration`.
    ///
    /// # Errors
    /// `MalformedXML`, also for both days and years; `InvalidRetentionPeriod` for a period that
    /// is not positive or too long.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let root = Element::parse(body, "ObjectLockConfiguration")?;
        root.only(&["ObjectLockEnabled", "Rule"])?;
        if root.text_of("ObjectLockEnabled")?.trim() != "Enabled" {
            return Err(malformed());
        }
        let default_retention = match root.optional("Rule")? {
            None => None,
            Some(rule) => {
                let default = rule.only(&["DefaultRetention"])?;
                Some(DefaultRetention::parse(
                    default.required("DefaultRetention")?,
                )?)
            }
        };
        Ok(Self { default_retention })
    }

    /// The document.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("ObjectLockConfiguration", |writer| {
            writer.text("ObjectLockEnabled", "Enabled");
            if let Some(default) = self.default_retention {
                writer.element("Rule", |writer| {
                    writer.element("DefaultRetention", |writer| default.write(writer));
                });
            }
        })
    }

    /// Whether a bucket may get a configuration: only where every write makes a version.
    ///
    /// # Errors
    /// `InvalidBucketState`.
    pub fn check_bucket(versioning: Versioning) -> Result<()> {
        if versioning.is_enabled() {
            return Ok(());
        }
        Err(Error::new(ErrorCode::InvalidBucketState).message(
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ))
    }

    /// Whether the versioning of a bucket with a configuration may be set so.
    ///
    /// # Errors
    /// `InvalidBucketState` for suspending it.
    pub fn check_versioning(new: VersioningStatus) -> Result<()> {
        match new {
            VersioningStatus::Enabled => Ok(()),
            VersioningStatus::Suspended => Err(Error::new(ErrorCode::InvalidBucketState).message(
                "An Object Lock configuration is present on this bucket, so the versioning state \
                 cannot be changed.",
            )),
        }
    }
}

impl DefaultRetention {
    fn parse(element: &Element) -> Result<Self> {
        element.only(&["Mode", "Days", "Years"])?;
        let mode = known(RetentionMode::from_name, element.text_of("Mode")?)?;
        let days: Option<i64> = element.optional_number("Days")?;
        let years: Option<i64> = element.optional_number("Years")?;
        let period = match (days, years) {
            (Some(days), None) => RetentionPeriod::Days(period(days, RETENTION_DAYS_MAX)?),
            (None, Some(years)) => RetentionPeriod::Years(period(years, RETENTION_YEARS_MAX)?),
            _ => return Err(malformed()),
        };
        Ok(Self { mode, period })
    }

    fn write(self, writer: &mut XmlWriter) {
        writer.text("Mode", self.mode.as_str());
        match self.period {
            RetentionPeriod::Days(days) => writer.value("Days", days),
            RetentionPeriod::Years(years) => writer.value("Years", years),
        }
    }

    /// The retention of a version created at a moment.
    #[must_use]
    pub fn of_version_created(&self, created: Timestamp) -> Retention {
        let days = match self.period {
            RetentionPeriod::Days(days) => days,
            RetentionPeriod::Years(years) => years.saturating_mul(DAYS_PER_YEAR),
        };
        let length = SignedDuration::from_hours(i64::from(days) * HOURS_PER_DAY);
        Retention {
            mode: self.mode,
            until: created.checked_add(length).unwrap_or(Timestamp::MAX),
        }
    }
}

fn period(count: i64, max: u32) -> Result<u32> {
    match u32::try_from(count) {
        Ok(count) if (1..=max).contains(&count) => Ok(count),
        Ok(count) if count > max => Err(Error::new(ErrorCode::InvalidRetentionPeriod)
            .message("Default retention period is too large.")),
        _ => Err(ErrorCode::InvalidRetentionPeriod.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::to_iso8601;

    fn configuration(enabled: &str, retention: &str) -> Result<ObjectLockConfiguration> {
        let document = format!(
            "<ObjectLockConfiguration><ObjectLockEnabled>{enabled}</ObjectLockEnabled><Rule>\
             <DefaultRetention>{retention}</DefaultRetention></Rule></ObjectLockConfiguration>"
        );
        ObjectLockConfiguration::parse(document.as_bytes())
    }

    #[test]
    fn bad_configurations_are_refused() {
        let governance = |period: &str| format!("<Mode>GOVERNANCE</Mode>{period}");
        for (enabled, retention, code) in [
            (
                "Enabled",
                governance("<Days>1</Days><Years>1</Years>"),
                ErrorCode::MalformedXML,
            ),
            ("Enabled", governance(""), ErrorCode::MalformedXML),
            (
                "Enabled",
                governance("<Days>x</Days>"),
                ErrorCode::MalformedXML,
            ),
            (
                "Enabled",
                "<Days>1</Days>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                "Enabled",
                "<Mode>governance</Mode><Years>1</Years>".to_owned(),
                ErrorCode::MalformedXML,
            ),
            (
                "Disabled",
                governance("<Years>1</Years>"),
                ErrorCode::MalformedXML,
            ),
            (
                "Enabled",
                governance("<Days>0</Days>"),
                ErrorCode::InvalidRetentionPeriod,
            ),
            (
                "Enabled",
                governance("<Years>-1</Years>"),
                ErrorCode::InvalidRetentionPeriod,
            ),
            (
                "Enabled",
                governance("<Days>36501</Days>"),
                ErrorCode::InvalidRetentionPeriod,
            ),
            (
                "Enabled",
                governance("<Years>101</Years>"),
                ErrorCode::InvalidRetentionPeriod,
            ),
        ] {
            let error = configuration(enabled, &retention).unwrap_err();
            assert_eq!(error.code(), code, "{retention}");
        }
        assert!(ObjectLockConfiguration::parse(b"<ObjectLockConfiguration/>").is_err());
    }

    #[test]
    fn defaults_make_retentions() {
        let parsed = configuration("Enabled", "<Mode>COMPLIANCE</Mode><Years>1</Years>").unwrap();
        let default = parsed.default_retention.unwrap();
        let retention = default.of_version_created(Timestamp::UNIX_EPOCH);
        assert_eq!(retention.mode, RetentionMode::Compliance);
        assert_eq!(to_iso8601(retention.until), "1971-01-01T00:00:00.000Z");
        assert_eq!(
            default.of_version_created(Timestamp::MAX).until,
            Timestamp::MAX
        );
        let none = ObjectLockConfiguration::default();
        assert_eq!(
            ObjectLockConfiguration::parse(&none.to_xml()).unwrap(),
            none
        );
    }

    #[test]
    fn lock_and_versioning_go_together() {
        let suspended = Versioning::Set(VersioningStatus::Suspended);
        for versioning in [Versioning::Unversioned, suspended] {
            let error = ObjectLockConfiguration::check_bucket(versioning).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidBucketState);
        }
        let enabled = Versioning::Set(VersioningStatus::Enabled);
        assert!(ObjectLockConfiguration::check_bucket(enabled).is_ok());
        let check = ObjectLockConfiguration::check_versioning;
        assert!(check(VersioningStatus::Enabled).is_ok());
        let error = check(VersioningStatus::Suspended).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidBucketState);
    }

    proptest! {
        #[test]
        fn configurations_round_trip(count in 1..=RETENTION_YEARS_MAX, kind in 0..4) {
            let mode = [RetentionMode::Governance, RetentionMode::Compliance][kind as usize % 2];
            let period = if kind < 2 { RetentionPeriod::Days(count) } else { RetentionPeriod::Years(count) };
            let configuration = ObjectLockConfiguration {
                default_retention: Some(DefaultRetention { mode, period }),
            };
            let read = ObjectLockConfiguration::parse(&configuration.to_xml()).unwrap();
            prop_assert_eq!(read, configuration);
        }
    }
}

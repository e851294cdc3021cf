//! `LifecycleConfiguration`: which objects expire or move to another storage class, and when.

mod check;
mod due;
mod expiry;
mod filter;
pub(crate) mod minimum;
mod parse;
mod scan;

use bytes::Bytes;
use jiff::Timestamp;

pub use due::{Due, LifecycleAction, NoncurrentVersion, VersionFacts, VersionState};
pub use expiry::{Day, Expiry};
pub use filter::{Filter, RuleScope};
pub use minimum::TransitionMinimum;

use crate::request::StorageClass;
use crate::time::to_iso8601;
use crate::xml::write::XmlWriter;

/// The most rules of a bucket.
pub const LIFECYCLE_RULES_MAX: usize = 1000;

/// The most newer noncurrent versions that a rule can keep.
pub const NEWER_NONCURRENT_VERSIONS_MAX: u32 = 100;

/// The rules of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleConfiguration {
    rules: Vec<LifecycleRule>,
    transition_minimum: TransitionMinimum,
}

/// One rule, with at least one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleRule {
    /// Its id, unique in the configuration.
    pub id: String,
    /// Whether it is applied.
    pub status: RuleStatus,
    /// What it is for.
    pub scope: RuleScope,
    /// When current versions expire.
    pub expiration: Option<Expiration>,
    /// When current versions move, each time to another class.
    pub transitions: Vec<Transition>,
    /// When noncurrent versions are deleted.
    pub noncurrent_expiration: Option<NoncurrentAge>,
    /// When noncurrent versions move, each time to another class.
    pub noncurrent_transitions: Vec<NoncurrentTransition>,
    /// The days after which an incomplete multipart upload is aborted.
    pub abort_upload_days: Option<u32>,
}

super::named! {
    /// Whether a rule is applied.
    RuleStatus {
        /// It is.
        Enabled = "Enabled",
        /// It is not.
        Disabled = "Disabled",
    }
}

/// When current versions expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiration {
    /// At a moment. A lone delete marker goes then, too.
    At(When),
    /// Only delete markers go, as soon as they are the last version.
    LoneMarkers,
}

/// When something happens to current versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This many days after their creation.
    Days(u32),
    /// At this midnight, and later.
    Date(Timestamp),
}

/// A move of current versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub when: When,
    /// Where to.
    pub storage_class: StorageClass,
}

/// How old a noncurrent version must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoncurrentAge {
    /// The days since it became noncurrent.
    pub days: u32,
    /// How many noncurrent versions newer than it there must be, 1 to
    /// [`NEWER_NONCURRENT_VERSIONS_MAX`].
    pub newer_versions: Option<u32>,
}

/// A move of noncurrent versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoncurrentTransition {
    /// When.
    pub age: NoncurrentAge,
    /// Where to.
    pub storage_class: StorageClass,
}

impl LifecycleConfiguration {
    /// The rules: 1 to [`LIFECYCLE_RULES_MAX`].
    #[must_use]
    pub fn rules(&self) -> &[LifecycleRule] {
        &self.rules
    }

    /// The least size of what moves by a rule that names no size.
    #[must_use]
    pub const fn transition_minimum(&self) -> TransitionMinimum {
        self.transition_minimum
    }

    /// The same rules with another least size of what moves.
    #[must_use]
    pub fn with_transition_minimum(self, transition_minimum: TransitionMinimum) -> Self {
        Self {
            transition_minimum,
            ..self
        }
    }

    /// The document, as it is answered. [`Self::transition_minimum`] is answered beside it.
    #[must_use]
    pub fn to_xml(&self) -> Bytes {
        XmlWriter::document("LifecycleConfiguration", |writer| self.write_rules(writer))
    }

    /// The document, as it is stored, which [`Self::parse_stored`] reads back.
    #[must_use]
    pub fn to_stored(&self) -> Bytes {
        XmlWriter::document("LifecycleConfiguration", |writer| {
            writer.text(minimum::ELEMENT, self.transition_minimum.as_str());
            self.write_rules(writer);
        })
    }

    fn write_rules(&self, writer: &mut XmlWriter) {
        for rule in &self.rules {
            writer.element("Rule", |writer| rule.write(writer));
        }
    }
}

impl LifecycleRule {
    fn write(&self, writer: &mut XmlWriter) {
        writer.text("ID", &self.id);
        self.scope.write(writer);
        writer.text("Status", self.status.as_str());
        for transition in &self.transitions {
            writer.element("Transition", |writer| {
                transition.when.write(writer);
                writer.text("StorageClass", transition.storage_class.as_str());
            });
        }
        if let Some(expiration) = self.expiration {
            writer.element("Expiration", |writer| match expiration {
                Expiration::At(when) => when.write(writer),
                Expiration::LoneMarkers => writer.value("ExpiredObjectDeleteMarker", true),
            });
        }
        for transition in &self.noncurrent_transitions {
            writer.element("NoncurrentVersionTransition", |writer| {
                transition.age.write(writer);
                writer.text("StorageClass", transition.storage_class.as_str());
            });
        }
        if let Some(age) = self.noncurrent_expiration {
            writer.element("NoncurrentVersionExpiration", |writer| age.write(writer));
        }
        if let Some(days) = self.abort_upload_days {
            writer.element("AbortIncompleteMultipartUpload", |writer| {
                writer.value("DaysAfterInitiation", days);
            });
        }
    }
}

impl When {
    fn write(self, writer: &mut XmlWriter) {
        match self {
            Self::Days(days) => writer.value("Days", days),
            Self::Date(date) => writer.text("Date", &to_iso8601(date)),
        }
    }
}

impl NoncurrentAge {
    fn write(self, writer: &mut XmlWriter) {
        writer.value("NoncurrentDays", self.days);
        if let Some(versions) = self.newer_versions {
            writer.value("NewerNoncurrentVersions", versions);
        }
    }
}

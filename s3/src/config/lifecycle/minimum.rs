//! `x-amz-transition-default-minimum-object-size`: the least size of what moves to another class, by
//! rules that say nothing of sizes themselves.

use super::{LifecycleRule, RuleScope};
use crate::config::named;
use crate::error::{Error, Result};

/// Its name in the stored document; clients send it as a header.
pub(super) const ELEMENT: &str = "TransitionDefaultMinimumObjectSize";

/// The header that carries it.
pub(crate) const HEADER: &str = "x-amz-transition-default-minimum-object-size";

/// Below it an object costs more in another class than it saves. The archive classes, for which the
/// two values differ at AWS, are not among ours.
const LEAST_BYTES: u64 = 128 << 10;

named! {
    /// What is too small to move.
    #[derive(Default)]
    TransitionMinimum {
        /// What has less than 128 KiB, whatever the class.
        #[default]
        AllStorageClasses = "all_storage_classes_128K",
        /// The same, but in archive classes.
        VariesByStorageClass = "varies_by_storage_class",
    }
}

impl TransitionMinimum {
    /// Reads the header.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that is none of the two.
    pub(crate) fn parse(value: Option<&str>) -> Result<Self> {
        let Some(value) = value else {
            return Ok(Self::default());
        };
        Self::from_name(value).ok_or_else(|| {
            Error::invalid_argument(
                HEADER,
                value,
                "The transition default minimum object size is not valid",
            )
        })
    }
}

impl LifecycleRule {
    /// Whether it moves a version of such a size. A rule that names a size has the last word.
    pub(super) fn moves_size(&self, size_bytes: u64) -> bool {
        let names_size = match &self.scope {
            RuleScope::Prefix(_) => false,
            RuleScope::Filter(filter) => {
                filter.size_greater_than.is_some() || filter.size_less_than.is_some()
            }
        };
        names_size || size_bytes >= LEAST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lifecycle::LifecycleConfiguration;
    use crate::error::ErrorCode;
    use crate::request::StorageClass;

    fn configuration(filter: &str) -> LifecycleConfiguration {
        let document = format!(
            "<LifecycleConfiguration><Rule><ID>r</ID><Filter>{filter}</Filter><Status>Enabled\
             </Status><Transition><Days>0</Days><StorageClass>ONEZONE_IA</StorageClass>\
             </Transition></Rule></LifecycleConfiguration>"
        );
        LifecycleConfiguration::parse(document.as_bytes(), &[StorageClass::OneZoneIa]).unwrap()
    }

    #[test]
    fn small_objects_stay_unless_a_rule_names_sizes() {
        let least = LEAST_BYTES;
        for (filter, size_bytes, moves) in [
            ("", least - 1, false),
            ("", least, true),
            ("<Prefix>a</Prefix>", least - 1, false),
            ("<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>", 1, true),
            ("<ObjectSizeLessThan>9</ObjectSizeLessThan>", 1, true),
        ] {
            let configuration = configuration(filter);
            let found = configuration.rules()[0].moves_size(size_bytes);
            assert_eq!(found, moves, "{filter} {size_bytes}");
        }
    }

    #[test]
    fn the_header_is_stored_with_the_rules() {
        assert_eq!(
            TransitionMinimum::parse(None).unwrap(),
            TransitionMinimum::default()
        );
        let varies = TransitionMinimum::parse(Some("varies_by_storage_class")).unwrap();
        let error = TransitionMinimum::parse(Some("64K")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        for minimum in [TransitionMinimum::default(), varies] {
            let rules = configuration("").with_transition_minimum(minimum);
            let stored = LifecycleConfiguration::parse_stored(&rules.to_stored());
            assert_eq!(stored.unwrap(), rules);
        }
    }
}

//! What a scan of a bucket can leave out, by its rules.

use super::{LifecycleConfiguration, LifecycleRule, RuleScope};
use crate::config::tagging::TagSet;

impl LifecycleConfiguration {
    /// The rules as if none asked for tags: what is due by the rules themselves is due by these as well,
    /// and perhaps more. So that the tags of most versions need not be read.
    #[must_use]
    pub fn whatever_tags(&self) -> Self {
        let mut rules = self.clone();
        for rule in &mut rules.rules {
            if let RuleScope::Filter(filter) = &mut rule.scope {
                filter.tags = TagSet::default();
            }
        }
        rules
    }

    /// The longest prefix of all keys that enabled rules are for.
    #[must_use]
    pub fn common_prefix(&self) -> &str {
        self.enabled()
            .map(|rule| rule.scope.prefix())
            .reduce(common)
            .unwrap_or_default()
    }

    /// Whether an enabled rule aborts uploads.
    #[must_use]
    pub fn aborts_uploads(&self) -> bool {
        self.enabled().any(|rule| rule.abort_upload_days.is_some())
    }

    /// Whether an enabled rule does anything to versions.
    #[must_use]
    pub fn changes_versions(&self) -> bool {
        self.enabled().any(|rule| {
            rule.expiration.is_some()
                || !rule.transitions.is_empty()
                || rule.noncurrent_expiration.is_some()
                || !rule.noncurrent_transitions.is_empty()
        })
    }

    fn enabled(&self) -> impl Iterator<Item = &LifecycleRule> {
        self.rules.iter().filter(|rule| rule.is_enabled())
    }
}

/// What two texts both begin with.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let pairs = one.char_indices().zip(other.chars());
    let differing = pairs.into_iter().find(|((_, one), other)| one != other);
    let end = differing.map_or(one.len().min(other.len()), |((at, _), _)| at);
    &one[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::StorageClass;

    const EXPIRE: &str = "<Expiration><Days>1</Days></Expiration>";
    const ABORT: &str = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1\
        </DaysAfterInitiation></AbortIncompleteMultipartUpload>";

    fn rules(rules: &[(&str, &str, &str)]) -> LifecycleConfiguration {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(index, (status, filter, action))| {
                format!(
                    "<Rule><ID>r{index}</ID><Status>{status}</Status><Filter>{filter}</Filter>\
                     {action}</Rule>"
                )
            })
            .collect();
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        LifecycleConfiguration::parse(document.as_bytes(), &[StorageClass::OneZoneIa]).unwrap()
    }

    #[test]
    fn keys_begin_with_what_all_prefixes_begin_with() {
        for (prefixes, expected) in [
            (&["logs/a", "logs/b"][..], "logs/"),
            (&["logs/a", "logs/ab"], "logs/a"),
            (&["é", "è"], ""),
            (&["ab", ""], ""),
            (&["only"], "only"),
        ] {
            let filters = prefixes
                .iter()
                .map(|prefix| format!("<Prefix>{prefix}</Prefix>"));
            let filters: Vec<_> = filters.collect();
            let mut all: Vec<_> = filters
                .iter()
                .map(|filter| ("Enabled", filter.as_str(), EXPIRE))
                .collect();
            all.push(("Disabled", "<Prefix>z</Prefix>", EXPIRE));
            assert_eq!(rules(&all).common_prefix(), expected, "{prefixes:?}");
        }
    }

    #[test]
    fn only_enabled_rules_count() {
        for (status, action, uploads, versions) in [
            ("Enabled", EXPIRE, false, true),
            ("Enabled", ABORT, true, false),
            ("Disabled", EXPIRE, false, false),
            ("Disabled", ABORT, false, false),
        ] {
            let rules = rules(&[(status, "", action)]);
            assert_eq!(rules.aborts_uploads(), uploads, "{status} {action}");
            assert_eq!(rules.changes_versions(), versions, "{status} {action}");
        }
    }
}

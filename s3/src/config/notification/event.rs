//! The names of events, and the patterns of events a target asks for.

use crate::error::{Error, Result};

/// Every name that a configuration may ask for. One that ends with `*` stands for all events that
/// begin so.
const NAMES: [&str; 27] = [
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:Put",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRestore:Post",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
];

/// A kind of event, or all of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPattern(&'static str);

impl EventPattern {
    /// Reads a name.
    ///
    /// # Errors
    /// `InvalidArgument` for one that isn't known.
    pub fn parse(name: &str) -> Result<Self> {
        match NAMES.binary_search(&name) {
            Ok(index) => Ok(Self(NAMES[index])),
            Err(_) => Err(Error::invalid_argument(
                "Event",
                name,
                "The event is not supported for notifications",
            )),
        }
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether an event, such as `s3:ObjectCreated:Put`, is meant.
    #[must_use]
    pub fn matches(self, event: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(family) => event.starts_with(family),
            None => event == self.0,
        }
    }

    /// Whether some event is meant by both.
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.matches(other.0) || other.matches(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_and_in_order() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            assert_eq!(EventPattern::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "*", "s3:*", "s3:ObjectCreated:put", "ObjectCreated:Put"] {
            assert!(EventPattern::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn families_match_their_members() {
        let pattern = |name: &str| EventPattern::parse(name).unwrap();
        let created = pattern("s3:ObjectCreated:*");
        assert!(created.matches("s3:ObjectCreated:Put"));
        assert!(!created.matches("s3:ObjectRemoved:Delete"));
        assert!(!pattern("s3:ObjectCreated:Put").matches("s3:ObjectCreated:Post"));
        assert!(pattern("s3:ObjectCreated:Put").overlaps(created));
        assert!(created.overlaps(created));
        assert!(!created.overlaps(pattern("s3:ObjectRemoved:*")));
    }
}

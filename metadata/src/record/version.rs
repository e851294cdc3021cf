//! Versions: how a bucket keeps them, how they are named, and what protects them.

use std::fmt;

use minicbor::{Decode, Encode};

/// What a bucket does with objects that are overwritten or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Versioning {
    /// It was never told to keep them.
    #[n(0)]
    #[default]
    Never,
    /// Each write makes a version of its own; a deletion hides it behind a delete marker.
    #[n(1)]
    Enabled,
    /// What was kept stays; each write replaces the null version.
    #[n(2)]
    Suspended,
}

/// Names a version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub enum VersionName {
    /// The one that was made while the bucket kept none; there is at most one.
    #[n(0)]
    Null,
    /// One that the bucket keeps.
    #[n(1)]
    Kept(#[n(0)] VersionId),
}

/// Names a kept version of a key, forever: its order alone would come again after a backup was
/// restored, which does not know of the writes that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct VersionId {
    /// `Last-Modified` of the version, ms since 1970.
    #[n(0)]
    pub modified_ms: u64,
    /// Its order among all writes of the key.
    #[n(1)]
    pub sequence: u64,
}

impl VersionId {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return None;
        }
        let (modified, sequence) = text.split_at(16);
        Some(Self {
            modified_ms: u64::from_str_radix(modified, 16).ok()?,
            sequence: u64::from_str_radix(sequence, 16).ok()?,
        })
    }
}

impl fmt::Display for VersionId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.modified_ms, self.sequence)
    }
}

/// What keeps a version from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Lock {
    /// Until a moment.
    #[n(0)]
    pub retention: Option<Retention>,
    /// Until it is lifted.
    #[n(1)]
    pub legal_hold: bool,
}

/// A time in which a version can't be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Retention {
    /// Who can shorten it.
    #[n(0)]
    pub mode: RetentionMode,
    /// Its end, ms since 1970.
    #[n(1)]
    pub until_ms: u64,
}

/// Who can shorten a retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RetentionMode {
    /// Whoever has the right to, and says so.
    #[n(0)]
    Governance,
    /// Nobody.
    #[n(1)]
    Compliance,
}

/// How much a caller may do to what is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Bypass {
    /// Nothing.
    #[n(0)]
    #[default]
    Nothing,
    /// What [`RetentionMode::Governance`] keeps.
    #[n(1)]
    Governance,
}

impl Lock {
    /// Whether the version may be removed at a moment, ms since 1970.
    pub fn allows_removal(&self, now_ms: u64, bypass: Bypass) -> bool {
        !self.legal_hold
            && self
                .retention
                .is_none_or(|retention| retention.allows(now_ms, bypass))
    }

    /// Whether the retention may become another at a moment, ms since 1970. Longer it always may, in
    /// the same mode.
    pub fn allows_retention(&self, to: Option<Retention>, now_ms: u64, bypass: Bypass) -> bool {
        let Some(present) = self.retention else {
            return true;
        };
        let is_longer =
            to.is_some_and(|to| to.until_ms >= present.until_ms && to.mode == present.mode);
        is_longer || present.allows(now_ms, bypass)
    }
}

impl Retention {
    fn allows(&self, now_ms: u64, bypass: Bypass) -> bool {
        let is_bypassed = self.mode == RetentionMode::Governance && bypass == Bypass::Governance;
        now_ms >= self.until_ms || is_bypassed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_id_reads_back() {
        let id = VersionId {
            modified_ms: 1_700_000_000_123,
            sequence: u64::MAX,
        };
        assert_eq!(VersionId::parse(&id.to_string()), Some(id));
        let foreign = [
            "",
            "null",
            "3",
            &"F".repeat(32),
            &"0".repeat(33),
            &"é".repeat(16),
        ];
        for text in foreign {
            assert_eq!(VersionId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_lock_allows_what_its_mode_does() {
        use Bypass::{Governance as Bypassed, Nothing};
        use RetentionMode::{Compliance, Governance};
        let until = |mode, until_ms| Some(Retention { mode, until_ms });
        let lock = |retention| Lock {
            retention,
            legal_hold: false,
        };
        for (mode, bypass, now_ms, removable) in [
            (Governance, Nothing, 9, false),
            (Governance, Bypassed, 9, true),
            (Governance, Nothing, 10, true),
            (Compliance, Nothing, 9, false),
            (Compliance, Bypassed, 9, false),
            (Compliance, Nothing, 10, true),
        ] {
            let kept = lock(until(mode, 10));
            assert_eq!(kept.allows_removal(now_ms, bypass), removable);
            assert!(kept.allows_retention(until(mode, 11), now_ms, bypass));
            assert_eq!(
                kept.allows_retention(until(mode, 9), now_ms, bypass),
                removable
            );
            assert_eq!(kept.allows_retention(None, now_ms, bypass), removable);
        }
        let compliance = lock(until(Compliance, 10));
        assert!(!compliance.allows_retention(until(Governance, 20), 9, Bypassed));
        let governance = lock(until(Governance, 10));
        assert!(!governance.allows_retention(until(Compliance, 20), 9, Nothing));
        assert!(governance.allows_retention(until(Compliance, 20), 9, Bypassed));
        let held = Lock {
            retention: None,
            legal_hold: true,
        };
        assert!(!held.allows_removal(u64::MAX, Bypassed));
        // A hold counts beside a retention, over or overridden as that may be.
        for (mode, bypass, now_ms) in [(Governance, Bypassed, 9), (Compliance, Nothing, 10)] {
            let both = Lock {
                legal_hold: true,
                ..lock(until(mode, 10))
            };
            assert!(!both.allows_removal(now_ms, bypass));
        }
    }

    #[test]
    fn retentions_grow_and_seldom_shrink() {
        use Bypass::{Governance as Bypassed, Nothing};
        use RetentionMode::{Compliance, Governance};
        let until = |mode, until_ms| Some(Retention { mode, until_ms });
        for (current, new, bypass, is_allowed) in [
            (None, until(Compliance, 5), Nothing, true),
            (None, None, Nothing, true),
            // Over at the moment of asking.
            (until(Compliance, 2), None, Nothing, true),
            (until(Governance, 5), until(Governance, 6), Nothing, true),
            (until(Governance, 5), until(Governance, 5), Nothing, true),
            (until(Governance, 5), until(Governance, 4), Nothing, false),
            (until(Governance, 5), until(Governance, 4), Bypassed, true),
            (until(Governance, 5), until(Compliance, 5), Nothing, false),
            (until(Governance, 5), until(Compliance, 5), Bypassed, true),
            (until(Governance, 5), None, Nothing, false),
            (until(Governance, 5), None, Bypassed, true),
            (until(Compliance, 5), until(Compliance, 6), Nothing, true),
            (until(Compliance, 5), until(Compliance, 4), Bypassed, false),
            (until(Compliance, 5), until(Governance, 6), Bypassed, false),
            (until(Compliance, 5), None, Bypassed, false),
        ] {
            let lock = Lock {
                retention: current,
                legal_hold: true,
            };
            let outcome = lock.allows_retention(new, 2, bypass);
            assert_eq!(outcome, is_allowed, "{current:?} {new:?} {bypass:?}");
        }
    }
}

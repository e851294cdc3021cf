//! What a version's lock forbids at a moment.

use jiff::Timestamp;

use super::{LegalHold, Retention, RetentionMode};
use crate::error::{Error, ErrorCode, Result};

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

/// The lock of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Its retention, over or not.
    pub retention: Option<Retention>,
    /// Its legal hold.
    pub legal_hold: LegalHold,
}

impl Protection {
    /// Whether the version may be deleted or overwritten in place now.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_delete(&self, now: Timestamp, governance: Governance) -> Result<()> {
        let is_retained = match (self.active(now), governance) {
            (None, _) => false,
            (Some(retention), Governance::Bypassed) => retention.mode == RetentionMode::Compliance,
            (Some(_), Governance::Enforced) => true,
        };
        allow_if(!is_retained && self.legal_hold == LegalHold::Off)
    }

    /// Whether the version's retention may become `new` now. It may always be extended; all else
    /// needs a bypass of governance, and is impossible in compliance mode.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_retention(
        &self,
        new: Option<Retention>,
        now: Timestamp,
        governance: Governance,
    ) -> Result<()> {
        let Some(current) = self.active(now) else {
            return Ok(());
        };
        let extends = new.is_some_and(|new| new.mode == current.mode && new.until >= current.until);
        let is_overridden =
            current.mode == RetentionMode::Governance && governance == Governance::Bypassed;
        allow_if(extends || is_overridden)
    }

    /// The retention while it lasts.
    fn active(&self, now: Timestamp) -> Option<Retention> {
        self.retention.filter(|retention| now < retention.until)
    }
}

fn allow_if(is_allowed: bool) -> Result<()> {
    if is_allowed {
        return Ok(());
    }
    Err(Error::new(ErrorCode::AccessDenied)
        .message("Access Denied because object protected by object lock."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Governance::{Bypassed, Enforced};
    use RetentionMode::{Compliance, Governance as Governed};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn retention(mode: RetentionMode, until: i64) -> Option<Retention> {
        let until = second(until);
        Some(Retention { mode, until })
    }

    #[test]
    fn deletes_wait_for_the_lock() {
        for (retention, legal_hold, now, governance, is_allowed) in [
            (None, LegalHold::Off, 1, Enforced, true),
            (None, LegalHold::On, 1, Bypassed, false),
            (retention(Governed, 5), LegalHold::Off, 4, Enforced, false),
            (retention(Governed, 5), LegalHold::Off, 4, Bypassed, true),
            (retention(Governed, 5), LegalHold::On, 4, Bypassed, false),
            (retention(Governed, 5), LegalHold::Off, 5, Enforced, true),
            (retention(Compliance, 5), LegalHold::Off, 4, Enforced, false),
            (retention(Compliance, 5), LegalHold::Off, 4, Bypassed, false),
            (retention(Compliance, 5), LegalHold::Off, 5, Enforced, true),
            (retention(Compliance, 5), LegalHold::On, 5, Enforced, false),
        ] {
            let protection = Protection {
                retention,
                legal_hold,
            };
            let result = protection.check_delete(second(now), governance);
            assert_eq!(
                result.is_ok(),
                is_allowed,
                "{protection:?} {now} {governance:?}"
            );
        }
    }

    #[test]
    fn retentions_grow_and_seldom_shrink() {
        for (current, new, governance, is_allowed) in [
            (None, retention(Compliance, 5), Enforced, true),
            (None, None, Enforced, true),
            // Over at the moment of asking.
            (retention(Compliance, 2), None, Enforced, true),
            (
                retention(Governed, 5),
                retention(Governed, 6),
                Enforced,
                true,
            ),
            (
                retention(Governed, 5),
                retention(Governed, 5),
                Enforced,
                true,
            ),
            (
                retention(Governed, 5),
                retention(Governed, 4),
                Enforced,
                false,
            ),
            (
                retention(Governed, 5),
                retention(Governed, 4),
                Bypassed,
                true,
            ),
            (
                retention(Governed, 5),
                retention(Compliance, 5),
                Enforced,
                false,
            ),
            (
                retention(Governed, 5),
                retention(Compliance, 5),
                Bypassed,
                true,
            ),
            (retention(Governed, 5), None, Enforced, false),
            (retention(Governed, 5), None, Bypassed, true),
            (
                retention(Compliance, 5),
                retention(Compliance, 6),
                Enforced,
                true,
            ),
            (
                retention(Compliance, 5),
                retention(Compliance, 4),
                Bypassed,
                false,
            ),
            (
                retention(Compliance, 5),
                retention(Governed, 6),
                Bypassed,
                false,
            ),
            (retention(Compliance, 5), None, Bypassed, false),
        ] {
            let protection = Protection {
                retention: current,
                legal_hold: LegalHold::On,
            };
            let result = protection.check_retention(new, second(2), governance);
            assert_eq!(
                result.is_ok(),
                is_allowed,
                "{current:?} {new:?} {governance:?}"
            );
            if let Err(error) = result {
                assert_eq!(error.code(), ErrorCode::AccessDenied);
            }
        }
    }
}

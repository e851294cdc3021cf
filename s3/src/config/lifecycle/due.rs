//! What the rules do with a version or an upload now.
//!
//! Where several actions are due, deleting comes before moving, and of several moves the one that
//! became due last is done.

use jiff::Timestamp;

use super::{Day, Expiration, LifecycleConfiguration, LifecycleRule, NoncurrentAge, RuleStatus};
use crate::config::tagging::TagSet;
use crate::request::StorageClass;

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub struct VersionFacts<'a> {
    /// The object's key.
    pub key: &'a str,
    /// The version's tags; a delete marker has none.
    pub tags: &'a TagSet,
    /// The version's bytes; a delete marker has none.
    pub size_bytes: u64,
    /// Where it is.
    pub storage_class: StorageClass,
    /// When it was created.
    pub created: Timestamp,
    /// What it is among the versions of its key.
    pub state: VersionState,
}

/// What a version is among the versions of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// The current version of an object.
    Current,
    /// A current delete marker over other versions.
    Marker,
    /// A delete marker, and the last version of its key.
    LoneMarker,
    /// A noncurrent version of an object.
    Noncurrent(NoncurrentVersion),
    /// A noncurrent delete marker.
    NoncurrentMarker(NoncurrentVersion),
}

/// How old a noncurrent version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoncurrentVersion {
    /// When the next version was created.
    pub since: Timestamp,
    /// How many noncurrent versions of the key are newer.
    pub newer_versions: u32,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleAction {
    /// Delete the current version as a client would: where versions are kept, by a delete marker.
    Expire,
    /// Delete the noncurrent version.
    ExpireNoncurrent,
    /// Delete the lone delete marker.
    RemoveMarker,
    /// Move the version to another class.
    Transition(StorageClass),
    /// Abort the upload.
    AbortUpload,
}

/// An action that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<'a> {
    /// What is to be done.
    pub action: LifecycleAction,
    /// The rule that says so.
    pub rule_id: &'a str,
    /// How many newer noncurrent versions the rule wants to stay.
    pub keeps_newer: u32,
}

impl LifecycleConfiguration {
    /// What is to be done with a version now.
    #[must_use]
    pub fn due(&self, version: &VersionFacts<'_>, now: Timestamp, day: Day) -> Option<Due<'_>> {
        let deleting = self
            .rules_for(version)
            .find_map(|rule| rule.due_deletion(version, now, day));
        deleting.or_else(|| self.due_transition(version, now, day))
    }

    /// What is to be done with an incomplete multipart upload now.
    #[must_use]
    pub fn due_upload(
        &self,
        key: &str,
        initiated: Timestamp,
        now: Timestamp,
        day: Day,
    ) -> Option<Due<'_>> {
        let expiry = self.upload_expiry(key, initiated, day)?;
        (expiry.at <= now).then_some(Due {
            action: LifecycleAction::AbortUpload,
            rule_id: expiry.rule_id,
            keeps_newer: 0,
        })
    }

    /// The enabled rules that are for a version.
    pub(super) fn rules_for(
        &self,
        version: &VersionFacts<'_>,
    ) -> impl Iterator<Item = &LifecycleRule> {
        self.rules
            .iter()
            .filter(|rule| rule.is_enabled() && rule.scope.is_for(version))
    }

    /// The enabled rules that are for the uploads of a key.
    pub(super) fn rules_for_upload(&self, key: &str) -> impl Iterator<Item = &LifecycleRule> {
        self.rules.iter().filter(move |rule| {
            // A rule with other conditions has no action for uploads.
            rule.is_enabled() && key.starts_with(rule.scope.prefix())
        })
    }

    /// The move that became due last, unless it is done already.
    fn due_transition(
        &self,
        version: &VersionFacts<'_>,
        now: Timestamp,
        day: Day,
    ) -> Option<Due<'_>> {
        let moves = self
            .rules_for(version)
            .flat_map(|rule| rule.transitions_of(version, day));
        let last = moves.filter(|(at, _)| *at <= now).max_by_key(|(at, _)| *at);
        let stays = LifecycleAction::Transition(version.storage_class);
        last.map(|(_, due)| due).filter(|due| due.action != stays)
    }
}

impl LifecycleRule {
    pub(super) fn is_enabled(&self) -> bool {
        self.status == RuleStatus::Enabled
    }

    fn due_deletion(
        &self,
        version: &VersionFacts<'_>,
        now: Timestamp,
        day: Day,
    ) -> Option<Due<'_>> {
        let expires_at = match self.expiration {
            Some(Expiration::At(when)) => Some(when.for_created(version.created, day)),
            _ => None,
        };
        let is_expired = expires_at.is_some_and(|at| at <= now);
        let mut keeps_newer = 0;
        let action = match version.state {
            VersionState::Current if is_expired => LifecycleAction::Expire,
            VersionState::LoneMarker
                if is_expired || self.expiration == Some(Expiration::LoneMarkers) =>
            {
                LifecycleAction::RemoveMarker
            }
            VersionState::Noncurrent(facts) | VersionState::NoncurrentMarker(facts)
                if self.noncurrent_expiration?.reached_at(facts, day)? <= now =>
            {
                keeps_newer = self.noncurrent_expiration?.newer_versions.unwrap_or(0);
                LifecycleAction::ExpireNoncurrent
            }
            _ => return None,
        };
        Some(Due {
            action,
            rule_id: &self.id,
            keeps_newer,
        })
    }

    /// The moves of a version, with their moments.
    fn transitions_of(&self, version: &VersionFacts<'_>, day: Day) -> Vec<(Timestamp, Due<'_>)> {
        let due = |class, keeps_newer| Due {
            action: LifecycleAction::Transition(class),
            rule_id: &self.id,
            keeps_newer,
        };
        match version.state {
            _ if !self.moves_size(version.size_bytes) => Vec::new(),
            VersionState::Current => {
                let moves = self.transitions.iter().map(|transition| {
                    let at = transition.when.for_created(version.created, day);
                    (at, due(transition.storage_class, 0))
                });
                moves.collect()
            }
            VersionState::Noncurrent(facts) => {
                let moves = self.noncurrent_transitions.iter().filter_map(|transition| {
                    let at = transition.age.reached_at(facts, day)?;
                    let keeps_newer = transition.age.newer_versions.unwrap_or(0);
                    Some((at, due(transition.storage_class, keeps_newer)))
                });
                moves.collect()
            }
            _ => Vec::new(),
        }
    }
}

impl NoncurrentAge {
    /// When a version is old enough; `None` while it is among the newest, which are kept.
    fn reached_at(self, version: NoncurrentVersion, day: Day) -> Option<Timestamp> {
        let is_kept = version.newer_versions < self.newer_versions.unwrap_or(0);
        (!is_kept).then(|| day.after(version.since, self.days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Day = Day::Seconds(10);

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn configuration(rules: &[&str]) -> LifecycleConfiguration {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| {
                format!("<Rule><ID>r{index}</ID><Status>Enabled</Status>{rule}</Rule>")
            })
            .collect();
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        LifecycleConfiguration::parse(document.as_bytes(), &[StorageClass::OneZoneIa]).unwrap()
    }

    /// A version of `k` created at second 0.
    fn due_at(
        configuration: &LifecycleConfiguration,
        storage_class: StorageClass,
        state: VersionState,
        now: i64,
    ) -> Option<LifecycleAction> {
        let version = VersionFacts {
            key: "k",
            tags: &TagSet::default(),
            size_bytes: 1 << 20,
            storage_class,
            created: second(0),
            state,
        };
        let due = configuration.due(&version, second(now), DAY);
        due.map(|due| due.action)
    }

    fn noncurrent(since: i64, newer_versions: u32) -> NoncurrentVersion {
        NoncurrentVersion {
            since: second(since),
            newer_versions,
        }
    }

    #[test]
    fn current_versions_move_and_expire() {
        let rules = configuration(&[
            "<Prefix/><Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>\
             <Expiration><Days>3</Days></Expiration>",
            "<Prefix>other</Prefix><Expiration><Days>1</Days></Expiration>",
        ]);
        let to_one_zone = Some(LifecycleAction::Transition(StorageClass::OneZoneIa));
        for (class, now, expected) in [
            (StorageClass::Standard, 9, None),
            (StorageClass::Standard, 10, to_one_zone),
            (StorageClass::OneZoneIa, 10, None),
            (StorageClass::Standard, 30, Some(LifecycleAction::Expire)),
        ] {
            let found = due_at(&rules, class, VersionState::Current, now);
            assert_eq!(found, expected, "{class:?} {now}");
        }
    }

    #[test]
    fn markers_go_when_they_are_alone() {
        let remove = Some(LifecycleAction::RemoveMarker);
        let class = StorageClass::Standard;
        let at_once = configuration(&[
            "<Prefix/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>\
             </Expiration>",
        ]);
        assert_eq!(due_at(&at_once, class, VersionState::LoneMarker, 0), remove);
        assert_eq!(due_at(&at_once, class, VersionState::Marker, 99), None);
        assert_eq!(due_at(&at_once, class, VersionState::Current, 99), None);
        let later = configuration(&["<Prefix/><Expiration><Days>5</Days></Expiration>"]);
        assert_eq!(due_at(&later, class, VersionState::LoneMarker, 49), None);
        assert_eq!(due_at(&later, class, VersionState::LoneMarker, 50), remove);
        assert_eq!(due_at(&later, class, VersionState::Marker, 50), None);
    }

    #[test]
    fn noncurrent_versions_age_from_their_replacement() {
        let rules = configuration(&[
            "<Prefix/><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays>\
             <StorageClass>ONEZONE_IA</StorageClass></NoncurrentVersionTransition>\
             <NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>\
             <NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration>",
        ]);
        let expire = Some(LifecycleAction::ExpireNoncurrent);
        let to_one_zone = Some(LifecycleAction::Transition(StorageClass::OneZoneIa));
        for (state, now, expected) in [
            (VersionState::Noncurrent(noncurrent(100, 5)), 109, None),
            (
                VersionState::Noncurrent(noncurrent(100, 5)),
                110,
                to_one_zone,
            ),
            (VersionState::Noncurrent(noncurrent(100, 5)), 120, expire),
            (
                VersionState::Noncurrent(noncurrent(100, 4)),
                999,
                to_one_zone,
            ),
            (
                VersionState::NoncurrentMarker(noncurrent(100, 5)),
                110,
                None,
            ),
            (
                VersionState::NoncurrentMarker(noncurrent(100, 5)),
                120,
                expire,
            ),
            (VersionState::Current, 999, None),
        ] {
            let found = due_at(&rules, StorageClass::Standard, state, now);
            assert_eq!(found, expected, "{state:?} {now}");
        }
    }

    #[test]
    fn uploads_are_aborted_by_the_first_rule_due() {
        let abort = |prefix: &str, days: u32| {
            format!(
                "<Filter><Prefix>{prefix}</Prefix></Filter><AbortIncompleteMultipartUpload>\
                 <DaysAfterInitiation>{days}</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
            )
        };
        let rules = configuration(&[&abort("", 3), &abort("a", 2)]);
        let due = |key: &str, now: i64| rules.due_upload(key, second(0), second(now), DAY);
        assert_eq!(due("a", 19), None);
        assert_eq!(due("a", 20).unwrap().rule_id, "r1");
        assert_eq!(due("a", 20).unwrap().action, LifecycleAction::AbortUpload);
        assert_eq!(due("b", 20), None);
        assert_eq!(due("b", 30).unwrap().rule_id, "r0");
    }

    #[test]
    fn the_first_expiry_is_announced() {
        let rules = configuration(&[
            "<Prefix/><Expiration><Days>3</Days></Expiration>",
            "<Filter/><Expiration><Days>1</Days></Expiration>",
        ]);
        let tags = TagSet::default();
        let mut version = VersionFacts {
            key: "k",
            tags: &tags,
            size_bytes: 1,
            storage_class: StorageClass::Standard,
            created: second(5),
            state: VersionState::Current,
        };
        let expiry = rules.expiry(&version, Day::Calendar).unwrap();
        assert_eq!((expiry.at, expiry.rule_id), (second(2 * 86_400), "r1"));
        version.state = VersionState::LoneMarker;
        assert_eq!(rules.expiry(&version, Day::Calendar), None);
    }

    #[test]
    fn disabled_rules_do_nothing() {
        let document = "<LifecycleConfiguration><Rule><Prefix/><Status>Disabled</Status>\
            <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
        let rules = LifecycleConfiguration::parse(document.as_bytes(), &[]).unwrap();
        let state = VersionState::Current;
        assert_eq!(due_at(&rules, StorageClass::Standard, state, 999), None);
    }
}

//! Rules do what they say only to what they were held against.

use super::*;
use crate::record::{Bypass, Lock, ObjectHead, StorageClass, VersionName};

impl Machine {
    fn apply_rule(&mut self, key: &[u8], seen: SeenVersion, action: RuleAction) -> KeyOutcome {
        self.run(KeyCommand::ApplyRule {
            bucket: BUCKET,
            rule: Box::new(ApplyRule {
                key: key.into(),
                seen,
                action,
            }),
        })
    }

    /// The versions of a key, newest first.
    fn heads(&self, key: &[u8]) -> Vec<ObjectHead> {
        let all = self.versions(1000).into_iter();
        all.filter(|listed| listed.key.as_bytes() == key)
            .map(|listed| listed.head)
            .collect()
    }

    /// A version at a place, as a worker sees it.
    fn see(&self, key: &[u8], place: usize, keeps_newer: u32) -> Option<SeenVersion> {
        let heads = self.heads(key);
        let head = heads.get(place)?;
        let version = self.version(key, Some(head.name()))?;
        Some(SeenVersion {
            id: head.id(),
            tags: version.body.tags,
            place: match place {
                0 if head.delete_marker => SeenPlace::LoneMarker,
                0 => SeenPlace::Current,
                _ => SeenPlace::Noncurrent {
                    newer: heads[0].id(),
                    keeps_newer,
                },
            },
        })
    }

    fn put_version(&mut self, key: &[u8], versioning: Versioning, content: Content) {
        let stored = self.put(PutObject {
            key: key.into(),
            versioning,
            ..put("", 1, content)
        });
        assert!(matches!(stored, KeyOutcome::Stored(_)), "{stored:?}");
    }

    fn delete_in(&mut self, key: &[u8], versioning: Versioning) {
        self.delete_as(DeleteObject {
            versioning,
            ..DeleteObject::of_key(key.into())
        });
    }

    fn delete_at(&mut self, key: &[u8], place: usize) {
        if let Some(head) = self.heads(key).get(place) {
            self.delete_as(DeleteObject {
                version: Some(head.name()),
                ..DeleteObject::of_key(key.into())
            });
        }
    }

    fn tag(&mut self, key: &[u8], name: VersionName, tags: usize) {
        let tags = vec![("a".to_owned(), "b".to_owned()); tags];
        self.alter(key, Some(name), Alteration::Tags(tags));
    }
}

fn expire(versioning: Versioning) -> RuleAction {
    RuleAction::Expire { versioning }
}

/// What a worker does to a version at the place where it saw it.
fn removal(seen: &SeenVersion) -> RuleAction {
    match seen.place {
        SeenPlace::Current => expire(Versioning::Enabled),
        _ => RuleAction::Remove,
    }
}

fn move_to(moved: &[(u64, u64)], length_bytes: u64) -> RuleAction {
    RuleAction::Move {
        storage_class: StorageClass::OneZoneIa,
        blobs: moved
            .iter()
            .map(|&(from, to)| MovedBlob {
                from: blob(from, 0).id,
                to: blob(to, length_bytes),
            })
            .collect(),
        debts: Vec::new(),
    }
}

#[test]
fn an_object_expires_as_a_client_would_delete_it() {
    for (versioning, is_hidden) in [(Versioning::Never, false), (Versioning::Enabled, true)] {
        let mut machine = Machine::keys();
        machine.put_version(b"k", versioning, blobs(1, 10));
        let seen = machine.see(b"k", 0, 0).expect("it is there");
        let outcome = machine.apply_rule(b"k", seen.clone(), expire(versioning));
        let KeyOutcome::Deleted(deleted) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(matches!(deleted, Deleted::Hidden { .. }), is_hidden);
        assert_eq!(machine.garbage().is_empty(), is_hidden);
        let again = machine.apply_rule(b"k", seen, expire(versioning));
        assert_eq!(again, KeyOutcome::PreconditionFailed);
    }
}

#[test]
fn a_locked_version_stays() {
    let mut machine = Machine::keys();
    machine.put_version(b"k", Versioning::Enabled, blobs(1, 10));
    let name = machine.heads(b"k")[0].name();
    machine.alter(b"k", Some(name), Alteration::LegalHold(true));
    machine.put_version(b"k", Versioning::Enabled, blobs(2, 10));
    let seen = machine.see(b"k", 1, 0).expect("it is there");
    let kept = machine.apply_rule(b"k", seen.clone(), RuleAction::Remove);
    assert_eq!(kept, KeyOutcome::Locked);
    // A move takes nothing away.
    let moved = machine.apply_rule(b"k", seen.clone(), move_to(&[(1, 3)], 10));
    assert_eq!(moved, KeyOutcome::Altered { version: name });
    let lock = machine
        .version(b"k", Some(name))
        .expect("it stays")
        .head
        .lock;
    assert!(!lock.allows_removal(u64::MAX, Bypass::Governance));
    machine.alter(b"k", Some(name), Alteration::LegalHold(false));
    let removed = machine.apply_rule(b"k", seen, RuleAction::Remove);
    assert!(matches!(removed, KeyOutcome::Deleted(_)));
}

#[test]
fn a_move_changes_where_the_bytes_are_and_nothing_else() {
    let mut machine = Machine::keys();
    let stored = Content::Parts(vec![
        part(1, 1, blobs(1, 10)),
        part(2, 2, Content::empty()),
        part(3, 3, blobs(2, 10)),
    ]);
    machine.put_version(b"k", Versioning::Enabled, stored);
    let name = machine.heads(b"k")[0].name();
    machine.tag(b"k", name, 2);
    let before = machine.version(b"k", None).expect("it is there");
    let seen = machine.see(b"k", 0, 0).expect("it is there");
    for (wrong, why) in [
        (move_to(&[(1, 3)], 10), "a blob is missing"),
        (move_to(&[(2, 3), (1, 4)], 10), "in another order"),
        (move_to(&[(1, 3), (2, 4)], 9), "of other lengths"),
    ] {
        let refused = machine.apply_rule(b"k", seen.clone(), wrong);
        assert_eq!(refused, KeyOutcome::PreconditionFailed, "{why}");
    }
    // Two that moved it at once: the second one's blobs are nobody's.
    let first = machine.apply_rule(b"k", seen.clone(), move_to(&[(1, 3), (2, 4)], 10));
    assert_eq!(first, KeyOutcome::Altered { version: name });
    let second = machine.apply_rule(b"k", seen, move_to(&[(1, 5), (2, 6)], 10));
    assert_eq!(second, KeyOutcome::PreconditionFailed);
    let after = machine.version(b"k", None).expect("it is there");
    let mut expected = before;
    expected.head.storage_class = StorageClass::OneZoneIa;
    expected.body.content = Content::Parts(vec![
        part(1, 1, blobs(3, 10)),
        part(2, 2, Content::empty()),
        part(3, 3, blobs(4, 10)),
    ]);
    assert_eq!(after, expected);
    assert_eq!(machine.garbage(), [blob(1, 0).id, blob(2, 0).id].into());
    assert_eq!(machine.run(abort(blob(3, 0).id)), KeyOutcome::BlobCommitted);
    assert_eq!(machine.run(abort(blob(5, 0).id)), KeyOutcome::BlobAborted);
}

#[test]
fn what_has_no_blobs_only_changes_its_class() {
    let mut machine = Machine::keys();
    machine.put_version(b"k", Versioning::Never, inline("x"));
    let seen = machine.see(b"k", 0, 0).expect("it is there");
    let moved = machine.apply_rule(b"k", seen, move_to(&[], 0));
    assert!(matches!(moved, KeyOutcome::Altered { .. }));
    let after = machine.version(b"k", None).expect("it is there");
    assert_eq!(after.head.storage_class, StorageClass::OneZoneIa);
    assert_eq!(after.body.content, inline("x"));
}

#[test]
fn a_blob_that_was_ruled_out_is_not_moved_to() {
    let mut machine = Machine::keys();
    machine.put_version(b"k", Versioning::Never, blobs(1, 10));
    machine.run(abort(blob(2, 0).id));
    let seen = machine.see(b"k", 0, 0).expect("it is there");
    let refused = machine.apply_rule(b"k", seen, move_to(&[(1, 2)], 10));
    let id = blob(2, 0).id;
    assert_eq!(refused, KeyOutcome::BlobRefused { blob: id });
    assert!(machine.garbage().is_empty());
}

#[test]
fn a_marker_goes_when_nothing_is_behind_it() {
    let mut machine = Machine::keys();
    machine.put_version(b"k", Versioning::Enabled, blobs(1, 10));
    machine.delete_in(b"k", Versioning::Enabled);
    let seen = machine.see(b"k", 0, 0).expect("a marker");
    let kept = machine.apply_rule(b"k", seen.clone(), RuleAction::Remove);
    assert_eq!(kept, KeyOutcome::PreconditionFailed);
    machine.delete_at(b"k", 1);
    let removed = machine.apply_rule(b"k", seen, RuleAction::Remove);
    let was_marker = Deleted::Removed { was_marker: true };
    assert_eq!(removed, KeyOutcome::Deleted(was_marker));
    assert!(machine.heads(b"k").is_empty());
}

#[derive(Debug, Clone)]
enum Op {
    Put(u8, Versioning),
    Delete(u8, Versioning),
    DeleteVersion(u8, usize),
    Tag(u8, usize),
    Hold(u8, usize, bool),
    See(u8, usize, u32),
    /// One of what was seen.
    Apply(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0_u8..2;
    let versioning = prop_oneof![
        1 => Just(Versioning::Never),
        4 => Just(Versioning::Enabled),
        1 => Just(Versioning::Suspended),
    ];
    prop_oneof![
        5 => (key.clone(), versioning.clone()).prop_map(|(k, v)| Op::Put(k, v)),
        1 => (key.clone(), versioning).prop_map(|(k, v)| Op::Delete(k, v)),
        2 => (key.clone(), 0_usize..4).prop_map(|(k, n)| Op::DeleteVersion(k, n)),
        1 => (key.clone(), 0_usize..4).prop_map(|(k, n)| Op::Tag(k, n)),
        1 => (key.clone(), 0_usize..4, any::<bool>()).prop_map(|(k, n, h)| Op::Hold(k, n, h)),
        5 => (key, 0_usize..4, 0_u32..3).prop_map(|(k, n, c)| Op::See(k, n, c)),
        4 => (0_usize..64).prop_map(Op::Apply),
    ]
}

/// What was seen, and at which step.
struct Sight {
    key: [u8; 2],
    seen: SeenVersion,
    step: usize,
}

/// The heads and tags of both keys after each step.
type History = Vec<BTreeMap<[u8; 2], Vec<(ObjectHead, usize)>>>;

fn observe(machine: &Machine) -> BTreeMap<[u8; 2], Vec<(ObjectHead, usize)>> {
    let keys = [*b"k\0", *b"k\x01"];
    let of = |key: &[u8; 2]| {
        let heads = machine.heads(key).into_iter();
        heads
            .map(|head| {
                let version = machine.version(key, Some(head.name()));
                let tags = version.map_or(0, |version| version.body.tags.len());
                (head, tags)
            })
            .collect()
    };
    keys.iter().map(|key| (*key, of(key))).collect()
}

/// Whether a rule may do to a version what it was to do when the version was seen.
fn may(sight: &Sight, history: &History) -> bool {
    let now = history.last().expect("every step is noted");
    let versions = &now[&sight.key];
    let place = versions
        .iter()
        .position(|(head, _)| head.id() == sight.seen.id);
    let Some(place) = place else {
        return false;
    };
    let (head, tags) = &versions[place];
    // The null version that a new one would replace counts as kept by its lock.
    let is_locked = head.lock != Lock::default();
    let has_tags = *tags == sight.seen.tags.len();
    match sight.seen.place {
        SeenPlace::Current => place == 0 && has_tags,
        SeenPlace::LoneMarker => versions.len() == 1,
        SeenPlace::Noncurrent { keeps_newer, .. } => {
            let was_current = history[sight.step..].iter().any(|step| {
                let newest = step[&sight.key].first();
                newest.is_some_and(|(head, _)| head.id() == sight.seen.id)
            });
            !was_current && !is_locked && has_tags && place > keeps_newer as usize
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However much happens between seeing and doing: only what still is as it was seen goes, and what
    /// nobody touched does go.
    #[test]
    fn only_what_was_seen_goes(ops in proptest::collection::vec(op(), 1..40)) {
        let mut machine = Machine::keys();
        let mut history: History = vec![observe(&machine)];
        let mut sights: Vec<Sight> = Vec::new();
        for (n, op) in ops.into_iter().enumerate() {
            machine.now_ms += 1;
            let at = |k: u8| [b'k', k];
            match op {
                Op::Put(k, versioning) => {
                    // Over a lock it is refused, which is as good.
                    machine.put(PutObject {
                        key: at(k).as_slice().into(),
                        versioning,
                        ..put("", 1, blobs(n as u64, 10))
                    });
                }
                Op::Delete(k, versioning) => machine.delete_in(&at(k), versioning),
                Op::DeleteVersion(k, place) => machine.delete_at(&at(k), place),
                Op::Tag(k, place) => {
                    if let Some(head) = machine.heads(&at(k)).get(place) {
                        machine.tag(&at(k), head.name(), n % 3);
                    }
                }
                Op::Hold(k, place, held) => {
                    if let Some(head) = machine.heads(&at(k)).get(place) {
                        machine.alter(&at(k), Some(head.name()), Alteration::LegalHold(held));
                    }
                }
                Op::See(k, place, keeps_newer) => {
                    if let Some(seen) = machine.see(&at(k), place, keeps_newer) {
                        sights.push(Sight { key: at(k), seen, step: history.len() - 1 });
                    }
                }
                Op::Apply(index) => {
                    let Some(sight) = sights.get(index % sights.len().max(1)) else { continue };
                    let before = history.last().expect("every step is noted").clone();
                    let action = removal(&sight.seen);
                    let outcome = machine.apply_rule(&sight.key, sight.seen.clone(), action);
                    let is_done = matches!(outcome, KeyOutcome::Deleted(_));
                    let may = may(sight, &history);
                    prop_assert!(may || !is_done, "{:?} {:?}", sight.seen, outcome);
                    if !is_done {
                        prop_assert_eq!(&observe(&machine), &before, "nothing else is done");
                    }
                    // Untouched since, apart from versions that came on top.
                    let then = &history[sight.step];
                    if may && then == &before {
                        prop_assert!(is_done, "{:?} {:?}", sight.seen, outcome);
                    }
                }
            }
            history.push(observe(&machine));
        }
    }
}

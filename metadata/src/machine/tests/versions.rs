//! Versions, delete markers and locks against a model.

use super::*;
use crate::record::{
    Bypass, Lock, ObjectVersion, Retention, RetentionMode, VersionName, Versioning,
};

#[derive(Debug, Clone)]
enum Op {
    Put(u8, Versioning),
    Delete(u8, Versioning),
    /// The version at a place in the key's history, newest first.
    DeleteVersion(u8, usize),
    Hold(u8, usize, bool),
    Tag(u8, usize),
}

fn versioning() -> impl Strategy<Value = Versioning> {
    prop_oneof![
        1 => Just(Versioning::Never),
        3 => Just(Versioning::Enabled),
        2 => Just(Versioning::Suspended),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u8..3;
    prop_oneof![
        5 => (key.clone(), versioning()).prop_map(|(k, v)| Op::Put(k, v)),
        2 => (key.clone(), versioning()).prop_map(|(k, v)| Op::Delete(k, v)),
        3 => (key.clone(), 0usize..4).prop_map(|(k, n)| Op::DeleteVersion(k, n)),
        1 => (key.clone(), 0usize..4, any::<bool>()).prop_map(|(k, n, h)| Op::Hold(k, n, h)),
        1 => (key, 0usize..4).prop_map(|(k, n)| Op::Tag(k, n)),
    ]
}

/// A version as the model knows it.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    name: VersionName,
    /// None: a delete marker.
    blob: Option<u64>,
    held: bool,
    tags: usize,
}

/// The versions of all keys, newest first.
#[derive(Default)]
struct Model {
    keys: BTreeMap<Vec<u8>, Vec<Known>>,
    garbage: BTreeSet<BlobId>,
}

impl Model {
    fn of(&self, key: &[u8]) -> &[Known] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// What a new version replaces rather than follows.
    fn replaced(&self, key: &[u8], versioning: Versioning) -> Option<Known> {
        let null = |known: &&Known| known.name == VersionName::Null;
        let replaced = self.of(key).iter().find(null);
        replaced
            .filter(|_| versioning != Versioning::Enabled)
            .cloned()
    }

    fn push(&mut self, key: &[u8], known: Known, versioning: Versioning) {
        if let Some(replaced) = self.replaced(key, versioning) {
            self.remove(key, replaced.name);
        }
        let versions = self.keys.entry(key.to_vec()).or_default();
        versions.insert(0, known);
    }

    fn remove(&mut self, key: &[u8], name: VersionName) {
        let versions = self.keys.get_mut(key).expect("it has the version");
        let place = versions.iter().position(|known| known.name == name);
        let removed = versions.remove(place.expect("it has the version"));
        self.garbage.extend(removed.blob.map(|n| blob(n, 10).id));
        if versions.is_empty() {
            self.keys.remove(key);
        }
    }

    /// Key, name, whether it is the newest, whether it is a marker: as listings tell.
    fn listed(&self) -> Vec<(Vec<u8>, VersionName, bool, bool)> {
        let all = self.keys.iter().flat_map(|(key, versions)| {
            versions.iter().enumerate().map(move |(place, known)| {
                (key.clone(), known.name, place == 0, known.blob.is_none())
            })
        });
        all.collect()
    }
}

impl Machine {
    pub(super) fn delete_as(&mut self, delete: DeleteObject) -> KeyOutcome {
        self.run(KeyCommand::DeleteObject {
            bucket: BUCKET,
            delete: Box::new(delete),
        })
    }

    pub(super) fn alter(
        &mut self,
        key: &[u8],
        version: Option<VersionName>,
        to: Alteration,
    ) -> KeyOutcome {
        self.run(KeyCommand::AlterVersion {
            bucket: BUCKET,
            alter: Box::new(AlterVersion {
                key: key.into(),
                version,
                alteration: to,
            }),
        })
    }

    pub(super) fn version(
        &self,
        key: &[u8],
        version: Option<VersionName>,
    ) -> Option<ObjectVersion> {
        let query = KeyQuery::GetObject {
            bucket: BUCKET,
            key: key.into(),
            version,
        };
        match self.ask(query) {
            KeyAnswer::Object(object) => object.map(|object| *object),
            other => panic!("{other:?}"),
        }
    }

    /// All versions, in pages.
    pub(super) fn versions(&self, max: u32) -> Vec<ListedObject> {
        let mut all = Vec::new();
        let mut list = ListRequest {
            max,
            ..ListRequest::default()
        };
        loop {
            let after = match &list.start {
                Some(ListStart::AfterVersion(_, version)) => Some(*version),
                _ => None,
            };
            let query = KeyQuery::ListVersions {
                bucket: BUCKET,
                list: list.range().expect("a first key"),
                after,
            };
            let KeyAnswer::Objects { page, rest: None } = self.ask(query) else {
                panic!("not a page");
            };
            all.extend(page.objects);
            list.start = page.next;
            if list.start.is_none() {
                return all;
            }
        }
    }

    pub(super) fn tablet_size(&self) -> TabletSize {
        let query = KeyQuery::Tablet {
            bucket: BUCKET,
            key: "k".into(),
        };
        match self.ask(query) {
            KeyAnswer::Tablet(Some(tablet)) => tablet.size,
            other => panic!("{other:?}"),
        }
    }
}

fn is_refused_as_locked(model: &Model, key: &[u8], versioning: Versioning) -> bool {
    let replaced = model.replaced(key, versioning);
    replaced.is_some_and(|known| known.held)
}

fn check(machine: &Machine, model: &Model, page: u32) -> Result<(), TestCaseError> {
    let listed = machine.versions(page);
    let shown = listed.iter().map(|listed| {
        let head = &listed.head;
        let key = listed.key.as_bytes().to_vec();
        (key, head.name(), listed.is_latest, head.delete_marker)
    });
    prop_assert_eq!(shown.collect::<Vec<_>>(), model.listed());
    let objects = machine.list(&ListRequest {
        max: 1000,
        ..ListRequest::default()
    });
    let current = model
        .keys
        .iter()
        .filter(|(_, versions)| versions[0].blob.is_some());
    let current: Vec<_> = current.map(|(key, _)| key.clone()).collect();
    prop_assert_eq!(&listed_keys(&objects), &current);
    prop_assert_eq!(machine.tablet_size().keys, current.len() as u64);
    for (key, versions) in &model.keys {
        let newest = machine.version(key, None).expect("it has versions");
        prop_assert_eq!(newest.head.name(), versions[0].name);
        for known in versions {
            let found = machine.version(key, Some(known.name)).expect("it is there");
            let content = known.blob.map_or_else(Content::empty, |n| blobs(n, 10));
            prop_assert_eq!(found.body.content, content);
            prop_assert_eq!(found.body.tags.len(), known.tags);
            prop_assert_eq!(found.head.lock.legal_hold, known.held);
        }
        let has_null = versions.iter().any(|known| known.name == VersionName::Null);
        let null = machine.version(key, Some(VersionName::Null));
        prop_assert_eq!(null.is_some(), has_null);
    }
    prop_assert_eq!(&machine.garbage(), &model.garbage);
    Ok(())
}

fn listed_keys(page: &ListPage) -> Vec<Vec<u8>> {
    let keys = page.objects.iter().map(|object| object.key.as_bytes());
    keys.map(<[u8]>::to_vec).collect()
}

fn name_at(model: &Model, key: &[u8], place: usize) -> Option<Known> {
    model.of(key).get(place).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn versions_behave_as_the_model(
        ops in proptest::collection::vec(op(), 1..50),
        page in 1u32..4,
    ) {
        let mut machine = Machine::keys();
        let mut model = Model::default();
        for (n, op) in ops.into_iter().enumerate() {
            let n = n as u64;
            machine.now_ms += 1;
            match op {
                Op::Put(key, versioning) => {
                    let key = vec![b'k', key];
                    let outcome = machine.put(PutObject {
                        key: key.as_slice().into(),
                        versioning,
                        ..put("", 1, blobs(n, 10))
                    });
                    if is_refused_as_locked(&model, &key, versioning) {
                        prop_assert_eq!(outcome, KeyOutcome::Locked);
                        continue;
                    }
                    let KeyOutcome::Stored(stored) = outcome else {
                        panic!("{outcome:?}");
                    };
                    let is_null = stored.version == VersionName::Null;
                    prop_assert_eq!(is_null, versioning != Versioning::Enabled);
                    let known = Known { name: stored.version, blob: Some(n), held: false, tags: 0 };
                    model.push(&key, known, versioning);
                }
                Op::Delete(key, versioning) => {
                    let key = vec![b'k', key];
                    let outcome = machine.delete_as(DeleteObject {
                        versioning,
                        ..DeleteObject::of_key(key.as_slice().into())
                    });
                    let is_never = versioning == Versioning::Never;
                    let expected = match model.of(&key) {
                        [] if is_never => KeyOutcome::Deleted(Deleted::Nothing),
                        _ if is_refused_as_locked(&model, &key, versioning) => KeyOutcome::Locked,
                        [Known { name: VersionName::Null, blob: Some(_), .. }] if is_never => {
                            model.remove(&key, VersionName::Null);
                            KeyOutcome::Deleted(Deleted::Removed { was_marker: false })
                        }
                        _ => {
                            let KeyOutcome::Deleted(Deleted::Hidden { marker }) = outcome else {
                                panic!("{outcome:?}");
                            };
                            let is_null = marker == VersionName::Null;
                            prop_assert_eq!(is_null, versioning != Versioning::Enabled);
                            let known = Known { name: marker, blob: None, held: false, tags: 0 };
                            model.push(&key, known, versioning);
                            outcome.clone()
                        }
                    };
                    prop_assert_eq!(outcome, expected);
                }
                Op::DeleteVersion(key, place) => {
                    let key = vec![b'k', key];
                    let Some(known) = name_at(&model, &key, place) else { continue };
                    let delete = DeleteObject {
                        version: Some(known.name),
                        ..DeleteObject::of_key(key.as_slice().into())
                    };
                    let outcome = machine.delete_as(delete.clone());
                    if known.held {
                        prop_assert_eq!(outcome, KeyOutcome::Locked);
                        continue;
                    }
                    let was_marker = known.blob.is_none();
                    prop_assert_eq!(outcome, KeyOutcome::Deleted(Deleted::Removed { was_marker }));
                    model.remove(&key, known.name);
                    let again = machine.delete_as(delete);
                    prop_assert_eq!(again, KeyOutcome::Deleted(Deleted::Nothing));
                }
                Op::Hold(key, place, held) => {
                    let key = vec![b'k', key];
                    let Some(known) = name_at(&model, &key, place) else { continue };
                    let outcome =
                        machine.alter(&key, Some(known.name), Alteration::LegalHold(held));
                    if known.blob.is_none() {
                        prop_assert_eq!(outcome, KeyOutcome::IsMarker);
                        continue;
                    }
                    prop_assert_eq!(outcome, KeyOutcome::Altered { version: known.name });
                    model.keys.get_mut(&key).unwrap()[place].held = held;
                }
                Op::Tag(key, place) => {
                    let key = vec![b'k', key];
                    let Some(known) = name_at(&model, &key, place) else { continue };
                    let tags = vec![("a".to_owned(), "b".to_owned()); n as usize % 3];
                    let outcome =
                        machine.alter(&key, Some(known.name), Alteration::Tags(tags.clone()));
                    if known.blob.is_none() {
                        prop_assert_eq!(outcome, KeyOutcome::IsMarker);
                        continue;
                    }
                    model.keys.get_mut(&key).unwrap()[place].tags = tags.len();
                }
            }
            check(&machine, &model, page)?;
        }
        // Once all is removed, nothing is left of the sizes either.
        for (key, versions) in model.keys.clone() {
            for known in versions {
                machine.alter(&key, Some(known.name), Alteration::LegalHold(false));
                machine.alter(&key, Some(known.name), Alteration::Tags(Vec::new()));
                machine.delete_as(DeleteObject {
                    version: Some(known.name),
                    ..DeleteObject::of_key(key.as_slice().into())
                });
            }
        }
        let size = machine.tablet_size();
        prop_assert_eq!((size.keys, size.bytes), (0, 0));
        prop_assert!(machine.versions(1000).is_empty());
    }
}

#[test]
fn a_retention_ends_by_the_log_s_clock() {
    let mut machine = Machine::keys();
    let mut locked = put("k", 1, inline("x"));
    locked.versioning = Versioning::Enabled;
    locked.version.head.lock = Lock {
        retention: Some(Retention {
            mode: RetentionMode::Governance,
            until_ms: START_MS + 100,
        }),
        legal_hold: false,
    };
    let KeyOutcome::Stored(stored) = machine.put(locked) else {
        panic!("not stored");
    };
    let delete = DeleteObject {
        version: Some(stored.version),
        ..DeleteObject::of_key("k".into())
    };
    assert_eq!(machine.delete_as(delete.clone()), KeyOutcome::Locked);
    let shorter = Alteration::Retention {
        retention: None,
        bypass: Bypass::Nothing,
    };
    assert_eq!(machine.alter(b"k", None, shorter), KeyOutcome::Locked);
    let hidden = machine.delete_as(DeleteObject {
        versioning: Versioning::Enabled,
        ..DeleteObject::of_key("k".into())
    });
    assert!(matches!(
        hidden,
        KeyOutcome::Deleted(Deleted::Hidden { .. })
    ));
    machine.now_ms += 100;
    let removed = Deleted::Removed { was_marker: false };
    assert_eq!(machine.delete_as(delete), KeyOutcome::Deleted(removed));
}

#[test]
fn a_marker_is_no_object() {
    let mut machine = Machine::keys();
    machine.put(PutObject {
        versioning: Versioning::Enabled,
        ..put("k", 1, inline("x"))
    });
    machine.delete_as(DeleteObject {
        versioning: Versioning::Enabled,
        ..DeleteObject::of_key("k".into())
    });
    let tags = Alteration::Tags(Vec::new());
    assert_eq!(machine.alter(b"k", None, tags), KeyOutcome::NoSuchKey);
    let only_new = Preconditions {
        if_none_match: Some(TagMatch::Any),
        ..Preconditions::default()
    };
    let stored = machine.put(PutObject {
        preconditions: only_new,
        versioning: Versioning::Enabled,
        ..put("k", 2, inline("y"))
    });
    assert!(
        matches!(stored, KeyOutcome::Stored(_)),
        "a marker is no object"
    );
}

//! What each version of a listing is among the versions of its key.
//!
//! A listing gives a key's versions newest first. A delete marker in front is told from one that is
//! alone only by what follows, so it is kept until then, also over the end of a page.

use std::mem;

use riquet_metadata::ObjectKey;
use riquet_metadata::query::ListedObject;
use riquet_metadata::record::{ObjectHead, VersionId};
use riquet_s3::config::lifecycle::{NoncurrentVersion, VersionState};

use crate::convert;

/// A version, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub(super) key: ObjectKey,
    pub(super) head: ObjectHead,
    pub(super) state: VersionState,
    /// The key's newest version when it was listed.
    pub(super) newest: VersionId,
}

/// The way through a listing.
#[derive(Debug, Default)]
pub(super) struct Walk {
    present: Option<Present>,
    /// The last key of which all versions were met.
    done: Option<ObjectKey>,
}

/// The key whose versions are being met.
#[derive(Debug)]
struct Present {
    key: ObjectKey,
    newest: VersionId,
    /// The version before the next one.
    previous_ms: u64,
    /// Noncurrent versions met.
    noncurrent: u32,
    /// A delete marker that was met first, as long as nothing followed.
    marker: Option<ObjectHead>,
}

impl Walk {
    /// A walk that begins behind a key.
    pub(super) fn after(done: Option<ObjectKey>) -> Self {
        Self {
            present: None,
            done,
        }
    }

    /// The last key that is done.
    pub(super) fn done(&self) -> Option<&ObjectKey> {
        self.done.as_ref()
    }

    /// Passes over a page of versions.
    pub(super) fn page(&mut self, page: Vec<ListedObject>) -> Vec<Met> {
        let mut met = Vec::with_capacity(page.len());
        for ListedObject { key, head, .. } in page {
            let is_same = self.present.as_ref().is_some_and(|now| now.key == key);
            if !is_same {
                met.extend(self.end_key());
            }
            match &mut self.present {
                Some(present) => met.push(present.older(head)),
                None => {
                    let (present, current) = Present::begin(key, head);
                    met.extend(current);
                    self.present = Some(present);
                }
            }
        }
        met
    }

    /// Ends the walk: nothing follows.
    pub(super) fn end(&mut self) -> Option<Met> {
        self.end_key()
    }

    /// Ends the present key; its delete marker, if it has nothing else.
    fn end_key(&mut self) -> Option<Met> {
        let present = mem::take(&mut self.present)?;
        self.done = Some(present.key.clone());
        Some(Met {
            key: present.key,
            head: present.marker?,
            state: VersionState::LoneMarker,
            newest: present.newest,
        })
    }
}

impl Present {
    /// Begins with the newest version of a key.
    fn begin(key: ObjectKey, head: ObjectHead) -> (Self, Option<Met>) {
        let mut present = Self {
            key,
            newest: head.id(),
            previous_ms: head.modified_ms,
            noncurrent: 0,
            marker: None,
        };
        if head.delete_marker {
            present.marker = Some(head);
            return (present, None);
        }
        let current = present.met(head, VersionState::Current);
        (present, Some(current))
    }

    /// Goes on with an older version.
    fn older(&mut self, head: ObjectHead) -> Met {
        self.marker = None;
        let place = NoncurrentVersion {
            since: convert::moment(self.previous_ms),
            newer_versions: self.noncurrent,
        };
        self.previous_ms = head.modified_ms;
        self.noncurrent = self.noncurrent.saturating_add(1);
        let state = match head.delete_marker {
            true => VersionState::NoncurrentMarker(place),
            false => VersionState::Noncurrent(place),
        };
        self.met(head, state)
    }

    fn met(&self, head: ObjectHead, state: VersionState) -> Met {
        Met {
            key: self.key.clone(),
            head,
            state,
            newest: self.newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use riquet_metadata::record::{Content, ETag, ObjectBody, ObjectVersion, StorageClass};

    use super::*;

    fn listed(key: u8, sequence: u64, is_marker: bool) -> ListedObject {
        let (etag, body) = (ETag::whole([1; 16]), ObjectBody::of(Content::empty()));
        let proposed =
            ObjectVersion::proposed(etag, StorageClass::Standard, "ada".to_owned(), body);
        let head = ObjectHead {
            sequence,
            modified_ms: sequence * 1000,
            delete_marker: is_marker,
            version: Some(sequence),
            ..proposed.head
        };
        ListedObject {
            key: [b'k', key].as_slice().into(),
            head,
            is_latest: false,
        }
    }

    /// What each version is, by looking at all of them.
    fn expected(keys: &[Vec<bool>]) -> Vec<(u64, VersionState, u64)> {
        let mut all = Vec::new();
        for markers in keys {
            let count = markers.len() as u64;
            for (place, is_marker) in markers.iter().enumerate() {
                let sequence = count - place as u64;
                let noncurrent = NoncurrentVersion {
                    since: convert::moment((sequence + 1) * 1000),
                    newer_versions: (place as u32).saturating_sub(1),
                };
                let state = match (place, is_marker) {
                    (0, true) if count == 1 => VersionState::LoneMarker,
                    (0, true) => continue,
                    (0, false) => VersionState::Current,
                    (_, true) => VersionState::NoncurrentMarker(noncurrent),
                    (_, false) => VersionState::Noncurrent(noncurrent),
                };
                all.push((sequence, state, count));
            }
        }
        all
    }

    proptest! {
        /// However the listing is cut into pages, each version is met once, as what it is.
        #[test]
        fn pages_do_not_matter(
            keys in proptest::collection::vec(
                proptest::collection::vec(any::<bool>(), 1..5),
                0..6,
            ),
            page in 1_usize..5,
        ) {
            let versions: Vec<ListedObject> = keys
                .iter()
                .zip(0..)
                .flat_map(|(markers, key)| {
                    let count = markers.len() as u64;
                    markers
                        .iter()
                        .zip(0..)
                        .map(move |(is_marker, place)| listed(key, count - place, *is_marker))
                })
                .collect();
            let mut walk = Walk::default();
            let mut met = Vec::new();
            for page in versions.chunks(page) {
                met.extend(walk.page(page.to_vec()));
                let last = &page.last().expect("a page has versions").key;
                prop_assert!(walk.done().is_none_or(|done| done < last), "it may go on");
            }
            met.extend(walk.end());
            let found: Vec<_> = met
                .iter()
                .map(|met| (met.head.sequence, met.state, met.newest.sequence))
                .collect();
            prop_assert_eq!(found, expected(&keys));
            prop_assert_eq!(walk.done(), versions.last().map(|last| &last.key));
        }
    }
}

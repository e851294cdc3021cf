//! From blobs to objects: which of what was stored under a key is the object.
//!
//! About 200 bytes of memory for each blob, and the keys.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use riquet_metadata::limits::PART_MIN_BYTES;

use super::blobs::{Blob, Gathered};

/// A bucket's number and a key in it.
pub(super) type Name = (u64, Vec<u8>);

/// Everything that was found, by bucket and key.
#[derive(Default)]
pub(super) struct Catalogue {
    found: BTreeMap<Name, Found>,
}

/// What was stored under one key.
#[derive(Default)]
struct Found {
    /// The newest whole one.
    object: Option<Blob>,
    /// Parts by number, by upload.
    uploads: Vec<([u8; 16], BTreeMap<u16, Blob>)>,
    /// The newest of what is not whole, and why.
    fault: Option<(u64, &'static str)>,
}

/// What a key's object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A whole one.
    Object(Blob),
    /// The parts of an upload, by ascending number.
    Parts(Vec<(u16, Blob)>),
}

impl Content {
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        let (object, parts) = match self {
            Self::Object(blob) => (Some(blob), None),
            Self::Parts(parts) => (None, Some(parts)),
        };
        let parts = parts.into_iter().flatten().map(|(_, blob)| blob);
        object.into_iter().chain(parts)
    }

    pub(super) fn written_ms(&self) -> u64 {
        let written = self.blobs().map(|blob| blob.written_ms);
        written.max().unwrap_or_default()
    }

    pub(super) fn length_bytes(&self) -> u64 {
        self.blobs().map(|blob| blob.length_bytes).sum()
    }
}

/// What is to become of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its object; none: nothing whole was found.
    pub(super) content: Option<Content>,
    /// Why something newer than that can't be it.
    pub(super) fault: Option<&'static str>,
}

/// Whether `a` was stored later. Ids rise with time, should the times be equal.
fn is_newer(a: &Blob, b: &Blob) -> bool {
    (a.written_ms, a.id) > (b.written_ms, b.id)
}

impl Catalogue {
    pub(super) fn add(&mut self, gathered: Gathered) {
        let Gathered {
            owner,
            written_ms,
            blob,
        } = gathered;
        let found = self.found.entry((owner.bucket, owner.key)).or_default();
        let blob = match blob {
            Ok(blob) => blob,
            Err(fault) => return found.note(written_ms, fault.text()),
        };
        let Some(part) = owner.part else {
            if found
                .object
                .as_ref()
                .is_none_or(|present| is_newer(&blob, present))
            {
                found.object = Some(blob);
            }
            return;
        };
        let place = found.uploads.iter().position(|(id, _)| *id == part.upload);
        let place = place.unwrap_or_else(|| {
            found.uploads.push((part.upload, BTreeMap::new()));
            found.uploads.len() - 1
        });
        match found.uploads[place].1.entry(part.number) {
            Entry::Vacant(vacant) => {
                vacant.insert(blob);
            }
            Entry::Occupied(mut present) if is_newer(&blob, present.get()) => {
                present.insert(blob);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// What each key's object is, in order of buckets and keys.
    pub(super) fn into_chosen(self) -> impl Iterator<Item = (Name, Chosen)> {
        self.found
            .into_iter()
            .map(|(name, found)| (name, found.choose()))
    }
}

impl Found {
    fn note(&mut self, written_ms: u64, why: &'static str) {
        if self.fault.is_none_or(|(newest, _)| written_ms >= newest) {
            self.fault = Some((written_ms, why));
        }
    }

    /// The newest that is whole. A part that is not is missed like one that is not there.
    fn choose(mut self) -> Chosen {
        let mut contents = Vec::new();
        contents.extend(self.object.take().map(Content::Object));
        for (_, parts) in std::mem::take(&mut self.uploads) {
            let is_whole = makes_an_object(&parts);
            let parts = Content::Parts(parts.into_iter().collect());
            match is_whole {
                true => contents.push(parts),
                false => self.note(parts.written_ms(), "a part is missing"),
            }
        }
        let content = contents.into_iter().max_by_key(Content::written_ms);
        let chosen_ms = content.as_ref().map(Content::written_ms);
        let fault = self
            .fault
            .filter(|(ms, _)| chosen_ms.is_none_or(|chosen| *ms >= chosen));
        Chosen {
            content,
            fault: fault.map(|(_, why)| why),
        }
    }
}

/// Whether parts are numbered from 1 without a gap, and are as large as parts of objects must be.
fn makes_an_object(parts: &BTreeMap<u16, Blob>) -> bool {
    let count = parts.len();
    parts.iter().zip(1..).all(|((number, blob), expected)| {
        let is_last = usize::from(expected) == count;
        *number == expected && (is_last || blob.length_bytes >= PART_MIN_BYTES)
    })
}

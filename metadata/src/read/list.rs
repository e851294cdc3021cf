//! Listings: a walk over stored keys that jumps over what a common prefix stands for, so that a
//! page costs what it shows, however many keys lie under its prefixes.
//!
//! A walk stays within the tablets that the group has, one after the other while they follow each
//! other without a gap; where they end, or where it jumped to keys of another group, it says from
//! which key on to ask elsewhere. A common prefix is jumped over whole, so it is shown once, also
//! when it spans several tablets.

use crate::codec::CodecError;
use crate::id::{BucketId, ObjectKey, UploadId};
use crate::keys::{self, Family, after_prefix, end_of};
use crate::machine::{newest_version, tablet_of, version_named};
use crate::query::{
    KeyAnswer, ListPage, ListStart, ListedObject, ListedUpload, RangeListing, UploadPage,
    UploadStart,
};
use crate::record::{ObjectHead, VersionName};
use crate::store::{Cursor, Reader, StoreError, damaged, decode};

use super::merged::MergedCursor;
use super::{following, page, readable, refusal};

/// What a walk looks for, and where.
struct Walk<'a> {
    view: &'a dyn Reader,
    family: Family,
    bucket: BucketId,
    list: &'a RangeListing,
    /// Whether the entries are all versions, as [`MergedCursor`] shows them.
    is_merged: bool,
    /// The end of the tablets that the walk is known to be in; none: the bucket's end.
    until: Option<ObjectKey>,
    /// The same as a stored key.
    limit: Option<Vec<u8>>,
}

/// What a walk meets: an entry or a common prefix.
enum Item {
    Entry {
        key: Vec<u8>,
        stored: Vec<u8>,
        value: Vec<u8>,
    },
    Prefix(Vec<u8>),
}

/// How a walk ended.
#[derive(PartialEq)]
enum End {
    /// Everything was looked at.
    All,
    /// There are more items than were asked.
    More,
    /// The group's tablets end before this key.
    Elsewhere(ObjectKey),
}

impl Walk<'_> {
    /// The first items in order.
    fn run(&mut self, start: &[u8]) -> Result<(Vec<Item>, End), StoreError> {
        let mut items = Vec::new();
        let max = page(self.list.max);
        if max == 0 {
            return Ok((items, End::All));
        }
        let end = end_of(&self.stored(self.list.prefix.as_bytes()));
        let mut cursor: Box<dyn Cursor + '_> = match self.is_merged {
            true => Box::new(MergedCursor::new(self.view, &end)),
            false => self.view.cursor(&end),
        };
        cursor.seek(start)?;
        while let Some((stored, value)) = cursor.entry()
            && stored < end.as_slice()
        {
            if !self.reaches(stored)? {
                return Ok((items, self.end()));
            }
            if items.len() == max {
                return Ok((items, End::More));
            }
            let (key, _) = keys::object_key(stored)
                .ok_or_else(|| damaged(stored, CodecError::Malformed("the key".to_owned())))?;
            match self.common_prefix(&key) {
                Some(common) => {
                    let next = self.jump(cursor.as_mut(), &common)?;
                    items.push(Item::Prefix(common));
                    if let Some(end) = next {
                        return Ok((items, end));
                    }
                }
                None => {
                    items.push(Item::Entry {
                        key,
                        stored: stored.to_vec(),
                        value: value.to_vec(),
                    });
                    cursor.advance()?;
                }
            }
        }
        while self.go_on()? {}
        Ok((items, self.end()))
    }

    fn stored(&self, key: &[u8]) -> Vec<u8> {
        keys::of_prefix(self.family, self.bucket, key)
    }

    /// Whether the group's tablets go on without a gap up to the entry at `stored`.
    fn reaches(&mut self, stored: &[u8]) -> Result<bool, StoreError> {
        loop {
            let within = self
                .limit
                .as_ref()
                .is_none_or(|limit| stored < limit.as_slice());
            if within || !self.go_on()? {
                return Ok(within);
            }
        }
    }

    fn set_until(&mut self, until: Option<ObjectKey>) {
        self.limit = until.as_ref().map(|until| self.stored(until.as_bytes()));
        self.until = until;
    }

    /// Goes on into the next tablet, if the group has it and there can be something to show.
    fn go_on(&mut self) -> Result<bool, StoreError> {
        let Some(until) = &self.until else {
            return Ok(false);
        };
        if self.is_past_prefix(until) {
            return Ok(false);
        }
        let next = tablet_of(self.view, self.bucket, until.as_bytes())?;
        let Some(next) = next.filter(readable) else {
            return Ok(false);
        };
        self.set_until(next.range.end);
        Ok(true)
    }

    fn is_past_prefix(&self, key: &ObjectKey) -> bool {
        after_prefix(self.list.prefix.as_bytes()).is_some_and(|past| key.as_bytes() >= &past[..])
    }

    /// How a walk that met the end of the group's tablets, or of its entries, ended.
    fn end(&self) -> End {
        match &self.until {
            Some(until) if !self.is_past_prefix(until) => End::Elsewhere(until.clone()),
            _ => End::All,
        }
    }

    /// Jumps over everything that begins with `common`; how the walk ended, if it did.
    fn jump(
        &mut self,
        cursor: &mut (dyn Cursor + '_),
        common: &[u8],
    ) -> Result<Option<End>, StoreError> {
        let Some(past) = after_prefix(common).map(ObjectKey::from) else {
            return Ok(Some(End::All));
        };
        if self.is_past_prefix(&past) {
            return Ok(Some(End::All));
        }
        let left = |until: &ObjectKey| *until <= past;
        if self.until.as_ref().is_some_and(left) {
            // The tablets in between hold nothing but the prefix.
            let tablet = tablet_of(self.view, self.bucket, past.as_bytes())?;
            match tablet.filter(readable) {
                Some(tablet) => self.set_until(tablet.range.end),
                None => return Ok(Some(End::Elsewhere(past))),
            }
        }
        cursor.seek(&self.stored(past.as_bytes()))?;
        Ok(None)
    }

    /// The key up to and with the first delimiter after the prefix, if it has one.
    fn common_prefix(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (prefix, delimiter) = (self.list.prefix.as_bytes(), self.list.delimiter.as_bytes());
        if delimiter.is_empty() {
            return None;
        }
        let rest = &key[prefix.len()..];
        let at = rest
            .windows(delimiter.len())
            .position(|window| window == delimiter)?;
        Some(key[..prefix.len() + at + delimiter.len()].to_vec())
    }
}

/// A walk that begins in the tablet of `list.from`, or what to answer.
fn walk<'a>(
    view: &'a dyn Reader,
    family: Family,
    bucket: BucketId,
    list: &'a RangeListing,
) -> Result<Result<Walk<'a>, KeyAnswer>, StoreError> {
    let tablet = tablet_of(view, bucket, list.from.as_bytes())?;
    Ok(match tablet {
        Some(tablet) if readable(&tablet) => {
            let mut walk = Walk {
                view,
                family,
                bucket,
                list,
                is_merged: family == Family::Version,
                until: None,
                limit: None,
            };
            walk.set_until(tablet.range.end);
            Ok(walk)
        }
        other => Err(refusal(other.as_ref())),
    })
}

/// The stored key of the first key that can be listed.
fn first(family: Family, bucket: BucketId, list: &RangeListing) -> Vec<u8> {
    let from = (&list.from).max(&list.prefix);
    keys::of_prefix(family, bucket, from.as_bytes())
}

/// A page of current objects.
pub(super) fn objects(
    view: &dyn Reader,
    bucket: BucketId,
    list: &RangeListing,
) -> Result<KeyAnswer, StoreError> {
    let family = Family::Current;
    let mut walk = match walk(view, family, bucket, list)? {
        Ok(walk) => walk,
        Err(refusal) => return Ok(refusal),
    };
    let (items, end) = walk.run(&first(family, bucket, list))?;
    let mut page = ListPage::default();
    if end == End::More {
        page.next = items.last().map(|item| match item {
            Item::Entry { key, .. } => ListStart::AfterKey(ObjectKey::from(key.as_slice())),
            Item::Prefix(prefix) => ListStart::AfterPrefix(ObjectKey::from(prefix.as_slice())),
        });
    }
    for item in items {
        match item {
            Item::Entry { key, stored, value } => page.objects.push(ListedObject {
                key: key.into(),
                head: decode(&stored, &value)?,
                is_latest: true,
            }),
            Item::Prefix(prefix) => page.prefixes.push(prefix.into()),
        }
    }
    let rest = rest(end);
    Ok(KeyAnswer::Objects { page, rest })
}

/// A page of versions; of the first key only those after `after`.
pub(super) fn versions(
    view: &dyn Reader,
    bucket: BucketId,
    list: &RangeListing,
    after: Option<VersionName>,
) -> Result<KeyAnswer, StoreError> {
    let family = Family::Version;
    let mut walk = match walk(view, family, bucket, list)? {
        Ok(walk) => walk,
        Err(refusal) => return Ok(refusal),
    };
    let mut start = first(family, bucket, list);
    if let Some(after) = after {
        start = start.max(after_version(view, bucket, &list.from, after)?);
    }
    let (items, end) = walk.run(&start)?;
    let mut page = ListPage::default();
    for item in items {
        match item {
            Item::Entry { key, stored, value } => {
                let (key, head) = (ObjectKey::from(key), decode(&stored, &value)?);
                let is_latest =
                    MergedCursor::is_object(&stored) || hides(view, bucket, &key, &head)?;
                page.next = Some(ListStart::AfterVersion(key.clone(), head.name()));
                page.objects.push(ListedObject {
                    key,
                    head,
                    is_latest,
                });
            }
            Item::Prefix(prefix) => {
                page.next = Some(ListStart::AfterPrefix(ObjectKey::from(prefix.as_slice())));
                page.prefixes.push(prefix.into());
            }
        }
    }
    if end != End::More {
        page.next = None;
    }
    let rest = rest(end);
    Ok(KeyAnswer::Objects { page, rest })
}

/// Whether a version is the delete marker behind which its key is hidden.
fn hides(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
    head: &ObjectHead,
) -> Result<bool, StoreError> {
    if !head.delete_marker {
        return Ok(false);
    }
    let newest = newest_version(view, bucket, key)?;
    Ok(newest.is_some_and(|newest| newest.sequence == head.sequence))
}

/// Behind a version of a key, which may be gone by now. Behind all of them, where it is the null
/// version and nobody knows any more where that was.
fn after_version(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
    after: VersionName,
) -> Result<Vec<u8>, StoreError> {
    let sequence = match after {
        VersionName::Kept(id) => id.sequence,
        VersionName::Null => {
            let newest = newest_version(view, bucket, key)?;
            let null = match newest {
                Some(newest) => version_named(view, bucket, key, &newest, after)?,
                None => None,
            };
            null.map_or(0, |null| null.sequence)
        }
    };
    Ok(following(keys::version(bucket, key.as_bytes(), sequence)))
}

/// A page of uploads in progress; of the first key only those after `after`.
pub(super) fn uploads(
    view: &dyn Reader,
    bucket: BucketId,
    list: &RangeListing,
    after: Option<UploadId>,
) -> Result<KeyAnswer, StoreError> {
    let family = Family::Upload;
    let mut walk = match walk(view, family, bucket, list)? {
        Ok(walk) => walk,
        Err(refusal) => return Ok(refusal),
    };
    let mut start = first(family, bucket, list);
    if let Some(upload) = after {
        start = start.max(following(keys::upload(
            bucket,
            list.from.as_bytes(),
            upload,
        )));
    }
    let (items, end) = walk.run(&start)?;
    let mut page = UploadPage::default();
    for item in items {
        match item {
            Item::Entry { key, stored, value } => {
                let upload: crate::record::Upload = decode(&stored, &value)?;
                page.next = Some(UploadStart::AfterUpload(
                    ObjectKey::from(key.as_slice()),
                    upload.id,
                ));
                page.uploads.push(ListedUpload {
                    key: key.into(),
                    upload,
                });
            }
            Item::Prefix(prefix) => {
                page.next = Some(UploadStart::AfterPrefix(ObjectKey::from(prefix.as_slice())));
                page.prefixes.push(prefix.into());
            }
        }
    }
    if end != End::More {
        page.next = None;
    }
    let rest = rest(end);
    Ok(KeyAnswer::Uploads { page, rest })
}

fn rest(end: End) -> Option<ObjectKey> {
    match end {
        End::All | End::More => None,
        End::Elsewhere(key) => Some(key),
    }
}

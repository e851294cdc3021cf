//! Listings: a walk over stored keys that jumps over what a common prefix stands for, so that a
//! page costs what it shows, however many keys lie under its prefixes.

use crate::codec::CodecError;
use crate::id::{BucketId, ObjectKey, UploadId};
use crate::keys::{self, Family, end_of};
use crate::query::{
    ListPage, ListRequest, ListStart, ListedObject, ListedUpload, UploadPage, UploadStart,
};
use crate::store::{Reader, StoreError, damaged, decode};

use super::{following, page};

/// What a walk looks for.
struct Walk<'a> {
    family: Family,
    bucket: BucketId,
    prefix: &'a [u8],
    delimiter: &'a [u8],
    /// The stored key to begin at; none: where the prefix begins.
    from: Option<Vec<u8>>,
    max: usize,
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

impl Walk<'_> {
    /// The first `max` items in order, and whether there are more.
    fn run(&self, view: &dyn Reader) -> Result<(Vec<Item>, bool), StoreError> {
        let mut items = Vec::new();
        if self.max == 0 {
            return Ok((items, false));
        }
        let begin = keys::of_prefix(self.family, self.bucket, self.prefix);
        let end = end_of(&begin);
        let mut cursor = view.cursor(&end);
        cursor.seek(self.from.as_ref().map_or(&begin, |from| from.max(&begin)))?;
        while let Some((stored, value)) = cursor.entry()
            && stored < end.as_slice()
        {
            if items.len() == self.max {
                return Ok((items, true));
            }
            let (key, _) = keys::object_key(stored)
                .ok_or_else(|| damaged(stored, CodecError::Malformed("the key".to_owned())))?;
            match self.common_prefix(&key) {
                Some(common) => {
                    cursor.seek(&end_of(&keys::of_prefix(self.family, self.bucket, &common)))?;
                    items.push(Item::Prefix(common));
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
        Ok((items, false))
    }

    /// The key up to and with the first delimiter after the prefix, if it has one.
    fn common_prefix(&self, key: &[u8]) -> Option<Vec<u8>> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = &key[self.prefix.len()..];
        let at = rest
            .windows(self.delimiter.len())
            .position(|window| window == self.delimiter)?;
        Some(key[..self.prefix.len() + at + self.delimiter.len()].to_vec())
    }
}

/// A page of current objects.
pub(super) fn objects(
    view: &dyn Reader,
    bucket: BucketId,
    list: &ListRequest,
) -> Result<ListPage, StoreError> {
    let family = Family::Current;
    let walk = Walk {
        family,
        bucket,
        prefix: list.prefix.as_bytes(),
        delimiter: list.delimiter.as_bytes(),
        from: list.start.as_ref().map(|start| match start {
            ListStart::AfterKey(key) => following(keys::current(bucket, key.as_bytes())),
            ListStart::AfterPrefix(prefix) => {
                end_of(&keys::of_prefix(family, bucket, prefix.as_bytes()))
            }
        }),
        max: page(list.max),
    };
    let (items, more) = walk.run(view)?;
    let mut page = ListPage::default();
    if more {
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
            }),
            Item::Prefix(prefix) => page.prefixes.push(prefix.into()),
        }
    }
    Ok(page)
}

/// A page of uploads in progress.
pub(super) fn uploads(
    view: &dyn Reader,
    bucket: BucketId,
    prefix: &[u8],
    delimiter: &[u8],
    start: Option<&UploadStart>,
    max: usize,
) -> Result<UploadPage, StoreError> {
    let family = Family::Upload;
    let walk = Walk {
        family,
        bucket,
        prefix,
        delimiter,
        from: start.map(|start| match start {
            UploadStart::AfterKey(key) => end_of(&keys::of_key(family, bucket, key.as_bytes())),
            UploadStart::AfterUpload(key, upload) => {
                following(keys::upload(bucket, key.as_bytes(), *upload))
            }
            UploadStart::AfterPrefix(prefix) => {
                end_of(&keys::of_prefix(family, bucket, prefix.as_bytes()))
            }
        }),
        max,
    };
    let (items, more) = walk.run(view)?;
    let mut page = UploadPage::default();
    for item in items {
        match item {
            Item::Entry { key, stored, value } => {
                let upload: crate::record::Upload = decode(&stored, &value)?;
                page.next = Some(after_upload(&key, upload.id));
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
    if !more {
        page.next = None;
    }
    Ok(page)
}

fn after_upload(key: &[u8], upload: UploadId) -> UploadStart {
    UploadStart::AfterUpload(ObjectKey::from(key), upload)
}

//! Listings: what is asked, and the pages of the answer.

use minicbor::{Decode, Encode};

use crate::id::{ObjectKey, UploadId};
use crate::keys::after_prefix;
use crate::record::{ObjectHead, Upload, VersionName};

/// Where a listing begins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ListStart {
    /// After this key. A common prefix that holds later keys is listed even if the key is in it.
    #[n(0)]
    AfterKey(#[n(0)] ObjectKey),
    /// After every key that begins so.
    #[n(1)]
    AfterPrefix(#[n(0)] ObjectKey),
    /// After this version of this key; only where versions are listed.
    #[n(2)]
    AfterVersion(#[n(0)] ObjectKey, #[n(1)] VersionName),
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ListRequest {
    /// Only keys that begin so.
    #[n(0)]
    pub prefix: ObjectKey,
    /// Keys that agree up to the first delimiter after the prefix are listed once, as that common
    /// prefix. Empty: none are.
    #[n(1)]
    pub delimiter: ObjectKey,
    /// Where to begin; none: at the prefix.
    #[n(2)]
    pub start: Option<ListStart>,
    /// At most so many items, common prefixes included (and [`crate::limits::PAGE_ITEMS`]).
    #[n(3)]
    pub max: u32,
}

/// A listing within the tablets of one group: of keys from one on, as far as the group has them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RangeListing {
    /// Only keys that begin so.
    #[n(0)]
    pub prefix: ObjectKey,
    /// As in [`ListRequest`].
    #[n(1)]
    pub delimiter: ObjectKey,
    /// First key to look at, not before the prefix. The group must have its tablet.
    #[n(2)]
    pub from: ObjectKey,
    /// At most so many items, common prefixes included (and [`crate::limits::PAGE_ITEMS`]).
    #[n(3)]
    pub max: u32,
}

impl ListStart {
    /// The first key that can follow; none: no key can.
    pub fn first_key(&self) -> Option<ObjectKey> {
        match self {
            Self::AfterKey(key) => Some(key_after(key)),
            Self::AfterPrefix(prefix) => after_prefix(prefix.as_bytes()).map(ObjectKey::from),
            Self::AfterVersion(key, _) => Some(key.clone()),
        }
    }
}

/// The least key above `key`.
fn key_after(key: &ObjectKey) -> ObjectKey {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes.into()
}

impl ListRequest {
    /// The listing to begin with; none: no key can be listed.
    pub fn range(&self) -> Option<RangeListing> {
        let from = match &self.start {
            None => self.prefix.clone(),
            Some(start) => start.first_key()?.max(self.prefix.clone()),
        };
        Some(RangeListing {
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            from,
            max: self.max,
        })
    }
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedObject {
    /// Its key.
    #[n(0)]
    pub key: ObjectKey,
    /// What is shown of it.
    #[n(1)]
    pub head: ObjectHead,
    /// Whether it is the newest version of its key.
    #[n(2)]
    pub is_latest: bool,
}

/// A page of a listing of objects or versions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ListPage {
    /// Objects, in order of key; the versions of one key, newest first.
    #[n(0)]
    pub objects: Vec<ListedObject>,
    /// Common prefixes, in order.
    #[n(1)]
    pub prefixes: Vec<ObjectKey>,
    /// Where the next page begins; none: this is the last one.
    #[n(2)]
    pub next: Option<ListStart>,
}

/// An upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedUpload {
    /// Its key.
    #[n(0)]
    pub key: ObjectKey,
    /// The upload.
    #[n(1)]
    pub upload: Upload,
}

/// A page of uploads in progress.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct UploadPage {
    /// Uploads in order of key, then of start.
    #[n(0)]
    pub uploads: Vec<ListedUpload>,
    /// Common prefixes, in order.
    #[n(1)]
    pub prefixes: Vec<ObjectKey>,
    /// Where the next page begins; none: this is the last one.
    #[n(2)]
    pub next: Option<UploadStart>,
}

/// Where a listing of uploads begins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum UploadStart {
    /// After every upload of this key.
    #[n(0)]
    AfterKey(#[n(0)] ObjectKey),
    /// After this upload of this key.
    #[n(1)]
    AfterUpload(#[n(0)] ObjectKey, #[n(1)] UploadId),
    /// After every key that begins so.
    #[n(2)]
    AfterPrefix(#[n(0)] ObjectKey),
}

impl UploadStart {
    /// The first key that can follow, and the upload of that key after which to begin. None: no
    /// key can.
    pub fn first_key(&self) -> Option<(ObjectKey, Option<UploadId>)> {
        match self {
            Self::AfterKey(key) => Some((key_after(key), None)),
            Self::AfterUpload(key, upload) => Some((key.clone(), Some(*upload))),
            Self::AfterPrefix(prefix) => {
                after_prefix(prefix.as_bytes()).map(|key| (key.into(), None))
            }
        }
    }
}

//! Commands about objects, their versions and their uploads, and what comes of them.

use minicbor::{Decode, Encode};

use crate::id::{ObjectKey, UploadId};
use crate::record::{
    Bypass, Checksum, Debt, Document, ETag, ObjectVersion, Part, Retention, Upload, VersionName,
    Versioning,
};

/// What must hold of an object for a command to go ahead. Nothing asked: it always does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Preconditions {
    /// `If-Match`.
    #[n(0)]
    pub if_match: Option<TagMatch>,
    /// `If-None-Match`.
    #[n(1)]
    pub if_none_match: Option<TagMatch>,
    /// `x-amz-if-match-last-modified-time`: equal to the second, ms since 1970.
    #[n(2)]
    pub if_modified_ms: Option<u64>,
    /// `x-amz-if-match-size`, bytes.
    #[n(3)]
    pub if_size_bytes: Option<u64>,
}

/// The tags of an `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TagMatch {
    /// `*`: any object.
    #[n(0)]
    Any,
    /// One of these. A tag that can't be an [`ETag`] matches nothing: leave it out.
    #[n(1)]
    OneOf(#[n(0)] Vec<ETag>),
}

/// Stores an object.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct PutObject {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The object. The state machine sets `head.sequence` and `head.modified_ms`.
    #[n(1)]
    pub version: ObjectVersion,
    /// What must hold of the object it replaces.
    #[n(2)]
    pub preconditions: Preconditions,
    /// Shards of its blobs that are not durable yet.
    #[n(3)]
    pub debts: Vec<Debt>,
    /// What becomes of the object it replaces.
    #[n(4)]
    #[cbor(default)]
    pub versioning: Versioning,
}

/// Removes an object, hides it behind a delete marker, or removes one of its versions.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct DeleteObject {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The version to remove for good; none: what the bucket's versioning says.
    #[n(1)]
    pub version: Option<VersionName>,
    /// What must hold of the object or version, if there is one.
    #[n(2)]
    pub preconditions: Preconditions,
    /// What becomes of the object, where no version is named.
    #[n(3)]
    #[cbor(default)]
    pub versioning: Versioning,
    /// What the caller may remove though it is locked.
    #[n(4)]
    #[cbor(default)]
    pub bypass: Bypass,
}

impl DeleteObject {
    /// Removes what the key holds, in a bucket that keeps no versions.
    pub fn of_key(key: ObjectKey) -> Self {
        Self {
            key,
            version: None,
            preconditions: Preconditions::default(),
            versioning: Versioning::Never,
            bypass: Bypass::Nothing,
        }
    }
}

/// Changes what can be changed of a version that is there.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct AlterVersion {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The version; none: the object.
    #[n(1)]
    pub version: Option<VersionName>,
    /// What to change.
    #[n(2)]
    pub alteration: Alteration,
}

/// What can be changed of a version.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Alteration {
    /// Its tags; none at all: it has none any more.
    #[n(0)]
    Tags(#[n(0)] Vec<(String, String)>),
    /// Who may do what with it.
    #[n(1)]
    Acl(#[n(0)] Option<Document>),
    /// Until when it can't be removed.
    #[n(2)]
    Retention {
        /// The retention; none: none any more.
        #[n(0)]
        retention: Option<Retention>,
        /// What the caller may change though it is locked.
        #[n(1)]
        bypass: Bypass,
    },
    /// Whether it can't be removed until told otherwise.
    #[n(3)]
    LegalHold(#[n(0)] bool),
}

/// Begins a multipart upload.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CreateUpload {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The upload. The state machine sets `initiated_ms`.
    #[n(1)]
    pub upload: Upload,
}

/// Stores a part of an upload.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct PutPart {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The upload.
    #[n(1)]
    pub upload: UploadId,
    /// The part. The state machine sets `modified_ms`.
    #[n(2)]
    pub part: Part,
    /// Shards of its blobs that are not durable yet.
    #[n(3)]
    pub debts: Vec<Debt>,
}

/// Makes an object of the parts of an upload.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CompleteUpload {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The upload.
    #[n(1)]
    pub upload: UploadId,
    /// The parts that make the object, as the client listed them.
    #[n(2)]
    pub parts: Vec<CompletePart>,
    /// Tag of the object, computed of the listed parts' tags.
    #[n(3)]
    pub etag: ETag,
    /// Checksums of the object, computed of the parts' checksums.
    #[n(4)]
    pub checksums: Vec<Checksum>,
    /// `x-amz-mp-object-size`: what the parts must add up to, bytes.
    #[n(5)]
    pub size_bytes: Option<u64>,
    /// What must hold of the object it replaces.
    #[n(6)]
    pub preconditions: Preconditions,
    /// What becomes of the object it replaces.
    #[n(7)]
    #[cbor(default)]
    pub versioning: Versioning,
}

/// A part, as the client lists it to complete an upload.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CompletePart {
    /// Number.
    #[n(0)]
    pub number: u32,
    /// The tag it must have.
    #[n(1)]
    pub etag: ETag,
    /// The checksum it must have; none: not checked.
    #[n(2)]
    pub checksum: Option<Checksum>,
}

/// An object was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Stored {
    /// Its order among the writes of its key.
    #[n(0)]
    pub sequence: u64,
    /// Its `Last-Modified`, ms since 1970.
    #[n(1)]
    pub modified_ms: u64,
    /// Its name.
    #[n(2)]
    pub version: VersionName,
}

/// What a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Deleted {
    /// There was nothing to remove.
    #[n(0)]
    Nothing,
    /// An object or version was removed for good.
    #[n(1)]
    Removed {
        /// Whether it was a delete marker.
        #[n(0)]
        was_marker: bool,
    },
    /// A delete marker hides the object now, if there was one.
    #[n(2)]
    Hidden {
        /// The marker.
        #[n(0)]
        marker: VersionName,
    },
}

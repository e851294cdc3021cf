//! What is stored: buckets, objects, uploads, identities, debts and garbage.
//!
//! An object has two records. [`ObjectHead`] is what a listing shows and stays small;
//! [`ObjectBody`] is what only a reader of the object needs: content, headers, up to 10,000 parts.

mod document;
mod encryption;
mod event;
mod identity;
mod layout;
mod lifecycle;
mod tablet;
mod version;

use std::fmt;

use bytes::Bytes;
use minicbor::{Decode, Encode};
use riquet_cluster::profile::ProfileId;

use crate::codec::Record;
use crate::id::{BlobId, BucketId, ChangeId, DiskId, Epoch, GroupId, ObjectKey, ShardId, UploadId};

pub use document::{Document, DocumentKind};
pub use encryption::{
    Cipher, Encryption, KeyKeeper, PACKAGE_BYTES, PACKAGE_TAG_BYTES, Salt, plain_length,
    sealed_length,
};
pub use event::{Event, EventQueue};
pub use identity::{
    AccessKey, Attachment, Group, Identity, IdentityAlias, IdentityKind, IdentityName,
    InlinePolicy, KeyHolder, KeyState, ManagedPolicy, Policies, PolicyVersion, Principal, Provider,
    Role, StoredIdentity, Tag, Tenant, User, provider_name,
};
pub use layout::LayoutChange;
pub use lifecycle::{LifecycleRound, LifecycleTally, LifecycleTurn, TurnHolder};
pub use tablet::{
    Change, ChangeKind, ChangePhase, CopyPosition, KeyRange, Tablet, TabletPlace, TabletSize,
    TabletState,
};
pub use version::{Bypass, Lock, Retention, RetentionMode, VersionId, VersionName, Versioning};

/// A bucket, as the control group knows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Bucket {
    /// Its number, never used again.
    #[n(0)]
    pub id: BucketId,
    /// Its name, unique in the cluster while it exists.
    #[n(1)]
    pub name: String,
    /// Canonical id of the owner.
    #[n(2)]
    pub owner: String,
    /// When it was created, ms since 1970.
    #[n(3)]
    pub created_ms: u64,
    /// The region it was created in.
    #[n(4)]
    pub region: String,
    /// Which group holds which range of its keys: sorted, without gaps, from the empty key on.
    #[n(5)]
    pub tablets: Vec<TabletPlace>,
    /// What becomes of objects that are overwritten or deleted.
    #[n(6)]
    #[cbor(default)]
    pub versioning: Versioning,
    /// Whether versions can be locked, which nothing can undo.
    #[n(7)]
    #[cbor(default)]
    pub has_locks: bool,
    /// Which documents it has (policy, lifecycle, ...).
    #[n(8)]
    #[cbor(default)]
    pub documents: Vec<DocumentKind>,
    /// Id of the tenant that it belongs to.
    #[n(9)]
    #[cbor(default)]
    pub tenant: String,
}

impl Bucket {
    /// The group that holds `key`.
    pub fn group_of(&self, key: &[u8]) -> GroupId {
        self.tablets[self.place_of(key)].group
    }

    /// Which of [`Bucket::tablets`] holds `key`.
    pub fn place_of(&self, key: &[u8]) -> usize {
        let after = self.tablets.partition_point(|t| t.start.as_bytes() <= key);
        assert!(after > 0, "a bucket's first tablet starts at the empty key");
        after - 1
    }

    /// The keys of the tablet at `place`, an index into [`Bucket::tablets`].
    pub fn range_at(&self, place: usize) -> KeyRange {
        KeyRange {
            start: self.tablets[place].start.clone(),
            end: self.tablets.get(place + 1).map(|next| next.start.clone()),
        }
    }

    /// The last change that made the map what it is: of two maps of a bucket the one with the
    /// greater generation is the newer. Zero: one tablet, where it was made.
    pub fn generation(&self) -> ChangeId {
        let changes = self.tablets.iter().map(|tablet| tablet.since);
        changes.max().unwrap_or_default()
    }
}

/// That a blob must not be committed any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tombstone {
    /// Since when, ms since 1970.
    #[n(0)]
    pub since_ms: u64,
    /// Bucket that it was uploaded for.
    #[n(1)]
    pub bucket: BucketId,
    /// Key that it was uploaded for.
    #[n(2)]
    pub key: ObjectKey,
}

/// An entity tag: the MD5 of an object, or the MD5 of its parts' MD5s with their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ETag {
    /// MD5 of the content, or of the parts' MD5s one after the other.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub md5: [u8; 16],
    /// Number of parts, for an object that was uploaded in parts.
    #[n(1)]
    pub parts: Option<u32>,
}

impl ETag {
    /// The tag of an object or part that came in one piece.
    pub fn whole(md5: [u8; 16]) -> Self {
        Self { md5, parts: None }
    }

    /// Reads `hex` or `hex-N`, with or without the quotes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(text);
        let (hex, parts) = match text.split_once('-') {
            Some((hex, parts)) => (hex, Some(parts.parse().ok()?)),
            None => (text, None),
        };
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let md5 = u128::from_str_radix(hex, 16).ok()?.to_be_bytes();
        Some(Self { md5, parts })
    }
}

impl fmt::Display for ETag {
    /// Without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.md5))?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

/// Where an object's shards go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum StorageClass {
    /// Both sites.
    #[n(0)]
    Standard,
    /// One site.
    #[n(1)]
    OneZoneIa,
}

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ChecksumAlgorithm {
    /// CRC-32.
    #[n(0)]
    Crc32,
    /// CRC-32C.
    #[n(1)]
    Crc32c,
    /// CRC-64/NVME.
    #[n(2)]
    Crc64Nvme,
    /// SHA-1.
    #[n(3)]
    Sha1,
    /// SHA-256.
    #[n(4)]
    Sha256,
}

/// What a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ChecksumKind {
    /// The bytes of the whole object (or part).
    #[n(0)]
    FullObject,
    /// The parts' checksums one after the other; written with `-N`.
    #[n(1)]
    Composite,
}

/// A checksum as the client gave or asked it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Checksum {
    /// How it is computed.
    #[n(0)]
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    #[n(1)]
    pub kind: ChecksumKind,
    /// The raw value (not base64).
    #[cbor(n(2), with = "crate::codec::bytes")]
    pub value: Bytes,
}

/// The headers that S3 stores with an object and gives back with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ContentHeaders {
    /// `Content-Type`.
    #[n(0)]
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    #[n(1)]
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    #[n(2)]
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    #[n(3)]
    pub content_language: Option<String>,
    /// `Cache-Control`.
    #[n(4)]
    pub cache_control: Option<String>,
    /// `Expires`, as it was sent.
    #[n(5)]
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    #[n(6)]
    pub website_redirect: Option<String>,
}

/// One uploaded byte stream, stored as chunks of shards.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BlobRef {
    /// Its id, never used again.
    #[n(0)]
    pub id: BlobId,
    /// Length, bytes.
    #[n(1)]
    pub length_bytes: u64,
    /// The profile it is coded with.
    #[n(2)]
    pub profile: ProfileId,
    /// Data bytes per chunk; the last chunk may be shorter.
    #[n(3)]
    pub chunk_size_bytes: u64,
    /// Which chunks were placed under which layout, sorted by first chunk, beginning at 0.
    #[n(4)]
    pub epochs: Vec<EpochRun>,
}

impl BlobRef {
    /// The layout epoch that placed chunk `seq`, or none when the record names none for it.
    pub fn epoch_of(&self, seq: u32) -> Option<Epoch> {
        let after = self.epochs.partition_point(|run| run.first_seq <= seq);
        after.checked_sub(1).map(|run| self.epochs[run].epoch)
    }
}

/// Chunks `first_seq..` (to the next run's first) were placed under `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EpochRun {
    /// First chunk of the run.
    #[n(0)]
    pub first_seq: u32,
    /// The layout they were placed under.
    #[n(1)]
    pub epoch: Epoch,
}

/// Where an object's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Content {
    /// Here: at most [`crate::limits::INLINE_BYTES`].
    #[n(0)]
    Inline(#[cbor(n(0), with = "crate::codec::bytes")] Bytes),
    /// In blobs, one after the other.
    #[n(1)]
    Blobs(#[n(0)] Vec<BlobRef>),
    /// In the parts of a multipart upload, by ascending number.
    #[n(2)]
    Parts(#[n(0)] Vec<Part>),
}

impl Content {
    /// Content of no bytes.
    pub fn empty() -> Self {
        Self::Inline(Bytes::new())
    }

    /// The blobs named, in order.
    pub fn blobs(&self) -> Box<dyn Iterator<Item = &BlobRef> + '_> {
        match self {
            Self::Inline(_) => Box::new(std::iter::empty()),
            Self::Blobs(blobs) => Box::new(blobs.iter()),
            Self::Parts(parts) => Box::new(parts.iter().flat_map(|part| part.content.blobs())),
        }
    }

    /// The same, to be replaced one by one.
    pub(crate) fn blobs_mut(&mut self) -> Box<dyn Iterator<Item = &mut BlobRef> + '_> {
        match self {
            Self::Inline(_) => Box::new(std::iter::empty()),
            Self::Blobs(blobs) => Box::new(blobs.iter_mut()),
            Self::Parts(parts) => {
                Box::new(parts.iter_mut().flat_map(|part| part.content.blobs_mut()))
            }
        }
    }

    /// Bytes of content: as they are stored, but of parts what the parts themselves say.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blobs(blobs) => blobs.iter().map(|blob| blob.length_bytes).sum(),
            Self::Parts(parts) => parts.iter().map(|part| part.size_bytes).sum(),
        }
    }

    /// The same of content that is sealed, before it was.
    pub fn plain_bytes(&self) -> u64 {
        match self {
            Self::Inline(_) | Self::Blobs(_) => plain_length(self.size_bytes()),
            Self::Parts(_) => self.size_bytes(),
        }
    }
}

/// One part of a multipart upload, and of the object it became.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Number, 1 to 10,000.
    #[n(0)]
    pub number: u32,
    /// Length, bytes.
    #[n(1)]
    pub size_bytes: u64,
    /// Its MD5.
    #[n(2)]
    pub etag: ETag,
    /// Its checksums.
    #[n(3)]
    pub checksums: Vec<Checksum>,
    /// Its bytes: inline or blobs, never parts.
    #[n(4)]
    pub content: Content,
    /// When it was stored, ms since 1970. Set by the state machine.
    #[n(5)]
    pub modified_ms: u64,
    /// Of a part of an encrypted object, what its key follows from besides the object's and its number.
    #[n(6)]
    pub salt: Option<Salt>,
}

impl Part {
    /// Bytes of its content, before encryption.
    pub fn plain_bytes(&self) -> u64 {
        match self.salt {
            None => self.content.size_bytes(),
            Some(_) => self.content.plain_bytes(),
        }
    }
}

/// What a listing shows of an object.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ObjectHead {
    /// Order among all writes of the key. Set by the state machine.
    #[n(0)]
    pub sequence: u64,
    /// `Last-Modified`, ms since 1970. Set by the state machine.
    #[n(1)]
    pub modified_ms: u64,
    /// Its tag.
    #[n(2)]
    pub etag: ETag,
    /// Length, bytes.
    #[n(3)]
    pub size_bytes: u64,
    /// Its storage class.
    #[n(4)]
    pub storage_class: StorageClass,
    /// User id of the owner.
    #[n(5)]
    pub owner: String,
    /// How its checksums were computed, for listings.
    #[n(6)]
    pub checksum_algorithms: Vec<ChecksumAlgorithm>,
    /// What its checksums cover.
    #[n(7)]
    pub checksum_kind: Option<ChecksumKind>,
    /// Whether this is a delete marker (versioned buckets only).
    #[n(8)]
    pub delete_marker: bool,
    /// Its sequence, if the bucket keeps it as a version; none: the null version.
    #[n(9)]
    pub version: Option<u64>,
    /// Of the newest version only: the sequence of the null version, if that is an older one.
    #[n(10)]
    pub null_below: Option<u64>,
    /// What keeps it from being removed.
    #[n(11)]
    #[cbor(default)]
    pub lock: Lock,
}

impl ObjectHead {
    /// Its name.
    pub fn name(&self) -> VersionName {
        match self.version {
            None => VersionName::Null,
            Some(_) => VersionName::Kept(self.id()),
        }
    }

    /// What tells it from every other version that its key ever had, the null versions included.
    pub fn id(&self) -> VersionId {
        VersionId {
            modified_ms: self.modified_ms,
            sequence: self.sequence,
        }
    }
}

/// What a reader of the object needs besides its head.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ObjectBody {
    /// Where its bytes are.
    #[n(0)]
    pub content: Content,
    /// Headers given back with it.
    #[n(1)]
    pub headers: ContentHeaders,
    /// `x-amz-meta-*`, names without that prefix and in lower case, in the order sent.
    #[n(2)]
    pub user_metadata: Vec<(String, String)>,
    /// Its checksums.
    #[n(3)]
    pub checksums: Vec<Checksum>,
    /// Its tags, in the order given.
    #[n(4)]
    #[cbor(default)]
    pub tags: Vec<(String, String)>,
    /// Who may do what with it, as the gateway wrote it; none: its owner everything.
    #[n(5)]
    pub acl: Option<Document>,
    /// How its bytes are sealed; none: they are not.
    #[n(6)]
    pub encryption: Option<Encryption>,
}

/// One version of an object: head and body. The body of a delete marker is empty.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ObjectVersion {
    /// What a listing shows.
    #[n(0)]
    pub head: ObjectHead,
    /// The rest.
    #[n(1)]
    pub body: ObjectBody,
}

impl ObjectVersion {
    /// A version as a gateway proposes it: the state machine fills in order, time and name.
    pub fn proposed(
        etag: ETag,
        storage_class: StorageClass,
        owner: String,
        body: ObjectBody,
    ) -> Self {
        let head = ObjectHead {
            sequence: 0,
            modified_ms: 0,
            etag,
            size_bytes: body.plain_bytes(),
            storage_class,
            owner,
            checksum_algorithms: body.checksums.iter().map(|c| c.algorithm).collect(),
            checksum_kind: body.checksums.first().map(|c| c.kind),
            delete_marker: false,
            version: None,
            null_below: None,
            lock: Lock::default(),
        };
        Self { head, body }
    }
}

impl ObjectBody {
    /// A body that is its content and nothing else.
    pub fn of(content: Content) -> Self {
        Self {
            content,
            headers: ContentHeaders::default(),
            user_metadata: Vec::new(),
            checksums: Vec::new(),
            tags: Vec::new(),
            acl: None,
            encryption: None,
        }
    }

    /// Bytes of the object, before encryption.
    pub fn plain_bytes(&self) -> u64 {
        match self.encryption {
            None => self.content.size_bytes(),
            Some(_) => self.content.plain_bytes(),
        }
    }
}

/// A multipart upload in progress.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Upload {
    /// Its id.
    #[n(0)]
    pub id: UploadId,
    /// When it began, ms since 1970. Set by the state machine.
    #[n(1)]
    pub initiated_ms: u64,
    /// Storage class of the object to be.
    #[n(2)]
    pub storage_class: StorageClass,
    /// User id of the owner of the object to be.
    #[n(3)]
    pub owner: String,
    /// Headers of the object to be.
    #[n(4)]
    pub headers: ContentHeaders,
    /// User metadata of the object to be.
    #[n(5)]
    pub user_metadata: Vec<(String, String)>,
    /// Checksum that every part must bring, and what the object's covers.
    #[n(6)]
    pub checksum: Option<ChecksumRule>,
    /// Tags of the object to be.
    #[n(7)]
    #[cbor(default)]
    pub tags: Vec<(String, String)>,
    /// The object to be: as [`ObjectBody::acl`].
    #[n(8)]
    pub acl: Option<Document>,
    /// What is to keep the object from being removed.
    #[n(9)]
    #[cbor(default)]
    pub lock: Lock,
    /// How its parts are sealed, and so the object to be; none: they are not.
    #[n(10)]
    pub encryption: Option<Encryption>,
    /// User id of who began it, where the object to be is another's.
    #[n(11)]
    pub initiator: Option<String>,
}

impl Upload {
    /// An upload with nothing asked for, as it is proposed.
    pub fn plain(id: UploadId, storage_class: StorageClass, owner: String) -> Self {
        Self {
            id,
            initiated_ms: 0,
            storage_class,
            owner,
            headers: ContentHeaders::default(),
            user_metadata: Vec::new(),
            checksum: None,
            tags: Vec::new(),
            acl: None,
            lock: Lock::default(),
            encryption: None,
            initiator: None,
        }
    }

    /// User id of who began it.
    pub fn initiator(&self) -> &str {
        self.initiator.as_ref().unwrap_or(&self.owner)
    }
}

/// The checksum asked for when an upload began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChecksumRule {
    /// How it is computed.
    #[n(0)]
    pub algorithm: ChecksumAlgorithm,
    /// What the object's checksum covers.
    #[n(1)]
    pub kind: ChecksumKind,
}

/// What a completed upload became, remembered to answer a repeated completion.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CompletedUpload {
    /// Key of the object.
    #[n(0)]
    pub key: ObjectKey,
    /// Bucket of the object.
    #[n(1)]
    pub bucket: BucketId,
    /// Its tag.
    #[n(2)]
    pub etag: ETag,
    /// Its order among the writes of the key.
    #[n(3)]
    pub sequence: u64,
    /// When it was completed, ms since 1970.
    #[n(4)]
    pub modified_ms: u64,
    /// Its checksums.
    #[n(5)]
    pub checksums: Vec<Checksum>,
    /// Its name, if the bucket keeps it as a version.
    #[n(6)]
    pub version: Option<VersionId>,
}

/// A shard that a commit owes: it was not durable at its disk when the commit was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Debt {
    /// The disk that should hold it.
    #[n(0)]
    pub disk: DiskId,
    /// The shard.
    #[n(1)]
    pub shard: ShardId,
}

/// What is known of a debt besides its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DebtRecord {
    /// When it was incurred, ms since 1970.
    #[n(0)]
    pub since_ms: u64,
}

/// A disk that was out of reach when the shards of a blob were removed: its own node removes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Removal {
    /// The disk that may hold shards of the blob.
    #[n(0)]
    pub disk: DiskId,
    /// The blob, which nothing names and nothing ever will.
    #[n(1)]
    pub blob: BlobId,
}

/// What is known of a removal besides its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RemovalRecord {
    /// Since when the blob is garbage, ms since 1970.
    #[n(0)]
    pub since_ms: u64,
}

/// A committed blob: what it is and who names it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BlobRecord {
    /// The blob.
    #[n(0)]
    pub blob: BlobRef,
    /// Bucket of the object or upload that names it.
    #[n(1)]
    pub bucket: BucketId,
    /// Key of the object or upload that names it.
    #[n(2)]
    pub key: ObjectKey,
    /// Whether it is still named.
    #[n(3)]
    pub state: BlobState,
}

/// Whether a committed blob is still named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum BlobState {
    /// An object or upload names it.
    #[n(0)]
    Live,
    /// Nothing names it any more; it waits on the garbage queue.
    #[n(1)]
    Garbage,
}

/// A blob that nothing names any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Garbage {
    /// Since when, ms since 1970.
    #[n(0)]
    pub since_ms: u64,
    /// The blob.
    #[n(1)]
    pub blob: BlobRef,
    /// The bucket that named it.
    #[n(2)]
    pub bucket: BucketId,
}

/// Gives records their format version.
macro_rules! records {
    ($($name:ty = $version:literal),* $(,)?) => {
        $(impl Record for $name {
            const VERSION: u8 = $version;
        })*
    };
}

records! {
    Bucket = 1, Tablet = 2, Change = 1, StoredIdentity = 1, IdentityName = 1, ObjectHead = 1, ObjectBody = 1, Upload = 1,
    Part = 1, CompletedUpload = 1, DebtRecord = 1, BlobRecord = 1, Garbage = 1, Tombstone = 1,
    RemovalRecord = 1, Document = 1, Event = 1, EventQueue = 1, LifecycleTurn = 1,
}

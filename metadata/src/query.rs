//! What can be asked: typed queries, answered from applied state after a read barrier, in pages.

use minicbor::{Decode, Encode};
use riquet_cluster::layout::Layout;

use crate::codec::Record;
use crate::id::{BlobId, BucketId, ClusterId, DiskId, Epoch, ObjectKey, UploadId};
use crate::record::{
    Account, BlobRecord, Bucket, Debt, Garbage, ObjectHead, ObjectVersion, Part, Upload,
};

/// A query for either kind of group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Query {
    /// For the control group.
    #[n(0)]
    System(#[n(0)] SystemQuery),
    /// For a key group.
    #[n(1)]
    Keys(#[n(0)] KeyQuery),
}

impl Record for Query {
    const VERSION: u8 = 1;
}

/// What a query found.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Answer {
    /// Of the control group.
    #[n(0)]
    System(#[n(0)] SystemAnswer),
    /// Of a key group.
    #[n(1)]
    Keys(#[n(0)] KeyAnswer),
    /// A query of one kind reached a group of the other.
    #[n(2)]
    WrongGroup,
}

impl Record for Answer {
    const VERSION: u8 = 1;
}

/// Queries of the control group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum SystemQuery {
    /// A bucket by name.
    #[n(0)]
    Bucket {
        /// The name.
        #[n(0)]
        name: String,
    },
    /// A bucket by number.
    #[n(1)]
    BucketById {
        /// The number.
        #[n(0)]
        id: BucketId,
    },
    /// Buckets by name, in order.
    #[n(2)]
    Buckets {
        /// Only this owner's; none: everybody's.
        #[n(0)]
        owner: Option<String>,
        /// Only names that begin so.
        #[n(1)]
        prefix: String,
        /// Only names after this one.
        #[n(2)]
        after: Option<String>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(3)]
        max: u32,
    },
    /// An account by access key.
    #[n(3)]
    Account {
        /// The access key.
        #[n(0)]
        access_key: String,
    },
    /// Accounts by access key, in order.
    #[n(4)]
    Accounts {
        /// Only keys after this one.
        #[n(0)]
        after: Option<String>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
    /// The layout and what else is fixed at bootstrap.
    #[n(5)]
    Cluster,
    /// The same, once the layout is newer than this epoch, or after
    /// [`crate::limits::LAYOUT_POLL_MS`].
    #[n(6)]
    WaitLayout {
        /// The epoch that the asker has; none: it has no layout yet.
        #[n(0)]
        newer_than: Option<Epoch>,
    },
}

/// Answers of the control group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum SystemAnswer {
    /// The bucket, if it exists.
    #[n(0)]
    Bucket(#[n(0)] Option<Bucket>),
    /// The bucket of that number, if it exists.
    #[n(1)]
    BucketById {
        /// The bucket.
        #[n(0)]
        bucket: Option<Bucket>,
        /// Whether a bucket of that number was ever made.
        #[n(1)]
        was_allocated: bool,
    },
    /// A page of buckets.
    #[n(2)]
    Buckets {
        /// The buckets.
        #[n(0)]
        buckets: Vec<Bucket>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// The account, if it exists.
    #[n(3)]
    Account(#[n(0)] Option<Account>),
    /// A page of accounts.
    #[n(4)]
    Accounts {
        /// The accounts.
        #[n(0)]
        accounts: Vec<Account>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// The cluster, if it is bootstrapped.
    #[n(5)]
    Cluster(#[n(0)] Option<Box<ClusterState>>),
}

/// What is known of the whole cluster.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ClusterState {
    /// Its id.
    #[n(0)]
    pub cluster: ClusterId,
    /// Number of its key groups.
    #[n(1)]
    pub key_groups: u32,
    /// Its layout.
    #[n(2)]
    pub layout: Layout,
}

/// Where a listing begins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ListStart {
    /// After this key. A common prefix that holds later keys is listed even if the key is in it.
    #[n(0)]
    AfterKey(#[n(0)] ObjectKey),
    /// After every key that begins so.
    #[n(1)]
    AfterPrefix(#[n(0)] ObjectKey),
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

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedObject {
    /// Its key.
    #[n(0)]
    pub key: ObjectKey,
    /// What is shown of it.
    #[n(1)]
    pub head: ObjectHead,
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

/// Queries of a key group. `bucket` is the number of the bucket whose tablet is meant.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum KeyQuery {
    /// The current version of an object.
    #[n(0)]
    GetObject {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The key.
        #[n(1)]
        key: ObjectKey,
    },
    /// Current objects.
    #[n(1)]
    ListObjects {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to list.
        #[n(1)]
        list: ListRequest,
    },
    /// Every version; a bucket without versioning has null versions only.
    #[n(2)]
    ListVersions {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to list.
        #[n(1)]
        list: ListRequest,
    },
    /// Uploads in progress.
    #[n(3)]
    ListUploads {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// Only keys that begin so.
        #[n(1)]
        prefix: ObjectKey,
        /// As in [`ListRequest`].
        #[n(2)]
        delimiter: ObjectKey,
        /// Where to begin.
        #[n(3)]
        start: Option<UploadStart>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(4)]
        max: u32,
    },
    /// An upload in progress.
    #[n(4)]
    GetUpload {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The key.
        #[n(1)]
        key: ObjectKey,
        /// The upload.
        #[n(2)]
        upload: UploadId,
    },
    /// Parts of an upload in progress.
    #[n(5)]
    ListParts {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The key.
        #[n(1)]
        key: ObjectKey,
        /// The upload.
        #[n(2)]
        upload: UploadId,
        /// Only numbers above this one.
        #[n(3)]
        after: u32,
        /// At most so many (and [`crate::limits::PARTS`]).
        #[n(4)]
        max: u32,
    },
    /// How many shards each disk is owed, counted up to [`DEBTS_COUNTED`].
    #[n(6)]
    DebtCounts,
    /// Shards owed to a disk.
    #[n(7)]
    ListDebts {
        /// The disk; none: all of them.
        #[n(0)]
        disk: Option<DiskId>,
        /// Only debts after this one.
        #[n(1)]
        after: Option<Debt>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(2)]
        max: u32,
    },
    /// Garbage, longest unnamed first.
    #[n(8)]
    ListGarbage {
        /// Only what nothing names since before this time, ms since 1970.
        #[n(0)]
        before_ms: u64,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
    /// A committed blob.
    #[n(9)]
    Blob {
        /// The blob.
        #[n(0)]
        blob: BlobId,
    },
}

/// Most debts that one count walks over: counting is for people and must not hold up writers.
pub const DEBTS_COUNTED: u64 = 1_000_000;

/// Answers of a key group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum KeyAnswer {
    /// The tablet is sealed.
    #[n(0)]
    TabletSealed,
    /// The group has no tablet of that bucket and key.
    #[n(1)]
    NoTablet,
    /// The object, if there is one.
    #[n(2)]
    Object(#[n(0)] Option<Box<ObjectVersion>>),
    /// A page of objects or versions.
    #[n(3)]
    Objects(#[n(0)] ListPage),
    /// A page of uploads.
    #[n(4)]
    Uploads(#[n(0)] UploadPage),
    /// The upload, if it is in progress.
    #[n(5)]
    Upload(#[n(0)] Option<Box<Upload>>),
    /// A page of parts, with their upload, if it is in progress.
    #[n(6)]
    Parts(#[n(0)] Option<Box<PartPage>>),
    /// Shards owed per disk.
    #[n(7)]
    DebtCounts(#[n(0)] Vec<DebtCount>),
    /// A page of debts.
    #[n(8)]
    Debts {
        /// The debts, with what is known of their blobs.
        #[n(0)]
        debts: Vec<ListedDebt>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// A page of garbage.
    #[n(9)]
    Garbage {
        /// The entries.
        #[n(0)]
        entries: Vec<Garbage>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// The blob, if it is committed.
    #[n(10)]
    Blob(#[n(0)] Option<Box<BlobRecord>>),
}

/// A page of parts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PartPage {
    /// Their upload.
    #[n(0)]
    pub upload: Upload,
    /// The parts, by number.
    #[n(1)]
    pub parts: Vec<Part>,
    /// Whether there are more.
    #[n(2)]
    pub more: bool,
}

/// How many shards a disk is owed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DebtCount {
    /// The disk.
    #[n(0)]
    pub disk: DiskId,
    /// The count.
    #[n(1)]
    pub shards: u64,
}

/// A debt in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedDebt {
    /// What is owed.
    #[n(0)]
    pub debt: Debt,
    /// Since when, ms since 1970.
    #[n(1)]
    pub since_ms: u64,
    /// Its blob; none or not live: nothing needs the shard any more, strike the debt.
    #[n(2)]
    pub blob: Option<BlobRecord>,
}

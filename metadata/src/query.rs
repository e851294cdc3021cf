//! What can be asked: typed queries, answered from applied state after a read barrier, in pages.

mod events;
mod listing;

use minicbor::{Decode, Encode};
use riquet_cluster::layout::Layout;

use crate::codec::Record;
use crate::command::{GarbageKey, OwedShard, RawRecord, Restore};
use crate::id::{
    BlobId, BucketId, ChangeId, ClusterId, DiskId, Epoch, GroupId, ObjectKey, UploadId,
};
use crate::record::{
    BlobRecord, Bucket, Change, CopyPosition, Debt, Document, DocumentKind, Garbage, IdentityAlias,
    IdentityKind, IdentityName, KeyHolder, LayoutChange, LifecycleTurn, ObjectVersion, Part,
    Principal, Removal, StoredIdentity, Tablet, Upload, VersionName,
};

pub use events::{ListedEvent, ListedQueue};
pub use listing::{
    ListPage, ListRequest, ListStart, ListedObject, ListedUpload, RangeListing, UploadPage,
    UploadStart,
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
    /// Whether a group of either kind can be restored, or is being restored.
    #[n(2)]
    Restore,
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
    /// How a group is with regard to restores.
    #[n(3)]
    Restore(#[n(0)] RestoreState),
    /// The group is being restored and answers nothing else.
    #[n(4)]
    Restoring,
}

/// How a group is with regard to restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RestoreState {
    /// The restore that is under way, or was the last.
    #[n(0)]
    pub restore: Option<Restore>,
    /// Whether the group holds nothing that a restore would remove.
    #[n(1)]
    pub is_empty: bool,
}

impl RestoreState {
    /// Whether the group is out of service.
    pub fn is_restoring(&self) -> bool {
        self.restore.is_some_and(|restore| restore.is_under_way())
    }
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
    /// An access key and who holds it.
    #[n(3)]
    KeyHolder {
        /// The key's id.
        #[n(0)]
        key: String,
    },
    /// A tenant's identities of a kind by name, in order.
    #[n(4)]
    Identities {
        /// The kind.
        #[n(0)]
        kind: IdentityKind,
        /// The tenant's id; empty for tenants.
        #[n(1)]
        tenant: String,
        /// Only names after this one.
        #[n(2)]
        after: Option<String>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(3)]
        max: u32,
    },
    /// An identity.
    #[n(10)]
    Identity {
        /// Its name.
        #[n(0)]
        name: IdentityName,
    },
    /// An identity that is known otherwise than by its name.
    #[n(11)]
    IdentityKnownAs {
        /// As what.
        #[n(0)]
        alias: IdentityAlias,
    },
    /// A user, role or tenant with all that decides what they may do.
    #[n(12)]
    Principal {
        /// Its name.
        #[n(0)]
        name: IdentityName,
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
    /// The change of a bucket's tablets that is under way.
    #[n(7)]
    Change {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
    },
    /// All changes of tablets that are under way, by bucket.
    #[n(8)]
    Changes {
        /// Only those of buckets after this one.
        #[n(0)]
        after: Option<BucketId>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
    /// A document of a bucket.
    #[n(9)]
    Document {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// Which.
        #[n(1)]
        kind: DocumentKind,
    },
    /// What made the layouts, the newest first.
    #[n(13)]
    LayoutHistory {
        /// Only layouts before this one.
        #[n(0)]
        before: Option<Epoch>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
    /// How far the lifecycles of buckets are, by bucket.
    #[n(40)]
    LifecycleTurns {
        /// Only those of buckets after this one.
        #[n(0)]
        after: Option<BucketId>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
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
        /// Since when the cluster's records are complete, ms since 1970; none: they are empty.
        #[n(2)]
        complete_since_ms: Option<u64>,
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
    /// The key and who holds it, if there is such a key.
    #[n(3)]
    KeyHolder(#[n(0)] Option<Box<KeyHolder>>),
    /// A page of identities.
    #[n(4)]
    Identities {
        /// The identities.
        #[n(0)]
        identities: Vec<StoredIdentity>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// The identity, if it exists.
    #[n(9)]
    Identity(#[n(0)] Option<Box<StoredIdentity>>),
    /// The principal, if it exists.
    #[n(10)]
    Principal(#[n(0)] Option<Box<Principal>>),
    /// The cluster, if it is bootstrapped.
    #[n(5)]
    Cluster(#[n(0)] Option<Box<ClusterState>>),
    /// The change, if there is one.
    #[n(6)]
    Change(#[n(0)] Option<Box<Change>>),
    /// A page of changes.
    #[n(7)]
    Changes {
        /// The changes.
        #[n(0)]
        changes: Vec<Change>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// The document, if there is one.
    #[n(8)]
    Document(#[n(0)] Option<Document>),
    /// A page of the layout's history.
    #[n(11)]
    LayoutHistory {
        /// What made each layout.
        #[n(0)]
        changes: Vec<LayoutChange>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// A page of buckets with a lifecycle.
    #[n(40)]
    LifecycleTurns {
        /// How far they are.
        #[n(0)]
        turns: Vec<LifecycleTurn>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
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

/// Queries of a key group. `bucket` is the number of the bucket whose tablet is meant.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum KeyQuery {
    /// A version of an object.
    #[n(0)]
    GetObject {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The key.
        #[n(1)]
        key: ObjectKey,
        /// Which version; none: the newest, be it a delete marker.
        #[n(2)]
        version: Option<VersionName>,
    },
    /// Current objects.
    #[n(1)]
    ListObjects {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to list.
        #[n(1)]
        list: RangeListing,
    },
    /// Every version and delete marker.
    #[n(2)]
    ListVersions {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to list.
        #[n(1)]
        list: RangeListing,
        /// Of the first key only versions after this one.
        #[n(2)]
        after: Option<VersionName>,
    },
    /// Uploads in progress.
    #[n(3)]
    ListUploads {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to list.
        #[n(1)]
        list: RangeListing,
        /// Of the first key only uploads after this one.
        #[n(2)]
        after: Option<UploadId>,
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
        /// Only entries after this one.
        #[n(1)]
        after: Option<GarbageKey>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(2)]
        max: u32,
    },
    /// A committed blob.
    #[n(9)]
    Blob {
        /// The blob.
        #[n(0)]
        blob: BlobId,
    },
    /// The tablet of a key, whatever its state.
    #[n(10)]
    Tablet {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The key.
        #[n(1)]
        key: ObjectKey,
    },
    /// All tablets of the group, whatever their states, by bucket and key.
    #[n(11)]
    Tablets {
        /// Only those after this one.
        #[n(0)]
        after: Option<TabletPosition>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
    /// Counts objects of a tablet, at most [`crate::limits::COUNT_KEYS`].
    #[n(12)]
    CountKeys {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// First key to count. The tablet is that of this key.
        #[n(1)]
        from: ObjectKey,
        /// First key not to count; none: all of the tablet.
        #[n(2)]
        until: Option<ObjectKey>,
        /// Count no more than these.
        #[n(3)]
        max: u64,
    },
    /// Records of a frozen tablet, to be copied.
    #[n(13)]
    CopyTablet {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// First key of the tablet.
        #[n(1)]
        start: ObjectKey,
        /// The change that froze it.
        #[n(2)]
        change: ChangeId,
        /// How far the copy has come.
        #[n(3)]
        position: CopyPosition,
    },
    /// What the blobs of a moved tablet are owed.
    #[n(14)]
    DebtsOfTablet {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// First key of the tablet.
        #[n(1)]
        start: ObjectKey,
        /// The change that moved it.
        #[n(2)]
        change: ChangeId,
        /// Only debts after this one.
        #[n(3)]
        after: Option<Debt>,
    },
    /// Blobs whose shards a disk has yet to remove.
    #[n(15)]
    ListRemovals {
        /// The disk.
        #[n(0)]
        disk: DiskId,
        /// Only blobs after this one.
        #[n(1)]
        after: Option<BlobId>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(2)]
        max: u32,
    },
    /// Committed blobs, by id.
    #[n(16)]
    ListBlobs {
        /// Only blobs after this one.
        #[n(0)]
        after: Option<BlobId>,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
    /// Which of these blobs the group knows as committed, garbage included.
    #[n(17)]
    KnownBlobs {
        /// At most [`crate::limits::PAGE_ITEMS`] are looked up.
        #[n(0)]
        blobs: Vec<BlobId>,
    },
    /// Which of these shards are owed.
    #[n(18)]
    AreOwed {
        /// The shards, each with the disk that it belongs on.
        #[n(0)]
        debts: Vec<Debt>,
    },
    /// The queues of events, by target.
    #[n(19)]
    EventQueues,
    /// The first events that wait to be told to a target.
    #[n(20)]
    Events {
        /// The target.
        #[n(0)]
        target: String,
        /// At most so many (and [`crate::limits::PAGE_ITEMS`]).
        #[n(1)]
        max: u32,
    },
}

/// A place among the tablets of a group, which sort by bucket and end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TabletPosition {
    /// The bucket.
    #[n(0)]
    pub bucket: BucketId,
    /// First key after the tablet.
    #[n(1)]
    pub end: Option<ObjectKey>,
}

/// A tablet in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListedTablet {
    /// The bucket.
    #[n(0)]
    pub bucket: BucketId,
    /// The tablet.
    #[n(1)]
    pub tablet: Tablet,
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
    /// The version, if there is one.
    #[n(2)]
    Object(#[n(0)] Option<Box<ObjectVersion>>),
    /// A page of objects or versions.
    #[n(3)]
    Objects {
        /// The page; [`ListPage::next`] only if there are more items here than were asked.
        #[n(0)]
        page: ListPage,
        /// Keys from this one on were not looked at, as the group may not have them. None: all
        /// were, or the page is full.
        #[n(1)]
        rest: Option<ObjectKey>,
    },
    /// A page of uploads.
    #[n(4)]
    Uploads {
        /// The page; [`UploadPage::next`] only if there are more items here than were asked.
        #[n(0)]
        page: UploadPage,
        /// As with objects.
        #[n(1)]
        rest: Option<ObjectKey>,
    },
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
    /// A change of the bucket's tablets is under way: the tablet can't be read now. Come again.
    #[n(11)]
    TabletBusy,
    /// Another group has the tablet now. Go there.
    #[n(12)]
    TabletMoved {
        /// The group.
        #[n(0)]
        to: GroupId,
    },
    /// The tablet, if the group has it or had it.
    #[n(13)]
    Tablet(#[n(0)] Option<Box<Tablet>>),
    /// A page of tablets.
    #[n(14)]
    Tablets {
        /// The tablets.
        #[n(0)]
        tablets: Vec<ListedTablet>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// How many objects there are.
    #[n(15)]
    Counted {
        /// The count.
        #[n(0)]
        keys: u64,
        /// The first object that was not counted; none: there are no more.
        #[n(1)]
        next: Option<ObjectKey>,
    },
    /// Records of a frozen tablet.
    #[n(16)]
    Records {
        /// The records, in order.
        #[n(0)]
        records: Vec<RawRecord>,
        /// How far the copy has come with these; none: that was all.
        #[n(1)]
        next: Option<CopyPosition>,
    },
    /// What blobs of a moved tablet are owed.
    #[n(17)]
    TabletDebts {
        /// The debts.
        #[n(0)]
        debts: Vec<OwedShard>,
        /// Debts after this one were not looked at; none: all were.
        #[n(1)]
        next: Option<Debt>,
    },
    /// A page of what a disk has yet to remove.
    #[n(18)]
    Removals {
        /// The removals.
        #[n(0)]
        removals: Vec<Removal>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// A page of blobs.
    #[n(19)]
    Blobs {
        /// The blobs.
        #[n(0)]
        blobs: Vec<BlobRecord>,
        /// Whether there are more.
        #[n(1)]
        more: bool,
    },
    /// Those of the blobs asked for that the group knows.
    #[n(20)]
    KnownBlobs(#[n(0)] Vec<BlobId>),
    /// For each shard asked for, whether it is owed.
    #[n(21)]
    Owed(#[n(0)] Vec<bool>),
    /// The queues of events.
    #[n(22)]
    EventQueues(#[n(0)] Vec<ListedQueue>),
    /// Events, in order.
    #[n(23)]
    Events(#[n(0)] Vec<ListedEvent>),
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

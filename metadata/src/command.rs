//! What changes the metadata: typed commands, and the typed outcomes that apply decides.
//!
//! A command is decided where it is applied, in the order of its group's log. Everything that may
//! differ between voters (time, randomness) is part of the proposal.

mod bucket;
mod events;
mod identity;
mod lifecycle;
mod objects;
mod recovery;
mod restore;
mod tablet;

use minicbor::{Decode, Encode};
use riquet_cluster::layout::Layout;

use crate::codec::Record;
use crate::id::{
    BlobId, BucketId, ChangeId, ClusterId, DiskId, Epoch, GroupId, ObjectKey, RequestId, UploadId,
};
use crate::record::{
    Bucket, Change, ChangeKind, Checksum, Debt, ETag, Garbage, Identity, LifecycleTurn, Removal,
    Tablet, VersionName,
};

pub use bucket::{BucketChange, NewBucket, NewDocument};
pub use events::{Happening, HoldEvents, Notice, Notices};
pub use identity::{IdentityChange, IdentityOutcome};
pub use lifecycle::{ApplyRule, MovedBlob, RuleAction, SeenPlace, SeenVersion, TurnStep};
pub use objects::{
    AlterVersion, Alteration, CompletePart, CompleteUpload, CreateUpload, DeleteObject, Deleted,
    Preconditions, PutObject, PutPart, Stored, TagMatch,
};
pub use recovery::{RecoverBucket, RecoverObject, RecoverTablet};
pub use restore::{Restore, RestoreCommand, RestoreId, RestoreOutcome, RestorePhase, RestoreStep};
pub use tablet::{OwedShard, RawRecord, TabletStep};

/// One entry of a group's log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Proposal {
    /// The same for every retry.
    #[n(0)]
    pub request: RequestId,
    /// The proposer's clock when it first asked, ms since 1970; the same for every retry.
    #[n(1)]
    pub timestamp_ms: u64,
    /// What to do.
    #[n(2)]
    pub command: Command,
}

impl Record for Proposal {
    const VERSION: u8 = 1;
}

/// A command for either kind of group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Command {
    /// For the control group.
    #[n(0)]
    System(#[n(0)] SystemCommand),
    /// For a key group.
    #[n(1)]
    Keys(#[n(0)] KeyCommand),
    /// For a group of either kind that is being restored from a backup.
    #[n(2)]
    Restore(#[n(0)] RestoreCommand),
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Outcome {
    /// Of a command of the control group.
    #[n(0)]
    System(#[n(0)] SystemOutcome),
    /// Of a command of a key group.
    #[n(1)]
    Keys(#[n(0)] KeyOutcome),
    /// The proposal is older than the outcomes that are remembered: an earlier try of it may have
    /// been applied, this one was not.
    #[n(2)]
    Expired,
    /// A command of one kind reached a group of the other.
    #[n(3)]
    WrongGroup,
    /// Of a step of a restore.
    #[n(4)]
    Restore(#[n(0)] RestoreOutcome),
    /// The group is being restored and takes nothing else. Nothing was done.
    #[n(5)]
    Restoring,
}

impl Record for Outcome {
    const VERSION: u8 = 1;
}

/// Commands of the control group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum SystemCommand {
    /// Makes the cluster. Repeating it with the same cluster id changes nothing.
    #[n(0)]
    Bootstrap {
        /// The cluster's id from now on.
        #[n(0)]
        cluster: ClusterId,
        /// Its first layout.
        #[n(1)]
        layout: Box<Layout>,
        /// Those who may use it at first, each after what it needs.
        #[n(2)]
        identities: Vec<Identity>,
        /// Number of key groups, fixed for good.
        #[n(3)]
        key_groups: u32,
    },
    /// Replaces the layout. Its epoch must be the present one plus one.
    #[n(1)]
    PutLayout {
        /// The new layout.
        #[n(0)]
        layout: Box<Layout>,
    },
    /// Makes, replaces or removes an identity. The outcome is [`SystemOutcome::Identity`].
    #[n(2)]
    ChangeIdentity(#[n(0)] IdentityChange),
    /// Makes a bucket: gives it its number and its first tablet's group.
    #[n(4)]
    CreateBucket(#[n(0)] NewBucket),
    /// Begins a change of a bucket's tablets, unless one is under way.
    #[n(6)]
    BeginChange {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        kind: Box<ChangeKind>,
    },
    /// Decides that a change is done.
    #[n(7)]
    CommitChange {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The change.
        #[n(1)]
        change: ChangeId,
    },
    /// Decides that a deletion is not done, unless it was decided otherwise.
    #[n(8)]
    CancelChange {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The change.
        #[n(1)]
        change: ChangeId,
    },
    /// Forgets a change that is decided and whose steps are all taken; and its bucket, if it was
    /// the bucket's deletion.
    #[n(9)]
    EndChange {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// The change.
        #[n(1)]
        change: ChangeId,
    },
    /// Changes a bucket. The outcome is [`SystemOutcome::BucketConfigured`].
    #[n(11)]
    ConfigureBucket {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to change.
        #[n(1)]
        change: BucketChange,
    },
    /// See [`RecoverBucket`]. The outcome is that of [`SystemCommand::CreateBucket`], of a bucket
    /// that has the number or the name.
    #[n(10)]
    RecoverBucket(#[n(0)] RecoverBucket),
    /// See [`TurnStep`]. The outcome is [`SystemOutcome::LifecycleTurn`].
    #[n(40)]
    LifecycleTurn {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// Who asks.
        #[n(1)]
        worker: RequestId,
        /// What it does.
        #[n(2)]
        step: TurnStep,
    },
}

/// Outcomes of the control group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum SystemOutcome {
    /// The cluster exists, by this or an earlier call with the same id.
    #[n(0)]
    Bootstrapped,
    /// The cluster was bootstrapped under another id.
    #[n(1)]
    OtherCluster {
        /// The id it has.
        #[n(0)]
        cluster: ClusterId,
    },
    /// Nothing can be done before bootstrap.
    #[n(2)]
    NotBootstrapped,
    /// The layout was replaced.
    #[n(3)]
    LayoutStored,
    /// The layout was not replaced: it does not follow the present one.
    #[n(4)]
    LayoutConflict {
        /// Epoch of the present layout.
        #[n(0)]
        current: Epoch,
    },
    /// What became of a change of an identity.
    #[n(5)]
    Identity(#[n(0)] IdentityOutcome),
    /// The bucket was made.
    #[n(7)]
    BucketCreated {
        /// Its record.
        #[n(0)]
        bucket: Bucket,
    },
    /// The name is taken.
    #[n(8)]
    BucketExists {
        /// By this bucket.
        #[n(0)]
        bucket: Bucket,
    },
    /// The change that is under way in the bucket now, if there is one.
    #[n(10)]
    Change(#[n(0)] Option<Box<Change>>),
    /// The change does not fit the bucket as it is, or there is no such bucket.
    #[n(11)]
    ChangeUnfit,
    /// The bucket as it is now. None: there is no such bucket.
    #[n(12)]
    BucketConfigured(#[n(0)] Option<Box<Bucket>>),
    /// The bucket's turn after the step. None: it is not the worker's to take, or the bucket has no
    /// rules. Nothing was done.
    #[n(40)]
    LifecycleTurn(#[n(0)] Option<Box<LifecycleTurn>>),
}

/// Commands of a key group. `bucket` is the number of the bucket whose tablet is meant.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum KeyCommand {
    /// Makes the tablet of a new bucket. Changes nothing where the group has, or ever had, a tablet
    /// of the bucket.
    #[n(0)]
    OpenTablet {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
    },
    /// See [`PutObject`].
    #[n(3)]
    PutObject {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        put: Box<PutObject>,
    },
    /// See [`DeleteObject`].
    #[n(4)]
    DeleteObject {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        delete: Box<DeleteObject>,
    },
    /// See [`CreateUpload`].
    #[n(5)]
    CreateUpload {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        create: Box<CreateUpload>,
    },
    /// See [`PutPart`].
    #[n(6)]
    PutPart {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        put: Box<PutPart>,
    },
    /// See [`CompleteUpload`].
    #[n(7)]
    CompleteUpload {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        complete: Box<CompleteUpload>,
    },
    /// Ends an upload and collects its parts.
    #[n(8)]
    AbortUpload {
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
    /// Rules out that a blob which was never committed is committed from now on.
    #[n(9)]
    AbortBlob {
        /// The blob.
        #[n(0)]
        blob: BlobId,
        /// The bucket that it was uploaded for.
        #[n(1)]
        bucket: BucketId,
        /// The key that it was uploaded for: its tablet decides.
        #[n(2)]
        key: ObjectKey,
    },
    /// Strikes shards that are durable by now, or whose blob is gone.
    #[n(10)]
    RepayDebts {
        /// What is owed no more.
        #[n(0)]
        debts: Vec<Debt>,
    },
    /// Forgets garbage whose shards are removed wherever they could be, and notes where not.
    #[n(11)]
    DropGarbage {
        /// The entries.
        #[n(0)]
        collected: Vec<Collected>,
    },
    /// A step of a change of a bucket's tablets. A step that does not fit the tablet as it is, or
    /// was taken already, changes nothing; the outcome shows the tablet.
    #[n(12)]
    Tablet {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// First key of the tablet.
        #[n(1)]
        start: ObjectKey,
        /// The change. Where a newer one touched the tablet, nothing is done.
        #[n(2)]
        change: ChangeId,
        /// The step.
        #[n(3)]
        step: TabletStep,
    },
    /// See [`RecoverTablet`]. The outcome shows the tablet, or one that is in its place.
    #[n(13)]
    RecoverTablet(#[n(0)] RecoverTablet),
    /// See [`RecoverObject`].
    #[n(14)]
    RecoverObject {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        recover: Box<RecoverObject>,
    },
    /// See [`AlterVersion`].
    #[n(17)]
    AlterVersion {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        alter: Box<AlterVersion>,
    },
    /// Strikes removals that their disks have done.
    #[n(15)]
    StrikeRemovals {
        /// What is removed by now.
        #[n(0)]
        removals: Vec<Removal>,
    },
    /// Notes shards that a disk should hold and does not. One whose blob is not live here is passed
    /// over.
    #[n(16)]
    OweShards {
        /// What is owed from now on.
        #[n(0)]
        debts: Vec<Debt>,
    },
    /// A change of an object, of which others are to be told. The outcome is the change's.
    #[n(18)]
    Told {
        /// The change.
        #[n(0)]
        command: Box<KeyCommand>,
        /// Who is to be told of what.
        #[n(1)]
        notices: Notices,
    },
    /// See [`HoldEvents`].
    #[n(19)]
    HoldEvents(#[n(0)] HoldEvents),
    /// Forgets events that were told.
    #[n(20)]
    DropEvents {
        /// The target.
        #[n(0)]
        target: String,
        /// Their numbers.
        #[n(1)]
        numbers: Vec<u64>,
    },
    /// See [`ApplyRule`]. The outcome is that of a deletion or alteration; where the version is not
    /// as it was seen, [`KeyOutcome::PreconditionFailed`].
    #[n(40)]
    ApplyRule {
        /// The bucket.
        #[n(0)]
        bucket: BucketId,
        /// What to do.
        #[n(1)]
        rule: Box<ApplyRule>,
    },
}

/// Garbage whose shards were removed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Collected {
    /// The entry, as the garbage query lists it.
    #[n(0)]
    pub entry: GarbageKey,
    /// The disks that could not be reached and may still hold shards.
    #[n(1)]
    pub left_at: Vec<DiskId>,
}

/// Names an entry of the garbage queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GarbageKey {
    /// Since when nothing names it, ms since 1970.
    #[n(0)]
    pub since_ms: u64,
    /// The blob.
    #[n(1)]
    pub blob: BlobId,
}

impl From<&Garbage> for GarbageKey {
    fn from(entry: &Garbage) -> Self {
        Self {
            since_ms: entry.since_ms,
            blob: entry.blob.id,
        }
    }
}

/// Outcomes of a key group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum KeyOutcome {
    /// The tablet is open.
    #[n(0)]
    TabletOpen,
    /// The tablet is sealed.
    #[n(1)]
    TabletSealed,
    /// The tablet holds objects: it was not sealed.
    #[n(2)]
    TabletNotEmpty,
    /// The group has no tablet of that bucket and key.
    #[n(3)]
    NoTablet,
    /// The sealed or moved tablet was swept.
    #[n(4)]
    Swept {
        /// Whether nothing is left in it.
        #[n(0)]
        clean: bool,
    },
    /// The object was stored.
    #[n(5)]
    Stored(#[n(0)] Stored),
    /// The object or version was removed or hidden, or wasn't there.
    #[n(6)]
    Deleted(#[n(0)] Deleted),
    /// The upload began.
    #[n(7)]
    UploadCreated {
        /// When, ms since 1970.
        #[n(0)]
        initiated_ms: u64,
    },
    /// The part was stored.
    #[n(8)]
    PartStored {
        /// When, ms since 1970.
        #[n(0)]
        modified_ms: u64,
    },
    /// The upload became an object, by this or an earlier call.
    #[n(9)]
    UploadCompleted {
        /// The object's order and time.
        #[n(0)]
        stored: Stored,
        /// The object's tag.
        #[n(1)]
        etag: ETag,
        /// The object's checksums.
        #[n(2)]
        checksums: Vec<Checksum>,
    },
    /// The upload ended and its parts are garbage.
    #[n(10)]
    UploadAborted,
    /// `If-Match` on a key that has no object.
    #[n(11)]
    NoSuchKey,
    /// A precondition does not hold.
    #[n(12)]
    PreconditionFailed,
    /// No such upload in progress.
    #[n(13)]
    NoSuchUpload,
    /// A listed part doesn't exist, or its tag or checksum differs; or a part's number is not
    /// one of 1 to [`crate::limits::PARTS`].
    #[n(14)]
    InvalidPart {
        /// The part's number.
        #[n(0)]
        number: u32,
    },
    /// The listed parts are not in ascending order, or none is listed.
    #[n(15)]
    InvalidPartOrder,
    /// A part that is not the last is smaller than [`crate::limits::PART_MIN_BYTES`].
    #[n(16)]
    EntityTooSmall {
        /// The part's number.
        #[n(0)]
        number: u32,
        /// Its length, bytes.
        #[n(1)]
        size_bytes: u64,
    },
    /// The parts do not add up to the size announced.
    #[n(17)]
    SizeMismatch {
        /// What they add up to, bytes.
        #[n(0)]
        size_bytes: u64,
    },
    /// A blob named by the command was aborted, is too old, or is committed already.
    #[n(18)]
    BlobRefused {
        /// The blob.
        #[n(0)]
        blob: BlobId,
    },
    /// No commit of the blob can succeed from now on: its shards may be removed.
    #[n(19)]
    BlobAborted,
    /// The blob is committed: its shards must stay.
    #[n(20)]
    BlobCommitted,
    /// The debts named are struck.
    #[n(21)]
    DebtsRepaid,
    /// The garbage named is forgotten.
    #[n(22)]
    GarbageDropped,
    /// A change of the bucket's tablets is under way: the tablet can't take this now. Nothing was
    /// done; come again.
    #[n(23)]
    TabletBusy,
    /// Another group has the tablet now. Nothing was done; go there.
    #[n(24)]
    TabletMoved {
        /// The group.
        #[n(0)]
        to: GroupId,
    },
    /// The tablet after a step of a change.
    #[n(25)]
    Tablet(#[n(0)] Box<Tablet>),
    /// The records are none of the tablet's: nothing was stored.
    #[n(26)]
    ForeignRecords,
    /// The removals named are struck.
    #[n(27)]
    RemovalsStruck,
    /// What is owed of live blobs is noted.
    #[n(28)]
    ShardsOwed {
        /// Debts that were not known before.
        #[n(0)]
        added: u64,
    },
    /// The version is locked: nothing was done.
    #[n(29)]
    Locked,
    /// No such version of the key.
    #[n(30)]
    NoSuchVersion,
    /// The version is a delete marker, which has nothing to change.
    #[n(31)]
    IsMarker,
    /// The version was altered.
    #[n(32)]
    Altered {
        /// Its name.
        #[n(0)]
        version: VersionName,
    },
    /// Whether the queue of events is the asker's.
    #[n(33)]
    EventsHeld {
        /// It is; else it is another's, or there is none.
        #[n(0)]
        granted: bool,
    },
    /// The events named are forgotten.
    #[n(34)]
    EventsDropped,
}

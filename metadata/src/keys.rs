//! Where records are stored: keys whose byte order is the order of what they name.
//!
//! ```text
//! header                                   01
//! tablet         10 | bucket 8 | 00 | end e                (01 instead of 00 and end: no end)
//! current head   20 | bucket 8 | key e
//! version head   21 | bucket 8 | key e | !sequence 8
//! body           22 | bucket 8 | key e | !sequence 8
//! upload         30 | bucket 8 | key e | upload 16
//! part           31 | bucket 8 | key e | upload 16 | number 4
//! completed      32 | upload 16
//! completed fifo 33 | count 8                             -> upload
//! garbage        40 | since 8 | blob 16
//! blob           41 | blob 16
//! tombstone      42 | blob 16
//! debt           50 | disk 16 | blob 16 | seq 4 | index 1
//! event          52 | target e | number 8
//! event queue    53 | target
//! outcome        60 | request 16
//! outcome fifo   61 | count 8                             -> request, time
//! bucket         70 | name                                (control group, as all below)
//! bucket name    71 | bucket 8                            -> name
//! owned bucket   72 | owner e | name                      -> nothing
//! identity       73 | kind 1 | tenant e | name
//! cluster        74
//! tablet change  75 | bucket 8
//! document       76 | bucket 8 | kind 1
//! identity alias 77 | kind 1 | text                      -> identity's name
//! layout change  7b | !epoch 8
//! lifecycle turn 7c | bucket 8
//! ```
//!
//! A tablet is found by its end: the first one that ends after a key is the only one that can hold
//! it, one seek however many tablets there are.
//!
//! Integers are big-endian; `!sequence` is the complement, so the newest comes first. `e` marks an
//! escaped string: 00 becomes `00 FF`, and `00 01` ends it. A string therefore sorts before every
//! longer one it begins, whatever follows in the key, and the escaped form of a prefix is a prefix
//! of the escaped form.

use crate::id::{BlobId, BucketId, DiskId, Epoch, RequestId, UploadId};
use crate::record::{
    Debt, DocumentKind, IdentityAlias, IdentityKind, IdentityName, KeyRange, Removal,
};

/// First byte of a key: what kind of record it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// Counters and the applied index.
    Header = 0x01,
    /// Ranges of buckets that the group holds.
    Tablet = 0x10,
    /// Heads of current versions.
    Current = 0x20,
    /// Heads of older versions and delete markers.
    Version = 0x21,
    /// Bodies of all versions.
    Body = 0x22,
    /// Uploads in progress.
    Upload = 0x30,
    /// Their parts.
    Part = 0x31,
    /// Completed uploads.
    Completed = 0x32,
    /// The same in order of completion.
    CompletedOrder = 0x33,
    /// Blobs to be collected.
    Garbage = 0x40,
    /// Committed blobs.
    Blob = 0x41,
    /// Blobs that must not be committed.
    Tombstone = 0x42,
    /// Shards owed.
    Debt = 0x50,
    /// Blobs whose shards a disk has yet to remove.
    Removal = 0x51,
    /// Events that wait to be told.
    Event = 0x52,
    /// How many do, for each target.
    EventQueue = 0x53,
    /// Remembered outcomes.
    Outcome = 0x60,
    /// The same in order of application.
    OutcomeOrder = 0x61,
    /// Buckets by name.
    Bucket = 0x70,
    /// Names of buckets by number.
    BucketName = 0x71,
    /// Names of buckets by owner.
    OwnedBucket = 0x72,
    /// Tenants, users, groups, roles, policies, providers, access keys.
    Identity = 0x73,
    /// The cluster's id, layout and number of groups.
    Cluster = 0x74,
    /// Changes of buckets' tablets that are under way.
    Change = 0x75,
    /// Documents of buckets.
    Document = 0x76,
    /// Other ways to find identities.
    IdentityAlias = 0x77,
    /// What made each layout of the one before.
    LayoutChange = 0x7B,
    /// Who goes through buckets by their lifecycles, and how far.
    LifecycleTurn = 0x7C,
}

impl Family {
    /// All of them, in the order of their first bytes.
    const ALL: [Self; 28] = [
        Self::Header,
        Self::Tablet,
        Self::Current,
        Self::Version,
        Self::Body,
        Self::Upload,
        Self::Part,
        Self::Completed,
        Self::CompletedOrder,
        Self::Garbage,
        Self::Blob,
        Self::Tombstone,
        Self::Debt,
        Self::Removal,
        Self::Event,
        Self::EventQueue,
        Self::Outcome,
        Self::OutcomeOrder,
        Self::Bucket,
        Self::BucketName,
        Self::OwnedBucket,
        Self::Identity,
        Self::Cluster,
        Self::Change,
        Self::Document,
        Self::IdentityAlias,
        Self::LayoutChange,
        Self::LifecycleTurn,
    ];

    /// The family of a stored key, if it is of one.
    pub(crate) fn of(stored: &[u8]) -> Option<Self> {
        let first = *stored.first()?;
        Self::ALL.into_iter().find(|family| *family as u8 == first)
    }
}

/// A key under construction.
struct Builder(Vec<u8>);

impl Builder {
    fn new(family: Family) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(family as u8);
        Self(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Escaped, open-ended: the beginning of every string that begins so.
    fn prefix(mut self, string: &[u8]) -> Self {
        for &byte in string {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
        self
    }

    /// Escaped and ended.
    fn string(self, string: &[u8]) -> Self {
        self.prefix(string).raw(&[0, 1])
    }

    fn bucket(self, bucket: BucketId) -> Self {
        self.raw(&bucket.0.to_be_bytes())
    }
}

/// The escaped string at the beginning of `bytes`, and what follows it. None: it doesn't end.
pub(crate) fn split_string(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut string = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let zero = rest.iter().position(|&byte| byte == 0)?;
        string.extend_from_slice(&rest[..zero]);
        let follows = *rest.get(zero + 1)?;
        rest = &rest[zero + 2..];
        match follows {
            0xFF => string.push(0),
            0x01 => return Some((string, rest)),
            _ => return None,
        }
    }
}

/// The least key above every key that begins with `prefix`. None: there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut bytes = prefix[..=last].to_vec();
    bytes[last] += 1;
    Some(bytes)
}

/// As [`after_prefix`], for prefixes that begin with a family, which always have one.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    after_prefix(prefix).expect("no family is FF")
}

/// Every key of a family begins so.
pub fn family(family: Family) -> Vec<u8> {
    vec![family as u8]
}

/// The group's counters.
pub fn header() -> Vec<u8> {
    family(Family::Header)
}

/// A tablet, by the first key after it; none: it has no end.
pub fn tablet(bucket: BucketId, end: Option<&[u8]>) -> Vec<u8> {
    let key = Builder::new(Family::Tablet).bucket(bucket);
    match end {
        Some(end) => key.raw(&[0]).string(end).0,
        None => key.raw(&[1]).0,
    }
}

/// At or before the tablets that end after `key`, and after all others.
pub(crate) fn tablets_past(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut bytes = tablet(bucket, Some(key));
    bytes.push(0);
    bytes
}

/// Begins the keys of a bucket in a family that sorts by bucket.
pub fn of_bucket(family: Family, bucket: BucketId) -> Vec<u8> {
    Builder::new(family).bucket(bucket).0
}

/// Begins the keys of objects whose key begins with `prefix`.
pub fn of_prefix(family: Family, bucket: BucketId, prefix: &[u8]) -> Vec<u8> {
    Builder::new(family).bucket(bucket).prefix(prefix).0
}

/// Begins the keys of one object: its versions, bodies, uploads; is the key of its current head.
pub fn of_key(family: Family, bucket: BucketId, key: &[u8]) -> Vec<u8> {
    Builder::new(family).bucket(bucket).string(key).0
}

/// The head of the current version.
pub fn current(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    of_key(Family::Current, bucket, key)
}

/// The head of an older version.
pub fn version(bucket: BucketId, key: &[u8], sequence: u64) -> Vec<u8> {
    let key = Builder::new(Family::Version).bucket(bucket).string(key);
    key.raw(&(!sequence).to_be_bytes()).0
}

/// Begins the keys of the heads of a key's older versions.
pub fn versions(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    of_key(Family::Version, bucket, key)
}

/// The body of any version.
pub fn body(bucket: BucketId, key: &[u8], sequence: u64) -> Vec<u8> {
    let key = Builder::new(Family::Body).bucket(bucket).string(key);
    key.raw(&(!sequence).to_be_bytes()).0
}

/// An upload in progress.
pub fn upload(bucket: BucketId, key: &[u8], upload: UploadId) -> Vec<u8> {
    let key = Builder::new(Family::Upload).bucket(bucket).string(key);
    key.raw(&upload.0.to_be_bytes()).0
}

/// Begins the keys of an upload's parts.
pub fn parts(bucket: BucketId, key: &[u8], upload: UploadId) -> Vec<u8> {
    let key = Builder::new(Family::Part).bucket(bucket).string(key);
    key.raw(&upload.0.to_be_bytes()).0
}

/// A part of an upload in progress.
pub fn part(bucket: BucketId, key: &[u8], upload: UploadId, number: u32) -> Vec<u8> {
    let mut bytes = parts(bucket, key, upload);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// A completed upload.
pub fn completed(upload: UploadId) -> Vec<u8> {
    Builder::new(Family::Completed)
        .raw(&upload.0.to_be_bytes())
        .0
}

/// The `count`-th completed upload of the group.
pub fn completed_order(count: u64) -> Vec<u8> {
    Builder::new(Family::CompletedOrder)
        .raw(&count.to_be_bytes())
        .0
}

/// A blob to be collected.
pub fn garbage(since_ms: u64, blob: BlobId) -> Vec<u8> {
    let key = Builder::new(Family::Garbage).raw(&since_ms.to_be_bytes());
    key.raw(&blob.to_bytes()).0
}

/// A committed blob.
pub fn blob(blob: BlobId) -> Vec<u8> {
    Builder::new(Family::Blob).raw(&blob.to_bytes()).0
}

/// A blob that must not be committed.
pub fn tombstone(blob: BlobId) -> Vec<u8> {
    Builder::new(Family::Tombstone).raw(&blob.to_bytes()).0
}

/// Begins the keys of the debts to a disk.
pub fn debts_of(disk: DiskId) -> Vec<u8> {
    Builder::new(Family::Debt).raw(&disk.to_bytes()).0
}

/// A shard owed.
pub fn debt(debt: &Debt) -> Vec<u8> {
    let mut bytes = debts_of(debt.disk);
    bytes.extend_from_slice(&debt.shard.to_bytes());
    bytes
}

/// Begins the keys of what a disk has yet to remove.
pub fn removals_of(disk: DiskId) -> Vec<u8> {
    Builder::new(Family::Removal).raw(&disk.to_bytes()).0
}

/// A blob whose shards a disk has yet to remove.
pub fn removal(removal: &Removal) -> Vec<u8> {
    let mut bytes = removals_of(removal.disk);
    bytes.extend_from_slice(&removal.blob.to_bytes());
    bytes
}

/// Begins the keys of the events that wait for a target.
pub fn events_for(target: &str) -> Vec<u8> {
    Builder::new(Family::Event).string(target.as_bytes()).0
}

/// An event that waits for a target.
pub fn event(target: &str, number: u64) -> Vec<u8> {
    let mut bytes = events_for(target);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// What is known of the events that wait for a target.
pub fn event_queue(target: &str) -> Vec<u8> {
    Builder::new(Family::EventQueue).raw(target.as_bytes()).0
}

/// A remembered outcome.
pub fn outcome(request: RequestId) -> Vec<u8> {
    Builder::new(Family::Outcome).raw(&request.to_bytes()).0
}

/// The `count`-th remembered outcome of the group.
pub fn outcome_order(count: u64) -> Vec<u8> {
    Builder::new(Family::OutcomeOrder)
        .raw(&count.to_be_bytes())
        .0
}

/// A bucket by name.
pub fn bucket(name: &str) -> Vec<u8> {
    Builder::new(Family::Bucket).raw(name.as_bytes()).0
}

/// The name of a bucket.
pub fn bucket_name(id: BucketId) -> Vec<u8> {
    of_bucket(Family::BucketName, id)
}

/// That an owner has a bucket of this name. With an empty name: begins the keys of all of them.
pub fn owned_bucket(owner: &str, name: &str) -> Vec<u8> {
    let key = Builder::new(Family::OwnedBucket).string(owner.as_bytes());
    key.raw(name.as_bytes()).0
}

/// Begins the keys of a tenant's identities of a kind.
pub fn identities(kind: IdentityKind, tenant: &str) -> Vec<u8> {
    let key = Builder::new(Family::Identity).raw(&[kind as u8]);
    key.string(tenant.as_bytes()).0
}

/// An identity. Where people choose the name, the case of its letters makes no difference.
pub fn identity(name: &IdentityName) -> Vec<u8> {
    let mut bytes = identities(name.kind, &name.tenant);
    match name.kind {
        IdentityKind::User | IdentityKind::Group | IdentityKind::Role | IdentityKind::Policy => {
            bytes.extend_from_slice(name.name.to_lowercase().as_bytes());
        }
        IdentityKind::Tenant | IdentityKind::Provider | IdentityKind::Key => {
            bytes.extend_from_slice(name.name.as_bytes());
        }
    }
    bytes
}

/// Another way to find an identity.
pub fn identity_alias(alias: &IdentityAlias) -> Vec<u8> {
    let (kind, text) = match alias {
        IdentityAlias::TenantName(text) => (0, text),
        IdentityAlias::CanonicalId(text) => (1, text),
        IdentityAlias::Email(text) => (2, text),
        IdentityAlias::Id(text) => (3, text),
        IdentityAlias::KeyId(text) => (4, text),
    };
    let key = Builder::new(Family::IdentityAlias).raw(&[kind]);
    key.raw(text.as_bytes()).0
}

/// The cluster's id, layout and number of groups.
pub fn cluster() -> Vec<u8> {
    family(Family::Cluster)
}

/// What made the layout of that epoch; the newest come first.
pub fn layout_change(epoch: Epoch) -> Vec<u8> {
    let key = Builder::new(Family::LayoutChange);
    key.raw(&(!epoch.0).to_be_bytes()).0
}

/// The change of a bucket's tablets that is under way.
pub fn change(bucket: BucketId) -> Vec<u8> {
    of_bucket(Family::Change, bucket)
}

/// Begins the keys of a bucket's documents.
pub fn documents(bucket: BucketId) -> Vec<u8> {
    of_bucket(Family::Document, bucket)
}

/// A document of a bucket.
pub fn document(bucket: BucketId, kind: DocumentKind) -> Vec<u8> {
    let mut bytes = documents(bucket);
    bytes.push(kind as u8);
    bytes
}

/// How far the lifecycle of a bucket is.
pub fn lifecycle_turn(bucket: BucketId) -> Vec<u8> {
    of_bucket(Family::LifecycleTurn, bucket)
}

/// The stored keys of a range of objects, in a family that sorts by bucket and key.
pub(crate) fn of_range(family: Family, bucket: BucketId, range: &KeyRange) -> (Vec<u8>, Vec<u8>) {
    let from = of_prefix(family, bucket, range.start.as_bytes());
    let to = match &range.end {
        Some(end) => of_prefix(family, bucket, end.as_bytes()),
        None => end_of(&of_bucket(family, bucket)),
    };
    (from, to)
}

/// The bucket in a stored key of a family that sorts by bucket.
pub(crate) fn bucket_in(stored: &[u8]) -> Option<BucketId> {
    let (bucket, _) = stored.get(1..)?.split_first_chunk::<8>()?;
    Some(BucketId(u64::from_be_bytes(*bucket)))
}

/// The object key in a stored key of a family that sorts by bucket and key, and what follows it.
pub(crate) fn object_key(stored: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    split_string(stored.get(9..)?)
}

/// The debt that a stored key of that family names.
pub(crate) fn parse_debt(stored: &[u8]) -> Option<Debt> {
    let (disk, shard) = stored.get(1..)?.split_first_chunk::<16>()?;
    Some(Debt {
        disk: DiskId::from_bytes(*disk),
        shard: crate::id::ShardId::from_bytes(shard.try_into().ok()?),
    })
}

/// The target and number of the event that a stored key of that family names.
pub(crate) fn parse_event(stored: &[u8]) -> Option<(String, u64)> {
    let (target, number) = split_string(stored.get(1..)?)?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    Some((String::from_utf8(target).ok()?, number))
}

/// The target whose queue a stored key of that family names.
pub(crate) fn parse_event_queue(stored: &[u8]) -> Option<String> {
    String::from_utf8(stored.get(1..)?.to_vec()).ok()
}

/// The removal that a stored key of that family names.
pub(crate) fn parse_removal(stored: &[u8]) -> Option<Removal> {
    let (disk, blob) = stored.get(1..)?.split_first_chunk::<16>()?;
    Some(Removal {
        disk: DiskId::from_bytes(*disk),
        blob: BlobId::from_bytes(blob.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that meet the escape's corners often.
    fn key_bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(0u8), Just(1), Just(0xFE), Just(0xFF), any::<u8>()],
            0..8,
        )
    }

    fn bucket_id() -> impl Strategy<Value = BucketId> {
        prop_oneof![0u64..3, any::<u64>()].prop_map(BucketId)
    }

    proptest! {
        #[test]
        fn order_is_that_of_what_is_named(
            (bucket_a, key_a, seq_a) in (bucket_id(), key_bytes(), any::<u64>()),
            (bucket_b, key_b, seq_b) in (bucket_id(), key_bytes(), any::<u64>()),
        ) {
            let named_a = (bucket_a, key_a.as_slice());
            let named_b = (bucket_b, key_b.as_slice());
            prop_assert_eq!(
                current(bucket_a, &key_a).cmp(&current(bucket_b, &key_b)),
                named_a.cmp(&named_b)
            );
            prop_assert_eq!(
                version(bucket_a, &key_a, seq_a).cmp(&version(bucket_b, &key_b, seq_b)),
                (named_a, std::cmp::Reverse(seq_a)).cmp(&(named_b, std::cmp::Reverse(seq_b)))
            );
            prop_assert_eq!(
                part(bucket_a, &key_a, UploadId(seq_a.into()), 1)
                    .cmp(&part(bucket_b, &key_b, UploadId(seq_b.into()), 1)),
                (named_a, seq_a).cmp(&(named_b, seq_b))
            );
        }

        #[test]
        fn families_never_mix(bucket in bucket_id(), key in key_bytes(), seq in any::<u64>()) {
            prop_assert!(current(bucket, &key) < version(bucket, &key, seq));
            prop_assert!(version(bucket, &key, seq) < body(bucket, &key, seq));
            prop_assert!(tablet(bucket, Some(&key)) < tablet(bucket, None));
            prop_assert!(tablet(bucket, None) < family(Family::Current));
        }

        #[test]
        fn keys_read_back(bucket in bucket_id(), key in key_bytes(), seq in any::<u64>()) {
            let stored = version(bucket, &key, seq);
            let (read, rest) = object_key(&stored).unwrap();
            prop_assert_eq!(read, key);
            prop_assert_eq!(rest, &(!seq).to_be_bytes()[..]);
        }

        #[test]
        fn a_tablet_is_found_by_its_end(
            bucket in bucket_id(), key in key_bytes(), end in key_bytes(),
        ) {
            let past = tablets_past(bucket, &key);
            prop_assert_eq!(tablet(bucket, Some(&end)) >= past, end > key);
            prop_assert!(tablet(bucket, None) >= past);
        }

        #[test]
        fn prefixes_bound_what_begins_with_them(
            bucket in bucket_id(), prefix in key_bytes(), key in key_bytes(),
        ) {
            let from = of_prefix(Family::Current, bucket, &prefix);
            let to = end_of(&from);
            let stored = current(bucket, &key);
            prop_assert_eq!(from <= stored && stored < to, key.starts_with(&prefix));
        }
    }
}

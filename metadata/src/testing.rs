//! What this crate's tests share: short ways to make records and layouts.

use bytes::Bytes;
use riquet_cluster::layout::{Layout, Migration};
use riquet_cluster::profile::ProfileId;

use crate::command::{Command, KeyCommand, Preconditions, Proposal, PutObject};
use crate::id::{BlobId, BucketId, ClusterId, Epoch, ObjectKey, RequestId, UploadId};
use crate::record::{
    BlobRef, Content, ETag, EpochRun, Identity, ObjectBody, ObjectVersion, Part, StorageClass,
    Tenant, Upload, Versioning,
};

/// The time at which tests begin, ms since 1970.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

pub(crate) fn layout(epoch: u64) -> Layout {
    Layout {
        cluster: ClusterId::from_u128(1),
        epoch: Epoch(epoch),
        sites: Vec::new(),
        nodes: Vec::new(),
        disks: Vec::new(),
        profiles: Vec::new(),
        tables: Vec::new(),
        standard: ProfileId(0),
        one_zone: Vec::new(),
        migration: Migration::default(),
        change: None,
    }
}

pub(crate) fn tenant(name: &str) -> Identity {
    Identity::Tenant(Tenant {
        id: format!("id-{name}"),
        name: name.to_owned(),
        namespace: name.to_owned(),
        display_name: name.to_owned(),
        email: None,
        created_ms: START_MS,
    })
}

/// A blob made `after_ms` after [`START_MS`], the `n`-th of its moment.
pub(crate) fn blob_id(after_ms: u64, n: u64) -> BlobId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    BlobId::new(START_MS + after_ms, random)
}

pub(crate) fn blob(n: u64, length_bytes: u64) -> BlobRef {
    BlobRef {
        id: blob_id(0, n),
        length_bytes,
        profile: ProfileId(0),
        chunk_size_bytes: 64 << 20,
        epochs: vec![EpochRun {
            first_seq: 0,
            epoch: Epoch(1),
        }],
    }
}

pub(crate) fn etag(n: u8) -> ETag {
    ETag::whole([n; 16])
}

pub(crate) fn version(etag: ETag, content: Content) -> ObjectVersion {
    let body = ObjectBody::of(content);
    ObjectVersion::proposed(etag, StorageClass::Standard, "owner".to_owned(), body)
}

pub(crate) fn inline(text: &'static str) -> Content {
    Content::Inline(Bytes::from_static(text.as_bytes()))
}

pub(crate) fn put(key: &str, tag: u8, content: Content) -> PutObject {
    PutObject {
        key: ObjectKey::from(key),
        version: version(etag(tag), content),
        preconditions: Preconditions::default(),
        debts: Vec::new(),
        versioning: Versioning::Never,
    }
}

pub(crate) fn part(number: u32, tag: u8, content: Content) -> Part {
    Part {
        number,
        size_bytes: content.size_bytes(),
        etag: etag(tag),
        checksums: Vec::new(),
        content,
        modified_ms: 0,
        salt: None,
    }
}

pub(crate) fn proposal(request: u128, timestamp_ms: u64, command: KeyCommand) -> Proposal {
    Proposal {
        request: RequestId::from_u128(request),
        timestamp_ms,
        command: Command::Keys(command),
    }
}

pub(crate) fn open_tablet(bucket: BucketId) -> KeyCommand {
    KeyCommand::OpenTablet { bucket }
}

pub(crate) fn put_command(bucket: BucketId, put: PutObject) -> KeyCommand {
    KeyCommand::PutObject {
        bucket,
        put: Box::new(put),
    }
}

pub(crate) fn upload(id: UploadId) -> Upload {
    Upload::plain(id, StorageClass::Standard, "owner".to_owned())
}

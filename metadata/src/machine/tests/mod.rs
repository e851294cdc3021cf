//! The state machines against a model, and the rules that a model would only repeat.

mod blobs;
mod buckets;
mod events;
mod identities;
mod lifecycle;
mod objects;
mod retries;
mod tablets;
mod turns;
mod uploads;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::command::*;
use crate::id::{BlobId, BucketId, ChangeId, DiskId, ObjectKey, RequestId, ShardId, UploadId};
use crate::limits::{BLOB_COMMIT_WINDOW_MS, DEDUP_MS, PART_MIN_BYTES};
use crate::query::*;
use crate::record::{
    BlobState, Bucket, Change, ChangeKind, ChangePhase, Content, CopyPosition, Debt, ETag,
    KeyRange, Removal, Tablet, TabletSize, TabletState, Versioning,
};
use crate::store::MemoryStore;
use crate::testing::*;

const BUCKET: BucketId = BucketId(7);

/// One group in memory.
struct Machine {
    group: GroupId,
    store: MemoryStore,
    index: u64,
    requests: u128,
    now_ms: u64,
}

impl Machine {
    fn system() -> Self {
        Self {
            group: GroupId::SYSTEM,
            store: MemoryStore::default(),
            index: 0,
            requests: 0,
            now_ms: START_MS,
        }
    }

    fn keys() -> Self {
        let mut machine = Self {
            group: GroupId(1),
            ..Self::system()
        };
        assert_eq!(machine.run(open_tablet(BUCKET)), KeyOutcome::TabletOpen);
        machine
    }

    fn apply(&mut self, proposal: &Proposal) -> Outcome {
        self.index += 1;
        let before = self.store.snapshot();
        let mut batch = Batch::begin(self.group, &before).unwrap();
        let outcome = batch.apply(self.index, proposal).unwrap();
        let changes = batch.finish();
        self.store.commit(changes);
        outcome
    }

    fn run(&mut self, command: KeyCommand) -> KeyOutcome {
        self.requests += 1;
        let proposal = proposal(self.requests, self.now_ms, command);
        match self.apply(&proposal) {
            Outcome::Keys(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn run_system(&mut self, command: SystemCommand) -> SystemOutcome {
        self.requests += 1;
        let proposal = Proposal {
            request: RequestId::from_u128(self.requests),
            timestamp_ms: self.now_ms,
            command: Command::System(command),
        };
        match self.apply(&proposal) {
            Outcome::System(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&self, query: KeyQuery) -> KeyAnswer {
        let view = self.store.snapshot();
        match crate::read::answer(self.group, &view, &Query::Keys(query)).unwrap() {
            Answer::Keys(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// A page within the tablets of the group that follow each other without a gap.
    fn list(&self, list: &ListRequest) -> ListPage {
        let Some(list) = list.range() else {
            return ListPage::default();
        };
        match self.ask(KeyQuery::ListObjects {
            bucket: BUCKET,
            list,
        }) {
            KeyAnswer::Objects { page, rest: None } => page,
            other => panic!("{other:?}"),
        }
    }

    /// Takes a step of a change; the tablet after it.
    fn step(&mut self, start: &str, change: u64, step: TabletStep) -> Tablet {
        match self.run(step_of(start, change, step)) {
            KeyOutcome::Tablet(tablet) => *tablet,
            other => panic!("{other:?}"),
        }
    }

    fn delete(&mut self, key: &str) -> KeyOutcome {
        self.run(KeyCommand::DeleteObject {
            bucket: BUCKET,
            delete: Box::new(DeleteObject::of_key(key.into())),
        })
    }

    fn put(&mut self, put: PutObject) -> KeyOutcome {
        self.run(put_command(BUCKET, put))
    }

    fn put_part(&mut self, upload: UploadId, part: crate::record::Part) -> KeyOutcome {
        self.run(KeyCommand::PutPart {
            bucket: BUCKET,
            put: Box::new(PutPart {
                key: "k".into(),
                upload,
                part,
                debts: Vec::new(),
            }),
        })
    }

    fn complete(&mut self, upload: UploadId, parts: &[(u32, u8)]) -> KeyOutcome {
        self.run(KeyCommand::CompleteUpload {
            bucket: BUCKET,
            complete: Box::new(completion(upload, parts)),
        })
    }

    fn garbage(&self) -> BTreeSet<BlobId> {
        let query = KeyQuery::ListGarbage {
            before_ms: u64::MAX,
            after: None,
            max: 1000,
        };
        match self.ask(query) {
            KeyAnswer::Garbage { entries, .. } => entries.iter().map(|e| e.blob.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn begin_upload(&mut self, id: u128) -> UploadId {
        let id = UploadId(id);
        let created = self.run(KeyCommand::CreateUpload {
            bucket: BUCKET,
            create: Box::new(CreateUpload {
                key: "k".into(),
                upload: upload(id),
            }),
        });
        assert!(matches!(created, KeyOutcome::UploadCreated { .. }));
        id
    }
}

fn abort(blob: BlobId) -> KeyCommand {
    KeyCommand::AbortBlob {
        blob,
        bucket: BUCKET,
        key: "k".into(),
    }
}

fn step_of(start: &str, change: u64, step: TabletStep) -> KeyCommand {
    KeyCommand::Tablet {
        bucket: BUCKET,
        start: start.into(),
        change: ChangeId(change),
        step,
    }
}

fn completion(upload: UploadId, parts: &[(u32, u8)]) -> CompleteUpload {
    CompleteUpload {
        key: "k".into(),
        upload,
        parts: parts
            .iter()
            .map(|&(number, tag)| CompletePart {
                number,
                etag: etag(tag),
                checksum: None,
            })
            .collect(),
        etag: ETag {
            md5: [9; 16],
            parts: Some(parts.len() as u32),
        },
        checksums: Vec::new(),
        size_bytes: None,
        preconditions: Preconditions::default(),
        versioning: Versioning::Never,
    }
}

fn blobs(n: u64, length_bytes: u64) -> Content {
    Content::Blobs(vec![blob(n, length_bytes)])
}

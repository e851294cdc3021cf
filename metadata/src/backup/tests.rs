//! Backups of clusters in memory: made, restored, interrupted, refused.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::Notify;

use super::*;
use crate::client::{CallFuture, Caller, Client, LocalCaller, NoAnswer, OpenFuture};
use crate::codec::Record;
use crate::command::{Command, DeleteObject, KeyCommand, Proposal};
use crate::id::{BlobId, ClusterId, RequestId, UploadId};
use crate::query::{Answer, KeyQuery, ListRequest, Query};
use crate::record::{BlobRef, ChangeKind, Content, KeyRange};
use crate::testing::{START_MS, blob, inline, layout, part, put, tenant, upload};
use crate::wire::{EXPORT_PATH, ExportRequest, QUERY_PATH, QueryRequest, Refusal};
use crate::{MemoryReplica, MetadataService, Replica, contract};

const GROUPS: u32 = 3;
const BUCKETS: usize = 5;

struct Cluster {
    replica: Arc<MemoryReplica>,
    client: Client,
}

impl Cluster {
    /// Voters that nothing was told yet.
    fn new() -> Self {
        let replica = Arc::new(MemoryReplica::new(GROUPS));
        let client = client(LocalCaller::new(MetadataService::new(replica.clone())));
        Self { replica, client }
    }

    async fn bootstrapped() -> Self {
        let cluster = Self::new();
        cluster.bootstrap(1).await;
        cluster
    }

    async fn bootstrap(&self, id: u128) {
        self.client
            .bootstrap(
                ClusterId::from_u128(id),
                layout(1),
                vec![tenant("root")],
                GROUPS,
            )
            .await
            .unwrap();
    }

    /// Buckets with objects of all kinds, replaced, deleted, in a split and moved tablet.
    async fn filled() -> Self {
        let cluster = Self::bootstrapped().await;
        let client = &cluster.client;
        let mut next_blob = 0u8;
        let mut blobs = |bytes| {
            next_blob += 1;
            let mut random = [0; 10];
            random[9] = next_blob;
            // Younger than what may still be committed, by the real clock.
            let id = BlobId::new(crate::clock::now_ms(), random);
            Content::Blobs(vec![BlobRef {
                id,
                ..blob(0, bytes)
            }])
        };
        for n in 0..BUCKETS {
            let bucket = contract::new_bucket(client, &format!("bucket-{n}")).await;
            for (key, tag) in [
                ("a", 1),
                ("b\0\u{1}", 2),
                ("\u{e9}/x", 3),
                ("a", 4),
                ("gone", 5),
            ] {
                let content = match tag % 2 {
                    0 => inline("text"),
                    _ => blobs(100_000),
                };
                client
                    .put_object(&bucket, put(key, tag, content))
                    .await
                    .unwrap();
            }
            client
                .delete_object(&bucket, DeleteObject::of_key("gone".into()))
                .await
                .unwrap();
            let upload = upload(UploadId(n as u128 + 1));
            let id = upload.id;
            let create = crate::command::CreateUpload {
                key: "u".into(),
                upload,
            };
            client.create_upload(&bucket, create).await.unwrap();
            let put = crate::command::PutPart {
                key: "u".into(),
                upload: id,
                part: part(1, 9, blobs(6 << 20)),
                debts: Vec::new(),
            };
            client.put_part(&bucket, put).await.unwrap();
        }
        let bucket = client.bucket_now("bucket-0").await.unwrap();
        let whole = KeyRange::default();
        client
            .split_tablet(&bucket, &whole, "b".into())
            .await
            .unwrap();
        let bucket = client.bucket_now("bucket-0").await.unwrap();
        let upper = bucket.range_at(1);
        let to = GroupId(1 + bucket.tablets[1].group.0 % GROUPS);
        client.move_tablet(&bucket, &upper, to).await.unwrap();
        assert_eq!(
            client.bucket_now("bucket-0").await.unwrap().tablets[1].group,
            to
        );
        cluster
    }

    async fn export(&self) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        export(&self.client, "test", &mut file).await.unwrap();
        file.into_inner()
    }

    async fn import(&self, file: &[u8]) -> Result<Summary, BackupError> {
        import(&self.client, &mut Cursor::new(file), |_| {}).await
    }

    /// All records but those that say how far the log is.
    async fn records(&self) -> Vec<Vec<crate::command::RawRecord>> {
        let mut groups = Vec::new();
        for group in 0..=GROUPS {
            let mut records = Vec::new();
            let mut blocks = self.replica.export(GroupId(group)).await.unwrap();
            while let Some(block) = blocks.recv().await {
                records.extend(blocks::records(&block.unwrap()).unwrap());
            }
            records.retain(|record| record.key != crate::keys::header());
            groups.push(records);
        }
        groups
    }

    async fn header(&self, group: GroupId) -> crate::machine::Header {
        let mut blocks = self.replica.export(group).await.unwrap();
        let block = blocks.recv().await.unwrap().unwrap();
        let first = blocks::records(&block).unwrap().remove(0);
        assert_eq!(first.key, crate::keys::header());
        crate::store::decode(&first.key, &first.value).unwrap()
    }
}

fn client(caller: impl Caller + 'static) -> Client {
    Client::with_caller(Arc::new(caller), vec!["a".to_owned()])
}

#[tokio::test]
async fn what_was_exported_comes_back() {
    let old = Cluster::filled().await;
    let file = old.export().await;
    let summary = verify(file.as_slice()).unwrap();
    assert_eq!(summary.buckets, BUCKETS as u64);
    assert_eq!(summary.objects, 3 * BUCKETS as u64);
    assert_eq!(summary.uploads, BUCKETS as u64);
    assert_eq!(summary.identities, 1);

    let unknown = Cluster::new();
    let fresh = Cluster::bootstrapped().await;
    for new in [unknown, fresh] {
        assert_eq!(new.import(&file).await.unwrap(), summary);
        assert_eq!(new.records().await, old.records().await);
        for group in 0..=GROUPS {
            let (old, new) = (
                old.header(GroupId(group)).await,
                new.header(GroupId(group)).await,
            );
            assert_eq!(new.sequence, old.sequence);
            assert_eq!(new.outcomes_next, old.outcomes_next);
            assert!(new.clock_ms >= old.clock_ms);
            assert!(new.last_bucket == 0 || new.last_bucket > old.last_bucket);
        }
        // It is in service, and no number is given twice.
        let lists = |client: &Client, bucket| {
            let client = client.clone();
            async move { client.list_objects(bucket, ListRequest::default()).await }
        };
        let bucket = new.client.bucket_now("bucket-0").await.unwrap();
        let present = lists(&new.client, &bucket).await.unwrap();
        assert_eq!(present, lists(&old.client, &bucket).await.unwrap());
        new.client
            .put_object(&bucket, put("new", 7, inline("x")))
            .await
            .unwrap();
        let made = contract::new_bucket(&new.client, "made-later").await;
        assert!(made.id.0 > BUCKETS as u64);
        // Once is enough.
        assert!(matches!(
            new.import(&file).await,
            Err(BackupError::ImportedBefore)
        ));
    }
}

#[tokio::test]
async fn only_a_cluster_that_never_had_a_bucket_is_restored() {
    let file = Cluster::filled().await.export().await;
    let used = Cluster::filled().await;
    let other = Cluster::new();
    other.bootstrap(2).await;
    let newer = Cluster::bootstrapped().await;
    newer.client.put_layout(layout(2)).await.unwrap();
    for (cluster, why) in [(used, "empty"), (other, "of cluster"), (newer, "epoch")] {
        let before = cluster.records().await;
        let error = cluster.import(&file).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(cluster.records().await, before);
        cluster.client.cluster().await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_file_changes_nothing() {
    let mut file = Cluster::filled().await.export().await;
    let cluster = Cluster::new();
    let before = cluster.records().await;
    let middle = file.len() / 2;
    file[middle] ^= 1;
    let damaged = cluster.import(&file).await;
    assert!(matches!(damaged, Err(BackupError::Damaged { .. })));
    file[middle] ^= 1;
    let cut = cluster.import(&file[..file.len() - 1]).await;
    assert!(matches!(cut, Err(BackupError::Truncated)));
    assert_eq!(cluster.records().await, before);
}

/// Lets a number of calls through, and none after them.
struct Mortal {
    inner: LocalCaller,
    left: AtomicI64,
    dead: Arc<Notify>,
}

impl Caller for Mortal {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return self.inner.call(endpoint, path, body);
        }
        self.dead.notify_one();
        Box::pin(std::future::pending::<Result<_, NoAnswer>>())
    }

    fn open<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> OpenFuture<'a> {
        self.inner.open(endpoint, path, body)
    }
}

/// An import that dies after any number of steps leaves groups out of service, and another one
/// completes it: of the same file or, from the beginning, of another.
#[tokio::test]
async fn an_import_that_died_is_run_again() {
    let old = Cluster::filled().await;
    let file = old.export().await;
    // Another moment of the same cluster.
    let bucket = old.client.bucket_now("bucket-1").await.unwrap();
    let older = file.clone();
    old.client
        .put_object(&bucket, put("later", 1, inline("x")))
        .await
        .unwrap();
    let file = [file, old.export().await];
    let mut calls = 0;
    loop {
        let new = Cluster::bootstrapped().await;
        let service = MetadataService::new(new.replica.clone());
        let dead = Arc::new(Notify::new());
        let mortal = client(Mortal {
            inner: LocalCaller::new(service),
            left: AtomicI64::new(calls),
            dead: dead.clone(),
        });
        let mut cursor = Cursor::new(&older);
        tokio::select! {
            done = import(&mortal, &mut cursor, |_| {}) => {
                done.unwrap();
                break;
            }
            () = dead.notified() => {}
        }
        let system = new.client.restore_state(GroupId::SYSTEM).await.unwrap();
        let is_begun = system.is_restoring();
        let again = &file[(calls % 2) as usize];
        match new.import(again).await {
            Ok(_) => {}
            // The last step was taken, and only its answer was lost.
            Err(BackupError::ImportedBefore | BackupError::NotEmpty { .. }) if !is_begun => break,
            Err(error) => panic!("after {calls} calls: {error}"),
        }
        let expected = Cluster::new();
        expected.import(again).await.unwrap();
        assert_eq!(new.records().await, expected.records().await, "{calls}");
        calls += 1;
    }
    assert!(calls > 4 * i64::from(GROUPS), "it took steps: {calls}");
}

/// Commands and queries of a group that is being restored are refused, and nothing of them stays.
#[tokio::test]
async fn a_group_that_is_restored_is_out_of_service() {
    use crate::command::{Outcome, RestoreCommand, RestoreId, RestoreStep};
    let cluster = Cluster::bootstrapped().await;
    let begin = RestoreCommand {
        id: RestoreId([1; 32]),
        step: RestoreStep::Begin {
            cluster: ClusterId::from_u128(1),
            key_groups: GROUPS,
        },
    };
    let group = GroupId(1);
    cluster.client.restore(group, begin).await.unwrap();
    let proposal = Proposal {
        request: RequestId::from_u128(1),
        timestamp_ms: START_MS,
        command: Command::Keys(KeyCommand::OpenTablet {
            bucket: crate::BucketId(1),
        }),
    };
    let outcome = cluster.replica.propose(group, proposal).await;
    assert_eq!(outcome, Ok(Outcome::Restoring));
    let query = Query::Keys(KeyQuery::DebtCounts);
    assert_eq!(
        cluster.replica.query(group, query.clone()).await,
        Ok(Answer::Restoring)
    );
    let caller = LocalCaller::new(MetadataService::new(cluster.replica.clone()));
    let query = QueryRequest { group, query }.to_bytes();
    let export = ExportRequest { group }.to_bytes();
    for (path, body) in [(QUERY_PATH, query), (EXPORT_PATH, export)] {
        let (status, answer) = caller.open("", path, body.into()).await.unwrap();
        assert_eq!(status, http::StatusCode::SERVICE_UNAVAILABLE);
        let answer = answer.collect().await.unwrap().to_bytes();
        assert_eq!(Refusal::from_bytes(&answer), Ok(Refusal::Restoring));
    }
    // Other groups are as they were.
    assert_eq!(cluster.client.cluster().await.unwrap().key_groups, GROUPS);
}

/// Makes a bucket when the second group is exported.
struct Busy {
    inner: LocalCaller,
    client: Client,
    exports: AtomicI64,
}

impl Caller for Busy {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        self.inner.call(endpoint, path, body)
    }

    fn open<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> OpenFuture<'a> {
        Box::pin(async move {
            if self.exports.fetch_add(1, Ordering::Relaxed) == 1 {
                contract::new_bucket(&self.client, "meanwhile").await;
            }
            self.inner.open(endpoint, path, body).await
        })
    }
}

/// A change of tablets that is under way, and a bucket made meanwhile, make an export start over.
#[tokio::test]
async fn an_export_notices_changes_of_buckets_and_tablets() {
    let cluster = Cluster::filled().await;
    let bucket = cluster.client.bucket_now("bucket-2").await.unwrap();
    let begin = crate::command::SystemCommand::BeginChange {
        bucket: bucket.id,
        kind: Box::new(ChangeKind::Delete),
    };
    let proposal = Proposal {
        request: RequestId::from_u128(77),
        timestamp_ms: crate::clock::now_ms(),
        command: Command::System(begin),
    };
    cluster
        .replica
        .propose(GroupId::SYSTEM, proposal)
        .await
        .unwrap();
    let once = |client: Client| async move {
        let mut file = Cursor::new(Vec::new());
        export::export_once(&client, "test", &mut file)
            .await
            .unwrap()
    };
    assert!(!once(cluster.client.clone()).await);
    // Taken to its end, it is cancelled: the bucket is not empty.
    let change = cluster.client.tablet_change(bucket.id).await.unwrap();
    cluster.client.drive(&change.unwrap()).await.unwrap();
    assert!(once(cluster.client.clone()).await);
    let busy = client(Busy {
        inner: LocalCaller::new(MetadataService::new(cluster.replica.clone())),
        client: cluster.client.clone(),
        exports: AtomicI64::new(0),
    });
    assert!(!once(busy.clone()).await);
    assert!(once(busy).await, "the bucket is made once");
}

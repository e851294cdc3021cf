//! Rounds over metadata in memory, at times of choice.

mod crashes;
mod model;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use riquet_cluster::id::{BlobId, ClusterId, Epoch};
use riquet_cluster::layout::{Layout, Migration};
use riquet_cluster::profile::ProfileId;
use riquet_metadata::client::{Caller, LocalCaller};
use riquet_metadata::command::{
    AlterVersion, Alteration, BucketChange, CreateUpload, DeleteObject, MovedBlob, NewBucket,
    PutObject,
};
use riquet_metadata::record::{
    BlobRef, Content, Document, DocumentKind, ETag, EpochRun, LifecycleTurn, ObjectBody,
    ObjectVersion, StorageClass, Upload, Versioning,
};
use riquet_metadata::{Created, MemoryReplica, MetadataService, UploadId};
use riquet_s3::config::lifecycle::Day;

use super::super::moves::Rewritten;
use super::*;

const DAY_S: i64 = 24 * 60 * 60;

/// Says that it wrote blobs anew.
#[derive(Default)]
struct FakeMover(AtomicU64);

impl Mover for FakeMover {
    async fn rewrite(
        &self,
        _: BucketId,
        _: &ObjectKey,
        body: &ObjectBody,
        _: StorageClass,
    ) -> Result<Rewritten, Error> {
        let content = &body.content;
        let moved = content.blobs().map(|from| MovedBlob {
            from: from.id,
            to: BlobRef {
                id: fresh_blob(&self.0),
                ..from.clone()
            },
        });
        Ok(Rewritten::of(moved.collect()))
    }
}

fn fresh_blob(count: &AtomicU64) -> BlobId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    BlobId::new(riquet_cluster::clock::now_ms(), random)
}

/// A cluster in memory with one bucket, and a clock.
struct World {
    service: MetadataService,
    metadata: Client,
    bucket: Arc<Bucket>,
    now: Arc<Mutex<Timestamp>>,
    blobs: AtomicU64,
}

impl World {
    async fn new(versioning: Versioning) -> Self {
        let service = MetadataService::new(Arc::new(MemoryReplica::new(2)));
        let metadata = client(LocalCaller::new(service.clone()));
        let cluster = ClusterId::from_u128(1);
        let bootstrapped = metadata.bootstrap(cluster, layout(cluster), Vec::new(), 2);
        bootstrapped.await.expect("a fresh cluster");
        let new = NewBucket::named("b", "ada", "r");
        let Ok(Created::New(bucket)) = metadata.create_bucket(&new).await else {
            panic!("a fresh cluster has no bucket");
        };
        let change = BucketChange::Versioning(versioning);
        let bucket = metadata.configure_bucket(&bucket, change).await;
        Self {
            service,
            metadata,
            bucket: bucket.expect("it exists"),
            now: Arc::new(Mutex::new(Timestamp::now())),
            // Not those of a mover.
            blobs: AtomicU64::new(1 << 32),
        }
    }

    /// Gives the bucket rules: `(filter, actions)`.
    async fn set_rules(&self, rules: &[(&str, &str)]) {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(index, (filter, actions))| {
                format!(
                    "<Rule><ID>r{index}</ID><Filter>{filter}</Filter><Status>Enabled</Status>\
                     {actions}</Rule>"
                )
            })
            .collect();
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        let classes = [riquet_s3::request::StorageClass::OneZoneIa];
        let rules = LifecycleConfiguration::parse(document.as_bytes(), &classes);
        let document = rules.expect("good rules").to_stored();
        self.set_document(Some(Document(document))).await;
    }

    async fn set_document(&self, document: Option<Document>) {
        let kind = DocumentKind::Lifecycle;
        let change = BucketChange::Document { kind, document };
        let changed = self.metadata.configure_bucket(&self.bucket, change).await;
        changed.expect("it exists");
    }

    /// Has a round follow, though it is not due.
    async fn hurry(&self) {
        let kind = DocumentKind::Lifecycle;
        let document = self.metadata.bucket_document(self.bucket.id, kind).await;
        self.set_document(document.expect("it answers")).await;
    }

    fn work(&self, worker: u128) -> Work<FakeMover> {
        self.work_over(self.metadata.clone(), worker)
    }

    fn work_over(&self, metadata: Client, worker: u128) -> Work<FakeMover> {
        let now = self.now.clone();
        Work {
            metadata,
            mover: FakeMover::default(),
            pace: Arc::new(Pace::unbounded()),
            schedule: Schedule::new(Day::Calendar),
            worker: RequestId::from_u128(worker),
            clock: Box::new(move || *now.lock().expect("nobody panics")),
        }
    }

    /// A round so many days from now; what it did.
    async fn round_in(&self, days: i64) -> LifecycleTally {
        self.set_clock(days);
        self.hurry().await;
        let work = self.work(1);
        let ended = work.round(self.bucket.id).await.expect("it answers");
        assert_eq!(ended, Ended::Through);
        let turn = self.turn().await;
        assert_eq!((turn.round, turn.holder), (None, None));
        turn.last.expect("it came to its end").tally
    }

    fn set_clock(&self, days: i64) {
        let now = Timestamp::now().as_second() + days * DAY_S;
        *self.now.lock().expect("nobody panics") = Timestamp::from_second(now).expect("a moment");
    }

    async fn turn(&self) -> LifecycleTurn {
        let (mut turns, _) = self
            .metadata
            .lifecycle_turns(None, 10)
            .await
            .expect("it answers");
        turns.pop().expect("there are rules")
    }

    async fn put(&self, key: &str, content: Content, tags: &[&str]) {
        let body = ObjectBody {
            tags: tags
                .iter()
                .map(|tag| (tag.to_string(), "1".to_owned()))
                .collect(),
            ..ObjectBody::of(content)
        };
        let etag = ETag::whole([1; 16]);
        let owner = "ada".to_owned();
        let put = PutObject {
            key: key.into(),
            version: ObjectVersion::proposed(etag, StorageClass::Standard, owner, body),
            preconditions: Default::default(),
            debts: Vec::new(),
            versioning: self.bucket.versioning,
        };
        self.metadata
            .put_object(&self.bucket, put)
            .await
            .expect("it is stored");
    }

    async fn delete(&self, key: &str) {
        let delete = DeleteObject {
            versioning: self.bucket.versioning,
            ..DeleteObject::of_key(key.into())
        };
        self.metadata
            .delete_object(&self.bucket, delete)
            .await
            .expect("it is removed");
    }

    fn blob(&self, length_bytes: u64) -> Content {
        Content::Blobs(vec![BlobRef {
            id: fresh_blob(&self.blobs),
            length_bytes,
            profile: ProfileId(0),
            chunk_size_bytes: 64 << 20,
            epochs: vec![EpochRun {
                first_seq: 0,
                epoch: Epoch(1),
            }],
        }])
    }

    /// The keys of all versions, in the order of a listing; a delete marker has a `!`.
    async fn versions(&self) -> Vec<String> {
        let all = self.listed().await.into_iter();
        all.map(|listed| {
            let mark = if listed.head.delete_marker { "!" } else { "" };
            format!("{}{mark}", convert::key_text(&listed.key))
        })
        .collect()
    }

    async fn listed(&self) -> Vec<riquet_metadata::query::ListedObject> {
        let list = ListRequest {
            max: PAGE,
            ..ListRequest::default()
        };
        let page = self.metadata.list_versions(&self.bucket, list).await;
        page.expect("it answers").objects
    }
}

fn client(caller: impl Caller + 'static) -> Client {
    Client::with_caller(Arc::new(caller), vec!["here".to_owned()])
}

fn layout(cluster: ClusterId) -> Layout {
    Layout {
        cluster,
        epoch: Epoch(1),
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

fn small() -> Content {
    Content::Inline(Bytes::from_static(b"x"))
}

const EXPIRE_IN_3: &str = "<Expiration><Days>3</Days></Expiration>";

#[tokio::test]
async fn objects_expire_at_the_midnight_after_their_day() {
    let world = World::new(Versioning::Never).await;
    for key in ["logs/a", "logs/b", "kept"] {
        world.put(key, small(), &[]).await;
    }
    world
        .set_rules(&[("<Prefix>logs/</Prefix>", EXPIRE_IN_3)])
        .await;
    assert_eq!(world.round_in(0).await.expired, 0);
    // Four days later a midnight has passed since the third.
    assert_eq!(world.round_in(2).await.expired, 0);
    let tally = world.round_in(4).await;
    assert_eq!((tally.expired, tally.failed, tally.looked_at), (2, 0, 2));
    assert_eq!(world.versions().await, ["kept"]);
}

#[tokio::test]
async fn dates_and_tags_and_sizes_choose() {
    let world = World::new(Versioning::Never).await;
    world.put("tagged", small(), &["a", "b"]).await;
    world.put("half", small(), &["a"]).await;
    world.put("large", world.blob(5000), &[]).await;
    world.put("plain", small(), &[]).await;
    let tag = |key: &str| format!("<Tag><Key>{key}</Key><Value>1</Value></Tag>");
    let both = format!("<And>{}{}</And>", tag("a"), tag("b"));
    let past = "<Expiration><Date>2015-01-01</Date></Expiration>";
    let future = "<Expiration><Date>2999-01-01</Date></Expiration>";
    let more = "<ObjectSizeGreaterThan>4999</ObjectSizeGreaterThan>";
    world
        .set_rules(&[
            (&both, past),
            ("<Prefix>plain</Prefix>", future),
            (more, past),
        ])
        .await;
    let tally = world.round_in(0).await;
    assert_eq!((tally.expired, tally.failed), (2, 0));
    assert_eq!(world.versions().await, ["half", "plain"]);
}

#[tokio::test]
async fn noncurrent_versions_go_but_the_newest_of_them() {
    let world = World::new(Versioning::Enabled).await;
    for _ in 0..6 {
        world.put("k", small(), &[]).await;
    }
    world.put("other", small(), &[]).await;
    let keep_two = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
        <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>";
    world.set_rules(&[("", keep_two)]).await;
    assert_eq!(world.round_in(0).await.removed, 0);
    assert_eq!(world.round_in(2).await.removed, 3);
    assert_eq!(world.versions().await, ["k", "k", "k", "other"]);
    assert_eq!(world.round_in(9).await.removed, 0);
}

#[tokio::test]
async fn what_expires_is_hidden_then_removed_and_its_marker_last() {
    let world = World::new(Versioning::Enabled).await;
    world.put("k", small(), &[]).await;
    let all = "<Expiration><Days>1</Days></Expiration><NoncurrentVersionExpiration>\
        <NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>";
    world.set_rules(&[("", all)]).await;
    assert_eq!(world.round_in(2).await.expired, 1);
    assert_eq!(world.versions().await, ["k!", "k"]);
    assert_eq!(world.round_in(4).await.removed, 1);
    assert_eq!(world.versions().await, ["k!"]);
    assert_eq!(world.round_in(4).await.removed, 1);
    assert!(world.versions().await.is_empty());
}

#[tokio::test]
async fn locked_versions_stay() {
    let world = World::new(Versioning::Enabled).await;
    world.put("k", small(), &[]).await;
    let hold = AlterVersion {
        key: "k".into(),
        version: None,
        alteration: Alteration::LegalHold(true),
    };
    let held = world.metadata.alter_version(&world.bucket, hold).await;
    held.expect("it is there");
    world.delete("k").await;
    let noncurrent = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
        </NoncurrentVersionExpiration>";
    world.set_rules(&[("", noncurrent)]).await;
    let tally = world.round_in(9).await;
    assert_eq!((tally.removed, tally.failed), (0, 0));
    assert_eq!(world.versions().await, ["k!", "k"]);
}

#[tokio::test]
async fn objects_move_once_and_keep_all_else() {
    let world = World::new(Versioning::Never).await;
    world.put("large", world.blob(1 << 20), &["a"]).await;
    world.put("small", small(), &[]).await;
    let key = ObjectKey::from("large");
    let get = || world.metadata.get_object(&world.bucket, &key);
    let before = get().await.expect("it answers").expect("it is there");
    let transition =
        "<Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>";
    world.set_rules(&[("", transition)]).await;
    assert_eq!(world.round_in(0).await.moved, 0);
    let tally = world.round_in(2).await;
    assert_eq!((tally.moved, tally.failed), (1, 0));
    let after = get().await.expect("it answers").expect("it is there");
    assert_eq!(after.head.storage_class, StorageClass::OneZoneIa);
    assert_ne!(after.body.content, before.body.content);
    let mut same = after.clone();
    same.head.storage_class = before.head.storage_class;
    same.body.content = before.body.content.clone();
    assert_eq!(same, before);
    assert_eq!(world.round_in(3).await.moved, 0);
}

#[tokio::test]
async fn uploads_are_aborted() {
    let world = World::new(Versioning::Never).await;
    for (id, key) in [(1, "a/1"), (2, "b/2")] {
        let create = CreateUpload {
            key: key.into(),
            upload: Upload::plain(UploadId(id), StorageClass::Standard, "ada".to_owned()),
        };
        let created = world.metadata.create_upload(&world.bucket, create).await;
        created.expect("it began");
    }
    let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
        </AbortIncompleteMultipartUpload>";
    world.set_rules(&[("<Prefix>a/</Prefix>", abort)]).await;
    assert_eq!(world.round_in(0).await.aborted, 0);
    let tally = world.round_in(2).await;
    assert_eq!((tally.aborted, tally.failed, tally.looked_at), (1, 0, 1));
    let none = ObjectKey::default();
    let left = world
        .metadata
        .list_uploads(&world.bucket, none.clone(), none, None, 10);
    let left = left.await.expect("it answers").uploads;
    assert_eq!(
        left.iter()
            .map(|listed| listed.upload.id.0)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[tokio::test]
async fn a_bucket_without_rules_is_nobody_s_turn() {
    let world = World::new(Versioning::Never).await;
    world.put("k", small(), &[]).await;
    world.set_rules(&[("", EXPIRE_IN_3)]).await;
    world.set_document(None).await;
    world.set_clock(9);
    let work = world.work(1);
    let ended = work.round(world.bucket.id).await.expect("it answers");
    assert_eq!(ended, Ended::NotOurs);
    assert_eq!(world.versions().await, ["k"]);
}

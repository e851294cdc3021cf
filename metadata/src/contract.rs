//! What a client may expect of any replica: one suite, run against each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;

use crate::client::{CallFuture, Caller, LocalCaller, NoAnswer};
use crate::clock;
use crate::command::{
    Command, CompletePart, CompleteUpload, CreateUpload, DeleteObject, Deleted, IdentityChange,
    IdentityOutcome, KeyCommand, NewBucket, Preconditions, Proposal, PutObject, PutPart,
    SystemCommand, TabletStep, TagMatch,
};
use crate::id::{BlobId, BucketId, ClusterId, Epoch, GroupId, ObjectKey, UploadId};
use crate::query::ListRequest;
use crate::record::{
    Bucket, ChangeKind, Content, ETag, Identity, IdentityAlias, IdentityKind, Versioning,
};
use crate::testing::{etag, inline, layout, part, put, tenant, upload, version};
use crate::{BlobFate, Client, Created, Error, LayoutWatch, MetadataService, Replica};

/// Number of key groups that a replica under test must host.
pub(crate) const KEY_GROUPS: u32 = 3;

/// Runs the suite. The replica must be empty.
pub(crate) async fn run(replica: Arc<dyn Replica>) {
    let service = MetadataService::new(replica.clone());
    let client = Client::with_caller(
        Arc::new(LocalCaller::new(service.clone())),
        vec!["here".to_owned()],
    );
    let before = client
        .create_bucket(&NewBucket::named("early", "a", "r"))
        .await;
    assert_eq!(before, Err(Error::NotBootstrapped));
    client
        .bootstrap(
            ClusterId::from_u128(1),
            layout(1),
            vec![tenant("a")],
            KEY_GROUPS,
        )
        .await
        .unwrap();
    let other = ClusterId::from_u128(2);
    let again = client
        .bootstrap(other, layout(1), vec![tenant("a")], KEY_GROUPS)
        .await;
    assert_eq!(again, Err(Error::OtherCluster(ClusterId::from_u128(1))));

    identities(&client).await;
    buckets(&client).await;
    half_done_steps(&client, replica.as_ref()).await;
    one_creator_wins(&client).await;
    multipart(&client).await;
    fate_of_blobs(&client).await;
    lost_answers(service, &client).await;
    layouts(&client).await;
}

pub(crate) async fn new_bucket(client: &Client, name: &str) -> Arc<Bucket> {
    match client
        .create_bucket(&NewBucket::named(name, "a", "r"))
        .await
        .unwrap()
    {
        Created::New(bucket) => bucket,
        Created::Exists(bucket) => panic!("{bucket:?} exists"),
    }
}

async fn keys(client: &Client, bucket: &Bucket) -> Vec<ObjectKey> {
    let list = ListRequest {
        max: 1000,
        ..ListRequest::default()
    };
    let page = client.list_objects(bucket, list).await.unwrap();
    page.objects.into_iter().map(|object| object.key).collect()
}

async fn identities(client: &Client) {
    let alias = |name: &str| IdentityAlias::TenantName(name.to_owned());
    let known = client.identity_known_as(alias("a")).await.unwrap();
    assert_eq!(known.unwrap().identity, tenant("a"));
    assert_eq!(client.identity_known_as(alias("b")).await.unwrap(), None);
    let create = IdentityChange::Create(Box::new(tenant("b")));
    let made = client.change_identity(create.clone()).await;
    assert_eq!(made, Ok(IdentityOutcome::Done));
    let again = client.change_identity(create).await;
    assert_eq!(again, Ok(IdentityOutcome::Exists));
    let page = client.identities(IdentityKind::Tenant, "", Some("id-a".to_owned()), 10);
    let (page, more) = page.await.unwrap();
    assert_eq!((page.len(), more), (1, false));
    assert_eq!(page[0].identity, tenant("b"));
    let name = tenant("b").name();
    let principal = client.principal(name.clone()).await.unwrap();
    assert_eq!(Identity::Tenant(principal.unwrap().tenant), tenant("b"));
    assert_eq!(client.key_holder("AKIA").await.unwrap(), None);
    let remove = IdentityChange::Remove { name: name.clone() };
    let removed = client.change_identity(remove).await;
    assert_eq!(removed, Ok(IdentityOutcome::Done));
    assert_eq!(client.identity(name).await.unwrap(), None);
}

async fn buckets(client: &Client) {
    let first = new_bucket(client, "b1").await;
    assert_eq!(
        client
            .create_bucket(&NewBucket::named("b1", "z", "r"))
            .await,
        Ok(Created::Exists(first.clone()))
    );
    new_bucket(client, "b2").await;
    client
        .create_bucket(&NewBucket::named("c1", "z", "r"))
        .await
        .unwrap();
    let names = |(buckets, more): (Vec<Bucket>, bool)| {
        (
            buckets.into_iter().map(|b| b.name).collect::<Vec<_>>(),
            more,
        )
    };
    let page = client.buckets(None, String::new(), None, 2).await.unwrap();
    assert_eq!(names(page), (vec!["b1".to_owned(), "b2".to_owned()], true));
    let page = client
        .buckets(Some("a".to_owned()), String::new(), None, 9)
        .await
        .unwrap();
    assert_eq!(names(page), (vec!["b1".to_owned(), "b2".to_owned()], false));
    let after = Some("b1".to_owned());
    let page = client
        .buckets(Some("a".to_owned()), "b".to_owned(), after, 9)
        .await
        .unwrap();
    assert_eq!(names(page), (vec!["b2".to_owned()], false));

    client
        .put_object(&first, put("k", 1, inline("x")))
        .await
        .unwrap();
    assert_eq!(
        client.delete_bucket(&first).await,
        Err(Error::BucketNotEmpty)
    );
    assert_eq!(
        client
            .delete_object(&first, DeleteObject::of_key("k".into()))
            .await,
        Ok(Deleted::Removed { was_marker: false })
    );
    client.delete_bucket(&first).await.unwrap();
    assert_eq!(client.bucket("b1").await, Err(Error::NoSuchBucket));
    let late = client.put_object(&first, put("k", 1, inline("x"))).await;
    assert_eq!(late, Err(Error::NoSuchBucket));

    let second = new_bucket(client, "b1").await;
    let late = client.put_object(&first, put("k", 1, inline("x"))).await;
    assert_eq!(
        late,
        Err(Error::StaleBucket),
        "a write never reaches the bucket made anew"
    );
    assert_eq!(
        client.get_object(&first, &"k".into()).await,
        Err(Error::StaleBucket)
    );
    assert_eq!(keys(client, &second).await, []);
    client.delete_bucket(&first).await.unwrap();
    assert_eq!(
        client.bucket_now("b1").await.unwrap(),
        second,
        "nor does a late deletion"
    );
}

async fn propose(replica: &dyn Replica, group: GroupId, command: Command) {
    let proposal = Proposal {
        request: clock::fresh_request(),
        timestamp_ms: clock::now_ms(),
        command,
    };
    replica.propose(group, proposal).await.unwrap();
}

/// Deletes a bucket of one tablet as far as that this is sealed.
async fn begin_deletion(client: &Client, replica: &dyn Replica, bucket: &Bucket) {
    let begin = SystemCommand::BeginChange {
        bucket: bucket.id,
        kind: Box::new(ChangeKind::Delete),
    };
    propose(replica, GroupId::SYSTEM, Command::System(begin)).await;
    let change = client.tablet_change(bucket.id).await.unwrap().unwrap().id;
    let step = |step| {
        Command::Keys(KeyCommand::Tablet {
            bucket: bucket.id,
            start: ObjectKey::default(),
            change,
            step,
        })
    };
    let commit = SystemCommand::CommitChange {
        bucket: bucket.id,
        change,
    };
    let group = bucket.group_of(b"");
    propose(replica, group, step(TabletStep::Close)).await;
    propose(replica, GroupId::SYSTEM, Command::System(commit)).await;
    propose(replica, group, step(TabletStep::Seal)).await;
}

/// A client died between two steps; whoever comes next takes the rest.
async fn half_done_steps(client: &Client, replica: &dyn Replica) {
    for name in ["half-made-write", "half-made-list", "half-made-create"] {
        let create = SystemCommand::CreateBucket(NewBucket::named(name, "a", "r"));
        propose(replica, GroupId::SYSTEM, Command::System(create)).await;
        let bucket = client.bucket(name).await.unwrap();
        match name {
            "half-made-write" => {
                client
                    .put_object(&bucket, put("k", 1, inline("x")))
                    .await
                    .unwrap();
            }
            "half-made-list" => assert_eq!(keys(client, &bucket).await, []),
            _ => {
                let again = client
                    .create_bucket(&NewBucket::named(name, "a", "r"))
                    .await;
                assert_eq!(again, Ok(Created::Exists(bucket)));
            }
        }
    }
    for name in ["half-deleted-create", "half-deleted-write"] {
        let bucket = new_bucket(client, name).await;
        let upload = begin(client, &bucket, 1).await;
        begin_deletion(client, replica, &bucket).await;
        if name == "half-deleted-write" {
            let late = client.put_object(&bucket, put("k", 1, inline("x"))).await;
            assert_eq!(late, Err(Error::NoSuchBucket));
            assert_eq!(client.bucket_now(name).await, Err(Error::NoSuchBucket));
        } else {
            let anew = new_bucket(client, name).await;
            assert_ne!(anew.id, bucket.id);
            let gone = client.upload(&anew, &"k".into(), upload).await;
            assert_eq!(gone, Err(Error::NoSuchUpload));
        }
    }
}

async fn one_creator_wins(client: &Client) {
    let bucket = new_bucket(client, "creators").await;
    let outcomes = join_all((0..32).map(|n| {
        let (client, bucket) = (client.clone(), bucket.clone());
        tokio::spawn(async move { client.put_object(&bucket, create_only("k", n)).await })
    }))
    .await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = (0..32u8)
        .filter(|&n| outcomes[usize::from(n)].is_ok())
        .collect();
    let lost = outcomes
        .iter()
        .filter(|o| **o == Err(Error::PreconditionFailed))
        .count();
    assert_eq!((winners.len(), lost), (1, 31), "{outcomes:?}");
    let object = client
        .get_object(&bucket, &"k".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(object.head.etag, etag(winners[0]));
}

fn create_only(key: &str, tag: u8) -> PutObject {
    let mut create = put(key, tag, inline("x"));
    create.preconditions.if_none_match = Some(TagMatch::Any);
    create
}

async fn begin(client: &Client, bucket: &Bucket, id: u128) -> UploadId {
    let id = UploadId(id);
    let create = CreateUpload {
        key: "k".into(),
        upload: upload(id),
    };
    client.create_upload(bucket, create).await.unwrap();
    id
}

async fn multipart(client: &Client) {
    let bucket = new_bucket(client, "multipart").await;
    let upload = begin(client, &bucket, 7).await;
    let put = PutPart {
        key: "k".into(),
        upload,
        part: part(1, 1, inline("part")),
        debts: Vec::new(),
    };
    client.put_part(&bucket, put).await.unwrap();
    let page = client
        .list_parts(&bucket, &"k".into(), upload, 0, 10)
        .await
        .unwrap();
    assert_eq!((page.parts.len(), page.more), (1, false));
    let none = ObjectKey::default();
    let page = client
        .list_uploads(&bucket, none.clone(), none, None, 10)
        .await
        .unwrap();
    assert_eq!(page.uploads[0].upload.id, upload);
    let mut complete = CompleteUpload {
        key: "k".into(),
        upload,
        parts: vec![CompletePart {
            number: 1,
            etag: etag(2),
            checksum: None,
        }],
        etag: ETag {
            md5: [3; 16],
            parts: Some(1),
        },
        checksums: Vec::new(),
        size_bytes: None,
        preconditions: Preconditions::default(),
        versioning: Versioning::Never,
    };
    let refused = client.complete_upload(&bucket, complete.clone()).await;
    assert_eq!(refused, Err(Error::InvalidPart { number: 1 }));
    complete.parts[0].etag = etag(1);
    let done = client
        .complete_upload(&bucket, complete.clone())
        .await
        .unwrap();
    assert_eq!(
        client.complete_upload(&bucket, complete).await.unwrap(),
        done
    );
    let object = client
        .get_object(&bucket, &"k".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((object.head.etag, object.head.size_bytes), (done.etag, 4));
    let gone = client.abort_upload(&bucket, &"k".into(), upload).await;
    assert_eq!(gone, Err(Error::NoSuchUpload));
}

pub(crate) fn fresh_blob(n: u8) -> crate::record::BlobRef {
    crate::record::BlobRef {
        id: BlobId::new(clock::now_ms(), [n; 10]),
        ..crate::testing::blob(0, 10)
    }
}

async fn fate_of_blobs(client: &Client) {
    let bucket = new_bucket(client, "blobs").await;
    let (kept, lost) = (fresh_blob(1), fresh_blob(2));
    let put_blob = |blob: &crate::record::BlobRef| PutObject {
        version: version(etag(1), Content::Blobs(vec![blob.clone()])),
        ..put("k", 1, inline(""))
    };
    client.put_object(&bucket, put_blob(&kept)).await.unwrap();
    let fate = |bucket: BucketId, blob: BlobId| async move {
        client.abort_blob(bucket, &"k".into(), blob).await
    };
    assert_eq!(fate(bucket.id, kept.id).await, Ok(BlobFate::Committed));
    assert_eq!(fate(bucket.id, lost.id).await, Ok(BlobFate::Aborted));
    let older = BlobId::new(1, [7; 10]);
    assert_eq!(fate(bucket.id, older).await, Ok(BlobFate::OlderThanRecords));
    let late = client.put_object(&bucket, put_blob(&lost)).await;
    assert_eq!(late, Err(Error::BlobRefused { blob: lost.id }));
    client
        .delete_object(&bucket, DeleteObject::of_key("k".into()))
        .await
        .unwrap();
    assert_eq!(
        fate(bucket.id, kept.id).await,
        Ok(BlobFate::Committed),
        "until it is collected"
    );
    let group = bucket.group_of(b"k");
    let (garbage, more) = client
        .list_garbage(group, u64::MAX, None, 10)
        .await
        .unwrap();
    assert!(!more && garbage.iter().any(|entry| entry.blob == kept));
    client.delete_bucket(&bucket).await.unwrap();
    assert_eq!(
        fate(bucket.id, lost.id).await,
        Ok(BlobFate::Aborted),
        "of a bucket that is gone"
    );
    assert_eq!(
        fate(BucketId(u64::MAX), lost.id).await,
        Err(Error::NoSuchBucket)
    );
}

/// Loses every other request or its answer, by turns.
struct Lossy {
    inner: LocalCaller,
    calls: AtomicU64,
}

impl Caller for Lossy {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        let turn = self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match turn % 4 {
                0 => Err(NoAnswer),
                1 | 3 => self.inner.call(endpoint, path, body).await,
                _ => {
                    self.inner.call(endpoint, path, body).await?;
                    Err(NoAnswer)
                }
            }
        })
    }
}

/// A creation whose answer was lost is not refused because of itself.
async fn lost_answers(service: MetadataService, client: &Client) {
    let bucket = new_bucket(client, "lossy").await;
    let lossy = Lossy {
        inner: LocalCaller::new(service),
        calls: AtomicU64::new(0),
    };
    let lossy = Client::with_caller(Arc::new(lossy), vec!["a".to_owned(), "b".to_owned()]);
    for n in 0..20 {
        lossy
            .put_object(&bucket, create_only(&format!("{n}"), n))
            .await
            .unwrap();
    }
    assert_eq!(keys(client, &bucket).await.len(), 20);
}

async fn layouts(client: &Client) {
    let watch = LayoutWatch::start(client.clone()).await.unwrap();
    let mut epochs = watch.epochs();
    assert_eq!(watch.load().epoch, Epoch(1));
    let conflict = client.put_layout(layout(3)).await;
    assert_eq!(conflict, Err(Error::LayoutConflict { current: Epoch(1) }));
    client.put_layout(layout(2)).await.unwrap();
    epochs.wait_for(|epoch| *epoch == Epoch(2)).await.unwrap();
    assert_eq!(*watch.load(), layout(2));
}

//! Writers, readers and drivers all at once, seed by seed.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::command::{
    CompletePart, CompleteUpload, CreateUpload, DeleteObject, Deleted, Preconditions, PutPart,
    TagMatch,
};
use crate::id::{BlobId, ChunkId, DiskId, ShardId, UploadId};
use crate::record::{BlobState, Content, Debt, Versioning};
use crate::testing::{part, upload, version};
use crate::{BlobFate, Error, clock};

const WRITERS: usize = 4;
const KEYS: usize = 80;
const WRITES: usize = 150;

fn key(n: usize) -> String {
    format!("{n:03}")
}

/// Loses requests and answers now and then.
struct Lossy {
    inner: LocalCaller,
    random: Mutex<StdRng>,
}

impl Caller for Lossy {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let fate = self.random.lock().unwrap().random_range(0..60);
            if fate == 0 {
                return Err(NoAnswer);
            }
            let answer = self.inner.call(endpoint, path, body).await;
            if fate == 1 { Err(NoAnswer) } else { answer }
        })
    }
}

fn debt_of(blob: BlobId) -> Debt {
    Debt {
        disk: DiskId::from_u128(1),
        shard: ShardId {
            chunk: ChunkId { blob, seq: 0 },
            index: 2,
        },
    }
}

/// The only one that writes its keys, so it knows what each of its operations must come to.
struct Writer {
    client: Client,
    bucket: Arc<Bucket>,
    random: StdRng,
    keys: Vec<usize>,
    objects: BTreeMap<ObjectKey, ETag>,
    blobs: BTreeMap<ObjectKey, BlobId>,
    replaced: BTreeSet<BlobId>,
}

impl Writer {
    async fn run(mut self) -> Self {
        for _ in 0..WRITES {
            let n = self.keys[self.random.random_range(0..self.keys.len())];
            let key = ObjectKey::from(key(n));
            match self.random.random_range(0..10) {
                0..5 => self.put(key).await,
                5..7 => self.delete(key).await,
                7 => self.upload(key).await,
                _ => self.read(key).await,
            }
        }
        self
    }

    fn content(&mut self) -> (Content, Option<BlobId>) {
        if self.random.random_bool(0.5) {
            return (inline("x"), None);
        }
        let blob = crate::record::BlobRef {
            id: BlobId::new(clock::now_ms(), self.random.random()),
            ..crate::testing::blob(0, 10)
        };
        let id = blob.id;
        (Content::Blobs(vec![blob]), Some(id))
    }

    fn stored(&mut self, key: ObjectKey, tag: Option<ETag>, blob: Option<BlobId>) {
        match tag {
            Some(tag) => self.objects.insert(key.clone(), tag),
            None => self.objects.remove(&key),
        };
        let before = match blob {
            Some(blob) => self.blobs.insert(key, blob),
            None => self.blobs.remove(&key),
        };
        self.replaced.extend(before);
    }

    async fn put(&mut self, key: ObjectKey) {
        let tag = etag(self.random.random());
        let (content, blob) = self.content();
        let mut put = PutObject {
            key: key.clone(),
            version: version(tag, content),
            preconditions: Preconditions::default(),
            debts: blob.map(debt_of).into_iter().collect(),
            versioning: Versioning::Never,
        };
        let current = self.objects.get(&key).copied();
        let mut expected = Ok(());
        match self.random.random_range(0..3) {
            0 => {
                put.preconditions.if_none_match = Some(TagMatch::Any);
                expected = current.map_or(Ok(()), |_| Err(Error::PreconditionFailed));
            }
            1 => {
                let tags = current.into_iter().collect();
                put.preconditions.if_match = Some(TagMatch::OneOf(tags));
                expected = current.map(|_| ()).ok_or(Error::NoSuchKey);
            }
            _ => {}
        }
        let done = self.client.put_object(&self.bucket, put).await;
        assert_eq!(done.map(|_| ()), expected, "{key:?}");
        if expected.is_ok() {
            self.stored(key, Some(tag), blob);
        }
    }

    async fn delete(&mut self, key: ObjectKey) {
        let delete = DeleteObject::of_key(key.clone());
        let deleted = self.client.delete_object(&self.bucket, delete).await;
        let existed = deleted.map(|deleted| deleted != Deleted::Nothing);
        assert_eq!(existed, Ok(self.objects.contains_key(&key)), "{key:?}");
        self.stored(key, None, None);
    }

    async fn upload(&mut self, key: ObjectKey) {
        let id = UploadId(self.random.random());
        let create = CreateUpload {
            key: key.clone(),
            upload: upload(id),
        };
        self.client
            .create_upload(&self.bucket, create)
            .await
            .unwrap();
        let (content, blob) = self.content();
        let put = PutPart {
            key: key.clone(),
            upload: id,
            part: part(1, 1, content),
            debts: blob.map(debt_of).into_iter().collect(),
        };
        self.client.put_part(&self.bucket, put).await.unwrap();
        let tag = ETag {
            md5: self.random.random(),
            parts: Some(1),
        };
        let complete = CompleteUpload {
            key: key.clone(),
            upload: id,
            parts: vec![CompletePart {
                number: 1,
                etag: etag(1),
                checksum: None,
            }],
            etag: tag,
            checksums: Vec::new(),
            size_bytes: None,
            preconditions: Preconditions::default(),
            versioning: Versioning::Never,
        };
        let done = self.client.complete_upload(&self.bucket, complete.clone());
        let done = done.await.unwrap();
        let again = self.client.complete_upload(&self.bucket, complete).await;
        assert_eq!(again, Ok(done), "a repeated completion of {key:?}");
        self.stored(key, Some(tag), blob);
    }

    async fn read(&mut self, key: ObjectKey) {
        let found = self.client.get_object(&self.bucket, &key).await.unwrap();
        let expected = self.objects.get(&key).copied();
        assert_eq!(found.map(|object| object.head.etag), expected, "{key:?}");
    }
}

/// Splits and moves tablets at random, with drivers that die and drivers that meet.
async fn stir(cluster: &Cluster, mut random: StdRng, done: &AtomicBool) -> usize {
    let mut changed = 0;
    while !done.load(Ordering::Relaxed) {
        let at = key(random.random_range(1..KEYS));
        let to = GroupId(random.random_range(1..=GROUPS));
        let splits = cluster.bucket_now().await.tablets.len() < 8 && random.random_bool(0.3);
        let mut drivers = Vec::new();
        for _ in 0..random.random_range(1..3) {
            let calls = random.random_range(0..30);
            let last = if random.random_bool(0.5) {
                LastCall::Lost
            } else {
                LastCall::Arrives
            };
            let at = &at;
            drivers.push(cluster.mortal(calls, last, async move |client: Client| {
                if splits {
                    cluster.split(&client, at).await
                } else {
                    cluster.move_to(&client, at, to).await
                }
            }));
        }
        let ended = join_all(drivers).await;
        changed += usize::from(ended.contains(&Some(TabletChanged::Done)));
        if random.random_bool(0.5) {
            cluster.resume().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    cluster.resume().await;
    changed
}

/// Lists the bucket again and again: in order, each key once, and those that are never removed
/// always.
async fn watch_listings(cluster: &Cluster, lasting: &[ObjectKey], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let keys: Vec<_> = cluster.listed().await.into_iter().map(|o| o.0).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        let missing = lasting.iter().find(|key| keys.binary_search(key).is_err());
        assert_eq!(missing, None, "of {keys:?}");
    }
}

async fn history(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Cluster::new().await;
    let mut lasting = Vec::new();
    for n in (0..KEYS).step_by(9) {
        let object = object(&format!("{}!", key(n)), 200);
        lasting.push(object.key.clone());
        cluster
            .client
            .put_object(&cluster.bucket, object)
            .await
            .unwrap();
    }
    let writers = (0..WRITERS).map(|writer| {
        Writer {
            client: client(Lossy {
                inner: LocalCaller::new(cluster.service.clone()),
                random: Mutex::new(StdRng::from_rng(&mut random)),
            }),
            bucket: cluster.bucket.clone(),
            random: StdRng::from_rng(&mut random),
            keys: (writer..KEYS).step_by(WRITERS).collect(),
            objects: BTreeMap::new(),
            blobs: BTreeMap::new(),
            replaced: BTreeSet::new(),
        }
        .run()
    });
    let writers: Vec<_> = writers.collect();
    let done = AtomicBool::new(false);
    let work = async {
        let writers = join_all(writers).await;
        done.store(true, Ordering::Relaxed);
        writers
    };
    let stir = stir(&cluster, random, &done);
    let watch = watch_listings(&cluster, &lasting, &done);
    let (writers, changed, ()) = tokio::join!(work, stir, watch);
    assert!(changed > 0, "tablets changed meanwhile");

    let mut objects: BTreeMap<_, _> = lasting.into_iter().map(|key| (key, etag(200))).collect();
    objects.extend(writers.iter().flat_map(|writer| writer.objects.clone()));
    cluster.holds(&objects).await;
    blobs_are_kept(&cluster, &writers).await;
}

/// Blobs of live objects are committed where their keys are, with what they are owed, and no group
/// collects them; of those that were replaced each is collected by one group.
async fn blobs_are_kept(cluster: &Cluster, writers: &[Writer]) {
    let (mut garbage, mut owing) = (Vec::new(), Vec::new());
    for group in GroupId::keys(GROUPS) {
        let (entries, more) = cluster
            .client
            .list_garbage(group, u64::MAX, None, 1000)
            .await
            .unwrap();
        assert!(!more);
        garbage.extend(entries.into_iter().map(|entry| entry.blob.id));
        let (debts, more) = cluster
            .client
            .list_debts(group, None, None, 1000)
            .await
            .unwrap();
        assert!(!more);
        for owed in debts {
            if owed.blob.is_some_and(|blob| blob.state == BlobState::Live) {
                owing.push((owed.debt.shard.chunk.blob, group));
            }
        }
    }
    garbage.sort();
    let mut replaced: Vec<_> = writers.iter().flat_map(|w| w.replaced.clone()).collect();
    replaced.sort();
    assert_eq!(garbage, replaced);
    let bucket = cluster.bucket_now().await;
    for (key, blob) in writers.iter().flat_map(|writer| &writer.blobs) {
        let fate = cluster.client.abort_blob(bucket.id, key, *blob).await;
        assert_eq!(fate, Ok(BlobFate::Committed));
        let mut live = Vec::new();
        for group in GroupId::keys(GROUPS) {
            let found = cluster.client.blob(group, *blob).await.unwrap();
            live.extend(found.map(|record| (group, record.state)));
        }
        let home = bucket.group_of(key.as_bytes());
        assert_eq!(live, [(home, BlobState::Live)]);
        let owed: Vec<_> = owing.iter().filter(|owed| owed.0 == *blob).collect();
        assert_eq!(owed, [&(*blob, home)]);
    }
}

#[test]
fn every_write_is_there_once_whatever_becomes_of_its_tablet() {
    // Side by side, as they wait most of the time. A thread's name says which seed failed.
    let histories = (0..8).map(|seed| {
        let run = move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap()
                .block_on(history(seed));
        };
        let name = format!("seed {seed}");
        std::thread::Builder::new().name(name).spawn(run).unwrap()
    });
    for history in histories.collect::<Vec<_>>() {
        history.join().expect("every history holds");
    }
}

/// Deletions race with writes into each tablet: either the bucket is gone and every write failed,
/// or it is there with every write that succeeded.
#[tokio::test]
async fn a_bucket_is_deleted_only_when_all_its_tablets_are_empty() {
    let (mut gone, mut kept) = (0, 0);
    for seed in 0..60 {
        let mut random = StdRng::seed_from_u64(seed);
        let cluster = Cluster::new().await;
        cluster.spread().await;
        let lossy = |random: &mut StdRng| {
            client(Lossy {
                inner: LocalCaller::new(cluster.service.clone()),
                random: Mutex::new(StdRng::from_rng(random)),
            })
        };
        let delays: Vec<usize> = (0..5).map(|_| random.random_range(0..25)).collect();
        let turns = async |n: usize| {
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
        };
        let writes = (1..).zip(["1", "4", "8"]).map(|(tag, key)| {
            let client = lossy(&mut random);
            let (bucket, turns, wait) = (&cluster.bucket, &turns, delays[usize::from(tag)]);
            async move {
                turns(wait).await;
                let done = client.put_object(bucket, object(key, tag)).await;
                (key, tag, done.map(|_| ()))
            }
        });
        let writes: Vec<_> = writes.collect();
        let deletions: Vec<_> = (0..2)
            .map(|_| {
                let client = lossy(&mut random);
                let bucket = &cluster.bucket;
                async move { client.delete_bucket(bucket).await }
            })
            .collect();
        let (writes, deletions) = tokio::join!(join_all(writes), join_all(deletions));
        let written: Vec<_> = writes
            .iter()
            .filter(|write| write.2.is_ok())
            .map(|write| (write.0, write.1))
            .collect();
        if written.is_empty() {
            gone += 1;
            assert!(deletions.contains(&Ok(())), "seed {seed}: {deletions:?}");
            assert_eq!(
                cluster.client.bucket_now("b").await,
                Err(Error::NoSuchBucket)
            );
        } else {
            kept += 1;
            let refused = Err(Error::BucketNotEmpty);
            assert_eq!(deletions, [refused.clone(), refused], "seed {seed}");
            assert_eq!(written.len(), 3, "seed {seed}: {writes:?}");
            cluster.holds(&model(&written)).await;
        }
    }
    assert!(gone > 5 && kept > 5, "{gone} {kept}");
}

//! Who acts in a history: gateways that upload, complete and delete; collectors, removals and
//! sweeps. Each waits at its gate before every call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::id::{BlobId, DiskId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::command::{
    CompletePart, CompleteUpload, CreateUpload, DeleteObject, Preconditions, PutObject, PutPart,
};
use riquet_metadata::record::{
    BlobRef, Bucket, Content, Debt, ETag, ObjectBody, ObjectVersion, Part, StorageClass, Upload,
    Versioning,
};
use riquet_metadata::{Client, Error, GroupId, ObjectKey, UploadId};
use tokio::sync::mpsc;

use super::world::{Connections, Gate, KEY_GROUPS, Verdict, World, disk_id, disk_of};
use crate::garbage::orphans::SweepError;
use crate::garbage::{BlobRemover, Collector, Sweeper, remove_left_behind};

/// No step of an actor takes long; one that does is a fault of the test.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Somebody at work, held at a gate.
pub(super) struct Actor {
    pub(super) name: String,
    /// The disk whose store it uses directly, as the disk's node does: it falls with that.
    pub(super) disk: Option<usize>,
    work: Work,
    verdicts: mpsc::UnboundedSender<Verdict>,
    arrived: mpsc::UnboundedReceiver<()>,
}

impl Actor {
    /// Starts it, and returns it once it waits at its gate.
    pub(super) async fn start(
        name: String,
        disk: Option<usize>,
        work: impl FnOnce(Arc<Gate>) -> Work,
    ) -> Option<Self> {
        let (gate, verdicts, arrived) = Gate::new();
        let mut actor = Self {
            name,
            disk,
            work: work(gate),
            verdicts,
            arrived,
        };
        actor.wait().await.then_some(actor)
    }

    /// Lets it make the call it waits for; whether another follows.
    pub(super) async fn step(&mut self, verdict: Verdict) -> bool {
        self.verdicts.send(verdict).expect("it waits");
        self.wait().await
    }

    async fn wait(&mut self) -> bool {
        let waited = async {
            tokio::select! {
                biased;
                () = &mut self.work => false,
                Some(()) = self.arrived.recv() => true,
            }
        };
        let waited = tokio::time::timeout(STEP_TIMEOUT, waited).await;
        waited.unwrap_or_else(|_| panic!("{} hangs", self.name))
    }
}

/// What an upload is for.
#[derive(Clone)]
pub(super) enum Purpose {
    Object,
    Part(UploadId, u32),
}

/// How an upload ends, apart from what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// All shards, then the commit.
    Usual,
    /// One shard is given up as owed, and comes all the same, after the commit.
    Straggling(usize),
    /// The client hangs up: no commit, the shards are discarded.
    HungUp,
}

pub(super) struct Put {
    pub(super) bucket: Arc<Bucket>,
    pub(super) key: ObjectKey,
    pub(super) purpose: Purpose,
    pub(super) blob: BlobRef,
    pub(super) tag: ETag,
    pub(super) manner: Manner,
    pub(super) versioning: Versioning,
}

/// Uploads a blob as a gateway does.
pub(super) async fn put(world: Arc<World>, gate: Arc<Gate>, put: Put) {
    let client = world.gated(&gate);
    let owner = Owner {
        bucket: put.bucket.id.0,
        key: put.key.as_bytes().to_vec(),
        part: None,
        sealed: false,
    };
    let shards = world.shards_of(&put.blob);
    let _open = Connections {
        world: Arc::clone(&world),
        shards: shards.clone(),
    };
    let straggler = match put.manner {
        Manner::Straggling(nth) => Some(shards[nth % shards.len()]),
        _ => None,
    };
    let mut begun = Vec::new();
    let mut owed = Vec::new();
    for &(disk, shard) in &shards {
        if straggler == Some((disk, shard)) {
            owed.push((disk, shard));
            continue;
        }
        let (verdict, _held) = gate.pass().await;
        match verdict {
            Verdict::Lose => owed.push((disk, shard)),
            _ if world.begin(disk, shard, &owner).await => begun.push((disk, shard)),
            _ => owed.push((disk, shard)),
        }
    }
    for (disk, shard) in begun {
        let (verdict, _held) = gate.pass().await;
        let is_done = match verdict {
            Verdict::Lose => {
                world.give_up(disk, shard);
                false
            }
            _ => world.finish(disk, shard).await,
        };
        if !is_done || verdict == Verdict::LoseAnswer {
            owed.push((disk, shard));
        }
    }
    if put.manner == Manner::HungUp {
        return discard(&world, &gate, &shards).await;
    }
    let debts = owed.into_iter().map(|(disk, shard)| Debt {
        disk: disk_id(disk),
        shard,
    });
    let done = commit(&client, &put, debts.collect()).await;
    if let Some((disk, shard)) = straggler {
        let (verdict, _held) = gate.pass().await;
        world.written.lock().unwrap().late.insert(shard);
        if verdict != Verdict::Lose && world.begin(disk, shard, &owner).await {
            drop(_held);
            let _held = gate.pass().await;
            world.finish(disk, shard).await;
        }
    }
    match done {
        // Decided against it for good, as `gateway::ingest` has it.
        Err(
            Error::NoSuchBucket
            | Error::StaleBucket
            | Error::PreconditionFailed
            | Error::NoSuchUpload,
        ) => discard(&world, &gate, &shards).await,
        // In doubt, or refused: the shards are left to the sweeps.
        Ok(()) | Err(Error::BlobRefused { .. } | Error::Unavailable | Error::Uncertain) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn commit(client: &Client, put: &Put, debts: Vec<Debt>) -> Result<(), Error> {
    let content = Content::Blobs(vec![put.blob.clone()]);
    match put.purpose {
        Purpose::Object => {
            let (class, owner) = (StorageClass::Standard, "root".to_owned());
            let version = ObjectVersion::proposed(put.tag, class, owner, ObjectBody::of(content));
            let object = PutObject {
                key: put.key.clone(),
                version,
                preconditions: Preconditions::default(),
                debts,
                versioning: put.versioning,
            };
            client.put_object(&put.bucket, object).await.map(drop)
        }
        Purpose::Part(upload, number) => {
            let part = PutPart {
                key: put.key.clone(),
                upload,
                part: Part {
                    number,
                    size_bytes: content.size_bytes(),
                    etag: put.tag,
                    checksums: Vec::new(),
                    content,
                    modified_ms: 0,
                    salt: None,
                },
                debts,
            };
            client.put_part(&put.bucket, part).await.map(drop)
        }
    }
}

async fn discard(world: &World, gate: &Gate, shards: &[(usize, ShardId)]) {
    for &(disk, shard) in shards {
        let (verdict, _held) = gate.pass().await;
        if verdict != Verdict::Lose
            && let Some(store) = world.reach(disk)
        {
            // What stays is an orphan.
            let _ = store.delete(shard).await;
        }
    }
}

/// Begins an upload in parts.
pub(super) async fn create_upload(
    client: Client,
    bucket: Arc<Bucket>,
    key: ObjectKey,
    id: UploadId,
) {
    let create = CreateUpload {
        key,
        upload: Upload::plain(id, StorageClass::Standard, "root".to_owned()),
    };
    let _ = client.create_upload(&bucket, create).await;
}

/// Completes an upload of those parts that `chosen` has a bit for.
pub(super) async fn complete_upload(
    client: Client,
    bucket: Arc<Bucket>,
    key: ObjectKey,
    upload: UploadId,
    (chosen, versioning): (u32, Versioning),
) {
    let Ok(page) = client.list_parts(&bucket, &key, upload, 0, 100).await else {
        return;
    };
    let parts = page
        .parts
        .iter()
        .filter(|part| chosen >> part.number & 1 == 1);
    let parts: Vec<CompletePart> = parts
        .map(|part| CompletePart {
            number: part.number,
            etag: part.etag,
            checksum: None,
        })
        .collect();
    let complete = CompleteUpload {
        key,
        upload,
        etag: ETag {
            md5: [0; 16],
            parts: Some(parts.len() as u32),
        },
        parts,
        checksums: Vec::new(),
        size_bytes: None,
        preconditions: Preconditions::default(),
        versioning,
    };
    let _ = client.complete_upload(&bucket, complete).await;
}

pub(super) async fn abort_upload(
    client: Client,
    bucket: Arc<Bucket>,
    key: ObjectKey,
    upload: UploadId,
) {
    let _ = client.abort_upload(&bucket, &key, upload).await;
}

pub(super) async fn delete_object(client: Client, bucket: Arc<Bucket>, delete: DeleteObject) {
    let _ = client.delete_object(&bucket, delete).await;
}

/// Asks disks to forget blobs, through a gate.
pub(super) struct Remover {
    pub(super) world: Arc<World>,
    pub(super) gate: Option<Arc<Gate>>,
}

impl BlobRemover for Remover {
    async fn remove_blobs(&self, _: &Layout, disk: DiskId, blobs: &[BlobId]) -> bool {
        let (verdict, _held) = match &self.gate {
            Some(gate) => {
                let (verdict, held) = gate.pass().await;
                (verdict, Some(held))
            }
            None => (Verdict::Go, None),
        };
        let Some(store) = self.world.reach(disk_of(disk)) else {
            return false;
        };
        verdict != Verdict::Lose
            && store.remove_blobs(blobs).await.is_ok()
            && verdict != Verdict::LoseAnswer
    }
}

/// Collects a group's garbage, as of a time.
pub(super) async fn collect(
    world: Arc<World>,
    client: Client,
    gate: Option<Arc<Gate>>,
    group: GroupId,
    now_ms: u64,
) -> Result<(), Error> {
    let layout = Arc::clone(&world.layout);
    let remover = Remover { world, gate };
    let collector = Collector::with_remover(client, remover, Duration::ZERO);
    collector.collect(&layout, group, now_ms).await
}

/// Removes what was left at a disk.
pub(super) async fn remove_left(
    world: Arc<World>,
    client: Client,
    disk: usize,
) -> Result<(), Error> {
    let store = world.store(disk);
    remove_left_behind(&client, KEY_GROUPS, disk_id(disk), &store).await
}

/// Sweeps a disk.
pub(super) async fn sweep(
    world: Arc<World>,
    client: Client,
    disk: usize,
    from_ms: u64,
    before_ms: u64,
) -> Result<(), SweepError> {
    let store = world.store(disk);
    let sweeper = Sweeper::new(client);
    sweeper
        .sweep(&store, from_ms, before_ms, |_| {})
        .await
        .map(drop)
}

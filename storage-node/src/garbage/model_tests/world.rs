//! What the actors of a history share: disks that lose power, the metadata, and what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use riquet_cluster::id::{BlobId, ChunkId, ClusterId, DiskId, Epoch, RequestId, ShardId};
use riquet_cluster::layout::{Disk, DiskState, Layout, Migration, Node, NodeState, PgTable, Site};
use riquet_cluster::profile::{Profile, ProfileId, SiteId};
use riquet_cluster::wire::shard::{Owner, ShardDescriptor};
use riquet_metadata::client::{CallFuture, Caller, LocalCaller, NoAnswer};
use riquet_metadata::command::{Command, Proposal, SystemCommand};
use riquet_metadata::record::{BlobRef, EpochRun};
use riquet_metadata::{Client, GroupId, MemoryReplica, MetadataService, Replica};
use tokio::sync::{MutexGuard, mpsc};

use crate::error::Error;
use crate::store::testing::{SimDisk, payload};
use crate::store::{Env, ShardStore, ShardWriter, StoreOptions, Stored};

pub(super) const KEY_GROUPS: u32 = 2;
pub(super) const DISKS: usize = 6;
const DISKS_PER_SITE: usize = DISKS / 2;
const PGS: usize = 8;
/// Small, so that segments fill up and are compacted.
const SEGMENT_BYTES: u64 = 96 << 10;
const PAYLOAD_BYTES: usize = 100;
/// As large as a part must be that another may follow. Stores don't care that payloads are shorter.
const CHUNK_BYTES: u64 = 5 << 20;
pub(super) const DAY_MS: u64 = 24 * 3600 * 1000;
/// When the metadata's records begin, ms since 1970. Blobs of that time can't be committed any more.
pub(super) const RECORDS_MS: u64 = 1_700_000_000_000;
/// When most blobs are made: a fixed time, as ids decide on places, and a future one, as the client
/// that commits them goes by the real clock.
pub(super) const BASE_MS: u64 = 4_102_444_800_000;

/// What becomes of an actor's next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// It never arrives.
    Lose,
    /// It is done, but nobody learns of it.
    LoseAnswer,
}

/// Where an actor waits before each call until the driver lets it go on, so that the driver alone
/// decides on every order, and may as well drop the actor: a crash between any two calls.
pub(super) struct Gate {
    arrivals: mpsc::UnboundedSender<()>,
    verdicts: tokio::sync::Mutex<mpsc::UnboundedReceiver<Verdict>>,
}

impl Gate {
    pub(super) fn new() -> (
        Arc<Self>,
        mpsc::UnboundedSender<Verdict>,
        mpsc::UnboundedReceiver<()>,
    ) {
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let (verdict, verdicts) = mpsc::unbounded_channel();
        let gate = Self {
            arrivals,
            verdicts: tokio::sync::Mutex::new(verdicts),
        };
        (Arc::new(gate), verdict, arrived)
    }

    /// Waits for the driver. Hold what is returned until the call is over: of calls side by side,
    /// as a collector makes them, the next one arrives only then.
    pub(super) async fn pass(&self) -> (Verdict, MutexGuard<'_, mpsc::UnboundedReceiver<Verdict>>) {
        let mut verdicts = self.verdicts.lock().await;
        // Nobody listens when the actor is being dropped.
        let _ = self.arrivals.send(());
        let verdict = verdicts.recv().await.unwrap_or(Verdict::Lose);
        (verdict, verdicts)
    }
}

/// Reaches the metadata through a gate.
struct GatedCaller {
    inner: LocalCaller,
    gate: Arc<Gate>,
}

impl Caller for GatedCaller {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        Box::pin(async move {
            let (verdict, _held) = self.gate.pass().await;
            if verdict == Verdict::Lose {
                return Err(NoAnswer);
            }
            let answer = self.inner.call(endpoint, path, body).await;
            match verdict {
                Verdict::LoseAnswer => Err(NoAnswer),
                _ => answer,
            }
        })
    }
}

struct DiskSlot {
    sim: Arc<SimDisk>,
    /// Shards being written. Here, so that a power cut ends them; and before the store, whose end
    /// waits for theirs.
    writers: BTreeMap<ShardId, ShardWriter>,
    store: Option<Arc<ShardStore>>,
    /// Its power goes, or has gone.
    is_cut: bool,
    /// Its node can't be reached.
    is_away: bool,
}

/// What was done to shards, as a gateway knows it.
#[derive(Default)]
pub(super) struct Written {
    /// Durable by the store's word.
    pub(super) acked: BTreeSet<ShardId>,
    /// Begun after the commit of their blob: removal may have been there before them.
    pub(super) late: BTreeSet<ShardId>,
}

pub(super) struct World {
    pub(super) layout: Arc<Layout>,
    pub(super) written: Mutex<Written>,
    service: MetadataService,
    slots: Vec<Mutex<DiskSlot>>,
    indexes: tempfile::TempDir,
}

impl World {
    pub(super) async fn new(random: &mut StdRng) -> Arc<Self> {
        let layout = layout(random);
        layout.validate().unwrap();
        let indexes = tempfile::tempdir().unwrap();
        let slots = (0..DISKS).map(|disk| {
            let sim = SimDisk::new(random.random());
            let store = Some(open(&sim, indexes.path(), disk));
            Mutex::new(DiskSlot {
                sim,
                store,
                writers: BTreeMap::new(),
                is_cut: false,
                is_away: false,
            })
        });
        let slots = slots.collect();
        let replica = Arc::new(MemoryReplica::new(KEY_GROUPS));
        let bootstrap = SystemCommand::Bootstrap {
            cluster: layout.cluster,
            layout: Box::new(layout.clone()),
            identities: Vec::new(),
            key_groups: KEY_GROUPS,
        };
        // Past the client, whose clock is today's.
        let proposal = Proposal {
            request: RequestId::from_u128(1),
            timestamp_ms: RECORDS_MS,
            command: Command::System(bootstrap),
        };
        replica.propose(GroupId::SYSTEM, proposal).await.unwrap();
        Arc::new(Self {
            layout: Arc::new(layout),
            written: Mutex::default(),
            service: MetadataService::new(replica),
            slots,
            indexes,
        })
    }

    /// A client that waits for nobody.
    pub(super) fn client(&self) -> Client {
        let caller = LocalCaller::new(self.service.clone());
        Client::with_caller(Arc::new(caller), vec!["here".to_owned()])
    }

    /// A client whose every call waits at a gate.
    pub(super) fn gated(&self, gate: &Arc<Gate>) -> Client {
        let caller = GatedCaller {
            inner: LocalCaller::new(self.service.clone()),
            gate: Arc::clone(gate),
        };
        Client::with_caller(Arc::new(caller), vec!["here".to_owned()])
    }

    pub(super) fn blob_ref(&self, id: BlobId, chunks: u32) -> BlobRef {
        BlobRef {
            id,
            length_bytes: CHUNK_BYTES * u64::from(chunks),
            profile: self.layout.standard,
            chunk_size_bytes: CHUNK_BYTES,
            epochs: vec![EpochRun {
                first_seq: 0,
                epoch: self.layout.epoch,
            }],
        }
    }

    /// The shards of a blob and their disks.
    pub(super) fn shards_of(&self, blob: &BlobRef) -> Vec<(usize, ShardId)> {
        let disks = (0..DISKS).flat_map(|disk| {
            let shards = blob.shards_on(&self.layout, disk_id(disk));
            shards.map(move |shard| (disk, shard))
        });
        disks.collect()
    }

    fn slot(&self, disk: usize) -> std::sync::MutexGuard<'_, DiskSlot> {
        self.slots[disk].lock().unwrap()
    }

    /// The store, for its own node.
    pub(super) fn store(&self, disk: usize) -> Arc<ShardStore> {
        Arc::clone(self.slot(disk).store.as_ref().expect("it is open"))
    }

    /// The store, for others.
    pub(super) fn reach(&self, disk: usize) -> Option<Arc<ShardStore>> {
        let is_away = self.is_away(disk);
        (!is_away).then(|| self.store(disk))
    }

    pub(super) fn is_cut(&self, disk: usize) -> bool {
        self.slot(disk).is_cut
    }

    pub(super) fn is_away(&self, disk: usize) -> bool {
        self.slot(disk).is_away
    }

    pub(super) fn set_away(&self, disk: usize, is_away: bool) {
        let mut slot = self.slot(disk);
        slot.is_away = is_away;
        if is_away {
            // Who wrote to it finds the connection gone.
            slot.writers.clear();
        }
    }

    pub(super) fn cut_after(&self, disk: usize, operations: u64) {
        let mut slot = self.slot(disk);
        slot.is_cut = true;
        slot.sim.cut_after(operations);
    }

    /// Cuts the power, if it is not off yet, and starts again. Nobody may use the store meanwhile.
    pub(super) fn restart(&self, disk: usize, random: &mut StdRng) {
        let mut slot = self.slot(disk);
        slot.writers.clear();
        slot.sim.cut_after(0);
        let (now, copy) = (
            index(self.indexes.path(), disk),
            self.indexes.path().join("copy"),
        );
        let fate = random.random_range(0..3);
        if fate == 0 {
            copy_folder(&now, &copy);
        }
        let store = slot.store.take().expect("it is open");
        Arc::try_unwrap(store).ok().expect("nobody uses it");
        match fate {
            // As it was on its disk at that moment.
            0 => {
                std::fs::remove_dir_all(&now).unwrap();
                std::fs::rename(&copy, &now).unwrap();
            }
            1 => std::fs::remove_dir_all(&now).unwrap(),
            // With all that was applied.
            _ => {}
        }
        slot.sim = slot.sim.after_crash(random.random());
        slot.store = Some(open(&slot.sim, self.indexes.path(), disk));
        slot.is_cut = false;
    }

    /// Begins to write a shard; whether that went well.
    pub(super) async fn begin(&self, disk: usize, shard: ShardId, owner: &Owner) -> bool {
        let Some(store) = self.reach(disk) else {
            return false;
        };
        match store.begin(self.descriptor(shard, owner)).await {
            Ok(writer) => self.slot(disk).writers.insert(shard, writer).is_none(),
            Err(_) => false,
        }
    }

    /// Ends a write; whether the shard is durable.
    pub(super) async fn finish(&self, disk: usize, shard: ShardId) -> bool {
        let Some(mut writer) = self.slot(disk).writers.remove(&shard) else {
            return false;
        };
        let done = match writer.write(&payload_of(shard)).await {
            Ok(()) => writer.finish().await,
            Err(error) => Err(error),
        };
        let is_done = matches!(done, Ok(Stored::Now | Stored::Before));
        if is_done {
            self.written.lock().unwrap().acked.insert(shard);
        }
        is_done
    }

    pub(super) fn give_up(&self, disk: usize, shard: ShardId) {
        self.slot(disk).writers.remove(&shard);
    }

    fn descriptor(&self, id: ShardId, owner: &Owner) -> ShardDescriptor {
        let profile = self.layout.standard_profile();
        ShardDescriptor {
            id,
            profile: profile.id,
            data: profile.data,
            total: profile.total() as u8,
            cell_size: profile.cell_size,
            chunk_len: CHUNK_BYTES,
            payload_len: PAYLOAD_BYTES as u64,
            pg: self.layout.pg_of(profile, id.chunk),
            epoch: self.layout.epoch,
            owner: owner.clone(),
            blob_len: None,
        }
    }

    /// All that a disk lists.
    pub(super) async fn listed(&self, disk: usize) -> BTreeSet<ShardId> {
        let page = self.store(disk).list(None, usize::MAX).await.unwrap();
        assert!(!page.more, "histories are short");
        page.shards.into_iter().collect()
    }

    /// Reads a shard and compares it.
    pub(super) async fn read_right(&self, disk: usize, shard: ShardId) -> Result<(), Error> {
        let mut reader = self.store(disk).read(shard, None).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        assert!(bytes == payload_of(shard), "shard {shard} has other bytes");
        Ok(())
    }
}

/// The connections of one upload: with it, what it has begun to write ends.
pub(super) struct Connections {
    pub(super) world: Arc<World>,
    pub(super) shards: Vec<(usize, ShardId)>,
}

impl Drop for Connections {
    fn drop(&mut self) {
        for &(disk, shard) in &self.shards {
            self.world.give_up(disk, shard);
        }
    }
}

pub(super) fn disk_id(disk: usize) -> DiskId {
    DiskId::from_u128(100 + disk as u128)
}

pub(super) fn disk_of(id: DiskId) -> usize {
    usize::try_from(id.as_u128() - 100).unwrap()
}

fn payload_of(shard: ShardId) -> Vec<u8> {
    let ShardId {
        chunk: ChunkId { blob, seq },
        index,
    } = shard;
    let seed = blob.as_u128() as u64 ^ (u64::from(seq) << 32) ^ u64::from(index);
    payload(seed, PAYLOAD_BYTES)
}

fn index(indexes: &Path, disk: usize) -> std::path::PathBuf {
    indexes.join(disk.to_string())
}

fn open(sim: &Arc<SimDisk>, indexes: &Path, disk: usize) -> Arc<ShardStore> {
    let options = StoreOptions {
        index_path: index(indexes, disk),
        segment_bytes: SEGMENT_BYTES,
        write_buffer_bytes: 4 << 20,
        read_buffer_bytes: 4 << 20,
        ..StoreOptions::new("/disk", disk_id(disk))
    };
    let env = Arc::clone(sim) as Arc<dyn Env>;
    Arc::new(ShardStore::open(env, &options).unwrap())
}

/// Copies what is there. Of an index in use, RocksDB may just remove a file.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

/// Two sites of three disks; one data shard, and two shards at each site.
fn layout(random: &mut StdRng) -> Layout {
    let site = |id: u8| Site {
        id: SiteId(id),
        name: format!("site-{id}"),
    };
    let node = |site: u8| Node {
        name: format!("node-{site}"),
        site: SiteId(site),
        address: "nowhere:1".to_owned(),
        state: NodeState::default(),
    };
    let disk = |disk: usize| Disk {
        id: disk_id(disk),
        node: (disk / DISKS_PER_SITE) as u16,
        weight: 1,
        state: DiskState::Active,
    };
    let profile = Profile {
        id: ProfileId(1),
        name: "1/2".to_owned(),
        data: 1,
        per_site: 2,
        sites: vec![SiteId(0), SiteId(1)],
        cell_size: 64,
        chunk_size: CHUNK_BYTES,
    };
    let mut own = StdRng::seed_from_u64(random.random());
    let slots = (0..PGS * 2).flat_map(|row| {
        let first = row % 2 * DISKS_PER_SITE;
        let pair = sample(&mut own, DISKS_PER_SITE, 2).into_vec();
        pair.into_iter().map(move |place| (first + place) as u16)
    });
    let table = PgTable {
        profile: profile.id,
        slots: slots.collect(),
    };
    Layout {
        cluster: ClusterId::from_u128(1),
        epoch: Epoch(1),
        sites: vec![site(0), site(1)],
        nodes: vec![node(0), node(1)],
        disks: (0..DISKS).map(disk).collect(),
        standard: profile.id,
        profiles: vec![profile],
        tables: vec![table],
        one_zone: Vec::new(),
        migration: Migration::default(),
        change: None,
    }
}

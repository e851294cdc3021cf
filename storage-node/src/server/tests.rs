//! The server over real sockets, with the cluster's own client.

use std::path::Path;

use bytes::Bytes;
use riquet_cluster::cell_hash::hash_cell;
use riquet_cluster::clock::now_ms;
use riquet_cluster::id::{BlobId, ChunkId, ClusterId, Epoch, RequestId, ShardId};
use riquet_cluster::layout::{
    Disk, DiskState, Layout, Migration, Node as LayoutNode, NodeState, Pg, Site,
};
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::placement::compute_table;
use riquet_cluster::profile::{Profile, ProfileId, SiteId};
use riquet_cluster::telemetry::metrics::Exporter;
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::shard::{Owner, ShardDescriptor};
use riquet_metadata::command::{NewBucket, Preconditions, PutObject};
use riquet_metadata::query::DebtCount;
use riquet_metadata::raft::{RaftHost, RaftService, Voter};
use riquet_metadata::record::{
    BlobRef, Content, ETag, EpochRun, ObjectBody, ObjectVersion, StorageClass, Versioning,
};
use riquet_metadata::{Client, Created, MetadataService, ObjectKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::config::Role;
use crate::migration::Mover;
use crate::store::testing::{descriptor, payload, shard_id};
use crate::store::{OsEnv, StoreOptions};

const DISK: DiskId = DiskId::from_u128(7);
/// Of another node by the layout, which serves at the same address.
const OTHER: DiskId = DiskId::from_u128(8);
const CLUSTER: ClusterId = ClusterId::from_u128(1);

struct Running {
    address: String,
    node: Arc<Node>,
    client: NodeClient,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Running {
    async fn start(path: &Path) -> Self {
        Self::with_disks(path, &[DISK]).await
    }

    /// One with these disks, and another that is refused.
    async fn with_disks(path: &Path, disks: &[DiskId]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let open = |id: &DiskId| {
            let options = StoreOptions {
                segment_bytes: 8 << 20,
                ..StoreOptions::new(path.join(format!("disk-{id}")), *id)
            };
            let store = ShardStore::open(Arc::new(OsEnv), &options).unwrap();
            (*id, DiskSlot::Open(Arc::new(store)))
        };
        let mut slots: BTreeMap<DiskId, DiskSlot> = disks.iter().map(open).collect();
        let refused = DiskSlot::Refused("it smokes".into());
        slots.insert(DiskId::from_u128(9), refused);
        let settings = Settings {
            name: "a-1".into(),
            site: "a".into(),
            listen: address.clone(),
            roles: vec![Role::Data, Role::Meta],
            data_dir: path.to_owned(),
            disks: Vec::new(),
            metadata: vec![address.clone()],
            fault_file: None,
            disk_fault_file: None,
            segment_bytes: None,
            repair_bytes_per_second: 1 << 30,
            tolerated_wait_ms: 50,
            scrub_period_days: 1,
            scrub_bytes_per_second: 1 << 30,
            compaction_bytes_per_second: 1 << 30,
            garbage_grace_seconds: 0,
            orphan_age_seconds: 3600,
            write_buffer_bytes: 8 << 20,
            read_buffer_bytes: 8 << 20,
            key_groups: 1,
            voters: Vec::new(),
            voter: None,
        };
        let voter = Voter {
            id: 1,
            endpoint: address.clone(),
            site: Some("a".into()),
            folder: None,
        };
        let meta = path.join("meta");
        let host = RaftHost::open(&meta, voter.clone(), &[voter], 1, Transport::tcp())
            .await
            .unwrap();
        let node = Arc::new(Node {
            settings,
            disks: slots,
            upkeep: disks.iter().map(|id| (*id, Upkeep::default())).collect(),
            repaired: Tally::default(),
            load: Arc::new(Load::new(Duration::from_millis(50))),
            traffic: Arc::new(Traffic::of("toulouse")),
            layout: NodeLayout::default(),
            transport: Transport::tcp(),
            metadata: Some(Metadata {
                service: MetadataService::new(host.clone()),
                raft: RaftService::new(host),
            }),
            metrics: Exporter::detached(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(Arc::clone(&node), listener, async {
            let _ = stopped.await;
        }));
        let client = NodeClient::new(Transport::tcp(), CLUSTER);
        Self {
            address,
            node,
            client,
            stop: Some(stop),
            server,
        }
    }

    fn target(&self, disk: DiskId, epoch: u64) -> Target {
        Target {
            address: self.address.clone(),
            disk,
            epoch: Epoch(epoch),
            request: RequestId::from_u128(3),
        }
    }

    async fn put(
        &self,
        target: &Target,
        blob: u128,
        bytes: &[u8],
    ) -> Result<(), riquet_cluster::Error> {
        let descriptor = descriptor(blob, 0, bytes.len() as u64);
        self.put_as(target, descriptor, bytes).await
    }

    async fn put_as(
        &self,
        target: &Target,
        descriptor: ShardDescriptor,
        bytes: &[u8],
    ) -> Result<(), riquet_cluster::Error> {
        let (sender, receiver) = mpsc::channel(1);
        let pieces: Vec<Bytes> = bytes.chunks(100_000).map(Bytes::copy_from_slice).collect();
        let feed = async move {
            for piece in pieces {
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(self.client.put(target, &descriptor, receiver), feed).0
    }

    async fn get(
        &self,
        blob: u128,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Vec<u8>, riquet_cluster::Error> {
        let mut reader = self
            .client
            .get(&self.target(DISK, 1), shard_id(blob, 0), range)
            .await?;
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Makes a cluster of it; a client of its metadata.
    async fn bootstrap(&self, epoch: u64) -> Client {
        let client = Client::new(Transport::tcp(), vec![self.address.clone()]);
        client
            .bootstrap(CLUSTER, layout(&self.address, epoch), Vec::new(), 1)
            .await
            .unwrap();
        self.node.layout.follow(client.clone()).await;
        client
    }
}

fn layout(address: &str, epoch: u64) -> Layout {
    let profile = Profile {
        id: ProfileId(0),
        name: "1+1".into(),
        data: 1,
        per_site: 2,
        sites: vec![SiteId(0)],
        cell_size: 65536,
        chunk_size: 1 << 20,
    };
    let node = |name: &str| LayoutNode {
        name: name.into(),
        site: SiteId(0),
        address: address.into(),
        state: NodeState::default(),
    };
    let disk = |id, node| Disk {
        id,
        node,
        weight: 1,
        state: DiskState::Active,
    };
    let nodes = vec![node("a-1"), node("a-2")];
    let disks = vec![disk(DISK, 0), disk(OTHER, 1)];
    let table = compute_table(&profile, &nodes, &disks, 16).unwrap();
    Layout {
        cluster: CLUSTER,
        epoch: Epoch(epoch),
        sites: vec![Site {
            id: SiteId(0),
            name: "a".into(),
        }],
        nodes,
        disks,
        standard: profile.id,
        profiles: vec![profile],
        tables: vec![table],
        one_zone: vec![],
        migration: Migration::default(),
        change: None,
    }
}

#[tokio::test]
async fn shards_go_out_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(dir.path()).await;
    let target = running.target(DISK, 1);
    let bytes = payload(1, 2_000_000);
    running.put(&target, 1, &bytes).await.unwrap();
    running.put(&target, 1, &bytes).await.unwrap();
    let other = payload(2, 2_000_000);
    let conflict = running.put(&target, 1, &other).await;
    assert!(
        matches!(conflict, Err(riquet_cluster::Error::ShardConflict)),
        "{conflict:?}"
    );
    assert!(running.get(1, None).await.unwrap() == bytes);
    assert!(running.get(1, Some(700_001..1_900_000)).await.unwrap() == bytes[700_001..1_900_000]);
    let found = running.client.head(&target, shard_id(1, 0)).await.unwrap();
    assert_eq!(found, descriptor(1, 0, 2_000_000));

    running.put(&target, 2, b"second").await.unwrap();
    let page = running.client.list(&target, None, 1).await.unwrap();
    assert_eq!((page.shards, page.more), (vec![shard_id(1, 0)], true));
    let page = running
        .client
        .list(&target, Some(shard_id(1, 0)), 10)
        .await
        .unwrap();
    assert_eq!((page.shards, page.more), (vec![shard_id(2, 0)], false));
    let page = running.client.describe(&target, None, 1).await.unwrap();
    assert_eq!(page.shards[0].descriptor, descriptor(1, 0, 2_000_000));
    assert!(page.shards[0].written_ms > 0);
    assert_eq!(page.next, Some(shard_id(1, 0)));
    let page = running.client.describe(&target, page.next, 10).await;
    let page = page.unwrap();
    assert_eq!(page.shards[0].descriptor, descriptor(2, 0, 6));
    assert_eq!((page.shards.len(), page.next), (1, None));

    running
        .client
        .delete(&target, shard_id(1, 0))
        .await
        .unwrap();
    running
        .client
        .delete(&target, shard_id(1, 0))
        .await
        .unwrap();
    let gone = running.get(1, None).await;
    assert!(matches!(gone, Err(riquet_cluster::Error::NoSuchShard)));

    running.stop.take().unwrap().send(()).unwrap();
    drop(running.client);
    running.server.await.unwrap();
}

#[tokio::test]
async fn old_layouts_other_clusters_and_absent_disks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path()).await;
    // Before the first layout everything is served.
    running
        .put(&running.target(DISK, 1), 1, b"early")
        .await
        .unwrap();
    running.bootstrap(3).await;
    // By the newer layout the other disk has the slot in some groups, and this one in the others.
    let newer = layout(&running.address, 3);
    let (here, elsewhere): (Vec<u32>, Vec<u32>) = (0..16).partition(|group| {
        let row = newer.slots(&newer.profiles[0], Pg(*group));
        newer.disk(row[0]).id == DISK
    });
    let late = |blob, group| ShardDescriptor {
        profile: newer.standard,
        pg: Pg(group),
        ..descriptor(blob, 0, 4)
    };
    let target = running.target(DISK, 2);
    running
        .put_as(&target, late(5, here[0]), b"late")
        .await
        .unwrap();
    let old = running
        .put_as(&target, late(6, elsewhere[0]), b"late")
        .await;
    assert!(
        matches!(
            old,
            Err(riquet_cluster::Error::NewerLayout { current: Epoch(3) })
        ),
        "{old:?}"
    );
    running
        .put(&running.target(DISK, 3), 2, b"fresh")
        .await
        .unwrap();
    running
        .put(&running.target(DISK, 4), 3, b"ahead of the node")
        .await
        .unwrap();
    assert_eq!(
        running.get(1, None).await.unwrap(),
        b"early",
        "reads take any epoch"
    );
    for disk in [8, 9] {
        let absent = running
            .put(&running.target(DiskId::from_u128(disk), 3), 4, b"x")
            .await;
        assert!(
            matches!(absent, Err(riquet_cluster::Error::DiskUnavailable)),
            "{absent:?}"
        );
    }
    let stranger = NodeClient::new(Transport::tcp(), ClusterId::from_u128(2));
    let refused = stranger
        .head(&running.target(DISK, 3), shard_id(1, 0))
        .await;
    assert!(refused.is_err());
}

/// It stays until it is where it belongs, and costs no reads of other shards.
#[tokio::test]
async fn a_shard_on_the_wrong_disk_goes_to_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::with_disks(dir.path(), &[DISK, OTHER]).await;
    let client = running.bootstrap(3).await;
    let layout = layout(&running.address, 3);
    let new = NewBucket::named("b", "root", "r");
    let Created::New(bucket) = client.create_bucket(&new).await.unwrap() else {
        panic!("the bucket exists");
    };
    let profile = &layout.profiles[0];
    let chunk = ChunkId {
        blob: BlobId::new(now_ms(), [1; 10]),
        seq: 0,
    };
    let pg = layout.pg_of(profile, chunk);
    let holders = layout.slots(profile, pg).iter();
    let index = holders
        .map(|at| layout.disk(*at).id)
        .position(|disk| disk == OTHER);
    let shard = ShardId {
        chunk,
        index: index.unwrap() as u8,
    };
    let geometry = profile.geometry(5000);
    let mut bytes = payload(1, geometry.cell_len(0));
    let hash = hash_cell(shard, 0, &bytes);
    bytes.extend_from_slice(&hash);
    let key = ObjectKey::from("key");
    let described = ShardDescriptor {
        id: shard,
        profile: profile.id,
        data: 1,
        total: 2,
        chunk_len: 5000,
        pg,
        owner: Owner {
            bucket: bucket.id.0,
            key: key.as_bytes().to_vec(),
            part: None,
            sealed: false,
        },
        ..descriptor(1, 0, bytes.len() as u64)
    };
    let (wrong, right) = (running.target(DISK, 3), running.target(OTHER, 3));
    running.put_as(&wrong, described, &bytes).await.unwrap();
    let blob = BlobRef {
        id: chunk.blob,
        length_bytes: 5000,
        profile: profile.id,
        chunk_size_bytes: profile.chunk_size,
        epochs: vec![EpochRun {
            first_seq: 0,
            epoch: Epoch(3),
        }],
    };
    let body = ObjectBody::of(Content::Blobs(vec![blob]));
    let tag = ETag::whole([0; 16]);
    let object = PutObject {
        key,
        version: ObjectVersion::proposed(tag, StorageClass::Standard, "root".to_owned(), body),
        preconditions: Preconditions::default(),
        debts: Vec::new(),
        versioning: Versioning::default(),
    };
    client.put_object(&bucket, object).await.unwrap();
    let Some(DiskSlot::Open(store)) = running.node.disks.get(&DISK) else {
        panic!("the disk is not open");
    };
    let throttle = Mover::throttle(&running.node);
    let node = || Arc::clone(&running.node);
    let mover = Mover::new(client.clone(), node(), Arc::clone(store), throttle);
    let moving = tokio::spawn(mover.run());
    let gone = async {
        while store.has(&shard).unwrap() {
            // It is not waited for the next look.
            running.node.upkeep[&DISK].moves.stray();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .unwrap_or_else(|_| panic!("{:?}", running.node.upkeep[&DISK].moves.report()));
    moving.abort();
    let there = running.client.get(&right, shard, None).await.unwrap();
    assert_eq!(there.remaining(), geometry.payload_len());
    // Noted first, in case it could not be sent; repair strikes it.
    let owed = client.debt_counts().await.unwrap();
    assert_eq!(
        owed,
        [DebtCount {
            disk: OTHER,
            shards: 1
        }]
    );
}

#[tokio::test]
async fn a_body_that_ends_short_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path()).await;
    let target = running.target(DISK, 1);
    let (sender, receiver) = mpsc::channel(1);
    let long = descriptor(1, 0, 3_000_000);
    let feed = async move {
        sender
            .send(Bytes::from(payload(1, 1_500_000)))
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(running.client.put(&target, &long, receiver), feed);
    assert!(answer.is_err());
    // The id is free again as soon as the node has seen the cut.
    let bytes = payload(2, 10);
    while let Err(error) = running.put(&target, 1, &bytes).await {
        assert!(
            matches!(error, riquet_cluster::Error::Overloaded),
            "{error}"
        );
    }
    assert_eq!(running.get(1, None).await.unwrap(), bytes);

    let mut lying = TcpStream::connect(&running.address).await.unwrap();
    let head = format!(
        "PUT /v1/disks/{DISK}/shards/{} HTTP/1.1\r\nhost: x\r\nriquet-epoch: 1\r\nriquet-shard: {}\r\ncontent-length: 11\r\n\r\nhello world",
        shard_id(5, 0),
        descriptor(5, 0, 10).to_header(),
    );
    lying.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    lying.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    let absent = running.get(5, None).await;
    assert!(matches!(absent, Err(riquet_cluster::Error::NoSuchShard)));
}

#[tokio::test]
async fn health_and_metrics_show_the_disks() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path()).await;
    let fetch = async |path: &str| {
        let mut stream = TcpStream::connect(&running.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let health = fetch("/v1/health").await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert!(
        health.contains(r#""state":"online""#) && health.contains("it smokes"),
        "{health}"
    );
    assert!(fetch("/metrics").await.starts_with("HTTP/1.1 200"));
    assert!(fetch("/health").await.starts_with("HTTP/1.1 200"));
    // Nobody told this node of a layout.
    let ready = fetch("/ready").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("layout"),
        "{ready}"
    );
    assert!(fetch("/v1/nothing").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_request_of_another_protocol_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path()).await;
    for path in ["/v1/health", "/v1/upkeep", "/v1/raft/status"] {
        let mut stream = TcpStream::connect(&running.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nriquet-protocol: 7\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 426"), "{path}: {answer}");
        assert!(
            answer.contains("upgrade all storage nodes"),
            "{path}: {answer}"
        );
    }
}

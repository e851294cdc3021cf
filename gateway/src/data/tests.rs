//! The data path against nodes that keep shards in memory and can be told to misbehave.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use riquet_cluster::id::{ClusterId, DiskId, Epoch, RequestId, ShardId};
use riquet_cluster::layout::{Disk, DiskState, Layout, Migration, Node, NodeState, Site};
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::placement::compute_table;
use riquet_cluster::profile::{Profile, ProfileId, SiteId};
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::shard::{ERROR, ErrorCode, Owner};
use riquet_metadata::record::{Content, StorageClass};
use tokio::net::TcpListener;

use super::{BlobWrite, DataError, DataPath, Health, Source, WriteError, Written};

/// How a node treats requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Refuses every request.
    Broken,
    /// Accepts requests and never answers.
    Silent,
}

#[derive(Clone)]
struct FakeNode {
    address: String,
    mood: Arc<Mutex<Mood>>,
    shards: Arc<Mutex<HashMap<ShardId, Vec<u8>>>>,
}

impl FakeNode {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Self {
            address: listener.local_addr().unwrap().to_string(),
            mood: Arc::new(Mutex::new(Mood::Fine)),
            shards: Arc::default(),
        };
        let serving = node.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let node = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let node = node.clone();
                        async move { Ok::<_, Infallible>(node.answer(request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        node
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Fine => {}
            Mood::Silent => std::future::pending().await,
            Mood::Broken => return refuse(ErrorCode::DiskUnavailable),
        }
        let Some(shard) = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .and_then(|s| s.parse().ok())
        else {
            return Response::new(Empty::new().boxed());
        };
        match *request.method() {
            Method::PUT => {
                let Ok(body) = request.into_body().collect().await else {
                    return refuse(ErrorCode::Refused);
                };
                self.shards
                    .lock()
                    .unwrap()
                    .insert(shard, body.to_bytes().to_vec());
                Response::builder()
                    .status(StatusCode::CREATED)
                    .body(Empty::new().boxed())
                    .unwrap()
            }
            Method::GET => {
                let shards = self.shards.lock().unwrap();
                let Some(payload) = shards.get(&shard) else {
                    return refuse(ErrorCode::NoSuchShard);
                };
                let range = request.headers()["range"].to_str().unwrap();
                let (from, to) = range
                    .strip_prefix("bytes=")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                let range = from.parse::<usize>().unwrap()..=to.parse::<usize>().unwrap();
                Response::builder()
                    .status(StatusCode::PARTIAL_CONTENT)
                    .body(Full::new(Bytes::copy_from_slice(&payload[range])).boxed())
                    .unwrap()
            }
            Method::DELETE => {
                self.shards.lock().unwrap().remove(&shard);
                Response::new(Empty::new().boxed())
            }
            _ => refuse(ErrorCode::Refused),
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

fn refuse(code: ErrorCode) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder()
        .status(code.status())
        .header(ERROR, code.word())
        .body(Empty::new().boxed())
        .unwrap()
}

struct Cluster {
    nodes: Vec<FakeNode>,
    layout: Layout,
    data: DataPath,
}

/// Sites of 4 nodes, profile 2/4, cells of 64 bytes, chunks of 5 stripes; the gateway at `site`.
async fn cluster(site: u8) -> Cluster {
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(FakeNode::start().await);
    }
    let profile = Profile {
        id: ProfileId(1),
        name: "2/4".into(),
        data: 2,
        per_site: 4,
        sites: vec![SiteId(0), SiteId(1)],
        cell_size: 64,
        chunk_size: 5 * 2 * 64,
    };
    let members: Vec<Node> = nodes
        .iter()
        .enumerate()
        .map(|(i, n)| Node {
            name: format!("n{i}"),
            site: SiteId((i / 4) as u8),
            address: n.address.clone(),
            state: NodeState::default(),
        })
        .collect();
    let disks: Vec<Disk> = (0..8u16)
        .map(|i| Disk {
            id: DiskId::from_u128(u128::from(i) + 1),
            node: i,
            weight: 1,
            state: DiskState::Active,
        })
        .collect();
    let table = compute_table(&profile, &members, &disks, 8).unwrap();
    let layout = Layout {
        cluster: ClusterId::from_u128(1),
        epoch: Epoch(1),
        sites: (0..2)
            .map(|i| Site {
                id: SiteId(i),
                name: format!("s{i}"),
            })
            .collect(),
        nodes: members,
        disks,
        standard: profile.id,
        profiles: vec![profile],
        tables: vec![table],
        one_zone: Vec::new(),
        migration: Migration::default(),
        change: None,
    };
    layout.validate().unwrap();
    let client = NodeClient::new(Transport::tcp(), layout.cluster);
    let shared = Arc::new(ArcSwap::from_pointee(layout.clone()));
    let data = DataPath::new(client, shared, SiteId(site), Health::default());
    Cluster {
        nodes,
        layout,
        data,
    }
}

impl Cluster {
    fn site(&self, site: usize) -> &[FakeNode] {
        &self.nodes[site * 4..][..4]
    }

    fn shards(&self) -> BTreeMap<ShardId, usize> {
        let mut all = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            all.extend(node.shards.lock().unwrap().keys().map(|s| (*s, index)));
        }
        all
    }

    async fn write(&self, data: &[u8]) -> Result<Written, WriteError<&'static str>> {
        let mut source = Slices::of(data);
        self.data.write(order(data.len()), &mut source).await
    }

    async fn read(
        &self,
        written: &Written,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<u8>, DataError> {
        let content = Content::Blobs(vec![written.blob.clone()]);
        let range = range.start as u64..range.end as u64;
        let request = RequestId::from_u128(2);
        let mut reader = self.data.read(&content, None, range, request)?;
        let mut out = Vec::new();
        while let Some(bytes) = reader.next().await {
            out.extend_from_slice(&bytes?);
        }
        Ok(out)
    }
}

fn order(length: usize) -> BlobWrite {
    BlobWrite {
        owner: Owner {
            bucket: 1,
            key: b"key".to_vec(),
            part: None,
            sealed: false,
        },
        class: StorageClass::Standard,
        length_bytes: length as u64,
        request: RequestId::from_u128(1),
    }
}

/// Gives its bytes in slices of odd lengths, then an error if it has one.
struct Slices {
    left: Bytes,
    error: Option<&'static str>,
}

impl Slices {
    fn of(data: &[u8]) -> Self {
        Self {
            left: Bytes::copy_from_slice(data),
            error: None,
        }
    }
}

impl Source for Slices {
    type Error = &'static str;

    async fn next(&mut self) -> Option<Result<Bytes, &'static str>> {
        if self.left.is_empty() {
            return self.error.take().map(Err);
        }
        Some(Ok(self.left.split_to(self.left.len().min(37))))
    }
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 7) as u8).collect()
}

#[tokio::test]
async fn every_length_and_range_comes_back_at_both_sites() {
    for site in 0..2 {
        let cluster = cluster(site).await;
        for len in [1, 63, 64, 128, 129, 640, 641, 1999] {
            let data = sample(len);
            let written = cluster.write(&data).await.unwrap();
            assert!(written.debts.is_empty());
            assert_eq!(cluster.read(&written, 0..len).await.unwrap(), data);
            for (from, to) in [
                (0, 1),
                (len / 2, len),
                (len / 3, len / 3 + 1),
                (len - 1, len),
            ] {
                assert_eq!(
                    cluster.read(&written, from..to).await.unwrap(),
                    data[from..to]
                );
            }
        }
    }
}

#[tokio::test]
async fn either_site_alone_serves_and_accepts() {
    for (own, lost) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let cluster = cluster(own).await;
        let data = sample(1500);
        let before = cluster.write(&data).await.unwrap();
        cluster.site(lost).iter().for_each(|n| n.set(Mood::Broken));
        assert_eq!(cluster.read(&before, 0..1500).await.unwrap(), data);
        let after = cluster.write(&data).await.unwrap();
        // 3 chunks of 8 shards, 4 of each at the lost site.
        assert_eq!(after.debts.len(), 12);
        let lost_disks: Vec<DiskId> = cluster.layout.disks[lost * 4..][..4]
            .iter()
            .map(|d| d.id)
            .collect();
        assert!(after.debts.iter().all(|d| lost_disks.contains(&d.disk)));
        assert_eq!(
            cluster.read(&after, 700..1500).await.unwrap(),
            data[700..1500]
        );
        // And the survivor may lose s - k disks more.
        cluster.site(1 - lost)[..2]
            .iter()
            .for_each(|n| n.set(Mood::Broken));
        assert_eq!(cluster.read(&before, 0..1500).await.unwrap(), data);
        assert_eq!(cluster.read(&after, 0..1500).await.unwrap(), data);
        cluster.site(1 - lost)[2].set(Mood::Broken);
        assert!(matches!(
            cluster.read(&before, 0..1500).await,
            Err(DataError::TooFewCells { .. })
        ));
    }
}

#[tokio::test]
async fn a_silent_node_delays_a_read_and_spoils_nothing() {
    let cluster = cluster(0).await;
    let data = sample(600);
    let written = cluster.write(&data).await.unwrap();
    // The nodes of both data shards hang, so the read must turn to parity.
    for (shard, node) in cluster.shards() {
        if shard.index < 2 {
            cluster.nodes[node].set(Mood::Silent);
        }
    }
    assert_eq!(cluster.read(&written, 0..600).await.unwrap(), data);
}

#[tokio::test]
async fn corrupt_cells_are_replaced() {
    for site in 0..2 {
        let cluster = cluster(site).await;
        let data = sample(1999);
        let written = cluster.write(&data).await.unwrap();
        // s - k nodes of each site lie in every byte position in turn.
        for (flip, node) in cluster.nodes.iter().enumerate().filter(|(i, _)| i % 4 < 2) {
            for payload in node.shards.lock().unwrap().values_mut() {
                for at in (flip..payload.len()).step_by(61) {
                    payload[at] ^= 1 << (at % 8);
                }
            }
        }
        assert_eq!(cluster.read(&written, 0..1999).await.unwrap(), data);
        assert_eq!(
            cluster.read(&written, 1000..1001).await.unwrap(),
            data[1000..1001]
        );
    }
}

#[tokio::test]
async fn a_shard_in_anothers_place_is_not_taken_for_it() {
    let cluster = cluster(0).await;
    let (a, b) = (sample(128), vec![7; 128]);
    let (first, second) = (
        cluster.write(&a).await.unwrap(),
        cluster.write(&b).await.unwrap(),
    );
    let whole: HashMap<ShardId, Vec<u8>> = cluster
        .nodes
        .iter()
        .flat_map(|n| n.shards.lock().unwrap().clone())
        .collect();
    // Two nodes answer with the other object's shards: whole cells, wrong place.
    for node in &cluster.site(0)[..2] {
        for (id, payload) in node.shards.lock().unwrap().iter_mut() {
            let other = if id.chunk.blob == first.blob.id {
                second.blob.id
            } else {
                first.blob.id
            };
            let mut swapped = *id;
            swapped.chunk.blob = other;
            payload.clone_from(&whole[&swapped]);
        }
    }
    assert_eq!(cluster.read(&first, 0..128).await.unwrap(), a);
    assert_eq!(cluster.read(&second, 0..128).await.unwrap(), b);
}

#[tokio::test]
async fn too_few_nodes_refuse_a_write_and_nothing_stays() {
    let cluster = cluster(0).await;
    // 2 of 4 nodes at each site: neither can hold k + 1.
    for site in 0..2 {
        cluster.site(site)[..2]
            .iter()
            .for_each(|n| n.set(Mood::Broken));
    }
    let refused = cluster.write(&sample(1500)).await;
    assert!(matches!(
        refused,
        Err(WriteError::Data(DataError::TooFewNodes { .. }))
    ));
    emptied(&cluster).await;
}

#[tokio::test]
async fn a_failed_source_leaves_nothing() {
    let cluster = cluster(0).await;
    let mut source = Slices {
        left: Bytes::from(sample(1400)),
        error: Some("cut off"),
    };
    let failed = cluster.data.write(order(1500), &mut source).await;
    assert!(matches!(failed, Err(WriteError::Source("cut off"))));
    emptied(&cluster).await;
    // All bytes came, but the end did not verify.
    let mut source = Slices {
        left: Bytes::from(sample(1500)),
        error: Some("bad trailer"),
    };
    let failed = cluster.data.write(order(1500), &mut source).await;
    assert!(matches!(failed, Err(WriteError::Source("bad trailer"))));
    emptied(&cluster).await;
}

#[tokio::test]
async fn a_discarded_blob_leaves_nothing() {
    let cluster = cluster(1).await;
    let written = cluster.write(&sample(2000)).await.unwrap();
    assert_eq!(cluster.shards().len(), 4 * 8);
    cluster.data.discard(written.blob, RequestId::from_u128(3));
    emptied(&cluster).await;
}

/// Waits until the background removal is done.
async fn emptied(cluster: &Cluster) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !cluster.shards().is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "left: {:?}",
            cluster.shards()
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Gives all its bytes at once, and then there is a newer layout.
struct Overtaken<'a> {
    bytes: Option<Bytes>,
    layout: &'a ArcSwap<Layout>,
    newer: Layout,
}

impl Source for Overtaken<'_> {
    type Error = &'static str;

    async fn next(&mut self) -> Option<Result<Bytes, Self::Error>> {
        self.layout.store(Arc::new(self.newer.clone()));
        self.bytes.take().map(Ok)
    }
}

#[tokio::test]
async fn what_moved_while_it_was_written_is_owed_where_it_is_to_be() {
    let cluster = cluster(0).await;
    let mut newer = cluster.layout.clone();
    newer.epoch = Epoch(2);
    for row in newer.tables[0].slots.chunks_exact_mut(8) {
        row.swap(1, 2);
    }
    let data = sample(3 * 640);
    let mut source = Overtaken {
        bytes: Some(Bytes::from(data.clone())),
        layout: &cluster.data.inner.layout,
        newer: newer.clone(),
    };
    let written = cluster.data.write(order(data.len()), &mut source).await;
    let written = written.unwrap_or_else(|_| panic!("not written"));
    let first = written.blob.chunks().next().unwrap();
    let moved = written.blob.shards_of(&newer, first);
    let moved = moved.filter(|(shard, _)| matches!(shard.index, 1 | 2));
    let owed: Vec<(ShardId, DiskId)> = written
        .debts
        .iter()
        .map(|debt| (debt.shard, debt.disk))
        .collect();
    assert_eq!(owed, moved.collect::<Vec<_>>());
    assert_eq!(written.blob.epochs.len(), 2);
}

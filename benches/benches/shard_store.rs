//! The shard store on a real folder (`TMPDIR` chooses the disk): durable appends of large and small
//! shards with several writers, and reads.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use riquet_cluster::id::{BlobId, ChunkId, DiskId, Epoch, ShardId};
use riquet_cluster::layout::Pg;
use riquet_cluster::profile::ProfileId;
use riquet_cluster::wire::shard::{Owner, ShardDescriptor};
use riquet_storage_node::store::{OsEnv, ShardStore, StoreOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a connection hands over at once.
const FRAME_BYTES: usize = 256 * KIB;

/// Shards written before the folder is thrown away, so that the disk does not fill.
const MAX_STORE_BYTES: u64 = 4 << 30;

static NEXT_BLOB: AtomicU64 = AtomicU64::new(1);

fn descriptor(blob: u64, payload_len: usize) -> ShardDescriptor {
    let chunk = ChunkId {
        blob: BlobId::from_u128(u128::from(blob)),
        seq: 0,
    };
    ShardDescriptor {
        id: ShardId { chunk, index: 0 },
        profile: ProfileId(0),
        data: 4,
        total: 12,
        cell_size: 65536,
        chunk_len: payload_len as u64 * 4,
        payload_len: payload_len as u64,
        pg: Pg(0),
        epoch: Epoch(1),
        owner: Owner {
            bucket: 1,
            key: b"a/key/of/usual/length.nc".to_vec(),
            part: None,
            sealed: false,
        },
        blob_len: Some(payload_len as u64 * 4),
    }
}

async fn put(store: &ShardStore, payload: &[u8]) -> ShardId {
    let descriptor = descriptor(NEXT_BLOB.fetch_add(1, Ordering::Relaxed), payload.len());
    let id = descriptor.id;
    let mut writer = store.begin(descriptor).await.expect("room on the disk");
    for frame in payload.chunks(FRAME_BYTES) {
        writer.write(frame).await.expect("a working disk");
    }
    writer.finish().await.expect("a working disk");
    id
}

/// A store that begins anew when it has grown large.
struct Bench {
    runtime: Runtime,
    store: Option<(Arc<ShardStore>, TempDir)>,
    written_bytes: u64,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self {
            runtime,
            store: None,
            written_bytes: 0,
        }
    }

    fn store(&mut self, more_bytes: u64) -> Arc<ShardStore> {
        if self.written_bytes > MAX_STORE_BYTES {
            self.store = None;
        }
        if self.store.is_none() {
            let dir = tempfile::tempdir().expect("a folder");
            let options = StoreOptions::new(dir.path(), DiskId::from_u128(1));
            let store = ShardStore::open(Arc::new(OsEnv), &options).expect("a fresh disk");
            self.store = Some((Arc::new(store), dir));
            self.written_bytes = 0;
        }
        self.written_bytes += more_bytes;
        Arc::clone(&self.store.as_ref().expect("made above").0)
    }

    /// Time for `shards` appends by `writers` side by side.
    fn append(&mut self, shards: u64, writers: u64, payload: &Arc<[u8]>) -> Duration {
        let store = self.store(shards * payload.len() as u64);
        let left = Arc::new(AtomicU64::new(shards));
        let started = Instant::now();
        self.runtime.block_on(async {
            let writers: Vec<_> = (0..writers)
                .map(|_| {
                    let (store, left, payload) =
                        (Arc::clone(&store), Arc::clone(&left), Arc::clone(payload));
                    tokio::spawn(async move {
                        let take = |n: u64| n.checked_sub(1);
                        while left
                            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                            .is_ok()
                        {
                            put(&store, &payload).await;
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.await.expect("no writer panics");
            }
        });
        started.elapsed()
    }
}

fn payload(len: usize) -> Arc<[u8]> {
    (0..len).map(|i| (i * 31) as u8).collect()
}

fn appends(c: &mut Criterion) {
    let mut bench = Bench::new();
    let mut group = c.benchmark_group("shard_store/append");
    group.sample_size(10);
    for (name, bytes, writers) in [
        ("16KiB", 16 * KIB, [1, 16, 128].as_slice()),
        ("1MiB", MIB, &[1, 12]),
        ("16MiB", 16 * MIB, &[1, 12]),
    ] {
        let payload = payload(bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        for &writers in writers {
            group.bench_function(BenchmarkId::new(name, writers), |b| {
                b.iter_custom(|shards| bench.append(shards, writers, &payload));
            });
        }
    }
    group.finish();
}

fn reads(c: &mut Criterion) {
    let mut bench = Bench::new();
    let store = bench.store(0);
    let large = bench.runtime.block_on(put(&store, &payload(16 * MIB)));
    let cell = 64 * 1024 + 32;
    let mut group = c.benchmark_group("shard_store/read");
    group.sample_size(20);
    for (name, range) in [
        ("16MiB", 0..16 * MIB as u64),
        ("cell", 100 * cell..101 * cell),
    ] {
        group.throughput(Throughput::Bytes(range.end - range.start));
        group.bench_function(name, |b| {
            b.iter(|| {
                bench.runtime.block_on(async {
                    let mut reader = store
                        .read(large, Some(range.clone()))
                        .await
                        .expect("stored");
                    while let Some(piece) = reader.next().await.expect("a working disk") {
                        black_box(&piece);
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, appends, reads);
criterion_main!(benches);

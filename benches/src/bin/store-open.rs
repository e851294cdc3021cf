//! How long a disk takes to start: opening a store of many shards after a clean stop, and after a crash
//! with one full segment to replay.
//!
//! ```sh
//! cargo run --release -p riquet-benches --bin store-open -- --shards 10000000 --dir DIR
//! ```
//!
//! The shards are put through the store itself, so index, figures and segment files are what a disk
//! comes to have. But what they hold is thrown away: of a segment only its head and its seal are
//! written ([`ThinEnv`]), which is all that a start after a clean stop reads of it. Segments are cut so
//! that each takes `--per-segment` shards (1000: as with shards of 1 MiB in segments of 1 GiB). The
//! segment that is replayed is a whole one, written by a process that kills itself; its shards are of
//! `--crash-payload` bytes (1 MiB).
//!
//! Each start is measured with cold files: their cached pages are dropped before (inodes
//! and folders stay cached). A folder that a former run made is used again.

use std::error::Error as StdError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use riquet_cluster::id::{BlobId, ChunkId, DiskId, Epoch, ShardId};
use riquet_cluster::layout::Pg;
use riquet_cluster::profile::ProfileId;
use riquet_cluster::wire::shard::{Owner, ShardDescriptor};
use riquet_storage_node::store::{
    BLOCK_BYTES, Env, EnvFile, OsEnv, ShardStore, Space, StoreOptions,
};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn StdError + Send + Sync>>;

/// Puts under way at once: enough to fill the commit thread's batches.
const WRITERS: usize = 512;

/// What [`std::process::abort`] ends with.
const SIGABRT: i32 = 6;

/// Length of the segment that is replayed.
const CRASH_SEGMENT_BYTES: u64 = 1 << 30;

/// Header and footer of a record are shorter.
const AROUND_BYTES: usize = 512;

/// Times that each start is measured.
const ROUNDS: usize = 3;

struct Settings {
    dir: PathBuf,
    shards: u64,
    per_segment: u64,
    crash_payload: usize,
    /// This process is the one that crashes.
    crash: bool,
}

impl Settings {
    fn from_args() -> Outcome<Self> {
        let mut settings = Self {
            dir: PathBuf::new(),
            shards: 10_000_000,
            per_segment: 1_000,
            crash_payload: 1 << 20,
            crash: false,
        };
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--dir" => settings.dir = value()?.into(),
                "--shards" => settings.shards = value()?.parse()?,
                "--per-segment" => settings.per_segment = value()?.parse()?,
                "--crash-payload" => settings.crash_payload = value()?.parse()?,
                "--crash" => settings.crash = true,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        if settings.dir.as_os_str().is_empty() {
            return Err("--dir DIR is needed".into());
        }
        Ok(settings)
    }

    fn options(&self, segment_bytes: u64) -> StoreOptions {
        StoreOptions {
            segment_bytes,
            ..StoreOptions::new(&self.dir, DiskId::from_u128(1))
        }
    }
}

fn main() -> Outcome<()> {
    let settings = Settings::from_args()?;
    let runtime = Runtime::new()?;
    if settings.crash {
        return runtime.block_on(crash(&settings));
    }
    if !settings.dir.join("riquet-disk").exists() {
        runtime.block_on(make(&settings))?;
    }
    let options = settings.options(CRASH_SEGMENT_BYTES);
    let open = || {
        drop_cached(&settings.dir)?;
        let began = Instant::now();
        let store = ShardStore::open(Arc::new(OsEnv), &options)?;
        Outcome::Ok((store, began.elapsed()))
    };
    // Not measured: it may have to repair what a former run left behind.
    let (store, _) = open()?;
    let stats = store.stats()?;
    println!("{} shards, {} segments", stats.shards, stats.segments);
    println!("index: {} bytes", bytes_in(&settings.dir.join("index"))?);
    runtime.block_on(store.close())?;
    drop(store);
    let mut stopped = Vec::new();
    for _ in 0..ROUNDS {
        let (store, took) = open()?;
        stopped.push(took);
        runtime.block_on(store.close())?;
    }
    report("after a clean stop", &stopped);
    let mut crashed = Vec::new();
    for _ in 0..ROUNDS {
        let exe = std::env::current_exe()?;
        let mut child = Command::new(exe);
        child.args(std::env::args().skip(1)).arg("--crash");
        if child.status()?.signal() != Some(SIGABRT) {
            return Err("the crash did not happen".into());
        }
        let (store, took) = open()?;
        crashed.push(took);
        runtime.block_on(store.close())?;
    }
    report("after a crash", &crashed);
    Ok(())
}

fn report(what: &str, took: &[Duration]) {
    let seconds: Vec<_> = took
        .iter()
        .map(|took| format!("{:.2} s", took.as_secs_f64()))
        .collect();
    println!("open {what}: {}", seconds.join(", "));
}

/// Makes the store.
async fn make(settings: &Settings) -> Outcome<()> {
    let began = Instant::now();
    // Head, records of one block each, seal.
    let segment_bytes = (settings.per_segment + 2) * BLOCK_BYTES as u64;
    let store = ShardStore::open(Arc::new(ThinEnv), &settings.options(segment_bytes))?;
    let store = Arc::new(store);
    put_many(&store, settings.shards, &Arc::from([0; 16])).await?;
    store.close().await?;
    println!("made in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Fills one segment, and dies.
async fn crash(settings: &Settings) -> Outcome<()> {
    let options = settings.options(CRASH_SEGMENT_BYTES);
    let store = Arc::new(ShardStore::open(Arc::new(OsEnv), &options)?);
    let segments = store.stats()?.segments;
    let record_bytes = (settings.crash_payload + AROUND_BYTES).next_multiple_of(BLOCK_BYTES);
    let room = CRASH_SEGMENT_BYTES - 2 * BLOCK_BYTES as u64;
    let payload: Arc<[u8]> = (0..settings.crash_payload).map(|i| i as u8).collect();
    put_many(&store, room / record_bytes as u64, &payload).await?;
    if store.stats()?.segments != segments + 1 {
        return Err("more than one segment was filled".into());
    }
    // No destructor runs, so the index keeps what it has flushed, as when the power goes.
    std::process::abort();
}

async fn put_many(store: &Arc<ShardStore>, shards: u64, payload: &Arc<[u8]>) -> Outcome<()> {
    let left = Arc::new(AtomicU64::new(shards));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (store, left, payload) =
                (Arc::clone(store), Arc::clone(&left), Arc::clone(payload));
            tokio::spawn(async move {
                let take = |n: u64| n.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let mut writer = store.begin(descriptor(payload.len() as u64)).await?;
                    // So that no two have one checksum, which the index would compress away.
                    let unique = OsEnv.random_u128().to_le_bytes();
                    let unique = &unique[..payload.len().min(16)];
                    writer.write(unique).await?;
                    writer.write(&payload[unique.len()..]).await?;
                    writer.finish().await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(())
}

fn descriptor(payload_len: u64) -> ShardDescriptor {
    let mut random = [0; 10];
    random.copy_from_slice(&OsEnv.random_u128().to_le_bytes()[..10]);
    let chunk = ChunkId {
        blob: BlobId::new(OsEnv.now_unix_ms(), random),
        seq: 0,
    };
    ShardDescriptor {
        id: ShardId { chunk, index: 0 },
        profile: ProfileId(0),
        data: 4,
        total: 12,
        cell_size: 65536,
        chunk_len: payload_len * 4,
        payload_len,
        pg: Pg(0),
        epoch: Epoch(1),
        owner: Owner {
            bucket: 1,
            key: b"a/key/of/usual/length.nc".to_vec(),
            part: None,
            sealed: false,
        },
        blob_len: Some(payload_len * 4),
    }
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    let lengths = fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len()));
    lengths.sum()
}

/// Has the kernel forget the pages of every file of the disk.
fn drop_cached(disk: &Path) -> Outcome<()> {
    for folder in ["index", "segments"] {
        for entry in fs::read_dir(disk.join(folder))? {
            let file = File::open(entry?.path())?;
            // Only clean pages are dropped.
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// The machine, without durability, and with segments that keep nothing but their ends.
struct ThinEnv;

impl Env for ThinEnv {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsEnv.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        OsEnv.list(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn read_small(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsEnv.read_small(path)
    }

    fn write_small(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OsEnv.write_small(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsEnv.remove(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn EnvFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        file.set_len(len)?;
        Ok(Arc::new(ThinFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn EnvFile>> {
        OsEnv.open(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        OsEnv.space(path)
    }

    fn now_unix_ms(&self) -> u64 {
        OsEnv.now_unix_ms()
    }

    fn random_u128(&self) -> u128 {
        OsEnv.random_u128()
    }
}

struct ThinFile(File);

/// Whether a block is a seal (`docs/FORMAT.md`, Record).
fn is_seal(block: &[u8]) -> bool {
    block.starts_with(b"RQRH") && matches!(block.get(5), Some(3 | 4))
}

impl EnvFile for ThinFile {
    fn write_at(&self, block: &[u8], offset: u64) -> io::Result<()> {
        match offset == 0 || is_seal(block) {
            true => self.0.write_all_at(block, offset),
            false => Ok(()),
        }
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn read_uncached(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

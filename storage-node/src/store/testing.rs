//! What the store's tests share: shards, and a disk that loses power.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use riquet_cluster::id::{BlobId, ChunkId, Epoch, ShardId};
use riquet_cluster::layout::Pg;
use riquet_cluster::profile::ProfileId;
use riquet_cluster::wire::shard::{Owner, ShardDescriptor};

use super::env::{Env, EnvFile, Space};

/// What a real disk writes at once.
const SECTOR_BYTES: usize = 512;

pub(crate) fn shard_id(blob: u128, index: u8) -> ShardId {
    ShardId {
        chunk: ChunkId {
            blob: BlobId::from_u128(blob),
            seq: 0,
        },
        index,
    }
}

pub(crate) fn descriptor(blob: u128, index: u8, payload_len: u64) -> ShardDescriptor {
    ShardDescriptor {
        id: shard_id(blob, index),
        profile: ProfileId(1),
        data: 4,
        total: 12,
        cell_size: 65536,
        chunk_len: payload_len * 4,
        payload_len,
        pg: Pg(3),
        epoch: Epoch(1),
        owner: Owner {
            bucket: 1,
            key: b"a/key".to_vec(),
            part: None,
            sealed: false,
        },
        blob_len: Some(payload_len * 4),
    }
}

/// Bytes that belong to one shard and no other.
pub(crate) fn payload(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// A disk in memory. Writes wait in its cache until a sync; when the power is cut, every sector of a
/// write that was not synced survives or not by chance, and so does every change of a folder.
pub(crate) struct SimDisk {
    files: Mutex<BTreeMap<PathBuf, Arc<SimFile>>>,
    /// Entries that a crash can't lose.
    durable_names: Mutex<BTreeSet<PathBuf>>,
    /// Removed files that a crash can bring back.
    removed: Mutex<BTreeMap<PathBuf, Arc<SimFile>>>,
    power: Arc<Power>,
    clock: AtomicU64,
    random: Mutex<StdRng>,
    room_bytes: AtomicU64,
}

/// Operations left until the power goes.
struct Power(AtomicU64);

impl Power {
    fn spend(&self) -> io::Result<()> {
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.map(drop)
            .map_err(|_| io::Error::other("the power is off"))
    }
}

struct SimFile {
    power: Arc<Power>,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    /// In order; what a reader sees is `durable` with these on top.
    cached: Vec<(u64, Vec<u8>)>,
}

impl Content {
    fn current(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (offset, write) in &self.cached {
            let at = *offset as usize;
            bytes[at..at + write.len()].copy_from_slice(write);
        }
        bytes
    }
}

impl SimDisk {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            files: Mutex::default(),
            durable_names: Mutex::default(),
            removed: Mutex::default(),
            power: Arc::new(Power(AtomicU64::new(u64::MAX))),
            clock: AtomicU64::new(1),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            room_bytes: AtomicU64::new(1 << 40),
        })
    }

    /// Makes the disk larger or smaller; what is on it stays.
    pub(crate) fn set_room(&self, bytes: u64) {
        self.room_bytes.store(bytes, Ordering::SeqCst);
    }

    fn take_room(&self, bytes: u64) -> io::Result<()> {
        let free_bytes = self.space(Path::new("/"))?.free_bytes;
        let fits = bytes <= free_bytes;
        fits.then_some(())
            .ok_or_else(|| io::ErrorKind::StorageFull.into())
    }

    /// Cuts the power after `operations` more of them.
    pub(crate) fn cut_after(&self, operations: u64) {
        self.power.0.store(operations, Ordering::SeqCst);
    }

    /// The disk as it is found when the power is back.
    pub(crate) fn after_crash(&self, seed: u64) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let next = Self::new(seed);
        next.set_room(self.room_bytes.load(Ordering::SeqCst));
        let durable_names = self.durable_names.lock().unwrap();
        let mut files = self.files.lock().unwrap().clone();
        for (path, file) in self.removed.lock().unwrap().iter() {
            files
                .entry(path.clone())
                .or_insert_with(|| Arc::clone(file));
        }
        for (path, file) in &files {
            if !durable_names.contains(path) && random.random_bool(0.5) {
                continue;
            }
            let content = file.content.lock().unwrap();
            let mut durable = content.durable.clone();
            for (offset, write) in &content.cached {
                for (i, sector) in write.chunks(SECTOR_BYTES).enumerate() {
                    if random.random_bool(0.5) {
                        let at = *offset as usize + i * SECTOR_BYTES;
                        durable[at..at + sector.len()].copy_from_slice(sector);
                    }
                }
            }
            let content = Mutex::new(Content {
                durable,
                cached: Vec::new(),
            });
            let file = Arc::new(SimFile {
                power: Arc::clone(&next.power),
                content,
            });
            next.files.lock().unwrap().insert(path.clone(), file);
            next.durable_names.lock().unwrap().insert(path.clone());
        }
        next
    }

    /// Flips a bit of a file at rest.
    pub(crate) fn flip(&self, path: &Path, offset: usize) {
        let files = self.files.lock().unwrap();
        files[path].content.lock().unwrap().durable[offset] ^= 1;
    }
}

impl Env for SimDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.power.spend()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let files = self.files.lock().unwrap();
        let inside = files.keys().filter(|file| file.parent() == Some(path));
        Ok(inside
            .map(|f| f.file_name().unwrap().to_string_lossy().into_owned())
            .collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.power.spend()?;
        let files = self.files.lock().unwrap();
        let inside = files
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned();
        self.durable_names.lock().unwrap().extend(inside);
        let mut removed = self.removed.lock().unwrap();
        removed.retain(|file, _| file.parent() != Some(path));
        Ok(())
    }

    fn read_small(&self, path: &Path) -> io::Result<Vec<u8>> {
        let files = self.files.lock().unwrap();
        let file = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(file.content.lock().unwrap().current())
    }

    fn write_small(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.power.spend()?;
        self.take_room(bytes.len() as u64)?;
        let content = Mutex::new(Content {
            durable: bytes.to_vec(),
            cached: Vec::new(),
        });
        let file = Arc::new(SimFile {
            power: Arc::clone(&self.power),
            content,
        });
        self.files.lock().unwrap().insert(path.to_owned(), file);
        self.durable_names.lock().unwrap().insert(path.to_owned());
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let file = self.files.lock().unwrap().remove(path);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        self.durable_names.lock().unwrap().remove(path);
        self.removed.lock().unwrap().insert(path.to_owned(), file);
        // Last: a removal that the power cut may have happened.
        self.power.spend()
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn EnvFile>> {
        self.power.spend()?;
        self.take_room(len)?;
        let content = Content {
            durable: vec![0; len as usize],
            cached: Vec::new(),
        };
        let file = Arc::new(SimFile {
            power: Arc::clone(&self.power),
            content: Mutex::new(content),
        });
        let old = self
            .files
            .lock()
            .unwrap()
            .insert(path.to_owned(), Arc::clone(&file));
        assert!(old.is_none(), "a segment number is used once");
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn EnvFile>> {
        let files = self.files.lock().unwrap();
        let file = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::clone(file) as Arc<dyn EnvFile>)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let files = self.files.lock().unwrap();
        let total_bytes = self.room_bytes.load(Ordering::SeqCst);
        let used: u64 = files.values().map(|file| file.size().unwrap()).sum();
        Ok(Space {
            total_bytes,
            free_bytes: total_bytes.saturating_sub(used),
        })
    }

    fn now_unix_ms(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn random_u128(&self) -> u128 {
        self.random.lock().unwrap().random()
    }
}

impl EnvFile for SimFile {
    fn write_at(&self, block: &[u8], offset: u64) -> io::Result<()> {
        assert!(
            block.len().is_multiple_of(4096) && offset.is_multiple_of(4096),
            "unaligned"
        );
        let mut content = self.content.lock().unwrap();
        assert!(
            offset as usize + block.len() <= content.durable.len(),
            "past the end"
        );
        // Into the cache first: of a write that the power cut, any part may be on the disk.
        content.cached.push((offset, block.to_vec()));
        self.power.spend()
    }

    fn read_uncached(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        into.copy_from_slice(&self.read_at(offset, into.len())?);
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let content = self.content.lock().unwrap();
        let at = offset as usize;
        if at + len > content.durable.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = content.durable[at..at + len].to_vec();
        for (start, write) in &content.cached {
            let start = *start as usize;
            let (from, to) = (start.max(at), (start + write.len()).min(at + len));
            if from < to {
                bytes[from - at..to - at].copy_from_slice(&write[from - start..to - start]);
            }
        }
        Ok(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.power.spend()?;
        let mut content = self.content.lock().unwrap();
        content.durable = content.current();
        content.cached.clear();
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.sync_data()?;
        self.content.lock().unwrap().durable.truncate(len as usize);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().durable.len() as u64)
    }
}

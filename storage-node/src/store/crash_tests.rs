//! Power cuts at any operation, with any part of what was not synced on the disk, and with the
//! index as it was, as it had been earlier, or gone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::testing::{SimDisk, descriptor, payload, shard_id};
use super::*;

const SHARDS: u128 = 12;

#[derive(Debug, Clone)]
enum Step {
    /// Puts these shards side by side.
    Put(Vec<(u128, usize)>),
    /// Sends a part of a shard, then gives up.
    Abort(u128, usize),
    Delete(u128),
    /// Compacts, and meanwhile puts the former and deletes the latter.
    Compact(Vec<(u128, usize)>, Vec<u128>),
    /// Stops cleanly, keeps a copy of the index, and starts again.
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum IndexFate {
    /// With everything that was applied to it.
    Kept,
    /// With what was flushed, as a power cut leaves it.
    Flushed,
    /// Replaced by the copy of the last restart.
    RolledBack,
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![1usize..5_000, 1usize..100_000, 520_000usize..1_200_000];
    let puts = |least| prop::collection::vec((0..SHARDS, size.clone()), least..6);
    let deletes = prop::collection::vec(0..SHARDS, 0..4);
    prop_oneof![
        6 => puts(1).prop_map(Step::Put),
        1 => (0..SHARDS, size.clone()).prop_map(|(blob, size)| Step::Abort(blob, size)),
        2 => (0..SHARDS).prop_map(Step::Delete),
        3 => (puts(0), deletes).prop_map(|(puts, deletes)| Step::Compact(puts, deletes)),
        1 => Just(Step::Restart),
    ]
}

/// What a client knows of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Stored(u64, usize),
    Absent,
}

/// What may be true after a crash: what was last acknowledged, or anything attempted since.
#[derive(Debug, Default, Clone)]
struct Allowed(HashMap<u128, Vec<Known>>);

impl Allowed {
    fn attempt(&mut self, blob: u128, known: Known) {
        self.0
            .entry(blob)
            .or_insert_with(|| vec![Known::Absent])
            .push(known);
    }

    fn acknowledge(&mut self, blob: u128, known: Known) {
        self.0.insert(blob, vec![known]);
    }
}

fn options(index: &Path) -> StoreOptions {
    StoreOptions {
        path: "/disk".into(),
        index_path: index.join("now"),
        disk: DiskId::from_u128(7),
        segment_bytes: 2 << 20,
        reserve_segments: 0,
        write_buffer_bytes: 8 << 20,
        read_buffer_bytes: 8 << 20,
    }
}

/// Copies what is there. Of an index in use, RocksDB may just remove a file.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

async fn put(
    store: &ShardStore,
    allowed: &Mutex<Allowed>,
    blob: u128,
    seed: u64,
    size: usize,
) -> Result<(), Error> {
    let mut writer = store.begin(descriptor(blob, 0, size as u64)).await?;
    if writer.is_known() {
        // Another payload is stored: nothing will change.
        return Err(Error::Conflict);
    }
    allowed
        .lock()
        .unwrap()
        .attempt(blob, Known::Stored(seed, size));
    for piece in payload(seed, size).chunks(100_000) {
        writer.write(piece).await?;
    }
    if writer.finish().await? == Stored::Now {
        allowed
            .lock()
            .unwrap()
            .acknowledge(blob, Known::Stored(seed, size));
    }
    Ok(())
}

async fn put_all(
    store: &ShardStore,
    allowed: &Mutex<Allowed>,
    shards: &[(u128, usize)],
    seed: u64,
) -> Result<(), Error> {
    let puts = shards
        .iter()
        .zip(seed..)
        .map(|((blob, size), seed)| put(store, allowed, *blob, seed, *size));
    for outcome in futures_util::future::join_all(puts).await {
        match outcome {
            Ok(()) | Err(Error::Busy | Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn delete(store: &ShardStore, allowed: &Mutex<Allowed>, blob: u128) -> Result<(), Error> {
    allowed.lock().unwrap().attempt(blob, Known::Absent);
    store.delete(shard_id(blob, 0)).await?;
    allowed.lock().unwrap().acknowledge(blob, Known::Absent);
    Ok(())
}

/// Compacts what has any waste worth the name; these segments are never very empty.
async fn compact(store: &ShardStore) -> Result<(), Error> {
    for _ in 0..4 {
        let compacted = compact::once(store.scope(), 90, |_| std::future::ready(())).await?;
        let Some(compacted) = compacted else { break };
        assert_eq!(compacted.damaged, [], "nothing rots here");
    }
    Ok(())
}

/// What the figures must be: what the index names is live, and every record that is whole counts.
async fn check_figures(store: &ShardStore) {
    let index = &store.shared.index;
    let entries: Vec<_> = (0..SHARDS)
        .filter_map(|blob| index.get(&shard_id(blob, 0)).unwrap())
        .collect();
    let stats = store.stats().unwrap();
    let live_bytes: u64 = entries.iter().map(|entry| entry.record_bytes).sum();
    assert_eq!(
        (stats.shards, stats.live_bytes),
        (entries.len() as u64, live_bytes)
    );
    assert_eq!(*store.shared.live(), index.live().unwrap());
    for segment in store.shared.log.all() {
        let live = store.shared.live().get(&segment.number).copied();
        let live = live.unwrap_or_default();
        let inside = entries
            .iter()
            .filter(|entry| entry.segment == segment.number);
        let live_bytes: u64 = inside.map(|entry| entry.record_bytes).sum();
        assert_eq!(live.bytes, live_bytes, "segment {}", segment.number);
        let len = segment.file.size().unwrap();
        let mut records = scan::Records::from(&segment, len, 0);
        let (mut put_bytes, mut lowest) = (0, u64::MAX);
        while let Some((header, place)) = records.next().unwrap() {
            if matches!(header.kind, record::Kind::Shard(_))
                && scan::whole(&segment, &header, place, false)
                    .unwrap()
                    .is_some()
            {
                put_bytes += header.record_bytes;
                lowest = lowest.min(header.sequence);
            }
        }
        assert!(
            live.put_bytes >= put_bytes && live.lowest <= lowest,
            "{live:?}"
        );
    }
}

async fn run(
    disk: &Arc<SimDisk>,
    index: &Path,
    steps: &[Step],
    allowed: &Mutex<Allowed>,
) -> Result<(), Error> {
    let _ = std::fs::remove_dir_all(index.join("flushed"));
    let mut store = Some(ShardStore::open(
        Arc::clone(disk) as Arc<dyn Env>,
        &options(index),
    )?);
    let done = take_steps(disk, index, steps, allowed, &mut store).await;
    if store.is_some() {
        copy_folder(&index.join("now"), &index.join("flushed"));
    }
    done
}

async fn take_steps(
    disk: &Arc<SimDisk>,
    index: &Path,
    steps: &[Step],
    allowed: &Mutex<Allowed>,
    opened: &mut Option<ShardStore>,
) -> Result<(), Error> {
    for (number, step) in steps.iter().enumerate() {
        let seed = |i: usize| (number * 100 + i) as u64;
        let store = opened.as_ref().expect("opened again after each stop");
        match step {
            Step::Put(shards) => {
                put_all(store, allowed, shards, seed(0)).await?;
            }
            Step::Abort(blob, size) => {
                let begun = store.begin(descriptor(*blob, 0, *size as u64 + 1)).await;
                if let Ok(mut writer) = begun {
                    writer.write(&payload(seed(0), *size)).await?;
                }
            }
            Step::Delete(blob) => {
                delete(store, allowed, *blob).await?;
            }
            Step::Compact(puts, deletes) => {
                // What a client may expect of a put and a delete side by side is not the question.
                let deletes = deletes
                    .iter()
                    .filter(|blob| puts.iter().all(|(put, _)| put != *blob))
                    .map(|blob| delete(store, allowed, *blob));
                let (compacted, put, deleted) = tokio::join!(
                    compact(store),
                    put_all(store, allowed, puts, seed(0)),
                    futures_util::future::try_join_all(deletes),
                );
                compacted.and(put).and(deleted.map(drop))?;
            }
            Step::Restart => {
                store.close().await?;
                drop(opened.take());
                let _ = std::fs::remove_dir_all(index.join("then"));
                copy_folder(&index.join("now"), &index.join("then"));
                let disk = Arc::clone(disk) as Arc<dyn Env>;
                *opened = Some(ShardStore::open(disk, &options(index))?);
            }
        }
    }
    Ok(())
}

async fn check(store: &ShardStore, allowed: &Allowed) -> Allowed {
    let mut seen = Allowed::default();
    for blob in 0..SHARDS {
        let absent = vec![Known::Absent];
        let allowed = allowed.0.get(&blob).unwrap_or(&absent);
        let found = match store.read(shard_id(blob, 0), None).await {
            Err(Error::NotFound) => Known::Absent,
            Err(error) => panic!("shard {blob}: {error}; allowed {allowed:?}"),
            Ok(mut reader) => {
                let mut bytes = Vec::new();
                while let Some(piece) = reader.next().await.unwrap() {
                    bytes.extend_from_slice(&piece);
                }
                *allowed
                    .iter()
                    .find(|known| matches!(known, Known::Stored(seed, size) if payload(*seed, *size) == bytes))
                    .unwrap_or_else(|| panic!("shard {blob} has other bytes; allowed {allowed:?}"))
            }
        };
        assert!(
            allowed.contains(&found),
            "shard {blob} is {found:?}; allowed {allowed:?}"
        );
        seen.acknowledge(blob, found);
    }
    seen
}

fn survive(steps: &[Step], more: &[Step], cuts: (u64, u64), seed: u64, fate: IndexFate) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let index = tempfile::tempdir().unwrap();
    let crash = |disk: &SimDisk, seed: u64| {
        let now = index.path().join("now");
        match fate {
            IndexFate::Kept => {}
            // It is not there if the power went while the store was being opened.
            IndexFate::Flushed if !index.path().join("flushed").exists() => {}
            IndexFate::Flushed => {
                drop(std::fs::remove_dir_all(&now));
                copy_folder(&index.path().join("flushed"), &now);
            }
            IndexFate::Lost => drop(std::fs::remove_dir_all(&now)),
            IndexFate::RolledBack => {
                drop(std::fs::remove_dir_all(&now));
                if index.path().join("then").exists() {
                    copy_folder(&index.path().join("then"), &now);
                }
            }
        }
        disk.after_crash(seed)
    };
    runtime.block_on(async {
        let disk = SimDisk::new(seed);
        disk.cut_after(cuts.0);
        let allowed = Mutex::default();
        // Whether the power went before the end is as it comes.
        let _ = run(&disk, index.path(), steps, &allowed).await;
        let disk = crash(&disk, seed + 1);
        // The power goes a second time, perhaps while recovering from the first.
        disk.cut_after(cuts.1);
        let _ = run(&disk, index.path(), more, &allowed).await;
        let disk = crash(&disk, seed + 2);
        let open = || {
            let disk = Arc::clone(&disk) as Arc<dyn Env>;
            ShardStore::open(disk, &options(index.path())).unwrap()
        };
        let store = open();
        let seen = check(&store, &allowed.into_inner().unwrap()).await;
        check_figures(&store).await;
        let live = store.stats().unwrap().live_bytes;
        // And what was found is there to stay, however the index fares.
        drop(store);
        std::fs::remove_dir_all(index.path().join("now")).unwrap();
        let store = open();
        check(&store, &seen).await;
        check_figures(&store).await;
        assert_eq!(store.stats().unwrap().live_bytes, live);
    });
}

/// 40 cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default.cases,
        None => 40,
    };
    ProptestConfig {
        cases,
        max_shrink_iters: 200,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn acknowledged_shards_survive_and_torn_ones_do_not_appear(
        steps in prop::collection::vec(step(), 1..16),
        more in prop::collection::vec(step(), 1..8),
        cuts in (5u64..200, 1u64..120),
        seed in any::<u32>(),
        fate in prop_oneof![
            Just(IndexFate::Kept), Just(IndexFate::Flushed),
            Just(IndexFate::RolledBack), Just(IndexFate::Lost),
        ],
    ) {
        survive(&steps, &more, cuts, u64::from(seed), fate);
    }
}

#[test]
fn a_flipped_bit_in_a_header_costs_that_shard_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let index = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let disk = SimDisk::new(1);
        let allowed = Mutex::default();
        let steps = [
            Step::Put(vec![(0, 10_000)]),
            Step::Put(vec![(1, 10_000)]),
            Step::Restart,
        ];
        run(&disk, index.path(), &steps, &allowed).await.unwrap();
        // The first record starts at the second block.
        disk.flip(Path::new("/disk/segments/0000000000000001.seg"), 4096 + 70);
        let store = ShardStore::open(disk, &options(index.path())).unwrap();
        assert!(matches!(
            store.read(shard_id(0, 0), None).await,
            Err(Error::Damaged)
        ));
        assert!(store.read(shard_id(1, 0), None).await.is_ok());
    });
}

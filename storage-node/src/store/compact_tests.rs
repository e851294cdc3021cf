//! Compaction: room comes back, and nothing else changes for anybody.

use std::collections::BTreeSet;
use std::future::ready;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tempfile::TempDir;

use super::crash_tests::copy_folder;
use super::record::Kind;
use super::scan::Records;
use super::testing::{SimDisk, payload, shard_id};
use super::tests::{open, options, put, read};
use super::*;

pub(super) async fn fill(store: &ShardStore, blobs: Range<u64>, size: usize) {
    for blob in blobs {
        put(store, blob.into(), &payload(blob, size)).await.unwrap();
    }
}

pub(super) async fn delete(store: &ShardStore, blobs: impl IntoIterator<Item = u64>) {
    for blob in blobs {
        assert!(store.delete(shard_id(blob.into(), 0)).await.unwrap());
    }
}

pub(super) async fn compact_all(store: &ShardStore) -> Vec<Compacted> {
    let mut all = Vec::new();
    while let Some(compacted) = store.compact_once(|_| ready(())).await.unwrap() {
        all.push(compacted);
        assert!(all.len() < 100, "it ends: {all:?}");
    }
    all
}

/// Asserts that of `0..blobs`, those in `live` are stored as they were put and no other.
pub(super) async fn expect(store: &ShardStore, blobs: u64, live: &BTreeSet<u64>, size: usize) {
    for blob in 0..blobs {
        if live.contains(&blob) {
            assert!(read(store, blob.into(), None).await == payload(blob, size));
        } else {
            let found = store.read(shard_id(blob.into(), 0), None).await;
            assert!(matches!(found, Err(Error::NotFound)), "shard {blob}");
        }
    }
    let stats = store.stats().unwrap();
    assert_eq!(stats.shards, live.len() as u64);
}

/// Tombstones of the disk, records of them that a compaction made, and records of shards.
pub(super) fn records(store: &ShardStore) -> (u64, u64, u64) {
    let (mut tombstones, mut carried, mut shards) = (0, 0, 0);
    for segment in store.shared.log.all() {
        let mut records = Records::from(&segment, segment.file.size().unwrap(), 0);
        while let Some((header, place)) = records.next().unwrap() {
            if scan::whole(&segment, &header, place, false)
                .unwrap()
                .is_none()
            {
                continue;
            }
            tombstones += tombstone::read(&segment, &header, place).unwrap().len() as u64;
            match header.kind {
                Kind::Shard(_) => shards += 1,
                Kind::Carried => carried += 1,
                Kind::Tombstones | Kind::Seal | Kind::RecoveredSeal => {}
            }
        }
    }
    (tombstones, carried, shards)
}

pub(super) fn lose_index(dir: &TempDir) {
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
}

/// A shard to make the last segment of, so that no other is.
pub(super) const LAST: u64 = 1_000;

/// Starts a new segment by restarting the store.
pub(super) async fn next_segment(dir: &TempDir, store: ShardStore) -> ShardStore {
    store.close().await.unwrap();
    drop(store);
    open(dir)
}

#[tokio::test]
async fn room_comes_back_and_what_is_live_stays() {
    let disk = SimDisk::new(1);
    let index = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        segment_bytes: 2 << 20,
        index_path: index.path().join("index"),
        ..StoreOptions::new("/disk", DiskId::from_u128(7))
    };
    let open = || ShardStore::open(Arc::clone(&disk) as Arc<dyn Env>, &options).unwrap();
    let store = open();
    let size = 100_000;
    fill(&store, 0..100, size).await;
    assert_eq!(compact_all(&store).await, [], "all of it is live");
    let live: BTreeSet<u64> = (0..100).filter(|blob| blob % 5 == 0).collect();
    delete(&store, (0..100).filter(|blob| !live.contains(blob))).await;
    let before = store.stats().unwrap();

    let paced = AtomicU64::new(0);
    let mut moved_bytes = 0;
    let mut freed_bytes = 0;
    let pace = |bytes| {
        paced.fetch_add(bytes, Ordering::SeqCst);
        ready(())
    };
    while let Some(done) = store.compact_once(pace).await.unwrap() {
        assert_eq!(done.damaged, []);
        moved_bytes += done.moved_bytes;
        freed_bytes += done.freed_bytes;
    }
    let after = store.stats().unwrap();
    assert_eq!(
        (after.shards, after.live_bytes),
        (before.shards, before.live_bytes)
    );
    assert!(
        after.segments <= 3,
        "{} to {}",
        before.segments,
        after.segments
    );
    let gained = after.space.free_bytes - before.space.free_bytes;
    // The copies may have needed a new segment.
    assert!(
        gained >= freed_bytes - 2 * (2 << 20) && gained > 5 << 20,
        "{gained} bytes"
    );
    let paced = paced.into_inner();
    assert!(
        paced >= moved_bytes && paced < 2 * moved_bytes,
        "{paced} of {moved_bytes}"
    );
    expect(&store, 100, &live, size).await;
    drop(store);
    expect(&open(), 100, &live, size).await;
    std::fs::remove_dir_all(index.path().join("index")).unwrap();
    expect(&open(), 100, &live, size).await;
}

#[tokio::test]
async fn a_reader_in_mid_stream_outlives_the_segment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    put(&store, 0, &payload(0, 1_800_000)).await.unwrap();
    fill(&store, 1..20, 300_000).await;
    delete(&store, 1..19).await;
    let mut reader = store.read(shard_id(0, 0), None).await.unwrap();
    let mut bytes = reader.next().await.unwrap().unwrap().to_vec();
    let done = compact_all(&store).await;
    assert!(
        done.iter()
            .any(|done| done.segment == 1 && done.freed_bytes > 0)
    );
    assert!(!dir.path().join("segments/0000000000000001.seg").exists());
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes == payload(0, 1_800_000));
    assert!(
        read(&store, 0, None).await == bytes,
        "and it is found at its new place"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_reads_and_deletes_go_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&dir));
    let size = 60_000;
    fill(&store, 0..200, size).await;
    delete(&store, (0..200).filter(|blob| blob % 4 != 0)).await;
    let own = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for blob in 200..300 {
            put(&own, blob.into(), &payload(blob, size)).await.unwrap();
            if blob % 2 == 0 {
                delete(&own, [blob]).await;
            }
        }
    });
    let own = Arc::clone(&store);
    let reader = tokio::spawn(async move {
        for _ in 0..10 {
            for blob in (0..200).step_by(8) {
                assert!(read(&own, blob.into(), None).await == payload(blob, size));
            }
        }
    });
    let own = Arc::clone(&store);
    let deleter = tokio::spawn(async move {
        for blob in (4..200).step_by(8) {
            delete(&own, [blob]).await;
            tokio::task::yield_now().await;
        }
    });
    while !(writer.is_finished() && reader.is_finished() && deleter.is_finished()) {
        let own = Arc::clone(&store);
        let pace = |_| tokio::task::yield_now();
        let compacting = tokio::spawn(async move { own.compact_once(pace).await });
        compacting.await.unwrap().unwrap();
    }
    for task in [writer, reader, deleter] {
        task.await.unwrap();
    }
    compact_all(&store).await;
    let odd = (200..300).filter(|blob| blob % 2 == 1);
    let live = (0..200).step_by(8).chain(odd).collect();
    expect(&store, 300, &live, size).await;
    drop(store);
    lose_index(&dir);
    expect(&open(&dir), 300, &live, size).await;
}

/// One shard alone in a segment that is worth compacting, and another segment after it.
async fn lone_shard(dir: &TempDir) -> Arc<ShardStore> {
    let store = open(dir);
    fill(&store, 0..10, 100_000).await;
    delete(&store, 1..10).await;
    let store = next_segment(dir, store).await;
    fill(&store, LAST..LAST + 1, 1_000).await;
    Arc::new(store)
}

/// Has the commit thread stop in the middle of its next batch, for a while.
pub(super) fn hold_up(store: &Arc<ShardStore>) {
    let (locked, wait) = std::sync::mpsc::channel();
    let own = Arc::clone(store);
    std::thread::spawn(move || {
        let figures = own.shared.live();
        locked.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(400));
        drop(figures);
    });
    wait.recv().unwrap();
}

async fn a_while() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_in_one_batch_with_the_move_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = lone_shard(&dir).await;
    let pace = |bytes| {
        let store = Arc::clone(&store);
        async move {
            if bytes < 100_000 {
                return;
            }
            hold_up(&store);
            // This put's batch is what the commit thread is held up in.
            let own = Arc::clone(&store);
            tokio::spawn(async move { put(&own, u128::from(LAST) + 1, b"x").await.unwrap() });
            a_while().await;
            tokio::spawn(async move { delete(&store, [0]).await });
            a_while().await;
        }
    };
    let done = store.compact_once(pace).await.unwrap().unwrap();
    assert_eq!((done.segment, done.moved_shards), (1, 0));
    assert!(done.freed_bytes > 0);
    assert_eq!(records(&store).2, 3, "the copy is whole, but nobody's");
    let expect_gone = async |store: &ShardStore| {
        for blob in 0..10 {
            let found = store.describe(shard_id(blob, 0)).await;
            assert!(matches!(found, Err(Error::NotFound)), "shard {blob}");
        }
        assert_eq!(store.stats().unwrap().shards, 2);
    };
    expect_gone(&store).await;
    // The tombstone must outlive the copy.
    let store = Arc::into_inner(store).expect("all others are done");
    let store = next_segment(&dir, store).await;
    fill(&store, LAST + 2..LAST + 3, 1_000).await;
    delete(&store, [LAST + 2]).await;
    drop(store);
    lose_index(&dir);
    expect_gone(&open(&dir)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_copy_is_made_behind_a_tombstone_that_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let store = lone_shard(&dir).await;
    let pace = |bytes| {
        let store = Arc::clone(&store);
        async move {
            if bytes < 100_000 {
                return;
            }
            hold_up(&store);
            // Its tombstone is reserved and written, and the index does not have it yet.
            tokio::spawn(async move { delete(&store, [0]).await });
            a_while().await;
        }
    };
    let done = store.compact_once(pace).await.unwrap().unwrap();
    assert_eq!((done.segment, done.moved_shards), (1, 0));
    assert!(done.freed_bytes > 0);
    assert_eq!(
        records(&store).2,
        1,
        "a copy would come back if the index had the tombstone"
    );
}

/// Flips a bit of a file at rest.
pub(super) fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn damaged_records_keep_their_segment_until_they_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    fill(&store, 0..30, 100_000).await;
    delete(&store, (0..30).filter(|blob| blob % 4 != 0)).await;
    let store = next_segment(&dir, store).await;
    fill(&store, LAST..LAST + 1, 1_000).await;
    let path = dir.path().join("segments/0000000000000001.seg");
    // One in its payload, another in its header.
    for (blob, at) in [(4, 50_000), (8, 70)] {
        let entry = store.shared.index.get(&shard_id(blob, 0)).unwrap().unwrap();
        assert_eq!(entry.segment, 1);
        flip(&path, entry.offset as usize + at);
    }
    let first = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert_eq!((first.segment, first.freed_bytes), (1, 0));
    assert_eq!(first.moved_shards, 6);
    assert_eq!(first.damaged, [4].map(|blob| shard_id(blob, 0)));
    assert_eq!(compact_all(&store).await, [], "it is not tried again");
    assert!(path.exists());
    delete(&store, [4]).await;
    let second = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert_eq!((second.segment, second.freed_bytes), (1, 0));
    assert_eq!(
        second.damaged,
        [shard_id(8, 0)],
        "though no header names it"
    );
    assert_eq!(compact_all(&store).await, []);
    delete(&store, [8]).await;
    let third = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert!(third.freed_bytes > 0 && !path.exists());
    let live = (0..30).filter(|blob| blob % 4 == 0 && *blob != 4 && *blob != 8);
    let live = live.chain([LAST]).collect();
    expect(&store, 30, &live, 100_000).await;
}

#[tokio::test]
async fn an_index_from_before_a_removal_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    fill(&store, 0..100, 100_000).await;
    store.close().await.unwrap();
    drop(store);
    let (index, then) = (dir.path().join("index"), dir.path().join("then"));
    copy_folder(&index, &then);
    let store = open(&dir);
    delete(&store, (0..100).filter(|blob| blob % 3 != 0)).await;
    assert!(!compact_all(&store).await.is_empty());
    drop(store);
    lose_index(&dir);
    std::fs::rename(then, index).unwrap();
    let live = (0..100).step_by(3).collect();
    expect(&open(&dir), 100, &live, 100_000).await;
}

#[tokio::test]
async fn an_index_as_it_was_flushed_knows_of_every_removal() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    fill(&store, 0..100, 100_000).await;
    delete(&store, (0..100).filter(|blob| blob % 3 != 0)).await;
    assert!(!compact_all(&store).await.is_empty());
    // As a crash leaves it: what is applied and not flushed is not there.
    let (index, flushed) = (dir.path().join("index"), dir.path().join("flushed"));
    copy_folder(&index, &flushed);
    std::fs::write(flushed.join("witness"), b"").unwrap();
    drop(store);
    lose_index(&dir);
    std::fs::rename(flushed, &index).unwrap();
    let live = (0..100).step_by(3).collect();
    expect(&open(&dir), 100, &live, 100_000).await;
    assert!(index.join("witness").exists(), "it was made anew");
}

#[tokio::test]
async fn the_index_is_kept_over_removals_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&dir);
    // RocksDB leaves it alone, and a rebuild does not.
    let witness = dir.path().join("index/witness");
    std::fs::write(&witness, b"").unwrap();
    for round in 0..5 {
        fill(&store, round * 10..round * 10 + 10, 1_000_000).await;
        delete(&store, round * 10..round * 10 + 10).await;
        assert!(!compact_all(&store).await.is_empty());
        store = next_segment(&dir, store).await;
        compact_all(&store).await;
        // Without a write in this life.
        store = next_segment(&dir, store).await;
        assert!(witness.exists(), "round {round}");
    }
    assert!(store.stats().unwrap().segments <= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_that_is_given_up_costs_nothing_but_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let size = 20_000;
    fill(&store, 0..100, size).await;
    delete(&store, (0..100).filter(|blob| blob % 4 != 0)).await;
    let mut store = next_segment(&dir, store).await;
    fill(&store, LAST..LAST + 1, size).await;
    let mut live: BTreeSet<u64> = (0..100).step_by(4).chain([LAST]).collect();
    for records in 1..20 {
        let paced = AtomicU64::new(0);
        let pace = |_| {
            let enough = paced.fetch_add(1, Ordering::SeqCst) == records;
            async move {
                if enough {
                    std::future::pending::<()>().await;
                }
            }
        };
        let given_up = tokio::time::timeout(Duration::from_millis(50), store.compact_once(pace));
        let _ = given_up.await;
        delete(&store, [records * 4]).await;
        live.remove(&(records * 4));
    }
    compact_all(&store).await;
    expect(&store, 100, &live, size).await;
    assert!(store.stats().unwrap().segments <= 2);
    store = next_segment(&dir, store).await;
    expect(&store, 100, &live, size).await;
}

#[tokio::test]
async fn a_shard_that_a_writer_holds_is_waited_for_and_never_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = lone_shard(&dir).await;
    let claim = store.shared.log.claim(shard_id(0, 0)).unwrap();
    let done = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert_eq!(
        (done.segment, done.moved_shards, done.freed_bytes),
        (1, 0, 0)
    );
    assert!(read(&store, 0, None).await == payload(0, 100_000));
    drop(claim);
    let done = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert_eq!((done.segment, done.moved_shards), (1, 1));
    assert!(done.freed_bytes > 0);
    assert!(read(&store, 0, None).await == payload(0, 100_000));
}

#[tokio::test]
async fn a_record_longer_than_segments_are_now_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    put(&store, 0, &payload(0, 1_000_000)).await.unwrap();
    fill(&store, 1..3, 1_000_000).await;
    delete(&store, 1..3).await;
    store.close().await.unwrap();
    drop(store);
    let shorter = StoreOptions {
        segment_bytes: 1 << 19,
        ..options(&dir)
    };
    let store = ShardStore::open(Arc::new(OsEnv), &shorter).unwrap();
    fill(&store, LAST..LAST + 1, 1_000).await;
    let done = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert_eq!(
        (done.segment, done.freed_bytes, done.damaged),
        (1, 0, vec![])
    );
    assert_eq!(compact_all(&store).await, []);
    assert!(read(&store, 0, None).await == payload(0, 1_000_000));
}

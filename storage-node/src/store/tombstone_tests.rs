//! Tombstones outlive what they cover, and take little room meanwhile.

use std::collections::BTreeSet;
use std::future::ready;

use futures_util::future::try_join_all;

use super::compact_tests::{
    LAST, compact_all, delete, expect, fill, hold_up, lose_index, next_segment, records,
};
use super::testing::{payload, shard_id};
use super::tests::{open, options, put};
use super::*;

#[tokio::test]
async fn tombstones_last_as_long_as_what_they_cover() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    // Segment 1: mostly live, so its dead records stay.
    fill(&store, 0..10, 100_000).await;
    let store = next_segment(&dir, store).await;
    // Segment 2: tombstones of segment 1, and one of a shard that is stored again later.
    delete(&store, [0, 1, 2]).await;
    let store = next_segment(&dir, store).await;
    put(&store, 2, &payload(2, 100_000)).await.unwrap();
    let done = compact_all(&store).await;
    let removed: Vec<_> = done.iter().map(|done| done.segment).collect();
    assert_eq!(removed, [2]);
    assert_eq!(records(&store).0, 2, "that of shard 2 is not needed");
    let mut live: BTreeSet<u64> = (2..10).collect();
    expect(&store, 10, &live, 100_000).await;
    drop(store);
    lose_index(&dir);
    let store = open(&dir);
    expect(&store, 10, &live, 100_000).await;

    // Once segment 1 is gone, they cover nothing.
    delete(&store, 3..10).await;
    live.retain(|blob| *blob == 2);
    let mut store = store;
    for blob in LAST..LAST + 3 {
        compact_all(&store).await;
        expect(&store, 10, &live, 100_000).await;
        store = next_segment(&dir, store).await;
        fill(&store, blob..blob + 1, 1_000).await;
        live.insert(blob);
        // A short segment that is full of tombstones is not worth copying for ever.
        delete(&store, [blob]).await;
        live.remove(&blob);
    }
    let (tombstones, ..) = records(&store);
    // Two beside shard 2, whose segment is full enough to stay, and those of the last two rounds.
    assert_eq!(tombstones, 4, "of 13");
    expect(&store, 10, &live, 100_000).await;
    drop(store);
    lose_index(&dir);
    expect(&open(&dir), 10, &live, 100_000).await;
}

/// Removes segments; returns their numbers.
async fn removed(store: &ShardStore) -> Vec<u64> {
    let done = compact_all(store).await;
    done.iter().map(|done| done.segment).collect()
}

#[tokio::test]
async fn tombstones_of_many_records_are_carried_in_one_and_dropped_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    // Segment 1: mostly live, so its dead records stay.
    fill(&store, 0..30, 100_000).await;
    let store = next_segment(&dir, store).await;
    delete(&store, 0..10).await;
    // Twice deleted: the later tombstone is enough.
    put(&store, 9, b"again").await.unwrap();
    delete(&store, [9]).await;
    let store = next_segment(&dir, store).await;
    fill(&store, LAST..LAST + 1, 1_000).await;
    assert_eq!(records(&store).0, 11);
    assert_eq!(removed(&store).await, [2]);
    assert_eq!(records(&store), (10, 1, 31), "in a single record");
    let mut live: BTreeSet<u64> = (10..30).chain([LAST]).collect();
    expect(&store, 30, &live, 100_000).await;
    // Met by a recovery that has the index, and by one that makes it anew.
    drop(store);
    let store = open(&dir);
    expect(&store, 30, &live, 100_000).await;
    drop(store);
    lose_index(&dir);
    let store = open(&dir);
    expect(&store, 30, &live, 100_000).await;

    // They are carried on, but not those of shards that are stored again.
    fill(&store, 0..3, 100_000).await;
    fill(&store, LAST + 1..LAST + 2, 1_000).await;
    live.extend((0..3).chain([LAST + 1]));
    assert_eq!(removed(&store).await, [3]);
    assert_eq!(records(&store).0, 7);
    expect(&store, 30, &live, 100_000).await;
    let store = next_segment(&dir, store).await;
    fill(&store, LAST + 2..LAST + 3, 1_000).await;
    live.insert(LAST + 2);
    drop(store);
    lose_index(&dir);
    let store = open(&dir);
    expect(&store, 30, &live, 100_000).await;

    // Nor any, once nothing is left that they cover.
    delete(&store, 10..30).await;
    live.retain(|blob| !(10..30).contains(blob));
    assert!(removed(&store).await.contains(&1));
    let store = next_segment(&dir, store).await;
    fill(&store, LAST + 3..LAST + 4, 1_000).await;
    live.insert(LAST + 3);
    compact_all(&store).await;
    expect(&store, 30, &live, 100_000).await;
    drop(store);
    lose_index(&dir);
    expect(&open(&dir), 30, &live, 100_000).await;
}

#[tokio::test]
async fn a_segment_full_of_needed_tombstones_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        segment_bytes: 16 << 20,
        ..options(&dir)
    };
    let open = || ShardStore::open(Arc::new(OsEnv), &options).unwrap();
    let store = open();
    let tiny = 100..700;
    fill(&store, 0..40, 300_000).await;
    let puts = tiny.clone().map(|blob| put(&store, blob, b"tiny"));
    try_join_all(puts).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = Arc::new(open());
    // So that they wait for one another, and are written densely from the first.
    hold_up(&store);
    put(&store, u128::from(LAST), b"held up").await.unwrap();
    hold_up(&store);
    let deletes = tiny.map(|blob| store.delete(shard_id(blob, 0)));
    try_join_all(deletes).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open();
    fill(&store, LAST + 1..LAST + 2, 1_000).await;
    assert_eq!(compact_all(&store).await, []);
    assert_eq!(records(&store).0, 600);
    // Until what they cover goes.
    delete(&store, 0..40).await;
    assert_eq!(removed(&store).await, [1, 2]);
    assert_eq!(records(&store).0, 40, "what the deletes just wrote");
}

#[tokio::test]
async fn more_tombstones_than_fit_one_record_are_carried_in_several() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        segment_bytes: 32 << 20,
        ..options(&dir)
    };
    let open = || ShardStore::open(Arc::new(OsEnv), &options).unwrap();
    let restart = async |store: ShardStore| {
        store.close().await.unwrap();
        drop(store);
        open()
    };
    let tiny = 100u128..2_300;
    let store = open();
    fill(&store, 0..40, 500_000).await;
    let puts = tiny.clone().map(|blob| put(&store, blob, b"tiny"));
    try_join_all(puts).await.unwrap();
    let store = restart(store).await;
    // Few at a time, so that their records are nearly empty.
    let all: Vec<_> = tiny.clone().collect();
    for some in all.chunks(20) {
        let deletes = some.iter().map(|blob| store.delete(shard_id(*blob, 0)));
        try_join_all(deletes).await.unwrap();
    }
    let store = restart(store).await;
    put(&store, u128::from(LAST) * 10, b"x").await.unwrap();
    assert_eq!(removed(&store).await, [2]);
    let (tombstones, carried, _) = records(&store);
    assert_eq!((tombstones, carried), (2_200, 3));
    drop(store);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open();
    assert_eq!(store.stats().unwrap().shards, 41);
    for blob in tiny {
        assert!(!store.has(&shard_id(blob, 0)).unwrap(), "shard {blob}");
    }
}

#[tokio::test]
async fn carried_tombstones_that_the_disk_changed_keep_their_segment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    fill(&store, 0..30, 100_000).await;
    let store = next_segment(&dir, store).await;
    delete(&store, 0..3).await;
    let store = next_segment(&dir, store).await;
    fill(&store, LAST..LAST + 1, 1_000).await;
    assert_eq!(removed(&store).await, [2]);
    let store = next_segment(&dir, store).await;
    fill(&store, LAST + 1..LAST + 2, 1_000).await;
    // Behind head and shard, past the header.
    let path = dir.path().join("segments/0000000000000003.seg");
    compact_tests::flip(&path, 2 * 4096 + 100);
    let done = store.compact_once(|_| ready(())).await.unwrap().unwrap();
    assert_eq!((done.segment, done.freed_bytes), (3, 0));
    assert_eq!(compact_all(&store).await, []);
    assert!(path.exists());
}

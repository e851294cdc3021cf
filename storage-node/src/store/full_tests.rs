//! Full disks: what frees room goes on, and puts come back with it.

use super::segment::Purpose;
use super::testing::{SimDisk, payload, shard_id};
use super::tests::{put, read};
use super::*;

const SEGMENT: u64 = 2 << 20;

/// A disk with room for so many segments, a store on it, and where its index lies.
fn open(segments: u64) -> (Arc<SimDisk>, Arc<ShardStore>, tempfile::TempDir) {
    let disk = SimDisk::new(1);
    // The identity needs some room too.
    disk.set_room(segments * SEGMENT + 4096);
    let index = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        segment_bytes: SEGMENT,
        index_path: index.path().join("index"),
        ..StoreOptions::new("/disk", DiskId::from_u128(7))
    };
    let store = ShardStore::open(Arc::clone(&disk) as Arc<dyn Env>, &options).unwrap();
    (disk, Arc::new(store), index)
}

/// Puts shards of 100,000 bytes from `blob` on until that is refused; returns the first that was.
async fn fill_up(store: &ShardStore, mut blob: u64) -> u64 {
    loop {
        match put(store, blob.into(), &payload(blob, 100_000)).await {
            Ok(_) => blob += 1,
            Err(Error::DiskFull) => return blob,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_takes_deletes_and_compactions_and_then_puts_again() {
    let (_disk, store, _index) = open(10);
    let (mut live, mut next) = (Vec::<u64>::new(), 0);
    for round in 0..4 {
        let from = next;
        next = fill_up(&store, from).await;
        assert!(next - from >= 40, "round {round}: {from} to {next}");
        live.extend(from..next);
        assert_eq!(store.health(), DiskHealth::Full);
        let stats = store.stats().unwrap();
        assert_eq!(stats.health, DiskHealth::Full);
        assert!(stats.space.free_bytes >= 2 * SEGMENT, "{stats:?}");
        // Every other one, so that all that frees room must copy first.
        let is_dead = |blob: &u64| blob % 2 == round % 2;
        let (dead, kept): (Vec<u64>, Vec<u64>) = live.into_iter().partition(is_dead);
        for blob in dead {
            assert!(store.delete(shard_id(blob.into(), 0)).await.unwrap());
        }
        live = kept;
        while store
            .compact_once(|_| std::future::ready(()))
            .await
            .unwrap()
            .is_some()
        {}
        assert_eq!(store.health(), DiskHealth::Online);
        for blob in &live {
            assert!(read(&store, (*blob).into(), None).await == payload(*blob, 100_000));
        }
        assert_eq!(store.stats().unwrap().shards, live.len() as u64);
    }
}

/// As when slots moved to disks that came: little of every segment.
#[tokio::test]
async fn a_full_disk_gets_room_of_what_little_left_each_segment() {
    let (_disk, store, _index) = open(10);
    let next = fill_up(&store, 0).await;
    let is_dead = |blob: &u64| blob.is_multiple_of(5);
    for blob in (0..next).filter(is_dead) {
        assert!(store.delete(shard_id(blob.into(), 0)).await.unwrap());
    }
    assert_eq!(store.health(), DiskHealth::Full);
    let compact = || store.compact_once(|_| std::future::ready(()));
    while store.health() == DiskHealth::Full {
        compact().await.unwrap().expect("something is worth it");
    }
    // What is left of it is not copied for so little.
    assert_eq!(compact().await.unwrap(), None);
    assert!(fill_up(&store, next).await > next);
    for blob in (0..next).filter(|blob| !is_dead(blob)) {
        assert!(read(&store, blob.into(), None).await == payload(blob, 100_000));
    }
}

#[tokio::test]
async fn puts_and_deletes_leave_the_last_segments_to_those_who_free_more() {
    let (disk, store, _index) = open(4);
    fill_up(&store, 0).await;
    let reserve = |bytes, purpose| {
        let reservation = store.shared.log.reserve(bytes, purpose);
        reservation.map(|reservation| reservation.segment.number)
    };
    let last = store.shared.log.all().len() as u64;
    assert_eq!(last, 2);
    // Made out of the reserve: puts must not fill it, though they would fit.
    assert_eq!(reserve(SEGMENT / 2, Purpose::Compact).unwrap(), 3);
    let refused = put(&store, 1_000, b"x").await;
    assert!(matches!(refused, Err(Error::DiskFull)));
    assert!(store.delete(shard_id(0, 0)).await.unwrap());
    assert_eq!(reserve(4096, Purpose::Delete).unwrap(), 3);
    // The last one is for compactions alone.
    let refused = reserve(SEGMENT / 2, Purpose::Delete);
    assert!(matches!(refused, Err(Error::DiskFull)));
    assert_eq!(reserve(SEGMENT / 2, Purpose::Compact).unwrap(), 4);
    let refused = store.delete(shard_id(1, 0)).await;
    assert!(matches!(refused, Err(Error::DiskFull)));
    assert_eq!(reserve(4096, Purpose::Compact).unwrap(), 4);
    let refused = reserve(SEGMENT / 2, Purpose::Compact);
    assert!(matches!(refused, Err(Error::DiskFull)));
    assert_eq!(store.health(), DiskHealth::Full);

    // Each may write again with the room that it leaves to others, in the same segment.
    disk.set_room(5 * SEGMENT + 4096);
    assert!(store.delete(shard_id(1, 0)).await.unwrap());
    let refused = put(&store, 1_000, b"x").await;
    assert!(matches!(refused, Err(Error::DiskFull)));
    assert_eq!(store.health(), DiskHealth::Full);
    disk.set_room(6 * SEGMENT + 4096);
    put(&store, 1_000, b"x").await.unwrap();
    assert_eq!(store.health(), DiskHealth::Online);
    assert_eq!(reserve(4096, Purpose::Put).unwrap(), 4);
}

#[tokio::test]
async fn a_disk_is_online_again_when_others_make_room_and_nobody_puts() {
    let (disk, store, _index) = open(4);
    let next = fill_up(&store, 0).await;
    assert_eq!(store.health(), DiskHealth::Full);
    disk.set_room(5 * SEGMENT + 4096);
    assert_eq!(store.stats().unwrap().health, DiskHealth::Online);
    assert!(fill_up(&store, next).await > next);
    assert_eq!(store.health(), DiskHealth::Full);
    disk.set_room(6 * SEGMENT + 4096);
    assert_eq!(store.health(), DiskHealth::Online);
}

//! The store on a real folder.

use std::sync::Arc;

use tempfile::TempDir;

use super::testing::{descriptor, payload, shard_id};
use super::*;

pub(super) fn options(dir: &TempDir) -> StoreOptions {
    StoreOptions {
        segment_bytes: 4 << 20,
        write_buffer_bytes: 4 << 20,
        ..StoreOptions::new(dir.path(), DiskId::from_u128(7))
    }
}

pub(super) fn open(dir: &TempDir) -> ShardStore {
    ShardStore::open(Arc::new(OsEnv), &options(dir)).unwrap()
}

pub(super) async fn put(store: &ShardStore, blob: u128, bytes: &[u8]) -> Result<Stored, Error> {
    let mut writer = store.begin(descriptor(blob, 0, bytes.len() as u64)).await?;
    for piece in bytes.chunks(70_000) {
        writer.write(piece).await?;
    }
    writer.finish().await
}

pub(super) async fn read(store: &ShardStore, blob: u128, range: Option<Range<u64>>) -> Vec<u8> {
    let mut reader = store.read(shard_id(blob, 0), range).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

#[tokio::test]
async fn shards_of_every_size_read_back_now_and_after_restart() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [
        1,
        511,
        4096 - 32,
        4096,
        65_568,
        524_287,
        524_288,
        600_000,
        1_500_000,
    ];
    let store = open(&dir);
    for (blob, size) in sizes.iter().enumerate() {
        let bytes = payload(blob as u64, *size);
        assert_eq!(
            put(&store, blob as u128, &bytes).await.unwrap(),
            Stored::Now
        );
    }
    store.close().await.unwrap();
    drop(store);
    let store = open(&dir);
    for (blob, size) in sizes.iter().enumerate() {
        let bytes = payload(blob as u64, *size);
        let blob = blob as u128;
        assert!(read(&store, blob, None).await == bytes, "size {size}");
        let (a, b) = (size / 3, size / 3 + size.div_ceil(2));
        let b = b.min(*size);
        assert!(read(&store, blob, Some(a as u64..b as u64)).await == bytes[a..b]);
        let found = store.describe(shard_id(blob, 0)).await.unwrap();
        assert_eq!(found, descriptor(blob, 0, *size as u64));
    }
    let page = store.list(None, 4).await.unwrap();
    assert_eq!(page.shards, [0, 1, 2, 3].map(|blob| shard_id(blob, 0)));
    assert!(page.more);
    let page = store.list(Some(shard_id(3, 0)), 100).await.unwrap();
    assert_eq!((page.shards.len(), page.more), (sizes.len() - 4, false));
    let past = store.read(shard_id(0, 0), Some(0..2)).await;
    assert!(matches!(past, Err(Error::BadRange { payload_bytes: 1 })));
}

#[tokio::test]
async fn a_repeat_succeeds_and_another_shard_conflicts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert_eq!(put(&store, 1, b"abc").await.unwrap(), Stored::Now);
    assert_eq!(put(&store, 1, b"abc").await.unwrap(), Stored::Before);
    assert!(matches!(put(&store, 1, b"abd").await, Err(Error::Conflict)));
    assert!(matches!(
        put(&store, 1, b"abcd").await,
        Err(Error::Conflict)
    ));
    assert_eq!(read(&store, 1, None).await, b"abc");

    let first = store.begin(descriptor(2, 0, 3)).await.unwrap();
    assert!(matches!(
        store.begin(descriptor(2, 0, 3)).await,
        Err(Error::Busy)
    ));
    drop(first);
    assert_eq!(put(&store, 2, b"xyz").await.unwrap(), Stored::Now);
}

#[tokio::test]
async fn short_and_long_payloads_store_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut short = store.begin(descriptor(1, 0, 700_000)).await.unwrap();
    short.write(&payload(1, 699_999)).await.unwrap();
    assert!(matches!(
        short.finish().await,
        Err(Error::LengthMismatch { .. })
    ));
    let mut long = store.begin(descriptor(1, 0, 10)).await.unwrap();
    assert!(matches!(
        long.write(&[0; 11]).await,
        Err(Error::LengthMismatch { .. })
    ));
    drop(long);
    assert!(matches!(
        store.read(shard_id(1, 0), None).await,
        Err(Error::NotFound)
    ));
    let huge = store.begin(descriptor(1, 0, 4 << 20)).await;
    assert!(matches!(huge, Err(Error::BadShard(_))));
    assert_eq!(store.stats().unwrap().live_bytes, 0);
}

#[tokio::test]
async fn deleted_shards_stay_deleted_even_when_the_index_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for blob in 0..20 {
        put(&store, blob, &payload(blob as u64, 300_000))
            .await
            .unwrap();
    }
    for blob in 0..10 {
        assert!(store.delete(shard_id(blob, 0)).await.unwrap());
        assert!(!store.delete(shard_id(blob, 0)).await.unwrap());
    }
    assert_eq!(put(&store, 3, b"again").await.unwrap(), Stored::Now);
    let live = store.stats().unwrap();
    assert_eq!(live.shards, 11);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(&dir);
    let rebuilt = store.stats().unwrap();
    assert_eq!(
        (rebuilt.shards, rebuilt.live_bytes),
        (live.shards, live.live_bytes)
    );
    let page = store.list(None, 100).await.unwrap();
    let expected: Vec<_> = [3]
        .into_iter()
        .chain(10..20)
        .map(|blob| shard_id(blob, 0))
        .collect();
    assert_eq!(page.shards, expected);
    assert_eq!(read(&store, 3, None).await, b"again");
    assert!(read(&store, 15, None).await == payload(15, 300_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_segments_and_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&dir));
    let writers: Vec<_> = (0..60u64)
        .map(|blob| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let bytes = payload(blob, 1000 + blob as usize * 9_000);
                put(&store, u128::from(blob), &bytes).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for blob in 0..60u64 {
        let expected = payload(blob, 1000 + blob as usize * 9_000);
        assert!(read(&store, u128::from(blob), None).await == expected);
    }
    assert!(
        store.stats().unwrap().segments > 1,
        "the test is meant to rotate"
    );
}

#[tokio::test]
async fn another_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let other = StoreOptions {
        disk: DiskId::from_u128(8),
        ..options(&dir)
    };
    let refused = ShardStore::open(Arc::new(OsEnv), &other);
    assert!(matches!(refused, Err(Error::WrongDisk { .. })));
    std::fs::remove_file(dir.path().join("riquet-disk")).unwrap();
    let store = ShardStore::open(Arc::new(OsEnv), &other).unwrap();
    put(&store, 1, b"x").await.unwrap();
    drop(store);
    std::fs::remove_file(dir.path().join("riquet-disk")).unwrap();
    let refused = ShardStore::open(Arc::new(OsEnv), &other);
    assert!(
        matches!(refused, Err(Error::WrongDisk { .. })),
        "segments without identity"
    );
}

#[tokio::test]
async fn a_closed_store_takes_no_writes_and_gives_the_tail_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    put(&store, 1, b"x").await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(put(&store, 2, b"y").await, Err(Error::Stopped)));
    let segment = dir.path().join("segments/0000000000000001.seg");
    assert_eq!(
        std::fs::metadata(segment).unwrap().len(),
        3 * 4096,
        "head, record, seal"
    );
    assert_eq!(read(&store, 1, None).await, b"x");
}

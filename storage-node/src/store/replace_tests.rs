//! A damaged record is replaced while it still counts.

use super::testing::{SimDisk, descriptor, payload, shard_id};
use super::tests::read;
use super::*;

fn options(index: &std::path::Path) -> StoreOptions {
    StoreOptions {
        path: "/disk".into(),
        index_path: index.join("index"),
        segment_bytes: 2 << 20,
        ..StoreOptions::new("/disk", DiskId::from_u128(7))
    }
}

async fn write(mut writer: ShardWriter, bytes: &[u8]) -> Result<Stored, Error> {
    writer.write(bytes).await?;
    writer.finish().await
}

#[tokio::test]
async fn a_replacement_takes_the_place_of_the_old_record_and_survives_a_lost_index() {
    let (disk, folder) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let open = || ShardStore::open(Arc::clone(&disk) as Arc<dyn Env>, &options(folder.path()));
    let store = open().unwrap();
    let (old, new) = (payload(1, 10_000), payload(2, 10_000));
    let shard = || descriptor(1, 0, 10_000);
    write(store.begin(shard()).await.unwrap(), &old)
        .await
        .unwrap();
    let before = store.stats().unwrap();
    let replacing = store.begin_replacing(shard()).await.unwrap();
    assert!(!replacing.is_known(), "it is written, not compared");
    assert_eq!(
        read(&store, 1, None).await,
        old,
        "until then the old one counts"
    );
    assert_eq!(write(replacing, &new).await.unwrap(), Stored::Now);
    assert_eq!(read(&store, 1, None).await, new);
    let after = store.stats().unwrap();
    assert_eq!(
        (after.shards, after.live_bytes),
        (before.shards, before.live_bytes)
    );
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open().unwrap();
    assert_eq!(read(&store, 1, None).await, new);
    assert_eq!(store.stats().unwrap().live_bytes, before.live_bytes);
}

#[tokio::test]
async fn a_shard_that_is_deleted_meanwhile_stays_deleted() {
    let (disk, folder) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let open = || ShardStore::open(Arc::clone(&disk) as Arc<dyn Env>, &options(folder.path()));
    let store = open().unwrap();
    let shard = || descriptor(1, 0, 10_000);
    write(store.begin(shard()).await.unwrap(), &payload(1, 10_000))
        .await
        .unwrap();
    let replacing = store.begin_replacing(shard()).await.unwrap();
    assert!(store.delete(shard_id(1, 0)).await.unwrap());
    let outcome = write(replacing, &payload(2, 10_000)).await;
    assert!(matches!(outcome, Err(Error::NotFound)), "{outcome:?}");
    assert_eq!(store.stats().unwrap().shards, 0);
    drop(store);
    // The replacement is whole on the disk; the tombstone is above it.
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open().unwrap();
    assert!(!store.has(&shard_id(1, 0)).unwrap());
    assert_eq!(store.stats().unwrap().shards, 0);
}

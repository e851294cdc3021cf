//! What a recovery can't vouch for makes the node compare the disk with the metadata anew.

use std::path::Path;

use riquet_cluster::id::Epoch;

use super::crash_tests::copy_folder;
use super::testing::{SimDisk, payload, shard_id};
use super::tests::put;
use super::*;

const SEGMENT_1: &str = "/disk/segments/0000000000000001.seg";

/// A disk with some shards, all of which the metadata knows to be there.
struct Complete {
    disk: Arc<SimDisk>,
    index: tempfile::TempDir,
}

impl Complete {
    async fn new() -> Self {
        let complete = Self {
            disk: SimDisk::new(1),
            index: tempfile::tempdir().unwrap(),
        };
        let store = complete.open();
        for blob in 0..30 {
            let bytes = payload(blob, 100_000);
            put(&store, blob.into(), &bytes).await.unwrap();
        }
        let found = |progress: &mut Progress| {
            progress.complete_at = Some(Epoch(5));
            progress.swept_all_ms = 6;
        };
        store.note_progress(found).await.unwrap();
        store.close().await.unwrap();
        complete
    }

    fn try_open(&self) -> Result<ShardStore, Error> {
        let options = StoreOptions {
            segment_bytes: 2 << 20,
            index_path: self.index.path().join("now"),
            ..StoreOptions::new("/disk", DiskId::from_u128(7))
        };
        ShardStore::open(Arc::clone(&self.disk) as Arc<dyn Env>, &options)
    }

    fn open(&self) -> ShardStore {
        self.try_open().unwrap()
    }

    fn lose_index(&self) {
        std::fs::remove_dir_all(self.index.path().join("now")).unwrap();
    }

    /// Asserts of the next two starts that both know whether shards may be lost, and of the rest of
    /// the progress that it stays.
    fn expect(&self, complete_at: Option<Epoch>) {
        let expected = Progress {
            complete_at,
            swept_all_ms: 6,
            ..Progress::default()
        };
        for _ in 0..2 {
            assert_eq!(self.open().progress(), expected);
            let noted = Progress::load(&*self.disk, Path::new("/disk"));
            assert_eq!(noted, expected);
        }
    }
}

#[tokio::test]
async fn a_stop_or_a_crash_loses_nothing() {
    let mut complete = Complete::new().await;
    complete.expect(Some(Epoch(5)));
    let store = complete.open();
    put(&store, 100, b"x").await.unwrap();
    assert!(store.delete(shard_id(0, 0)).await.unwrap());
    drop(store);
    complete.disk = complete.disk.after_crash(2);
    complete.expect(Some(Epoch(5)));
}

#[tokio::test]
async fn a_damaged_head_is_noted() {
    let complete = Complete::new().await;
    complete.disk.flip(Path::new(SEGMENT_1), 30);
    complete.expect(None);
}

#[tokio::test]
async fn a_segment_that_is_gone_is_noted() {
    let complete = Complete::new().await;
    complete.disk.remove(Path::new(SEGMENT_1)).unwrap();
    complete.expect(None);
}

#[tokio::test]
async fn a_lost_or_damaged_index_is_noted() {
    let complete = Complete::new().await;
    complete.lose_index();
    complete.expect(None);

    let complete = Complete::new().await;
    std::fs::write(complete.index.path().join("now/CURRENT"), b"nonsense").unwrap();
    complete.expect(None);
}

#[tokio::test]
async fn an_index_of_other_segments_is_noted() {
    let complete = Complete::new().await;
    let other = Complete::new().await;
    let store = other.open();
    for blob in 100..200 {
        let bytes = payload(blob, 100_000);
        put(&store, blob.into(), &bytes).await.unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    complete.lose_index();
    copy_folder(
        &other.index.path().join("now"),
        &complete.index.path().join("now"),
    );
    complete.expect(None);
}

#[tokio::test]
async fn a_power_cut_at_any_moment_of_the_recovery_forgets_no_loss() {
    for operations in 0.. {
        let mut complete = Complete::new().await;
        // So that there is something to be sealed.
        let store = complete.open();
        put(&store, 100, b"x").await.unwrap();
        drop(store);
        complete.lose_index();
        complete.disk.cut_after(operations);
        let is_done = complete.try_open().is_ok();
        complete.disk = complete.disk.after_crash(operations);
        complete.expect(None);
        if is_done {
            assert!(operations > 3, "the test is meant to cut");
            break;
        }
    }
}

#[tokio::test]
async fn a_full_disk_forgets_its_progress_rather_than_a_loss() {
    let complete = Complete::new().await;
    complete.lose_index();
    complete.disk.set_room(0);
    assert_eq!(complete.open().progress().complete_at, None);
    let noted = Progress::load(&*complete.disk, Path::new("/disk"));
    assert_eq!(noted, Progress::default());
}

//! A disk that hangs keeps its own threads, and nobody else's.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::tests::{open, options, put, read};
use super::*;

/// Far longer than a disk takes that is well, and as long as a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// A read that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_millis(500);

#[test]
fn a_disk_that_hangs_leaves_the_others_their_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .max_blocking_threads(THREADS_PER_DISK + 1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = || tempfile::tempdir().unwrap();
        let (well, hanging, switch) = (folder(), folder(), folder());
        let fault = switch.path().join("fault");
        let env = FaultyEnv::watch(OsEnv, fault.clone()).unwrap();
        let hanging_disk = ShardStore::open(Arc::new(env), &options(&hanging)).unwrap();
        let (well_disk, hanging_disk) = (open(&well), Arc::new(hanging_disk));
        let bytes = b"the same on both".to_vec();
        put(&well_disk, 1, &bytes).await.unwrap();
        put(&hanging_disk, 1, &bytes).await.unwrap();

        std::fs::write(&fault, "hang").unwrap();
        let ask = async || timeout(HANGS_AFTER, read(&hanging_disk, 1, None)).await;
        while ask().await.is_ok() {}
        let mut waiting = JoinSet::new();
        for _ in 0..2 * THREADS_PER_DISK {
            let disk = Arc::clone(&hanging_disk);
            waiting.spawn(async move { read(&disk, 1, None).await });
        }
        let beside = async {
            put(&well_disk, 2, &bytes).await.unwrap();
            read(&well_disk, 2, None).await
        };
        let beside = timeout(PATIENCE, beside).await;
        // Else the runtime would wait for its threads, and the test would not fail but hang.
        std::fs::write(&fault, "well").unwrap();
        assert_eq!(beside.expect("the other disk serves"), bytes);
        let late = timeout(PATIENCE, waiting.join_all()).await.unwrap();
        assert!(late.iter().all(|read| *read == bytes));
    });
}

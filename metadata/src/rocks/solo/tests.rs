//! The voter on RocksDB: the contract, and what survives a crash.
//!
//! A crash loses what a state database had not flushed; the log loses nothing that was
//! acknowledged. So a crash is: the log as it is, and a state as it was at any time before.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::command::{KeyCommand, KeyOutcome, Preconditions};
use crate::contract;
use crate::id::BucketId;
use crate::machine::read_header;
use crate::store::{MemoryStore, Reader, scan};
use crate::testing::{START_MS, inline, open_tablet, proposal, put, put_command};

const BUCKET: BucketId = BucketId(1);
const GROUP: GroupId = GroupId(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_on_rocksdb_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let replica = SoloLog::open(dir.path(), contract::KEY_GROUPS).unwrap();
    contract::run(Arc::new(replica)).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn commands(ops: &[(u8, bool)]) -> Vec<Proposal> {
    let op = |(n, &(key, delete)): (usize, &(u8, bool))| {
        let key = format!("k{key}");
        if delete {
            KeyCommand::DeleteObject {
                bucket: BUCKET,
                key: key.into(),
                preconditions: Preconditions::default(),
            }
        } else {
            put_command(BUCKET, put(&key, n as u8, inline("x")))
        }
    };
    let all = std::iter::once(open_tablet(BUCKET)).chain(ops.iter().enumerate().map(op));
    all.enumerate()
        .map(|(n, command)| proposal(n as u128, START_MS + n as u64, command))
        .collect()
}

/// The records that the proposals come to, by the machine in memory.
fn model(proposals: &[Proposal]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = MemoryStore::default();
    let before = store.snapshot();
    let mut batch = Batch::begin(GROUP, &before).unwrap();
    for (n, proposal) in proposals.iter().enumerate() {
        batch.apply(n as u64 + 1, proposal).unwrap();
    }
    store.commit(batch.finish());
    scan(&store.snapshot(), &[], &[0xFF], usize::MAX).unwrap()
}

fn records(replica: &SoloLog) -> Vec<(Vec<u8>, Vec<u8>)> {
    let view = replica.groups[&GROUP].state.view();
    scan(&view, &[], &[0xFF], usize::MAX).unwrap()
}

/// The keys of the objects among records.
fn objects_in(records: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<Vec<u8>> {
    let family = crate::keys::family(crate::keys::Family::Current);
    let names = records.into_iter().map(|(key, _)| key);
    names.filter(|key| key.starts_with(&family)).collect()
}

async fn propose_all(replica: &SoloLog, proposals: &[Proposal]) {
    let all = proposals.iter().map(|p| replica.propose(GROUP, p.clone()));
    for outcome in futures_util::future::join_all(all).await {
        assert!(matches!(outcome, Ok(Outcome::Keys(_))), "{outcome:?}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever moment a crash takes the state back to, opening brings it up to the log's end:
    /// also when entries were logged and the crash came before they were applied.
    #[test]
    fn a_crash_loses_nothing_logged(
        ops in proptest::collection::vec((0u8..5, any::<bool>()), 3..40),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let proposals = commands(&ops);
        let (a, b) = (cut.0.index(proposals.len()), cut.1.index(proposals.len()));
        let (state_at, logged_only_from) = (a.min(b), a.max(b));
        let dir = tempfile::tempdir().unwrap();
        let older = dir.path().join("older");
        let live = dir.path().join("live");

        let replica = SoloLog::open(&live, 1).unwrap();
        runtime().block_on(propose_all(&replica, &proposals[..state_at]));
        drop(replica);
        copy(&live.join("state"), &older);
        let replica = SoloLog::open(&live, 1).unwrap();
        runtime().block_on(propose_all(&replica, &proposals[state_at..logged_only_from]));
        drop(replica);
        let log = LogStore::open(&live.join("log"), &Shared::new()).unwrap();
        let rest: Vec<_> = proposals.iter().map(Record::to_bytes).enumerate().collect();
        let rest = rest[logged_only_from..].iter();
        log.append(rest.map(|(n, bytes)| (GROUP, *n as u64 + 1, bytes.as_slice()))).unwrap();
        drop(log);
        std::fs::remove_dir_all(live.join("state")).unwrap();
        std::fs::rename(&older, live.join("state")).unwrap();

        let replica = SoloLog::open(&live, 1).unwrap();
        prop_assert_eq!(records(&replica), model(&proposals));

        // A proposer that never got its reply asks again and is told what was decided.
        let last = proposals.last().unwrap().clone();
        let answer = runtime().block_on(replica.propose(GROUP, last));
        let is_decided = matches!(
            answer,
            Ok(Outcome::Keys(KeyOutcome::Stored(_) | KeyOutcome::Deleted { .. }))
        );
        prop_assert!(is_decided, "{:?}", answer);
        prop_assert_eq!(objects_in(records(&replica)), objects_in(model(&proposals)));
    }
}

#[test]
fn the_log_is_shortened_only_up_to_what_is_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let proposals = commands(&[(1, false), (2, false), (3, false)]);
    let mut replica = SoloLog::open(dir.path(), 1).unwrap();
    runtime().block_on(propose_all(&replica, &proposals));
    replica.proposals = None;
    for thread in replica.threads.drain(..) {
        thread.join().unwrap();
    }
    let expected = records(&replica);
    drop(replica);

    let shared = Shared::new();
    let log = LogStore::open(&dir.path().join("log"), &shared).unwrap();
    let state = StateStore::open(&dir.path().join("state/0001"), &shared).unwrap();
    let flushed = state.flush().unwrap();
    assert_eq!(flushed, 4);
    log.drop_before(GROUP, flushed).unwrap();
    assert_eq!(
        log.read(GROUP, 0, 10).unwrap().len(),
        1,
        "the last entry stays"
    );
    assert_eq!(log.last(GROUP).unwrap(), 4);
    drop((log, state));

    let replica = SoloLog::open(dir.path(), 1).unwrap();
    assert_eq!(records(&replica), expected);
    runtime().block_on(propose_all(
        &replica,
        &[proposal(
            99,
            START_MS + 99,
            put_command(BUCKET, put("k9", 1, inline("x"))),
        )],
    ));
    let header = read_header(&replica.groups[&GROUP].state.view()).unwrap();
    assert_eq!(header.applied, 5, "indexes go on where they were");
}

#[test]
fn a_voter_that_lost_its_log_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let replica = SoloLog::open(dir.path(), 1).unwrap();
    runtime().block_on(propose_all(&replica, &commands(&[(1, false)])));
    drop(replica);
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    assert!(SoloLog::open(dir.path(), 1).is_err());
}

#[test]
fn a_group_not_hosted_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let replica = SoloLog::open(dir.path(), 1).unwrap();
    let proposal = proposal(1, START_MS, open_tablet(BUCKET));
    let answer = runtime().block_on(replica.propose(GroupId(2), proposal));
    assert_eq!(answer, Err(ReplicaError::NotHere));
    assert!(
        replica.groups[&GROUP]
            .state
            .view()
            .get(b"x")
            .unwrap()
            .is_none()
    );
}

//! A group of five voters in simulated time, over a simulated network and disks, with faults that
//! all follow from one number.
//!
//! Ours and real are: proposals and reads ([`super::host`]), the rule of the sites, supervision and
//! handing over, both ends of the calls between voters down to HTTP, the log but for its disk, and
//! the state machine on RocksDB. Simulated are what lies below: time (tokio's paused clock),
//! connections ([`network`]), and the disk of the log ([`disk`]). A crash ends a voter for all others
//! between two of its steps; of its log stays what was synced and some of what was not, of its
//! records what the database has written. A run has a process of its own ([`dice`]).
//!
//! Checked in every run ([`record`], [`voters`]):
//! * The requests of each key are linearizable, repeated ones included.
//! * All voters apply the same entries, and what one applied never changes.
//! * An outcome is told only once a majority would have it after a crash at that moment, and,
//!   before the first fault, both sites.
//! * After the faults the group serves again within [`SERVES_MS`], and all voters come to have the
//!   same records.
//!
//! Not simulated: a log so long that its head is purged, changes of the voters, failing disks.
//!
//! A run is repeated with `RIQUET_SIMULATION_SEED`, which a failed one prints, and shows its events
//! with `RIQUET_SIMULATION_TRACE=1` and what the voters log with `RUST_LOG` besides.

mod clients;
mod dice;
mod disk;
mod faults;
mod network;
mod record;
mod voters;

use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use self::clients::Client;
use self::faults::CLIENTS;
use self::record::{Condition, Report};
use self::voters::{SITES, World};

/// How long nothing goes wrong at first, ms.
const CALM_MS: u64 = 1_500;
/// For how long things go wrong, ms.
const TROUBLE_MS: u64 = 12_000;
/// Within what time a group serves again, ms.
const SERVES_MS: u64 = 10_000;

/// A whole simulation.
fn run(seed: u64) -> Report {
    dice::seed(seed);
    // Disks cost real time.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        // From here on time goes by the timer's ticks: it began somewhere between two of them.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let world = World::new(folder.path().to_owned());
        live(&world).await;
        world
    });
    drop(runtime);
    world.record.finish()
}

async fn live(world: &std::sync::Arc<World>) {
    for voter in 1..=SITES.len() as u64 {
        world.start(voter, None).await;
    }
    let watch = tokio::spawn(world.clone().watch());
    let mut first = Client::new(world, CLIENTS[0]);
    if !first.prepare().await {
        world.record.mistake("no leader at first".to_owned());
        return;
    }
    let now = Instant::now();
    let until = now + Duration::from_millis(CALM_MS + TROUBLE_MS);
    let mut clients = tokio::task::JoinSet::new();
    clients.spawn(first.work(until));
    for place in &CLIENTS[1..] {
        clients.spawn(Client::new(world, *place).work(until));
    }
    tokio::time::sleep(Duration::from_millis(CALM_MS)).await;
    faults::trouble(world.clone(), until).await;

    let served = async {
        let mut last = Client::new(world, 15);
        while !(last.write(0, None, Condition::Always).await && last.read(0).await) {}
        clients.join_all().await;
    };
    let within = Duration::from_millis(SERVES_MS);
    if tokio::time::timeout(within, served).await.is_err() {
        world
            .record
            .mistake("no service after the faults".to_owned());
    }
    let alike = async {
        while !world.agree() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(within, alike).await.is_err() {
        world
            .record
            .mistake("the voters' records differ".to_owned());
    }
    watch.abort();
    world.stop().await;
}

/// The seed that a process of its own simulates, and the file for its report.
const RUN: &str = "RIQUET_SIMULATION_RUN";
const REPORT: &str = "RIQUET_SIMULATION_REPORT";

/// Runs a seed in a process of its own: a run must not see how many came before it.
fn run_apart(seed: u64) -> Report {
    let file = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "raft::simulation::one_seed"])
        .args(["--nocapture", "--quiet"])
        .env(RUN, seed.to_string())
        .env(REPORT, file.path())
        .stdout(match std::env::var_os("RIQUET_SIMULATION_TRACE") {
            Some(_) => Stdio::inherit(),
            None => Stdio::null(),
        })
        .status()
        .unwrap();
    serde_json::from_reader(file).unwrap_or_else(|_| Report {
        mistakes: vec![format!("the simulation ended: {status}")],
        ..Report::default()
    })
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[expect(clippy::disallowed_methods, reason = "a seed, which is printed")]
fn any_seed() -> u64 {
    rand::random::<u32>().into()
}

/// Runs as many seeds as asked for, on all processors.
fn run_seeds(usual: u64) {
    let given = variable("RIQUET_SIMULATION_SEED");
    let base = given.unwrap_or_else(any_seed);
    let usual = if given.is_some() { 1 } else { usual };
    let count = variable("RIQUET_SIMULATION_SEEDS").unwrap_or(usual);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let (requests, applied) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && number < count
        {
            let seed = base + number;
            let report = run_apart(seed);
            requests.fetch_add(report.requests, Ordering::Relaxed);
            applied.fetch_add(report.applied, Ordering::Relaxed);
            if !report.mistakes.is_empty() {
                println!("RIQUET_SIMULATION_SEED={seed}: {:?}", report.mistakes);
                failed.lock().unwrap().push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    println!("{count} seeds from {base}: {requests:?} requests, {applied:?} entries applied");
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "RIQUET_SIMULATION_SEED={failed:?}");
}

#[test]
fn some_seeds_keep_all_promises() {
    run_seeds(30);
}

#[test]
#[ignore = "for long; `make simulation` runs it"]
fn many_seeds_keep_all_promises() {
    run_seeds(2000);
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..3 {
        let (one, other) = (run_apart(seed), run_apart(seed));
        assert_eq!(one, other, "seed {seed}");
        assert!(one.requests > 0 && one.applied > 0, "nothing happened");
    }
    assert_ne!(run_apart(1).trace, run_apart(2).trace);
}

#[test]
#[ignore = "the process of a run; the others start it"]
fn one_seed() {
    let seed = variable(RUN).expect("a seed");
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .without_time()
        .init();
    // A thread of its own has drawn nothing yet.
    let report = std::thread::spawn(move || run(seed)).join().unwrap();
    let file = std::fs::File::create(std::env::var_os(REPORT).expect("a file")).unwrap();
    serde_json::to_writer(file, &report).unwrap();
}

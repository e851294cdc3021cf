//! The whole of it: clients and kills, then quiet, then everything is looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::s3::S3;
use riquet_tests::settled::{await_settled, await_swept};

use crate::clients::{self, BUCKET, Known};
use crate::{killer, operator};

const SECONDS_VARIABLE: &str = "RIQUET_KILLS_SECONDS";
const SEED_VARIABLE: &str = "RIQUET_KILLS_SEED";
const DEFAULT_SECONDS: u64 = 120;
/// Clients side by side.
const CLIENTS: u64 = 6;
/// Seconds after the last start within which a gateway must answer for every key.
const READ_TIMEOUT_S: u64 = 60;

/// Processes are killed at random.
pub(crate) fn under_kills(cluster: &Cluster) -> Result<(), Failed> {
    let seconds = variable(SECONDS_VARIABLE)?.unwrap_or(DEFAULT_SECONDS);
    let seed = seed()?;
    println!("{SEED_VARIABLE}={seed} {SECONDS_VARIABLE}={seconds}");
    let kill = |stop: &AtomicBool| killer::run(cluster, seed, stop);
    let known = under_load(cluster, seed, seconds, &kill)?;
    account(cluster, &known)
}

/// Processes die between two steps of what they do.
pub(crate) fn dying_between_steps(cluster: &Cluster) -> Result<(), Failed> {
    let seconds = variable(SECONDS_VARIABLE)?.unwrap_or(DEFAULT_SECONDS) / 2;
    let seed = seed()?;
    println!("{SEED_VARIABLE}={seed} {SECONDS_VARIABLE}={}", 2 * seconds);
    cluster.arm_failpoints(Some(killer::FAILPOINTS));
    cluster.down()?;
    cluster.up()?;
    let revive = |stop: &AtomicBool| killer::revive(cluster, stop);
    let known = under_load(cluster, seed, seconds, &revive)?;
    cluster.arm_failpoints(None);
    cluster.down()?;
    cluster.up()?;
    account(cluster, &known)
}

/// Nodes come, slots move from disk to disk and back, and whoever moves them dies.
pub(crate) fn while_slots_move(cluster: &Cluster) -> Result<(), Failed> {
    let seconds = variable(SECONDS_VARIABLE)?.unwrap_or(DEFAULT_SECONDS) / 2;
    let seed = seed()?;
    println!("{SEED_VARIABLE}={seed} {SECONDS_VARIABLE}={}", 2 * seconds);
    operator::grow(cluster)?;
    cluster.arm_failpoints(Some(killer::FAILPOINTS_OF_MOVES));
    cluster.down()?;
    cluster.up()?;
    let trouble = |stop: &AtomicBool| {
        std::thread::scope(|scope| {
            let operator = scope.spawn(|| operator::run(cluster, seed, stop));
            let deaths = killer::revive(cluster, stop);
            let obeyed = operator.join().map_err(|_| "the operator panicked")?;
            println!("{obeyed} orders were obeyed");
            deaths
        })
    };
    let known = under_load(cluster, seed, seconds, &trouble)?;
    cluster.arm_failpoints(None);
    cluster.down()?;
    cluster.up()?;
    operator::await_rest(cluster)?;
    account(cluster, &known)
}

fn seed() -> Result<u64, Failed> {
    Ok(variable(SEED_VARIABLE)?.unwrap_or_else(rand::random))
}

/// What breaks the cluster until it is told to stop; how often it did.
type Trouble<'a> = &'a (dyn Fn(&AtomicBool) -> Result<u64, Failed> + Sync);

/// Clients are at work for so long while there is trouble; what they know in the end.
fn under_load(
    cluster: &Cluster,
    seed: u64,
    seconds: u64,
    trouble: Trouble<'_>,
) -> Result<Known, Failed> {
    let until = Instant::now() + Duration::from_secs(seconds);
    await_bucket(cluster, until)?;
    let stop = AtomicBool::new(false);
    let (deaths, known) = std::thread::scope(|scope| {
        let stop = &stop;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || clients::run(cluster, client, seed, stop)))
            .collect();
        let trouble = scope.spawn(move || trouble(stop));
        // A client that found something wrong ends it all.
        while Instant::now() < until && !clients.iter().any(|client| client.is_finished()) {
            std::thread::sleep(Duration::from_millis(200));
        }
        stop.store(true, Ordering::Relaxed);
        let known: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        (trouble.join(), known)
    });
    let deaths = deaths.map_err(|_| "the killer panicked")??;
    let mut all = Known::default();
    for known in known {
        let known = known.map_err(|_| "a client panicked")??;
        all.keys.extend(known.keys);
        all.done += known.done;
        all.uncertain += known.uncertain;
    }
    println!(
        "{deaths} processes died; {} writes and deletes done, {} uncertain, {} keys",
        all.done,
        all.uncertain,
        all.keys.len()
    );
    match (deaths, all.done) {
        (0, _) | (_, 0) => Err("nothing died, or nothing was done: the run shows nothing".into()),
        _ => Ok(all),
    }
}

/// Makes the bucket, however often a gateway dies of it.
fn await_bucket(cluster: &Cluster, until: Instant) -> Result<(), Failed> {
    loop {
        match cluster.s3(Site::Toulouse).put(&format!("/{BUCKET}"), &[]) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// All is there and nothing else is, before and after the disks have come to rest.
fn account(cluster: &Cluster, known: &Known) -> Result<(), Failed> {
    for site in Site::ALL {
        verify(&cluster.s3(site), known)?;
    }
    await_swept(cluster)?;
    let shards = await_settled(cluster)?;
    println!("{shards} shards are on the disks, as the metadata says");
    for site in Site::ALL {
        verify(&cluster.s3(site), known)?;
    }
    Ok(())
}

/// Every key holds what it may.
fn verify(s3: &S3, known: &Known) -> Result<(), Failed> {
    let until = Instant::now() + Duration::from_secs(READ_TIMEOUT_S);
    for (key, allowed) in &known.keys {
        let found = loop {
            match clients::read(s3, key) {
                Ok(found) => break found,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        };
        if !allowed.contains(&found) {
            return Err(format!("{key} holds {found:?}, and may hold {allowed:?}").into());
        }
    }
    Ok(())
}

fn variable(name: &str) -> Result<Option<u64>, Failed> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text.parse()?)),
        Err(_) => Ok(None),
    }
}

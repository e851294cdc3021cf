//! Kills processes, or lets them die where it hurts, and starts them again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Failed;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use riquet_tests::cluster::Cluster;

/// Kills one or two processes every few seconds, until `stop`; each is started again some seconds
/// later. Returns how many were killed.
pub(crate) fn run(cluster: &Cluster, seed: u64, stop: &AtomicBool) -> Result<u64, Failed> {
    let mut random = StdRng::seed_from_u64(seed);
    let names: Vec<String> = cluster.pids()?.into_keys().collect();
    let mut kills = 0;
    while !stop.load(Ordering::Relaxed) {
        let count = if random.random_bool(0.3) { 2 } else { 1 };
        let victims: Vec<&str> = names
            .sample(&mut random, count)
            .map(String::as_str)
            .collect();
        cluster.kill(&victims)?;
        kills += victims.len() as u64;
        // The time that something is dead, and the time that all is well, are what is tried here.
        std::thread::sleep(Duration::from_millis(random.random_range(500..4_000)));
        cluster.start_again(&victims)?;
        std::thread::sleep(Duration::from_millis(random.random_range(0..2_000)));
    }
    Ok(kills)
}

/// Places in gateways and nodes at which they die, with the chance that they do each time they come by.
/// A commit of shards comes by a hundred times a second.
pub(crate) const FAILPOINTS: &str = "gateway::put::durable=0.5%return;\
    gateway::put::committed=0.5%return;\
    gateway::complete::begun=2%return;\
    gateway::complete::committed=2%return;\
    gateway::delete::begun=0.5%return;\
    gateway::delete::committed=0.5%return;\
    node::commit::begun=0.02%return;\
    node::commit::synced=0.02%return;\
    node::commit::indexed=0.02%return;\
    node::repair::stored=5%return;\
    node::garbage::removed=5%return;\
    node::garbage::struck=5%return;\
    node::sweep::aborted=5%return;\
    node::compact::copied=1%return;\
    node::compact::flushed=10%return";

/// Places in nodes at which they die while slots move.
pub(crate) const FAILPOINTS_OF_MOVES: &str = "node::migration::stored=0.5%return;\
    node::migration::copied=10%return;\
    node::migration::confirmed=0.5%return;\
    node::commit::synced=0.02%return;\
    gateway::put::durable=0.5%return;\
    gateway::delete::committed=0.5%return";

/// Starts again whatever has died, until `stop`. Returns how many had.
pub(crate) fn revive(cluster: &Cluster, stop: &AtomicBool) -> Result<u64, Failed> {
    let mut deaths = 0;
    while !stop.load(Ordering::Relaxed) {
        let dead = dead(cluster)?;
        let names: Vec<&str> = dead.iter().map(String::as_str).collect();
        if names.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        deaths += names.len() as u64;
        // One may die again while it starts; then it is among the dead the next time.
        if let Err(error) = cluster.start_again(&names)
            && names
                .iter()
                .all(|name| cluster.is_running(name).unwrap_or(false))
        {
            return Err(error);
        }
    }
    Ok(deaths)
}

fn dead(cluster: &Cluster) -> Result<Vec<String>, Failed> {
    let mut dead = Vec::new();
    for name in cluster.pids()?.into_keys() {
        if !cluster.is_running(&name)? {
            dead.push(name);
        }
    }
    Ok(dead)
}

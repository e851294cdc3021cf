//! An operator who can't decide: drains nodes and changes their mind, weighs them anew, rebalances and
//! gives up, over and over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use riquet_tests::cluster::{Cluster, Site};

/// Seconds within which everything that moves must come to rest once nobody dies any more.
const REST_TIMEOUT_S: u64 = 180;
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(500);

/// Takes a node more at each site into the layout.
pub(crate) fn grow(cluster: &Cluster) -> Result<(), Failed> {
    for site in Site::ALL {
        let (name, address) = cluster.add_node(site)?;
        let site = site.name();
        cluster.operate(&["node", "add", &name, "--site", site, "--address", &address])?;
    }
    Ok(())
}

/// Orders about until `stop`; returns how many orders were obeyed. What is dead may not answer, and what
/// makes no sense is refused.
pub(crate) fn run(cluster: &Cluster, seed: u64, stop: &AtomicBool) -> u64 {
    let mut random = StdRng::seed_from_u64(seed ^ 1);
    let mut obeyed = 0;
    while !stop.load(Ordering::Relaxed) {
        let site = Site::ALL.choose(&mut random).expect("two").name();
        let node = format!("{site}-{}", random.random_range(1..8));
        let weight = random.random_range(1..4).to_string();
        let order: &[&str] = match random.random_range(0..10) {
            0 | 1 => &["node", "drain", &node],
            2 | 3 => &["node", "undrain", &node],
            4 | 5 => &["node", "weight", &node, &weight],
            6 => &["rebalance", "abort", "--yes"],
            _ => &["rebalance", "apply", "--yes"],
        };
        obeyed += u64::from(cluster.operate(order).is_ok());
        // The time that moves have before the next order is what is tried here.
        std::thread::sleep(Duration::from_millis(random.random_range(0..2_000)));
    }
    obeyed
}

/// Waits until nothing moves, and nothing is left where it was.
pub(crate) fn await_rest(cluster: &Cluster) -> Result<(), Failed> {
    let since = Instant::now();
    loop {
        let status = cluster.operate(&["rebalance", "status", "--json"])?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        if status["state"] == "idle" && status["to_leave"] == 0 {
            return Ok(());
        }
        if since.elapsed().as_secs() > REST_TIMEOUT_S {
            return Err(format!("something moves still: {status}").into());
        }
        std::thread::sleep(POLL);
    }
}

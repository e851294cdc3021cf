//! Faults: killed, frozen and cut-off processes, power cuts, damaged disks. Each trial breaks a
//! cluster of its own.

use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};
use riquet_tests::cluster::Cluster;
use riquet_tests::{skip, suite};

mod backup;
mod damage;
mod disks;
mod events;
mod failover;
mod garbage;
mod gateways;
mod lifecycle;
mod memory;
mod metrics;
mod nodes;
mod objects;
mod rebalance;
mod repair;
mod restarts;
mod sites;
mod tablets;
mod traffic;
mod voters;

fn main() -> ExitCode {
    suite::run(|_| {
        [
            sites::trials(),
            memory::trials(),
            nodes::trials(),
            gateways::trials(),
            traffic::trials(),
            restarts::trials(),
            damage::trials(),
            disks::trials(),
            repair::trials(),
            rebalance::trials(),
            garbage::trials(),
            lifecycle::trials(),
            failover::trials(),
            voters::trials(),
            tablets::trials(),
            backup::trials(),
            events::trials(),
        ]
        .into_iter()
        .flatten()
        .collect()
    })
}

/// A trial on a fresh cluster.
fn trial(
    name: impl Into<String>,
    test: impl FnOnce(&Cluster) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    skip::trial(name, &[], || Cluster::with(test))
}

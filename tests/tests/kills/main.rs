//! Kills: clients of both gateways store, overwrite, read and delete objects while processes are killed
//! at random every few seconds, or die by themselves between two steps of what they do
//! (`riquet_cluster::failpoint`). In the end every acknowledged write reads back at both sites, nothing
//! that was deleted is back, and the disks hold exactly the shards that the metadata speaks of.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `RIQUET_KILLS_SECONDS` | how long clients and kills go on, 120 by default; deaths between steps, and while slots move, take half of it each |
//! | `RIQUET_KILLS_SEED` | the seed of kills and requests; printed, random by default |
//!
//! `make kills SECONDS=3600` runs it for long.

use std::process::ExitCode;

use riquet_tests::cluster::Cluster;
use riquet_tests::{skip, suite};

mod clients;
mod killer;
mod operator;
mod run;

fn main() -> ExitCode {
    suite::run(|_| {
        vec![
            skip::trial("kills::of_random_processes", &[], || {
                Cluster::with(run::under_kills)
            }),
            skip::trial("kills::between_any_two_steps", &[], || {
                Cluster::with(run::dying_between_steps)
            }),
            skip::trial("kills::while_slots_move", &[], || {
                Cluster::with(run::while_slots_move)
            }),
        ]
    })
}

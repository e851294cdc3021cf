//! Linearizability: clients of both gateways write, read and list a few keys while processes are
//! killed, frozen and cut off, and one order must explain all that they saw.
//!
//! The order is searched for by `porcupine-rs`, after Wing, Gong and Lowe. Keys are checked apart
//! from each other, but for those that are listed: a listing is a read of several keys at once.
//! A write that was answered with 503 must have changed nothing, as the gateway promises; one that
//! was answered with 500, or not at all, may take effect at any later moment, or never.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `RIQUET_LINEARIZABILITY_SECONDS` | how long clients and faults go on; 120 by default |
//! | `RIQUET_LINEARIZABILITY_SEED` | the seed of faults and requests; printed, random by default |
//!
//! The same seed gives the same faults and the same kinds of requests of each client; how these
//! interleave is up to the machine. `make linearizability SECONDS=1800` runs it for long.
//!
//! That wrong histories are refused is tested here, with some made up and with every history that
//! was recorded, after a read was made stale in it. To see mistakes of the product caught:
//!
//! * Let a leader read without proof: `query` in `metadata/src/raft/host.rs` asks for the barrier only
//!   where this voter does not believe to lead. A leader that was cut off or frozen answers with what
//!   was true before.
//! * Let a gateway read from memory: `find` in `gateway/src/handlers/get.rs` keeps what the metadata
//!   told of a key, and answers with it for the next 50 ms. The first round shows a stale read.
//! * Let a gateway forget its request's id: `retry` in `metadata/src/client/call.rs` puts
//!   `clock::fresh_request()` into a proposal that may have been done already. Within a minute or
//!   two a write shows that was answered with 503: made once, then refused as a repetition.

use std::process::ExitCode;

use riquet_tests::cluster::Cluster;
use riquet_tests::{skip, suite};

mod checker;
mod client;
mod history;
mod model;
mod nemesis;
mod workload;

fn main() -> ExitCode {
    suite::run(|_| {
        let mut trials = checker::trials();
        trials.push(skip::trial("workload::under_faults", &[], || {
            Cluster::with(workload::under_faults)
        }));
        trials
    })
}

//! A storage node: shard store, its server, and the metadata groups it hosts.
//!
//! * [`store`]: shards on one disk; `docs/FORMAT.md` is its format.
//! * [`repair`]: what the node's disks lack is made anew from other shards.
//! * `migration`: slots that the layout gives to other disks move there.
//! * [`garbage`]: what nothing names any more is removed.
//! * `scrub`: what is stored is read and checked, over and over.
//! * [`upkeep`]: how far such work has come on each disk.
//! * [`server`]: the shard protocol, metadata, health and metrics over HTTP.
//! * `debts`: what the whole cluster owes, counted. [`telemetry`]: all metrics.
//! * [`config`], [`process`]: settings and the process around it all.

mod background;
pub mod config;
mod debts;
pub mod error;
pub mod garbage;
mod load;
mod migration;
mod pace;
pub mod process;
pub mod repair;
mod scrub;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod upkeep;

pub use error::Error;

//! A storage node: shard store, its server, and the metadata groups it hosts.
//!
//! * [`store`]: shards on one disk; `docs/FORMAT.md` is its format.
//! * [`repair`]: what the node's disks lack is made anew from other shards.
//! * [`server`]: the shard protocol, metadata, health and metrics over HTTP.
//! * [`config`], [`process`]: settings and the process around it all.

pub mod config;
pub mod error;
pub mod process;
pub mod repair;
pub mod server;
pub mod store;

pub use error::Error;

//! Linearizable metadata: which buckets, objects and uploads there are, and where their bytes lie.
//!
//! State is split into *groups*, each a log and a deterministic state machine: the control group
//! (layout, accounts, buckets) and key groups (objects). A gateway's [`Client`] sends typed
//! commands and queries over HTTP ([`wire`]) to a voter, whose [`MetadataService`] passes them to
//! its [`Replica`]: that orders the commands in a log, applies them ([`machine`]) and answers
//! queries ([`read`]) from what is applied.
//!
//! * [`record`], [`keys`], [`codec`]: what is stored, under which keys, in which bytes.
//! * [`command`], [`query`]: what can be asked, and every outcome.
//! * [`machine`], [`read`]: commands and queries over any ordered map ([`store`]).
//! * [`replica`]: the seam between log and state machine; [`raft`] replicates the groups on RocksDB
//!   (only with the feature `store`).
//! * [`client`], [`server`], [`wire`]: the network; [`voters`]: who votes; [`failover`]: who takes
//!   over when a site is lost.
//! * [`backup`]: all of it in a file, and back.
//! * [`telemetry`]: all metrics that are counted here.
//! * [`tablets`]: buckets are cut into tablets, which split and move between key groups.

pub mod backup;
pub mod client;
mod clock;
pub mod codec;
pub mod command;
#[cfg(test)]
mod contract;
mod error;
pub mod failover;
pub mod id;
pub mod keys;
pub mod limits;
pub mod machine;
mod placed;
pub mod query;
#[cfg(feature = "store")]
pub mod raft;
pub mod read;
pub mod record;
pub mod replica;
#[cfg(feature = "store")]
mod rocks;
pub mod server;
pub mod store;
pub mod tablets;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod voters;
pub mod wire;

pub use client::{BlobFate, BucketFate, Client, Completed, Created, LayoutWatch, Recovered};
pub use error::Error;
pub use id::{BucketId, GroupId, ObjectKey, UploadId};
pub use replica::{MemoryReplica, RecordBlocks, Replica, ReplicaError};
pub use server::MetadataService;

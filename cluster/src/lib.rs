//! What every process of a cluster agrees on.
//!
//! * [`id`]: names of blobs, chunks, shards, disks, nodes and epochs.
//! * [`profile`]: how a chunk is cut into stripes and cells ([`profile::ChunkGeometry`]).
//! * [`cell_hash`]: the keyed BLAKE3 that each cell carries from encoder to reader.
//! * [`admin`]: what operators' tools ask gateways.
//! * [`layout`]: sites, nodes, disks, and which disk holds which slot of which placement group.
//! * [`placement`]: how a layout's placement-group tables are computed, and changed with few moves.
//! * [`transport`]: the one HTTP client between our processes, over a replaceable dialer.
//! * [`wire`]: the shard protocol between gateways and storage nodes.
//! * [`node_client`]: that protocol's client; [`cell_stream`]: a shard's cells through it, verified.
//! * [`codecs`]: the codec of each profile.
//! * [`keyring`]: the keys under which secrets are stored.
//! * [`clock`]: the wall clock.
//! * [`telemetry`]: logs and metrics of every process.

pub mod admin;
pub mod cell_hash;
pub mod cell_stream;
pub mod clock;
pub mod codecs;
pub mod error;
pub mod failpoint;
pub mod id;
pub mod keyring;
pub mod layout;
pub mod node_client;
pub mod placement;
pub mod profile;
pub mod telemetry;
pub mod transport;
pub mod wire;

pub use error::Error;

//! The protocols between our processes.

pub mod shard;

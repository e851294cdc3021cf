//! The protocols between our processes.

pub mod health;
pub mod protocol;
pub mod shard;
pub mod site;
pub mod upkeep;

/// Answered with success by a storage node that serves; asks for no cluster or epoch.
pub const HEALTH_PATH: &str = "/v1/health";

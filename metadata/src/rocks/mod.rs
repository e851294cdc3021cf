//! One voter on RocksDB.
//!
//! ```text
//! DIR/log          entries of all groups, synced before anything is applied
//! DIR/state/NNNN   records of group NNNN, one database each, without a log of their own
//! ```
//!
//! A group's records and its applied index are changed by one atomic batch, so a state database
//! is at every moment, and after every crash, exactly what its log was up to some entry. Opening
//! applies the entries after that one. The log is shortened only up to what is flushed.

mod log;
mod options;
mod solo;
mod state;

pub use solo::SoloLog;

use crate::store::StoreError;

fn engine(error: rocksdb::Error) -> StoreError {
    StoreError::Engine(error.into_string())
}

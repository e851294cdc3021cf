//! Records on RocksDB: one database per group, without a log of its own.
//!
//! A group's records and its applied index are changed by one atomic batch, so a database is at
//! every moment, and after every crash, exactly what its group's log was up to some entry.

mod options;
mod state;

pub(crate) use options::Shared;
pub(crate) use state::StateStore;

use crate::store::StoreError;

fn engine(error: rocksdb::Error) -> StoreError {
    StoreError::Engine(error.into_string())
}

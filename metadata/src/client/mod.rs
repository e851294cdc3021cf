//! The client: typed operations with retries, for gateways, nodes and tools.
//!
//! Every operation is linearizable: it takes effect at one moment between call and return. A
//! change is retried under one request id until its deadline, and applied at most once.

mod background;
mod backup;
mod buckets;
mod call;
mod caller;
mod events;
mod identities;
mod lacking;
mod layout_watch;
mod lifecycle;
mod objects;
mod recovery;
mod system;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use riquet_cluster::transport::Transport;

pub use background::BlobFate;
pub use backup::Export;
pub use buckets::Created;
pub use caller::{AnswerStream, CallFuture, Caller, HttpCaller, LocalCaller, NoAnswer, OpenFuture};
pub use lacking::{Closeness, Lacking};
pub use layout_watch::LayoutWatch;
pub use objects::Completed;
pub use recovery::{BucketFate, Recovered};
pub use walk::{BlobPage, BlobWalk};

use crate::command::Notices;
use crate::limits::{BUCKET_TTL_MS, CACHED_BUCKETS};
use crate::record::Bucket;
use call::Calls;

/// A client of a cluster's metadata. Cheap to clone; clones share connections and caches.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// Who is told of the changes that this clone makes.
    notices: Option<Arc<Notices>>,
}

struct Inner {
    calls: Calls,
    /// By name. Every use of a bucket is checked by its key group, so an outdated entry can only
    /// be refused, never do harm.
    buckets: Cache<String, Arc<Bucket>>,
}

impl Client {
    /// A client over HTTP of the voters at `endpoints`, each `host:port`.
    pub fn new(transport: Transport, endpoints: Vec<String>) -> Self {
        Self::with_caller(Arc::new(HttpCaller::new(transport)), endpoints)
    }

    /// A client that calls in its own way, for tests and faults.
    pub fn with_caller(caller: Arc<dyn Caller>, endpoints: Vec<String>) -> Self {
        let inner = Inner {
            calls: Calls::new(caller, endpoints),
            buckets: Cache::builder()
                .max_capacity(CACHED_BUCKETS)
                .time_to_live(Duration::from_millis(BUCKET_TTL_MS))
                .build(),
        };
        Self {
            inner: Arc::new(inner),
            notices: None,
        }
    }
}

#[cfg(test)]
mod tests;

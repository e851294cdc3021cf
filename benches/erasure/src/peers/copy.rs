//! The yardstick: copying the data once.

use super::{Peer, Work};
use crate::{Row, Stripes};

/// `memcpy` of the data shards.
pub(super) struct Copy;

impl Peer for Copy {
    fn name(&self) -> &'static str {
        "memcpy"
    }

    fn is_interchangeable(&self) -> bool {
        false
    }

    fn prepare<'a>(&self, row: &Row, stripes: &'a Stripes) -> Work<'a> {
        let copies = Stripes::new(row);
        let data = row.data;
        Box::new(move |i| {
            for shard in 0..data {
                // SAFETY: the copies are this work's own, and nothing else borrows them.
                let to = unsafe { copies.stripes()[i].shard_mut(shard) };
                to.copy_from_slice(stripes.stripes()[i].shard(shard));
            }
        })
    }
}

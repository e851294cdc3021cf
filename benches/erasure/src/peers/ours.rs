//! `riquet-erasure`, with the kernel that it chooses or that the environment names.

use riquet_erasure::Codec;

use super::{Peer, Work};
use crate::stripes::Stripe;
use crate::{Operation, Row, Stripes};

/// Our codec.
pub(super) struct Ours;

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "riquet"
    }

    fn is_interchangeable(&self) -> bool {
        true
    }

    fn prepare<'a>(&self, row: &Row, stripes: &'a Stripes) -> Work<'a> {
        let codec = Codec::new(row.data, row.parity).expect("the row's code is one");
        let (read, computed) = row.shards();
        let inputs: Vec<Vec<(usize, &[u8])>> = stripes
            .stripes()
            .iter()
            .map(|stripe| {
                read.iter()
                    .map(|&shard| (shard, stripe.shard(shard)))
                    .collect()
            })
            .collect();
        let output = |stripe: &'a Stripe, shard| {
            // SAFETY: the computed shards are none of those read, and a row's work is
            // dropped before the next is prepared.
            unsafe { stripe.shard_mut(shard) }
        };
        let mut outputs: Vec<Vec<&mut [u8]>> = stripes
            .stripes()
            .iter()
            .map(|stripe| computed.iter().map(|&s| output(stripe, s)).collect())
            .collect();
        match row.operation {
            Operation::Encode => {
                let inputs: Vec<Vec<&[u8]>> = inputs
                    .iter()
                    .map(|stripe| stripe.iter().map(|&(_, bytes)| bytes).collect())
                    .collect();
                Box::new(move |i| codec.encode(&inputs[i], &mut outputs[i]).expect("all fits"))
            }
            Operation::Reconstruct(_) => Box::new(move |i| {
                codec
                    .reconstruct(&inputs[i], &computed, &mut outputs[i])
                    .expect("all fits")
            }),
        }
    }
}

//! `reed-solomon-erasure`, in portable Rust and with its SIMD in C.

use super::{Peer, Work};
use crate::stripes::Stripe;
use crate::{Operation, Row, Stripes};

/// Its Rust code alone.
pub(super) struct Portable;

/// Its feature `simd-accel`.
pub(super) struct Simd;

/// Both builds have the same interface as two crates.
macro_rules! peer {
    ($peer:ty, $name:literal, $library:ident) => {
        impl Peer for $peer {
            fn name(&self) -> &'static str {
                $name
            }

            fn is_interchangeable(&self) -> bool {
                true
            }

            fn prepare<'a>(&self, row: &Row, stripes: &'a Stripes) -> Work<'a> {
                let code = $library::galois_8::ReedSolomon::new(row.data, row.parity)
                    .expect("the row's code is one");
                let (read, computed) = row.shards();
                let stripes = stripes.stripes();
                match row.operation {
                    Operation::Encode => {
                        let inputs: Vec<Vec<&[u8]>> = stripes
                            .iter()
                            .map(|stripe| read.iter().map(|&shard| stripe.shard(shard)).collect())
                            .collect();
                        // SAFETY: the computed shards are none of those read, and a
                        // row's work is dropped before the next is prepared.
                        let output = |stripe: &'a Stripe, shard| unsafe { stripe.shard_mut(shard) };
                        let mut outputs: Vec<Vec<&mut [u8]>> = stripes
                            .iter()
                            .map(|stripe| computed.iter().map(|&s| output(stripe, s)).collect())
                            .collect();
                        Box::new(move |i| {
                            code.encode_sep(&inputs[i], &mut outputs[i])
                                .expect("all fits")
                        })
                    }
                    Operation::Reconstruct(_) => {
                        // It takes every shard, and rebuilds all that are marked absent.
                        let total = row.total();
                        let mut shards: Vec<Vec<(&mut [u8], bool)>> = stripes
                            .iter()
                            .map(|stripe| {
                                // SAFETY: the work holds all shards, until it is dropped.
                                let shard = |s| (unsafe { stripe.shard_mut(s) }, true);
                                (0..total).map(shard).collect()
                            })
                            .collect();
                        Box::new(move |i| {
                            for &lost in &computed {
                                shards[i][lost].1 = false;
                            }
                            code.reconstruct(&mut shards[i]).expect("enough is there")
                        })
                    }
                }
            }
        }
    };
}

peer!(Portable, "rs-erasure", reed_solomon_erasure_portable);
peer!(Simd, "rs-erasure simd", reed_solomon_erasure_simd);

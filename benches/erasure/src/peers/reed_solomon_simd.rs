//! `reed-solomon-simd`: another code (over GF(2^16), by fast transforms), made for
//! thousands of shards. It rebuilds data shards only, and copies what it is given.

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::{Peer, Work};
use crate::{Operation, Row, Stripes};

/// That crate.
pub(super) struct ReedSolomonSimd;

impl Peer for ReedSolomonSimd {
    fn name(&self) -> &'static str {
        "rs-simd"
    }

    fn is_interchangeable(&self) -> bool {
        false
    }

    fn prepare<'a>(&self, row: &Row, stripes: &'a Stripes) -> Work<'a> {
        let (data, parity, bytes) = (row.data, row.parity, row.cell_bytes);
        let stripes = stripes.stripes();
        match row.operation {
            Operation::Encode => {
                let mut encoder =
                    ReedSolomonEncoder::new(data, parity, bytes).expect("the row's code is one");
                Box::new(move |i| {
                    for shard in 0..data {
                        encoder
                            .add_original_shard(stripes[i].shard(shard))
                            .expect("all fits");
                    }
                    std::hint::black_box(encoder.encode().expect("all data is there"));
                })
            }
            Operation::Reconstruct(_) => {
                let mut decoder =
                    ReedSolomonDecoder::new(data, parity, bytes).expect("the row's code is one");
                let (read, _) = row.shards();
                Box::new(move |i| {
                    for &shard in &read {
                        let bytes = stripes[i].shard(shard);
                        match shard.checked_sub(data) {
                            None => decoder.add_original_shard(shard, bytes),
                            Some(recovery) => decoder.add_recovery_shard(recovery, bytes),
                        }
                        .expect("all fits");
                    }
                    std::hint::black_box(decoder.decode().expect("enough is there"));
                })
            }
        }
    }
}

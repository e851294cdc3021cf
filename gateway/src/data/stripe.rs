//! Cuts a stream of byte slices into stripes of cells without copying, and encodes them.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use riquet_cluster::cell_hash::{HASH_LEN, hash_fragments};
use riquet_cluster::id::{ChunkId, ShardId};
use riquet_cluster::telemetry::traces::note;
use riquet_erasure::{Cell, Codec};
use tracing::Span;

use super::error::WriteError;
use super::write::Source;

/// Padding of a short last stripe comes out of this.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

/// Takes exactly the wanted numbers of bytes from a source.
pub(super) struct Cutter<'a, S> {
    source: &'a mut S,
    /// What the last slice had beyond the last stripe.
    rest: Bytes,
    announced: u64,
}

impl<'a, S: Source> Cutter<'a, S> {
    /// Cuts `source`, which announced that many bytes.
    pub(super) fn new(source: &'a mut S, announced: u64) -> Self {
        Self {
            source,
            rest: Bytes::new(),
            announced,
        }
    }

    /// The next stripe: `len` bytes in `k` cells of `cell_len`, padded with zeros at the end.
    pub(super) async fn stripe(
        &mut self,
        k: usize,
        cell_len: usize,
        len: usize,
    ) -> Result<Vec<Cell>, WriteError<S::Error>> {
        assert!(len <= k * cell_len, "a stripe's data fits its cells");
        let mut cells = Vec::with_capacity(k);
        let mut left = len;
        for _ in 0..k {
            let mut cell = Cell::new();
            let data = left.min(cell_len);
            while cell.len() < data {
                if self.rest.is_empty() {
                    self.rest = self.more().await?;
                }
                let take = self.rest.len().min(data - cell.len());
                cell.push(self.rest.split_to(take));
            }
            while cell.len() < cell_len {
                let pad = (cell_len - cell.len()).min(ZEROS.len());
                cell.push(Bytes::from_static(&ZEROS[..pad]));
            }
            left -= data;
            cells.push(cell);
        }
        Ok(cells)
    }

    /// Runs the source to its end, which verifies whatever follows the bytes.
    pub(super) async fn finish(mut self) -> Result<(), WriteError<S::Error>> {
        if !self.rest.is_empty() {
            return Err(WriteError::Length {
                announced: self.announced,
            });
        }
        match self.next().await? {
            None => Ok(()),
            Some(_) => Err(WriteError::Length {
                announced: self.announced,
            }),
        }
    }

    async fn more(&mut self) -> Result<Bytes, WriteError<S::Error>> {
        self.next().await?.ok_or(WriteError::Length {
            announced: self.announced,
        })
    }

    /// The next slice that has bytes.
    async fn next(&mut self) -> Result<Option<Bytes>, WriteError<S::Error>> {
        loop {
            match self.source.next().await {
                None => return Ok(None),
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => return Ok(Some(bytes)),
                Some(Err(error)) => return Err(WriteError::Source(error)),
            }
        }
    }
}

/// Every cell of a stripe with its hash, by shard index.
pub(super) struct EncodedStripe {
    /// Data cells, then parity cells.
    pub(super) cells: Vec<Cell>,
    /// Their hashes, each a slice of one allocation.
    pub(super) hashes: Vec<Bytes>,
}

/// What the stripes of a chunk took of the processor. Recorded once for each chunk: a stripe is too short
/// to be worth it.
#[derive(Debug, Default)]
pub(super) struct ChunkWork {
    encode: Duration,
    hash: Duration,
}

impl ChunkWork {
    /// The chunk is done, whose span is `step`.
    pub(super) fn record(self, step: &Span) {
        note(step, "riquet.encode_us", self.encode.as_micros() as i64);
        note(step, "riquet.hash_us", self.hash.as_micros() as i64);
        metrics::histogram!("riquet_gateway_encode_seconds").record(self.encode);
        metrics::histogram!("riquet_gateway_hash_seconds").record(self.hash);
    }
}

/// Adds parity and hashes to the data cells of stripe number `stripe` of `chunk`, and what that took to
/// `work`.
pub(super) fn encode(
    codec: &Codec,
    chunk: ChunkId,
    stripe: u32,
    mut cells: Vec<Cell>,
    cell_len: usize,
    work: &mut ChunkWork,
) -> EncodedStripe {
    let began = Instant::now();
    // One allocation holds all parity cells; the shard streams send slices of it.
    let mut parity = BytesMut::zeroed(codec.parity() * cell_len);
    let mut outputs: Vec<&mut [u8]> = parity.chunks_exact_mut(cell_len).collect();
    codec
        .encode_cells(&cells, cell_len, &mut outputs)
        .expect("cells have the codec's shape");
    let parity = parity.freeze();
    cells.extend(
        (0..codec.parity()).map(|i| Cell::from(parity.slice(i * cell_len..(i + 1) * cell_len))),
    );

    let encoded = Instant::now();
    let mut hashes = BytesMut::with_capacity(cells.len() * HASH_LEN);
    for (index, cell) in cells.iter().enumerate() {
        let shard = ShardId {
            chunk,
            index: index as u8,
        };
        hashes.extend_from_slice(&hash_fragments(
            shard,
            stripe,
            cell.iter().map(Bytes::as_ref),
            0,
        ));
    }
    let hashes = hashes.freeze();
    let hashes = (0..cells.len())
        .map(|i| hashes.slice(i * HASH_LEN..(i + 1) * HASH_LEN))
        .collect();
    work.encode += encoded - began;
    work.hash += encoded.elapsed();
    EncodedStripe { cells, hashes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use riquet_cluster::cell_hash::hash_cell;
    use riquet_cluster::id::BlobId;
    use std::collections::VecDeque;

    struct Pieces(VecDeque<Bytes>);

    impl Source for Pieces {
        type Error = std::convert::Infallible;
        async fn next(&mut self) -> Option<Result<Bytes, Self::Error>> {
            self.0.pop_front().map(Ok)
        }
    }

    fn pieces(data: &[u8], cuts: &[usize]) -> Pieces {
        let mut left = Bytes::copy_from_slice(data);
        let mut out = VecDeque::new();
        for cut in cuts {
            out.push_back(left.split_to((*cut).min(left.len())));
        }
        out.push_back(left);
        Pieces(out)
    }

    fn flat(cell: &Cell) -> Vec<u8> {
        cell.iter().flat_map(|b| b.to_vec()).collect()
    }

    proptest! {
        #[test]
        fn stripes_hold_the_stream_in_order(
            data in proptest::collection::vec(any::<u8>(), 1..2000),
            cuts in proptest::collection::vec(0usize..300, 0..12),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (k, cell_len) = (3, 128);
            runtime.block_on(async {
                let mut source = pieces(&data, &cuts);
                let mut cutter = Cutter::new(&mut source, data.len() as u64);
                let mut got = Vec::new();
                let mut left = data.len();
                while left > 0 {
                    let len = left.min(k * cell_len);
                    let cells = cutter.stripe(k, cell_len, len).await.unwrap();
                    assert!(cells.iter().all(|c| c.len() == cell_len));
                    let bytes: Vec<u8> = cells.iter().flat_map(flat).collect();
                    assert!(bytes[len..].iter().all(|b| *b == 0));
                    got.extend_from_slice(&bytes[..len]);
                    left -= len;
                }
                cutter.finish().await.unwrap();
                assert_eq!(got, data);
            });
        }
    }

    #[tokio::test]
    async fn another_length_than_announced_is_an_error() {
        let mut short = pieces(&[1; 100], &[7]);
        let mut cutter = Cutter::new(&mut short, 101);
        assert!(matches!(
            cutter.stripe(2, 64, 101).await.map(|_| ()),
            Err(WriteError::Length { announced: 101 })
        ));
        let mut long = pieces(&[1; 100], &[99]);
        let mut cutter = Cutter::new(&mut long, 99);
        cutter.stripe(2, 64, 99).await.unwrap();
        assert!(cutter.finish().await.is_err());
    }

    #[test]
    fn every_cell_has_parity_and_its_own_hash() {
        let codec = Codec::new(2, 4).unwrap();
        let chunk = ChunkId {
            blob: BlobId::from_u128(3),
            seq: 1,
        };
        let data = [vec![5u8; 128], vec![9u8; 128]];
        let cells = data
            .iter()
            .map(|d| Cell::from(Bytes::from(d.clone())))
            .collect();
        let encoded = encode(&codec, chunk, 8, cells, 128, &mut ChunkWork::default());
        assert_eq!(encoded.cells.len(), 6);
        let flat: Vec<Vec<u8>> = encoded.cells.iter().map(flat).collect();
        let shards: Vec<&[u8]> = flat.iter().map(Vec::as_slice).collect();
        assert!(codec.verify(&shards).unwrap());
        for (index, cell) in flat.iter().enumerate() {
            let shard = ShardId {
                chunk,
                index: index as u8,
            };
            assert_eq!(encoded.hashes[index], hash_cell(shard, 8, cell)[..]);
        }
    }
}

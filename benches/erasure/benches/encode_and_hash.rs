//! Encoding and then hashing every shard, as a write does: the cost of both
//! together, by how long a cell stays in the caches between the two.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use riquet_benches_erasure::hashing::{CELL_BYTES, CODES, OBJECT_BYTES, Order, orders};
use riquet_erasure::Codec;

const KEY: [u8; blake3::KEY_LEN] = [7; blake3::KEY_LEN];

fn both(criterion: &mut Criterion) {
    for (data, parity) in CODES {
        let codec = Codec::new(data, parity).expect("the code is one");
        let object: Vec<u8> = (0..OBJECT_BYTES).map(|i| ((i * i) >> 7) as u8).collect();
        let mut group = criterion.benchmark_group(format!("hash {data}+{parity}"));
        group.throughput(Throughput::Bytes(OBJECT_BYTES as u64));
        for order in orders() {
            // Parity for one stripe, or for all of them where hashing waits.
            let stripes = match order {
                Order::Separate => OBJECT_BYTES / (data * CELL_BYTES),
                Order::Stripes | Order::Blocks(_) => 1,
            };
            let mut memory = vec![1; stripes * parity * CELL_BYTES];
            group.bench_function(order.name(), |bencher| {
                bencher.iter(|| match order {
                    Order::Separate => separate(&codec, &object, &mut memory),
                    Order::Stripes => by_stripes(&codec, &object, &mut memory),
                    Order::Blocks(bytes) => by_blocks(&codec, &object, &mut memory, bytes),
                });
            });
        }
    }
}

/// Everything is encoded, then everything hashed.
fn separate(codec: &Codec, object: &[u8], parity: &mut [u8]) {
    let stripes = object.chunks(codec.data() * CELL_BYTES);
    let parities = parity.chunks_mut(codec.parity() * CELL_BYTES);
    for (stripe, parity) in stripes.zip(parities) {
        encode(codec, stripe, parity, 0..CELL_BYTES);
    }
    object
        .chunks(CELL_BYTES)
        .chain(parity.chunks(CELL_BYTES))
        .for_each(hash);
}

/// Each stripe is encoded and hashed, then the next: what a gateway does.
fn by_stripes(codec: &Codec, object: &[u8], parity: &mut [u8]) {
    for stripe in object.chunks(codec.data() * CELL_BYTES) {
        encode(codec, stripe, parity, 0..CELL_BYTES);
        stripe
            .chunks(CELL_BYTES)
            .chain(parity.chunks(CELL_BYTES))
            .for_each(hash);
    }
}

/// Each cell's hash goes on as soon as a block of the stripe is encoded.
fn by_blocks(codec: &Codec, object: &[u8], parity: &mut [u8], block_bytes: usize) {
    for stripe in object.chunks(codec.data() * CELL_BYTES) {
        let mut hashers = vec![blake3::Hasher::new_keyed(&KEY); codec.total()];
        for start in (0..CELL_BYTES).step_by(block_bytes) {
            let range = start..start + block_bytes;
            encode(codec, stripe, parity, range.clone());
            let cells = stripe.chunks(CELL_BYTES).chain(parity.chunks(CELL_BYTES));
            for (hasher, cell) in hashers.iter_mut().zip(cells) {
                hasher.update(&cell[range.clone()]);
            }
        }
        hashers.iter().for_each(|hasher| {
            black_box(hasher.finalize());
        });
    }
}

/// Encodes the same range of every cell of a stripe.
fn encode(codec: &Codec, stripe: &[u8], parity: &mut [u8], range: std::ops::Range<usize>) {
    let data: Vec<&[u8]> = stripe
        .chunks(CELL_BYTES)
        .map(|cell| &cell[range.clone()])
        .collect();
    let mut parity: Vec<&mut [u8]> = parity
        .chunks_mut(CELL_BYTES)
        .map(|cell| &mut cell[range.clone()])
        .collect();
    codec.encode(&data, &mut parity).expect("all fits");
}

fn hash(cell: &[u8]) {
    black_box(blake3::keyed_hash(&KEY, cell));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2))
        .sample_size(10);
    targets = both
}
criterion_main!(benches);

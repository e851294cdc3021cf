//! The erasure codec with every kernel that this CPU has, on cells of 64 KiB.
//! Throughput counts data bytes: those encoded, or those read to rebuild.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use riquet_erasure::{Cell, Codec, Kernel};

const CELL_BYTES: usize = 64 << 10;

/// What a socket may deliver at a time; no multiple of a vector.
const FRAGMENT_BYTES: usize = 8_947;

/// Data and parity counts: the development default 4/6, 8/10, and a small code.
const PROFILES: [(usize, usize); 3] = [(4, 8), (8, 12), (4, 2)];

fn data_cells(count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|cell| {
            (0..CELL_BYTES)
                .map(|at| (at * 31 + cell * 7) as u8)
                .collect::<Bytes>()
        })
        .collect()
}

/// The bytes in fragments, the first of them of another length for every cell.
fn fragmented(number: usize, bytes: &Bytes) -> Cell {
    let first = 1 + 997 * number % FRAGMENT_BYTES;
    let rest = bytes.slice(first..);
    let cuts = (0..rest.len()).step_by(FRAGMENT_BYTES);
    std::iter::once(bytes.slice(..first))
        .chain(cuts.map(|at| rest.slice(at..rest.len().min(at + FRAGMENT_BYTES))))
        .collect()
}

fn codec(criterion: &mut Criterion) {
    for (data, parity) in PROFILES {
        let mut group = criterion.benchmark_group(format!("codec {data}+{parity}"));
        group.throughput(Throughput::Bytes((data * CELL_BYTES) as u64));
        let bytes = data_cells(data);
        let slices: Vec<&[u8]> = bytes.iter().map(|cell| &cell[..]).collect();
        let cells: Vec<Cell> = bytes
            .iter()
            .enumerate()
            .map(|(i, b)| fragmented(i, b))
            .collect();
        let mut buffers = vec![vec![0; CELL_BYTES]; parity];

        for kernel in Kernel::available() {
            let codec = Codec::with_kernel(data, parity, kernel).expect("a valid profile");
            let mut out: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
            group.bench_function(BenchmarkId::new("encode", kernel), |bencher| {
                bencher.iter(|| codec.encode(black_box(&slices), black_box(&mut out)));
            });
            group.bench_function(BenchmarkId::new("encode fragments", kernel), |bencher| {
                bencher.iter(|| {
                    codec.encode_cells(black_box(&cells), CELL_BYTES, black_box(&mut out))
                });
            });

            // Shard 0 is lost; the rest of the data and one parity shard remain.
            codec.encode(&slices, &mut out).expect("equal lengths");
            let (parity_cell, rebuilt) = out.split_first_mut().expect("a parity shard");
            let present: Vec<(usize, &[u8])> = (1..data)
                .map(|shard| (shard, slices[shard]))
                .chain([(data, &**parity_cell)])
                .collect();
            group.bench_function(BenchmarkId::new("rebuild one", kernel), |bencher| {
                bencher.iter(|| {
                    codec.reconstruct(black_box(&present), &[0], black_box(&mut rebuilt[..1]))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);

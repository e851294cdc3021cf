//! Prints how fast each kernel of this CPU encodes and rebuilds, in GB of data
//! per second on one thread, with cells of 64 KiB that stay in the caches.
//!
//! `cargo run --release -p riquet-erasure --example throughput`

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use riquet_erasure::{Cell, Codec, Error, Kernel};

const CELL_BYTES: usize = 64 << 10;
/// As a socket may deliver: no multiple of anything.
const FRAGMENT_BYTES: usize = 8_947;
const RUN: Duration = Duration::from_millis(100);

fn main() -> Result<(), Error> {
    println!(
        "{:12} {:>6} {:>10} {:>10} {:>10}",
        "kernel", "code", "encode", "fragments", "rebuild"
    );
    for kernel in Kernel::available() {
        for (data, parity) in [(4, 2), (4, 8), (8, 12)] {
            measure(kernel, data, parity)?;
        }
    }
    Ok(())
}

fn measure(kernel: Kernel, data: usize, parity: usize) -> Result<(), Error> {
    let codec = Codec::with_kernel(data, parity, kernel)?;
    let shards: Vec<Bytes> = (0..data)
        .map(|i| Bytes::from(vec![i as u8 + 1; CELL_BYTES]))
        .collect();
    let slices: Vec<&[u8]> = shards.iter().map(|shard| &shard[..]).collect();
    let cells: Vec<Cell> = shards
        .iter()
        .enumerate()
        .map(|(shard, bytes)| {
            // Boundaries at other places in every cell.
            let first = FRAGMENT_BYTES * (shard + 1) / (data + 1);
            let rest = bytes.slice(first..);
            let cuts = (0..rest.len()).step_by(FRAGMENT_BYTES);
            let fragments = cuts.map(|at| rest.slice(at..rest.len().min(at + FRAGMENT_BYTES)));
            std::iter::once(bytes.slice(..first))
                .chain(fragments)
                .collect()
        })
        .collect();
    let mut buffers = vec![vec![0; CELL_BYTES]; parity];
    let mut out: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
    let gb_per_call = (data * CELL_BYTES) as f64 / 1e9;

    let encode = per_second(|| codec.encode(black_box(&slices), black_box(&mut out)))?;
    let fragments =
        per_second(|| codec.encode_cells(black_box(&cells), CELL_BYTES, black_box(&mut out)))?;
    // Shard 0 is lost; the other data shards and one parity shard bring it back.
    let present: Vec<(usize, &[u8])> = (1..=data).map(|i| (i, slices[i % data])).collect();
    let rebuild = per_second(|| codec.reconstruct(black_box(&present), &[0], &mut out[..1]))?;

    let [encode, fragments, rebuild] = [encode, fragments, rebuild].map(|rate| rate * gb_per_call);
    let code = format!("{data}+{parity}");
    println!("{kernel:12} {code:>6} {encode:>10.1} {fragments:>10.1} {rebuild:>10.1}");
    Ok(())
}

/// Calls per second, the best of a few runs.
fn per_second(mut call: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut best = 0f64;
    for _ in 0..3 {
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < RUN {
            for _ in 0..8 {
                call()?;
            }
            calls += 8;
        }
        best = best.max(f64::from(calls) / start.elapsed().as_secs_f64());
    }
    Ok(best)
}

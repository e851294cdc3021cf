//! Throughput and CPU time of the engine for 1 to 32 concurrent streams, beside
//! the crate `md-5`, which takes them one by one.
//!
//! Two tables: streams fed as fast as they are hashed, and streams that together
//! bring a fixed rate, as uploads over a network do. CPU time is the whole
//! process's, feeding included, from Linux's `/proc`.
//!
//!     cargo run --release -p riquet-md5-lanes --example throughput [seconds]

use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::{Digest as _, Md5};
use riquet_md5_lanes::{Engine, Kernel};
use tokio::task::JoinSet;

const SLICE_BYTES: usize = 256 << 10;
/// What a stream repeats: together more than the caches for many streams.
const SOURCE_BYTES: usize = 4 << 20;
/// The rate of the second table, over all streams.
const PACED_BYTES_PER_S: f64 = 400e6;
const COUNTS: [usize; 6] = [1, 2, 4, 8, 16, 32];

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .nth(1)
        .map_or(1.0, |text| text.parse().expect("seconds"));
    let length = Duration::from_secs_f64(seconds);
    println!("as fast as they are hashed");
    heading();
    report("md-5", 1, one_by_one(length));
    for kernel in Kernel::available() {
        for streams in COUNTS {
            report(
                kernel.name(),
                streams,
                side_by_side(kernel, streams, length, None).await,
            );
        }
    }
    println!("\nat {} MB/s in all", PACED_BYTES_PER_S / 1e6);
    heading();
    for kernel in Kernel::available() {
        for streams in COUNTS {
            let pace = Some(PACED_BYTES_PER_S / streams as f64);
            report(
                kernel.name(),
                streams,
                side_by_side(kernel, streams, length, pace).await,
            );
        }
    }
}

/// What a measurement saw.
struct Cost {
    bytes: usize,
    wall_s: f64,
    cpu_s: f64,
}

fn heading() {
    println!(
        "{:>10} {:>8} {:>8} {:>14}",
        "kernel", "streams", "GB/s", "CPU-s per GiB"
    );
}

fn report(kernel: &str, streams: usize, cost: Cost) {
    let gb_per_s = cost.bytes as f64 / cost.wall_s / 1e9;
    let cpu_s_per_gib = cost.cpu_s / cost.bytes as f64 * f64::from(1 << 30);
    println!("{kernel:>10} {streams:>8} {gb_per_s:>8.2} {cpu_s_per_gib:>14.2}");
}

/// Processor time of this process so far, in seconds, to 1/100.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().expect("ticks"))
        .sum::<f64>()
        / 100.0
}

fn source(stream: usize) -> Bytes {
    Bytes::from(vec![stream as u8; SOURCE_BYTES])
}

fn slices(source: &Bytes) -> impl Iterator<Item = Bytes> {
    let offsets = (0..SOURCE_BYTES).step_by(SLICE_BYTES).cycle();
    offsets.map(|offset| source.slice(offset..offset + SLICE_BYTES))
}

fn one_by_one(length: Duration) -> Cost {
    let source = source(0);
    let (begin, cpu_begin_s) = (Instant::now(), cpu_s());
    let (mut md5, mut bytes) = (Md5::new(), 0);
    for slice in slices(&source).take_while(|_| begin.elapsed() < length) {
        md5.update(&slice);
        bytes += slice.len();
    }
    std::hint::black_box(md5.finalize());
    Cost {
        bytes,
        wall_s: begin.elapsed().as_secs_f64(),
        cpu_s: cpu_s() - cpu_begin_s,
    }
}

async fn side_by_side(
    kernel: Kernel,
    streams: usize,
    length: Duration,
    bytes_per_s: Option<f64>,
) -> Cost {
    let engine = Engine::with_kernel(kernel);
    let sources: Vec<Bytes> = (0..streams).map(source).collect();
    let mut tasks = JoinSet::new();
    let (begin, cpu_begin_s) = (Instant::now(), cpu_s());
    for source in sources {
        let mut stream = engine.stream();
        tasks.spawn(async move {
            let mut bytes = 0;
            for slice in slices(&source).take_while(|_| begin.elapsed() < length) {
                bytes += slice.len();
                stream.update(slice).await;
                if let Some(bytes_per_s) = bytes_per_s {
                    let due = begin + Duration::from_secs_f64(bytes as f64 / bytes_per_s);
                    tokio::time::sleep_until(due.into()).await;
                }
            }
            std::hint::black_box(stream.finish().await);
            bytes
        });
    }
    let bytes = tasks.join_all().await.into_iter().sum();
    Cost {
        bytes,
        wall_s: begin.elapsed().as_secs_f64(),
        cpu_s: cpu_s() - cpu_begin_s,
    }
}

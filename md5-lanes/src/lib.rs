//! MD5 of many streams at once, side by side in the lanes of SIMD registers.
//!
//! An S3 ETag is an MD5, which is one chain of dependent operations: one stream
//! can't go faster than a core runs that chain, and all but a few of the core's
//! units idle meanwhile. The chains of several uploads are independent, so an
//! [`Engine`] takes the pending blocks of up to 16 streams through one chain of
//! vector operations, or two through general registers, in the time of one.
//!
//! ```
//! use bytes::Bytes;
//! use riquet_md5_lanes::Engine;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let engine = Engine::new();
//! let mut stream = engine.stream();
//! stream.update(Bytes::from_static(b"message ")).await;
//! stream.update(Bytes::from_static(b"digest")).await;
//! let digest = stream.finish().await;
//! assert_eq!(u128::from_be_bytes(digest), 0xf96b697d7cb7938d525a2f31aaf161d0);
//! # }
//! ```
//!
//! What it costs, by `examples/throughput.rs` on an AMD EPYC of family 26 (Zen 5),
//! 2 cores of a virtual machine that others shared, 256 KiB slices: CPU-seconds
//! per GiB of the whole process, feeding included. GB/s per core is one over that,
//! since the shared machine makes the wall clock a poor witness.
//!
//! | streams | `avx512` | GB/s per core | `avx2` | `portable` | `avx512`, 0.4 GB/s in all |
//! | ---: | ---: | ---: | ---: | ---: | ---: |
//! | 1 | 1.21 | 0.9 | 1.26 | 1.23 | 1.27 |
//! | 2 | 0.62 | 1.7 | 0.64 | 0.62 | 0.73 |
//! | 4 | 0.59 | 1.8 | 0.63 | 0.64 | 0.63 |
//! | 8 | 0.31 | 3.5 | 0.40 | 0.64 | 0.34 |
//! | 16 | 0.16 | 6.7 | 0.39 | 0.62 | 0.21 |
//! | 32 | 0.17 | 6.3 | 0.40 | 0.64 | 0.25 |
//!
//! The crate `md-5`, one stream after the other: 1.50, or 0.7 GB/s per core. The
//! last column's streams are fed at a fixed rate; the others as fast as they are
//! hashed. On this CPU a block takes the vectors twice as long as the general
//! registers, so up to two streams (AVX2: four) go through the latter.
//!
//! Layers, lowest first: `kernel` (the compression function over lanes, one
//! implementation per instruction set), `hasher` (a stream between blocks),
//! `slot` (what a stream and a worker share), `yard` (where streams wait for
//! lanes and workers for streams), `worker` (the lanes), `engine` (the
//! interface). Futures here need no particular runtime.

mod engine;
mod hasher;
mod kernel;
mod slot;
mod worker;
mod yard;

pub use engine::{Engine, Stream};
pub use kernel::Kernel;

/// A stream that has this much queued waits: about 2 ms of work for a lane, so
/// that a worker doesn't run dry while the stream's task is being woken.
pub const QUEUE_BYTES: usize = 2 << 20;

/// A stream with less queued is no worker's business; if it ends there it is
/// hashed on its own thread, in some 20 us, less than two thread switches cost.
const INLINE_BYTES: usize = 16 << 10;

/// A stream with this much queued wakes a worker: enough that a thread switch
/// costs nothing beside it, and that other streams, too, have gathered some. It
/// adds 0.3 ms at most to the time from a lone stream's last slice to its end.
const GATHER_BYTES: usize = 256 << 10;

/// What a stream may hash before others get its lane, if there aren't enough.
const TURN_BYTES: usize = 1 << 20;

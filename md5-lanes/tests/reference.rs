//! The engine against the crate `md-5`: random streams, slices, interleavings
//! and cancellations, with every kernel that this CPU has.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use proptest::prelude::*;
use riquet_md5_lanes::{Engine, Kernel, QUEUE_BYTES, Stream};
use tokio::task::JoinSet;

/// What the streams are cut from: longer than any slice, and without a period
/// that a misplaced block could hide in.
fn source() -> Bytes {
    let mut word = 1u64;
    Bytes::from_iter((0..1 << 20).map(|_| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word as u8
    }))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

async fn append(stream: &mut Stream, slice: Bytes) {
    let most = QUEUE_BYTES + slice.len() + size_of::<Bytes>();
    stream.update(slice).await;
    assert!(
        stream.queued_bytes() < most,
        "the bound on a stream's queue"
    );
}

/// A slice as offset and length: of any alignment, mostly small, some large.
fn slice() -> impl Strategy<Value = (usize, usize)> {
    let length = prop_oneof![
        2 => 0..130usize,
        2 => (0..40usize).prop_map(|blocks| 64 * blocks),
        2 => 0..20_000usize,
        1 => 0..600_000usize,
    ];
    (0..1000usize, length)
}

/// One stream: its slices, and whether it is dropped instead of finished.
fn stream() -> impl Strategy<Value = (Vec<(usize, usize)>, bool)> {
    (
        prop::collection::vec(slice(), 0..12),
        prop::bool::weighted(0.2),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every stream has its task, so the threads interleave them as they like.
    #[test]
    fn streams_in_parallel(streams in prop::collection::vec(stream(), 1..40)) {
        let source = source();
        runtime().block_on(async {
            for kernel in Kernel::available() {
                let engine = Engine::with_kernel(kernel);
                let mut tasks = JoinSet::new();
                for (slices, dropped) in streams.clone() {
                    let (mut stream, source) = (engine.stream(), source.clone());
                    tasks.spawn(async move {
                        let mut expected = Md5::new();
                        for (offset, len) in slices {
                            let slice = source.slice(offset..offset + len);
                            expected.update(&slice);
                            append(&mut stream, slice).await;
                        }
                        if !dropped {
                            let expected: [u8; 16] = expected.finalize().into();
                            assert_eq!(stream.finish().await, expected, "{kernel}");
                        }
                    });
                }
                while let Some(task) = tasks.join_next().await {
                    task.unwrap();
                }
            }
        });
    }

    /// One task deals slices to streams in a random order, and drops and begins
    /// streams in between.
    #[test]
    fn streams_interleaved(
        count in 1..24usize,
        deals in prop::collection::vec((any::<prop::sample::Index>(), slice(), 0..20u8), 0..150),
    ) {
        let source = source();
        runtime().block_on(async {
            for kernel in Kernel::available() {
                let engine = Engine::with_kernel(kernel);
                let begin = || (engine.stream(), Md5::new());
                let mut streams: Vec<_> = (0..count).map(|_| begin()).collect();
                for (index, (offset, len), chance) in &deals {
                    let (stream, expected) = index.get_mut(&mut streams);
                    let slice = source.slice(*offset..offset + len);
                    expected.update(&slice);
                    append(stream, slice).await;
                    if *chance == 0 {
                        *index.get_mut(&mut streams) = begin();
                    }
                }
                for (stream, expected) in streams {
                    let expected: [u8; 16] = expected.finalize().into();
                    assert_eq!(stream.finish().await, expected, "{kernel}");
                }
            }
        });
    }
}

/// More long streams than any kernel has lanes, so that they take turns, with
/// short-lived ones between them: nobody starves, everyone's digest is right.
#[test]
fn more_streams_than_lanes() {
    let source = source();
    runtime().block_on(async {
        for kernel in Kernel::available() {
            let engine = Engine::with_kernel(kernel);
            let mut tasks = JoinSet::new();
            for index in 0..48usize {
                let (engine, source) = (engine.clone(), source.clone());
                tasks.spawn(async move {
                    let (long, short) = (engine.stream(), index + 40_000);
                    let (mut long, mut expected) = (long, Md5::new());
                    for round in 0..40usize {
                        let slice = source.slice(index + round..index + round + 131_072);
                        expected.update(&slice);
                        append(&mut long, slice).await;
                        let mut brief = engine.stream();
                        append(&mut brief, source.slice(..short)).await;
                        if round % 8 == 0 {
                            let digest: [u8; 16] = Md5::digest(&source[..short]).into();
                            assert_eq!(brief.finish().await, digest, "{kernel}");
                        }
                    }
                    let expected: [u8; 16] = expected.finalize().into();
                    assert_eq!(long.finish().await, expected, "{kernel}");
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
        }
    });
}

/// Dropping the future of `update` or `finish` leaves the engine in order.
#[test]
fn futures_dropped_while_pending() {
    let source = source();
    runtime().block_on(async {
        for kernel in Kernel::available() {
            let engine = Engine::with_kernel(kernel);
            for _ in 0..20 {
                let (mut filled, mut closed) = (engine.stream(), engine.stream());
                let mut taken = 0;
                // One poll each: an update that would wait is given up.
                let appended = loop {
                    tokio::select! {
                        biased;
                        () = filled.update(source.clone()) => taken += 1,
                        () = std::future::ready(()) => break taken,
                    }
                };
                closed.update(source.clone()).await;
                tokio::select! {
                    biased;
                    _ = closed.finish() => {}
                    () = std::future::ready(()) => {}
                }
                let mut expected = Md5::new();
                (0..appended).for_each(|_| expected.update(&source));
                let expected: [u8; 16] = expected.finalize().into();
                assert_eq!(
                    filled.finish().await,
                    expected,
                    "{kernel}: what was refused isn't in"
                );
            }
        }
    });
}

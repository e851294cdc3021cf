//! The hot calls allocate nothing: only the first one for a pattern of losses
//! does, for its plan.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell as Counter;

use bytes::Bytes;
use riquet_erasure::{Cell, Codec};

/// The system's allocator, counting per thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Counter<usize> = const { Counter::new(0) };
}

// SAFETY: every call is the system allocator's; the counter is plain thread-local
// data without a destructor, so that counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: by the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread during a call.
fn allocations(call: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    call();
    ALLOCATIONS.get() - before
}

#[test]
fn hot_calls_allocate_nothing() {
    const LEN: usize = 100;
    let codec = Codec::new(4, 8).unwrap();
    let mut shards = vec![vec![7u8; LEN]; codec.total()];
    let cells: Vec<Cell> = (0..4)
        .map(|_| {
            [30, 70]
                .map(|len| Bytes::from(vec![7; len]))
                .into_iter()
                .collect()
        })
        .collect();

    let (data, parity) = shards.split_at_mut(4);
    let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    assert_eq!(allocations(|| codec.encode(&data, &mut parity).unwrap()), 0);
    let encode_cells = || codec.encode_cells(&cells, LEN, &mut parity).unwrap();
    assert_eq!(allocations(encode_cells), 0);

    let all: Vec<&[u8]> = shards.iter().map(Vec::as_slice).collect();
    assert_eq!(allocations(|| assert!(codec.verify(&all).unwrap())), 0);

    let present: Vec<(usize, &[u8])> = (4..12).map(|shard| (shard, all[shard])).collect();
    let mut rebuilt = vec![vec![0u8; LEN]; 2];
    let mut out: Vec<&mut [u8]> = rebuilt.iter_mut().map(Vec::as_mut_slice).collect();
    let mut reconstruct = || codec.reconstruct(&present, &[0, 2], &mut out).unwrap();
    assert_ne!(allocations(&mut reconstruct), 0, "the counter counts");
    assert_eq!(allocations(&mut reconstruct), 0);
}

//! The interface: an engine, and the streams it hashes.

use std::future::poll_fn;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;

use crate::kernel::Kernel;
use crate::slot::{Closed, Queued, Slot};
use crate::yard::Yard;

/// The most threads of one engine. With vectors a single one hashes several
/// GB/s, more than a gateway's network brings; the bound matters for CPUs
/// without them.
const MAX_WORKERS: usize = 8;

/// Hashes the streams it is given side by side. Clones are handles of the same
/// engine; its threads start when first needed, sleep when there is nothing to
/// hash, and end with the last handle and stream.
#[derive(Debug, Clone)]
pub struct Engine {
    handle: Arc<Handle>,
}

/// Ends the workers with the last clone.
#[derive(Debug)]
struct Handle {
    yard: Arc<Yard>,
}

/// The MD5 of one stream of bytes. Dropping it, also while a future of it is
/// pending, cancels what isn't hashed yet and frees its slices.
#[derive(Debug)]
pub struct Stream {
    slot: Arc<Slot>,
    engine: Engine,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// An engine with the fastest kernel that the CPU has.
    pub fn new() -> Engine {
        Engine::with_kernel(Kernel::fastest())
    }

    /// An engine with a kernel of choice, for tests and comparisons.
    ///
    /// # Panics
    /// If the CPU can't run the kernel; see [`Kernel::available`].
    pub fn with_kernel(kernel: Kernel) -> Engine {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Engine::with_workers(kernel, cores.min(MAX_WORKERS))
    }

    /// With 0 workers, as if no thread could be had, callers hash.
    fn with_workers(kernel: Kernel, max_workers: usize) -> Engine {
        assert!(kernel.detected(), "this CPU can't run the kernel {kernel}");
        Engine {
            handle: Arc::new(Handle {
                yard: Arc::new(Yard::new(kernel, max_workers)),
            }),
        }
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.handle.yard.kernel()
    }

    /// Begins a stream.
    pub fn stream(&self) -> Stream {
        Stream {
            slot: Arc::new(Slot::new()),
            engine: self.clone(),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.yard.close();
    }
}

impl Stream {
    /// Appends `slice`, of any length, without copying it. Waits while
    /// [`QUEUE_BYTES`](crate::QUEUE_BYTES) or more of this stream are queued, so
    /// that less than that and one slice is held.
    ///
    /// If the future is dropped before it is ready, the slice wasn't appended.
    pub async fn update(&mut self, slice: Bytes) {
        if slice.is_empty() {
            return;
        }
        poll_fn(|context| self.slot.poll_room(context)).await;
        let yard = &self.engine.handle.yard;
        match self.slot.push(slice) {
            Queued::Quiet => {}
            Queued::Submit(job) => yard.submit(job),
            Queued::SubmitAndUrge(job) => {
                yard.submit(job);
                yard.urge();
            }
            Queued::Urge => yard.urge(),
        }
    }

    /// The digest of all slices, once they are hashed. Short streams are hashed
    /// here, on the caller's thread, as a worker would only cost a detour.
    pub async fn finish(self) -> [u8; 16] {
        match self.slot.close() {
            Closed::Inline(mut hasher, slices) => {
                for slice in slices {
                    hasher.update(slice);
                }
                hasher.finish()
            }
            Closed::Urge => {
                self.engine.handle.yard.urge();
                poll_fn(|context| self.slot.poll_digest(context)).await
            }
        }
    }

    /// The bytes that are held: queued or in a worker's hand, and a few for each
    /// slice's handle. For metrics.
    pub fn queued_bytes(&self) -> usize {
        self.slot.queued_bytes()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.slot.cancel() {
            self.engine.handle.yard.withdraw(&self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Polls once a future that has nothing to wait for.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("there is something to wait for"),
        }
    }

    #[test]
    fn without_threads_the_caller_hashes() {
        use md5::{Digest as _, Md5};
        for kernel in Kernel::available() {
            let engine = Engine::with_workers(kernel, 0);
            let (mut long, mut short) = (engine.stream(), engine.stream());
            let slice = Bytes::from_iter((0..100_000u32).map(|i| (i % 251) as u8));
            let mut expected = Md5::new();
            for _ in 0..20 {
                now(long.update(slice.clone()));
                expected.update(&slice);
            }
            now(short.update(slice.slice(..50_000)));
            assert_eq!(now(long.finish()), <[u8; 16]>::from(expected.finalize()));
            let expected: [u8; 16] = Md5::digest(&slice[..50_000]).into();
            assert_eq!(now(short.finish()), expected);
        }
    }

    #[test]
    fn a_dropped_stream_frees_what_it_queued() {
        let engine = Engine::with_workers(Kernel::Portable, 1);
        let owner = Arc::new(vec![0u8; crate::GATHER_BYTES / 2]);
        struct Owner(Arc<Vec<u8>>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        for slices in 0..2 {
            let mut stream = engine.stream();
            for _ in 0..slices {
                // Submitted, yet too little to wake a worker.
                now(stream.update(Bytes::from_owner(Owner(owner.clone()))));
            }
            assert_eq!(Arc::strong_count(&owner), 1 + slices);
            let slot = stream.slot.clone();
            drop(stream);
            assert_eq!(Arc::strong_count(&owner), 1, "slices are freed");
            assert_eq!(Arc::strong_count(&slot), 1, "the job is withdrawn");
        }
    }

    #[test]
    fn threads_end_with_the_engine() {
        let engine = Engine::with_kernel(Kernel::Portable);
        let yard = Arc::downgrade(&engine.handle.yard);
        let mut stream = engine.stream();
        now(stream.update(Bytes::from(vec![0; crate::GATHER_BYTES])));
        drop((engine, stream));
        // The thread lets go of the yard as its last act.
        while yard.strong_count() > 0 {
            thread::yield_now();
        }
    }
}

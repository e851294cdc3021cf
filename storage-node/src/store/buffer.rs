//! Aligned write buffers from a bounded pool.
//!
//! `O_DIRECT` wants page-aligned memory, and a network frame is never that: the copy from the
//! frame into a buffer of this pool is the one copy between socket and disk. The pool's budget is
//! what bounds the memory of all writers of a disk together: a writer that gets none waits before
//! it reads its socket.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::env::BLOCK_BYTES;

/// Size of one full write: large enough that the cost of a system call and a thread hop
/// disappears, small enough that a dozen nodes on a small machine stay modest.
pub(super) const WRITE_BYTES: usize = 512 * 1024;

/// Full-size buffers kept for reuse; more than that go back to the allocator.
const SPARE_BUFFERS: usize = 16;

/// Page-aligned memory, filled from the front.
pub(super) struct AlignedBuffer {
    start: NonNull<u8>,
    capacity: usize,
    filled: usize,
}

// SAFETY: the buffer owns its memory, and hands out references only through `&self`/`&mut self`.
unsafe impl Send for AlignedBuffer {}
// SAFETY: as above; `&self` gives only `&[u8]`.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// A zeroed buffer of `capacity` bytes, a positive multiple of [`BLOCK_BYTES`].
    pub(super) fn new(capacity: usize) -> Self {
        let layout = Self::layout(capacity);
        // SAFETY: `layout` has a non-zero size.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Self {
            start,
            capacity,
            filled: 0,
        }
    }

    fn layout(capacity: usize) -> Layout {
        assert!(
            capacity > 0 && capacity.is_multiple_of(BLOCK_BYTES),
            "whole blocks only"
        );
        Layout::from_size_align(capacity, BLOCK_BYTES).expect("a buffer is far below isize::MAX")
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.capacity
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Copies as much of `bytes` as fits and returns how much that was.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.capacity - self.filled);
        // SAFETY: `filled + taken <= capacity`; source and target are different allocations.
        unsafe {
            let target = self.start.as_ptr().add(self.filled);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, taken);
        }
        self.filled += taken;
        taken
    }

    /// Pads with zeros up to the next block boundary.
    pub(super) fn pad(&mut self) {
        let padded = self.filled.next_multiple_of(BLOCK_BYTES);
        // SAFETY: `capacity` is a multiple of the block size, so `padded <= capacity`.
        unsafe {
            let target = self.start.as_ptr().add(self.filled);
            std::ptr::write_bytes(target, 0, padded - self.filled);
        }
        self.filled = padded;
    }

    pub(super) fn filled(&self) -> &[u8] {
        // SAFETY: the memory is initialized (zeroed at birth) and `filled <= capacity`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.filled) }
    }

    /// The first `len` bytes, to be overwritten; they count as filled from now on.
    pub(super) fn overwrite(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.capacity, "no more than there is");
        self.filled = len;
        // SAFETY: the memory is initialized (zeroed at birth), `len <= capacity`, and `&mut self` is
        // the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), len) }
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) };
    }
}

/// The write memory of one disk.
pub(super) struct BufferPool {
    budget: Arc<Semaphore>,
    budget_bytes: usize,
    spare: Mutex<Vec<AlignedBuffer>>,
}

impl BufferPool {
    pub(super) fn new(budget_bytes: usize) -> Self {
        let budget_bytes = budget_bytes.max(2 * WRITE_BYTES);
        Self {
            budget: Arc::new(Semaphore::new(budget_bytes / BLOCK_BYTES)),
            budget_bytes,
            spare: Mutex::new(Vec::with_capacity(SPARE_BUFFERS)),
        }
    }

    /// Waits for the memory that a record of `record_bytes` needs: all of it at once, so that
    /// writers never hold one part while they wait for another.
    pub(super) async fn grant(&self, record_bytes: u64) -> Grant {
        let record_bytes = usize::try_from(record_bytes).unwrap_or(usize::MAX);
        let each = record_bytes.min(WRITE_BYTES);
        // Two for a long record: one fills from the socket while the other goes to disk.
        let buffers = if record_bytes > WRITE_BYTES { 2 } else { 1 };
        let blocks = u32::try_from(each * buffers / BLOCK_BYTES).expect("at most two writes");
        debug_assert!(each * buffers <= self.budget_bytes);
        let permit = Arc::clone(&self.budget)
            .acquire_many_owned(blocks)
            .await
            .expect("the budget is never closed");
        Grant {
            buffer_bytes: each,
            _permit: permit,
        }
    }

    pub(super) fn take(&self, grant: &Grant) -> AlignedBuffer {
        if grant.buffer_bytes == WRITE_BYTES
            && let Some(buffer) = self.lock().pop()
        {
            return buffer;
        }
        AlignedBuffer::new(grant.buffer_bytes)
    }

    pub(super) fn give_back(&self, mut buffer: AlignedBuffer) {
        buffer.clear();
        let mut spare = self.lock();
        if buffer.capacity() == WRITE_BYTES && spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AlignedBuffer>> {
        self.spare
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The right to hold the buffers of one record.
pub(super) struct Grant {
    buffer_bytes: usize,
    _permit: OwnedSemaphorePermit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_and_pads_whole_blocks() {
        let mut buffer = AlignedBuffer::new(2 * BLOCK_BYTES);
        assert_eq!(buffer.fill(&[7; 5000]), 5000);
        buffer.pad();
        assert!(buffer.is_full());
        assert_eq!(buffer.filled()[..5000], [7; 5000]);
        assert!(buffer.filled()[5000..].iter().all(|&byte| byte == 0));
        assert_eq!(buffer.fill(&[1]), 0);
        assert_eq!(buffer.filled().as_ptr() as usize % BLOCK_BYTES, 0);
    }

    #[tokio::test]
    async fn a_reused_buffer_pads_with_zeros_and_the_budget_blocks() {
        let pool = BufferPool::new(0);
        let first = pool.grant(WRITE_BYTES as u64 * 3).await;
        let mut buffer = pool.take(&first);
        buffer.fill(&vec![0xff; WRITE_BYTES]);
        pool.give_back(buffer);

        let mut waiting = Box::pin(pool.grant(1 << 30));
        assert!(
            futures_util::poll!(&mut waiting).is_pending(),
            "over the budget"
        );
        drop(first);
        let second = waiting.await;
        let mut buffer = pool.take(&second);
        buffer.fill(b"x");
        buffer.pad();
        assert!(buffer.filled()[1..].iter().all(|&byte| byte == 0));
    }
}

//! What a stream and a worker share: the slices in between, and the hasher,
//! which is in exactly one place. Whoever holds the hasher may hash; that is
//! why a stream is never in two lanes and its order is kept.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::hasher::Hasher;
use crate::kernel::{Block, State};
use crate::{GATHER_BYTES, INLINE_BYTES, QUEUE_BYTES, TURN_BYTES};

/// One stream, seen from both sides.
#[derive(Debug)]
pub(crate) struct Slot {
    queue: Mutex<Queue>,
    /// The stream was dropped. Read without the lock between steps.
    cancelled: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    slices: VecDeque<Bytes>,
    /// The cost of the slices here and of the one in the worker's hand.
    queued_bytes: usize,
    place: Place,
    /// No slice will follow; the worker that runs out of them finishes.
    closing: bool,
    digest: Option<[u8; 16]>,
    /// The stream's task, if it waits for room or for the digest.
    waiter: Option<Waker>,
}

/// Where the hasher is.
#[derive(Debug)]
enum Place {
    /// Here: the stream has too little queued for a worker to care.
    Parked(Hasher),
    /// In the engine's queue, waiting for a lane.
    Ready,
    /// In a worker's lane.
    Lane,
    /// Used up: the digest was made.
    Gone,
}

/// What the stream's side has to do after a slice was queued.
#[derive(Debug)]
pub(crate) enum Queued {
    /// Nothing: too little is queued, or a worker will come across it.
    Quiet,
    /// Put the job into the engine's queue, for any worker that is awake.
    Submit(Job),
    /// As `Submit`, and see to it that a worker is awake.
    SubmitAndUrge(Job),
    /// The job is in the engine's queue; see to it that a worker is awake.
    Urge,
}

/// What the stream's side has to do to finish.
#[derive(Debug)]
pub(crate) enum Closed {
    /// Hash this little here and now.
    Inline(Hasher, VecDeque<Bytes>),
    /// See to it that a worker is awake, and wait for its digest.
    Urge,
}

/// A stream on its way to, or in, a lane.
#[derive(Debug)]
pub(crate) struct Job {
    slot: Arc<Slot>,
    hasher: Hasher,
    /// What is left of the slice in hand.
    slice: Bytes,
    /// What that slice cost when it was whole.
    cost_bytes: usize,
    /// Bytes hashed since the job got its lane.
    turn_bytes: usize,
}

/// What a slice counts against `QUEUE_BYTES`: its bytes, and its handle, so that
/// the bound also holds for very small slices.
fn cost_bytes(slice: &Bytes) -> usize {
    slice.len() + size_of::<Bytes>()
}

impl Slot {
    pub(crate) fn new() -> Slot {
        Slot {
            queue: Mutex::new(Queue {
                slices: VecDeque::new(),
                queued_bytes: 0,
                place: Place::Parked(Hasher::new()),
                closing: false,
                digest: None,
                waiter: None,
            }),
            cancelled: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue
            .lock()
            .expect("nothing panics with the lock held")
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.lock().queued_bytes
    }

    /// Ready once a slice may be queued.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.queued_bytes < QUEUE_BYTES {
            return Poll::Ready(());
        }
        // So much is queued that it was submitted and urged long ago.
        assert!(
            !matches!(queue.place, Place::Parked(_)),
            "a full queue is a worker's"
        );
        queue.waiter = Some(context.waker().clone());
        Poll::Pending
    }

    /// Queues a slice for which there is room.
    pub(crate) fn push(self: &Arc<Slot>, slice: Bytes) -> Queued {
        let cost_bytes = cost_bytes(&slice);
        let mut queue = self.lock();
        let before_bytes = queue.queued_bytes;
        assert!(before_bytes < QUEUE_BYTES, "room was waited for");
        assert!(!queue.closing, "nothing follows the end");
        queue.slices.push_back(slice);
        queue.queued_bytes += cost_bytes;
        let now_bytes = queue.queued_bytes;
        match std::mem::replace(&mut queue.place, Place::Ready) {
            Place::Parked(hasher) if now_bytes >= INLINE_BYTES => {
                let job = Job {
                    slot: self.clone(),
                    hasher,
                    slice: Bytes::new(),
                    cost_bytes: 0,
                    turn_bytes: 0,
                };
                match now_bytes >= GATHER_BYTES {
                    true => Queued::SubmitAndUrge(job),
                    false => Queued::Submit(job),
                }
            }
            Place::Ready if before_bytes < GATHER_BYTES && now_bytes >= GATHER_BYTES => {
                Queued::Urge
            }
            unchanged => {
                queue.place = unchanged;
                Queued::Quiet
            }
        }
    }

    /// Marks the end of the stream.
    pub(crate) fn close(&self) -> Closed {
        let mut queue = self.lock();
        queue.closing = true;
        match std::mem::replace(&mut queue.place, Place::Gone) {
            Place::Parked(hasher) => Closed::Inline(hasher, std::mem::take(&mut queue.slices)),
            unchanged => {
                queue.place = unchanged;
                Closed::Urge
            }
        }
    }

    /// Ready once a worker has finished the closed stream.
    pub(crate) fn poll_digest(&self, context: &mut Context<'_>) -> Poll<[u8; 16]> {
        let mut queue = self.lock();
        match queue.digest {
            Some(digest) => Poll::Ready(digest),
            None => {
                queue.waiter = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Gives up what is queued. Tells whether the job is in the engine's queue,
    /// from where the caller has to take it.
    pub(crate) fn cancel(&self) -> bool {
        self.cancelled.store(true, Ordering::Relaxed);
        let mut queue = self.lock();
        // Slices are freed without the lock.
        let slices = std::mem::take(&mut queue.slices);
        queue.queued_bytes -= slices.iter().map(cost_bytes).sum::<usize>();
        queue.waiter = None;
        let ready = matches!(queue.place, Place::Ready);
        drop(queue);
        drop(slices);
        ready
    }
}

impl Job {
    /// Whether it is this stream's.
    pub(crate) fn is_of(&self, slot: &Arc<Slot>) -> bool {
        Arc::ptr_eq(&self.slot, slot)
    }

    /// Notes that it got a lane.
    pub(crate) fn enter_lane(&mut self) {
        self.turn_bytes = 0;
        self.slot.lock().place = Place::Lane;
    }

    /// Notes that it goes back into the engine's queue.
    pub(crate) fn leave_lane(&self) {
        self.slot.lock().place = Place::Ready;
    }

    /// Makes sure that blocks are staged, with the next slices if need be. If
    /// there are none the job is over, parked, finished or cancelled, and this
    /// returns false.
    pub(crate) fn refill(&mut self) -> bool {
        loop {
            if self.slot.cancelled.load(Ordering::Relaxed) {
                return false;
            }
            self.hasher.stage(&mut self.slice);
            if !self.staged().is_empty() {
                return true;
            }
            // The memory is freed before the room is given back.
            self.slice = Bytes::new();
            if !self.next_slice() {
                return false;
            }
        }
    }

    /// Takes the next slice in hand, for one that is hashed; or leaves the
    /// hasher's result, or the hasher itself, where the stream finds it.
    fn next_slice(&mut self) -> bool {
        let mut queue = self.slot.lock();
        queue.queued_bytes -= std::mem::take(&mut self.cost_bytes);
        let next = queue.slices.pop_front();
        let goes_on = next.is_some();
        if let Some(slice) = next {
            self.cost_bytes = cost_bytes(&slice);
            self.slice = slice;
        } else if queue.closing {
            queue.digest = Some(self.hasher.finish());
            queue.place = Place::Gone;
        } else {
            let hasher = std::mem::replace(&mut self.hasher, Hasher::new());
            queue.place = Place::Parked(hasher);
        }
        assert!(
            goes_on || queue.queued_bytes == 0,
            "all that was queued is hashed"
        );
        // Half the room at once: a task isn't woken for each slice.
        let wakes = !goes_on || queue.queued_bytes <= QUEUE_BYTES / 2;
        let waiter = if wakes { queue.waiter.take() } else { None };
        drop(queue);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        goes_on
    }

    /// The blocks that come next.
    pub(crate) fn staged(&self) -> &[Block] {
        self.hasher.staged(&self.slice)
    }

    /// The chaining value for them.
    pub(crate) fn state(&self) -> State {
        self.hasher.state()
    }

    /// Notes that the first `blocks` staged blocks have led to `state`.
    pub(crate) fn advance(&mut self, state: State, blocks: usize) {
        self.hasher.advance(&mut self.slice, state, blocks);
        self.turn_bytes += blocks * size_of::<Block>();
    }

    /// Whether others may have its lane now.
    pub(crate) fn turn_is_over(&self) -> bool {
        self.turn_bytes >= TURN_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel;

    fn poll_room(slot: &Slot) -> Poll<()> {
        slot.poll_room(&mut Context::from_waker(Waker::noop()))
    }

    /// Hashes `blocks` of what is staged, as a worker's lane would.
    fn step(job: &mut Job, blocks: usize) {
        let mut state = job.state();
        kernel::compress_one(&mut state, &job.staged()[..blocks]);
        job.advance(state, blocks);
    }

    #[test]
    fn a_full_queue_waits_until_half_is_hashed() {
        let slot = Arc::new(Slot::new());
        let slice = Bytes::from(vec![7; 64 * 1024]);
        let mut job = None;
        let mut slices = 0;
        while poll_room(&slot).is_ready() {
            match slot.push(slice.clone()) {
                Queued::Submit(new) => assert!(job.replace(new).is_none()),
                Queued::Quiet | Queued::Urge => {}
                other => panic!("{other:?} for a slice below the mark"),
            }
            slices += 1;
            assert!(slot.queued_bytes() < QUEUE_BYTES + cost_bytes(&slice));
        }
        assert_eq!(slices, QUEUE_BYTES / slice.len());

        let mut job = job.expect("so much was submitted");
        job.enter_lane();
        let mut hashed = 0;
        while slot.lock().waiter.is_some() {
            assert!(job.refill(), "the queue isn't empty");
            let blocks = job.staged().len();
            step(&mut job, blocks);
            hashed += 1;
        }
        assert!(slot.queued_bytes() <= QUEUE_BYTES / 2);
        assert!(
            (slices / 2..=slices / 2 + 2).contains(&hashed),
            "{hashed} of {slices}"
        );
        assert!(poll_room(&slot).is_ready());
    }

    /// The bound is about memory, so handles count, even of single bytes.
    #[test]
    fn tiny_slices_fill_the_queue_too() {
        let slot = Arc::new(Slot::new());
        let slice = Bytes::from_static(b"x");
        let mut slices = 0;
        while poll_room(&slot).is_ready() {
            let _ = slot.push(slice.clone());
            slices += 1;
        }
        assert!(
            slices * size_of::<Bytes>() <= QUEUE_BYTES,
            "{slices} slices"
        );
    }

    #[test]
    fn a_stream_is_submitted_once_and_urged_once() {
        let slot = Arc::new(Slot::new());
        let small = Bytes::from(vec![1; INLINE_BYTES / 2]);
        assert!(matches!(slot.push(small.clone()), Queued::Quiet));
        let Queued::Submit(mut job) = slot.push(small.clone()) else {
            panic!("two halves are one")
        };
        assert!(matches!(
            slot.push(Bytes::from(vec![1; GATHER_BYTES])),
            Queued::Urge
        ));
        assert!(matches!(slot.push(small.clone()), Queued::Quiet));
        assert!(slot.cancel(), "it is in the engine's queue");
        assert!(!job.refill(), "a cancelled job ends");

        let slot = Arc::new(Slot::new());
        let large = Bytes::from(vec![1; GATHER_BYTES]);
        assert!(matches!(slot.push(large), Queued::SubmitAndUrge(_)));
    }

    #[test]
    fn a_job_without_slices_parks_and_comes_back() {
        let slot = Arc::new(Slot::new());
        let slice = Bytes::from(vec![1; INLINE_BYTES + 1]);
        for _ in 0..2 {
            let Queued::Submit(mut job) = slot.push(slice.clone()) else {
                panic!("submitted")
            };
            job.enter_lane();
            while job.refill() {
                step(&mut job, 1);
                assert!(slot.queued_bytes() > 0, "the slice in hand counts");
            }
            assert_eq!(slot.queued_bytes(), 0);
        }
        let Closed::Inline(hasher, rest) = slot.close() else {
            panic!("nothing is queued")
        };
        assert!(rest.is_empty());
        let mut expected = Hasher::new();
        expected.update(slice.clone());
        expected.update(slice);
        assert_eq!(hasher.finish(), expected.finish());
    }
}

//! Where streams and workers meet: the queue of streams that want a lane, and
//! the rules by which threads wake, sleep and start.
//!
//! One worker with free lanes takes every stream in the queue, as a further
//! lane costs next to nothing, while a further thread costs a core. So another
//! worker is called only once a worker's lanes are full and streams are left.
//!
//! A worker sleeps until some stream is urgent: `GATHER_BYTES` are queued, or
//! its end is waited for. Awake, it takes all streams, urgent or not. Streams
//! that grow alike thus meet in the lanes, without a timer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use crate::kernel::Kernel;
use crate::slot::{Job, Slot};
use crate::worker;

/// The shared part of an engine.
#[derive(Debug)]
pub(crate) struct Yard {
    kernel: Kernel,
    max_workers: usize,
    state: Mutex<State>,
    bell: Condvar,
    /// The length of `State::ready`, for workers to glance at between steps.
    ready_jobs: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Streams that want a lane; each has a slice to be hashed, or is closing.
    /// Bounded by the number of live streams: dropped ones are withdrawn.
    ready: VecDeque<Job>,
    /// Some stream in `ready` is urgent (or was, a moment ago).
    urgent: bool,
    /// Threads that run.
    workers: usize,
    /// Of these, the ones asleep.
    idle: usize,
    /// No stream is left, and none will come.
    closed: bool,
}

impl Yard {
    pub(crate) fn new(kernel: Kernel, max_workers: usize) -> Yard {
        Yard {
            kernel,
            max_workers,
            state: Mutex::default(),
            bell: Condvar::new(),
            ready_jobs: AtomicUsize::new(0),
        }
    }

    pub(crate) fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics with the lock held")
    }

    /// Adds a stream for any worker that is awake.
    pub(crate) fn submit(&self, job: Job) {
        let mut state = self.lock();
        state.ready.push_back(job);
        self.note_ready(&state);
    }

    /// Sees to it that a worker is awake for the streams in the queue.
    pub(crate) fn urge(self: &Arc<Yard>) {
        let mut state = self.lock();
        state.urgent = true;
        if state.workers > state.idle {
            // It looks here before it sleeps.
            return;
        }
        if !self.call_worker(&mut state) {
            drop(state);
            // No thread can be had, so the caller is the worker.
            worker::drain(self);
        }
    }

    /// Removes a dropped stream, so that it doesn't stay until the next worker.
    pub(crate) fn withdraw(&self, slot: &Arc<Slot>) {
        let mut state = self.lock();
        if let Some(index) = state.ready.iter().position(|job| job.is_of(slot)) {
            let job = state.ready.remove(index);
            self.note_ready(&state);
            drop(state);
            drop(job);
        }
    }

    /// Whether streams wait for a lane: a glance, which may be a step late.
    pub(crate) fn has_ready(&self) -> bool {
        self.ready_jobs.load(Ordering::Relaxed) > 0
    }

    /// Takes streams into the free lanes, and calls another worker if some are
    /// left. `leaving` give up their lanes to those that wait, behind whom
    /// they queue.
    pub(crate) fn exchange(self: &Arc<Yard>, leaving: Vec<Job>, lanes: &mut Vec<Job>) {
        let mut state = self.lock();
        state.urgent |= !leaving.is_empty();
        state.ready.extend(leaving);
        self.take(&mut state, lanes);
    }

    /// Waits until streams are urgent and takes them, or returns false to end
    /// the worker.
    pub(crate) fn wait(self: &Arc<Yard>, lanes: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed {
                state.workers -= 1;
                return false;
            }
            if self.take_urgent(&mut state, lanes) {
                return true;
            }
            state.idle += 1;
            state = self
                .bell
                .wait(state)
                .expect("nothing panics with the lock held");
            state.idle -= 1;
        }
    }

    /// Takes streams if some are urgent.
    pub(crate) fn try_take(self: &Arc<Yard>, lanes: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        self.take_urgent(&mut state, lanes)
    }

    /// Ends the workers.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }

    fn take_urgent(self: &Arc<Yard>, state: &mut State, lanes: &mut Vec<Job>) -> bool {
        if state.urgent {
            self.take(state, lanes);
        }
        !lanes.is_empty()
    }

    fn take(self: &Arc<Yard>, state: &mut State, lanes: &mut Vec<Job>) {
        let free = self.kernel.lanes() - lanes.len();
        let count = free.min(state.ready.len());
        lanes.extend(state.ready.drain(..count));
        self.note_ready(state);
        if state.ready.is_empty() {
            state.urgent = false;
        } else if state.urgent {
            // Who calls is a worker itself, so it doesn't matter if none comes.
            self.call_worker(state);
        }
    }

    /// Wakes a worker or starts one. False if there are as many as there may be,
    /// all awake, or if the system has no thread to give.
    fn call_worker(self: &Arc<Yard>, state: &mut State) -> bool {
        if state.idle > 0 {
            self.bell.notify_one();
            return true;
        }
        if state.workers >= self.max_workers {
            return false;
        }
        let yard = self.clone();
        let started = thread::Builder::new()
            .name(format!("md5-{}", state.workers))
            .spawn(move || worker::run(&yard));
        state.workers += usize::from(started.is_ok());
        started.is_ok()
    }

    fn note_ready(&self, state: &State) {
        self.ready_jobs.store(state.ready.len(), Ordering::Relaxed);
    }
}

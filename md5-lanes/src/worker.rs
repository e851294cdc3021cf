//! A worker: takes streams into lanes, and all lanes forward in steps.

use std::sync::Arc;

use crate::kernel::{Block, Kernel, MAX_LANES, State};
use crate::slot::Job;
use crate::yard::Yard;

/// The most blocks per lane between two glances at the queue: some 20 us, which
/// is as long as a stream may wait for a free lane, and enough to make the
/// glance cost nothing.
const STEP_BLOCKS: usize = 256;

/// A worker's thread.
pub(crate) fn run(yard: &Arc<Yard>) {
    let mut lanes = Vec::with_capacity(MAX_LANES);
    while yard.wait(&mut lanes) {
        work(yard, &mut lanes);
    }
}

/// Does a worker's job on the caller's thread, until no stream is urgent.
pub(crate) fn drain(yard: &Arc<Yard>) {
    let mut lanes = Vec::with_capacity(MAX_LANES);
    while yard.try_take(&mut lanes) {
        work(yard, &mut lanes);
    }
}

/// Hashes until all lanes have run dry.
fn work(yard: &Arc<Yard>, lanes: &mut Vec<Job>) {
    lanes.iter_mut().for_each(Job::enter_lane);
    loop {
        lanes.retain_mut(Job::refill);
        if lanes.is_empty() {
            return;
        }
        step(yard.kernel(), lanes);
        if yard.has_ready() {
            let leaving = give_way(yard.kernel(), lanes);
            let staying = lanes.len();
            yard.exchange(leaving, lanes);
            lanes[staying..].iter_mut().for_each(Job::enter_lane);
        }
    }
}

/// Takes all lanes forward by the same number of blocks: as many as the one
/// with the fewest has staged, within a step.
fn step(kernel: Kernel, lanes: &mut [Job]) {
    let count = lanes.len();
    let mut states = [State::default(); MAX_LANES];
    let mut runs: [&[Block]; MAX_LANES] = [&[]; MAX_LANES];
    let staged = lanes.iter().map(|job| job.staged().len());
    let blocks = staged.min().expect("a worker has lanes").min(STEP_BLOCKS);
    assert!(blocks > 0, "a job without blocks was to leave its lane");
    for (job, (state, run)) in lanes.iter().zip(states.iter_mut().zip(&mut runs)) {
        *state = job.state();
        *run = &job.staged()[..blocks];
    }
    kernel.compress(&mut states[..count], &runs[..count]);
    for (job, state) in lanes.iter_mut().zip(states) {
        job.advance(state, blocks);
    }
}

/// Of full lanes, takes out the streams that have had their turn.
fn give_way(kernel: Kernel, lanes: &mut Vec<Job>) -> Vec<Job> {
    if lanes.len() < kernel.lanes() {
        return Vec::new();
    }
    let leaving: Vec<Job> = lanes.extract_if(.., |job| job.turn_is_over()).collect();
    leaving.iter().for_each(Job::leave_lane);
    leaving
}

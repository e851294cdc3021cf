//! A matrix expanded for one kernel: from input ranges to output ranges.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::MAX_SHARDS;
use crate::kernel::{Blocks, Job, Traffic};
use crate::matrix::Matrix;

/// Bytes of input that one pass over all blocks of outputs may touch, so that
/// the second block finds them in a first-level cache of 32 KiB.
const STRIP_BYTES: usize = 24 << 10;

/// Shortest strip of one input: below, starting a block costs more than cache
/// misses do. A multiple of every kernel's step.
const MIN_STRIP_BYTES: usize = 1 << 10;

/// Bytes of inputs and outputs that a core's own caches are taken to hold.
/// Little when fuzzing, so that short inputs take every path.
const CORE_CACHE_BYTES: usize = if cfg!(fuzzing) { 8 << 10 } else { 1 << 20 };

/// Bytes of inputs and outputs past which the outputs are taken to be evicted
/// before anybody reads them: a core's fair share of the last-level cache.
const SHARED_CACHE_BYTES: usize = 8 * CORE_CACHE_BYTES;

/// Most inputs that the hardware's prefetchers follow by themselves.
const HARDWARE_STREAMS: usize = 12;

/// `outputs = matrix * inputs`, ready to run.
#[derive(Debug)]
pub(crate) struct Plan {
    blocks: Vec<PlanBlock>,
    code: &'static Blocks,
    columns: usize,
    /// Factors of all blocks, as `Job::factors` wants each block's.
    factors: Vec<u64>,
}

/// Some consecutive outputs that are computed in one pass.
#[derive(Debug)]
struct PlanBlock {
    outputs: Range<usize>,
    factors: Range<usize>,
}

impl Plan {
    /// Expands a matrix of one row per output and one column per input.
    pub(crate) fn new(code: &'static Blocks, matrix: &Matrix) -> Plan {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let count = rows.div_ceil(code.by_outputs.len());
        let mut factors = Vec::with_capacity(rows * columns * code.words);
        let mut blocks = Vec::with_capacity(count);
        for block in 0..count {
            // Even shares, so that no block loads all inputs for few outputs.
            let outputs = block * rows / count..(block + 1) * rows / count;
            let start = factors.len();
            for column in 0..columns {
                for row in outputs.clone() {
                    (code.expand)(matrix.row(row)[column], &mut factors);
                }
            }
            blocks.push(PlanBlock {
                outputs,
                factors: start..factors.len(),
            });
        }
        assert_eq!(
            factors.len(),
            rows * columns * code.words,
            "every factor is expanded once"
        );
        Plan {
            blocks,
            code,
            columns,
            factors,
        }
    }

    /// Computes all outputs over `range`, from one source per column.
    ///
    /// # Safety
    /// All sources are readable and all outputs writable over `range` (counted
    /// from their bases); no output overlaps another or a source.
    pub(crate) unsafe fn run(
        &self,
        sources: &[*const u8],
        outputs: &[*mut u8],
        range: Range<usize>,
    ) {
        let traffic = traffic(sources.len(), outputs.len(), range.len());
        let strip_bytes = match self.blocks.len() {
            0 | 1 => usize::MAX,
            _ => {
                let share = STRIP_BYTES / sources.len().max(1);
                (share - share % MIN_STRIP_BYTES).max(MIN_STRIP_BYTES)
            }
        };
        let mut strip = range.start..range.start;
        while strip.end < range.end {
            strip = strip.end..range.end.min(strip.end.saturating_add(strip_bytes));
            for block in 0..self.blocks.len() {
                let outputs = &outputs[self.blocks[block].outputs.clone()];
                // SAFETY: the strip is a part of `range`.
                unsafe { self.run_block(block, sources, outputs, strip.clone(), traffic) };
            }
        }
    }

    /// How many blocks there are, and which outputs each computes.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        self.blocks.iter().map(|block| block.outputs.clone())
    }

    /// Computes the outputs of one block only; `outputs` are just those.
    ///
    /// # Safety
    /// As for `run`.
    pub(crate) unsafe fn run_block(
        &self,
        block: usize,
        sources: &[*const u8],
        outputs: &[*mut u8],
        range: Range<usize>,
        traffic: Traffic,
    ) {
        let block = &self.blocks[block];
        assert_eq!(
            outputs.len(),
            block.outputs.len(),
            "the outputs are the block's"
        );
        assert_eq!(sources.len(), self.columns, "every column has a source");
        let factors = &self.factors[block.factors.clone()];
        let job = Job {
            sources,
            factors,
            outputs,
            range,
            traffic,
        };
        let code = self.code.by_outputs[outputs.len() - 1];
        // SAFETY: `code` is only handed out on CPUs that can run it, the block
        // has its number of outputs and factors for every column (asserted), and
        // the memory is as the caller promises.
        unsafe { code(&job) }
    }
}

/// How a run over `len` bytes of each shard should move them, by measurement.
///
/// Writing past the caches gains a tenth where there is as much to write as to
/// read and nobody reads it soon; otherwise it loses as much, and with the hash
/// of the outputs after it, far more. So stripes of cells are never written so.
fn traffic(sources: usize, outputs: usize, len: usize) -> Traffic {
    let bytes = (sources + outputs).saturating_mul(len);
    if bytes > SHARED_CACHE_BYTES && outputs >= sources {
        Traffic::PastCaches
    } else if bytes > CORE_CACHE_BYTES || sources > HARDWARE_STREAMS {
        Traffic::Fetched
    } else {
        Traffic::Cached
    }
}

/// Sources of a call, on the stack.
pub(crate) type Sources = ArrayVec<*const u8, MAX_SHARDS>;

/// Outputs of a call, on the stack.
pub(crate) type Outputs = ArrayVec<*mut u8, MAX_SHARDS>;

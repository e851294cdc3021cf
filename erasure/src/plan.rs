//! A matrix expanded for one kernel: from input ranges to output ranges.

use std::ops::Range;

use crate::MAX_SHARDS;
use crate::kernel::{Blocks, Job, Source};
use crate::matrix::Matrix;

/// Bytes of input that one pass over all blocks of outputs may touch, so that
/// the second block finds them in a first-level cache of 32 KiB.
const STRIP_BYTES: usize = 24 << 10;

/// Shortest strip of one input: below, starting a block costs more than cache
/// misses do. A multiple of every kernel's step.
const MIN_STRIP_BYTES: usize = 1 << 10;

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

    /// Computes all outputs over `range`. Inputs of which no source speaks are
    /// zero.
    ///
    /// # Safety
    /// All sources are readable and all outputs writable over `range` (counted
    /// from their bases); no output overlaps another or a source.
    pub(crate) unsafe fn run(&self, sources: &[Source], outputs: &[*mut u8], range: Range<usize>) {
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
                unsafe { self.run_block(block, sources, outputs, strip.clone()) };
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
        sources: &[Source],
        outputs: &[*mut u8],
        range: Range<usize>,
    ) {
        let block = &self.blocks[block];
        assert_eq!(
            outputs.len(),
            block.outputs.len(),
            "the outputs are the block's"
        );
        assert!(
            sources.iter().all(|source| source.column < self.columns),
            "every source has a column"
        );
        let factors = &self.factors[block.factors.clone()];
        let job = Job {
            sources,
            factors,
            outputs,
            range,
        };
        let code = self.code.by_outputs[outputs.len() - 1];
        // SAFETY: `code` is only handed out on CPUs that can run it, the block
        // has its number of outputs and factors for every column (asserted), and
        // the memory is as the caller promises.
        unsafe { code(&job) }
    }
}

/// Sources of a call, on the stack.
pub(crate) type Sources = [Source; MAX_SHARDS];

/// Outputs of a call, on the stack.
pub(crate) type Outputs = [*mut u8; MAX_SHARDS];

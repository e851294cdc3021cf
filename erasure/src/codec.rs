//! The codec: encode, reconstruct, verify. Checks arguments, finds the plan,
//! and runs it over plain slices or fragmented cells.

use std::ops::Range;
use std::sync::Arc;

use crate::cache::{Cache, Pattern, ShardSet};
use crate::gather::Gather;
use crate::kernel::{Kernel, Traffic};
use crate::matrix::Matrix;
use crate::plan::{Outputs, Plan, Sources};
use crate::{Cell, Error, MAX_SHARDS};

/// Bytes of each shard that `verify` recomputes and compares at a time.
const VERIFY_BYTES: usize = 1 << 10;

/// Outputs that `verify` has room for; no kernel computes more in one pass.
const VERIFY_OUTPUTS: usize = 8;

/// What `verify` computes into, on the stack.
type Scratch = [[u8; VERIFY_BYTES]; VERIFY_OUTPUTS];

/// A systematic Reed-Solomon code of `data + parity` shards.
///
/// Shards `0..data` are the data itself, `data..total` the parity; any `data` of
/// them determine the rest. Clones are cheap and share the decoding plans. Calls
/// allocate nothing, except the first one for a loss pattern.
#[derive(Debug, Clone)]
pub struct Codec {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data: usize,
    parity: usize,
    kernel: Kernel,
    generator: Matrix,
    encoder: Plan,
    decoders: Cache,
}

impl Codec {
    /// A code with at least one data and one parity shard and at most
    /// [`MAX_SHARDS`] together, run by the fastest kernel of this CPU (or the one
    /// that the environment variable `RIQUET_ERASURE_KERNEL` names).
    ///
    /// # Errors
    /// [`Error::Profile`] for other counts, [`Error::Kernel`] if the variable
    /// names no kernel that runs here.
    pub fn new(data: usize, parity: usize) -> Result<Codec, Error> {
        Codec::with_kernel(data, parity, Kernel::chosen()?)
    }

    /// As [`Codec::new`], with a kernel of the caller's choice.
    ///
    /// # Errors
    /// [`Error::Profile`], and [`Error::Kernel`] if this CPU can't run it.
    pub fn with_kernel(data: usize, parity: usize, kernel: Kernel) -> Result<Codec, Error> {
        if data == 0 || parity == 0 || data.saturating_add(parity) > MAX_SHARDS {
            return Err(Error::Profile { data, parity });
        }
        let code = kernel.blocks().ok_or_else(|| Error::Kernel {
            name: kernel.name().to_owned(),
        })?;
        let generator = Matrix::generator(data, data + parity);
        let parity_rows: Vec<usize> = (data..data + parity).collect();
        let encoder = Plan::new(code, &generator.select_rows(&parity_rows));
        let decoders = Cache::default();
        let inner = Inner {
            data,
            parity,
            kernel,
            generator,
            encoder,
            decoders,
        };
        Ok(Codec {
            inner: Arc::new(inner),
        })
    }

    /// Number of data shards.
    pub fn data(&self) -> usize {
        self.inner.data
    }

    /// Number of parity shards.
    pub fn parity(&self) -> usize {
        self.inner.parity
    }

    /// Number of all shards.
    pub fn total(&self) -> usize {
        self.inner.data + self.inner.parity
    }

    /// The kernel that does the work.
    pub fn kernel(&self) -> Kernel {
        self.inner.kernel
    }

    /// Computes all parity shards from all data shards, each of the same length.
    ///
    /// # Errors
    /// [`Error::ShardCount`] unless there are [`Codec::data`] inputs and
    /// [`Codec::parity`] outputs, [`Error::Length`] if lengths differ.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), Error> {
        check_count(self.data(), data.len())?;
        check_count(self.parity(), parity.len())?;
        let len = data[0].len();
        check_lengths(len, data.iter().map(|shard| shard.len()))?;
        check_lengths(len, parity.iter().map(|shard| shard.len()))?;
        let out = parity.iter_mut().map(|shard| &mut **shard).enumerate();
        run_slices(
            &self.inner.encoder,
            len,
            data.iter().copied().enumerate(),
            out,
        );
        Ok(())
    }

    /// As [`Codec::encode`], from cells in fragments, without copying them
    /// together. Cells may be shorter than `cell_len` bytes, or empty: they count
    /// as padded with zeros, as at the end of an object. Each parity slice is
    /// `cell_len` long.
    ///
    /// # Errors
    /// [`Error::ShardCount`] as for `encode`, [`Error::Length`] if a cell is
    /// longer than `cell_len` or a parity slice isn't `cell_len`.
    pub fn encode_cells(
        &self,
        data: &[Cell],
        cell_len: usize,
        parity: &mut [&mut [u8]],
    ) -> Result<(), Error> {
        check_count(self.data(), data.len())?;
        check_count(self.parity(), parity.len())?;
        check_cells(cell_len, data.iter())?;
        check_lengths(cell_len, parity.iter().map(|shard| shard.len()))?;
        let out = parity.iter_mut().map(|shard| &mut **shard).enumerate();
        run_cells(&self.inner.encoder, cell_len, data.iter().enumerate(), out);
        Ok(())
    }

    /// Computes the `wanted` shards, data or parity, and no others, into `out`
    /// (in the order of `wanted`).
    ///
    /// `present` lists shard numbers with their bytes. Exactly the first
    /// [`Codec::data`] of them are read, so the cheapest should come first; all
    /// ranges, and those of `out`, have one length. They may be any part of the
    /// shards as long as it is the same part of each.
    ///
    /// # Errors
    /// [`Error::TooFewShards`], [`Error::ShardIndex`] and
    /// [`Error::RepeatedShard`] for either list, [`Error::ShardCount`] if `out`
    /// and `wanted` differ in number, [`Error::Length`] if lengths differ.
    pub fn reconstruct(
        &self,
        present: &[(usize, &[u8])],
        wanted: &[usize],
        out: &mut [&mut [u8]],
    ) -> Result<(), Error> {
        let read = self.check_present(present.iter().map(|&(shard, _)| shard))?;
        let wanted_set = self.check_wanted(wanted, out)?;
        let len = present[0].1.len();
        check_lengths(len, present.iter().map(|(_, bytes)| bytes.len()))?;
        check_lengths(len, out.iter().map(|bytes| bytes.len()))?;
        let plan = self.decoder(Pattern {
            read,
            wanted: wanted_set,
        });
        let inputs = present[..self.data()]
            .iter()
            .map(|&(shard, b)| (read.rank(shard), b));
        run_slices(&plan, len, inputs, by_rank(&wanted_set, wanted, out));
        Ok(())
    }

    /// As [`Codec::reconstruct`], from cells in fragments, which may be shorter
    /// than `cell_len` bytes and then count as padded with zeros; each slice of
    /// `out` is `cell_len` long.
    ///
    /// # Errors
    /// As `reconstruct`; [`Error::Length`] if a cell is longer than `cell_len` or
    /// a slice of `out` isn't `cell_len`.
    pub fn reconstruct_cells(
        &self,
        present: &[(usize, &Cell)],
        cell_len: usize,
        wanted: &[usize],
        out: &mut [&mut [u8]],
    ) -> Result<(), Error> {
        let read = self.check_present(present.iter().map(|&(shard, _)| shard))?;
        let wanted_set = self.check_wanted(wanted, out)?;
        check_cells(cell_len, present.iter().map(|&(_, cell)| cell))?;
        check_lengths(cell_len, out.iter().map(|bytes| bytes.len()))?;
        let plan = self.decoder(Pattern {
            read,
            wanted: wanted_set,
        });
        let inputs = present[..self.data()]
            .iter()
            .map(|&(shard, c)| (read.rank(shard), c));
        run_cells(&plan, cell_len, inputs, by_rank(&wanted_set, wanted, out));
        Ok(())
    }

    /// Whether the parity shards belong to the data shards. `shards` are all
    /// [`Codec::total`] in order, of one length.
    ///
    /// # Errors
    /// [`Error::ShardCount`] for another number, [`Error::Length`] if lengths
    /// differ.
    pub fn verify(&self, shards: &[&[u8]]) -> Result<bool, Error> {
        check_count(self.total(), shards.len())?;
        let len = shards[0].len();
        check_lengths(len, shards.iter().map(|shard| shard.len()))?;
        let (data, parity) = shards.split_at(self.data());
        let mut sources = Sources::new();
        list_sources(&mut sources, data.iter().copied().enumerate());
        let mut scratch: Scratch = [[0; VERIFY_BYTES]; VERIFY_OUTPUTS];
        let mut start = 0;
        while start < len {
            let range = start..len.min(start + VERIFY_BYTES);
            start = range.end;
            if !self.verify_range(&sources, parity, range, &mut scratch) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Recomputes at most `VERIFY_BYTES` of each parity shard, block by block.
    fn verify_range(
        &self,
        sources: &[*const u8],
        parity: &[&[u8]],
        range: Range<usize>,
        scratch: &mut Scratch,
    ) -> bool {
        let encoder = &self.inner.encoder;
        encoder.blocks().enumerate().all(|(block, rows)| {
            let mut outputs = [std::ptr::null_mut(); VERIFY_OUTPUTS];
            for (output, row) in outputs.iter_mut().zip(scratch.iter_mut()) {
                *output = row.as_mut_ptr().wrapping_sub(range.start);
            }
            let outputs = &outputs[..rows.len()];
            // SAFETY: sources are whole shards, which hold `range`; the scratch
            // rows are distinct and hold as many bytes as `range` has.
            unsafe { encoder.run_block(block, sources, outputs, range.clone(), Traffic::Cached) };
            scratch
                .iter()
                .zip(&parity[rows])
                .all(|(computed, shard)| computed[..range.len()] == shard[range.clone()])
        })
    }

    /// The set of the first `data` shards listed, which are the ones to read.
    fn check_present(
        &self,
        shards: impl ExactSizeIterator<Item = usize>,
    ) -> Result<ShardSet, Error> {
        let (needed, present) = (self.data(), shards.len());
        if present < needed {
            return Err(Error::TooFewShards { needed, present });
        }
        let (mut read, mut all) = (ShardSet::default(), ShardSet::default());
        for (place, shard) in shards.enumerate() {
            self.add_shard(&mut all, shard)?;
            if place < needed {
                read.insert(shard);
            }
        }
        Ok(read)
    }

    /// The set of wanted shards, one output each.
    fn check_wanted(&self, wanted: &[usize], out: &[&mut [u8]]) -> Result<ShardSet, Error> {
        check_count(wanted.len(), out.len())?;
        let mut set = ShardSet::default();
        wanted
            .iter()
            .try_for_each(|&shard| self.add_shard(&mut set, shard))?;
        Ok(set)
    }

    fn add_shard(&self, set: &mut ShardSet, index: usize) -> Result<(), Error> {
        if index >= self.total() {
            return Err(Error::ShardIndex {
                index,
                total: self.total(),
            });
        }
        if !set.insert(index) {
            return Err(Error::RepeatedShard { index });
        }
        Ok(())
    }

    /// The plan from the shards read to the shards wanted, both ascending.
    fn decoder(&self, pattern: Pattern) -> Arc<Plan> {
        self.inner.decoders.get(pattern, || {
            let generator = &self.inner.generator;
            let data_from_read = generator.select_rows(&pattern.read.members()).inverse();
            let wanted = generator.select_rows(&pattern.wanted.members());
            let code = self
                .inner
                .kernel
                .blocks()
                .expect("the kernel ran when the code was made");
            Plan::new(code, &wanted.multiply(&data_from_read))
        })
    }
}

fn check_count(expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual {
        Ok(())
    } else {
        Err(Error::ShardCount { expected, actual })
    }
}

fn check_lengths(expected: usize, mut lengths: impl Iterator<Item = usize>) -> Result<(), Error> {
    match lengths.find(|&length| length != expected) {
        None => Ok(()),
        Some(actual) => Err(Error::Length { expected, actual }),
    }
}

fn check_cells<'a>(expected: usize, cells: impl Iterator<Item = &'a Cell>) -> Result<(), Error> {
    match cells.map(Cell::len).find(|&length| length > expected) {
        None => Ok(()),
        Some(actual) => Err(Error::Length { expected, actual }),
    }
}

/// Outputs with their rows in a decoder, which computes its shards ascending.
fn by_rank<'a>(
    set: &ShardSet,
    wanted: &[usize],
    out: &'a mut [&mut [u8]],
) -> impl ExactSizeIterator<Item = (usize, &'a mut [u8])> {
    wanted
        .iter()
        .zip(out)
        .map(|(&shard, bytes)| (set.rank(shard), &mut **bytes))
}

/// Fills a list in place, each input in the place of its column. Returned by value
/// it would be copied, 2 KiB whatever its length, at the cost of encoding a small
/// cell.
fn list_sources<'a>(
    sources: &mut Sources,
    inputs: impl ExactSizeIterator<Item = (usize, &'a [u8])>,
) {
    for _ in 0..inputs.len() {
        sources.push(std::ptr::null());
    }
    for (column, bytes) in inputs {
        sources[column] = bytes.as_ptr();
    }
}

/// Fills a list in place, each output in the place of its row.
fn list_outputs<'a>(
    outputs: &mut Outputs,
    out: impl ExactSizeIterator<Item = (usize, &'a mut [u8])>,
) {
    for _ in 0..out.len() {
        outputs.push(std::ptr::null_mut());
    }
    for (row, bytes) in out {
        outputs[row] = bytes.as_mut_ptr();
    }
}

/// Runs a plan over slices of `len` bytes, each with its column or row. The
/// callers have checked lengths and that no column or row occurs twice.
fn run_slices<'i, 'o>(
    plan: &Plan,
    len: usize,
    inputs: impl ExactSizeIterator<Item = (usize, &'i [u8])>,
    out: impl ExactSizeIterator<Item = (usize, &'o mut [u8])>,
) {
    let mut sources = Sources::new();
    list_sources(&mut sources, inputs);
    let mut outputs = Outputs::new();
    list_outputs(&mut outputs, out);
    // SAFETY: every source is a live slice of `len` bytes, every output a
    // distinct, exclusively borrowed one.
    unsafe { plan.run(&sources, &outputs, 0..len) };
}

/// As `run_slices`, from cells of at most `len` bytes.
fn run_cells<'i, 'o>(
    plan: &Plan,
    len: usize,
    inputs: impl ExactSizeIterator<Item = (usize, &'i Cell)>,
    out: impl ExactSizeIterator<Item = (usize, &'o mut [u8])>,
) {
    let mut outputs = Outputs::new();
    list_outputs(&mut outputs, out);
    let mut gather = Gather::new(len, inputs);
    while let Some((sources, range)) = gather.next_stretch() {
        // SAFETY: the walk's sources are readable over its ranges; every output
        // is a distinct, exclusively borrowed slice of `len` bytes.
        unsafe { plan.run(sources, &outputs, range) };
    }
}

//! Reads a range of one chunk, stripe by stripe, from whichever shards are good.
//!
//! Shards are ranked: those at the gateway's own site first, then the other site's; within a site
//! data before parity. While the data cells that the range touches can be had from the nearest
//! site, only those are read, and handed on as they came. Otherwise the best `k` cells are read and
//! the missing data is rebuilt. A cell that is late, refused or corrupt is replaced by the next
//! shard in rank; only when none is left are the failed ones asked again, with more patience.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use riquet_cluster::Error;
use riquet_cluster::cell_stream::{CellError, CellStream};
use riquet_cluster::id::{ChunkId, ShardId};
use riquet_cluster::node_client::Target;
use riquet_cluster::profile::{ChunkGeometry, Profile};
use riquet_cluster::step;
use riquet_cluster::telemetry::traces::{fail, note};
use riquet_erasure::{Cell, Codec};
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use super::Inner;
use super::error::DataError;
use super::read::StripeSlices;

/// How long a cell is waited for while another shard could replace it.
const HEDGE_AFTER: Duration = Duration::from_secs(1);

/// How long a cell is waited for when nothing can replace it.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// What a shard has shown so far in this read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing against it.
    Good,
    /// Its node is down, or it was late or refused: the last resort.
    Doubtful,
    /// Asked again, and failed again; or corrupt or absent.
    Bad,
}

/// One chunk being read.
pub(super) struct ChunkRead<'a> {
    inner: &'a Inner,
    profile: &'a Profile,
    codec: Codec,
    chunk: ChunkId,
    geometry: ChunkGeometry,
    wanted: Range<u64>,
    stripe: u32,
    end: u32,
    /// Shard indexes, best first.
    rank: Vec<usize>,
    shards: Vec<Shard>,
    rebuilding: Rebuilding,
}

/// What rebuilding took of the processor, over all stripes of a chunk; recorded when it is dropped.
struct Rebuilding {
    took: Duration,
    /// The chunk's span.
    step: Span,
}

impl Drop for Rebuilding {
    fn drop(&mut self) {
        if !self.took.is_zero() {
            metrics::histogram!("riquet_gateway_rebuild_seconds").record(self.took);
            note(
                &self.step,
                "riquet.rebuild_us",
                self.took.as_micros() as i64,
            );
        }
    }
}

struct Shard {
    target: Target,
    near: bool,
    standing: Standing,
    stream: Option<CellStream>,
}

impl<'a> ChunkRead<'a> {
    /// Reads bytes `wanted` of a chunk that has `len` bytes of data and whose shards are at
    /// `targets`.
    pub(super) fn new(
        inner: &'a Inner,
        profile: &'a Profile,
        targets: Vec<Target>,
        chunk: ChunkId,
        len: u64,
        wanted: Range<u64>,
    ) -> Self {
        assert!(
            wanted.start < wanted.end && wanted.end <= len,
            "a range within the chunk"
        );
        let geometry = profile.geometry(len);
        let shards: Vec<Shard> = targets
            .into_iter()
            .enumerate()
            .map(|(index, target)| Shard {
                near: profile.sites[profile.site_position(index)] == inner.site,
                standing: if inner.health.is_up(&target.address) {
                    Standing::Good
                } else {
                    Standing::Doubtful
                },
                stream: None,
                target,
            })
            .collect();
        let step = step!(
            "read chunk",
            riquet.chunk = i64::from(chunk.seq),
            riquet.bytes = (wanted.end - wanted.start) as i64,
        );
        let mut rank: Vec<usize> = (0..shards.len()).collect();
        rank.sort_by_key(|i| (!shards[*i].near, *i));
        Self {
            inner,
            profile,
            codec: inner.codecs.of(profile),
            chunk,
            stripe: geometry.stripe_of(wanted.start),
            end: geometry.stripe_of(wanted.end - 1) + 1,
            geometry,
            wanted,
            rank,
            shards,
            rebuilding: Rebuilding {
                took: Duration::ZERO,
                step,
            },
        }
    }

    /// The wanted bytes of the next stripe; `None` past the last.
    pub(super) async fn next_stripe(&mut self) -> Result<Option<StripeSlices>, DataError> {
        // Entered for each stripe, made for each chunk.
        let step = self.rebuilding.step.clone();
        let read = self.read_stripe().instrument(step.clone());
        read.await.inspect_err(|error| fail(&step, error))
    }

    async fn read_stripe(&mut self) -> Result<Option<StripeSlices>, DataError> {
        if self.stripe == self.end {
            return Ok(None);
        }
        let stripe = self.stripe;
        let needed = self.needed_cells(stripe);
        let mut cells: Vec<Option<Cell>> = (0..self.shards.len()).map(|_| None).collect();
        let mut patience = HEDGE_AFTER;
        loop {
            if needed.clone().all(|j| cells[j].is_some()) {
                break;
            }
            let good = cells.iter().flatten().count();
            if good >= self.profile.k() {
                self.rebuild(stripe, needed.clone(), &mut cells);
                break;
            }
            match self.choose(&needed, &cells) {
                Some(chosen) => self.fetch(stripe, &chosen, patience, &mut cells).await,
                None if patience < LAST_WAIT && self.pardon() => patience = LAST_WAIT,
                None => {
                    return Err(DataError::TooFewCells {
                        chunk: self.chunk,
                        stripe,
                        good,
                        needed: self.profile.k(),
                    });
                }
            }
        }
        self.stripe += 1;
        Ok(Some(self.slices(stripe, needed, &cells)))
    }

    /// The data cells of a stripe that hold wanted bytes.
    fn needed_cells(&self, stripe: u32) -> Range<usize> {
        let here = self.geometry.stripe_range(stripe);
        let cell = self.geometry.cell_len(stripe) as u64;
        let start = self.wanted.start.max(here.start) - here.start;
        let end = self.wanted.end.min(here.end) - here.start;
        (start / cell) as usize..end.div_ceil(cell) as usize
    }

    /// The shards to ask next: the needed data cells themselves if all that miss are good and
    /// near, else as many of the best as complete `k`. `None` when too few are left.
    fn choose(&self, needed: &Range<usize>, cells: &[Option<Cell>]) -> Option<Vec<usize>> {
        let missing: Vec<usize> = needed.clone().filter(|j| cells[*j].is_none()).collect();
        let direct = |j: &usize| self.shards[*j].standing == Standing::Good && self.shards[*j].near;
        if missing.iter().all(direct) {
            return Some(missing);
        }
        let short = self.profile.k() - cells.iter().flatten().count();
        let good = self.rank.iter().copied();
        let good =
            good.filter(|j| cells[*j].is_none() && self.shards[*j].standing == Standing::Good);
        let chosen: Vec<usize> = good.take(short).collect();
        (chosen.len() == short).then_some(chosen)
    }

    /// Gives the doubtful another chance; whether there were any.
    fn pardon(&mut self) -> bool {
        let mut any = false;
        for shard in self
            .shards
            .iter_mut()
            .filter(|s| s.standing == Standing::Doubtful)
        {
            shard.standing = Standing::Good;
            any = true;
        }
        any
    }

    /// Reads one cell of each chosen shard, side by side, and notes what came of it.
    async fn fetch(
        &mut self,
        stripe: u32,
        chosen: &[usize],
        patience: Duration,
        cells: &mut [Option<Cell>],
    ) {
        let (inner, chunk, geometry, end) = (self.inner, self.chunk, self.geometry, self.end);
        let asked = self
            .shards
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| chosen.contains(index));
        let reads = asked.map(|(index, shard)| async move {
            let id = ShardId {
                chunk,
                index: index as u8,
            };
            let read = async {
                let stream = match shard.stream.take().filter(|s| s.position() == stripe) {
                    Some(stream) => shard.stream.insert(stream),
                    None => {
                        let open = CellStream::open(
                            &inner.nodes,
                            &shard.target,
                            id,
                            geometry,
                            stripe..end,
                        );
                        shard.stream.insert(open.await?)
                    }
                };
                stream.next_cell().await
            };
            let cell = match timeout(patience, read).await {
                Ok(cell) => cell,
                Err(_) => Err(CellError::Late(patience)),
            };
            if cell.is_err() {
                shard.stream = None;
            }
            (index, cell)
        });
        for (index, cell) in join_all(reads).await {
            match cell {
                Ok(cell) => cells[index] = Some(cell),
                Err(error) => self.blame(index, stripe, patience, &error),
            }
        }
    }

    /// Notes that a shard failed to give its cell.
    fn blame(&mut self, index: usize, stripe: u32, patience: Duration, error: &CellError) {
        let shard = &mut self.shards[index];
        let id = ShardId {
            chunk: self.chunk,
            index: index as u8,
        };
        let (disk, node) = (shard.target.disk, &shard.target.address);
        let hopeless = match error {
            CellError::Corrupt => {
                metrics::counter!("riquet_gateway_corrupt_cells_total").increment(1);
                tracing::error!(shard = %id, stripe, %disk, node, "corrupt cell");
                let (nodes, target) = (self.inner.nodes.clone(), shard.target.clone());
                // Not waited for: the scrub would find it too.
                tokio::spawn(async move { nodes.suspect(&target, id).await });
                true
            }
            CellError::Late(_) => {
                metrics::counter!("riquet_gateway_late_cells_total").increment(1);
                tracing::warn!(shard = %id, stripe, %disk, node, %error, "cell late");
                false
            }
            CellError::Node(error) => {
                metrics::counter!("riquet_gateway_failed_cells_total").increment(1);
                tracing::warn!(shard = %id, stripe, %disk, node, %error, "cell not read");
                self.inner.health.failed(node, error);
                matches!(error, Error::NoSuchShard)
            }
        };
        shard.standing = if hopeless || patience == LAST_WAIT {
            Standing::Bad
        } else {
            Standing::Doubtful
        };
    }

    /// Fills in the needed data cells that are missing.
    fn rebuild(&mut self, stripe: u32, needed: Range<usize>, cells: &mut [Option<Cell>]) {
        let missing: Vec<usize> = needed.filter(|j| cells[*j].is_none()).collect();
        let cell_len = self.geometry.cell_len(stripe);
        let began = Instant::now();
        let mut rebuilt = BytesMut::zeroed(missing.len() * cell_len);
        {
            let present: Vec<(usize, &Cell)> = cells
                .iter()
                .enumerate()
                .filter_map(|(i, c)| Some((i, c.as_ref()?)))
                .take(self.profile.k())
                .collect();
            let mut outputs: Vec<&mut [u8]> = rebuilt.chunks_exact_mut(cell_len).collect();
            self.codec
                .reconstruct_cells(&present, cell_len, &missing, &mut outputs)
                .expect("k verified cells of one length rebuild any other");
        }
        self.rebuilding.took += began.elapsed();
        metrics::counter!("riquet_gateway_rebuilt_cells_total").increment(missing.len() as u64);
        let rebuilt = rebuilt.freeze();
        for (place, index) in missing.into_iter().enumerate() {
            cells[index] = Some(Cell::from(
                rebuilt.slice(place * cell_len..(place + 1) * cell_len),
            ));
        }
    }

    /// The wanted bytes of a stripe whose needed cells are all there.
    fn slices(&self, stripe: u32, needed: Range<usize>, cells: &[Option<Cell>]) -> StripeSlices {
        let here = self.geometry.stripe_range(stripe);
        let cell_len = self.geometry.cell_len(stripe) as u64;
        let end = self.wanted.end.min(here.end);
        let mut out = Vec::new();
        for index in needed {
            let mut at = here.start + index as u64 * cell_len;
            for slice in cells[index]
                .as_ref()
                .expect("every needed cell is there")
                .iter()
            {
                let next = at + slice.len() as u64;
                let (from, to) = (self.wanted.start.max(at), end.min(next));
                if from < to {
                    out.push(slice_of(slice, from - at, to - at));
                }
                at = next;
            }
        }
        out
    }
}

fn slice_of(bytes: &Bytes, from: u64, to: u64) -> Bytes {
    bytes.slice(from as usize..to as usize)
}

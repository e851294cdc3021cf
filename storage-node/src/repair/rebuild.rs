//! Makes one shard anew from others of its chunk.
//!
//! Any `k` shards do. Those of the disk's own site come first, so no byte crosses between the sites
//! as long as the site has `k`. Cells are verified as they come; one that is late, refused or corrupt
//! is replaced by another shard's from its stripe on. Only a stripe is in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use riquet_cluster::cell_hash::hash_cell;
use riquet_cluster::cell_stream::{CellError, CellStream};
use riquet_cluster::codecs::Codecs;
use riquet_cluster::id::{RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::profile::{ChunkGeometry, Profile};
use riquet_cluster::wire::shard::ShardDescriptor;
use riquet_erasure::Cell;
use riquet_metadata::record::BlobRef;
use tokio::time::timeout;

use super::pace::Pace;
use crate::error::Error;
use crate::store::ShardStore;

/// How long a cell is waited for before another shard takes its place.
const CELL_TIMEOUT: Duration = Duration::from_secs(10);

/// What a shard is rebuilt with.
pub(super) struct Rebuild<'a> {
    pub(super) nodes: NodeClient,
    pub(super) layout: &'a Layout,
    pub(super) codecs: &'a Codecs,
    pub(super) pace: &'a Pace,
    pub(super) request: RequestId,
}

/// Why a shard was not rebuilt. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    /// The layout keeps the shard on another disk.
    #[error("the layout keeps it elsewhere")]
    Elsewhere,
    /// The layout has no such profile, or the blob no such chunk.
    #[error("no such shard can be")]
    Unknown,
    /// Too few others can be read.
    #[error("{good} of its chunk's shards can be read, {needed} are needed")]
    TooFew {
        /// Good cells of the stripe.
        good: usize,
        /// Cells that would do.
        needed: usize,
    },
    /// This disk does not take it.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Another shard of the chunk.
struct Source {
    id: ShardId,
    target: Target,
    is_near: bool,
    stream: Option<CellStream>,
}

impl Rebuild<'_> {
    /// Rebuilds a shard of a blob and stores it, unless it is stored.
    pub(super) async fn shard(
        &self,
        store: &ShardStore,
        id: ShardId,
        blob: &BlobRef,
    ) -> Result<(), RebuildError> {
        let profile = self.layout.profile(blob.profile);
        let profile = profile.ok_or(RebuildError::Unknown)?;
        let length = profile
            .chunk_lengths(blob.length_bytes)
            .nth(id.chunk.seq as usize);
        let geometry = profile.geometry(length.ok_or(RebuildError::Unknown)?);
        let mut sources = self.sources(store, profile, id)?;
        match store.describe(id).await {
            Ok(_) => return Ok(()),
            Err(Error::NotFound | Error::Damaged) => {}
            Err(error) => return Err(error.into()),
        }
        let descriptor = self.descriptor(&sources, id).await?;
        let mut writer = store.begin(descriptor).await?;
        let codec = self.codecs.of(profile);
        let mut anew = Vec::new();
        for stripe in 0..geometry.stripes() {
            let cell_len = geometry.cell_len(stripe);
            let cells = self.cells(&mut sources, profile, geometry, stripe).await?;
            let present: Vec<(usize, &Cell)> = cells.iter().map(|(i, cell)| (*i, cell)).collect();
            anew.clear();
            anew.resize(cell_len, 0);
            codec
                .reconstruct_cells(&present, cell_len, &[id.index.into()], &mut [&mut anew])
                .expect("k verified cells of one length rebuild any other");
            writer.write(&anew).await?;
            writer.write(&hash_cell(id, stripe, &anew)).await?;
        }
        writer.finish().await?;
        metrics::counter!("riquet_node_repaired_shards_total").increment(1);
        metrics::counter!("riquet_node_repaired_bytes_total").increment(geometry.payload_len());
        Ok(())
    }

    /// The other shards of the chunk, those of the same site first.
    fn sources(
        &self,
        store: &ShardStore,
        profile: &Profile,
        id: ShardId,
    ) -> Result<Vec<Source>, RebuildError> {
        let own = usize::from(id.index);
        let targets = Target::of_chunk(self.layout, profile, id.chunk, self.request);
        match targets.get(own) {
            Some(target) if target.disk == store.disk() => {}
            Some(_) => return Err(RebuildError::Elsewhere),
            None => return Err(RebuildError::Unknown),
        }
        let others = targets.into_iter().enumerate().filter(|(i, _)| *i != own);
        let mut sources: Vec<Source> = others
            .map(|(index, target)| Source {
                id: ShardId {
                    index: index as u8,
                    ..id
                },
                is_near: profile.site_position(index) == profile.site_position(own),
                target,
                stream: None,
            })
            .collect();
        sources.sort_by_key(|source| (!source.is_near, source.id.index));
        Ok(sources)
    }

    /// What the shard's record is to say: what another's says.
    async fn descriptor(
        &self,
        sources: &[Source],
        id: ShardId,
    ) -> Result<ShardDescriptor, RebuildError> {
        for source in sources {
            let head = self.nodes.head(&source.target, source.id);
            match timeout(CELL_TIMEOUT, head).await {
                Ok(Ok(descriptor)) => return Ok(ShardDescriptor { id, ..descriptor }),
                Ok(Err(error)) => {
                    tracing::debug!(shard = %source.id, %error, "not described");
                }
                Err(_) => {}
            }
        }
        Err(RebuildError::TooFew { good: 0, needed: 1 })
    }

    /// `k` verified cells of a stripe, by shard index. A source that fails is dropped.
    async fn cells(
        &self,
        sources: &mut Vec<Source>,
        profile: &Profile,
        geometry: ChunkGeometry,
        stripe: u32,
    ) -> Result<BTreeMap<usize, Cell>, RebuildError> {
        let needed = profile.k();
        let mut cells: BTreeMap<usize, Cell> = BTreeMap::new();
        while cells.len() < needed {
            let short = needed - cells.len();
            let unread = |source: &&mut Source| !cells.contains_key(&source.id.index.into());
            let chosen: Vec<&mut Source> = sources.iter_mut().filter(unread).take(short).collect();
            if chosen.len() < short {
                return Err(RebuildError::TooFew {
                    good: cells.len(),
                    needed,
                });
            }
            self.pace
                .take((short * geometry.cell_len(stripe)) as u64)
                .await;
            let reads = chosen
                .into_iter()
                .map(|source| async { (source.id, self.cell(source, geometry, stripe).await) });
            for (id, cell) in join_all(reads).await {
                match cell {
                    Ok(cell) => {
                        cells.insert(id.index.into(), cell);
                    }
                    Err(error) => {
                        tracing::debug!(shard = %id, stripe, %error, "not repaired from");
                        sources.retain(|source| source.id != id);
                    }
                }
            }
        }
        Ok(cells)
    }

    async fn cell(
        &self,
        source: &mut Source,
        geometry: ChunkGeometry,
        stripe: u32,
    ) -> Result<Cell, CellError> {
        let read = async {
            let stream = match source.stream.take() {
                Some(stream) => stream,
                None => {
                    let stripes = stripe..geometry.stripes();
                    let (target, id) = (&source.target, source.id);
                    CellStream::open(&self.nodes, target, id, geometry, stripes).await?
                }
            };
            let stream = source.stream.insert(stream);
            stream.next_cell().await
        };
        let cell = timeout(CELL_TIMEOUT, read)
            .await
            .map_err(|_| CellError::Late(CELL_TIMEOUT))??;
        let from = if source.is_near { "site" } else { "elsewhere" };
        metrics::counter!("riquet_node_repair_read_bytes_total", "from" => from)
            .increment(cell.len() as u64);
        Ok(cell)
    }
}

//! Makes shards anew from others of their chunk.
//!
//! Any `k` shards do. Those of the disk's own site come first, so no byte crosses between the sites
//! as long as the site has `k`. If it has not, the node whose shard comes first of those that the site
//! lacks makes them all, and sends its neighbours theirs: what crosses over is the chunk's data once.
//!
//! Cells are verified as they come; one that is late, refused or corrupt is replaced by another
//! shard's from its stripe on. Only a stripe is in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use riquet_cluster::Error as NodeError;
use riquet_cluster::cell_hash::hash_cell;
use riquet_cluster::cell_stream::{CellError, CellStream};
use riquet_cluster::codecs::Codecs;
use riquet_cluster::id::{RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, PayloadSender, Target};
use riquet_cluster::profile::{ChunkGeometry, Profile};
use riquet_cluster::wire::shard::ShardDescriptor;
use riquet_erasure::{Cell, Codec};
use riquet_metadata::record::BlobRef;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::tally::Tally;
use crate::error::Error;
use crate::pace::Pace;
use crate::store::{ShardStore, Verdict};

/// How long a cell is waited for before another shard takes its place.
const CELL_TIMEOUT: Duration = Duration::from_secs(10);

/// Pieces on their way to a neighbour: two stripes, each a cell and its hash.
const GIFT_PIECES: usize = 4;

/// How long a neighbour may take to store a shard.
const GIFT_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether a shard may be left to a neighbour that lacks one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The first of them makes all.
    First,
    /// Each makes its own: the first has not done it.
    Own,
}

/// What a shard is rebuilt with.
pub(super) struct Rebuild<'a> {
    pub(super) nodes: NodeClient,
    pub(super) layout: &'a Layout,
    pub(super) codecs: &'a Codecs,
    pub(super) pace: &'a Pace,
    pub(super) tally: &'a Tally,
    pub(super) request: RequestId,
    pub(super) turn: Turn,
}

/// Why a shard was not rebuilt. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    /// The layout keeps the shard on another disk.
    #[error("the layout keeps it elsewhere")]
    Elsewhere,
    /// A neighbour makes it with its own.
    #[error("a neighbour makes it")]
    Neighbour,
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

/// What the disks of the site have of the chunk.
#[derive(Default)]
struct Site {
    /// The shards that they lack, if they have too few to make them of.
    lacking: Vec<Source>,
    /// What the record of one that they have says.
    described: Option<ShardDescriptor>,
}

/// A shard on its way to a neighbour that lacks it. That it arrives is nobody's concern here: the
/// neighbour's own debt stands until it has the shard.
struct Gift {
    id: ShardId,
    payload: Option<PayloadSender>,
    stored: JoinHandle<bool>,
}

impl Gift {
    fn to(nodes: &NodeClient, neighbour: Source, descriptor: &ShardDescriptor) -> Self {
        let (payload, pieces) = mpsc::channel(GIFT_PIECES);
        let (nodes, Source { id, target, .. }) = (nodes.clone(), neighbour);
        let descriptor = ShardDescriptor {
            id,
            ..descriptor.clone()
        };
        let stored = tokio::spawn(async move {
            let put = timeout(GIFT_TIMEOUT, nodes.put(&target, &descriptor, pieces)).await;
            matches!(put, Ok(Ok(())))
        });
        Self {
            id,
            payload: Some(payload),
            stored,
        }
    }

    async fn send(&mut self, stripe: u32, cell: &Bytes) {
        let Some(payload) = &self.payload else { return };
        let hash = Bytes::copy_from_slice(&hash_cell(self.id, stripe, cell));
        let sent =
            async { payload.send(cell.clone()).await.is_ok() && payload.send(hash).await.is_ok() };
        if !timeout(CELL_TIMEOUT, sent).await.is_ok_and(|sent| sent) {
            self.payload = None;
        }
    }

    /// Whether it is stored.
    async fn finish(mut self) -> bool {
        self.payload = None;
        self.stored.await.unwrap_or(false)
    }
}

/// The cells of these shards, made of `k` others.
fn rebuilt(
    codec: &Codec,
    present: &BTreeMap<usize, Cell>,
    cell_len: usize,
    wanted: &[ShardId],
) -> Vec<Bytes> {
    let present: Vec<(usize, &Cell)> = present.iter().map(|(i, cell)| (*i, cell)).collect();
    let indexes: Vec<usize> = wanted.iter().map(|shard| shard.index.into()).collect();
    let mut anew = BytesMut::zeroed(wanted.len() * cell_len);
    let mut outputs: Vec<&mut [u8]> = anew.chunks_exact_mut(cell_len).collect();
    codec
        .reconstruct_cells(&present, cell_len, &indexes, &mut outputs)
        .expect("k verified cells of one length rebuild any other");
    let anew = anew.freeze();
    (0..wanted.len())
        .map(|i| anew.slice(i * cell_len..(i + 1) * cell_len))
        .collect()
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
        // It may be there because it came late, or be owed because it is damaged.
        let is_damaged = match store.verify(id).await? {
            Verdict::Good { .. } => return Ok(()),
            Verdict::Gone => false,
            Verdict::Damaged => true,
        };
        let site = self.ask_site(&mut sources, profile, id).await?;
        let (neighbours, described) = (site.lacking, site.described);
        let described = match described {
            Some(described) => described,
            None => self.describe(&sources).await?,
        };
        let descriptor = ShardDescriptor { id, ..described };
        let mut gifts: Vec<Gift> = neighbours
            .into_iter()
            .map(|neighbour| Gift::to(&self.nodes, neighbour, &descriptor))
            .collect();
        let mut writer = match is_damaged {
            false => store.begin(descriptor).await?,
            true => store.begin_replacing(descriptor).await?,
        };
        let wanted: Vec<ShardId> = std::iter::once(id)
            .chain(gifts.iter().map(|gift| gift.id))
            .collect();
        let codec = self.codecs.of(profile);
        for stripe in 0..geometry.stripes() {
            let cell_len = geometry.cell_len(stripe);
            let cells = self.cells(&mut sources, profile, geometry, stripe).await?;
            let cells = rebuilt(&codec, &cells, cell_len, &wanted);
            writer.write(&cells[0]).await?;
            writer.write(&hash_cell(id, stripe, &cells[0])).await?;
            let sends = gifts.iter_mut().zip(&cells[1..]);
            join_all(sends.map(|(gift, cell)| gift.send(stripe, cell))).await;
        }
        writer.finish().await?;
        if is_damaged && store.verify(id).await? == Verdict::Damaged {
            // Written with success, and read back wrong: nothing is to be entrusted to this disk.
            return Err(store.distrust().into());
        }
        let given = join_all(gifts.into_iter().map(Gift::finish)).await;
        let shards = 1 + given.iter().filter(|is_stored| **is_stored).count() as u64;
        self.tally.made(shards, shards * geometry.payload_len());
        Ok(())
    }

    /// Asks the disks of the site what they have, unless each makes its own. What they lack leaves the
    /// sources.
    async fn ask_site(
        &self,
        sources: &mut Vec<Source>,
        profile: &Profile,
        own: ShardId,
    ) -> Result<Site, RebuildError> {
        if self.turn == Turn::Own {
            return Ok(Site::default());
        }
        let near = sources.iter().filter(|source| source.is_near);
        let asked = near.map(async |source| {
            let head = timeout(CELL_TIMEOUT, self.nodes.head(&source.target, source.id));
            (source.id, head.await)
        });
        let answers = join_all(asked).await;
        let mut found = answers.iter().filter_map(|(_, answer)| match answer {
            Ok(Ok(descriptor)) => Some(descriptor),
            _ => None,
        });
        let described = found.next().cloned();
        let has = usize::from(described.is_some()) + found.count();
        if has >= profile.k() {
            return Ok(Site {
                lacking: Vec::new(),
                described,
            });
        }
        let lacks = |id: &ShardId| {
            let lacks = |answer: &Result<_, _>| matches!(answer, Ok(Err(NodeError::NoSuchShard)));
            answers
                .iter()
                .any(|(asked, answer)| asked == id && lacks(answer))
        };
        let lacking: Vec<Source> = sources.extract_if(.., |source| lacks(&source.id)).collect();
        match lacking.iter().any(|source| source.id.index < own.index) {
            true => Err(RebuildError::Neighbour),
            false => Ok(Site { lacking, described }),
        }
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

    /// What the record of the first source that answers says.
    async fn describe(&self, sources: &[Source]) -> Result<ShardDescriptor, RebuildError> {
        for source in sources {
            let head = self.nodes.head(&source.target, source.id);
            match timeout(CELL_TIMEOUT, head).await {
                Ok(Ok(descriptor)) => return Ok(descriptor),
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
        self.tally.read(cell.len() as u64, source.is_near);
        Ok(cell)
    }
}

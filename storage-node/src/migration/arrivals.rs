//! Takes in the shards of slots that come to a disk.
//!
//! All live blobs are gone through, page by page: what the slots should have and the disk lacks is copied
//! from the disk that it comes from, cell by verified cell, made durable, and read back. What can't be had
//! there is noted as owed. Going through them again changes nothing, so a look that is cut short is begun
//! anew.
//!
//! New shards are written to this disk from the move's epoch on. A gateway that had not heard of it may
//! still have stored one on the old disk, and after it was looked for here: then the old disk's node finds
//! it, and has it noted as owed to this one ([`super::departures`]).

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use riquet_cluster::Error as NodeError;
use riquet_cluster::cell_stream::{CellError, CellStream};
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::{BlobId, DiskId, ShardId};
use riquet_cluster::layout::{Disk, Layout, NodeState, Pg, SlotMove};
use riquet_cluster::node_client::Target;
use riquet_cluster::profile::{ChunkGeometry, ProfileId};
use riquet_cluster::wire::shard::ShardDescriptor;
use riquet_metadata::GroupId;
use riquet_metadata::client::{BlobPage, BlobWalk};
use riquet_metadata::record::{BlobRecord, BlobState, Debt};
use tokio::time::timeout;

use super::{MigrationError, Mover, fresh_request};
use crate::error::Error;
use crate::store::Verdict;

/// Shards being copied at once to a disk: enough to hide the disks' and the network's latency. Each holds
/// a cell or two.
const AT_ONCE: usize = 4;

/// Debts that are noted with one command.
const NOTED_AT_ONCE: usize = 1000;

/// How long a cell is waited for.
const CELL_TIMEOUT: Duration = Duration::from_secs(10);

/// Times that a shard which somebody else is writing is tried again.
const MAX_BUSY: u32 = 30;

/// Pause before a disk that gave no answer is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a disk may give no answer, as its node is being restarted, before what it has is made of
/// other shards instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// A look at all that is to come to a disk.
pub(super) struct Arrivals<'a> {
    mover: &'a Mover,
    layout: &'a Layout,
    moves: &'a [SlotMove],
    /// The slots that come, and from where.
    coming: HashMap<(ProfileId, Pg), Vec<&'a SlotMove>>,
    /// Disks that give no answer, and since when.
    silent: Mutex<HashMap<DiskId, Instant>>,
}

/// A shard that is to come.
struct Coming<'a> {
    id: ShardId,
    geometry: ChunkGeometry,
    /// Its slot's.
    moving: &'a SlotMove,
    from: &'a Disk,
}

/// What became of it.
enum Came {
    /// It is here now.
    Copied,
    /// Somebody else brought it.
    Here,
    /// It can't be had where it should come from.
    Lost,
    /// Somebody else is writing it.
    Busy,
}

/// Why a copy broke off.
enum CopyError {
    /// The disk that it comes from.
    Source(CellError),
    /// This disk.
    Own(Error),
}

impl From<Error> for CopyError {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

impl From<CellError> for CopyError {
    fn from(error: CellError) -> Self {
        Self::Source(error)
    }
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(mover: &'a Mover, layout: &'a Layout, moves: &'a [SlotMove]) -> Self {
        let mut coming: HashMap<_, Vec<&SlotMove>> = HashMap::new();
        for moving in moves {
            let slots = coming.entry((moving.profile, moving.pg)).or_default();
            slots.push(moving);
        }
        Self {
            mover,
            layout,
            moves,
            coming,
            silent: Mutex::default(),
        }
    }

    /// Goes through all blobs.
    pub(super) async fn take_in(&self) -> Result<(), MigrationError> {
        let mut busy = 0;
        let mut walk = BlobWalk::begin(&self.mover.client).await?;
        while let Some(page) = walk.next().await? {
            self.check_called(self.moves)?;
            busy += self.take_in_page(&page).await?;
        }
        match busy {
            0 => Ok(()),
            busy => Err(MigrationError::Busy(busy)),
        }
    }

    /// Takes in what a page of blobs has in the slots. Returns how much of it others are writing.
    async fn take_in_page(&self, page: &BlobPage) -> Result<usize, MigrationError> {
        let (group, blobs) = (page.group, &page.blobs);
        let (mut lacking, mut of_source) = (Vec::new(), Vec::new());
        for record in blobs.iter().filter(|blob| blob.state == BlobState::Live) {
            for coming in self.shards_of(record) {
                of_source.push(Debt {
                    disk: coming.from.id,
                    shard: coming.id,
                });
                if !self.mover.store.has(&coming.id)? {
                    lacking.push(coming);
                }
            }
        }
        let mut fetches = Vec::with_capacity(lacking.len());
        for coming in &lacking {
            fetches.push(async { (coming.id, self.fetch(coming).await) }.boxed());
        }
        let mut copies = stream::iter(fetches).buffer_unordered(AT_ONCE);
        let (mut copied, mut lost, mut busy) = (Vec::new(), Vec::new(), 0);
        while let Some((shard, came)) = copies.next().await {
            match came? {
                Came::Copied => copied.push(shard),
                Came::Here => {}
                Came::Lost => lost.push(Debt {
                    disk: self.mover.store.disk(),
                    shard,
                }),
                Came::Busy => busy += 1,
            }
        }
        self.note_lost(group, blobs, lost).await?;
        if busy == 0 {
            self.forgive(group, of_source).await?;
        }
        self.remove_garbage(page, &copied).await?;
        Ok(busy)
    }

    /// Breaks off when a newer layout has called some of these moves off.
    fn check_called(&self, moves: &[SlotMove]) -> Result<(), MigrationError> {
        let newest = self.mover.node.layout.load();
        let is_called = newest.is_some_and(|newest| {
            let present = &newest.migration.moves;
            let is_there = |moving: &SlotMove| {
                let at = present.binary_search_by_key(&moving.key(), SlotMove::key);
                at.is_ok_and(|at| present[at] == *moving)
            };
            moves.iter().all(is_there)
        });
        match is_called {
            true => Ok(()),
            false => Err(MigrationError::CalledOff),
        }
    }

    /// The shards of a blob that are in slots that come.
    fn shards_of<'b>(&'b self, record: &'b BlobRecord) -> impl Iterator<Item = Coming<'a>> + 'b {
        let profile = self.layout.profile(record.blob.profile);
        let chunks = profile.into_iter().flat_map(|profile| {
            let lengths = profile.chunk_lengths(record.blob.length_bytes);
            let chunks = record.blob.chunks().zip(lengths);
            chunks.map(move |(chunk, length)| (profile, chunk, length))
        });
        chunks.flat_map(move |(profile, chunk, length)| {
            let pg = self.layout.pg_of(profile, chunk);
            let slots = self.coming.get(&(profile.id, pg)).into_iter().flatten();
            slots.map(move |moving| Coming {
                id: ShardId {
                    chunk,
                    index: moving.slot,
                },
                geometry: profile.geometry(length),
                moving,
                from: self.layout.disk(moving.from),
            })
        })
    }

    /// Gets a shard, waiting for a disk that gives no answer, but not for ever.
    async fn fetch(&self, coming: &Coming<'_>) -> Result<Came, MigrationError> {
        let mut busy = 0;
        loop {
            if self.is_given_up(coming.from) {
                return Ok(Came::Lost);
            }
            self.mover.throttle.wait_to_begin().await;
            self.check_called(std::slice::from_ref(coming.moving))?;
            match self.copy(coming).await {
                Ok(()) => {
                    self.answers(coming.from);
                    return Ok(Came::Copied);
                }
                // An upload or a repair: soon it is there.
                Err(CopyError::Own(Error::Busy)) if busy < MAX_BUSY => {
                    busy += 1;
                    tokio::time::sleep(RETRY_PAUSE).await;
                    if self.mover.store.has(&coming.id)? {
                        return Ok(Came::Here);
                    }
                }
                Err(CopyError::Own(Error::Busy | Error::Conflict)) => return Ok(Came::Busy),
                Err(CopyError::Own(error)) => return Err(error.into()),
                Err(CopyError::Source(error)) => {
                    let shard = coming.id;
                    tracing::debug!(%shard, from = %coming.from.id, %error, "not copied");
                    match error {
                        CellError::Corrupt | CellError::Node(NodeError::NoSuchShard) => {
                            return Ok(Came::Lost);
                        }
                        CellError::Late(_) | CellError::Node(_) => self.is_silent(coming.from),
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Copies a shard, makes it durable, and reads it back.
    async fn copy(&self, coming: &Coming<'_>) -> Result<(), CopyError> {
        let store = &self.mover.store;
        let (id, geometry) = (coming.id, coming.geometry);
        let nodes = self.mover.nodes(self.layout);
        let from = Target::on_disk(self.layout, coming.from, fresh_request());
        let open = CellStream::open(&nodes, &from, id, geometry, 0..geometry.stripes());
        let mut cells = patiently(open).await?;
        let descriptor = ShardDescriptor {
            id,
            ..cells.descriptor()?
        };
        let mut writer = store.begin(descriptor).await?;
        for stripe in 0..geometry.stripes() {
            let bytes = geometry.cell_len(stripe) as u64;
            self.mover.throttle.take(bytes).await;
            let (cell, hash) = patiently(cells.next_hashed()).await?;
            for piece in cell.iter() {
                writer.write(Bytes::as_ref(piece)).await?;
            }
            writer.write(&hash).await?;
        }
        writer.finish().await?;
        match store.verify(id).await? {
            Verdict::Damaged => return Err(store.distrust().into()),
            // Gone: its blob was collected meanwhile.
            Verdict::Good { .. } | Verdict::Gone => {}
        }
        let bytes = geometry.payload_len();
        metrics::counter!("riquet_node_moved_shards_total").increment(1);
        metrics::counter!("riquet_node_moved_bytes_total").increment(bytes);
        self.mover.report().note(|report| {
            report.copied_shards += 1;
            report.copied_bytes += bytes;
            report.present_bytes += bytes;
        });
        die_at("node::migration::stored");
        Ok(())
    }

    async fn note_lost(
        &self,
        group: GroupId,
        blobs: &[BlobRecord],
        lost: Vec<Debt>,
    ) -> Result<(), MigrationError> {
        let client = &self.mover.client;
        for debts in lost.chunks(NOTED_AT_ONCE) {
            let noted = client.owe_shards(group, debts.to_vec()).await?;
            self.mover
                .report()
                .note(|report| report.owed_shards += noted);
            // What the group does not owe is of blobs that are gone from it: removed, or moved with their
            // tablet while the page was being copied.
            let owed = client.are_owed(group, debts.to_vec()).await?;
            for (debt, _) in debts.iter().zip(owed).filter(|(_, is_owed)| !is_owed) {
                let blob = debt.shard.chunk.blob;
                let Some(record) = blobs.iter().find(|record| record.blob.id == blob) else {
                    continue;
                };
                if let Some(bucket) = client.bucket_by_id(record.bucket).await? {
                    let now = bucket.group_of(record.key.as_bytes());
                    if now != group {
                        client.owe_shards(now, vec![debt.clone()]).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Strikes what the disks that the slots come from are owed of them: it is here, or owed here.
    async fn forgive(&self, group: GroupId, debts: Vec<Debt>) -> Result<(), MigrationError> {
        let client = &self.mover.client;
        for debts in debts.chunks(NOTED_AT_ONCE) {
            let owed = client.are_owed(group, debts.to_vec()).await?;
            let owed = debts.iter().zip(owed).filter(|(_, is_owed)| *is_owed);
            let owed: Vec<Debt> = owed.map(|(debt, _)| debt.clone()).collect();
            if !owed.is_empty() {
                client.repay_debts(group, owed).await?;
            }
        }
        Ok(())
    }

    /// Removes copies of what became garbage since its page was read: its collector may have been here
    /// before them.
    async fn remove_garbage(
        &self,
        page: &BlobPage,
        copied: &[ShardId],
    ) -> Result<(), MigrationError> {
        if copied.is_empty() {
            return Ok(());
        }
        let blobs = page.again(&self.mover.client).await?;
        let dead: HashSet<BlobId> = blobs
            .iter()
            .filter(|record| record.state != BlobState::Live)
            .map(|record| record.blob.id)
            .collect();
        // Of what is not listed any more nothing follows: it may have moved to another group. If it was
        // collected, the sweep of orphans finds it.
        for shard in copied.iter().filter(|s| dead.contains(&s.chunk.blob)) {
            self.mover.store.delete(*shard).await?;
        }
        Ok(())
    }

    fn is_given_up(&self, disk: &Disk) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let since = silent.get(&disk.id);
        since.is_some_and(|since| since.elapsed() > PATIENCE)
    }

    /// Notes that a disk gave no answer. While its node is in maintenance, that says nothing of the disk:
    /// it is waited for.
    fn is_silent(&self, disk: &Disk) {
        let newest = self.mover.node.layout.load();
        let is_awaited = newest
            .as_ref()
            .and_then(|layout| layout.find_disk(disk.id))
            .is_some_and(|(_, node)| node.state == NodeState::Maintenance);
        if is_awaited {
            return self.answers(disk);
        }
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.entry(disk.id).or_insert_with(Instant::now);
    }

    /// Forgets that it gave none.
    fn answers(&self, disk: &Disk) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.remove(&disk.id);
    }
}

async fn patiently<T>(answer: impl Future<Output = Result<T, CellError>>) -> Result<T, CellError> {
    timeout(CELL_TIMEOUT, answer)
        .await
        .unwrap_or(Err(CellError::Late(CELL_TIMEOUT)))
}

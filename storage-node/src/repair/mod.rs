//! Repair: a node makes anew what its disks are owed.
//!
//! What a disk lost of what it had is found by comparison ([`losses`]) and noted as debts too.
//!
//! A commit that went on without a shard wrote down which disk is owed it. The disk's own node pays:
//! it alone stores there, so nobody else must be agreed with, and what it reads and writes is paced
//! by one rate. A shard is rebuilt from others of its chunk ([`rebuild`]), stored, and its debt struck.
//!
//! Each step may be repeated after a crash: a shard that is there already is not made again, and a
//! debt is struck only for a shard that is durable or that nothing needs.

mod backlog;
pub(crate) mod heirs;
mod losses;
mod rebuild;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use riquet_cluster::codecs::Codecs;
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::RequestId;
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::transport::Transport;
use riquet_metadata::record::{BlobRecord, BlobState, Debt};
use riquet_metadata::{BlobFate, Client, GroupId};

use crate::pace::Pace;
use crate::server::{DiskSlot, Node};
use backlog::{Owed, backlog};
pub use losses::find_losses;
use rebuild::{Rebuild, RebuildError, Turn};
pub use tally::Tally;

/// How long a node waits before it looks again whether its disks are owed anything.
const LOOK: Duration = Duration::from_secs(5);

/// Debts that are paid before any of them is struck: what a crash has looked at again.
const PAGE: u32 = 256;

/// Shards being rebuilt at once on a node: enough to hide the disks' and the network's latency.
/// Each holds a stripe.
const AT_ONCE: usize = 4;

/// Looks in a row at which nothing could be done but wait for neighbours, before the node goes on by
/// itself: a neighbour's disk may be full, or broken.
const PATIENT_LOOKS: u32 = 3;

/// Pays the debts to the disks of one node.
pub struct Repairer {
    client: Client,
    transport: Transport,
    node: Arc<Node>,
    codecs: Codecs,
    pace: Pace,
}

/// What became of a debt.
enum Settled {
    /// The shard is durable where it belongs, or nothing needs it: strike the debt.
    Paid(Debt),
    /// A neighbour is to make the shard.
    Neighbour,
    /// Not now.
    Left,
}

/// What came of a look at all debts.
#[derive(Debug, Default)]
struct Look {
    paid: usize,
    left_to_neighbours: usize,
}

impl Repairer {
    /// Repairs the disks of `node`, reading at most so many bytes a second.
    pub fn new(
        client: Client,
        transport: Transport,
        node: Arc<Node>,
        bytes_per_second: u64,
    ) -> Self {
        let load = Arc::clone(&node.load);
        Self {
            client,
            transport,
            node,
            codecs: Codecs::default(),
            pace: Pace::new(bytes_per_second, load),
        }
    }

    /// Looks for debts and pays them, until it is dropped.
    pub async fn run(self) {
        let mut waited = 0;
        loop {
            if let Some(layout) = self.node.layout.load() {
                let turn = match waited < PATIENT_LOOKS {
                    true => Turn::First,
                    false => Turn::Own,
                };
                match self.pay_all(&layout, turn).await {
                    Ok(look) if look.paid == 0 && look.left_to_neighbours > 0 => waited += 1,
                    Ok(_) => waited = 0,
                    Err(error) => tracing::debug!(%error, "debts can't be looked at"),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Pays what is owed now, the most urgent first.
    async fn pay_all(&self, layout: &Layout, turn: Turn) -> Result<Look, riquet_metadata::Error> {
        let mut look = Look::default();
        let mut backlog = backlog(&self.client, layout, &self.node).await?;
        while !backlog.is_empty() {
            let batch = backlog.split_off(backlog.len().saturating_sub(PAGE as usize));
            let settled: Vec<(GroupId, Settled)> = stream::iter(batch.into_iter().rev())
                .map(async |owed| {
                    let settled = self.settle(layout, turn, &owed).await;
                    (owed.group, settled)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            let mut paid: BTreeMap<GroupId, Vec<Debt>> = BTreeMap::new();
            for (group, settled) in settled {
                match settled {
                    Settled::Paid(debt) => paid.entry(group).or_default().push(debt),
                    Settled::Neighbour => look.left_to_neighbours += 1,
                    Settled::Left => {}
                }
            }
            for (group, debts) in paid {
                die_at("node::repair::stored");
                look.paid += debts.len();
                self.client.repay_debts(group, debts).await?;
            }
        }
        Ok(look)
    }

    async fn settle(&self, layout: &Layout, turn: Turn, owed: &Owed) -> Settled {
        let (group, debt) = (owed.group, owed.debt.clone());
        let Some(blob) = &owed.blob else {
            return Settled::Paid(debt);
        };
        let Some(DiskSlot::Open(store)) = self.node.disks.get(&debt.disk) else {
            return Settled::Left;
        };
        let rebuild = Rebuild {
            nodes: NodeClient::new(self.transport.clone(), layout.cluster).in_background(),
            layout,
            codecs: &self.codecs,
            pace: &self.pace,
            tally: &self.node.repaired,
            request: RequestId::from_u128(rand::random()),
            turn,
        };
        match rebuild.shard(store, debt.shard, &blob.blob).await {
            Ok(()) => {}
            Err(RebuildError::Neighbour) => return Settled::Neighbour,
            Err(RebuildError::Elsewhere) => return self.pass_on(layout, group, debt).await,
            Err(error) => {
                self.node.repaired.failed();
                tracing::warn!(shard = %debt.shard, disk = %debt.disk, %error, "not repaired");
                return Settled::Left;
            }
        }
        // Its blob may have become garbage since the page was read. The collector may have removed
        // its shards before this one came, and would not look here again.
        match self.client.blob(group, debt.shard.chunk.blob).await {
            Ok(Some(blob)) if is_live(&blob) => return Settled::Paid(debt),
            Ok(Some(_)) => {}
            // Collected already, or moved to another group with its tablet, and the debt with it.
            Ok(None) => {
                let fate = self
                    .client
                    .abort_blob(blob.bucket, &blob.key, debt.shard.chunk.blob);
                match fate.await {
                    Ok(BlobFate::Aborted) => {}
                    Ok(BlobFate::Committed | BlobFate::OlderThanRecords) | Err(_) => {
                        return Settled::Left;
                    }
                }
            }
            Err(_) => return Settled::Left,
        }
        match store.delete(debt.shard).await {
            Ok(_) => Settled::Paid(debt),
            Err(error) => {
                tracing::warn!(shard = %debt.shard, %error, "a needless shard stays");
                Settled::Left
            }
        }
    }

    /// Notes a shard as owed to the disk that the layout has it on now, and no more to the one that it
    /// was owed to: its slot moved.
    async fn pass_on(&self, layout: &Layout, group: GroupId, debt: Debt) -> Settled {
        let Debt { disk, shard } = debt.clone();
        let Ok(Some(record)) = self.client.blob(group, shard.chunk.blob).await else {
            return Settled::Left;
        };
        let Some(now) = record.blob.disk_of(layout, shard) else {
            return Settled::Left;
        };
        if now == disk {
            // A newer layout has it here again.
            return Settled::Left;
        }
        let passed_on = vec![Debt { disk: now, shard }];
        let owe = async {
            self.client.owe_shards(group, passed_on.clone()).await?;
            self.client.are_owed(group, passed_on).await
        };
        match owe.await {
            Ok(owed) if owed == [true] => Settled::Paid(debt),
            // Its blob is gone, and the debt with it, or moved with its tablet, and will be met there.
            Ok(_) => Settled::Left,
            Err(error) => {
                tracing::debug!(%shard, %error, "not passed on");
                Settled::Left
            }
        }
    }
}

/// Whether its shards are needed.
fn is_live(blob: &BlobRecord) -> bool {
    blob.state == BlobState::Live
}

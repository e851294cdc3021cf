//! Migration: a disk takes in the shards of slots that come to it, and gives up those of slots that left.
//!
//! The layout says which slots move (`riquet_cluster::layout::migration`); each disk's own node does the
//! work, as with repair: it alone stores there. What comes is copied and read back ([`arrivals`]); what
//! can't be copied is made owed, so that repair makes it of other shards. When all that a slot should have
//! is here or owed, the node commits the layout in which the move is over, and the next ones begin. What
//! left is removed only when the disk that it belongs on says that it holds it ([`departures`]).
//!
//! One task per disk does both, one after the other: so nothing is removed from a disk while it is counted
//! as being there.

mod arrivals;
mod departures;
mod settlement;
mod throttle;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use riquet_cluster::id::{Epoch, RequestId};
use riquet_cluster::layout::{Layout, SlotMove};
use riquet_cluster::node_client::NodeClient;
use riquet_metadata::Client;

use crate::error::Error;
use crate::server::Node;
use crate::store::{DiskHealth, ShardStore};
use crate::upkeep::Moves;
use arrivals::Arrivals;
use departures::{Left, Walk};
use throttle::Throttle;

/// How long a disk waits for another layout before it looks again whether something is left to do.
const LOOK: Duration = Duration::from_secs(10);

/// How long shards of uploads under way are left before it is looked again whether they were committed.
const ORPHANS_LOOK: Duration = Duration::from_secs(60);

/// Why nothing moves for now. It is tried again.
#[derive(Debug, thiserror::Error)]
enum MigrationError {
    /// The disk takes no writes.
    #[error("the disk takes no writes")]
    Unwritable,
    /// Others are writing the same shards.
    #[error("{0} shards are being written by others")]
    Busy(usize),
    /// A newer layout has other moves.
    #[error("the layout has changed")]
    CalledOff,
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The metadata could not be asked.
    #[error(transparent)]
    Metadata(#[from] riquet_metadata::Error),
}

/// Moves the shards of one disk.
pub(crate) struct Mover {
    client: Client,
    node: Arc<Node>,
    store: Arc<ShardStore>,
    throttle: Arc<Throttle>,
}

impl Mover {
    /// The movers of a node's disks share a rate.
    pub(crate) fn throttle(node: &Arc<Node>) -> Arc<Throttle> {
        Arc::new(Throttle::new(Arc::clone(node)))
    }

    /// A mover of one disk.
    pub(crate) fn new(
        client: Client,
        node: Arc<Node>,
        store: Arc<ShardStore>,
        throttle: Arc<Throttle>,
    ) -> Self {
        Self {
            client,
            node,
            store,
            throttle,
        }
    }

    /// Takes in and gives up, until it is dropped.
    pub(crate) async fn run(self) {
        let report = self.report();
        // The last layout by which nothing was left to give up, and whether orphans were.
        let mut given_up: Option<Epoch> = None;
        let mut orphans_seen: Option<Instant> = None;
        let mut walk = Walk::default();
        loop {
            let layout = self.node.layout.load();
            let epoch = layout.as_ref().map(|layout| layout.epoch);
            if let Some(layout) = layout {
                let moves = layout.moves_to(self.store.disk()).copied().collect();
                let moved = self.take_in(&layout, moves).boxed().await;
                // Taking in may have taken long.
                let layout = self.node.layout.load().unwrap_or(layout);
                let is_due = orphans_seen.is_some_and(|at| at.elapsed() > ORPHANS_LOOK);
                let has_strays = report.takes_strays();
                let left = match given_up == Some(layout.epoch) && !is_due && !has_strays {
                    true => Ok(0),
                    false => {
                        let left = self.give_up(&layout, &mut walk).boxed().await;
                        if let Ok(left) = &left {
                            orphans_seen = (left.orphans > 0).then(Instant::now);
                        }
                        left.map(|left| left.waiting)
                    }
                };
                if matches!(left, Ok(0)) {
                    given_up = Some(layout.epoch);
                }
                let error = moved.err().or_else(|| left.as_ref().err().cloned());
                if let Some(error) = &error {
                    tracing::debug!(disk = %self.store.disk(), error, "not all is moved");
                }
                report.note(|report| {
                    report.error = error;
                    report.to_leave = left.unwrap_or(report.to_leave);
                });
            }
            let strays = report.strays();
            tokio::select! {
                () = self.node.layout.changed_from(epoch, LOOK) => {}
                () = strays => {}
            }
        }
    }

    /// Takes in what comes to the disk, and has the moves settled.
    async fn take_in(&self, layout: &Layout, moves: Vec<SlotMove>) -> Result<(), String> {
        let report = self.report();
        report.note(|report| {
            report.slots = moves.len() as u64;
            if moves.is_empty() {
                report.present_bytes = 0;
                if layout.migration.rebalance.is_none() {
                    report.owed_shards = 0;
                }
            }
        });
        if moves.is_empty() {
            return Ok(());
        }
        let take_in = async {
            if self.store.health() != DiskHealth::Online {
                return Err(MigrationError::Unwritable);
            }
            Arrivals::new(self, layout, &moves).take_in().await?;
            self.settle(&moves, report.report().present_bytes).await?;
            report.note(|report| report.present_bytes = 0);
            Ok(())
        };
        take_in.await.map_err(|error| error.to_string())
    }

    /// Gives up what the layout has elsewhere. Returns what could not go yet.
    async fn give_up(&self, layout: &Layout, walk: &mut Walk) -> Result<Left, String> {
        departures::give_up(self, layout, walk)
            .await
            .map_err(|error| error.to_string())
    }

    /// How it stands, for operators.
    fn report(&self) -> &Moves {
        &self.node.upkeep[&self.store.disk()].moves
    }

    /// Asks other disks for what they hold themselves.
    fn nodes(&self, layout: &Layout) -> NodeClient {
        let transport = self.node.transport.clone();
        NodeClient::new(transport, layout.cluster)
            .in_background()
            .locally()
    }
}

fn fresh_request() -> RequestId {
    RequestId::from_u128(rand::random())
}

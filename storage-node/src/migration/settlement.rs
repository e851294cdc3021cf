//! Commits the layout in which moves are over.

use riquet_cluster::clock::now_ms;
use riquet_cluster::failpoint::die_at;
use riquet_cluster::layout::SlotMove;
use riquet_metadata::Error as MetadataError;

use super::{MigrationError, Mover};

impl Mover {
    /// Has these moves to the disk, of which everything is here or owed, be over. Some may be so already,
    /// or be called off. Others that change the layout at the same time only make it be tried again.
    pub(super) async fn settle(
        &self,
        moves: &[SlotMove],
        copied_bytes: u64,
    ) -> Result<(), MigrationError> {
        die_at("node::migration::copied");
        let disk = self.store.disk();
        loop {
            let layout = self.client.cluster().await?.layout;
            let Some(next) = layout.settle(disk, moves, copied_bytes) else {
                return Ok(());
            };
            let settled = layout.migration.moves.len() - next.migration.moves.len();
            let what = match &next.migration.rebalance {
                None if next.migration.moves.is_empty() => {
                    format!("slots settled on disk {disk}; nothing moves any more")
                }
                _ => format!("slots settled on disk {disk}"),
            };
            tracing::debug!(%disk, settled, epoch = %next.epoch, "moves settle");
            let next = next.noted(now_ms(), &self.node.settings.name, what);
            match self.client.put_layout(next).await {
                Ok(()) => return Ok(()),
                Err(MetadataError::LayoutConflict { .. } | MetadataError::Uncertain) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

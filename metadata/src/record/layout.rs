//! What is remembered of layouts that were replaced.

use minicbor::{Decode, Encode};
use riquet_cluster::layout::{ChangeNote, Layout};

use crate::codec::Record;
use crate::id::Epoch;

/// A version of the layout, in short.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LayoutChange {
    /// Its epoch.
    #[n(0)]
    pub epoch: Epoch,
    /// What made it of the one before; none: it is the first, or nobody said.
    #[n(1)]
    pub change: Option<ChangeNote>,
    /// Nodes that it had.
    #[n(2)]
    pub nodes: u32,
    /// Disks that it had.
    #[n(3)]
    pub disks: u32,
    /// Slots that moved.
    #[n(4)]
    pub moving: u32,
    /// Slots that had yet to begin to move.
    #[n(5)]
    pub to_go: u32,
}

impl LayoutChange {
    /// What is remembered of a layout.
    pub fn of(layout: &Layout) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            epoch: layout.epoch,
            change: layout.change.clone(),
            nodes: count(layout.present_nodes().count()),
            disks: count(layout.present_disks().count()),
            moving: count(layout.migration.moves.len()),
            to_go: count(layout.slots_to_go()),
        }
    }
}

impl Record for LayoutChange {
    const VERSION: u8 = 1;
}

//! The rate at which the disks of a node take shards in: as operators set it in the layout, by the hour.

use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::clock::now_ms;

use crate::pace::Pace;
use crate::server::Node;

/// How long a window in which nothing moves is believed: it ends by the clock.
const STANDSTILL_LOOK: Duration = Duration::from_secs(5);

/// How fast what has begun goes on when nothing is to move any more.
const FINISHING_BYTES_PER_SECOND: u64 = 1 << 20;

/// Lets bytes through at the layout's pace, and slower while users wait.
pub(crate) struct Throttle {
    node: Arc<Node>,
    pace: Pace,
}

impl Throttle {
    pub(super) fn new(node: Arc<Node>) -> Self {
        let pace = Pace::new(u64::MAX, Arc::clone(&node.load));
        Self { node, pace }
    }

    /// Whether nothing is to move now.
    pub(super) fn is_standstill(&self) -> bool {
        self.rate() == 0
    }

    /// Waits for as long as nothing is to move. What has begun goes on: it holds memory and connections.
    pub(super) async fn wait_to_begin(&self) {
        while self.is_standstill() {
            let epoch = self.node.layout.load().map(|layout| layout.epoch);
            self.node.layout.changed_from(epoch, STANDSTILL_LOOK).await;
        }
    }

    /// Waits for the turn of so many bytes.
    pub(super) async fn take(&self, bytes: u64) {
        let rate = match self.rate() {
            0 => FINISHING_BYTES_PER_SECOND,
            rate => rate,
        };
        self.pace.take_at(bytes, rate).await;
    }

    /// Bytes per second now.
    fn rate(&self) -> u64 {
        let layout = self.node.layout.load();
        layout.map_or(0, |layout| layout.migration.pace.rate_at(now_ms()))
    }
}

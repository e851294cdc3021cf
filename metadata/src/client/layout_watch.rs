//! The layout, kept current in the background.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use riquet_cluster::layout::Layout;
use tokio::sync::watch;

use super::Client;
use crate::error::Error;
use crate::id::Epoch;
use crate::query::SystemQuery;

/// Pause after a poll that failed: its own retries took their time already.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// The newest layout known. Follows the control group until it is dropped.
pub struct LayoutWatch {
    layout: Arc<ArcSwap<Layout>>,
    epoch: watch::Receiver<Epoch>,
    task: tokio::task::JoinHandle<()>,
}

impl LayoutWatch {
    /// Fetches the layout and follows it from there.
    ///
    /// # Errors
    /// When the first fetch fails.
    pub async fn start(client: Client) -> Result<Self, Error> {
        let first = client.cluster().await?.layout;
        let (newest, epoch) = watch::channel(first.epoch);
        let layout = Arc::new(ArcSwap::from_pointee(first));
        let task = tokio::spawn(follow(client, layout.clone(), newest));
        Ok(Self {
            layout,
            epoch,
            task,
        })
    }

    /// The newest layout known.
    pub fn load(&self) -> Arc<Layout> {
        self.layout.load_full()
    }

    /// The layout's cell, for those who read it often.
    pub fn shared(&self) -> Arc<ArcSwap<Layout>> {
        self.layout.clone()
    }

    /// Follows the epoch: changes after [`LayoutWatch::load`] shows the new layout.
    pub fn epochs(&self) -> watch::Receiver<Epoch> {
        self.epoch.clone()
    }
}

impl Drop for LayoutWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(client: Client, layout: Arc<ArcSwap<Layout>>, newest: watch::Sender<Epoch>) {
    loop {
        let known = *newest.borrow();
        let query = SystemQuery::WaitLayout {
            newer_than: Some(known),
        };
        match client.cluster_of(query).await {
            Ok(cluster) if cluster.layout.epoch > known => {
                let epoch = cluster.layout.epoch;
                layout.store(Arc::new(cluster.layout));
                newest.send_replace(epoch);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, %known, "the layout could not be followed");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

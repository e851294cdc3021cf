//! What a node knows of the cluster: its id and its newest layout's epoch.
//!
//! A node serves before it has heard of any layout: a cluster is bootstrapped through nodes that
//! run already. Until then nothing is newer than a request.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use http::header::HeaderMap;
use riquet_cluster::id::{ClusterId, DiskId, Epoch};
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::shard::{CLUSTER, EPOCH, ErrorCode, ShardDescriptor};
use riquet_metadata::{Client, LayoutWatch};

use super::answer::Refusal;

/// Pause between attempts to learn the first layout.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// The layout as far as a storage node is concerned.
#[derive(Default)]
pub struct NodeLayout {
    watch: OnceLock<LayoutWatch>,
}

impl NodeLayout {
    /// Learns the layout from the metadata nodes, however long that takes, and follows it from then on.
    pub async fn follow(&self, client: Client) {
        loop {
            match LayoutWatch::start(client.clone()).await {
                Ok(watch) => {
                    tracing::info!(epoch = %watch.load().epoch, "following the layout");
                    // Only this function sets it, and it is called once.
                    let _ = self.watch.set(watch);
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "no layout yet");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// The newest layout that was heard of.
    pub(crate) fn load(&self) -> Option<Arc<Layout>> {
        Some(self.watch.get()?.load())
    }

    /// Cluster and epoch, once known.
    pub(super) fn known(&self) -> Option<(ClusterId, Epoch)> {
        let layout = self.load()?;
        Some((layout.cluster, layout.epoch))
    }

    /// Refuses requests of other clusters.
    pub(super) fn check_cluster(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some((cluster, _)) = self.known() else {
            return Ok(());
        };
        let theirs = text(headers, CLUSTER).and_then(|text| text.parse().ok());
        if theirs != Some(cluster) {
            return Err(Refusal::malformed(format!(
                "this node is of cluster {cluster}"
            )));
        }
        Ok(())
    }

    /// Refuses a shard that was placed by an older layout than the node's, unless that has it on this
    /// disk too, or coming from it: then whoever takes the slot in finds the shard here.
    pub(super) fn check_place(
        &self,
        headers: &HeaderMap,
        disk: DiskId,
        shard: &ShardDescriptor,
    ) -> Result<(), Refusal> {
        let theirs = text(headers, EPOCH)
            .and_then(|text| text.parse().ok())
            .map(Epoch)
            .ok_or_else(|| Refusal::malformed("no layout epoch"))?;
        match self.load() {
            Some(layout)
                if theirs < layout.epoch
                    && !layout.holds(disk, shard.profile, shard.pg, shard.id.index) =>
            {
                let why = format!("layout epoch {} has it elsewhere", layout.epoch);
                Err(Refusal::new(ErrorCode::NewerLayout, why))
            }
            _ => Ok(()),
        }
    }

    /// Waits until there is another layout than this one, or so long.
    pub(crate) async fn changed_from(&self, known: Option<Epoch>, at_most: Duration) {
        let Some(watch) = self.watch.get() else {
            return tokio::time::sleep(at_most).await;
        };
        let mut epochs = watch.epochs();
        let changed = async move {
            while Some(*epochs.borrow_and_update()) == known && epochs.changed().await.is_ok() {}
        };
        // Whether it changed or not, the caller looks.
        let _ = tokio::time::timeout(at_most, changed).await;
    }

    /// Puts the node's epoch on an answer.
    pub(super) fn stamp(&self, headers: &mut HeaderMap) {
        if let Some((_, epoch)) = self.known() {
            headers.insert(EPOCH, HeaderValue::from(epoch.0));
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

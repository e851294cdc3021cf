//! Which chunks could lose least before something is lost.

use riquet_cluster::layout::Layout;
use riquet_metadata::client::Lacking;
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use crate::error::Error;

/// Shards that are looked at, at most.
const LOOKED_AT: usize = 2_000_000;

/// Chunks that lack as many shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Risk {
    /// Shards that such a chunk can lose besides, and still be read.
    pub(super) spare: usize,
    /// Shards that it lacks.
    pub(super) lacking: usize,
    /// How many such chunks there are.
    pub(super) chunks: u64,
}

/// What is at risk, the most urgent first, and whether all debts were looked at.
pub(super) async fn risks(client: &Client, layout: &Layout) -> Result<(Vec<Risk>, bool), Error> {
    let mut lacking = Lacking::default();
    let mut is_whole = true;
    for group in GroupId::keys(client.cluster().await?.key_groups) {
        let at_most = LOOKED_AT.saturating_sub(lacking.shards());
        is_whole &= lacking.look(client, group, at_most).await?;
    }
    let counts = lacking.by_spare(layout).into_iter();
    let risks = counts.map(|(at, chunks)| Risk {
        spare: at.spare,
        lacking: at.lacking,
        chunks,
    });
    Ok((risks.collect(), is_whole))
}

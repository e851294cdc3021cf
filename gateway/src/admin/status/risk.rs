//! What is owed to disks, and which chunks could lose least.

use riquet_cluster::admin::Risk;
use riquet_cluster::layout::Layout;
use riquet_metadata::client::Lacking;
use riquet_metadata::{Client, Error, GroupId};

/// Debts of each group whose chunks are looked at: a look is to take no more than a second. `riquet repair
/// status` looks at all.
const LOOKED_AT: usize = 5000;

/// Counts what is owed.
pub(super) async fn risk(
    metadata: &Client,
    layout: &Layout,
    key_groups: u32,
) -> Result<Risk, Error> {
    let counts = metadata.debt_counts().await?;
    let mut risk = Risk {
        owed_shards: counts.iter().map(|count| count.shards).sum(),
        is_complete: true,
        ..Risk::default()
    };
    if risk.owed_shards == 0 {
        return Ok(risk);
    }
    let mut lacking = Lacking::default();
    for group in GroupId::keys(key_groups) {
        risk.is_complete &= lacking.look(metadata, group, LOOKED_AT).await?;
    }
    let by_spare = lacking.by_spare(layout);
    risk.chunks = by_spare.values().sum();
    let most = by_spare.keys().map(|at| at.lacking).max().unwrap_or(0);
    risk.most_of_a_chunk = u32::try_from(most).unwrap_or(u32::MAX);
    let worst = by_spare.keys().next();
    risk.spare_of_worst = worst.map(|at| u32::try_from(at.spare).unwrap_or(u32::MAX));
    Ok(risk)
}

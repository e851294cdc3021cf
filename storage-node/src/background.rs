//! The background work of a node: what keeps its disks, and the groups it leads, in order.

use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::id::DiskId;
use riquet_cluster::transport::Transport;
use riquet_metadata::raft::RaftHost;
use riquet_metadata::{Client, GroupId};
use tokio::task::JoinSet;

use crate::garbage::{Collector, Sweeper, Swept, remove_left_behind};
use crate::migration::Mover;
use crate::pace::Pace;
use crate::repair::{Repairer, find_losses, heirs};
use crate::scrub::Scrubber;
use crate::server::{DiskSlot, Node};
use crate::store::{Progress, ShardStore};
use riquet_cluster::clock::now_ms;

/// How often a disk's node looks for what the disk was to remove.
const REMOVALS_LOOK: Duration = Duration::from_secs(15);

/// How often a disk looks for a segment that is worth compaction.
const COMPACTION_LOOK: Duration = Duration::from_secs(10);

/// How often a disk is swept of what has come of age.
const SWEEP_LOOK: Duration = Duration::from_secs(60);

/// How often a disk is swept whole. A shard that comes late, when its blob is garbage already, is
/// found only so.
const SWEEP_ALL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Starts it all; it ends when the set is dropped.
pub(crate) fn start(
    node: &Arc<Node>,
    client: &Client,
    transport: &Transport,
    host: Option<&Arc<RaftHost>>,
) -> JoinSet<()> {
    let mut work = JoinSet::new();
    let rate = node.settings.repair_bytes_per_second;
    let repairer = Repairer::new(client.clone(), transport.clone(), Arc::clone(node), rate);
    work.spawn(repairer.run());
    work.spawn(remove_all_left_behind(client.clone(), Arc::clone(node)));
    let throttle = Mover::throttle(node);
    for (disk, slot) in &node.disks {
        if let DiskSlot::Open(store) = slot {
            let (node, store) = (|| Arc::clone(node), || Arc::clone(store));
            work.spawn(compact(node(), *disk, store()));
            work.spawn(sweep(client.clone(), node(), *disk, store()));
            work.spawn(find_losses(client.clone(), node(), *disk, store()));
            let mover = Mover::new(client.clone(), node(), store(), Arc::clone(&throttle));
            work.spawn(mover.run());
            let scrubber = Arc::new(Scrubber {
                client: client.clone(),
                transport: transport.clone(),
                node: node(),
                disk: *disk,
                store: store(),
            });
            work.spawn(Arc::clone(&scrubber).run());
            work.spawn(scrubber.check_suspects());
        }
    }
    if let Some(host) = host {
        let grace = Duration::from_secs(node.settings.garbage_grace_seconds);
        let collector = Collector::new(client.clone(), transport.clone(), grace);
        let layout = || {
            let node = Arc::clone(node);
            move || node.layout.load()
        };
        let leads = || {
            let host = Arc::clone(host);
            move |group: GroupId| host.leads(group)
        };
        work.spawn(collector.run(layout(), leads()));
        work.spawn(heirs::pass_on(client.clone(), layout(), leads()));
    }
    work
}

async fn remove_all_left_behind(client: Client, node: Arc<Node>) {
    loop {
        if let Ok(cluster) = client.cluster().await {
            for (disk, slot) in &node.disks {
                let DiskSlot::Open(store) = slot else {
                    continue;
                };
                let removed = remove_left_behind(&client, cluster.key_groups, *disk, store).await;
                if let Err(error) = removed {
                    tracing::debug!(%disk, %error, "garbage of the disk can't be looked at");
                }
            }
        }
        tokio::time::sleep(REMOVALS_LOOK).await;
    }
}

/// Gives back the room of what was removed, segment after segment.
async fn compact(node: Arc<Node>, disk: DiskId, store: Arc<ShardStore>) {
    let rate = node.settings.compaction_bytes_per_second;
    let pace = Pace::new(rate, Arc::clone(&node.load));
    loop {
        match store.compact_once(|bytes| pace.take(bytes)).await {
            Ok(Some(done)) => {
                for shard in &done.damaged {
                    node.upkeep[&disk].suspects.add(*shard);
                }
                metrics::counter!("riquet_node_compacted_bytes_total").increment(done.moved_bytes);
                if done.freed_bytes > 0 {
                    metrics::counter!("riquet_node_freed_bytes_total").increment(done.freed_bytes);
                    continue;
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%disk, %error, "not compacted"),
        }
        tokio::time::sleep(COMPACTION_LOOK).await;
    }
}

/// Sweeps a disk of orphans whenever some have come of age, or somebody asks.
async fn sweep(client: Client, node: Arc<Node>, disk: DiskId, store: Arc<ShardStore>) {
    let usual_age = Duration::from_secs(node.settings.orphan_age_seconds);
    let sweeper = Sweeper::new(client);
    let job = &node.upkeep[&disk].sweep;
    loop {
        let asked = job.wait(SWEEP_LOOK).await;
        let (progress, now_ms) = (store.progress(), now_ms());
        let is_due = now_ms >= progress.swept_all_ms + SWEEP_ALL.as_millis() as u64;
        let is_whole = asked.is_some() || is_due;
        let age = asked.unwrap_or(usual_age);
        let before_ms = now_ms.saturating_sub(age.as_millis() as u64);
        let from_ms = if is_whole {
            0
        } else {
            progress.swept_before_ms
        };
        job.begin();
        let note = |swept: &Swept| {
            job.count(swept.looked_at, swept.removed, swept.unjudged);
        };
        let outcome = sweeper.sweep(&store, from_ms, before_ms, note).await;
        let outcome = match outcome {
            Ok(swept) => {
                let noted = store.note_progress(|progress: &mut Progress| {
                    progress.swept_before_ms = swept.before_ms;
                    if is_whole {
                        progress.swept_all_ms = now_ms;
                    }
                });
                noted.await.map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            tracing::debug!(%disk, %error, "not swept");
        }
        job.end(outcome);
    }
}

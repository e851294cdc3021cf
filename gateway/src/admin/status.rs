//! How the cluster is, in words first.

mod groups;
mod health;
mod risk;

use std::collections::BTreeSet;

use riquet_cluster::admin::{Capacity, ClusterStatus, DiskView, RebalanceStatus, SiteView, Work};
use riquet_cluster::clock::now_ms;
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::health::ONLINE;

use super::changes::nodes;
use super::error::AdminError;
use super::layout::{disk_views, node_views};
use super::survey::Survey;
use crate::gateway::Gateway;

/// How the cluster is.
pub(super) async fn status(gateway: &Gateway) -> Result<ClusterStatus, AdminError> {
    let cluster = gateway.metadata.cluster().await?;
    let layout = &cluster.layout;
    let client = nodes(gateway, layout);
    let (survey, groups, risk) = tokio::join!(
        Survey::of(&client, layout),
        groups::groups(&gateway.metadata, cluster.key_groups),
        risk::risk(&gateway.metadata, layout, cluster.key_groups),
    );
    let risk = risk?;
    let (nodes, disks) = (node_views(layout, &survey), disk_views(layout, &survey));
    let rebalance = rebalance_of(layout, &survey);
    let is_moving = rebalance.state != IDLE || rebalance.to_leave > 0;
    let mut status = ClusterStatus {
        cluster: cluster.cluster,
        epoch: layout.epoch,
        health: health::unknown(),
        sites: sites(layout, &nodes, &disks),
        capacity: capacity(layout, &disks),
        links: survey.links(),
        groups,
        risk,
        work: work(layout, &survey),
        rebalance: is_moving.then_some(rebalance),
        nodes,
        disks,
    };
    status.health = health::judge(layout, &status);
    Ok(status)
}

/// How the rebalance stands.
pub(super) async fn rebalance(gateway: &Gateway) -> Result<RebalanceStatus, AdminError> {
    let layout = gateway.metadata.cluster().await?.layout;
    let survey = Survey::of(&nodes(gateway, &layout), &layout).await;
    Ok(rebalance_of(&layout, &survey))
}

/// What a rebalance is called when there is none.
const IDLE: &str = "idle";

fn rebalance_of(layout: &Layout, survey: &Survey) -> RebalanceStatus {
    let migration = &layout.migration;
    let rate = migration.pace.rate_at(now_ms());
    let state = match (&migration.rebalance, migration.moves.is_empty()) {
        (None, true) => IDLE,
        _ if migration.pace.is_paused => "paused",
        _ if rate == 0 => "waiting",
        (None, false) => "turning back",
        (Some(_), _) => "running",
    };
    let sum = |figure: fn(&riquet_cluster::wire::upkeep::MoveReport) -> u64| -> u64 {
        survey.upkeep().map(|disk| figure(&disk.moves)).sum()
    };
    // The disks of a node share its rate.
    let takes_in = survey.upkeep().filter(|disk| disk.moves.slots > 0);
    let takes_in = takes_in.filter_map(|disk| Some(&layout.find_disk(disk.disk)?.1.name));
    let takes_in = takes_in.collect::<BTreeSet<_>>().len() as u64;
    let troubles = survey.upkeep().filter_map(|disk| {
        let error = disk.moves.error.as_ref()?;
        Some(format!("disk {}: {error}", disk.disk))
    });
    let rebalance = migration.rebalance.as_ref();
    RebalanceStatus {
        state: state.to_owned(),
        begun_ms: rebalance.map(|rebalance| rebalance.begun_ms),
        planned_slots: rebalance.map_or(0, |rebalance| rebalance.planned_slots),
        settled_slots: rebalance.map_or(0, |rebalance| rebalance.settled_slots),
        moving_slots: migration.moves.len() as u64,
        slots_to_go: layout.slots_to_go() as u64,
        planned_bytes: rebalance.map_or(0, |rebalance| rebalance.planned_bytes),
        moved_bytes: rebalance.map_or(0, |rebalance| rebalance.moved_bytes)
            + sum(|moves| moves.present_bytes),
        owed_shards: sum(|moves| moves.owed_shards),
        to_leave: sum(|moves| moves.to_leave),
        pace: migration.pace.clone(),
        bytes_per_second: rate.saturating_mul(takes_in),
        troubles: troubles.collect(),
    }
}

fn sites(
    layout: &Layout,
    nodes: &[riquet_cluster::admin::NodeView],
    disks: &[DiskView],
) -> Vec<SiteView> {
    let view = |site: &riquet_cluster::layout::Site| {
        let nodes = nodes.iter().filter(|node| node.site == site.name);
        let disks: Vec<&DiskView> = disks.iter().filter(|disk| disk.site == site.name).collect();
        let up = disks.iter().filter(|disk| disk.health == ONLINE);
        SiteView {
            name: site.name.clone(),
            nodes_up: nodes.clone().filter(|node| node.is_up).count() as u32,
            nodes: nodes.count() as u32,
            disks_up: up.count() as u32,
            disks: disks.len() as u32,
            capacity: room(disks.into_iter()),
        }
    };
    layout.sites.iter().map(view).collect()
}

/// Room of some disks; what objects could have of it is the whole cluster's.
fn room<'a>(disks: impl Iterator<Item = &'a DiskView>) -> Capacity {
    disks.fold(Capacity::default(), |sum, disk| Capacity {
        raw_bytes: sum.raw_bytes + disk.total_bytes,
        used_bytes: sum.used_bytes + disk.used_bytes,
        free_bytes: sum.free_bytes + disk.free_bytes,
        usable_bytes: 0,
    })
}

/// Room of all disks. Objects of the standard class could have what the smaller site holds of it, as each
/// site has as many shards of every chunk.
fn capacity(layout: &Layout, disks: &[DiskView]) -> Capacity {
    let profile = layout.standard_profile();
    let of_site = |site: &riquet_cluster::profile::SiteId| -> u64 {
        let name = &layout.sites[usize::from(site.0)].name;
        let disks = disks.iter().filter(|disk| disk.site == *name);
        disks.map(|disk| disk.total_bytes).sum()
    };
    let smallest = profile.sites.iter().map(of_site).min().unwrap_or(0);
    let usable = smallest / u64::from(profile.per_site) * u64::from(profile.data);
    Capacity {
        usable_bytes: usable,
        ..room(disks.iter())
    }
}

fn work(layout: &Layout, survey: &Survey) -> Vec<Work> {
    let mut work = Vec::new();
    for of_disk in survey.upkeep() {
        let Some((_, node)) = layout.find_disk(of_disk.disk) else {
            continue;
        };
        for (kind, report) in &of_disk.jobs {
            work.push(Work {
                disk: of_disk.disk,
                node: node.name.clone(),
                job: kind.word().to_owned(),
                is_running: report.running,
                looked_at: report.looked_at,
                found: report.found,
                done_ms: report.done_ms,
                error: report.error.clone(),
            });
        }
    }
    work
}

//! The layout, and what it was.

use riquet_cluster::admin::{DiskView, History, LayoutView, NodeView, PastLayout, ProfileView};
use riquet_cluster::id::Epoch;
use riquet_cluster::layout::{Disk, DiskIndex, Layout, Node};
use riquet_metadata::record::LayoutChange;

use super::changes::nodes;
use super::error::AdminError;
use super::survey::Survey;
use crate::gateway::Gateway;

/// Sites, nodes and disks as the newest layout has them, and how they are.
pub(super) async fn view(gateway: &Gateway) -> Result<LayoutView, AdminError> {
    let layout = gateway.metadata.cluster().await?.layout;
    let survey = Survey::of(&nodes(gateway, &layout), &layout).await;
    let profile = |profile: &riquet_cluster::profile::Profile| ProfileView {
        name: profile.name.clone(),
        data: profile.data,
        per_site: profile.per_site,
        sites: profile
            .sites
            .iter()
            .map(|site| site_name(&layout, site.0))
            .collect(),
        groups: (layout.table(profile).slots.len() / profile.total()) as u32,
    };
    Ok(LayoutView {
        epoch: layout.epoch,
        change: layout.change.clone(),
        profiles: layout.profiles.iter().map(profile).collect(),
        nodes: node_views(&layout, &survey),
        disks: disk_views(&layout, &survey),
        moving_slots: layout.migration.moves.len() as u64,
        slots_to_go: layout.slots_to_go() as u64,
    })
}

/// What made the layouts before one of them, the newest first.
pub(super) async fn history(
    gateway: &Gateway,
    before: Option<Epoch>,
    max: u32,
) -> Result<History, AdminError> {
    let (changes, more) = gateway.metadata.layout_history(before, max).await?;
    let past = |change: LayoutChange| {
        let note = change.change;
        PastLayout {
            epoch: change.epoch,
            at_ms: note.as_ref().map(|note| note.at_ms),
            by: note.as_ref().map(|note| note.by.clone()),
            what: note.map(|note| note.what),
            nodes: change.nodes,
            disks: change.disks,
            moving: change.moving,
            to_go: change.to_go,
        }
    };
    Ok(History {
        changes: changes.into_iter().map(past).collect(),
        more,
    })
}

/// The nodes that were not removed, by site and name.
pub(super) fn node_views(layout: &Layout, survey: &Survey) -> Vec<NodeView> {
    let held = layout.slots_of_disks();
    let view = |node: &Node| {
        let health = survey.node(&node.name);
        let slots = layout.disks_of(node).map(|(at, _)| held[usize::from(at)]);
        NodeView {
            name: node.name.clone(),
            site: site_name(layout, node.site.0),
            address: node.address.clone(),
            state: node.state,
            is_up: health.is_some(),
            epoch: health.and_then(|health| health.epoch),
            version: health.and_then(|health| health.version.clone()),
            slots: slots.sum::<usize>() as u64,
        }
    };
    layout.present_nodes().map(view).collect()
}

/// The disks that were not removed.
pub(super) fn disk_views(layout: &Layout, survey: &Survey) -> Vec<DiskView> {
    let held = layout.slots_of_disks();
    let view = |(at, disk): (DiskIndex, &Disk)| {
        let node = layout.node_of(disk);
        let health = survey.disk(disk.id);
        DiskView {
            id: disk.id,
            node: node.name.clone(),
            site: site_name(layout, node.site.0),
            state: disk.state,
            health: health.map_or_else(|| "silent".to_owned(), |health| health.state.clone()),
            weight: disk.weight,
            slots: held[usize::from(at)] as u64,
            target_slots: target_slots(layout, disk),
            shards: health.map_or(0, |health| health.shards),
            used_bytes: health.map_or(0, |health| health.live_bytes),
            total_bytes: health.map_or(0, |health| health.total_bytes),
            free_bytes: health.map_or(0, |health| health.free_bytes),
        }
    };
    layout.present_disks().map(view).collect()
}

/// Slots that a disk's weight asks for, over all profiles.
pub(super) fn target_slots(layout: &Layout, disk: &Disk) -> f64 {
    if !Layout::takes_slots(disk) {
        return 0.0;
    }
    let site = layout.node_of(disk).site;
    let takes = layout
        .disks
        .iter()
        .filter(|other| Layout::takes_slots(other) && layout.node_of(other).site == site);
    let weights: u64 = takes.map(|other| u64::from(other.weight)).sum();
    let profiles = layout.profiles.iter();
    let of_site = profiles.filter(|profile| profile.sites.contains(&site));
    let slots: usize = of_site
        .map(|profile| {
            let groups = layout.table(profile).slots.len() / profile.total();
            groups * usize::from(profile.per_site)
        })
        .sum();
    slots as f64 * f64::from(disk.weight) / weights as f64
}

/// The name of a site by its number.
pub(super) fn site_name(layout: &Layout, number: u8) -> String {
    layout.sites[usize::from(number)].name.clone()
}

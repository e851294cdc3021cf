//! Whether something needs a person, in words.

use std::collections::HashMap;

use riquet_cluster::admin::{ClusterStatus, DiskView, Health, HealthState, NodeView};
use riquet_cluster::id::DiskId;
use riquet_cluster::layout::{Disk, DiskIndex, Layout, NodeState};
use riquet_cluster::wire::health::ONLINE;

/// A disk with less room than this part of it is nearly full.
const NEARLY_FULL: f64 = 0.1;

/// Before anything was looked at.
pub(super) fn unknown() -> Health {
    Health {
        state: HealthState::Healthy,
        reasons: Vec::new(),
    }
}

/// Judges what was found.
pub(super) fn judge(layout: &Layout, status: &ClusterStatus) -> Health {
    let mut found: Vec<(HealthState, String)> = Vec::new();
    let mut note = |state, reason: String| found.push((state, reason));
    for group in status.groups.iter().filter(|group| group.leader.is_none()) {
        let what = match group.group {
            0 => "the control group of metadata has no leader: nothing can be changed",
            _ => "a group of metadata has no leader: its objects are not served",
        };
        note(
            HealthState::Critical,
            format!("{what} (group {})", group.group),
        );
    }
    let lacking = status.groups.iter().filter(|it| it.voters_up < it.voters);
    if let Some(group) = lacking.min_by_key(|group| group.voters_up) {
        let (up, all) = (group.voters_up, group.voters);
        note(
            HealthState::Degraded,
            format!("{up} of {all} voters on metadata answer: see riquet voter list"),
        );
    }
    let [unread, last, unwritten] = short_groups(layout, &status.disks);
    if unread > 0 {
        note(
            HealthState::Critical,
            format!("{unread} placement groups have too few disks left to be read"),
        );
    }
    if last > 0 {
        note(
            HealthState::Critical,
            format!("{last} placement groups can be read, and not when they lose another disk"),
        );
    }
    if unwritten > 0 {
        note(
            HealthState::Critical,
            format!("{unwritten} placement groups have too few disks left to be written to"),
        );
    }
    for site in &status.sites {
        let (up, all) = (site.nodes_up, site.nodes);
        match up {
            0 if all > 0 => note(
                HealthState::Degraded,
                format!(
                    "site {} is lost: none of its {all} nodes answers",
                    site.name
                ),
            ),
            _ if up < all => {
                let silent = status
                    .nodes
                    .iter()
                    .filter(|n| n.site == site.name && !n.is_up);
                let away = silent
                    .clone()
                    .all(|node| node.state == NodeState::Maintenance);
                let names: Vec<&str> = silent.map(|node| node.name.as_str()).collect();
                let why = if away { " (in maintenance)" } else { "" };
                let names = names.join(", ");
                note(
                    HealthState::Degraded,
                    format!(
                        "{up} of {all} nodes answer at {}; silent: {names}{why}",
                        site.name
                    ),
                );
            }
            _ => {}
        }
    }
    for disk in &status.disks {
        let is_up = |node: &NodeView| node.name == disk.node && node.is_up;
        match disk.health.as_str() {
            ONLINE => {}
            "silent" if !status.nodes.iter().any(is_up) => {}
            "silent" => note(
                HealthState::Degraded,
                format!("disk {} is not in the settings of {}", disk.id, disk.node),
            ),
            state => note(
                HealthState::Degraded,
                format!("disk {} of {} is {state}", disk.id, disk.node),
            ),
        }
        let free = disk.free_bytes as f64 / disk.total_bytes.max(1) as f64;
        if disk.health == ONLINE && free < NEARLY_FULL {
            let percent = (free * 100.0).round();
            note(
                HealthState::Degraded,
                format!(
                    "disk {} of {} has {percent} % of its room left",
                    disk.id, disk.node
                ),
            );
        }
    }
    let risk = status.risk;
    if risk.owed_shards > 0 {
        let shards = risk.owed_shards;
        let seen = match risk.is_complete {
            true => "the worst chunk",
            false => "the worst chunk of those looked at",
        };
        let (state, worst) = match risk.spare_of_worst {
            // What is owed is of blobs that are gone.
            None => (HealthState::Degraded, "no object needs them".to_owned()),
            Some(0) => (
                HealthState::Critical,
                format!("{seen} can lose no more: the next loss may lose data"),
            ),
            Some(spare) => (
                HealthState::Degraded,
                format!("{seen} can lose {spare} more, and their objects read from the others"),
            ),
        };
        note(
            state,
            format!("{shards} shards are being made anew; {worst}"),
        );
    }
    for node in &status.nodes {
        if node.is_up && node.state == NodeState::Maintenance {
            note(
                HealthState::Degraded,
                format!("node {} answers, and is in maintenance", node.name),
            );
        }
        if node.is_up && node.epoch.is_some_and(|epoch| epoch.0 + 1 < status.epoch.0) {
            note(
                HealthState::Degraded,
                format!("node {} does not follow the layout", node.name),
            );
        }
    }
    found.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
    let state = found
        .first()
        .map_or(HealthState::Healthy, |(state, _)| *state);
    let mut reasons: Vec<String> = found.into_iter().map(|(_, reason)| reason).collect();
    if let Some(rebalance) = &status.rebalance {
        let (done, all) = (rebalance.settled_slots, rebalance.planned_slots);
        reasons.push(match rebalance.state.as_str() {
            "idle" => format!(
                "{} shards leave disks that they moved from",
                rebalance.to_leave
            ),
            state => format!("a rebalance is {state}: {done} of {all} slots moved"),
        });
    }
    if reasons.is_empty() {
        reasons.push("everything answers, and every shard is where it belongs".to_owned());
    }
    Health { state, reasons }
}

/// Placement groups of new objects of which fewer disks are left than reading needs, as many as that, and of
/// which no site takes writes: each needs one to spare for that.
fn short_groups(layout: &Layout, disks: &[DiskView]) -> [usize; 3] {
    let healths = disks.iter().map(|view| (view.id, view.health.as_str()));
    let healths: HashMap<DiskId, &str> = healths.collect();
    let those = |wanted: &[&str]| -> Vec<bool> {
        let is_one = |disk: &Disk| {
            let health = healths.get(&disk.id);
            layout.node_of(disk).state == NodeState::Serving
                && health.is_some_and(|health| wanted.contains(health))
        };
        layout.disks.iter().map(is_one).collect()
    };
    let (readable, writable) = (those(&[ONLINE, "full", "failed"]), those(&[ONLINE]));
    let profile = layout.standard_profile();
    let mut short = [0; 3];
    for row in layout.table(profile).slots.chunks_exact(profile.total()) {
        let count = |slots: &[DiskIndex], of: &[bool]| {
            slots.iter().filter(|at| of[usize::from(**at)]).count()
        };
        let left = count(row, &readable);
        let takes = (0..profile.sites.len())
            .any(|position| count(&row[profile.shards_at(position)], &writable) > profile.k());
        short[0] += usize::from(left < profile.k());
        short[1] += usize::from(left == profile.k());
        short[2] += usize::from(!takes);
    }
    short
}

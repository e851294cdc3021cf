//! The screen of `riquet status`: what needs a person first, then the rest, folded where it is long.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use riquet_cluster::admin::{
    Capacity, ClusterStatus, DiskView, GroupView, Health, HealthState, LinkView, NodeView, Risk,
    SiteView, Work,
};
use riquet_cluster::layout::{DiskState, NodeState};
use riquet_cluster::wire::health::ONLINE;

use super::super::layout::{ShortIds, disks_table, nodes_table};
use super::super::rebalance::status_text;
use crate::output;

/// Lines of a table, at most, before it is folded to what stands out.
const LONG: usize = 24;

/// How far a disk may be from its share of slots, as a part of it, and in slots, until it stands out.
const FAR: (f64, f64) = (0.1, 2.0);

/// The whole screen.
pub(super) fn text(status: &ClusterStatus) -> String {
    let mut parts = vec![
        health(status),
        sites(&status.sites, &status.capacity),
        links(&status.links),
        nodes(&status.nodes),
        disks(&status.disks),
        groups(&status.groups),
        risk(&status.risk),
    ];
    parts.extend(work(&status.work));
    if let Some(rebalance) = &status.rebalance {
        parts.push(format!("Rebalance: {}", status_text(rebalance)));
    }
    parts.join("\n")
}

fn health(status: &ClusterStatus) -> String {
    let Health { state, reasons } = &status.health;
    let (word, colour) = match state {
        HealthState::Healthy => ("HEALTHY", AnsiColor::Green),
        HealthState::Degraded => ("DEGRADED", AnsiColor::Yellow),
        HealthState::Critical => ("CRITICAL", AnsiColor::Red),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let (cluster, epoch) = (status.cluster, status.epoch);
    let mut text = format!("{style}{word}{style:#}  cluster {cluster}, layout {epoch}");
    for reason in reasons {
        text.push_str("\n* ");
        text.push_str(reason);
    }
    text
}

fn sites(sites: &[SiteView], all: &Capacity) -> String {
    let row = |site: &SiteView| {
        let room = &site.capacity;
        vec![
            site.name.clone(),
            format!("{} of {}", site.nodes_up, site.nodes),
            format!("{} of {}", site.disks_up, site.disks),
            output::bytes(room.raw_bytes),
            output::bytes(room.used_bytes),
            output::bytes(room.free_bytes),
            // Objects have shards at both sites.
            "-".to_owned(),
        ]
    };
    let sum = |figure: fn(&SiteView) -> u32| sites.iter().map(figure).sum::<u32>();
    let mut rows: Vec<Vec<String>> = sites.iter().map(row).collect();
    rows.push(vec![
        "all".to_owned(),
        format!(
            "{} of {}",
            sum(|site| site.nodes_up),
            sum(|site| site.nodes)
        ),
        format!(
            "{} of {}",
            sum(|site| site.disks_up),
            sum(|site| site.disks)
        ),
        output::bytes(all.raw_bytes),
        output::bytes(all.used_bytes),
        output::bytes(all.free_bytes),
        output::bytes(all.usable_bytes),
    ]);
    let titles = [
        "site", "nodes up", "disks up", "raw", "used", "free", "usable",
    ];
    output::table(&titles, &rows, 1)
}

/// What crosses between the sites.
fn links(links: &[LinkView]) -> String {
    let link = |link: &LinkView| {
        let (from, to, rate) = (&link.from, &link.to, output::bytes(link.bytes_per_second));
        format!("{rate}/s from {from} to {to}")
    };
    match links {
        [] => "Between the sites: nothing.".to_owned(),
        links => {
            let links: Vec<String> = links.iter().map(link).collect();
            format!(
                "Between the sites, over the last minute: {}.",
                links.join(", ")
            )
        }
    }
}

fn nodes(nodes: &[NodeView]) -> String {
    if nodes.len() <= LONG {
        return nodes_table(nodes);
    }
    let stands_out = |node: &&NodeView| !node.is_up || node.state != NodeState::Serving;
    let shown: Vec<&NodeView> = nodes.iter().filter(stands_out).collect();
    let up = nodes.iter().filter(|node| node.is_up).count();
    let count = format!("Nodes: {}, of which {up} answer.", nodes.len());
    folded(count, shown.len(), || nodes_table(shown))
}

fn disks(disks: &[DiskView]) -> String {
    let ids = ShortIds::of_disks(disks);
    if disks.len() <= LONG {
        return disks_table(disks, &ids);
    }
    let shown: Vec<&DiskView> = disks.iter().filter(|disk| stands_out(disk)).collect();
    let mut healths: BTreeMap<&str, usize> = BTreeMap::new();
    for disk in disks {
        *healths.entry(&disk.health).or_default() += 1;
    }
    let healths: Vec<String> = healths
        .into_iter()
        .map(|(health, count)| format!("{count} {health}"))
        .collect();
    let draining = disks.iter().filter(|it| it.state == DiskState::Draining);
    let far = disks.iter().filter(|disk| is_far(disk));
    let count = format!(
        "Disks: {}, of which {}; {} are drained, {} far from their share.",
        disks.len(),
        healths.join(", "),
        draining.count(),
        far.count(),
    );
    folded(count, shown.len(), || disks_table(shown, &ids))
}

/// A line of counts, and the first of what stands out, if anything does.
fn folded(count: String, shown: usize, table: impl FnOnce() -> String) -> String {
    match shown {
        0 => count,
        _ => format!("{count}\n{}", table()),
    }
}

fn stands_out(disk: &DiskView) -> bool {
    disk.health != ONLINE || is_far(disk)
}

fn is_far(disk: &DiskView) -> bool {
    let (part, slots) = FAR;
    let off = (disk.slots as f64 - disk.target_slots).abs();
    off >= slots && off > disk.target_slots * part
}

/// Who leads how many groups, by site: the groups themselves are many.
fn groups(groups: &[GroupView]) -> String {
    let mut of_site: BTreeMap<String, Vec<&GroupView>> = BTreeMap::new();
    for group in groups {
        let site = match (&group.leader, &group.site) {
            (None, _) => "nobody",
            (Some(_), None) => "(arbiter)",
            (Some(_), Some(site)) => site.as_str(),
        };
        of_site.entry(site.to_owned()).or_default().push(group);
    }
    let row = |(site, led): (String, Vec<&GroupView>)| {
        let numbers: Vec<String> = led.iter().map(|group| name(group.group)).collect();
        let mut leaders: Vec<&str> = led.iter().filter_map(|it| it.leader.as_deref()).collect();
        leaders.sort_unstable();
        leaders.dedup();
        let fewest = led.iter().min_by_key(|group| group.voters_up);
        let voters = fewest.map(|group| format!("{} of {}", group.voters_up, group.voters));
        vec![
            site,
            numbers.join(" "),
            leaders.join(", "),
            voters.unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = of_site.into_iter().map(row).collect();
    let titles = ["led by", "groups", "leaders", "voters up"];
    output::table(&titles, &rows, 3)
}

fn name(group: u32) -> String {
    match group {
        0 => "control".to_owned(),
        number => number.to_string(),
    }
}

fn risk(risk: &Risk) -> String {
    if risk.owed_shards == 0 {
        return "At risk: nothing.".to_owned();
    }
    let at_least = if risk.is_complete { "" } else { "at least " };
    format!(
        "At risk: {} shards are owed to disks; {at_least}{} chunks lack some, the worst {at_least}{}.",
        risk.owed_shards, risk.chunks, risk.most_of_a_chunk
    )
}

/// What runs, by job and node.
fn work(work: &[Work]) -> Option<String> {
    let mut of_node: BTreeMap<(&str, &str), [u64; 3]> = BTreeMap::new();
    for run in work.iter().filter(|run| run.is_running) {
        let [disks, looked_at, found] = of_node
            .entry((run.job.as_str(), run.node.as_str()))
            .or_default();
        (*disks, *looked_at) = (*disks + 1, *looked_at + run.looked_at);
        *found += run.found;
    }
    let row = |((job, node), figures): ((&str, &str), [u64; 3])| {
        let mut row = vec![job.to_owned(), node.to_owned()];
        row.extend(figures.map(|figure| figure.to_string()));
        row
    };
    let rows: Vec<Vec<String>> = of_node.into_iter().map(row).collect();
    let titles = ["runs", "node", "disks", "looked at", "found"];
    (!rows.is_empty()).then(|| output::table(&titles, &rows, 2))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{answer, golden};
    use super::*;
    use riquet_cluster::id::DiskId;

    #[test]
    fn a_small_cluster_fits_a_screen() {
        golden("status", &text(&answer("status")));
    }

    #[test]
    fn of_many_disks_and_nodes_only_what_stands_out_is_shown() {
        let mut status: ClusterStatus = answer("status");
        let (disk, node) = (status.disks[0].clone(), status.nodes[0].clone());
        status.disks.extend((0..40u8).map(|number| DiskView {
            id: DiskId::from_u128(u128::from(number) << 120 | 1),
            ..disk.clone()
        }));
        status.nodes.extend((0..40).map(|number| NodeView {
            name: format!("toulouse-{}", number + 10),
            ..node.clone()
        }));
        golden("status-folded", &text(&status));
    }

    #[test]
    fn the_state_is_coloured_and_nothing_depends_on_it() {
        let mut status: ClusterStatus = answer("status");
        status.health.state = HealthState::Critical;
        let text = text(&status);
        assert!(text.starts_with("\x1b["), "{text}");
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(plain.starts_with("CRITICAL  cluster "), "{plain}");
    }

    #[test]
    fn a_disk_is_far_from_its_share_by_part_and_by_slots() {
        let disk = |slots, target_slots| DiskView {
            slots,
            target_slots,
            ..answer::<ClusterStatus>("status").disks[0].clone()
        };
        assert!(!is_far(&disk(100, 100.0)));
        assert!(!is_far(&disk(109, 100.0)));
        assert!(is_far(&disk(112, 100.0)));
        // One slot of three is a third, and rounding.
        assert!(!is_far(&disk(4, 3.0)));
        assert!(is_far(&disk(5, 0.0)));
    }
}

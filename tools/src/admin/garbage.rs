//! `riquet garbage`: what waits to be removed, and a search for what no upload ever finished.

use std::time::Duration;

use clap::{Args, Subcommand};
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::upkeep::{JobKind, JobReport};
use riquet_metadata::command::GarbageKey;
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use super::ClusterArgs;
use super::upkeep::{Reports, disks_in_order, reports, run_everywhere};
use crate::bench::options::parse_duration;
use crate::error::Error;
use crate::output;
use riquet_cluster::clock::now_ms;

/// Entries of a group that are counted, at most.
const COUNTED: u64 = 100_000;

/// Entries of one page.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(crate) struct GarbageArgs {
    #[command(subcommand)]
    command: GarbageCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum GarbageCommand {
    /// Count what was deleted or overwritten and waits to be removed from the disks
    ///
    /// The groups' leaders have it removed by themselves, after a grace for those who read it. What a
    /// disk out of reach was to remove waits for that disk.
    Status,
    /// Find and remove shards of uploads that never came to their end, on all disks, now
    ///
    /// The disks do this by themselves, with shards of more than a day. An upload that is under way
    /// for longer than this age, without a shard that is younger, fails.
    Sweep {
        /// Leave what is younger
        #[arg(long, value_parser = parse_duration, default_value = "24h")]
        older_than: Duration,
    },
}

#[derive(Debug, Serialize)]
struct Status {
    groups: Vec<GroupRow>,
    disks: Vec<DiskRow>,
}

#[derive(Debug, Serialize)]
struct GroupRow {
    group: u32,
    /// Blobs on the group's queue.
    waiting: u64,
    /// Whether there are more than were counted.
    more: bool,
    /// How long the first of them waits, seconds.
    oldest_s: Option<u64>,
}

#[derive(Debug, Serialize)]
struct DiskRow {
    site: String,
    node: String,
    disk: String,
    /// Blobs whose shards the disk has yet to remove.
    left_behind: u64,
    /// The last sweep; none: its node does not answer.
    sweep: Option<JobReport>,
}

/// Runs the command.
pub(crate) async fn run(args: GarbageArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    let layout = client.cluster().await?.layout;
    match args.command {
        GarbageCommand::Status => {
            let status = Status {
                groups: groups(&client).await?,
                disks: disks(&client, &layout, &reports(&layout).await).await?,
            };
            output::print(&status, args.json, status_table);
        }
        GarbageCommand::Sweep { older_than } => {
            let reports = run_everywhere(&layout, JobKind::Sweep, older_than).await?;
            let rows = disks(&client, &layout, &reports).await?;
            output::print(&rows, args.json, |rows| disk_table(rows));
        }
    }
    Ok(())
}

async fn groups(client: &Client) -> Result<Vec<GroupRow>, Error> {
    let mut rows = Vec::new();
    for group in GroupId::keys(client.cluster().await?.key_groups) {
        let (mut waiting, mut oldest_ms, mut after) = (0, None, None);
        let more = loop {
            let (entries, more) = client.list_garbage(group, u64::MAX, after, PAGE).await?;
            waiting += entries.len() as u64;
            oldest_ms = oldest_ms.or(entries.first().map(|entry| entry.since_ms));
            after = entries.last().map(GarbageKey::from);
            if !more || waiting >= COUNTED {
                break more;
            }
        };
        rows.push(GroupRow {
            group: group.0,
            waiting,
            more,
            oldest_s: oldest_ms.map(|since_ms| now_ms().saturating_sub(since_ms) / 1000),
        });
    }
    Ok(rows)
}

async fn disks(client: &Client, layout: &Layout, reports: &Reports) -> Result<Vec<DiskRow>, Error> {
    let mut rows = Vec::new();
    let key_groups = client.cluster().await?.key_groups;
    for (disk, place) in disks_in_order(layout) {
        let mut left_behind = 0;
        for group in GroupId::keys(key_groups) {
            let mut after = None;
            loop {
                let (removals, more) = client.list_removals(group, disk, after, PAGE).await?;
                left_behind += removals.len() as u64;
                after = removals.last().map(|removal| removal.blob);
                if !more || left_behind >= COUNTED {
                    break;
                }
            }
        }
        let jobs = reports.get(&disk);
        rows.push(DiskRow {
            site: place.site,
            node: place.node,
            disk: disk.to_string(),
            left_behind,
            sweep: jobs.and_then(|jobs| jobs.get(&JobKind::Sweep).cloned()),
        });
    }
    Ok(rows)
}

fn status_table(status: &Status) -> String {
    let cells: Vec<Vec<String>> = status
        .groups
        .iter()
        .map(|row| {
            vec![
                row.group.to_string(),
                format!("{}{}", row.waiting, if row.more { "+" } else { "" }),
                row.oldest_s
                    .map_or_else(|| "-".into(), |s| format!("{s} s")),
            ]
        })
        .collect();
    let titles = ["group", "blobs that wait", "the first since"];
    let groups = output::table(&titles, &cells, 1);
    format!("{groups}\n{}", disk_table(&status.disks))
}

fn disk_table(rows: &[DiskRow]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let figure = |figure: fn(&JobReport) -> u64| match &row.sweep {
                Some(sweep) => figure(sweep).to_string(),
                None => "silent".to_owned(),
            };
            vec![
                row.site.clone(),
                row.node.clone(),
                row.disk.clone(),
                row.left_behind.to_string(),
                figure(|sweep| sweep.looked_at),
                figure(|sweep| sweep.found),
                figure(|sweep| sweep.left),
            ]
        })
        .collect();
    let titles = [
        "site",
        "node",
        "disk",
        "blobs to remove",
        "last swept",
        "orphans removed",
        "left to judge",
    ];
    output::table(&titles, &cells, 3)
}

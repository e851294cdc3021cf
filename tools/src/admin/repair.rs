//! `riquet repair`: what the disks are owed.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::upkeep::{JobKind, RepairReport};
use riquet_metadata::Client;
use riquet_metadata::query::DebtCount;
use serde::Serialize;

use super::risk::{Risk, risks};
use super::upkeep::{repaired, run_everywhere};
use super::{ClusterArgs, check};
use crate::error::Error;
use crate::output;

/// Between two looks at what the nodes have done, for the rate.
const SAMPLE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(subcommand)]
    command: RepairCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RepairCommand {
    /// Show what each disk is owed, what is at risk until then, and how long it will take
    ///
    /// Writes went on without these shards, or they were lost or damaged. The nodes make them anew by
    /// themselves, from the shards of the disk's own site where it has enough.
    Status,
    /// Compare what every disk holds with what the metadata says, shard by shard
    ///
    /// Uploads that are under way, and changes made meanwhile, show as differences.
    Check,
    /// Look for what disks lost of what they had, on all disks, now, and note it as owed
    ///
    /// Disks do this by themselves when they come up empty, and with every scrub.
    Losses,
}

/// What is to be repaired, and how that goes.
#[derive(Debug, Serialize)]
struct Status {
    disks: Vec<DiskRow>,
    /// Chunks that lack shards, those that can lose least first.
    at_risk: Vec<Risk>,
    /// Whether there was more at risk than was looked at.
    at_risk_more: bool,
    /// Shards made in a second, over all nodes; none: nothing is owed.
    shards_per_second: Option<f64>,
    /// How long it will take at that rate, seconds.
    remaining_s: Option<u64>,
    /// What the nodes that answer have done since each of them started.
    repaired: RepairReport,
}

#[derive(Debug, Serialize)]
struct DiskRow {
    disk: String,
    /// None: the layout no longer has the disk.
    node: Option<String>,
    site: Option<String>,
    /// Shards owed to it.
    owed: u64,
}

/// Runs the command.
pub(crate) async fn run(args: RepairArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    match args.command {
        RepairCommand::Status => {}
        RepairCommand::Check => return check::run(&client, args.json).await,
        RepairCommand::Losses => {
            let layout = client.cluster().await?.layout;
            run_everywhere(&layout, JobKind::Losses, Duration::ZERO).await?;
        }
    }
    let status = status(&client).await?;
    output::print(&status, args.json, table);
    Ok(())
}

async fn status(client: &Client) -> Result<Status, Error> {
    let layout = client.cluster().await?.layout;
    let disks = rows(client).await?;
    let (at_risk, is_whole) = risks(client, &layout).await?;
    let owed: u64 = disks.iter().map(|row| row.owed).sum();
    let before = repaired(&layout).await;
    let (mut shards_per_second, mut remaining_s, mut now) = (None, None, before);
    if owed > 0 {
        tokio::time::sleep(SAMPLE).await;
        now = repaired(&layout).await;
        let rate = now.shards.saturating_sub(before.shards) as f64 / SAMPLE.as_secs_f64();
        shards_per_second = Some(rate);
        remaining_s = (rate > 0.0).then(|| (owed as f64 / rate).ceil() as u64);
    }
    Ok(Status {
        disks,
        at_risk,
        at_risk_more: !is_whole,
        shards_per_second,
        remaining_s,
        repaired: now,
    })
}

async fn rows(client: &Client) -> Result<Vec<DiskRow>, Error> {
    let layout = client.cluster().await?.layout;
    let counts = client.debt_counts().await?;
    Ok(rows_of(&layout, &counts))
}

/// A row for each disk of the layout, and for each other that is owed something.
fn rows_of(layout: &Layout, counts: &[DebtCount]) -> Vec<DiskRow> {
    let mut owed: BTreeMap<_, u64> = layout.disks.iter().map(|disk| (disk.id, 0)).collect();
    owed.extend(counts.iter().map(|count| (count.disk, count.shards)));
    let mut rows: Vec<DiskRow> = owed
        .into_iter()
        .map(|(disk, owed)| {
            let node = layout.find_disk(disk).map(|(_, node)| node);
            let site = node.and_then(|node| layout.sites.iter().find(|s| s.id == node.site));
            DiskRow {
                disk: disk.to_string(),
                node: node.map(|node| node.name.clone()),
                site: site.map(|site| site.name.clone()),
                owed,
            }
        })
        .collect();
    rows.sort_by(|a, b| (&a.site, &a.node, &a.disk).cmp(&(&b.site, &b.node, &b.disk)));
    rows
}

fn table(status: &Status) -> String {
    let cells: Vec<Vec<String>> = status
        .disks
        .iter()
        .map(|row| {
            vec![
                row.site.clone().unwrap_or_else(|| "-".into()),
                row.node.clone().unwrap_or_else(|| "(gone)".into()),
                row.disk.clone(),
                row.owed.to_string(),
            ]
        })
        .collect();
    let titles = ["site", "node", "disk", "shards owed"];
    let mut text = output::table(&titles, &cells, 3);
    let total: u64 = status.disks.iter().map(|row| row.owed).sum();
    if total == 0 {
        text += "\nEvery shard is where it belongs.";
    } else {
        let cells: Vec<Vec<String>> = status
            .at_risk
            .iter()
            .map(|risk| [risk.spare as u64, risk.lacking as u64, risk.chunks])
            .map(|row| row.map(|figure| figure.to_string()).to_vec())
            .collect();
        let titles = ["shards to spare", "shards owed", "chunks"];
        let more = if status.at_risk_more {
            " (and more)"
        } else {
            ""
        };
        text += &format!("\n{}{more}", output::table(&titles, &cells, 0));
        let rate = status.shards_per_second.unwrap_or(0.0);
        text += &format!("\n{total} shards are owed; their objects read from the others. ");
        text += &match status.remaining_s {
            Some(seconds) => format!("{rate:.0} are made in a second: {} left.", time(seconds)),
            None => "None was made just now.".to_owned(),
        };
    }
    let done = status.repaired;
    let mib = |bytes: u64| bytes >> 20;
    text += &format!(
        "\nSince they started, the nodes made {} shards ({} MiB), of {} MiB from their own site and {} MiB from the other.",
        done.shards,
        mib(done.bytes),
        mib(done.from_site_bytes),
        mib(done.from_elsewhere_bytes),
    );
    text
}

/// A time in the unit that people would take.
fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

//! `riquet repair`: what the disks are owed.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::upkeep::JobKind;
use riquet_metadata::Client;
use riquet_metadata::query::DebtCount;
use serde::Serialize;

use super::upkeep::run_everywhere;
use super::{ClusterArgs, check};
use crate::error::Error;
use crate::output;

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
    /// Count the shards that each disk is owed: writes went on without them
    ///
    /// The nodes pay by themselves, from the shards of the disk's own site where it has enough.
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
    let rows = rows(&client).await?;
    output::print(&rows, args.json, |rows| table(rows));
    Ok(())
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

fn table(rows: &[DiskRow]) -> String {
    let cells: Vec<Vec<String>> = rows
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
    let total: u64 = rows.iter().map(|row| row.owed).sum();
    let titles = ["site", "node", "disk", "shards owed"];
    let table = output::table(&titles, &cells, 3);
    match total {
        0 => format!("{table}\nEvery shard is where it belongs."),
        total => format!("{table}\n{total} shards are owed; their objects read from the others."),
    }
}

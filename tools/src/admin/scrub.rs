//! `riquet scrub`: how far the disks are with checking what they hold, and what they found.

use std::time::Duration;

use clap::{Args, Subcommand};
use riquet_cluster::layout::Layout;
use riquet_cluster::wire::upkeep::{JobKind, JobReport};
use serde::Serialize;

use super::ClusterArgs;
use super::upkeep::{Reports, ago, disks_in_order, reports, run_everywhere};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ScrubArgs {
    #[command(subcommand)]
    command: ScrubCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ScrubCommand {
    /// Show how far each disk is with the check of its shards, and what was damaged
    Status,
    /// Check every shard of every disk now, as fast as the nodes' settings let it be
    ///
    /// The disks check by themselves, each shard once in `scrub_period_days`. What is damaged is made
    /// anew from other shards.
    Start,
}

#[derive(Debug, Serialize)]
struct DiskRow {
    site: String,
    node: String,
    disk: String,
    /// The present or last run since the node started; none: its node does not answer.
    scrub: Option<JobReport>,
}

/// Runs the command.
pub(crate) async fn run(args: ScrubArgs) -> Result<(), Error> {
    let layout = args.cluster.client()?.cluster().await?.layout;
    let reports = match args.command {
        ScrubCommand::Status => reports(&layout).await,
        ScrubCommand::Start => run_everywhere(&layout, JobKind::Scrub, Duration::ZERO).await?,
    };
    output::print(&rows(&layout, &reports), args.json, |rows| table(rows));
    Ok(())
}

fn rows(layout: &Layout, reports: &Reports) -> Vec<DiskRow> {
    let disks = disks_in_order(layout).into_iter();
    let row = |(disk, place): (_, super::upkeep::Place)| DiskRow {
        site: place.site,
        node: place.node,
        disk: format!("{disk}"),
        scrub: reports
            .get(&disk)
            .and_then(|jobs| jobs.get(&JobKind::Scrub).cloned()),
    };
    disks.map(row).collect()
}

fn table(rows: &[DiskRow]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.site.clone(), row.node.clone(), row.disk.clone()];
            match &row.scrub {
                None => cells.extend(["silent".to_owned()]),
                Some(scrub) => cells.extend([
                    if scrub.running { "under way" } else { "waits" }.to_owned(),
                    scrub.looked_at.to_string(),
                    scrub.found.to_string(),
                    scrub.left.to_string(),
                    scrub.done_ms.map_or_else(|| "-".into(), ago),
                ]),
            }
            cells
        })
        .collect();
    let titles = [
        "site",
        "node",
        "disk",
        "state",
        "shards checked",
        "damaged",
        "of no object",
        "last ended",
    ];
    output::table(&titles, &cells, 4)
}

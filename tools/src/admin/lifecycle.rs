//! `riquet lifecycle`: how far gateways are with what the rules of buckets say is due.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use riquet_cluster::clock::now_ms;
use riquet_metadata::record::{LifecycleRound, LifecycleTally, LifecycleTurn};
use riquet_metadata::{BucketId, Client};
use serde::Serialize;

use super::ClusterArgs;
use crate::error::Error;
use crate::output;

/// Buckets that are asked for at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(crate) struct LifecycleArgs {
    #[command(subcommand)]
    command: LifecycleCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum LifecycleCommand {
    /// List the buckets that have lifecycle rules, and what the last round through each did
    ///
    /// The gateways go through them by themselves: after midnight UTC, and at once where the rules
    /// changed.
    Status,
}

#[derive(Debug, Serialize)]
struct BucketRow {
    bucket: String,
    /// Whether a gateway is at it now.
    is_held: bool,
    /// The round that is under way.
    round: Option<RoundRow>,
    /// The last round that came to its end.
    last: Option<RoundRow>,
    /// In how long the next one is due, seconds.
    due_in_s: u64,
}

#[derive(Debug, Serialize)]
struct RoundRow {
    /// Since when, or how long ago, it began, seconds.
    began_s_ago: u64,
    /// How long it took, seconds.
    took_s: Option<u64>,
    /// The last key that is done.
    after: Option<String>,
    looked_at: u64,
    expired: u64,
    removed: u64,
    moved: u64,
    aborted: u64,
    failed: u64,
}

/// Runs the command.
pub(crate) async fn run(args: LifecycleArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    match args.command {
        LifecycleCommand::Status => {
            let rows = rows(&client).await?;
            output::print(&rows, args.json, |rows| table(rows));
            Ok(())
        }
    }
}

async fn rows(client: &Client) -> Result<Vec<BucketRow>, Error> {
    let names = names(client).await?;
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let (turns, more) = client.lifecycle_turns(after, PAGE).await?;
        after = turns.last().map(|turn| turn.bucket);
        rows.extend(turns.iter().map(|turn| row(turn, &names)));
        if !more {
            return Ok(rows);
        }
    }
}

async fn names(client: &Client) -> Result<BTreeMap<BucketId, String>, Error> {
    let (mut names, mut after) = (BTreeMap::new(), None);
    loop {
        let (buckets, more) = client.buckets(None, String::new(), after, PAGE).await?;
        after = buckets.last().map(|bucket| bucket.name.clone());
        names.extend(buckets.into_iter().map(|bucket| (bucket.id, bucket.name)));
        if !more {
            return Ok(names);
        }
    }
}

fn row(turn: &LifecycleTurn, names: &BTreeMap<BucketId, String>) -> BucketRow {
    let (now_ms, name) = (now_ms(), names.get(&turn.bucket));
    BucketRow {
        bucket: name.map_or_else(|| turn.bucket.0.to_string(), Clone::clone),
        is_held: turn.holder.is_some_and(|holder| holder.until_ms > now_ms),
        round: turn.round.as_ref().map(|round| round_row(round, now_ms)),
        last: turn.last.as_ref().map(|round| round_row(round, now_ms)),
        due_in_s: turn.due_ms.saturating_sub(now_ms) / 1000,
    }
}

fn round_row(round: &LifecycleRound, now_ms: u64) -> RoundRow {
    let LifecycleTally {
        looked_at,
        expired,
        removed,
        moved,
        aborted,
        failed,
    } = round.tally;
    let after = round.after.as_ref();
    RoundRow {
        began_s_ago: now_ms.saturating_sub(round.began_ms) / 1000,
        took_s: round
            .ended_ms
            .map(|ended_ms| ended_ms.saturating_sub(round.began_ms) / 1000),
        after: after.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
        looked_at,
        expired,
        removed,
        moved,
        aborted,
        failed,
    }
}

fn table(rows: &[BucketRow]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let state = match (&row.round, row.is_held) {
                (Some(_), true) => "under way".to_owned(),
                (Some(_), false) => "waits for a gateway".to_owned(),
                (None, _) => format!("next in {} s", row.due_in_s),
            };
            let shown = row.round.as_ref().or(row.last.as_ref());
            let figure = |figure: fn(&RoundRow) -> u64| {
                shown.map_or_else(|| "-".to_owned(), |round| figure(round).to_string())
            };
            vec![
                row.bucket.clone(),
                state,
                figure(|round| round.began_s_ago),
                figure(|round| round.looked_at),
                figure(|round| round.expired),
                figure(|round| round.removed),
                figure(|round| round.moved),
                figure(|round| round.aborted),
                figure(|round| round.failed),
            ]
        })
        .collect();
    let titles = [
        "bucket",
        "round",
        "began, s ago",
        "looked at",
        "expired",
        "removed",
        "moved",
        "aborted",
        "failed",
    ];
    output::table(&titles, &cells, 2)
}

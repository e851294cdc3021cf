//! `riquet tablet`: how buckets are cut into tablets, and which groups hold them.

use clap::{Args, Subcommand};
use riquet_metadata::record::{Bucket, KeyRange, Tablet, TabletState};
use riquet_metadata::tablets::TabletChanged;
use riquet_metadata::{Client, GroupId, ObjectKey};
use serde::Serialize;

use super::ClusterArgs;
use crate::error::Error;
use crate::output;

/// Buckets that are asked for at a time.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(crate) struct TabletArgs {
    #[command(subcommand)]
    command: TabletCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TabletCommand {
    /// List the tablets of a bucket, or of all
    List {
        /// The bucket
        bucket: Option<String>,
    },
    /// Split a tablet in two, in the middle of its objects or at a key
    Split {
        /// The bucket
        bucket: String,
        /// A key of the tablet [default: the bucket's first]
        #[arg(long, value_name = "KEY", default_value = "")]
        of: String,
        /// First key of the second half
        #[arg(long, value_name = "KEY", conflicts_with = "of")]
        at: Option<String>,
    },
    /// Move a tablet to another group
    Move {
        /// The bucket
        bucket: String,
        /// A key of the tablet [default: the bucket's first]
        #[arg(long, value_name = "KEY", default_value = "")]
        of: String,
        /// The group
        #[arg(long, value_name = "GROUP")]
        to: u32,
    },
}

#[derive(Debug, Serialize)]
struct TabletRow {
    bucket: String,
    /// First key.
    start: String,
    /// First key after it; none: it has no end.
    end: Option<String>,
    group: u32,
    state: &'static str,
    /// Objects; after splits an estimate.
    keys: u64,
    bytes: u64,
    /// Changes since it is in its group.
    writes: u64,
}

/// Runs the command.
pub(crate) async fn run(args: TabletArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    let buckets = match &args.command {
        TabletCommand::List { bucket: None } => all_buckets(&client).await?,
        TabletCommand::List {
            bucket: Some(bucket),
        } => vec![client.bucket_now(bucket).await?.as_ref().clone()],
        TabletCommand::Split { bucket, of, at } => {
            vec![split(&client, bucket, of, at.as_deref()).await?]
        }
        TabletCommand::Move { bucket, of, to } => {
            vec![move_to(&client, bucket, of, *to).await?]
        }
    };
    let rows = rows(&client, &buckets).await?;
    output::print(&rows, args.json, |rows| table(rows));
    Ok(())
}

/// The tablet of a bucket that holds a key.
fn range_of(bucket: &Bucket, key: &str) -> KeyRange {
    bucket.range_at(bucket.place_of(key.as_bytes()))
}

async fn split(client: &Client, name: &str, of: &str, at: Option<&str>) -> Result<Bucket, Error> {
    let bucket = client.bucket_now(name).await?;
    let range = range_of(&bucket, at.unwrap_or(of));
    let changed = match at {
        Some(at) if ObjectKey::from(at) == range.start => TabletChanged::Unfit,
        Some(at) => client.split_tablet(&bucket, &range, at.into()).await?,
        None => client.halve_tablet(&bucket, &range).await?,
    };
    match changed {
        TabletChanged::Done => Ok(client.bucket_now(name).await?.as_ref().clone()),
        TabletChanged::Unfit => Err(Error::NothingToSplit),
    }
}

async fn move_to(client: &Client, name: &str, of: &str, to: u32) -> Result<Bucket, Error> {
    let key_groups = client.cluster().await?.key_groups;
    if to == 0 || to > key_groups {
        return Err(Error::NoSuchGroup {
            group: to,
            key_groups,
        });
    }
    let bucket = client.bucket_now(name).await?;
    let range = range_of(&bucket, of);
    if bucket.group_of(range.start.as_bytes()) == GroupId(to) {
        return Ok(bucket.as_ref().clone());
    }
    match client.move_tablet(&bucket, &range, GroupId(to)).await? {
        TabletChanged::Done => Ok(client.bucket_now(name).await?.as_ref().clone()),
        TabletChanged::Unfit => Err(Error::TabletMoved),
    }
}

async fn all_buckets(client: &Client) -> Result<Vec<Bucket>, Error> {
    let mut all: Vec<Bucket> = Vec::new();
    loop {
        let after = all.last().map(|last| last.name.clone());
        let (page, more) = client.buckets(None, String::new(), after, PAGE).await?;
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}

async fn rows(client: &Client, buckets: &[Bucket]) -> Result<Vec<TabletRow>, Error> {
    let mut by_group = std::collections::BTreeMap::new();
    for place in buckets.iter().flat_map(|bucket| &bucket.tablets) {
        if let std::collections::btree_map::Entry::Vacant(entry) = by_group.entry(place.group) {
            entry.insert(client.tablets_of_group(place.group).await?);
        }
    }
    let mut rows = Vec::new();
    for bucket in buckets {
        for (number, place) in bucket.tablets.iter().enumerate() {
            let range = bucket.range_at(number);
            let held = by_group[&place.group]
                .iter()
                .find(|held| held.bucket == bucket.id && held.tablet.range.start == range.start);
            rows.push(row(
                &bucket.name,
                &range,
                place.group,
                held.map(|held| &held.tablet),
            ));
        }
    }
    Ok(rows)
}

fn row(bucket: &str, range: &KeyRange, group: GroupId, tablet: Option<&Tablet>) -> TabletRow {
    let text = |key: &ObjectKey| String::from_utf8_lossy(key.as_bytes()).into_owned();
    TabletRow {
        bucket: bucket.to_owned(),
        start: text(&range.start),
        end: range.end.as_ref().map(text),
        group: group.0,
        state: tablet.map_or("changing", |tablet| state(&tablet.state)),
        keys: tablet.map_or(0, |tablet| tablet.size.keys),
        bytes: tablet.map_or(0, |tablet| tablet.size.bytes),
        writes: tablet.map_or(0, |tablet| tablet.size.writes),
    }
}

fn state(state: &TabletState) -> &'static str {
    match state {
        TabletState::Open => "open",
        TabletState::Sealed => "sealed",
        TabletState::Frozen => "frozen",
        TabletState::Receiving { .. } => "receiving",
        TabletState::Moved { .. } => "moved",
        TabletState::Closing => "closing",
    }
}

fn table(rows: &[TabletRow]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.bucket.clone(),
                row.start.clone(),
                row.end.clone().unwrap_or_else(|| "(end)".into()),
                row.state.into(),
                row.group.to_string(),
                row.keys.to_string(),
                row.bytes.to_string(),
                row.writes.to_string(),
            ]
        })
        .collect();
    let titles = [
        "bucket", "from", "to", "state", "group", "keys", "bytes", "writes",
    ];
    output::table(&titles, &cells, 4)
}

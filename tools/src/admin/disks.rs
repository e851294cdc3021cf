//! `riquet disk`: disks come, go, and take each other's place.

use clap::{Args, Subcommand};
use hyper::Method;
use riquet_cluster::admin::{Changed, LayoutView, NewDisk, NewDisks, NewWeight, Replacement};
use riquet_cluster::id::DiskId;

use super::Consent;
use super::api::{Answer, Api, ApiArgs, segment};
use super::layout::{ShortIds, disk_of, disks_table};
use super::nodes::{ApplyAtOnce, drain, new_disk};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    #[command(subcommand)]
    command: DiskCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum DiskCommand {
    /// List the disks: what operators have them do, how they are, and what they hold
    List,
    /// Add disks of a node that is in the layout
    ///
    /// They get their share of the data with the next rebalance.
    Add {
        /// The node
        node: String,
        /// A disk, with its weight (its size in GiB, if none is given); none: all that the node has and
        /// the layout has not
        #[arg(long = "disk", value_name = "ID[=WEIGHT]", value_parser = new_disk)]
        disks: Vec<NewDisk>,
    },
    /// Have a disk emptied by the next rebalance
    ///
    /// Nothing moves by this alone, and the disk is used as before until the rebalance has moved its
    /// shards.
    Drain {
        /// The disk's id, or what only its id begins with
        #[arg(value_name = "ID")]
        disk: String,
        #[command(flatten)]
        apply: ApplyAtOnce,
    },
    /// Have a disk not emptied after all
    ///
    /// What has moved already comes back with the next rebalance.
    Undrain {
        /// The disk's id, or what only its id begins with
        #[arg(value_name = "ID")]
        disk: String,
    },
    /// Remove a disk that is empty
    Remove {
        /// The disk's id, or what only its id begins with
        #[arg(value_name = "ID")]
        disk: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Move all that a disk has, or had, to an empty one
    ///
    /// It begins at once. What the old disk can't give any more is made of the other shards.
    Replace {
        /// The disk that goes: its id, or what only its id begins with
        old: String,
        /// The disk that comes: an empty one of the same site. Its whole id where it is not in the layout
        /// yet
        new: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Give a disk a weight: its share relative to the other disks of the site
    ///
    /// It counts from the next rebalance on.
    Weight {
        /// The disk's id, or what only its id begins with
        #[arg(value_name = "ID")]
        disk: String,
        /// The weight, usually the disk's size in GiB
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        weight: u32,
    },
}

/// Runs the command.
pub(crate) async fn run(args: DiskArgs) -> Result<(), Error> {
    let (mut api, json) = (args.api.connect()?, args.api.json);
    let api = &mut api;
    let changed = match args.command {
        DiskCommand::List => return list(api, json).await,
        DiskCommand::Add { node, disks } => {
            let path = format!("/v1/nodes/{}/disks", segment(&node));
            let new = NewDisks { disks };
            api.change_with(Method::POST, &path, &new).await?
        }
        DiskCommand::Drain { disk, apply } => {
            let path = path(find(api, &disk).await?, "/drain");
            return drain(api, &path, &apply, json).await;
        }
        DiskCommand::Undrain { disk } => {
            let path = path(find(api, &disk).await?, "/undrain");
            api.change(Method::POST, &path).await?
        }
        DiskCommand::Remove { disk, consent } => {
            let disk = find(api, &disk).await?;
            consent.ask(&format!("Disk {disk} leaves the cluster."), "remove")?;
            api.change(Method::DELETE, &path(disk, "")).await?
        }
        DiskCommand::Replace { old, new, consent } => replace(api, &old, &new, &consent).await?,
        DiskCommand::Weight { disk, weight } => {
            let path = path(find(api, &disk).await?, "/weight");
            let weight = NewWeight { weight };
            api.change_with(Method::PUT, &path, &weight).await?
        }
    };
    changed.print_change(json);
    Ok(())
}

async fn list(api: &mut Api, json: bool) -> Result<(), Error> {
    let layout: Answer<LayoutView> = api.get("/v1/layout").await?;
    let disks = &layout.view.disks;
    match json {
        true => println!("{}", output::json(&layout.document["disks"])),
        false => println!("{}", disks_table(disks, &ShortIds::of_disks(disks))),
    }
    Ok(())
}

async fn replace(
    api: &mut Api,
    old: &str,
    new: &str,
    consent: &Consent,
) -> Result<Answer<Changed>, Error> {
    let (old, new) = (find(api, old).await?, find(api, new).await?);
    let what = format!("All that disk {old} has moves to disk {new}, beginning at once.");
    consent.ask(&what, "replace")?;
    let path = path(old, "/replacement");
    api.change_with(Method::POST, &path, &Replacement { new })
        .await
}

/// The disk that is meant.
async fn find(api: &mut Api, text: &str) -> Result<DiskId, Error> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let layout: Answer<LayoutView> = api.get("/v1/layout").await?;
    disk_of(&layout.view.disks, text)
}

fn path(disk: DiskId, rest: &str) -> String {
    format!("/v1/disks/{disk}{rest}")
}

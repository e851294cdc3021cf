//! `riquet node`: storage nodes come and go, and stop for a while.

use clap::{Args, Subcommand};
use hyper::Method;
use riquet_cluster::admin::{LayoutView, NewDisk, NewNode, NewWeight};

use super::Consent;
use super::api::{Answer, Api, ApiArgs, segment};
use super::layout::nodes_table;
use super::rebalance::{plan_and_apply, what_is_next};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    command: NodeCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// List the storage nodes
    List,
    /// Add a node, which runs already, with its disks
    ///
    /// It gets its share of the data with the next rebalance.
    Add {
        /// Its name, as in its settings
        name: String,
        /// Where it stands
        #[arg(long, value_name = "SITE")]
        site: String,
        /// Where its internal server listens
        #[arg(long, value_name = "HOST:PORT")]
        address: String,
        /// A disk of it, with its weight (its size in GiB, if none is given); none: all that it has
        #[arg(long = "disk", value_name = "ID[=WEIGHT]", value_parser = new_disk)]
        disks: Vec<NewDisk>,
    },
    /// Have all disks of a node emptied by the next rebalance
    ///
    /// Nothing moves by this alone, and the node is used as before until the rebalance has moved its
    /// shards.
    Drain {
        /// The node
        name: String,
        #[command(flatten)]
        apply: ApplyAtOnce,
    },
    /// Have the disks of a node not emptied after all
    ///
    /// What has moved already comes back with the next rebalance.
    Undrain {
        /// The node
        name: String,
    },
    /// Remove a node whose disks are empty
    Remove {
        /// The node
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Have nobody ask a node for anything, so that it can be stopped for a while
    ///
    /// Refused where writes could not go on without it. What the node misses meanwhile is made up for
    /// when it is back.
    Maintenance {
        /// The node
        name: String,
        /// It serves again
        #[arg(long)]
        end: bool,
    },
    /// Give each disk of a node a weight: its share relative to the other disks of the site
    ///
    /// It counts from the next rebalance on.
    Weight {
        /// The node
        name: String,
        /// The weight, usually a disk's size in GiB
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        weight: u32,
    },
}

/// Whether a drain is followed by the rebalance that it needs.
#[derive(Debug, Args)]
pub(super) struct ApplyAtOnce {
    /// Plan the rebalance that empties it, show the plan, and apply it
    #[arg(long)]
    apply: bool,
    /// Do not ask whether to apply it; nothing is asked where nothing is applied
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(crate) async fn run(args: NodeArgs) -> Result<(), Error> {
    let (mut api, json) = (args.api.connect()?, args.api.json);
    let path = |name: &str, rest: &str| format!("/v1/nodes/{}{rest}", segment(name));
    let changed = match args.command {
        NodeCommand::List => return list(&mut api, json).await,
        NodeCommand::Add {
            name,
            site,
            address,
            disks,
        } => {
            let new = NewNode {
                name,
                site,
                address,
                disks,
            };
            api.change_with(Method::POST, "/v1/nodes", &new).await?
        }
        NodeCommand::Drain { name, apply } => {
            return drain(&mut api, &path(&name, "/drain"), &apply, json).await;
        }
        NodeCommand::Undrain { name } => api.change(Method::POST, &path(&name, "/undrain")).await?,
        NodeCommand::Remove { name, consent } => {
            consent.ask(
                &format!("Node {name} and its disks leave the cluster."),
                "remove",
            )?;
            api.change(Method::DELETE, &path(&name, "")).await?
        }
        NodeCommand::Maintenance { name, end: false } => {
            api.change(Method::POST, &path(&name, "/maintenance"))
                .await?
        }
        NodeCommand::Maintenance { name, end: true } => {
            api.change(Method::POST, &path(&name, "/service")).await?
        }
        NodeCommand::Weight { name, weight } => {
            let path = path(&name, "/weight");
            api.change_with(Method::PUT, &path, &NewWeight { weight })
                .await?
        }
    };
    changed.print_change(json);
    Ok(())
}

/// Has a node or a disk emptied, and says what is left to do, or does it.
pub(super) async fn drain(
    api: &mut Api,
    path: &str,
    apply: &ApplyAtOnce,
    json: bool,
) -> Result<(), Error> {
    let changed = api.change(Method::POST, path).await?;
    changed.print_change(json);
    if apply.apply {
        let consent = Consent { yes: apply.yes };
        return plan_and_apply(api, &consent, json).await;
    }
    if !json {
        println!("{}", what_is_next());
    }
    Ok(())
}

async fn list(api: &mut Api, json: bool) -> Result<(), Error> {
    let layout: Answer<LayoutView> = api.get("/v1/layout").await?;
    match json {
        true => println!("{}", output::json(&layout.document["nodes"])),
        false => println!("{}", nodes_table(&layout.view.nodes)),
    }
    Ok(())
}

/// A disk that comes: `ID` or `ID=WEIGHT`.
pub(super) fn new_disk(text: &str) -> Result<NewDisk, String> {
    let (id, weight) = match text.split_once('=') {
        Some((id, weight)) => (id, Some(weight)),
        None => (text, None),
    };
    let id = id
        .parse()
        .map_err(|_| "an id has 32 hexadecimal digits".to_owned())?;
    let weight = weight.map(|weight| {
        let weight = weight.parse().ok().filter(|weight| *weight >= 1);
        weight.ok_or_else(|| "a weight is a number, at least 1".to_owned())
    });
    Ok(NewDisk {
        id,
        weight: weight.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use riquet_cluster::id::DiskId;

    #[test]
    fn disks_come_with_or_without_a_weight() {
        let id = DiskId::from_u128(7);
        let with = |weight| Ok(NewDisk { id, weight });
        assert_eq!(new_disk(&id.to_string()), with(None));
        assert_eq!(new_disk(&format!("{id}=400")), with(Some(400)));
        for text in ["", "7", "=4", &format!("{id}="), &format!("{id}=0")] {
            assert!(new_disk(text).is_err(), "{text}");
        }
    }
}

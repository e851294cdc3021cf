//! Commands for operators, which speak to the voters on a cluster's metadata and to its nodes.

mod backup;
mod check;
pub(crate) mod failover;
pub(crate) mod garbage;
pub(crate) mod identity;
pub(crate) mod lifecycle;
pub(crate) mod metadata;
mod rebuild;
pub(crate) mod repair;
mod risk;
pub(crate) mod scrub;
mod status;
pub(crate) mod tablets;
mod upkeep;
pub(crate) mod voters;

use std::io::{IsTerminal, Write};

use clap::Args;
use riquet_cluster::transport::Transport;
use riquet_metadata::{Client, GroupId};

use crate::error::Error;

/// Which cluster a command is about.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// Voters on the cluster's metadata
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT,...",
        env = "RIQUET_METADATA",
        value_delimiter = ','
    )]
    pub(crate) metadata: Vec<String>,
}

impl ClusterArgs {
    /// A client of the cluster's metadata.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        if self.metadata.is_empty() {
            return Err(Error::NoEnvironment {
                variable: "RIQUET_METADATA",
            });
        }
        Ok(Client::new(Transport::tcp(), self.metadata.clone()))
    }
}

/// The control group and all key groups.
async fn groups(client: &Client) -> Result<Vec<GroupId>, Error> {
    let key_groups = client.cluster().await?.key_groups;
    Ok((0..=key_groups).map(GroupId).collect())
}

/// Asks the person at the terminal to type `word`.
///
/// # Errors
/// [`Error::NotConfirmed`] when they type anything else, [`Error::CanNotAsk`] when nobody is there.
fn confirm(word: &str) -> Result<(), Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::CanNotAsk);
    }
    eprint!("Type {word} to go on: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    match read.is_ok() && line.trim() == word {
        true => Ok(()),
        false => Err(Error::NotConfirmed),
    }
}

//! Commands for operators. Some ask a gateway's admin API ([`api`]), the others the voters on a cluster's
//! metadata and its nodes; [`profile`] says where all of these are.

mod api;
mod backup;
mod check;
pub(crate) mod cluster;
pub(crate) mod disks;
pub(crate) mod failover;
pub(crate) mod garbage;
pub(crate) mod identity;
pub(crate) mod layout;
pub(crate) mod lifecycle;
pub(crate) mod metadata;
pub(crate) mod nodes;
pub(crate) mod overview;
mod profile;
pub(crate) mod rebalance;
mod rebuild;
pub(crate) mod repair;
mod risk;
pub(crate) mod scrub;
mod status;
pub(crate) mod tablets;
#[cfg(test)]
mod testing;
mod upkeep;
pub(crate) mod voters;

use std::io::{IsTerminal, Write};

use clap::Args;
use riquet_cluster::transport::Transport;
use riquet_metadata::{Client, GroupId};

use self::profile::{Environment, ProfileArgs, Profiles};
use crate::error::Error;

/// Which cluster a command is about.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// Voters on the cluster's metadata [env: RIQUET_METADATA]
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT,...",
        value_delimiter = ','
    )]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
}

/// What a command that destroys or moves something needs to go on.
#[derive(Debug, Args)]
struct Consent {
    /// Do not ask whether to go on
    #[arg(long)]
    yes: bool,
}

impl ClusterArgs {
    /// A client of the cluster's metadata.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        let environment = Environment::of_process();
        let voters = Profiles::load(&self.profile, &environment)?.metadata(&self.metadata)?;
        Ok(Client::new(Transport::tcp(), voters))
    }
}

impl Consent {
    /// Says what is about to be done, and asks the person at the terminal to type `word`, unless they
    /// agreed already.
    fn ask(&self, what: &str, word: &str) -> Result<(), Error> {
        if self.yes {
            return Ok(());
        }
        eprintln!("{what}");
        confirm(word)
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

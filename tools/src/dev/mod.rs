//! `riquet dev`: a whole cluster of real processes on one machine, to use and to break.
//!
//! Everything about it lives in one folder:
//!
//! ```text
//! DIR/cluster.toml      what the cluster is made of
//! DIR/credentials.toml  the access keys; written once, for the owner's eyes only
//! DIR/cluster.keys      the cluster's key ring, as secret
//! DIR/env               shell lines that point S3 clients at the cluster
//! DIR/config/NAME.toml  each process's configuration, rewritten by every start
//! DIR/data/NAME/        each process's data
//! DIR/logs/NAME.log     what each process printed
//! DIR/pids/NAME         each running process's id
//! DIR/partition         the cuts between sites, watched by every process
//! ```

mod bootstrap;
mod config;
pub(crate) mod credentials;
mod disk;
mod drill;
mod environment;
mod folder;
mod kms;
mod lifecycle;
mod newcomer;
mod partition;
mod people;
mod ports;
mod ready;
mod status;
pub(crate) mod topology;
mod up;
mod voter;

pub(crate) use folder::Folder;
pub(crate) use topology::Topology;

use crate::cli::{DevArgs, DevCommand, Selection};
use crate::error::Error;
use topology::Member;

/// Runs one `riquet dev` command.
pub(crate) async fn run(args: DevArgs) -> Result<(), Error> {
    match args.command {
        DevCommand::Up(options) => up::run(&args.dir, &options).await,
        DevCommand::Down => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            lifecycle::stop_all(&folder, &topology).await
        }
        DevCommand::Status { json } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            status::print(&folder, &topology, json)
        }
        DevCommand::Kill(selection) => {
            // Takes no lock: it must strike also while something else is starting.
            let (folder, topology) = Folder::open(&args.dir)?;
            lifecycle::kill(&folder, &select(&topology, &selection)?).await
        }
        DevCommand::Start(selection) => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            let members = select(&topology, &selection)?;
            up::write_configuration(&folder, &topology)?;
            lifecycle::start(&folder, &topology, &members).await
        }
        DevCommand::Restart(selection) => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            let members = select(&topology, &selection)?;
            up::write_configuration(&folder, &topology)?;
            lifecycle::stop(&folder, &members).await?;
            lifecycle::start(&folder, &topology, &members).await
        }
        DevCommand::AddNode { site } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            newcomer::add(&folder, topology, &site).await
        }
        DevCommand::RemoveNode { name } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            newcomer::remove(&folder, topology, &name).await
        }
        DevCommand::Partition { site, from_arbiter } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            partition::cut(&folder, &topology, &site, from_arbiter)
        }
        DevCommand::Drill(options) => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            drill::run(&folder, &topology, &options).await
        }
        DevCommand::Voter { name } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            let _lock = folder.lock()?;
            voter::join(&folder, topology, &name).await
        }
        DevCommand::Disk { name, fault } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            disk::fail(&folder, &topology, &name, fault)
        }
        DevCommand::Heal { site } => {
            let (folder, topology) = Folder::open(&args.dir)?;
            partition::heal(&folder, &topology, &site)
        }
    }
}

/// The members that a selection means, each once.
fn select<'a>(topology: &'a Topology, selection: &Selection) -> Result<Vec<&'a Member>, Error> {
    let mut chosen: Vec<&Member> = Vec::new();
    if let Some(site) = &selection.site {
        topology.check_site(site)?;
        chosen.extend(topology.members.iter().filter(|m| m.site == *site));
    }
    for name in &selection.names {
        let member = topology.member(name)?;
        if !chosen.contains(&member) {
            chosen.push(member);
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(site: Option<&str>, names: &[&str]) -> Result<Vec<String>, Error> {
        let topology = topology::tests::small();
        let selection = Selection {
            names: names.iter().map(ToString::to_string).collect(),
            site: site.map(ToString::to_string),
        };
        Ok(select(&topology, &selection)?
            .iter()
            .map(|m| m.name.clone())
            .collect())
    }

    #[test]
    fn a_site_means_its_nodes_and_its_gateway() {
        assert_eq!(
            names(Some("toulouse"), &["arbiter", "toulouse-1"]).unwrap(),
            ["toulouse-1", "toulouse-2", "gateway-toulouse", "arbiter"]
        );
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let error = names(None, &["toulouse-9"]).unwrap_err().to_string();
        assert!(error.contains("toulouse-9") && error.contains("gateway-montpellier"));
        let error = names(Some("paris"), &[]).unwrap_err().to_string();
        assert!(error.contains("paris") && error.contains("montpellier"));
    }
}

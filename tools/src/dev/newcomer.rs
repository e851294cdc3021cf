//! `riquet dev add-node`: one more storage node, for operators to take into the layout; and
//! `riquet dev remove-node`, for one that they took out of it.

use std::io;

use riquet_cluster::id::DiskId;

use super::folder::Folder;
use super::lifecycle;
use super::ports;
use super::topology::{Role, Topology};
use super::up;
use crate::error::Error;
use crate::files::{self, Readers};

/// Starts one more storage node at a site, and says how it is taken into the layout.
pub(crate) async fn add(folder: &Folder, mut topology: Topology, site: &str) -> Result<(), Error> {
    let used: Vec<u16> = topology.members.iter().filter_map(|m| m.port()).collect();
    let port = ports::free_ports(1, &used)?[0];
    let name = topology.add_node(site, port, || DiskId::from_u128(rand::random()))?;
    write(folder, &topology)?;
    let member = topology.member(&name)?;
    lifecycle::start(folder, &topology, &[member]).await?;
    println!(
        "{name} waits at {}. To take it into the layout:",
        member.address
    );
    println!(
        "  riquet node add {name} --site {site} --address {}",
        member.address
    );
    Ok(())
}

/// Stops a storage node that is not in the layout any more, and removes what it had.
pub(crate) async fn remove(
    folder: &Folder,
    mut topology: Topology,
    name: &str,
) -> Result<(), Error> {
    let member = topology.member(name)?;
    if member.role != Role::Data || member.voter.is_some() {
        return Err(Error::CanNotLeave { name: name.into() });
    }
    lifecycle::stop(folder, &[member]).await?;
    topology.members.retain(|member| member.name != name);
    write(folder, &topology)?;
    let data = folder.data_dir(name);
    match std::fs::remove_dir_all(&data) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", data)(error))
        }
        _ => Ok(()),
    }
}

fn write(folder: &Folder, topology: &Topology) -> Result<(), Error> {
    let text = toml::to_string(topology).expect("a topology holds only text and numbers");
    files::replace(&folder.topology_file(), &text, Readers::Anyone)?;
    up::write_configuration(folder, topology).map(drop)
}

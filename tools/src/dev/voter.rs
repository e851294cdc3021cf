//! `riquet dev voter`: a storage node that is to vote on metadata.

use std::io;

use super::folder::Folder;
use super::lifecycle;
use super::topology::Topology;
use super::up;
use crate::error::Error;
use crate::files::{self, Readers};

/// Starts a node anew as a voter that waits to be added, and says how that is done.
pub(crate) async fn join(folder: &Folder, mut topology: Topology, name: &str) -> Result<(), Error> {
    let number = topology.let_join(name)?;
    lifecycle::stop(folder, &[topology.member(name)?]).await?;
    // Under its new number it never voted: it must not remember what it did under the old one.
    let meta = folder.data_dir(name).join("meta");
    match std::fs::remove_dir_all(&meta) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::file("remove", meta)(error));
        }
        _ => {}
    }
    let text = toml::to_string(&topology).expect("a topology holds only text and numbers");
    files::replace(&folder.topology_file(), &text, Readers::Anyone)?;
    up::write_configuration(folder, &topology)?;
    let member = topology.member(name)?;
    lifecycle::start(folder, &topology, &[member]).await?;
    println!("{name} waits as voter {number}. To have it vote:");
    println!("  riquet voter add {}", member.address);
    Ok(())
}

//! Faults of disks: a node watches a file that says what is wrong with its own.

use clap::ValueEnum;

use super::folder::Folder;
use super::topology::{Role, Topology};
use crate::cli::DiskFault;
use crate::error::Error;

/// Lets the disks of a node fail in a way, or be well again.
pub(crate) fn fail(
    folder: &Folder,
    topology: &Topology,
    name: &str,
    fault: DiskFault,
) -> Result<(), Error> {
    let member = topology.member(name)?;
    if member.role != Role::Data {
        return Err(Error::NoDisks { name: name.into() });
    }
    let word = fault.to_possible_value().expect("no fault is hidden");
    let path = folder.disk_fault_file(name);
    // Aside and renamed, so that nobody reads half a word.
    let next = path.with_extension("next");
    std::fs::write(&next, word.get_name())
        .and_then(|()| std::fs::rename(&next, &path))
        .map_err(Error::file("write", path))
}

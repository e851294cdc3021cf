//! Cuts between sites: every process watches `DIR/partition` and drops what a cut forbids.

use riquet_cluster::transport::partition::PartitionFile;

use super::folder::Folder;
use super::topology::{ARBITER, DATA_SITES, Role, Topology};
use crate::error::Error;

/// Writes every process's site into the file; cuts that stand stay.
pub(crate) fn write_addresses(folder: &Folder, topology: &Topology) -> Result<(), Error> {
    change(folder, |file| {
        // Gateways' S3 addresses are left out: users reach them across any cut.
        file.addresses = topology
            .members
            .iter()
            .filter(|m| m.role != Role::Gateway)
            .map(|m| (m.address.clone(), m.site.clone()))
            .collect();
    })
}

/// Cuts `site` from the other data site, and from the arbiter where asked.
pub(crate) fn cut(
    folder: &Folder,
    topology: &Topology,
    site: &str,
    from_arbiter: bool,
) -> Result<(), Error> {
    topology.check_site(site)?;
    change(folder, |file| {
        for other in DATA_SITES.into_iter().filter(|other| *other != site) {
            file.cut(site, other);
        }
        if from_arbiter && site != ARBITER {
            file.cut(site, ARBITER);
        }
    })
}

/// Undoes every cut of `site`.
pub(crate) fn heal(folder: &Folder, topology: &Topology, site: &str) -> Result<(), Error> {
    topology.check_site(site)?;
    change(folder, |file| {
        file.cuts.retain(|(a, b)| a != site && b != site);
    })
}

/// The pairs of sites that are cut now.
pub(crate) fn cuts(folder: &Folder) -> Result<Vec<(String, String)>, Error> {
    let path = folder.partition_file();
    let file = PartitionFile::read(&path).map_err(Error::file("read", path))?;
    Ok(file.cuts.into_iter().collect())
}

fn change(folder: &Folder, edit: impl FnOnce(&mut PartitionFile)) -> Result<(), Error> {
    let path = folder.partition_file();
    let mut file = PartitionFile::read(&path).map_err(Error::file("read", &path))?;
    edit(&mut file);
    file.write(&path).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::small;
    use super::*;

    #[test]
    fn cuts_stand_until_healed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        let topology = small();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());

        cut(&folder, &topology, "toulouse", false).unwrap();
        write_addresses(&folder, &topology).unwrap();
        assert_eq!(cuts(&folder).unwrap(), [pair("montpellier", "toulouse")]);
        let file = PartitionFile::read(&folder.partition_file()).unwrap();
        let far = &topology.member("montpellier-1").unwrap().address;
        assert!(file.is_cut("toulouse", far) && !file.is_cut("arbiter", far));

        cut(&folder, &topology, "toulouse", true).unwrap();
        assert_eq!(cuts(&folder).unwrap().len(), 2);
        heal(&folder, &topology, "arbiter").unwrap();
        assert_eq!(cuts(&folder).unwrap(), [pair("montpellier", "toulouse")]);
        heal(&folder, &topology, "toulouse").unwrap();
        assert_eq!(cuts(&folder).unwrap(), []);

        assert!(cut(&folder, &topology, "paris", false).is_err());
        assert!(heal(&folder, &topology, "paris").is_err());
    }
}

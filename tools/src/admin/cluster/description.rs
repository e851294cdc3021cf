//! The file that describes a cluster to be made:
//!
//! ```toml
//! sites = ["toulouse", "montpellier"]
//! profile = "4/6"
//! metadata = ["toulouse-1.example.org:7500", "arbiter.example.org:7500"]
//! key_file = "/etc/riquet/cluster.keys"
//!
//! [tenant]
//! display_name = "Observatory"
//!
//! [[nodes]]
//! name = "toulouse-1"
//! site = "toulouse"
//! address = "toulouse-1.example.org:7500"
//! ```
//!
//! Disks are not in it: their ids and sizes are asked of the nodes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use riquet_cluster::id::ClusterId;
use serde::Deserialize;

use super::survey::Survey;
use crate::dev::topology::ProfileShape;
use crate::error::Error;
use crate::files;
use crate::first_layout::{Foundation, Founder};

/// What the cluster shall be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    /// The two sites, in the order of the code: data shards lie at the first.
    sites: [String; 2],
    /// Data shards, and shards at each site.
    pub(super) profile: ProfileShape,
    /// Placement groups of each profile.
    #[serde(default = "default_placement_groups")]
    pub(super) placement_groups: u32,
    /// Metadata groups for keys, as in the settings of the voters.
    #[serde(default = "default_key_groups")]
    pub(super) key_groups: u32,
    /// `host:port` of all voters.
    pub(super) metadata: Vec<String>,
    /// The cluster's key ring; made if it isn't there.
    pub(super) key_file: PathBuf,
    /// The default tenant.
    #[serde(default)]
    pub(super) tenant: TenantDescription,
    /// The storage nodes.
    pub(super) nodes: Vec<NodeDescription>,
}

/// The default tenant, as others see it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TenantDescription {
    pub(super) display_name: String,
    pub(super) email: Option<String>,
}

impl Default for TenantDescription {
    fn default() -> Self {
        Self {
            display_name: "Default tenant".to_owned(),
            email: None,
        }
    }
}

/// A storage node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeDescription {
    /// Its name, as in its settings.
    pub(super) name: String,
    /// The site it stands at.
    pub(super) site: String,
    /// `host:port` where gateways and other nodes reach it.
    pub(super) address: String,
}

/// Enough for even shares on a few hundred disks a site.
fn default_placement_groups() -> u32 {
    4096
}

/// The default of the nodes' settings.
fn default_key_groups() -> u32 {
    8
}

impl Description {
    /// Reads it.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        Self::parse(&files::read(path)?).map_err(|why| Error::BadClusterFile {
            path: path.to_owned(),
            why,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let description: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        description.check()?;
        Ok(description)
    }

    fn check(&self) -> Result<(), String> {
        if self.sites[0] == self.sites[1] {
            return Err("the two sites have the same name".to_owned());
        }
        if self.metadata.is_empty() {
            return Err("metadata names no voter".to_owned());
        }
        if self.placement_groups == 0 || self.key_groups == 0 {
            return Err("placement_groups and key_groups are at least 1".to_owned());
        }
        let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for node in &self.nodes {
            let name = &node.name;
            if !self.sites.contains(&node.site) {
                return Err(format!(
                    "{name} stands at {:?}, which is no site",
                    node.site
                ));
            }
            if !names.insert(name) || !addresses.insert(&node.address) {
                return Err(format!("the name or the address of {name} is there twice"));
            }
        }
        Ok(())
    }

    /// What the first layout follows from, with the disks that the nodes have.
    pub(super) fn foundation<'a>(
        &'a self,
        cluster: ClusterId,
        survey: &'a Survey,
    ) -> Foundation<'a> {
        let founder = |(node, disks): (&'a NodeDescription, &'a super::survey::Disks)| Founder {
            name: &node.name,
            site: &node.site,
            address: &node.address,
            disks: disks.weights().collect(),
        };
        Foundation {
            cluster,
            sites: self.sites.each_ref().map(String::as_str),
            shape: self.profile,
            placement_groups: self.placement_groups,
            nodes: self.nodes.iter().zip(survey.nodes()).map(founder).collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const FILE: &str = r#"
        sites = ["toulouse", "montpellier"]
        profile = "1/2"
        metadata = ["a:1"]
        key_file = "k"
        [[nodes]]
        name = "t"
        site = "toulouse"
        address = "t:1"
        [[nodes]]
        name = "m"
        site = "montpellier"
        address = "m:1"
    "#;

    /// A description of two nodes.
    pub(in super::super) fn small() -> Description {
        Description::parse(FILE).unwrap()
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let description = small();
        assert_eq!(description.placement_groups, 4096);
        assert_eq!(description.key_groups, 8);
        assert_eq!(description.tenant.display_name, "Default tenant");
        assert_eq!(description.nodes.len(), 2);
    }

    #[test]
    fn the_packaged_example_is_a_description() {
        let example = include_str!("../../../../ops/debian/examples/cluster.toml");
        let description = Description::parse(example).unwrap();
        assert_eq!(description.nodes.len(), 12);
        assert_eq!(description.metadata.len(), 5);
    }

    #[test]
    fn contradictions_are_refused() {
        for (from, to) in [
            ("\"montpellier\"]", "\"toulouse\"]"),
            ("site = \"toulouse\"", "site = \"paris\""),
            ("name = \"m\"", "name = \"t\""),
            ("address = \"m:1\"", "address = \"t:1\""),
            ("[\"a:1\"]", "[]"),
            ("\"1/2\"", "\"2/2\""),
            ("key_file", "keyfile"),
            ("key_file", "key_groups = 0\nkey_file"),
        ] {
            assert!(FILE.contains(from), "{from}");
            assert!(Description::parse(&FILE.replace(from, to)).is_err(), "{to}");
        }
    }
}

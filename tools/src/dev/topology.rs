//! What a development cluster is made of, and the layout that follows from it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use riquet_cluster::id::{ClusterId, DiskId};
use riquet_cluster::layout::Layout;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::first_layout::{Foundation, Founder};

/// The two sites that hold data, in the order of the code.
pub(crate) const DATA_SITES: [&str; 2] = ["toulouse", "montpellier"];

/// The site of the arbiter, and its name.
pub(crate) const ARBITER: &str = "arbiter";

/// Placement groups of each profile: few enough to compute at once, many enough to spread evenly
/// over a dozen disks.
const PLACEMENT_GROUPS: u32 = 256;

/// Voters on metadata at each data site that has so many nodes. With the arbiter's, a majority is
/// left when a site is lost.
const VOTERS_PER_SITE: u16 = 2;

/// The same without an arbiter: a majority of each site must agree, of which one may be lost.
const VOTERS_PER_SITE_ALONE: u16 = 3;

/// A profile's numbers, `K/S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ProfileShape {
    /// Data shards.
    pub(crate) data: u8,
    /// Shards at each site.
    pub(crate) per_site: u8,
}

impl Default for ProfileShape {
    fn default() -> Self {
        Self {
            data: 4,
            per_site: 6,
        }
    }
}

impl fmt::Display for ProfileShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.data, self.per_site)
    }
}

impl FromStr for ProfileShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(k, s)| Some((k.parse().ok()?, s.parse().ok()?)));
        match numbers {
            Some((data @ 1.., per_site @ 1..=127)) if per_site > data => {
                Ok(Self { data, per_site })
            }
            Some(_) => Err("K is at least 1, S more than K and at most 127".into()),
            None => Err("two numbers, such as 4/6".into()),
        }
    }
}

impl TryFrom<String> for ProfileShape {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ProfileShape> for String {
    fn from(shape: ProfileShape) -> Self {
        shape.to_string()
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Stores shards.
    Data,
    /// Votes on metadata.
    Meta,
    /// Serves S3.
    Gateway,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Meta => "meta",
            Self::Gateway => "gateway",
        })
    }
}

/// A process of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) site: String,
    pub(crate) role: Role,
    /// `host:port` of its server: S3 for gateways, the internal protocol for nodes.
    pub(crate) address: String,
    /// `host:port` of a gateway's metrics and health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin_address: Option<String>,
    /// Disks of a storage node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) disks: Vec<MemberDisk>,
    /// Its number among the voters on metadata, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) voter: Option<u64>,
    /// Whether it came to vote later than the cluster began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) joined: bool,
}

impl Member {
    /// The port of its server.
    pub(crate) fn port(&self) -> Option<u16> {
        self.address.rsplit_once(':')?.1.parse().ok()
    }
}

/// A disk of a storage node: here, a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberDisk {
    pub(crate) id: DiskId,
    /// Relative to the node's data folder.
    pub(crate) path: PathBuf,
}

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Topology {
    pub(crate) cluster: ClusterId,
    /// When it was made, ms since 1970.
    pub(crate) created_ms: u64,
    pub(crate) profile: ProfileShape,
    pub(crate) port: u16,
    pub(crate) nodes_per_site: u16,
    /// For tests: the length of a day in the rules of lifecycles, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle_day_seconds: Option<u32>,
    /// The greatest number that a voter ever had.
    pub(crate) last_voter: u64,
    pub(crate) members: Vec<Member>,
}

/// What the person who makes a cluster chooses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choices {
    pub(crate) profile: ProfileShape,
    pub(crate) port: u16,
    pub(crate) nodes_per_site: u16,
    pub(crate) has_arbiter: bool,
    pub(crate) lifecycle_day_seconds: Option<u32>,
}

impl Choices {
    /// Ports that a cluster needs besides the two of its gateways' S3 servers.
    pub(crate) fn internal_ports(&self) -> usize {
        let arbiters = usize::from(self.has_arbiter);
        DATA_SITES.len() * usize::from(self.nodes_per_site) + arbiters + DATA_SITES.len()
    }
}

impl Topology {
    /// A new cluster. `internal_ports` are free ports, [`Choices::internal_ports`] of them;
    /// `fresh_id` gives random ids.
    pub(crate) fn new(
        choices: Choices,
        internal_ports: &[u16],
        created_ms: u64,
        mut fresh_id: impl FnMut() -> u128,
    ) -> Self {
        assert_eq!(internal_ports.len(), choices.internal_ports());
        let mut ports = internal_ports.iter();
        let mut internal = || local(*ports.next().expect("counted above"));
        let mut members = Vec::new();
        // A site with fewer nodes than shards has several disks on each.
        let mut voters = 1..;
        let voters_per_site = match choices.has_arbiter {
            true => VOTERS_PER_SITE,
            false => VOTERS_PER_SITE_ALONE,
        };
        let disks_per_node = u16::from(choices.profile.per_site).div_ceil(choices.nodes_per_site);
        for site in DATA_SITES {
            for number in 1..=choices.nodes_per_site {
                members.push(Member {
                    name: format!("{site}-{number}"),
                    site: site.into(),
                    role: Role::Data,
                    address: internal(),
                    admin_address: None,
                    disks: (0..disks_per_node)
                        .map(|disk| MemberDisk {
                            id: DiskId::from_u128(fresh_id()),
                            path: format!("disk-{disk}").into(),
                        })
                        .collect(),
                    voter: (number <= voters_per_site).then(|| voters.next()).flatten(),
                    joined: false,
                });
            }
        }
        if choices.has_arbiter {
            members.push(Member {
                name: ARBITER.into(),
                site: ARBITER.into(),
                role: Role::Meta,
                address: internal(),
                admin_address: None,
                disks: Vec::new(),
                voter: voters.next(),
                joined: false,
            });
        }
        for (site, port) in DATA_SITES.into_iter().zip(choices.port..) {
            members.push(Member {
                name: format!("gateway-{site}"),
                site: site.into(),
                role: Role::Gateway,
                address: local(port),
                admin_address: Some(internal()),
                disks: Vec::new(),
                voter: None,
                joined: false,
            });
        }
        Self {
            cluster: ClusterId::from_u128(fresh_id()),
            created_ms,
            profile: choices.profile,
            port: choices.port,
            nodes_per_site: choices.nodes_per_site,
            lifecycle_day_seconds: choices.lifecycle_day_seconds,
            last_voter: members.iter().filter_map(|m| m.voter).max().unwrap_or(0),
            members,
        }
    }

    /// The process of that name.
    pub(crate) fn member(&self, name: &str) -> Result<&Member, Error> {
        self.members.iter().find(|m| m.name == name).ok_or_else(|| {
            let names: Vec<_> = self.members.iter().map(|m| m.name.as_str()).collect();
            Error::UnknownProcess {
                name: name.into(),
                known: names.join(", "),
            }
        })
    }

    /// Adds a storage node at a data site, with as many disks as its first one has. Returns its name.
    pub(crate) fn add_node(
        &mut self,
        site: &str,
        port: u16,
        mut fresh_disk: impl FnMut() -> DiskId,
    ) -> Result<String, Error> {
        let of_site = self
            .with_role(Role::Data)
            .filter(|member| member.site == site);
        let disks = of_site.map(|member| member.disks.len()).next();
        let disks = disks.ok_or_else(|| Error::UnknownSite {
            name: site.into(),
            known: DATA_SITES.join(", "),
        })?;
        let is_free = |name: &String| self.members.iter().all(|member| member.name != *name);
        let mut names = (1..).map(|number| format!("{site}-{number}"));
        let name = names
            .find(is_free)
            .expect("there are more numbers than members");
        let after = self
            .members
            .iter()
            .rposition(|member| member.role == Role::Data);
        let member = Member {
            name: name.clone(),
            site: site.into(),
            role: Role::Data,
            address: local(port),
            admin_address: None,
            disks: (0..disks)
                .map(|disk| MemberDisk {
                    id: fresh_disk(),
                    path: format!("disk-{disk}").into(),
                })
                .collect(),
            voter: None,
            joined: false,
        };
        self.members.insert(after.map_or(0, |at| at + 1), member);
        Ok(name)
    }

    /// That there is such a site, the arbiter's included.
    pub(crate) fn check_site(&self, name: &str) -> Result<(), Error> {
        if self.members.iter().any(|m| m.site == name) {
            return Ok(());
        }
        Err(Error::UnknownSite {
            name: name.into(),
            known: [&DATA_SITES[..], &[ARBITER]].concat().join(", "),
        })
    }

    pub(crate) fn with_role(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |m| m.role == role)
    }

    /// Whether one of the voters is at no data site.
    pub(crate) fn has_arbiter(&self) -> bool {
        self.members.iter().any(|m| m.site == ARBITER)
    }

    /// Gives a storage node a number among the voters that none had before.
    pub(crate) fn let_join(&mut self, name: &str) -> Result<u64, Error> {
        let next = self.last_voter + 1;
        self.member(name)?;
        let member = self
            .members
            .iter_mut()
            .find(|m| m.name == name && m.role != Role::Gateway);
        let member = member.ok_or_else(|| Error::CanNotVote { name: name.into() })?;
        (member.voter, member.joined) = (Some(next), true);
        self.last_voter = next;
        Ok(next)
    }

    /// Who votes on metadata.
    pub(crate) fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|m| m.voter.is_some())
    }

    /// Addresses of the metadata nodes, those at `site` first.
    pub(crate) fn metadata(&self, site: &str) -> Vec<String> {
        let mut voters: Vec<&Member> = self.voters().collect();
        voters.sort_by_key(|voter| voter.site != site);
        voters.iter().map(|voter| voter.address.clone()).collect()
    }

    /// `http://host:port` of the gateway at `site`.
    pub(crate) fn endpoint(&self, site: &str) -> Option<String> {
        self.with_role(Role::Gateway)
            .find(|m| m.site == site)
            .map(|m| format!("http://{}", m.address))
    }

    /// The cluster's first layout.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        let foundation = Foundation {
            cluster: self.cluster,
            sites: DATA_SITES,
            shape: self.profile,
            placement_groups: PLACEMENT_GROUPS,
            nodes: self.with_role(Role::Data).map(founder).collect(),
        };
        foundation.layout()
    }
}

/// A storage node of the first layout. Its disks are alike: folders of one file system.
fn founder(member: &Member) -> Founder<'_> {
    Founder {
        name: &member.name,
        site: &member.site,
        address: &member.address,
        disks: member.disks.iter().map(|disk| (disk.id, 1)).collect(),
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[cfg(test)]
pub(crate) mod tests {
    use riquet_cluster::profile::SiteId;

    use super::*;

    /// A cluster of two nodes a site, three disks each.
    pub(crate) fn small() -> Topology {
        new(2, ProfileShape::default())
    }

    fn new(nodes_per_site: u16, profile: ProfileShape) -> Topology {
        made_by(Choices {
            profile,
            port: 9000,
            nodes_per_site,
            has_arbiter: true,
            lifecycle_day_seconds: None,
        })
    }

    fn made_by(choices: Choices) -> Topology {
        let ports: Vec<u16> = (7100..).take(choices.internal_ports()).collect();
        let mut id = 0;
        Topology::new(choices, &ports, 1_700_000_000_000, || {
            id += 1;
            id
        })
    }

    #[test]
    fn the_contract_names_and_ports() {
        let topology = new(6, ProfileShape::default());
        let names: Vec<_> = topology.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names.len(), 15);
        assert_eq!(
            (names[0], names[5], names[11]),
            ("toulouse-1", "toulouse-6", "montpellier-6")
        );
        assert_eq!(
            &names[12..],
            ["arbiter", "gateway-toulouse", "gateway-montpellier"]
        );
        assert_eq!(
            topology.endpoint("montpellier").unwrap(),
            "http://127.0.0.1:9001"
        );
        let mut addresses: Vec<_> = topology.members.iter().map(|m| &m.address).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 15);
    }

    #[test]
    fn without_an_arbiter_three_of_each_site_vote() {
        let topology = made_by(Choices {
            profile: ProfileShape::default(),
            port: 9000,
            nodes_per_site: 6,
            has_arbiter: false,
            lifecycle_day_seconds: None,
        });
        assert!(!topology.has_arbiter() && small().has_arbiter());
        let voters: Vec<_> = topology.voters().map(|m| (&*m.name, m.voter)).collect();
        assert_eq!(voters.len(), 6);
        assert_eq!(voters[2], ("toulouse-3", Some(3)));
        assert_eq!(voters[3], ("montpellier-1", Some(4)));
    }

    #[test]
    fn a_number_among_the_voters_is_given_once() {
        let mut topology = small();
        assert_eq!(topology.let_join("toulouse-1").unwrap(), 6);
        assert_eq!(topology.let_join("toulouse-1").unwrap(), 7);
        assert_eq!(topology.member("toulouse-1").unwrap().voter, Some(7));
        assert!(topology.let_join("gateway-toulouse").is_err());
        assert!(topology.let_join("nobody").is_err());
    }

    #[test]
    fn a_node_comes_under_a_free_name_and_with_disks_of_its_own() {
        let mut topology = small();
        let mut id = 900;
        let mut fresh = || {
            id += 1;
            DiskId::from_u128(id)
        };
        assert_eq!(
            topology.add_node("toulouse", 9900, &mut fresh).unwrap(),
            "toulouse-3"
        );
        let member = topology.member("toulouse-3").unwrap();
        assert_eq!((member.disks.len(), member.port()), (3, Some(9900)));
        topology
            .members
            .retain(|member| member.name != "toulouse-1");
        assert_eq!(
            topology.add_node("toulouse", 9901, &mut fresh).unwrap(),
            "toulouse-1"
        );
        assert!(topology.add_node("arbiter", 9902, &mut fresh).is_err());
        assert!(topology.add_node("paris", 9902, &mut fresh).is_err());
    }

    #[test]
    fn every_shape_has_a_valid_layout() {
        for (nodes, shape) in [(6, "4/6"), (2, "4/6"), (1, "2/3"), (3, "3/5"), (12, "8/10")] {
            let layout = new(nodes, shape.parse().unwrap()).layout().unwrap();
            assert_eq!(layout.profiles.len(), 3);
            assert_eq!(layout.standard_profile().name, shape);
            for site in [SiteId(0), SiteId(1)] {
                assert!(layout.one_zone_profile(site).is_some());
            }
        }
    }

    #[test]
    fn a_stored_topology_reads_back() {
        let topology = small();
        let text = toml::to_string(&topology).unwrap();
        assert_eq!(toml::from_str::<Topology>(&text).unwrap(), topology);
    }

    #[test]
    fn impossible_profiles_are_refused() {
        for text in ["0/1", "4/4", "6/4", "4", "4/", "a/b", "4/128", "-1/2"] {
            assert!(text.parse::<ProfileShape>().is_err(), "{text}");
        }
    }
}

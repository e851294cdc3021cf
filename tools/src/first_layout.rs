//! The layout that a cluster begins with: the profile over both sites, and one of the same redundancy at
//! each site alone for one-zone data.

use riquet_cluster::id::{ClusterId, DiskId, Epoch};
use riquet_cluster::layout::{Disk, DiskState, Layout, Migration, Node, NodeState, Site};
use riquet_cluster::placement::compute_table;
use riquet_cluster::profile::{Profile, ProfileId, SiteId};

use crate::dev::topology::ProfileShape;
use crate::error::Error;

/// Bytes of a full cell.
const CELL_SIZE: u32 = 64 * 1024;

/// Bytes of a full chunk, before rounding down to whole stripes.
const CHUNK_SIZE: u64 = 64 * 1024 * 1024;

/// What the layout follows from.
#[derive(Debug)]
pub(crate) struct Foundation<'a> {
    /// The cluster's id.
    pub(crate) cluster: ClusterId,
    /// Names of the two sites, in the order of the code: data shards lie at the first.
    pub(crate) sites: [&'a str; 2],
    /// The code.
    pub(crate) shape: ProfileShape,
    /// Placement groups of each profile.
    pub(crate) placement_groups: u32,
    /// The storage nodes.
    pub(crate) nodes: Vec<Founder<'a>>,
}

/// A storage node of the first layout.
#[derive(Debug)]
pub(crate) struct Founder<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The site it stands at, one of [`Foundation::sites`].
    pub(crate) site: &'a str,
    /// `host:port` of its server.
    pub(crate) address: &'a str,
    /// Its disks, each with its weight: its share relative to the other disks of the site.
    pub(crate) disks: Vec<(DiskId, u32)>,
}

impl Foundation<'_> {
    /// The layout.
    ///
    /// # Errors
    /// [`Error::Cluster`] when a site has fewer disks than shards, or two names or ids are the same.
    ///
    /// # Panics
    /// When a node stands at neither site.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        let sites: Vec<_> = (0..)
            .zip(self.sites)
            .map(|(id, name)| Site {
                id: SiteId(id),
                name: name.into(),
            })
            .collect();
        let (mut nodes, mut disks) = (Vec::new(), Vec::new());
        for (number, founder) in (0..).zip(&self.nodes) {
            let site = sites.iter().find(|site| site.name == founder.site);
            nodes.push(Node {
                name: founder.name.into(),
                site: site.expect("data nodes stand at data sites").id,
                address: founder.address.into(),
                state: NodeState::default(),
            });
            disks.extend(founder.disks.iter().map(|&(id, weight)| Disk {
                id,
                node: number,
                weight,
                state: DiskState::Active,
            }));
        }
        let profiles = self.profiles(&sites);
        let tables = profiles
            .iter()
            .map(|profile| compute_table(profile, &nodes, &disks, self.placement_groups))
            .collect::<Result<_, _>>()?;
        let layout = Layout {
            cluster: self.cluster,
            epoch: Epoch(1),
            standard: profiles[0].id,
            one_zone: profiles[1..].iter().map(|profile| profile.id).collect(),
            migration: Migration::default(),
            change: None,
            sites,
            nodes,
            disks,
            profiles,
            tables,
        };
        layout.validate()?;
        Ok(layout)
    }

    /// The profile over both sites, then that of each alone.
    fn profiles(&self, sites: &[Site]) -> Vec<Profile> {
        let ProfileShape { data, per_site } = self.shape;
        let stripe = u64::from(data) * u64::from(CELL_SIZE);
        let profile = |id, name: String, sites| Profile {
            id: ProfileId(id),
            name,
            data,
            per_site,
            sites,
            cell_size: CELL_SIZE,
            chunk_size: CHUNK_SIZE / stripe * stripe,
        };
        let both = sites.iter().map(|site| site.id).collect();
        let mut profiles = vec![profile(0, self.shape.to_string(), both)];
        profiles.extend((1..).zip(sites).map(|(id, site)| {
            let name = format!("{data}+{} {}", per_site - data, site.name);
            profile(id, name, vec![site.id])
        }));
        profiles
    }
}

//! What operators do to nodes and disks, and what they must not.
//!
//! Each change makes the next layout of a layout, or says why not, and then nothing is changed. None
//! moves data by itself: nodes that come, disks that are to be emptied and weights count from the next
//! rebalance on. Only a disk's replacement sets out at once, as there is nothing to choose.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Disk, DiskIndex, DiskState, Layout, Node, NodeState, Pace, PgTable, Rebalance};
use crate::Error;
use crate::id::{DiskId, Epoch};
use crate::profile::Profile;

/// What made a layout of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
pub struct ChangeNote {
    /// When, by the clock of whoever changed it, ms since 1970.
    #[n(0)]
    pub at_ms: u64,
    /// Who: an operator's key, or the node whose moves were over.
    #[n(1)]
    pub by: String,
    /// What, in words.
    #[n(2)]
    pub what: String,
}

/// Why a layout can't be changed so. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(String),
    /// No such site.
    #[error("there is no site {0}")]
    UnknownSite(String),
    /// No such disk.
    #[error("there is no disk {0}")]
    UnknownDisk(DiskId),
    /// The name is another node's.
    #[error("there is a node {0} already")]
    NameTaken(String),
    /// The address is another node's.
    #[error("node {node} serves at {address} already")]
    AddressTaken {
        /// The address.
        address: String,
        /// Whose it is.
        node: String,
    },
    /// The disk is in the layout, or was once.
    #[error("disk {0} is, or was, in the layout: a disk that comes gets an id of its own")]
    DiskTaken(DiskId),
    /// A node comes with its disks.
    #[error("node {0} has no disks")]
    NoDisks(String),
    /// Weights are at least 1.
    #[error("a weight is at least 1; to empty a disk, drain it")]
    ZeroWeight,
    /// More than a layout can number.
    #[error("a layout has at most 65,535 disks and as many nodes")]
    TooMany,
    /// Too few disks would be left to take a profile's shards.
    #[error(
        "profile {profile} needs {needed} disks at {site} that take data, and {left} would be left"
    )]
    TooFewDisks {
        /// The profile's name.
        profile: String,
        /// The site's name.
        site: String,
        /// Its shards at a site.
        needed: usize,
        /// Disks that would take them.
        left: usize,
    },
    /// The disk is being emptied already.
    #[error("{0} is being drained already")]
    Draining(String),
    /// The disk takes data.
    #[error("{0} is not being drained")]
    NotDraining(String),
    /// Only what is empty can be removed.
    #[error("{what} still holds {slots} slots: drain it, and apply a rebalance, first")]
    StillHolds {
        /// A node or a disk.
        what: String,
        /// Slots of placement groups.
        slots: usize,
    },
    /// A disk's replacement stands at the same site.
    #[error("disk {new} is at another site than {old}")]
    OtherSite {
        /// The disk that goes.
        old: DiskId,
        /// The one that was to come.
        new: DiskId,
    },
    /// A disk's replacement is empty.
    #[error("disk {new} holds slots of its own: only an empty disk can replace another")]
    NotEmpty {
        /// The disk that was to come.
        new: DiskId,
    },
    /// The node is in maintenance.
    #[error("node {0} is in maintenance already")]
    InMaintenance(String),
    /// The node is not in maintenance.
    #[error("node {0} is not in maintenance")]
    NotInMaintenance(String),
    /// Without it, too few disks would answer to write to.
    #[error(
        "without {node}, placement group {group} of profile {profile} would have {left} shards at \
         {site}, and needs {needed} for writes: wait until the others are back"
    )]
    TooFewShards {
        /// The node.
        node: String,
        /// The profile's name.
        profile: String,
        /// The group's number.
        group: u32,
        /// The site's name.
        site: String,
        /// Shards at nodes that serve.
        left: usize,
        /// Shards that a write needs.
        needed: usize,
    },
    /// The plan was made for another layout.
    #[error("the plan was made for layout {planned}, and the layout is {present}: plan anew")]
    OldPlan {
        /// The layout that was planned for.
        planned: Epoch,
        /// The layout that there is.
        present: Epoch,
    },
    /// Nothing is to move.
    #[error("every disk has its share: there is nothing to move")]
    NothingToMove,
    /// There is no rebalance.
    #[error("no rebalance is under way")]
    NoRebalance,
    /// It is as it was asked to be.
    #[error("the rebalance is {0} already")]
    AsItIs(&'static str),
    /// Too many windows.
    #[error("a pace has at most {0} windows")]
    TooManyWindows(usize),
    /// The layout that would come is none.
    #[error(transparent)]
    Invalid(#[from] Error),
}

type Changed = Result<Layout, ChangeError>;

impl Layout {
    /// With one more node and its disks, each with its weight. They get their share with the next
    /// rebalance.
    pub fn with_node(
        &self,
        name: &str,
        site: &str,
        address: &str,
        disks: &[(DiskId, u32)],
    ) -> Changed {
        if self.find_node(name).is_some() {
            return Err(ChangeError::NameTaken(name.to_owned()));
        }
        if let Some(twin) = self.present_nodes().find(|node| node.address == address) {
            return Err(ChangeError::AddressTaken {
                address: address.to_owned(),
                node: twin.name.clone(),
            });
        }
        if disks.is_empty() {
            return Err(ChangeError::NoDisks(name.to_owned()));
        }
        let site = self
            .site_named(site)
            .ok_or_else(|| ChangeError::UnknownSite(site.to_owned()))?;
        let mut next = self.clone();
        let number = u16::try_from(next.nodes.len()).map_err(|_| ChangeError::TooMany)?;
        next.nodes.push(Node {
            name: name.to_owned(),
            site: site.id,
            address: address.to_owned(),
            state: NodeState::Serving,
        });
        next.push_disks(number, disks)?;
        next.succeed()
    }

    /// With more disks of a node.
    pub fn with_disks(&self, node: &str, disks: &[(DiskId, u32)]) -> Changed {
        let number = self.node_number(node)?;
        if disks.is_empty() {
            return Err(ChangeError::NoDisks(node.to_owned()));
        }
        let mut next = self.clone();
        next.push_disks(number, disks)?;
        next.succeed()
    }

    /// With these disks to be emptied by the next rebalance.
    pub fn draining(&self, disks: &[DiskId]) -> Changed {
        let mut next = self.clone();
        let mut any = false;
        for id in disks {
            let disk = next.disk_mut(*id)?;
            any |= disk.state == DiskState::Active;
            disk.state = DiskState::Draining;
        }
        if !any {
            let names: Vec<String> = disks.iter().map(DiskId::to_string).collect();
            return Err(ChangeError::Draining(names.join(", ")));
        }
        next.check_room()?;
        next.succeed()
    }

    /// With these disks, that were to be emptied, in use again.
    pub fn undrained(&self, disks: &[DiskId]) -> Changed {
        let mut next = self.clone();
        let mut any = false;
        for id in disks {
            let disk = next.disk_mut(*id)?;
            any |= disk.state == DiskState::Draining;
            disk.state = DiskState::Active;
        }
        if !any {
            let names: Vec<String> = disks.iter().map(DiskId::to_string).collect();
            return Err(ChangeError::NotDraining(names.join(", ")));
        }
        next.succeed()
    }

    /// With disks of other weights.
    pub fn weighted(&self, disks: &[DiskId], weight: u32) -> Changed {
        if weight == 0 {
            return Err(ChangeError::ZeroWeight);
        }
        let mut next = self.clone();
        for id in disks {
            next.disk_mut(*id)?.weight = weight;
        }
        next.succeed()
    }

    /// Without a disk, which has no slots.
    pub fn without_disk(&self, id: DiskId) -> Changed {
        let mut next = self.clone();
        let at = self.disk_number(id)?;
        let slots = self.slots_held(at);
        if slots > 0 {
            return Err(ChangeError::StillHolds {
                what: format!("disk {id}"),
                slots,
            });
        }
        next.disk_mut(id)?.state = DiskState::Removed;
        next.check_room()?;
        next.succeed()
    }

    /// Without a node, whose disks have no slots.
    pub fn without_node(&self, name: &str) -> Changed {
        let number = self.node_number(name)?;
        let of_node = (0..).zip(&self.disks).filter(|(_, d)| d.node == number);
        let slots: usize = of_node.map(|(at, _)| self.slots_held(at)).sum();
        if slots > 0 {
            return Err(ChangeError::StillHolds {
                what: format!("node {name}"),
                slots,
            });
        }
        let mut next = self.clone();
        next.nodes[usize::from(number)].state = NodeState::Removed;
        for disk in next.disks.iter_mut().filter(|disk| disk.node == number) {
            disk.state = DiskState::Removed;
        }
        next.check_room()?;
        next.succeed()
    }

    /// With an empty disk in the place of another, which is emptied: its slots all move to the new one.
    /// `slot_bytes` is what the old one holds.
    pub fn with_replacement(
        &self,
        old: DiskId,
        new: DiskId,
        now_ms: u64,
        slot_bytes: u64,
    ) -> Changed {
        let (old_at, new_at) = (self.disk_number(old)?, self.disk_number(new)?);
        let site = |at| self.node_of(self.disk(at)).site;
        if site(old_at) != site(new_at) {
            return Err(ChangeError::OtherSite { old, new });
        }
        let target_of = self.migration.rebalance.iter().flat_map(|r| &r.targets);
        let is_promised = target_of
            .flat_map(|table| &table.slots)
            .any(|at| *at == new_at);
        if self.slots_held(new_at) > 0 || is_promised || old == new {
            return Err(ChangeError::NotEmpty { new });
        }
        let mut next = self.clone();
        next.disk_mut(old)?.state = DiskState::Draining;
        let new_disk = next.disk_mut(new)?;
        new_disk.state = DiskState::Active;
        let mut targets = match &self.migration.rebalance {
            Some(rebalance) => rebalance.targets.clone(),
            None => self.tables.clone(),
        };
        for slot in targets.iter_mut().flat_map(|table| &mut table.slots) {
            if *slot == old_at {
                *slot = new_at;
            }
        }
        next.check_room()?;
        next.rebalance_to(targets, now_ms, slot_bytes)
    }

    /// With a rebalance to these tables begun, in the place of one that may be under way.
    /// `planned_bytes` are those of the shards that have to move.
    pub fn rebalancing(
        &self,
        planned: Epoch,
        targets: Vec<PgTable>,
        now_ms: u64,
        planned_bytes: u64,
    ) -> Changed {
        self.check_planned(planned)?;
        self.clone().rebalance_to(targets, now_ms, planned_bytes)
    }

    /// That a plan was made for this layout.
    pub fn check_planned(&self, planned: Epoch) -> Result<(), ChangeError> {
        match planned == self.epoch {
            true => Ok(()),
            false => Err(ChangeError::OldPlan {
                planned,
                present: self.epoch,
            }),
        }
    }

    /// With the rebalance given up. What was moving goes back, paused or not; given up again, it goes on to
    /// where it went.
    pub fn aborted(&self) -> Changed {
        if self.migration.rebalance.is_none() && self.migration.moves.is_empty() {
            return Err(ChangeError::NoRebalance);
        }
        let mut next = self.clone();
        next.turn_back();
        next.migration.pace.is_paused = false;
        next.succeed()
    }

    /// With another pace of migration.
    pub fn paced(&self, pace: Pace) -> Changed {
        if pace.windows.len() > super::pace::MAX_WINDOWS {
            return Err(ChangeError::TooManyWindows(super::pace::MAX_WINDOWS));
        }
        let mut next = self.clone();
        next.migration.pace = pace;
        next.succeed()
    }

    /// With everything that moves standing still.
    pub fn paused(&self) -> Changed {
        match self.migration.pace.is_paused {
            true => Err(ChangeError::AsItIs("paused")),
            false => self.paced(Pace {
                is_paused: true,
                ..self.migration.pace.clone()
            }),
        }
    }

    /// With what was paused going on.
    pub fn resumed(&self) -> Changed {
        match self.migration.pace.is_paused {
            false => Err(ChangeError::AsItIs("under way")),
            true => self.paced(Pace {
                is_paused: false,
                ..self.migration.pace.clone()
            }),
        }
    }

    /// With a node that nobody is to ask for anything, since it is about to stop. `takes_writes` tells of
    /// a disk whether it does: its node answers, and it neither failed nor is full.
    pub fn in_maintenance(&self, name: &str, takes_writes: impl Fn(&Disk) -> bool) -> Changed {
        let number = self.node_number(name)?;
        if self.nodes[usize::from(number)].state == NodeState::Maintenance {
            return Err(ChangeError::InMaintenance(name.to_owned()));
        }
        let mut next = self.clone();
        next.nodes[usize::from(number)].state = NodeState::Maintenance;
        next.check_writable(name, takes_writes)?;
        next.succeed()
    }

    /// With a node in use again.
    pub fn serving_again(&self, name: &str) -> Changed {
        let number = self.node_number(name)?;
        let mut next = self.clone();
        let node = &mut next.nodes[usize::from(number)];
        if node.state != NodeState::Maintenance {
            return Err(ChangeError::NotInMaintenance(name.to_owned()));
        }
        node.state = NodeState::Serving;
        next.succeed()
    }

    /// The same layout, saying what made it.
    pub fn noted(self, at_ms: u64, by: &str, what: impl Into<String>) -> Self {
        Self {
            change: Some(ChangeNote {
                at_ms,
                by: by.to_owned(),
                what: what.into(),
            }),
            ..self
        }
    }

    fn rebalance_to(mut self, targets: Vec<PgTable>, begun_ms: u64, planned_bytes: u64) -> Changed {
        let tables = self.tables.iter().zip(&targets);
        for (profile, (table, target)) in self.profiles.iter().zip(tables) {
            let rows = table.slots.chunks_exact(profile.total());
            for (is, to_be) in rows.zip(target.slots.chunks_exact(profile.total())) {
                keeps_slots(profile, is, to_be)?;
            }
        }
        let mut rebalance = Rebalance {
            targets,
            begun_ms,
            planned_slots: 0,
            planned_bytes,
            settled_slots: 0,
            moved_bytes: 0,
        };
        let before = self.migration.rebalance.replace(rebalance.clone());
        rebalance.planned_slots = (self.slots_to_go() + self.migration.moves.len()) as u64;
        // To come to a stop where everything is now is something to do while a rebalance goes elsewhere.
        if self.slots_to_go() == 0
            && before.is_none_or(|before| before.targets == rebalance.targets)
        {
            return Err(ChangeError::NothingToMove);
        }
        // Checked before moves are begun towards it.
        self.validate()?;
        self.set_out(rebalance);
        self.succeed()
    }

    /// That every site has as many disks that take data as each profile has shards there.
    fn check_room(&self) -> Result<(), ChangeError> {
        for profile in &self.profiles {
            for site in &profile.sites {
                let takes =
                    |disk: &&Disk| Self::takes_slots(disk) && self.node_of(disk).site == *site;
                let left = self.disks.iter().filter(takes).count();
                let needed = usize::from(profile.per_site);
                if left < needed {
                    return Err(ChangeError::TooFewDisks {
                        profile: profile.name.clone(),
                        site: self.sites[usize::from(site.0)].name.clone(),
                        needed,
                        left,
                    });
                }
            }
        }
        Ok(())
    }

    /// That writes go on while the nodes in maintenance, and the disks that take no writes, are away.
    fn check_writable(
        &self,
        name: &str,
        takes_writes: impl Fn(&Disk) -> bool,
    ) -> Result<(), ChangeError> {
        let takes: Vec<bool> = self
            .disks
            .iter()
            .map(|disk| self.node_of(disk).state == NodeState::Serving && takes_writes(disk))
            .collect();
        let is_there = |at: &&DiskIndex| takes[usize::from(**at)];
        for profile in &self.profiles {
            let needed = profile.k() + 1;
            let rows = self.table(profile).slots.chunks_exact(profile.total());
            for (group, row) in (0u32..).zip(rows) {
                for (position, site) in profile.sites.iter().enumerate() {
                    let left = row[profile.shards_at(position)].iter();
                    let left = left.filter(is_there).count();
                    if left < needed {
                        return Err(ChangeError::TooFewShards {
                            node: name.to_owned(),
                            profile: profile.name.clone(),
                            group,
                            site: self.sites[usize::from(site.0)].name.clone(),
                            left,
                            needed,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn push_disks(&mut self, node: u16, disks: &[(DiskId, u32)]) -> Result<(), ChangeError> {
        for (id, weight) in disks {
            if *weight == 0 {
                return Err(ChangeError::ZeroWeight);
            }
            if self.disks.iter().any(|disk| disk.id == *id) {
                return Err(ChangeError::DiskTaken(*id));
            }
            if self.disks.len() >= usize::from(DiskIndex::MAX) {
                return Err(ChangeError::TooMany);
            }
            self.disks.push(Disk {
                id: *id,
                node,
                weight: *weight,
                state: DiskState::Active,
            });
        }
        Ok(())
    }

    fn node_number(&self, name: &str) -> Result<u16, ChangeError> {
        let present = |node: &Node| node.state != NodeState::Removed && node.name == name;
        let at = self.nodes.iter().position(present);
        let at = at.ok_or_else(|| ChangeError::UnknownNode(name.to_owned()))?;
        Ok(u16::try_from(at).expect("with_node() counts"))
    }

    fn disk_number(&self, id: DiskId) -> Result<DiskIndex, ChangeError> {
        let mut present = self.present_disks();
        let found = present.find(|(_, disk)| disk.id == id);
        found.map(|(at, _)| at).ok_or(ChangeError::UnknownDisk(id))
    }

    fn disk_mut(&mut self, id: DiskId) -> Result<&mut Disk, ChangeError> {
        let at = self.disk_number(id)?;
        Ok(&mut self.disks[usize::from(at)])
    }

    fn succeed(mut self) -> Changed {
        self.epoch.0 += 1;
        self.validate()?;
        Ok(self)
    }
}

/// That the disks which a group keeps keep their slots, so that each slot can move by itself.
fn keeps_slots(profile: &Profile, is: &[DiskIndex], to_be: &[DiskIndex]) -> Result<(), Error> {
    let wanders = |(slot, disk): (usize, &DiskIndex)| is[slot] != *disk && is.contains(disk);
    match to_be.iter().enumerate().any(wanders) {
        true => Err(Error::InvalidLayout(format!(
            "a target of profile {} has a disk change its slot within a group",
            profile.name
        ))),
        false => Ok(()),
    }
}

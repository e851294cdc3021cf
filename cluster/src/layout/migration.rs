//! Slots on their way from disk to disk.
//!
//! A rebalance has *targets*: the tables to come to. Of each placement group and site one slot moves
//! at a time, so that a group never lacks more than one slot of a site on the way. A move goes:
//!
//! 1. *Begin*: the table names the new disk, and [`Migration::moves`] the old one. From that epoch on
//!    new shards are written to the new disk; whoever asks it for one that it lacks gets it from the old
//!    one through it.
//! 2. The new disk's node copies what the old one has, verifies it, and makes the rest of the slot's
//!    chunks owed to its disk, as any loss is.
//! 3. *Settle*: with the next layout the slot is the new disk's alone, and the next moves begin.
//! 4. The old disk's node removes each shard that the new one confirms to hold.
//!
//! Every step is a layout of its own, committed only as the successor of the one it was thought out
//! for, and everything that is still to do follows from the layout: whoever dies on the way, the next
//! one goes on.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{Disk, DiskIndex, DiskState, Layout, Pg, PgTable};
use crate::id::{DiskId, Epoch};
use crate::profile::{Profile, ProfileId};

use super::pace::Pace;

/// What of a layout is on its way to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Migration {
    /// Slots that move, by profile, group and slot.
    #[n(0)]
    pub moves: Vec<SlotMove>,
    /// What the moves are for; none: nothing is to move, but for what goes back after an abort.
    #[n(1)]
    pub rebalance: Option<Rebalance>,
    /// How fast.
    #[n(2)]
    pub pace: Pace,
}

/// A slot that moves to the disk that the table names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct SlotMove {
    /// The profile.
    #[n(0)]
    pub profile: ProfileId,
    /// The placement group.
    #[n(1)]
    pub pg: Pg,
    /// The shard's number in the code.
    #[n(2)]
    pub slot: u8,
    /// The disk that it comes from.
    #[n(3)]
    pub from: DiskIndex,
    /// The layout that began it: one that was called off and begun again is another.
    #[n(4)]
    pub since: Epoch,
}

impl SlotMove {
    /// What moves are sorted by.
    pub fn key(&self) -> (ProfileId, Pg, u8) {
        (self.profile, self.pg, self.slot)
    }
}

/// A rebalance under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Rebalance {
    /// The tables to come to, one for each profile.
    #[n(0)]
    pub targets: Vec<PgTable>,
    /// When it was begun, ms since 1970.
    #[n(1)]
    pub begun_ms: u64,
    /// Slots that had to move then.
    #[n(2)]
    pub planned_slots: u64,
    /// Bytes of the shards in them.
    #[n(3)]
    pub planned_bytes: u64,
    /// Slots that have moved.
    #[n(4)]
    pub settled_slots: u64,
    /// Bytes that were copied for them.
    #[n(5)]
    pub moved_bytes: u64,
}

impl Layout {
    /// The disk that a slot's shards come from, if it moves.
    pub fn source_of(&self, profile: ProfileId, pg: Pg, slot: u8) -> Option<&Disk> {
        let moves = &self.migration.moves;
        let at = moves.binary_search_by_key(&(profile, pg, slot), SlotMove::key);
        at.ok().map(|at| self.disk(moves[at].from))
    }

    /// The disks that slots of a group come from.
    pub fn sources(&self, profile: ProfileId, pg: Pg) -> impl Iterator<Item = &Disk> {
        let moves = &self.migration.moves;
        let first = moves.partition_point(|moving| (moving.profile, moving.pg) < (profile, pg));
        let of_group = moves[first..]
            .iter()
            .take_while(move |moving| (moving.profile, moving.pg) == (profile, pg));
        of_group.map(|moving| self.disk(moving.from))
    }

    /// The moves whose slots come to a disk.
    pub fn moves_to(&self, disk: DiskId) -> impl Iterator<Item = &SlotMove> {
        let moves = self.migration.moves.iter();
        moves.filter(move |moving| self.disk(self.slot_of(moving)).id == disk)
    }

    /// Whether a disk has, or gives away, a slot.
    pub fn holds(&self, disk: DiskId, profile: ProfileId, pg: Pg, slot: u8) -> bool {
        let has = self.holder_of(profile, pg, slot);
        let gives = self.source_of(profile, pg, slot);
        [has, gives].into_iter().flatten().any(|at| at.id == disk)
    }

    /// The disk that the table names for a slot; none: there is no such slot, as what comes from disks and
    /// peers may name.
    pub fn holder_of(&self, profile: ProfileId, pg: Pg, slot: u8) -> Option<&Disk> {
        let profile = self.profile(profile)?;
        let mut rows = self.table(profile).slots.chunks_exact(profile.total());
        let at = rows.nth(pg.0 as usize)?.get(usize::from(slot))?;
        Some(self.disk(*at))
    }

    /// Slots that a disk has, or gives away.
    pub fn slots_held(&self, disk: DiskIndex) -> usize {
        self.holders().filter(|at| *at == disk).count()
    }

    /// The same of every disk, by position.
    pub fn slots_of_disks(&self) -> Vec<usize> {
        let mut held = vec![0; self.disks.len()];
        for at in self.holders() {
            held[usize::from(at)] += 1;
        }
        held
    }

    /// For every slot who has it, and for every move who gives it away.
    fn holders(&self) -> impl Iterator<Item = DiskIndex> {
        let has = self.tables.iter().flat_map(|table| &table.slots);
        let gives = self.migration.moves.iter().map(|moving| &moving.from);
        has.chain(gives).copied()
    }

    /// Slots that are still to begin their move.
    pub fn slots_to_go(&self) -> usize {
        let Some(rebalance) = &self.migration.rebalance else {
            return 0;
        };
        let pairs = self.tables.iter().zip(&rebalance.targets);
        let differ = |(table, target): (&PgTable, &PgTable)| {
            let slots = table.slots.iter().zip(&target.slots);
            slots.filter(|(is, to_be)| is != to_be).count()
        };
        pairs.map(differ).sum()
    }

    /// Sets out for these tables, in the place of what was set out for before. Slots that move to where
    /// they should be go on; others turn to where they should be, since their present disk may never
    /// answer again. What came to it meanwhile it passes on, or it is made anew.
    pub(super) fn set_out(&mut self, rebalance: Rebalance) {
        let since = Epoch(self.epoch.0 + 1);
        let mut moves = std::mem::take(&mut self.migration.moves);
        for moving in &mut moves {
            let (at, slot) = self.place_of(moving);
            let wanted = rebalance.targets[at].slots[slot];
            let total = self.profiles[at].total();
            let row = moving.pg.0 as usize * total;
            let place = self.tables[at].slots[slot];
            if wanted == moving.from {
                self.turn(moving, since);
            } else if wanted != place && !self.tables[at].slots[row..row + total].contains(&wanted)
            {
                self.tables[at].slots[slot] = wanted;
                moving.since = since;
            }
        }
        self.migration.moves = moves;
        self.migration.rebalance = Some(rebalance);
        self.begin_moves();
    }

    /// The table of a moving slot, and where it is in it.
    fn place_of(&self, moving: &SlotMove) -> (usize, usize) {
        let profile = self.profiles.iter().position(|p| p.id == moving.profile);
        let at = profile.expect("validate() found the profile");
        let slot = moving.pg.0 as usize * self.profiles[at].total() + usize::from(moving.slot);
        (at, slot)
    }

    /// The next layout, in which these moves to a disk are over and others begin; none: there are none
    /// of them. `copied_bytes` is what was copied since the last time.
    pub fn settle(&self, disk: DiskId, arrived: &[SlotMove], copied_bytes: u64) -> Option<Self> {
        let mut next = self.clone();
        next.migration.moves.retain(|moving| {
            let is_here = self.disk(self.slot_of(moving)).id == disk;
            !(is_here && arrived.contains(moving))
        });
        let settled = self.migration.moves.len() - next.migration.moves.len();
        if settled == 0 {
            return None;
        }
        if let Some(rebalance) = &mut next.migration.rebalance {
            rebalance.settled_slots += settled as u64;
            rebalance.moved_bytes += copied_bytes;
        }
        next.begin_moves();
        next.epoch.0 += 1;
        let checked = next.validate();
        assert!(
            checked.is_ok(),
            "moves lead from layout to layout: {checked:?}"
        );
        Some(next)
    }

    /// Gives the rebalance up: what moves goes back, with what came to its new disk meanwhile.
    pub(super) fn turn_back(&mut self) {
        self.migration.rebalance = None;
        let since = Epoch(self.epoch.0 + 1);
        let mut moves = std::mem::take(&mut self.migration.moves);
        for moving in &mut moves {
            self.turn(moving, since);
        }
        self.migration.moves = moves;
    }

    /// Has a slot go back to where it comes from.
    fn turn(&mut self, moving: &mut SlotMove, since: Epoch) {
        let (at, slot) = self.place_of(moving);
        std::mem::swap(&mut self.tables[at].slots[slot], &mut moving.from);
        moving.since = since;
    }

    /// Begins every move that may: none of its group and site is under way. Ends the rebalance when
    /// nothing is left of it.
    fn begin_moves(&mut self) {
        let Some(rebalance) = self.migration.rebalance.take() else {
            return;
        };
        let mut begun = Vec::new();
        // Whoever begins moves makes the next layout of this one.
        let since = Epoch(self.epoch.0 + 1);
        for (at, target) in rebalance.targets.iter().enumerate() {
            let profile = self.profiles[at].clone();
            let groups = self.tables[at].slots.len() / profile.total();
            for group in 0..groups {
                let pg = Pg(group as u32);
                let wanted = &target.slots[group * profile.total()..][..profile.total()];
                for site in 0..profile.sites.len() {
                    let Some(slot) = self.next_move(at, &profile, pg, site, wanted) else {
                        continue;
                    };
                    let place = &mut self.tables[at].slots[group * profile.total() + slot];
                    let from = std::mem::replace(place, wanted[slot]);
                    begun.push(SlotMove {
                        profile: profile.id,
                        pg,
                        slot: slot as u8,
                        from,
                        since,
                    });
                }
            }
        }
        let moves = &mut self.migration.moves;
        moves.extend(begun);
        moves.sort_unstable_by_key(SlotMove::key);
        self.migration.rebalance = Some(rebalance);
        if self.migration.moves.is_empty() {
            // Nothing moves, so whatever could not begin would have to wait for ever.
            assert_eq!(self.slots_to_go(), 0, "a target is always within reach");
            self.migration.rebalance = None;
        }
    }

    /// The slot of a group that moves next at a site, if one may.
    fn next_move(
        &self,
        table: usize,
        profile: &Profile,
        pg: Pg,
        site: usize,
        wanted: &[DiskIndex],
    ) -> Option<usize> {
        let row = &self.tables[table].slots[pg.0 as usize * profile.total()..][..profile.total()];
        let is_free = |slot: usize| self.source_of(profile.id, pg, slot as u8).is_none();
        if !profile.shards_at(site).all(is_free) {
            return None;
        }
        let to_go = profile.shards_at(site).filter(|slot| {
            // A disk that the group will have in another slot, as targets of another author may have it,
            // must have left this one first.
            row[*slot] != wanted[*slot] && !row.contains(&wanted[*slot])
        });
        let node = |disk: DiskIndex| self.disk(disk).node;
        // First those that bring no two shards of the group together on one node.
        to_go.min_by_key(|slot| {
            let others = profile.shards_at(site).filter(|other| other != slot);
            others
                .filter(|other| node(row[*other]) == node(wanted[*slot]))
                .count()
        })
    }

    /// The disk that a moving slot comes to.
    pub fn slot_of(&self, moving: &SlotMove) -> DiskIndex {
        let profile = self.profile(moving.profile);
        let profile = profile.expect("validate() found the profile");
        self.slots(profile, moving.pg)[usize::from(moving.slot)]
    }

    /// Whether a disk may be given slots.
    pub fn takes_slots(disk: &Disk) -> bool {
        disk.state == DiskState::Active && disk.weight > 0
    }
}

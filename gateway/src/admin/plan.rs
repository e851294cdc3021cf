//! What a rebalance would do: computed, not guessed, from the layout and what the disks hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use riquet_cluster::admin::{DiskFill, RebalancePlan, SiteMoves};
use riquet_cluster::clock::now_ms;
use riquet_cluster::id::DiskId;
use riquet_cluster::layout::{Disk, DiskIndex, Layout, Pg, PgTable};
use riquet_cluster::placement::{Move, rebalance};
use riquet_cluster::profile::{Profile, ProfileId};

use super::changes::nodes;
use super::error::AdminError;
use super::layout::{site_name, target_slots};
use super::survey::{self, Survey};
use crate::gateway::Gateway;

/// Energy to read a byte from one disk, and to write and verify it on another, joules: two disks of 8 W at
/// 150 MB/s, one read again.
const DISK_JOULES_PER_BYTE: f64 = 3.0 * 8.0 / 150e6;

/// Energy to hash a byte twice and send it through two network stacks, joules: 1.5 CPU-seconds per GiB at
/// 10 W a core (see `docs/BENCHMARKS.md` for the seconds).
const CPU_JOULES_PER_BYTE: f64 = 1.5 * 10.0 / (1u64 << 30) as f64;

/// What a shard takes: how many there are of a slot, and their bytes.
type Loads = BTreeMap<(DiskId, ProfileId, Pg, u8), (u64, u64)>;

/// The plan for the newest layout.
pub(super) async fn of_present_layout(gateway: &Gateway) -> Result<RebalancePlan, AdminError> {
    let layout = gateway.metadata.cluster().await?.layout;
    Ok(make(gateway, &layout).await?.0)
}

/// The plan for a layout, and the tables that it leads to.
pub(super) async fn make(
    gateway: &Gateway,
    layout: &Layout,
) -> Result<(RebalancePlan, Vec<PgTable>), AdminError> {
    let client = nodes(gateway, layout);
    let (loads, survey) = tokio::join!(survey::loads(&client, layout), Survey::of(&client, layout));
    let mut by_slot = Loads::new();
    for (disk, loads) in &loads {
        for load in loads {
            let key = (*disk, load.profile, load.pg, load.slot);
            by_slot.insert(key, (load.shards, load.bytes));
        }
    }
    let is_silent = |disk: &Disk| !loads.contains_key(&disk.id);
    Draft::of(layout, &by_slot, &is_silent).map(|draft| draft.plan(&survey))
}

/// A plan being made.
struct Draft<'a> {
    layout: &'a Layout,
    loads: &'a Loads,
    is_silent: &'a dyn Fn(&Disk) -> bool,
    targets: Vec<PgTable>,
    moves: Vec<(&'a Profile, Move)>,
    fewest: usize,
}

impl<'a> Draft<'a> {
    fn of(
        layout: &'a Layout,
        loads: &'a Loads,
        is_silent: &'a dyn Fn(&Disk) -> bool,
    ) -> Result<Self, AdminError> {
        let mut draft = Self {
            layout,
            loads,
            is_silent,
            targets: Vec::new(),
            moves: Vec::new(),
            fewest: 0,
        };
        for (profile, table) in layout.profiles.iter().zip(&layout.tables) {
            let plan = rebalance(profile, table, &layout.nodes, &layout.disks);
            let plan = plan.map_err(riquet_cluster::layout::ChangeError::from)?;
            draft.fewest += plan.minimum;
            draft
                .moves
                .extend(plan.moves.into_iter().map(|moving| (profile, moving)));
            draft.targets.push(plan.table);
        }
        Ok(draft)
    }

    fn plan(self, survey: &Survey) -> (RebalancePlan, Vec<PgTable>) {
        let layout = self.layout;
        let pace = layout.migration.pace.clone();
        let (mut shards, mut bytes, mut between) = (0, 0, 0);
        let mut of_site: BTreeMap<String, SiteMoves> = BTreeMap::new();
        let mut into_node: BTreeMap<u16, u64> = BTreeMap::new();
        let mut delta: BTreeMap<DiskIndex, (i64, i64)> = BTreeMap::new();
        for (profile, moving) in &self.moves {
            let (count, size) = self.load(profile, moving);
            (shards, bytes) = (shards + count, bytes + size);
            between += size * self.crossing(profile, moving);
            let node = layout.disk(moving.to).node;
            *into_node.entry(node).or_default() += size;
            let site = site_name(layout, layout.nodes[usize::from(node)].site.0);
            let moves = of_site.entry(site.clone()).or_insert(SiteMoves {
                site,
                slots: 0,
                bytes: 0,
            });
            (moves.slots, moves.bytes) = (moves.slots + 1, moves.bytes + size);
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            let from = delta.entry(moving.from).or_default();
            *from = (from.0 - 1, from.1 - size);
            let to = delta.entry(moving.to).or_default();
            *to = (to.0 + 1, to.1 + size);
        }
        let rate = pace.rate_at(now_ms());
        let slowest = into_node.values().max().copied().unwrap_or(0);
        // A slot counts as where it was until it is where it comes to: on the way nothing is less.
        let before = self.spare(&layout.tables);
        let spare = [before, before, self.spare(&self.targets)];
        let silent = layout.present_disks().map(|(_, disk)| disk);
        let silent = silent.filter(|disk| (self.is_silent)(disk));
        let joules = bytes as f64 * (DISK_JOULES_PER_BYTE + CPU_JOULES_PER_BYTE);
        let plan = RebalancePlan {
            epoch: layout.epoch,
            digest: digest(&self.targets),
            slots: self.moves.len() as u64,
            fewest_slots: self.fewest as u64,
            shards,
            bytes,
            sites: of_site.into_values().collect(),
            between_sites_bytes: between,
            silent_disks: silent.map(|disk| disk.id).collect(),
            disks: self.fills(survey, &delta),
            deviation: self.deviation(&delta),
            seconds: (rate > 0).then(|| slowest as f64 / rate as f64),
            pace,
            rounds: self.rounds(),
            spare_shards: spare,
            energy_kwh: joules / 3.6e6,
            remarks: Vec::new(),
        };
        let remarks = remarks(&plan);
        (RebalancePlan { remarks, ..plan }, self.targets)
    }

    /// Shards in a slot, and their bytes. All slots of a group hold a shard of each of its chunks, of one
    /// length: the fullest tells, as others may still be on their way, or their disks not answer.
    fn load(&self, profile: &Profile, moving: &Move) -> (u64, u64) {
        let slots = self.layout.slots(profile, moving.pg);
        let loads = (0u8..).zip(slots).filter_map(|(slot, at)| {
            let disk = self.layout.disk(*at).id;
            self.loads
                .get(&(disk, profile.id, moving.pg, slot))
                .copied()
        });
        loads.max().unwrap_or((0, 0))
    }

    /// How many shards must cross between the sites for each that moves: none while it can be copied, or
    /// its site has enough others to make it of.
    fn crossing(&self, profile: &Profile, moving: &Move) -> u64 {
        if !(self.is_silent)(self.layout.disk(moving.from)) {
            return 0;
        }
        let slots = self.layout.slots(profile, moving.pg);
        let site = profile.site_position(moving.slot.into());
        let there = slots[profile.shards_at(site)].iter();
        let there = there.filter(|at| !(self.is_silent)(self.layout.disk(**at)));
        profile.k().saturating_sub(there.count()) as u64
    }

    fn fills(&self, survey: &Survey, delta: &BTreeMap<DiskIndex, (i64, i64)>) -> Vec<DiskFill> {
        let mut held: BTreeMap<DiskId, u64> = BTreeMap::new();
        for ((disk, ..), (_, bytes)) in self.loads {
            *held.entry(*disk).or_default() += bytes;
        }
        let slots = self.layout.slots_of_disks();
        let fill = |(at, disk): (DiskIndex, &Disk)| {
            let before_slots = slots[usize::from(at)] as u64;
            let before_bytes = held.get(&disk.id).copied().unwrap_or(0);
            let (more_slots, more_bytes) = delta.get(&at).copied().unwrap_or_default();
            let health = survey.disk(disk.id);
            DiskFill {
                disk: disk.id,
                node: self.layout.node_of(disk).name.clone(),
                total_bytes: health.map_or(0, |health| health.total_bytes),
                free_bytes: health.map_or(0, |health| health.free_bytes),
                before_bytes,
                after_bytes: before_bytes.saturating_add_signed(more_bytes),
                before_slots,
                after_slots: before_slots.saturating_add_signed(more_slots),
            }
        };
        self.layout.present_disks().map(fill).collect()
    }

    fn deviation(&self, delta: &BTreeMap<DiskIndex, (i64, i64)>) -> f64 {
        let slots = self.layout.slots_of_disks();
        let takes = self.layout.present_disks();
        let takes = takes.filter(|(_, disk)| Layout::takes_slots(disk));
        let deviation = |(at, disk): (DiskIndex, &Disk)| {
            let target = target_slots(self.layout, disk);
            let held = slots[usize::from(at)] as i64;
            let (change, _) = delta.get(&at).copied().unwrap_or_default();
            ((held + change) as f64 - target).abs() / target.max(1.0)
        };
        takes.map(deviation).fold(0.0, f64::max)
    }

    fn rounds(&self) -> u32 {
        let mut of_group: BTreeMap<(ProfileId, Pg, usize), u32> = BTreeMap::new();
        for (profile, moving) in &self.moves {
            let site = profile.site_position(moving.slot.into());
            *of_group.entry((profile.id, moving.pg, site)).or_default() += 1;
        }
        of_group.into_values().max().unwrap_or(0)
    }

    /// The fewest shards that a group has at a site beyond those that rebuild it.
    fn spare(&self, tables: &[PgTable]) -> u32 {
        let profiles = self.layout.profiles.iter().zip(tables);
        let spare = |(profile, table): (&Profile, &PgTable)| {
            let sites = table.slots.chunks_exact(usize::from(profile.per_site));
            let there = sites.map(|row| {
                let disks = row.iter().map(|at| self.layout.disk(*at));
                disks.filter(|disk| !(self.is_silent)(disk)).count()
            });
            let fewest = there.min().unwrap_or(0);
            fewest.saturating_sub(profile.k()) as u32
        };
        profiles.map(spare).min().unwrap_or(0)
    }
}

fn digest(targets: &[PgTable]) -> String {
    let bytes = minicbor::to_vec(targets).expect("encoding into memory does not fail");
    hex::encode(&blake3::hash(&bytes).as_bytes()[..8])
}

/// A disk with less room than this part of it takes no more shards soon.
const SCARCE: f64 = 0.1;

/// What is to be said of a disk that gets more than it has room for. What leaves it may leave late, so
/// only what comes counts.
fn too_full(fill: &DiskFill) -> Option<String> {
    let comes = fill.after_bytes.saturating_sub(fill.before_bytes);
    if comes == 0 || fill.total_bytes == 0 {
        return None;
    }
    let (disk, node) = (fill.disk, &fill.node);
    match fill.free_bytes.checked_sub(comes) {
        None => {
            let lacks = comes - fill.free_bytes;
            Some(format!(
                "Room: disk {disk} of {node} lacks {lacks} bytes for what comes to it: it would be full, and \
                 the rest wait. Give it a smaller weight, or add disks at its site first."
            ))
        }
        Some(left) if (left as f64) < fill.total_bytes as f64 * SCARCE => {
            let percent = (left as f64 * 100.0 / fill.total_bytes as f64).round();
            Some(format!(
                "Room: disk {disk} of {node} would have {percent} % of its room left."
            ))
        }
        Some(_) => None,
    }
}

fn remarks(plan: &RebalancePlan) -> Vec<String> {
    let mut remarks = Vec::new();
    if plan.slots == 0 {
        remarks.push("Every disk has its share: there is nothing to move.".to_owned());
        return remarks;
    }
    remarks.extend(plan.disks.iter().filter_map(too_full));
    let [before, _, after] = plan.spare_shards;
    remarks.push(format!(
        "Durability: a shard stays on its old disk until the new one has verified and confirmed its copy, \
         so every group keeps {before} shards to spare at each site while it moves, and has {after} after."
    ));
    let mut links = String::from("Links between the sites: ");
    match plan.between_sites_bytes {
        0 => links.push_str("nothing crosses them, as a slot never leaves its site."),
        bytes => {
            let silent = plan.silent_disks.len();
            let _ = write!(
                links,
                "{bytes} bytes cross them, as {silent} disks do not answer and their site has too few \
                 other shards."
            );
        }
    }
    remarks.push(links);
    remarks.push(
        "Users: nodes go slower with it while users wait for their disks; reads of what has not come yet \
         are passed on to where it is."
            .to_owned(),
    );
    if plan.seconds.is_none() {
        remarks.push("Nothing moves at this hour, by the pace that is set.".to_owned());
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_for_what_comes_is_named() {
        let fill = |free_bytes, after_bytes| DiskFill {
            disk: DiskId::from_u128(7),
            node: "toulouse-1".into(),
            total_bytes: 1000,
            free_bytes,
            before_bytes: 100,
            after_bytes,
            before_slots: 1,
            after_slots: 2,
        };
        assert_eq!(too_full(&fill(900, 700)), None);
        assert_eq!(too_full(&fill(10, 90)), None, "it gives more than it gets");
        let scarce = too_full(&fill(650, 700)).unwrap();
        assert!(scarce.ends_with("5 % of its room left."), "{scarce}");
        let full = too_full(&fill(500, 700)).unwrap();
        assert!(full.contains("lacks 100 bytes"), "{full}");
    }
}

//! A cluster through the years of one trial.

use rand::{Rng, RngExt};

use super::super::repair::Repair;
use super::super::scheme::Scheme;
use super::super::settings::{HOURS_PER_YEAR, Settings};
use super::Trial;
use super::jobs::Sets;
use super::placement::{Placement, Shard, site_of};

/// Whether a site works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SiteState {
    Up,
    /// It will be back with all that it holds.
    Away,
    /// It is gone with all that it held, and not replaced yet.
    Lost,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Event {
    DiskFails(usize),
    NodeFails(usize),
    SiteGoesAway(usize),
    SiteComesBack(usize),
    SiteIsLost(usize),
    SiteIsReplaced(usize),
    ShardIsMade(usize),
    GroupIsMade(usize),
    LossIsNoticed,
    CellGoesBad,
}

/// All groups of one scheme, and what they lack.
pub(super) struct Cluster<'a> {
    settings: &'a Settings,
    scheme: &'a Scheme,
    repair: &'a Repair,
    placement: &'a Placement,
    /// By shards left and spare ones: [`Repair::latent_loss`].
    latent: Vec<Vec<f64>>,
    site_states: [SiteState; 2],
    /// Whether a site was replaced, and is not full yet.
    is_refilling: [bool; 2],
    /// Of each group and side, one bit for each shard that is lost.
    lost: Vec<[u32; 2]>,
    /// Those of them that repair knows of.
    known: Vec<[u32; 2]>,
    /// Shards that were lost together, and not noticed yet.
    unnoticed: Vec<Vec<Shard>>,
    /// Shards that each site can make by itself, by how many more its group can lose.
    local: [Sets; 2],
    /// Groups that each site needs the other for, by the same.
    remote: [Sets; 2],
    /// Groups that can't lose any more, in the one set.
    critical: Sets,
    trial: Trial,
    /// Hours since the trial began.
    now: f64,
    /// The last year in which something was lost.
    year_of_loss: Option<u64>,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        scheme: &'a Scheme,
        repair: &'a Repair,
        placement: &'a Placement,
    ) -> Self {
        let groups = settings.placement_groups as usize;
        let shards = groups * scheme.total() as usize;
        let levels = scheme.total() as usize + 1;
        let latent = (0..=scheme.total())
            .map(|left| (0..=left).map(|it| repair.latent_loss(left, it)).collect())
            .collect();
        Self {
            settings,
            scheme,
            repair,
            placement,
            latent,
            site_states: [SiteState::Up; 2],
            is_refilling: [false; 2],
            lost: vec![[0; 2]; groups],
            known: vec![[0; 2]; groups],
            unnoticed: Vec::new(),
            local: [0, 1].map(|_| Sets::new(levels, shards)),
            remote: [0, 1].map(|_| Sets::new(levels, groups)),
            critical: Sets::new(1, groups),
            trial: Trial::default(),
            now: 0.0,
            year_of_loss: None,
        }
    }

    /// One trial, from a whole cluster on.
    pub(super) fn trial(&mut self, mut random: impl Rng) -> Trial {
        self.begin_anew();
        self.trial = Trial::default();
        self.now = 0.0;
        self.year_of_loss = None;
        let end = f64::from(self.settings.years) * HOURS_PER_YEAR;
        let mut rates = Vec::with_capacity(16);
        loop {
            self.list_rates(&mut rates);
            let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
            if sum == 0.0 {
                return self.trial;
            }
            // The unit interval without 0.
            self.now -= (1.0 - random.random::<f64>()).ln() / sum;
            if self.now >= end {
                return self.trial;
            }
            let mut at = random.random::<f64>() * sum;
            let found = rates.iter().find(|(_, rate)| {
                at -= rate;
                at < 0.0
            });
            // Rounding may leave a trace of the last rate.
            let (event, _) = found.unwrap_or(&rates[rates.len() - 1]);
            self.happen(*event, &mut random);
        }
    }

    fn begin_anew(&mut self) {
        self.site_states = [SiteState::Up; 2];
        self.is_refilling = [false; 2];
        self.lost.fill([0; 2]);
        self.known.fill([0; 2]);
        self.unnoticed.clear();
        self.local.iter_mut().for_each(Sets::clear);
        self.remote.iter_mut().for_each(Sets::clear);
        self.critical.clear();
        for group in 0..self.settings.placement_groups {
            self.refresh(group);
        }
    }

    fn list_rates(&self, rates: &mut Vec<(Event, f64)>) {
        rates.clear();
        let settings = self.settings;
        let mut add = |event, rate| {
            if rate > 0.0 {
                rates.push((event, rate));
            }
        };
        for site in 0..self.scheme.sites() as usize {
            let state = self.site_states[site];
            match state {
                SiteState::Lost => {
                    let rate = 1.0 / (settings.site_replacement_days * 24.0);
                    add(Event::SiteIsReplaced(site), rate);
                    continue;
                }
                SiteState::Away => {
                    add(Event::SiteComesBack(site), 1.0 / settings.site_outage_hours);
                }
                SiteState::Up => {
                    let rate = settings.site_outages_per_year / HOURS_PER_YEAR;
                    add(Event::SiteGoesAway(site), rate);
                    add(Event::ShardIsMade(site), self.local_rate(site));
                    add(Event::GroupIsMade(site), self.remote_rate(site));
                }
            }
            let disks = f64::from(settings.disks_per_site());
            add(Event::DiskFails(site), disks * self.repair.disk_rate);
            let nodes = f64::from(settings.nodes_per_site);
            add(Event::NodeFails(site), nodes * self.repair.node_rate);
            let rate = settings.site_loss_per_year / HOURS_PER_YEAR;
            add(Event::SiteIsLost(site), rate);
        }
        if !self.unnoticed.is_empty() {
            let rate = self.unnoticed.len() as f64 / self.repair.detection;
            add(Event::LossIsNoticed, rate);
        }
        let critical = self.critical.len(0) as f64;
        add(
            Event::CellGoesBad,
            critical * self.repair.latent_loss_rate(),
        );
    }

    /// Shards that nodes of `site` work on, at most one each.
    fn at_work(&self, waiting: &Sets) -> usize {
        let levels = 0..=self.scheme.total() as usize;
        let waiting: usize = levels.map(|level| waiting.len(level)).sum();
        waiting.min(self.settings.nodes_per_site as usize)
    }

    fn local_rate(&self, site: usize) -> f64 {
        self.at_work(&self.local[site]) as f64 / self.repair.shard_hours
    }

    fn remote_rate(&self, site: usize) -> f64 {
        let remote = &self.remote[site];
        let at_work = self.at_work(remote);
        if at_work == 0 || self.site_states[1 - site] != SiteState::Up {
            return 0.0;
        }
        let by_nodes = at_work as f64 / self.repair.shard_hours;
        // The link sends for the most urgent, and one is much like another.
        let levels = 0..=self.scheme.total() as usize;
        let first = levels.into_iter().find_map(|level| remote.first(level));
        let sent = self.shards_to_send(first.expect("something waits"), site);
        by_nodes.min(1.0 / self.repair.link_hours(sent))
    }

    /// One of those that nodes work on: the most urgent of what waits.
    fn draw(&self, waiting: &Sets, random: &mut impl Rng) -> u32 {
        let mut at = random.random_range(0..self.at_work(waiting));
        let levels = 0..=self.scheme.total() as usize;
        for level in levels {
            if at < waiting.len(level) {
                return waiting.draw(level, random);
            }
            at -= waiting.len(level);
        }
        unreachable!("no more are at work than wait");
    }

    fn happen(&mut self, event: Event, random: &mut impl Rng) {
        match event {
            Event::DiskFails(site) => {
                let disks = self.settings.disks_per_site();
                let disk = site as u32 * disks + random.random_range(0..disks);
                self.lose(disk, 1, random);
            }
            Event::NodeFails(site) => {
                let node = random.random_range(0..self.settings.nodes_per_site);
                let per_node = self.settings.disks_per_node;
                let first = site as u32 * self.settings.disks_per_site() + node * per_node;
                self.lose(first, per_node, random);
            }
            Event::SiteGoesAway(site) => self.site_states[site] = SiteState::Away,
            Event::SiteComesBack(site) => self.site_states[site] = SiteState::Up,
            Event::SiteIsLost(site) => self.lose_site(site, random),
            Event::SiteIsReplaced(site) => self.replace_site(site),
            Event::ShardIsMade(site) => {
                let shard = self.draw(&self.local[site], random);
                let (group, side, bit) = self.split(shard);
                self.local[site].remove(shard);
                self.lost[group as usize][side] &= !bit;
                self.known[group as usize][side] &= !bit;
                self.refresh(group);
            }
            Event::GroupIsMade(site) => {
                let group = self.draw(&self.remote[site], random);
                self.make_group(group, site);
            }
            Event::LossIsNoticed => {
                let which = random.random_range(0..self.unnoticed.len());
                let shards = self.unnoticed.swap_remove(which);
                self.notice(&shards);
            }
            Event::CellGoesBad => {
                let group = self.critical.draw(0, random);
                self.lose_group(group);
            }
        }
    }

    /// Loses all that is on `disks` disks from `first` on.
    fn lose(&mut self, first: u32, disks: u32, random: &mut impl Rng) {
        let placement = self.placement;
        let mut gone = Vec::new();
        for &shard in placement.shards_on(first, disks) {
            let (group, side, bit) = self.split(shard);
            let lost = &mut self.lost[group as usize][side];
            if *lost & bit == 0 {
                *lost |= bit;
                gone.push(shard);
            }
        }
        let mut groups: Vec<u32> = gone.iter().map(|it| it / self.scheme.total()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            self.check(group, random);
        }
        if self.repair.detection == 0.0 {
            self.notice(&gone);
        } else if !gone.is_empty() {
            self.unnoticed.push(gone);
        }
    }

    /// A group has lost shards: it may be lost with them.
    fn check(&mut self, group: u32, random: &mut impl Rng) {
        let left = self.left(group);
        if !self.scheme.is_readable(left) {
            self.lose_group(group);
            return;
        }
        let spare = self.scheme.spare(left) as usize;
        let latent = self.latent[(left[0] + left[1]) as usize][spare];
        if latent > 0.0 && random.random::<f64>() < latent {
            self.lose_group(group);
        } else {
            self.refresh(group);
        }
    }

    fn notice(&mut self, shards: &[Shard]) {
        for &shard in shards {
            let (group, side, bit) = self.split(shard);
            let is_there = self.site_states[site_of(self.scheme, group, side)] != SiteState::Lost;
            // It may have been made anew already, with others of its group.
            if is_there && self.lost[group as usize][side] & bit != 0 {
                self.known[group as usize][side] |= bit;
                self.refresh(group);
            }
        }
    }

    fn lose_site(&mut self, site: usize, random: &mut impl Rng) {
        let other = 1 - site;
        let is_last = self.scheme.sites() == 1
            || self.site_states[other] == SiteState::Lost
            || self.is_refilling[other];
        if is_last {
            self.count_year();
            self.begin_anew();
            return;
        }
        self.site_states[site] = SiteState::Lost;
        self.is_refilling[site] = false;
        self.local[site].clear();
        self.remote[site].clear();
        for group in 0..self.settings.placement_groups {
            let side = site_of(self.scheme, group, site);
            self.lost[group as usize][side] = all(self.scheme.shards(side));
            self.known[group as usize][side] = 0;
            self.check(group, random);
        }
    }

    fn replace_site(&mut self, site: usize) {
        self.site_states[site] = SiteState::Up;
        self.is_refilling[site] = true;
        for group in 0..self.settings.placement_groups {
            let side = site_of(self.scheme, group, site);
            self.known[group as usize][side] = self.lost[group as usize][side];
            self.refresh(group);
        }
    }

    /// A site has all of a group anew, with the help of the other.
    fn make_group(&mut self, group: u32, site: usize) {
        if !self.is_refilling[site] {
            let sent = self.shards_to_send(group, site);
            self.trial.sent_bytes += f64::from(sent) * self.repair.shard_bytes;
        }
        self.make_whole(group, site_of(self.scheme, group, site));
        self.refresh(group);
        if self.at_work(&self.remote[site]) == 0 {
            self.is_refilling[site] = false;
        }
    }

    /// A group is lost: it is counted, and begins anew where there is a site for it.
    fn lose_group(&mut self, group: u32) {
        self.trial.groups_lost += 1;
        self.count_year();
        for side in 0..self.scheme.sites() as usize {
            if self.site_states[site_of(self.scheme, group, side)] != SiteState::Lost {
                self.make_whole(group, side);
            }
        }
        self.refresh(group);
    }

    fn make_whole(&mut self, group: u32, side: usize) {
        let site = site_of(self.scheme, group, side);
        for slot in 0..self.scheme.shards(side) {
            self.local[site].remove(self.shard(group, side, slot));
        }
        self.lost[group as usize][side] = 0;
        self.known[group as usize][side] = 0;
    }

    fn count_year(&mut self) {
        let year = (self.now / HOURS_PER_YEAR) as u64;
        if self.year_of_loss != Some(year) {
            self.year_of_loss = Some(year);
            self.trial.years_with_loss += 1;
        }
    }

    /// Files what is known to be lost of a group where it belongs now.
    fn refresh(&mut self, group: u32) {
        let left = self.left(group);
        let spare = self.scheme.spare(left) as usize;
        if spare == 0 {
            self.critical.put(group, 0);
        } else {
            self.critical.remove(group);
        }
        for (side, left) in left
            .into_iter()
            .enumerate()
            .take(self.scheme.sites() as usize)
        {
            let site = site_of(self.scheme, group, side);
            let known = self.known[group as usize][side];
            let is_local = left >= self.scheme.k();
            for slot in slots(known) {
                let shard = self.shard(group, side, slot);
                if is_local {
                    self.local[site].put(shard, spare);
                } else {
                    self.local[site].remove(shard);
                }
            }
            if known != 0 && !is_local {
                self.remote[site].put(group, spare);
            } else {
                self.remote[site].remove(group);
            }
        }
    }

    fn shards_to_send(&self, group: u32, site: usize) -> u32 {
        let side = site_of(self.scheme, group, site);
        let left = self.left(group);
        let sent = self.scheme.shards_to_send(left[side], left[1 - side]);
        sent.expect("what is left of a group rebuilds it")
    }

    fn left(&self, group: u32) -> [u32; 2] {
        let lost = self.lost[group as usize];
        [0, 1].map(|side| self.scheme.shards(side) - lost[side].count_ones())
    }

    fn shard(&self, group: u32, side: usize, slot: u32) -> Shard {
        group * self.scheme.total() + side as u32 * self.scheme.shards(0) + slot
    }

    /// The group, side and bit of a shard.
    fn split(&self, shard: Shard) -> (u32, usize, u32) {
        let (group, slot) = (shard / self.scheme.total(), shard % self.scheme.total());
        match slot.checked_sub(self.scheme.shards(0)) {
            None => (group, 0, 1 << slot),
            Some(slot) => (group, 1, 1 << slot),
        }
    }
}

/// The numbers of the bits that are set.
fn slots(mut bits: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let slot = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(slot)
    })
}

/// A bit for each of `shards` shards, at most 32.
fn all(shards: u32) -> u32 {
    u32::MAX >> (u32::BITS - shards)
}

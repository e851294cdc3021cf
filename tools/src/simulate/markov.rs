//! Durability by a Markov chain of one placement group.
//!
//! A state is what each of its two sites lacks: shards lost to disks and nodes, or everything to the
//! loss of the site, and whether the site is up. A group of which fewer than `k` shards are left is
//! lost, and the chain starts anew with a whole group: the rate of that, in the long run, is one over
//! the mean time from whole to lost. States that differ only in which of two equal sites lacks what
//! are one state.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::gth::Rates;
use super::repair::{OtherSite, Repair};
use super::scheme::Scheme;
use super::settings::{HOURS_PER_YEAR, Settings};

/// What one site has of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Side {
    /// The site works, and lacks so many shards.
    Up(u32),
    /// The site is away, and so many shards are lost there all the same.
    Away(u32),
    /// The site is lost with all shards, and not replaced yet.
    Lost,
    /// It was replaced, and nothing of the group is there again yet.
    Refilling,
}

type State = [Side; 2];

/// What the chain says of the whole cluster. Rates are per year.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durability {
    /// Groups that are lost, other than by the loss of all sites they are at.
    pub(super) groups_lost: f64,
    /// Losses of all groups at once, with their sites.
    pub(super) sites_lost: f64,
    /// Bytes that repair sends between the sites, without what refills a lost site.
    pub(super) sent_bytes: f64,
}

impl Durability {
    /// Probability that anything is lost within a year.
    ///
    /// As if groups were lost independently. They are lost together rather, as they share disks, which
    /// makes this an upper bound.
    pub(super) fn loss_in_a_year(&self) -> f64 {
        -(-self.groups_lost - self.sites_lost).exp_m1()
    }
}

/// Nines of durability: 0.001 lost is 3.
pub(super) fn nines(loss: f64) -> f64 {
    // Not -0 where all is lost.
    (-loss.log10()).max(0.0)
}

/// Solves the chain of `scheme` in such a cluster.
pub(super) fn durability(settings: &Settings, scheme: &Scheme) -> Durability {
    let chain = Chain::new(settings, scheme);
    let time = chain.solve();
    let flow = |rate: fn(&Exits) -> f64| -> f64 {
        let flows = time
            .iter()
            .zip(&chain.exits)
            .map(|(time, it)| time * rate(it));
        flows.sum::<f64>() * HOURS_PER_YEAR
    };
    let groups = f64::from(settings.placement_groups);
    // Groups at one site only are at each site, in stores that know nothing of each other.
    let stores = f64::from(settings.sites / scheme.sites());
    Durability {
        groups_lost: flow(|it| it.lost) * groups * stores,
        sites_lost: flow(|it| it.lost_with_sites) * stores,
        sent_bytes: flow(|it| it.sent_bytes) * groups * stores,
    }
}

/// What may happen in a state.
#[derive(Clone, Debug, Default)]
struct Exits {
    to: Vec<(State, f64)>,
    lost: f64,
    lost_with_sites: f64,
    sent_bytes: f64,
}

struct Chain<'a> {
    settings: &'a Settings,
    scheme: &'a Scheme,
    repair: Repair,
    /// In this order, the whole group first.
    numbers: HashMap<State, usize>,
    exits: Vec<Exits>,
}

impl<'a> Chain<'a> {
    fn new(settings: &'a Settings, scheme: &'a Scheme) -> Self {
        let mut chain = Self {
            settings,
            scheme,
            repair: Repair::new(settings, scheme),
            numbers: HashMap::new(),
            exits: Vec::new(),
        };
        let mut found: HashMap<State, Exits> = HashMap::new();
        let mut open = vec![[Side::Up(0); 2]];
        while let Some(state) = open.pop() {
            if let Entry::Vacant(new) = found.entry(state) {
                let exits = new.insert(chain.exits_of(state));
                open.extend(exits.to.iter().map(|(to, _)| *to));
            }
        }
        let mut states: Vec<(State, Exits)> = found.into_iter().collect();
        // By what is lost, so that most transitions are between neighbours.
        states.sort_by_key(|(state, _)| {
            let lost: u32 = (0..2).map(|side| chain.lost(*state, side)).sum();
            let up = state.iter().all(|side| matches!(side, Side::Up(_)));
            (lost, !up, *state)
        });
        for (number, (state, exits)) in states.into_iter().enumerate() {
            chain.numbers.insert(state, number);
            chain.exits.push(exits);
        }
        chain
    }

    /// The share of time in each state.
    fn solve(&self) -> Vec<f64> {
        let mut rates = Rates::new(self.exits.len());
        for (from, exits) in self.exits.iter().enumerate() {
            for (to, rate) in &exits.to {
                rates.add(from, self.numbers[to], *rate);
            }
            rates.add(from, 0, exits.lost + exits.lost_with_sites);
        }
        rates.stationary()
    }

    fn exits_of(&self, state: State) -> Exits {
        let mut exits = Exits::default();
        if self.scheme.spare(self.left(state)) == 0 {
            exits.lost += self.repair.latent_loss_rate();
        }
        for side in 0..self.scheme.sites() as usize {
            self.add_losses(&mut exits, state, side);
            self.add_site_events(&mut exits, state, side);
            if let Side::Up(lost @ 1..) = state[side] {
                self.add_repair(&mut exits, state, side, lost);
            }
        }
        exits
    }

    /// Disks and nodes that fail at one site.
    fn add_losses(&self, exits: &mut Exits, state: State, side: usize) {
        let (Side::Up(lost) | Side::Away(lost)) = state[side] else {
            return;
        };
        let shards = self.scheme.shards(side);
        let left = shards - lost;
        let rate = f64::from(left) * self.repair.disk_rate;
        self.add_loss(exits, state, side, 1, rate);
        // Slots lie on nodes as evenly as can be: some nodes hold one more than others.
        let nodes = self.settings.nodes_per_site;
        let more = shards % nodes;
        for (held, nodes) in [(shards / nodes + 1, more), (shards / nodes, nodes - more)] {
            for gone in 1..=held.min(left) {
                let share = hypergeometric(shards, left, held, gone);
                let rate = f64::from(nodes) * self.repair.node_rate * share;
                self.add_loss(exits, state, side, gone, rate);
            }
        }
    }

    fn add_loss(&self, exits: &mut Exits, state: State, side: usize, gone: u32, rate: f64) {
        if rate == 0.0 {
            return;
        }
        let mut to = state;
        to[side] = match state[side] {
            Side::Up(lost) => Side::Up(lost + gone),
            Side::Away(lost) => Side::Away(lost + gone),
            Side::Lost | Side::Refilling => unreachable!("an empty site has nothing to lose"),
        };
        self.add_transition(exits, to, rate);
    }

    /// Adds what takes a group to `to` by a loss; it may be lost there, wholly or in a stripe.
    fn add_transition(&self, exits: &mut Exits, to: State, rate: f64) {
        let left = self.left(to);
        if !self.scheme.is_readable(left) {
            exits.lost += rate;
            return;
        }
        let latent = self
            .repair
            .latent_loss(left[0] + left[1], self.scheme.spare(left));
        exits.lost += rate * latent;
        exits.to.push((self.canonical(to), rate * (1.0 - latent)));
    }

    /// Outages and losses of one site, and their ends.
    fn add_site_events(&self, exits: &mut Exits, state: State, side: usize) {
        let settings = self.settings;
        let mut to = state;
        let loss = settings.site_loss_per_year / HOURS_PER_YEAR;
        match state[side] {
            Side::Up(lost) => {
                to[side] = Side::Away(lost);
                let rate = settings.site_outages_per_year / HOURS_PER_YEAR;
                if rate > 0.0 {
                    exits.to.push((self.canonical(to), rate));
                }
            }
            Side::Away(lost) => {
                to[side] = Side::Up(lost);
                exits
                    .to
                    .push((self.canonical(to), 1.0 / settings.site_outage_hours));
            }
            Side::Lost => {
                to[side] = Side::Refilling;
                let rate = 1.0 / (settings.site_replacement_days * 24.0);
                exits.to.push((self.canonical(to), rate));
                return;
            }
            Side::Refilling => {
                // The other has enough, or the group would be lost; it may be away.
                if let Side::Up(_) = state[1 - side] {
                    let left = self.left(state)[1 - side];
                    let sent = self.scheme.shards_to_send(0, left);
                    let sent = sent.expect("a group that is not lost can be sent");
                    to[side] = Side::Up(0);
                    let rate = 1.0 / self.repair.refill_hours(sent);
                    exits.to.push((self.canonical(to), rate));
                }
            }
        }
        if loss > 0.0 {
            to[side] = Side::Lost;
            let other = state[1 - side];
            let is_last = self.scheme.sites() == 1 || matches!(other, Side::Lost | Side::Refilling);
            if is_last {
                exits.lost_with_sites += loss;
            } else {
                self.add_transition(exits, to, loss);
            }
        }
    }

    /// What the site `side`, which is up and lacks `lost` shards, makes anew.
    fn add_repair(&self, exits: &mut Exits, state: State, side: usize, lost: u32) {
        let left = self.left(state);
        let there = match state[1 - side] {
            Side::Lost | Side::Refilling => OtherSite::Lost,
            Side::Up(lost) | Side::Away(lost) => OtherSite::Lacks(lost),
        };
        let mut to = state;
        if left[side] >= self.scheme.k() {
            to[side] = Side::Up(lost - 1);
            let rate = f64::from(lost) / self.repair.local_hours(side, lost, there);
            exits.to.push((self.canonical(to), rate));
            return;
        }
        // The other site must be there to help.
        if !matches!(state[1 - side], Side::Up(_)) {
            return;
        }
        if let Some(sent) = self.scheme.shards_to_send(left[side], left[1 - side]) {
            to[side] = Side::Up(0);
            let rate = 1.0 / self.repair.remote_hours(side, lost, sent, there);
            exits.to.push((self.canonical(to), rate));
            exits.sent_bytes += rate * f64::from(sent) * self.repair.shard_bytes;
        }
    }

    fn lost(&self, state: State, side: usize) -> u32 {
        match state[side] {
            Side::Up(lost) | Side::Away(lost) => lost,
            Side::Lost | Side::Refilling => self.scheme.shards(side),
        }
    }

    fn left(&self, state: State) -> [u32; 2] {
        [0, 1].map(|side| self.scheme.shards(side) - self.lost(state, side))
    }

    fn canonical(&self, mut state: State) -> State {
        if self.scheme.is_symmetric() {
            state.sort_unstable();
        }
        state
    }
}

/// Probability that of `drawn` of `all` shards `hits` are among the `left` ones.
fn hypergeometric(all: u32, left: u32, drawn: u32, hits: u32) -> f64 {
    let misses = drawn - hits;
    if hits > left || misses > all - left {
        return 0.0;
    }
    choose(left, hits) * choose(all - left, misses) / choose(all, drawn)
}

fn choose(n: u32, k: u32) -> f64 {
    (0..k)
        .map(|i| f64::from(n - i) / f64::from(i + 1))
        .product()
}

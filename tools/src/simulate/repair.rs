//! How long repair takes, and what a bad cell does meanwhile: the times that the Markov chain and the
//! Monte Carlo simulation share.
//!
//! A lost shard of a group is made anew by the node of the disk that takes its place, which reads `k`
//! others of the group at the pace of repair. The groups of a lost disk lie on all disks of its site,
//! so all its nodes take part, as many as there are shards to make; those of the groups that could
//! lose least come first. A site that has fewer than `k` of a group gets what it lacks from the
//! other, over the link between them.

use super::scheme::Scheme;
use super::settings::Settings;

/// Bytes of a cell, the unit that is checked and may be bad: that of the product.
const CELL_BYTES: f64 = 65536.0;

/// Share of the repair rate in use beyond which waiting times are not believed any more.
pub(super) const MOST_BUSY: f64 = 0.95;

/// A site of a group, as far as the other's repair is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherSite {
    /// Lacks so many of the group's shards by losses of disks and nodes.
    Lacks(u32),
    /// Is lost as a whole, so that all groups are alike.
    Lost,
}

/// The pace of repair for one scheme. Times are hours, rates per hour, sizes bytes.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    scheme: Scheme,
    groups: f64,
    nodes: f64,
    disks: f64,
    disks_per_node: f64,
    /// Failures of a disk, and of a node for good.
    pub(super) disk_rate: f64,
    pub(super) node_rate: f64,
    /// Hours until a loss is noticed.
    pub(super) detection: f64,
    /// Bytes of one group on one disk.
    pub(super) shard_bytes: f64,
    /// Shards on a disk.
    pub(super) shards_per_disk: f64,
    /// Hours that a node takes for one shard, or for all of one group that the other site must help with.
    pub(super) shard_hours: f64,
    /// Bytes an hour between the sites.
    pub(super) link_rate: f64,
    /// Bad cells that a shard has on average.
    latent_per_shard: f64,
    /// Bad cells that a shard gets in an hour.
    latent_rate: f64,
}

impl Repair {
    /// The pace of repair of `scheme` in such a cluster.
    pub(super) fn new(settings: &Settings, scheme: &Scheme) -> Self {
        let disks = f64::from(settings.disks_per_site());
        let groups = f64::from(settings.placement_groups);
        let used_bytes = settings.disk_tb * 1e12 * settings.used_percent / 100.0;
        let shards_per_disk = groups * scheme.shards_per_site() / disks;
        let shard_bytes = used_bytes / shards_per_disk;
        let mib_per_hour = 3600.0 * f64::from(1 << 20);
        let read =
            f64::from(scheme.k()) * shard_bytes / (settings.repair_mib_per_node * mib_per_hour);
        let write = shard_bytes / (settings.disk_mib * mib_per_hour);
        let latent_rate = settings.latent_errors_per_disk_year
            / super::settings::HOURS_PER_YEAR
            / shards_per_disk;
        Self {
            scheme: *scheme,
            groups,
            nodes: f64::from(settings.nodes_per_site),
            disks,
            disks_per_node: f64::from(settings.disks_per_node),
            disk_rate: settings.disk_failures_per_hour(),
            node_rate: settings.node_losses_per_hour(),
            detection: settings.detection_minutes / 60.0,
            shard_bytes,
            shards_per_disk,
            shard_hours: read.max(write),
            link_rate: settings.intersite_gbit * 1e9 / 8.0 * 3600.0,
            latent_per_shard: latent_rate * settings.scrub_period_days * 24.0 / 2.0,
            latent_rate,
        }
    }

    /// Hours until the last of `shards` shards, all of which are equally urgent, is made anew.
    pub(super) fn all_hours(&self, shards: f64) -> f64 {
        self.detection + self.shard_hours * (shards / self.nodes).max(1.0)
    }

    /// Mean hours until one shard of a group is made anew by its own site, which lacks `lost` of it.
    pub(super) fn local_hours(&self, side: usize, lost: u32, other: OtherSite) -> f64 {
        let urgent = self.urgent_groups(side, lost, other);
        let all = self.urgent_groups(side, 1, OtherSite::Lacks(0));
        let busy = (self.busy() * urgent / all).min(MOST_BUSY);
        let shards = urgent * f64::from(lost);
        let rounds = (shards / self.nodes).max(1.0);
        // What was lost earlier, as urgent: Sakasegawa's queue (1977) of losses that are each served
        // by as many nodes as they have shards.
        let at_once = (self.nodes / shards).max(1.0);
        let waiting = busy.powf((2.0 * (at_once + 1.0)).sqrt() - 1.0) / (1.0 - busy);
        let queue = waiting * shards / self.nodes;
        self.detection + self.shard_hours * ((rounds + 1.0) / 2.0 + queue)
    }

    /// Mean hours until a group of which this site lacks `lost` shards is whole again there, while
    /// the other site sends `sent` shards of each such group.
    pub(super) fn remote_hours(&self, side: usize, lost: u32, sent: u32, other: OtherSite) -> f64 {
        self.detection + self.remote_work_hours(self.urgent_groups(side, lost, other), sent)
    }

    /// Mean hours until a group is whole again at a site that was lost and is replaced.
    pub(super) fn refill_hours(&self, sent: u32) -> f64 {
        self.remote_work_hours(self.groups, sent)
    }

    fn remote_work_hours(&self, groups: f64, sent: u32) -> f64 {
        let rounds = (groups / self.nodes).max(1.0);
        let by_nodes = self.shard_hours * (rounds + 1.0) / 2.0;
        let by_link = self.link_hours(sent) * (groups + 1.0) / 2.0;
        by_nodes.max(by_link)
    }

    /// Hours that `sent` shards of one group are on the link between the sites.
    pub(super) fn link_hours(&self, sent: u32) -> f64 {
        f64::from(sent) * self.shard_bytes / self.link_rate
    }

    /// Share of a site's repair rate that is in use on average.
    pub(super) fn busy(&self) -> f64 {
        let losses = self.disks * self.shards_per_disk * (self.disk_rate + self.node_rate);
        losses * self.shard_hours / self.nodes
    }

    /// Groups that are as urgent as one of which `lost` shards are lost here, at the time that the
    /// last of them was lost: those that have shards on the same lost disks and nodes.
    fn urgent_groups(&self, side: usize, lost: u32, other: OtherSite) -> f64 {
        let losses = self.disk_rate + self.node_rate;
        let by_node = if losses > 0.0 {
            self.node_rate / losses
        } else {
            0.0
        };
        let mix = |disk: f64, node: f64| (1.0 - by_node) * disk + by_node * node.min(1.0);
        let first = self.shards_per_disk * (1.0 - by_node + by_node * self.disks_per_node);
        // That a group which lacks `i` shards of a site lacks one more, as another disk there is lost.
        let shared = |side: usize, i: u32| {
            let left = f64::from(self.scheme.shards(side) - i);
            let others = |all: f64| (all - f64::from(i)).max(1.0);
            mix(left / others(self.disks), left / others(self.nodes))
        };
        let here: f64 = (1..lost).map(|i| shared(side, i)).product();
        let there: f64 = match other {
            OtherSite::Lost => 1.0,
            OtherSite::Lacks(lost) => (0..lost).map(|i| shared(1 - side, i)).product(),
        };
        (first.min(self.groups) * here * there).max(1.0)
    }

    /// Probability that some stripe of a group can't be read since more than `spare` of its cells
    /// are bad, of which nobody knows.
    ///
    /// `left` shards are left; bad cells are independent and uniform over the shard. For more than
    /// one, the expected number of such stripes, which is an upper bound.
    pub(super) fn latent_loss(&self, left: u32, spare: u32) -> f64 {
        if self.latent_per_shard == 0.0 {
            return 0.0;
        }
        if spare == 0 {
            return -(-f64::from(self.scheme.k()) * self.latent_per_shard).exp_m1();
        }
        let stripes = (self.shard_bytes / CELL_BYTES).max(1.0);
        let bad = spare + 1;
        // As logarithms: the power underflows long before the product matters, but need not.
        let ways: f64 = (0..bad)
            .map(|i| (f64::from(left.saturating_sub(i)) / f64::from(i + 1)).ln())
            .sum();
        let log = stripes.ln() + ways + f64::from(bad) * (self.latent_per_shard / stripes).ln();
        log.exp().min(1.0)
    }

    /// Bad cells in an hour in a group that can't lose any more: each loses data.
    pub(super) fn latent_loss_rate(&self) -> f64 {
        f64::from(self.scheme.k()) * self.latent_rate
    }
}

//! How many slots each disk of a site is to hold.
//!
//! A disk's *share* is its weight's part of the site's slots, as far as it fits: a disk can hold one
//! slot of each group, a node its limit of each. What weights ask beyond goes to the other disks, by
//! weight: a level is raised until all slots are poured out, and what is full takes no more. Shares
//! are fractions of integers, exact on every machine.
//!
//! A *target* is the share rounded up or down. Any targets within the limits that add up can be had:
//! give each group the fraction `target / groups` of each disk; that meets all limits, and a flow
//! network whose limits are integers has an integer solution when it has one at all. By the shares
//! themselves it follows that targets can be left to the flow as well, within [`bounds`]: a first
//! table has targets, so that those are rounded up who lose most otherwise; a change of one in use has
//! bounds, so that as few slots move as can.

use super::flow::Bounds;
use super::site::{Local, SiteDisks};

/// Slots that a disk is to hold, as an exact fraction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    slots: u128,
    of: u128,
}

impl Share {
    /// Rounded down.
    pub(super) fn floor(self) -> usize {
        (self.slots / self.of) as usize
    }

    /// For display and comparison with a tolerance.
    pub(super) fn to_f64(self) -> f64 {
        self.slots as f64 / self.of as f64
    }

    /// Rounded up.
    fn ceil(self) -> usize {
        self.floor() + usize::from(self.remainder() > 0)
    }

    fn remainder(self) -> u128 {
        self.slots % self.of
    }
}

/// How high the slots stand: each disk that is not full gets `slots / weight` for one unit of its
/// own weight.
#[derive(Clone, Copy)]
struct Level {
    slots: u128,
    weight: u128,
}

impl Level {
    fn share(self, weight: u32) -> Share {
        Share {
            slots: self.slots * u128::from(weight),
            of: self.weight,
        }
    }

    /// Whether a disk of that weight would get more than `most` slots.
    fn overflows(self, weight: u32, most: u128) -> bool {
        self.slots * u128::from(weight) > most * self.weight
    }
}

/// The share of each disk of the site.
pub(super) fn shares(site: &SiteDisks, groups: u32) -> Vec<Share> {
    let most = u128::from(groups);
    let disks_of = &site.disks_of;
    // The level only rises while full nodes and disks are taken out, so what is full stays full.
    let mut open: Vec<usize> = (0..disks_of.len()).collect();
    let mut left = most * site.per_group as u128;
    let mut shares = vec![Share { slots: 0, of: 1 }; site.disks.len()];
    loop {
        let disks: Vec<Local> = open.iter().flat_map(|n| &disks_of[*n]).copied().collect();
        pour(site, &disks, left, most, &mut shares);
        let (full, rest): (Vec<usize>, Vec<usize>) = open.iter().partition(|node| {
            let limit = most * site.node_limits[**node] as u128;
            exceed(disks_of[**node].iter().map(|d| shares[*d]), limit)
        });
        if full.is_empty() {
            return shares;
        }
        for node in full {
            let limit = most * site.node_limits[node] as u128;
            pour(site, &disks_of[node], limit, most, &mut shares);
            left -= limit;
        }
        open = rest;
    }
}

/// Gives `slots` to the disks by weight, but none more than `most`.
fn pour(site: &SiteDisks, disks: &[Local], slots: u128, most: u128, shares: &mut [Share]) {
    let mut open = disks.to_vec();
    let mut left = slots;
    while !open.is_empty() {
        let level = Level {
            slots: left,
            weight: open.iter().map(|d| u128::from(site.weights[*d])).sum(),
        };
        let (full, rest): (Vec<Local>, Vec<Local>) = open
            .iter()
            .partition(|d| level.overflows(site.weights[**d], most));
        if full.is_empty() {
            for disk in open {
                shares[disk] = level.share(site.weights[disk]);
            }
            return;
        }
        for disk in full {
            shares[disk] = Share { slots: most, of: 1 };
            left -= most;
        }
        open = rest;
    }
}

/// Whether shares of one pouring add up to more than `limit`. All of them that are not whole have
/// the same denominator.
fn exceed(shares: impl Iterator<Item = Share>, limit: u128) -> bool {
    let (mut whole, mut parts, mut of) = (0, 0, 1);
    for share in shares {
        if share.of == 1 {
            whole += share.slots;
        } else {
            parts += share.slots;
            of = share.of;
        }
    }
    whole * of + parts > limit * of
}

/// The share of each disk, rounded down and up.
pub(super) fn bounds(site: &SiteDisks, groups: u32) -> Vec<Bounds> {
    let shares = shares(site, groups).into_iter();
    let bounds = shares.map(|share| Bounds {
        lowest: share.floor(),
        highest: share.ceil(),
    });
    bounds.collect()
}

/// Whole numbers of slots that add up, each a share rounded up or down, for disks that hold `held`
/// now.
///
/// Rounded up are first the disks that would have to give a slot away otherwise, then those that
/// lose most by rounding down. (Sets of disks that can be
/// rounded up together are a matroid, for which taking the best first is optimal.)
pub(super) fn targets(site: &SiteDisks, groups: u32, held: &[usize]) -> Vec<usize> {
    let shares = shares(site, groups);
    let mut targets: Vec<usize> = shares.iter().map(|s| s.floor()).collect();
    let mut room: Vec<usize> = site
        .node_limits
        .iter()
        .map(|limit| limit * groups as usize)
        .collect();
    for (disk, target) in targets.iter().enumerate() {
        room[site.node_of[disk]] -= target;
    }
    let mut left = groups as usize * site.per_group - targets.iter().sum::<usize>();

    let mut candidates: Vec<Local> = (0..shares.len())
        .filter(|d| shares[*d].remainder() > 0)
        .collect();
    candidates.sort_by(|a, b| {
        let keeps = |d: Local| held[d] > targets[d];
        let (x, y) = (shares[*a], shares[*b]);
        keeps(*b)
            .cmp(&keeps(*a))
            .then((y.remainder() * x.of).cmp(&(x.remainder() * y.of)))
            .then(a.cmp(b))
    });
    for disk in candidates {
        let room = &mut room[site.node_of[disk]];
        if left > 0 && *room > 0 {
            targets[disk] += 1;
            *room -= 1;
            left -= 1;
        }
    }
    assert_eq!(left, 0, "shares add up to the site's slots");
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site with these weights on each node.
    fn site(per_group: usize, limits: &[usize], nodes: &[&[u32]]) -> SiteDisks {
        let weights = nodes.concat();
        SiteDisks {
            disks: (0..weights.len() as u16).collect(),
            node_of: (0..nodes.len())
                .flat_map(|n| vec![n; nodes[n].len()])
                .collect(),
            disks_of: (0..nodes.len())
                .map(|n| {
                    let start: usize = nodes[..n].iter().map(|disks| disks.len()).sum();
                    (start..start + nodes[n].len()).collect()
                })
                .collect(),
            weights,
            node_limits: limits.to_vec(),
            per_group,
        }
    }

    fn numbers(site: &SiteDisks, groups: u32) -> Vec<f64> {
        shares(site, groups).iter().map(|s| s.to_f64()).collect()
    }

    #[test]
    fn shares_follow_weights() {
        let site = site(2, &[1; 3], &[&[1], &[1], &[2]]);
        assert_eq!(numbers(&site, 100), [50.0, 50.0, 100.0]);
    }

    #[test]
    fn what_a_full_disk_cannot_take_goes_to_the_others_by_weight() {
        let site = site(2, &[1; 4], &[&[1], &[2], &[1], &[40]]);
        assert_eq!(numbers(&site, 100), [25.0, 50.0, 25.0, 100.0]);
    }

    #[test]
    fn what_a_full_node_cannot_take_goes_to_the_others_by_weight() {
        // The first node may have 100 slots; its disks share them by weight.
        let site = site(2, &[1; 3], &[&[30, 10], &[1], &[3]]);
        assert_eq!(numbers(&site, 100), [75.0, 25.0, 25.0, 75.0]);
    }

    #[test]
    fn a_disk_that_is_full_by_itself_may_share_a_full_node() {
        // By the site's level disk 0 would have all 100; by its node's it has 80.
        let site = site(3, &[1, 1, 1, 1], &[&[80, 20], &[10], &[10], &[10]]);
        let numbers = numbers(&site, 90);
        assert_eq!(numbers[..2], [72.0, 18.0]);
        assert_eq!(numbers[2..], [60.0; 3]);
    }

    #[test]
    fn rounding_keeps_what_disks_hold() {
        let site = site(2, &[1; 4], &[&[1], &[1], &[1], &[1]]);
        // 2.5 each.
        assert_eq!(targets(&site, 5, &[2, 3, 2, 3]), [2, 3, 2, 3]);
        assert_eq!(targets(&site, 5, &[0; 4]), [3, 3, 2, 2]);
    }
}

//! What to split and what to move where, decided from sizes alone.
//!
//! A tablet's *weight* is its size or load, whichever is nearer to the bound at which it is split,
//! in thousandths of that bound. A group's load is the sum of its tablets' weights. Tablets past
//! the bound are split. Tablets move from a fuller group to the emptiest while that leaves the
//! giver at least as full as the receiver: so the sum of the squares of the loads falls with every
//! move, and no sequence of plans over unchanged tablets goes round in circles.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{BucketId, GroupId, ObjectKey};
use crate::limits::{
    PLAN_ACTIONS, TABLET_SPLIT_BYTES, TABLET_SPLIT_KEYS, TABLET_SPLIT_LOAD_KEYS,
    TABLET_SPLIT_WRITES_PER_S, TABLETS_PER_BUCKET,
};

/// The weight of a tablet at the bound.
const FULL: u64 = 1000;

/// When to split and when to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Objects above which a tablet is split.
    pub split_keys: u64,
    /// Bytes of records above which a tablet is split.
    pub split_bytes: u64,
    /// Changes per second above which a tablet is split, if it has at least
    /// [`TABLET_SPLIT_LOAD_KEYS`] objects.
    pub split_writes_per_s: u64,
    /// Difference of load between two groups that is left alone, in thousandths of a tablet at the
    /// bound: a move costs writers a moment's wait.
    pub tolerance: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            split_keys: TABLET_SPLIT_KEYS,
            split_bytes: TABLET_SPLIT_BYTES,
            split_writes_per_s: TABLET_SPLIT_WRITES_PER_S,
            tolerance: FULL / 2,
        }
    }
}

/// A tablet that is open, where it is and how large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TabletLoad {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its first key.
    pub start: ObjectKey,
    /// The group that has it.
    pub group: GroupId,
    /// Objects.
    pub keys: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Changes per second of late.
    pub writes_per_s: u64,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Split a tablet in the middle of its objects.
    Split {
        /// Its bucket.
        bucket: BucketId,
        /// Its first key.
        start: ObjectKey,
    },
    /// Move a tablet.
    Move {
        /// Its bucket.
        bucket: BucketId,
        /// Its first key.
        start: ObjectKey,
        /// The group that gets it.
        to: GroupId,
    },
}

impl Policy {
    fn weight(&self, tablet: &TabletLoad) -> u64 {
        let share = |size: u64, bound: u64| size.saturating_mul(FULL) / bound.max(1);
        share(tablet.keys, self.split_keys)
            .max(share(tablet.bytes, self.split_bytes))
            .max(share(tablet.writes_per_s, self.split_writes_per_s))
    }

    fn splits(&self, tablet: &TabletLoad) -> bool {
        let is_large = tablet.keys > self.split_keys || tablet.bytes > self.split_bytes;
        let is_busy =
            tablet.writes_per_s > self.split_writes_per_s && tablet.keys >= TABLET_SPLIT_LOAD_KEYS;
        tablet.keys >= 2 && (is_large || is_busy)
    }
}

/// What to do next: at most [`PLAN_ACTIONS`], and one per bucket, as a bucket's tablets change one
/// at a time. Nothing, once all is well. `groups` are the key groups that may have tablets.
pub fn plan(groups: &[GroupId], tablets: &[TabletLoad], policy: &Policy) -> Vec<Action> {
    let mut per_bucket: BTreeMap<BucketId, usize> = BTreeMap::new();
    for tablet in tablets {
        *per_bucket.entry(tablet.bucket).or_default() += 1;
    }
    let mut by_weight: Vec<(u64, &TabletLoad)> = tablets
        .iter()
        .map(|tablet| (policy.weight(tablet), tablet))
        .collect();
    by_weight
        .sort_by_key(|(weight, tablet)| (std::cmp::Reverse(*weight), tablet.bucket, &tablet.start));

    let mut actions = Vec::new();
    let mut touched = BTreeSet::new();
    for (_, tablet) in &by_weight {
        if actions.len() < PLAN_ACTIONS
            && policy.splits(tablet)
            && per_bucket[&tablet.bucket] < TABLETS_PER_BUCKET
            && touched.insert(tablet.bucket)
        {
            actions.push(Action::Split {
                bucket: tablet.bucket,
                start: tablet.start.clone(),
            });
        }
    }

    let mut loads: BTreeMap<GroupId, u64> = groups.iter().map(|group| (*group, 0)).collect();
    for (weight, tablet) in &by_weight {
        if let Some(load) = loads.get_mut(&tablet.group) {
            *load += weight;
        }
    }
    while actions.len() < PLAN_ACTIONS {
        let Some((weight, tablet, to)) = next_move(&loads, &by_weight, &touched, policy.tolerance)
        else {
            break;
        };
        touched.insert(tablet.bucket);
        *loads.get_mut(&tablet.group).expect("it has the tablet") -= weight;
        *loads.get_mut(&to).expect("it is a group") += weight;
        actions.push(Action::Move {
            bucket: tablet.bucket,
            start: tablet.start.clone(),
            to,
        });
    }
    actions
}

/// The move that evens out most: the heaviest tablet that fits, of the fullest group that has one.
fn next_move<'a>(
    loads: &BTreeMap<GroupId, u64>,
    by_weight: &[(u64, &'a TabletLoad)],
    touched: &BTreeSet<BucketId>,
    tolerance: u64,
) -> Option<(u64, &'a TabletLoad, GroupId)> {
    let (to, least) = loads.iter().min_by_key(|(group, load)| (**load, **group))?;
    let mut fullest: Vec<_> = loads.iter().collect();
    fullest.sort_by_key(|(group, load)| (std::cmp::Reverse(**load), **group));
    fullest.into_iter().find_map(|(from, load)| {
        let gap = load - least;
        if gap <= tolerance {
            return None;
        }
        by_weight
            .iter()
            .find(|(weight, tablet)| {
                tablet.group == *from
                    && (1..=gap / 2).contains(weight)
                    && !touched.contains(&tablet.bucket)
            })
            .map(|(weight, tablet)| (*weight, *tablet, *to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        Policy {
            split_keys: 1000,
            split_bytes: 1_000_000,
            split_writes_per_s: 100,
            tolerance: 500,
        }
    }

    fn tablets(groups: u32) -> impl Strategy<Value = Vec<TabletLoad>> {
        let tablet = (
            1..=groups,
            0u64..20_000,
            0u64..5_000_000,
            0u64..300,
            0u64..6,
        );
        proptest::collection::vec(tablet, 0..40).prop_map(|tablets| {
            let tablets = tablets.into_iter().enumerate();
            tablets
                .map(
                    |(n, (group, keys, bytes, writes_per_s, bucket))| TabletLoad {
                        bucket: BucketId(bucket),
                        start: format!("{n:05}").into(),
                        group: GroupId(group),
                        keys,
                        bytes,
                        writes_per_s,
                    },
                )
                .collect()
        })
    }

    fn loads(groups: &[GroupId], tablets: &[TabletLoad], policy: &Policy) -> Vec<u64> {
        let load = |group: &GroupId| {
            let its = tablets.iter().filter(|tablet| tablet.group == *group);
            its.map(|tablet| policy.weight(tablet)).sum()
        };
        groups.iter().map(load).collect()
    }

    /// Does what a plan says.
    fn carry_out(tablets: &mut Vec<TabletLoad>, action: &Action) {
        let (bucket, start) = match action {
            Action::Split { bucket, start } | Action::Move { bucket, start, .. } => (bucket, start),
        };
        let tablet_count = tablets.len();
        let its = |tablet: &&mut TabletLoad| tablet.bucket == *bucket && tablet.start == *start;
        let tablet = tablets.iter_mut().find(its).expect("it exists");
        match action {
            Action::Move { to, .. } => tablet.group = *to,
            Action::Split { .. } => {
                let mut upper = tablet.clone();
                let unique = format!("+{:05}", tablet_count);
                upper.start = [start.as_bytes(), unique.as_bytes()].concat().into();
                upper.keys = tablet.keys - tablet.keys / 2;
                upper.bytes = tablet.bytes / 2;
                upper.writes_per_s = tablet.writes_per_s / 2;
                tablet.keys /= 2;
                tablet.bytes -= upper.bytes;
                tablet.writes_per_s -= upper.writes_per_s;
                tablets.push(upper);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn plans_come_to_an_end_and_do_not_go_back_and_forth(
            mut tablets in (2u32..6).prop_flat_map(|n| tablets(n).prop_map(move |t| (n, t))),
        ) {
            let policy = policy();
            let groups: Vec<GroupId> = GroupId::keys(tablets.0).collect();
            let tablets = &mut tablets.1;
            let most = tablets.len() * 80 + 10;
            let mut rounds = 0;
            loop {
                let actions = plan(&groups, tablets, &policy);
                prop_assert!(actions.len() <= PLAN_ACTIONS);
                if actions.is_empty() {
                    break;
                }
                let moves_only = actions.iter().all(|a| matches!(a, Action::Move { .. }));
                let mut buckets = BTreeSet::new();
                for action in &actions {
                    let before = loads(&groups, tablets, &policy);
                    carry_out(tablets, action);
                    let after = loads(&groups, tablets, &policy);
                    let (Action::Split { bucket, .. } | Action::Move { bucket, .. }) = action;
                    prop_assert!(buckets.insert(*bucket), "one action per bucket");
                    // A split changes weights a little, which the moves beside it can't know.
                    if moves_only {
                        let squares = |loads: &[u64]| loads.iter().map(|l| l * l).sum::<u64>();
                        prop_assert!(squares(&after) < squares(&before));
                    }
                }
                rounds += 1;
                prop_assert!(rounds <= most, "{} rounds", rounds);
            }
            // What is left is small, and even up to what can be moved.
            prop_assert!(tablets.iter().all(|tablet| !policy.splits(tablet)));
            let loads = loads(&groups, tablets, &policy);
            let least = *loads.iter().min().unwrap();
            for (group, load) in groups.iter().zip(&loads) {
                let gap = load - least;
                let lightest = tablets
                    .iter()
                    .filter(|tablet| tablet.group == *group)
                    .map(|tablet| policy.weight(tablet))
                    .filter(|weight| *weight > 0)
                    .min();
                prop_assert!(gap <= policy.tolerance || lightest.is_none_or(|w| w > gap / 2));
            }
        }
    }

    fn tablet(bucket: u64, start: &str, group: u32, keys: u64) -> TabletLoad {
        TabletLoad {
            bucket: BucketId(bucket),
            start: start.into(),
            group: GroupId(group),
            keys,
            bytes: 0,
            writes_per_s: 0,
        }
    }

    #[test]
    fn a_large_tablet_is_split_and_small_ones_stay() {
        let groups: Vec<_> = GroupId::keys(2).collect();
        let small = [tablet(1, "", 1, 400), tablet(2, "", 1, 50)];
        assert_eq!(plan(&groups, &small, &policy()), []);
        let large = [tablet(1, "", 1, 1001)];
        let split = Action::Split {
            bucket: BucketId(1),
            start: "".into(),
        };
        assert_eq!(plan(&groups, &large, &policy()), [split]);
        let mut busy = [tablet(1, "", 1, TABLET_SPLIT_LOAD_KEYS - 1)];
        busy[0].writes_per_s = 101;
        assert_eq!(plan(&groups, &busy, &policy()), [], "a few hot keys");
    }

    #[test]
    fn the_heaviest_that_fits_moves_to_the_emptiest() {
        let groups: Vec<_> = GroupId::keys(3).collect();
        let tablets = [
            tablet(1, "", 1, 900),
            tablet(2, "", 1, 500),
            tablet(3, "", 1, 300),
            tablet(4, "", 2, 600),
        ];
        let moves = Action::Move {
            bucket: BucketId(2),
            start: "".into(),
            to: GroupId(3),
        };
        assert_eq!(plan(&groups, &tablets, &policy())[0], moves);
    }
}

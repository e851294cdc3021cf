//! Whose agreement a group needs: from who votes follows how.
//!
//! * With an arbiter, or all voters at one site: a majority of all voters.
//! * With voters at exactly two sites and no arbiter: a majority at each site. Such a quorum is joint
//!   and stays so. Neither site goes on by itself, but each holds all that was ever acknowledged,
//!   so either can be promoted when the other is lost ([`super::promotion`]).
//!
//! A change of voters goes from one such rule to another in steps, and any two quorums of
//! neighbouring steps share a voter: two neighbours have one set in common, of which both need a
//! majority (Ongaro's dissertation, section 4.3, with more than two sets).

use std::collections::{BTreeMap, BTreeSet};

use super::types::Peer;

/// Sets of voters, of each of which a majority must agree.
pub(super) type Quorum = Vec<BTreeSet<u64>>;

/// The quorum that voters should have.
pub(super) fn of(voters: &BTreeMap<u64, Peer>) -> Quorum {
    let mut sites: BTreeMap<Option<&str>, BTreeSet<u64>> = BTreeMap::new();
    for (&id, peer) in voters {
        sites.entry(peer.site.as_deref()).or_default().insert(id);
    }
    match sites.len() {
        2 if !sites.contains_key(&None) => sites.into_values().collect(),
        _ => vec![voters.keys().copied().collect()],
    }
}

/// The quorums to go through from one to another, the last included and the first not.
pub(super) fn steps(from: &Quorum, to: &Quorum) -> Vec<Quorum> {
    if from == to {
        return Vec::new();
    }
    if from.iter().any(|set| to.contains(set)) {
        return vec![to.clone()];
    }
    let mut between = vec![from[0].clone()];
    between.extend(to.iter().cloned());
    vec![between, to.clone()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn voters(sites: &[(u64, Option<&str>)]) -> BTreeMap<u64, Peer> {
        let peer = |site: Option<&str>| Peer {
            endpoint: String::new(),
            site: site.map(str::to_owned),
        };
        sites.iter().map(|&(id, site)| (id, peer(site))).collect()
    }

    fn set(ids: &[u64]) -> BTreeSet<u64> {
        ids.iter().copied().collect()
    }

    #[test]
    fn two_sites_without_an_arbiter_must_both_agree() {
        let (t, m) = (Some("t"), Some("m"));
        assert_eq!(
            of(&voters(&[(1, t), (2, m), (3, t)])),
            [set(&[2]), set(&[1, 3])]
        );
        assert_eq!(of(&voters(&[(1, t), (2, m), (3, None)])), [set(&[1, 2, 3])]);
        assert_eq!(of(&voters(&[(1, t), (2, t)])), [set(&[1, 2])]);
        let three = voters(&[(1, t), (2, m), (3, Some("p"))]);
        assert_eq!(of(&three), [set(&[1, 2, 3])]);
    }

    /// Whether a set of voters satisfies a quorum.
    fn agrees(voters: u32, quorum: &Quorum) -> bool {
        quorum.iter().all(|set| {
            let agreeing = set.iter().filter(|&&id| voters >> id & 1 == 1).count();
            2 * agreeing > set.len()
        })
    }

    fn any_quorum() -> impl Strategy<Value = Quorum> {
        let set = prop::collection::btree_set(0u64..7, 1..6);
        prop::collection::vec(set, 1..3)
    }

    proptest! {
        /// No two disjoint sets of voters may decide, one by the rule before a step and one by the
        /// rule after it.
        #[test]
        fn neighbouring_quorums_always_meet(from in any_quorum(), to in any_quorum()) {
            let mut before = from.clone();
            for after in steps(&from, &to) {
                for some in 0u32..128 {
                    prop_assert!(!(agrees(some, &before) && agrees(!some & 127, &after)));
                }
                before = after;
            }
            prop_assert_eq!(before, to);
        }
    }
}

//! What a leader knows of the sites: which of them hold an entry, and who should lead instead.
//!
//! **Invariant.** An outcome is told only once its entry is committed, which takes a majority, and
//! held by a voter of every data site in service. So the loss of a site *and* the arbiter together
//! loses nothing that was told. A site is out of service for a leader that none of its voters has
//! answered for [`SITE_OUT_MS`], and until one of them lacks no more than [`SITE_LAG`] entries; then
//! the majority alone stands, and one of it is the arbiter or the other site, so the loss of any one
//! site still loses nothing.
//!
//! So that no site is passed over by mistake, only a leader may tell an outcome, for the term in
//! which it logged the entry (one that was deposed knows nothing of the sites any more), and a site
//! that a new leader has not heard yet is in service until its time is up.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::Instant as _;
use tokio::time::Instant;

use super::limits::{LEADERSHIP_LAG, SITE_LAG, SITE_OUT_MS};
use super::types::{LogId, Metrics, Peer};
use crate::id::GroupId;

/// The voters of each data site, in the order of their numbers.
fn voters_by_site(metrics: &Metrics) -> BTreeMap<&str, Vec<u64>> {
    let membership = metrics.membership_config.membership();
    let is_voter = |id: u64| membership.voter_ids().any(|voter| voter == id);
    let mut sites: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (&id, Peer { site, .. }) in membership.nodes() {
        if let Some(site) = site
            && is_voter(id)
        {
            sites.entry(site).or_default().push(id);
        }
    }
    sites
}

/// Index of the last entry that a voter, the leader among them, is known to hold durably.
fn held_by(metrics: &Metrics, voter: u64) -> Option<u64> {
    let replication = metrics.replication.as_ref()?;
    replication.get(&voter)?.as_ref().map(|log_id| log_id.index)
}

/// Whether a voter answered its leader lately.
fn answers(metrics: &Metrics, voter: u64) -> bool {
    let heartbeat = metrics.heartbeat.as_ref().and_then(|all| all.get(&voter));
    let recent = Duration::from_millis(SITE_OUT_MS);
    voter == metrics.id || heartbeat.is_some_and(|at| at.is_some_and(|at| at.elapsed() < recent))
}

/// Whether an entry that this leader logged is held where it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// By every data site in service.
    Everywhere,
    /// Not yet by one of them.
    NotYet,
    /// This voter can't tell any more: it does not lead in the entry's term.
    Unknown,
}

/// Whether every data site in service holds an entry, as far as the leader knows that leads since
/// `leads_since`.
pub(super) fn hold(metrics: &Metrics, entry: &LogId, leads_since: Instant) -> Held {
    if metrics.state != ServerState::Leader || metrics.current_term != entry.leader_id.term {
        return Held::Unknown;
    }
    let unheard = leads_since.elapsed() < Duration::from_millis(SITE_OUT_MS);
    let has_it = |voters: &Vec<u64>| {
        let holds = |&voter: &u64| held_by(metrics, voter).is_some_and(|held| held >= entry.index);
        let lag = |voter| entry.index - held_by(metrics, voter).unwrap_or(0).min(entry.index);
        let keeps_up = |voter| answers(metrics, voter) && lag(voter) <= SITE_LAG;
        let is_in_service = |&voter: &u64| unheard || keeps_up(voter);
        voters.iter().any(holds) || !voters.iter().any(is_in_service)
    };
    match voters_by_site(metrics).values().all(has_it) {
        true => Held::Everywhere,
        false => Held::NotYet,
    }
}

/// Whether a voter can lead at once.
fn can_lead(metrics: &Metrics, voter: u64) -> bool {
    let last = metrics.last_log_index.unwrap_or(0);
    answers(metrics, voter)
        && held_by(metrics, voter).is_some_and(|held| held + LEADERSHIP_LAG >= last)
}

/// Who could lead in this leader's place.
pub(super) fn next_leader(metrics: &Metrics) -> Option<u64> {
    let mut voters = voters_by_site(metrics).into_values().flatten();
    voters.find(|&voter| voter != metrics.id && can_lead(metrics, voter))
}

/// Who should lead the group in this leader's place: the voter that its number points to, or, if
/// this one is an arbiter, whoever can. Leaders so spread over the sites and over their voters.
pub(super) fn better_leader(metrics: &Metrics, group: GroupId) -> Option<u64> {
    let sites = voters_by_site(metrics);
    if sites.is_empty() {
        return None;
    }
    let group = group.0 as usize;
    let voters = sites.values().nth(group % sites.len())?;
    let preferred = voters[group / sites.len() % voters.len()];
    if preferred == metrics.id {
        return None;
    }
    if can_lead(metrics, preferred) {
        return Some(preferred);
    }
    is_arbiter(metrics).then(|| next_leader(metrics)).flatten()
}

/// Whether this voter is of no data site.
pub(super) fn is_arbiter(metrics: &Metrics) -> bool {
    !voters_by_site(metrics)
        .values()
        .flatten()
        .any(|&voter| voter == metrics.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use openraft::impls::leader_id_adv::LeaderId;
    use openraft::metrics::SerdeInstant;
    use openraft::type_config::TypeConfigExt;

    use super::super::types::{Group, Membership};
    use super::*;

    const TERM: u64 = 3;

    fn entry(index: u64) -> LogId {
        let leader = LeaderId {
            term: TERM,
            node_id: 1,
        };
        LogId::new(leader, index)
    }

    /// Voter 1 leads; 1 and 2 are at one site, 3 and 4 at the other, 5 is the arbiter. Of each:
    /// the entry it holds, and how long ago it answered, ms.
    fn led(voters: [(u64, Option<u64>); 5]) -> Metrics {
        let sites = [Some("t"), Some("t"), Some("m"), Some("m"), None];
        let nodes = (1..).zip(sites.map(|site| Peer {
            endpoint: String::new(),
            site: site.map(str::to_owned),
        }));
        let ids: BTreeSet<u64> = (1..=5).collect();
        let membership = openraft::Membership::new(vec![ids], nodes.collect::<BTreeMap<_, _>>());
        let mut metrics = Metrics::new_initial(1);
        metrics.membership_config = Arc::new(Membership::new(None, membership.unwrap()));
        metrics.state = ServerState::Leader;
        metrics.current_term = TERM;
        metrics.current_leader = Some(1);
        metrics.last_log_index = voters.iter().map(|(held, _)| *held).max();
        let numbered = || (1..).zip(voters);
        let held = numbered().map(|(id, (held, _))| (id, Some(entry(held))));
        metrics.replication = Some(held.collect());
        let heard = numbered().map(|(id, (_, ago))| {
            let at = ago.map(|ms| Group::now() - Duration::from_millis(ms));
            (id, at.map(SerdeInstant::new))
        });
        metrics.heartbeat = Some(heard.collect());
        metrics
    }

    fn long_ago() -> Instant {
        Instant::now() - Duration::from_millis(10 * SITE_OUT_MS)
    }

    #[test]
    fn every_site_in_service_must_hold_an_entry() {
        let late = Some(2 * SITE_OUT_MS);
        let cases = [
            // Committed by the one site and the arbiter: the other answers, but lacks it.
            (
                [
                    (9, None),
                    (9, Some(0)),
                    (8, Some(0)),
                    (8, late),
                    (9, Some(0)),
                ],
                Held::NotYet,
            ),
            (
                [
                    (9, None),
                    (9, Some(0)),
                    (8, Some(0)),
                    (9, late),
                    (9, Some(0)),
                ],
                Held::Everywhere,
            ),
            // The other is out of service.
            (
                [(9, None), (9, Some(0)), (8, late), (8, late), (9, Some(0))],
                Held::Everywhere,
            ),
            (
                [(9, None), (9, Some(0)), (0, None), (0, None), (9, Some(0))],
                Held::Everywhere,
            ),
            // The leader itself has not synced it yet, nor has its neighbour.
            (
                [
                    (8, None),
                    (8, Some(0)),
                    (9, Some(0)),
                    (9, Some(0)),
                    (9, Some(0)),
                ],
                Held::NotYet,
            ),
        ];
        for (voters, expected) in cases {
            assert_eq!(
                hold(&led(voters), &entry(9), long_ago()),
                expected,
                "{voters:?}"
            );
        }
    }

    #[test]
    fn a_site_that_is_back_counts_once_it_caught_up() {
        let last = 2 * SITE_LAG;
        let far = last - SITE_LAG - 1;
        for (held, expected) in [(far, Held::Everywhere), (far + 1, Held::NotYet)] {
            let own = (last, Some(0));
            let metrics = led([own, own, (held, Some(0)), (0, Some(0)), own]);
            assert_eq!(hold(&metrics, &entry(last), long_ago()), expected);
        }
    }

    #[test]
    fn a_new_leader_waits_for_a_site_it_has_not_heard_yet() {
        let metrics = led([(9, None), (9, Some(0)), (8, None), (8, None), (9, Some(0))]);
        assert_eq!(hold(&metrics, &entry(9), Instant::now()), Held::NotYet);
        assert_eq!(hold(&metrics, &entry(9), long_ago()), Held::Everywhere);
    }

    #[test]
    fn who_does_not_lead_any_more_can_not_tell() {
        let mut metrics = led([(9, None); 5]);
        metrics.current_term += 1;
        assert_eq!(hold(&metrics, &entry(9), long_ago()), Held::Unknown);
        let mut metrics = led([(9, None); 5]);
        metrics.state = ServerState::Follower;
        (metrics.replication, metrics.heartbeat) = (None, None);
        assert_eq!(hold(&metrics, &entry(9), long_ago()), Held::Unknown);
    }
}

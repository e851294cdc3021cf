//! Who leads the groups of metadata.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use riquet_cluster::admin::GroupView;
use riquet_metadata::voters::VoterStatus;
use riquet_metadata::{Client, GroupId};

/// How the voters see the groups. One that was cut off may name an older leader: the newest term is right.
pub(super) async fn groups(metadata: &Client, key_groups: u32) -> Vec<GroupView> {
    let asked = metadata.endpoints().iter();
    let asked = asked.map(|endpoint| metadata.voter_status(endpoint));
    let mut answers: Vec<VoterStatus> = join_all(asked).await.into_iter().flatten().collect();
    // Voters may have come that the gateway's settings do not name.
    let views = answers.iter().flat_map(|status| &status.groups);
    let named = views.flat_map(|view| &view.voters);
    let others: BTreeSet<String> = named
        .map(|voter| voter.endpoint.clone())
        .filter(|endpoint| !metadata.endpoints().contains(endpoint))
        .collect();
    let asked = others
        .iter()
        .map(|endpoint| metadata.voter_status(endpoint));
    answers.extend(join_all(asked).await.into_iter().flatten());
    let of_group = |group: GroupId| {
        let views = answers.iter().flat_map(|status| &status.groups);
        let views: Vec<_> = views.filter(|view| view.group == group).collect();
        let newest = views
            .iter()
            .max_by_key(|view| (view.leader.is_some(), view.term));
        // One that lost its data answers, and is not the voter that the others know.
        let voters = newest
            .map(|view| view.voters.as_slice())
            .unwrap_or_default();
        let up = voters
            .iter()
            .filter(|voter| answers.iter().any(|status| status.voter.may_be(voter)));
        let leader = newest.and_then(|view| view.leader);
        let leader = answers
            .iter()
            .find(|status| Some(status.voter.id) == leader);
        GroupView {
            group: group.0,
            leader: leader.map(|status| status.voter.endpoint.clone()),
            site: leader.and_then(|status| status.voter.site.clone()),
            voters_up: up.count() as u32,
            voters: voters.len() as u32,
        }
    };
    (0..=key_groups).map(GroupId).map(of_group).collect()
}

//! Who leads the groups of metadata.

use futures_util::future::join_all;
use riquet_cluster::admin::GroupView;
use riquet_metadata::voters::VoterStatus;
use riquet_metadata::{Client, GroupId};

/// How the voters see the groups. One that was cut off may name an older leader: the newest term is right.
pub(super) async fn groups(metadata: &Client, key_groups: u32) -> Vec<GroupView> {
    let asked = metadata.endpoints().iter();
    let asked = asked.map(|endpoint| metadata.voter_status(endpoint));
    let answers = join_all(asked).await;
    let answers: Vec<&VoterStatus> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .collect();
    let of_group = |group: GroupId| {
        let views = answers.iter().flat_map(|status| &status.groups);
        let views: Vec<_> = views.filter(|view| view.group == group).collect();
        let led = views.iter().filter(|view| view.leader.is_some());
        let leader = led
            .max_by_key(|view| view.term)
            .and_then(|view| view.leader);
        let leader = answers
            .iter()
            .find(|status| Some(status.voter.id) == leader);
        GroupView {
            group: group.0,
            leader: leader.map(|status| status.voter.endpoint.clone()),
            site: leader.and_then(|status| status.voter.site.clone()),
            voters_up: views.len() as u32,
            voters: metadata.endpoints().len() as u32,
        }
    };
    (0..=key_groups).map(GroupId).map(of_group).collect()
}

//! `riquet metadata status`: who leads each group, and whether its voters keep up.

use riquet_metadata::voters::{GroupView, VoterChange, VoterStatus, VotersAnswer};
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use super::groups;
use crate::error::Error;
use crate::output;

#[derive(Debug, Serialize)]
struct GroupRow {
    group: u32,
    /// Address of the voter that proved to lead.
    leader: String,
    /// None: an arbiter leads.
    site: Option<String>,
    term: u64,
    /// Entries that the leader has applied.
    applied: u64,
    voters: Vec<VoterRow>,
}

#[derive(Debug, Serialize)]
struct VoterRow {
    id: u64,
    endpoint: String,
    /// Entries that it has applied; none: it does not answer.
    applied: Option<u64>,
}

/// Runs the command.
pub(crate) async fn run(client: &Client, json: bool) -> Result<(), Error> {
    let mut rows = Vec::new();
    for group in groups(client).await? {
        rows.push(row(client, group).await?);
    }
    output::print(&rows, json, |rows| table(rows));
    Ok(())
}

async fn row(client: &Client, group: GroupId) -> Result<GroupRow, Error> {
    // That it is answered proves that the group serves.
    let VotersAnswer::Voters(voters) = client.change_voters(group, VoterChange::default()).await?
    else {
        unreachable!("nothing was asked to change");
    };
    let asked = voters
        .iter()
        .map(|voter| client.voter_status(&voter.endpoint));
    let answers = futures_util::future::join_all(asked).await;
    let view = |status: &VoterStatus| -> Option<GroupView> {
        let own = status.groups.iter().find(|view| view.group == group);
        own.cloned()
    };
    let views: Vec<Option<GroupView>> = answers
        .iter()
        .map(|answer| answer.as_ref().ok().and_then(view))
        .collect();
    // A voter that was cut off may name an older leader: the newest term is right.
    let newest = views.iter().flatten().filter(|view| view.leader.is_some());
    let newest = newest.max_by_key(|view| view.term);
    let leader = newest.and_then(|view| voters.iter().position(|v| Some(v.id) == view.leader));
    let applied_of = |n: usize| views[n].as_ref().map(|view| view.applied);
    Ok(GroupRow {
        group: group.0,
        leader: leader.map_or_else(String::new, |n| voters[n].endpoint.clone()),
        site: leader.and_then(|n| voters[n].site.clone()),
        term: newest.map_or(0, |view| view.term),
        applied: leader.and_then(applied_of).unwrap_or(0),
        voters: (0..voters.len())
            .map(|n| VoterRow {
                id: voters[n].id,
                endpoint: voters[n].endpoint.clone(),
                applied: applied_of(n),
            })
            .collect(),
    })
}

fn table(rows: &[GroupRow]) -> String {
    let behind = |row: &GroupRow, voter: &VoterRow| match voter.applied {
        None => format!("{} silent", voter.id),
        Some(applied) => match row.applied.saturating_sub(applied) {
            0 => voter.id.to_string(),
            lag => format!("{} -{lag}", voter.id),
        },
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let voters: Vec<String> = row.voters.iter().map(|voter| behind(row, voter)).collect();
            vec![
                match row.group {
                    0 => "0 (control)".to_owned(),
                    group => group.to_string(),
                },
                row.leader.clone(),
                row.site.clone().unwrap_or_else(|| "(arbiter)".into()),
                voters.join(", "),
                row.term.to_string(),
                row.applied.to_string(),
            ]
        })
        .collect();
    let titles = [
        "group",
        "leader",
        "site",
        "voters (entries behind)",
        "term",
        "entries",
    ];
    output::table(&titles, &cells, 4)
}

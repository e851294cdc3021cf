//! `riquet voter`: who votes on metadata.
//!
//! A change goes from group to group, and may be repeated until all are done: what is done already
//! is passed over.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use riquet_metadata::voters::{Voter, VoterChange, VotersAnswer};
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use super::{ClusterArgs, groups};
use crate::error::Error;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct VoterArgs {
    #[command(subcommand)]
    command: VoterCommand,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum VoterCommand {
    /// List the voters of every group, and who leads
    List,
    /// Have nodes vote that wait for it
    ///
    /// They get everything first. With voters at two sites and no arbiter, a majority of each site
    /// must agree from then on: give all voters of a new site in one command.
    Add {
        /// Where they serve
        #[arg(required = true, value_name = "HOST:PORT")]
        nodes: Vec<String>,
    },
    /// Have voters vote no more
    Remove {
        /// Their numbers or addresses
        #[arg(required = true, value_name = "VOTER")]
        voters: Vec<String>,
    },
    /// Have a node vote in the place of a voter, which may be gone
    Replace {
        /// The number or address of the one that goes
        #[arg(value_name = "VOTER")]
        old: String,
        /// Where the one serves that comes
        #[arg(value_name = "HOST:PORT")]
        new: String,
    },
}

#[derive(Debug, Serialize)]
struct VoterRow {
    id: u64,
    endpoint: String,
    /// None: an arbiter.
    site: Option<String>,
    answers: bool,
    /// Whether it came back without what it had: the others do not hear it.
    lost_its_data: bool,
    /// Groups it votes in.
    votes_in: Vec<u32>,
    /// Groups it leads, as far as it knows.
    leads: Vec<u32>,
}

/// Runs the command.
pub(crate) async fn run(args: VoterArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    match &args.command {
        VoterCommand::List => {}
        VoterCommand::Add { nodes } => {
            let mut add = Vec::new();
            for node in nodes {
                add.push(waiting(&client, node).await?);
            }
            change_all(&client, add, &[]).await?;
        }
        VoterCommand::Remove { voters } => change_all(&client, Vec::new(), voters).await?,
        VoterCommand::Replace { old, new } => {
            let add = vec![waiting(&client, new).await?];
            change_all(&client, add, std::slice::from_ref(old)).await?;
        }
    }
    let rows = rows(&client).await?;
    output::print(&rows, args.json, |rows| table(rows));
    Ok(())
}

/// A node as the voter that it says it is.
async fn waiting(client: &Client, endpoint: &str) -> Result<Voter, Error> {
    let status = client.voter_status(endpoint).await;
    status
        .map(|status| status.voter)
        .map_err(|_| Error::VoterSilent(endpoint.to_owned()))
}

async fn voters_of(client: &Client, group: GroupId) -> Result<Vec<Voter>, Error> {
    match client.change_voters(group, VoterChange::default()).await? {
        VotersAnswer::Voters(voters) => Ok(voters),
        VotersAnswer::NumberTaken(_) | VotersAnswer::NobodyLeft => {
            unreachable!("nothing was asked to change")
        }
    }
}

/// Makes a change in every group. Names of those who go are numbers or addresses.
async fn change_all(client: &Client, add: Vec<Voter>, leaving: &[String]) -> Result<(), Error> {
    let groups = groups(client).await?;
    // Those who are gone from some groups already, by an earlier run, are still known to others.
    let mut known: BTreeMap<u64, Voter> = BTreeMap::new();
    for &group in &groups {
        let voters = voters_of(client, group).await?;
        known.extend(voters.into_iter().map(|voter| (voter.id, voter)));
    }
    let mut remove = Vec::new();
    for name in leaving {
        let named = |voter: &&Voter| voter.endpoint == *name || voter.id.to_string() == *name;
        let found = known
            .values()
            .find(|voter| named(voter) && !add.contains(voter));
        remove.push(found.ok_or_else(|| Error::UnknownVoter(name.clone()))?.id);
    }
    let bar = indicatif::ProgressBar::new(groups.len() as u64);
    for group in groups {
        let change = VoterChange {
            add: add.clone(),
            remove: remove.clone(),
        };
        match client.change_voters(group, change).await? {
            VotersAnswer::Voters(_) => bar.inc(1),
            VotersAnswer::NumberTaken(id) => return Err(Error::VoterNumberTaken(id)),
            VotersAnswer::NobodyLeft => return Err(Error::NobodyLeft),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

async fn rows(client: &Client) -> Result<Vec<VoterRow>, Error> {
    let mut rows: BTreeMap<u64, VoterRow> = BTreeMap::new();
    let mut known = Vec::new();
    for group in groups(client).await? {
        for voter in voters_of(client, group).await? {
            let row = rows.entry(voter.id).or_insert_with(|| VoterRow {
                id: voter.id,
                endpoint: voter.endpoint.clone(),
                site: voter.site.clone(),
                answers: false,
                lost_its_data: false,
                votes_in: Vec::new(),
                leads: Vec::new(),
            });
            row.votes_in.push(group.0);
            known.push(voter);
        }
    }
    for row in rows.values_mut() {
        if let Ok(status) = client.voter_status(&row.endpoint).await {
            row.answers = status.voter.id == row.id;
            row.lost_its_data = known
                .iter()
                .any(|known| known.id == status.voter.id && !status.voter.may_be(known));
            let led = status
                .groups
                .iter()
                .filter(|view| view.leader == Some(row.id));
            row.leads = led.map(|view| view.group.0).collect();
        }
    }
    Ok(rows.into_values().collect())
}

fn table(rows: &[VoterRow]) -> String {
    let list = |numbers: &[u32]| {
        let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
        texts.join(" ")
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.id.to_string(),
                row.endpoint.clone(),
                row.site.clone().unwrap_or_else(|| "(arbiter)".into()),
                match (row.answers, row.lost_its_data) {
                    (true, true) => "LOST ITS DATA",
                    (true, false) => "up",
                    (false, _) => "SILENT",
                }
                .into(),
                list(&row.votes_in),
                list(&row.leads),
            ]
        })
        .collect();
    let titles = [
        "voter",
        "address",
        "site",
        "state",
        "votes in groups",
        "leads",
    ];
    output::table(&titles, &cells, titles.len())
}

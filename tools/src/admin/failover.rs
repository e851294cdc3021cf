//! `riquet failover`: a site goes on alone that needed the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use clap::Args;
use riquet_metadata::failover::{Promotion, promotions};
use riquet_metadata::voters::{PromoteAnswer, Voter, VoterChange, VoterStatus};
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use super::{ClusterArgs, confirm};
use crate::error::Error;
use crate::output;

/// How long a group that serves may take to prove it.
const PROOF: Duration = Duration::from_secs(5);
/// How long a promoted group may take to serve: an election, and more than one if votes split.
const RECOVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct FailoverArgs {
    /// The site that goes on alone [default: the one whose voters answer]
    #[arg(value_name = "SITE")]
    site: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    site: String,
    /// Those who vote from now on.
    voters: Vec<String>,
    /// Those who do so no more.
    without: Vec<String>,
    promoted_groups: Vec<u32>,
}

/// Runs the command.
pub(crate) async fn run(args: FailoverArgs) -> Result<(), Error> {
    let client = args.cluster.client()?;
    let asked = client.endpoints().iter().map(|e| client.voter_status(e));
    let statuses = futures_util::future::join_all(asked).await;
    let statuses: Vec<VoterStatus> = statuses.into_iter().flatten().collect();
    if statuses.is_empty() {
        return Err(Error::NoVoterAnswers);
    }
    let site = match &args.site {
        Some(site) => site.clone(),
        None => survivor(&client, &statuses).await?,
    };
    let promotions = stopped(&client, promotions(&statuses, &site)?).await;
    if promotions.is_empty() {
        return Err(Error::NothingToFailOver);
    }
    let (staying, leaving) = known_voters(&statuses, &site);
    if !args.json {
        println!(
            "{}",
            implications(&site, &staying, &leaving, &statuses, promotions.len())
        );
    }
    if !args.yes {
        confirm(&site)?;
    }
    for promotion in &promotions {
        let request = &promotion.request;
        match client.promote(&promotion.voter.endpoint, request).await? {
            PromoteAnswer::Promoted(_) => {}
            PromoteAnswer::Moved | PromoteAnswer::NotThere => {
                let group = request.group.0;
                return Err(Error::PromotionMoved { group });
            }
        }
    }
    let groups: Vec<GroupId> = promotions.iter().map(|p| p.request.group).collect();
    wait_until_served(&client, &groups).await?;
    if args.json {
        let report = Report {
            site,
            voters: staying,
            without: leaving,
            promoted_groups: groups.iter().map(|group| group.0).collect(),
        };
        println!("{}", output::json(&report));
    } else {
        let numbers = match has_arbiter(&statuses) {
            true => ", and those who voted have new numbers",
            false => "",
        };
        println!("{site} serves alone. When the other site is back{numbers}:");
        println!("  riquet voter add {}", leaving.join(" "));
    }
    Ok(())
}

/// The one site whose voters answer.
async fn survivor(client: &Client, statuses: &[VoterStatus]) -> Result<String, Error> {
    let sites = sites(statuses);
    let first = sites.first().ok_or(Error::NoVoterAnswers)?;
    if sites.len() == 1 {
        return Ok(first.clone());
    }
    match stopped(client, promotions(statuses, first)?).await[..] {
        [] => Err(Error::NothingToFailOver),
        _ => Err(Error::SurvivorUnclear(sites.join(", "))),
    }
}

/// The data sites of which a voter answers.
fn sites(statuses: &[VoterStatus]) -> Vec<String> {
    let sites = statuses.iter().filter_map(|s| s.voter.site.clone());
    let sites: BTreeSet<String> = sites.collect();
    sites.into_iter().collect()
}

/// Those of the promotions whose group does not serve.
async fn stopped(client: &Client, promotions: Vec<Promotion>) -> Vec<Promotion> {
    let tried = promotions.into_iter().map(|promotion| async {
        let serves = serves(client, promotion.request.group).await;
        (!serves).then_some(promotion)
    });
    let tried = futures_util::future::join_all(tried).await;
    tried.into_iter().flatten().collect()
}

async fn serves(client: &Client, group: GroupId) -> bool {
    let question = client.change_voters(group, VoterChange::default());
    matches!(tokio::time::timeout(PROOF, question).await, Ok(Ok(_)))
}

async fn wait_until_served(client: &Client, groups: &[GroupId]) -> Result<(), Error> {
    let since = Instant::now();
    for &group in groups {
        while !serves(client, group).await {
            if since.elapsed() > RECOVERY {
                return Err(Error::StillStopped { group: group.0 });
            }
        }
    }
    Ok(())
}

/// Addresses of all voters that are spoken of: those at the site, and the others.
fn known_voters(statuses: &[VoterStatus], site: &str) -> (Vec<String>, Vec<String>) {
    let views = statuses.iter().flat_map(|status| &status.groups);
    let voters: BTreeMap<u64, &Voter> = views
        .flat_map(|view| &view.voters)
        .map(|voter| (voter.id, voter))
        .collect();
    let (staying, leaving): (Vec<&Voter>, Vec<&Voter>) = voters
        .into_values()
        .partition(|voter| voter.site.as_deref() == Some(site));
    let addresses = |voters: Vec<&Voter>| voters.iter().map(|v| v.endpoint.clone()).collect();
    (addresses(staying), addresses(leaving))
}

/// Whether an arbiter may have voted in the place of a site.
fn has_arbiter(statuses: &[VoterStatus]) -> bool {
    let mut views = statuses.iter().flat_map(|status| &status.groups);
    views.any(|view| view.voters.iter().any(|voter| voter.site.is_none()))
}

/// What the person is about to do.
fn implications(
    site: &str,
    staying: &[String],
    leaving: &[String],
    statuses: &[VoterStatus],
    groups: usize,
) -> String {
    let answering: BTreeSet<&str> = statuses.iter().map(|s| &*s.voter.endpoint).collect();
    let row = |endpoint: &String, becomes: &str| {
        let answers = answering.contains(endpoint.as_str());
        vec![
            endpoint.clone(),
            if answers { "up" } else { "SILENT" }.to_owned(),
            becomes.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = staying
        .iter()
        .map(|endpoint| row(endpoint, "votes"))
        .chain(
            leaving
                .iter()
                .map(|endpoint| row(endpoint, "votes no more")),
        )
        .collect();
    let table = output::table(&["voter", "now", "then"], &rows, 3);
    let loss = match has_arbiter(statuses) {
        true => {
            "Writes acknowledged while this site was out of service may be lost, as an arbiter voted \
             in its place. The voters that leave must come back under new numbers."
        }
        false => "Nothing that was acknowledged is lost: both sites had to agree to it.",
    };
    format!(
        "\
{table}
{groups} groups do not serve. From now on {site} alone decides in them.
* {loss}
* The other site can decide nothing meanwhile, even if it still runs: its gateways serve what this
  site tells them, or answer 503.
* Objects that are kept at the other site only (ONEZONE_IA) stay away until it is back.
* Be sure that the other site is not promoted as well: then both would go on, each for itself.
* Until its voters are added again, {site} must not be lost."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: u64, site: Option<&str>) -> VoterStatus {
        VoterStatus {
            voter: Voter {
                id,
                endpoint: format!("host-{id}:1"),
                site: site.map(str::to_owned),
                folder: None,
            },
            groups: Vec::new(),
        }
    }

    #[test]
    fn an_arbiter_is_at_no_data_site() {
        let statuses = [
            status(1, Some("t")),
            status(2, None),
            status(3, Some("m")),
            status(4, Some("t")),
        ];
        assert_eq!(sites(&statuses), ["m", "t"]);
        assert!(sites(&statuses[1..2]).is_empty());
    }
}

//! `riquet rebalance`: every disk gets its share, as planned, paced, and visibly.
//!
//! A plan is computed for one layout and applied by that layout's epoch and the plan's digest, so what
//! was looked at is what is done, or nothing is.

mod plan;
mod progress;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use hyper::Method;
use riquet_cluster::admin::{Apply, NewPace, RebalancePlan, RebalanceStatus};
use riquet_cluster::layout::PaceWindow;

use super::Consent;
use super::api::{Answer, Api, ApiArgs};
use crate::error::Error;
use crate::files::{self, Readers};
use crate::output;

pub(super) use progress::{pace_text, status_text};

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct RebalanceArgs {
    #[command(subcommand)]
    command: RebalanceCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum RebalanceCommand {
    /// Show what a rebalance would move, how long it would take, and what it would mean; do nothing
    Plan {
        /// Write the plan to a file, for `riquet rebalance apply --plan`
        #[arg(long, value_name = "FILE.json")]
        out: Option<PathBuf>,
        /// List what each disk holds before and after
        #[arg(long)]
        disks: bool,
    },
    /// Begin a rebalance: one that was planned, or one that is planned now
    ///
    /// A plan counts for the layout that it was made for. If something changed since, nothing is done;
    /// plan anew.
    Apply {
        /// A plan of `riquet rebalance plan --out`; none: plan now, show the plan, and ask
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        #[command(flatten)]
        consent: Consent,
        /// Stay, and show how far it is, until it is over
        #[arg(long)]
        watch: bool,
    },
    /// Show how far the rebalance is
    Status {
        /// Stay, and show how far it is, until it is over
        #[arg(long)]
        watch: bool,
    },
    /// Have everything that moves stand still
    Pause,
    /// Have what was paused go on
    Resume,
    /// Give the rebalance up: what is on its way goes back, what has moved stays
    Abort {
        #[command(flatten)]
        consent: Consent,
    },
    /// Set how fast slots move, and at what hours
    ///
    /// What is not given stays as it is. Of several windows the first that fits counts.
    Pace(PaceArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct PaceArgs {
    /// MiB that each node may take in a second, outside of all windows; 0: nothing moves
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=u64::MAX >> 20))]
    mib: Option<u64>,
    /// Hours of each day, in UTC, with a rate of their own in MiB per second, such as 08:00-19:00=8; they
    /// take the place of all windows there were
    #[arg(long = "window", value_name = "HH:MM-HH:MM=MIB")]
    windows: Vec<PaceWindow>,
    /// Forget all windows
    #[arg(long, conflicts_with = "windows")]
    no_windows: bool,
}

/// Runs the command.
pub(crate) async fn run(args: RebalanceArgs) -> Result<(), Error> {
    let (mut api, json) = (args.api.connect()?, args.api.json);
    let api = &mut api;
    let changed = match args.command {
        RebalanceCommand::Plan { out, disks } => {
            return plan(api, out.as_deref(), disks, json).await;
        }
        RebalanceCommand::Apply {
            plan,
            consent,
            watch,
        } => {
            match plan {
                Some(path) => apply(api, &read_plan(&path)?, &consent, json).await?,
                None => plan_and_apply(api, &consent, json).await?,
            }
            return match watch {
                true => progress::watch(api, json).await,
                false => Ok(()),
            };
        }
        RebalanceCommand::Status { watch: true } => return progress::watch(api, json).await,
        RebalanceCommand::Status { watch: false } => {
            let status: Answer<RebalanceStatus> = api.get(progress::PATH).await?;
            status.print(json, status_text);
            return Ok(());
        }
        RebalanceCommand::Pause => api.change(Method::POST, "/v1/rebalance/pause").await?,
        RebalanceCommand::Resume => api.change(Method::POST, "/v1/rebalance/resume").await?,
        RebalanceCommand::Abort { consent } => {
            let what =
                "The rebalance is given up: what is on its way goes back, what has moved stays.";
            consent.ask(what, "abort")?;
            api.change(Method::POST, "/v1/rebalance/abort").await?
        }
        RebalanceCommand::Pace(pace) => {
            let pace = pace.to_document();
            let path = "/v1/rebalance/pace";
            api.change_with(Method::PUT, path, &pace).await?
        }
    };
    changed.print_change(json);
    Ok(())
}

/// What to do after a change that by itself moves nothing.
pub(super) fn what_is_next() -> &'static str {
    "Nothing moves yet. Next: riquet rebalance plan, then riquet rebalance apply."
}

/// Plans a rebalance, shows the plan, asks, and applies just that plan.
pub(super) async fn plan_and_apply(
    api: &mut Api,
    consent: &Consent,
    json: bool,
) -> Result<(), Error> {
    let plan: Answer<RebalancePlan> = api.get("/v1/rebalance/plan").await?;
    apply(api, &plan.view, consent, json).await
}

async fn plan(
    api: &mut Api,
    out: Option<&Path>,
    with_disks: bool,
    json: bool,
) -> Result<(), Error> {
    let plan: Answer<RebalancePlan> = api.get("/v1/rebalance/plan").await?;
    if let Some(path) = out {
        let text = output::json(&plan.document) + "\n";
        files::replace(path, &text, Readers::Anyone)?;
    }
    plan.print(json, |plan| match with_disks {
        true => [plan::text(plan), plan::disks_table(plan)].join("\n"),
        false => plan::text(plan),
    });
    Ok(())
}

async fn apply(
    api: &mut Api,
    plan: &RebalancePlan,
    consent: &Consent,
    json: bool,
) -> Result<(), Error> {
    // There is nothing to agree to where nothing moves; the gateway says so.
    if plan.slots > 0 {
        consent.ask(&plan::text(plan), "move")?;
    }
    let document = Apply {
        epoch: plan.epoch,
        digest: Some(plan.digest.clone()),
    };
    let changed = api
        .change_with(Method::POST, progress::PATH, &document)
        .await?;
    changed.print_change(json);
    Ok(())
}

fn read_plan(path: &Path) -> Result<RebalancePlan, Error> {
    let text = fs::read(path).map_err(Error::file("read", path))?;
    serde_json::from_slice(&text).map_err(|error| Error::BadPlan {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

impl PaceArgs {
    fn to_document(&self) -> NewPace {
        let windows = match (self.windows.is_empty(), self.no_windows) {
            (false, _) => Some(self.windows.clone()),
            (true, true) => Some(Vec::new()),
            (true, false) => None,
        };
        NewPace {
            bytes_per_second: self.mib.map(|mib| mib * MIB),
            windows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::answer;
    use super::*;

    fn pace(mib: Option<u64>, windows: &[&str], no_windows: bool) -> NewPace {
        let windows = windows.iter().map(|text| text.parse().unwrap()).collect();
        let args = PaceArgs {
            mib,
            windows,
            no_windows,
        };
        args.to_document()
    }

    #[test]
    fn what_is_not_given_of_a_pace_stays() {
        assert_eq!(pace(Some(8), &[], false).windows, None);
        assert_eq!(pace(Some(8), &[], false).bytes_per_second, Some(8 << 20));
        assert_eq!(pace(None, &[], true).windows, Some(Vec::new()));
        let with = pace(None, &["08:00-19:00=8"], false);
        assert_eq!(with.bytes_per_second, None);
        assert_eq!(with.windows.unwrap()[0].to_string(), "08:00-19:00=8");
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        let plan: RebalancePlan = answer("plan");
        fs::write(&path, output::json(&plan)).unwrap();
        assert_eq!(read_plan(&path).unwrap(), plan);
        fs::write(&path, "{}").unwrap();
        assert!(matches!(read_plan(&path), Err(Error::BadPlan { .. })));
    }
}

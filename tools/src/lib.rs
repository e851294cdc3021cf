//! The `riquet` command: operators' tools, the development cluster and the load generator.
//!
//! Exit code 0 means that everything asked was done, 1 that it was not (the reason is on standard
//! error), 2 that the command line was not understood.

mod admin;
mod bench;
mod cli;
mod dev;
mod error;
mod files;
mod first_layout;
mod output;
mod process;
mod s3;
mod shell;
mod simulate;
mod tls;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::error::Error;

/// Runs the command that `args` (the program's name first) asks for.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(usage) => {
            // Nothing is left to do when even the usage can't be written.
            let _ = usage.print();
            return ExitCode::from(usage.exit_code() as u8);
        }
    };
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("riquet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::Runtime)?;
    runtime.block_on(async {
        match cli.command {
            Command::Dev(args) => dev::run(args).await,
            Command::Status(args) => admin::overview::run(args).await,
            Command::Cluster(args) => admin::cluster::run(args).await,
            Command::Layout(args) => admin::layout::run(args).await,
            Command::Node(args) => admin::nodes::run(args).await,
            Command::Disk(args) => admin::disks::run(args).await,
            Command::Rebalance(args) => admin::rebalance::run(args).await,
            Command::Metadata(args) => admin::metadata::run(args).await,
            Command::Tenant(args) => admin::identity::tenants::run(args).await,
            Command::User(args) => admin::identity::users::run(args).await,
            Command::Key(args) => admin::identity::keys::run(args).await,
            Command::Policy(args) => admin::identity::policies::run(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::Tablet(args) => admin::tablets::run(args).await,
            Command::Garbage(args) => admin::garbage::run(args).await,
            Command::Lifecycle(args) => admin::lifecycle::run(args).await,
            Command::Scrub(args) => admin::scrub::run(args).await,
            Command::Repair(args) => admin::repair::run(args).await,
            Command::Voter(args) => admin::voters::run(args).await,
            Command::Failover(args) => admin::failover::run(args).await,
            Command::Simulate(args) => simulate::run(*args),
            Command::Completions(args) => shell::completions(&args),
            Command::Man(args) => shell::man(&args),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_code(line: &str) -> String {
        format!("{:?}", run(line.split(' ').map(OsString::from)))
    }

    #[test]
    fn success_refusal_and_nonsense_have_codes_of_their_own() {
        let code = |code| format!("{code:?}");
        let dir = tempfile::tempdir().unwrap();
        let line = format!("riquet man {}", dir.path().display());
        assert_eq!(exit_code(&line), code(ExitCode::SUCCESS));
        // Whoever has a key finds nobody there; whoever has none is told so.
        for command in ["status", "layout show", "node list", "rebalance pause"] {
            let line = format!("riquet {command} --admin-url http://127.0.0.1:1");
            assert_eq!(exit_code(&line), code(ExitCode::FAILURE), "{line}");
        }
        for line in ["riquet nonsense", "riquet rebalance status --watch=1"] {
            assert_eq!(exit_code(line), code(ExitCode::from(2)), "{line}");
        }
    }
}

//! `riquet simulate`: how durable a cluster would be, and what it would cost, before it is bought.
//!
//! Durability is computed twice: by a Markov chain of one placement group ([`markov`]), which sees
//! twenty nines as well as two, and by Monte Carlo over whole clusters ([`montecarlo`]), which takes
//! less on trust and sees only what is not too rare. `docs/SIMULATE.md` says what is modelled, what is
//! not, and where the defaults come from.

mod costs;
mod gth;
mod markov;
mod montecarlo;
mod plot;
mod repair;
mod report;
mod scheme;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Args;

pub(crate) use self::plot::PlotError;
use self::plot::{Format, PlotOver};
use self::report::Report;
pub(crate) use self::settings::SettingsError;
use self::settings::{Overrides, Settings};
use crate::error::Error;
use crate::output;

/// What to simulate: flags over the file's numbers over the defaults.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// TOML file of the numbers below, named with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Draw the durability of all profiles into a file, .svg or .png
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// What varies along the plot
    #[arg(long, value_enum, default_value_t = PlotOver::DiskAfr, requires = "plot")]
    plot_over: PlotOver,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: SimulateArgs) -> Result<(), Error> {
    let settings = Settings::load(args.config.as_deref(), args.overrides)?;
    // Before the long work, not after it.
    if let Some(path) = &args.plot {
        Format::of(path)?;
    }
    let report = Report::new(settings);
    output::print(&report, args.json, report::table);
    if let Some(path) = &args.plot {
        plot::plot(&report.settings, args.plot_over, path)?;
    }
    Ok(())
}

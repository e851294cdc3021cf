//! `riquet status`: how the cluster is, on one screen.

mod screen;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use riquet_cluster::admin::ClusterStatus;
use tokio::time::{MissedTickBehavior, interval};

use super::api::{Answer, Api, ApiArgs};
use crate::error::Error;
use crate::output;

/// Puts the cursor into the upper left corner.
const HOME: &str = "\x1b[H";

/// Clears what is right of the cursor.
const CLEAR_LINE: &str = "\x1b[K";

/// Clears what is below the cursor.
const CLEAR_BELOW: &str = "\x1b[J";

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Stay, and look again every so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    watch: Option<u64>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Runs the command.
pub(crate) async fn run(args: StatusArgs) -> Result<(), Error> {
    let mut api = args.api.connect()?;
    match args.watch {
        Some(seconds) => watch(&mut api, Duration::from_secs(seconds), args.api.json).await,
        None => {
            let status = look(&mut api).await?;
            match args.api.json {
                true => println!("{}", output::json(&status.document)),
                false => anstream::println!("{}", screen::text(&status.view)),
            }
            Ok(())
        }
    }
}

async fn look(api: &mut Api) -> Result<Answer<ClusterStatus>, Error> {
    api.get("/v1/status").await
}

/// Until somebody interrupts it. JSON comes as one document after the other.
async fn watch(api: &mut Api, every: Duration, json: bool) -> Result<(), Error> {
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    loop {
        looks.tick().await;
        match look(api).await {
            Ok(status) if json => println!("{}", output::json(&status.document)),
            Ok(status) => {
                last = screen::text(&status.view);
                redraw(&last);
            }
            // The cluster is being watched because something happens to it.
            Err(error) if error.is_passing() && !json => {
                redraw(&format!("{error}\n\nAs it was last seen:\n{last}"));
            }
            Err(error) if error.is_passing() => eprintln!("riquet: {error}"),
            Err(error) => return Err(error),
        }
    }
}

/// Draws over what was drawn before, without a flicker; where there is no terminal, below it.
fn redraw(text: &str) {
    if !std::io::stdout().is_terminal() {
        anstream::println!("{text}\n");
        return;
    }
    // Colours go through anstream, which knows whether they are wanted; the cursor moves in any case.
    let with_colours = match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    };
    let lines = with_colours.lines();
    let lines: String = lines.map(|line| format!("{line}{CLEAR_LINE}\n")).collect();
    let mut out = std::io::stdout().lock();
    // A terminal that is gone is the end of this command anyway.
    let _ = write!(out, "{HOME}{lines}{CLEAR_BELOW}").and_then(|()| out.flush());
}

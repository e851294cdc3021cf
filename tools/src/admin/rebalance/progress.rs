//! How far a rebalance is: once, or until it is over.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use riquet_cluster::admin::RebalanceStatus;
use riquet_cluster::layout::Pace;
use tokio::time::{MissedTickBehavior, interval};

use super::super::api::{Answer, Api};
use crate::error::Error;
use crate::output;

/// Where a rebalance is asked for, and after.
pub(super) const PATH: &str = "/v1/rebalance";

/// How often it is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Looks in a row that may fail: gateways restart, and leaders change.
const MISSES: u32 = 30;

/// What the state is called when nothing moves.
const IDLE: &str = "idle";

/// Cells of a bar of text.
const BAR_CELLS: u64 = 30;

/// How it stands, in a few lines.
pub(in super::super) fn status_text(status: &RebalanceStatus) -> String {
    if status.state == IDLE && status.to_leave == 0 {
        let pace = pace_text(&status.pace);
        return format!("Nothing moves. The pace is {pace}.");
    }
    let (done, all) = extent(status);
    let percent = output::percent(done, all);
    let filled = (percent.min(100) * BAR_CELLS / 100) as usize;
    let (full, empty) = ("#".repeat(filled), "-".repeat(BAR_CELLS as usize - filled));
    let since = status.begun_ms.map(output::moment);
    let since = since.map_or_else(String::new, |moment| format!(", begun {moment}"));
    let mut lines = vec![
        format!("{}{since}", status.state),
        format!("[{full}{empty}] {percent} %"),
        format!(
            "{} of {}; {} of {} slots moved, {} on their way, {} to go",
            output::bytes(status.moved_bytes),
            output::bytes(status.planned_bytes),
            status.settled_slots,
            status.planned_slots,
            status.moving_slots,
            status.slots_to_go,
        ),
        format!(
            "at most {}/s now, all nodes together; the pace is {}",
            output::bytes(status.bytes_per_second),
            pace_text(&status.pace)
        ),
    ];
    if status.owed_shards > 0 {
        let owed = status.owed_shards;
        lines.push(format!(
            "{owed} shards can't be copied and are made of others"
        ));
    }
    if status.to_leave > 0 {
        let leave = status.to_leave;
        lines.push(format!(
            "{leave} shards are to be removed from where they were"
        ));
    }
    let troubles = status.troubles.iter();
    lines.extend(troubles.map(|trouble| format!("trouble: {trouble}")));
    lines.join("\n")
}

/// A pace in words.
pub(in super::super) fn pace_text(pace: &Pace) -> String {
    let mut text = format!("{}/s for each node", output::bytes(pace.bytes_per_second));
    for window in &pace.windows {
        text.push_str(&format!(", {window} MiB/s (UTC)"));
    }
    if pace.is_paused {
        text.push_str(", paused");
    }
    text
}

/// Shows how far it is until it is over.
pub(super) async fn watch(api: &mut Api, json: bool) -> Result<(), Error> {
    let bar = Bar::new(json);
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut misses = 0;
    loop {
        looks.tick().await;
        let status: Answer<RebalanceStatus> = match api.get(PATH).await {
            Ok(status) => status,
            Err(error) if error.is_passing() && misses < MISSES => {
                misses += 1;
                bar.say(&error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        misses = 0;
        if json {
            println!("{}", output::json(&status.document));
        }
        bar.show(&status.view);
        if status.view.state == IDLE {
            bar.end();
            if !json {
                println!("{}", over_text(&status.view));
            }
            return Ok(());
        }
    }
}

fn over_text(status: &RebalanceStatus) -> String {
    match status.to_leave {
        0 => "The rebalance is over.".to_owned(),
        left => format!(
            "The rebalance is over; {left} shards are still to be removed from where they were."
        ),
    }
}

/// What is done, and of how much: in bytes, or in slots where these hold nothing.
fn extent(status: &RebalanceStatus) -> (u64, u64) {
    match status.planned_bytes {
        0 => (status.settled_slots, status.planned_slots),
        planned => (status.moved_bytes.min(planned), planned),
    }
}

/// A bar on a terminal; elsewhere a line whenever something has changed.
struct Bar {
    bar: ProgressBar,
    is_plain: bool,
    last: std::cell::RefCell<String>,
}

impl Bar {
    fn new(json: bool) -> Self {
        let is_drawn = !json && std::io::stderr().is_terminal();
        let target = match is_drawn {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            is_plain: !json && !is_drawn,
            last: String::new().into(),
        }
    }

    fn show(&self, status: &RebalanceStatus) {
        let (done, all) = extent(status);
        let slots = format!(
            "{}, {} of {} slots",
            status.state, status.settled_slots, status.planned_slots
        );
        if self.is_plain {
            self.line(&format!("{slots}, {} %", output::percent(done, all)));
            return;
        }
        let is_first = self.bar.length().is_none();
        if is_first {
            let template = match status.planned_bytes {
                0 => "{wide_bar} {pos}/{len}  {msg}",
                _ => "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
            };
            let style = ProgressStyle::with_template(template).expect("the template is fixed");
            self.bar.set_style(style);
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
        if is_first {
            // What was done before is no part of the rate.
            self.bar.reset_eta();
        }
        self.bar.set_message(slots);
    }

    /// Something else than progress.
    fn say(&self, text: &str) {
        match self.is_plain {
            true => self.line(text),
            false => self.bar.set_message(text.to_owned()),
        }
    }

    fn line(&self, text: &str) {
        if self.last.replace(text.to_owned()) != text {
            println!("{text}");
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{answer, golden};
    use super::*;

    #[test]
    fn progress_reads_well() {
        golden("rebalance", &status_text(&answer("rebalance")));
    }

    #[test]
    fn nothing_that_moves_is_said_in_a_line() {
        let idle = RebalanceStatus {
            state: IDLE.into(),
            to_leave: 0,
            ..answer("rebalance")
        };
        let text = status_text(&idle);
        assert!(text.starts_with("Nothing moves."), "{text}");
        assert_eq!(over_text(&idle), "The rebalance is over.");
    }

    #[test]
    fn slots_count_where_bytes_do_not() {
        let mut status: RebalanceStatus = answer("rebalance");
        (status.planned_bytes, status.moved_bytes) = (0, 0);
        assert_eq!(
            extent(&status),
            (status.settled_slots, status.planned_slots)
        );
        // More than was planned moves when objects are written meanwhile.
        (status.planned_bytes, status.moved_bytes) = (10, 12);
        assert_eq!(extent(&status), (10, 10));
    }
}

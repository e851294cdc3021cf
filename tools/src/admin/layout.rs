//! `riquet layout`: sites, nodes and disks as they are now, and what made them so.

use clap::{Args, Subcommand};
use riquet_cluster::admin::{DiskView, History, LayoutView, NodeView, PastLayout, ProfileView};
use riquet_cluster::id::DiskId;
use riquet_cluster::layout::{DiskState, NodeState};

use super::api::{Answer, ApiArgs};
use crate::error::Error;
use crate::output;

/// Digits of a disk's id that are shown, at least.
const SHORT_DIGITS: usize = 8;

/// Digits of a disk's id.
const DIGITS: usize = 32;

#[derive(Debug, Args)]
pub(crate) struct LayoutArgs {
    #[command(subcommand)]
    command: LayoutCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum LayoutCommand {
    /// Show the present layout: profiles, nodes, disks, and what moves
    ///
    /// The layout says which disk holds what. Every change of it makes the next version: its epoch.
    Show,
    /// List what made the layouts, the newest first: when, who, and what
    History {
        /// How many, at most
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// Runs the command.
pub(crate) async fn run(args: LayoutArgs) -> Result<(), Error> {
    let mut api = args.api.connect()?;
    match args.command {
        LayoutCommand::Show => {
            let layout: Answer<LayoutView> = api.get("/v1/layout").await?;
            layout.print(args.api.json, layout_text);
        }
        LayoutCommand::History { limit } => {
            let path = format!("/v1/layout/history?max={limit}");
            let history: Answer<History> = api.get(&path).await?;
            history.print(args.api.json, history_text);
        }
    }
    Ok(())
}

/// Ids of disks, cut to as many digits as tell them apart.
pub(super) struct ShortIds(usize);

impl ShortIds {
    pub(super) fn of(ids: impl IntoIterator<Item = DiskId>) -> Self {
        let mut texts: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
        texts.sort_unstable();
        texts.dedup();
        let common = |pair: &[String]| {
            let both = pair[0].bytes().zip(pair[1].bytes());
            both.take_while(|(a, b)| a == b).count()
        };
        let most = texts.windows(2).map(common).max().unwrap_or(0);
        Self((most + 1).clamp(SHORT_DIGITS, DIGITS))
    }

    pub(super) fn of_disks(disks: &[DiskView]) -> Self {
        Self::of(disks.iter().map(|disk| disk.id))
    }

    pub(super) fn text(&self, id: DiskId) -> String {
        let mut text = id.to_string();
        text.truncate(self.0);
        text
    }
}

/// The disk that is meant: by its whole id, whether it is known or not, or by what only its id begins with.
pub(super) fn disk_of(disks: &[DiskView], text: &str) -> Result<DiskId, Error> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let prefix = text.replace('-', "").to_ascii_lowercase();
    let is_meant = |disk: &&DiskView| {
        let id = disk.id.to_string();
        !prefix.is_empty() && id.starts_with(&prefix)
    };
    let found: Vec<DiskId> = disks.iter().filter(is_meant).map(|disk| disk.id).collect();
    match found[..] {
        [id] => Ok(id),
        [] => Err(Error::NoSuch {
            kind: "disk in the layout",
            name: text.to_owned(),
        }),
        _ => Err(Error::AmbiguousDisk {
            prefix: text.to_owned(),
            count: found.len(),
        }),
    }
}

/// The nodes as a table.
pub(super) fn nodes_table<'a>(nodes: impl IntoIterator<Item = &'a NodeView>) -> String {
    let row = |node: &NodeView| {
        vec![
            node.name.clone(),
            node.site.clone(),
            node.address.clone(),
            node_state(node.state).to_owned(),
            if node.is_up { "yes" } else { "no" }.to_owned(),
            node.version.clone().unwrap_or_else(|| "-".to_owned()),
            node.epoch
                .map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            node.slots.to_string(),
        ]
    };
    let titles = [
        "node", "site", "address", "state", "answers", "version", "layout", "slots",
    ];
    let rows: Vec<Vec<String>> = nodes.into_iter().map(row).collect();
    output::table(&titles, &rows, 6)
}

/// Disks as a table, with ids as short as `ids` has them.
pub(super) fn disks_table<'a>(
    disks: impl IntoIterator<Item = &'a DiskView>,
    ids: &ShortIds,
) -> String {
    let row = |disk: &DiskView| {
        let room = |bytes| match disk.total_bytes {
            // Its node does not answer.
            0 => "-".to_owned(),
            _ => output::bytes(bytes),
        };
        vec![
            ids.text(disk.id),
            disk.node.clone(),
            disk.site.clone(),
            disk_state(disk.state).to_owned(),
            disk.health.clone(),
            disk.weight.to_string(),
            disk.slots.to_string(),
            format!("{:.1}", disk.target_slots),
            room(disk.used_bytes),
            room(disk.free_bytes),
            room(disk.total_bytes),
        ]
    };
    let titles = [
        "disk", "node", "site", "state", "health", "weight", "slots", "share", "used", "free",
        "size",
    ];
    let rows: Vec<Vec<String>> = disks.into_iter().map(row).collect();
    output::table(&titles, &rows, 5)
}

fn node_state(state: NodeState) -> &'static str {
    match state {
        NodeState::Serving => "serving",
        NodeState::Maintenance => "maintenance",
        NodeState::Removed => "removed",
    }
}

fn disk_state(state: DiskState) -> &'static str {
    match state {
        DiskState::Active => "active",
        DiskState::Draining => "draining",
        DiskState::Removed => "removed",
    }
}

fn layout_text(layout: &LayoutView) -> String {
    let mut head = format!("Layout {}", layout.epoch);
    if let Some(change) = &layout.change {
        let at = output::moment(change.at_ms);
        head.push_str(&format!(", since {at}: {} (by {})", change.what, change.by));
    }
    let moves = match (layout.moving_slots, layout.slots_to_go) {
        (0, 0) => "Nothing moves.".to_owned(),
        (moving, to_go) => format!("{moving} slots are on their way, {to_go} have yet to begin."),
    };
    let ids = ShortIds::of_disks(&layout.disks);
    [
        head,
        profiles_table(&layout.profiles),
        nodes_table(&layout.nodes),
        disks_table(&layout.disks, &ids),
        moves,
    ]
    .join("\n")
}

fn profiles_table(profiles: &[ProfileView]) -> String {
    let row = |profile: &ProfileView| {
        vec![
            profile.name.clone(),
            profile.sites.join(", "),
            profile.data.to_string(),
            profile.per_site.to_string(),
            profile.groups.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = profiles.iter().map(row).collect();
    let titles = ["profile", "sites", "data", "shards a site", "groups"];
    output::table(&titles, &rows, 2)
}

fn history_text(history: &History) -> String {
    let unknown = || "-".to_owned();
    let row = |past: &PastLayout| {
        vec![
            past.epoch.to_string(),
            past.at_ms.map_or_else(unknown, output::moment),
            past.by.clone().unwrap_or_else(unknown),
            past.what.clone().unwrap_or_else(unknown),
            past.nodes.to_string(),
            past.disks.to_string(),
            past.moving.to_string(),
            past.to_go.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = history.changes.iter().map(row).collect();
    let titles = [
        "layout", "when", "by", "what", "nodes", "disks", "moving", "to go",
    ];
    let mut text = output::table(&titles, &rows, 4);
    if history.more {
        text.push_str("\nThere are older ones: give --limit.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, golden};
    use super::*;

    #[test]
    fn a_layout_reads_well() {
        golden("layout", &layout_text(&answer("layout")));
        golden("history", &history_text(&answer("history")));
    }

    #[test]
    fn what_begins_one_id_names_a_disk() {
        let layout: LayoutView = answer("layout");
        let disks = &layout.disks;
        let found = |text| disk_of(disks, text);
        assert_eq!(found("a1").unwrap(), disks[0].id);
        assert_eq!(found("A1B2C3D4-0000").unwrap(), disks[0].id);
        for (text, count) in [("b", 2), ("b7000000", 2)] {
            match found(text) {
                Err(Error::AmbiguousDisk { count: n, .. }) => assert_eq!(n, count),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in ["", "-", "c", "a1x"] {
            assert!(matches!(found(text), Err(Error::NoSuch { .. })), "{text}");
        }
        // A disk that comes is not in the layout yet.
        let new = DiskId::from_u128(7);
        assert_eq!(found(&new.to_string()).unwrap(), new);
    }

    #[test]
    fn ids_are_as_short_as_they_can_be() {
        let one = [DiskId::from_u128(7)];
        assert_eq!(ShortIds::of(one).text(one[0]), "00000000");
        let two = [DiskId::from_u128(7), DiskId::from_u128(8)];
        assert_eq!(ShortIds::of(two).text(two[0]).len(), DIGITS);
    }
}

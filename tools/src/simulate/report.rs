//! What is told of each scheme, as rows of numbers and as one table.

use serde::Serialize;

use super::costs::{Costs, unavailability};
use super::markov::{Durability, durability, nines};
use super::montecarlo::{self, Estimate, Sample};
use super::repair::{MOST_BUSY, Repair};
use super::scheme::Scheme;
use super::settings::Settings;
use crate::output;

/// Bytes of a TB.
const TB: f64 = 1e12;

/// The outcome of a simulation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) settings: Settings,
    pub(super) schemes: Vec<Row>,
}

/// What was computed for one scheme.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    profile: Scheme,
    /// Bytes on disks for a byte of objects.
    overhead: f64,
    usable_tb: f64,
    /// Losses of any shards of a group that are survived.
    survives_shards: u32,
    survives_with_site: String,
    /// Probability that anything is lost within a year, by the Markov chain.
    markov_loss_per_year: f64,
    /// Null: more than a float can tell.
    markov_nines: Option<f64>,
    /// The same if sites are never lost.
    markov_nines_without_site_losses: Option<f64>,
    /// Groups lost in a year, other than with all their sites.
    markov_groups_lost_per_year: f64,
    monte_carlo: Option<MonteCarloRow>,
    /// Nines of the time in which an object can be read.
    availability_nines: Option<f64>,
    disk_rebuild_hours: f64,
    node_rebuild_hours: f64,
    /// Share of the repair rate that is in use on average.
    repair_busy: f64,
    intersite_repair_tb_per_year: f64,
    /// Days until a site that was replaced is full; null: it never is.
    site_refill_days: Option<f64>,
    #[serde(flatten)]
    costs: Costs,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MonteCarloRow {
    cluster_years: f64,
    years_with_loss: u64,
    loss_per_year: Estimate,
    groups_lost_per_year: Estimate,
    intersite_repair_tb_per_year: f64,
}

impl Report {
    /// Computes everything that `settings` asks for.
    pub(super) fn new(settings: Settings) -> Self {
        let schemes = settings.profile.iter();
        let schemes = schemes.map(|it| Row::new(&settings, it)).collect();
        Self { settings, schemes }
    }
}

impl Row {
    fn new(settings: &Settings, scheme: &Scheme) -> Self {
        let all = durability(settings, scheme);
        let without_site_losses = Settings {
            site_loss_per_year: 0.0,
            ..settings.clone()
        };
        let hardware = durability(&without_site_losses, scheme);
        let repair = Repair::new(settings, scheme);
        let disk_shards = repair.shards_per_disk;
        let node_shards = disk_shards * f64::from(settings.disks_per_node);
        let refill = scheme.shards_to_send(0, scheme.shards(1));
        let sample = montecarlo::sample(settings, scheme);
        Self {
            profile: *scheme,
            overhead: scheme.overhead(),
            usable_tb: settings.usable_tb(scheme),
            survives_shards: scheme.spare([scheme.shards(0), scheme.shards(1)]),
            survives_with_site: scheme.survives_with_site(),
            markov_loss_per_year: all.loss_in_a_year(),
            markov_nines: finite(nines(all.loss_in_a_year())),
            markov_nines_without_site_losses: finite(nines(hardware.loss_in_a_year())),
            markov_groups_lost_per_year: all.groups_lost,
            availability_nines: finite(nines(unavailability(settings, scheme))),
            disk_rebuild_hours: repair.all_hours(disk_shards),
            node_rebuild_hours: repair.all_hours(node_shards),
            repair_busy: repair.busy(),
            intersite_repair_tb_per_year: all.sent_bytes / TB,
            // The mean of one group is half of what all take.
            site_refill_days: refill.map(|sent| 2.0 * repair.refill_hours(sent) / 24.0),
            costs: Costs::new(settings, scheme),
            notes: notes(settings, scheme, &repair, &all, sample.as_ref()),
            monte_carlo: sample.as_ref().map(MonteCarloRow::new),
        }
    }
}

impl MonteCarloRow {
    fn new(sample: &Sample) -> Self {
        Self {
            cluster_years: sample.cluster_years,
            years_with_loss: sample.years_with_loss,
            loss_per_year: sample.loss_in_a_year(),
            groups_lost_per_year: sample.groups_lost,
            intersite_repair_tb_per_year: sample.sent_bytes / TB,
        }
    }
}

/// JSON has no infinity.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// What a reader must know to read the figures aright.
fn notes(
    settings: &Settings,
    scheme: &Scheme,
    repair: &Repair,
    all: &Durability,
    sample: Option<&Sample>,
) -> Vec<String> {
    let mut notes = Vec::new();
    let most = scheme
        .shards(0)
        .max(scheme.shards(1))
        .div_ceil(settings.nodes_per_site);
    if most > 1 {
        let nodes = settings.nodes_per_site;
        notes.push(format!(
            "{scheme}: {nodes} nodes at a site are fewer than its shards: one holds up to {most} of a group"
        ));
    }
    if repair.busy() > MOST_BUSY {
        notes.push(format!(
            "{scheme}: repair can't keep up with what fails; raise --repair-mib-per-node"
        ));
    }
    let loss = all.loss_in_a_year();
    match sample {
        Some(sample) if sample.years_with_loss == 0 => {
            let high = sample.loss_in_a_year().high;
            notes.push(format!(
                "{scheme}: Monte Carlo saw no loss in {} cluster-years, so better than {:.1} nines (95 %)",
                sample.cluster_years,
                nines(high)
            ));
        }
        Some(sample) if loss > sample.loss_in_a_year().high => notes.push(format!(
            "{scheme}: the Markov figure is the more cautious one: groups that share disks are lost together"
        )),
        Some(sample) if loss < sample.loss_in_a_year().low => notes.push(format!(
            "{scheme}: Monte Carlo sees more losses than the Markov chain; repair queues grow beyond its approximation"
        )),
        _ => {}
    }
    notes
}

/// The report for people.
pub(super) fn table(report: &Report) -> String {
    let settings = &report.settings;
    let mut titles = vec![String::new()];
    titles.extend(report.schemes.iter().map(|row| row.profile.to_string()));
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let lines: Vec<Vec<String>> = LINES
        .iter()
        .map(|(title, cell)| {
            let cells = report.schemes.iter().map(cell);
            [(*title).to_owned()].into_iter().chain(cells).collect()
        })
        .collect();
    let mut text = format!(
        "{} sites x {} nodes x {} disks x {} TB = {:.1} PB raw, {} % used; seed {}\n{}",
        settings.sites,
        settings.nodes_per_site,
        settings.disks_per_node,
        settings.disk_tb,
        settings.raw_tb() / 1000.0,
        settings.used_percent,
        settings.seed,
        output::table(&titles, &lines, 1),
    );
    for note in report.schemes.iter().flat_map(|row| &row.notes) {
        text.push('\n');
        text.push_str(note);
    }
    text
}

/// Title and cell of each line of the table.
type Line = (&'static str, fn(&Row) -> String);

const LINES: [Line; 21] = [
    ("bytes on disks per byte", |row| {
        format!("{:.2}", row.overhead)
    }),
    ("usable, TB", |row| format!("{:.0}", row.usable_tb)),
    ("survives shards of a group", |row| {
        row.survives_shards.to_string()
    }),
    ("survives a site and shards", |row| {
        row.survives_with_site.clone()
    }),
    ("durability a year, nines: Markov", |row| {
        cell_of_nines(row.markov_nines)
    }),
    ("  the same without site losses", |row| {
        cell_of_nines(row.markov_nines_without_site_losses)
    }),
    ("  Monte Carlo", |row| monte_carlo(row, sampled_nines)),
    ("  its 95 % interval", |row| {
        monte_carlo(row, |it| {
            let Estimate { low, high, .. } = it.loss_per_year;
            let best = if low > 0.0 {
                format!("{:.2}", nines(low))
            } else {
                String::new()
            };
            format!("{:.2} .. {best}", nines(high))
        })
    }),
    ("groups lost a year: Markov", |row| {
        scientific(row.markov_groups_lost_per_year)
    }),
    ("  Monte Carlo", |row| {
        monte_carlo(row, |it| scientific(it.groups_lost_per_year.value))
    }),
    ("  its 95 % interval", |row| {
        monte_carlo(row, |it| {
            let Estimate { low, high, .. } = it.groups_lost_per_year;
            match it.groups_lost_per_year.value {
                0.0 => "-".to_owned(),
                _ => format!("{} .. {}", scientific(low), scientific(high)),
            }
        })
    }),
    ("availability of reads, nines", |row| {
        cell_of_nines(row.availability_nines)
    }),
    ("rebuild of a disk, h", |row| {
        format!("{:.1}", row.disk_rebuild_hours)
    }),
    ("rebuild of a node, h", |row| {
        format!("{:.1}", row.node_rebuild_hours)
    }),
    ("repair rate in use, %", |row| {
        format!("{:.2}", row.repair_busy * 100.0)
    }),
    ("between sites for repair, TB/year", |row| {
        scientific(row.intersite_repair_tb_per_year)
    }),
    ("refill of a lost site, days", |row| {
        row.site_refill_days
            .map_or("never".to_owned(), |it| format!("{it:.1}"))
    }),
    ("power, W", |row| format!("{:.0}", row.costs.watts)),
    ("energy a year, kWh", |row| {
        format!("{:.0}", row.costs.kwh_per_year)
    }),
    ("emissions a year, kgCO2e", |row| {
        format!("{:.0}", row.costs.kgco2e_per_year)
    }),
    ("EUR per usable TB and year", |row| {
        format!("{:.2}", row.costs.eur_per_usable_tb_year)
    }),
];

fn monte_carlo(row: &Row, cell: impl FnOnce(&MonteCarloRow) -> String) -> String {
    row.monte_carlo
        .as_ref()
        .map_or_else(|| "-".to_owned(), cell)
}

fn sampled_nines(row: &MonteCarloRow) -> String {
    match row.loss_per_year.value {
        0.0 => "none lost".to_owned(),
        loss => format!("{:.2}", nines(loss)),
    }
}

fn cell_of_nines(nines: Option<f64>) -> String {
    nines.map_or_else(|| "> 300".to_owned(), |it| format!("{it:.2}"))
}

fn scientific(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        0.01..10_000.0 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}
